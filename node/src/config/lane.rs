//! Which way envelopes take that are for a whole community.

use std::str::FromStr;

use testudo_core::hub::CommunityLane;

/// The setting as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneSetting(pub(super) CommunityLane);

/// A text that names no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `direct` or `gossip`")]
pub(super) struct LaneError;

impl FromStr for LaneSetting {
    type Err = LaneError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "direct" => Ok(Self(CommunityLane::Direct)),
            "gossip" => Ok(Self(CommunityLane::Gossip)),
            _ => Err(LaneError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ways_by_name_and_nothing_else() {
        assert_eq!("direct".parse(), Ok(LaneSetting(CommunityLane::Direct)));
        assert_eq!("gossip".parse(), Ok(LaneSetting(CommunityLane::Gossip)));
        for wrong in ["", "Gossip", "both", "gossip "] {
            assert_eq!(wrong.parse::<LaneSetting>(), Err(LaneError), "{wrong}");
        }
    }
}
