//! Whole transports over loopback. Tests wait for events, never for time to pass.

mod gate;
mod harness;
mod restart;
mod sessions;
#[cfg(feature = "tap")]
mod tap;
mod ways;
