//! The charter for people: what is followed, until when, who disagrees.

use testudo_protocol::charter::{ActKind, DAY_SECONDS, Fork, Signed, words};

use super::Hub;
use crate::views::{CharterView, ForkView, HeadView, HeartbeatView, RestrictionView};

/// From how many days before an end people are told of it.
const WARNING_DAYS: u64 = 90;

/// On which of the last days before the end of a sponsorship people are reminded.
const SPONSOR_WARNING_DAYS: u64 = 60;

impl Hub {
    /// How the charter stands at this hub.
    pub fn charter_view(&self) -> CharterView {
        let governance = self.governance();
        let charter = self.gate.charter();
        let (constitution, directory, bundle) = (
            governance.constitution(),
            governance.directory(),
            governance.bundle(),
        );
        CharterView {
            pinned: governance.pinned(),
            constitution: head(constitution, constitution.document().version.get()),
            directory: head(directory, directory.document().version.get()),
            bundle: head(bundle, bundle.document().version.get()),
            bundle_in_force: governance.bundle_in_force(self.now).document().version.get(),
            valid_until: charter.valid_until().seconds(),
            fresh: charter.is_fresh(self.now),
            fresh_until: charter.fresh_until().seconds(),
            forks: governance.forks().into_iter().map(fork).collect(),
            restrictions: (governance.restrictions(self.now).into_iter())
                .map(|(hub, status, act)| RestrictionView { hub, status, act })
                .collect(),
            heartbeats: (governance.heartbeats())
                .map(|beat| HeartbeatView {
                    hub: beat.hub,
                    time: beat.time.millis(),
                    agrees: beat.heads == governance.heads(),
                })
                .collect(),
            warnings: self.charter_warnings(),
        }
    }

    fn charter_warnings(&self) -> Vec<String> {
        let governance = self.governance();
        let charter = self.gate.charter();
        let ends = [
            ("constitution", governance.constitution().document().valid_until),
            ("directory", governance.directory().document().valid_until),
        ];
        let mut warnings: Vec<String> = (ends.iter())
            .filter_map(|(what, end)| Some(format!("{what} {}", self.ends(*end, WARNING_DAYS)?)))
            .collect();
        for member in charter.members() {
            for (sponsor, until) in &member.sponsors {
                if let Some(ends) = self.ends(*until, SPONSOR_WARNING_DAYS) {
                    warnings.push(format!("sponsorship of {} by {sponsor} {ends}", member.code));
                }
            }
            let needed = testudo_protocol::charter::sponsors_needed(member.class);
            let found = charter.active_sponsors(member);
            if found < needed {
                warnings.push(format!(
                    "{} has {found} active sponsors, {needed} needed",
                    member.code
                ));
            }
        }
        let withdrawn = (governance.acts()).filter(|act| act.document().act == ActKind::Unsponsor);
        warnings.extend(withdrawn.map(|act| {
            let by = act.document().by.map(|by| by.to_string()).unwrap_or_default();
            format!("{by} has withdrawn its sponsorship of {}", act.document().target)
        }));
        warnings
    }

    fn ends(&self, end: u64, days: u64) -> Option<String> {
        let now = self.now.seconds();
        if end <= now {
            return Some("has ended; only governance flows until it is renewed".to_owned());
        }
        let left = end.saturating_sub(now).div_ceil(DAY_SECONDS);
        (left <= days).then(|| format!("ends in {left} days"))
    }
}

fn head<T>(signed: &Signed<T>, version: u32) -> HeadView {
    HeadView {
        version,
        hash: signed.hash(),
        words: words(signed.hash()),
    }
}

fn fork(fork: Fork) -> ForkView {
    ForkView {
        chain: fork.chain,
        after: fork.after.get(),
        branches: fork.branches,
        signers: fork.signers,
    }
}
