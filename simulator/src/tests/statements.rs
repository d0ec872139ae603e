//! What Alibaba Cloud documents about the calls that are simulated, or its own programs rely on, statement by statement.
//!
//! The modules are numbered as the statements were collected: 1 STS, 2 Container Registry Enterprise Edition, 3 Personal
//! Edition, 4 signatures and gateway, 5 metadata service, 6 RRSA, 7 add-on token, 9 token service. What is tried out in
//! more depth elsewhere has its one plain case here.

use serde_json::Value;

use super::assume_role::{CROSS_INSTANCE, PULLER_OF_B, credentials, hop, hopper, role_of_b, worker};
use super::support::*;

mod add_on_and_rrsa;
mod container_registry;
mod gateway;
mod machine;
mod personal;
mod sts;
mod sts_refusals;
mod token_service;

/// The names of the fields of an object, sorted.
#[track_caller]
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}
