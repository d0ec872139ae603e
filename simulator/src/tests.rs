//! The pure cloud, refusals first.

mod add_on_token;
mod assume_role;
mod container_registry;
mod faults;
mod metadata;
mod mutations;
mod personal;
mod quotas;
mod signatures;
mod statements;
mod sts;
pub(crate) mod support;
mod token_service;
