//! A federation to vote in, and what is shown with it.

mod acts;
mod attacks;
mod forks;
mod versions;
mod votes;

use super::super::act::{ActKind, HOLD_AGAIN_SECONDS, HOLD_SECONDS, OBJECTION_SECONDS};
use super::super::draft::{Draft, Founding};
use super::super::error::TextError;
use super::super::heartbeat::FRESH_MILLIS;
use super::super::kind::DAY_SECONDS;
use super::super::member::{Card, Member, Status};
use super::super::text::to_text;
use super::super::threshold::{Share, VoteError};
use super::*;
use crate::envelope::Suite;
use crate::fixture::{FOUNDED, Secrets, hub, member, realm, secrets, sign_with, vote, voter};
use crate::id::{CharterVersion, Hash};
use crate::label::Class;

/// A federation of so many member states, `M01`, `M02` and so on, and the associated partner MD.
struct Scene {
    codes: Vec<String>,
    secrets: Vec<Secrets>,
    partner: Secrets,
    now: Timestamp,
    governance: Governance,
}

fn seconds() -> u64 {
    FOUNDED.seconds()
}

impl Scene {
    fn of(count: u8) -> Self {
        let codes: Vec<String> = (1..=count).map(|at| format!("M{at:02}")).collect();
        let all: Vec<Secrets> = (1..=count).map(secrets).collect();
        let partner = secrets(200);
        let until = seconds() + 350 * DAY_SECONDS;
        let mut md = member("MD", Class::Associated, &partner);
        md.sponsors = (codes.iter().take(2)).map(|code| (hub(code), until)).collect();
        let members = codes.iter().zip(&all);
        let members = members.map(|(code, secrets)| member(code, Class::MemberState, secrets));
        let founding = Founding {
            realm: realm(),
            issued: seconds(),
            valid_seconds: 360 * DAY_SECONDS,
            suites: vec![Suite::Hybrid],
            baseline: Hash::new([0; 32]),
            voters: codes
                .iter()
                .zip(&all)
                .map(|(code, secrets)| voter(code, secrets))
                .collect(),
            members: members.chain([md]).collect(),
        };
        let mut drafts = founding.drafts();
        for draft in &mut drafts {
            for (code, secrets) in codes.iter().zip(&all) {
                vote(draft, &[(code, secrets)]);
            }
        }
        let notes: Vec<Vec<u8>> = drafts.iter().map(Draft::to_bytes).collect();
        let governance = Governance::found(&notes, FOUNDED).unwrap();
        Self {
            codes,
            secrets: all,
            partner,
            now: Timestamp::from_seconds(seconds() + DAY_SECONDS),
            governance,
        }
    }

    /// A text with the votes of the members at these places.
    fn signed(&self, text: String, voters: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut draft = Draft::new(text);
        for at in voters {
            vote(&mut draft, &[(&self.codes[at], &self.secrets[at])]);
        }
        draft.to_bytes()
    }

    fn take(&mut self, note: &[u8]) -> Result<Taken, TakeError> {
        let before = self.governance.notes();
        let taken = self.governance.take(note, self.now);
        if taken.is_err() {
            assert_eq!(self.governance.notes(), before, "a refusal changes nothing");
        }
        taken
    }

    fn take_heartbeat(&mut self, beat: Heartbeat, now: Timestamp) -> Result<bool, HeartbeatError> {
        let charter = self.governance.charter(now);
        self.governance.take_heartbeat(beat, &charter, now)
    }

    fn next(&self) -> Directory {
        let now = self.now.seconds();
        self.governance.next_directory(now, now + 300 * DAY_SECONDS)
    }

    fn admission(&self, code: &str, class: Class, sponsors: &[usize]) -> String {
        let mut next = self.next();
        let mut new = member(code, class, &secrets(100));
        let until = self.now.seconds() + 300 * DAY_SECONDS;
        new.sponsors = sponsors.iter().map(|at| (hub(&self.codes[*at]), until)).collect();
        next.members.push(new);
        to_text(&next)
    }

    fn act(&self, act: ActKind, target: &str) -> Act {
        self.governance
            .draft_act(act, hub(target), self.now.seconds(), "because")
    }

    fn restriction(&self, act: ActKind, target: &str, voters: impl IntoIterator<Item = usize>) -> Vec<u8> {
        self.signed(to_text(&self.act(act, target)), voters)
    }

    fn status(&self, code: &str) -> Status {
        self.governance
            .charter(self.now)
            .member(hub(code))
            .unwrap()
            .status
    }
}

#[track_caller]
fn too_few(result: Result<Taken, TakeError>, expected: (usize, usize)) {
    match result {
        Err(TakeError::Votes(VoteError::TooFew { found, needed, .. })) => {
            assert_eq!((found, needed), expected)
        }
        other => panic!("{other:?}"),
    }
}
