//! Everything that lies in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every regular file under a folder, by its path inside it. Sockets are left out.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let (kind, path) = (entry.file_type().unwrap(), entry.path());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                // A database that is open removes its own files while they are listed.
                if let Ok(bytes) = std::fs::read(&path) {
                    files.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
                }
            }
        }
    }
    files
}

/// Whether a text stands in some bytes: as it is, or in hexadecimal.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let found = |needle: &str| {
        bytes
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
    };
    found(text) || found(&hex)
}

#[test]
fn a_text_is_found_in_any_form() {
    for bytes in ["before CANARY after", "canary", "00 43414e415259", "43414E415259"] {
        assert!(holds(bytes.as_bytes(), "CANARY"), "{bytes}");
    }
    assert!(!holds(b"CANAR Y", "CANARY"));
    assert!(!holds(b"", "CANARY"));
}
