//! Every envelope names its decision, and every recipient is shown that decision in the sender's ledger.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::entropy::Entropy;
use testudo_crypto::merkle::TreeSize;
use testudo_crypto::note::{Note, NoteSigner};
use testudo_crypto::tlog::add_checkpoint::AddCheckpoint;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::{Entry, IncidentKind, Ledger, Record};

use crate::adversary::{Addressed, Edge};
use crate::course::{amber_for, finish, quiet, until};
use crate::dice::Dice;
use crate::federation::{Federation, hub};
use crate::world::{Plan, World};

/// A hub whose peers witness another ledger than the one in which its releases stand: one of fillers alone.
///
/// Everything else that it says comes from an ordinary core.
struct OutsideItsLedger {
    hub: HubId,
    shown: Ledger,
    entropy: Entropy,
    cosigned: BTreeMap<HubId, u64>,
}

impl OutsideItsLedger {
    fn new(hub: HubId) -> Self {
        Self {
            hub,
            shown: Ledger::new(Federation::get().charter().realm(), hub),
            entropy: Entropy::from_seed([0x5a; 32]),
            cosigned: BTreeMap::new(),
        }
    }

    /// What it shows a witness instead of its own checkpoint.
    fn checkpoint(&mut self, to: HubId, real: &AddCheckpoint) -> Option<Vec<u8>> {
        let size = real.checkpoint().size;
        while self.shown.size() < size {
            let record = Record {
                time: Timestamp::from_millis(1),
                entry: Entry::Filler,
            };
            self.shown.append(record, &mut self.entropy).ok()?;
        }
        if self.shown.size() > size {
            return None;
        }
        let keys = Federation::get().keys(self.hub);
        let signer = NoteSigner::with(self.shown.origin(), keys.ledger.clone()).ok()?;
        let note: Note = self.shown.checkpoint(&signer).ok()?;
        let old = TreeSize::new(self.cosigned.insert(to, size.get()).unwrap_or(0));
        let proof = self.shown.prove_consistency(old, size)?;
        Some(AddCheckpoint::new(old, proof, note).ok()?.to_bytes())
    }
}

impl Edge for OutsideItsLedger {
    fn send(&mut self, _: &mut Dice, from: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        let replaced = match Message::decode(&frame) {
            Ok(Message::Control(Control::AddCheckpoint(bytes))) if from == self.hub => {
                let shown = AddCheckpoint::parse(&bytes)
                    .ok()
                    .and_then(|real| self.checkpoint(to, &real));
                shown.map(Control::AddCheckpoint)
            }
            // Its real proofs would give it away at once, and its core is not to notice what it shows.
            Ok(Message::Control(Control::Proof { .. } | Control::Leaves { .. })) if from == self.hub => None,
            Ok(Message::Control(Control::LastCheckpoint(_))) if to == self.hub => {
                Some(Control::LastCheckpoint(Vec::new()))
            }
            _ => return vec![(to, frame)],
        };
        let replaced = replaced.map(|control| (to, Message::Control(control).to_frame()));
        replaced.into_iter().collect()
    }

    fn liars(&self) -> BTreeSet<HubId> {
        BTreeSet::from([self.hub])
    }
}

const RECIPIENTS: [&str; 3] = ["DE", "SE", "PL"];

fn release(world: &mut World) {
    let refused = |world: &World| world.counts.get("refused preview label-too-weak").copied();
    loop {
        let before = refused(world);
        let label = amber_for(&RECIPIENTS);
        world.preview(hub("FR"), "release", label, None).expect("holds");
        if refused(world) == before {
            break;
        }
    }
    until(world, "FR has done release");
}

fn everyone_has_it(world: &mut World) {
    for code in RECIPIENTS {
        if world.stations[&hub(code)].disk.items().next().is_none() {
            until(world, &format!("{code} reports Arrived"));
        }
    }
}

fn grades(world: &World, code: &str) -> Vec<Option<String>> {
    let hub = world.stations[&hub(code)].hub.as_ref().expect("it runs");
    hub.inbox().into_iter().map(|entry| entry.ledger).collect()
}

#[test]
fn every_recipient_is_shown_the_decision_under_a_quorum() {
    let mut world = quiet();
    release(&mut world);
    everyone_has_it(&mut world);
    assert_eq!(grades(&world, "DE"), [Some("ledger-pending".to_owned())]);
    let world = finish(world);
    for code in RECIPIENTS {
        assert_eq!(grades(&world, code), [Some("quorum".to_owned())], "{code}");
    }
    let fr = world.stations[&hub("FR")].hub.as_ref().expect("it runs");
    let own: Vec<String> = fr.deliveries(None).into_iter().map(|view| view.ledger).collect();
    assert!(
        !own.is_empty() && own.iter().all(|grade| grade == "quorum"),
        "{own:?}"
    );
}

#[test]
fn a_hub_that_releases_outside_its_ledger_is_noticed_by_each_recipient() {
    let fr = hub("FR");
    let plan = Plan {
        seed: 1,
        commands: 0,
        faults: 0,
        span_millis: 120_000,
    };
    let mut world = World::with_edge(plan, Box::new(OutsideItsLedger::new(fr)));
    // Whoever lies so keeps to itself what it would tell everybody.
    world.gossip.lost_per_cent = 100;
    for _ in 0..2 {
        until(&mut world, "FR anchors");
    }
    release(&mut world);
    everyone_has_it(&mut world);
    // The first two of its checkpoints after that bring no alarm yet, and no proof; the third does.
    for _ in 0..5 {
        until(&mut world, "FR anchors");
    }
    for code in RECIPIENTS {
        assert_eq!(grades(&world, code), [Some("unproven".to_owned())], "{code}");
        let recipient = world.stations[&hub(code)].hub.as_ref().expect("it runs");
        let view = recipient.status().peers.into_iter().find(|peer| peer.hub == fr);
        assert_eq!(
            view.map(|peer| (peer.unproven, peer.split_view)),
            Some((1, false))
        );
        let origin = Federation::get().ledger_origin(hub(code));
        let entries = world.stations[&hub(code)].disk.entries(&origin);
        let incidents = entries.into_iter().filter(|(_, entry)| {
            matches!(entry, Entry::Incident { kind: IncidentKind::Unproven, peer, .. } if *peer == fr)
        });
        assert_eq!(incidents.count(), 1, "{code}");
    }
    // Who received nothing has nothing to miss.
    let eeas = world.stations[&hub("EEAS")].hub.as_ref().expect("it runs");
    assert!(eeas.status().peers.iter().all(|peer| peer.unproven == 0));
    // A person looks, and decides.
    let resume = testudo_core::input::Command::ResumeWitness { hub: fr };
    crate::course::tell(&mut world, "DE", "resume", resume);
    until(&mut world, "DE has done resume");
    let de = world.stations[&hub("DE")].hub.as_ref().expect("it runs");
    assert!(de.status().peers.iter().all(|peer| peer.unproven == 0));
    assert_eq!(grades(&world, "DE"), [Some("unproven".to_owned())]);
}

/// What everybody hears of a ledger is held against what its witnesses were shown.
#[test]
fn a_hub_that_gossips_another_ledger_than_it_shows_is_found_out() {
    let fr = hub("FR");
    let plan = Plan {
        seed: 1,
        commands: 0,
        faults: 0,
        span_millis: 120_000,
    };
    let mut world = World::with_edge(plan, Box::new(OutsideItsLedger::new(fr)));
    until(&mut world, "DE reports SplitView { peer: FR }");
}

/// Whoever has not received an item is not shown its decision, and learns nothing.
#[test]
fn a_proof_is_shown_to_those_alone_who_received_the_item() {
    let mut world = quiet();
    release(&mut world);
    until(&mut world, "DE reports Arrived");
    until(&mut world, "FR reports Receipted");
    let record = world.stations[&hub("DE")]
        .disk
        .items()
        .next()
        .expect("it is here");
    let decision = world.stations[&hub("FR")].disk.deliveries_to(hub("DE")).next();
    let index = decision.expect("it was delivered").decision;
    let origin = Federation::get().ledger_origin(hub("FR"));
    let leaf = world.stations[&hub("FR")].disk.leaves()[index as usize].clone();
    let leaf = testudo_protocol::ledger::Leaf::from_bytes(&leaf).expect("a leaf");
    assert!(world.stations[&hub("FR")].disk.entry(&origin, index).is_some());
    until(&mut world, "FR anchors");
    until(&mut world, "DE hears FR proof");
    let ask = |commitment| {
        Message::Control(Control::ProofAsk {
            envelope: record.envelope,
            index,
            commitment,
        })
        .to_frame()
    };
    let answers = |world: &World, to: &str| {
        let line = format!("FR sends {to} proof");
        world.trace.iter().filter(|entry| entry.ends_with(&line)).count()
    };
    let before = ["EEAS", "DE"].map(|code| answers(&world, code));
    for (code, commitment) in [
        ("EEAS", leaf.commitment()),
        ("DE", testudo_protocol::id::Hash::new([1; 32])),
        ("DE", leaf.commitment()),
    ] {
        let frame = ask(commitment);
        world
            .feed(hub("FR"), testudo_core::input::Input::Frame(hub(code), frame))
            .expect("holds");
    }
    until(&mut world, "DE hears FR proof");
    assert_eq!(before[0], answers(&world, "EEAS"));
    assert_eq!(before[1] + 1, answers(&world, "DE"));
}
