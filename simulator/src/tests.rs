//! The pure cloud, refusals first.

mod container_registry;
mod faults;
mod metadata;
mod mutations;
mod signatures;
mod sts;
pub(crate) mod support;
mod token_service;
