//! What stands around the one hub: peers that remember what they were shown, and everybody who was told something.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use testudo::process::{Effects, Fatal};
use testudo_core::hub::Hub;
use testudo_core::input::Input;
use testudo_core::output::Output;
use testudo_core::views::Reply;
use testudo_crypto::merkle::{Root, Tree};
use testudo_crypto::tlog::add_checkpoint::AddCheckpoint;
use testudo_protocol::exchange::{Control, Message};
use testudo_protocol::id::{HubId, ItemId};

/// What the hub has let others see, and must know ever after.
#[derive(Default)]
pub struct Promises {
    /// Leaves of entries on which something rested that was seen.
    pub leaves: Vec<Vec<u8>>,
    pub tree: Tree,
    /// The root of each size that was shown to a witness.
    pub published: BTreeMap<u64, Root>,
    /// The newest checkpoint that each peer was shown.
    pub newest: BTreeMap<HubId, (u64, Vec<u8>)>,
    pub released: BTreeSet<ItemId>,
    pub erased: BTreeSet<ItemId>,
    pub ends: u64,
    pub cut: u64,
}

/// The surroundings in one round. There is no network: a peer answers at once what a hub asks before it signs, and
/// nothing else, so that everything stays waiting for it.
pub struct Outside<'a> {
    pub promises: &'a mut Promises,
    /// What peers have answered, in their order.
    pub answers: VecDeque<Input>,
    /// A promise that was broken.
    pub broken: Option<String>,
}

impl<'a> Outside<'a> {
    pub fn new(promises: &'a mut Promises) -> Self {
        Self {
            promises,
            answers: VecDeque::new(),
            broken: None,
        }
    }

    fn hear(&mut self, peer: HubId, frame: &[u8]) {
        let answer = match Message::decode(frame) {
            Ok(Message::Control(Control::Hello { .. })) => Control::Welcome,
            Ok(Message::Control(Control::LastCheckpointAsk)) => {
                let newest = self.promises.newest.get(&peer);
                Control::LastCheckpoint(newest.map(|(_, note)| note.clone()).unwrap_or_default())
            }
            Ok(Message::Control(Control::HeadsAsk)) => Control::Heads {
                outers: Vec::new(),
                last: true,
            },
            Ok(Message::Control(Control::AddCheckpoint(body))) => return self.see(peer, &body),
            _ => return,
        };
        let frame = Message::Control(answer).to_frame();
        self.answers.push_back(Input::Frame(peer, frame));
    }

    /// A checkpoint that leaves the hub is remembered with its root.
    fn see(&mut self, peer: HubId, body: &[u8]) {
        let Ok(request) = AddCheckpoint::parse(body) else {
            self.broken = Some("it shows a witness what is no request".to_owned());
            return;
        };
        let shown = request.checkpoint();
        let size = shown.size.get();
        let root = self.promises.published.entry(size).or_insert(shown.root);
        if *root != shown.root {
            self.broken = Some(format!("it has signed two roots for size {size}"));
        }
        let newest = self.promises.newest.entry(peer).or_default();
        if newest.0 <= size {
            *newest = (size, request.note().to_bytes());
        }
    }
}

impl Effects for Outside<'_> {
    fn carry_out(&mut self, _: &Hub, output: Output) -> Result<Option<Input>, Fatal> {
        match output {
            Output::Seal(id, order) => return Ok(Some(Input::Sealed(id, order.carry_out()))),
            Output::Transmit(peer, outbound) => self.hear(peer, &outbound.into_frame()),
            Output::Reply(_, Ok(Reply::Released { item, .. })) => {
                self.promises.released.insert(item);
            }
            Output::Reply(_, Ok(Reply::Erased { item, .. })) => {
                self.promises.erased.insert(item);
            }
            _ => {}
        }
        Ok(None)
    }
}
