//! Golden files of every signed and sealed message: what was made once is read for ever.
//!
//! A changed file is a change on the wire, and says so in the changelog. `TESTUDO_WRITE_GOLDEN=1` makes them anew; what
//! draws randomness (age, ML-DSA) then differs in every byte, so the files are kept and not compared.

#![allow(clippy::disallowed_methods, reason = "reads and, when told to, writes files")]

mod maker;

use std::path::{Path, PathBuf};

use testudo_crypto::attachment::{Span, cut_piece, open_attachment};
use testudo_crypto::seal::Identity;
use testudo_protocol::announcement::Announcement;
use testudo_protocol::charter::{Charter, Governance, KeyKind, OwnAct, OwnActs, OwnTaken, Packet};
use testudo_protocol::consent::{ConsentSubject, ConsentToken};
use testudo_protocol::envelope::{AudienceKey, Envelope, Opener, Verified};
use testudo_protocol::exchange::Message;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::notice::Notice;
use testudo_protocol::receipt::Receipt;

/// Shortly after the golden items were made.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_060);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/envelope")
}

fn file(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn hub(code: &str) -> HubId {
    code.parse().unwrap()
}

fn charter() -> Charter {
    let packet = Packet::parse(&file("charter.packet")).unwrap();
    Governance::found(&packet.notes(), NOW).unwrap().charter(NOW)
}

/// What EEAS has: the charter, its identity of the week, and the key of the audience once it has opened it.
struct Reader {
    charter: Charter,
    identity: Identity,
}

impl Reader {
    fn new() -> Self {
        let secret = String::from_utf8(file("eeas-weekly.age-identity")).unwrap();
        Self {
            charter: charter(),
            identity: Identity::from_secret(secret.trim()).unwrap(),
        }
    }

    fn verified(&self, envelope: Envelope) -> Verified {
        envelope.verify(&self.charter, NOW).unwrap()
    }

    fn title(&self, verified: &Verified, audience: Option<&AudienceKey>) -> String {
        let opened = verified.open(&self.opener(&[&self.identity], audience)).unwrap();
        assert_eq!(opened.bundle().bytes(), file("bundle.json"));
        opened.bundle().title().to_owned()
    }

    fn opener<'a>(&'a self, identities: &'a [&'a Identity], audience: Option<&'a AudienceKey>) -> Opener<'a> {
        Opener {
            me: hub("EEAS"),
            identities,
            audience,
            charter: &self.charter,
            now: NOW,
        }
    }
}

fn made() -> Reader {
    if std::env::var_os("TESTUDO_WRITE_GOLDEN").is_some() {
        maker::make(&folder());
    }
    Reader::new()
}

#[test]
fn golden_files_read_as_they_did() {
    let reader = made();
    let entry = reader.verified(Envelope::decode(&file("audience-key.entry")).unwrap());
    let key = entry.open_key(&reader.opener(&[&reader.identity], None)).unwrap();
    assert_eq!(key.epoch(), 1);
    let under_key = reader.verified(Envelope::decode(&file("envelope.entry")).unwrap());
    assert_eq!(reader.title(&under_key, Some(&key)), "A golden assessment");
    assert_eq!(under_key.fields().previous, entry.envelope().hash());

    let direct = reader.verified(Envelope::decode(&file("direct.entry")).unwrap());
    assert_eq!(reader.title(&direct, None), "A golden assessment");
    let opened = direct.open(&reader.opener(&[&reader.identity], None)).unwrap();
    let [entry] = opened.original().header().attachments.as_slice() else {
        panic!("one attachment");
    };
    assert_eq!(
        (entry.name.as_str(), entry.media_type.as_str()),
        ("evidence.png", "image/png")
    );
    let (sealed, attachment) = (file("attachment.age"), entry.sealed().unwrap());
    let span = Span::from(sealed.len() as u64, 0).unwrap();
    let outboard = file("attachment.tree");
    cut_piece(attachment.root(), span, outboard.as_slice(), sealed.as_slice()).unwrap();
    let mut content = Vec::new();
    open_attachment(&attachment, &outboard, sealed.as_slice(), &mut content).unwrap();
    assert!(content == [0x5a; 20_000]);

    let again = reader.verified(Envelope::decode_resealed(&file("resealed.envelope")).unwrap());
    assert_eq!(reader.title(&again, None), "A golden assessment");
    assert_eq!(again.envelope().hash(), under_key.envelope().hash());

    let charter = &reader.charter;
    let announcement = Announcement::verify(&file("recipient-key.announcement"), charter, NOW).unwrap();
    assert_eq!(announcement.fields().recipient, reader.identity.recipient());
    let receipt = Receipt::decode(&file("delivered.receipt")).unwrap();
    receipt.verify(charter).unwrap();
    assert_eq!(receipt.fields().envelope, under_key.envelope().hash());
    let notice = Notice::decode(&file("retracted.notice")).unwrap();
    notice.verify(charter).unwrap();
    assert_eq!(notice.fields().addressee, hub("EEAS"));
    let token = ConsentToken::decode(&file("forward.consent")).unwrap();
    let fields = token.fields();
    let subject = ConsentSubject {
        originator: fields.originator,
        item: fields.item,
        body_hash: fields.body_hash,
    };
    token.verify(charter, &subject, hub("SE"), NOW).unwrap();
    let mut acts = OwnActs::default();
    let certified = OwnAct::decode(&file("certify.own-act")).unwrap();
    assert_eq!(
        acts.take(certified, charter),
        Ok(OwnTaken::Known),
        "the one in the charter"
    );
    let revoked = OwnAct::decode(&file("revoke.own-act")).unwrap();
    assert_eq!(acts.take(revoked, charter), Ok(OwnTaken::Extended));
    assert!(
        charter
            .with_own_acts(&acts)
            .is_revoked(hub("FR"), KeyKind::Cosigning)
    );
    for (name, words) in [("content.frame", "Content("), ("hello.frame", "Hello(charter 1)")] {
        let message = Message::decode(&file(name)).unwrap();
        assert!(format!("{message:?}").starts_with(words), "{name}: {message:?}");
        assert_eq!(message.to_frame(), file(name), "{name}");
    }
}

/// A new file without a line above would be read by nobody.
#[test]
fn every_golden_file_is_named_in_this_test() {
    let sources = [include_str!("main.rs"), "README.md"].concat();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        assert!(sources.contains(&name), "{name} is not read");
    }
}
