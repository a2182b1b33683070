//! What people do: release, correct, withdraw, consent, forward, read. Some of it is not allowed.

use testudo_core::blob::{BlobId, BlobRecord, BlobState, DraftAttachment, StagedBlob};
use testudo_core::hub::{CommunityLane, Hub};
use testudo_core::input::{Command, Draft, ReleaseCommand};
use testudo_core::output::{Change, Family};
use testudo_core::views::InboxEntry;
use testudo_crypto::attachment::{CONTENT_BYTES_MAX, hash_content, seal_attachment};
use testudo_crypto::entropy::Entropy;
use testudo_policies::explain::Language;
use testudo_protocol::envelope::AttachmentKey;
use testudo_protocol::id::{Hash, HubId, ItemId};
use testudo_protocol::label::Label;
use testudo_protocol::wire;

use crate::drafts;
use crate::federation::Federation;
use crate::invariants::{self, Held};
use crate::watch::{Drafted, marker, written};
use crate::world::{Happening, World};

/// Longest from a preview to its approval, in milliseconds.
const APPROVAL_MILLIS_MAX: u64 = 600;

/// Longest from a consent to the forwarding that follows, in milliseconds.
const FORWARD_MILLIS_MAX: u64 = 3_000;

/// How often a draft has an attachment, in per cent.
const ATTACHED_PER_CENT: u64 = 20;

/// Longest content of an attachment, in bytes: three pieces.
const ATTACHED_BYTES_MAX: u64 = 700 << 10;

/// Shortest and longest life of a consent, in milliseconds.
const CONSENT_MILLIS: (u64, u64) = (3_000, 60_000);

impl World {
    /// One person at one hub does one thing.
    pub(crate) fn work(&mut self) -> Held {
        let codes = Federation::get().codes();
        let hub = *self.dice.pick(codes).expect("there are hubs");
        if !self.is_up(hub) {
            return Ok(());
        }
        match self.dice.below(100) {
            0..36 => self.draft(hub, "release", None),
            36..46 => match self.own_item(hub) {
                Some(item) => self.draft(hub, "correct", Some(item)),
                None => Ok(()),
            },
            46..52 => match self.own_item(hub) {
                Some(item) => self.command(hub, "retract", None, Command::Retract { item }),
                None => Ok(()),
            },
            52..66 => self.consent(hub),
            66..74 => match (self.any_item(hub), self.dice.pick(codes).copied()) {
                (Some(item), Some(to)) => self.command(hub, "forward", None, Command::Forward { item, to }),
                _ => Ok(()),
            },
            74..88 => match self.any_item(hub) {
                Some(item) => self.command(hub, "open", None, Command::Open { item }),
                None => Ok(()),
            },
            88..93 => match self.any_item(hub) {
                Some(item) => self.command(hub, "acknowledge", None, Command::Acknowledge { item }),
                None => Ok(()),
            },
            93..98 => match self.attached_item(hub) {
                Some((item, number)) => self.command(hub, "fetch", None, Command::Fetch { item, number }),
                None => Ok(()),
            },
            _ => {
                let item = ItemId::new([0xee; 16]);
                self.command(hub, "open", None, Command::Open { item })
            }
        }
    }

    fn draft(&mut self, hub: HubId, what: &'static str, corrects: Option<ItemId>) -> Held {
        let now = self.clock(hub).seconds();
        let label = match self.lane {
            CommunityLane::Gossip if self.dice.chance(65) => drafts::for_community(&mut self.dice, hub),
            _ => drafts::label(&mut self.dice, hub, now),
        };
        self.preview(hub, what, label, corrects)
    }

    /// Somebody writes a draft and looks at its preview; the approval comes later.
    pub(crate) fn preview(
        &mut self,
        hub: HubId,
        what: &'static str,
        label: Label,
        corrects: Option<ItemId>,
    ) -> Held {
        let marker = marker(self.plan.seed, self.watch.drafts.len());
        let bundle = drafts::bundle(&mut self.dice, &label, &written(&marker));
        let purpose = "situational-awareness".to_owned();
        let licence = drafts::licence(&mut self.dice, &label);
        let attachments = if self.dice.chance(ATTACHED_PER_CENT) {
            let bytes = self.dice.between(1, ATTACHED_BYTES_MAX) as usize;
            vec![self.attached(&written(&marker), bytes)]
        } else {
            Vec::new()
        };
        self.preview_draft(
            hub,
            what,
            marker,
            Draft {
                bundle,
                label,
                licence,
                purpose,
                corrects,
                derived: None,
                attachments,
            },
        )
    }

    /// A draft attachment of so many bytes, with a marker in its name.
    pub(crate) fn attached(&mut self, marker: &str, bytes: usize) -> DraftAttachment {
        let content: Vec<u8> = std::iter::repeat_with(|| self.dice.bytes32())
            .flatten()
            .take(bytes)
            .collect();
        let known = hash_content(content.as_slice(), CONTENT_BYTES_MAX).expect("bytes can be read");
        let content_hash = Hash::new(known.hash);
        self.contents.insert(content_hash, content);
        DraftAttachment {
            name: format!("{marker}png"),
            media_type: "image/png".to_owned(),
            content_bytes: known.bytes,
            content_hash,
            staged: None,
        }
    }

    /// Somebody looks at the preview of a draft; the approval comes later.
    pub(crate) fn preview_draft(
        &mut self,
        hub: HubId,
        what: &'static str,
        marker: String,
        draft: Draft,
    ) -> Held {
        let made = self.clock(hub);
        let (label, licence) = (draft.label.clone(), draft.licence.clone());
        let purpose = draft.purpose.clone();
        let drafted = Drafted {
            originator: hub,
            label,
            licence,
            purpose,
            made,
        };
        self.watch.drafts.insert(marker, drafted);
        self.count(&format!("draft {what}"));
        let Some(machine) = self.stations[&hub].hub.as_ref() else {
            return Ok(());
        };
        match machine.preview(draft.clone(), Language::English) {
            Ok(preview) => {
                invariants::invariant_no_output_leaks_content(hub, &format!("{preview:?}"))?;
                let permitted = preview.verdicts.iter().filter(|line| line.decision == "permit");
                let permitted = permitted.map(|line| line.hub).collect();
                let release = ReleaseCommand {
                    draft,
                    preview: preview.hash,
                };
                let takes = self.dice.between(1, APPROVAL_MILLIS_MAX);
                self.after(takes, Happening::Approve(hub, Box::new(release), permitted));
                Ok(())
            }
            Err(refusal) => {
                self.count(&format!("refused preview {}", refusal.code()));
                invariants::invariant_no_output_leaks_content(hub, &format!("{refusal:?} {refusal}"))?;
                invariants::invariant_no_hub_finds_a_defect_in_itself(hub, &refusal)
            }
        }
    }

    /// The contents are sealed and synced before the release is asked for, as the shell does it.
    pub(crate) fn approve(&mut self, hub: HubId, mut release: ReleaseCommand, permitted: Vec<HubId>) -> Held {
        if !self.is_up(hub) {
            return Ok(());
        }
        for attachment in &mut release.draft.attachments {
            let content = self.contents[&attachment.content_hash].clone();
            let mut entropy = Entropy::from_seed(self.dice.bytes32());
            let blob = BlobId::new(entropy.bytes16());
            let mut sealed = Vec::new();
            let made = seal_attachment(&mut entropy, content.as_slice(), &mut sealed).expect("it seals");
            attachment.staged = Some(StagedBlob {
                blob,
                sealed_bytes: made.attachment.sealed_bytes(),
                root: Hash::new(*made.attachment.root()),
                key: AttachmentKey::new(*made.attachment.seed()),
            });
            self.station(hub).blobs.put(blob, sealed, made.outboard);
        }
        self.command(
            hub,
            "release",
            Some(permitted),
            Command::Release(Box::new(release)),
        )
    }

    /// Somebody consents to an onward disclosure, and the holder mostly makes use of it.
    fn consent(&mut self, hub: HubId) -> Held {
        let Some(item) = self.own_item(hub) else {
            return Ok(());
        };
        let (holder, recipient) = self.onward(hub, item);
        let lasts = self.dice.between(CONSENT_MILLIS.0, CONSENT_MILLIS.1);
        let consent = Command::Consent {
            item,
            holder,
            recipient,
            until: self.clock(hub).plus_millis(lasts),
            purpose: "onward".to_owned(),
        };
        if self.dice.chance(85) {
            let pause = self.dice.between(50, FORWARD_MILLIS_MAX);
            self.after(pause, Happening::Forward(holder, item, recipient));
        }
        self.command(hub, "consent", None, consent)
    }

    /// Who might forward an item of this hub, and to whom: mostly somebody who has it to somebody
    /// who has not.
    fn onward(&mut self, hub: HubId, item: ItemId) -> (HubId, HubId) {
        let machine = self.stations[&hub].hub.as_ref();
        let views = machine
            .map(|machine| machine.deliveries(Some(item)))
            .unwrap_or_default();
        let (without, with): (Vec<_>, Vec<_>) = views.iter().partition(|view| view.state == "not sent");
        let [with, without] =
            [with, without].map(|side| side.iter().map(|view| view.receiver).collect::<Vec<_>>());
        let codes = Federation::get().codes();
        let mut one_of = |fitting: &[HubId]| {
            let fits = !fitting.is_empty() && self.dice.chance(80);
            let list = if fits { fitting } else { codes };
            *self.dice.pick(list).expect("there are hubs")
        };
        (one_of(&with), one_of(&without))
    }

    /// Takes canaries from the attachments whose rows the disk writes next, if they are of the hub's own items.
    pub(crate) fn note_own_attachments(&mut self, hub: HubId) {
        let station = &self.stations[&hub];
        let mut found = Vec::new();
        for change in station.disk.next_changes() {
            let Change::Put {
                family: Family::Blob,
                value,
                ..
            } = change
            else {
                continue;
            };
            let Ok(record) = wire::decode::<BlobRecord>(value) else {
                continue;
            };
            let foreign = (station.disk.item(record.item)).is_some_and(|item| item.originator != hub);
            if record.state == BlobState::Whole
                && !foreign
                && let Some(file) = station.blobs.file(record.blob)
            {
                found.push((record.item, file.sealed.clone()));
            }
        }
        for (item, sealed) in found {
            self.watch.note_attachment(hub, item, &sealed);
        }
    }

    /// Some attachment of some item that is here.
    fn attached_item(&mut self, hub: HubId) -> Option<(ItemId, u32)> {
        let machine = self.stations[&hub].hub.as_ref()?;
        let attached: Vec<(ItemId, u32)> = (machine.inbox().into_iter())
            .filter(|entry| !machine.attachments(entry.item).is_empty())
            .map(|entry| (entry.item, 0))
            .collect();
        self.dice.pick(&attached).copied()
    }

    fn own_item(&mut self, hub: HubId) -> Option<ItemId> {
        self.pick_item(hub, |machine| machine.released())
    }

    fn any_item(&mut self, hub: HubId) -> Option<ItemId> {
        self.pick_item(hub, |machine| {
            let mut all = machine.inbox();
            all.extend(machine.released());
            all
        })
    }

    fn pick_item(&mut self, hub: HubId, list: impl Fn(&Hub) -> Vec<InboxEntry>) -> Option<ItemId> {
        let entries = list(self.stations[&hub].hub.as_ref()?);
        self.dice.pick(&entries).map(|entry| entry.item)
    }
}
