//! Windows of every ciphertext, recorded as it is sealed, for the proof that none went astray.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use testudo_crypto::digest::hex;
use testudo_protocol::id::ItemRef;

/// Length of a window, in bytes.
const WINDOW_BYTES: usize = 32;

/// Windows taken of one ciphertext, spread evenly from its first byte to its last.
const WINDOWS: usize = 16;

/// The file of windows.
pub(super) struct Canaries {
    file: File,
}

impl Canaries {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("canaries.jsonl"))?;
        Ok(Self { file })
    }

    /// Records the windows of one ciphertext before any byte of it can leave.
    pub(super) fn record(&mut self, item: ItemRef, cipher: &[u8]) -> std::io::Result<()> {
        // Every age file begins with the same words; what follows its header is unlike any other.
        let header = testudo_crypto::seal::prescan(cipher).map_or(0, |shape| shape.header_bytes);
        let payload = cipher.get(header..).unwrap_or_default();
        let last = payload.len().saturating_sub(WINDOW_BYTES);
        let windows: Vec<String> = (0..WINDOWS)
            .map(|at| last * at / (WINDOWS - 1))
            .filter_map(|start| payload.get(start..start + WINDOW_BYTES))
            .map(hex)
            .collect();
        let line = serde_json::json!({
            "item": item.item.to_string(), "version": item.version.get(), "windows": windows,
        });
        writeln!(self.file, "{line}")
    }
}
