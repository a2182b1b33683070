//! The closed vocabularies of a release decision.
//!
//! Those of a label and of the directory are the protocol's own; what is asked, and on which
//! channel, only a decision knows. A word outside its vocabulary does not parse: the engine never
//! guesses what an unknown marking might have meant.

use testudo_protocol::vocabulary;

pub use testudo_protocol::charter::Status;
pub use testudo_protocol::label::{
    Caveat, Class, Level, Personal, Scope, Tlp, TlpError, UnknownLevel, UnknownWord,
};

vocabulary! {
    /// What is asked to be done with an item.
    Action, "action", {
        /// The originator gives the item to a peer.
        Release = "release",
        /// Anyone else gives the item to a peer.
        Forward = "forward",
        /// A hub serves another hub's item onward, inside its audience.
        Relay = "relay",
        /// The item goes to the public.
        Publish = "publish",
        /// The originator lowers the label.
        Downgrade = "downgrade",
    }
}

vocabulary! {
    /// The channel on which an item would move.
    Channel, "channel", {
        /// Real traffic.
        Live = "live",
        /// Exercise traffic.
        Exercise = "exercise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!("release".parse(), Ok(Action::Release));
        for wrong in ["Release", "release ", "share", ""] {
            let error = wrong.parse::<Action>().expect_err(wrong).to_string();
            assert!(error.starts_with(&format!("unknown action `{wrong}`")), "{error}");
        }
        for tlp in Tlp::ALL {
            assert_eq!(tlp.as_str().parse(), Ok(tlp));
        }
        for wrong in ["TLP:ORANGE", "TLP:GREEN", "green", "GREEN ", "WHITE", ""] {
            assert!(wrong.parse::<Tlp>().is_err(), "{wrong}");
        }
    }
}
