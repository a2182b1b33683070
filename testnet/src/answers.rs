//! What the binary answers, as far as the demo reads it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::hub::Hub;

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// A stable code.
    pub code: String,
    /// For people.
    pub sentence: String,
    /// The rules behind it, if rules are.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// The document on standard output that holds a refusal.
#[derive(Deserialize)]
pub(crate) struct RefusalDocument {
    pub(crate) error: Refusal,
}

/// Who would get a draft.
#[derive(Debug, Deserialize)]
pub struct Preview {
    /// What a release has to name.
    pub hash: String,
    /// Every other member.
    pub verdicts: Vec<Verdict>,
}

/// What the gate says about one hub.
#[derive(Debug, Deserialize)]
pub struct Verdict {
    /// The hub.
    pub hub: Hub,
    /// `permit` or `deny`.
    pub decision: String,
    /// The rules that deny.
    pub rules: Vec<String>,
    /// A sentence for each.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Whether the hub gets it.
    pub fn is_permit(&self) -> bool {
        self.decision == "permit"
    }
}

/// A release or forward that was carried out.
#[derive(Debug, Deserialize)]
pub struct Released {
    /// The item.
    pub item: String,
    /// Its version.
    pub version: u32,
    /// Who gets it.
    pub recipients: Vec<Hub>,
}

/// A retraction that was carried out.
#[derive(Debug, Deserialize)]
pub struct Retracted {
    /// Who is told to destroy it.
    pub notified: Vec<Hub>,
}

/// One line of an inbox.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxEntry {
    /// The item.
    pub item: String,
    /// Its version.
    pub version: u32,
    /// Who sent it.
    pub sender: Hub,
    /// Who else sent a copy.
    pub also_via: Vec<Hub>,
    /// `released`, `corrected` or `retracted`.
    pub state: String,
    /// The title; absent once the content is destroyed.
    pub title: Option<String>,
}

/// An item as it is shown.
#[derive(Debug, Deserialize)]
pub struct Shown {
    /// The content; absent once it is destroyed.
    pub bundle: Option<Value>,
}

/// What became of one receiver of a release.
#[derive(Debug, Deserialize)]
pub struct Delivery {
    /// The item.
    pub item: String,
    /// Its version.
    pub version: u32,
    /// The receiver.
    pub receiver: Hub,
    /// `queued`, `delivered`, `objected`, `withheld` or `not sent`.
    pub state: String,
    /// The rules, where it was not sent.
    pub rules: Vec<String>,
    /// When it was on the receiver's stable storage.
    pub delivered: Option<u64>,
    /// When a person there opened it.
    pub opened: Option<u64>,
    /// When its content was destroyed there.
    pub purged: Option<u64>,
}

/// How a hub is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Entries in the ledger.
    pub ledger_entries: u64,
    /// Root over them.
    pub ledger_root: String,
    /// Whether it may not sign or release yet.
    pub fenced: bool,
    /// Its peers.
    pub peers: Vec<Peer>,
}

/// One peer as a hub sees it.
#[derive(Debug, Deserialize)]
pub struct Peer {
    /// The peer.
    pub hub: Hub,
    /// Whether a stream to it is open.
    pub connected: bool,
    /// What it last did wrong, if anything.
    pub fault: Option<String>,
}

/// The offline audit of a ledger.
#[derive(Debug, Deserialize)]
pub struct Audit {
    /// Whether all is in order.
    pub ok: bool,
    /// Entries in the tree.
    pub entries: u64,
    /// Root over them.
    pub root: String,
    /// Entries that the signed checkpoint covers.
    pub covered: u64,
    /// Entries whose opening is there and fits.
    pub opened: u64,
    /// Entries of each kind.
    pub kinds: BTreeMap<String, u64>,
}

/// A charter, by its fingerprint.
#[derive(Debug, Deserialize)]
pub struct Charter {
    /// What the operators compare before they accept it.
    pub fingerprint: String,
}
