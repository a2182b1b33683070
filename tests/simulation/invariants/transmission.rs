//! What may leave a hub.

use testudo_core::records::{DeliveryRecord, ItemRecord, ItemState};
use testudo_policies::vocabulary::Action;
use testudo_protocol::envelope::{Envelope, EnvelopeError};
use testudo_protocol::exchange::{Message, Piece};
use testudo_protocol::id::HubId;
use testudo_protocol::ledger::{DecisionAct, Entry};
use testudo_protocol::licence::Licence;

use super::{Broken, Held, broken};
use crate::disk::Disk;
use crate::federation::Federation;
use crate::law::{self, Case};
use crate::world::World;

/// Content goes only where the law lets it go, on a decision and a release that are on disk, and
/// never after the item was withdrawn.
pub fn invariant_nothing_is_transmitted_without_right(
    world: &World,
    from: HubId,
    to: HubId,
    frame: &[u8],
) -> Held {
    const NAME: &str = "nothing_is_transmitted_without_right";
    let disk = &world.stations[&from].disk;
    let delivery = match Message::decode(frame) {
        Ok(Message::Content(content)) => carried(disk, to, Envelope::decode(&content)),
        Ok(Message::Resealed(content)) => carried(disk, to, Envelope::decode_resealed(&content)),
        Ok(Message::Piece(piece)) => served(disk, from, to, &piece),
        Ok(Message::Control(_)) => return Ok(()),
        Err(error) => return broken(NAME, from, error),
    };
    let Some(delivery) = delivery else {
        return broken(
            NAME,
            from,
            format_args!("sends {to} an envelope or a piece that is not for it"),
        );
    };
    let item = delivery.item;
    let Some(record) = disk.item(item) else {
        return broken(NAME, from, format_args!("sends {item}, which it does not hold"));
    };
    if record.state == ItemState::Retracted {
        return broken(NAME, from, format_args!("sends {to} {item}, which is withdrawn"));
    }
    let origin = Federation::get().ledger_origin(from);
    match disk.entry(&origin, delivery.decision) {
        Some(Entry::Decision(decision)) if decision.item == item => {}
        _ => {
            return broken(
                NAME,
                from,
                format_args!("sends {item} without a decision on disk"),
            );
        }
    }
    if may_have(world, from, to, &record) {
        Ok(())
    } else {
        broken(
            NAME,
            from,
            format_args!("sends {to} {item}, which the law denies it"),
        )
    }
}

/// The delivery of an envelope. The key of an audience goes with the item that it was made for, to whom that may go.
fn carried(disk: &Disk, to: HubId, envelope: Result<Envelope, EnvelopeError>) -> Option<DeliveryRecord> {
    let hash = envelope.ok()?.hash();
    disk.deliveries_to(to).find(|delivery| {
        delivery.envelope == hash || delivery.key.is_some_and(|place| place.envelope == hash)
    })
}

/// The delivery that a piece belongs to; none unless the ledger says that this receiver fetches it.
fn served(disk: &Disk, from: HubId, to: HubId, piece: &Piece) -> Option<DeliveryRecord> {
    let origin = Federation::get().ledger_origin(from);
    let is_entered = disk.entries(&origin).into_iter().any(|(_, entry)| {
        let Entry::Served {
            item,
            attachment,
            receiver,
            ..
        } = entry
        else {
            return false;
        };
        (item, attachment, receiver) == (piece.item, piece.number, to)
    });
    is_entered.then(|| disk.delivery(piece.item, to)).flatten()
}

/// No stretch of a ciphertext is in any frame to a hub that may not have the item.
pub fn invariant_ciphertext_canaries_stay_inside(
    world: &World,
    from: HubId,
    to: HubId,
    frame: &[u8],
) -> Held {
    for (sealer, item) in world.watch.canaries(frame) {
        let record = world.stations[&from].disk.item(item);
        // An attachment stays sealed as its originator sealed it, whoever hands it on.
        let may_hand_on = sealer == from || matches!(Message::decode(frame), Ok(Message::Piece(_)));
        let inside = record.is_some_and(|record| may_hand_on && may_have(world, from, to, &record));
        if !inside {
            return Err(Broken {
                invariant: "ciphertext_canaries_stay_inside",
                hub: from,
                what: format!("a frame to {to} holds ciphertext of {item}, sealed by {sealer}"),
            });
        }
    }
    Ok(())
}

/// What a hub passes on inside its audience it holds itself, on a decision of its own that is on disk; its sender has
/// released it to the receiver too, and the law lets both have it so.
pub fn invariant_nothing_is_passed_on_without_right(
    world: &World,
    from: HubId,
    to: HubId,
    bytes: &[u8],
) -> Held {
    const NAME: &str = "nothing_is_passed_on_without_right";
    let envelope = match Envelope::decode(bytes) {
        Ok(envelope) => envelope,
        Err(error) => return broken(NAME, from, error),
    };
    let (hash, sender) = (envelope.hash(), envelope.outer().fields().sender);
    if to == sender {
        return Ok(());
    }
    let carries = |delivery: &DeliveryRecord| {
        delivery.envelope == hash || delivery.key.is_some_and(|place| place.envelope == hash)
    };
    let Some(item) = world.stations[&sender]
        .disk
        .deliveries_to(to)
        .find(carries)
        .map(|one| one.item)
    else {
        return broken(
            NAME,
            from,
            format_args!("passes on to {to} what {sender} has not for it"),
        );
    };
    let disk = &world.stations[&from].disk;
    let Some(record) = disk
        .item(item)
        .filter(|record| record.state != ItemState::Retracted)
    else {
        return broken(
            NAME,
            from,
            format_args!("passes on {item}, which it does not hold"),
        );
    };
    let origin = Federation::get().ledger_origin(from);
    let is_decision = |entry: &Entry| match entry {
        Entry::Decision(decision) => decision.item == item && decision.act == DecisionAct::Relay,
        _ => false,
    };
    if !disk.entries(&origin).iter().any(|(_, entry)| is_decision(entry)) {
        return broken(
            NAME,
            from,
            format_args!("passes on {item} without a decision on disk"),
        );
    }
    for (sealer, sealed) in world.watch.canaries(bytes) {
        if (sealer, sealed) != (sender, item) {
            return broken(NAME, from, format_args!("hides {sealed} of {sealer} in gossip"));
        }
    }
    let case = Case {
        action: Action::Relay,
        sender: from,
        originator: record.originator,
        label: &record.label,
        purpose: &record.purpose,
        national: world.stations[&from].national,
        consented: false,
        now: world.clock(from),
    };
    let release = Case {
        action: Action::Release,
        sender: record.originator,
        ..case
    };
    if law::permits(&case, to) && law::permits(&release, to) {
        Ok(())
    } else {
        broken(
            NAME,
            from,
            format_args!("passes on to {to} {item}, which the law denies it"),
        )
    }
}

/// Whether the law lets `receiver` have an item from `sender` now, asked past the gate.
fn may_have(world: &World, sender: HubId, receiver: HubId, record: &ItemRecord) -> bool {
    let now = world.clock(sender);
    let by_token = world.stations[&record.originator].disk.consents().any(|token| {
        let fields = token.fields();
        fields.item == record.item
            && (fields.holder, fields.recipient) == (sender, receiver)
            && now < fields.until
    });
    let case = Case {
        action: if sender == record.originator {
            Action::Release
        } else {
            Action::Forward
        },
        sender,
        originator: record.originator,
        label: &record.label,
        purpose: &record.purpose,
        national: world.stations[&sender].national,
        consented: by_token || law::covers(&record.licence, receiver),
        now,
    };
    // The licence of the originator stands beside the rules, and stops a forward that they would let go.
    let is_licensed = sender == record.originator
        || match record.licence {
            Licence::Nobody => false,
            Licence::AsLabelled => true,
            Licence::Consent | Licence::Named { .. } => case.consented,
        };
    is_licensed && law::permits(&case, receiver)
}
