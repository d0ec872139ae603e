//! Pods and what makes them, as the model keeps them.

use std::collections::BTreeMap;

use acr_controller::names;
use acr_controller::observation::{PodOwner, PodSeen, Refusal};

use super::operations::{Outcome, done};
use super::{ApiServer, Effect, Sight};
use crate::plan::Moment;

/// Namespace and name of a pod, or of what makes pods.
pub type PodKey = (String, String);

/// What makes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A ReplicaSet: a pod that is being deleted is replaced at once, under another name.
    ReplicaSet,
    /// A StatefulSet: a pod that is gone is replaced under the same name.
    StatefulSet,
    /// A CloneSet of OpenKruise, which makes pods as a ReplicaSet does.
    CloneSet,
    /// A Job, which counts a pod that was evicted as a failure.
    Job,
    /// Of a controller that nobody knows.
    Unknown,
    /// Nobody: the pod was created by hand, and is not made anew.
    Nobody,
}

impl OwnerKind {
    /// API group and kind of the owner reference.
    fn reference(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::ReplicaSet => ("apps", "ReplicaSet"),
            Self::StatefulSet => ("apps", "StatefulSet"),
            Self::CloneSet => ("apps.kruise.io", "CloneSet"),
            Self::Job => ("batch", "Job"),
            Self::Unknown => ("apps.example", "ReplicaSet"),
            Self::Nobody => return None,
        })
    }

    /// Whether it makes a pod anew that was evicted, and counts nothing.
    pub fn makes_anew(self) -> bool {
        matches!(self, Self::ReplicaSet | Self::StatefulSet | Self::CloneSet)
    }
}

/// What its pods are like.
#[derive(Clone, Debug)]
pub struct Template {
    /// What makes them.
    pub kind: OwnerKind,
    /// Their ServiceAccount.
    pub account: &'static str,
    /// The `imagePullSecrets` that they bring; empty where they bring none.
    pub list: &'static [&'static str],
    /// The image of the container that matters.
    pub image: String,
    /// Whether another container runs beside it.
    pub sidecar: bool,
    /// How many there are to be.
    pub replicas: usize,
}

/// What makes pods.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Its uid.
    pub uid: String,
    /// What its pods are like.
    pub template: Template,
    made: u64,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: u64,
    /// What it was made from.
    pub template: Template,
    /// Name and uid of what made it.
    pub owner: PodKey,
    /// Its `imagePullSecrets`.
    pub references: Vec<String>,
    /// Whether its node has failed to pull the image.
    pub unpulled: bool,
    /// Whether it has left the phase `Pending`.
    pub started: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: Moment,
    /// When it changed last.
    pub changed: Moment,
    /// When its node failed to pull first.
    pub failing_since: Moment,
}

impl Pod {
    /// Whether any of its containers runs.
    pub fn runs(&self) -> bool {
        self.started || self.unpulled && self.template.sidecar
    }

    /// Whether it names the pull secret.
    pub fn names_ours(&self) -> bool {
        self.references.iter().any(|name| name == names::PULL_SECRET)
    }

    /// As a watch of pending pods shows it.
    fn seen(&self, (namespace, name): &PodKey) -> PodSeen {
        let owner = self.template.kind.reference().map(|(group, kind)| PodOwner {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: self.owner.0.clone(),
            uid: self.owner.1.clone(),
        });
        PodSeen {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version,
            service_account: self.template.account.to_owned(),
            references: self.references.clone(),
            owner,
            unpulled: self.unpulled.then(|| self.template.image.clone()).into_iter().collect(),
            runs: self.runs(),
            terminating: self.terminating,
        }
    }
}

/// What came of one step of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Nothing was missing.
    Nothing,
    /// A pod.
    Pod(PodKey),
    /// The API server takes none.
    Refused,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    owners: BTreeMap<PodKey, Owner>,
    pods: BTreeMap<PodKey, Pod>,
    pub(super) log: Vec<Sight>,
    now: Moment,
    /// When any pod changed last.
    changed: Moment,
}

impl ApiServer {
    /// The pods.
    pub fn pods(&self) -> &BTreeMap<PodKey, Pod> {
        &self.workloads.pods
    }

    /// What makes them.
    pub fn owners(&self) -> &BTreeMap<PodKey, Owner> {
        &self.workloads.owners
    }

    /// When any pod was made, changed or gone last.
    pub fn pods_changed(&self) -> Moment {
        self.workloads.changed
    }

    /// Time has come to this.
    pub fn turn_to(&mut self, now: Moment) {
        self.workloads.now = now;
    }

    pub(super) fn pending_pods(&self) -> Vec<Sight> {
        let pending = self.workloads.pods.iter().filter(|(_, pod)| !pod.started);
        pending.map(|(key, pod)| Sight::Pod(Box::new(pod.seen(key)))).collect()
    }

    /// Somebody creates what makes pods, where there is none of the name and its namespace takes new objects.
    pub fn create_owner(&mut self, namespace: &str, name: &str, template: Template) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let open = self.namespaces.get(namespace).is_some_and(|home| !home.terminating);
        if !open || self.workloads.owners.contains_key(&key) {
            return false;
        }
        self.next_version();
        let uid = self.next_uid();
        self.workloads.owners.insert(key, Owner { uid, template, made: 0 });
        true
    }

    /// Somebody takes the list out of the template. What made the pods before makes no more of them, but for a
    /// StatefulSet, which stays the same.
    pub fn mend_template(&mut self, key: &PodKey) -> bool {
        let uid = self.next_uid();
        let Some(owner) = self.workloads.owners.get_mut(key) else { return false };
        owner.template.list = &[];
        if owner.template.kind != OwnerKind::StatefulSet {
            owner.uid = uid;
        }
        self.next_version();
        true
    }

    /// Somebody deletes what makes pods.
    pub fn delete_owner(&mut self, key: &PodKey) -> bool {
        let existed = self.workloads.owners.remove(key).is_some();
        if existed {
            self.next_version();
        }
        existed
    }

    /// One step of the controller of an owner: it makes a pod, where one is missing. `appends` says whether the webhook
    /// appends to a pod that has no entry of ours.
    pub fn make_pod(&mut self, key: &PodKey, appends: impl FnOnce() -> bool) -> Made {
        let (namespace, owner_name) = key;
        let Some(owner) = self.workloads.owners.get(key).cloned() else { return Made::Nothing };
        let Template { kind, account, list, replicas, .. } = owner.template;
        let mine = |pod: &&Pod| pod.owner.1 == owner.uid;
        let in_namespace = self.workloads.pods.iter().filter(|((home, _), _)| home == namespace);
        let living = in_namespace.map(|(_, pod)| pod).filter(mine);
        let counted = living.filter(|pod| kind == OwnerKind::StatefulSet || !pod.terminating).count();
        if counted >= replicas || kind == OwnerKind::Nobody && owner.made > 0 {
            return Made::Nothing;
        }
        let open = self.namespaces.get(namespace).is_some_and(|home| !home.terminating);
        let found = self.accounts.get(&(namespace.clone(), account.to_owned()));
        let (true, Some(found)) = (open, found) else { return Made::Refused };
        // The admission of ServiceAccounts: a pod without a list gets that of its ServiceAccount.
        let mut references: Vec<String> = if list.is_empty() {
            found.list.names().iter().filter(|name| !name.is_empty()).cloned().collect()
        } else {
            list.iter().map(|name| (*name).to_owned()).collect()
        };
        let named = references.iter().any(|name| name == names::PULL_SECRET);
        if !named && appends() {
            references.push(names::PULL_SECRET.to_owned());
        }
        let free = |ordinal: &u64| {
            let name = (namespace.clone(), format!("{owner_name}-{ordinal}"));
            !self.workloads.pods.contains_key(&name)
        };
        let number = if kind == OwnerKind::StatefulSet { 0 } else { owner.made };
        let Some(number) = (number..number + 100).find(free) else { return Made::Refused };
        let pod_key = (namespace.clone(), format!("{owner_name}-{number}"));
        let pod = Pod {
            uid: self.next_uid(),
            resource_version: self.next_version(),
            template: owner.template.clone(),
            owner: (owner_name.clone(), owner.uid),
            references,
            unpulled: false,
            started: false,
            terminating: false,
            created: self.workloads.now,
            changed: self.workloads.now,
            failing_since: 0,
        };
        self.workloads.changed = self.workloads.now;
        self.workloads.log.push(Sight::Pod(Box::new(pod.seen(&pod_key))));
        self.workloads.pods.insert(pod_key.clone(), pod);
        if let Some(owner) = self.workloads.owners.get_mut(key) {
            owner.made = owner.made.max(number) + 1;
        }
        Made::Pod(pod_key)
    }

    /// The node has failed to pull, once more or for the first time: its status changes.
    pub fn pull_failed(&mut self, key: &PodKey) {
        let now = self.workloads.now;
        self.change_pod(key, |pod| {
            if !pod.unpulled {
                pod.unpulled = true;
                pod.failing_since = now;
            }
        });
    }

    /// All containers of a pod run.
    pub fn start_pod(&mut self, key: &PodKey) -> bool {
        let starts = self.workloads.pods.get(key).is_some_and(|pod| !pod.started && !pod.terminating);
        if starts {
            self.change_pod(key, |pod| pod.started = true);
        }
        starts
    }

    /// A pod is deleted; its node ends it later.
    pub fn delete_pod(&mut self, key: &PodKey) -> bool {
        let ends = self.workloads.pods.get(key).is_some_and(|pod| !pod.terminating);
        if ends {
            self.change_pod(key, |pod| pod.terminating = true);
        }
        ends
    }

    /// The node has ended a pod that is being deleted.
    pub fn pod_ended(&mut self, key: &PodKey, uid: &str) -> bool {
        let ended = self.workloads.pods.get(key).is_some_and(|pod| pod.uid == uid && pod.terminating);
        if ended {
            self.drop_pod(key);
        }
        ended
    }

    fn drop_pod(&mut self, key: &PodKey) {
        if let Some(pod) = self.workloads.pods.remove(key) {
            self.next_version();
            self.workloads.changed = self.workloads.now;
            if !pod.started {
                self.workloads.log.push(Sight::PodGone(key.0.clone(), key.1.clone()));
            }
        }
    }

    /// A watch that shows pending pods shows the end of that phase as the end of the pod.
    fn change_pod(&mut self, key: &PodKey, change: impl FnOnce(&mut Pod)) {
        let version = self.version + 1;
        let Some(pod) = self.workloads.pods.get_mut(key) else { return };
        let started = pod.started;
        change(pod);
        pod.resource_version = version;
        pod.changed = self.workloads.now;
        self.workloads.changed = self.workloads.now;
        self.version = version;
        match (started, pod.started) {
            (false, false) => self.workloads.log.push(Sight::Pod(Box::new(pod.seen(key)))),
            (false, true) => self.workloads.log.push(Sight::PodGone(key.0.clone(), key.1.clone())),
            (true, _) => {}
        }
    }

    /// One step of the end of a namespace. Whether there was anything of this kind.
    pub(super) fn end_workloads(&mut self, namespace: &str) -> bool {
        let owners = self.workloads.owners.len();
        self.workloads.owners.retain(|(home, _), _| home != namespace);
        let pod = self.workloads.pods.keys().find(|(home, _)| home == namespace).cloned();
        match pod {
            Some(key) => self.drop_pod(&key),
            None => return owners != self.workloads.owners.len(),
        }
        true
    }

    /// The eviction of a pod with preconditions. Policies see it before the pod is looked for. A budget counts for pods that
    /// are not pending and not being deleted; it is asked before the preconditions are looked at.
    pub(super) fn evict(&mut self, key: &PodKey, uid: &str, resource_version: u64) -> Outcome {
        let (namespace, name) = key;
        if self.resistance.guarded_pods.contains(namespace) {
            let message = "ValidatingAdmissionPolicy 'no-evictions' denied request".to_owned();
            return Err(Refusal::RefusedByPolicy { message });
        }
        let pod = self.workloads.pods.get(key).ok_or(Refusal::Gone)?;
        if pod.started && !pod.terminating && self.resistance.no_disruption.contains(namespace) {
            return Err(Refusal::Throttled { retry_after: None });
        }
        if pod.uid != uid || pod.resource_version != resource_version {
            return Err(Refusal::LostRace);
        }
        let before = Box::new(pod.clone());
        self.delete_pod(key);
        Ok(done(0, Effect::Evicted { namespace: namespace.clone(), name: name.clone(), before }))
    }
}
