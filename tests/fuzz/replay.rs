//! Replays the corpora of the fuzz targets: seeds, and whatever was ever found.
//!
//! Runs with the other tests and needs no fuzzer. A target without a corpus, and a corpus without a target, fail.

#![allow(clippy::disallowed_methods, reason = "reads the corpora")]

mod checks;

use std::fs;
use std::path::Path;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 8] = [
    ("attachment", checks::attachment),
    ("frame", checks::frame),
    ("inner", checks::inner),
    ("open", checks::open_bytes),
    ("padding", checks::padding),
    ("piece", checks::piece),
    ("prescan", checks::prescan_bytes),
    ("recipient", checks::recipient),
];

#[test]
fn the_corpora_hold() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<String> = fs::read_dir(&corpus)
        .expect("tests/fuzz/corpus")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    folders.sort();
    assert_eq!(
        folders,
        TARGETS.map(|(name, _)| name),
        "one corpus for each target"
    );
    for (name, check) in TARGETS {
        let mut files = 0;
        for entry in fs::read_dir(corpus.join(name)).expect("the corpus") {
            let file = entry.expect("an entry").path();
            println!("{}", file.display());
            check(&fs::read(&file).expect("the file"));
            files += 1;
        }
        assert!(files > 0, "{name} has no corpus");
    }
}
