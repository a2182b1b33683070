//! Weeks: for how long a recipient key is announced, and when it is destroyed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Timestamp;

/// Weeks after its own for which a recipient key is kept, so that what is under way can be opened.
pub const GRACE_WEEKS: u32 = 2;

/// Weeks after its own in which others may still seal to an announced key: its owner may be offline when it
/// changes, and what they seal has to arrive while the key is kept.
pub const SEAL_WEEKS: u32 = 1;

const WEEK_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// 1970-01-05, the first Monday, in milliseconds.
const FIRST_MONDAY_MILLIS: u64 = 4 * 24 * 60 * 60 * 1_000;

/// A week, counted from Monday 1970-01-05 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Week(u32);

impl Week {
    /// Wraps a number read from elsewhere.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The week of a moment; the first one for anything before it.
    pub fn of(moment: Timestamp) -> Self {
        let weeks = moment.millis().saturating_sub(FIRST_MONDAY_MILLIS) / WEEK_MILLIS;
        Self(u32::try_from(weeks).unwrap_or(u32::MAX))
    }

    /// The week so many weeks later.
    #[must_use]
    pub const fn plus(self, weeks: u32) -> Self {
        Self(self.0.saturating_add(weeks))
    }

    /// Whether the owner still keeps the key of this week.
    pub fn is_kept(self, now: Timestamp) -> bool {
        Self::of(now) <= self.plus(GRACE_WEEKS)
    }

    /// Whether others may seal to the key of this week; also one week early, because clocks differ.
    pub fn is_sealed_to(self, now: Timestamp) -> bool {
        let current = Self::of(now);
        self <= current.plus(1) && current <= self.plus(SEAL_WEEKS)
    }

    /// The first moment at which others may no longer seal to the key of this week.
    pub fn sealed_to_until(self) -> Timestamp {
        let weeks = u64::from(self.plus(SEAL_WEEKS).plus(1).0);
        Timestamp::from_millis(FIRST_MONDAY_MILLIS.saturating_add(weeks.saturating_mul(WEEK_MILLIS)))
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: u64 = FIRST_MONDAY_MILLIS + 2_900 * WEEK_MILLIS;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_week_begins_on_monday() {
        assert_eq!(Week::of(at(MONDAY)), Week::new(2_900));
        assert_eq!(Week::of(at(MONDAY - 1)), Week::new(2_899));
        assert_eq!(Week::of(at(0)), Week::new(0));
        assert_eq!(Week::of(at(u64::MAX)).get(), u32::MAX);
    }

    #[test]
    fn a_key_is_sealed_to_for_two_weeks_and_kept_for_three() {
        let week = Week::new(2_900);
        for (weeks_on, sealed_to, kept) in [
            (0, true, true),
            (1, true, true),
            (2, false, true),
            (3, false, false),
        ] {
            let now = at(MONDAY + weeks_on * WEEK_MILLIS);
            assert_eq!(
                (week.is_sealed_to(now), week.is_kept(now)),
                (sealed_to, kept),
                "{weeks_on}"
            );
        }
        let end = week.sealed_to_until();
        assert!(!week.is_sealed_to(end) && week.is_sealed_to(at(end.millis() - 1)));
        assert!(week.is_sealed_to(at(MONDAY - 1)), "a clock that is ahead");
        assert!(!week.is_sealed_to(at(MONDAY - WEEK_MILLIS - 1)));
    }
}
