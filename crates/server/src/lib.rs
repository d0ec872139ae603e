//! The served edges: health, readiness, metrics and status over HTTP, the webhook over HTTPS.
//!
//! What the webhook answers is decided from the request alone ([`answer`]). Everything shown is made from a [`Status`](acr_controller::status::Status) at the moment somebody looks. Whoever
//! owns the machine answers the questions that arrive at [`StatusRequests`]; that it answers is also what
//! `/healthz` measures.

mod certificate;
mod document;
mod frugal;
mod listening;
mod metrics;
mod review;
mod routes;
mod serving;
mod snapshot;
mod tls;
mod webhook;

pub use certificate::make_certificate;
pub use listening::{Bound, Listening};
pub use metrics::Counters;
pub use review::{ReviewError, answer};
pub use routes::{Application, serve};
pub use snapshot::{Snapshots, StatusRequests, snapshots};
pub use tls::{CertificateError, ServedCertificate, TlsListener};
pub use webhook::serve_webhook;
