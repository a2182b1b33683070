//! The loop between the core and what it wants done, in the order that the core relies on.

use std::collections::VecDeque;

use testudo_core::hub::Hub;
use testudo_core::input::Input;
use testudo_core::output::Output;
use testudo_protocol::id::Timestamp;

use super::disk::{Disk, Fatal};

/// What is done outside the disk: sealing, sending, answering, telling.
pub trait Effects {
    /// Carries out one output of `hub` that does not concern the disk; what the core is told about it, if anything.
    ///
    /// # Errors
    /// [`Fatal`] if the process has to end.
    fn carry_out(&mut self, hub: &Hub, output: Output) -> Result<Option<Input>, Fatal>;
}

/// Moves the core until nothing is left to do.
///
/// All batches of one round share one synced write, and what waits for them is done after it. A crash anywhere
/// leaves whole rounds.
///
/// # Errors
/// [`Fatal`] if a write, a read, the anchor or an effect failed: the process must end.
pub fn settle(
    hub: &mut Hub,
    disk: &mut Disk,
    effects: &mut dyn Effects,
    now: &dyn Fn() -> Timestamp,
    mut inputs: VecDeque<Input>,
    mut outputs: Vec<Output>,
) -> Result<(), Fatal> {
    loop {
        while let Some(input) = inputs.pop_front() {
            outputs.extend(hub.handle(now(), input));
        }
        if outputs.is_empty() {
            return Ok(());
        }
        let mut changes = Vec::new();
        let mut batches = Vec::new();
        for output in outputs.drain(..) {
            match output {
                Output::Persist(batch, wanted) => {
                    changes.extend(wanted);
                    batches.push(batch);
                }
                Output::Load(id, family, key) => {
                    // A row may have been written in this very round.
                    disk.write(std::mem::take(&mut changes))?;
                    inputs.push_back(Input::Loaded(id, disk.read(family, &key)?));
                }
                Output::LoadLeaves(id, indices) => {
                    disk.write(std::mem::take(&mut changes))?;
                    inputs.push_back(Input::Loaded(id, disk.read_leaves(indices)?));
                }
                Output::Anchor { size, root, note } => disk.replace_anchor(size, &root, note)?,
                other => inputs.extend(effects.carry_out(hub, other)?),
            }
        }
        disk.write(changes)?;
        inputs.extend(batches.into_iter().map(Input::Persisted));
    }
}
