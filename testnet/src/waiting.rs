//! Waiting for something to become true.

use std::time::{Duration, Instant};

use crate::fault::DemoError;

/// Between two looks: short beside what a person notices, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(25);

/// Longest wait for one thing. Everything here takes milliseconds; a slow machine takes a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something.
///
/// `what` completes the sentence "waited in vain until".
///
/// # Errors
/// [`DemoError::TooLate`] after `limit`, or whatever `look` fails with.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, DemoError>,
) -> Result<T, DemoError> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begin.elapsed() >= limit {
            return Err(DemoError::TooLate {
                what: what.to_owned(),
                limit,
            });
        }
        // The one pause of the demo: other processes are waited for, and they call nobody when they are done.
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_what_was_found() {
        let mut looks = 0;
        let found = wait_until("the third look", PATIENCE, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn it_ends_with_a_sentence() {
        let never = wait_until::<()>("pigs fly", Duration::ZERO, || Ok(None));
        assert_eq!(never.unwrap_err().one_line(), "waited 0 s in vain until pigs fly");
    }
}
