//! Between a body that comes or goes in pieces and a file that is sealed or opened: a few pieces at a time.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

/// Bytes in one piece on its way out.
const CHUNK_BYTES: usize = 64 << 10;

/// Pieces that may wait between the two sides: enough that neither waits for each, and little memory.
pub const CHUNKS_MAX: usize = 8;

/// A content that comes in pieces. It must be ended in so many words: a sender that is gone is an error, not the end.
pub struct ChunkReader<B> {
    chunks: mpsc::Receiver<Option<B>>,
    rest: Option<(B, usize)>,
    ended: bool,
}

impl<B: AsRef<[u8]>> ChunkReader<B> {
    /// Reads from a channel: pieces, then `None` for the end.
    pub fn new(chunks: mpsc::Receiver<Option<B>>) -> Self {
        Self {
            chunks,
            rest: None,
            ended: false,
        }
    }
}

impl<B: AsRef<[u8]>> Read for ChunkReader<B> {
    /// Waits for the next piece; not for a task of the runtime.
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((chunk, taken)) = &mut self.rest {
                let mut left = chunk.as_ref().get(*taken..).unwrap_or_default();
                let count = left.read(target)?;
                if count > 0 || target.is_empty() {
                    *taken += count;
                    return Ok(count);
                }
                self.rest = None;
            }
            if self.ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(Some(chunk)) => self.rest = Some((chunk, 0)),
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// A content that goes out in pieces.
pub struct ChunkWriter {
    chunks: mpsc::Sender<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
}

impl ChunkWriter {
    /// Writes to a channel.
    pub fn new(chunks: mpsc::Sender<io::Result<Vec<u8>>>) -> Self {
        Self {
            chunks,
            chunk: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// Ends with an error: whoever reads must not take what has come for the whole.
    pub fn fail(self) {
        // If nobody reads any more there is nobody to tell.
        let _gone = self.chunks.blocking_send(Err(io::ErrorKind::InvalidData.into()));
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.chunks
            .blocking_send(Ok(chunk))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for &mut ChunkWriter {
    /// Waits for room; not for a task of the runtime.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES.saturating_sub(self.chunk.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.chunk.extend_from_slice(taken);
        if self.chunk.len() >= CHUNK_BYTES {
            self.pass_on()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_ends_where_its_sender_says_and_nowhere_else() {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        for chunk in [b"one ".as_slice(), b"", b"two"] {
            sender.blocking_send(Some(chunk)).unwrap();
        }
        sender.blocking_send(None).unwrap();
        let mut found = String::new();
        ChunkReader::new(receiver).read_to_string(&mut found).unwrap();
        assert_eq!(found, "one two");

        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        sender.blocking_send(Some(b"one ".as_slice())).unwrap();
        drop(sender);
        let broken = ChunkReader::new(receiver).read_to_string(&mut found).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_written_comes_out_in_order_and_failures_are_told() {
        let (sender, mut receiver) = mpsc::channel(CHUNKS_MAX);
        let mut writer = ChunkWriter::new(sender);
        let content = vec![5; CHUNK_BYTES * 2 + 9];
        (&mut writer).write_all(&content).unwrap();
        (&mut writer).flush().unwrap();
        writer.fail();
        let mut found = Vec::new();
        while let Some(Ok(chunk)) = receiver.blocking_recv() {
            found.extend(chunk);
        }
        assert!(found == content);
        assert!(receiver.blocking_recv().is_none(), "the failure was the last");
    }
}
