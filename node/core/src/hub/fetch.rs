//! Fetching an attachment: piece by piece from whoever sent the item, each verified before it touches the disk.
//!
//! ```text
//! wanted (durable) --check what is on disk--> ask, verify, keep, ask .. --sync--> whole (durable)
//! ```
//!
//! What is on disk says by itself how far a fetch had come: after a restart it is checked against the root, and the fetch
//! goes on behind the last group that agrees. Nothing is remembered across connections. Of several hubs that sent the item
//! one is asked at a time; one that says "not here", or gives what was not signed, is not asked again by this fetch.

use std::collections::{BTreeSet, VecDeque};

use testudo_crypto::attachment::{Span, groups, verify_piece};
use testudo_protocol::exchange::{Control, Piece, PieceAsk};
use testudo_protocol::id::{EnvelopeHash, HubId, ItemId, Timestamp};

use super::attachment::Work;
use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::blob::{BlobDone, BlobJob, BlobJobId, BlobPlace, BlobRecord, BlobState};
use crate::input::CommandId;
use crate::output::{Event, Output};
use crate::records::ItemState;
use crate::refusal::Refusal;
use crate::views::Reply;

/// Pieces under way from one peer, and pieces that the disk has not taken yet: 1 MiB, a few round trips of any line, and
/// little for an envelope to wait behind.
const ASKS_MAX: usize = 4;

/// Attachments that may be wanted at once: what a person can have in mind, and a bound on what a restart takes up.
const FETCHES_MAX: usize = 64;

/// How long an answer may take before it counts as lost, in milliseconds: more than any disk or satellite takes.
const PATIENCE_MILLIS: u64 = 30_000;

/// One attachment on its way here.
pub(super) struct Fetch {
    stage: Stage,
    /// Groups that were verified and given to the disk, from the first on.
    kept: u64,
    /// The first group that is not asked for.
    next: u64,
    /// Pieces that the disk has not taken yet.
    writing: usize,
    asked: VecDeque<(u64, Span)>,
    /// Who is asked, and under which envelope.
    from: Option<(HubId, EnvelopeHash)>,
    /// Who has nothing for us.
    refused: BTreeSet<HubId>,
    /// When something last came of it.
    since: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is on disk is being checked.
    Checking,
    /// Pieces are being asked for.
    Asking,
    /// All pieces are on disk, and being brought to stable storage.
    Syncing,
}

impl Fetch {
    /// Groups that are here.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Who is asked.
    pub(super) fn from(&self) -> Option<HubId> {
        self.from.map(|(hub, _)| hub)
    }

    fn begin(now: Timestamp) -> Self {
        Self {
            stage: Stage::Checking,
            kept: 0,
            next: 0,
            writing: 0,
            asked: VecDeque::new(),
            from: None,
            refused: BTreeSet::new(),
            since: now,
        }
    }

    /// Gives up what is under way: it is asked for again, from whoever comes next.
    fn let_go(&mut self) {
        self.asked.clear();
        self.from = None;
        self.next = self.kept;
    }
}

impl Hub {
    /// Notes that an attachment is wanted; the answer comes once a restart would know it too.
    ///
    /// One that is here is checked again, so that what a disk has lost can be fetched anew.
    pub(super) fn fetch(
        &mut self,
        id: CommandId,
        item: ItemId,
        number: u32,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let latest = self.latest(item).ok_or(Refusal::NoSuchItem { item })?;
        if matches!(latest.state, ItemState::Retracted | ItemState::Expired) {
            return Err(Refusal::Withdrawn { item });
        }
        let place = (latest.item, number);
        let Some(record) = self.attachments.records.get(&place).cloned() else {
            let count = self.blobs_of(place.0).count();
            return Err(Refusal::NoSuchAttachment { item, count });
        };
        let under_way = self.attachments.fetches.len();
        let is_under_way = self.attachments.fetches.contains_key(&place);
        if !is_under_way && under_way >= FETCHES_MAX {
            return Err(Refusal::TooManyFetches { under_way });
        }
        let mut step = Step::default();
        if record.state == BlobState::Absent {
            let state = BlobState::Wanted;
            self.put_blob(&mut step, BlobRecord { state, ..record })?;
        }
        self.attachments.nowhere.remove(&place);
        if !is_under_way {
            self.attachments.fetches.insert(place, Fetch::begin(self.now));
            step.then(After::Fetch(place));
        }
        step.then(After::Reply(id, Reply::Fetching { item, number }));
        self.commit(step, out);
        Ok(())
    }

    /// After a restart: takes up what was wanted.
    pub(super) fn resume_fetches(&mut self, out: &mut Vec<Output>) {
        let wanted: Vec<BlobPlace> = (self.attachments.records.values())
            .filter(|record| record.state == BlobState::Wanted)
            .map(BlobRecord::place)
            .collect();
        for place in wanted {
            self.attachments.fetches.insert(place, Fetch::begin(self.now));
            self.check_file(place, out);
        }
    }

    /// Has the file checked from its first group on.
    pub(super) fn check_file(&mut self, place: BlobPlace, out: &mut Vec<Output>) {
        if let Some(record) = self.attachments.records.get(&place) {
            let job = BlobJob::Check {
                blob: record.blob,
                root: record.root,
                sealed_bytes: record.sealed_bytes,
            };
            self.work_on_fetch(place, job, out);
        }
    }

    fn work_on_fetch(&mut self, place: BlobPlace, job: BlobJob, out: &mut Vec<Output>) {
        let id = BlobJobId(self.next_id());
        self.attachments.jobs.insert(id, Work::Fetch(place));
        out.push(Output::Blob(id, job));
    }

    /// The disk has done its part.
    pub(super) fn on_fetch_work(&mut self, place: BlobPlace, done: BlobDone, out: &mut Vec<Output>) {
        let Some(record) = self.attachments.records.get(&place) else {
            return;
        };
        let total = groups(record.sealed_bytes);
        let Some(fetch) = self.attachments.fetches.get_mut(&place) else {
            return;
        };
        match done {
            BlobDone::Agrees(groups) if fetch.stage == Stage::Checking => {
                fetch.stage = Stage::Asking;
                fetch.kept = groups;
                fetch.next = groups;
                if groups < total {
                    self.unwhole(place, out);
                }
            }
            BlobDone::Kept => fetch.writing = fetch.writing.saturating_sub(1),
            BlobDone::NoRoom => {
                let (item, number) = place;
                return self.give_up(place, Event::AttachmentNoRoom { item, number }, out);
            }
            BlobDone::Synced if fetch.stage == Stage::Syncing => return self.complete(place, out),
            BlobDone::Agrees(_) | BlobDone::Synced | BlobDone::Cut(_) => {}
        }
        self.go_on_fetching(place, out);
    }

    /// An attachment that was whole is damaged or gone: it is wanted again.
    fn unwhole(&mut self, place: BlobPlace, out: &mut Vec<Output>) {
        let whole = (self.attachments.records.get(&place)).filter(|record| record.state == BlobState::Whole);
        let Some(record) = whole.cloned() else {
            return;
        };
        let mut step = Step::default();
        let state = BlobState::Wanted;
        if self.put_blob(&mut step, BlobRecord { state, ..record }).is_ok() {
            let (item, number) = place;
            step.then(After::Report(Event::AttachmentDamaged { item, number }));
            self.commit(step, out);
        }
    }

    /// The file is on stable storage: so may its row say.
    ///
    /// A crash right before this step leaves a whole file under a row that wants it, which the next start finds out by
    /// checking it.
    fn complete(&mut self, place: BlobPlace, out: &mut Vec<Output>) {
        self.attachments.fetches.remove(&place);
        let Some(record) = self.attachments.records.get(&place).cloned() else {
            return;
        };
        let mut step = Step::default();
        let state = BlobState::Whole;
        if self.put_blob(&mut step, BlobRecord { state, ..record }).is_ok() {
            let (item, number) = place;
            step.then(After::Report(Event::AttachmentFetched { item, number }));
            self.commit(step, out);
        }
        self.pump_fetches(out);
    }

    /// Nobody who sent the item gives the attachment, or there is no room for it.
    fn give_up(&mut self, place: BlobPlace, why: Event, out: &mut Vec<Output>) {
        self.attachments.fetches.remove(&place);
        self.attachments.nowhere.insert(place);
        let Some(record) = self.attachments.records.get(&place).cloned() else {
            return;
        };
        let mut step = Step::default();
        let state = BlobState::Absent;
        if self.put_blob(&mut step, BlobRecord { state, ..record }).is_ok() {
            step.then(After::Report(why));
            self.commit(step, out);
        }
        self.pump_fetches(out);
    }

    /// Does what a fetch needs next: asks for more, syncs, or gives up.
    fn go_on_fetching(&mut self, place: BlobPlace, out: &mut Vec<Output>) {
        let Some(record) = self.attachments.records.get(&place) else {
            return;
        };
        let (blob, sealed_bytes) = (record.blob, record.sealed_bytes);
        let Some(fetch) = self.attachments.fetches.get_mut(&place) else {
            return;
        };
        if fetch.stage != Stage::Asking {
            return;
        }
        if fetch.kept >= groups(sealed_bytes) {
            if fetch.writing == 0 {
                fetch.stage = Stage::Syncing;
                self.work_on_fetch(place, BlobJob::Sync { blob }, out);
            }
            return;
        }
        if fetch.from.is_none() {
            let carriers = self.carriers(place.0);
            let Some(fetch) = self.attachments.fetches.get(&place) else {
                return;
            };
            let left: Vec<(HubId, EnvelopeHash)> = (carriers.into_iter())
                .filter(|(carrier, _)| *carrier != self.me && !fetch.refused.contains(carrier))
                .collect();
            if left.is_empty() {
                let (item, number) = place;
                return self.give_up(place, Event::AttachmentNotHere { item, number }, out);
            }
            // Without one that we have met the fetch waits for the next meeting.
            let answers = |carrier: HubId| self.has_met(carrier) && !self.packs_for(carrier);
            let from = left.into_iter().find(|(carrier, _)| answers(*carrier));
            if let Some(fetch) = self.attachments.fetches.get_mut(&place) {
                fetch.from = from;
            }
        }
        self.ask_for_more(place, sealed_bytes, out);
    }

    fn ask_for_more(&mut self, place: BlobPlace, sealed_bytes: u64, out: &mut Vec<Output>) {
        let Some((from, envelope)) = self.attachments.fetches.get(&place).and_then(|fetch| fetch.from) else {
            return;
        };
        loop {
            let of_peer = self
                .attachments
                .fetches
                .values()
                .filter(|fetch| fetch.from() == Some(from));
            let under_way: usize = of_peer
                .map(|fetch| fetch.asked.len().saturating_add(fetch.writing))
                .sum();
            if under_way >= ASKS_MAX {
                return;
            }
            let ask = self.next_id();
            let now = self.now;
            let Some(fetch) = self.attachments.fetches.get_mut(&place) else {
                return;
            };
            let Some(span) = Span::from(sealed_bytes, fetch.next) else {
                return;
            };
            if fetch.asked.is_empty() {
                fetch.since = now;
            }
            fetch.next = span.end();
            fetch.asked.push_back((ask, span));
            let question = PieceAsk {
                ask,
                envelope,
                item: place.0,
                number: place.1,
                first: span.first(),
                count: span.count(),
            };
            self.transmit_control(from, Control::PieceAsk(question), out);
        }
    }

    /// A piece has come: verified here, group by group, before any of it goes to the disk.
    pub(super) fn on_piece(
        &mut self,
        peer: HubId,
        piece: Piece,
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let place = (piece.item, piece.number);
        let Some(record) = self.attachments.records.get(&place) else {
            return Ok(());
        };
        let (blob, root, now) = (record.blob, record.root, self.now);
        let Some(fetch) = self.attachments.fetches.get_mut(&place) else {
            return Ok(());
        };
        // Answers come in the order of the questions. Another one is of an earlier connection, or was given up.
        let expected = fetch
            .asked
            .front()
            .filter(|(ask, _)| *ask == piece.ask && fetch.from() == Some(peer));
        let Some((_, span)) = expected.copied() else {
            return Ok(());
        };
        match verify_piece(root.as_bytes(), span, &piece.bytes) {
            Ok(verified) => {
                fetch.asked.pop_front();
                fetch.kept = span.end();
                fetch.writing = fetch.writing.saturating_add(1);
                fetch.since = now;
                self.work_on_fetch(
                    place,
                    BlobJob::Keep {
                        blob,
                        piece: verified,
                    },
                    out,
                );
                self.go_on_fetching(place, out);
                Ok(())
            }
            Err(error) => {
                fetch.refused.insert(peer);
                fetch.let_go();
                self.go_on_fetching(place, out);
                Err(PeerFault::of(&error))
            }
        }
    }

    /// The peer has nothing for us under one of our questions.
    pub(super) fn on_not_here(&mut self, peer: HubId, ask: u64, out: &mut Vec<Output>) {
        let asked =
            |fetch: &Fetch| fetch.from() == Some(peer) && fetch.asked.iter().any(|(asked, _)| *asked == ask);
        let found = (self.attachments.fetches.iter()).find(|(_, fetch)| asked(fetch));
        let Some(place) = found.map(|(place, _)| *place) else {
            return;
        };
        if let Some(fetch) = self.attachments.fetches.get_mut(&place) {
            fetch.refused.insert(peer);
            fetch.let_go();
        }
        self.go_on_fetching(place, out);
    }

    /// The connection is gone, and with it what was asked for.
    pub(super) fn drop_asks(&mut self, peer: HubId) {
        for fetch in self.attachments.fetches.values_mut() {
            if fetch.from() == Some(peer) {
                fetch.let_go();
            }
        }
    }

    /// Goes on with whatever waits: somebody has connected, or a fetch before it has ended.
    pub(super) fn pump_fetches(&mut self, out: &mut Vec<Output>) {
        let waiting: Vec<BlobPlace> = self.attachments.fetches.keys().copied().collect();
        for place in waiting {
            self.go_on_fetching(place, out);
        }
    }

    /// Asks again for what got no answer.
    pub(super) fn hurry_fetches(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        for fetch in self.attachments.fetches.values_mut() {
            if !fetch.asked.is_empty() && fetch.since.plus_millis(PATIENCE_MILLIS) <= now {
                fetch.let_go();
            }
        }
        self.pump_fetches(out);
    }
}
