//! A hub from its rows: every index rebuilt, the tree held against its anchor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use testudo_crypto::entropy::Entropy;
use testudo_crypto::merkle::TreeSize;
use testudo_crypto::note::{Note, NoteError, NoteSigner};
use testudo_crypto::seal::{AudienceSecret, Identity};
use testudo_policies::gate::{Gate, GateError};
use testudo_protocol::announcement::Announcement;
use testudo_protocol::charter::{Governance, OwnAct, OwnActs};
use testudo_protocol::community::Community;
use testudo_protocol::consent::ConsentToken;
use testudo_protocol::envelope::AudienceKey;
use testudo_protocol::id::{AudienceId, EnvelopeHash, Hash, HubId, Timestamp};
use testudo_protocol::ledger::{Entry, Ledger, RestoreError as LedgerError};
use testudo_protocol::wire;
use zeroize::Zeroizing;

use super::CommunityLane;
use super::Hub;
use super::acts::{CHARTER_ROW, POLICIES_ROW};
use super::alone::ALONE_ROW;
use super::attachment::AttachmentDesk;
use super::audience::PeerKey;
use super::charter::{CharterDesk, restore_heartbeats};
use super::deliveries::Deliveries;
use super::fence::{AHEAD_ROW, FenceDesk};
use super::gossip::GossipDesk;
use super::grade::QUORUM_ROW;
use super::mirror::MirrorDesk;
use super::objects::ObjectIndex;
use super::own_logs::GENERATION_ROW;
use super::recipient_key::WeeklyKey;
use super::recovery::RECOVERING_ROW;
use super::room::Room;
use super::step::Step;
use super::tick::PUBLISHED_ROW;
use super::witness::WitnessDesk;
use crate::draft_record::DraftRecord;
use crate::keys::HubKeys;
use crate::output::{Family, Output};
use crate::records::{
    BodyRow, ConsentAsk, DeliveryRecord, DeliveryState, EpochRecord, ErasedRecord, GivenNotice, GivenReceipt,
    ItemRecord, KeyRow, TakenNotice,
    key::{CONSENT_ASK_KEY_BYTES, DRAFT_BUNDLE_KEY_BYTES, DRAFT_KEY_BYTES, is_erasure},
};

/// Who a hub is and by what it decides.
pub struct HubConfig {
    /// Its code.
    pub me: HubId,
    /// Its secrets.
    pub keys: HubKeys,
    /// What the members have signed: the first versions, and what was taken since ([`restore_governance`]).
    ///
    /// [`restore_governance`]: super::restore_governance
    pub governance: Governance,
    /// Policies, under the charter that follows from it.
    pub gate: Gate,
    /// Randomness for salts and ids.
    pub entropy: Entropy,
    /// Time between checkpoints, in milliseconds.
    pub tick_millis: u64,
    /// What this hub has decided about itself, as it lies in its folder: may be ahead of the rows.
    pub own_acts: Vec<Vec<u8>>,
    /// How envelopes leave whose receivers are exactly a community.
    pub community_lane: CommunityLane,
}

/// A stored row: family, key, value.
pub type Row = (Family, Vec<u8>, Vec<u8>);

/// What the anchor outside the database says about the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Entries covered.
    pub size: u64,
    /// Root over them, in hexadecimal.
    pub root: String,
}

/// Why rows are not a hub.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The charter does not list this hub, or with other keys.
    #[error(
        "charter lists {code} with other keys than this hub has, or not at all; the members must admit its card"
    )]
    NotInCharter {
        /// This hub.
        code: HubId,
    },
    /// The ledger's leaves are not whole.
    #[error("ledger is not whole")]
    Ledger(#[from] LedgerError),
    /// A row cannot be read.
    #[error("a row of family {family:?} cannot be read; restore the data folder from a backup")]
    Row {
        /// Of which family.
        family: Family,
    },
    /// The members' own acts do not fit the policies.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The name under which checkpoints are signed does not fit.
    #[error("ledger name does not fit a signed note")]
    Name(#[from] NoteError),
}

impl Hub {
    /// Rebuilds a hub and returns what it has to do first.
    ///
    /// It is fenced until enough peers have said what they hold of its ledger and its logs, and until
    /// all of that is here.
    ///
    /// # Errors
    /// [`RestoreError`] if the charter does not list this hub with these keys, or a row is damaged.
    pub fn restore(
        config: HubConfig,
        rows: Vec<Row>,
        anchor: Option<&Anchor>,
        now: Timestamp,
    ) -> Result<(Self, Vec<Output>), RestoreError> {
        let HubConfig {
            me,
            keys,
            governance,
            gate,
            entropy,
            tick_millis,
            own_acts: handed_in,
            community_lane,
        } = config;
        let own_acts = known_acts(&gate, &rows);
        let known = gate.charter().with_own_acts(&own_acts);
        let governance = restore_heartbeats(governance, &known, &rows)?;
        let gate = gate.under(governance.charter(now).with_own_acts(&own_acts))?;
        let charter = CharterDesk::new(governance, &rows, now);
        let realm = gate.charter().realm().clone();
        let leaves = (rows.iter().filter(|(family, ..)| *family == Family::Leaf))
            .map(|(_, key, value)| Ok((index_of(key)?, value.as_slice())))
            .collect::<Result<Vec<_>, RestoreError>>()?;
        let ledger = Ledger::restore(&realm, me, leaves.into_iter())?;
        // Entries behind the last checkpoint of a clean stop are proven by nothing on this machine.
        let in_doubt = anchor.map_or(0, |anchor| anchor.size) != ledger.size().get();
        let signer = NoteSigner::with(ledger.origin(), keys.ledger.clone())?;
        let communities = Community::all_of(gate.charter(), me);
        let mut hub = Self {
            me,
            keys,
            gate,
            charter,
            ledger,
            signer,
            entropy,
            now,
            tick_millis,
            revoked: false,
            own_acts,
            fence: FenceDesk::unasked(),
            mirror: MirrorDesk::default(),
            last_outers: BTreeMap::new(),
            generation: 0,
            in_doubt,
            closed_logs: BTreeSet::new(),
            proofs: BTreeMap::new(),
            quorum_size: 0,
            alone: None,
            alone_shown: BTreeSet::new(),
            peers_alone: BTreeMap::new(),
            entered_start: false,
            entered_charter: None,
            entered_policies: None,
            time_due: now,
            items: BTreeMap::new(),
            titles: BTreeMap::new(),
            objects: ObjectIndex::default(),
            drafts: BTreeMap::new(),
            heads: BTreeMap::new(),
            deliveries: Deliveries::default(),
            openings: BTreeMap::new(),
            given_receipts: BTreeMap::new(),
            given_notices: BTreeMap::new(),
            taken_notices: BTreeMap::new(),
            consents: BTreeMap::new(),
            weekly: BTreeMap::new(),
            announcement: None,
            announced: BTreeMap::new(),
            epochs: BTreeMap::new(),
            own_keys: BTreeMap::new(),
            peer_keys: BTreeMap::new(),
            asks: BTreeMap::new(),
            erased: BTreeMap::new(),
            entries_about: BTreeMap::new(),
            envelope_items: BTreeMap::new(),
            attachments: AttachmentDesk::default(),
            communities,
            community_lane,
            aloft: BTreeMap::new(),
            gossip: GossipDesk::default(),
            peers: BTreeMap::new(),
            pending: BTreeMap::new(),
            jobs: VecDeque::new(),
            working: false,
            sealing: BTreeMap::new(),
            sealing_notices: BTreeMap::new(),
            resealing: BTreeMap::new(),
            loading: BTreeMap::new(),
            packing: None,
            witness: WitnessDesk::default(),
            room: Room::default(),
            checkpoint_size: anchor.map_or(0, |anchor| anchor.size),
            checkpoint_due: now.plus_millis(tick_millis),
            expiry_due: now,
            next_id: 0,
        };
        let mut out = Vec::new();
        hub.take_handed_in(&handed_in);
        check_membership(me, &hub.keys, &hub.gate)?;
        let mut openings = BTreeMap::new();
        for (family, key, value) in rows {
            hub.take_row(family, &key, value, &mut openings)
                .ok_or(RestoreError::Row { family })?;
        }
        for (index, opening) in &openings {
            hub.note_opening(*index, opening);
        }
        hub.count_cosignatures();
        hub.note_destroyed_openings(&openings);
        hub.keep_openings(openings);
        hub.hide_what_is_erased(&mut out);
        hub.stand_at_start(anchor);
        if !hub.is_fenced() {
            hub.leave_fence(None, &mut out);
        }
        hub.resume_fetches(&mut out);
        Ok((hub, out))
    }

    fn take_row(
        &mut self,
        family: Family,
        key: &[u8],
        value: Vec<u8>,
        openings: &mut BTreeMap<u64, Vec<u8>>,
    ) -> Option<()> {
        match family {
            // The notes of the charter and the members' own acts were taken first of all.
            Family::Charter | Family::OwnAct => {}
            Family::Envelope | Family::Evidence | Family::Leaf | Family::Mirror => {}
            Family::Checkpoint => self.take_checkpoint(key, value)?,
            Family::Opening => {
                if let Ok(index) = <[u8; 8]>::try_from(key) {
                    openings.insert(u64::from_be_bytes(index), value);
                }
            }
            Family::Item => {
                let record: ItemRecord = wire::decode(&value).ok()?;
                self.items.insert(record.item, record);
            }
            Family::Body if key.len() == DRAFT_KEY_BYTES => {
                let record: DraftRecord = wire::decode(&value).ok()?;
                self.drafts.insert(record.id, record);
            }
            // The bundle of a draft is read when somebody asks for it.
            Family::Body if key.len() == DRAFT_BUNDLE_KEY_BYTES => {}
            Family::Body => {
                let (item, version) = key.split_first_chunk::<16>()?;
                // The signed part of a forward lies under its receiver too, and has no title of its own.
                if version.len() > 4 {
                    return Some(());
                }
                let row: BodyRow = wire::decode(&value).ok()?;
                let version = u32::from_be_bytes(version.try_into().ok()?);
                let item = testudo_protocol::id::ItemRef {
                    item: testudo_protocol::id::ItemId::new(*item),
                    version: testudo_protocol::id::ItemVersion::new(version),
                };
                self.titles.insert(item, row.title);
                self.objects.insert(item, row.tags);
            }
            Family::Log => {
                let (author, audience) = key.split_first_chunk::<16>()?;
                let author = HubId::from_wire(*author).ok()?;
                let (audience, rest) = audience.split_first_chunk::<16>()?;
                let audience = AudienceId::new(*audience);
                if !rest.is_empty() {
                    self.last_outers.insert((author, audience), value);
                    return Some(());
                }
                self.heads.insert((author, audience), wire::decode(&value).ok()?);
            }
            Family::Delivery => {
                let record: DeliveryRecord = wire::decode(&value).ok()?;
                self.deliveries.insert(record);
            }
            Family::Receipt => {
                let given: GivenReceipt = wire::decode(&value).ok()?;
                let receipt = testudo_protocol::receipt::Receipt::decode(&given.bytes).ok()?;
                let (envelope, _) = key.split_first_chunk::<32>()?;
                self.given_receipts
                    .insert((EnvelopeHash::new(*envelope), receipt.fields().act), given);
            }
            Family::Notice if is_erasure(key) => {
                let record: ErasedRecord = wire::decode(&value).ok()?;
                self.erased.insert(record.item, record);
            }
            Family::Notice if key.first() == Some(&b'g') => {
                let notice: GivenNotice = wire::decode(&value).ok()?;
                self.given_notices
                    .insert((notice.up_to.item, notice.addressee), notice);
            }
            Family::Notice => {
                let notice: TakenNotice = wire::decode(&value).ok()?;
                self.taken_notices.insert(notice.item, notice);
            }
            Family::Blob => self.take_blob_row(&value)?,
            Family::Proof => {
                let envelope = EnvelopeHash::new(key.try_into().ok()?);
                self.proofs.insert(envelope, wire::decode(&value).ok()?);
            }
            Family::Key => {
                let value = Zeroizing::new(value);
                self.take_key(wire::decode_secret(&value).ok()?)?;
            }
            Family::Epoch => {
                let (audience, _) = key.split_first_chunk::<16>()?;
                let record: EpochRecord = wire::decode(&value).ok()?;
                self.epochs
                    .insert((AudienceId::new(*audience), record.epoch), record);
            }
            Family::Announcement => {
                // One that the charter no longer bears out is forgotten: the hub announces a new one.
                if let Ok(announcement) = Announcement::verify(&value, self.gate.charter(), self.now) {
                    self.announced.insert(announcement.fields().hub, announcement);
                }
            }
            Family::Consent if key.first() == Some(&b'a') && key.len() == CONSENT_ASK_KEY_BYTES => {
                let ask: ConsentAsk = wire::decode(&value).ok()?;
                self.asks.insert(ask.place(), ask);
            }
            Family::Consent => {
                let token = ConsentToken::decode(&value).ok()?;
                let fields = token.fields();
                self.consents
                    .insert((fields.item, fields.holder, fields.recipient), token);
            }
        }
        Some(())
    }

    /// Takes the acts of this hub that lie in its folder and are in no row yet: a crash came between.
    ///
    /// One that does not count stops nothing here: the keys that it was to certify are not this hub's then.
    fn take_handed_in(&mut self, acts: &[Vec<u8>]) {
        for act in acts.iter().filter_map(|bytes| OwnAct::decode(bytes).ok()) {
            // Fenced as it is still, it enters none of them yet.
            let _counts = self.enter_own_act(&mut Step::default(), act);
        }
        // The policies are those that the charter names, or the gate at hand would not be there.
        let _closed_otherwise = self.adopt(self.charter_now());
        self.communities = Community::all_of(self.gate.charter(), self.me);
    }

    fn take_key(&mut self, row: KeyRow) -> Option<()> {
        match &row {
            KeyRow::Weekly { week, made, identity } => {
                let identity = Identity::from_secret(identity).ok()?;
                let made = *made;
                self.weekly.insert(*week, WeeklyKey { made, identity });
            }
            KeyRow::Audience {
                originator,
                audience,
                epoch,
                week,
                entry,
                recipients,
                secret,
            } => {
                let secret = AudienceSecret::from_bytes(*secret);
                let key = AudienceKey::new(*epoch, *week, recipients.clone(), secret);
                match entry {
                    Some(entry) => {
                        let entry = *entry;
                        self.peer_keys
                            .insert((*originator, *audience), PeerKey { entry, key });
                    }
                    None => {
                        self.own_keys.insert(*audience, key);
                    }
                }
            }
        }
        Some(())
    }

    /// A checkpoint of our own, or what is held of another's ledger.
    fn take_checkpoint(&mut self, key: &[u8], value: Vec<u8>) -> Option<()> {
        let hub = |code: &[u8]| HubId::from_wire(code.try_into().ok()?).ok();
        match key {
            PUBLISHED_ROW => self.witness.published = Some(Note::parse(&value).ok()?),
            AHEAD_ROW => {
                // A peer has shown that we signed more than is here; it may have come back since.
                let ahead = self.signed_by_us(&value)?;
                let is_here = self.ledger.root_at(ahead.size) == Some(ahead.root);
                self.fence.ahead = Some(ahead).filter(|_| !is_here);
            }
            RECOVERING_ROW => self.fence.lost_from = wire::decode(&value).ok()?,
            GENERATION_ROW => self.generation = u32::from_be_bytes(value.try_into().ok()?),
            QUORUM_ROW => self.take_quorum(&Note::parse(&value).ok()?),
            ALONE_ROW => self.take_alone_row(None, &value)?,
            CHARTER_ROW => self.entered_charter = Some(Hash::new(value.try_into().ok()?)),
            POLICIES_ROW => self.entered_policies = Some(Hash::new(value.try_into().ok()?)),
            [b'w', code @ ..] => {
                self.witness.held.insert(hub(code)?, wire::decode(&value).ok()?);
            }
            [b'e', code @ ..] => {
                self.witness.evidence.insert(hub(code)?, value);
            }
            [b'm', code @ ..] => {
                self.mirror.kept.insert(hub(code)?, wire::decode(&value).ok()?);
            }
            [b'a', code @ ..] => self.take_alone_row(Some(hub(code)?), &value)?,
            _ => {}
        }
        Some(())
    }

    /// Keeps the openings of decisions on which something still has to be sent.
    fn keep_openings(&mut self, mut openings: BTreeMap<u64, Vec<u8>>) {
        for delivery in self.deliveries.values() {
            // A receiver that lost its disk can ask again for what it once had.
            let may_be_sent = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Delivered);
            if may_be_sent && let Some(opening) = openings.remove(&delivery.decision) {
                self.openings.insert(delivery.decision, opening);
            }
        }
    }

    /// The first entry of a ledger that nobody has ever seen one of.
    pub(super) fn begin_ledger(&mut self, step: &mut Step) {
        if self.ledger.size().get() == 0 {
            let charter = self.gate.charter().fingerprint();
            // An entry is far below the codec's limit.
            let _bounded = self.enter(step, Entry::Genesis { charter });
        }
    }
}

/// The members' own acts among the rows, in the order of their chains.
///
/// One that the charter does not bear out any more is passed over: its member has another root key by now.
fn known_acts(gate: &Gate, rows: &[Row]) -> OwnActs {
    let mut acts = OwnActs::default();
    let rows = rows.iter().filter(|(family, ..)| *family == Family::OwnAct);
    for act in rows.filter_map(|(_, _, bytes)| OwnAct::decode(bytes).ok()) {
        let _passed_over = acts.take(act, gate.charter());
    }
    acts
}

fn check_membership(me: HubId, keys: &HubKeys, gate: &Gate) -> Result<(), RestoreError> {
    let member = gate
        .charter()
        .member(me)
        .filter(|member| member.keys == keys.public());
    // One that is not active runs as well: it has to hear of its resumption, and to withdraw what it once gave.
    match member {
        None => Err(RestoreError::NotInCharter { code: me }),
        Some(_) => Ok(()),
    }
}

fn index_of(key: &[u8]) -> Result<u64, RestoreError> {
    <[u8; 8]>::try_from(key)
        .map(u64::from_be_bytes)
        .map_err(|_| RestoreError::Row { family: Family::Leaf })
}

/// Whether the tree, cut to the anchor's size, has the anchor's root.
pub(super) fn contains(ledger: &Ledger, anchor: &Anchor) -> bool {
    let root = ledger.root_at(TreeSize::new(anchor.size));
    root.is_some_and(|root| root.digest().to_hex() == anchor.root)
}
