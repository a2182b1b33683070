//! The column families: which kinds of rows there are.

/// One kind of rows. A new one is a new data format ([`super::FORMAT`]): an older binary cannot open
/// a folder that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Small facts about this hub: positions, clocks, epochs.
    Meta,
    /// Leaves of the ledger.
    Leaf,
    /// What a leaf means; erasable without breaking the ledger.
    Opening,
    /// Signed checkpoints, own and of peers.
    Checkpoint,
    /// The chains of the charter.
    Charter,
    /// What is known about an item, without its content.
    Item,
    /// Content.
    Body,
    /// Outer parts and ciphertext of envelopes.
    Envelope,
    /// Heads and cursors of the hash-chained logs.
    Log,
    /// What still has to be sent to whom.
    Delivery,
    /// Signed receipts.
    Receipt,
    /// Retractions and other notices.
    Notice,
    /// Tokens by which an originator agreed to something.
    Consent,
    /// Proof that somebody broke the rules.
    Evidence,
    /// Secret keys that are destroyed in time.
    Key,
    /// Key epochs of audiences, without their secrets.
    Epoch,
    /// Recipient keys that peers have announced.
    Announcement,
    /// Attachments and where their files are.
    Blob,
    /// What members have decided about their own keys and standing.
    OwnAct,
    /// Leaves of peers' ledgers.
    Mirror,
    /// What was shown of the decisions behind envelopes.
    Proof,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 21] = [
        Family::Meta,
        Family::Leaf,
        Family::Opening,
        Family::Checkpoint,
        Family::Charter,
        Family::Item,
        Family::Body,
        Family::Envelope,
        Family::Log,
        Family::Delivery,
        Family::Receipt,
        Family::Notice,
        Family::Consent,
        Family::Evidence,
        Family::Key,
        Family::Epoch,
        Family::Announcement,
        Family::Blob,
        Family::OwnAct,
        Family::Mirror,
        Family::Proof,
    ];

    /// Its name in the database and in the associated data of its values: never changed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Meta => "meta",
            Family::Leaf => "leaf",
            Family::Opening => "opening",
            Family::Checkpoint => "checkpoint",
            Family::Charter => "charter",
            Family::Item => "item",
            Family::Body => "body",
            Family::Envelope => "envelope",
            Family::Log => "log",
            Family::Delivery => "delivery",
            Family::Receipt => "receipt",
            Family::Notice => "notice",
            Family::Consent => "consent",
            Family::Evidence => "evidence",
            Family::Key => "key",
            Family::Epoch => "epoch",
            Family::Announcement => "announcement",
            Family::Blob => "blob",
            Family::OwnAct => "own-act",
            Family::Mirror => "mirror",
            Family::Proof => "proof",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_none_is_reserved() {
        let mut names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Family::ALL.len());
        assert!(!names.contains(&"default"));
    }
}
