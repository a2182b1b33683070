//! The weekly keys to which content is sealed: made, announced, taken from peers, destroyed.
//!
//! A key is stored before it is announced, and announced before anybody can seal to it. It is destroyed after its
//! grace weeks, with the audience keys of its week: what was captured on the wire until then stays closed.

use testudo_crypto::digest::Digest;
use testudo_crypto::seal::{ExposeSecret as _, Identity, Recipient};
use testudo_protocol::announcement::{Announcement, AnnouncementError, AnnouncementFields};
use testudo_protocol::envelope::Suite;
use testudo_protocol::exchange::Control;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::{Entry, KeyAct};
use testudo_protocol::week::Week;

use super::step::{After, Step};
use super::{Hub, PeerFault};
use crate::output::{Event, Family, Output};
use crate::records::{Access, DeliveryRecord, KeyRow, WeeklyKeyRef, key};
use crate::refusal::Refusal;

/// Our own key of one week.
pub(super) struct WeeklyKey {
    pub(super) made: Timestamp,
    pub(super) identity: Identity,
}

impl Hub {
    /// Makes the key of this week if there is none, and destroys those whose time is over.
    ///
    /// A crash before the step is durable leaves neither: nobody was told of the new key, and the old ones are
    /// destroyed at the next tick.
    pub(super) fn turn_keys(&mut self, out: &mut Vec<Output>) {
        if self.is_fenced() || !self.gate.charter().reads(Suite::Hybrid) {
            return;
        }
        let mut step = Step::default();
        let turned = self
            .make_weekly_key(&mut step)
            .and_then(|made| Ok(made | self.destroy_weekly_keys(&mut step)?));
        // Records of keys are far below the codec's limit.
        if turned.unwrap_or(false) {
            self.announce_anew();
            step.then(After::Announce);
            self.commit(step, out);
        }
    }

    fn make_weekly_key(&mut self, step: &mut Step) -> Result<bool, Refusal> {
        let week = Week::of(self.now);
        if self.weekly.contains_key(&week) {
            return Ok(false);
        }
        let identity = Identity::generate_hybrid(&mut self.entropy);
        let made = self.now;
        let row = KeyRow::Weekly {
            week,
            made,
            identity: identity.to_secret().expose_secret().to_owned(),
        };
        step.put_key(key::weekly_key(week), &row)?;
        self.enter_key(step, KeyAct::Announced, week, &identity.recipient())?;
        self.weekly.insert(week, WeeklyKey { made, identity });
        Ok(true)
    }

    fn destroy_weekly_keys(&mut self, step: &mut Step) -> Result<bool, Refusal> {
        let over: Vec<Week> = (self.weekly.keys())
            .filter(|week| !week.is_kept(self.now))
            .copied()
            .collect();
        for week in &over {
            if let Some(weekly) = self.weekly.remove(week) {
                step.erase(Family::Key, key::weekly_key(*week));
                self.enter_key(step, KeyAct::Destroyed, *week, &weekly.identity.recipient())?;
            }
        }
        let audiences = self.destroy_audience_keys(step);
        Ok(!over.is_empty() || audiences)
    }

    fn enter_key(
        &mut self,
        step: &mut Step,
        act: KeyAct,
        week: Week,
        recipient: &Recipient,
    ) -> Result<(), Refusal> {
        let key = Digest::of(recipient.as_str().as_bytes()).into();
        self.enter(step, Entry::RecipientKey { act, week, key })?;
        Ok(())
    }

    /// Signs the announcement of the newest key.
    pub(super) fn announce_anew(&mut self) {
        let (Some((week, newest)), Some((_, oldest))) =
            (self.weekly.last_key_value(), self.weekly.first_key_value())
        else {
            return;
        };
        let fields = AnnouncementFields {
            hub: self.me,
            week: *week,
            made: newest.made,
            held_since: oldest.made,
            recipient: newest.identity.recipient(),
        };
        let (key, realm) = (&self.keys.payload, self.gate.charter().realm());
        let hedge = self.entropy.bytes32();
        self.announcement = Some(Announcement::sign(fields, key, realm, hedge));
    }

    /// Tells every connected peer the key of this week.
    pub(super) fn announce(&mut self, out: &mut Vec<Output>) {
        let connected: Vec<HubId> = (self.peers.iter())
            .filter(|(_, state)| state.connected)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in connected {
            self.announce_to(peer, out);
        }
    }

    /// Tells one peer, once the key is durable.
    pub(super) fn announce_to(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if let Some(announcement) = &self.announcement {
            let bytes = announcement.to_bytes();
            self.send_control(peer, Control::Announce(bytes), out);
        }
    }

    /// Takes the peer's own word for its key: also an older one, which a restored hub may have gone back to.
    pub(super) fn on_announce(
        &mut self,
        peer: HubId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), PeerFault> {
        let announcement = match Announcement::verify(bytes, self.gate.charter(), self.now) {
            Ok(announcement) => announcement,
            // Clocks differ: it counts once ours has come so far.
            Err(AnnouncementError::Ahead { .. }) => {
                let state = self.peers.entry(peer).or_default();
                if state.early.replace(bytes.to_vec()).is_none() {
                    out.push(Output::Report(Event::ClockAhead { peer }));
                }
                return Ok(());
            }
            Err(error) => return Err(PeerFault::of(&error)),
        };
        if announcement.fields().hub != peer {
            return Err(PeerFault("announced the recipient key of another hub".to_owned()));
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.announced = true;
            state.early = None;
        }
        if self.announced.get(&peer) == Some(&announcement) {
            self.push(peer, out);
            return Ok(());
        }
        let mut step = Step::default();
        step.put_bytes(Family::Announcement, key::announcement(peer), bytes.to_vec());
        self.announced.insert(peer, announcement);
        step.then(After::Push(peer));
        self.commit(step, out);
        Ok(())
    }

    /// Listens again to announcements that came before their time.
    pub(super) fn hear_early(&mut self, out: &mut Vec<Output>) {
        let early: Vec<(HubId, Vec<u8>)> = (self.peers.iter())
            .filter_map(|(peer, state)| Some((*peer, state.early.clone()?)))
            .collect();
        for (peer, bytes) in early {
            if let Err(fault) = self.on_announce(peer, &bytes, out) {
                self.blame(peer, fault.0, out);
            }
        }
    }

    /// The key of a hub to which content may be sealed now.
    pub(super) fn sealable(&self, hub: HubId) -> Option<(WeeklyKeyRef, Recipient)> {
        let fields = self.announced.get(&hub)?.fields();
        let (week, made) = (fields.week, fields.made);
        fields
            .week
            .is_sealed_to(self.now)
            .then(|| (WeeklyKeyRef { week, made }, fields.recipient.clone()))
    }

    /// Whether the receiver of a delivery cannot open its envelope, or cannot any more.
    pub(super) fn is_owed(&self, delivery: &DeliveryRecord) -> bool {
        let key = match delivery.access {
            Access::LongTerm => return false,
            Access::Owed => return true,
            Access::Weekly(key) => key,
        };
        let holds = self.announced.get(&delivery.receiver).is_some_and(|announced| {
            let fields = announced.fields();
            (fields.held_since..=fields.made).contains(&key.made)
        });
        !holds || !key.week.is_kept(self.now)
    }

    /// Everything that may open what is sealed to this hub, the newest first.
    pub(super) fn identities(&self) -> Vec<&Identity> {
        let weekly = self.weekly.values().rev().map(|weekly| &weekly.identity);
        let classical = self.gate.charter().reads(Suite::Classical);
        weekly.chain(classical.then_some(&self.keys.classical)).collect()
    }
}
