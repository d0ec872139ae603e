//! The machine over scripted edges: what it hands out, and what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test fails by panicking, and its name documents it"
)]

mod contest;
mod controls;
mod first_steps;
mod identities;
mod immediate;
mod late_news;
mod many_entries;
mod pods;
mod policy_trial;
mod preview;
mod scenario;
mod shared_hosts;
mod trouble;
mod whole_findings;
