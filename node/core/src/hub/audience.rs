//! The key epochs of audiences: our own, and those of peers.
//!
//! An audience is exactly the hubs permitted at a release; another set is another audience with its own log. Within
//! one, a new epoch begins with a new week, and whenever the members that can be sealed to are others than before.
//! Only the latest key of a log is kept, since a log is taken over in its order.

use testudo_crypto::commit::Salt;
use testudo_crypto::seal::{AudienceSecret, Recipient};
use testudo_protocol::envelope::{
    AudienceKey, AudienceKeyFields, RecipientEntry, Recipients, Suite, key_tag,
};
use testudo_protocol::id::{AudienceId, EnvelopeHash, Hash, HubId, ItemRef, Sequence};
use testudo_protocol::week::Week;

use super::Hub;
use super::step::Step;
use crate::output::Family;
use crate::records::{Access, DeliveryRecord, DeliveryState, EpochRecord, KeyRow, WeeklyKeyRef, key};
use crate::refusal::Refusal;

/// Most receivers that an envelope is sealed to directly: below this, stanzas cost less than a key entry.
const DIRECT_RECEIVERS_MAX: usize = 4;

/// The key of a peer's audience.
pub(super) struct PeerKey {
    pub(super) entry: EnvelopeHash,
    pub(super) key: AudienceKey,
}

/// How the next envelope of an audience is sealed.
pub(super) struct EpochPlan {
    pub(super) suite: Suite,
    pub(super) record: EpochRecord,
    pub(super) way: Way,
    /// Whether the epoch begins with this envelope.
    pub(super) is_new: bool,
}

/// What an envelope is sealed to.
pub(super) enum Way {
    /// To keys of hubs, in stanzas of their own.
    Direct(Vec<(HubId, Recipient)>),
    /// Under the epoch's secret.
    Standing {
        secret: AudienceSecret,
        /// To whom the secret is sealed first; empty if they have it, or if nobody can be sealed to.
        key_for: Vec<(HubId, Recipient)>,
    },
}

impl Hub {
    /// Decides how to seal the next envelope to these hubs.
    pub(super) fn plan(&mut self, audience: AudienceId, hubs: &[HubId]) -> Result<EpochPlan, Refusal> {
        let week = Week::of(self.now);
        if self.gate.charter().writes() == Suite::Classical {
            return self.plan_classical(week, hubs);
        }
        let sealable: Vec<(HubId, WeeklyKeyRef, Recipient)> = (hubs.iter())
            .filter_map(|hub| self.sealable(*hub).map(|(key, recipient)| (*hub, key, recipient)))
            .collect();
        let sealed_to: Vec<(HubId, WeeklyKeyRef)> =
            (sealable.iter()).map(|(hub, key, _)| (*hub, *key)).collect();
        let recipients: Vec<(HubId, Recipient)> = (sealable.into_iter())
            .map(|(hub, _, recipient)| (hub, recipient))
            .collect();
        let direct = !recipients.is_empty() && hubs.len() <= DIRECT_RECEIVERS_MAX;
        let latest = self.latest_epoch(audience);
        if let Some(record) = latest.filter(|latest| latest.week == week && latest.sealed_to == sealed_to) {
            let record = record.clone();
            let kept = (self.own_keys.get(&audience)).filter(|key| key.epoch() == record.epoch);
            let way = match (direct, kept) {
                (true, _) => Some(Way::Direct(recipients.clone())),
                (false, Some(key)) => Some(Way::Standing {
                    secret: copy(key.secret()),
                    key_for: Vec::new(),
                }),
                (false, None) => None,
            };
            if let Some(way) = way {
                return Ok(EpochPlan {
                    suite: Suite::Hybrid,
                    record,
                    way,
                    is_new: false,
                });
            }
        }
        let epoch = latest.map_or(0, |latest| latest.epoch).saturating_add(1);
        let way = if direct {
            Way::Direct(recipients)
        } else {
            Way::Standing {
                secret: AudienceSecret::generate(&mut self.entropy),
                key_for: recipients,
            }
        };
        Ok(EpochPlan {
            suite: Suite::Hybrid,
            record: EpochRecord {
                epoch,
                week,
                recipients: self.salted(hubs),
                sealed_to,
            },
            way,
            is_new: true,
        })
    }

    fn plan_classical(&mut self, week: Week, hubs: &[HubId]) -> Result<EpochPlan, Refusal> {
        let charter = self.gate.charter();
        let recipients: Option<Vec<(HubId, Recipient)>> = (hubs.iter())
            .map(|hub| Some((*hub, charter.member(*hub)?.keys.recipient_classical()?)))
            .collect();
        let recipients = recipients.ok_or(Refusal::Internal {
            what: "a member has no usable recipient key",
        })?;
        Ok(EpochPlan {
            suite: Suite::Classical,
            record: EpochRecord {
                epoch: 0,
                week,
                recipients: self.salted(hubs),
                sealed_to: Vec::new(),
            },
            way: Way::Direct(recipients),
            is_new: false,
        })
    }

    fn salted(&mut self, hubs: &[HubId]) -> Recipients {
        let entry = |hub: &HubId| RecipientEntry {
            hub: *hub,
            salt: Hash::new(*Salt::generate(&mut self.entropy).as_bytes()),
        };
        Recipients::new(hubs.iter().map(entry).collect())
    }

    fn latest_epoch(&self, audience: AudienceId) -> Option<&EpochRecord> {
        self.epochs
            .range((audience, 0)..=(audience, u32::MAX))
            .next_back()
            .map(|(_, record)| record)
    }

    /// What a new key's entry states.
    pub(super) fn audience_key_fields(
        &self,
        audience: AudienceId,
        plan: &EpochPlan,
        sequence: Sequence,
    ) -> AudienceKeyFields {
        let charter = self.gate.charter();
        AudienceKeyFields {
            suite: plan.suite,
            federation: charter.realm().federation().to_owned(),
            realm: charter.realm().name().to_owned(),
            originator: self.me,
            key: key_tag(&self.keys.payload.verifying_key()),
            charter: charter.version(),
            audience,
            epoch: plan.record.epoch,
            sequence,
            created: self.now,
            week: plan.record.week,
            recipients: plan.record.recipients.clone(),
        }
    }

    /// Stores a new epoch with the envelope that begins it, and forgets the secret of the one before.
    pub(super) fn begin_epoch(
        &mut self,
        step: &mut Step,
        audience: AudienceId,
        plan: EpochPlan,
    ) -> Result<(), Refusal> {
        let EpochPlan {
            record, way, is_new, ..
        } = plan;
        if !is_new {
            return Ok(());
        }
        if let Some(before) = self.own_keys.remove(&audience) {
            step.erase(Family::Key, key::audience_key(self.me, audience, before.epoch()));
        }
        if let Way::Standing { secret, key_for } = way
            && !key_for.is_empty()
        {
            let (epoch, week) = (record.epoch, record.week);
            let kept = AudienceKey::new(epoch, week, record.recipients.clone(), secret);
            let row = key_row(self.me, audience, None, &kept);
            step.put_key(key::audience_key(self.me, audience, epoch), &row)?;
            self.own_keys.insert(audience, kept);
        }
        step.put(Family::Epoch, key::epoch(audience, record.epoch), &record)?;
        self.epochs.insert((audience, record.epoch), record);
        Ok(())
    }

    /// Keeps the key of a peer's audience in place of the one before.
    pub(super) fn keep_peer_key(
        &mut self,
        step: &mut Step,
        peer: HubId,
        audience: AudienceId,
        entry: EnvelopeHash,
        kept: AudienceKey,
    ) -> Result<(), Refusal> {
        if let Some(before) = self.peer_keys.remove(&(peer, audience)) {
            step.erase(Family::Key, key::audience_key(peer, audience, before.key.epoch()));
        }
        let row = key_row(peer, audience, Some(entry), &kept);
        step.put_key(key::audience_key(peer, audience, kept.epoch()), &row)?;
        self.peer_keys
            .insert((peer, audience), PeerKey { entry, key: kept });
        Ok(())
    }

    /// Destroys audience keys whose week is over, ours and those of peers; false if there were none.
    pub(super) fn destroy_audience_keys(&mut self, step: &mut Step) -> bool {
        let (me, now) = (self.me, self.now);
        let over = |key: &AudienceKey| !key.week().is_kept(now);
        let own = (self.own_keys.iter())
            .filter(|(_, key)| over(key))
            .map(|(audience, key)| (me, *audience, key.epoch()));
        let of_peers = (self.peer_keys.iter())
            .filter(|(_, kept)| over(&kept.key))
            .map(|((peer, audience), kept)| (*peer, *audience, kept.key.epoch()));
        let all: Vec<(HubId, AudienceId, u32)> = own.chain(of_peers).collect();
        for (originator, audience, epoch) in &all {
            step.erase(Family::Key, key::audience_key(*originator, *audience, *epoch));
        }
        self.own_keys.retain(|_, key| !over(key));
        self.peer_keys.retain(|_, kept| !over(&kept.key));
        !all.is_empty()
    }

    /// The key of an epoch was made for an item that a member does not get: it does not get the key either. It is owed
    /// the rest of the epoch, and the next release begins another.
    pub(super) fn pass_over(
        &mut self,
        step: &mut Step,
        audience: AudienceId,
        epoch: u32,
        receiver: HubId,
    ) -> Result<(), Refusal> {
        if let Some(record) = self.epochs.get_mut(&(audience, epoch)) {
            record.sealed_to.retain(|(hub, _)| *hub != receiver);
            step.put(Family::Epoch, key::epoch(audience, epoch), record)?;
        }
        let is_of_it = |delivery: &&DeliveryRecord| {
            delivery.audience == audience
                && delivery.epoch == epoch
                && delivery.state == DeliveryState::Queued
        };
        let owed: Vec<ItemRef> = (self.deliveries.open(receiver))
            .filter(is_of_it)
            .map(|delivery| delivery.item)
            .collect();
        for item in owed {
            let owe = |delivery: &mut DeliveryRecord| delivery.access = Access::Owed;
            if let Some(delivery) = self.deliveries.update(&(item, receiver), owe) {
                step.put(Family::Delivery, key::delivery(item, receiver), delivery)?;
            }
        }
        Ok(())
    }
}

impl EpochPlan {
    /// How one receiver gets at what is sealed so.
    pub(super) fn access(&self, receiver: HubId) -> Access {
        if self.suite == Suite::Classical {
            return Access::LongTerm;
        }
        let sealed_to = self.record.sealed_to.iter().find(|(hub, _)| *hub == receiver);
        sealed_to.map_or(Access::Owed, |(_, key)| Access::Weekly(*key))
    }

    /// Whether a key entry goes before the envelope.
    pub(super) fn has_key_entry(&self) -> bool {
        matches!(&self.way, Way::Standing { key_for, .. } if !key_for.is_empty())
    }
}

/// A second copy of a secret, for an order that is carried out elsewhere.
pub(super) fn copy(secret: &AudienceSecret) -> AudienceSecret {
    AudienceSecret::from_bytes(*secret.to_bytes())
}

fn key_row(
    originator: HubId,
    audience: AudienceId,
    entry: Option<EnvelopeHash>,
    key: &AudienceKey,
) -> KeyRow {
    KeyRow::Audience {
        originator,
        audience,
        epoch: key.epoch(),
        week: key.week(),
        entry,
        recipients: key.recipients().clone(),
        secret: *key.secret().to_bytes(),
    }
}
