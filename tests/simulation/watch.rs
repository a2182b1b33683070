//! What the invariants remember of a run: what was drafted, what was sealed, and what was promised.

use std::collections::{BTreeMap, BTreeSet};

use testudo_protocol::id::{AudienceId, EnvelopeHash, HubId, ItemId, ItemRef, Sequence, Timestamp};
use testudo_protocol::label::Label;
use testudo_protocol::licence::Licence;
use testudo_protocol::receipt::Act;

/// Length of a canary window, in bytes.
const WINDOW_BYTES: usize = 32;

/// Where the first window begins, in bytes: every ciphertext has the same 32 bytes in front.
const WINDOW_FIRST: usize = 64;

/// Distance between the windows of one ciphertext, in bytes.
const WINDOW_EVERY: usize = 256;

/// Where the first window of a sealed attachment begins, in bytes: behind its header.
const ATTACHMENT_WINDOW_FIRST: usize = 5_000;

/// Distance between the windows of a sealed attachment, in bytes: a group of its tree.
const ATTACHMENT_WINDOW_EVERY: usize = 16 << 10;

/// What every marker begins with; it stands nowhere but in content.
pub const MARKER: &str = "canary-";

/// What ends a marker.
const MARKER_END: u8 = b'.';

/// A draft that somebody made.
pub struct Drafted {
    /// Whose.
    pub originator: HubId,
    /// How it may be handled.
    pub label: Label,
    /// How it may be passed on, if its author says so.
    pub licence: Option<Licence>,
    /// For what.
    pub purpose: String,
    /// When, by the originator's clock.
    pub made: Timestamp,
}

/// What a hub has let somebody know, and must know itself ever after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// It told its operator that an item is released to these.
    Released(ItemRef, Vec<HubId>),
    /// It told its operator that a consent is given to this holder for this recipient.
    Consented(ItemId, HubId, HubId),
    /// It told its operator that an item is withdrawn.
    Withdrawn(ItemId),
    /// It told its operator that a reading is noted.
    Read(ItemId, Act),
    /// It sent a receipt.
    Receipted(ItemRef, Act, EnvelopeHash),
    /// It told a receiver that its receipt is noted.
    Credited(ItemRef, HubId, Act),
}

/// The memory.
pub struct Watch {
    /// Hubs whose frames are not their own: what they send proves nothing.
    pub liars: BTreeSet<HubId>,
    /// Drafts by marker.
    pub drafts: BTreeMap<String, Drafted>,
    /// Promises by hub.
    pub promises: BTreeMap<HubId, BTreeSet<Promise>>,
    /// Items whose arrival a hub has reported.
    pub arrived: BTreeSet<(HubId, ItemRef)>,
    /// Blame: who found fault with whom, and in what words.
    pub blamed: Vec<(HubId, HubId, String)>,
    /// Hubs whose disk was exchanged for an older copy behind their backs.
    pub rolled_back: BTreeSet<HubId>,
    /// The root that each hub has signed for each size.
    pub roots: BTreeMap<(HubId, u64), String>,
    /// The envelope that each hub has sent for each place of its logs.
    pub places: BTreeMap<(HubId, AudienceId, Sequence), EnvelopeHash>,
    windows: BTreeMap<[u8; WINDOW_BYTES], (HubId, ItemRef)>,
    /// Which first two bytes occur in a window, so that most of a frame is passed over quickly.
    begins: Vec<bool>,
}

impl Watch {
    /// An empty memory.
    pub fn new(liars: BTreeSet<HubId>) -> Self {
        Self {
            liars,
            drafts: BTreeMap::new(),
            promises: BTreeMap::new(),
            arrived: BTreeSet::new(),
            blamed: Vec::new(),
            rolled_back: BTreeSet::new(),
            roots: BTreeMap::new(),
            places: BTreeMap::new(),
            windows: BTreeMap::new(),
            begins: vec![false; 1 << 16],
        }
    }

    /// Takes canaries from a ciphertext.
    pub fn note_sealed(&mut self, by: HubId, item: ItemRef, cipher: &[u8]) {
        let last = cipher.len().saturating_sub(WINDOW_BYTES);
        for at in (WINDOW_FIRST..last).step_by(WINDOW_EVERY) {
            self.note_window(by, item, &cipher[at..]);
        }
    }

    /// Takes canaries from a sealed attachment: one of each group of its tree.
    pub fn note_attachment(&mut self, by: HubId, item: ItemRef, sealed: &[u8]) {
        let last = sealed.len().saturating_sub(WINDOW_BYTES);
        for at in (ATTACHMENT_WINDOW_FIRST..last).step_by(ATTACHMENT_WINDOW_EVERY) {
            self.note_window(by, item, &sealed[at..]);
        }
    }

    fn note_window(&mut self, by: HubId, item: ItemRef, bytes: &[u8]) {
        let window = bytes.first_chunk::<WINDOW_BYTES>().expect("a whole window");
        self.begins[begin(window)] = true;
        self.windows.insert(*window, (by, item));
    }

    /// Every item whose canaries are in a frame, and who sealed it.
    pub fn canaries(&self, frame: &[u8]) -> BTreeSet<(HubId, ItemRef)> {
        frame
            .windows(WINDOW_BYTES)
            .filter(|window| self.begins[begin(window)])
            .filter_map(|window| self.windows.get(window))
            .copied()
            .collect()
    }

    /// Remembers a promise.
    pub fn promise(&mut self, by: HubId, promise: Promise) {
        self.promises.entry(by).or_default().insert(promise);
    }
}

fn begin(window: &[u8]) -> usize {
    usize::from(window[0]) << 8 | usize::from(window[1])
}

/// The marker of one draft.
pub fn marker(seed: u64, draft: usize) -> String {
    format!("{MARKER}{seed:x}-{draft:04}")
}

/// The marker as it is written into content.
pub fn written(marker: &str) -> String {
    format!("{marker}{}", char::from(MARKER_END))
}

/// Every marker in some bytes.
pub fn markers(bytes: &[u8]) -> BTreeSet<String> {
    let begins = bytes
        .windows(MARKER.len())
        .enumerate()
        .filter(|(_, window)| *window == MARKER.as_bytes());
    begins
        .map(|(at, _)| {
            let text = bytes[at..].iter().take_while(|byte| **byte != MARKER_END);
            text.take(64).copied().map(char::from).collect()
        })
        .collect()
}
