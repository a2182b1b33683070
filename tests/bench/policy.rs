//! Who will receive: one item, a thousand hubs.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use testudo_policies::bare::BareLoop;
use testudo_policies::engine::{Asked, Engine};
use testudo_policies::request::{Assessment, Context, Peer};
use testudo_policies::vocabulary::{Action, Channel, Class, Level, Personal, Scope, Status, Tlp};

use crate::report::{Better, Report, Row, conditions, side_by_side};

const HUBS: u32 = 1_000;

/// Turns of each side.
const ROUNDS: usize = 11;

/// A thousand hubs have to be answered for within this time, in milliseconds.
const BOUND_MILLIS: f64 = 50.0;

pub fn run(report: &mut Report) {
    let alike: Vec<Peer> = (0..HUBS).map(|index| of_a_kind(index, index % 14)).collect();
    let (ours, reference) = measure(&alike);
    let kinds = format!(
        "{HUBS} hubs of 14 kinds, TLP:GREEN, list and classes; {}",
        conditions()
    );
    report.add(Row {
        name: "who will receive, 1,000 hubs of 14 kinds",
        ours,
        reference,
        unit: "ms",
        goal: 0.5,
        better: Better::Lower,
        conditions: format!("{kinds}; reference: bare Cedar loop over prebuilt requests"),
    });
    report.add(Row {
        name: "who will receive, 1,000 hubs of 14 kinds, bound",
        ours,
        reference: BOUND_MILLIS,
        unit: "ms",
        goal: 1.0,
        better: Better::Lower,
        conditions: format!("{kinds}; reference: the bound itself"),
    });
    let different: Vec<Peer> = (0..HUBS)
        .map(|index| Peer {
            active_sponsors: index,
            ..of_a_kind(index, index % 14)
        })
        .collect();
    let (ours, reference) = measure(&different);
    report.add(Row {
        name: "who will receive, 1,000 pairwise different hubs",
        ours,
        reference,
        unit: "ms",
        goal: 1.1,
        better: Better::Lower,
        conditions: format!(
            "{HUBS} hubs, no two alike; {}; reference: bare Cedar loop over prebuilt requests",
            conditions()
        ),
    });
}

fn measure(peers: &[Peer]) -> (f64, f64) {
    let engine = Engine::embedded().expect("the compiled-in policies load");
    let (item, context) = (item(), context());
    let bare = BareLoop::new(&engine, peers, Action::Release, &item, &context).expect("it fits the schema");
    // Peers become entities once for each version of the charter.
    let prepared = engine.prepare(peers).expect("the peers fit the schema");
    let ours = || {
        let item = prepared.item(&item, &context);
        peers
            .iter()
            .filter(|peer| {
                item.decide(Action::Release, &peer.code, Asked::Sending)
                    .is_permit()
            })
            .count()
    };
    let permits = ours();
    assert_eq!(permits, bare.run(), "both sides answer alike");
    assert!(permits > 0 && permits < peers.len(), "{permits} permits");
    side_by_side(
        ROUNDS,
        || {
            black_box(ours());
        },
        || {
            black_box(bare.run());
        },
    )
}

/// One of fourteen kinds of peers, as a federation has them.
fn of_a_kind(index: u32, kind: u32) -> Peer {
    let cls = match kind {
        0..5 => Class::MemberState,
        5 | 6 => Class::EuInstitution,
        7..10 => Class::Associated,
        10 | 11 => Class::Likeminded,
        _ => Class::Stakeholder,
    };
    let is_eu = matches!(cls, Class::MemberState | Class::EuInstitution);
    let level = |number: u32| Level::try_from(i64::from(number)).expect("0 to 6");
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<BTreeSet<_>>()
    };
    Peer {
        code: format!("H{index:04}"),
        cls,
        status: if kind == 4 {
            Status::Suspended
        } else {
            Status::Active
        },
        eu_member: is_eu,
        accredited_level: level(2 + kind % 2),
        soi_level: level(kind % 3),
        active_sponsors: if cls == Class::Associated { kind - 6 } else { 0 },
        transfer_basis: kind % 3 != 2,
        communities: words(if kind.is_multiple_of(2) {
            &["ras", "ecne"]
        } else {
            &["ras"]
        }),
        exercises: BTreeSet::new(),
        caps: words(&["expiry", "purge"]),
        tags: BTreeMap::new(),
    }
}

fn item() -> Assessment {
    Assessment {
        originator: "H0000".to_owned(),
        label_ok: true,
        level: Level::NORMAL,
        tlp: Tlp::Green,
        scope: Scope::List,
        rel_to: ["H0010", "H0011"].map(ToOwned::to_owned).into(),
        rel_to_classes: [Class::MemberState, Class::EuInstitution, Class::Associated].into(),
        not_to: ["H0001".to_owned()].into(),
        communities: ["ecne".to_owned()].into(),
        caveats: BTreeSet::new(),
        consent: BTreeSet::new(),
        exercise: String::new(),
        personal: Personal::Identified,
        expires_at: 1_798_286_400,
        obligations: ["expiry".to_owned()].into(),
    }
}

fn context() -> Context {
    Context {
        sender: "H0000".to_owned(),
        now: 1_795_694_400,
        charter_fresh: true,
        charter_forked: false,
        channel: Channel::Live,
        crypto_level: Level::SENSITIVE,
        purpose: "situational-awareness".to_owned(),
        priority: "routine".to_owned(),
    }
}
