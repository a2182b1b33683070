//! Attachments: fetched by those who have the item, in pieces that are verified before the disk has them, and by nobody else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use testudo_core::blob::{BlobRecord, BlobState};
use testudo_core::input::{Command, Draft, Input};
use testudo_crypto::attachment::{Attachment, open_attachment};
use testudo_protocol::envelope::SignedPart;
use testudo_protocol::exchange::{Control, Message, PieceAsk};
use testudo_protocol::id::{HubId, ItemRef};
use testudo_protocol::ledger::Entry;
use testudo_protocol::wire::{self, Reader};

use crate::adversary::{Addressed, Edge};
use crate::course::{amber_for, finish, quiet_with, tell, until};
use crate::dice::Dice;
use crate::drafts;
use crate::federation::{Federation, hub};
use crate::invariants::Held;
use crate::watch::{marker, written};
use crate::world::World;

/// Content of the attachment of these tests, in bytes: six pieces.
const CONTENT_BYTES: usize = 1_500_000;

/// Frames as they leave, in their order.
type Record = Rc<RefCell<Vec<(HubId, HubId, Vec<u8>)>>>;

/// Passes everything on and keeps a record.
#[derive(Default)]
struct Recorder {
    record: Record,
    /// Changes a bit of the piece with this number, counted from 0.
    flipped: Option<usize>,
    pieces: usize,
}

impl Edge for Recorder {
    fn send(&mut self, _: &mut Dice, from: HubId, to: HubId, mut frame: Vec<u8>) -> Vec<Addressed> {
        if let Ok(Message::Piece(_)) = Message::decode(&frame) {
            if self.flipped == Some(self.pieces) {
                // In the data of the piece, which ends the frame.
                let at = frame.len() - 9_000;
                frame[at] ^= 4;
            }
            self.pieces += 1;
        }
        self.record.borrow_mut().push((from, to, frame.clone()));
        vec![(to, frame)]
    }

    fn liars(&self) -> BTreeSet<HubId> {
        self.flipped.iter().map(|_| hub("FR")).collect()
    }
}

fn recorded(flipped: Option<usize>) -> (World, Record) {
    let record = Record::default();
    let edge = Recorder {
        record: record.clone(),
        flipped,
        pieces: 0,
    };
    (quiet_with(Box::new(edge)), record)
}

/// FR releases an item with an attachment to these; gives the item once it is on FR's disk.
fn released(world: &mut World, hubs: &[&str], expires_at: u64) -> ItemRef {
    let mut label = amber_for(hubs);
    label.expires_at = expires_at;
    let before = items(world);
    loop {
        let marker = marker(world.plan.seed, world.watch.drafts.len());
        let bundle = drafts::bundle(&mut world.dice, &label, &written(&marker));
        let attachment = world.attached(&written(&marker), CONTENT_BYTES);
        let draft = Draft {
            bundle,
            label: label.clone(),
            licence: None,
            purpose: "situational-awareness".to_owned(),
            corrects: None,
            derived: None,
            attachments: vec![attachment],
        };
        let refused = world.counts.get("refused preview label-too-weak").copied();
        world
            .preview_draft(hub("FR"), "release", marker, draft)
            .expect("holds");
        // Dice may have put a stricter marking into the bundle than the label has.
        if world.counts.get("refused preview label-too-weak").copied() == refused {
            break;
        }
    }
    until(world, "FR has done release");
    let new: Vec<ItemRef> = items(world).difference(&before).copied().collect();
    new[0]
}

fn items(world: &World) -> BTreeSet<ItemRef> {
    let disk = &world.stations[&hub("FR")].disk;
    disk.items().map(|record| record.item).collect()
}

/// The item is at DE, with a row that says that its attachment is not.
fn delivered(world: &mut World) -> ItemRef {
    let item = released(world, &["DE"], 0);
    until(world, "DE reports Arrived");
    assert_eq!(state(world, "DE", item), Some(BlobState::Absent));
    item
}

fn fetch(world: &mut World, who: &str, item: ItemRef) {
    let command = Command::Fetch {
        item: item.item,
        number: 0,
    };
    tell(world, who, "fetch", command);
}

fn record(world: &World, at: &str, item: ItemRef) -> Option<BlobRecord> {
    let mut all = world.stations[&hub(at)].disk.blobs();
    all.find(|record| record.item == item)
}

fn state(world: &World, at: &str, item: ItemRef) -> Option<BlobState> {
    record(world, at, item).map(|record| record.state)
}

/// Opens the file at a hub with the key in its own copy of the header.
fn opened(world: &World, at: &str, item: ItemRef) -> Vec<u8> {
    let station = &world.stations[&hub(at)];
    let row = testudo_core::records::key::item(item);
    let body = station
        .disk
        .row(testudo_core::output::Family::Body, &row)
        .expect("the body is here");
    let body: testudo_core::records::BodyRow = wire::decode(body).expect("a body row");
    let part = SignedPart::read(&mut Reader::new(&body.part)).expect("a signed part");
    let header = part.stored_header().expect("a header");
    let attachment: Attachment = header.attachments[0].sealed().expect("an attachment");
    let blob = record(world, at, item).expect("a row").blob;
    let file = station.blobs.file(blob).expect("a file");
    let mut content = Vec::new();
    open_attachment(&attachment, &file.tree, file.sealed.as_slice(), &mut content).expect("it opens");
    content
}

/// Where questions from one hub to another begin, in their order.
fn asked(record: &Record, from: &str, to: &str) -> Vec<u64> {
    let record = record.borrow();
    let ways = record
        .iter()
        .filter(|(sender, receiver, _)| (*sender, *receiver) == (hub(from), hub(to)));
    let questions = ways.filter_map(|(_, _, frame)| match Message::decode(frame) {
        Ok(Message::Control(Control::PieceAsk(ask))) => Some(ask.first),
        _ => None,
    });
    questions.collect()
}

fn pieces(world: &World, from: &str, to: &str) -> usize {
    let line = format!("{from} sends {to} piece");
    let is_piece = |entry: &&String| entry.ends_with(&line);
    world.trace.iter().filter(is_piece).count()
}

fn served(world: &World, at: &str) -> Vec<(HubId, u32)> {
    let origin = Federation::get().ledger_origin(hub(at));
    let entries = world.stations[&hub(at)].disk.entries(&origin);
    let served = entries.into_iter().filter_map(|(_, entry)| match entry {
        Entry::Served {
            receiver, attachment, ..
        } => Some((receiver, attachment)),
        _ => None,
    });
    served.collect()
}

#[test]
fn an_attachment_is_fetched_when_somebody_asks_and_not_before() {
    let (mut world, record) = recorded(None);
    let item = released(&mut world, &["DE", "SE"], 0);
    until(&mut world, "DE reports Arrived");
    fetch(&mut world, "DE", item);
    let world = finish(world);
    let content = world.contents.values().next().expect("one was drafted");
    assert!(opened(&world, "DE", item) == *content);
    assert_eq!(state(&world, "DE", item), Some(BlobState::Whole));
    assert_eq!(state(&world, "SE", item), Some(BlobState::Absent));
    assert_eq!(asked(&record, "DE", "FR"), [0, 16, 32, 48, 64, 80]);
    assert_eq!(served(&world, "FR"), [(hub("DE"), 0)]);
    assert_eq!(pieces(&world, "FR", "SE"), 0);
}

#[test]
fn a_hub_that_may_not_have_the_item_gets_no_piece_whatever_it_names() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    let (fr, ge) = (hub("FR"), hub("GE"));
    let envelope = world.stations[&fr].disk.item(item).expect("it is here").envelope;
    // All that DE could tell GE: the item, its envelope, the number of its attachment. The root is no name at all.
    for (ask, number) in [(1, 0), (2, 1), (3, u32::MAX)] {
        let question = PieceAsk {
            ask,
            envelope,
            item,
            number,
            first: 0,
            count: 16,
        };
        let frame = Message::Control(Control::PieceAsk(question)).to_frame();
        world.feed(fr, Input::Frame(ge, frame)).expect("holds");
        until(&mut world, "GE hears FR not here");
    }
    // The operator is told once, and by which rule; GE is not blamed, and hears nothing else.
    let told: Vec<&String> = world
        .trace
        .iter()
        .filter(|line| line.contains("AttachmentRefused"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("R-07") && told[0].contains("receiver: GE"),
        "{told:?}"
    );
    let world = finish(world);
    assert_eq!((pieces(&world, "FR", "GE"), served(&world, "FR").len()), (0, 0));
}

#[test]
fn a_hub_that_has_the_item_gets_only_what_is_in_its_envelope() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    let fr = hub("FR");
    let envelope = world.stations[&fr].disk.item(item).expect("it is here").envelope;
    let another = testudo_protocol::id::EnvelopeHash::new([9; 32]);
    let questions = [
        (another, 0, 0, 16),
        (envelope, 1, 0, 16),
        (envelope, 0, 0, 17),
        (envelope, 0, 0, 0),
        (envelope, 0, u64::MAX, 2),
        (envelope, 0, 1 << 40, 1),
    ];
    for (ask, (envelope, number, first, count)) in (1..).zip(questions) {
        let question = PieceAsk {
            ask,
            envelope,
            item,
            number,
            first,
            count,
        };
        let frame = Message::Control(Control::PieceAsk(question)).to_frame();
        world.feed(fr, Input::Frame(hub("DE"), frame)).expect("holds");
        until(&mut world, "DE hears FR not here");
    }
    let world = finish(world);
    assert_eq!(pieces(&world, "FR", "DE"), 0);
}

#[test]
fn a_piece_with_a_flipped_bit_never_reaches_the_disk() {
    let (mut world, _) = recorded(Some(2));
    let item = delivered(&mut world);
    fetch(&mut world, "DE", item);
    until(&mut world, "DE blames FR");
    let what = world.watch.blamed.last().map(|(_, _, what)| what.as_str());
    assert_eq!(what, Some("piece differs from what was signed"));
    // Only FR has it, and is not asked again: the fetch ends, and says so.
    until(&mut world, "DE reports AttachmentNotHere");
    let row = record(&world, "DE", item).expect("a row");
    assert_eq!(row.state, BlobState::Absent);
    let file = world.stations[&hub("DE")]
        .blobs
        .file(row.blob)
        .expect("two pieces");
    let genuine = record(&world, "FR", item).expect("a row").blob;
    let genuine = world.stations[&hub("FR")]
        .blobs
        .file(genuine)
        .expect("it is whole");
    assert!(
        matches!(file.sealed.len() / (16 * 16_384), 1 | 2),
        "the two before it, as far as the disk has come"
    );
    assert!(genuine.sealed.starts_with(&file.sealed));

    // A person asks again, and now it comes; from where it had come to.
    fetch(&mut world, "DE", item);
    until(&mut world, "DE reports AttachmentFetched");
    assert_eq!(state(&world, "DE", item), Some(BlobState::Whole));
    assert!(opened(&world, "DE", item) == *world.contents.values().next().expect("one"));
}

#[test]
fn a_fetch_goes_on_after_a_kill_from_what_is_on_disk() {
    let (mut world, record) = recorded(None);
    let item = delivered(&mut world);
    fetch(&mut world, "DE", item);
    for _ in 0..3 {
        until(&mut world, "DE hears FR piece");
    }
    until(&mut world, "FR sends DE piece");
    let before = asked(&record, "DE", "FR").len();
    world.crash(hub("DE"));
    let world = finish(world);
    assert!(opened(&world, "DE", item) == *world.contents.values().next().expect("one"));
    let after = &asked(&record, "DE", "FR")[before..];
    // The loss of power took the second half of what had not been synced.
    assert!(after[0] > 0 && after[0] < 64, "{after:?}");
    assert!(after.iter().all(|first| *first >= after[0]), "{after:?}");
}

#[test]
fn a_fetch_outlives_its_holder_and_its_line() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    fetch(&mut world, "DE", item);
    until(&mut world, "DE hears FR piece");
    world.crash(hub("FR"));
    until(&mut world, "DE hears FR piece");
    world.cut(hub("DE"), hub("FR"));
    let world = finish(world);
    assert!(opened(&world, "DE", item) == *world.contents.values().next().expect("one"));
    assert_eq!(served(&world, "FR"), [(hub("DE"), 0)], "entered once");
}

#[test]
fn a_withdrawal_in_mid_fetch_leaves_no_file_anywhere() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    fetch(&mut world, "DE", item);
    for _ in 0..2 {
        until(&mut world, "DE hears FR piece");
    }
    tell(&mut world, "FR", "retract", Command::Retract { item: item.item });
    let world = finish(world);
    assert_eq!(
        (state(&world, "FR", item), state(&world, "DE", item)),
        (None, None)
    );
    for code in ["FR", "DE"] {
        assert_eq!(
            world.stations[&hub(code)].blobs.names(),
            BTreeSet::new(),
            "{code}"
        );
    }
    let destroyed = world
        .trace
        .iter()
        .position(|line| line.contains("DE destroys 1 files"));
    let receipted = world
        .trace
        .iter()
        .rposition(|line| line.contains("DE sends FR receipt"));
    assert!(destroyed < receipted, "it says that it is done when it is");
}

#[test]
fn what_has_expired_is_destroyed_with_its_attachments() {
    let (mut world, _) = recorded(None);
    let expires_at = world.clock(hub("FR")).seconds() + 20;
    let item = released(&mut world, &["DE"], expires_at);
    until(&mut world, "DE reports Arrived");
    fetch(&mut world, "DE", item);
    until(&mut world, "DE reports AttachmentFetched");
    world.leap(90_000);
    until(&mut world, "DE destroys 1 files");
    let world = finish(world);
    for code in ["FR", "DE"] {
        assert_eq!(
            world.stations[&hub(code)].blobs.names(),
            BTreeSet::new(),
            "{code}"
        );
    }
}

#[test]
fn a_forwarder_hands_on_what_it_has_fetched() {
    let (mut world, record) = recorded(None);
    let item = delivered(&mut world);
    let consent = Command::Consent {
        item: item.item,
        holder: hub("DE"),
        recipient: hub("EEAS"),
        until: world.clock(hub("FR")).plus_millis(600_000),
        purpose: "onward".to_owned(),
    };
    tell(&mut world, "FR", "consent", consent);
    until(&mut world, "DE hears FR consent");
    let to = hub("EEAS");
    tell(
        &mut world,
        "DE",
        "forward",
        Command::Forward { item: item.item, to },
    );
    until(&mut world, "EEAS reports Arrived");
    // DE has not fetched it.
    fetch(&mut world, "EEAS", item);
    until(&mut world, "EEAS reports AttachmentNotHere");
    fetch(&mut world, "DE", item);
    until(&mut world, "DE reports AttachmentFetched");
    fetch(&mut world, "EEAS", item);
    let world = finish(world);
    assert!(opened(&world, "EEAS", item) == *world.contents.values().next().expect("one"));
    assert_eq!(served(&world, "DE"), [(hub("EEAS"), 0)]);
    assert_eq!(asked(&record, "EEAS", "FR"), [] as [u64; 0]);
}

#[test]
fn a_file_that_its_disk_has_lost_is_fetched_again() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    fetch(&mut world, "DE", item);
    until(&mut world, "DE reports AttachmentFetched");
    let blob = record(&world, "DE", item).expect("a row").blob;
    world.station(hub("DE")).blobs.file_mut(blob).sealed[40 * 16_384] ^= 1;
    fetch(&mut world, "DE", item);
    until(&mut world, "DE reports AttachmentDamaged");
    let world = finish(world);
    assert!(opened(&world, "DE", item) == *world.contents.values().next().expect("one"));
}

/// An edge that does not ask the gate: whatever piece leaves a hub goes to GE too.
struct Ungated {
    /// Whether it hides the piece in a control frame.
    hidden: bool,
}

impl Edge for Ungated {
    fn send(&mut self, _: &mut Dice, _: HubId, to: HubId, frame: Vec<u8>) -> Vec<Addressed> {
        let leak = match Message::decode(&frame) {
            Ok(Message::Piece(_)) if !self.hidden => Some(frame.clone()),
            Ok(Message::Piece(piece)) => {
                let stretch = piece.bytes[..12_000].to_vec();
                Some(Message::Control(Control::Notice(stretch)).to_frame())
            }
            _ => None,
        };
        let leak = leak.map(|leak| (hub("GE"), leak));
        leak.into_iter().chain([(to, frame)]).collect()
    }
}

/// Negative controls: a piece past the gate, in the open and hidden, breaks an invariant.
#[test]
fn a_piece_past_the_gate_is_caught() {
    for (hidden, invariant) in [
        (false, "nothing_is_transmitted_without_right"),
        (true, "ciphertext_canaries_stay_inside"),
    ] {
        let mut world = quiet_with(Box::new(Ungated { hidden }));
        let item = delivered(&mut world);
        fetch(&mut world, "DE", item);
        let held: Held = world.run();
        match held {
            Ok(()) => panic!("{invariant} does not notice"),
            Err(broken) => assert_eq!(broken.invariant, invariant, "{broken}"),
        }
    }
}

/// Negative controls: a row before its file, and a file without a row, break an invariant.
#[test]
fn rows_and_files_that_do_not_fit_are_caught() {
    let (mut world, _) = recorded(None);
    let item = delivered(&mut world);
    let row = record(&world, "DE", item).expect("a row");
    let whole = BlobRecord {
        state: BlobState::Whole,
        ..row
    };
    let change = testudo_core::output::Change::Put {
        family: testudo_core::output::Family::Blob,
        key: testudo_core::records::key::blob(item, 0),
        value: wire::encode(&whole).expect("a record is small").into(),
    };
    let held = crate::invariants::invariant_what_is_said_to_be_whole_is(&world, hub("DE"), &change);
    assert_eq!(held.unwrap_err().invariant, "what_is_said_to_be_whole_is");
    world
        .station(hub("DE"))
        .blobs
        .put(testudo_core::blob::BlobId::new([1; 16]), vec![1], Vec::new());
    let held = crate::invariants::invariant_files_of_attachments_have_rows(&world, hub("DE"));
    assert_eq!(held.unwrap_err().invariant, "files_of_attachments_have_rows");
}
