//! The life of pods: what makes them, the nodes that pull for them, and their ends.

use std::collections::BTreeSet;
use std::rc::Rc;

use acr_controller::names;
use acr_controller::observation::{Answer, Observation, Refusal, Watch};
use serde_json::Value;

use super::stream::Stream;
use super::{Ending, Event, History};
use crate::api_server::{Made, Pod, PodKey, Right};
use crate::contract::{ProcessId, passwords_for};
use crate::coverage::Happening;
use crate::plan::{Moment, PodAction};
use crate::random::Random;
use crate::wanted::{Labels, Wanted};

const SECOND: Moment = 1_000;
/// The first and the longest time that a node waits before it pulls again.
const PULL_AGAIN: Moment = 10 * SECOND;
const LONGEST_WAIT: Moment = 300 * SECOND;

/// What happens to pods by itself.
#[derive(Debug)]
pub(super) enum PodEvent {
    /// The controller of an owner looks at it.
    Sync(PodKey),
    /// The node of a pod, of this uid, tries to pull, after so many failures.
    Pull(PodKey, String, u32),
    /// The node of a pod has ended it.
    End(PodKey, String),
}

/// What is remembered for it.
#[derive(Debug)]
pub(super) struct PodLife {
    delays: Random,
    /// The uids of the owners of which a pod was evicted.
    evicted: BTreeSet<String>,
    /// The last configuration without an error.
    pub(super) wanted: Option<Rc<Wanted>>,
}

impl PodLife {
    /// With a stream of its own, so that pods do not move what else happens in histories without.
    pub(super) fn new(seed: u64) -> Self {
        Self { delays: Random::stream(seed, 6), evicted: BTreeSet::new(), wanted: None }
    }
}

impl History<'_> {
    pub(super) fn act_on_pods(&mut self, action: &PodAction) {
        match action {
            PodAction::Create(namespace, name, template) => {
                let key = ((*namespace).to_owned(), (*name).to_owned());
                if self.server.create_owner(namespace, name, template.clone()) {
                    self.sync_soon(key);
                }
            }
            PodAction::Mend(namespace, name) => {
                let key = ((*namespace).to_owned(), (*name).to_owned());
                let before = self.server.owners().get(&key).map(|owner| owner.uid.clone());
                if self.server.mend_template(&key) {
                    self.delete_pods(|_, pod| Some(&pod.owner.1) == before.as_ref());
                    self.sync_soon(key);
                }
            }
            PodAction::Delete(namespace, name) => {
                let key = ((*namespace).to_owned(), (*name).to_owned());
                let before = self.server.owners().get(&key).map(|owner| owner.uid.clone());
                if self.server.delete_owner(&key) {
                    self.delete_pods(|_, pod| Some(&pod.owner.1) == before.as_ref());
                }
            }
            PodAction::DeletePods(namespace) => self.delete_pods(|key, _| key.0 == *namespace),
            PodAction::Start(namespace) => {
                for key in self.pods_where(|key, _| key.0 == *namespace) {
                    let started = self.server.start_pod(&key);
                    self.log_change(started, || format!("Pod {}/{} starts", key.0, key.1));
                }
            }
            PodAction::Guard(namespace, duration) => {
                self.server.resistance.guarded_pods.insert((*namespace).to_owned());
                self.schedule(*duration, Event::End(Ending::GuardPods(namespace)));
            }
            PodAction::Budget(namespace, duration) => {
                self.server.resistance.no_disruption.insert((*namespace).to_owned());
                self.schedule(*duration, Event::End(Ending::Budget(namespace)));
            }
        }
    }

    pub(super) fn live_on(&mut self, event: PodEvent) {
        match event {
            PodEvent::Sync(owner) => self.sync(owner),
            PodEvent::Pull(key, uid, failures) => self.pull(key, uid, failures),
            PodEvent::End(key, uid) => {
                let owner = self.server.pods().get(&key).map(|pod| pod.owner.0.clone());
                if self.server.pod_ended(&key, &uid) {
                    self.log("kubernetes", || format!("Pod {}/{} is gone", key.0, key.1));
                    self.sync_soon((key.0, owner.unwrap_or_default()));
                }
            }
        }
    }

    fn sync_soon(&mut self, owner: PodKey) {
        let wait = self.pods.delays.spread(5, 2 * SECOND);
        self.schedule(wait, Event::Pods(PodEvent::Sync(owner)));
    }

    fn sync(&mut self, owner: PodKey) {
        let account = self.server.owners().get(&owner).map(|owner| owner.template.account);
        let Some(account) = account else { return };
        let appends = self.webhook_appends(&owner.0, account);
        match self.server.make_pod(&owner, || appends) {
            Made::Nothing => {}
            Made::Refused => {
                let wait = self.pods.delays.spread(5 * SECOND, 60 * SECOND);
                self.schedule(wait, Event::Pods(PodEvent::Sync(owner)));
            }
            Made::Pod(key) => {
                self.sync_soon(owner);
                let Some(pod) = self.server.pods().get(&key) else { return };
                let (uid, references) = (pod.uid.clone(), pod.references.clone());
                if appends && pod.names_ours() {
                    self.coverage.note(Happening::PodAppendedTo);
                }
                self.log("kubernetes", || format!("Pod {}/{} is made with {references:?}", key.0, key.1));
                let wait = self.pods.delays.spread(50, 3 * SECOND);
                self.schedule(wait, Event::Pods(PodEvent::Pull(key, uid, 0)));
            }
        }
    }

    /// Whether the API server asks the webhook about new pods, and is answered. What the registration says of
    /// ServiceAccounts in CEL is what the configuration says, which may be newer by a moment.
    fn webhook_appends(&mut self, namespace: &str, account: &str) -> bool {
        let Some(webhook) = self.server.pod_webhook() else { return false };
        let requirements = webhook.pointer("/namespaceSelector/matchExpressions").and_then(Value::as_array);
        let labels = self.server.namespaces().get(namespace).map(|home| &home.labels);
        let (Some(requirements), Some(labels)) = (requirements, labels) else { return false };
        let asked = requirements.iter().all(|requirement| holds(requirement, namespace, labels))
            && self.pods.wanted.as_ref().is_some_and(|wanted| wanted.names_account(namespace, account));
        let answers = self
            .processes
            .iter()
            .any(|process| process.machine.serving().is_some() && process.asleep_until <= self.now);
        asked && answers && self.pods.delays.chance(90)
    }

    fn pull(&mut self, key: PodKey, uid: String, failures: u32) {
        let Some(pod) = self.server.pods().get(&key) else { return };
        if pod.uid != uid || pod.started || pod.terminating {
            return;
        }
        let one_before_was_evicted = self.pods.evicted.contains(&pod.owner.1);
        if self.can_pull(&key.0, pod) {
            if one_before_was_evicted && pod.names_ours() {
                self.coverage.note(Happening::PodHelped);
            }
            self.server.start_pod(&key);
            self.log("node", || format!("Pod {}/{} starts", key.0, key.1));
            return;
        }
        if failures == 0 && one_before_was_evicted && !pod.names_ours() {
            self.coverage.note(Happening::PodMadeAnewInVain);
        }
        self.log("node", || format!("cannot pull for the Pod {}/{}", key.0, key.1));
        self.server.pull_failed(&key);
        let wait = (PULL_AGAIN << failures.min(10)).min(LONGEST_WAIT) + self.pods.delays.below(SECOND);
        self.schedule(wait, Event::Pods(PodEvent::Pull(key, uid, failures + 1)));
    }

    /// Whether the node gets the image: one of the Secrets that the pod names holds a login that counts.
    fn can_pull(&self, namespace: &str, pod: &Pod) -> bool {
        let image = &pod.template.image;
        if !image.contains("aliyuncs.com/") {
            return true;
        }
        let secret = self.server.pull_secrets().get(namespace).filter(|_| pod.names_ours());
        let Some(secret) = secret.filter(|secret| secret.kind == names::PULL_SECRET_TYPE) else {
            return false;
        };
        let counts =
            |login: &crate::cloud::LoginRecord| login.expires > self.cloud_time() && login.fact.may_login();
        let passwords = passwords_for(&secret.document, image);
        passwords.iter().any(|password| self.cloud.login(password).is_some_and(counts))
    }

    fn pods_where(&self, wanted: impl Fn(&PodKey, &Pod) -> bool) -> Vec<PodKey> {
        let those = self.server.pods().iter().filter(|(key, pod)| wanted(key, pod));
        those.map(|(key, _)| key.clone()).collect()
    }

    fn delete_pods(&mut self, wanted: impl Fn(&PodKey, &Pod) -> bool) {
        for key in self.pods_where(wanted) {
            if self.server.delete_pod(&key) {
                self.log("kubernetes", || format!("Pod {}/{} is deleted", key.0, key.1));
                self.pod_ends(&key);
            }
        }
    }

    /// A pod is being deleted: its node needs some time.
    fn pod_ends(&mut self, key: &PodKey) {
        let Some(pod) = self.server.pods().get(key) else { return };
        let (uid, owner) = (pod.uid.clone(), (key.0.clone(), pod.owner.0.clone()));
        self.sync_soon(owner);
        let wait = self.pods.delays.spread(100, 30 * SECOND);
        self.schedule(wait, Event::Pods(PodEvent::End(key.clone(), uid)));
    }

    pub(super) fn pod_was_evicted(&mut self, key: &PodKey, before: &Pod) {
        self.coverage.note(Happening::PodEvicted);
        self.pods.evicted.insert(before.owner.1.clone());
        self.pod_ends(key);
    }

    pub(super) fn note_eviction(&mut self, answer: &Answer) {
        let Answer::Refused(refusal) = answer else { return };
        let happening = match refusal {
            Refusal::Throttled { .. } if self.server.resistance.throttling.is_none() => {
                Happening::EvictionAgainstBudget
            }
            Refusal::LostRace => Happening::EvictionOfChangedPod,
            Refusal::Gone => Happening::EvictionOfGonePod,
            Refusal::NoRight { .. } | Refusal::RefusedByPolicy { .. } => Happening::EvictionForbidden,
            Refusal::Unknown { .. } => Happening::EvictionUnanswered,
            _ => return,
        };
        self.coverage.note(happening);
    }

    /// Pods are watched as long as the machine follows them.
    pub(super) fn follow_pods(&mut self, id: ProcessId) {
        let Some(process) = self.process(id) else { return };
        let follows = process.machine.follows_pods();
        let before = process.stream(Watch::Pods).is_some();
        if follows && !before {
            process.streams.push(Stream::new(Watch::Pods));
        } else if !follows && before {
            process.streams.retain(|stream| stream.watch != Watch::Pods);
        }
    }

    /// Whether pods cannot be listed; what is watched already goes on. The process is told, and tries later.
    pub(super) fn pods_are_forbidden(&mut self, id: ProcessId) -> bool {
        if !self.server.resistance.missing.contains(&Right::Pods) {
            return false;
        }
        let (now, wall) = (self.now, self.wall());
        let Some(process) = self.process(id) else { return false };
        let Some(stream) = process.stream(Watch::Pods).filter(|stream| stream.is_idle()) else {
            return false;
        };
        stream.not_before = now + 30 * SECOND;
        let clocks = process.clocks(now, wall);
        let refusal = Refusal::NoRight { message: "pods is forbidden".to_owned() };
        process.machine.observe(clocks, Observation::PodsUnseen(refusal));
        self.coverage.note(Happening::PodsUnseen);
        self.log(&format!("helper-{id}"), || "may not list pods".to_owned());
        true
    }
}

/// Whether a requirement of a label selector holds for a namespace.
fn holds(requirement: &Value, namespace: &str, labels: &Labels) -> bool {
    let key = requirement.get("key").and_then(Value::as_str).unwrap_or_default();
    let own_name = key == "kubernetes.io/metadata.name";
    let found = if own_name { Some(namespace) } else { labels.get(key).map(String::as_str) };
    let values = requirement.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let among = found.is_some_and(|found| values.iter().any(|value| value == found));
    match requirement.get("operator").and_then(Value::as_str).unwrap_or_default() {
        "In" => among,
        "NotIn" => !among,
        "Exists" => found.is_some(),
        _ => found.is_none(),
    }
}
