//! What a panic prints: where it happened and a number to find it again, never what it said.
//!
//! The message of a panic is made of values, and values can be content. A backtrace is not printed
//! either: it adds nothing that the place does not say to whoever has the source.

use std::io::Write;
use std::panic::Location;

/// Replaces the panic hook of the process.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|panic| report(panic.location())));
}

fn report(location: Option<&Location<'_>>) {
    let (place, id) = (location.map_or("an unknown place".to_owned(), place), id());
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("panic {id} at {place}");
    } else {
        // Logging is switched off, or this thread was inside the logger. A dying process still says so.
        // The result does not matter, and `eprintln` would panic again if nobody listens.
        let _ = writeln!(std::io::stderr(), "panic {id} at {place}");
    }
}

/// File, line and column; of the file only the last parts, so that the folders of the machine on
/// which this was built do not show.
fn place(location: &Location<'_>) -> String {
    const PARTS_SHOWN: usize = 4;
    let parts: Vec<&str> = location.file().split('/').collect();
    let file = parts
        .get(parts.len().saturating_sub(PARTS_SHOWN)..)
        .unwrap_or_default()
        .join("/");
    format!("{file}:{}:{}", location.line(), location.column())
}

/// A number that tells this panic from all others. It means nothing.
fn id() -> String {
    // Without randomness there is still the place, and a hub without randomness does not live long.
    format!("{:016x}", getrandom::u64().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shortened() {
        let here = place(Location::caller());
        assert!(here.contains("panic.rs:"), "{here}");
        assert!(!here.starts_with('/'), "{here}");
        assert!(here.split('/').count() <= 4, "{here}");
    }

    #[test]
    fn ids_differ() {
        assert_ne!(id(), id());
        assert_eq!(id().len(), 16);
    }
}
