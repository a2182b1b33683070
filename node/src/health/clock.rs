//! Whether the machine has a time at all.
//!
//! A machine without a battery wakes up in 1970 and learns the time from the network a moment later. A hub
//! that signed anything in between would have signed it in 1970, for ever.

use testudo_protocol::id::Timestamp;

/// 2026-01-01 00:00 UTC: this program did not exist before, so no clock that says so is right.
pub const EARLIEST: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// Whether a time can be the present.
#[must_use]
pub fn is_set(now: Timestamp) -> bool {
    now >= EARLIEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_seventy_is_not_the_present() {
        assert!(!is_set(Timestamp::from_seconds(0)));
        assert!(!is_set(Timestamp::from_seconds(EARLIEST.seconds() - 1)));
        assert!(is_set(EARLIEST));
    }
}
