//! The hash of an attachment's content: what an approval names, before the attachment is sealed.
//!
//! It never leaves a hub: of two sealings of one content nobody else shall see that they are the same.

use std::io::{self, Read};

use bao_tree::blake3::Hasher;

/// Separates this hash from all others.
const DOMAIN: &str = "testudo/attachment-content/v1";

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Passes content on, and hashes and counts it.
pub struct ContentReader<R> {
    content: R,
    hasher: Hasher,
    bytes: u64,
}

/// What a content is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash {
    /// The hash.
    pub hash: [u8; 32],
    /// How many bytes.
    pub bytes: u64,
}

impl<R: Read> ContentReader<R> {
    /// Nothing is read yet.
    pub fn new(content: R) -> Self {
        Self {
            content,
            hasher: Hasher::new_derive_key(DOMAIN),
            bytes: 0,
        }
    }

    /// Of what was read through this.
    pub fn finish(self) -> ContentHash {
        ContentHash {
            hash: *self.hasher.finalize().as_bytes(),
            bytes: self.bytes,
        }
    }
}

impl<R: Read> Read for ContentReader<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(target)?;
        self.hasher.update(target.get(..count).unwrap_or_default());
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// Hashes a content to its end, or until it is longer than `bytes_max`.
///
/// # Errors
/// As the content says.
pub fn hash_content(content: impl Read, bytes_max: u64) -> io::Result<ContentHash> {
    let mut reader = ContentReader::new(content.take(bytes_max.saturating_add(1)));
    let mut buffer = vec![0; BUFFER_BYTES];
    while reader.read(&mut buffer)? > 0 {}
    Ok(reader.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_one_hash_however_it_is_read() {
        let content = vec![7; 200_000];
        let whole = hash_content(content.as_slice(), 1 << 30).unwrap();
        assert_eq!(whole.bytes, 200_000);
        let mut reader = ContentReader::new(content.as_slice());
        while reader.read(&mut [0; 777]).unwrap() > 0 {}
        assert_eq!(reader.finish(), whole);
        assert_ne!(hash_content(&content[1..], 1 << 30).unwrap(), whole);
        assert_ne!(whole.hash, *bao_tree::blake3::hash(&content).as_bytes());
        assert_eq!(hash_content(content.as_slice(), 1000).unwrap().bytes, 1001);
    }
}
