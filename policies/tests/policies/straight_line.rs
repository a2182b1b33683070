//! The rules once more, written straight down in Rust from the table and from nothing else.
//!
//! Slow to change on purpose: it exists to disagree with the Cedar files if they are wrong.

use testudo_policies::request::{Peer, Request};
use testudo_policies::vocabulary::{Action, Caveat, Channel, Class, Level, Personal, Scope, Status, Tlp};

/// Verdict and rule ids, sorted.
pub fn decide(request: &Request) -> (bool, Vec<String>) {
    let denials = denials(request);
    let permits = permits(request);
    let permitted = denials.is_empty() && !permits.is_empty();
    let mut rules: Vec<String> = if permitted { permits } else { denials }
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    rules.sort();
    (permitted, rules)
}

fn find<'a>(request: &'a Request, code: &str) -> &'a Peer {
    request
        .peers
        .iter()
        .find(|peer| peer.code == code)
        .expect("the generator lists every peer")
}

fn satisfied(rules: &[(&'static str, bool)]) -> Vec<&'static str> {
    rules
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(id, _)| *id)
        .collect()
}

fn permits(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        receiver,
        action,
        ..
    } = request;
    let peer = find(request, receiver);
    let active = peer.status == Status::Active;
    let disclose = matches!(action, Action::Release | Action::Forward);
    let core = matches!(
        peer.cls,
        Class::MemberState | Class::EuInstitution | Class::Associated
    );
    let named = item.rel_to.contains(receiver);
    let by_class = item.rel_to_classes.contains(&peer.cls);
    let own = item.originator == *receiver && request.context.sender == *receiver;
    let level = item.level.get();

    satisfied(&[
        (
            "P-PUBLIC",
            disclose && active && item.tlp == Tlp::Clear && level <= 1,
        ),
        (
            "P-COMMUNITY",
            disclose
                && active
                && core
                && item.tlp == Tlp::Green
                && item.scope == Scope::Community
                && level <= 2,
        ),
        (
            "P-LISTED",
            disclose && active && item.scope == Scope::List && item.tlp != Tlp::Red && (named || by_class),
        ),
        (
            "P-RED",
            *action == Action::Release
                && active
                && item.tlp == Tlp::Red
                && item.scope == Scope::List
                && named,
        ),
        (
            "P-RELAY",
            *action == Action::Relay
                && active
                && core
                && (item.scope == Scope::Community || named || by_class),
        ),
        (
            "P-PUBLISH",
            *action == Action::Publish && own && active && item.tlp == Tlp::Clear && level == 0,
        ),
        ("P-DOWNGRADE", *action == Action::Downgrade && own && active),
    ])
}

fn denials(request: &Request) -> Vec<&'static str> {
    [
        standing(request),
        classified(request),
        originator(request),
        audience(request),
        partners(request),
        content(request),
    ]
    .concat()
}

fn standing(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        context,
        receiver,
        ..
    } = request;
    satisfied(&[
        ("R-01a", find(request, receiver).status != Status::Active),
        ("R-01b", find(request, &context.sender).status != Status::Active),
        ("R-01c", !context.charter_fresh),
        ("R-01d", context.charter_forked && item.tlp != Tlp::Clear),
        ("R-02", !item.label_ok),
        ("R-16", item.expires_at > 0 && context.now >= item.expires_at),
    ])
}

fn classified(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        context,
        receiver,
        action,
        ..
    } = request;
    if item.level < Level::RESTRICTED {
        return Vec::new();
    }
    let peer = find(request, receiver);
    let sender = find(request, &context.sender);
    let disclose = matches!(action, Action::Release | Action::Forward);
    let outside = disclose && !peer.eu_member;
    let euci = item.caveats.contains(&Caveat::Euci);
    let bilateral = peer
        .tags
        .get(&item.originator)
        .is_some_and(|level| *level >= item.level);
    satisfied(&[
        ("R-03", disclose && item.level > peer.accredited_level),
        ("R-03s", item.level > sender.accredited_level),
        ("R-04", item.level > context.crypto_level),
        ("R-05a", outside && euci && peer.soi_level < item.level),
        ("R-05b", outside && !euci && !bilateral),
        ("R-05c", outside && !item.consent.contains(receiver)),
    ])
}

fn originator(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        context,
        receiver,
        action,
        ..
    } = request;
    let forward = *action == Action::Forward;
    let controlled = item.caveats.contains(&Caveat::Orcon)
        || item.level >= Level::RESTRICTED
        || item.tlp == Tlp::Amber
        || item.tlp == Tlp::AmberStrict;
    let gone = find(request, &item.originator).status != Status::Active;
    satisfied(&[
        ("R-06a", forward && controlled && !item.consent.contains(receiver)),
        ("R-06b", forward && item.tlp == Tlp::Red),
        (
            "R-06c",
            *action == Action::Release && context.sender != item.originator,
        ),
        ("R-06d", forward && gone && item.tlp != Tlp::Clear),
    ])
}

fn audience(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        receiver,
        action,
        ..
    } = request;
    let peer = find(request, receiver);
    let disclose = matches!(action, Action::Release | Action::Forward);
    let named = item.rel_to.contains(receiver);
    let by_class = item.rel_to_classes.contains(&peer.cls);
    let shares = item
        .communities
        .iter()
        .any(|community| peer.communities.contains(community));
    satisfied(&[
        (
            "R-07",
            (disclose || *action == Action::Relay) && item.scope == Scope::List && !named && !by_class,
        ),
        ("R-08", item.not_to.contains(receiver)),
        ("R-09", disclose && item.tlp == Tlp::Red && !named),
        ("R-17", disclose && !item.communities.is_empty() && !shares),
    ])
}

fn partners(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        receiver,
        action,
        ..
    } = request;
    let peer = find(request, receiver);
    let disclose = matches!(action, Action::Release | Action::Forward);
    let named = item.rel_to.contains(receiver);
    let inward = item.caveats.contains(&Caveat::EuOnly) || item.caveats.contains(&Caveat::Limite);
    let stakeholder = disclose && peer.cls == Class::Stakeholder;
    satisfied(&[
        ("R-10a", peer.cls == Class::Associated && peer.active_sponsors < 2),
        ("R-10b", disclose && !peer.eu_member && inward),
        (
            "R-10c",
            disclose && item.level >= Level::SENSITIVE && !peer.eu_member && !named,
        ),
        (
            "R-12",
            disclose && peer.cls == Class::Likeminded && item.tlp != Tlp::Clear && !named,
        ),
        (
            "R-13a",
            stakeholder && (item.level >= Level::SENSITIVE || item.tlp > Tlp::Green),
        ),
        ("R-13b", stakeholder && identifies(item.personal)),
    ])
}

fn content(request: &Request) -> Vec<&'static str> {
    let Request {
        assessment: item,
        context,
        receiver,
        action,
        ..
    } = request;
    let peer = find(request, receiver);
    let disclose = matches!(action, Action::Release | Action::Forward);
    let publish = *action == Action::Publish;
    let exercise = !item.exercise.is_empty();
    let persons = identifies(item.personal);
    let special = item.personal == Personal::Special;
    satisfied(&[
        ("R-14a", exercise && context.channel == Channel::Live),
        ("R-14b", !exercise && context.channel == Channel::Exercise),
        (
            "R-14c",
            disclose && exercise && !peer.exercises.contains(&item.exercise),
        ),
        ("R-14d", publish && exercise),
        ("R-15a", disclose && persons && !peer.transfer_basis),
        ("R-15b", disclose && special && context.purpose.is_empty()),
        ("R-15c", persons && item.expires_at == 0),
        ("R-15d", publish && persons),
        ("R-23", disclose && !item.obligations.is_subset(&peer.caps)),
    ])
}

fn identifies(personal: Personal) -> bool {
    matches!(personal, Personal::Identified | Personal::Special)
}
