//! Who is not a member of a community gets nothing of it: not a payload, not a name, not an answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{StreamProtocol, SwarmBuilder, swarm::dial_opts::DialOpts};
use libp2p_stream::OpenStreamError;
use testudo_protocol::id::CommunityTag;
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, timeout},
};

use super::harness::{Folder, MEETING_PAUSE, PATIENCE, config, entry, keypair, loopback};
use crate::transport::{
    GossipCommunity, PeerEntry, Transport, TransportEvent,
    config::quic_address,
    gossip::{Acceptance, content_id, protocol_name, topic},
};

fn community(number: u8, members: &[&str]) -> GossipCommunity {
    GossipCommunity {
        tag: CommunityTag::new([number; 32]),
        members: members.iter().map(|code| (*code).to_owned()).collect(),
    }
}

/// What a hub was told, and by whom.
#[derive(Debug)]
enum Told {
    Connected(String),
    Gossip {
        from: String,
        community: CommunityTag,
        bytes: Vec<u8>,
    },
}

/// Hubs that list each other, with a tap each, and a judge of what they hear.
struct Group {
    hubs: BTreeMap<&'static str, Transport>,
    entries: Vec<PeerEntry>,
    told: mpsc::UnboundedReceiver<(&'static str, Told)>,
    heard: BTreeSet<(&'static str, CommunityTag, Vec<u8>)>,
    passed_by: BTreeMap<(&'static str, Vec<u8>), String>,
    met: BTreeSet<(&'static str, String)>,
    folder: Folder,
}

/// Whoever says `no` in a message has it refused.
fn verdict(bytes: &[u8]) -> Acceptance {
    match bytes {
        [b'n', b'o', ..] => Acceptance::Reject,
        _ => Acceptance::Accept,
    }
}

impl Group {
    async fn start(codes: &[&'static str], seed: u8) -> Self {
        let folder = Folder::new(&format!("gossip-{seed}"));
        let (telling, told) = mpsc::unbounded_channel();
        let mut group = Self {
            hubs: BTreeMap::new(),
            entries: Vec::new(),
            told,
            heard: BTreeSet::new(),
            passed_by: BTreeMap::new(),
            met: BTreeSet::new(),
            folder,
        };
        for (seed, code) in (seed..).zip(codes.iter().copied()) {
            let mut config = config(seed, loopback(), vec![]);
            config.tap = Some(group.folder.0.join(code));
            let (transport, mut events) = Transport::start(config).await.unwrap();
            let Some(TransportEvent::Listening { address }) = events.recv().await else {
                panic!("listening is not the first event");
            };
            group.entries.push(entry(code, seed, address));
            group.hubs.insert(code, transport.clone());
            let telling = telling.clone();
            tokio::spawn(async move {
                while let Some(event) = events.recv().await {
                    let told = match event {
                        TransportEvent::Connected { code } => Told::Connected(code),
                        TransportEvent::Gossip {
                            code,
                            community,
                            bytes,
                            ticket,
                        } => {
                            transport.judge(ticket, verdict(&bytes));
                            Told::Gossip {
                                from: code,
                                community,
                                bytes,
                            }
                        }
                        _ => continue,
                    };
                    if telling.send((code, told)).is_err() {
                        return;
                    }
                }
            });
        }
        group
    }

    /// Lets these list each other.
    fn acquaint(&self, one: &str, others: &[&str]) {
        let listed = self
            .entries
            .iter()
            .filter(|entry| others.contains(&entry.code.as_str()));
        self.hubs[one].set_peers(listed.cloned().collect());
    }

    fn acquaint_all(&self) {
        let codes: Vec<&str> = self.hubs.keys().copied().collect();
        for code in &codes {
            self.acquaint(code, &codes);
        }
    }

    fn note(&mut self, (code, told): (&'static str, Told)) {
        match told {
            Told::Connected(peer) => {
                self.met.insert((code, peer));
            }
            Told::Gossip {
                from,
                community,
                bytes,
            } => {
                self.passed_by.entry((code, bytes.clone())).or_insert(from);
                self.heard.insert((code, community, bytes));
            }
        }
    }

    /// Takes what is told until something is so, or until the time is over: then it says no.
    async fn until_or(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while !is_so(self) {
            match tokio::time::timeout_at(deadline, self.told.recv()).await {
                Ok(told) => self.note(told.expect("somebody listens")),
                Err(_) => return false,
            }
        }
        true
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        assert!(self.until_or(PATIENCE, is_so).await, "never: {what}");
    }

    fn has_heard(&self, code: &'static str, community: &GossipCommunity, bytes: &[u8]) -> bool {
        self.heard.contains(&(code, community.tag, bytes.to_vec()))
    }

    async fn publish(&self, from: &str, community: &GossipCommunity, bytes: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while self.hubs[from]
            .publish_bytes(community.tag, bytes.to_vec())
            .is_err()
        {
            assert!(Instant::now() < deadline, "there is no room to publish");
            tokio::task::yield_now().await;
        }
    }

    /// Publishes a text until all of these have heard one and the same attempt, and returns that: gossip promises
    /// nothing, and a connection that is about to close takes what was queued for it along.
    async fn tell(
        &mut self,
        from: &'static str,
        community: &GossipCommunity,
        others: &[&'static str],
        text: &str,
    ) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        for attempt in 0.. {
            let bytes = format!("{text}, attempt {attempt} of {from}").into_bytes();
            self.publish(from, community, &bytes).await;
            let all = |group: &Self| others.iter().all(|code| group.has_heard(code, community, &bytes));
            if self.until_or(MEETING_PAUSE, all).await {
                return bytes;
            }
            assert!(Instant::now() < deadline, "{others:?} do not hear {from}");
        }
        unreachable!("attempts do not end")
    }

    /// From here on these listen to one.
    async fn meet(&mut self, from: &'static str, community: &GossipCommunity, others: &[&'static str]) {
        self.tell(from, community, others, "hello").await;
    }

    /// The names of the tap's file that holds what one hub sent another.
    fn sent(&self, from: &str, to: &str) -> Vec<u8> {
        let path: PathBuf = self.folder.0.join(from).join(format!("{to}.sent"));
        fs::read(path).unwrap_or_default()
    }

    /// Everything of a community in what was sent to hubs that are not in it.
    fn leaks(&self, communities: &[GossipCommunity]) -> Vec<String> {
        let mut leaks = Vec::new();
        let codes: Vec<&str> = self.hubs.keys().copied().collect();
        for (from, to) in codes
            .iter()
            .flat_map(|from| codes.iter().map(move |to| (from, to)))
        {
            let sent = self.sent(from, to);
            for community in communities.iter().filter(|one| !one.members.contains(*to)) {
                for trace in traces(community) {
                    if holds(&sent, trace.as_bytes()) {
                        leaks.push(format!("{from} sent {to}: {trace}"));
                    }
                }
            }
        }
        leaks
    }
}

/// What tells of a community: its payloads, its topic, its protocol.
fn traces(community: &GossipCommunity) -> [String; 3] {
    let tag = community.tag;
    [marker(community), topic(tag).to_string(), protocol_name(tag)]
}

fn marker(community: &GossipCommunity) -> String {
    format!("payload of {}", community.tag)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Four hubs in three communities that overlap; each is curious about the one that it is not in, and believes itself
/// a member.
async fn overlapping(seed: u8) -> (Group, [GossipCommunity; 3]) {
    let group = Group::start(&["AA", "BB", "CC", "DD"], seed).await;
    let communities = [
        community(1, &["AA", "BB", "CC"]),
        community(2, &["BB", "CC", "DD"]),
        community(3, &["AA", "BB", "DD"]),
    ];
    for (code, transport) in &group.hubs {
        let believed = communities.iter().map(|one| {
            let mut one = one.clone();
            if !one.members.contains(*code) {
                one.members = ["AA", "BB", "CC", "DD"].map(str::to_owned).into();
            }
            one
        });
        transport.set_communities(believed.collect());
    }
    (group, communities)
}

/// Everybody publishes in every community that it is in, and every other member hears it.
async fn talk(group: &mut Group, communities: &[GossipCommunity]) {
    group.acquaint_all();
    let members = |community: &GossipCommunity| -> Vec<&'static str> {
        let all = ["AA", "BB", "CC", "DD"].into_iter();
        all.filter(|code| community.members.contains(*code)).collect()
    };
    for community in communities {
        for from in members(community) {
            let others: Vec<_> = members(community)
                .into_iter()
                .filter(|code| *code != from)
                .collect();
            group.meet(from, community, &others).await;
            for number in 0..20 {
                let text = format!("{} number {number}", marker(community));
                group.tell(from, community, &others, &text).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_non_member_learns_nothing_of_a_community() {
    let (mut group, communities) = overlapping(130).await;
    talk(&mut group, &communities).await;
    assert_eq!(group.leaks(&communities), Vec::<String>::new());
    for (code, tag, _) in &group.heard {
        let community = communities.iter().find(|one| one.tag == *tag).unwrap();
        assert!(community.members.contains(*code), "{code} heard {tag}");
    }
}

/// The same check, with a gate that lets everybody in: it has to find payloads and names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_gate_off_the_same_check_fails() {
    let (mut group, communities) = overlapping(134).await;
    for transport in group.hubs.values() {
        transport.turn_gate_off();
    }
    talk(&mut group, &communities).await;
    let leaks = group.leaks(&communities);
    for trace in traces(&communities[0]) {
        let leak = format!("sent DD: {trace}");
        assert!(
            leaks.iter().any(|found| found.ends_with(&leak)),
            "{leak}: {leaks:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_gets_nothing_after_the_change() {
    let mut group = Group::start(&["AA", "BB", "CC"], 138).await;
    let before = community(1, &["AA", "BB", "CC"]);
    let after = community(2, &["AA", "BB"]);
    let other = community(3, &["AA", "BB", "CC"]);
    for transport in group.hubs.values() {
        transport.set_communities(vec![before.clone(), other.clone()]);
    }
    group.acquaint_all();
    group.meet("AA", &before, &["BB", "CC"]).await;
    for number in 0..1_000 {
        let mut bytes = format!("{} number {number}", marker(&before)).into_bytes();
        bytes.resize(8_192, b'.');
        group.publish("AA", &before, &bytes).await;
    }
    group.met.clear();
    group.hubs["AA"].set_communities(vec![after.clone(), other.clone()]);
    let length = group.sent("AA", "CC").len();
    assert!(length > 0, "nothing was sent before the change either");
    group.hubs["BB"].set_communities(vec![after.clone(), other.clone()]);

    // CC is back, with what is left to it; AA and BB are among themselves.
    group
        .until("CC is back", |group| group.met.contains(&("AA", "CC".to_owned())))
        .await;
    group.meet("AA", &after, &["BB"]).await;
    let late = format!("{} after the change", marker(&after));
    group.tell("AA", &after, &["BB"], &late).await;
    group.meet("AA", &other, &["BB", "CC"]).await;

    let sent = group.sent("AA", "CC").split_off(length);
    assert!(
        holds(&sent, protocol_name(other.tag).as_bytes()),
        "they speak again"
    );
    for trace in traces(&before).into_iter().chain(traces(&after)) {
        assert!(
            !holds(&sent, trace.as_bytes()),
            "after the change CC was sent {trace}"
        );
    }
    assert!(
        !group
            .heard
            .iter()
            .any(|(code, tag, _)| *code == "CC" && *tag == after.tag)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_goes_no_further() {
    // AA and CC know each other only by way of BB.
    let mut group = Group::start(&["AA", "BB", "CC"], 142).await;
    let line = community(1, &["AA", "BB", "CC"]);
    for transport in group.hubs.values() {
        transport.set_communities(vec![line.clone()]);
    }
    group.acquaint("AA", &["BB"]);
    group.acquaint("BB", &["AA", "CC"]);
    group.acquaint("CC", &["BB"]);
    group.meet("AA", &line, &["BB", "CC"]).await;
    let refused = group.tell("AA", &line, &["BB"], "no, not this").await;
    let accepted = group.tell("AA", &line, &["BB", "CC"], "yes, this").await;
    assert_eq!(group.passed_by[&("CC", accepted)], "BB");
    assert!(!group.has_heard("CC", &line, &refused));
}

/// Communities come and go while everybody talks: afterwards all hear each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn communities_that_change_again_and_again_leave_no_ghosts() {
    let mut group = Group::start(&["AA", "BB", "CC"], 146).await;
    group.acquaint_all();
    let all = ["AA", "BB", "CC"];
    for round in 0..12 {
        let standing = community(100, &all);
        let passing = community(round, if round % 2 == 0 { &all } else { &["AA", "CC"] });
        for transport in group.hubs.values() {
            transport.set_communities(vec![standing.clone(), passing.clone()]);
        }
        let _ = group.hubs["AA"].publish_bytes(passing.tag, vec![round; 1_000]);
        group.meet("CC", &passing, &["AA"]).await;
    }
    let last = community(100, &all);
    for from in all {
        let others: Vec<_> = all.into_iter().filter(|code| *code != from).collect();
        group.meet(from, &last, &others).await;
    }
}

/// A message of gossipsub, written by hand: field number and bytes, wire type 2.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut length = bytes.len();
    let mut out = vec![number << 3 | 2];
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    [out, bytes.to_vec()].concat()
}

/// SUBSCRIBE and GRAFT for these topics, IWANT for these ids.
fn demand(topics: &[&str], ids: &[Vec<u8>]) -> Vec<u8> {
    let subscribed = |topic: &&str| field(1, &[vec![0x08, 1], field(2, topic.as_bytes())].concat());
    let grafted = |topic: &&str| field(3, &field(1, topic.as_bytes()));
    let wanted: Vec<u8> = ids.iter().flat_map(|id| field(1, id)).collect();
    let control: Vec<u8> = (topics.iter().flat_map(grafted))
        .chain(field(2, &wanted))
        .collect();
    let rpc: Vec<u8> = (topics.iter().flat_map(subscribed))
        .chain(field(3, &control))
        .collect();
    // The length in front is written like that of a field.
    field(0, &rpc).split_off(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_made_demands_for_another_community_get_nothing() {
    let mut group = Group::start(&["AA", "BB"], 150).await;
    let mine = community(1, &["AA", "BB", "XX"]);
    let foreign = community(2, &["AA", "BB"]);
    for transport in group.hubs.values() {
        transport.set_communities(vec![mine.clone(), foreign.clone()]);
    }
    let stranger = entry("XX", 159, "127.0.0.1:9".parse().unwrap());
    group.entries.push(stranger);
    group.acquaint("AA", &["BB", "XX"]);
    group.acquaint("BB", &["AA"]);
    let mut messages = Vec::new();
    for community in [&mine, &foreign] {
        let text = format!("{} for later", marker(community));
        messages.push(group.tell("AA", community, &["BB"], &text).await);
    }
    let [of_mine, of_foreign] = [&messages[0], &messages[1]];

    let mut swarm = SwarmBuilder::with_existing_identity(keypair(159))
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build();
    let mut control = swarm.behaviour().new_control();
    let [ours, theirs] =
        [&mine, &foreign].map(|one| StreamProtocol::try_from_owned(protocol_name(one.tag)).unwrap());
    let mut incoming = control.accept(ours.clone()).unwrap();
    let mut never = control.accept(theirs.clone()).unwrap();
    let aa = group.entries[0].peer_id().unwrap();
    let dial = DialOpts::peer_id(aa).addresses(vec![quic_address(group.entries[0].address)]);
    swarm.dial(dial.build()).unwrap();
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });

    let refused = timeout(PATIENCE, control.open_stream(aa, theirs)).await.unwrap();
    assert!(
        matches!(refused, Err(OpenStreamError::UnsupportedProtocol(_))),
        "{refused:?}"
    );

    let mut asking = timeout(PATIENCE, control.open_stream(aa, ours))
        .await
        .unwrap()
        .unwrap();
    let topics = [&foreign, &mine].map(|one| topic(one.tag).to_string());
    let topics = topics.each_ref().map(String::as_str);
    // Under the topic of either: the id binds it, and neither is to be had by way of the other.
    let id = |topic: &str, message: &[u8]| content_id(topic, message).0;
    let ids = [
        id(topics[0], of_foreign),
        id(topics[1], of_foreign),
        id(topics[1], of_mine),
    ];
    asking.write_all(&demand(&topics, &ids)).await.unwrap();

    let (_, mut answers) = timeout(PATIENCE, incoming.next()).await.unwrap().unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 4_096];
    // What is asked for last is answered last, so that nothing can come behind it.
    while !holds(&got, of_mine) {
        let count = timeout(PATIENCE, answers.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "the hub ended the stream");
        got.extend_from_slice(&buffer[..count]);
    }
    for trace in traces(&foreign) {
        assert!(!holds(&got, trace.as_bytes()), "{trace}");
    }
    let opened = timeout(Duration::ZERO, never.next()).await;
    assert!(opened.is_err(), "the hub opened a stream of the other community");
    let sent = group.sent("AA", "XX");
    assert!(holds(&sent, of_mine), "the tap does not see what was answered");
    for trace in traces(&foreign) {
        assert!(!holds(&sent, trace.as_bytes()), "{trace}");
    }
}
