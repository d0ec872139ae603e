//! The watches, four and one per Secret that the configuration names: each lists, follows, and lists again when it must, for as long as somebody listens.
//!
//! Order of events per watch: `ListStarted`, the objects, `ListCompleted`, then changes. A connection that
//! ends is taken up again at the last version seen, without a list. A version that the server no longer knows
//! (410) makes a new list. Lists are streamed (`sendInitialEvents`) where the server can do that, else paged.

mod follower;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::SecretRef;
use acr_controller::observation::Observation;
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::ConfigMapUid;
use crate::seen::{AccountObject, ConfigMapObject, NamespaceObject, PullSecretObject, ReferenceObject};
use follower::{Follower, Outlet};
use source::Source;

/// The running watches. Dropping it ends them.
#[derive(Debug)]
pub struct Watches {
    _tasks: JoinSet<()>,
}

pub(crate) fn start(
    client: &Client,
    namespace: &str,
    config_map_uid: &ConfigMapUid,
    observations: &mpsc::Sender<Observation>,
) -> Watches {
    let outlet = || Outlet { observations: observations.clone(), config_map_uid: config_map_uid.clone() };
    let mut tasks = JoinSet::new();
    let configuration = Source::configuration(namespace);
    tasks.spawn(Follower::<ConfigMapObject>::new(client.clone(), configuration, outlet()).run());
    tasks.spawn(Follower::<NamespaceObject>::new(client.clone(), Source::namespaces(), outlet()).run());
    tasks.spawn(Follower::<AccountObject>::new(client.clone(), Source::accounts(), outlet()).run());
    tasks.spawn(Follower::<PullSecretObject>::new(client.clone(), Source::pull_secrets(), outlet()).run());
    Watches { _tasks: tasks }
}

/// The Secrets that the configuration names, each followed by a watch of its own. Dropping it ends them.
pub struct References {
    client: Client,
    config_map_uid: ConfigMapUid,
    observations: mpsc::Sender<Observation>,
    followed: BTreeMap<SecretRef, JoinSet<()>>,
}

impl References {
    pub(crate) fn new(
        client: &Client,
        config_map_uid: &ConfigMapUid,
        observations: &mpsc::Sender<Observation>,
    ) -> Self {
        Self {
            client: client.clone(),
            config_map_uid: config_map_uid.clone(),
            observations: observations.clone(),
            followed: BTreeMap::new(),
        }
    }

    /// Follows these Secrets from now on, and no others.
    pub fn follow(&mut self, wanted: &BTreeSet<SecretRef>) {
        self.followed.retain(|reference, _| wanted.contains(reference));
        for reference in wanted {
            if self.followed.contains_key(reference) {
                continue;
            }
            let outlet = Outlet {
                observations: self.observations.clone(),
                config_map_uid: self.config_map_uid.clone(),
            };
            let source = Source::reference(reference.clone());
            let mut task = JoinSet::new();
            task.spawn(Follower::<ReferenceObject>::new(self.client.clone(), source, outlet).run());
            self.followed.insert(reference.clone(), task);
        }
    }
}

#[cfg(test)]
mod tests;
