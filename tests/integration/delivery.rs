//! What was acknowledged arrives, once, whoever is killed in between.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bundle::{self, HANDLING, assessment};
use crate::federation::Federation;
use crate::waiting::{PATIENCE, wait_until};

/// Items of the burst.
const BURST: usize = 20;

/// Text of one item of the burst, in bytes: large enough that a delivery of all takes some time.
const TEXT_BYTES: usize = 512 * 1024;

#[test]
fn a_release_outlives_its_sender_and_waits_for_its_receiver() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    federation.hub_mut("EEAS").kill();
    let fr = federation.hub_mut("FR");
    let bundle = assessment("portal-kombat-2024.json");
    let item = fr.release(&bundle, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"));
    // The acknowledgement is the last thing that this process did.
    fr.kill();
    fr.start();
    let holdings = fr.answer(&["status", "holdings"]);
    assert_eq!(holdings[0]["state"], "queued", "{holdings}");

    federation.hub_mut("EEAS").start();
    federation.hub("FR").wait_until_delivered();
    let expected = [(item.clone(), 1)];
    assert_eq!(federation.hub("EEAS").inbox(), expected);

    // The sender starts once more, and finds that there is nothing left to send.
    federation.hub_mut("FR").kill();
    federation.hub_mut("FR").start();
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    assert_eq!(federation.hub("EEAS").inbox(), expected);
    federation.hub_mut("EEAS").stop();
    let eeas = federation.hub("EEAS");
    assert_eq!(eeas.inbox(), expected, "a stopped hub shows another inbox");
    assert_eq!(eeas.audit()["kinds"]["received"], 1);
    let receipts = &federation.hub("FR").audit()["kinds"]["receipt"];
    assert_eq!(receipts, 1);
}

#[test]
fn a_receiver_that_is_killed_in_mid_delivery_has_everything_once() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    federation.hub_mut("EEAS").kill();
    let fr = federation.hub("FR");
    let text = "All work and no play. ".repeat(TEXT_BYTES / 22);
    let released: BTreeSet<String> = (0..BURST)
        .map(|number| {
            let report = bundle::report(u32::try_from(number).unwrap(), &format!("Item {number}"), &text);
            let path = bundle::write(federation.folder(), "item.json", &report);
            fr.release(&path, &format!("{HANDLING} --tlp GREEN --community"))
        })
        .collect();
    assert_eq!(released.len(), BURST);

    let eeas = federation.hub_mut("EEAS");
    eeas.spawn();
    wait_until(PATIENCE, "the first items arrive", || {
        (eeas.log().matches("item arrived").count() >= 3).then_some(())
    });
    eeas.kill();
    let arrived = eeas.inbox().len();
    assert!(
        (1..BURST).contains(&arrived),
        "killed too early or too late: {arrived} had arrived"
    );
    eeas.audit();

    eeas.start();
    federation.hub("FR").wait_until_delivered();
    let eeas = federation.hub("EEAS");
    let inbox = eeas.inbox();
    assert_eq!(inbox.len(), BURST, "something is there twice or never");
    let items: BTreeSet<String> = inbox.into_iter().map(|(item, _)| item).collect();
    assert_eq!(items, released);
    assert_eq!(eeas.audit()["kinds"]["received"], BURST);
    assert_eq!(federation.hub("FR").audit()["kinds"]["receipt"], BURST);
}

#[test]
fn a_hub_that_is_told_to_stop_leaves_everything_signed_and_readable() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let fr = federation.hub("FR");
    for file in ["matriochka-overload-2024.json", "doppelgaenger-rrn-2023.json"] {
        fr.release(&assessment(file), &format!("{HANDLING} --tlp GREEN --community"));
    }
    fr.wait_until_delivered();
    let record = |audit: &Value| {
        (
            audit["entries"].clone(),
            audit["root"].clone(),
            audit["kinds"].clone(),
        )
    };
    for code in ["FR", "EEAS"] {
        let hub = federation.hub(code);
        let (inbox, released) = (hub.answer(&["inbox"]), hub.answer(&["released"]));
        let running = hub.audit();
        let status = hub.answer(&["status"]);
        assert_eq!(
            (&status["ledgerEntries"], &status["ledgerRoot"]),
            (&running["entries"], &running["root"])
        );

        federation.hub_mut(code).stop();
        let hub = federation.hub(code);
        assert!(!hub.data.join("control.sock").exists());
        let stopped = hub.audit();
        assert_eq!(record(&stopped), record(&running));
        assert_eq!(
            stopped["covered"], stopped["entries"],
            "entries without a signature"
        );
        assert_eq!(stopped["opened"], stopped["entries"]);
        assert_eq!(hub.answer(&["inbox"]), inbox);
        assert_eq!(hub.answer(&["released"]), released);
        assert_eq!(hub.audit(), stopped, "reading has changed the ledger");
    }
    federation.start();
}
