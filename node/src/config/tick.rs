//! How often the ledger is signed for others.

use std::str::FromStr;

/// Shortest time between two checkpoints, in minutes: witnesses have to keep up.
const MINUTES_MIN: u64 = 5;
/// Longest, in minutes: a release waits that long for its witnesses.
const MINUTES_MAX: u64 = 60;

/// The time between two checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    minutes: u64,
}

/// A text that is not such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `{MINUTES_MIN}min` to `{MINUTES_MAX}min`")]
pub struct TickError;

impl Tick {
    /// The time in milliseconds.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.minutes * 60 * 1_000
    }
}

impl FromStr for Tick {
    type Err = TickError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_suffix("min").ok_or(TickError)?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let minutes = digits.parse().ok().filter(|_| plain && !digits.starts_with('0'));
        let minutes = minutes.filter(|minutes| (MINUTES_MIN..=MINUTES_MAX).contains(minutes));
        minutes.map(|minutes| Self { minutes }).ok_or(TickError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_to_an_hour() {
        assert_eq!("15min".parse::<Tick>().unwrap().millis(), 900_000);
        for good in ["5min", "60min"] {
            assert!(good.parse::<Tick>().is_ok(), "{good}");
        }
        for bad in [
            "", "min", "4min", "61min", "15", "15 min", "015min", "+5min", "1h", "300s", "-5min",
        ] {
            assert_eq!(bad.parse::<Tick>(), Err(TickError), "{bad}");
        }
    }
}
