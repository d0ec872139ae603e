//! The objects that the model keeps, and how watches show them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use acr_controller::observation::{
    AccountSeen, ConfigMapSeen, LeaseSeen, NamespaceSeen, Observation, PodSeen, PullSecretSeen,
};
use acr_controller::{Serving, names};
use acr_credentials::UnixMillis;
use serde_json::{Value, json};

use crate::wanted::{Data, Labels, OPT_OUT};

/// `imagePullSecrets` of a ServiceAccount: the names in order, an empty name for an element that is `{}`. `None`
/// where the field is absent; an empty list is never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Option<Vec<String>>);

impl List {
    /// A list of these names.
    pub fn of(names: &[&str]) -> Self {
        Self::stored(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The list as the server keeps it.
    pub(super) fn stored(names: Vec<String>) -> Self {
        Self(Some(names).filter(|names| !names.is_empty()))
    }

    /// The elements.
    pub fn names(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }

    /// How often our name stands in it.
    pub fn ours(&self) -> usize {
        self.names().iter().filter(|name| *name == names::PULL_SECRET).count()
    }

    /// The elements that are not ours, in order.
    pub fn foreign(&self) -> impl Iterator<Item = &String> {
        self.names().iter().filter(|name| *name != names::PULL_SECRET)
    }

    /// As the API server shows it; `None` where the field is absent.
    pub fn json(&self) -> Option<String> {
        let names = self.0.as_ref()?;
        let elements =
            names.iter().map(|name| if name.is_empty() { json!({}) } else { json!({ "name": name }) });
        Some(Value::Array(elements.collect()).to_string())
    }

    /// Whether a guard that was made from `observed` passes: equal as JSON, not as text.
    pub(super) fn passes(&self, observed: Option<&str>) -> bool {
        let shown = self.json();
        if shown.as_deref() == observed {
            return true;
        }
        match (shown, observed) {
            (Some(shown), Some(observed)) => {
                let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
                parse(&shown).is_some_and(|shown| parse(observed) == Some(shown))
            }
            _ => false,
        }
    }
}

/// A Namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: UnixMillis,
}

/// A ServiceAccount.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Whether its opt-out label is `true`.
    pub ignored: bool,
    /// Its list.
    pub list: List,
    /// Whether our name in the list was put there by the component.
    pub attached_by_us: bool,
}

/// Whose a Secret of our name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The component made it.
    Own,
    /// Somebody else made it.
    Foreign,
    /// Somebody else made it, with marks that look like the component's.
    Forged,
    /// Somebody else made it, and the component took it over.
    Adopted,
    /// Somebody else wrote it after it was taken over.
    Contested,
}

/// A Secret of our name.
#[derive(Clone, Debug)]
pub struct PullSecret {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its type.
    pub kind: String,
    /// The value under the key that matters, decoded.
    pub document: Rc<[u8]>,
    /// Who owns that value in `managedFields`: who wrote it last.
    pub owner: String,
    /// Who owns it as well: whoever had written the very same before.
    pub sharers: BTreeSet<String>,
    /// Owners of further keys of `data`.
    pub further_owners: BTreeSet<String>,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether a finalizer holds it.
    pub held: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whose it is.
    pub standing: Standing,
}

/// The journal's Secret.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its document.
    pub document: Rc<[u8]>,
    /// The certificate beside it.
    pub serving: Option<Serving>,
}

/// The ConfigMap.
#[derive(Clone, Debug)]
pub struct ConfigMap {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// Its data.
    pub data: Data,
    /// Its annotations of our prefix.
    pub annotations: BTreeMap<String, String>,
}

/// One thing that a watch shows: an [`Observation`] that can be kept.
#[derive(Clone, Debug)]
pub enum Sight {
    /// The ConfigMap.
    Configuration(ConfigMapSeen),
    /// The ConfigMap was deleted.
    ConfigurationGone,
    /// A Namespace.
    Namespace(NamespaceSeen),
    /// A Namespace was deleted.
    NamespaceGone(String),
    /// A ServiceAccount.
    Account(AccountSeen),
    /// A ServiceAccount was deleted.
    AccountGone(String, String),
    /// A Secret of our name.
    PullSecret(PullSecretSeen),
    /// A Secret of our name was deleted.
    PullSecretGone(String),
    /// A pod that is pending.
    Pod(Box<PodSeen>),
    /// A pod has started, or is gone.
    PodGone(String, String),
}

impl From<Sight> for Observation {
    fn from(sight: Sight) -> Self {
        match sight {
            Sight::Configuration(seen) => Self::Configuration(seen),
            Sight::ConfigurationGone => Self::ConfigurationGone,
            Sight::Namespace(seen) => Self::Namespace(seen),
            Sight::NamespaceGone(name) => Self::NamespaceGone { name },
            Sight::Account(seen) => Self::Account(seen),
            Sight::AccountGone(namespace, name) => Self::AccountGone { namespace, name },
            Sight::PullSecret(seen) => Self::PullSecret(seen),
            Sight::PullSecretGone(namespace) => Self::PullSecretGone { namespace },
            Sight::Pod(seen) => Self::Pod(*seen),
            Sight::PodGone(namespace, name) => Self::PodGone { namespace, name },
        }
    }
}

impl ConfigMap {
    pub(super) fn seen(&self) -> ConfigMapSeen {
        ConfigMapSeen {
            uid: self.uid.clone(),
            resource_version: self.resource_version,
            data: self.data.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

impl Namespace {
    pub(super) fn seen(&self, name: &str) -> NamespaceSeen {
        NamespaceSeen {
            name: name.to_owned(),
            uid: self.uid.clone(),
            resource_version: self.resource_version,
            labels: self.labels.clone(),
            terminating: self.terminating,
            created: self.created,
        }
    }

    /// Whether its opt-out label is `true`.
    pub fn opted_out(&self) -> bool {
        self.labels.get(OPT_OUT).is_some_and(|value| value == "true")
    }
}

impl Account {
    pub(super) fn seen(&self, namespace: &str, name: &str) -> AccountSeen {
        AccountSeen {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            resource_version: self.resource_version,
            ignored: self.ignored,
            list: self.list.json(),
        }
    }
}

impl PullSecret {
    pub(super) fn seen(&self, namespace: &str) -> PullSecretSeen {
        PullSecretSeen {
            namespace: namespace.to_owned(),
            uid: self.uid.clone(),
            resource_version: self.resource_version,
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            data_owners: std::iter::once(&self.owner).chain(&self.sharers).cloned().collect(),
            terminating: self.terminating,
        }
    }

    /// Whether somebody took one of our marks off and wrote the data: to a process that starts now it looks like anybody's.
    pub fn is_disguised(&self) -> bool {
        let marked = self.annotations.contains_key(names::DIGEST_ANNOTATION)
            && self.labels.contains_key(names::MANAGED_BY_LABEL);
        self.owner != names::FIELD_MANAGER && !marked
    }

    /// After somebody else wrote its data.
    pub(super) fn touch(&mut self) {
        if self.standing == Standing::Adopted {
            self.standing = Standing::Contested;
        }
    }
}

/// The Lease, which holds nothing that is not shown.
pub type Lease = LeaseSeen;
