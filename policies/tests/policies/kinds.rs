//! Peers that the policies cannot tell apart share one evaluation, and nobody can tell from the answers.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use testudo_policies::engine::{Asked, Engine};
use testudo_policies::layers::{LayerSource, Layers, PolicyFile};
use testudo_policies::request::{Peer, Request};

use crate::property::request;

/// Enough that each overlay meets each class many times.
const DIRECTORIES: u32 = 400;

/// Peers beside the four of a drawn request.
const MORE: usize = 12;

const REST: &str = "permit (principal, action, resource);\n";

/// National policies that name peers, look at their codes, see only attributes, or fail.
const OVERLAYS: [&str; 8] = [
    "",
    r#"forbid (principal, action, resource) when { principal.code == "K01" };"#,
    r#"forbid (principal == Peer::"K02", action, resource);"#,
    r#"forbid (principal, action, resource) when { principal.code like "K0*" };"#,
    r#"forbid (principal, action, resource) when { ["K03", "K04"].contains(principal.code) && resource.level > 0 };"#,
    r#"forbid (principal, action, resource) when { resource.expiresAt + 9223372036854775807 > principal.activeSponsors };"#,
    r#"forbid (principal, action, resource) when { principal.hasTag(principal.code) };"#,
    r#"forbid (principal, action, resource) when { resource.notTo == resource.relTo && [principal].containsAll(resource.relTo) };"#,
];

fn engines() -> Vec<Engine> {
    let load = |overlay: &&str| {
        let file = PolicyFile::new("own.cedar", format!("{overlay}\n{REST}"));
        let layers = Layers::embedded().with_national(LayerSource::Files(vec![file]));
        Engine::load(&layers).expect("the overlay loads")
    };
    OVERLAYS.iter().map(load).collect()
}

fn codes() -> Vec<String> {
    (0..MORE).map(|index| format!("K{index:02}")).collect()
}

fn some_codes() -> impl Strategy<Value = BTreeSet<String>> {
    vec(any::<bool>(), MORE).prop_map(|chosen| {
        let pairs = codes().into_iter().zip(chosen);
        pairs
            .filter(|(_, chosen)| *chosen)
            .map(|(code, _)| code)
            .collect()
    })
}

/// A request over a directory in which a few kinds of peers come many times.
fn crowded() -> impl Strategy<Value = Request> {
    let lists = (
        some_codes(),
        prop_oneof![Just(BTreeSet::new()), some_codes()],
        some_codes(),
    );
    (request(), vec(0..4_usize, MORE), lists).prop_map(|(mut request, kinds, (rel_to, not_to, consent))| {
        let more: Vec<Peer> = codes()
            .into_iter()
            .zip(kinds)
            .map(|(code, kind)| Peer {
                code,
                ..request.peers[kind].clone()
            })
            .collect();
        request.peers.extend(more);
        request.assessment.rel_to.extend(rel_to);
        request.assessment.not_to.extend(not_to);
        request.assessment.consent.extend(consent);
        request
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: DIRECTORIES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn alike_receivers_get_the_answers_they_would_get_apart(
        (request, overlay) in (crowded(), 0..OVERLAYS.len())
    ) {
        thread_local! {
            static ENGINES: Vec<Engine> = engines();
        }
        ENGINES.with(|engines| {
            let prepared = engines[overlay].prepare(&request.peers).expect("the peers fit the schema");
            let item = prepared.item(&request.assessment, &request.context);
            for asked in [Asked::Sending, Asked::Everything] {
                for peer in &request.peers {
                    let shared = item.decide(request.action, &peer.code, asked);
                    let apart = item.decide_apart(request.action, &peer.code, asked);
                    prop_assert_eq!(&shared, &apart, "{} under {}", peer.code, OVERLAYS[overlay]);
                    // The first question about an item sees no peers but its own.
                    let first =
                        prepared.decide(request.action, &peer.code, &request.assessment, &request.context, asked);
                    prop_assert_eq!(&shared, &first, "{} under {}", peer.code, OVERLAYS[overlay]);
                }
            }
            Ok(())
        })?;
    }
}

/// Were nothing ever shared, the property above would hold and mean nothing.
#[test]
fn a_thousand_alike_receivers_are_evaluated_once() {
    let mut request = crate::cases::read_all()
        .into_iter()
        .find(|file| file.path.ends_with("permit/community-green-to-member-state.json"))
        .map(|file| Request::from_json(&file.case.request).expect("a case that is understood"))
        .expect("the case is there");
    let kind = request
        .peers
        .iter()
        .find(|peer| peer.code == request.receiver)
        .cloned()
        .expect("the receiver is a peer");
    let alike = (0..1_000).map(|index| Peer {
        code: format!("K{index:03}"),
        ..kind.clone()
    });
    request.peers.extend(alike);
    let engine = Engine::embedded().expect("the compiled-in policies load");
    let prepared = engine.prepare(&request.peers).expect("the peers fit the schema");
    let item = prepared.item(&request.assessment, &request.context);
    for index in 0..1_000 {
        let decision = item.decide(request.action, &format!("K{index:03}"), Asked::Sending);
        assert_eq!(decision.rules(), ["P-COMMUNITY"]);
    }
    assert_eq!(item.evaluations(), 1);
}
