//! The three chains: what follows what, by whose votes.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::note::Note;

use super::super::change::{self, changes, sponsors_needed};
use super::super::directory::is_voting_class;
use super::super::kind::{Place, Versioned};
use super::super::member::Status;
use super::super::text::heading;
use super::super::threshold::{Need, Share, VoteError};
use super::*;
use crate::id::CharterVersion;

/// The version of a chain's first text.
const FIRST: CharterVersion = CharterVersion::new(1);

/// Two or more successors of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// In which chain.
    pub chain: Chain,
    /// Of which version they are the successors.
    pub after: CharterVersion,
    /// SHA-256 of their texts.
    pub branches: Vec<Hash>,
    /// Who has signed more than one.
    pub signers: Vec<HubId>,
}

/// A chain as far as it is followed.
pub(super) struct Walk<'a, T> {
    /// From the version that is trusted without votes to the newest one.
    pub(super) path: Vec<&'a Signed<T>>,
    /// What would come next, if it is more than one.
    pub(super) branches: Vec<&'a Signed<T>>,
}

impl<'a, T> Walk<'a, T> {
    /// Follows successors from `start` for as long as there is exactly one, or one was chosen.
    fn from(
        start: &'a Signed<T>,
        all: &'a BTreeMap<Hash, Signed<T>>,
        choices: &BTreeSet<Hash>,
        follows: impl Fn(&Signed<T>, &Signed<T>) -> bool,
    ) -> Self {
        let mut path = vec![start];
        loop {
            let Some(head) = path.last().copied() else {
                return Self {
                    path,
                    branches: Vec::new(),
                };
            };
            let next: Vec<_> = all.values().filter(|next| follows(head, next)).collect();
            let chosen = next.iter().find(|next| choices.contains(&next.hash()));
            match (next.as_slice(), chosen) {
                ([], _) => {
                    return Self {
                        path,
                        branches: Vec::new(),
                    };
                }
                ([only], _) => path.push(only),
                (_, Some(chosen)) => path.push(chosen),
                (_, None) => return Self { path, branches: next },
            }
        }
    }

    fn head(&self, start: &'a Signed<T>) -> &'a Signed<T> {
        self.path.last().copied().unwrap_or(start)
    }
}

/// The first versions as they are found in a file.
#[derive(Default)]
pub(super) struct Founding {
    pub(super) constitution: Option<(Constitution, Note)>,
    pub(super) directory: Option<(Directory, Note)>,
    pub(super) bundle: Option<(PolicyBundle, Note)>,
}

impl Founding {
    pub(super) fn found(self, founded: Timestamp) -> Result<Governance, FoundError> {
        let missing = |chain| FoundError::Missing { chain };
        let (constitution, note) = self.constitution.ok_or(missing(Chain::Constitution))?;
        let directory = self.directory.ok_or(missing(Chain::Directory))?;
        let bundle = self.bundle.ok_or(missing(Chain::Bundle))?;
        let (_, realm) = heading(note.text())?;
        let mut keys = Keys::default();
        keys.add(&constitution.voters);
        let all = |what: &str| Need::share(what, Share::All, constitution.voter_codes());
        let constitution_signed = signed_by_all(constitution.clone(), &note, &keys, &realm, founded)?;
        let directory = signed_by_all(directory.0, &directory.1, &keys, &realm, founded)?;
        let bundle = signed_by_all(bundle.0, &bundle.1, &keys, &realm, founded)?;
        let voters = &constitution.voters;
        let check = |what: &str, votes: BTreeSet<HubId>| {
            let checked = all(what).check(&votes);
            checked.map_err(|error: VoteError| FoundError::Refused(error.into()))
        };
        check("constitution 1", constitution_signed.votes(voters))?;
        check("directory 1", directory.votes(voters))?;
        check("policy bundle 1", bundle.votes(voters))?;
        check_founders(&constitution, directory.document())?;
        let pinned = Heads {
            constitution: constitution_signed.hash(),
            directory: directory.hash(),
            bundle: bundle.hash(),
        };
        Ok(Governance {
            realm,
            pinned,
            founded,
            constitutions: [(constitution_signed.hash(), constitution_signed)].into(),
            directories: [(directory.hash(), directory)].into(),
            bundles: [(bundle.hash(), bundle)].into(),
            acts: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            choices: BTreeSet::new(),
        })
    }
}

fn signed_by_all<T>(
    document: T,
    note: &Note,
    keys: &Keys,
    realm: &Realm,
    founded: Timestamp,
) -> Result<Signed<T>, FoundError> {
    let (_, named) = heading(note.text())?;
    if named != *realm {
        return Err(TextError::Shape {
            what: "the first versions are for different federations or realms",
        }
        .into());
    }
    let (note, by) = keys.keep(note, realm).map_err(TakeError::from)?;
    Ok(Signed::new(document, note, by, founded))
}

fn check_founders(constitution: &Constitution, directory: &Directory) -> Result<(), FoundError> {
    check_voting_members(constitution, directory)?;
    for member in &directory.members {
        let wrong = |what| TextError::Member {
            code: member.code,
            what,
        };
        if member.status != Status::Active {
            return Err(wrong("a federation begins with active members").into());
        }
        if member.sponsors.len() < sponsors_needed(member.class) {
            return Err(wrong("has fewer sponsors than its class needs").into());
        }
        let voters = constitution.voter_codes();
        if !member.sponsors.keys().all(|sponsor| voters.contains(sponsor)) {
            return Err(wrong("only a voter can sponsor").into());
        }
    }
    Ok(())
}

fn check_voting_members(constitution: &Constitution, directory: &Directory) -> Result<(), FoundError> {
    for voter in &constitution.voters {
        let code = voter.code;
        let wrong = |what| FoundError::Voter { code, what };
        let member = directory
            .member(code)
            .ok_or_else(|| wrong("votes without being a member"))?;
        if !is_voting_class(member.class) {
            return Err(wrong("only member states and EU institutions vote"));
        }
    }
    Ok(())
}

impl Governance {
    /// The constitution that is followed.
    pub fn constitution(&self) -> &Signed<Constitution> {
        self.constitution_walk().0
    }

    /// The directory that is followed.
    pub fn directory(&self) -> &Signed<Directory> {
        self.directory_walk().0
    }

    /// The newest policy bundle, whether it is in force already or not.
    pub fn bundle(&self) -> &Signed<PolicyBundle> {
        self.bundle_walk().0
    }

    /// What this hub follows.
    pub fn heads(&self) -> Heads {
        Heads {
            constitution: self.constitution().hash(),
            directory: self.directory().hash(),
            bundle: self.bundle().hash(),
        }
    }

    // The pinned versions are there from the beginning and never removed.
    #[expect(
        clippy::indexing_slicing,
        reason = "INVARIANT: the founding notes are never removed"
    )]
    pub(super) fn constitution_walk(&self) -> (&Signed<Constitution>, Walk<'_, Constitution>) {
        let start = &self.constitutions[&self.pinned.constitution];
        let walk = Walk::from(start, &self.constitutions, &self.choices, |head, next| {
            is_next(head, next) && self.check_constitution(head.document(), next).is_ok()
        });
        (walk.head(start), walk)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "INVARIANT: the founding notes are never removed"
    )]
    pub(super) fn directory_walk(&self) -> (&Signed<Directory>, Walk<'_, Directory>) {
        let constitution = self.constitution().document();
        let settled = constitution.directory.map(|settled| settled.hash);
        let start = (settled.and_then(|hash| self.directories.get(&hash)))
            .unwrap_or(&self.directories[&self.pinned.directory]);
        let walk = Walk::from(start, &self.directories, &self.choices, |head, next| {
            is_next(head, next) && check_directory(head.document(), next, constitution).is_ok()
        });
        (walk.head(start), walk)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "INVARIANT: the founding notes are never removed"
    )]
    pub(super) fn bundle_walk(&self) -> (&Signed<PolicyBundle>, Walk<'_, PolicyBundle>) {
        let constitution = self.constitution().document();
        let settled = constitution.bundle.map(|settled| settled.hash);
        let start =
            (settled.and_then(|hash| self.bundles.get(&hash))).unwrap_or(&self.bundles[&self.pinned.bundle]);
        let walk = Walk::from(start, &self.bundles, &self.choices, |head, next| {
            is_next(head, next) && check_bundle(next, constitution).is_ok()
        });
        (walk.head(start), walk)
    }

    /// Every fork that is neither chosen nor settled.
    pub fn forks(&self) -> Vec<Fork> {
        let mut forks = Vec::new();
        let constitution = self.constitution().document();
        let (head, walk) = self.constitution_walk();
        forks.extend(fork(head, &walk, &constitution.voters));
        let (head, walk) = self.directory_walk();
        forks.extend(fork(head, &walk, &constitution.voters));
        let (head, walk) = self.bundle_walk();
        forks.extend(fork(head, &walk, &constitution.voters));
        forks
    }

    /// Checks a successor of a constitution: the old voters, the new ones, and what it builds upon.
    fn check_constitution(&self, head: &Constitution, next: &Signed<Constitution>) -> Result<(), TakeError> {
        let document = next.document();
        let version = document.version.get();
        let old = Need::share(
            format!("constitution {version}, of the present voters"),
            head.thresholds.constitution,
            head.voter_codes(),
        );
        let new = Need::share(
            format!("constitution {version}, of its own voters"),
            document.thresholds.constitution,
            document.voter_codes(),
        );
        let (of_old, of_new) = (next.votes(&head.voters), next.votes(&document.voters));
        if old.check(&of_old).is_err() && new.check(&of_new).is_ok() {
            return Err(TakeError::NewVotersOnly {
                version,
                found: of_old.len(),
                needed: old.votes,
            });
        }
        old.check(&of_old)?;
        new.check(&of_new)?;
        self.check_settled(document, head)
    }

    fn check_settled(&self, document: &Constitution, head: &Constitution) -> Result<(), TakeError> {
        let version = document.version.get();
        let unsettled = |chain| TakeError::Unsettled { version, chain };
        let directory = (document.directory)
            .and_then(|settled| Some((settled, self.directories.get(&settled.hash)?)))
            .filter(|(settled, known)| known.document().version == settled.version)
            .ok_or_else(|| unsettled(Chain::Directory))?
            .1;
        let bundle = (document.bundle)
            .and_then(|settled| Some((settled, self.bundles.get(&settled.hash)?)))
            .filter(|(settled, known)| known.document().version == settled.version)
            .ok_or_else(|| unsettled(Chain::Bundle))?
            .1;
        // It may settle a fork, but not undo what the constitution before it settled.
        let is_behind = |settled: Option<CharterVersion>, known: CharterVersion| {
            settled.is_some_and(|settled| known < settled)
        };
        let behind = is_behind(head.directory.map(|at| at.version), directory.document().version)
            || is_behind(head.bundle.map(|at| at.version), bundle.document().version);
        if behind {
            return Err(TextError::Shape {
                what: "a constitution builds upon nothing older than the one before it",
            }
            .into());
        }
        check_voting_members(document, directory.document()).map_err(|error| match error {
            FoundError::Voter { code, what } => TakeError::Text(TextError::Voter { code, what }),
            FoundError::Refused(error) => error,
            FoundError::Missing { chain } => unsettled(chain),
        })
    }

    pub(super) fn take_constitution(
        &mut self,
        document: Constitution,
        note: &Note,
        now: Timestamp,
    ) -> Result<Taken, TakeError> {
        let place = document.place();
        check_time(&place, now)?;
        let before = before(&self.constitutions, &place, self.constitution())?;
        let (note, by) = self.keys_with(&document).keep(note, &self.realm)?;
        let next = Signed::new(document, note, by, now);
        let checked = self.check_constitution(before.document(), &next);
        let taken = self.placed(&next, &self.constitutions, &self.constitution_walk().1, checked)?;
        self.constitutions.insert(next.hash(), next);
        Ok(taken)
    }

    pub(super) fn take_directory(
        &mut self,
        document: Directory,
        note: &Note,
        now: Timestamp,
    ) -> Result<Taken, TakeError> {
        let place = document.place();
        check_time(&place, now)?;
        let before = before(&self.directories, &place, self.directory())?;
        let (note, by) = self.keys().keep(note, &self.realm)?;
        let next = Signed::new(document, note, by, now);
        let constitution = self.constitution().document();
        let checked = check_directory(before.document(), &next, constitution);
        let taken = self.placed(&next, &self.directories, &self.directory_walk().1, checked)?;
        self.directories.insert(next.hash(), next);
        Ok(taken)
    }

    pub(super) fn take_bundle(
        &mut self,
        document: PolicyBundle,
        note: &Note,
        now: Timestamp,
    ) -> Result<Taken, TakeError> {
        let place = document.place();
        check_time(&place, now)?;
        before(&self.bundles, &place, self.bundle())?;
        let (note, by) = self.keys().keep(note, &self.realm)?;
        let next = Signed::new(document, note, by, now);
        let checked = check_bundle(&next, self.constitution().document());
        let taken = self.placed(&next, &self.bundles, &self.bundle_walk().1, checked)?;
        self.bundles.insert(next.hash(), next);
        Ok(taken)
    }

    /// Where a version stands that has been checked: next, or beside another.
    fn placed<T: Versioned>(
        &self,
        next: &Signed<T>,
        all: &BTreeMap<Hash, Signed<T>>,
        walk: &Walk<'_, T>,
        checked: Result<(), TakeError>,
    ) -> Result<Taken, TakeError> {
        let place = next.document().place();
        let (chain, hash) = (place.chain, next.hash());
        let version =
            |known: Option<&&Signed<T>>| known.map_or(FIRST, |known| known.document().place().version);
        let (settled, present) = (version(walk.path.first()), version(walk.path.last()));
        // An old version that does not carry the votes is no evidence of anything.
        if place.version <= present && checked.is_err() {
            return Err(TakeError::Replayed {
                chain,
                found: place.version.get(),
                present: present.get(),
            });
        }
        checked?;
        let is_beside = |known: &&&Signed<T>| known.document().place().previous == place.previous;
        // What was settled is not walked any more, and a second text in its place is evidence all the same.
        let of_old = all.values().filter(|_| place.version <= settled);
        let walked = walk.path.iter().chain(&walk.branches).copied();
        let known: Vec<&Signed<T>> = of_old.chain(walked).collect();
        let beside: Vec<&&Signed<T>> = known.iter().filter(is_beside).collect();
        if beside.is_empty() {
            return Ok(Taken::Version { chain, hash });
        }
        let voters = &self.constitution().document().voters;
        let votes = next.votes(voters);
        let signers: BTreeSet<HubId> = (beside.iter())
            .flat_map(|known| known.votes(voters))
            .filter(|code| votes.contains(code))
            .collect();
        Ok(Taken::Fork {
            chain,
            hash,
            signers: signers.into_iter().collect(),
        })
    }

    /// Every note, so that each comes behind what it rests on: a constitution behind the versions that it settles,
    /// and those before later ones.
    pub(super) fn ordered(&self) -> Vec<(Hash, Vec<u8>)> {
        let mut notes = Vec::new();
        let mut constitutions: Vec<_> = self.constitutions.values().collect();
        constitutions.sort_by_key(|known| known.document().version);
        let mut directories: Vec<_> = self.directories.values().collect();
        directories.sort_by_key(|known| known.document().version);
        let mut bundles: Vec<_> = self.bundles.values().collect();
        bundles.sort_by_key(|known| known.document().version);
        let (mut directories, mut bundles) =
            (directories.into_iter().peekable(), bundles.into_iter().peekable());
        for constitution in constitutions {
            let document = constitution.document();
            let (directory, bundle) = (document.directory, document.bundle);
            while let Some(known) = directories
                .next_if(|known| directory.is_some_and(|at| known.document().version <= at.version))
            {
                notes.push((known.id(), known.to_bytes()));
            }
            while let Some(known) =
                bundles.next_if(|known| bundle.is_some_and(|at| known.document().version <= at.version))
            {
                notes.push((known.id(), known.to_bytes()));
            }
            notes.push((constitution.id(), constitution.to_bytes()));
        }
        notes.extend(directories.map(|known| (known.id(), known.to_bytes())));
        notes.extend(bundles.map(|known| (known.id(), known.to_bytes())));
        let mut acts: Vec<_> = self.acts.values().collect();
        // An objection comes behind what it is to.
        acts.sort_by_key(|known| known.document().subject.is_some());
        notes.extend(acts.into_iter().map(|known| (known.id(), known.to_bytes())));
        notes
    }
}

/// The text that a version says it follows.
fn before<'a, T: Versioned>(
    all: &'a BTreeMap<Hash, Signed<T>>,
    place: &Place,
    head: &Signed<T>,
) -> Result<&'a Signed<T>, TakeError> {
    let chain = place.chain;
    let present = head.document().place().version.get();
    let found = place.version.get();
    let named = place.previous.and_then(|previous| all.get(&previous));
    match named {
        Some(before) if before.document().place().version.get().saturating_add(1) == found => Ok(before),
        _ if found > present.saturating_add(1) => Err(TakeError::Skipped {
            chain,
            found,
            present,
        }),
        None if found <= present => Err(TakeError::Replayed {
            chain,
            found,
            present,
        }),
        // The number does not fit the text that it names, or that text is unknown here.
        Some(_) | None => Err(TakeError::Unlinked {
            chain,
            version: found,
        }),
    }
}

/// Whether a version stands directly behind another.
fn is_next<T: Versioned>(head: &Signed<T>, next: &Signed<T>) -> bool {
    let (head_place, place) = (head.document().place(), next.document().place());
    place.previous == Some(head.hash()) && place.version.get() == head_place.version.get().saturating_add(1)
}

fn check_time(place: &Place, now: Timestamp) -> Result<(), TakeError> {
    check_ahead(&format!("{} {}", place.chain, place.version), place.issued, now)
}

/// Refuses what was made more than a day ahead of our clock.
pub(super) fn check_ahead(what: &str, made: u64, now: Timestamp) -> Result<(), TakeError> {
    let ahead = made.saturating_sub(now.seconds());
    if ahead > AHEAD_SECONDS_MAX {
        return Err(TakeError::FromTheFuture {
            what: what.to_owned(),
            hours: ahead / 3_600,
        });
    }
    Ok(())
}

/// Checks a successor of a directory: what each of its changes needs.
pub(super) fn check_directory(
    before: &Directory,
    next: &Signed<Directory>,
    constitution: &Constitution,
) -> Result<(), TakeError> {
    let changes = changes(before, next.document())?;
    change::check_sponsors(&changes, before, next.document(), constitution)?;
    let votes = next.votes(&constitution.voters);
    for need in change::needs(&changes, constitution) {
        need.check(&votes)?;
    }
    Ok(())
}

fn check_bundle(next: &Signed<PolicyBundle>, constitution: &Constitution) -> Result<(), TakeError> {
    let need = bundle_need(next.document(), constitution);
    Ok(need.check(&next.votes(&constitution.voters))?)
}

pub(super) fn bundle_need(bundle: &PolicyBundle, constitution: &Constitution) -> Need {
    Need::share(
        format!("policy bundle {}", bundle.version),
        constitution.thresholds.bundle,
        constitution.voter_codes(),
    )
}

fn fork<T: Versioned>(
    head: &Signed<T>,
    walk: &Walk<'_, T>,
    voters: &[super::super::threshold::Voter],
) -> Option<Fork> {
    if walk.branches.is_empty() {
        return None;
    }
    let place = head.document().place();
    let mut seen = BTreeSet::new();
    let mut signers = BTreeSet::new();
    for branch in &walk.branches {
        for code in branch.votes(voters) {
            if !seen.insert(code) {
                signers.insert(code);
            }
        }
    }
    Some(Fork {
        chain: place.chain,
        after: place.version,
        branches: walk.branches.iter().map(|branch| branch.hash()).collect(),
        signers: signers.into_iter().collect(),
    })
}
