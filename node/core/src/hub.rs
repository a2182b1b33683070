//! The hub: its state, and the one function that moves it.

mod acts;
mod alone;
mod asking;
pub mod attachment;
mod audience;
mod charter;
mod charter_gossip;
mod charter_view;
mod clock;
mod compose;
mod consent;
mod courier;
mod decide;
mod deliver;
mod deliveries;
mod delivery;
mod downgrade;
mod drafts;
mod erase;
mod fence;
mod fetch;
mod gossip;
mod grade;
mod lane;
mod meeting;
mod mirror;
mod objects;
mod own_act;
mod own_logs;
mod policies;
mod proofs;
pub mod read;
mod receipt;
mod receive;
mod recipient_key;
mod recovery;
mod release;
mod reseal;
mod restore;
mod room;
mod serve;
mod sources;
mod step;
mod store_release;
mod tick;
mod withdraw;
mod witness;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use testudo_crypto::entropy::Entropy;
use testudo_crypto::note::NoteSigner;
use testudo_policies::gate::Gate;
use testudo_protocol::announcement::Announcement;
use testudo_protocol::charter::OwnActs;
use testudo_protocol::community::Community;
use testudo_protocol::consent::ConsentToken;
use testudo_protocol::envelope::{AudienceKey, Envelope, Suite};
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{
    AudienceId, CharterVersion, DraftId, EnvelopeHash, Hash, HubId, ItemId, ItemRef, Timestamp,
};
use testudo_protocol::ledger::Ledger;
use testudo_protocol::receipt::Act;
use testudo_protocol::sync::Head;
use testudo_protocol::week::Week;

use crate::draft_record::{DraftRecord, DraftState};
use crate::input::{BatchId, Command, CommandId, Input, LoadId, SealId};
use crate::keys::HubKeys;
use crate::output::{Event, Output};
use crate::records::{
    ConsentAsk, DecisionProof, EpochRecord, ErasedRecord, GivenNotice, GivenReceipt, ItemRecord, TakenNotice,
};
use crate::refusal::Refusal;

use alone::AloneRow;
use attachment::AttachmentDesk;
use audience::PeerKey;
use charter::CharterDesk;
pub use charter::restore_governance;
use compose::Sealing;
use courier::Packing;
use deliver::{Flight, Loaded};
use deliveries::Deliveries;
use fence::FenceDesk;
use gossip::{GossipDesk, Gossiped};
pub use grade::QUORUM_ROW;
use lane::Aloft;
pub use lane::CommunityLane;
use mirror::MirrorDesk;
use objects::ObjectIndex;
pub use receive::LOGS_MAX;
use recipient_key::WeeklyKey;
use release::Job;
use reseal::Resealing;
pub use restore::{Anchor, HubConfig, RestoreError, Row};
use room::Room;
use step::Pending;
pub use tick::{NEWEST_ROW, PUBLISHED_ROW};
use witness::WitnessDesk;

/// Releases that may wait behind the one under way.
const JOBS_MAX: usize = 256;

/// One hub.
pub struct Hub {
    me: HubId,
    keys: HubKeys,
    gate: Gate,
    charter: CharterDesk,
    ledger: Ledger,
    signer: NoteSigner,
    entropy: Entropy,
    now: Timestamp,
    tick_millis: u64,
    /// A key that this hub works with was revoked, or its members' own acts do not fit the policies: it signs nothing until it has others.
    revoked: bool,
    /// What the members have decided about themselves; the gate's charter is seen through it.
    own_acts: OwnActs,
    fence: FenceDesk,
    mirror: MirrorDesk,
    /// The last outer part of each log that was taken over here, for its author to see.
    last_outers: BTreeMap<(HubId, AudienceId), Vec<u8>>,
    /// How often our own logs have been begun anew.
    generation: u32,
    /// Whether the database is not proven whole by its anchor since the start.
    in_doubt: bool,
    /// Logs of ours that a peer has shown to be further than we are.
    closed_logs: BTreeSet<AudienceId>,
    /// What is to be shown of the decisions behind envelopes that came.
    proofs: BTreeMap<EnvelopeHash, DecisionProof>,
    /// Entries of our ledger under the newest checkpoint that a quorum cosigned.
    quorum_size: u64,
    /// The newest entry about having gone on alone.
    alone: Option<AloneRow>,
    /// Who has been shown it on this connection.
    alone_shown: BTreeSet<HubId>,
    /// What peers have shown of that kind: which entry, and when.
    peers_alone: BTreeMap<HubId, (u64, Timestamp)>,
    /// The charter and the policies that the ledger named last.
    entered_start: bool,
    entered_charter: Option<Hash>,
    entered_policies: Option<Hash>,
    time_due: Timestamp,

    items: BTreeMap<ItemRef, ItemRecord>,
    titles: BTreeMap<ItemRef, String>,
    objects: ObjectIndex,
    drafts: BTreeMap<DraftId, DraftRecord>,
    heads: BTreeMap<(HubId, AudienceId), Head>,
    deliveries: Deliveries,
    /// Openings of decisions on which a delivery still rests.
    openings: BTreeMap<u64, Vec<u8>>,
    given_receipts: BTreeMap<(EnvelopeHash, Act), GivenReceipt>,
    given_notices: BTreeMap<(ItemId, HubId), GivenNotice>,
    taken_notices: BTreeMap<ItemId, TakenNotice>,
    consents: BTreeMap<(ItemRef, HubId, HubId), ConsentToken>,
    asks: BTreeMap<asking::AskPlace, ConsentAsk>,
    erased: BTreeMap<ItemId, ErasedRecord>,
    /// Which entries of the ledger are about an item, for its erasure.
    entries_about: BTreeMap<ItemId, BTreeSet<u64>>,
    envelope_items: BTreeMap<EnvelopeHash, ItemId>,

    /// Our own recipient keys, one a week.
    weekly: BTreeMap<Week, WeeklyKey>,
    /// What we tell peers about the newest of them.
    announcement: Option<Announcement>,
    /// What peers have told us about theirs.
    announced: BTreeMap<HubId, Announcement>,
    epochs: BTreeMap<(AudienceId, u32), EpochRecord>,
    /// The latest key of each of our audiences.
    own_keys: BTreeMap<AudienceId, AudienceKey>,
    /// The latest key of each log of a peer.
    peer_keys: BTreeMap<(HubId, AudienceId), PeerKey>,

    attachments: AttachmentDesk,
    communities: Vec<Community>,
    community_lane: CommunityLane,
    /// What was published a moment ago.
    aloft: BTreeMap<ItemRef, Aloft>,
    gossip: GossipDesk,

    peers: BTreeMap<HubId, Peer>,
    pending: BTreeMap<BatchId, Pending>,
    jobs: VecDeque<Job>,
    /// INVARIANT (one release at a time): while this is set, no sequence number of any own log
    /// is given to another envelope.
    working: bool,
    sealing: BTreeMap<SealId, Sealing>,
    sealing_notices: BTreeMap<SealId, HubId>,
    resealing: BTreeMap<SealId, Resealing>,
    loading: BTreeMap<LoadId, Loading>,
    packing: Option<Packing>,
    witness: WitnessDesk,
    room: Room,
    checkpoint_size: u64,
    checkpoint_due: Timestamp,
    expiry_due: Timestamp,
    next_id: u64,
}

/// One peer while this process runs; nothing of it outlives it.
#[derive(Default)]
struct Peer {
    connected: bool,
    /// When we last met it in this session.
    met: Option<Timestamp>,
    /// Whether it has said hello since, too soon to meet at once.
    meets_again: bool,
    /// Whether it has said on this connection which key content is to be sealed to.
    announced: bool,
    /// An announcement that was made ahead of our clock, to be heard again.
    early: Option<Vec<u8>>,
    /// The version of the directory that it has told us it follows.
    charter: Option<CharterVersion>,
    /// It sent a note of the charter that rests on something that was not here yet.
    early_notes: bool,
    /// How often it has asked for the charter over this connection.
    haves: u32,
    flights: BTreeSet<Flight>,
    /// Whether what waited for this connection has been entered as served.
    served: bool,
    fault: Option<String>,
    /// Whether the operator knows that it opens more logs than it may.
    told_of_logs: bool,
    /// When it is asked for proofs of its decisions, and whether it was over this connection.
    proofs_due: Option<Timestamp>,
    proofs_asked: bool,
    /// How far its clock is ahead of ours, as it last said.
    ahead_millis: Option<i64>,
}

/// For whom a row is being read.
enum Loading {
    /// An envelope for a peer, with what has to go before it or instead of it.
    Flight(Box<Loaded>),
    /// The body of an item that is to be forwarded.
    Forward(Box<consent::ForwardRequest>),
    /// A draft, or the item that one is cut down from.
    Draft(Box<drafts::DraftRequest>),
    /// What is left of an erased envelope, for a peer.
    Outer(Box<Loaded>),
    /// An envelope of which only the outer part is to be left.
    Erasure(Box<erase::Erasure>),
    /// Leaves of a peer's ledger, for their owner.
    Leaves(Box<mirror::Giving>),
    /// Leaves of our own ledger, for a peer that keeps them.
    OwnLeaves(Box<mirror::Giving>),
}

impl Hub {
    /// Moves the hub by one input.
    ///
    /// Time never runs backwards inside: an earlier `now` counts as the latest one seen.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        self.now = self.now.max(now);
        let mut out = Vec::new();
        match input {
            Input::Command(id, command) => self.on_command(id, command, &mut out),
            Input::Connected(peer) => self.on_connected(peer, &mut out),
            Input::Disconnected(peer) => {
                self.on_disconnected(peer);
                // Another hub may have what was asked for.
                self.pump_fetches(&mut out);
            }
            Input::Frame(peer, frame) => {
                self.on_frame(peer, &frame, &mut out);
                self.take_early(&mut out);
            }
            Input::Gossip {
                id,
                community,
                from,
                bytes,
            } => {
                let gossiped = Gossiped { id, community, from };
                self.on_gossip(gossiped, &bytes, &mut out);
                self.take_early(&mut out);
            }
            Input::Persisted(batch) => self.on_persisted(batch, &mut out),
            Input::Loaded(id, row) => self.on_loaded(id, row, &mut out),
            Input::Sealed(id, result) => self.on_sealed(id, result, &mut out),
            Input::Blob(id, done) => self.on_blob(id, done, &mut out),
            Input::Policies(gate) => self.on_policies(*gate, &mut out),
            Input::Keys(keys) => self.on_keys(*keys, &mut out),
            Input::Room(has_room) => self.on_room(has_room, &mut out),
            // Everything else here signs.
            Input::Tick if self.revoked => {
                self.turn_charter(&mut out);
                if self.is_fenced() {
                    self.reconsider(&mut out);
                }
            }
            Input::Stop if self.revoked => {
                if self.is_fenced() {
                    self.reconsider(&mut out);
                }
            }
            Input::Tick => {
                self.turn_charter(&mut out);
                self.turn_keys(&mut out);
                self.hear_early(&mut out);
                self.meet_again(&mut out);
                self.hurry_fetches(&mut out);
                self.tell_time(&mut out);
                self.press_on_recovering(&mut out);
                self.press_for_proofs(&mut out);
                if self.is_fenced() {
                    self.reconsider(&mut out);
                }
                self.settle_gossip(&mut out);
                self.repair_gossip(&mut out);
                self.on_tick(&mut out);
            }
            Input::Stop => self.on_stop(&mut out),
        }
        self.fill_parcel(&mut out);
        out
    }

    fn on_command(&mut self, id: CommandId, command: Command, out: &mut Vec<Output>) {
        let done = match command {
            Command::ConfirmAlone { person } => self.confirm_alone(id, &person, out),
            // No entry waits for it, and the members can always decide.
            Command::SubmitCharter { notes } => self.submit_charter(id, notes, out),
            _ if self.is_fenced() => Err(self.fenced()),
            Command::OwnAct(bytes) => self.hand_in_own_act(id, &bytes, out),
            _ if self.revoked => Err(Refusal::KeyRevoked),
            _ if self.is_full() && room::begins_work(&command) => Err(Refusal::StorageFull),
            Command::Release(command) => self.ask_release(id, command, out),
            Command::KeepDraft(draft) => self.keep_draft(id, draft, out),
            Command::ReviewDraft { draft, person } => {
                self.move_draft(id, (draft, DraftState::InReview), person, out)
            }
            Command::ApproveDraft {
                draft,
                preview,
                person,
            } => self.approve_draft(id, (draft, preview, person), out),
            Command::RefuseDraft { draft, person } => {
                self.move_draft(id, (draft, DraftState::Refused), person, out)
            }
            Command::DiscardDraft { draft } => self.discard_draft(id, draft, out),
            Command::ReleaseDraft { draft, preview } => self.release_draft(id, (draft, preview), out),
            Command::Forward { item, to } => self.ask_forward(id, item, to, out),
            Command::Consent {
                item,
                holder,
                recipient,
                until,
                purpose,
            } => self.give_consent(id, item, (holder, recipient), until, purpose, out),
            Command::AskConsent {
                item,
                recipient,
                purpose,
                deadline,
            } => self.ask_consent(id, item, recipient, (purpose, deadline), out),
            Command::RefuseConsent {
                item,
                holder,
                recipient,
            } => self.refuse_consent(id, item, (holder, recipient), out),
            Command::Retract { item } => self.retract(id, item, out),
            Command::Erase { item, basis } => self.ask_erase(id, item, basis, out),
            Command::PackParcel { to } => self.ask_parcel(id, to, out),
            Command::TakeParcel { sealed } => self.take_parcel(id, &sealed, out),
            Command::ChooseBranch { branch } => self.choose_branch(id, branch, out),
            Command::ResumeWitness { hub } => self.resume_witness(id, hub, out),
            Command::Open { item } => self.note_reading(id, item, Act::Opened, out),
            Command::Acknowledge { item } => self.note_reading(id, item, Act::Acknowledged, out),
            Command::Fetch { item, number } => self.fetch(id, item, number, out),
        };
        if let Err(refusal) = done {
            out.push(Output::Reply(id, Err(refusal)));
        }
    }

    fn on_frame(&mut self, peer: HubId, frame: &[u8], out: &mut Vec<Output>) {
        if self.is_fenced() {
            if let Err(fault) = self.hear_fenced(peer, frame, out) {
                self.blame(peer, fault.0, out);
            }
            return;
        }
        let result = match Message::decode(frame) {
            Ok(message) if !self.may_hear(peer, &message) => return,
            Ok(Message::Content(_) | Message::Resealed(_)) if self.is_full() => {
                return self.turn_away(peer, out);
            }
            Ok(Message::Content(bytes)) => Envelope::decode(&bytes)
                .map_err(|error| PeerFault::of(&error))
                .and_then(|envelope| self.on_envelope(peer, envelope, &bytes, out)),
            Ok(Message::Resealed(bytes)) => Envelope::decode_resealed(&bytes)
                .map_err(|error| PeerFault::of(&error))
                .and_then(|envelope| self.on_envelope(peer, envelope, &bytes, out)),
            Ok(Message::Control(control)) => self.on_control(peer, control, out),
            Ok(Message::Piece(piece)) => self.on_piece(peer, piece, out),
            Err(error) => Err(PeerFault::of(&error)),
        };
        if let Err(fault) = result {
            self.blame(peer, fault.0, out);
        }
    }

    fn on_control(&mut self, peer: HubId, control: Control, out: &mut Vec<Output>) -> Result<(), PeerFault> {
        match control {
            Control::Hello { realm, charter } => self.on_hello(peer, (realm.as_bytes(), charter), out),
            Control::Welcome => {
                self.on_welcome(peer, out);
                Ok(())
            }
            Control::OuterOnly(bytes) => self.on_outer_only(peer, &bytes, out),
            Control::Expect { audience, next } => {
                self.on_expect(peer, audience, next, out);
                Ok(())
            }
            Control::Receipt(bytes) => self.on_receipt(peer, &bytes, out),
            Control::Noted { envelope, act } => {
                self.on_noted(peer, envelope, act, out);
                Ok(())
            }
            Control::Notice(bytes) => self.on_notice(&bytes, out),
            Control::Consent(bytes) => self.on_consent(peer, &bytes, out),
            Control::Announce(bytes) => self.on_announce(peer, &bytes, out),
            Control::ConsentAsk(bytes) => self.on_consent_ask(peer, &bytes, out),
            Control::ConsentDeclined(bytes) => self.on_consent_declined(peer, &bytes, out),
            Control::AddCheckpoint(bytes) => {
                self.on_add_checkpoint(peer, &bytes, out);
                Ok(())
            }
            Control::Cosigned {
                request,
                status,
                body,
            } => self.on_cosigned(peer, request, (status, &body), out),
            Control::LastCheckpointAsk => {
                self.on_last_checkpoint_ask(peer, out);
                Ok(())
            }
            Control::LastCheckpoint(bytes) => self.on_last_checkpoint(peer, &bytes, out),
            Control::Evidence(bytes) => self.on_evidence(&bytes, out),
            Control::PieceAsk(ask) => {
                self.on_piece_ask(peer, ask, out);
                Ok(())
            }
            Control::NotHere { ask } => {
                self.on_not_here(peer, ask, out);
                Ok(())
            }
            Control::OwnHeads(heads) => self.on_own_heads(peer, &heads, out),
            Control::OwnActsWanted { member, from } => {
                self.on_own_acts_wanted(peer, (member, from), out);
                Ok(())
            }
            Control::OwnAct(bytes) => self.on_own_act(&bytes, out),
            Control::CharterHave { from, until, known } => {
                self.on_charter_have(peer, (from, until), &known, out)
            }
            Control::CharterNote(bytes) => self.on_charter_note(peer, &bytes, out),
            Control::Heartbeat(bytes) => self.on_heartbeat(peer, &bytes, out),
            Control::Follows { charter } => {
                self.peers.entry(peer).or_default().charter = Some(charter);
                self.push(peer, out);
                Ok(())
            }
            Control::HeadsAsk => {
                self.on_heads_ask(peer, out);
                Ok(())
            }
            Control::Heads { outers, last } => self.on_heads(peer, &outers, last, out),
            Control::LeavesAsk { owner, from } => self.on_leaves_ask(peer, owner, from, out),
            leaves @ Control::Leaves { .. } => self.on_leaves(peer, leaves, out),
            Control::ProofAsk {
                envelope,
                index,
                commitment,
            } => {
                self.on_proof_ask(peer, envelope, index, commitment, out);
                Ok(())
            }
            Control::Proof { envelope, proof } => self.on_proof(peer, envelope, &proof, out),
            Control::Time(time) => {
                self.on_time(peer, time, out);
                Ok(())
            }
            Control::Alone(bytes) => self.on_alone(peer, &bytes, out),
        }
    }

    /// Tells the operator and ends the connection; the peer may come back and do better.
    fn blame(&mut self, peer: HubId, what: String, out: &mut Vec<Output>) {
        self.tell_of_fault(peer, what, out);
        out.push(Output::Disconnect(peer));
    }

    /// Tells the operator, and leaves the connection as it is.
    fn tell_of_fault(&mut self, peer: HubId, what: String, out: &mut Vec<Output>) {
        let state = self.peers.entry(peer).or_default();
        state.fault = Some(what.clone());
        out.push(Output::Report(Event::PeerFault { peer, what }));
    }

    fn next_id(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    fn is_connected(&self, peer: HubId) -> bool {
        self.peers.get(&peer).is_some_and(|state| state.connected)
    }

    /// Whether a peer has heard us on this connection, and we have heard it.
    fn has_met(&self, peer: HubId) -> bool {
        self.peers.get(&peer).is_some_and(|state| state.met.is_some())
    }

    /// Whether content may be sent to a peer: both are in good standing, we have met it, it follows no older directory
    /// than we do, and in suite 2 has announced its key.
    fn is_ready(&self, peer: HubId) -> bool {
        let charter = self.gate.charter();
        let classical = charter.writes() == Suite::Classical;
        let is_level = |state: &Peer| {
            state.charter.is_some_and(|theirs| theirs >= charter.version()) && state.met.is_some()
        };
        self.is_in_good_standing(peer)
            && self.is_in_good_standing(self.me)
            && (self.peers.get(&peer)).is_some_and(|state| is_level(state) && (state.announced || classical))
    }

    /// The latest version of an item that this hub knows.
    fn latest(&self, item: ItemId) -> Option<&ItemRecord> {
        let first = ItemRef {
            item,
            version: testudo_protocol::id::ItemVersion::new(0),
        };
        let last = ItemRef {
            item,
            version: testudo_protocol::id::ItemVersion::new(u32::MAX),
        };
        self.items
            .range(first..=last)
            .next_back()
            .map(|(_, record)| record)
    }

    /// This hub.
    pub fn me(&self) -> HubId {
        self.me
    }

    /// The gate it asks.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

/// What a peer did wrong, for the operator. Never content.
#[derive(Debug)]
pub(crate) struct PeerFault(String);

impl PeerFault {
    /// The error and its causes, each once.
    fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}
