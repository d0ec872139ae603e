//! The Kubernetes edge: watches in, operations out, every API answer mapped to a closed enum.
//!
//! [`Cluster::watch`] turns four watches into observations, [`Cluster::carry_out`] turns an operation into one
//! request and its answer into an [`Answer`](acr_controller::observation::Answer). Nothing is retried and
//! nothing is decided here: what an answer means is one table (`refusal`), what follows is the machine's.
//!
//! Bodies of requests and answers that hold secrets never pass through kube's own parsing, which logs what
//! it cannot parse.

mod backoff;
mod body;
mod call;
mod cluster;
mod connect;
mod deployment;
mod event;
mod refusal;
mod reply;
mod request;
mod seen;
mod trial;
mod watch;

pub use cluster::{Cluster, Ourselves};
pub use connect::{Access, ConnectError, connect};
pub use watch::{References, Watches};
