//! Which log lines are written.

use std::fmt;
use std::str::FromStr;

use testudo_protocol::fault::Fault;
use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::Filter as LayerFilter;

/// Lowest level at which lines of other people's crates are written, whatever the operator asks.
///
/// Below it, HTTP, TLS and transport crates print headers, frames and buffers, and with them
/// tokens. Nobody here can vouch for what they will print in their next version.
pub const FOREIGN_LEVEL_MAX: LevelFilter = LevelFilter::INFO;

/// A filter in a form that can be put in place of another while lines are written.
pub(super) type BoxedFilter = Box<dyn LayerFilter<Registry> + Send + Sync>;

/// How the targets of our own crates begin.
const OWN_TARGET: &str = "testudo";

/// Most directives in one filter. Each is compared at every new place in the code that logs.
const DIRECTIVES_MAX: usize = 64;

/// A checked filter: a level, and levels for parts of the program.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    targets: Targets,
}

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// One of the directives is neither a level nor a target and a level.
    #[error("expected levels such as `info` or `info,testudo::store=debug`")]
    Directive,
    /// There are too many directives.
    #[error("expected at most {DIRECTIVES_MAX} directives")]
    TooMany,
}

impl FilterError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Operator
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        let mut targets = Targets::new();
        for (at, directive) in text.split(',').enumerate() {
            if at >= DIRECTIVES_MAX {
                return Err(FilterError::TooMany);
            }
            // `Targets::from_str` would take a misspelt level for the name of a target, and the log
            // would be empty without a word. A level must therefore stand in every directive.
            targets = match directive.trim().split_once('=') {
                None => targets.with_default(level(directive)?),
                Some((target, level_text)) => targets.with_target(self::target(target)?, level(level_text)?),
            };
        }
        Ok(Filter {
            text: text.to_owned(),
            targets,
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Filter {
    /// The same for a layer, with foreign crates cut off at [`FOREIGN_LEVEL_MAX`].
    pub(super) fn to_layer(&self) -> BoxedFilter {
        let wall = filter_fn(|it| is_own(it.target()) || FOREIGN_LEVEL_MAX >= *it.level());
        FilterExt::<Registry>::boxed(self.targets.clone().and(wall))
    }
}

/// Whether a target is ours: `testudo`, `testudo_core`, `testudo::store`, and not `testudox`.
fn is_own(target: &str) -> bool {
    target
        .strip_prefix(OWN_TARGET)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '_']))
}

fn level(text: &str) -> Result<LevelFilter, FilterError> {
    match text.trim() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(FilterError::Directive),
    }
}

fn target(text: &str) -> Result<&str, FilterError> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    match text.trim() {
        "" => Err(FilterError::Directive),
        target if target.chars().all(is_path) => Ok(target),
        _ => Err(FilterError::Directive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_accepted() {
        for text in [
            "off",
            "info",
            "debug,libp2p_swarm=warn",
            " info , testudo::store = trace ",
            "testudo=debug",
        ] {
            assert_eq!(text.parse::<Filter>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_would_silence_the_log_by_mistake_is_refused() {
        for text in [
            "",
            "infoo",
            "testudo",
            "info,",
            "INFO",
            "info;debug",
            "=debug",
            "a=",
            "a=b",
            "[span]=info",
        ] {
            assert_eq!(
                text.parse::<Filter>().unwrap_err(),
                FilterError::Directive,
                "{text}"
            );
        }
        let many = vec!["info"; DIRECTIVES_MAX + 1].join(",");
        assert_eq!(many.parse::<Filter>().unwrap_err(), FilterError::TooMany);
    }

    #[test]
    fn own_targets_are_told_apart() {
        for target in ["testudo", "testudo_core::hub", "testudo::store"] {
            assert!(is_own(target), "{target}");
        }
        for target in ["testudox", "libp2p", "", "hyper::testudo"] {
            assert!(!is_own(target), "{target}");
        }
    }
}
