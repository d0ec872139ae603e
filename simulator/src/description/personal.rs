//! The Personal Edition of Container Registry.

use serde::Deserialize;

use super::Repository;

/// The Personal Edition of an account in a region. A region has one registry, which all accounts share.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Personal {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Whether temporary logins exist for it.
    #[serde(default)]
    pub kind: PersonalKind,
    /// The RAM users that opened it for themselves and have set a registry password; absent = all of the account.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    /// The repositories of the account; `*` in a name stands for any run of characters.
    #[serde(default)]
    pub repositories: Vec<Repository>,
}

/// The two kinds of Personal Edition, told apart by when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PersonalKind {
    /// Opened on or before 2024-09-08: `GetAuthorizationToken` answers.
    #[default]
    Old,
    /// Opened later: for `GetAuthorizationToken` nobody has it.
    New,
}

impl Personal {
    /// The service string of the token protocol, which names the region alone.
    pub fn service(region: &str) -> String {
        format!("registry.aliyuncs.com:{region}:26842")
    }
}
