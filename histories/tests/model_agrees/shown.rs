//! What a watch shows, without versions and uids.

use std::collections::{BTreeMap, BTreeSet};

use acr_controller::observation::{Observation, Watch};

/// One thing that a watch has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Configuration(BTreeMap<String, String>),
    ConfigurationGone,
    Namespace { name: String, labels: BTreeMap<String, String>, terminating: bool },
    NamespaceGone(String),
    Account { home: String, name: String, ignored: bool, list: Option<String> },
    AccountGone { home: String, name: String },
    PullSecret(Box<PullSecret>),
    PullSecretGone(String),
}

/// The metadata of a Secret of our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PullSecret {
    home: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owners: BTreeSet<String>,
    terminating: bool,
}

impl Shown {
    /// `None` for what tells of no object.
    pub(crate) fn of(observation: Observation) -> Option<(Watch, Self)> {
        Some(match observation {
            Observation::Configuration(seen) => (Watch::Configuration, Self::Configuration(seen.data)),
            Observation::ConfigurationGone => (Watch::Configuration, Self::ConfigurationGone),
            Observation::Namespace(seen) => {
                let mut labels = seen.labels;
                // The server sets it on every Namespace.
                labels.remove("kubernetes.io/metadata.name");
                let (name, terminating) = (seen.name, seen.terminating);
                (Watch::Namespaces, Self::Namespace { name, labels, terminating })
            }
            Observation::NamespaceGone { name } => (Watch::Namespaces, Self::NamespaceGone(name)),
            Observation::Account(seen) => {
                let (home, name, list) = (seen.namespace, seen.name, seen.list);
                (Watch::Accounts, Self::Account { home, name, ignored: seen.ignored, list })
            }
            Observation::AccountGone { namespace, name } => {
                (Watch::Accounts, Self::AccountGone { home: namespace, name })
            }
            Observation::PullSecret(seen) => {
                let secret = PullSecret {
                    home: seen.namespace,
                    labels: seen.labels,
                    annotations: seen.annotations,
                    owners: seen.data_owners.into_iter().collect(),
                    terminating: seen.terminating,
                };
                (Watch::PullSecrets, Self::PullSecret(Box::new(secret)))
            }
            Observation::PullSecretGone { namespace } => {
                (Watch::PullSecrets, Self::PullSecretGone(namespace))
            }
            Observation::ListStarted(_)
            | Observation::ListCompleted { .. }
            | Observation::ParametersFile { .. }
            | Observation::Referenced { .. }
            | Observation::Admission { .. }
            | Observation::HandedOver
            | Observation::Pod(_)
            | Observation::PodGone { .. }
            | Observation::PodsUnseen(_)
            | Observation::Answered { .. }
            | Observation::Stopping => return None,
        })
    }

    /// The Namespace that it is about or in; nothing for the ConfigMap.
    pub(crate) fn home(&self) -> &str {
        match self {
            Self::Configuration(_) | Self::ConfigurationGone => "",
            Self::Namespace { name: home, .. }
            | Self::NamespaceGone(home)
            | Self::Account { home, .. }
            | Self::AccountGone { home, .. }
            | Self::PullSecretGone(home) => home,
            Self::PullSecret(secret) => &secret.home,
        }
    }

    /// Whether it is the last that is made of its kind.
    pub(crate) fn is_end(&self) -> bool {
        self.home() == "end" || matches!(self, Self::Configuration(data) if data.contains_key("end"))
    }
}
