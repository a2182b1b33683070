//! Attachments between real processes: fetched by who may, refused to who may not, resumed after a kill, gone with their item.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundle::{HANDLING, assessment};
use crate::contents::{contents, holds};
use crate::federation::Federation;
use crate::hub::Hub;
use crate::waiting::{PATIENCE, wait_until};

/// Length of the attachment, in bytes: a short video.
const BYTES: usize = 8 << 20;

/// Stands in every stretch of the content, in its name, and in nothing else.
const CANARY: &str = "ZWERGSEEADLERPFIFF";

/// Distance between the windows of a sealed file that must not go astray, in bytes.
const WINDOW_EVERY: usize = 16 << 10;

const OPEN: &str = "permit (principal, action, resource);\n";

const NOT_TO_MD: &str = r#"
@id("N-1")
@reason("National policy gives nothing more to this partner.")
forbid (principal == Peer::"MD", action in Action::"disclose", resource);
permit (principal, action, resource);
"#;

fn content() -> Vec<u8> {
    let line = |number: u64| {
        format!(
            "{CANARY} frame {number:016x} {:016x}\n",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    };
    let mut content: Vec<u8> = (0..)
        .flat_map(|number| line(number).into_bytes())
        .take(BYTES)
        .collect();
    content.shrink_to_fit();
    content
}

/// The files in a hub's folder of attachments.
fn blobs(hub: &Hub) -> Vec<PathBuf> {
    let entries = fs::read_dir(hub.data.join("blobs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Bytes of the sealed file that lie in a hub's folder, whole or not.
fn sealed_bytes(hub: &Hub) -> u64 {
    let files = blobs(hub).into_iter();
    let sealed = files.filter(|path| path.extension().is_some_and(|ending| ending == "age"));
    sealed
        .filter_map(|path| Some(fs::metadata(path).ok()?.len()))
        .sum()
}

#[track_caller]
fn fetch(hub: &Hub, item: &str, out: &Path) -> Value {
    hub.answer(&["object", "fetch", item, "1", "--out", out.to_str().unwrap()])
}

#[track_caller]
fn state(hub: &Hub, item: &str) -> (String, u64) {
    let lines = hub.answer(&["object", "list", item]);
    let line = &lines[0];
    (
        line["state"].as_str().unwrap().to_owned(),
        line["fetched"].as_u64().unwrap(),
    )
}

/// How many windows of a sealed file stand in what a tap recorded.
fn windows_in(sealed: &[u8], recorded: &[u8]) -> usize {
    let windows = (4_096..sealed.len() - 32).step_by(WINDOW_EVERY);
    let wanted: BTreeSet<&[u8]> = windows.map(|at| &sealed[at..at + 32]).collect();
    // Most of a record is passed over by its first two bytes.
    let begin = |window: &[u8]| usize::from(window[0]) << 8 | usize::from(window[1]);
    let mut begins = vec![false; 1 << 16];
    for window in &wanted {
        begins[begin(window)] = true;
    }
    let found = recorded
        .windows(32)
        .filter(|window| begins[begin(window)] && wanted.contains(window));
    found.count()
}

#[test]
fn an_attachment_goes_to_who_may_have_it_and_leaves_with_its_item() {
    let mut federation = Federation::with_taps(&["FR", "EEAS", "MD"]);
    let desk = tempfile::tempdir().unwrap();
    let national = desk.path().join("national");
    fs::create_dir(&national).unwrap();
    fs::write(national.join("own.cedar"), OPEN).unwrap();
    let folder: &'static str = Box::leak(national.display().to_string().into_boxed_str());
    let environment = &mut federation.hub_mut("FR").environment;
    environment.insert("TESTUDO__POLICIES__NATIONAL", folder);
    federation.start();

    let video = desk.path().join(format!("{CANARY}.mp4"));
    let content = content();
    fs::write(&video, &content).unwrap();
    let flags = format!(
        "{HANDLING} --tlp AMBER --rel-to EEAS,MD --attach {}",
        video.display()
    );
    let bundle = assessment("moldova-parliamentary-2025.json");
    let fr = federation.hub("FR");

    // What is previewed is what is released: another content under the same name is another preview.
    let preview = fr.preview(&bundle, &flags).document();
    fs::write(&video, b"another content").unwrap();
    let hash = preview["hash"].as_str().unwrap();
    fr.release_as(&bundle, &flags, hash)
        .refused(4, "preview-changed", &["preview"]);
    assert_eq!(blobs(fr), [] as [PathBuf; 0], "a refused release leaves no file");
    fs::write(&video, &content).unwrap();
    let released = fr.release_as(&bundle, &flags, hash).document();
    let item = released["item"].as_str().unwrap().to_owned();
    fr.wait_until_delivered();
    assert_eq!(blobs(fr).len(), 2);
    let sealed = fs::read(
        blobs(fr)
            .iter()
            .find(|path| path.extension().unwrap() == "age")
            .unwrap(),
    )
    .unwrap();

    // The item is there, its attachment is not, and is shown by its name.
    let eeas = federation.hub("EEAS");
    let shown = eeas.answer(&["show", &item]);
    assert_eq!(shown["attachments"][0]["name"], format!("{CANARY}.mp4"));
    assert_eq!(shown["attachments"][0]["mediaType"], "video/mp4");
    assert_eq!(shown["attachments"][0]["bytes"], BYTES);
    assert_eq!(state(eeas, &item), ("not fetched".to_owned(), 0));
    assert_eq!(blobs(eeas), [] as [PathBuf; 0]);

    // From here on MD may not have it any more.
    fs::write(national.join("own.cedar"), NOT_TO_MD).unwrap();
    let diff = fr.answer(&["policy", "diff"]);
    fr.answer(&["policy", "activate", "--hash", diff["proposed"].as_str().unwrap()]);
    let md = federation.hub("MD");
    let out = desk.path().join("md.mp4");
    let refused = md.ask(&["object", "fetch", &item, "--out", out.to_str().unwrap()]);
    refused.refused(3, "not-here", &["nobody who sent the item"]);
    assert!(!out.exists());
    assert_eq!(blobs(md), [] as [PathBuf; 0]);
    let log = fr.log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("attachment refused"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("N-1") && told[0].contains("MD"), "{told:?}");

    // EEAS is killed in the middle, comes back by itself, and goes on where its disk ends.
    let out = desk.path().join("eeas.mp4");
    let words = [
        "object",
        "fetch",
        &item,
        "--out",
        out.to_str().unwrap(),
        "--wait",
        "0",
    ];
    eeas.ask(&words).refused(75, "not-yet", &["goes on"]);
    wait_until(PATIENCE, "some pieces are there", || {
        (sealed_bytes(federation.hub("EEAS")) >= 1 << 20).then_some(())
    });
    federation.hub_mut("EEAS").kill();
    let kept = sealed_bytes(federation.hub("EEAS"));
    assert!(
        kept < sealed.len() as u64,
        "killed too late: all {kept} bytes are there"
    );
    federation.hub_mut("EEAS").start();
    let eeas = federation.hub("EEAS");
    let fetched = fetch(eeas, &item, &out);
    assert_eq!(fetched["bytes"], BYTES);
    assert!(fs::read(&out).unwrap() == content, "another content");
    assert_eq!(state(eeas, &item), ("fetched".to_owned(), sealed.len() as u64));
    assert_eq!(federation.hub("FR").audit()["kinds"]["served"], 1);

    // Nothing of it went to MD, and to EEAS little more than once.
    let fr = federation.hub("FR");
    let sent = |to: &str| fs::read(fr.tap.as_deref().unwrap().join(format!("{to}.sent"))).unwrap();
    assert_eq!(windows_in(&sealed, &sent("MD")), 0);
    let to_eeas = sent("EEAS");
    assert!(
        windows_in(&sealed, &to_eeas) > sealed.len() / WINDOW_EVERY - 2,
        "the search finds what was sent"
    );
    assert!(
        to_eeas.len() < sealed.len() + (4 << 20),
        "{} bytes were sent",
        to_eeas.len()
    );

    // Name and content show where a person asked for them, and in no file of any hub.
    assert!(holds(&content[..100], CANARY));
    for hub in federation.hubs() {
        for (path, bytes) in contents(&hub.data) {
            assert!(!holds(&bytes, CANARY), "{} {}", hub.code, path.display());
        }
        assert!(!holds(hub.log().as_bytes(), CANARY), "{}", hub.code);
    }

    fr.answer(&["retract", &item]);
    wait_until(PATIENCE, "all receivers have destroyed it", || {
        let holdings = fr.answer(&["status", "holdings", &item]);
        let is_purged = |holding: &Value| !holding["purged"].is_null();
        holdings.as_array().unwrap().iter().all(is_purged).then_some(())
    });
    for hub in federation.hubs() {
        assert_eq!(
            blobs(hub),
            [] as [PathBuf; 0],
            "{} after the retraction",
            hub.code
        );
    }
    let again = desk.path().join("again.mp4");
    let refused =
        federation
            .hub("EEAS")
            .ask(&["object", "fetch", &item, "1", "--out", again.to_str().unwrap()]);
    refused.refused(4, "withdrawn", &["withdrawn"]);
}

#[test]
fn what_a_crash_leaves_is_removed_and_what_cannot_be_attached_is_refused() {
    let mut federation = Federation::of(&["FR", "EEAS"]);
    let desk = tempfile::tempdir().unwrap();
    federation.start();
    let bundle = assessment("portal-kombat-2024.json");
    let file = |name: &str, bytes: &[u8]| {
        let path = desk.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let flags = |attached: &str| format!("{HANDLING} --tlp AMBER --rel-to EEAS --attach {attached}");
    let fr = federation.hub("FR");
    let (one, two) = (file("one.png", b"one"), file("two.txt", b""));
    let item = fr.release(&bundle, &flags(&format!("{one},{two}")));
    fr.wait_until_delivered();
    let eeas = federation.hub("EEAS");
    let lines = eeas.answer(&["object", "list", &item]);
    let names: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (&line["number"], &line["name"]))
        .collect();
    assert_eq!(
        names,
        [
            (&Value::from(1), &Value::from("one.png")),
            (&Value::from(2), &Value::from("two.txt"))
        ]
    );

    // Refusals: each names the attachment by its number, never by its name.
    let missing = desk.path().join("missing.png").display().to_string();
    fr.preview(&bundle, &flags(&format!("{one},{missing}")))
        .refused(2, "no-such-file", &["attachment 2"]);
    let twice = format!("{one},{one}");
    fr.preview(&bundle, &flags(&twice))
        .refused(2, "attachment-malformed", &["attachment 2", "earlier"]);
    let many: Vec<String> = (0..17).map(|at| file(&format!("{at}.png"), b"x")).collect();
    fr.preview(&bundle, &flags(&many.join(",")))
        .refused(2, "attachment-malformed", &["17", "16"]);
    let out = desk.path().join("out");
    let out = out.to_str().unwrap();
    eeas.ask(&["object", "fetch", &item, "--out", out])
        .refused(2, "usage", &["2 attachments"]);
    eeas.ask(&["object", "fetch", &item, "3", "--out", out]).refused(
        3,
        "no-such-attachment",
        &["2 attachments"],
    );
    eeas.ask(&["object", "fetch", &item, "1", "--out", &one])
        .refused(73, "file-exists", &["--out"]);

    // An empty file is a file.
    assert_eq!(
        eeas.answer(&["object", "fetch", &item, "2", "--out", out])["bytes"],
        0
    );
    assert_eq!(fs::read(out).unwrap(), b"");

    // Files that no row names: an upload that nobody released, a destruction that a crash cut short.
    federation.hub_mut("FR").kill();
    let fr = federation.hub("FR");
    let before = blobs(fr).len();
    let left = fr.data.join("blobs/00112233445566778899aabbccddeeff.age");
    fs::write(&left, b"left by a crash").unwrap();
    federation.hub_mut("FR").start();
    assert!(!left.exists());
    assert_eq!(blobs(federation.hub("FR")).len(), before);
}
