//! The first versions: drafting them, and accepting them under a fingerprint that was compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use testudo_policies::engine::Engine;
use testudo_protocol::charter::{
    Card, DAY_SECONDS, Founding, Governance, Member, Packet, SPONSOR_DAYS_MAX, is_voting_class, words,
};
use testudo_protocol::envelope::Suite;
use testudo_protocol::id::{Hash, HubId};
use testudo_protocol::realm::Realm;

use super::file::{read, refused, usage, write};
use super::look;
use crate::cli::arguments::environment;
use crate::cli::outcome::{Answer, Failure, chain};
use crate::clock;
use crate::folder::{HubFolder, read_card};
use crate::governance_keys::read_voter;

/// Who founds the federation.
#[derive(Args)]
pub struct Found {
    /// A member's card; once for each member.
    #[arg(long, value_name = "FILE", required = true)]
    card: Vec<PathBuf>,
    /// The public halves of a voter's governance keys (`voter.json`); once for each voter.
    #[arg(long, value_name = "FILE", required = true)]
    voter: Vec<PathBuf>,
    /// Sponsors of a partner, as MD=FR,EEAS.
    #[arg(long, value_name = "CODE=CODE,...")]
    sponsor: Vec<String>,
    /// How long it is valid: at most 366.
    #[arg(long, value_name = "DAYS")]
    valid_days: u64,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Found {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let cards = (self.card.iter())
            .map(|path| read_card(path))
            .collect::<Result<Vec<_>, _>>()?;
        let realm = realm_of(&cards)?;
        let issued = clock::now().seconds();
        let until = issued.saturating_add(self.valid_days.min(SPONSOR_DAYS_MAX).saturating_mul(DAY_SECONDS));
        let mut sponsors: BTreeMap<HubId, BTreeMap<HubId, u64>> = BTreeMap::new();
        for text in &self.sponsor {
            let (partner, codes) = sponsorship(text, until)?;
            sponsors.insert(partner, codes);
        }
        let voters = (self.voter.iter())
            .map(|path| read_voter(path))
            .collect::<Result<Vec<_>, _>>()?;
        let votes = |code: HubId| voters.iter().any(|voter| voter.code == code);
        if let Some(card) = (cards.iter()).find(|card| is_voting_class(card.class) && !votes(card.code)) {
            return Err(usage(format!(
                "{} votes, and its governance keys are not named; add --voter with its voter.json",
                card.code
            )));
        }
        let engine = Engine::embedded().map_err(|error| refused(chain(&error)))?;
        let codes: Vec<_> = voters.iter().map(|voter| voter.code.to_string()).collect();
        let members = (cards.iter())
            .map(|card| Member::admitted(card, sponsors.get(&card.code).cloned().unwrap_or_default()));
        let founding = Founding {
            realm,
            issued,
            valid_seconds: self.valid_days.saturating_mul(DAY_SECONDS),
            suites: vec![Suite::Hybrid],
            baseline: Hash::new(*engine.baseline_hash().as_bytes()),
            members: members.collect(),
            voters,
        };
        let objects = founding.drafts();
        write(
            &self.out,
            &Packet {
                objects: objects.into(),
            },
        )?;
        let text = format!(
            "wrote {}\nto be signed by {}",
            self.out.display(),
            codes.join(", ")
        );
        Ok(Answer::of(&json!({"file": self.out, "voters": codes}), text))
    }
}

fn realm_of(cards: &[Card]) -> Result<Realm, Failure> {
    let first = cards.first().ok_or_else(|| usage("name at least one card"))?;
    let realm = Realm::new(&first.federation, &first.realm).map_err(|error| refused(error.to_string()))?;
    for card in cards {
        if (card.federation.as_str(), card.realm.as_str()) != (realm.federation(), realm.name()) {
            return Err(refused(format!(
                "card of {}: is for another federation or realm",
                card.code
            )));
        }
        card.verify(&realm).map_err(|error| refused(error.to_string()))?;
    }
    Ok(realm)
}

/// `MD=FR,EEAS`, each until the same time.
pub(super) fn sponsorship(text: &str, until: u64) -> Result<(HubId, BTreeMap<HubId, u64>), Failure> {
    let malformed = || usage(format!("--sponsor `{text}`: write it as MD=FR,EEAS"));
    let (partner, sponsors) = text.split_once('=').ok_or_else(malformed)?;
    let sponsors: Result<BTreeMap<HubId, u64>, _> = (sponsors.split(','))
        .map(|code| code.parse().map(|code| (code, until)))
        .collect();
    Ok((
        partner.parse().map_err(|_| malformed())?,
        sponsors.map_err(|_| malformed())?,
    ))
}

pub(super) fn accept(file: &Path, fingerprint: &str, data: &Path) -> Result<Answer, Failure> {
    let folder = HubFolder::open(data, &environment())?;
    let packet = read(file)?;
    let now = clock::now();
    let governance = Governance::found(&packet.notes(), now).map_err(|error| refused(chain(&error)))?;
    let pinned = governance.pinned();
    if !fingerprint.contains('-') {
        fingerprint
            .parse::<Hash>()
            .map_err(|error| usage(format!("--fingerprint: {error}")))?;
    }
    if fingerprint != pinned.to_string() && fingerprint != words(pinned) {
        return Err(refused(format!(
            "fingerprint is {pinned}, expected {fingerprint}; do not accept this file, ask another member for theirs"
        )));
    }
    let card = folder.card()?;
    let charter = folder.seen_through_own_acts(&governance.charter(now))?;
    if !(charter.member(card.code)).is_some_and(|member| member.keys == card.keys) {
        return Err(refused(format!(
            "{} is not in this charter with its present keys",
            card.code
        )));
    }
    folder.accept_charter(&packet.to_bytes(), now)?;
    Ok(look::charter(&governance, Vec::new(), String::new()))
}
