//! What is fixed for the life of the process: flags, environment, and who we are.

use std::time::Duration;

use acr_configuration::TokenMode;

use crate::admission::Front;

/// Flags and environment of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the component: ConfigMap, journal and Lease live there.
    pub namespace: String,
    /// The holder name in the Lease, unique per process (pod name and a random part).
    pub identity: String,
    /// What the process is there for.
    pub purpose: Purpose,
    /// `--token-mode`; the add-on parameter of the same name wins over it.
    pub token_mode: TokenMode,
    /// The region of entries that give none, from the flag or the environment.
    pub region: Option<GivenRegion>,
    /// `ALIBABA_CLOUD_STS_ENDPOINT`, injected with RRSA: the URL that replaces the default STS endpoints.
    pub sts_endpoint: Option<String>,
    /// `--registered-key-secret`: the Secret with the keys of a registered cluster, where it is to be read.
    pub registered_key_secret: Option<String>,
    /// `--add-on-token-secret`: the Secret with the token of the managed role, where it is to be read.
    pub add_on_token_secret: Option<String>,
    /// The ServiceAccount whose tokens RRSA presents, and whose TokenRequest is called.
    pub service_account: String,
    /// Where the API server reaches the webhook, when the configuration turns it on; `None` with `--no-webhook`: nowhere.
    pub front: Option<Front>,
    /// Whether this process answers the API server, or another program does.
    pub answers: bool,
    /// How long a certificate of the webhook is valid.
    pub certificate_life: Duration,
}

/// A region, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenRegion {
    /// Such as `cn-hangzhou`.
    pub name: String,
    /// The flag or the environment variable.
    pub by: &'static str,
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serve the configuration.
    Run,
    /// Undo everything and end.
    Uninstall,
}
