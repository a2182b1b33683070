//! Hubs that no stream joins share by files that are carried between them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::federation::Federation;
use crate::hub::Hub;

/// Has a hub pack a file for others.
#[track_caller]
fn export(hub: &Hub, to: &[&str], file: &Path) -> Value {
    let mut words = vec!["courier", "export"];
    for code in to {
        words.extend(["--for", code]);
    }
    words.push(file.to_str().unwrap());
    hub.answer(&words)["parcels"].clone()
}

/// Has a hub take a file in.
#[track_caller]
fn import(hub: &Hub, file: &Path) -> Value {
    hub.answer(&["courier", "import", file.to_str().unwrap()])
}

fn named(federation: &Federation, name: &str) -> PathBuf {
    federation.folder().join(name)
}

/// Lets one hub run while all others are down.
#[track_caller]
fn alone<T>(federation: &mut Federation, code: &str, act: impl FnOnce(&Hub) -> T) -> T {
    federation.hub_mut(code).start();
    federation.hub(code).confirm_alone();
    let done = act(federation.hub(code));
    federation.hub_mut(code).stop();
    done
}

#[test]
fn hubs_that_are_never_connected_share_by_courier() {
    let mut federation = Federation::of(&["FR", "EEAS", "MD"]);

    // FR cannot seal to hubs whose keys of this week it has not heard of.
    for code in ["EEAS", "MD"] {
        let card = named(&federation, &format!("{code}.keys"));
        alone(&mut federation, code, |hub| export(hub, &["FR"], &card));
    }
    let keys = ["EEAS", "MD"].map(|code| named(&federation, &format!("{code}.keys")));
    let out = named(&federation, "fr.parcels");
    let (green, amber) = alone(&mut federation, "FR", |fr| {
        for keys in &keys {
            import(fr, keys);
        }
        let green = assessment("matriochka-overload-2024.json");
        let green = fr.release(&green, &format!("{HANDLING} --tlp GREEN --community"));
        let amber = assessment("portal-kombat-2024.json");
        let amber = fr.release(&amber, &format!("{HANDLING} --tlp AMBER --rel-to EEAS"));
        let packed = export(fr, &["EEAS", "MD"], &out);
        assert_eq!(
            (&packed[0]["items"], &packed[0]["left"]),
            (&2.into(), &0.into()),
            "{packed}"
        );
        assert_eq!(
            (&packed[1]["items"], &packed[1]["left"]),
            (&1.into(), &0.into()),
            "{packed}"
        );
        (green, amber)
    });

    let back = ["EEAS", "MD"].map(|code| named(&federation, &format!("{code}.receipts")));
    for (code, expected) in [("EEAS", vec![&green, &amber]), ("MD", vec![&green])] {
        let receipts = if code == "EEAS" { &back[0] } else { &back[1] };
        alone(&mut federation, code, |hub| {
            let taken = import(hub, &out);
            assert_eq!(taken["notTaken"], 1, "the parcel of the other hub: {taken}");
            assert_eq!(taken["parcels"][0]["taken"], expected.len(), "{taken}");
            // Taken in twice is taken in once.
            let again = import(hub, &out);
            assert_eq!(again["parcels"][0]["taken"], 0, "{again}");
            assert_eq!(again["parcels"][0]["known"], expected.len(), "{again}");
            let inbox: BTreeSet<String> = hub.inbox().into_iter().map(|(item, _)| item).collect();
            assert_eq!(
                inbox.iter().collect::<BTreeSet<_>>(),
                expected.into_iter().collect()
            );
            export(hub, &["FR"], receipts);
        });
    }

    alone(&mut federation, "FR", |fr| {
        for receipts in &back {
            import(fr, receipts);
        }
        let holdings = fr.answer(&["status", "holdings"]);
        let states = holdings.as_array().unwrap().iter().map(|one| &one["state"]);
        assert_eq!(
            states.filter(|state| *state == "delivered").count(),
            3,
            "{holdings}"
        );
        assert_eq!(fr.audit()["kinds"]["receipt"], 3);
        // What has a receipt is not packed again.
        let rest = export(fr, &["EEAS"], &file_of(&out, "rest"));
        assert_eq!(rest[0]["items"], 0, "{rest}");
    });
}

fn file_of(beside: &Path, name: &str) -> PathBuf {
    beside.with_file_name(name)
}

#[test]
fn a_file_that_is_no_parcel_for_this_hub_is_refused_and_changes_nothing() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let [whole, cut, flipped, other] =
        ["whole", "cut", "flipped", "other"].map(|name| named(&federation, name));
    alone(&mut federation, "EEAS", |eeas| export(eeas, &["FR"], &whole));
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&flipped, changed).unwrap();
    std::fs::write(&other, "a letter").unwrap();
    alone(&mut federation, "FR", |fr| {
        let before = fr.audit();
        for (file, code, says) in [
            (&cut, "parcel-file", "ends in the middle of parcel 1"),
            (&flipped, "parcel-not-ours", "damaged on the way"),
            (&other, "parcel-file", "is not one of `testudo courier export`"),
        ] {
            let refused = fr.ask(&["courier", "import", file.to_str().unwrap()]);
            refused.refused(65, code, &[says]);
        }
        // A file that is there already is somebody's.
        let again = fr.ask(&["courier", "export", "--for", "EEAS", whole.to_str().unwrap()]);
        again.refused(73, "file", &["cannot be written"]);
        assert_eq!(std::fs::read(&whole).unwrap(), bytes);
        assert_eq!(fr.audit(), before);
    });
    // The parcel is for FR alone: its own sender cannot take it in.
    alone(&mut federation, "EEAS", |eeas| {
        let refused = eeas.ask(&["courier", "import", whole.to_str().unwrap()]);
        refused.refused(65, "parcel-not-ours", &["sealed to another hub"]);
    });
}

#[test]
fn a_hub_that_is_connected_needs_no_parcel() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    federation.start();
    let file = named(&federation, "parcel");
    let fr = federation.hub("FR");
    let refused = fr.ask(&["courier", "export", "--for", "EEAS", file.to_str().unwrap()]);
    refused.refused(2, "reachable", &["EEAS is connected"]);
    assert!(!file.exists());
}
