//! `testudo init`: a hub from nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use testudo_protocol::charter::is_voting_class;
use testudo_protocol::id::HubId;
use testudo_protocol::label::Class;
use testudo_protocol::realm::Realm;

use super::outcome::{Answer, Failure, exit};
use crate::config;
use crate::folder::HubFolder;
use crate::governance_keys::{self, GovernanceKeys};

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
        let card = HubFolder::create(&self.data, &configuration, |keys| {
            keys.card(code, class, &realm, self.listen)
        })?;
        let path = self.data.join("card.json");
        let mut text = format!(
            "made hub {code}\ncard   {}\nnext   give the card to a voter, who proposes to admit this hub: testudo charter propose --admit {}",
            path.display(),
            path.display()
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
