//! Waiting for something that another process does.

use std::time::{Duration, Instant};

/// Between two looks: short beside what is waited for, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for one thing. All of them take milliseconds; a busy machine takes a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until `probe` finds something, and returns it.
///
/// `what` completes the sentence "waited in vain until".
///
/// # Panics
/// After `deadline`: the test has failed.
#[track_caller]
pub fn wait_until<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            begin.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}"
        );
        // The one pause of these tests: other processes call nobody when they are done.
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn a_wait_ends_with_what_was_found() {
    let mut looks = 0;
    let found = wait_until(PATIENCE, "the third look", || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(found, 3);
}

#[test]
#[should_panic(expected = "in vain until pigs fly")]
fn a_wait_ends_with_a_sentence() {
    wait_until::<()>(Duration::ZERO, "pigs fly", || None);
}
