//! The machine: one synchronous owner of the world that takes observations and hands out operations.
//!
//! Nothing here waits, asks a clock or rolls dice: the same observations in the same order, with the same
//! times, give the same operations. Whoever drives it carries the operations out and tells what came of them.

pub mod machine;
pub mod names;
pub mod observation;
pub mod operation;
pub mod settings;
pub mod status;
pub mod time;

pub use machine::Machine;
pub use time::{Mono, Now};
