//! The one place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use testudo_protocol::id::Timestamp;

/// The time now. Before 1970 it is zero; the core never lets it run backwards.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
