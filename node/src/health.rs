//! How this hub is, for the people who run it: findings, each with a stable code and what to do.
//!
//! `testudo status`, `/readyz` and `/metrics` are three views of one [`StatusDocument`]. It decides nothing
//! about trust or policy: it says in words what the core, the disk and the clock have said in numbers.

mod clock;
mod disk;
mod expiry;
mod finding;
mod judge;
pub mod page;
mod status;
mod vitals;

pub use clock::{EARLIEST, is_set};
pub use disk::Disk;
pub use expiry::{EXPIRY_DAYS, expiry};
pub use finding::{Finding, Level};
pub use judge::Circumstances;
pub use status::{SCHEMA, StatusDocument};
pub use vitals::Vitals;
