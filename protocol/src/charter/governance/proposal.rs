//! Drafts of what could come next, and how far a draft has come.

use std::collections::BTreeMap;

use super::super::act::ActKind;
use super::super::change::{self, Change, changes, standing};
use super::super::draft::{Draft, Intent};
use super::super::kind::{DAY_SECONDS, Place, Versioned};
use super::super::member::{Card, Member, Status};
use super::super::threshold::{Need, Voter, votes};
use super::super::{Lift, Settled};
use super::versions::bundle_need;
use super::*;
use crate::id::CharterVersion;

/// How far a draft has come.
#[derive(Clone, Debug)]
pub struct Tally {
    /// What the text is, in one line.
    pub title: String,
    /// What it changes, one line each.
    pub lines: Vec<String>,
    /// What it needs, and who has not voted for each.
    pub needs: Vec<(Need, Vec<HubId>)>,
    /// Who has voted.
    pub votes: BTreeSet<HubId>,
    /// Who has said that it would.
    pub intents: BTreeSet<HubId>,
    /// Its place, if it is a version.
    pub place: Option<Place>,
}

impl Tally {
    /// Whether the votes are enough.
    pub fn is_enough(&self) -> bool {
        self.needs.iter().all(|(need, _)| need.check(&self.votes).is_ok())
    }

    /// Whether enough voters have said that they would sign, so that signing does not split the federation.
    pub fn is_agreed(&self) -> bool {
        let said: BTreeSet<HubId> = self.votes.union(&self.intents).copied().collect();
        let is_version = self.place.is_some_and(|place| place.previous.is_some());
        !is_version || self.needs.iter().all(|(need, _)| need.check(&said).is_ok())
    }
}

impl Governance {
    /// The next directory, the same as the present one.
    pub fn next_directory(&self, issued: u64, valid_until: u64) -> Directory {
        let present = self.directory();
        Directory {
            version: CharterVersion::new(present.document().version.get().saturating_add(1)),
            previous: Some(present.hash()),
            issued,
            valid_until,
            lifts: Vec::new(),
            ..present.document().clone()
        }
    }

    /// The next constitution, the same as the present one, which builds upon what is followed now.
    pub fn next_constitution(&self, issued: u64, valid_until: u64) -> Constitution {
        let present = self.constitution();
        let (directory, bundle) = (self.directory(), self.bundle());
        Constitution {
            version: CharterVersion::new(present.document().version.get().saturating_add(1)),
            previous: Some(present.hash()),
            issued,
            valid_until,
            directory: Some(Settled {
                version: directory.document().version,
                hash: directory.hash(),
            }),
            bundle: Some(Settled {
                version: bundle.document().version,
                hash: bundle.hash(),
            }),
            ..present.document().clone()
        }
    }

    /// The next policy bundle.
    pub fn next_bundle(&self, issued: u64, effective_from: u64, baseline: Hash) -> PolicyBundle {
        let present = self.bundle();
        PolicyBundle {
            version: CharterVersion::new(present.document().version.get().saturating_add(1)),
            previous: Some(present.hash()),
            issued,
            effective_from,
            baseline,
            ..present.document().clone()
        }
    }

    /// An act on a member.
    pub fn draft_act(&self, act: ActKind, target: HubId, made: u64, reason: &str) -> Act {
        Act {
            kind: Kind::Act,
            federation: self.realm.federation().to_owned(),
            realm: self.realm.name().to_owned(),
            act,
            target,
            by: None,
            made,
            reason: reason.to_owned(),
            card: None,
            subject: None,
        }
    }

    /// Enters a card in a directory: as a new member, or, of one that is in already, the keys and the address.
    pub fn admit(&self, directory: &mut Directory, card: &Card, sponsors: BTreeMap<HubId, u64>) {
        let mut listed = directory.members.iter_mut();
        let present = listed.find(|member| {
            member.code == card.code && member.class == card.class && !change::is_gone(member.status)
        });
        if let Some(member) = present.filter(|_| sponsors.is_empty()) {
            member.keys = card.keys.clone();
            member.certificate = card.certificate.clone();
            member.address = card.address;
            return;
        }
        let member = Member::admitted(card, sponsors);
        directory.members.retain(|known| known.code != card.code);
        directory.members.push(member);
        directory.members.sort_by_key(|member| member.code);
        self.lift_all(directory, card.code);
    }

    /// Lists a member as active again and ends every act on it; false if it is not listed.
    pub fn resume(&self, directory: &mut Directory, code: HubId) -> bool {
        let listed = directory.members.iter_mut().find(|member| member.code == code);
        let Some(member) = listed else { return false };
        member.status = Status::Active;
        self.lift_all(directory, code);
        true
    }

    fn lift_all(&self, directory: &mut Directory, code: HubId) {
        let open: Vec<Lift> = (self.open_acts())
            .filter(|act| act.document().target == code)
            .map(|act| Lift {
                act: act.hash(),
                kind: act.document().act,
                target: code,
            })
            .collect();
        directory.lifts.extend(open);
    }

    /// Enters in a directory what acts have done in the meantime, so that it need not be carried along for ever.
    pub fn fold(&self, directory: &mut Directory) {
        let open: Vec<Lift> = (self.open_acts())
            .filter(|act| matches!(act.document().act, ActKind::Suspend | ActKind::Expel))
            .map(|act| Lift {
                act: act.hash(),
                kind: act.document().act,
                target: act.document().target,
            })
            .collect();
        for lift in open {
            let listed = directory
                .members
                .iter_mut()
                .find(|member| member.code == lift.target);
            let is_lifted = directory.lifts.iter().any(|known| known.act == lift.act);
            if let Some(member) = listed.filter(|_| !is_lifted) {
                member.status = member.status.max(standing(lift.kind));
                directory.lifts.push(lift);
            }
        }
    }

    /// What a draft says, what it needs, and who has signed so far.
    ///
    /// # Errors
    /// [`TakeError`] if it could never be taken, whoever signs it.
    pub fn tally(&self, draft: &Draft, intents: &[Draft]) -> Result<Tally, TakeError> {
        let (document, realm) = document(draft.text())?;
        if realm != self.realm {
            return Err(TextError::Shape {
                what: "the draft is for another federation or realm",
            }
            .into());
        }
        let constitution = self.constitution().document();
        let mut keys = self.keys();
        let (title, lines, needs, place, voters) = match document {
            Document::Constitution(next) => {
                keys.add(&next.voters);
                let (lines, needs) = constitution_needs(constitution, &next);
                let title = format!("constitution {}", next.version);
                let voters = [constitution.voters.clone(), next.voters.clone()].concat();
                (title, lines, needs, Some(next.place()), voters)
            }
            Document::Directory(next) => {
                let changes = self.directory_changes(&next)?;
                let lines = changes.iter().map(Change::to_string).collect();
                let needs = change::needs(&changes, constitution);
                let title = format!("directory {}", next.version);
                (
                    title,
                    lines,
                    needs,
                    Some(next.place()),
                    constitution.voters.clone(),
                )
            }
            Document::Bundle(next) => {
                let days = next.effective_from.saturating_sub(next.issued) / DAY_SECONDS;
                let lines = vec![format!(
                    "puts baseline policies {} in force after {days} days",
                    next.baseline
                )];
                let needs = vec![bundle_need(&next, constitution)];
                let title = format!("policy bundle {}", next.version);
                (
                    title,
                    lines,
                    needs,
                    Some(next.place()),
                    constitution.voters.clone(),
                )
            }
            Document::Act(next) => {
                self.check_parties(&next)?;
                let lines = act_lines(&next);
                let title = format!("act `{}` on {}", next.act, next.target);
                (
                    title,
                    lines,
                    vec![self.act_need(&next)],
                    None,
                    constitution.voters.clone(),
                )
            }
        };
        let by = match draft.note() {
            Some(note) => match keys.keep(note, &self.realm) {
                Ok((_, by)) => by,
                Err(NoteError::NoKnownSigner) => BTreeSet::new(),
                Err(error) => return Err(error.into()),
            },
            None => BTreeSet::new(),
        };
        let votes = votes(&by, &voters);
        let needs = needs
            .into_iter()
            .map(|need| {
                let missing = need.missing(&votes);
                (need, missing)
            })
            .collect();
        Ok(Tally {
            title,
            lines,
            needs,
            intents: self.intents(draft, intents, &voters)?,
            votes,
            place,
        })
    }

    fn directory_changes(&self, next: &Directory) -> Result<Vec<Change>, TakeError> {
        let present = self.directory();
        let constitution = self.constitution().document();
        if next.previous.is_none() {
            return Ok(vec![Change::Renewed]);
        }
        let before = (next.previous)
            .and_then(|previous| self.directories.get(&previous))
            .unwrap_or(present);
        let changes = changes(before.document(), next)?;
        change::check_sponsors(&changes, before.document(), next, constitution)?;
        Ok(changes)
    }

    /// The statement with which a voter says that it would sign a draft.
    pub fn intent(&self, place: &Place, subject: Hash) -> Intent {
        Intent {
            kind: Kind::Intent,
            federation: self.realm.federation().to_owned(),
            realm: self.realm.name().to_owned(),
            chain: place.chain,
            version: place.version,
            subject,
        }
    }

    fn intents(
        &self,
        draft: &Draft,
        intents: &[Draft],
        voters: &[Voter],
    ) -> Result<BTreeSet<HubId>, TakeError> {
        let mut said = BTreeSet::new();
        for intent in intents {
            let (Ok(document), Some(note)) = (parse::<Intent>(intent.text()), intent.note()) else {
                continue;
            };
            if document.kind != Kind::Intent || document.subject != draft.hash() {
                continue;
            }
            let mut keys = Keys::default();
            keys.add(voters);
            match keys.keep(note, &self.realm) {
                Ok((_, by)) => said.extend(votes(&by, voters)),
                Err(NoteError::NoKnownSigner) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(said)
    }
}

fn constitution_needs(present: &Constitution, next: &Constitution) -> (Vec<String>, Vec<Need>) {
    let old = present.voter_codes();
    let new = next.voter_codes();
    let mut lines: Vec<String> = Vec::new();
    lines.extend(new.difference(&old).map(|code| format!("makes {code} a voter")));
    lines.extend(
        old.difference(&new)
            .map(|code| format!("takes the vote from {code}")),
    );
    for voter in &next.voters {
        let known = present.voters.iter().find(|known| known.code == voter.code);
        if known.is_some_and(|known| known.keys != voter.keys) {
            lines.push(format!("gives {} other governance keys", voter.code));
        }
    }
    if present.thresholds != next.thresholds {
        lines.push("changes the thresholds".to_owned());
    }
    if present.suites != next.suites {
        lines.push("changes the cipher suites".to_owned());
    }
    if next.previous.is_none() {
        lines = vec![format!("founds the federation with {} voters", next.voters.len())];
    } else if lines.is_empty() {
        lines.push("renews the validity".to_owned());
    }
    let needs = vec![
        Need::share("present voters", present.thresholds.constitution, old),
        Need::share("its own voters", next.thresholds.constitution, new),
    ];
    (lines, needs)
}

fn act_lines(act: &Act) -> Vec<String> {
    let target = act.target;
    let by = act.by.map(|by| by.to_string()).unwrap_or_default();
    let what = match act.act {
        ActKind::Suspend => format!("suspends {target}: nothing new to or from it until it is resumed"),
        ActKind::Expel => format!("expels {target}"),
        ActKind::Hold => format!("holds {target} for 72 hours"),
        ActKind::Unsponsor => format!("{by} does not answer for {target} any more"),
        ActKind::Host => format!("{by} admits the stakeholder {target} and answers for it"),
        ActKind::Object => format!("{by} objects to the stakeholder {target}"),
    };
    vec![what, format!("reason: {}", act.reason)]
}
