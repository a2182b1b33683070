//! The tap: a copy, on file, of every byte that a stream to a peer accepts or yields.
//!
//! It is the proof tool of tests and demonstrations: what is not in `<peer>.sent` did not go to that peer. It
//! sees the plaintext inside QUIC: the negotiation of protocols, then frames. It is transparent: it changes
//! no byte, and a failure to record fails the stream, so that nothing passes unseen.
//!
//! All streams with a peer share its files, in the order of their writes and reads, and a file goes on where
//! an earlier process ended: bytes of a new stream may stand between two writes of another.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use super::config::StartError;

/// How much is offered to a stream at once. What a stream does not accept has to be taken off the file
/// again, so this bounds the cost of a stream that is full.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// The files of all peers.
#[derive(Clone)]
pub(super) struct Tap {
    directory: PathBuf,
    files: Arc<Mutex<HashMap<String, PeerFiles>>>,
}

/// The two files of one peer. All its streams share them.
#[derive(Clone)]
struct PeerFiles {
    sent: Arc<Mutex<Record>>,
    received: Arc<Mutex<Record>>,
}

/// One append-only file, opened with the first byte.
struct Record {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl Tap {
    /// A tap that writes into this folder.
    pub(super) fn new(directory: PathBuf) -> Result<Self, StartError> {
        let writable = fs::create_dir_all(&directory)
            .and_then(|()| fs::metadata(&directory))
            .and_then(|metadata| match metadata.permissions().readonly() {
                true => Err(io::ErrorKind::PermissionDenied.into()),
                false => Ok(()),
            });
        match writable {
            Ok(()) => Ok(Self {
                directory,
                files: Arc::default(),
            }),
            Err(source) => Err(StartError::Tap { directory, source }),
        }
    }

    /// Wraps a connection with the peer of this name: its hub code, or its key if it is not listed.
    pub(super) fn wrap<M>(&self, name: &str, muxer: M) -> TapMuxer<M> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let files = files.entry(name.to_owned()).or_insert_with(|| PeerFiles {
            sent: Record::new(&self.directory, name, "sent"),
            received: Record::new(&self.directory, name, "received"),
        });
        TapMuxer {
            muxer,
            files: files.clone(),
        }
    }
}

impl Record {
    fn new(directory: &Path, name: &str, kind: &str) -> Arc<Mutex<Self>> {
        // A hub code is short and plain, but it comes from configuration: it must not leave the folder.
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "-_".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let path = directory.join(format!("{name}.{kind}"));
        Arc::new(Mutex::new(Self {
            path,
            file: None,
            bytes: 0,
        }))
    }

    /// Appends these bytes, without a buffer of our own: after a kill they are on file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.bytes = file.metadata()?.len();
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
            self.bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Takes the last bytes off again: they were offered and not accepted.
    fn take_back(&mut self, count: usize) -> io::Result<()> {
        if let Some(file) = self.file.as_mut().filter(|_| count > 0) {
            self.bytes = self.bytes.saturating_sub(count as u64);
            file.set_len(self.bytes)?;
        }
        Ok(())
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection whose streams are recorded.
pub(super) struct TapMuxer<M> {
    muxer: M,
    files: PeerFiles,
}

impl<M: StreamMuxer<Substream: Unpin> + Unpin> StreamMuxer for TapMuxer<M> {
    type Substream = TapStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(context))?;
        Poll::Ready(Ok(TapStream {
            stream,
            files: self.files.clone(),
        }))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(context))?;
        Poll::Ready(Ok(TapStream {
            stream,
            files: self.files.clone(),
        }))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.muxer).poll_close(context)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.muxer).poll(context)
    }
}

/// A stream that is recorded.
pub(super) struct TapStream<S> {
    stream: S,
    files: PeerFiles,
}

impl<S: AsyncRead + Unpin> AsyncRead for TapStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) {
            lock(&self.files.received).append(bytes)?;
        }
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TapStream<S> {
    /// Records first and passes on then, so that a kill in between leaves too much on file, never too
    /// little. The file is held over both, so that what is taken back is our own.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let bytes = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        let mut sent = lock(&this.files.sent);
        sent.append(bytes)?;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        let accepted = match &written {
            Poll::Ready(Ok(count)) => *count,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        sent.take_back(bytes.len().saturating_sub(accepted))?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
