//! The served edge: health, readiness, metrics and status over HTTP.
//!
//! Everything shown is made from a [`Status`](acr_controller::status::Status) at the moment somebody looks. Whoever
//! owns the machine answers the questions that arrive at [`StatusRequests`]; that it answers is also what
//! `/healthz` measures.

mod document;
mod metrics;
mod routes;
mod snapshot;

pub use metrics::Counters;
pub use routes::{Application, serve};
pub use snapshot::{Snapshots, StatusRequests, snapshots};
