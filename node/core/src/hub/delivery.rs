//! What becomes of one delivery: given up, settled by where the receiver's log goes on, noted by a receipt.

use testudo_protocol::id::{Sequence, Timestamp};
use testudo_protocol::receipt::Act;

use crate::records::{Access, DeliveryRecord, DeliveryState};

/// Nothing of it is to be sent any more but its outer part.
pub(super) fn give_up(delivery: &mut DeliveryRecord) {
    delivery.state = DeliveryState::Withheld {
        rules: Vec::new(),
        settled: false,
    };
}

/// Takes in where the receiver's log goes on; false if that is no news.
pub(super) fn settle(delivery: &mut DeliveryRecord, next: Sequence) -> bool {
    let passed = delivery.sequence < next;
    match &mut delivery.state {
        DeliveryState::Withheld { settled, .. } if passed && !*settled => {
            *settled = true;
            true
        }
        // A receiver that lost its disk asks for what it once had.
        DeliveryState::Withheld { settled, .. } if !passed && *settled => {
            *settled = false;
            true
        }
        DeliveryState::Delivered if !passed => {
            delivery.state = DeliveryState::Queued;
            // With its disk it lost the keys that it would need.
            if delivery.access != Access::LongTerm {
                delivery.access = Access::Owed;
            }
            true
        }
        _ => false,
    }
}

/// Notes what a receipt says; false if it was known already.
pub(super) fn note(delivery: &mut DeliveryRecord, act: Act, time: Timestamp) -> bool {
    let time = Some(time);
    match act {
        Act::Delivered => {
            let fresh = delivery.delivered.is_none();
            delivery.delivered = delivery.delivered.or(time);
            delivery.state = DeliveryState::Delivered;
            fresh
        }
        Act::Objected => {
            let fresh = delivery.state != DeliveryState::Objected;
            delivery.state = DeliveryState::Objected;
            fresh
        }
        Act::Opened => {
            let fresh = delivery.opened.is_none();
            delivery.opened = delivery.opened.or(time);
            fresh
        }
        Act::Acknowledged => {
            let fresh = delivery.acknowledged.is_none();
            delivery.acknowledged = delivery.acknowledged.or(time);
            fresh
        }
        Act::Purged => {
            let fresh = delivery.purged.is_none();
            delivery.purged = delivery.purged.or(time);
            delivery.state = DeliveryState::Delivered;
            fresh
        }
    }
}
