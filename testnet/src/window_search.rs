//! Finding short windows of bytes in long files.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

/// Length of a window. 32 bytes of ciphertext do not occur by chance.
pub const WINDOW_BYTES: usize = 32;

/// How much of a file is in memory at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A window.
pub type Window = [u8; WINDOW_BYTES];

/// Windows to look for, each with the numbers under which the caller knows it.
#[derive(Debug)]
pub struct Search {
    windows: HashMap<Window, Vec<usize>>,
    /// Which first two bytes occur in a window at all: spares a look into the map at nearly every place.
    beginnings: Vec<bool>,
}

/// What one file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Its length.
    pub bytes: u64,
    /// The numbers of the windows that were in it.
    pub found: BTreeSet<usize>,
}

impl Search {
    /// Looks for these windows; the same one may have several numbers.
    pub fn new(windows: impl IntoIterator<Item = (usize, Window)>) -> Self {
        let mut search = Self {
            windows: HashMap::new(),
            beginnings: vec![false; 1 << 16],
        };
        for (number, window) in windows {
            search.beginnings[beginning(&window)] = true;
            search.windows.entry(window).or_default().push(number);
        }
        search
    }

    /// Reads to the end and says what was there, wherever a window begins.
    ///
    /// # Errors
    /// That of the reader.
    pub fn scan(&self, mut reader: impl Read) -> io::Result<Scan> {
        let mut scan = Scan::default();
        // What a chunk leaves over stands before the next one, so that no window is lost at the border.
        let mut held: Vec<u8> = Vec::with_capacity(CHUNK_BYTES + WINDOW_BYTES);
        loop {
            let count = reader.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut held)?;
            if count == 0 {
                return Ok(scan);
            }
            scan.bytes += count as u64;
            for window in held.array_windows::<WINDOW_BYTES>() {
                if self.beginnings[beginning(window)]
                    && let Some(numbers) = self.windows.get(window)
                {
                    scan.found.extend(numbers);
                }
            }
            held.drain(..held.len().saturating_sub(WINDOW_BYTES - 1));
        }
    }
}

fn beginning(window: &Window) -> usize {
    usize::from(u16::from_be_bytes([window[0], window[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out a few bytes at a time, as a pipe may.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn window(seed: u8) -> Window {
        std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8 * 7))
    }

    /// Zeros of this length with windows written over them.
    fn file(length: usize, windows: &[(usize, Window)]) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (at, window) in windows {
            bytes[*at..at + WINDOW_BYTES].copy_from_slice(window);
        }
        bytes
    }

    fn found(bytes: &[u8]) -> Vec<usize> {
        let search = Search::new([(1, window(1)), (2, window(2))]);
        let scan = search.scan(bytes).unwrap();
        assert_eq!(scan.bytes, bytes.len() as u64);
        assert_eq!(search.scan(Dribble(bytes, 7)).unwrap(), scan);
        scan.found.into_iter().collect()
    }

    #[test]
    fn windows_are_found_wherever_they_begin() {
        let length = 1000;
        for at in [0, 1, 499, length - WINDOW_BYTES] {
            assert_eq!(found(&file(length, &[(at, window(1))])), [1], "at {at}");
        }
        assert_eq!(found(&file(length, &[(10, window(2)), (50, window(1))])), [1, 2]);
    }

    #[test]
    fn windows_are_found_across_the_border_of_chunks() {
        for at in CHUNK_BYTES - WINDOW_BYTES..=CHUNK_BYTES {
            assert_eq!(found(&file(2 * CHUNK_BYTES, &[(at, window(1))])), [1], "at {at}");
        }
        let last = 3 * CHUNK_BYTES + 5 - WINDOW_BYTES;
        assert_eq!(found(&file(3 * CHUNK_BYTES + 5, &[(last, window(2))])), [2]);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(found(&[]), [] as [usize; 0]);
        assert_eq!(found(&window(1)[..WINDOW_BYTES - 1]), [] as [usize; 0]);
        assert_eq!(found(&file(2 * CHUNK_BYTES, &[])), [] as [usize; 0]);
        let mut almost = window(1);
        almost[WINDOW_BYTES - 1] ^= 1;
        assert_eq!(found(&file(1000, &[(40, almost)])), [] as [usize; 0]);
    }

    #[test]
    fn one_window_may_have_several_numbers() {
        let search = Search::new([(1, window(1)), (2, window(1))]);
        assert_eq!(search.scan(&window(1)[..]).unwrap().found, BTreeSet::from([1, 2]));
    }
}
