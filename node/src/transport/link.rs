//! The link to one peer: one task that opens our stream, writes the queue to it, and reads theirs.
//!
//! A *session* lasts as long as our outbound stream. Doing both directions in one task is what keeps the
//! order of a peer's events (INVARIANT session order, in the module documentation).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    dialer::Backoff,
    event::TransportEvent,
    frames::{FrameReader, FrameWriter, ReadError},
    queue::Queue,
    streams::OpenStream,
};

/// How long a peer may take to agree to a stream on a connection that stands.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest pause before our stream is opened again on a connection that stands. It keeps a peer that
/// closes every stream from making us spin, and is short because the peer is there.
const REOPEN_DELAY_MAX: Duration = Duration::from_secs(10);

/// A session of this length counts as a success, so that the next pause is short again.
const SESSION_SETTLED: Duration = Duration::from_secs(5);

/// What the driver knows of the way to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No usable connection.
    Down,
    /// Only usable connections.
    Up,
    /// Not on the list any more; final.
    Removed,
}

/// A session belongs to one value of this: it ends as soon as the value changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    phase: Phase,
    /// Counts the times that older connections were found dead, so that a quick Down and Up is not missed.
    epoch: u64,
}

/// What the handle, the driver and the handlers of streams share with the link's task.
pub(super) struct Link {
    pub(super) code: String,
    pub(super) peer: PeerId,
    pub(super) queue: Queue,
    way: watch::Sender<Way>,
    offered: Mutex<Offered>,
    offer: Notify,
}

/// What the peer has opened.
#[derive(Default)]
struct Offered {
    /// The newest stream, until the link's task takes it.
    stream: Option<Stream>,
    /// Whether an earlier one came over the connections that stand.
    earlier: bool,
}

impl Link {
    pub(super) fn new(code: String, peer: PeerId) -> Self {
        Self {
            code,
            peer,
            queue: Queue::default(),
            way: watch::Sender::new(Way {
                phase: Phase::Down,
                epoch: 0,
            }),
            offered: Mutex::default(),
            offer: Notify::new(),
        }
    }

    /// The driver has a usable connection, or none.
    pub(super) fn set_up(&self, up: bool) {
        self.change(|way| way.phase = if up { Phase::Up } else { Phase::Down });
    }

    /// Ends the session: its connection is dead or to be closed.
    pub(super) fn interrupt(&self) {
        self.change(|way| {
            way.phase = Phase::Down;
            way.epoch = way.epoch.wrapping_add(1);
        });
    }

    /// The peer left the list. From the moment that this returns, no further byte is handed to a stream.
    pub(super) fn retire(&self) {
        self.change(|way| way.phase = Phase::Removed);
        self.queue.close();
        self.take_offer();
    }

    /// Hands over a stream that the peer opened; it replaces an older one, since a peer that opens a second
    /// has given up the first.
    ///
    /// Returns whether it is a second one, over the connections that stand.
    pub(super) fn offer(&self, stream: Stream) -> bool {
        let again = {
            let mut offered = self.offered();
            offered.stream = Some(stream);
            std::mem::replace(&mut offered.earlier, true)
        };
        self.offer.notify_one();
        again
    }

    /// No connection stands any more: the next stream is a first one.
    pub(super) fn forget_offers(&self) {
        self.offered().earlier = false;
    }

    /// Waits for a stream of the peer.
    #[cfg(feature = "bare")]
    pub(super) async fn next_offer(&self) -> Stream {
        loop {
            if let Some(stream) = self.take_offer() {
                return stream;
            }
            self.offer.notified().await;
        }
    }

    fn take_offer(&self) -> Option<Stream> {
        self.offered().stream.take()
    }

    fn offered(&self) -> MutexGuard<'_, Offered> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, edit: impl FnOnce(&mut Way)) {
        self.way.send_if_modified(|way| {
            let before = *way;
            if before.phase != Phase::Removed {
                edit(way);
            }
            *way != before
        });
    }
}

/// Runs the link until the peer is removed.
///
/// `predecessor` is the task of an earlier link with the same hub code: its last event comes before our
/// first.
#[tracing::instrument(name = "transport.link", skip_all, fields(peer = %link.code))]
pub(super) async fn run(
    link: Arc<Link>,
    opening: mpsc::Sender<OpenStream>,
    events: mpsc::Sender<TransportEvent>,
    seed: u64,
    predecessor: Option<JoinHandle<()>>,
) {
    if let Some(task) = predecessor {
        // It ends by itself: it was retired. If it panicked, there is nothing to wait for.
        let _ = task.await;
    }
    let mut way = link.way.subscribe();
    let mut incoming = Incoming {
        link: link.clone(),
        events: events.clone(),
        reader: None,
        ready: None,
    };
    let outgoing = Outgoing {
        link,
        opening,
        events,
    };
    let mut reopen = Backoff::new(REOPEN_DELAY_MAX, seed);
    while let Some(session) = until_up(&mut way).await {
        let began = Instant::now();
        if let Some(stream) = outgoing.open(&mut way, session).await {
            outgoing.session(stream, &mut incoming, &mut way, session).await;
        }
        if began.elapsed() > SESSION_SETTLED || changed(&way, session) {
            reopen.reset();
        }
        // A new way to the peer is worth an attempt at once; the same way again only after a pause.
        let _ = timeout(reopen.fail(), until_changed(&mut way, session)).await;
    }
}

/// Waits for a usable connection; `None` once the peer is removed.
async fn until_up(way: &mut watch::Receiver<Way>) -> Option<Way> {
    match way.wait_for(|way| way.phase != Phase::Down).await {
        Ok(way) if way.phase == Phase::Up => Some(*way),
        _ => None,
    }
}

/// Waits until this is not the session's way any more.
async fn until_changed(way: &mut watch::Receiver<Way>, session: Way) {
    // An error means that the link is gone, which is a change too.
    let _ = way.wait_for(|way| *way != session).await;
}

fn changed(way: &watch::Receiver<Way>, session: Way) -> bool {
    *way.borrow() != session
}

/// Our side: the stream that we open and write.
struct Outgoing {
    link: Arc<Link>,
    opening: mpsc::Sender<OpenStream>,
    events: mpsc::Sender<TransportEvent>,
}

impl Outgoing {
    async fn open(&self, way: &mut watch::Receiver<Way>, session: Way) -> Option<Stream> {
        let agreed = async {
            let (opening, agreed) = oneshot::channel();
            let peer = self.link.peer;
            self.opening.send(OpenStream { peer, opening }).await.ok()?;
            agreed.await.ok()
        };
        tokio::select! {
            biased;
            () = until_changed(way, session) => None,
            stream = timeout(OPEN_TIMEOUT, agreed) => stream.ok().flatten(),
        }
    }

    /// One session, from `Connected` to `Disconnected`.
    async fn session(
        &self,
        stream: Stream,
        incoming: &mut Incoming,
        way: &mut watch::Receiver<Way>,
        session: Way,
    ) {
        let began = Instant::now();
        let code = &self.link.code;
        let (mut ending, sink) = stream.split();
        let writer = FrameWriter::new(Gate {
            sink,
            way: way.clone(),
        });
        self.link.queue.open();
        if self
            .events
            .send(TransportEvent::Connected { code: code.clone() })
            .await
            .is_err()
        {
            return;
        }
        tracing::info!("session began");
        // Biased, so that a session that is over reports none of the frames of the next.
        let error = tokio::select! {
            biased;
            () = until_changed(way, session) => None,
            error = until_ended(&mut ending) => error,
            error = self.write(writer) => error.err(),
            () = incoming.read() => None,
        };
        self.link.queue.close();
        let elapsed_ms = began.elapsed().as_millis();
        tracing::info!(
            elapsed_ms,
            error = error.map(tracing::field::display),
            "session ended"
        );
        // If nobody listens any more, the transport is stopping.
        let _ = self
            .events
            .send(TransportEvent::Disconnected { code: code.clone() })
            .await;
    }

    /// Writes what is queued, for ever or until the stream fails.
    async fn write(&self, mut writer: FrameWriter<impl AsyncWrite + Unpin>) -> io::Result<()> {
        loop {
            writer.write(&self.link.queue.take().await).await?;
        }
    }
}

/// Waits for the end of our stream. The peer never writes on it, so a read returns only when the stream or
/// its connection is gone; this is how a loss is noticed while there is nothing to write.
async fn until_ended(stream: &mut (impl AsyncRead + Unpin)) -> Option<io::Error> {
    match stream.read(&mut [0]).await {
        Ok(0) => None,
        Ok(_) => Some(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer wrote on our stream",
        )),
        Err(error) => Some(error),
    }
}

/// Their side: the stream that they open and we read. It outlives our sessions.
struct Incoming {
    link: Arc<Link>,
    events: mpsc::Sender<TransportEvent>,
    reader: Option<FrameReader<Stream>>,
    /// What has been read and not yet reported; kept here so that the end of a session does not lose it.
    ready: Option<TransportEvent>,
}

impl Incoming {
    /// Reads and reports frames until nobody takes reports. Cancelling it loses nothing.
    async fn read(&mut self) {
        loop {
            if self.ready.is_some() {
                // Waiting here is the backpressure: a peer that sends faster than the core takes is slowed
                // by the flow control of its stream.
                let Ok(permit) = self.events.reserve().await else {
                    return;
                };
                if let Some(event) = self.ready.take() {
                    permit.send(event);
                }
            }
            if let Some(stream) = self.link.take_offer() {
                self.reader = Some(FrameReader::new(stream));
            }
            let Some(reader) = self.reader.as_mut() else {
                self.link.offer.notified().await;
                continue;
            };
            let read = tokio::select! {
                biased;
                () = self.link.offer.notified() => continue,
                read = reader.next() => read,
            };
            self.note(read);
        }
    }

    fn note(&mut self, read: Result<Option<Vec<u8>>, ReadError>) {
        let code = self.link.code.clone();
        match read {
            Ok(Some(bytes)) => {
                self.ready = Some(TransportEvent::Frame { code, bytes });
                return;
            }
            Ok(None) => tracing::debug!("the peer ended its stream"),
            Err(ReadError::TooLarge { announced_bytes }) => {
                tracing::warn!(bytes = announced_bytes, "the peer announced too large a frame");
                self.ready = Some(TransportEvent::FrameRefused {
                    code,
                    announced_bytes,
                });
            }
            Err(error) => tracing::debug!(%error, "the peer's stream ended"),
        }
        self.reader = None;
    }
}

/// Passes bytes on until the peer is removed. Frames that were queued or half written then stay here; what
/// was handed to QUIC before is beyond recall, although the connection is closed at once.
struct Gate<W> {
    sink: W,
    way: watch::Receiver<Way>,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Gate<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The lock is held over the write, so that `retire` returns either before or after all of it.
        let this = &mut *self;
        let way = this.way.borrow();
        if way.phase == Phase::Removed {
            return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
        }
        Pin::new(&mut this.sink).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sink).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sink).poll_close(context)
    }
}
