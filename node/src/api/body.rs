//! The bodies of requests and of answers that are not views of the core.

use serde::{Deserialize, Serialize};
use testudo_core::input::{Draft, ReleaseCommand};
use testudo_core::views::InboxEntry;
use testudo_protocol::id::{Hash, HubId, ItemId};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::Basis;

/// Every note of the charter that a hub has, each before those that rest on it.
#[derive(Clone, Serialize, Deserialize)]
pub struct CharterDocument {
    /// Signed notes: text, signatures below.
    pub notes: Vec<String>,
}

/// A note of the charter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterNoteBody {
    /// The signed note.
    pub note: String,
}

/// A branch of a fork.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchBody {
    /// SHA-256 of its text.
    pub branch: Hash,
}

/// A draft.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DraftBody {
    /// The STIX bundle as text, to the byte.
    pub bundle: String,
    /// How it may be handled.
    pub label: Label,
    /// For what it is released.
    pub purpose: String,
    /// The item that it corrects.
    #[serde(default)]
    pub corrects: Option<ItemId>,
}

impl From<DraftBody> for Draft {
    fn from(body: DraftBody) -> Self {
        let DraftBody {
            bundle,
            label,
            purpose,
            corrects,
        } = body;
        Self {
            bundle: bundle.into_bytes(),
            label,
            purpose,
            corrects,
        }
    }
}

/// A draft and the preview that was approved.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {
    /// The draft.
    pub draft: DraftBody,
    /// The hash that the preview printed.
    pub preview: Hash,
}

impl From<ReleaseBody> for ReleaseCommand {
    fn from(body: ReleaseBody) -> Self {
        Self {
            draft: body.draft.into(),
            preview: body.preview,
        }
    }
}

/// To whom to forward.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardBody {
    /// The receiver.
    pub to: HubId,
}

/// An erasure by law.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseBody {
    /// The code of its legal basis.
    pub basis: Basis,
}

/// A consent to be given.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    /// Who may forward.
    pub holder: HubId,
    /// To whom.
    pub recipient: HubId,
    /// Until when, Unix seconds.
    pub until: u64,
    /// For what.
    pub purpose: String,
}

/// A question for an originator's consent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentAskBody {
    /// To whom it should go.
    pub recipient: HubId,
    /// For what.
    pub purpose: String,
    /// When an answer is no longer waited for, Unix seconds.
    pub deadline: u64,
}

/// A no to such a question.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRefusalBody {
    /// Who has asked.
    pub holder: HubId,
    /// To whom it should have gone.
    pub recipient: HubId,
}

/// An item with its content.
#[derive(Clone, Serialize, Deserialize)]
pub struct ItemDocument {
    /// What is known about it.
    pub entry: InboxEntry,
    /// The bundle; absent once it is destroyed.
    pub bundle: Option<serde_json::Value>,
}
