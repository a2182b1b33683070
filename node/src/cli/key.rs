//! `testudo key`: this hub's own keys, certified and revoked by its root key.
//!
//! The root key lies offline. A command writes a request, `key sign` turns it into an act on the machine that has
//! the root key, with nothing but the file and the key, and `key submit` brings the act back. Where the root key is
//! at hand, `--root-key` does all three in one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use testudo_core::keys::HubKeys;
use testudo_crypto::sign::Signer;
use testudo_protocol::charter::{
    Card, KeyKind, OVERLAP_MILLIS, OwnAct, OwnActFields, OwnActs, OwnDeed, OwnTaken,
};
use testudo_protocol::id::{Hash, Timestamp};
use testudo_protocol::realm::Realm;

use self::request::{ActFile, RequestFile};
use super::arguments::{At, environment};
use super::charter;
use super::client::Client;
use super::init::{CERTIFICATE_DAYS, days_from};
use super::outcome::{Answer, Failure, chain, exit};
use crate::api::Followed;
use crate::clock;
use crate::folder::{HubFolder, OperationalKind, read_root_key};

mod request;

/// What to do about this hub's keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Which keys there are, until when they are certified, and what this hub has decided about them.
    Show {
        #[command(flatten)]
        at: At,
    },
    /// Draw new keys in place of those in use. The old ones stay in use until the root key has signed.
    Rotate {
        /// transport, payload, ledger, cosigning, recipient or recipient-classical; without it all of them.
        #[arg(long = "key", value_name = "KIND")]
        kinds: Vec<String>,
        /// How long the new certificate is valid.
        #[arg(long, value_name = "DAYS", default_value_t = CERTIFICATE_DAYS)]
        key_days: u64,
        #[command(flatten)]
        signing: Signing,
        #[command(flatten)]
        at: At,
    },
    /// Declare a key lost: no hub believes it any more from the moment it hears of it.
    Revoke {
        /// transport, payload, ledger or cosigning.
        #[arg(long = "key", value_name = "KIND")]
        kind: String,
        /// Since when somebody else may have had it, Unix seconds: what it signed from then on is in doubt.
        #[arg(long, value_name = "UNIX-SECONDS")]
        since: u64,
        #[command(flatten)]
        signing: Signing,
        #[command(flatten)]
        at: At,
    },
    /// Leave the federation. There is no way back but a new admission.
    Exit {
        #[command(flatten)]
        signing: Signing,
        #[command(flatten)]
        at: At,
    },
    /// Sign a request, on the machine that has the root key; needs nothing else.
    Sign {
        /// The request.
        request: PathBuf,
        /// The root key.
        #[arg(long, value_name = "FILE")]
        root_key: PathBuf,
        /// Where to write the act.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Follow a signed act, and tell the other members.
    Submit {
        /// The act.
        act: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

/// Where the root key is.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Signing {
    /// Write a request to this file, for `testudo key sign` on the offline machine.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Sign at once with the root key in this file, and follow the act.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

impl KeyCommand {
    pub(super) async fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::Show { at } => show(&open(at)?),
            Self::Rotate {
                kinds,
                key_days,
                signing,
                at,
            } => {
                let kinds = kinds_of(kinds)?;
                let folder = open(at)?;
                let deed = OwnDeed::Certify {
                    keys: Box::new(folder.stage_keys(&kinds)?),
                    valid_until: days_from(clock::now(), *key_days),
                };
                decide(at, &folder, deed, signing).await
            }
            Self::Revoke {
                kind,
                since,
                signing,
                at,
            } => {
                let kind: KeyKind = kind.parse().map_err(|error| usage(format!("--key: {error}")))?;
                let since = Timestamp::from_seconds(*since);
                if since > clock::now() {
                    return Err(usage(
                        "--since: is in the future; name the last day on which the key was surely yours",
                    ));
                }
                let folder = open(at)?;
                let key = folder.card()?.keys.operational().signing(kind);
                decide(at, &folder, OwnDeed::Revoke { kind, key, since }, signing).await
            }
            Self::Exit { signing, at } => decide(at, &open(at)?, OwnDeed::Exit, signing).await,
            Self::Sign {
                request,
                root_key,
                out,
            } => sign(request, root_key, out),
            Self::Submit { act, at } => {
                let file = ActFile::read(act)?;
                let act = file.act()?;
                submit(at, &open(at)?, act).await
            }
        }
    }
}

fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, "usage", sentence)
}

fn refused(sentence: impl Into<String>) -> Failure {
    Failure::new(exit::DATA, "own-act", sentence)
}

fn open(at: &At) -> Result<HubFolder, Failure> {
    let folder = HubFolder::open(&at.data, &environment())?;
    // A crash may have left a rotation half done.
    folder.finish_rotation()?;
    Ok(folder)
}

fn kinds_of(words: &[String]) -> Result<Vec<OperationalKind>, Failure> {
    if words.is_empty() {
        return Ok(OperationalKind::ALL.to_vec());
    }
    let parse = |word: &String| word.parse().map_err(|error| usage(format!("--key: {error}")));
    words.iter().map(parse).collect()
}

fn realm_of(card: &Card) -> Result<Realm, Failure> {
    Realm::new(&card.federation, &card.realm).map_err(|error| refused(error.to_string()))
}

/// The newest act of this hub: the last one handed in, or the certificate on its first card.
fn newest(folder: &HubFolder, card: &Card) -> Result<OwnAct, Failure> {
    let base = card.certificate.act(card.code, &card.keys);
    let base =
        base.ok_or_else(|| refused("the card's certificate is malformed; restore the card from a backup"))?;
    let newest = folder.own_acts()?.pop();
    Ok(newest
        .filter(|act| act.fields().counter >= base.fields().counter)
        .unwrap_or(base))
}

/// Writes a request for this deed, or signs it and follows it at once.
async fn decide(at: &At, folder: &HubFolder, deed: OwnDeed, signing: &Signing) -> Result<Answer, Failure> {
    let card = folder.card()?;
    let before = newest(folder, &card)?;
    let fields = OwnActFields {
        member: card.code,
        counter: before.fields().counter.saturating_add(1),
        previous: before.hash(),
        made: clock::now(),
        deed,
    };
    if let Some(root_key) = &signing.root_key {
        let act = signed(
            fields,
            &read_root_key(root_key)?,
            &card.certificate.root,
            &realm_of(&card)?,
        )?;
        return submit(at, folder, act).await;
    }
    let path = signing
        .request
        .as_deref()
        .ok_or_else(|| usage("name --request or --root-key"))?;
    let text = readable(&fields);
    RequestFile::new(&card, fields).write(path)?;
    let text = format!(
        "wrote {path}\n{text}\nnext   on the machine that has the root key: testudo key sign {path} --root-key FILE --out ACT\n       then here, within seven days: testudo key submit ACT --data DIR",
        path = path.display()
    );
    Ok(Answer::of(&json!({"request": path}), text))
}

fn signed(
    fields: OwnActFields,
    root: &dyn Signer,
    expected: &Hash,
    realm: &Realm,
) -> Result<OwnAct, Failure> {
    if root.verifying_key().to_bytes() != *expected.as_bytes() {
        return Err(refused(format!(
            "this is not the root key of {}; its card names {expected}",
            fields.member
        )));
    }
    OwnAct::sign(fields, root, realm).map_err(|error| refused(chain(&error)))
}

/// What a person is asked to sign.
fn readable(fields: &OwnActFields) -> String {
    let OwnActFields {
        member,
        counter,
        made,
        ..
    } = fields;
    let deed = match &fields.deed {
        OwnDeed::Certify { keys, valid_until } => {
            let mut lines = format!("certifies keys until {valid_until} (Unix seconds)");
            for kind in KeyKind::ALL {
                lines.push_str(&format!("\n       {:<10} {}", kind.as_str(), keys.signing(*kind)));
            }
            lines
        }
        OwnDeed::Revoke { kind, key, since } => {
            format!(
                "revokes its {kind} key {key}\n       suspected since {} (Unix seconds)",
                since.seconds()
            )
        }
        OwnDeed::Exit => "leaves the federation".to_owned(),
    };
    format!(
        "act    {counter} of {member}, made {} (Unix seconds)\n       {deed}",
        made.seconds()
    )
}

fn sign(request: &Path, root_key: &Path, out: &Path) -> Result<Answer, Failure> {
    let request = RequestFile::read(request)?;
    let (fields, realm) = (request.fields()?, request.realm()?);
    let text = readable(&fields);
    let act = signed(fields, &read_root_key(root_key)?, &request.root, &realm)?;
    ActFile::new(&act).write(out)?;
    let hash = act.hash();
    Ok(Answer::of(
        &json!({"act": out, "hash": hash}),
        format!(
            "signed {}/{}\n{text}\nhash   {hash}\nwrote  {}",
            request.federation,
            request.realm,
            out.display()
        ),
    ))
}

/// Keeps an act durably, puts the keys in place that it certifies, and has the running hub follow it.
async fn submit(at: &At, folder: &HubFolder, act: OwnAct) -> Result<Answer, Failure> {
    let card = folder.card()?;
    if act.fields().member != card.code {
        return Err(refused(format!(
            "act is of {}, this hub is {}",
            act.fields().member,
            card.code
        )));
    }
    check(at, folder, &card, &act).await?;
    let counter = act.fields().counter;
    // From here on the act holds. What a crash leaves undone, the next command or start does.
    folder.keep_own_act(&act)?;
    folder.finish_rotation()?;
    let client = Client::new(at)?;
    let running = client.is_running().await;
    let mut restart = false;
    if running {
        let followed: Followed = client.post("/v1/keys/follow", &json!({})).await?;
        restart = followed.restart;
    }
    let hash = act.hash();
    let next = match (running, restart) {
        (true, true) => "the hub follows it; start it again now, so that it uses its new transport key",
        (true, false) => "the hub follows it and tells the other members",
        (false, _) => "the hub does not run; it follows it at its next start and tells the other members",
    };
    Ok(Answer::of(
        &json!({"counter": counter, "hash": hash, "running": running, "restart": restart}),
        format!("{}\nhash   {hash}\nnext   {next}", readable(act.fields())),
    ))
}

/// Whether an act continues this hub's chain, and the keys that it certifies are here.
async fn check(at: &At, folder: &HubFolder, card: &Card, act: &OwnAct) -> Result<(), Failure> {
    let root = card.certificate.root_key();
    let root =
        root.ok_or_else(|| refused("the card names no usable root key; restore the card from a backup"))?;
    act.verify(&root, &realm_of(card)?)
        .map_err(|error| refused(chain(&error)))?;
    let before = newest(folder, card)?;
    if act == &before {
        return Ok(());
    }
    let expected = before.fields().counter.saturating_add(1);
    if act.fields().counter != expected || act.fields().previous != before.hash() {
        return Err(refused(format!(
            "act {} does not follow act {} of this hub; write the request again and sign that",
            act.fields().counter,
            before.fields().counter
        )));
    }
    let OwnDeed::Certify { keys, .. } = &act.fields().deed else {
        return check_charter(at, folder, act).await;
    };
    if act.fields().made.plus_millis(OVERLAP_MILLIS) < clock::now() {
        return Err(refused(
            "act was made more than seven days ago; write the request again and sign that, so that peers still know the old keys",
        ));
    }
    let staged = folder
        .staged_keys()
        .map(|keys: HubKeys| keys.public().operational())?;
    if staged != **keys {
        return Err(refused(
            "act certifies other keys than those that were drawn here; write the request again and sign that",
        ));
    }
    check_charter(at, folder, act).await
}

/// The same checks that every member makes, where this hub has a charter already.
async fn check_charter(at: &At, folder: &HubFolder, act: &OwnAct) -> Result<(), Failure> {
    let founding = match folder.founding() {
        Ok(founding) => founding,
        Err(crate::folder::FolderError::NoCharter) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // A hub that does not start, because its keys are wrong, must be able to take other ones.
    let governance = charter::of_hub(at).await.unwrap_or(founding);
    let charter = governance.charter(clock::now());
    let mut acts = OwnActs::default();
    for earlier in folder.own_acts()? {
        acts.take(earlier, &charter)
            .map_err(|error| refused(chain(&error)))?;
    }
    match acts.take(act.clone(), &charter) {
        Ok(OwnTaken::Known | OwnTaken::Extended) => Ok(()),
        Ok(OwnTaken::Split) => Err(refused(
            "act contradicts one that this hub has signed before; every member would hold this hub",
        )),
        Err(error) => Err(refused(chain(&error))),
    }
}

fn show(folder: &HubFolder) -> Result<Answer, Failure> {
    let card = folder.card()?;
    let acts = folder.own_acts()?;
    let revoked: Vec<(KeyKind, Hash)> = (acts.iter())
        .filter_map(|act| match act.fields().deed {
            OwnDeed::Revoke { kind, key, .. } => Some((kind, key)),
            _ => None,
        })
        .collect();
    let operational = card.keys.operational();
    let mut text = format!(
        "root       {}\ncertified  until {} (Unix seconds), act {}\n",
        card.certificate.root, card.certificate.valid_until, card.certificate.counter
    );
    let mut keys = Vec::new();
    for kind in KeyKind::ALL {
        let key = operational.signing(*kind);
        let state = if revoked.contains(&(*kind, key)) {
            "revoked"
        } else {
            "in use"
        };
        text.push_str(&format!("{:<10} {key} {state}\n", kind.as_str()));
        keys.push(json!({"kind": kind.as_str(), "key": key, "state": state}));
    }
    let mut lines = Vec::new();
    for act in &acts {
        text.push_str(&readable(act.fields()));
        text.push('\n');
        lines.push(json!({
            "counter": act.fields().counter, "act": act.fields().deed.as_str(),
            "made": act.fields().made.millis(), "hash": act.hash(),
        }));
    }
    let document = json!({
        "hub": card.code.to_string(), "root": card.certificate.root,
        "validUntil": card.certificate.valid_until, "counter": card.certificate.counter,
        "keys": keys, "acts": lines,
    });
    Ok(Answer::Document(document, text))
}
