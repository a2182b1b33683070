//! A look into the write-ahead logs before RocksDB reads them.
//!
//! RocksDB drops a record at the end of a log that does not fit its checksum: a loss of power has torn it, and
//! nobody was told that it was written. It cannot tell that from a record in the middle that the disk has
//! altered, and then drops all that stands behind it too, although that was acknowledged. The difference is easy
//! to see: behind a torn record there is nothing whole.
//!
//! An altered last record still passes for a torn one. That is one write; the anchor and the peers' copies of
//! checkpoints show it if a checkpoint was over it.
//!
//! Source: RocksDB, `db/log_format.h`: blocks of 32 KiB with records of masked CRC-32C, length, type, payload.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
/// What RocksDB adds to a rotated checksum, so that one over data with checksums in it is no trap.
const MASK_DELTA: u32 = 0xa282_ead8;
/// Types of a record and of its first, middle and last fragment.
const FRAGMENTS: std::ops::RangeInclusive<u8> = 1..=4;
/// Those with which another record begins.
const BEGINNINGS: std::ops::RangeInclusive<u8> = 1..=2;
/// Types of 5 to 8 belong to logs that are used again, which ours are not; those above say something about the log.
const ABOUT_THE_LOG: u8 = 9;

/// The first log in a database's folder in which something whole stands behind something that is not.
///
/// # Errors
/// What the system says about a file that cannot be read.
pub(super) fn altered_log(database: &Path) -> io::Result<Option<PathBuf>> {
    let mut logs: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("log")) {
            logs.push(path);
        }
    }
    logs.sort();
    for path in logs {
        if is_altered(&fs::read(&path)?) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Whether a record begins somewhere behind bytes that are none. Later fragments of the same record do not count:
/// a disk that loses power may have written the end of it and not the middle.
fn is_altered(log: &[u8]) -> bool {
    let mut broken = false;
    for block in log.chunks(BLOCK_BYTES) {
        let mut rest = block;
        while rest.len() >= HEADER_BYTES {
            // The end of a log that was set aside and not written yet, or of a block.
            if !broken && rest.iter().all(|byte| *byte == 0) {
                break;
            }
            match record(rest) {
                Some((_, kind)) if broken && BEGINNINGS.contains(&kind) => return true,
                Some((length, _)) => rest = rest.get(length..).unwrap_or_default(),
                None => {
                    // Its length may be altered too: what follows is looked for at every place.
                    broken = true;
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
    }
    false
}

/// The length, with its header, and the type of the fragment at the beginning of `bytes`, if there is a whole one.
fn record(bytes: &[u8]) -> Option<(usize, u8)> {
    let (header, payload) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [a, b, c, d, low, high, kind] = *header;
    let length = usize::from(u16::from_le_bytes([low, high]));
    if !FRAGMENTS.contains(&kind) && kind < ABOUT_THE_LOG {
        return None;
    }
    let payload = payload.get(..length)?;
    let crc = payload
        .iter()
        .fold(step(u32::MAX, kind), |crc, byte| step(crc, *byte))
        ^ u32::MAX;
    let masked = crc.rotate_right(15).wrapping_add(MASK_DELTA);
    (masked == u32::from_le_bytes([a, b, c, d])).then_some((HEADER_BYTES + length, kind))
}

/// One byte of CRC-32C (Castagnoli), reflected.
const fn step(crc: u32, byte: u8) -> u32 {
    (crc >> 8) ^ TABLE[((crc ^ byte as u32) & 0xff) as usize]
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of these fragments; none crosses the end of a block.
    fn fragments(of: &[(u8, &[u8])]) -> Vec<u8> {
        let mut log = Vec::new();
        for (kind, payload) in of {
            let kind = *kind;
            let crc = payload
                .iter()
                .fold(step(u32::MAX, kind), |crc, byte| step(crc, *byte))
                ^ u32::MAX;
            log.extend(crc.rotate_right(15).wrapping_add(MASK_DELTA).to_le_bytes());
            log.extend((payload.len() as u16).to_le_bytes());
            log.push(kind);
            log.extend(*payload);
        }
        log
    }

    fn log(records: &[&[u8]]) -> Vec<u8> {
        let whole: Vec<(u8, &[u8])> = records.iter().map(|payload| (1, *payload)).collect();
        fragments(&whole)
    }

    #[test]
    fn the_end_of_a_record_whose_middle_was_not_written_is_torn() {
        let mut torn = fragments(&[(1, &[1; 40]), (2, &[2; 40]), (3, &[3; 40]), (4, &[4; 40])]);
        torn[100] ^= 1;
        assert!(!is_altered(&torn));
        torn.extend(log(&[&[5; 10]]));
        assert!(is_altered(&torn));
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
        let crc = |bytes: &[u8]| bytes.iter().fold(u32::MAX, |crc, byte| step(crc, *byte)) ^ u32::MAX;
        assert_eq!(crc(b"123456789"), 0xe306_9283);
        assert_eq!(crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn a_torn_end_is_none_and_a_flipped_bit_before_the_last_record_is_an_alteration() {
        let whole = log(&[&[1; 50], &[2; 300], &[3; 20], &[4; 90]]);
        let last = whole.len() - 97;
        assert!(!is_altered(&whole));
        for cut in 0..whole.len() {
            assert!(!is_altered(&whole[..cut]), "cut at {cut}");
            let mut filled = whole[..cut].to_vec();
            filled.resize(whole.len() + 500, 0);
            assert!(!is_altered(&filled), "cut at {cut}, and zeros behind it");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(is_altered(&flipped), bit / 8 < last, "bit {bit}");
        }
    }
}
