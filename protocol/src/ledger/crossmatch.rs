//! Two ledgers held against each other: what one says it sent, the other says it got, and the reverse.
//!
//! Both hubs disclose what their entries mean to the same auditor. A receipt that one entered has to be matched by
//! what the other says it received, and what was received has to be released and receipted on the other side.
//! Nothing is concluded from what is not there where a side has not disclosed everything, or is older than the
//! entry in question.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Outcome, Record};
use crate::id::{EnvelopeHash, HubId, Timestamp};
use crate::receipt::Act;

/// One of the two sides: entries whose openings fit their leaves.
#[derive(Clone, Debug)]
pub struct Side {
    /// Whose ledger.
    pub hub: HubId,
    /// Entries under its signed checkpoint.
    pub covered: u64,
    /// Those that were disclosed, by index.
    pub records: BTreeMap<u64, Record>,
}

/// What was found in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Receipts that agree with what the other side received.
    pub receipts: u64,
    /// Envelopes received that the other side released.
    pub received: u64,
    /// What the other side is too old, or too little disclosed, to say anything about.
    pub open: u64,
}

/// The first entry that the other ledger contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of {hub}: {reason}")]
pub struct MatchError {
    /// In whose ledger.
    pub hub: HubId,
    /// Which entry.
    pub index: u64,
    /// What is wrong.
    pub reason: Mismatch,
}

/// What two ledgers do not agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A receipt for something that the other side does not say it received.
    #[error("a receipt of {receiver}, whose ledger has no entry that it received the envelope")]
    NotReceived {
        /// Who is said to have given it.
        receiver: HubId,
    },
    /// A receipt that says something else than the other side entered.
    #[error("a receipt says `{act}`, the ledger of {receiver} says `{outcome}`")]
    OtherOutcome {
        /// Who gave it.
        receiver: HubId,
        /// What it says.
        act: &'static str,
        /// What became of the envelope there.
        outcome: &'static str,
    },
    /// An envelope that the other side never released.
    #[error(
        "an envelope of {sender}, whose ledger has no entry that it released one: it was released outside its ledger"
    )]
    NotReleased {
        /// Who sent it.
        sender: HubId,
    },
    /// An envelope that was receipted, and the other side has no entry of the receipt.
    #[error("an envelope of {sender}, whose ledger has no entry of the receipt for it")]
    NoReceipt {
        /// Who sent it.
        sender: HubId,
    },
}

/// What one side says about envelopes.
struct Said {
    released: BTreeSet<EnvelopeHash>,
    received: BTreeMap<EnvelopeHash, Outcome>,
    receipted: BTreeSet<EnvelopeHash>,
    /// When its last entry was made.
    until: Timestamp,
    /// Whether every entry under its checkpoint is disclosed.
    whole: bool,
}

/// Holds each side against the other.
///
/// # Errors
/// [`MatchError`] names the first entry of the first side that does not agree, or else of the second.
pub fn cross_match(one: &Side, other: &Side) -> Result<Matched, MatchError> {
    let (of_one, of_other) = (Said::of(one, other.hub), Said::of(other, one.hub));
    let mut matched = Matched::default();
    check(one, other.hub, &of_other, &mut matched)?;
    check(other, one.hub, &of_one, &mut matched)?;
    Ok(matched)
}

fn check(side: &Side, peer: HubId, said: &Said, matched: &mut Matched) -> Result<(), MatchError> {
    for (index, record) in &side.records {
        let found = match &record.entry {
            Entry::Receipt {
                envelope,
                receiver,
                act,
            } if *receiver == peer => said.agrees_to_receipt(*envelope, *act, peer),
            Entry::Received {
                envelope,
                sender,
                outcome,
                ..
            } if *sender == peer => said.agrees_to_arrival(*envelope, *outcome, peer),
            _ => continue,
        };
        let is_receipt = matches!(record.entry, Entry::Receipt { .. });
        match found {
            Ok(()) if is_receipt => matched.receipts = matched.receipts.saturating_add(1),
            Ok(()) => matched.received = matched.received.saturating_add(1),
            // Not there is not the same as not disclosed, or not yet.
            Err(reason) if reason.is_absence() && said.may_lack(record.time) => {
                matched.open = matched.open.saturating_add(1);
            }
            Err(reason) => {
                return Err(MatchError {
                    hub: side.hub,
                    index: *index,
                    reason,
                });
            }
        }
    }
    Ok(())
}

impl Said {
    /// What a side says about envelopes between it and a peer.
    fn of(side: &Side, peer: HubId) -> Self {
        let mut said = Self {
            released: BTreeSet::new(),
            received: BTreeMap::new(),
            receipted: BTreeSet::new(),
            until: Timestamp::default(),
            whole: (0..side.covered).all(|index| side.records.contains_key(&index)),
        };
        for record in side.records.values() {
            said.until = said.until.max(record.time);
            match &record.entry {
                Entry::Release { envelope, .. } => {
                    said.released.insert(*envelope);
                }
                Entry::Received {
                    envelope,
                    sender,
                    outcome,
                    ..
                } if *sender == peer => {
                    said.received.insert(*envelope, *outcome);
                }
                Entry::Receipt {
                    envelope, receiver, ..
                } if *receiver == peer => {
                    said.receipted.insert(*envelope);
                }
                _ => {}
            }
        }
        said
    }

    fn may_lack(&self, time: Timestamp) -> bool {
        !self.whole || time >= self.until
    }

    fn agrees_to_receipt(&self, envelope: EnvelopeHash, act: Act, receiver: HubId) -> Result<(), Mismatch> {
        let outcome = self
            .received
            .get(&envelope)
            .ok_or(Mismatch::NotReceived { receiver })?;
        let agrees = match act {
            Act::Delivered | Act::Opened | Act::Acknowledged => {
                matches!(outcome, Outcome::Accepted | Outcome::Repeated)
            }
            Act::Objected => matches!(outcome, Outcome::Objected),
            Act::Purged => !matches!(outcome, Outcome::Unreadable | Outcome::Objected),
        };
        if agrees {
            return Ok(());
        }
        Err(Mismatch::OtherOutcome {
            receiver,
            act: act.as_str(),
            outcome: outcome.as_str(),
        })
    }

    fn agrees_to_arrival(
        &self,
        envelope: EnvelopeHash,
        outcome: Outcome,
        sender: HubId,
    ) -> Result<(), Mismatch> {
        if !self.released.contains(&envelope) {
            return Err(Mismatch::NotReleased { sender });
        }
        // What could not be read got no receipt.
        if outcome == Outcome::Unreadable || self.receipted.contains(&envelope) {
            return Ok(());
        }
        Err(Mismatch::NoReceipt { sender })
    }
}

impl Mismatch {
    const fn is_absence(self) -> bool {
        !matches!(self, Self::OtherOutcome { .. })
    }
}

#[cfg(test)]
mod tests;
