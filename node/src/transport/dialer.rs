//! When to dial whom: a state machine over time that is passed in. It dials nobody itself.
//!
//! Both sides of a pair dial while they are not connected, so a pair finds each other as soon as one of the
//! two can reach the other. Two connections may come of it; the driver tolerates that.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::PeerId;
use tokio::time::Instant;

/// The pause after the first failure: short, because a peer that restarts is away for moments.
pub(super) const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);

/// The longest pause: a hub that is away for days costs four attempts an hour, and is back within a quarter
/// of an hour even if it cannot dial us.
pub(super) const RETRY_DELAY_MAX: Duration = Duration::from_secs(15 * 60);

/// A connection of this length was wanted by both sides. A shorter one does not count as a success: a peer
/// that does not list us ends the handshake well and closes at once, and must not be dialled ten times a
/// second for it.
const CONNECTION_SETTLED: Duration = Duration::from_secs(1);

/// A pause that doubles with each failure, with jitter so that many hubs do not act in step.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    delay_max: Duration,
    jitter: u64,
}

impl Backoff {
    /// `seed` makes this hub's jitter different from others'; it is no secret.
    pub(super) fn new(delay_max: Duration, seed: u64) -> Self {
        Self {
            failures: 0,
            delay_max,
            jitter: seed,
        }
    }

    /// Forgets past failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and says how long to pause: between half and all of the doubled delay.
    pub(super) fn fail(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1).min(u32::BITS);
        let whole = RETRY_DELAY_MIN.saturating_mul(factor).min(self.delay_max);
        let share = f64::from(self.random() >> 16) / f64::from(u16::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }

    /// SplitMix64. Good enough to spread attempts, and needs no generator in the state machine.
    fn random(&mut self) -> u32 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Waiting { until: Instant },
    Dialling,
    Connected { since: Instant },
}

#[derive(Debug)]
struct Target {
    attempt: Attempt,
    backoff: Backoff,
}

/// What is being done about each listed peer.
#[derive(Debug)]
pub(super) struct Dialer {
    targets: BTreeMap<PeerId, Target>,
    seed: u64,
}

impl Dialer {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            targets: BTreeMap::new(),
            seed,
        }
    }

    /// Takes a new list. Whoever is not connected is due at once: the list may hold a better address.
    pub(super) fn set_peers(&mut self, peers: &BTreeSet<PeerId>, now: Instant) {
        self.targets.retain(|peer, _| peers.contains(peer));
        for peer in peers {
            self.seed = self.seed.wrapping_add(1);
            let target = self.targets.entry(*peer).or_insert(Target {
                attempt: Attempt::Waiting { until: now },
                backoff: Backoff::new(RETRY_DELAY_MAX, self.seed),
            });
            target.backoff.reset();
            if let Attempt::Waiting { until } = &mut target.attempt {
                *until = now;
            }
        }
    }

    /// The peers to dial now. Each is taken to be dialled until an outcome is told.
    pub(super) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, target) in &mut self.targets {
            if matches!(target.attempt, Attempt::Waiting { until } if until <= now) {
                target.attempt = Attempt::Dialling;
                due.push(*peer);
            }
        }
        due
    }

    /// When [`Dialer::due`] will next have somebody, if nothing else happens.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let waiting = self.targets.values().filter_map(|target| match target.attempt {
            Attempt::Waiting { until } => Some(until),
            Attempt::Dialling | Attempt::Connected { .. } => None,
        });
        waiting.min()
    }

    /// A connection with the peer stands. If the peer dialled, it wants us, and past failures are forgiven.
    pub(super) fn connected(&mut self, peer: &PeerId, dialled_by_peer: bool, now: Instant) {
        let Some(target) = self.targets.get_mut(peer) else {
            return;
        };
        if dialled_by_peer {
            target.backoff.reset();
        }
        if !matches!(target.attempt, Attempt::Connected { .. }) {
            target.attempt = Attempt::Connected { since: now };
        }
    }

    /// The last connection with the peer is gone.
    pub(super) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        let Some(target) = self.targets.get_mut(peer) else {
            return;
        };
        if let Attempt::Connected { since } = target.attempt {
            if now.duration_since(since) >= CONNECTION_SETTLED {
                target.backoff.reset();
            }
            target.pause(now);
        }
    }

    /// Our attempt came to nothing. Ignored if the peer has reached us meanwhile.
    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant) {
        let Some(target) = self.targets.get_mut(peer) else {
            return;
        };
        if target.attempt == Attempt::Dialling {
            target.pause(now);
        }
    }
}

impl Target {
    fn pause(&mut self, now: Instant) {
        self.attempt = Attempt::Waiting {
            until: now + self.backoff.fail(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> BTreeSet<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let mut backoff = Backoff::new(RETRY_DELAY_MAX, 1);
        let mut whole = RETRY_DELAY_MIN;
        for _ in 0..200 {
            let pause = backoff.fail();
            assert!(
                pause >= whole.mul_f64(0.49) && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(RETRY_DELAY_MAX);
        }
        let distinct: BTreeSet<Duration> = (0..20).map(|_| backoff.fail()).collect();
        assert!(distinct.len() > 10);
        backoff.reset();
        assert!(backoff.fail() <= RETRY_DELAY_MIN);
    }

    #[test]
    fn everybody_is_due_at_once_and_only_once() {
        let now = Instant::now();
        let mut dialer = Dialer::new(7);
        assert_eq!(dialer.next_at(), None);
        let listed = peers(3);
        dialer.set_peers(&listed, now);
        assert_eq!(dialer.next_at(), Some(now));
        assert_eq!(dialer.due(now).into_iter().collect::<BTreeSet<_>>(), listed);
        assert!(dialer.due(now).is_empty());
        assert_eq!(dialer.next_at(), None);
    }

    #[test]
    fn failures_pause_and_contact_forgives() {
        let mut now = Instant::now();
        let mut dialer = Dialer::new(7);
        let listed = peers(1);
        let peer = *listed.first().unwrap();
        dialer.set_peers(&listed, now);
        for _ in 0..10 {
            assert_eq!(dialer.due(now), [peer]);
            dialer.failed(&peer, now);
            assert!(dialer.due(now).is_empty());
            now = dialer.next_at().unwrap();
        }
        dialer.connected(&peer, true, now);
        dialer.failed(&peer, now);
        assert_eq!(
            dialer.next_at(),
            None,
            "a late failure of our own attempt changes nothing"
        );
        dialer.disconnected(&peer, now);
        assert!(dialer.next_at().unwrap() <= now + RETRY_DELAY_MIN);
    }

    #[test]
    fn a_peer_that_closes_at_once_is_dialled_less_and_less() {
        let mut now = Instant::now();
        let mut dialer = Dialer::new(7);
        let listed = peers(1);
        let peer = *listed.first().unwrap();
        dialer.set_peers(&listed, now);
        for _ in 0..12 {
            assert_eq!(dialer.due(now), [peer]);
            dialer.connected(&peer, false, now);
            dialer.disconnected(&peer, now);
            now = dialer.next_at().unwrap();
        }
        dialer.due(now);
        dialer.connected(&peer, false, now);
        dialer.disconnected(&peer, now);
        assert!(dialer.next_at().unwrap() > now + Duration::from_secs(60));

        now = dialer.next_at().unwrap();
        dialer.due(now);
        dialer.connected(&peer, false, now);
        now += CONNECTION_SETTLED;
        dialer.disconnected(&peer, now);
        assert!(
            dialer.next_at().unwrap() <= now + RETRY_DELAY_MIN,
            "it was a real connection"
        );
    }

    #[test]
    fn a_new_list_forgives_and_forgets() {
        let mut now = Instant::now();
        let mut dialer = Dialer::new(7);
        let listed = peers(2);
        dialer.set_peers(&listed, now);
        for _ in 0..10 {
            for peer in dialer.due(now) {
                dialer.failed(&peer, now);
            }
            now = dialer.next_at().unwrap();
        }
        let before = now - Duration::from_millis(1);
        let kept: BTreeSet<PeerId> = listed.iter().copied().take(1).collect();
        dialer.set_peers(&kept, before);
        assert_eq!(dialer.due(before), kept.iter().copied().collect::<Vec<_>>());
        let removed = listed.last().unwrap();
        dialer.disconnected(removed, now);
        assert_eq!(dialer.next_at(), None);
    }
}
