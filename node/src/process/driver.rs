//! The hub thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use testudo_core::hub::Hub;
use testudo_core::input::{Command, CommandId, Input};
use testudo_core::output::{Event, Output};
use testudo_core::refusal::Refusal;
use testudo_core::views::Reply;
use testudo_policies::engine::Engine;
use testudo_policies::gate::Gate;
use testudo_policies::policy_set::LoadError;
use testudo_protocol::id::HubId;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use super::disk::{Disk, Fatal};
use super::settle::{Effects, settle};
use crate::clock;
use crate::store::Store;
use crate::transport::{Transport, TransportEvent};

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
    /// A second has passed.
    Tick,
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
}

/// Reads and validates the policies in the hub's folders.
pub type PolicyReader = Arc<dyn Fn() -> Result<Engine, LoadError> + Send + Sync>;

/// The hub has ended.
#[derive(Debug, thiserror::Error)]
#[error("the hub is stopping; ask again when it runs")]
pub struct Stopped;

impl HubHandle {
    pub(super) fn channel(policies: PolicyReader) -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        (Self { requests, policies }, receiver)
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

/// What surrounds the hub but for its disk.
pub(super) struct Shell {
    pub(super) transport: Transport,
    #[cfg(feature = "tap")]
    pub(super) canaries: Option<super::canary::Canaries>,
    pub(super) waiting: BTreeMap<CommandId, oneshot::Sender<Result<Reply, Refusal>>>,
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

    fn input(&mut self, request: Request) -> Option<Input> {
        match request {
            Request::Command(command, reply) => {
                self.commands = self.commands.wrapping_add(1);
                let id = CommandId(self.commands);
                self.shell.waiting.insert(id, reply);
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
            Request::Network(event) => network_input(event),
            Request::Tick => {
                self.disk.begin_week(clock::now());
                Some(Input::Tick)
            }
            Request::Stop => Some(Input::Stop),
        }
    }

    fn settle(&mut self, inputs: VecDeque<Input>, outputs: Vec<Output>) -> Result<(), Fatal> {
        let (hub, disk, shell) = (&mut self.hub, &mut self.disk, &mut self.shell);
        settle(hub, disk, shell, &clock::now, inputs, outputs)
    }
}

impl Effects for Shell {
    fn carry_out(&mut self, output: Output) -> Result<Option<Input>, Fatal> {
        match output {
            // What concerns the disk is done by the caller, in its order.
            Output::Persist(..) | Output::Load(..) | Output::Anchor { .. } => {}
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
            Output::Disconnect(peer) => self.transport.disconnect(peer.as_str()),
            Output::Reply(id, reply) => {
                if let Some(waiting) = self.waiting.remove(&id) {
                    // Whoever asked may have gone; the act stands all the same.
                    let _gone = waiting.send(reply);
                }
            }
            Output::Report(event) => report(&event),
        }
        Ok(None)
    }
}

impl Shell {
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
        TransportEvent::Listening { .. } => None,
        TransportEvent::Stranger { count } => {
            warn!(count, "somebody who is not a member was turned away");
            None
        }
        TransportEvent::FrameRefused {
            code,
            announced_bytes,
        } => {
            warn!(peer = %code, bytes = announced_bytes, "a frame over the limit was refused");
            None
        }
    }
}

fn report(event: &Event) {
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
        Event::PoliciesActivated { policies } => info!(policy_set = %policies, "policies in force"),
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
        Event::Equivocation { peer } => {
            error!(peer = %peer, "peer has signed two envelopes for one place of its log; evidence is kept");
        }
        Event::SplitView { peer } => {
            error!(peer = %peer, "a ledger has two signed roots for one size; evidence is kept, and nothing of it is cosigned until `testudo ledger resume`");
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
        Event::Checkpoint { size } => info!(tree_size = *size, "checkpoint signed"),
    }
}
