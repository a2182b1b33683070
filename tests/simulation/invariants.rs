//! The invariants, by name: what holds after every event, and what holds at the end.
//!
//! Each is a function that gives the first thing that broke it. `controls.rs` shows that each can.

mod attachments;
mod convergence;
mod durability;
mod ledger;
mod secrecy;
mod transmission;

use std::fmt;

use testudo_core::hub::RestoreError;
use testudo_core::input::CommandId;
use testudo_core::output::Event;
use testudo_core::refusal::{Refusal, RefusalKind};
use testudo_core::views::Reply;
use testudo_protocol::envelope::Envelope;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::gossip::GossipMessage;
use testudo_protocol::id::HubId;
use testudo_protocol::receipt::Receipt;

use crate::federation::Federation;
use crate::watch::Promise;
use crate::world::{Asked, World};

pub use attachments::{invariant_files_of_attachments_have_rows, invariant_what_is_said_to_be_whole_is};
pub use convergence::invariant_logs_converge;
pub use durability::{invariant_acknowledged_survives, invariant_nothing_is_taken_twice};
pub use ledger::{
    invariant_anchors_are_durable_and_signed, invariant_ledgers_only_grow_and_verify,
    invariant_one_root_for_one_size,
};
pub use secrecy::{
    invariant_no_output_leaks_content, invariant_opened_content_reaches_named_recipients_only,
};
pub use transmission::{
    invariant_ciphertext_canaries_stay_inside, invariant_nothing_is_passed_on_without_right,
    invariant_nothing_is_transmitted_without_right,
};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub invariant: &'static str,
    /// At which hub.
    pub hub: HubId,
    /// What was found.
    pub what: String,
}

/// Whether an invariant holds.
pub type Held = Result<(), Broken>;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant_{} at {}: {}", self.invariant, self.hub, self.what)
    }
}

/// Says that an invariant is broken.
fn broken<T>(invariant: &'static str, hub: HubId, what: impl fmt::Display) -> Result<T, Broken> {
    Err(Broken {
        invariant,
        hub,
        what: what.to_string(),
    })
}

/// A run that does not come to rest.
pub fn broken_circle(world: &World) -> Held {
    let hub = Federation::get().codes()[0];
    broken(
        "hubs_come_to_rest",
        hub,
        format_args!("still busy at {} ms", world.now),
    )
}

/// A disk that a hub does not take back.
pub fn broken_restore(hub: HubId, error: &RestoreError) -> Held {
    broken("every_disk_restores", hub, error)
}

/// What holds of a frame that leaves.
pub fn on_transmission(world: &mut World, from: HubId, to: HubId, frame: &[u8]) -> Held {
    if world.watch.liars.contains(&from) {
        return Ok(());
    }
    invariant_nothing_is_transmitted_without_right(world, from, to, frame)?;
    invariant_ciphertext_canaries_stay_inside(world, from, to, frame)?;
    ledger::invariant_one_envelope_for_one_place(world, from, frame)?;
    let promise = match Message::decode(frame) {
        Ok(Message::Control(Control::Receipt(bytes))) => Receipt::decode(&bytes).ok().map(|receipt| {
            let fields = receipt.fields();
            Promise::Receipted(fields.item, fields.act, fields.envelope)
        }),
        Ok(Message::Control(Control::Noted { envelope, act })) => world.stations[&from]
            .disk
            .deliveries_to(to)
            .find(|delivery| delivery.envelope == envelope)
            .map(|delivery| Promise::Credited(delivery.item, to, act)),
        _ => None,
    };
    match promise {
        Some(promise) => keep(world, from, promise),
        None => Ok(()),
    }
}

/// What holds of a message of gossip that leaves.
pub fn on_gossip(world: &World, from: HubId, to: HubId, bytes: &[u8]) -> Held {
    match GossipMessage::decode(bytes) {
        Ok(GossipMessage::Envelope(envelope)) => {
            let frame = Message::Content(envelope.clone()).to_frame();
            let sender = Envelope::decode(&envelope).map(|envelope| envelope.outer().fields().sender);
            if sender.is_ok_and(|sender| sender != from) {
                return invariant_nothing_is_passed_on_without_right(world, from, to, &envelope);
            }
            invariant_nothing_is_transmitted_without_right(world, from, to, &frame)?;
            invariant_ciphertext_canaries_stay_inside(world, from, to, &frame)
        }
        Ok(GossipMessage::Statement(_)) => invariant_ciphertext_canaries_stay_inside(world, from, to, bytes),
        Err(error) => broken("gossip_is_well_formed", from, error),
    }
}

/// A judgement of something that was judged before, or never came.
pub fn broken_judgement(hub: HubId) -> Held {
    broken("gossip_is_judged_once", hub, "judges what does not wait for it")
}

/// What holds of an answer to a person.
pub fn on_reply(world: &mut World, hub: HubId, reply: &Reply, previewed: Option<Vec<HubId>>) -> Held {
    let promise = match reply {
        Reply::Released {
            item,
            version,
            recipients,
            ..
        } => {
            if previewed.is_some_and(|previewed| previewed != *recipients) {
                return broken("preview_equals_release", hub, item);
            }
            let item = testudo_protocol::id::ItemRef {
                item: *item,
                version: *version,
            };
            Promise::Released(item, recipients.clone())
        }
        Reply::Consented {
            item,
            holder,
            recipient,
        } => Promise::Consented(*item, *holder, *recipient),
        Reply::Retracted { item, .. } => Promise::Withdrawn(*item),
        // A question is a wish and promises nothing about the item.
        Reply::ConsentAsked { .. } | Reply::ConsentRefused { .. } => return Ok(()),
        Reply::WitnessResumed { .. }
        | Reply::Erased { .. }
        | Reply::Fetching { .. }
        | Reply::OwnActTaken { .. } => return Ok(()),
        // What a parcel holds is promised by whoever takes it in, in receipts.
        Reply::Packed { .. } | Reply::Unpacked { .. } => return Ok(()),
        Reply::CharterTaken { .. } | Reply::BranchChosen { .. } => return Ok(()),
        Reply::SecondPersonNeeded { .. } | Reply::ConfirmedAlone { .. } => return Ok(()),
        // Nobody but its own people knows of a draft.
        Reply::Drafted { .. } => return Ok(()),
        Reply::Noted { item } => return durability::keep_reading(world, hub, *item),
    };
    keep(world, hub, promise)
}

fn keep(world: &mut World, hub: HubId, promise: Promise) -> Held {
    durability::is_kept(&world.stations[&hub].disk, hub, &promise)?;
    world.watch.promise(hub, promise);
    Ok(())
}

/// What holds of a report.
pub fn on_report(world: &mut World, hub: HubId, event: &Event) -> Held {
    match event {
        Event::PeerFault { peer, what } => {
            world.watch.blamed.push((hub, *peer, what.clone()));
            invariant_the_honest_are_not_blamed(world, hub, *peer, what)
        }
        Event::Equivocation { peer } => {
            world.watch.blamed.push((hub, *peer, "equivocation".to_owned()));
            invariant_the_honest_are_not_blamed(world, hub, *peer, "equivocation")
        }
        Event::DecisionUnproven { peer, .. } => {
            world.watch.blamed.push((hub, *peer, "unproven".to_owned()));
            invariant_the_honest_are_not_blamed(world, hub, *peer, "unproven")
        }
        // What a liar sends beside its own log is ahead of it.
        Event::LogAhead { .. } if world.watch.liars.contains(&hub) => Ok(()),
        Event::LogAhead { peer } if !world.watch.rolled_back.contains(&hub) => broken(
            "acknowledged_survives",
            hub,
            format_args!("has forgotten a place of a log that {peer} knows"),
        ),
        Event::Arrived { item, .. } if !world.watch.arrived.insert((hub, *item)) => broken(
            "nothing_is_taken_twice",
            hub,
            format_args!("{item} arrived again"),
        ),
        _ => Ok(()),
    }
}

/// A hub that keeps the protocol is never found at fault, whatever the network does to it.
pub fn invariant_the_honest_are_not_blamed(world: &World, hub: HubId, peer: HubId, what: &str) -> Held {
    let liars = &world.watch.liars;
    if liars.contains(&peer) || liars.contains(&hub) {
        return Ok(());
    }
    broken(
        "the_honest_are_not_blamed",
        hub,
        format_args!("blames {peer}: {what}"),
    )
}

/// No command is answered twice, or without having been given.
pub fn invariant_every_command_is_answered_once(
    hub: HubId,
    id: CommandId,
    asked: Option<Asked>,
) -> Result<Asked, Broken> {
    match asked {
        Some(asked) => Ok(asked),
        None => broken(
            "every_command_is_answered_once",
            hub,
            format_args!("command {}", id.0),
        ),
    }
}

/// No refusal says that the fault is the hub's own.
pub fn invariant_no_hub_finds_a_defect_in_itself(hub: HubId, refusal: &Refusal) -> Held {
    if refusal.kind() == RefusalKind::Internal {
        return broken("no_hub_finds_a_defect_in_itself", hub, refusal);
    }
    Ok(())
}

/// What holds of the batch that the disk writes next.
pub fn before_write(world: &mut World, hub: HubId) -> Held {
    world.note_own_attachments(hub);
    let world = &*world;
    let disk = &world.stations[&hub].disk;
    for change in disk.next_changes() {
        ledger::check_change(disk, hub, change)?;
        invariant_opened_content_reaches_named_recipients_only(world, hub, change)?;
        invariant_what_is_said_to_be_whole_is(world, hub, change)?;
    }
    Ok(())
}

/// What holds when a process has come back.
pub fn after_restart(world: &World, hub: HubId) -> Held {
    // Who got an old disk has forgotten, and is fenced for it.
    if !world.watch.rolled_back.contains(&hub) {
        invariant_acknowledged_survives(world, hub)?;
    }
    invariant_nothing_is_taken_twice(world, hub)?;
    invariant_ledgers_only_grow_and_verify(world, hub)
}

/// What holds when everything has come to rest.
pub fn at_the_end(world: &World) -> Held {
    for (hub, station) in &world.stations {
        if world.watch.liars.contains(hub) {
            continue;
        }
        if let Some(asked) = station.asked.values().next() {
            return broken(
                "every_command_is_answered_once",
                *hub,
                format_args!("never answers {}", asked.what),
            );
        }
        if world.unjudged(*hub) > 0 {
            return broken("gossip_is_judged_once", *hub, "something was never judged");
        }
        after_restart(world, *hub)?;
        invariant_files_of_attachments_have_rows(world, *hub)?;
        if let Some(fence) = station.hub.as_ref().and_then(|hub| hub.status().fence) {
            return broken(
                "fences_open",
                *hub,
                format_args!("is still fenced: {}", fence.why),
            );
        }
        ledger::invariant_what_was_cosigned_stays(world, *hub)?;
        for (family, key, value) in station.disk.rows() {
            let value = value.into();
            let change = testudo_core::output::Change::Put { family, key, value };
            invariant_opened_content_reaches_named_recipients_only(world, *hub, &change)?;
        }
    }
    invariant_logs_converge(world)
}
