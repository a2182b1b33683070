//! A draft from the command line: a bundle file and the label in words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use testudo_protocol::bundle::BUNDLE_BYTES_MAX;
use testudo_protocol::id::{HubId, ItemId};
use testudo_protocol::label::{Caveat, Class, Label, Level, NationalMarking, Scope};
use testudo_protocol::licence::Licence;

use super::attach;
use super::outcome::{Failure, exit};
use crate::api::DraftBody;

/// A bundle and how it may be handled, or a draft that is kept.
#[derive(Args)]
pub(super) struct DraftFlags {
    /// A file with a STIX 2.1 bundle.
    #[arg(required_unless_present = "draft", conflicts_with = "draft")]
    bundle: Option<PathBuf>,
    /// A draft that is kept, with the handling it was given.
    #[arg(long, value_name = "DRAFT")]
    pub draft: Option<String>,
    #[command(flatten)]
    handling: Handling,
    /// The item that this corrects.
    #[arg(long, value_name = "ITEM", conflicts_with = "draft")]
    corrects: Option<String>,
    /// Files that go with it: images, video, documents, up to 1 GiB each. Receivers fetch them apart.
    #[arg(
        conflicts_with = "draft",
        long,
        value_delimiter = ',',
        value_name = "FILE,..."
    )]
    attach: Vec<PathBuf>,
}

/// What a draft takes from the item that it is made from, where nothing else is said.
pub(super) struct Inherited {
    pub label: Label,
    pub purpose: String,
}

/// How it may be handled. Nothing about handling has a default.
#[derive(Args)]
pub(super) struct Handling {
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
    /// The draft as it was given in words.
    pub(super) fn body(&self) -> Result<DraftBody, Failure> {
        let path = self
            .bundle
            .as_deref()
            .ok_or_else(|| usage("name a file with a bundle"))?;
        let corrects = match &self.corrects {
            Some(text) => Some(
                text.parse()
                    .map_err(|error| usage(format!("--corrects: {error}")))?,
            ),
            None => None,
        };
        let mut body = self.handling.draft(read_bundle(path)?, corrects, None)?;
        body.attachments = attach::described(&self.attach)?;
        Ok(body)
    }

    /// The files that go with it.
    pub(super) fn attached(&self) -> &[PathBuf] {
        &self.attach
    }
}

/// Reads a bundle from a file.
pub(super) fn read_bundle(file: &Path) -> Result<String, Failure> {
    let path = file.display();
    let data = |sentence| Failure::new(exit::DATA, "bundle-malformed", sentence);
    let unreadable = |error| {
        Failure::new(
            exit::USAGE,
            "no-such-file",
            format!("cannot read `{path}`: {error}"),
        )
    };
    let size = std::fs::metadata(file).map_err(unreadable)?;
    if usize::try_from(size.len()).unwrap_or(usize::MAX) > BUNDLE_BYTES_MAX {
        let found = size.len();
        return Err(data(format!(
            "bundle is {found} bytes, at most {BUNDLE_BYTES_MAX} are allowed; split it or attach large media"
        )));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| data(format!("`{path}` is not UTF-8; save it as UTF-8 JSON")))
}

impl Handling {
    /// A draft of this bundle; what was not given is taken from the item that it is made from.
    pub(super) fn draft(
        &self,
        bundle: String,
        corrects: Option<ItemId>,
        base: Option<&Inherited>,
    ) -> Result<DraftBody, Failure> {
        let purpose = self
            .purpose
            .clone()
            .or_else(|| base.map(|base| base.purpose.clone()));
        Ok(DraftBody {
            bundle,
            label: self.label(base.map(|base| &base.label))?,
            licence: self.licence()?,
            purpose: required("purpose", "purpose", &purpose)?,
            corrects,
            attachments: Vec::new(),
        })
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

    fn label(&self, base: Option<&Label>) -> Result<Label, Failure> {
        let word = |field: &'static str| {
            move |error: &dyn std::fmt::Display| usage(format!("label field `{field}`: {error}"))
        };
        let tlp = match (&self.tlp, base) {
            (None, Some(base)) => base.tlp,
            (tlp, _) => {
                let text: String = required("tlp", "tlp", tlp)?;
                text.parse().map_err(|error| word("tlp")(&error))?
            }
        };
        let level = match (self.level, base) {
            (None, Some(base)) => base.level,
            (level, _) => {
                let number: u8 = required("level", "level", &level)?;
                Level::try_from(i64::from(number)).map_err(|error| word("level")(&error))?
            }
        };
        let personal = match (&self.personal, base) {
            (None, Some(base)) => base.personal,
            (personal, _) => {
                let text: String = required("personal", "personal", personal)?;
                text.parse().map_err(|error| word("personal")(&error))?
            }
        };
        let (scope, rel_to, rel_to_classes) = self.audience(base)?;
        let or_base = |given: &[String], of: &dyn Fn(&Label) -> BTreeSet<String>| match base {
            Some(base) if given.is_empty() => of(base),
            _ => given.iter().cloned().collect(),
        };
        let label = Label {
            level,
            tlp,
            scope,
            rel_to,
            rel_to_classes,
            not_to: match base {
                Some(base) if self.not_to.is_empty() => base.not_to.clone(),
                _ => words::<HubId>("notTo", &self.not_to)?,
            },
            communities: or_base(&self.coi, &|base| base.communities.clone()),
            caveats: self.caveats(base)?,
            exercise: match (&self.exercise, base) {
                (None, Some(base)) => base.exercise.clone(),
                (exercise, _) => exercise.clone().unwrap_or_default(),
            },
            personal,
            expires_at: match base {
                Some(base) if self.expires == 0 => base.expires_at,
                _ => self.expires,
            },
            obligations: or_base(&self.obligation, &|base| base.obligations.clone()),
            pap: match &self.pap {
                Some(text) => Some(text.parse().map_err(|error| word("pap")(&error))?),
                None => base.and_then(|base| base.pap),
            },
            // A national marking stands for one level: another level has another marking, or none.
            national: match (self.national()?, base) {
                (None, Some(base)) if base.level == level => base.national.clone(),
                (national, _) => national,
            },
        };
        label.check().map_err(|error| usage(error.to_string()))?;
        Ok(label)
    }

    fn audience(&self, base: Option<&Label>) -> Result<(Scope, BTreeSet<HubId>, BTreeSet<Class>), Failure> {
        let is_listed = !self.rel_to.is_empty() || !self.rel_to_class.is_empty();
        match base {
            Some(base) if !self.community && !is_listed => {
                Ok((base.scope, base.rel_to.clone(), base.rel_to_classes.clone()))
            }
            None if !self.community && !is_listed => Err(usage(
                "label field `scope` is missing; give --community, --rel-to or --rel-to-class",
            )),
            _ => {
                let scope = if self.community {
                    Scope::Community
                } else {
                    Scope::List
                };
                let classes = words("relToClasses", &self.rel_to_class)?;
                Ok((scope, words::<HubId>("relTo", &self.rel_to)?, classes))
            }
        }
    }

    /// The caveats given; `none` alone takes away those of the item that a draft is made from.
    fn caveats(&self, base: Option<&Label>) -> Result<BTreeSet<Caveat>, Failure> {
        match (self.caveat.as_slice(), base) {
            ([], Some(base)) => Ok(base.caveats.clone()),
            ([none], Some(_)) if none == "none" => Ok(BTreeSet::new()),
            (given, _) => words("caveats", given),
        }
    }
}
