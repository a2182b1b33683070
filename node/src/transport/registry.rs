//! The list of peers, shared by the handle, the driver and the streams' handlers.
//!
//! A change takes effect here at once, for `send` and for accepting streams; the driver is then told to
//! bring connections into line. There is no command queue that could fill: the driver reads the newest list.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libp2p::{PeerId, Stream};
use testudo_protocol::id::CommunityTag;
use tokio::sync::Notify;

use super::{
    config::{GossipCommunity, PeerEntry, StartError},
    link::Link,
    shutter::Shutters,
};

/// Communities that a hub can be in. Each costs two streams on each connection, and yamux ends a connection with some
/// hundreds of them.
pub(super) const COMMUNITIES_MAX: usize = 64;

/// A listed peer.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    pub(super) address: SocketAddr,
}

/// Who is in a community.
struct Members {
    codes: BTreeSet<String>,
    /// The list with which it came: one that was gone in between is another one, that knows nothing of the first.
    since: u64,
}

/// Who may talk to us.
pub(super) struct Registry {
    own: PeerId,
    inner: Mutex<Inner>,
    changed: Notify,
    /// Of all connections, also of those that are still to be refused.
    pub(super) shutters: Shutters,
}

#[derive(Default)]
struct Inner {
    members: BTreeMap<String, Member>,
    codes: HashMap<PeerId, String>,
    communities: BTreeMap<CommunityTag, Members>,
    /// Counts the lists, so that the driver sees whether it has the newest.
    version: u64,
    /// Peers whose connections are to be closed; bounded by the list, as is the next.
    interrupted: BTreeSet<PeerId>,
    /// Peers that opened a second stream.
    reopened: BTreeSet<PeerId>,
    stopping: bool,
    /// Everybody is in every community: shows that the tests of the gate can fail.
    #[cfg(test)]
    is_gate_off: bool,
}

impl Registry {
    /// An empty list for the hub with this key.
    pub(super) fn new(own: PeerId) -> Self {
        Self {
            own,
            inner: Mutex::default(),
            changed: Notify::new(),
            shutters: Shutters::default(),
        }
    }

    /// Takes a new list. Peers with the same code and key keep their session; all others on the old list
    /// are cut off before this returns.
    ///
    /// Returns what was wrong with entries that were left out.
    pub(super) fn set(&self, entries: Vec<PeerEntry>) -> Vec<StartError> {
        let mut refused = Vec::new();
        {
            let mut inner = self.lock();
            inner.version = inner.version.wrapping_add(1);
            let mut old = std::mem::take(&mut inner.members);
            inner.codes.clear();
            for entry in entries {
                let PeerEntry {
                    ref code, address, ..
                } = entry;
                let Some(peer) = entry.peer_id() else {
                    refused.push(StartError::BadKey { code: code.clone() });
                    continue;
                };
                if peer == self.own {
                    continue;
                }
                if inner.members.contains_key(code) || inner.codes.contains_key(&peer) {
                    refused.push(StartError::Duplicate { code: code.clone() });
                    continue;
                }
                let link = match old.remove(code) {
                    Some(member) if member.link.peer == peer => member.link,
                    Some(member) => {
                        member.link.retire();
                        self.shutters.shut(&member.link.peer);
                        Arc::new(Link::new(code.clone(), peer))
                    }
                    None => Arc::new(Link::new(code.clone(), peer)),
                };
                inner.codes.insert(peer, code.clone());
                inner.members.insert(code.clone(), Member { link, address });
            }
            for member in old.values() {
                member.link.retire();
                self.shutters.shut(&member.link.peer);
            }
        }
        self.changed.notify_one();
        refused
    }

    /// Takes new communities. Whoever leaves or changes one has no byte written to it over a connection that stands
    /// when this returns; the driver closes those, and both sides dial again.
    ///
    /// Returns those that are left out because there are too many.
    pub(super) fn set_communities(&self, communities: Vec<GossipCommunity>) -> Vec<CommunityTag> {
        let mut communities = communities.into_iter();
        let taken = communities.by_ref().take(COMMUNITIES_MAX);
        let taken: BTreeMap<_, _> = taken.map(|one| (one.tag, one.members)).collect();
        {
            let mut inner = self.lock();
            inner.version = inner.version.wrapping_add(1);
            let since = inner.version;
            let before = std::mem::take(&mut inner.communities);
            for (tag, codes) in taken {
                // A tag with other members would be a defect of the caller; it is another community all the same.
                let stands = before.get(&tag).filter(|known| known.codes == codes);
                let since = stands.map_or(since, |known| known.since);
                inner.communities.insert(tag, Members { codes, since });
            }
            let links: Vec<Arc<Link>> = inner.members.values().map(|member| member.link.clone()).collect();
            for link in links {
                let (had, has) = (of(&before, &link.code), of(&inner.communities, &link.code));
                if had == has {
                    continue;
                }
                // Before anybody is told: from here on nothing more is written, whatever is queued.
                if !had.is_subset(&has) {
                    self.shutters.shut(&link.peer);
                }
                link.interrupt();
                inner.interrupted.insert(link.peer);
            }
        }
        self.changed.notify_one();
        communities.map(|one| one.tag).collect()
    }

    /// All communities, each with the list since which it stands.
    pub(super) fn communities(&self) -> BTreeMap<CommunityTag, u64> {
        let inner = self.lock();
        inner
            .communities
            .iter()
            .map(|(tag, members)| (*tag, members.since))
            .collect()
    }

    /// The communities that the holder of this key is in; none for a stranger.
    pub(super) fn communities_of(&self, peer: &PeerId) -> BTreeSet<CommunityTag> {
        let inner = self.lock();
        #[cfg(test)]
        if inner.is_gate_off {
            return inner.communities.keys().copied().collect();
        }
        let code = inner.codes.get(peer);
        code.map(|code| of(&inner.communities, code)).unwrap_or_default()
    }

    /// Lets everybody into every community.
    #[cfg(test)]
    pub(super) fn turn_gate_off(&self) {
        self.lock().is_gate_off = true;
    }

    /// Asks the driver to close the connections with this peer, and ends the session now.
    pub(super) fn interrupt(&self, code: &str) {
        {
            let mut inner = self.lock();
            let Some(link) = inner.members.get(code).map(|member| member.link.clone()) else {
                return;
            };
            link.interrupt();
            inner.interrupted.insert(link.peer);
        }
        self.changed.notify_one();
    }

    /// Asks the driver to end, and cuts everybody off.
    pub(super) fn stop(&self) {
        {
            let mut inner = self.lock();
            inner.stopping = true;
            inner.members.values().for_each(|member| member.link.retire());
            inner.members.clear();
            inner.codes.clear();
        }
        self.changed.notify_one();
    }

    pub(super) fn stopping(&self) -> bool {
        self.lock().stopping
    }

    /// The link with this hub.
    pub(super) fn by_code(&self, code: &str) -> Option<Arc<Link>> {
        self.lock().members.get(code).map(|member| member.link.clone())
    }

    /// The link with the holder of this key.
    pub(super) fn by_peer(&self, peer: &PeerId) -> Option<Arc<Link>> {
        let inner = self.lock();
        let code = inner.codes.get(peer)?;
        inner.members.get(code).map(|member| member.link.clone())
    }

    /// Hands a stream to the link with the peer that opened it, if it is listed, and drops it otherwise.
    pub(super) fn offer(&self, peer: PeerId, stream: Stream) {
        let Some(link) = self.by_peer(&peer) else { return };
        if link.offer(stream) {
            self.lock().reopened.insert(peer);
            self.changed.notify_one();
        }
    }

    /// The whole list and its number, for the driver.
    pub(super) fn members(&self) -> (u64, Vec<Member>) {
        let inner = self.lock();
        (inner.version, inner.members.values().cloned().collect())
    }

    /// The peers that have opened a second stream over the connections that stand, each told once.
    pub(super) fn take_reopened(&self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.lock().reopened)
    }

    /// The peers whose connections are to be closed, each told once.
    pub(super) fn take_interrupted(&self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.lock().interrupted)
    }

    /// Waits for a change that the driver has not seen.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Each change is complete before the lock is let go, except if memory runs out; a poisoned lock is
    /// still good.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The communities that a hub is in.
fn of(communities: &BTreeMap<CommunityTag, Members>, code: &str) -> BTreeSet<CommunityTag> {
    let with = communities
        .iter()
        .filter(|(_, members)| members.codes.contains(code));
    with.map(|(tag, _)| *tag).collect()
}
