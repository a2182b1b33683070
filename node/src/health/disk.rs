//! Free space.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::store::FREE_BYTES_MIN;

/// Below this many free bytes somebody should look: sixteen times the floor, hours of a busy hub.
const TIGHT_BYTES: u64 = 16 * FREE_BYTES_MIN;

/// The disk that the database is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// The folder that was asked about.
    pub folder: PathBuf,
    /// Bytes that the hub may still write.
    pub free_bytes: u64,
    /// Below this many, no new work is taken.
    pub floor_bytes: u64,
}

impl Disk {
    /// Asks the system about the disk of a folder.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            floor_bytes: FREE_BYTES_MIN,
        })
    }

    /// How it is.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let free = format!(
            "{} free on the disk of `{}`",
            bytes(self.free_bytes),
            self.folder.display()
        );
        if self.free_bytes < self.floor_bytes {
            let sentence = format!(
                "{free}, at least {} needed: no new work is taken",
                bytes(self.floor_bytes)
            );
            Finding::fail(
                "disk",
                sentence,
                "make room on that disk; the hub goes on by itself",
            )
        } else if self.free_bytes < TIGHT_BYTES {
            let sentence = format!("{free}; new work stops below {}", bytes(self.floor_bytes));
            Finding::warn(
                "disk",
                sentence,
                "make room on that disk, or move the data folder to a larger one",
            )
        } else {
            Finding::ok("disk", free)
        }
    }
}

/// A number of bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut unit) = (count / 1_024, 0);
    while whole >= 10_240 && unit + 1 < UNITS.len() {
        whole /= 1_024;
        unit += 1;
    }
    format!("{whole} {}", UNITS.get(unit).unwrap_or(&"TiB"))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_disk_is_low_before_it_is_full() {
        let level = |free_bytes| {
            let disk = Disk {
                folder: "store".into(),
                free_bytes,
                floor_bytes: FREE_BYTES_MIN,
            };
            disk.finding().level
        };
        assert_eq!(level(0), Level::Fail);
        assert_eq!(level(FREE_BYTES_MIN - 1), Level::Fail);
        assert_eq!(level(FREE_BYTES_MIN), Level::Warn);
        assert_eq!(level(TIGHT_BYTES), Level::Ok);
    }

    #[test]
    fn bytes_are_written_for_people() {
        for (count, text) in [
            (0, "0 KiB"),
            (64 * 1_024 * 1_024, "64 MiB"),
            (5 << 40, "5120 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
