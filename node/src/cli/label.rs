//! A draft from the command line: a bundle file and the label in words.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use testudo_protocol::bundle::BUNDLE_BYTES_MAX;
use testudo_protocol::id::HubId;
use testudo_protocol::label::{Label, Level, NationalMarking, Scope};
use testudo_protocol::licence::Licence;

use super::attach;
use super::outcome::{Failure, exit};
use crate::api::DraftBody;

/// A bundle and how it may be handled. Nothing about handling has a default.
#[derive(Args)]
pub(super) struct DraftFlags {
    /// A file with a STIX 2.1 bundle.
    bundle: PathBuf,
    /// TLP 2.0 label: CLEAR, GREEN, AMBER, AMBER+STRICT or RED.
    #[arg(long)]
    tlp: Option<String>,
    /// Level, 0 to 6 (0 public, 1 normal, 2 sensitive).
    #[arg(long)]
    level: Option<u8>,
    /// Personal data inside: none, pseudonymised, identified or special.
    #[arg(long)]
    personal: Option<String>,
    /// For what it is released.
    #[arg(long)]
    purpose: Option<String>,
    /// To the community that the charter defines.
    #[arg(long)]
    community: bool,
    /// To these hubs.
    #[arg(long, value_delimiter = ',', value_name = "HUB,...")]
    rel_to: Vec<String>,
    /// To every hub of these classes.
    #[arg(long, value_delimiter = ',', value_name = "CLASS,...")]
    rel_to_class: Vec<String>,
    /// Never to these hubs.
    #[arg(long, value_delimiter = ',', value_name = "HUB,...")]
    not_to: Vec<String>,
    /// Caveats: EUCI, LIMITE, EU-ONLY, ORCON.
    #[arg(long, value_delimiter = ',')]
    caveat: Vec<String>,
    /// Communities of interest; only their members receive it.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    coi: Vec<String>,
    /// What receiving hubs must be able to honour.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    obligation: Vec<String>,
    /// The exercise to which it belongs.
    #[arg(long, value_name = "NAME")]
    exercise: Option<String>,
    /// What receivers may do with it: CLEAR, GREEN, AMBER or RED.
    #[arg(long)]
    pap: Option<String>,
    /// The original national marking, to the letter; kept beside the level.
    #[arg(long, value_name = "TEXT", requires = "marking_authority")]
    marking: Option<String>,
    /// The authority of that marking, such as DE or EU.
    #[arg(long, value_name = "CODE", requires = "marking")]
    marking_authority: Option<String>,
    /// End of life, in Unix seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    expires: u64,
    /// How it may be passed on: as-labelled, consent or nobody.
    #[arg(long, value_name = "LICENCE")]
    licence: Option<String>,
    /// To these hubs it may be passed on without asking; to others by consent.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "HUB,...",
        conflicts_with = "licence"
    )]
    licence_to: Vec<String>,
    /// To every hub of these classes it may be passed on without asking.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CLASS,...",
        conflicts_with = "licence"
    )]
    licence_to_class: Vec<String>,
    /// Until when it may be passed on without asking, in Unix seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "licence")]
    licence_until: u64,
    /// The item that this corrects.
    #[arg(long, value_name = "ITEM")]
    corrects: Option<String>,
    /// Files that go with it: images, video, documents, up to 1 GiB each. Receivers fetch them apart.
    #[arg(long, value_delimiter = ',', value_name = "FILE,...")]
    attach: Vec<PathBuf>,
}

fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, "label-malformed", sentence)
}

fn required<T: Clone>(field: &str, flag: &str, value: &Option<T>) -> Result<T, Failure> {
    value.clone().ok_or_else(|| {
        usage(format!(
            "label field `{field}` is missing; give --{flag}, it has no default"
        ))
    })
}

fn words<T>(field: &str, texts: &[String]) -> Result<BTreeSet<T>, Failure>
where
    T: FromStr + Ord,
    T::Err: std::fmt::Display,
{
    let word = |text: &String| {
        text.parse()
            .map_err(|error: T::Err| usage(format!("label field `{field}`: {error}")))
    };
    texts.iter().map(word).collect()
}

impl DraftFlags {
    pub(super) fn draft(&self) -> Result<DraftBody, Failure> {
        let label = self.label()?;
        let corrects = match &self.corrects {
            Some(text) => Some(
                text.parse()
                    .map_err(|error| usage(format!("--corrects: {error}")))?,
            ),
            None => None,
        };
        Ok(DraftBody {
            bundle: self.read()?,
            label,
            licence: self.licence()?,
            purpose: required("purpose", "purpose", &self.purpose)?,
            corrects,
            attachments: attach::described(&self.attach)?,
        })
    }

    /// The files that go with it.
    pub(super) fn attached(&self) -> &[PathBuf] {
        &self.attach
    }

    fn read(&self) -> Result<String, Failure> {
        let path = self.bundle.display();
        let data = |sentence| Failure::new(exit::DATA, "bundle-malformed", sentence);
        let size = std::fs::metadata(&self.bundle).map_err(|error| {
            Failure::new(
                exit::USAGE,
                "no-such-file",
                format!("cannot read `{path}`: {error}"),
            )
        })?;
        if usize::try_from(size.len()).unwrap_or(usize::MAX) > BUNDLE_BYTES_MAX {
            let found = size.len();
            return Err(data(format!(
                "bundle is {found} bytes, at most {BUNDLE_BYTES_MAX} are allowed; split it or attach large media"
            )));
        }
        let bytes = std::fs::read(&self.bundle).map_err(|error| {
            Failure::new(
                exit::USAGE,
                "no-such-file",
                format!("cannot read `{path}`: {error}"),
            )
        })?;
        String::from_utf8(bytes).map_err(|_| data(format!("`{path}` is not UTF-8; save it as UTF-8 JSON")))
    }

    fn national(&self) -> Result<Option<NationalMarking>, Failure> {
        let (Some(authority), Some(text)) = (&self.marking_authority, &self.marking) else {
            return Ok(None);
        };
        Ok(Some(NationalMarking {
            authority: authority
                .parse()
                .map_err(|error| usage(format!("--marking-authority: {error}")))?,
            text: text.clone(),
        }))
    }

    /// The licence that was given in words; none leaves it to the hub.
    fn licence(&self) -> Result<Option<Licence>, Failure> {
        let is_named = !self.licence_to.is_empty() || !self.licence_to_class.is_empty();
        match self.licence.as_deref() {
            Some("as-labelled") => Ok(Some(Licence::AsLabelled)),
            Some("consent") => Ok(Some(Licence::Consent)),
            Some("nobody") => Ok(Some(Licence::Nobody)),
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                Err(usage(format!(
                    "--licence: unknown licence `{shown}`, expected one of as-labelled, consent, nobody"
                )))
            }
            None if is_named => Ok(Some(Licence::Named {
                hubs: words::<HubId>("licence", &self.licence_to)?,
                classes: words("licence", &self.licence_to_class)?,
                until: self.licence_until,
            })),
            None if self.licence_until > 0 => Err(usage(
                "--licence-until ends what --licence-to and --licence-to-class allow; give one of them",
            )),
            None => Ok(None),
        }
    }

    fn label(&self) -> Result<Label, Failure> {
        let tlp = required("tlp", "tlp", &self.tlp)?;
        let level = required("level", "level", &self.level)?;
        let personal = required("personal", "personal", &self.personal)?;
        let listed = !self.rel_to.is_empty() || !self.rel_to_class.is_empty();
        if !self.community && !listed {
            return Err(usage(
                "label field `scope` is missing; give --community, --rel-to or --rel-to-class",
            ));
        }
        let label = Label {
            level: Level::try_from(i64::from(level))
                .map_err(|error| usage(format!("label field `level`: {error}")))?,
            tlp: tlp
                .parse()
                .map_err(|error| usage(format!("label field `tlp`: {error}")))?,
            scope: if self.community {
                Scope::Community
            } else {
                Scope::List
            },
            rel_to: words::<HubId>("relTo", &self.rel_to)?,
            rel_to_classes: words("relToClasses", &self.rel_to_class)?,
            not_to: words::<HubId>("notTo", &self.not_to)?,
            communities: self.coi.iter().cloned().collect(),
            caveats: words("caveats", &self.caveat)?,
            exercise: self.exercise.clone().unwrap_or_default(),
            personal: personal
                .parse()
                .map_err(|error| usage(format!("label field `personal`: {error}")))?,
            expires_at: self.expires,
            obligations: self.obligation.iter().cloned().collect(),
            pap: match &self.pap {
                Some(text) => Some(
                    text.parse()
                        .map_err(|error| usage(format!("label field `pap`: {error}")))?,
                ),
                None => None,
            },
            national: self.national()?,
        };
        label.check().map_err(|error| usage(error.to_string()))?;
        Ok(label)
    }
}
