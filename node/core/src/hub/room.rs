//! What a hub does when its disk is nearly full: nothing new, and everything that ends what was begun.
//!
//! The floor lies well above zero, so that the database itself never meets a full disk: withdrawals, erasures,
//! receipts and ticks still have room. A peer whose envelope is not taken gets no receipt and keeps it. When
//! there is room again the connection to it is closed, so that it connects anew and sends what it kept.

use testudo_protocol::id::HubId;

use super::Hub;
use crate::input::Command;
use crate::output::{Event, Output};

/// Whether there is room for new work, and who was turned away since there was none.
#[derive(Default)]
pub(super) struct Room {
    full: bool,
    turned_away: Vec<HubId>,
}

impl Hub {
    /// The shell has looked at the disk.
    pub(super) fn on_room(&mut self, has_room: bool, out: &mut Vec<Output>) {
        if self.room.full != has_room {
            return;
        }
        self.room.full = !has_room;
        out.push(Output::Report(Event::Room { has_room }));
        if has_room {
            let turned_away = std::mem::take(&mut self.room.turned_away);
            out.extend(turned_away.into_iter().map(Output::Disconnect));
        }
    }

    /// Whether there is no room for new work.
    pub(super) fn is_full(&self) -> bool {
        self.room.full
    }

    /// Takes nothing from a peer, and remembers that it has something to send.
    pub(super) fn turn_away(&mut self, peer: HubId, out: &mut Vec<Output>) {
        if !self.room.turned_away.contains(&peer) {
            self.room.turned_away.push(peer);
            out.push(Output::Report(Event::TurnedAway { peer }));
        }
    }
}

/// Whether a command begins something that has to be stored, and is not the end or the taking back of
/// something that is.
pub(super) fn begins_work(command: &Command) -> bool {
    match command {
        Command::Release(_)
        | Command::Forward { .. }
        | Command::Consent { .. }
        | Command::AskConsent { .. }
        | Command::PackParcel { .. }
        | Command::TakeParcel { .. }
        | Command::Fetch { .. }
        | Command::KeepDraft(_)
        | Command::ReleaseDraft { .. } => true,
        Command::RefuseConsent { .. }
        | Command::Retract { .. }
        | Command::Erase { .. }
        | Command::ResumeWitness { .. }
        | Command::OwnAct(_)
        | Command::SubmitCharter { .. }
        | Command::ChooseBranch { .. }
        | Command::ConfirmAlone { .. }
        | Command::ReviewDraft { .. }
        | Command::ApproveDraft { .. }
        | Command::RefuseDraft { .. }
        | Command::DiscardDraft { .. }
        | Command::Open { .. }
        | Command::Acknowledge { .. } => false,
    }
}
