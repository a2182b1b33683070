//! Whole transports over loopback. Tests wait for events, never for time to pass.

mod gate;
#[cfg(feature = "tap")]
mod gossip;
mod harness;
mod restart;
mod sessions;
#[cfg(feature = "tap")]
mod tap;
mod ways;
