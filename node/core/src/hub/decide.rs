//! Asking the gate for every member: preview and release ask through this one function.

use std::collections::{BTreeMap, BTreeSet};

use testudo_crypto::commit::{Salt, salted_leaf};
use testudo_crypto::digest::Digest;
use testudo_crypto::merkle::tree_root;
use testudo_policies::date::Date;
use testudo_policies::explain::Language;
use testudo_policies::gate::{Answer, Denied, Question, Source};
use testudo_policies::vocabulary::Action;
use testudo_protocol::bundle::Bundle;
use testudo_protocol::consent::PURPOSE_BYTES_MAX;
use testudo_protocol::id::{Hash, HubId, ItemId, ItemRef, ItemVersion};
use testudo_protocol::label::Label;
use testudo_protocol::licence::Licence;
use testudo_protocol::wire;

use super::Hub;
use super::sources::Drawn;
use crate::input::Draft;
use crate::records::{DeliveryState, ItemState};
use crate::refusal::Refusal;
use crate::views::{Preview, Verdict, Withheld};

/// A draft that has been parsed and whose label holds; nobody has been asked yet.
pub(super) struct Proposed {
    pub(super) draft: Draft,
    pub(super) bundle: Bundle,
    pub(super) item: ItemRef,
    pub(super) body_hash: Hash,
    pub(super) licence: Licence,
    /// The items of other hubs that it draws on.
    pub(super) drawn: Drawn,
}

/// What the gate said about every member.
pub(super) struct Verdicts {
    pub(super) allowed: Vec<HubId>,
    /// The rules that permit each of those, for whoever looks.
    pub(super) grounds: BTreeMap<HubId, Vec<String>>,
    pub(super) denied: Vec<(HubId, Denied)>,
}

/// A hub, its verdict in words, and the salt of its leaf.
pub(super) type VerdictLine = (HubId, String, Hash);

/// Stands for the id of an item that has none yet, so that a preview of a new draft is stable.
const NEW_ITEM: ItemId = ItemId::new([0; 16]);

impl Hub {
    /// Reads a draft: bundle, label, ceiling, recipients, originator, sources.
    pub(super) fn propose(&self, draft: Draft) -> Result<Proposed, Refusal> {
        draft.label.check().map_err(Refusal::Label)?;
        if draft.purpose.len() > PURPOSE_BYTES_MAX {
            return Err(Refusal::TooLong {
                field: "purpose",
                max: PURPOSE_BYTES_MAX,
            });
        }
        let nobody = BTreeSet::new();
        let licensed = match &draft.licence {
            Some(Licence::Named { hubs, .. }) => hubs,
            _ => &nobody,
        };
        let named = [
            ("relTo", &draft.label.rel_to),
            ("notTo", &draft.label.not_to),
            ("licence", licensed),
        ];
        for (field, hubs) in named {
            if let Some(hub) = hubs
                .iter()
                .find(|hub| self.gate.charter().member(**hub).is_none())
            {
                return Err(Refusal::UnknownRecipient { field, hub: *hub });
            }
        }
        self.below_ceiling(&draft.label)?;
        let today = Date::of_unix_seconds(self.now.seconds());
        (self.gate.markings().check(&draft.label, today)).map_err(Refusal::Marking)?;
        self.check_attachments(&draft.attachments)?;
        let bundle = Bundle::parse(draft.bundle.clone()).map_err(Refusal::Bundle)?;
        bundle.check_label(&draft.label).map_err(Refusal::Bundle)?;
        if let Some(derived) = &draft.derived {
            // Only from an item of our own that stands, in the version that the two people saw.
            self.own(derived.from.item)?;
        }
        let item = match draft.corrects {
            Some(item) => {
                let next = self.next_version(item)?;
                self.may_lower(item, &draft.label)?;
                next
            }
            None => ItemRef {
                item: NEW_ITEM,
                version: ItemVersion::new(1),
            },
        };
        let body_hash = Digest::of(bundle.bytes()).into();
        let drawn = self.drawn_on(&bundle)?;
        let licence = match (&draft.licence, drawn.is_empty()) {
            (Some(licence), _) => licence.clone(),
            (None, true) => Licence::AsLabelled,
            (None, false) => Licence::Consent,
        };
        licence.check(&draft.label).map_err(Refusal::Licence)?;
        self.check_sources(&draft.label, &licence, &drawn)?;
        Ok(Proposed {
            draft,
            bundle,
            item,
            body_hash,
            licence,
            drawn,
        })
    }

    /// Whether this deployment may hold something of this level at all.
    fn below_ceiling(&self, label: &Label) -> Result<(), Refusal> {
        let ceiling = self.gate.ceiling(self.now);
        if label.level <= ceiling {
            return Ok(());
        }
        let ours = || "the accredited channel of your authority".to_owned();
        Err(Refusal::Ceiling {
            level: label.level.get(),
            ceiling: ceiling.get(),
            channel: self.gate.approvals().channel.clone().unwrap_or_else(ours),
        })
    }

    fn next_version(&self, item: ItemId) -> Result<ItemRef, Refusal> {
        let latest = self.own(item)?;
        Ok(ItemRef {
            item,
            version: latest.next(),
        })
    }

    /// The latest version of one of our own items that is not withdrawn.
    pub(super) fn own(&self, item: ItemId) -> Result<ItemVersion, Refusal> {
        let record = self.latest(item).ok_or(Refusal::NoSuchItem { item })?;
        if record.originator != self.me {
            return Err(Refusal::NotOriginator {
                item,
                originator: record.originator,
            });
        }
        if record.state == ItemState::Retracted {
            return Err(Refusal::Withdrawn { item });
        }
        Ok(record.item.version)
    }

    pub(super) fn question<'a>(&self, proposed: &'a Proposed, sources: &'a [Source<'a>]) -> Question<'a> {
        Question {
            action: Action::Release,
            sender: self.me,
            originator: self.me,
            item: proposed.item,
            body_hash: proposed.body_hash,
            label: &proposed.draft.label,
            licence: &proposed.licence,
            purpose: &proposed.draft.purpose,
            consent: None,
            sources,
            created: self.now,
            now: self.now,
        }
    }

    /// What the gate says about a draft for every member but this hub.
    pub(super) fn verdicts(&self, proposed: &Proposed) -> Verdicts {
        // What a draft draws on was found among the items that are held.
        let sources = self.sources(proposed.drawn.keys()).unwrap_or_default();
        self.ask_everyone(&self.question(proposed, &sources))
    }

    fn ask_everyone(&self, question: &Question<'_>) -> Verdicts {
        let mut verdicts = Verdicts {
            allowed: Vec::new(),
            grounds: BTreeMap::new(),
            denied: Vec::new(),
        };
        let members = self.gate.charter().members().map(|member| member.code);
        let receivers: Vec<HubId> = members.filter(|code| *code != self.me).collect();
        for (receiver, answer) in receivers.iter().zip(self.gate.ask_each(question, &receivers)) {
            match answer {
                Answer::Allowed(allowed) => {
                    verdicts.allowed.push(allowed.receiver());
                    verdicts
                        .grounds
                        .insert(allowed.receiver(), allowed.rules().to_vec());
                }
                Answer::Denied(denied) => verdicts.denied.push((*receiver, denied)),
            }
        }
        verdicts
    }

    /// Who would get a draft, who would not, and by which rules.
    ///
    /// # Errors
    /// [`Refusal`] if it could not be released to anybody as it is.
    pub fn preview(&self, draft: Draft, language: Language) -> Result<Preview, Refusal> {
        let proposed = self.propose(draft)?;
        let verdicts = self.verdicts(&proposed);
        Ok(Preview {
            hash: self.preview_hash(&proposed, &verdicts)?,
            verdicts: self.verdict_views(&verdicts, &proposed.draft.label, language),
            narrowed: self.narrowed(proposed.item, &verdicts.allowed),
            widened: self.widened(proposed.item, &verdicts.allowed),
            sources: self.source_views(&proposed.drawn),
            licence: proposed.licence,
        })
    }

    pub(super) fn verdict_views(
        &self,
        verdicts: &Verdicts,
        label: &Label,
        language: Language,
    ) -> Vec<Verdict> {
        let permit = |hub: &HubId| {
            let rules = verdicts.grounds.get(hub).cloned().unwrap_or_default();
            Verdict {
                hub: *hub,
                decision: "permit".to_owned(),
                reasons: self.gate.sentences(&rules, language),
                rules,
                obligations: label.obligations.iter().cloned().collect(),
                withheld: Withheld::Nothing,
            }
        };
        let deny = |(hub, denied): &(HubId, Denied)| Verdict {
            hub: *hub,
            decision: "deny".to_owned(),
            rules: denied.rules().to_vec(),
            reasons: self.gate.sentences(denied.rules(), language),
            obligations: Vec::new(),
            withheld: Withheld::Everything,
        };
        let mut views: Vec<_> = verdicts
            .allowed
            .iter()
            .map(permit)
            .chain(verdicts.denied.iter().map(deny))
            .collect();
        views.sort_by_key(|view| view.hub);
        views
    }

    /// What an approval names: contents, attachments, label, licence, sources, charter, policies and every verdict.
    ///
    /// Of an attachment it is the hash of the content: each sealing of it has another root.
    pub(super) fn preview_hash(&self, proposed: &Proposed, verdicts: &Verdicts) -> Result<Hash, Refusal> {
        let denied: Vec<_> = verdicts
            .denied
            .iter()
            .map(|(hub, denied)| (hub, denied.rules()))
            .collect();
        let draft = &proposed.draft;
        let attachments: Vec<_> = (draft.attachments.iter())
            .map(|one| (&one.name, &one.media_type, one.content_bytes, one.content_hash))
            .collect();
        let sources: Vec<ItemRef> = proposed.drawn.keys().copied().collect();
        let handling = (
            &draft.label,
            &proposed.licence,
            &draft.purpose,
            sources,
            &draft.derived,
        );
        let subject = (proposed.item, proposed.body_hash, handling, attachments);
        let grounds = (self.gate.charter().fingerprint(), self.gate.policies());
        let bytes =
            wire::encode(&(subject, grounds, &verdicts.allowed, denied)).map_err(|_| Refusal::Internal {
                what: "a preview is over its limit",
            })?;
        Ok(Digest::of_parts(&[b"testudo/preview/v1\0", &bytes]).into())
    }

    /// Who had an earlier version and is not among the receivers of the next one.
    pub(super) fn narrowed(&self, item: ItemRef, allowed: &[HubId]) -> Vec<HubId> {
        let allowed: BTreeSet<_> = allowed.iter().collect();
        let had = self.had_earlier(item);
        had.into_iter().filter(|hub| !allowed.contains(hub)).collect()
    }

    /// Who would receive the next version and had none before; nobody where there is none before.
    fn widened(&self, item: ItemRef, allowed: &[HubId]) -> Vec<HubId> {
        if item.version == ItemVersion::new(1) {
            return Vec::new();
        }
        let had = self.had_earlier(item);
        allowed.iter().copied().filter(|hub| !had.contains(hub)).collect()
    }

    fn had_earlier(&self, item: ItemRef) -> BTreeSet<HubId> {
        (self.deliveries.of_item(item.item))
            .filter(|delivery| delivery.item.version < item.version)
            .filter(|delivery| delivery.may_have_left())
            .map(|delivery| delivery.receiver)
            .collect()
    }

    /// Every policy that could not be evaluated for somebody, each once.
    pub(super) fn failed_policies(verdicts: &Verdicts) -> Vec<String> {
        let failed: BTreeSet<&String> = (verdicts.denied.iter())
            .flat_map(|(_, denied)| denied.failed())
            .collect();
        failed.into_iter().cloned().collect()
    }

    /// The salted root over all verdicts, and the lines and salts behind it, for the auditor.
    pub(super) fn verdicts_root(&mut self, verdicts: &Verdicts) -> (Hash, Vec<VerdictLine>) {
        let permits = verdicts.allowed.iter().map(|hub| (*hub, "permit".to_owned()));
        let denials = verdicts
            .denied
            .iter()
            .map(|(hub, denied)| (*hub, verdict_text(denied)));
        let mut leaves = Vec::new();
        let mut lines = Vec::new();
        for (hub, verdict) in permits.chain(denials) {
            let salt = Salt::generate(&mut self.entropy);
            leaves.push(salted_leaf(
                &salt,
                &[hub.as_bytes().as_slice(), verdict.as_bytes()].concat(),
            ));
            lines.push((hub, verdict, Hash::new(*salt.as_bytes())));
        }
        (tree_root(&leaves).digest().into(), lines)
    }

    /// The state in which a denied receiver is listed.
    pub(super) fn refused(denied: &Denied) -> DeliveryState {
        DeliveryState::Refused {
            rules: denied.rules().to_vec(),
        }
    }
}

/// The rules of a denial as they are recorded, and the policies that failed by name.
fn verdict_text(denied: &Denied) -> String {
    let failed = denied.failed().iter().map(|policy| format!("failed:{policy}"));
    denied
        .rules()
        .iter()
        .cloned()
        .chain(failed)
        .collect::<Vec<_>>()
        .join(" ")
}
