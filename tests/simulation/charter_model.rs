//! A model of governance: hubs that hold notes, voters honest and dishonest, partitions and crashes, under a seed.
//!
//! What each note deserves is counted here straight down, from who was made to sign it. After every step:
//!
//! - no hub follows or enforces what the votes do not carry;
//! - two hubs that have met do not follow different texts under one number without both knowing of the fork;
//! - a hub that has a restriction enforces it.

use std::collections::{BTreeMap, BTreeSet};

use testudo_protocol::charter::{
    ActKind, DAY_SECONDS, Draft, Governance, HOLD_SECONDS, Status, Taken, text_hash, to_text,
};
use testudo_protocol::id::{Hash, HubId, Timestamp};

use crate::dice::Dice;
use crate::federation::{BEGIN, Federation, VOTERS, hub};

/// Seeds by default: some seconds of them. `TESTUDO_CHARTER_SEEDS=10000` takes longer.
const SEEDS: u64 = 2;

/// Steps of one run.
const STEPS: u64 = 60;

/// Hubs that hold notes.
const HUBS: usize = 5;

/// What was made of a note, and whether its votes carry it.
struct Deed {
    what: What,
    carries: bool,
    note: Vec<u8>,
}

enum What {
    Version {
        number: u32,
        previous: Hash,
    },
    Restriction {
        target: HubId,
        status: Status,
        made: u64,
        lasts: bool,
    },
}

/// One hub: what it knows, and what of it survives a crash.
struct Station {
    governance: Governance,
    journal: Vec<(Timestamp, Vec<u8>)>,
    unwritten: usize,
}

struct Model {
    dice: Dice,
    now: Timestamp,
    stations: Vec<Station>,
    deeds: BTreeMap<Hash, Deed>,
    lifted: BTreeMap<Hash, BTreeSet<Hash>>,
    counts: BTreeMap<&'static str, u64>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let governance = Federation::get().governance();
        let station = || Station {
            governance: governance.clone(),
            journal: Vec::new(),
            unwritten: 0,
        };
        Self {
            dice: Dice::new(seed),
            now: BEGIN,
            stations: (0..HUBS).map(|_| station()).collect(),
            deeds: BTreeMap::new(),
            lifted: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A few voters: honest drafts gather many, dishonest ones whoever is dishonest.
    fn signers(&mut self) -> Vec<&'static str> {
        let per_cent = *self.dice.pick(&[35, 60, 80, 100]).expect("there are some");
        self.dice.some(&VOTERS, per_cent)
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.dice.below(HUBS as u64)).expect("a few")
    }

    fn step(&mut self) {
        self.now = self.now.plus_millis(self.dice.below(30 * 3_600_000));
        match self.dice.below(100) {
            0..=17 => self.draft_version(),
            18..=37 => self.draft_restriction(),
            38..=44 => self.lift(),
            45..=49 => self.skip_or_replay(),
            50..=55 => self.crash(),
            _ => self.meet(),
        }
        self.check();
    }

    fn sign_and_hand_over(&mut self, at: usize, text: String, signers: &[&str], what: What, carries: bool) {
        let mut draft = Draft::new(text);
        Federation::get().vote(&mut draft, signers);
        if signers.is_empty() {
            return;
        }
        let note = draft.to_bytes();
        let hash = draft.hash();
        // More signers of one text add up, whoever collected them.
        self.deeds.entry(hash).or_insert(Deed {
            what,
            carries,
            note: note.clone(),
        });
        self.take(at, &note);
    }

    fn take(&mut self, at: usize, note: &[u8]) {
        let now = self.now;
        let station = &mut self.stations[at];
        match station.governance.take(note, now) {
            Ok(Taken::Known) => {}
            Ok(taken) => {
                station.journal.push((now, note.to_vec()));
                station.unwritten += 1;
                let what = match taken {
                    Taken::Fork { .. } => "fork",
                    Taken::Act { .. } => "act",
                    Taken::Version { .. } => "version",
                    Taken::Merged { .. } | Taken::Known => "merged",
                };
                self.count(what);
            }
            Err(_) => self.count("refused"),
        }
    }

    /// A version of the directory that changes nothing but its validity, or some member's level: a majority.
    fn draft_version(&mut self) {
        let at = self.any();
        let made = self.now.seconds();
        let mut next = (self.stations[at].governance).next_directory(made, made + 200 * DAY_SECONDS);
        let level = u8::try_from(self.dice.below(7)).expect("0 to 6");
        if let Some(member) = next.members.last_mut() {
            member.soi_level = level;
        }
        let signers = self.signers();
        let what = What::Version {
            number: next.version.get(),
            previous: next.previous.expect("not the first"),
        };
        let carries = signers.len() > VOTERS.len() / 2;
        self.sign_and_hand_over(at, to_text(&next), &signers, what, carries);
    }

    fn draft_restriction(&mut self) {
        let at = self.any();
        let codes = Federation::get().codes();
        let target = *self.dice.pick(codes).expect("there are some");
        let kinds = [ActKind::Suspend, ActKind::Expel, ActKind::Hold];
        let kind = *self.dice.pick(&kinds).expect("there are some");
        let act = (self.stations[at].governance).draft_act(kind, target, self.now.seconds(), "drawn");
        let signers = self.signers();
        let others = VOTERS.iter().filter(|code| hub(code) != target).count();
        let voted = signers.iter().filter(|code| hub(code) != target).count();
        let (status, needed) = match kind {
            ActKind::Suspend => (Status::Suspended, others / 2 + 1),
            ActKind::Expel => (Status::Expelled, (2 * others).div_ceil(3)),
            _ => (Status::Held, 3),
        };
        let what = What::Restriction {
            target,
            status,
            made: act.made,
            lasts: kind != ActKind::Hold || voted > others / 2,
        };
        self.sign_and_hand_over(at, to_text(&act), &signers, what, voted >= needed);
    }

    /// A version that resumes somebody: a majority of the others, or two thirds where an expulsion ends.
    fn lift(&mut self) {
        let at = self.any();
        let governance = &self.stations[at].governance;
        let restricted: Vec<HubId> = (governance.restrictions(self.now).into_iter())
            .map(|(target, _, _)| target)
            .collect();
        let Some(target) = self.dice.pick(&restricted).copied() else {
            return;
        };
        let made = self.now.seconds();
        let governance = &self.stations[at].governance;
        let mut next = governance.next_directory(made, made + 200 * DAY_SECONDS);
        governance.resume(&mut next, target);
        let lifts: BTreeSet<Hash> = next.lifts.iter().map(|lift| lift.act).collect();
        let is_expulsion = next.lifts.iter().any(|lift| lift.kind == ActKind::Expel);
        let signers = self.signers();
        let others = VOTERS.iter().filter(|code| hub(code) != target).count();
        let voted = signers.iter().filter(|code| hub(code) != target).count();
        let needed = if is_expulsion {
            (2 * others).div_ceil(3)
        } else {
            others / 2 + 1
        };
        let text = to_text(&next);
        self.lifted.insert(text_hash(&text), lifts);
        let what = What::Version {
            number: next.version.get(),
            previous: next.previous.expect("not the first"),
        };
        self.sign_and_hand_over(at, text, &signers, what, voted >= needed);
    }

    /// A version with another number than the next, signed by everyone: never followed.
    fn skip_or_replay(&mut self) {
        let at = self.any();
        let made = self.now.seconds();
        let mut next = (self.stations[at].governance).next_directory(made, made + 100 * DAY_SECONDS);
        let number = next.version.get();
        let wrong = if self.dice.chance(50) {
            number + 1
        } else {
            number.saturating_sub(1)
        };
        if wrong <= 1 {
            return;
        }
        next.version = testudo_protocol::id::CharterVersion::new(wrong);
        let what = What::Version {
            number: wrong,
            previous: next.previous.expect("not the first"),
        };
        self.sign_and_hand_over(at, to_text(&next), &VOTERS, what, false);
    }

    /// A hub forgets what it had not written, and begins again from its journal.
    fn crash(&mut self) {
        let at = self.any();
        let lost = self.dice.below(self.stations[at].unwritten as u64 + 1);
        let station = &mut self.stations[at];
        let kept = station.journal.len() - usize::try_from(lost).expect("a few");
        station.journal.truncate(kept);
        station.unwritten = 0;
        let mut governance = Federation::get().governance().clone();
        for (received, note) in &station.journal {
            governance.take(note, *received).expect("it was taken before");
        }
        station.governance = governance;
        self.count("crash");
    }

    /// Two hubs exchange all their notes, one in the order of the other's list and one backwards, as messages overtake.
    fn meet(&mut self) {
        let (one, other) = (self.any(), self.any());
        if one == other {
            return;
        }
        self.exchange(one, other);
        self.check_pair(one, other);
    }

    fn exchange(&mut self, one: usize, other: usize) {
        // What is early the first time is taken the second or third.
        for round in 0..4 {
            for (from, to) in [(one, other), (other, one)] {
                let mut notes = self.stations[from].governance.notes();
                // The last time in order, so that nothing stays early.
                if round < 3 && self.dice.chance(30) {
                    notes.reverse();
                }
                for (_, note) in notes {
                    self.take(to, &note);
                }
            }
        }
        for at in [one, other] {
            self.stations[at].unwritten = 0;
        }
    }

    fn check(&self) {
        for at in 0..HUBS {
            self.invariant_nothing_is_followed_that_the_votes_do_not_carry(at);
            self.invariant_a_restriction_that_is_known_is_enforced(at);
        }
    }

    fn invariant_nothing_is_followed_that_the_votes_do_not_carry(&self, at: usize) {
        let governance = &self.stations[at].governance;
        let mut head = Some(governance.directory().hash());
        while let Some(hash) = head {
            let Some(deed) = self.deeds.get(&hash) else {
                assert_eq!(hash, Federation::get().governance().directory().hash());
                break;
            };
            assert!(deed.carries, "hub {at} follows {hash} without the votes");
            let What::Version { previous, .. } = deed.what else {
                panic!("hub {at} follows an act");
            };
            head = Some(previous);
        }
        for (target, _, act) in governance.restrictions(self.now) {
            let deed = &self.deeds[&act];
            assert!(deed.carries, "hub {at} restricts {target} without the votes");
        }
    }

    fn invariant_a_restriction_that_is_known_is_enforced(&self, at: usize) {
        let governance = &self.stations[at].governance;
        let charter = governance.charter(self.now);
        let mut lifted: BTreeSet<Hash> = BTreeSet::new();
        let mut head = Some(governance.directory().hash());
        while let Some(hash) = head {
            lifted.extend(self.lifted.get(&hash).into_iter().flatten());
            head = match self.deeds.get(&hash).map(|deed| &deed.what) {
                Some(What::Version { previous, .. }) => Some(*previous),
                _ => None,
            };
        }
        for act in governance.acts() {
            let hash = act.hash();
            let What::Restriction {
                target,
                status,
                made,
                lasts,
            } = &self.deeds[&hash].what
            else {
                panic!("an act is no version");
            };
            // A hold counts for 72 hours, and not where another came first.
            let is_over = !*lasts;
            if is_over && self.now.seconds() >= made + HOLD_SECONDS || lifted.contains(&hash) {
                continue;
            }
            let is_void = is_over
                && (governance.acts()).any(|other| {
                    let other = other.document();
                    other.act == ActKind::Hold && other.target == *target && other.made < *made
                });
            if is_void {
                continue;
            }
            let stands = charter.member(*target).expect("a member").status;
            assert!(
                stands >= *status,
                "hub {at} lists {target} as {stands} against {hash}"
            );
        }
    }

    /// After two hubs have met: the same view, with the same forks.
    fn check_pair(&self, one: usize, other: usize) {
        let view = |at: usize| {
            let governance = &self.stations[at].governance;
            (governance.heads(), governance.forks())
        };
        let ((heads, forks), (other_heads, other_forks)) = (view(one), view(other));
        assert_eq!(forks, other_forks, "hubs {one} and {other} disagree about a fork");
        assert_eq!(
            heads, other_heads,
            "hubs {one} and {other} follow different texts"
        );
        let number = |hash: &Hash| match self.deeds.get(hash).map(|deed| &deed.what) {
            Some(What::Version { number, .. }) => *number,
            _ => 1,
        };
        for fork in forks {
            assert!(
                fork.branches
                    .iter()
                    .all(|branch| number(branch) == fork.after.get() + 1)
            );
        }
    }

    /// Everyone meets everyone until nothing is new: all decide alike.
    fn settle(&mut self) {
        for _ in 0..2 {
            for one in 0..HUBS {
                for other in one + 1..HUBS {
                    self.exchange(one, other);
                }
            }
        }
        let fingerprint = |station: &Station| station.governance.charter(self.now).fingerprint();
        let first = fingerprint(&self.stations[0]);
        for station in &self.stations {
            assert_eq!(
                fingerprint(station),
                first,
                "hubs that hold the same notes decide alike"
            );
        }
        self.check();
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("TESTUDO_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TESTUDO_CHARTER_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn random_governance_keeps_its_three_promises() {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds() {
        println!("seed {seed}");
        let mut model = Model::new(seed);
        for _ in 0..STEPS {
            model.step();
        }
        model.settle();
        let unused = model.deeds.values().filter(|deed| deed.note.is_empty()).count();
        assert_eq!(unused, 0, "every deed was signed");
        for (what, times) in model.counts {
            *counts.entry(what).or_default() += times;
        }
    }
    println!("{counts:?}");
    // One seed that is replayed need not have all of it.
    if seeds().count() as u64 >= SEEDS {
        for what in ["version", "act", "fork", "refused", "crash"] {
            assert!(
                counts.get(what).is_some_and(|times| *times > 0),
                "never: {what}; {counts:?}"
            );
        }
    }
}
