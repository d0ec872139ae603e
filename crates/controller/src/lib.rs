//! The machine: one synchronous owner of the world that takes observations and hands out operations.
//!
//! Nothing here waits, asks a clock or rolls dice: the same observations in the same order, with the same
//! times, give the same operations. Whoever drives it carries the operations out and tells what came of them.

pub mod admission;
mod area;
mod backoff;
mod cloud_clock;
mod controls;
mod facts;
mod journal;
mod lease;
mod ledger;
mod list;
pub mod machine;
pub mod names;
pub mod observation;
pub mod operation;
mod payload;
mod pods;
mod policy;
pub mod preview;
pub mod settings;
mod slots;
pub mod status;
pub mod time;
mod work;
mod world;

pub use area::Area;
pub use lease::{DEADLINE as LEASE_DEADLINE, DURATION as LEASE_DURATION};
pub use machine::{Machine, Serving};
pub use time::{Mono, Now};
