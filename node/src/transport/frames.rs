//! Frames on a byte stream: a length of 4 bytes, big-endian, then that many bytes.
//!
//! Nothing here knows what a frame means. The reader trusts no length: it refuses before it allocates, and
//! its memory grows only with bytes that have arrived.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, io::BufReader};

/// The largest frame, in bytes, without its length prefix.
///
/// 8 MiB holds the largest thing that travels in one piece, a sync batch, with room to spare; attachments
/// travel in parts. One frame per peer may be in memory while it arrives, so this times the number of peers
/// is what hostile members can make us hold.
pub const FRAME_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// How many bytes of small frames are read from, or written to, a stream at once. A few full QUIC packets:
/// enough to make the cost of a call small beside the copying, and little per idle peer.
const BUFFER_BYTES: usize = 16 * 1024;

/// How far the memory of a frame may run ahead of what has arrived while that is little.
const BODY_STEP_BYTES: usize = 16 * 1024;

const HEADER_BYTES: usize = 4;

/// Why there is no next frame. After any of these the stream is out of step and must be dropped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The peer's fault, and reported.
    #[error("the peer announced a frame of {announced_bytes} bytes, more than {FRAME_BYTES_MAX}")]
    TooLarge { announced_bytes: u32 },
    /// The peer, or the path to it, went away in the middle of a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

/// Reads frames from a stream.
pub(super) struct FrameReader<R> {
    source: BufReader<R>,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body: Vec<u8>,
    body_filled: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source: BufReader::with_capacity(BUFFER_BYTES, source),
            header: [0; HEADER_BYTES],
            header_filled: 0,
            body: Vec::new(),
            body_filled: 0,
        }
    }

    /// The next frame, or `None` if the stream ended between frames.
    ///
    /// Cancelling the call loses nothing: what has arrived of a frame is kept for the next call.
    ///
    /// # Errors
    /// See [`ReadError`]; do not call again after one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        while let Some(missing) = self
            .header
            .get_mut(self.header_filled..)
            .filter(|m| !m.is_empty())
        {
            match self.source.read(missing).await? {
                0 if self.header_filled == 0 => return Ok(None),
                0 => return Err(ReadError::Truncated),
                count => self.header_filled += count,
            }
        }
        let announced_bytes = u32::from_be_bytes(self.header);
        if announced_bytes > FRAME_BYTES_MAX {
            return Err(ReadError::TooLarge { announced_bytes });
        }
        let frame_bytes = announced_bytes as usize;
        while self.body_filled < frame_bytes {
            self.grow(frame_bytes);
            let Some(missing) = self.body.get_mut(self.body_filled..) else {
                break;
            };
            match self.source.read(missing).await? {
                0 => return Err(ReadError::Truncated),
                count => self.body_filled += count,
            }
        }
        self.header_filled = 0;
        self.body_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// Makes room for the next bytes: at most as many as have arrived, or one step if that is more.
    fn grow(&mut self, frame_bytes: usize) {
        if self.body_filled < self.body.len() {
            return;
        }
        let missing = frame_bytes.saturating_sub(self.body_filled);
        let step = missing.min(self.body_filled.max(BODY_STEP_BYTES));
        self.body.reserve_exact(step);
        self.body.resize(self.body_filled + step, 0);
    }

    #[cfg(test)]
    pub(super) fn body_capacity(&self) -> usize {
        self.body.capacity()
    }
}

/// Writes frames to a stream, small ones together.
pub(super) struct FrameWriter<W> {
    sink: W,
    batch: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        Self {
            sink,
            batch: Vec::new(),
        }
    }

    /// Writes these frames, in order, and flushes.
    ///
    /// # Errors
    /// As the stream says, after which it must be dropped. A frame longer than [`FRAME_BYTES_MAX`] is
    /// refused: the other side would close the stream on it.
    pub(super) async fn write(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        for frame in frames {
            let length = u32::try_from(frame.len())
                .ok()
                .filter(|length| *length <= FRAME_BYTES_MAX)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "frame too large"))?;
            self.batch.extend_from_slice(&length.to_be_bytes());
            if frame.len() >= BUFFER_BYTES {
                // A large frame goes out from where it is; copying it would only cost memory.
                self.write_batch().await?;
                self.sink.write_all(frame).await?;
            } else {
                self.batch.extend_from_slice(frame);
                if self.batch.len() >= BUFFER_BYTES {
                    self.write_batch().await?;
                }
            }
        }
        self.write_batch().await?;
        self.sink.flush().await
    }

    async fn write_batch(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.batch).await?;
        self.batch.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use futures::io::Cursor;

    use super::*;

    /// Gives one byte at a time, and is not ready every other time.
    struct Slow {
        bytes: Vec<u8>,
        at: usize,
        ready: bool,
    }

    impl AsyncRead for Slow {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.ready = !self.ready;
            if !self.ready {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(byte) = self.bytes.get(self.at).copied() else {
                return Poll::Ready(Ok(0));
            };
            buffer[0] = byte;
            self.at += 1;
            Poll::Ready(Ok(1))
        }
    }

    async fn written(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = FrameWriter::new(Cursor::new(Vec::new()));
        writer.write(frames).await.unwrap();
        writer.sink.into_inner()
    }

    fn samples() -> Vec<Vec<u8>> {
        [
            0,
            1,
            3,
            4,
            5,
            BUFFER_BYTES - 1,
            BUFFER_BYTES,
            BUFFER_BYTES + 1,
            100_000,
        ]
        .iter()
        .map(|length| (0..*length).map(|i| (i * 7 + length) as u8).collect())
        .collect()
    }

    #[tokio::test]
    async fn layout_is_big_endian_length_then_bytes() {
        assert_eq!(
            written(&[vec![9, 8, 7], vec![]]).await,
            [0, 0, 0, 3, 9, 8, 7, 0, 0, 0, 0]
        );
    }

    #[tokio::test]
    async fn every_frame_comes_back_in_order() {
        let frames = samples();
        let mut reader = FrameReader::new(Cursor::new(written(&frames).await));
        for frame in &frames {
            assert_eq!(reader.next().await.unwrap().as_ref(), Some(frame));
        }
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn slow_bytes_and_cancelled_reads_lose_nothing() {
        let frames = vec![vec![1, 2, 3], vec![], vec![4; 300]];
        let mut reader = FrameReader::new(Slow {
            bytes: written(&frames).await,
            at: 0,
            ready: false,
        });
        for frame in &frames {
            let mut polls = 0;
            let read = loop {
                // Each round polls once and drops the call.
                polls += 1;
                assert!(polls < 10_000);
                if let Some(read) = futures::FutureExt::now_or_never(reader.next()) {
                    break read.unwrap();
                }
            };
            assert_eq!(read.as_ref(), Some(frame));
        }
    }

    #[tokio::test]
    async fn four_gibibytes_announced_are_refused_without_memory() {
        for announced in [FRAME_BYTES_MAX + 1, u32::MAX] {
            let mut reader = FrameReader::new(Cursor::new(announced.to_be_bytes().to_vec()));
            match reader.next().await {
                Err(ReadError::TooLarge { announced_bytes }) => assert_eq!(announced_bytes, announced),
                other => panic!("{other:?}"),
            }
            assert_eq!(reader.body_capacity(), 0);
        }
    }

    #[tokio::test]
    async fn memory_follows_arrival_not_the_announcement() {
        let mut bytes = FRAME_BYTES_MAX.to_be_bytes().to_vec();
        bytes.resize(HEADER_BYTES + 100_000, 0);
        let mut reader = FrameReader::new(Cursor::new(bytes));
        assert!(matches!(reader.next().await, Err(ReadError::Truncated)));
        assert!(reader.body_capacity() <= 2 * 100_000 + BODY_STEP_BYTES);
    }

    #[tokio::test]
    async fn an_end_inside_a_frame_is_not_an_end() {
        let whole = written(&[vec![1, 2, 3]]).await;
        for length in 1..whole.len() {
            let mut reader = FrameReader::new(Cursor::new(whole[..length].to_vec()));
            assert!(
                matches!(reader.next().await, Err(ReadError::Truncated)),
                "{length}"
            );
        }
    }

    #[tokio::test]
    async fn the_largest_frame_passes_and_one_more_byte_does_not() {
        let largest = vec![5; FRAME_BYTES_MAX as usize];
        let mut reader = FrameReader::new(Cursor::new(written(std::slice::from_ref(&largest)).await));
        assert_eq!(reader.next().await.unwrap(), Some(largest));
        let mut writer = FrameWriter::new(Cursor::new(Vec::new()));
        assert!(
            writer
                .write(&[vec![5; FRAME_BYTES_MAX as usize + 1]])
                .await
                .is_err()
        );
    }
}
