//! What is there, in a form in which both servers can be compared.

use std::collections::{BTreeMap, BTreeSet};

use acr_histories::api_server::ApiServer;

/// uid and resourceVersion of an object: on each server others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) version: u64,
}

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Namespace(String),
    Account(String, String),
    PullSecret(String),
    Journal,
    Lease,
    Configuration,
}

/// What an object holds: equal on both servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Namespace { labels: BTreeMap<String, String>, terminating: bool },
    Account { ignored: bool, list: Option<String> },
    PullSecret(PullSecret),
    Journal { document: Vec<u8> },
    Lease { holder: Option<String>, duration_seconds: u32, transitions: u32 },
    Configuration { data: BTreeMap<String, String> },
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PullSecret {
    pub(crate) kind: String,
    pub(crate) document: Vec<u8>,
    pub(crate) owners: BTreeSet<String>,
    /// Whether it has further keys.
    pub(crate) wide: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) held: bool,
    pub(crate) terminating: bool,
}

impl std::fmt::Debug for PullSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.document);
        write!(formatter, "{} {text} of {:?}, wide: {}, ", self.kind, self.owners, self.wide)?;
        write!(formatter, "{:?} {:?}, ", self.labels, self.annotations)?;
        write!(formatter, "held: {}, terminating: {}", self.held, self.terminating)
    }
}

/// All objects of one server.
pub(crate) type Objects = BTreeMap<Key, (Content, Identity)>;

/// Namespaces that the real server makes by itself, and that no step touches.
pub(crate) const BUILT_IN: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// What the model has.
pub(crate) fn of_model(model: &ApiServer) -> Objects {
    let mut objects = Objects::new();
    let identity = |uid: &str, version: u64| Identity { uid: uid.to_owned(), version };
    for (name, found) in model.namespaces().iter().filter(|(name, _)| !BUILT_IN.contains(&name.as_str())) {
        let content = Content::Namespace { labels: found.labels.clone(), terminating: found.terminating };
        objects.insert(Key::Namespace(name.clone()), (content, identity(&found.uid, found.resource_version)));
    }
    for ((namespace, name), found) in model.accounts() {
        let content = Content::Account { ignored: found.ignored, list: found.list.json() };
        // The model gives ServiceAccounts no uid: the component has no use for it.
        let identity = identity("", found.resource_version);
        objects.insert(Key::Account(namespace.clone(), name.clone()), (content, identity));
    }
    for (namespace, found) in model.pull_secrets() {
        let content = Content::PullSecret(PullSecret {
            kind: found.kind.clone(),
            document: found.document.to_vec(),
            owners: std::iter::once(&found.owner).chain(&found.sharers).cloned().collect(),
            wide: !found.further_owners.is_empty(),
            labels: found.labels.clone(),
            annotations: found.annotations.clone(),
            held: found.held,
            terminating: found.terminating,
        });
        let identity = identity(&found.uid, found.resource_version);
        objects.insert(Key::PullSecret(namespace.clone()), (content, identity));
    }
    if let Some(found) = model.journal() {
        let content = Content::Journal { document: found.document.to_vec() };
        objects.insert(Key::Journal, (content, identity(&found.uid, found.resource_version)));
    }
    if let Some(found) = model.lease() {
        let content = Content::Lease {
            holder: found.holder.clone(),
            duration_seconds: found.duration_seconds,
            transitions: found.transitions,
        };
        objects.insert(Key::Lease, (content, identity(&found.uid, found.resource_version)));
    }
    if let Some(found) = model.configuration() {
        let content = Content::Configuration { data: found.data.clone() };
        objects.insert(Key::Configuration, (content, identity(&found.uid, found.resource_version)));
    }
    objects
}
