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
use tokio::sync::Notify;

use super::{
    config::{PeerEntry, StartError},
    link::Link,
};

/// A listed peer.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    pub(super) address: SocketAddr,
}

/// Who may talk to us.
pub(super) struct Registry {
    own: PeerId,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    members: BTreeMap<String, Member>,
    codes: HashMap<PeerId, String>,
    /// Counts the lists, so that the driver sees whether it has the newest.
    version: u64,
    /// Peers whose connections are to be closed; bounded by the list, as is the next.
    interrupted: BTreeSet<PeerId>,
    /// Peers that opened a second stream.
    reopened: BTreeSet<PeerId>,
    stopping: bool,
}

impl Registry {
    /// An empty list for the hub with this key.
    pub(super) fn new(own: PeerId) -> Self {
        Self {
            own,
            inner: Mutex::default(),
            changed: Notify::new(),
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
                        Arc::new(Link::new(code.clone(), peer))
                    }
                    None => Arc::new(Link::new(code.clone(), peer)),
                };
                inner.codes.insert(peer, code.clone());
                inner.members.insert(code.clone(), Member { link, address });
            }
            for member in old.values() {
                member.link.retire();
            }
        }
        self.changed.notify_one();
        refused
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
