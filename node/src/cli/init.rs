//! `testudo init`: a hub from nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use testudo_protocol::charter::is_voting_class;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::label::Class;
use testudo_protocol::realm::Realm;

use super::outcome::{Answer, Failure, exit};
use crate::clock;
use crate::config;
use crate::folder::HubFolder;
use crate::governance_keys::{self, GovernanceKeys};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How long a certificate is valid if nobody says otherwise, in days: two years.
pub(super) const CERTIFICATE_DAYS: u64 = 730;

/// Unix seconds at the end of so many days.
pub(super) fn days_from(now: Timestamp, days: u64) -> u64 {
    now.seconds().saturating_add(days.saturating_mul(DAY_SECONDS))
}

/// Makes keys, configuration and card.
#[derive(Args)]
pub(super) struct Init {
    /// An empty or new folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The code of the hub, such as FR.
    #[arg(long, value_name = "CODE")]
    hub: String,
    /// member_state, eu_institution, associated, likeminded or stakeholder.
    #[arg(long)]
    class: String,
    /// The federation it applies to.
    #[arg(long)]
    federation: String,
    /// `live`, or the name of an exercise.
    #[arg(long)]
    realm: String,
    /// Address and port, UDP and TCP, on which peers will reach it.
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// A new file for the root key, outside the folder: it is to be taken offline.
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// How long the root key's certificate over the other keys is valid.
    #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS)]
    key_days: u64,
}

impl Init {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let usage = |error: String| Failure::new(exit::USAGE, "usage", error);
        let code: HubId = self
            .hub
            .parse()
            .map_err(|error| usage(format!("--hub: {error}")))?;
        let class: Class = self
            .class
            .parse()
            .map_err(|error| usage(format!("--class: {error}")))?;
        let realm = Realm::new(&self.federation, &self.realm).map_err(|error| usage(error.to_string()))?;
        let default = "listen = \"127.0.0.1:4470\"";
        let configuration = config::example().replace(default, &format!("listen = \"{}\"", self.listen));
        let now = clock::now();
        let valid_until = days_from(now, self.key_days);
        let card = HubFolder::create(&self.data, &configuration, &self.root_key, |keys, root| {
            let certificate = keys.certify(code, &realm, root, now, valid_until)?;
            Ok(keys.card(code, class, &realm, self.listen, certificate))
        })?;
        let path = self.data.join("card.json");
        let mut text = format!(
            "made hub {code}\ncard   {card}\nroot   {root}\n       whoever has this file can replace every key of this hub: move it to a medium that is kept\n       offline, with a copy elsewhere, and see that none stays on this machine\nnext   give the card to a voter, who proposes to admit this hub: testudo charter propose --admit {card}",
            card = path.display(),
            root = self.root_key.display()
        );
        if is_voting_class(class) {
            let folder = self.data.join(governance_keys::FOLDER);
            GovernanceKeys::create(&folder, code)?;
            text.push_str(&format!(
                "\nvote   {}: three keys, two of which make a vote; carry them to machines without a network",
                folder.display()
            ));
        }
        Ok(Answer::of(&card, text))
    }
}
