//! A reader over hand-laid bytes that never reads past the end.

/// Fewer bytes than the layout says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes end after {have} where {want} more were expected")]
pub struct TruncatedError {
    have: usize,
    want: usize,
}

/// Takes fixed pieces from the front of a slice; integers are big endian.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`TruncatedError`] if there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], TruncatedError> {
        match self.rest.split_at_checked(count) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(TruncatedError {
                have: self.rest.len(),
                want: count,
            }),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`TruncatedError`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], TruncatedError> {
        let have = self.rest.len();
        <[u8; N]>::try_from(self.take(N)?).map_err(|_| TruncatedError { have, want: N })
    }

    /// One byte.
    ///
    /// # Errors
    /// [`TruncatedError`] at the end.
    pub fn u8(&mut self) -> Result<u8, TruncatedError> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`TruncatedError`] if there are fewer.
    pub fn u32(&mut self) -> Result<u32, TruncatedError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`TruncatedError`] if there are fewer.
    pub fn u64(&mut self) -> Result<u64, TruncatedError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length in four bytes, then that many bytes.
    ///
    /// # Errors
    /// [`TruncatedError`] if there are fewer than announced; nothing is allocated.
    pub fn prefixed(&mut self) -> Result<&'a [u8], TruncatedError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// `bytes` behind their length in four bytes.
pub fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_and_the_end_is_an_error() {
        let bytes = [prefixed(b"abc"), vec![1, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.prefixed().unwrap(), b"abc");
        assert_eq!(reader.u8().unwrap(), 1);
        assert_eq!(reader.u64().unwrap(), 9);
        assert_eq!(reader.u8(), Err(TruncatedError { have: 0, want: 1 }));
    }

    #[test]
    fn an_announced_length_past_the_end_is_refused() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert!(reader.prefixed().is_err());
    }
}
