//! The head of one log, and where an arriving outer part stands against it.

use serde::{Deserialize, Serialize};

use crate::envelope::OuterFields;
use crate::id::{EnvelopeHash, Sequence};

/// How far a log has been taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence of the last envelope; zero before the first.
    pub height: Sequence,
    /// Its link; zeros before the first.
    pub link: EnvelopeHash,
}

/// Where an outer part stands against a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The next one, linked to our last.
    Next,
    /// At or below our height: a repeat, if it is the one we have.
    Past,
    /// Above the next one: something is missing.
    Gap,
    /// The next one by number, but linked to another last one: the sender has two histories.
    Fork,
}

impl Head {
    /// The head of an empty log.
    pub const EMPTY: Self = Self {
        height: Sequence::new(0),
        link: EnvelopeHash::new([0; 32]),
    };

    /// Compares an outer part with this head.
    pub fn place(&self, outer: &OuterFields) -> Place {
        let next = self.height.next();
        if outer.sequence <= self.height {
            Place::Past
        } else if outer.sequence > next {
            Place::Gap
        } else if outer.previous == self.link {
            Place::Next
        } else {
            Place::Fork
        }
    }

    /// The head after taking over an envelope at its place.
    #[must_use]
    pub fn advanced(&self, link: EnvelopeHash) -> Self {
        Self {
            height: self.height.next(),
            link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{LogEntry, Suite};
    use crate::id::{AudienceId, Hash, Timestamp};

    fn outer(sequence: u64, previous: u8) -> OuterFields {
        OuterFields {
            suite: Suite::Hybrid,
            entry: LogEntry::Content,
            sender: "FR".parse().unwrap(),
            audience: AudienceId::new([1; 16]),
            epoch: 0,
            sequence: Sequence::new(sequence),
            previous: EnvelopeHash::new([previous; 32]),
            cipher_hash: Hash::new([2; 32]),
            cipher_bytes: 1,
            expires: Timestamp::default(),
        }
    }

    #[test]
    fn only_the_linked_next_envelope_is_taken() {
        let head = Head::EMPTY;
        assert_eq!(head.place(&outer(1, 0)), Place::Next);
        assert_eq!(head.place(&outer(1, 9)), Place::Fork);
        assert_eq!(head.place(&outer(2, 0)), Place::Gap);

        let head = head.advanced(EnvelopeHash::new([7; 32]));
        assert_eq!(head.place(&outer(1, 0)), Place::Past);
        assert_eq!(head.place(&outer(2, 7)), Place::Next);
        assert_eq!(head.place(&outer(0, 0)), Place::Past);
    }
}
