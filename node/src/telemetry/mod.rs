//! Logging set-up, and what the process does so that no content leaves it by the back door.
//!
//! Logs are for operators and go to standard error; the ledger is the record. A log line never
//! holds content, keys, tokens or whole messages, at any level. Three walls stand behind that rule:
//! other people's crates are cut off below `info` ([`FOREIGN_LEVEL_MAX`]), a panic prints its
//! place and never its message, and the process leaves no core file.

mod core_dump;
mod counter;
mod escape;
mod filter;
mod panic;

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use testudo_protocol::fault::Fault;
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

pub use counter::{Counter, Timing, count, count_timing, counters, timings};
pub use filter::{FOREIGN_LEVEL_MAX, Filter, FilterError};

use filter::BoxedFilter;

/// Every field that a log line of ours may have, and what it holds. A new field joins this list.
pub const FIELDS: &[(&str, &str)] = &[
    ("hub", "code of a hub that the line is about"),
    ("peer", "code of the hub at the other end of a connection"),
    ("envelope_id", "hash of an envelope"),
    ("decision_id", "leaf of a decision in the ledger"),
    ("policy_set", "hash of the policies that decided"),
    ("tree_size", "number of leaves in a ledger"),
    ("bytes", "length of something that is not shown"),
    ("elapsed_ms", "time that something took, in milliseconds"),
    ("error", "one line of an error of ours, without content"),
    ("count", "number of things"),
    ("item", "id of an item"),
];

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object on each line, fields at the top.
    Json,
}

/// The text names no shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected `text` or `json`")]
pub struct LogFormatError;

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<LogFormat, LogFormatError> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(LogFormatError),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

/// Why logging is not set up. The process should not go on: it would do so unseen.
#[derive(Debug, Error)]
pub enum InitError {
    /// Something in this process has set up logging before.
    #[error("logging is already set up in this process, call init once")]
    Twice,
    /// The system refused to switch core files off, so a crash could write keys to disk.
    #[error("cannot switch off core files")]
    CoreDump(#[source] std::io::Error),
}

impl InitError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            InitError::Twice => Fault::Ours,
            InitError::CoreDump(_) => Fault::Environment,
        }
    }
}

/// Changes which lines are written while the process runs.
pub struct LogControl {
    filter: reload::Handle<BoxedFilter, Registry>,
}

/// Logging has ended, as it does with the process.
#[derive(Debug, Error)]
#[error("the log filter cannot be changed any more")]
pub struct LogControlError(#[from] reload::Error);

impl LogControl {
    /// Puts another filter in force for every line from now on.
    ///
    /// # Errors
    /// [`LogControlError`].
    pub fn set_filter(&self, filter: &Filter) -> Result<(), LogControlError> {
        Ok(self.filter.reload(filter.to_layer())?)
    }
}

/// Sets up logging to standard error for the whole process, once.
///
/// Colours only on a terminal, and not there either if `NO_COLOR` is set. Also switches off core
/// files and puts in the panic hook. Call it first, before any key is read.
///
/// # Errors
/// [`InitError::Twice`], [`InitError::CoreDump`].
pub fn init(format: LogFormat, filter: &Filter) -> Result<LogControl, InitError> {
    // Core files first: should the second step fail, no harm is done by the first.
    core_dump::disable().map_err(InitError::CoreDump)?;
    let colours = std::io::stderr().is_terminal();
    let (subscriber, control) = subscriber(format, filter, colours, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::Twice)?;
    panic::install();
    Ok(control)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &Filter,
    colours: bool,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, LogControl)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Without this, a line that cannot be written is reported with `eprintln`, which panics when standard
    // error is gone: a broken log pipe must not end the hub.
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false);
    // `with_ansi(true)` would overrule `NO_COLOR`, which the layer has read by itself.
    let layer = if colours { layer } else { layer.with_ansi(false) };
    let (changeable, handle) = reload::Layer::new(filter.to_layer());
    let subscriber: Box<dyn Subscriber + Send + Sync> = match format {
        LogFormat::Text => {
            let layer = layer.fmt_fields(escape::TextFields).with_writer(writer);
            Box::new(Registry::default().with(layer.with_filter(changeable)))
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_span_list(false);
            let layer = layer.with_writer(escape::JsonWriter(writer));
            Box::new(Registry::default().with(layer.with_filter(changeable)))
        }
    };
    (subscriber, LogControl { filter: handle })
}

#[cfg(test)]
mod tests;
