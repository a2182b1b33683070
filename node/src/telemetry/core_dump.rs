//! Keeps the memory of this process, which holds keys and content, out of core files.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Switches core files off for this process, for good: the limit cannot be raised again.
///
/// The limit alone does not stop a system that pipes core files into a program (core(5)), so the
/// process also declares itself not dumpable. A debugger of the same user cannot attach after this.
pub(super) fn disable() -> io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn no_core_file_is_left() {
        disable().unwrap();
        assert_eq!(
            getrlimit(Resource::Core),
            Rlimit {
                current: Some(0),
                maximum: Some(0)
            }
        );
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        disable().expect("a second time changes nothing");
    }
}
