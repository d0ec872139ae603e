//! A local Alibaba Cloud that refuses what the real one refuses.
//!
//! [`Cloud`] is pure: a request and a time in, an answer out. It has no clock and no randomness of its own and is cheap to
//! clone. [`Simulator`] serves one on loopback, with an admin API for the call log, faults and changes.
//!
//! ```
//! use acr_simulator::{Cloud, CloudRequest, Description};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let description = Description::parse(acr_simulator::EXAMPLE)?;
//! let mut cloud = Cloud::new(description);
//! let request = http::Request::get("http://100.100.100.200/latest/meta-data/region-id");
//! let request: CloudRequest = request.body(bytes::Bytes::new())?;
//! let answer = cloud.call("2026-11-21T10:00:00Z".parse()?, request).answered().ok_or("no answer")?;
//! assert_eq!(answer.body(), "cn-hangzhou");
//! # Ok(())
//! # }
//! ```

mod add_on_token;
mod answer;
mod authentication;
mod call_log;
mod cloud;
mod container_registry;
pub mod description;
mod encoding;
mod faults;
mod hosts;
mod incoming;
mod issuer;
mod metadata;
mod meter;
mod mutation;
mod oidc;
mod operations;
mod parameters;
mod personal;
mod ram;
mod sealed;
mod server;
mod signature;
mod signing_key;
mod sts;
mod token_service;
mod world;

pub use add_on_token::AddOnTokenRequest;
pub use call_log::CallRecord;
pub use cloud::{Cloud, CloudRequest, CloudResponse, Outcome};
pub use description::{Description, DescriptionError, Jwks};
pub use faults::{ActiveFault, CutMoment, Fault, FaultEffect, Matcher};
pub use hosts::Product;
pub use issuer::Issuer;
pub use mutation::{Mutation, MutationError};
pub use server::{
    Event, KeyError, Listing, Observer, Options, PersonalRegistryAuth, RegistryAuth, ServedHost, Simulator,
    StartError, check_files,
};
pub use signing_key::{SigningKey, SigningKeyError};
pub use token_service::TOKEN_ISSUER;

/// A description with every field, commented; a test keeps it complete and correct.
pub const EXAMPLE: &str = include_str!("../example.yaml");

#[cfg(test)]
mod tests;
