//! The hub thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use testudo_core::blob::BlobId;
use testudo_core::hub::Hub;
use testudo_core::input::{Command, CommandId, GossipId, Input};
use testudo_core::keys::HubKeys;
use testudo_core::output::{Event, Output};
use testudo_core::refusal::Refusal;
use testudo_core::views::Reply;
use testudo_crypto::keys::VerifyingKey;
use testudo_policies::engine::Engine;
use testudo_policies::gate::Gate;
use testudo_policies::policy_set::LoadError;
use testudo_protocol::id::HubId;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use super::disk::{Disk, Fatal};
use super::settle::{Effects, settle};
use super::start::peers;
use crate::blobs::{BlobWorker, Staging};
use crate::clock;
use crate::folder::FolderError;
use crate::store::Store;
use crate::telemetry::{Counter, count};
use crate::transport::{GossipTicket, Transport, TransportEvent};

/// Requests that may wait for the hub thread; more are pushed back on those who ask.
const REQUESTS_MAX: usize = 256;

/// Requests taken in one round, so that their writes share one flush.
const ROUND_MAX: usize = 64;

/// Content taken in one round, in bytes, but for its last request: the disk is looked at between rounds, and
/// has to have room for all that one of them stores.
const ROUND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A look at the hub and its database, carried out on the hub thread.
pub type Look = Box<dyn FnOnce(&Hub, &Store) + Send>;

/// What the hub thread is asked.
pub enum Request {
    /// Carry out a command and answer once it is durable.
    Command(Command, oneshot::Sender<Result<Reply, Refusal>>),
    /// Look at the hub and the database; changes nothing.
    Read(Look),
    /// Something happened on the network.
    Network(TransportEvent),
    /// Put other policies in force and say when it is done.
    Activate(Box<Gate>, oneshot::Sender<()>),
    /// Sign with other keys from here on.
    Rekey(Box<HubKeys>),
    /// A second has passed.
    Tick,
    /// The thread of attachments has a result.
    Blob,
    /// Sign what there is and end.
    Stop,
}

impl Request {
    /// About how much of it may have to be stored, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Network(TransportEvent::Frame { bytes, .. }) => bytes.len(),
            Self::Command(Command::Release(release), _) => release.draft.bundle.len(),
            _ => 0,
        }
    }
}

/// The way to a running hub; cheap to clone.
#[derive(Clone)]
pub struct HubHandle {
    requests: mpsc::Sender<Request>,
    policies: PolicyReader,
    staging: Arc<Staging>,
    keys: KeyReader,
    transport_key: VerifyingKey,
}

/// What is read anew from the hub's folders while it runs.
pub(super) struct Readers {
    pub(super) policies: PolicyReader,
    pub(super) staging: Arc<Staging>,
    pub(super) keys: KeyReader,
    /// The key with which this process began: it keeps it to its end.
    pub(super) transport_key: VerifyingKey,
}

/// Reads this hub's own acts and its keys.
pub type KeyReader = Arc<dyn Fn() -> Result<(Vec<Vec<u8>>, HubKeys), FolderError> + Send + Sync>;

/// Reads and validates the policies in the hub's folders.
pub type PolicyReader = Arc<dyn Fn() -> Result<Engine, LoadError> + Send + Sync>;

/// The hub has ended.
#[derive(Debug, thiserror::Error)]
#[error("the hub is stopping; ask again when it runs")]
pub struct Stopped;

impl HubHandle {
    pub(super) fn channel(readers: Readers) -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let Readers {
            policies,
            staging,
            keys,
            transport_key,
        } = readers;
        let handle = Self {
            requests,
            policies,
            staging,
            keys,
            transport_key,
        };
        (handle, receiver)
    }

    /// Sealed files that wait for their release, and the folder of all.
    pub fn staging(&self) -> &Arc<Staging> {
        &self.staging
    }

    /// Tells the hub thread that there is a result of the thread of attachments. Never waits: a hub thread that is not
    /// waiting looks by itself.
    pub(super) fn poke(&self) {
        let _busy = self.requests.try_send(Request::Blob);
    }

    /// Reads the acts and keys that lie in the hub's folder now.
    ///
    /// # Errors
    /// [`FolderError`] names the file that is not accepted; the hub goes on with those it has.
    pub fn read_keys(&self) -> Result<(Vec<Vec<u8>>, HubKeys), FolderError> {
        (self.keys)()
    }

    /// The transport key of this process.
    pub fn transport_key(&self) -> VerifyingKey {
        self.transport_key
    }

    /// Hands other keys over; the hub uses them if its newest act certifies them.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn rekey(&self, keys: HubKeys) -> Result<(), Stopped> {
        self.send(Request::Rekey(Box::new(keys))).await
    }

    /// Reads and validates the policies that lie in the hub's folders now.
    ///
    /// # Errors
    /// [`LoadError`] names the file or rule that is not accepted; what is in force stays so.
    pub fn read_policies(&self) -> Result<Engine, LoadError> {
        (self.policies)()
    }

    /// Puts other policies in force; every question after this returns is asked of them.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn activate(&self, gate: Gate) -> Result<(), Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.send(Request::Activate(Box::new(gate), sender)).await?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn send(&self, request: Request) -> Result<(), Stopped> {
        self.requests.send(request).await.map_err(|_| Stopped)
    }

    /// Carries out a command; what it answers is durable.
    ///
    /// # Errors
    /// [`Stopped`] if the hub ends before it has answered. The command may have been carried
    /// out or not; its effect is whole or absent.
    pub async fn command(&self, command: Command) -> Result<Result<Reply, Refusal>, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.send(Request::Command(command, sender)).await?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Looks at the hub.
    ///
    /// # Errors
    /// [`Stopped`] if the hub has ended.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Hub, &Store) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        let read = Box::new(move |hub: &Hub, store: &Store| {
            // Whoever asked may have gone; then nobody needs the answer.
            let _gone = sender.send(look(hub, store));
        });
        self.send(Request::Read(read)).await?;
        receiver.await.map_err(|_| Stopped)
    }
}

/// Everything that the hub thread owns.
pub(super) struct Driver {
    pub(super) hub: Hub,
    pub(super) disk: Disk,
    pub(super) shell: Shell,
    pub(super) commands: u64,
    /// Who waits to hear that policies are in force.
    pub(super) activations: Vec<oneshot::Sender<()>>,
}

/// Somebody who waits for the answer to a command.
pub(super) struct Waiting {
    reply: oneshot::Sender<Result<Reply, Refusal>>,
    /// Sealed files that nobody needs if the command is refused.
    staged: Vec<BlobId>,
}

/// What surrounds the hub but for its disk.
pub(super) struct Shell {
    pub(super) transport: Transport,
    #[cfg(feature = "tap")]
    pub(super) canaries: Option<super::canary::Canaries>,
    pub(super) blobs: BlobWorker,
    /// Gossip that the core has not judged yet; bounded by what the transport holds.
    pub(super) unjudged: BTreeMap<GossipId, GossipTicket>,
    pub(super) gossiped: u64,
    pub(super) waiting: BTreeMap<CommandId, Waiting>,
}

impl Driver {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// [`Fatal`] if a write, a read or the anchor failed: the process must end.
    pub(super) fn run(
        mut self,
        begin: Vec<Output>,
        mut requests: mpsc::Receiver<Request>,
    ) -> Result<(), Fatal> {
        self.settle(VecDeque::new(), begin)?;
        while let Some(first) = requests.blocking_recv() {
            let mut inputs = VecDeque::new();
            let mut next = Some(first);
            let mut stop = false;
            let mut bytes = 0;
            while let Some(request) = next.take() {
                stop |= matches!(request, Request::Stop);
                bytes += request.bytes();
                inputs.extend(self.input(request));
                if inputs.len() < ROUND_MAX && bytes < ROUND_BYTES_MAX && !stop {
                    next = requests.try_recv().ok();
                }
            }
            inputs.extend(self.blobs_done()?);
            // Ahead of the work that it is about.
            inputs.push_front(Input::Room(self.disk.store().has_room()));
            self.settle(inputs, Vec::new())?;
            for done in self.activations.drain(..) {
                // Whoever asked may have gone; the policies are in force all the same.
                let _gone = done.send(());
            }
            if stop {
                break;
            }
        }
        Ok(())
    }

    /// What the thread of attachments has done by now.
    fn blobs_done(&self) -> Result<Vec<Input>, Fatal> {
        let done = self.shell.blobs.take_done().into_iter();
        done.map(|(id, result)| {
            let done = result.map_err(Fatal::because("a file of an attachment cannot be used"))?;
            Ok(Input::Blob(id, done))
        })
        .collect()
    }

    fn input(&mut self, request: Request) -> Option<Input> {
        match request {
            Request::Command(command, reply) => {
                self.commands = self.commands.wrapping_add(1);
                let id = CommandId(self.commands);
                let staged = staged(&command);
                self.shell.waiting.insert(id, Waiting { reply, staged });
                Some(Input::Command(id, command))
            }
            Request::Read(look) => {
                look(&self.hub, self.disk.store());
                None
            }
            Request::Activate(gate, done) => {
                // Answered after this round: a look in the same round would still find the old ones.
                self.activations.push(done);
                Some(Input::Policies(gate))
            }
            Request::Network(TransportEvent::Gossip {
                code,
                community,
                bytes,
                ticket,
            }) => {
                let from = code.parse().ok()?;
                self.shell.gossiped = self.shell.gossiped.wrapping_add(1);
                let id = GossipId(self.shell.gossiped);
                self.shell.unjudged.insert(id, ticket);
                Some(Input::Gossip {
                    id,
                    community,
                    from,
                    bytes,
                })
            }
            Request::Network(event) => network_input(event),
            Request::Rekey(keys) => Some(Input::Keys(keys)),
            Request::Tick => {
                self.disk.begin_week(clock::now());
                Some(Input::Tick)
            }
            // Its results are taken with every round.
            Request::Blob => None,
            Request::Stop => Some(Input::Stop),
        }
    }

    fn settle(&mut self, inputs: VecDeque<Input>, outputs: Vec<Output>) -> Result<(), Fatal> {
        let (hub, disk, shell) = (&mut self.hub, &mut self.disk, &mut self.shell);
        settle(hub, disk, shell, &clock::now, inputs, outputs)
    }
}

impl Effects for Shell {
    fn carry_out(&mut self, hub: &Hub, output: Output) -> Result<Option<Input>, Fatal> {
        match output {
            // What concerns the disk is done by the caller, in its order.
            Output::Persist(..) | Output::Load(..) | Output::LoadLeaves(..) | Output::Anchor { .. } => {}
            Output::Seal(id, order) => {
                let sealed = order.carry_out();
                #[cfg(feature = "tap")]
                self.record_canary(&order, &sealed)?;
                return Ok(Some(Input::Sealed(id, sealed)));
            }
            Output::Transmit(peer, outbound) => {
                if let Err(error) = self.transport.transmit(outbound) {
                    debug!(peer = %peer, %error, "not sent, the core sends again after the next connection");
                }
            }
            Output::Publish(publication) => {
                if let Err(error) = self.transport.publish(publication) {
                    debug!(%error, "not published, the core sends directly in a moment");
                }
            }
            Output::Judge(id, judgement) => {
                if let Some(ticket) = self.unjudged.remove(&id) {
                    self.transport.pass_judgement(ticket, judgement);
                }
            }
            Output::Communities(communities) => self.transport.gather(&communities),
            Output::Disconnect(peer) => self.transport.disconnect(peer.as_str()),
            Output::Peers => self.transport.set_peers(peers(hub.gate().charter(), hub.me())),
            Output::Reply(id, reply) => {
                if let Some(waiting) = self.waiting.remove(&id) {
                    if reply.is_err() && !waiting.staged.is_empty() {
                        self.destroy_blobs(waiting.staged)?;
                    }
                    // Whoever asked may have gone; the act stands all the same.
                    let _gone = waiting.reply.send(reply);
                }
            }
            Output::Blob(id, job) => self
                .blobs
                .ask(id, job)
                .map_err(Fatal::because("the thread of attachments has ended"))?,
            Output::DestroyBlobs(blobs) => self.destroy_blobs(blobs)?,
            Output::Report(event) => report(&event),
        }
        Ok(None)
    }
}

impl Shell {
    fn destroy_blobs(&self, blobs: Vec<BlobId>) -> Result<(), Fatal> {
        self.blobs
            .destroy(blobs)
            .map_err(Fatal::because("the file of an attachment cannot be removed"))
    }

    #[cfg(feature = "tap")]
    fn record_canary(
        &mut self,
        order: &testudo_core::seal_order::SealOrder,
        sealed: &Result<Vec<u8>, testudo_crypto::seal::SealError>,
    ) -> Result<(), Fatal> {
        if let (Some(canaries), Some(item), Ok(cipher)) = (&mut self.canaries, order.item(), sealed) {
            canaries
                .record(item, cipher)
                .map_err(Fatal::because("the tap cannot be written"))?;
        }
        Ok(())
    }
}

/// The sealed files that a command would take up.
fn staged(command: &Command) -> Vec<BlobId> {
    match command {
        Command::Release(release) => (release.draft.attachments.iter())
            .filter_map(|one| one.staged.as_ref().map(|staged| staged.blob))
            .collect(),
        _ => Vec::new(),
    }
}

fn network_input(event: TransportEvent) -> Option<Input> {
    let hub = |code: &str| code.parse::<HubId>().ok();
    match event {
        TransportEvent::Connected { code } => {
            info!(peer = %code, "connected");
            Some(Input::Connected(hub(&code)?))
        }
        TransportEvent::Disconnected { code } => {
            info!(peer = %code, "disconnected");
            Some(Input::Disconnected(hub(&code)?))
        }
        TransportEvent::Frame { code, bytes } => Some(Input::Frame(hub(&code)?, bytes)),
        // Gossip is given a name before it gets here.
        TransportEvent::Gossip { .. } | TransportEvent::Listening { .. } => None,
        TransportEvent::Stranger { count: seen } => {
            count(Counter::Stranger, 1);
            warn!(count = seen, "somebody who is not a member was turned away");
            None
        }
        TransportEvent::FrameRefused {
            code,
            announced_bytes,
        } => {
            count(Counter::FrameRefused, 1);
            warn!(peer = %code, bytes = announced_bytes, "a frame over the limit was refused");
            None
        }
    }
}

fn report(event: &Event) {
    tally(event);
    match event {
        Event::Decided {
            item,
            allowed,
            denied,
        } => {
            info!(item = %item, count = *allowed, "release decided");
            for (peer, rules) in denied {
                info!(item = %item, peer = %peer, error = %rules.join(" "), "denied");
            }
        }
        Event::PolicyFailed { item, policies } => {
            error!(item = %item, error = %policies.join(" "), "policies failed and deny; mend them");
        }
        Event::ConsentAsked {
            item,
            holder,
            recipient,
        } => {
            info!(item = %item, peer = %holder, receiver = %recipient, "consent asked for, a person answers")
        }
        Event::ConsentDeclined { item, originator, .. } => {
            info!(item = %item, peer = %originator, "consent refused");
        }
        Event::CharterFollowed { version } => info!(charter = version.get(), "directory followed"),
        Event::CharterFresh => info!("the charter is fresh"),
        Event::CharterBlocked { what } => {
            error!(error = %what, "the charter names policies that are not installed here; nothing but governance flows");
        }
        Event::CharterFork { chain, signers } => {
            let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
            error!(chain = %chain, error = %signers.join(" "), "two versions follow one; only TLP:CLEAR flows until `testudo charter choose`");
        }
        Event::Standing { hub, status } => warn!(peer = %hub, standing = %status, "standing of a member"),
        Event::PoliciesActivated { policies } => info!(policy_set = %policies, "policies in force"),
        Event::AttachmentFetched { item, .. } => info!(item = %item, "attachment fetched"),
        Event::AttachmentNotHere { item, .. } => warn!(item = %item, "nobody gives an attachment"),
        Event::AttachmentNoRoom { item, .. } => error!(item = %item, "no room on the disk for an attachment"),
        Event::AttachmentDamaged { item, .. } => {
            error!(item = %item, "the file of an attachment is damaged or gone");
        }
        Event::AttachmentRefused {
            item,
            receiver,
            rules,
        } => {
            info!(item = %item, peer = %receiver, error = %rules.join(" "), "attachment refused");
        }
        Event::Arrived { item, sender } => info!(item = %item, peer = %sender, "item arrived"),
        Event::Receipted { item, receiver, act } => {
            info!(item = %item, peer = %receiver, "{}", act.as_str());
        }
        Event::Withheld {
            item,
            receiver,
            rules,
        } => {
            info!(item = %item, peer = %receiver, error = %rules.join(" "), "withheld");
        }
        Event::PeerFault { peer, what } => warn!(peer = %peer, error = %what, "peer broke the protocol"),
        Event::ClockAhead { peer } => {
            warn!(peer = %peer, "the clock of this peer or of this hub is off by more than five minutes; nothing is sent to it until they agree");
        }
        Event::TooManyLogs { peer } => {
            error!(peer = %peer, "opens more logs than a member may; speak to its operator");
        }
        Event::Equivocation { peer } => {
            error!(peer = %peer, "peer has signed two envelopes for one place of its log; evidence is kept");
        }
        Event::SplitView { peer } => {
            error!(peer = %peer, "a ledger has two signed roots for one size; evidence is kept, and nothing of it is cosigned until `testudo ledger resume`");
        }
        Event::SplitActs { member } => {
            error!(peer = %member, "this member's root key has signed two acts for one place; it is held, and both are kept");
        }
        Event::OwnActsFollowed => info!("members have decided about their own keys or standing"),
        Event::KeysChanged => info!("this hub signs with other keys"),
        Event::KeysNotCertified => {
            error!(
                "the keys in the folder are not those that the newest act certifies; the hub goes on with those it has"
            );
        }
        Event::Behind { peer, size } => {
            error!(peer = %peer, tree_size = *size, "peer holds a checkpoint that this hub signed and has lost; the hub is fenced");
        }
        Event::Room { has_room: true } => info!("the disk has room again, new work is taken"),
        Event::Room { has_room: false } => {
            error!(
                "the disk is nearly full: nothing new is released or taken, and peers get no receipts; make room"
            );
        }
        Event::TurnedAway { peer } => {
            warn!(peer = %peer, "an envelope was not taken, the disk is nearly full; the peer keeps it");
        }
        Event::Unfenced { heard } => {
            info!(count = *heard, "peers have answered, the hub signs and releases");
        }
        Event::ErasedAgain { count } => {
            warn!(
                count = *count,
                "an older copy of the database held items that were erased since; they are destroyed again"
            );
        }
        Event::LogAhead { peer } => {
            error!(peer = %peer, "peer has taken over more of a log of this hub than the database knows; the logs are begun anew");
        }
        Event::DecisionUnproven { peer, item, index } => {
            error!(peer = %peer, item = %item, decision_id = *index, "peer has not shown in time that the decision behind this item stands in its ledger");
        }
        Event::PeerWentOnAlone { peer, .. } => {
            warn!(peer = %peer, "two people at this peer let it go on without asking anybody what it had signed");
        }
        Event::ClockOff { peer, ahead_seconds } => {
            warn!(peer = %peer, error = %format!("{ahead_seconds} seconds ahead"), "the clock of this peer is more than five minutes from ours");
        }
        Event::Checkpoint { size } => info!(tree_size = *size, "checkpoint signed"),
    }
}

/// Counts what is reported, for `/metrics`.
fn tally(event: &Event) {
    match event {
        Event::Decided { allowed, denied, .. } => {
            count(Counter::Allowed, u64::try_from(*allowed).unwrap_or(u64::MAX));
            count(Counter::Denied, u64::try_from(denied.len()).unwrap_or(u64::MAX));
        }
        Event::PolicyFailed { .. } => count(Counter::PolicyFailed, 1),
        Event::Arrived { .. } => count(Counter::Arrived, 1),
        Event::Receipted { .. } => count(Counter::Receipted, 1),
        Event::Withheld { .. } => count(Counter::Withheld, 1),
        Event::PeerFault { .. } => count(Counter::PeerFault, 1),
        Event::Equivocation { .. } | Event::SplitView { .. } => count(Counter::Equivocation, 1),
        Event::Checkpoint { .. } => count(Counter::Checkpoint, 1),
        _ => {}
    }
}
