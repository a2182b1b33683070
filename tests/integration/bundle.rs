//! Bundles for tests: the real assessments of the testnet, and made-up ones where a test needs its own words.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// TLP 2.0 markings of OASIS, which a bundle may name without including them.
pub const GREEN: &str = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb";

/// A flag line for every label but its TLP and audience.
pub const HANDLING: &str = "--level 1 --personal none --purpose situational-awareness";

/// The folder of the testnet's assessments.
pub fn assessments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/assessments")
}

/// One of the testnet's assessments.
pub fn assessment(file: &str) -> PathBuf {
    assessments().join(file)
}

/// A GREEN report of our own with this title and text; bundles of different numbers have different ids.
pub fn report(number: u32, title: &str, text: &str) -> Value {
    let id = |kind: &str| format!("{kind}--00000000-0000-4000-8000-{number:012}");
    let time = "2025-01-15T08:00:00.000Z";
    json!({
        "type": "bundle",
        "id": id("bundle"),
        "objects": [{
            "type": "report", "spec_version": "2.1", "id": id("report"),
            "created": time, "modified": time, "published": time,
            "name": title, "description": text,
            "object_refs": [id("identity")], "object_marking_refs": [GREEN],
        }, {
            "type": "identity", "spec_version": "2.1", "id": id("identity"),
            "created": time, "modified": time,
            "name": "Duty desk (made up)", "identity_class": "organization",
        }],
    })
}

/// Writes a bundle into a folder.
pub fn write(folder: &Path, name: &str, bundle: &Value) -> PathBuf {
    write_text(folder, name, bundle.to_string())
}

/// Writes what may be no bundle into a folder.
pub fn write_text(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
