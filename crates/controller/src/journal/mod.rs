//! The journal: what must survive the process, and how it is written down.

mod admission;
pub mod document;
pub mod record;
pub mod recorder;

pub use record::{Accepted, Carried, CarriedLogin, HeldLogin, LineRecord, Record};
pub use recorder::Recorder;
