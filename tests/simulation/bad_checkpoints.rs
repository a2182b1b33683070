//! Checkpoints, proofs and cosignatures that are wrong: each is refused in its own words, and no ledger is touched.

use std::collections::{BTreeMap, BTreeSet};

use testudo_core::input::Input;
use testudo_core::output::Family;
use testudo_crypto::checkpoint::Checkpoint;
use testudo_crypto::digest::Digest;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::merkle::{Root, TreeSize};
use testudo_crypto::note::{Note, NoteSigner};
use testudo_crypto::tlog::add_checkpoint::AddCheckpoint;
use testudo_crypto::tlog::cosignature::Cosigner;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::ledger::{Ledger, Witnessed};
use testudo_protocol::wire;

use crate::adversary::{Addressed, Edge, Suspect};
use crate::course::{quiet, until};
use crate::dice::Dice;
use crate::federation::{Federation, hub};
use crate::world::{Plan, World};

/// What FR holds of DE's ledger.
fn held(world: &World) -> Witnessed {
    let row = [b"w".as_slice(), hub("DE").as_bytes()].concat();
    let row = world.stations[&hub("FR")].disk.row(Family::Checkpoint, &row);
    wire::decode(row.expect("it has cosigned")).expect("a record")
}

fn signer(origin: &str) -> NoteSigner {
    NoteSigner::with(origin, Federation::get().keys(hub("DE")).ledger.clone()).expect("a key name")
}

fn origin() -> String {
    Federation::get().ledger_origin(hub("DE"))
}

/// A checkpoint of DE, as large as it pleases.
fn text(origin: &str, size: u64) -> String {
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: TreeSize::new(size),
        root: Root::new(Digest::of(b"another history")),
    };
    checkpoint.to_text()
}

/// DE asks FR to cosign; FR finds fault in these words, remembers what it did, and enters nothing.
#[track_caller]
fn check(request: impl FnOnce(&Witnessed) -> Vec<u8>, words: &str) {
    let mut world = World::with_edge(
        Plan {
            seed: 1,
            commands: 0,
            faults: 0,
            span_millis: 20_000,
        },
        Box::new(Suspect(hub("DE"))),
    );
    for _ in 0..2 {
        until(&mut world, "FR anchors");
    }
    until(&mut world, "FR hears DE add checkpoint");
    until(&mut world, "DE hears FR cosigned");
    let before = (held(&world), world.stations[&hub("FR")].disk.leaves().len());
    let frame = Message::Control(Control::AddCheckpoint(request(&before.0))).to_frame();
    let blamed = world.watch.blamed.len();
    world
        .feed(hub("FR"), Input::Frame(hub("DE"), frame))
        .expect("holds");
    let said: Vec<&str> = world.watch.blamed[blamed..]
        .iter()
        .map(|(.., what)| what.as_str())
        .collect();
    assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
    until(&mut world, "DE hears FR cosigned");
    let after = (held(&world), world.stations[&hub("FR")].disk.leaves().len());
    assert_eq!(before, after);
}

fn request(old: u64, note: Note) -> Vec<u8> {
    let request = AddCheckpoint::new(TreeSize::new(old), Vec::new(), note);
    request.expect("within the limits").to_bytes()
}

#[test]
fn a_known_key_with_a_bad_signature() {
    check(
        |held| {
            let signed = Note::sign(text(&origin(), held.size + 64), &[&signer(&origin())]);
            let other = text(&origin(), held.size + 128);
            let lines = signed.expect("a note").signatures().to_vec();
            let forged = format!("{other}\n{}\n", lines[0].to_line().trim_end());
            request(held.size, Note::parse(forged.as_bytes()).expect("a note"))
        },
        "that its ledger key has not signed",
    );
}

#[test]
fn a_second_origin_under_one_key() {
    check(
        |_| {
            let second = "simulation/live/ledger/DE2";
            let note = Note::sign(text(second, 64), &[&signer(second)]).expect("a note");
            request(0, note)
        },
        "whose origin is no other member's ledger",
    );
}

#[test]
fn a_size_that_goes_back() {
    check(
        |held| {
            let note = Note::sign(text(&origin(), held.size - 1), &[&signer(&origin())]).expect("a note");
            request(0, note)
        },
        "size went back",
    );
}

#[test]
fn a_proof_of_sixty_five_hashes() {
    check(
        |held| {
            let note = Note::sign(text(&origin(), held.size + 64), &[&signer(&origin())]).expect("a note");
            let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(65);
            let head = format!("old {}\n{hash}\n", held.size);
            [head.into_bytes(), note.to_bytes()].concat()
        },
        "has 65 hashes of proof",
    );
}

#[test]
fn a_proof_in_base64_that_is_not_minimal() {
    check(
        |held| {
            let note = Note::sign(text(&origin(), held.size + 64), &[&signer(&origin())]).expect("a note");
            let stray = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=";
            let head = format!("old {}\n{stray}\n\n", held.size);
            [head.into_bytes(), note.to_bytes()].concat()
        },
        "base64 is not minimal",
    );
}

#[test]
fn a_checkpoint_with_seventeen_signatures() {
    check(
        |held| {
            let origin = origin();
            let strangers: Vec<NoteSigner> = (0..17u8)
                .map(|at| {
                    NoteSigner::new(format!("stranger-{at}"), &SigningKey::from_seed([at; 32]))
                        .expect("a key name")
                })
                .collect();
            let all: Vec<&NoteSigner> = strangers.iter().collect();
            let note = Note::sign(text(&origin, held.size + 64), &all).expect("a note");
            let head = format!("old {}\n\n", held.size);
            [head.into_bytes(), note.to_bytes()].concat()
        },
        "has 17 signatures",
    );
}

#[test]
fn another_history_behind_a_proof_that_proves_nothing() {
    check(
        |held| {
            let note = Note::sign(text(&origin(), held.size + 64), &[&signer(&origin())]).expect("a note");
            request(held.size, note)
        },
        "with a proof that does not lead there",
    );
}

/// What DE answers to a request of FR passes through `answer`, which is given the checkpoint.
struct BadWitness {
    answer: fn(&str, u64) -> Vec<u8>,
    seconds: u64,
    asked: BTreeMap<Hash, String>,
}

impl Edge for BadWitness {
    fn send(&mut self, _: &mut Dice, from: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        match Message::decode(&frame) {
            Ok(Message::Control(Control::AddCheckpoint(bytes))) if (from, to) == (hub("FR"), hub("DE")) => {
                let parsed = AddCheckpoint::parse(&bytes).expect("FR keeps the protocol");
                let text = parsed.note().text().to_owned();
                self.asked.insert(Hash::from(Digest::of(&bytes)), text);
            }
            Ok(Message::Control(Control::Cosigned {
                request, status: 200, ..
            })) if (from, to) == (hub("DE"), hub("FR")) => {
                let text = &self.asked[&request];
                let reply = Control::Cosigned {
                    request,
                    status: 200,
                    body: (self.answer)(text, self.seconds),
                };
                return vec![(to, Message::Control(reply).to_frame())];
            }
            _ => {}
        }
        vec![(to, frame)]
    }

    fn liars(&self) -> BTreeSet<HubId> {
        [hub("DE")].into()
    }
}

/// FR takes no such cosignature, says why, and goes on with its other witnesses.
#[track_caller]
fn check_witness(answer: fn(&str, u64) -> Vec<u8>, words: &str) {
    let seconds = quiet().clock(hub("FR")).seconds();
    let plan = Plan {
        seed: 1,
        commands: 0,
        faults: 0,
        span_millis: 20_000,
    };
    let witness = BadWitness {
        answer,
        seconds,
        asked: BTreeMap::new(),
    };
    let mut world = World::with_edge(plan, Box::new(witness));
    for _ in 0..3 {
        until(&mut world, "FR anchors");
    }
    until(&mut world, "FR hears EEAS cosigned");
    let said = |world: &World| {
        let by_fr = world
            .watch
            .blamed
            .iter()
            .filter(|(by, of, _)| (*by, *of) == (hub("FR"), hub("DE")));
        by_fr.map(|(.., what)| what.clone()).collect::<Vec<_>>()
    };
    assert!(
        said(&world).iter().any(|what| what.contains(words)),
        "{:?}",
        said(&world)
    );
    let fr = world.stations[&hub("FR")].hub.as_ref().expect("it runs");
    let cosigned = fr.status().checkpoint.expect("it has published").cosigned;
    assert!(
        !cosigned.contains(&hub("DE")) && !cosigned.is_empty(),
        "{cosigned:?}"
    );
}

fn cosigner(name: String) -> Cosigner {
    Cosigner::new(name, &Federation::get().keys(hub("DE")).cosigning).expect("a key name")
}

fn own_name() -> String {
    Ledger::cosigner_of(Federation::get().charter().realm(), hub("DE"))
}

#[test]
fn a_witness_that_answers_for_another_origin() {
    check_witness(
        |text, seconds| {
            let other = text.replacen("/FR\n", "/SE\n", 1);
            let line = cosigner(own_name()).cosign(&other, seconds).expect("a time");
            line.to_line().into_bytes()
        },
        "does not verify for this checkpoint",
    );
}

#[test]
fn a_witness_that_answers_under_another_name() {
    check_witness(
        |text, seconds| {
            let line = cosigner("simulation/live/witness/XX".to_owned()).cosign(text, seconds);
            line.expect("a time").to_line().into_bytes()
        },
        "under another name than its own",
    );
}

#[test]
fn a_witness_whose_clock_is_more_than_five_minutes_off() {
    check_witness(
        |text, seconds| {
            let line = cosigner(own_name()).cosign(text, seconds + 600).expect("a time");
            line.to_line().into_bytes()
        },
        "seconds from ours",
    );
}
