//! What the API server is told so that new ServiceAccounts are served before their first pod: a registration for the
//! webhook, or parameters for the mutating policy, both made from the one [`crate::Area`].
//!
//! The three dialects agree on every ServiceAccount, which a test asks a real API server about. Two rules are those of the
//! registration alone: it never covers the namespaces without which nothing starts (ours and `kube-system`), because
//! with `failure-policy: Fail` a webhook that is down would keep them from being mended; and it takes a name that is not
//! chosen yet (`generateName`) for one that only `*` matches, as the policy does.

pub mod certificates;
mod parameters;
mod pattern;
mod registration;
mod server;
mod verdict;

pub use parameters::parameters;
pub(crate) use registration::asks_about_pods;
pub use registration::{
    Front, POD_WEBHOOK_NAME, POD_WEBHOOK_PATH, Target, WEBHOOK_NAME, WEBHOOK_PATH, registration,
};
pub use server::{BindingSeen, ServerSeen, Trial};
pub use verdict::{unsupported, verdict};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{REGISTRATION, SCOPE_CONFIG_MAP};

/// The objects that tell the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmissionObject {
    /// The MutatingWebhookConfiguration [`crate::names::REGISTRATION`].
    Registration,
    /// The ConfigMap [`crate::names::SCOPE_CONFIG_MAP`], which the policy of the chart takes its parameters from.
    Parameters,
}

impl AdmissionObject {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Registration, Self::Parameters];
}

impl fmt::Display for AdmissionObject {
    /// Kind and name.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registration => write!(formatter, "MutatingWebhookConfiguration {REGISTRATION}"),
            Self::Parameters => write!(formatter, "ConfigMap {SCOPE_CONFIG_MAP}"),
        }
    }
}

/// One of them as it is in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionSeen {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// The namespace of the installation that has made it, where its mark tells.
    pub installation: Option<String>,
    /// What counts of it: `webhooks` of the registration, `data` of the ConfigMap.
    pub content: Value,
}
