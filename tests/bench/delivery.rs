//! One release to all members of a community, beside what libp2p alone takes for the same bytes.
//!
//! All nodes run in this process, over QUIC on loopback. Ours are whole hubs: decision, signatures, sealing, a database
//! synced at each step, receipts. A release counts as delivered when its receipt is entered at the originator, which
//! is later than when it was durable at the receiver. The references verify nothing and keep nothing.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use testudo::config;
use testudo::folder::HubFolder;
use testudo::process::{self, Running};
use testudo::store::Family;
use testudo::transport::bare::{self, Bare};
use testudo_core::input::{Command, Draft, ReleaseCommand};
use testudo_core::views::Reply;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::note::NoteSigner;
use testudo_policies::engine::Engine;
use testudo_policies::explain::Language;
use testudo_protocol::charter::{Card, DAY_SECONDS, Founding, Member, Packet, Voter, signer_name};
use testudo_protocol::envelope::Suite;
use testudo_protocol::id::{Hash, HubId, ItemId};
use testudo_protocol::label::{Class, Label, Level, Personal, Scope, Tlp};
use testudo_protocol::realm::Realm;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::report::{Better, Report, Row, conditions};

/// How many hubs, and the word for them in the table.
const HUBS: [usize; 2] = [10, 30];

/// Sizes of a body, in KiB.
const SIZES: [usize; 2] = [8, 64];

/// Releases one after another, of which the median counts.
const ROUNDS: usize = 15;

/// Releases at once, for the rate.
const BURST: usize = 40;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at the originator: a look takes the time of the thread that is measured.
const LOOK: Duration = Duration::from_millis(1);
const LOOK_AT_MANY: Duration = Duration::from_millis(25);

/// Hubs that have just met sign, cosign and gossip for a while. They have come to rest once so little was sent in so
/// much time.
const REST_BYTES: u64 = 64 * 1024;
const REST: Duration = Duration::from_secs(2);

/// What one lane took.
struct Measured {
    /// Milliseconds to half, to 95 percent and to all of the receivers.
    parts: [f64; 3],
    /// Deliveries per second in a burst.
    rate: f64,
    /// Bytes sent by all nodes for one release, over bytes of the message and receivers.
    copies: f64,
}

pub fn run(report: &mut Report) {
    let runtime = Runtime::new().expect("a runtime");
    let most = std::env::var("TESTUDO_BENCH_HUBS")
        .ok()
        .and_then(|text| text.parse().ok());
    for hubs in HUBS
        .into_iter()
        .filter(|hubs| most.is_none_or(|most: usize| *hubs <= most))
    {
        for kib in SIZES {
            runtime.block_on(compare(report, hubs, kib));
        }
    }
}

async fn compare(report: &mut Report, hubs: usize, kib: usize) {
    let (direct, envelope) = ours(hubs, kib, "direct").await;
    let (gossip, _) = ours(hubs, kib, "gossip").await;
    let raw_gossip = reference(bare::gossip(hubs).await, hubs, envelope).await;
    let raw_streams = reference(bare::streams(hubs).await, hubs, envelope).await;
    for (lane, ours, reference, against) in [
        ("direct push", &direct, &raw_gossip, "raw gossipsub"),
        ("gossip lane", &gossip, &raw_gossip, "raw gossipsub"),
        ("direct push", &direct, &raw_streams, "raw streams"),
    ] {
        let says = format!(
            "{hubs} hubs in one process, QUIC on loopback, body {kib} KiB, envelope {envelope} bytes, median of {ROUNDS}; \
             to 50/95/100 %: ours {:.1}/{:.1}/{:.1} ms, reference {:.1}/{:.1}/{:.1} ms; copies per node: ours {:.2}, \
             reference {:.2}; {}",
            ours.parts[0],
            ours.parts[1],
            ours.parts[2],
            reference.parts[0],
            reference.parts[1],
            reference.parts[2],
            ours.copies,
            reference.copies,
            conditions()
        );
        let name = |what: &str| -> &'static str {
            // Names of rows live as long as the table.
            Box::leak(format!("{lane}/{against}: {kib} KiB to {hubs}, {what}").into_boxed_str())
        };
        report.add(Row {
            name: name("the last"),
            ours: ours.parts[2],
            reference: reference.parts[2],
            unit: "ms",
            goal: 2.0,
            better: Better::Lower,
            conditions: says.clone(),
        });
        report.add(Row {
            name: name("rate"),
            ours: ours.rate,
            reference: reference.rate,
            unit: "/s",
            goal: 1.0,
            better: Better::Higher,
            conditions: says,
        });
    }
}

/// Whole hubs that are connected. The folder goes last.
struct Hubs {
    running: Vec<Running>,
    codes: Vec<HubId>,
    _folder: TempDir,
}

async fn ours(hubs: usize, kib: usize, lane: &str) -> (Measured, usize) {
    let hubs = Hubs::start(hubs, lane).await;
    // One that is not counted: keys are made, meshes form.
    hubs.release(kib, 1).await;
    hubs.come_to_rest().await;
    let before = hubs.sent_bytes();
    let mut parts = Vec::new();
    for _ in 0..ROUNDS {
        parts.push(hubs.release(kib, 1).await.1);
    }
    let sent = (hubs.sent_bytes() - before) as f64 / ROUNDS as f64;
    let receivers = hubs.codes.len() - 1;
    let (burst, _) = hubs.release(kib, BURST).await;
    let envelope = hubs.envelope_bytes().await;
    let measured = Measured {
        parts: medians(parts),
        rate: (BURST * receivers) as f64 / burst.as_secs_f64(),
        copies: sent / (envelope * receivers) as f64,
    };
    hubs.stop().await;
    (measured, envelope)
}

impl Hubs {
    async fn start(count: usize, lane: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let codes: Vec<HubId> = (0..count)
            .map(|at| format!("H{at:02}").parse().expect("a code"))
            .collect();
        let realm = realm();
        let now = testudo::clock::now();
        let valid_until = now.seconds() + 300 * DAY_SECONDS;
        let mut folders = Vec::new();
        for code in &codes {
            let (address, held) = free_port();
            let root = folder.path().join(code.as_str());
            let text =
                config::example().replace("listen = \"127.0.0.1:4470\"", &format!("listen = \"{address}\""));
            let root_key = folder.path().join(format!("{code}.root"));
            HubFolder::create(&root, &text, &root_key, |keys, root| {
                let certificate = keys.certify(*code, &realm, root, now, valid_until)?;
                Ok(keys.card(*code, Class::MemberState, &realm, address, certificate))
            })
            .expect("a hub's folder");
            let environment =
                BTreeMap::from([("TESTUDO__DELIVERY__COMMUNITIES".to_owned(), lane.to_owned())]);
            folders.push((HubFolder::open(&root, &environment).expect("its settings"), held));
        }
        let charter = charter(&folders.iter().map(|(folder, _)| folder).collect::<Vec<_>>());
        let mut running = Vec::new();
        for (folder, held) in folders {
            folder
                .accept_charter(&charter, now)
                .expect("the charter is written");
            drop(held);
            running.push(process::start(&folder, None).await.expect("the hub starts"));
        }
        let hubs = Self {
            running,
            codes,
            _folder: folder,
        };
        for hub in &hubs.running {
            let all = hubs.codes.len() - 1;
            until("all hubs are connected", async || {
                let peers = hub
                    .handle
                    .read(|hub, _| hub.status().peers)
                    .await
                    .expect("it runs");
                peers.iter().filter(|peer| peer.connected).count() == all
            })
            .await;
        }
        hubs
    }

    /// Releases so many items at once; gives the time until all receipts are in, and until parts of them.
    async fn release(&self, kib: usize, count: usize) -> (Duration, [Duration; 3]) {
        let handle = &self.running[0].handle;
        let mut commands = Vec::new();
        for _ in 0..count {
            let draft = draft(kib);
            let asked = draft.clone();
            let preview = handle
                .read(move |hub, _| hub.preview(asked, Language::English))
                .await;
            let preview = preview.expect("it runs").expect("a draft that may be released");
            commands.push(ReleaseCommand {
                draft,
                preview: preview.hash,
            });
        }
        let begin = Instant::now();
        let released = commands.into_iter().map(|command| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let reply = handle.command(Command::Release(Box::new(command))).await;
                match reply.expect("it runs").expect("it is released") {
                    Reply::Released { item, .. } => item,
                    other => panic!("{other:?}"),
                }
            })
        });
        let mut items: Vec<ItemId> = Vec::new();
        for item in released.collect::<Vec<_>>() {
            items.push(item.await.expect("a release"));
        }
        let all = count * (self.codes.len() - 1);
        let mut parts = [None; 3];
        loop {
            let items = items.clone();
            let delivered = handle.read(move |hub, _| {
                let views = items.iter().flat_map(|item| hub.deliveries(Some(*item)));
                views.filter(|view| view.delivered.is_some()).count()
            });
            let delivered = delivered.await.expect("it runs");
            let took = begin.elapsed();
            for (part, share) in parts.iter_mut().zip([0.5, 0.95, 1.0]) {
                if delivered as f64 >= (all as f64 * share).ceil() {
                    part.get_or_insert(took);
                }
            }
            if let [Some(half), Some(most), Some(last)] = parts {
                return (last, [half, most, last]);
            }
            assert!(took < PATIENCE, "{delivered} of {all} were delivered");
            sleep(if count == 1 { LOOK } else { LOOK_AT_MANY }).await;
        }
    }

    async fn come_to_rest(&self) {
        let begin = Instant::now();
        loop {
            let before = self.sent_bytes();
            sleep(REST).await;
            if self.sent_bytes() - before < REST_BYTES {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "the hubs do not come to rest");
        }
    }

    async fn envelope_bytes(&self) -> usize {
        let handle = &self.running[0].handle;
        let rows = handle.read(|_, store| store.scan(Family::Envelope).expect("the database can be read"));
        let rows = rows.await.expect("it runs");
        // The entry with the audience's keys lies there too, once.
        let mut sizes: Vec<usize> = rows.iter().map(|(_, value)| value.len()).collect();
        sizes.sort_unstable();
        sizes[sizes.len() / 2]
    }

    fn sent_bytes(&self) -> u64 {
        self.running.iter().map(Running::sent_bytes).sum()
    }

    async fn stop(self) {
        for hub in self.running {
            hub.stop().await.expect("it stops");
        }
    }
}

/// A number that is free for both, and held.
fn free_port() -> (SocketAddr, (UdpSocket, TcpListener)) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = udp.local_addr().expect("its number");
        if let Ok(tcp) = TcpListener::bind(address) {
            return (address, (udp, tcp));
        }
    }
}

/// What all hubs have founded together; each votes with two of its three keys.
fn charter(folders: &[&HubFolder]) -> Vec<u8> {
    let cards: Vec<Card> = folders
        .iter()
        .map(|folder| folder.card().expect("a card"))
        .collect();
    let engine = Engine::embedded().expect("the compiled-in policies load");
    let key = |voter: usize, number: u8| {
        let mut seed = [number; 32];
        seed[0] = u8::try_from(voter).expect("at most 256 hubs");
        SigningKey::from_seed(seed)
    };
    let public = |voter, number| Hash::new(key(voter, number).verifying_key().to_bytes());
    let founding = Founding {
        realm: realm(),
        issued: testudo::clock::now().seconds(),
        valid_seconds: 300 * DAY_SECONDS,
        suites: vec![Suite::Hybrid],
        baseline: Hash::new(*engine.baseline_hash().as_bytes()),
        voters: (cards.iter().enumerate())
            .map(|(at, card)| Voter {
                code: card.code,
                keys: [1, 2, 3].map(|number| public(at, number)),
            })
            .collect(),
        members: (cards.iter())
            .map(|card| Member::admitted(card, BTreeMap::new()))
            .collect(),
    };
    let mut drafts = founding.drafts();
    for draft in &mut drafts {
        for (at, card) in cards.iter().enumerate() {
            for number in [1, 2] {
                let signer = NoteSigner::new(signer_name(&realm(), card.code), &key(at, number));
                draft
                    .sign(&signer.expect("a signer's name"))
                    .expect("it is signed once");
            }
        }
    }
    Packet {
        objects: drafts.into(),
    }
    .to_bytes()
}

fn realm() -> Realm {
    Realm::new("bench", "live").expect("a realm")
}

fn draft(kib: usize) -> Draft {
    // Padding takes it to the next step; what stands around the text is a few hundred bytes.
    let text = "Sixteen letters. ".repeat((kib * 1_024 - 1_500) / 17);
    let bundle = json!({
        "type": "bundle", "id": "bundle--5d1d3a5e-7f14-4c3a-9d0e-2f8f3f6a1b01",
        "objects": [{
            "type": "report", "spec_version": "2.1", "id": "report--5d1d3a5e-7f14-4c3a-9d0e-2f8f3f6a1b02",
            "created": "2026-09-01T00:00:00.000Z", "modified": "2026-09-01T00:00:00.000Z",
            "published": "2026-09-01T00:00:00.000Z", "name": "A report of the benchmark", "description": text,
            "object_refs": ["url--5d1d3a5e-7f14-4c3a-9d0e-2f8f3f6a1b03"],
            "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
        }, {
            "type": "url", "id": "url--5d1d3a5e-7f14-4c3a-9d0e-2f8f3f6a1b03", "value": "https://example.org/",
        }],
    });
    Draft {
        bundle: bundle.to_string().into_bytes(),
        label: Label {
            level: Level::try_from(1).expect("a level"),
            tlp: Tlp::Green,
            scope: Scope::Community,
            rel_to: Default::default(),
            rel_to_classes: Default::default(),
            not_to: Default::default(),
            communities: Default::default(),
            caveats: Default::default(),
            exercise: String::new(),
            personal: Personal::None,
            expires_at: 0,
            obligations: Default::default(),
            pap: None,
            national: None,
        },
        licence: None,
        purpose: "situational-awareness".to_owned(),
        corrects: None,
        derived: None,
        attachments: Vec::new(),
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        sleep(LOOK).await;
    }
}

/// The same bytes from the first of some bare nodes to all others.
async fn reference(mut nodes: Bare, count: usize, bytes: usize) -> Measured {
    let receivers = count - 1;
    let mut number = 0;
    let mut send = |nodes: &Bare| {
        number += 1_u64;
        let mut message = number.to_be_bytes().to_vec();
        // No two alike, and nothing that could be made smaller.
        message.extend((8..bytes).map(|at| (at as u64 * 31 + number * 17) as u8));
        nodes.send(0, Arc::new(message));
    };
    send(&nodes);
    // A mesh may still be forming: what comes of this does not count.
    while let Ok(Some(_)) = timeout(Duration::from_secs(2), nodes.arrival()).await {}
    let before = nodes.sent_bytes();
    let mut parts = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        send(&nodes);
        let mut times: Vec<Duration> = Vec::new();
        while times.len() < receivers {
            match timeout(Duration::from_secs(5), nodes.arrival()).await {
                Ok(Some(arrival)) => times.push(arrival.at.duration_since(begin)),
                _ => break,
            }
        }
        times.sort();
        let at = |share: f64| {
            let place = (receivers as f64 * share).ceil() as usize;
            // What did not arrive took for ever; the median tells.
            times.get(place - 1).copied().unwrap_or(PATIENCE)
        };
        parts.push([at(0.5), at(0.95), at(1.0)]);
    }
    let sent = (nodes.sent_bytes() - before) as f64 / ROUNDS as f64;
    let begin = Instant::now();
    for _ in 0..BURST {
        send(&nodes);
    }
    let mut arrived = 0;
    let mut last = begin;
    while arrived < BURST * receivers {
        match timeout(Duration::from_secs(5), nodes.arrival()).await {
            Ok(Some(arrival)) => {
                arrived += 1;
                last = arrival.at;
            }
            _ => break,
        }
    }
    Measured {
        parts: medians(parts),
        rate: arrived as f64 / last.duration_since(begin).as_secs_f64(),
        copies: sent / (bytes * receivers) as f64,
    }
}

/// The median of each part, in milliseconds.
fn medians(parts: Vec<[Duration; 3]>) -> [f64; 3] {
    [0, 1, 2].map(|part| {
        let mut times: Vec<Duration> = parts.iter().map(|times| times[part]).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1_000.0
    })
}
