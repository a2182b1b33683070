//! SIGKILL in the middle of a delivery: what was acknowledged is there, and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::mpsc;
use std::thread;

use crate::answers::{Delivery, InboxEntry, Released};
use crate::assessments;
use crate::desk::Desk;
use crate::fault::DemoError;
use crate::hub::Hub;
use crate::scenario::{GREEN_TO_COMMUNITY, draft};
use crate::stage::Stage;
use crate::waiting::{PATIENCE, wait_until};

/// Releases in the burst.
const RELEASES: usize = 24;

/// At least so many are receipted before the kill, and at least so many are not.
const EACH_SIDE_MIN: usize = 6;

/// Who is killed.
const VICTIM: Hub = Hub::Eeas;

/// Releases quickly, kills the EEAS in the middle, restarts it, and counts.
///
/// # Errors
/// [`DemoError::NotHeld`] if something acknowledged is lost, or anything is there twice or never.
pub fn play(stage: &mut Stage) -> Result<(), DemoError> {
    let draft = draft(Hub::Fr, assessments::MATRIOCHKA, GREEN_TO_COMMUNITY);
    let title = draft.assessment.title();
    stage.screen.step(&format!(
        "FR releases “{title}” {RELEASES} times, and {VICTIM} is killed in the middle"
    ));
    stage.screen.say(draft.audience);
    let preview = stage.preview(&draft)?;
    let released = release_and_kill(stage, &stage.release_words(&draft, &preview))?;
    for one in &released {
        stage.remember(&draft, &preview, one)?;
    }
    let items: BTreeSet<String> = released.into_iter().map(|released| released.item).collect();
    if items.len() != RELEASES {
        return Err(DemoError::NotHeld(format!(
            "{RELEASES} releases gave {} items",
            items.len()
        )));
    }

    // The victim is dead: every receipt that is there now was given before.
    let receipted = delivered(&stage.federation.desk(Hub::Fr).holdings()?, VICTIM, &items);
    if !(EACH_SIDE_MIN..=RELEASES - EACH_SIDE_MIN).contains(&receipted.len()) {
        let count = receipted.len();
        let sentence = format!("{count} of {RELEASES} were receipted at the kill, which is not the middle");
        return Err(DemoError::NotHeld(sentence));
    }
    let on_disk = count_copies(&stage.federation.desk(VICTIM).inbox()?, &items);
    must_hold(&receipted, &on_disk, "in the folder of the killed hub")?;
    stage.screen.say(&format!(
        "{VICTIM} killed with SIGKILL: {} of {RELEASES} receipted, {} not; the killed hub's folder holds {}",
        receipted.len(),
        RELEASES - receipted.len(),
        on_disk.len(),
    ));

    stage.federation.start_again(VICTIM)?;
    for receiver in [VICTIM, Hub::Md] {
        wait_until_all_delivered(stage, receiver, &items)?;
        let copies = count_copies(&stage.federation.desk(receiver).inbox()?, &items);
        must_hold(&receipted, &copies, &format!("at {receiver} after the restart"))?;
        must_hold(&items, &copies, &format!("at {receiver} after the restart"))?;
    }
    stage.screen.say(&format!(
        "{VICTIM} restarted: all {RELEASES} delivered; everything receipted before is there, nothing twice; the same \
         at MD, which kept running"
    ));
    Ok(())
}

/// Runs the burst in a thread of its own and kills the victim once enough is receipted.
fn release_and_kill(stage: &mut Stage, words: &[OsString]) -> Result<Vec<Released>, DemoError> {
    let desk = stage.federation.desk(Hub::Fr);
    let watch = desk.clone();
    let before: BTreeSet<String> = watch
        .holdings()?
        .into_iter()
        .map(|delivery| delivery.item)
        .collect();
    let (killed, has_been_killed) = mpsc::channel();
    thread::scope(|scope| {
        let burst = scope.spawn(move || release_all(&desk, words, &has_been_killed));
        let what = format!("{VICTIM} has receipted {EACH_SIDE_MIN} of the burst");
        wait_until(&what, PATIENCE, || {
            let holdings = watch.holdings()?;
            let fresh = |delivery: &&Delivery| {
                delivery.receiver == VICTIM
                    && delivery.delivered.is_some()
                    && !before.contains(&delivery.item)
            };
            Ok((holdings.iter().filter(fresh).count() >= EACH_SIDE_MIN).then_some(()))
        })?;
        stage.federation.kill(VICTIM);
        // The burst has ended early if nobody listens; its own error says why.
        let _heard = killed.send(());
        burst
            .join()
            .unwrap_or_else(|_| Err(DemoError::NotHeld("the burst of releases broke off".to_owned())))
    })
}

/// Releases one after the other; the last few only after the kill, so that some are never receipted before it.
fn release_all(
    desk: &Desk,
    words: &[OsString],
    has_been_killed: &mpsc::Receiver<()>,
) -> Result<Vec<Released>, DemoError> {
    let mut released = Vec::with_capacity(RELEASES);
    for number in 0..RELEASES {
        let is_held_back = number == RELEASES - EACH_SIDE_MIN;
        if is_held_back && has_been_killed.recv().is_err() {
            return Err(DemoError::NotHeld(format!(
                "the burst ended after {number} releases"
            )));
        }
        released.push(desk.run(words.to_vec())?);
    }
    Ok(released)
}

fn wait_until_all_delivered(stage: &Stage, receiver: Hub, items: &BTreeSet<String>) -> Result<(), DemoError> {
    let desk = stage.federation.desk(Hub::Fr);
    wait_until(
        &format!("all {RELEASES} are receipted by {receiver}"),
        PATIENCE,
        || {
            let delivered = delivered(&desk.holdings()?, receiver, items);
            Ok((delivered.len() == items.len()).then_some(()))
        },
    )
}

/// Which of these items the receiver has receipted.
fn delivered(holdings: &[Delivery], receiver: Hub, items: &BTreeSet<String>) -> BTreeSet<String> {
    let wanted = |delivery: &&Delivery| {
        delivery.receiver == receiver && delivery.delivered.is_some() && items.contains(&delivery.item)
    };
    holdings
        .iter()
        .filter(wanted)
        .map(|delivery| delivery.item.clone())
        .collect()
}

/// How often each of these items is in an inbox; those that are not are left out.
fn count_copies(inbox: &[InboxEntry], items: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for entry in inbox.iter().filter(|entry| items.contains(&entry.item)) {
        *copies.entry(entry.item.clone()).or_insert(0) += 1;
    }
    copies
}

/// Each of `items` is there, and nothing is there more than once.
fn must_hold(
    items: &BTreeSet<String>,
    copies: &BTreeMap<String, usize>,
    place: &str,
) -> Result<(), DemoError> {
    let lost = items.iter().filter(|item| !copies.contains_key(*item)).count();
    let repeated = copies.values().filter(|count| **count > 1).count();
    if lost == 0 && repeated == 0 {
        return Ok(());
    }
    Err(DemoError::NotHeld(format!(
        "{lost} of {} acknowledged items are not there and {repeated} are there twice, {place}",
        items.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losing_and_doubling_are_seen() {
        let items = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let copies = |counts: &[(&str, usize)]| -> BTreeMap<String, usize> {
            counts
                .iter()
                .map(|(item, count)| ((*item).to_owned(), *count))
                .collect()
        };
        must_hold(&items, &copies(&[("a", 1), ("b", 1), ("c", 1)]), "here").unwrap();
        let lost = must_hold(&items, &copies(&[("a", 1)]), "here").unwrap_err();
        assert!(
            lost.one_line()
                .starts_with("1 of 2 acknowledged items are not there")
        );
        let twice = must_hold(&items, &copies(&[("a", 1), ("b", 2)]), "here").unwrap_err();
        assert!(twice.one_line().contains("1 are there twice"));
    }
}
