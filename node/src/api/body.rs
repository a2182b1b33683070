//! The bodies of requests and of answers that are not views of the core.

use serde::{Deserialize, Serialize};
use testudo_core::blob::{BlobId, DraftAttachment};
use testudo_core::input::{Draft, ReleaseCommand};
use testudo_core::views::InboxEntry;
use testudo_protocol::id::{Hash, HubId, ItemId};
use testudo_protocol::label::Label;
use testudo_protocol::ledger::Basis;
use testudo_protocol::licence::Licence;

use super::answer::Problem;
use super::attachments::AttachmentLine;
use crate::blobs::{Staged, Staging};

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
    /// How it may be passed on; by default as its label says, and by consent alone if it draws on items of others.
    #[serde(default)]
    pub licence: Option<Licence>,
    /// For what it is released.
    pub purpose: String,
    /// The item that it corrects.
    #[serde(default)]
    pub corrects: Option<ItemId>,
    /// What belongs to it and is fetched apart.
    #[serde(default)]
    pub attachments: Vec<AttachmentBody>,
}

/// One attachment of a draft.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AttachmentBody {
    /// Its name, as people see it.
    pub name: String,
    /// What it is, such as `image/png`.
    pub media_type: String,
    /// Length of the content, in bytes.
    pub bytes: u64,
    /// The hash of the content that an approval names.
    pub hash: Hash,
    /// Where the hub said that the content lies; a preview needs none.
    #[serde(default)]
    pub staged: Option<String>,
}

impl From<AttachmentBody> for DraftAttachment {
    fn from(body: AttachmentBody) -> Self {
        Self {
            name: body.name,
            media_type: body.media_type,
            content_bytes: body.bytes,
            content_hash: body.hash,
            staged: None,
        }
    }
}

impl From<DraftBody> for Draft {
    fn from(body: DraftBody) -> Self {
        let DraftBody {
            bundle,
            label,
            licence,
            purpose,
            corrects,
            attachments,
        } = body;
        Self {
            bundle: bundle.into_bytes(),
            label,
            licence,
            purpose,
            corrects,
            derived: None,
            attachments: attachments.into_iter().map(Into::into).collect(),
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

impl ReleaseBody {
    /// The command, with the sealed files that were handed over for it. From here on they are the hub's to keep or remove.
    ///
    /// Length and hash of an attachment are those that were read while it was sealed, whatever the body says.
    pub(super) fn command(self, staging: &Staging) -> Result<ReleaseCommand, Problem> {
        let handed_over: Vec<Option<String>> = (self.draft.attachments.iter())
            .map(|attachment| attachment.staged.clone())
            .collect();
        let mut draft: Draft = self.draft.into();
        for (attachment, name) in draft.attachments.iter_mut().zip(handed_over) {
            let Some(name) = name else { continue };
            let staged = BlobId::parse(&name).and_then(|blob| staging.take(blob));
            let Staged { blob, content } = staged.ok_or_else(not_staged)?;
            attachment.content_bytes = content.bytes;
            attachment.content_hash = Hash::new(content.hash);
            attachment.staged = Some(blob);
        }
        Ok(ReleaseCommand {
            draft,
            preview: self.preview,
        })
    }
}

fn not_staged() -> Problem {
    Problem::not_found(
        "an attachment is not here any more; run `testudo release` again, which hands it over anew",
    )
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

/// One of two people lets a fenced hub go on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// The code of this person on the duty roster.
    pub person: String,
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
    /// What belongs to it and is fetched apart.
    #[serde(default)]
    pub attachments: Vec<AttachmentLine>,
}
