//! Alibaba Cloud on the wire: signing, and one pure encode and decode per call, with a thin client around them.
//!
//! [`Conversation`] holds all that is known about a call: which HTTP requests it takes, and what their answers
//! mean. It has no clock, no randomness and no socket. [`Client`] carries conversations out over HTTP; it keeps
//! no state but open connections and never retries. [`decode_add_on_token`] reads what ACK hands over in a file.

mod acs3;
mod add_on_token;
mod base_url;
mod client;
mod container_registry;
mod conversation;
mod fault;
mod metadata;
mod received;
mod rpc;
mod secret_member;
mod sts;

pub use add_on_token::{ADD_ON_TOKEN_MEMBER, AddOnToken, AddOnTokenFailure, decode_add_on_token};
pub use client::{Client, ClientOptions, ClientSetupFailure, ProxyRules, UnusableProxy};
pub use conversation::{BODY_LIMIT_BYTES, Conversation, Stamp, Step, TransportFailure};
