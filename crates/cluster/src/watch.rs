//! The watches, four, that of pods on request, and one per object that the machine asks for by its name: each lists, follows, and lists again when it must, for as long as somebody listens.
//!
//! Order of events per watch: `ListStarted`, the objects, `ListCompleted`, then changes. A connection that
//! ends is taken up again at the last version seen, without a list. A version that the server no longer knows
//! (410) makes a new list. Lists are streamed (`sendInitialEvents`) where the server can do that, else paged.

mod follower;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use acr_configuration::SecretRef;
use acr_controller::admission::AdmissionObject;
use acr_controller::observation::Observation;
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::ConfigMapUid;
use crate::seen::{
    AccountObject, ConfigMapObject, NamespaceObject, ParametersObject, PodObject, PullSecretObject,
    ReferenceObject, RegistrationObject,
};
use follower::{Follower, Outlet};
use source::{Named, Source};

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

/// What is followed on request: objects by their names, each by a watch of its own, and pods. Dropping it ends them.
pub struct References {
    client: Client,
    namespace: String,
    config_map_uid: ConfigMapUid,
    observations: mpsc::Sender<Observation>,
    followed: BTreeMap<Named, JoinSet<()>>,
    pods: Option<JoinSet<()>>,
}

impl References {
    pub(crate) fn new(
        client: &Client,
        namespace: &str,
        config_map_uid: &ConfigMapUid,
        observations: &mpsc::Sender<Observation>,
    ) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            config_map_uid: config_map_uid.clone(),
            observations: observations.clone(),
            followed: BTreeMap::new(),
            pods: None,
        }
    }

    /// Follows these from now on, and no others.
    pub fn follow(&mut self, secrets: BTreeSet<SecretRef>, objects: BTreeSet<AdmissionObject>, pods: bool) {
        if pods && self.pods.is_none() {
            let mut task = JoinSet::new();
            task.spawn(Follower::<PodObject>::new(self.client.clone(), Source::pods(), self.outlet()).run());
            self.pods = Some(task);
        } else if !pods {
            self.pods = None;
        }
        let secrets = secrets.into_iter().map(Named::Secret);
        let wanted: BTreeSet<Named> = secrets.chain(objects.into_iter().map(Named::Admission)).collect();
        self.followed.retain(|named, _| wanted.contains(named));
        for named in wanted {
            if self.followed.contains_key(&named) {
                continue;
            }
            let outlet = self.outlet();
            let client = self.client.clone();
            let mut task = JoinSet::new();
            match &named {
                Named::Secret(reference) => {
                    let source = Source::reference(reference.clone());
                    task.spawn(Follower::<ReferenceObject>::new(client, source, outlet).run());
                }
                Named::Admission(AdmissionObject::Registration) => {
                    let source = Source::registration();
                    task.spawn(Follower::<RegistrationObject>::new(client, source, outlet).run());
                }
                Named::Admission(AdmissionObject::Parameters) => {
                    let source = Source::parameters(&self.namespace);
                    task.spawn(Follower::<ParametersObject>::new(client, source, outlet).run());
                }
            }
            self.followed.insert(named, task);
        }
    }

    fn outlet(&self) -> Outlet {
        Outlet { observations: self.observations.clone(), config_map_uid: self.config_map_uid.clone() }
    }
}

#[cfg(test)]
mod tests;
