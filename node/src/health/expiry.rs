//! What ends, and how long before that somebody is told.

use testudo_protocol::id::Timestamp;

use super::finding::Finding;

/// Days before an end at which the warning changes its tone: a month to plan, a week to act, a day to run.
pub const EXPIRY_DAYS: [u64; 3] = [30, 7, 1];

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How a thing stands that holds until a moment, that moment itself excluded.
///
/// `code` is the finding's, `what` names the thing, `effect` completes "from then on", `fix` says how it is renewed.
#[must_use]
pub fn expiry(
    code: &str,
    what: &str,
    valid_until: Timestamp,
    now: Timestamp,
    (effect, fix): (&str, &str),
) -> Finding {
    let [month, week, day] = EXPIRY_DAYS;
    let left = valid_until.seconds().saturating_sub(now.seconds());
    let days = left / DAY_SECONDS;
    if left == 0 {
        let since = now.seconds().saturating_sub(valid_until.seconds()) / DAY_SECONDS;
        let sentence = format!("{what} has ended {since} days ago: {effect}");
        return Finding::fail(code, sentence, fix);
    }
    if left > month * DAY_SECONDS {
        return Finding::ok(code, format!("{what} holds for {days} more days"));
    }
    let haste = if left <= day * DAY_SECONDS {
        "within a day"
    } else if left <= week * DAY_SECONDS {
        "within a week"
    } else {
        "within a month"
    };
    let sentence = format!("{what} ends {haste}, in {days} days: from then on {effect}");
    Finding::warn(code, sentence, fix)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn an_end_is_told_a_month_a_week_and_a_day_before() {
        let end = Timestamp::from_seconds(1_800_000_000);
        let at = |days: u64, more: u64| {
            let now = Timestamp::from_seconds(end.seconds() - days * DAY_SECONDS - more);
            expiry(
                "charter-expiry",
                "the charter",
                end,
                now,
                ("nothing flows", "renew"),
            )
        };
        for (days, more, level, says) in [
            (400, 0, Level::Ok, "400 more days"),
            (30, 1, Level::Ok, "30 more days"),
            (30, 0, Level::Warn, "within a month, in 30 days"),
            (7, 1, Level::Warn, "within a month"),
            (7, 0, Level::Warn, "within a week, in 7 days"),
            (1, 0, Level::Warn, "within a day, in 1 days"),
            (0, 1, Level::Warn, "within a day, in 0 days"),
            (0, 0, Level::Fail, "has ended 0 days ago: nothing flows"),
        ] {
            let found = at(days, more);
            assert_eq!(found.level, level, "{days} days {more} s");
            assert!(found.sentence.contains(says), "{}", found.sentence);
        }
        let long_after = Timestamp::from_seconds(end.seconds() + 3 * DAY_SECONDS);
        let found = expiry(
            "charter-expiry",
            "it",
            end,
            long_after,
            ("nothing flows", "renew"),
        );
        assert!(found.sentence.contains("ended 3 days ago"), "{}", found.sentence);
    }
}
