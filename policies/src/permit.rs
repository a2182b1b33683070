//! The right to send one item to one hub once.
//!
//! ```text
//! Question --ask--> Allowed --mint, with the proof that the decision is durable--> Permit --> one sending
//! ```
//!
//! To publish to a whole community takes a yes for each of its members: see [`CommunityPermit`].
//!
//! Only the gate makes an [`Allowed`], only the ledger makes a [`Recorded`], and a [`Permit`]
//! needs both. It is moved, never copied.

mod community;

use testudo_protocol::envelope::DecisionRef;
use testudo_protocol::id::{CharterVersion, Hash, HubId, ItemRef};
use testudo_protocol::ledger::{DecisionAct, Recorded};

use crate::gate::Question;
use crate::vocabulary::Action;

pub use community::{CommunityMintError, CommunityPermit};

/// The gate has said yes. Made only by [`crate::gate::Gate::ask`].
///
/// ```compile_fail
/// # use testudo_policies::permit::Allowed;
/// let forged = Allowed { receiver: unreachable!(), action: unreachable!(), item: unreachable!(), body_hash: unreachable!(), charter: unreachable!(), grounds: unreachable!(), policies: unreachable!(), rules: unreachable!() };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    receiver: HubId,
    action: Action,
    item: ItemRef,
    body_hash: Hash,
    charter: CharterVersion,
    /// Fingerprint of the charter: versions do not count the acts that take away on receipt.
    grounds: Hash,
    policies: Hash,
    rules: Vec<String>,
}

/// May be used for one sending. Made only by [`Permit::mint`].
///
/// ```compile_fail
/// # use testudo_policies::permit::Permit;
/// let forged = Permit { allowed: unreachable!(), decision: unreachable!() };
/// ```
///
/// ```compile_fail
/// # use testudo_policies::permit::Permit;
/// fn twice(permit: &Permit) -> Permit { permit.clone() }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    allowed: Allowed,
    decision: DecisionRef,
}

/// Why there is no permit although the gate said yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The recorded decision is about another item, body or act.
    #[error("recorded decision is about another item or act than the one allowed")]
    OtherItem,
    /// The recorded decision was taken under another charter or other policies: ask again.
    #[error("recorded decision was taken under other grounds; it has to be taken again")]
    OtherGrounds,
}

impl Allowed {
    pub(crate) fn new(
        question: &Question<'_>,
        receiver: HubId,
        (charter, grounds): (CharterVersion, Hash),
        policies: Hash,
        rules: Vec<String>,
    ) -> Self {
        let Question {
            action,
            item,
            body_hash,
            ..
        } = *question;
        Self {
            receiver,
            action,
            item,
            body_hash,
            charter,
            grounds,
            policies,
            rules,
        }
    }

    /// Who may receive.
    pub fn receiver(&self) -> HubId {
        self.receiver
    }

    /// The ids of the rules that permit it.
    pub fn rules(&self) -> &[String] {
        &self.rules
    }
}

impl Permit {
    /// Joins the gate's yes with the proof that the decision is on stable storage.
    ///
    /// # Errors
    /// [`MintError`] if the proof is about something else or about other grounds.
    pub fn mint(allowed: Allowed, recorded: &Recorded) -> Result<Self, MintError> {
        let decision = recorded.decision();
        let same_act = match decision.act {
            DecisionAct::Release | DecisionAct::Resend => allowed.action == Action::Release,
            DecisionAct::Forward => allowed.action == Action::Forward,
            DecisionAct::Relay => allowed.action == Action::Relay,
        };
        if !same_act || decision.item != allowed.item || decision.body_hash != allowed.body_hash {
            return Err(MintError::OtherItem);
        }
        if decision.charter != allowed.charter || decision.policies != allowed.policies {
            return Err(MintError::OtherGrounds);
        }
        Ok(Self {
            allowed,
            decision: recorded.at(),
        })
    }

    /// To whom.
    pub fn receiver(&self) -> HubId {
        self.allowed.receiver
    }

    /// Which item.
    pub fn item(&self) -> ItemRef {
        self.allowed.item
    }

    /// Which body.
    pub fn body_hash(&self) -> Hash {
        self.allowed.body_hash
    }

    /// The recorded decision.
    pub fn decision(&self) -> DecisionRef {
        self.decision
    }

    /// Whether charter and policies are still those that were asked; `grounds` is the charter's fingerprint.
    pub fn stands_under(&self, grounds: Hash, policies: Hash) -> bool {
        self.allowed.grounds == grounds && self.allowed.policies == policies
    }
}
