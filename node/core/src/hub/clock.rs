//! Clocks: hubs tell each other the time, and a hub that is alone with its own stops releasing.
//!
//! Nothing is ordered by time. But a release by a clock that is wrong would carry a wrong time into the ledgers of
//! others, live too long or too short, and its checkpoint would not be cosigned.

use testudo_protocol::id::{HubId, Timestamp};

use super::Hub;
use crate::output::{Event, Output};
use crate::refusal::Refusal;
use testudo_protocol::exchange::Control;

/// How far a clock may be from another one, in milliseconds.
pub(super) const CLOCK_MILLIS_MAX: u64 = 5 * 60 * 1_000;

/// Time between two statements of the time, in milliseconds.
const TELL_MILLIS: u64 = 60 * 1_000;

impl Hub {
    /// Tells every connected peer the time, once a minute.
    pub(super) fn tell_time(&mut self, out: &mut Vec<Output>) {
        if self.now < self.time_due {
            return;
        }
        self.time_due = self.now.plus_millis(TELL_MILLIS);
        let connected: Vec<HubId> = (self.peers.iter())
            .filter(|(_, state)| state.connected)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in connected {
            self.transmit_control(peer, Control::Time(self.now), out);
        }
    }

    /// A peer says what time it is there. The way of the message counts as difference: it is far below the limit.
    pub(super) fn on_time(&mut self, peer: HubId, time: Timestamp, out: &mut Vec<Output>) {
        let (theirs, ours) = (time.millis(), self.now.millis());
        let off = i64::try_from(theirs.abs_diff(ours)).unwrap_or(i64::MAX);
        let ahead_millis = if theirs < ours { off.saturating_neg() } else { off };
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let is_off = ahead_millis.unsigned_abs() > CLOCK_MILLIS_MAX;
        let was_off = state
            .ahead_millis
            .is_some_and(|ahead| ahead.unsigned_abs() > CLOCK_MILLIS_MAX);
        state.ahead_millis = Some(ahead_millis);
        if is_off && !was_off {
            let ahead_seconds = ahead_millis / 1_000;
            out.push(Output::Report(Event::ClockOff { peer, ahead_seconds }));
        }
    }

    /// How far the clocks of connected peers are ahead of ours in the middle, in milliseconds; of two in the
    /// middle, the one nearer to ours, so that of two peers one alone cannot stop us.
    fn peers_ahead_millis(&self) -> Option<i64> {
        let mut offs: Vec<i64> = (self.peers.values())
            .filter(|state| state.connected)
            .filter_map(|state| state.ahead_millis)
            .collect();
        offs.sort_unstable();
        let high = offs.get(offs.len() / 2).copied()?;
        let low = offs.get(offs.len().saturating_sub(1) / 2).copied()?;
        Some(if low.unsigned_abs() < high.unsigned_abs() {
            low
        } else {
            high
        })
    }

    /// Whether a release may be dated by this clock.
    ///
    /// # Errors
    /// [`Refusal::ClockOff`] if the peers' median is more than five minutes from it.
    pub(super) fn check_clock(&self) -> Result<(), Refusal> {
        match self.peers_ahead_millis() {
            Some(ahead) if ahead.unsigned_abs() > CLOCK_MILLIS_MAX => Err(Refusal::ClockOff {
                seconds: ahead.unsigned_abs() / 1_000,
                ahead: ahead < 0,
            }),
            _ => Ok(()),
        }
    }
}
