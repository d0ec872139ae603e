//! How often an account may call.

use serde::Deserialize;

/// How often an account may call, its users and roles included; what is more is refused with `Throttling.User`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quotas {
    /// Calls of `AssumeRole` per minute, all regions together; 6000 is the documented number.
    #[serde(default = "documented")]
    pub assume_role_per_minute: u32,
    /// Calls of Container Registry per second, all regions together; absent = no limit (the real one is not published).
    #[serde(default)]
    pub registry_per_second: Option<u32>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { assume_role_per_minute: documented(), registry_per_second: None }
    }
}

fn documented() -> u32 {
    6000
}
