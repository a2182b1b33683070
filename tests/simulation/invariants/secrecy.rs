//! Where content may be: in the bodies of those who may have it, and nowhere else.

use testudo_core::output::{Change, Family};
use testudo_policies::vocabulary::Action;
use testudo_protocol::id::HubId;

use super::{Held, broken};
use crate::federation::National;
use crate::law::{self, Case};
use crate::watch::{Drafted, MARKER, markers};
use crate::world::World;

/// Nothing that a hub prints, answers or reports holds content.
pub fn invariant_no_output_leaks_content(hub: HubId, words: &str) -> Held {
    if words.contains(MARKER) {
        let words: String = words.chars().take(200).collect();
        return broken("no_output_leaks_content", hub, words);
    }
    Ok(())
}

/// Opened content lies in a body row alone, at its originator, at whom the law permits, and at
/// whom the originator has consented to.
pub fn invariant_opened_content_reaches_named_recipients_only(
    world: &World,
    hub: HubId,
    change: &Change,
) -> Held {
    const NAME: &str = "opened_content_reaches_named_recipients_only";
    let Change::Put { family, key, value } = change else {
        return Ok(());
    };
    for marker in markers(value).into_iter().chain(markers(key)) {
        if *family != Family::Body {
            return broken(
                NAME,
                hub,
                format_args!("{marker} is in a row of family {family:?}"),
            );
        }
        let Some(draft) = world.watch.drafts.get(&marker) else {
            return broken(NAME, hub, format_args!("nobody drafted {marker}"));
        };
        if draft.originator != hub && !is_named(world, hub, draft) {
            return broken(
                NAME,
                hub,
                format_args!("holds {marker} of {} without right", draft.originator),
            );
        }
    }
    Ok(())
}

fn is_named(world: &World, hub: HubId, draft: &Drafted) -> bool {
    let released = Case {
        action: Action::Release,
        sender: draft.originator,
        originator: draft.originator,
        label: &draft.label,
        purpose: &draft.purpose,
        // Whatever its policy was when it was released: the strict one only restricts.
        national: National::Open,
        consented: false,
        now: draft.made,
    };
    let disk = &world.stations[&draft.originator].disk;
    let consented = || {
        disk.consents().any(|token| {
            token.fields().recipient == hub
                && disk
                    .item(token.fields().item)
                    .is_some_and(|record| record.label == draft.label)
        })
    };
    let licensed = || {
        draft
            .licence
            .as_ref()
            .is_some_and(|licence| law::covers(licence, hub))
    };
    law::permits(&released, hub) || consented() || licensed()
}
