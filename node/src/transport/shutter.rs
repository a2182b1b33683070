//! Shutters: what stops every byte to a peer at once, whoever would write it.
//!
//! Closing a connection is not enough when a peer loses a right: what its handlers have queued is still written on the
//! way down. So every connection is wrapped before anything can write to it, and once its shutter is shut no stream
//! over it takes another byte. What the transport had accepted before is beyond recall: some 80 to 240 kB.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId,
    core::muxing::{StreamMuxer, StreamMuxerEvent},
};

/// Peers in the table before those whose connections are gone are first swept out: strangers get here too.
const SWEEP_FIRST: usize = 64;

/// The shutters of all connections that stand.
#[derive(Default)]
pub(super) struct Shutters {
    table: Mutex<Table>,
    sent: Arc<AtomicU64>,
}

#[derive(Default)]
struct Table {
    by_peer: HashMap<PeerId, Vec<Weak<Shutter>>>,
    sweep_at: usize,
}

/// One connection's; shut for good.
#[derive(Default)]
struct Shutter {
    /// Read over each write, so that shutting returns either before or after all of it.
    shut: RwLock<bool>,
}

impl Shutter {
    fn is_shut(&self) -> bool {
        *self.shut.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shut(&self) {
        *self.shut.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

impl Shutters {
    /// Wraps a new connection, open.
    pub(super) fn wrap<M>(&self, peer: PeerId, muxer: M) -> ShutterMuxer<M> {
        let shutter = Arc::new(Shutter::default());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = table.by_peer.entry(peer).or_default();
        of_peer.retain(|shutter| shutter.strong_count() > 0);
        of_peer.push(Arc::downgrade(&shutter));
        if table.by_peer.len() >= table.sweep_at.max(SWEEP_FIRST) {
            let stands = |shutters: &Vec<Weak<Shutter>>| shutters.iter().any(|one| one.strong_count() > 0);
            table.by_peer.retain(|_, shutters| stands(shutters));
            table.sweep_at = table.by_peer.len().saturating_mul(2);
        }
        ShutterMuxer {
            muxer,
            shutter,
            sent: self.sent.clone(),
        }
    }

    /// Bytes that streams have taken since the start, over all connections.
    #[cfg_attr(not(feature = "bare"), expect(dead_code, reason = "the benchmark alone asks"))]
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Shuts every connection that stands with a peer: when this returns, none of them takes a byte any more.
    pub(super) fn shut(&self, peer: &PeerId) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for shutter in table.by_peer.remove(peer).into_iter().flatten() {
            if let Some(shutter) = shutter.upgrade() {
                shutter.shut();
            }
        }
    }
}

/// A connection with a shutter.
pub(super) struct ShutterMuxer<M> {
    muxer: M,
    shutter: Arc<Shutter>,
    sent: Arc<AtomicU64>,
}

impl<M: StreamMuxer<Substream: Unpin> + Unpin> ShutterMuxer<M> {
    fn stream(&self, stream: M::Substream) -> ShutterStream<M::Substream> {
        ShutterStream {
            stream,
            shutter: self.shutter.clone(),
            sent: self.sent.clone(),
        }
    }
}

impl<M: StreamMuxer<Substream: Unpin, Error = io::Error> + Unpin> StreamMuxer for ShutterMuxer<M> {
    type Substream = ShutterStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(context))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(context))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.muxer).poll_close(context)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        // One that was shut while it was still being set up is known to nobody who would close it.
        if self.shutter.is_shut() {
            return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
        }
        Pin::new(&mut self.muxer).poll(context)
    }
}

/// A stream over a connection with a shutter.
pub(super) struct ShutterStream<S> {
    stream: S,
    shutter: Arc<Shutter>,
    sent: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for ShutterStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ShutterStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let shut = this.shutter.shut.read().unwrap_or_else(PoisonError::into_inner);
        if *shut {
            return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            this.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncWriteExt, future::poll_fn, io::Cursor};

    use super::*;

    /// A connection whose streams take whatever they are given.
    struct Willing;

    impl StreamMuxer for Willing {
        type Substream = Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
            Poll::Ready(Ok(Cursor::default()))
        }

        fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Self::Substream>> {
            Poll::Ready(Ok(Cursor::default()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    async fn open(muxer: &mut ShutterMuxer<Willing>) -> ShutterStream<Cursor<Vec<u8>>> {
        poll_fn(|context| Pin::new(&mut *muxer).poll_outbound(context))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_shut_connection_takes_no_byte_and_a_new_one_does() {
        let peer = PeerId::random();
        let shutters = Shutters::default();
        let mut muxer = shutters.wrap(peer, Willing);
        let mut stream = open(&mut muxer).await;
        stream.write_all(b"before").await.unwrap();
        shutters.shut(&PeerId::random());
        stream.write_all(b", of somebody else").await.unwrap();
        shutters.shut(&peer);
        let refused = stream.write(b"after").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(stream.stream.get_ref(), b"before, of somebody else");
        assert!(open(&mut muxer).await.write(b"on another stream").await.is_err());
        let ends = poll_fn(|context| Pin::new(&mut muxer).poll(context)).await;
        assert_eq!(ends.unwrap_err().kind(), io::ErrorKind::PermissionDenied);

        let mut again = shutters.wrap(peer, Willing);
        open(&mut again).await.write_all(b"again").await.unwrap();
    }

    #[test]
    fn strangers_do_not_fill_the_table() {
        let shutters = Shutters::default();
        let kept = PeerId::random();
        let stands = shutters.wrap(kept, Willing);
        for _ in 0..10_000 {
            drop(shutters.wrap(PeerId::random(), Willing));
        }
        let table = shutters.table.lock().unwrap();
        assert!(table.by_peer.len() <= SWEEP_FIRST);
        assert!(table.by_peer.contains_key(&kept));
        drop(stands);
    }
}
