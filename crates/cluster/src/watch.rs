//! The four watches: each lists, follows, and lists again when it must, for as long as somebody listens.
//!
//! Order of events per watch: `ListStarted`, the objects, `ListCompleted`, then changes. A connection that
//! ends is taken up again at the last version seen, without a list. A version that the server no longer knows
//! (410) makes a new list. Lists are streamed (`sendInitialEvents`) where the server can do that, else paged.

mod follower;
mod source;

use acr_controller::observation::Observation;
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::ConfigMapUid;
use crate::seen::{AccountObject, ConfigMapObject, NamespaceObject, PullSecretObject};
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

#[cfg(test)]
mod tests;
