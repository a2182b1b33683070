//! After everyone can reach everyone again, everyone who may know something does.

use testudo_core::records::{DeliveryRecord, DeliveryState, ItemRecord, ItemState};
use testudo_protocol::consent::ConsentToken;
use testudo_protocol::id::{HubId, Timestamp};
use testudo_protocol::ledger::DecisionAct;
use testudo_protocol::receipt::Receipt;

use super::{Held, broken};
use crate::federation::NATIONAL_RULE;
use crate::world::World;

const NAME: &str = "logs_converge";

/// Stands for a rule where a key was revoked.
const KEY_REVOKED: &str = "key-revoked";

/// Every receiver has every item that is meant for it, withdrawn items are gone everywhere and
/// answered for, and no message is still owed.
pub fn invariant_logs_converge(world: &World) -> Held {
    for (hub, station) in &world.stations {
        if world.watch.liars.contains(hub) {
            continue;
        }
        if !station.disk.is_idle() || station.hub.is_none() {
            return broken(NAME, *hub, "has not come to rest");
        }
        for record in station.disk.items() {
            if record.originator != *hub {
                check_copy(world, *hub, &record)?;
            }
        }
        for delivery in station.disk.deliveries() {
            if !world.watch.liars.contains(&delivery.receiver) {
                check_delivery(world, *hub, &delivery)?;
            }
        }
        let owed = station
            .disk
            .receipts()
            .find(|receipt| !receipt.noted && !world.watch.liars.contains(&receipt.to));
        if let Some(receipt) = owed {
            let given = Receipt::decode(&receipt.bytes).map(|given| *given.fields());
            return broken(NAME, *hub, format_args!("{} has not noted {given:?}", receipt.to));
        }
    }
    Ok(())
}

/// A copy at another hub says what its originator says.
fn check_copy(world: &World, hub: HubId, record: &ItemRecord) -> Held {
    if world.watch.liars.contains(&record.originator) {
        return Ok(());
    }
    let item = record.item;
    let disk = &world.stations[&hub].disk;
    let Some(original) = world.stations[&record.originator].disk.item(item) else {
        return broken(
            NAME,
            hub,
            format_args!("holds {item}, which its originator does not"),
        );
    };
    if original.body_hash != record.body_hash || original.label != record.label {
        return broken(
            NAME,
            hub,
            format_args!("holds another {item} than its originator"),
        );
    }
    if original.state == ItemState::Retracted && record.state != ItemState::Retracted {
        return broken(NAME, hub, format_args!("has not heard that {item} is withdrawn"));
    }
    if disk.has_body(item) == matches!(record.state, ItemState::Retracted | ItemState::Expired) {
        return broken(
            NAME,
            hub,
            format_args!("content of {item} is not as its state says"),
        );
    }
    Ok(())
}

/// Whether something that an item draws on has been withdrawn, or consent for it has ended.
fn a_source_no_longer_goes(world: &World, hub: HubId, receiver: HubId, record: &ItemRecord) -> bool {
    let (disk, now) = (&world.stations[&hub].disk, world.clock(hub));
    record.sources.iter().any(|item| {
        let source = disk.item(*item);
        let is_gone =
            source.is_none_or(|source| matches!(source.state, ItemState::Retracted | ItemState::Expired));
        let has_ended = |token: &ConsentToken| {
            token.fields().item == *item
                && token.fields().recipient == receiver
                && token.fields().until <= now
        };
        is_gone || disk.consents().any(|token| has_ended(&token))
    })
}

/// What the sender believes of a delivery is what the receiver holds.
fn check_delivery(world: &World, hub: HubId, delivery: &DeliveryRecord) -> Held {
    let (item, receiver) = (delivery.item, delivery.receiver);
    let disk = &world.stations[&hub].disk;
    let copy = world.stations[&receiver].disk.item(item);
    let Some(record) = disk.item(item) else {
        return broken(NAME, hub, format_args!("delivers {item}, which it does not hold"));
    };
    match (&delivery.state, &copy) {
        (DeliveryState::Refused { .. }, _) => {}
        (DeliveryState::Queued, _) if has_lapsed(world, hub, delivery, &record) => {}
        (DeliveryState::Queued, _) => {
            return broken(NAME, hub, format_args!("{receiver} still lacks {item}"));
        }
        (DeliveryState::Objected, _) => {
            return broken(NAME, hub, format_args!("{receiver} objects to {item}"));
        }
        (DeliveryState::Delivered, None) if delivery.purged.is_none() => {
            return broken(NAME, hub, format_args!("{receiver} does not hold {item}"));
        }
        (DeliveryState::Delivered, _) => {}
        (DeliveryState::Withheld { settled: false, .. }, _) => {
            return broken(NAME, hub, format_args!("{receiver} lacks the place of {item}"));
        }
        (DeliveryState::Withheld { .. }, _) if record.state == ItemState::Retracted => {}
        (DeliveryState::Withheld { .. }, _) if has_lapsed(world, hub, delivery, &record) => {}
        (DeliveryState::Withheld { rules, .. }, _) if rules == &[NATIONAL_RULE] => {}
        (DeliveryState::Withheld { rules, .. }, _)
            if rules == &[KEY_REVOKED] && is_disowned(world, hub, &record) => {}
        (DeliveryState::Withheld { rules, .. }, _)
            if rules == &["R-18"] && a_source_no_longer_goes(world, hub, receiver, &record) => {}
        (DeliveryState::Withheld { rules, .. }, _) => {
            return broken(
                NAME,
                hub,
                format_args!("{item} is kept from {receiver} by {rules:?}"),
            );
        }
    }
    let original = world.stations[&record.originator].disk.item(item);
    let withdrawn = original.is_some_and(|original| original.state == ItemState::Retracted);
    let withdrawn = withdrawn && record.originator != receiver;
    if withdrawn && delivery.state == DeliveryState::Delivered {
        return check_answer(world, hub, delivery);
    }
    Ok(())
}

/// Whoever received a withdrawn item has said that it is gone: to whoever sent it, and to the
/// originator that asked.
fn check_answer(world: &World, hub: HubId, delivery: &DeliveryRecord) -> Held {
    let (item, receiver) = (delivery.item, delivery.receiver);
    if delivery.purged.is_none() {
        return broken(NAME, hub, format_args!("{receiver} has not purged {item}"));
    }
    let notice = world.stations[&hub].disk.notice(item.item, receiver);
    if notice.is_some_and(|notice| notice.answered.is_none()) {
        return broken(NAME, hub, format_args!("{receiver} has not answered for {item}"));
    }
    Ok(())
}

/// Whether the originator has revoked the key that signed the item: nobody would take it.
fn is_disowned(world: &World, hub: HubId, record: &ItemRecord) -> bool {
    let hub = world.stations[&hub].hub.as_ref();
    hub.is_some_and(|hub| hub.gate().charter().is_key_revoked(record.originator, record.key))
}

/// Whether the item, or the consent that a forward rests on, is past its end: then it is not owed
/// any more, and its receiver may have refused it as too late.
fn has_lapsed(world: &World, hub: HubId, delivery: &DeliveryRecord, record: &ItemRecord) -> bool {
    let now = world.clock(hub);
    let expires = Timestamp::from_seconds(record.label.expires_at);
    let is_over = expires != Timestamp::default() && now >= expires;
    let mut consents = world.stations[&hub].disk.consents().filter(|token| {
        let fields = token.fields();
        (fields.item, fields.holder, fields.recipient) == (record.item, hub, delivery.receiver)
    });
    is_over || delivery.act == DecisionAct::Forward && consents.any(|token| now >= token.fields().until)
}
