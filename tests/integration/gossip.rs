//! Hubs that gossip: what one releases to all comes by way of the others too, once, and each decision is on record.

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::waiting::{PATIENCE, wait_until};

/// Who gossips: together they are everybody, which is a community.
const CODES: [&str; 4] = ["FR", "EEAS", "DE", "SE"];

/// Releases at most, until one of them has gone from member to member: gossip promises nothing.
const RELEASES_MAX: usize = 10;

/// Decisions of all hubs but the originator: to pass on what came by gossip.
fn relays(federation: &Federation) -> u64 {
    let others = federation.hubs().iter().filter(|hub| hub.code != "FR");
    others
        .map(|hub| hub.audit()["kinds"]["decision"].as_u64().unwrap_or(0))
        .sum()
}

#[test]
fn what_is_for_everybody_goes_from_member_to_member_and_arrives_once() {
    let mut federation = Federation::of(&CODES);
    for hub in federation.hubs_mut() {
        hub.environment.insert("TESTUDO__DELIVERY__COMMUNITIES", "gossip");
    }
    federation.start();
    let bundle = assessment("portal-kombat-2024.json");
    let flags = format!("{HANDLING} --tlp AMBER --rel-to EEAS,DE,SE");
    let mut released = Vec::new();
    while relays(&federation) == 0 {
        assert!(released.len() < RELEASES_MAX, "nothing went by gossip");
        let fr = federation.hub("FR");
        released.push((fr.release(&bundle, &flags), 1));
        fr.wait_until_delivered();
    }
    // One more when all are killed and started: what gossip forgets, direct sending does not.
    federation.hubs_mut().iter_mut().for_each(|hub| hub.kill());
    federation.start();
    let fr = federation.hub("FR");
    released.push((fr.release(&bundle, &flags), 1));
    fr.wait_until_delivered();

    for code in ["EEAS", "DE", "SE"] {
        let hub = federation.hub(code);
        let mut inbox = hub.inbox();
        inbox.sort();
        let mut expected = released.clone();
        expected.sort();
        assert_eq!(inbox, expected, "{code}");
        let audit = hub.audit();
        assert_eq!(audit["kinds"]["received"], released.len(), "{code}: {audit}");
    }
    let receipts = wait_until(PATIENCE, "every receipt is entered", || {
        let receipts = federation.hub("FR").audit()["kinds"]["receipt"].as_u64();
        receipts.filter(|receipts| *receipts >= 3 * released.len() as u64)
    });
    assert_eq!(receipts, 3 * released.len() as u64);
}
