//! `testudo charter`: draft, sign, accept, show.
//!
//! First version: one static charter that every voter signs. Signing needs a file and a key
//! and no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use testudo_crypto::note::{Note, NoteSigner};
use testudo_policies::engine::Engine;
use testudo_protocol::charter::{Card, Charter, CharterDocument, Member, Status, Voter};
use testudo_protocol::envelope::Suite;
use testudo_protocol::id::{CharterVersion, Hash, HubId};
use testudo_protocol::label::{Class, Level};
use testudo_protocol::realm::Realm;

use super::arguments::environment;
use super::outcome::{Answer, Failure, chain, exit};
use crate::clock;
use crate::folder::{HubFolder, read_card};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What to do with a charter.
#[derive(Subcommand)]
pub(super) enum CharterCommand {
    /// Write the text that the voters will sign, from the members' cards.
    Draft {
        /// A member's card; once for each member.
        #[arg(long, value_name = "FILE", required = true)]
        card: Vec<PathBuf>,
        /// Sponsors of a partner, as MD=FR,EEAS.
        #[arg(long, value_name = "CODE=CODE,...")]
        sponsor: Vec<String>,
        /// How long it is valid.
        #[arg(long, value_name = "DAYS")]
        valid_days: u64,
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Add this hub's vote to a draft.
    Sign {
        /// The draft; it is signed in place.
        file: PathBuf,
        /// The voter's data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Follow a charter that every voter has signed.
    Accept {
        /// The signed charter.
        file: PathBuf,
        /// Its fingerprint, as another member read it out.
        #[arg(long, value_name = "HEX")]
        fingerprint: String,
        /// The hub's data folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Who is in it, who has signed, and its fingerprint.
    Show {
        /// A charter file; the hub's own without it.
        file: Option<PathBuf>,
        /// The hub's data folder.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

impl CharterCommand {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Draft {
                card,
                sponsor,
                valid_days,
                out,
            } => draft(card, sponsor, *valid_days, out),
            Self::Sign { file, data } => sign(file, data),
            Self::Accept {
                file,
                fingerprint,
                data,
            } => accept(file, fingerprint, data),
            Self::Show { file: Some(file), .. } => show(&verified(&read(file)?)?),
            Self::Show { data: Some(data), .. } => show(&HubFolder::open(data, &environment())?.charter()?),
            Self::Show { .. } => Err(usage("name a charter file, or a hub with --data")),
        }
    }
}

fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, "usage", sentence)
}

fn refused(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::DATA, "charter", sentence)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| usage(format!("cannot read `{}`: {error}", path.display())))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| {
        Failure::new(
            exit::CANNOT_CREATE,
            "file",
            format!("cannot write `{}`: {error}", path.display()),
        )
    })
}

fn verified(file: &[u8]) -> Result<Charter, Failure> {
    Charter::verify(file).map_err(|error| refused(chain(&error)))
}

fn draft(cards: &[PathBuf], sponsors: &[String], valid_days: u64, out: &Path) -> Result<Answer, Failure> {
    let cards = cards
        .iter()
        .map(|path| read_card(path))
        .collect::<Result<Vec<_>, _>>()?;
    let first = cards.first().ok_or_else(|| usage("name at least one card"))?;
    let realm = Realm::new(&first.federation, &first.realm).map_err(|error| refused(error.to_string()))?;
    for card in &cards {
        if (card.federation.as_str(), card.realm.as_str()) != (realm.federation(), realm.name()) {
            return Err(refused(format!(
                "card of {}: is for another federation or realm",
                card.code
            )));
        }
        card.verify(&realm).map_err(|error| refused(error.to_string()))?;
    }
    let sponsors = sponsors
        .iter()
        .map(|text| sponsorship(text))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let engine = Engine::embedded().map_err(|error| refused(chain(&error)))?;
    let members: Vec<Member> = cards.into_iter().map(|card| member(card, &sponsors)).collect();
    let votes = |member: &&Member| matches!(member.class, Class::MemberState | Class::EuInstitution);
    let voters = members.iter().filter(votes);
    let document = CharterDocument {
        federation: realm.federation().to_owned(),
        realm: realm.name().to_owned(),
        version: CharterVersion::new(1),
        valid_until: clock::now()
            .seconds()
            .saturating_add(valid_days.saturating_mul(DAY_SECONDS)),
        suites: vec![Suite::Hybrid],
        policies: Hash::new(*engine.baseline_hash().as_bytes()),
        voters: voters
            .map(|member| Voter {
                code: member.code,
                governance: member.keys.governance,
            })
            .collect(),
        members,
    };
    write(out, document.to_text().as_bytes())?;
    let voters: Vec<_> = document
        .voters
        .iter()
        .map(|voter| voter.code.to_string())
        .collect();
    let text = format!("wrote {}\nto be signed by {}", out.display(), voters.join(", "));
    Ok(Answer::of(&json!({"file": out, "voters": voters}), text))
}

fn sponsorship(text: &str) -> Result<(HubId, BTreeSet<HubId>), Failure> {
    let malformed = || usage(format!("--sponsor `{text}`: write it as MD=FR,EEAS"));
    let (partner, sponsors) = text.split_once('=').ok_or_else(malformed)?;
    let sponsors: Result<_, _> = sponsors.split(',').map(str::parse).collect();
    Ok((
        partner.parse().map_err(|_| malformed())?,
        sponsors.map_err(|_| malformed())?,
    ))
}

/// A member in good standing, as a voter would first enter it: nothing beyond its class.
fn member(card: Card, sponsors: &BTreeMap<HubId, BTreeSet<HubId>>) -> Member {
    Member {
        code: card.code,
        class: card.class,
        status: Status::Active,
        eu_member: matches!(card.class, Class::MemberState | Class::EuInstitution),
        accredited_level: Level::UNACCREDITED_MAX.get(),
        soi_level: Level::UNACCREDITED_MAX.get(),
        sponsors: sponsors.get(&card.code).cloned().unwrap_or_default(),
        transfer_basis: matches!(card.class, Class::MemberState | Class::EuInstitution),
        communities: BTreeSet::new(),
        exercises: BTreeSet::new(),
        caps: ["expiry".to_owned()].into(),
        tags: BTreeMap::new(),
        keys: card.keys,
        certificate: card.certificate,
        address: card.address,
    }
}

fn sign(file: &Path, data: &Path) -> Result<Answer, Failure> {
    let folder = HubFolder::open(data, &environment())?;
    let code = folder.card()?.code;
    let bytes = read(file)?;
    let signed = Note::parse(&bytes).ok();
    let text = match &signed {
        Some(note) => note.text().to_owned(),
        None => String::from_utf8(bytes).map_err(|_| refused("charter draft is not text"))?,
    };
    let document: CharterDocument = serde_json::from_str(&text)
        .map_err(|error| refused(format!("charter draft is malformed: {error}")))?;
    let keys = folder.keys()?;
    let own = Hash::new(keys.governance.verifying_key().to_bytes());
    if !document
        .voters
        .iter()
        .any(|voter| voter.code == code && voter.governance == own)
    {
        return Err(refused(format!(
            "{code} is not a voter of this draft with its present governance key"
        )));
    }
    let failed = |error| refused(chain(&error));
    let signer = NoteSigner::new(document.signer_name(code), &keys.governance).map_err(failed)?;
    let note = match signed {
        Some(mut note) => {
            note.add_signature(&signer).map_err(failed)?;
            note
        }
        None => Note::sign(text, &[&signer]).map_err(failed)?,
    };
    write(file, &note.to_bytes())?;
    let count = note.signatures().len();
    let voters = document.voters.len();
    let text = format!("{code} has signed {}: {count} of {voters} voters", file.display());
    Ok(Answer::of(
        &json!({"signed": code.to_string(), "signatures": count, "voters": voters}),
        text,
    ))
}

fn accept(file: &Path, fingerprint: &str, data: &Path) -> Result<Answer, Failure> {
    let folder = HubFolder::open(data, &environment())?;
    let bytes = read(file)?;
    let charter = verified(&bytes)?;
    let given: Hash = fingerprint
        .parse()
        .map_err(|error| usage(format!("--fingerprint: {error}")))?;
    if given != charter.fingerprint() {
        let found = charter.fingerprint();
        return Err(refused(format!(
            "fingerprint is {found}, expected {given}; do not accept this file, ask another member for theirs"
        )));
    }
    let card = folder.card()?;
    if !charter
        .member(card.code)
        .is_some_and(|member| member.keys == card.keys)
    {
        return Err(refused(format!(
            "{} is not in this charter with its present keys",
            card.code
        )));
    }
    folder.accept_charter(&bytes)?;
    show(&charter)
}

fn show(charter: &Charter) -> Result<Answer, Failure> {
    let mut text = format!(
        "charter     {}/{} version {}\nfingerprint {}\n\n",
        charter.realm().federation(),
        charter.realm().name(),
        charter.version(),
        charter.fingerprint()
    );
    let mut members = Vec::new();
    for member in charter.members() {
        let sponsors = charter.active_sponsors(member);
        text.push_str(&format!(
            "{:<8} {:<15} {:<10} {}\n",
            member.code,
            member.class,
            member.status.to_string(),
            member.address
        ));
        members.push(json!({
            "code": member.code.to_string(), "class": member.class.as_str(), "status": member.status.to_string(),
            "activeSponsors": sponsors, "address": member.address.to_string(),
        }));
    }
    let document = json!({
        "federation": charter.realm().federation(), "realm": charter.realm().name(),
        "version": charter.version().get(), "fingerprint": charter.fingerprint().to_string(), "members": members,
    });
    Ok(Answer::Document(document, text))
}
