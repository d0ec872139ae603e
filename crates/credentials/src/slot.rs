//! A key of the docker config's `auths`: a host, or a host and a path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `host` or `host/path`, as Kubernetes matches it against image references
/// (<https://kubernetes.io/docs/concepts/containers/images/#config-json>).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySlot(String);

impl KeySlot {
    /// The slot of a whole host.
    pub fn host(host: &str) -> Self {
        Self(host.to_ascii_lowercase())
    }

    /// The slot of one namespace of a host.
    pub fn host_and_path(host: &str, path: &str) -> Self {
        Self(format!("{}/{path}", host.to_ascii_lowercase()))
    }

    /// The key as it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeySlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
