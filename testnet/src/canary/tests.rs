use super::*;

fn canary(sender: Hub, item: &str) -> Canary {
    Canary {
        content: (sender, item.to_owned(), 1),
        windows: vec![[7; WINDOW_BYTES]],
    }
}

fn disclosure(sender: Hub, item: &str, receivers: &[Hub]) -> Disclosure {
    Disclosure {
        sender,
        item: item.to_owned(),
        version: 1,
        receivers: receivers.iter().copied().collect(),
        title: "Portal Kombat".to_owned(),
    }
}

fn sent(by: Hub, to: &str) -> Recording {
    Recording {
        by,
        is_sent: true,
        peer: to.to_owned(),
    }
}

/// One item of FR that is for the EEAS alone, seen in these recordings.
fn judged(seen_in: &[Recording]) -> Result<Proof, String> {
    let recordings = seen_in
        .iter()
        .map(|recording| (recording.clone(), BTreeSet::from([0])));
    let disclosures = [disclosure(Hub::Fr, "a", &[Hub::Eeas])];
    judge(&[canary(Hub::Fr, "a")], &recordings.collect(), &disclosures, 100)
}

#[test]
fn content_that_went_to_its_receivers_alone_is_proven() {
    let proof = judged(&[sent(Hub::Fr, "EEAS")]).unwrap();
    let hubs = BTreeMap::from([
        (Hub::Fr, Share::default()),
        (
            Hub::Eeas,
            Share {
                meant: 1,
                found: 1,
                ..Share::default()
            },
        ),
        (
            Hub::Md,
            Share {
                not_meant: 1,
                ..Share::default()
            },
        ),
    ]);
    let expected = Proof {
        ciphertexts: 1,
        windows: 1,
        hubs,
        recordings: 1,
        bytes: 100,
    };
    assert_eq!(proof, expected);
}

#[test]
fn content_that_went_elsewhere_fails() {
    let error = judged(&[sent(Hub::Fr, "EEAS"), sent(Hub::Fr, "MD")]).unwrap_err();
    assert!(
        error.contains("went to MD, whom it was not for: seen in FR/MD.sent"),
        "{error}"
    );
    let unlisted = judged(&[sent(Hub::Fr, "EEAS"), sent(Hub::Fr, "12D3KooW")]).unwrap_err();
    assert!(unlisted.contains("went to 12D3KooW"), "{unlisted}");
}

#[test]
fn content_that_another_hub_passed_on_fails() {
    let error = judged(&[sent(Hub::Fr, "EEAS"), sent(Hub::Eeas, "MD")]).unwrap_err();
    assert!(error.contains("seen in EEAS/MD.sent"), "{error}");
    let received = Recording {
        by: Hub::Md,
        is_sent: false,
        peer: "EEAS".to_owned(),
    };
    let error = judged(&[sent(Hub::Fr, "EEAS"), received]).unwrap_err();
    assert!(
        error.contains("went to MD, whom it was not for: seen in MD/EEAS.received"),
        "{error}"
    );
}

#[test]
fn content_that_was_never_found_fails() {
    let error = judged(&[]).unwrap_err();
    assert!(error.contains("was not found in FR/EEAS.sent"), "{error}");
}

#[test]
fn content_without_a_canary_fails() {
    let disclosures = [disclosure(Hub::Md, "b", &[Hub::Fr])];
    let error = judge(&[], &Sightings::new(), &disclosures, 0).unwrap_err();
    assert!(error.contains("MD recorded no canary"), "{error}");
}

#[test]
fn every_receiver_is_looked_at() {
    let canaries = [canary(Hub::Fr, "a")];
    let disclosures = [disclosure(Hub::Fr, "a", &[Hub::Eeas, Hub::Md])];
    let both = [sent(Hub::Fr, "EEAS"), sent(Hub::Fr, "MD")];
    let seen = |recordings: &[Recording]| -> Sightings {
        recordings
            .iter()
            .map(|recording| (recording.clone(), BTreeSet::from([0])))
            .collect()
    };
    judge(&canaries, &seen(&both), &disclosures, 0).unwrap();
    let error = judge(&canaries, &seen(&both[..1]), &disclosures, 0).unwrap_err();
    assert!(error.contains("was not found in FR/MD.sent"), "{error}");
}

#[test]
fn what_several_contents_share_is_no_canary() {
    let (common, own) = ([1; WINDOW_BYTES], [2; WINDOW_BYTES]);
    let mut canaries = [canary(Hub::Fr, "a"), canary(Hub::Fr, "b"), canary(Hub::Fr, "b")];
    canaries[0].windows = vec![common, own];
    canaries[1].windows = vec![common];
    canaries[2].windows = vec![[3; WINDOW_BYTES]];
    leave_out_shared(&mut canaries);
    assert_eq!(canaries[0].windows, [own]);
    assert!(canaries[1].windows.is_empty());
    // Twice the same content is one content.
    canaries[1].windows = vec![[3; WINDOW_BYTES]];
    leave_out_shared(&mut canaries);
    assert_eq!(canaries[1].windows.len(), 1);
}

#[test]
fn only_windows_of_its_own_make_a_canary() {
    let mut bare = canary(Hub::Fr, "a");
    bare.windows.clear();
    let disclosures = [disclosure(Hub::Fr, "a", &[Hub::Eeas])];
    let error = judge(&[bare], &Sightings::new(), &disclosures, 0).unwrap_err();
    assert!(error.contains("FR recorded no canary"), "{error}");
}

#[test]
fn canaries_are_read_strictly() {
    let window = "0f".repeat(WINDOW_BYTES);
    let line = format!(r#"{{"item":"a","version":2,"windows":["{window}"]}}"#);
    let canary = read_canary(Hub::Fr, &line).unwrap();
    assert_eq!(canary.content, (Hub::Fr, "a".to_owned(), 2));
    assert_eq!(canary.windows, [[15; WINDOW_BYTES]]);
    for bad in ["", "{}", r#"{"item":"a","version":2,"windows":["0f"]}"#] {
        assert!(read_canary(Hub::Fr, bad).is_none(), "{bad}");
    }
    assert!(read_window(&"é".repeat(WINDOW_BYTES)).is_none());
}

#[test]
fn the_whole_way_from_files_to_a_verdict() {
    let folder = Folder::temporary().unwrap();
    for hub in Hub::ALL {
        std::fs::create_dir(folder.tap(hub)).unwrap();
    }
    let window: Window = std::array::from_fn(|at| at as u8);
    let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{{\"item\":\"a\",\"version\":1,\"windows\":[\"{hex}\"]}}\n");
    std::fs::write(folder.tap(Hub::Fr).join(CANARIES), line).unwrap();
    let bytes = [&[9; 5000], &window[..], &[9; 5000]].concat();
    std::fs::write(folder.tap(Hub::Fr).join("EEAS.sent"), &bytes).unwrap();
    std::fs::write(folder.tap(Hub::Fr).join("MD.sent"), [9; 5000]).unwrap();
    let disclosures = [disclosure(Hub::Fr, "a", &[Hub::Eeas])];
    let proof = prove(&folder, &disclosures).unwrap();
    assert_eq!((proof.windows, proof.recordings, proof.bytes), (1, 2, 15032));

    std::fs::write(folder.tap(Hub::Fr).join("MD.sent"), &bytes).unwrap();
    let error = prove(&folder, &disclosures).unwrap_err().one_line();
    assert!(error.contains("went to MD"), "{error}");
}
