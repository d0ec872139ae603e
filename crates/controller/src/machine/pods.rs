//! Help for pods that cannot pull what the pull secret is for: which they are, what is said of them, which are evicted.
//!
//! A pod keeps the list that it was made with. So the proof of a case is: its ServiceAccount is served and names the pull
//! secret, the pull secret is current and holds a login for an image that the node fails to pull, and the pod does not
//! name it. Nothing is proven by age alone.

use std::time::Duration;

use acr_configuration::PodHelp;
use acr_credentials::KeySlot;

use super::objects::group;
use super::secrets::is_current;
use super::{Flight, Machine};
use crate::admission::{AdmissionObject, asks_about_pods};
use crate::backoff;
use crate::names::PULL_SECRET;
use crate::observation::{Answer, PodOwner, PodSeen, Refusal};
use crate::operation::{Operation, Subject};
use crate::pods::{LET_ALONE, PACE, Plight, Pod, PodKey};
use crate::policy::Standing;
use crate::settings::Purpose;
use crate::status::PodsStatus;
use crate::time::{Mono, Now};

/// The groups of findings about the help itself.
const UNSEEN: &str = "pods";
const UNEVICTED: &str = "evictions";

/// Group and kind of what makes a pod anew when it is evicted, without counting that as a failure. A Job counts it, and
/// of others nobody knows.
const MAKES_ANEW: [(&str, &str); 7] = [
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("", "ReplicationController"),
    ("apps.kruise.io", "CloneSet"),
    ("apps.kruise.io", "StatefulSet"),
    ("apps.kruise.io", "DaemonSet"),
];

impl Machine {
    /// Whether pods are to be followed now: whoever turns the machine tells it of them by
    /// [`crate::observation::Observation::Pod`].
    pub fn follows_pods(&self) -> bool {
        self.lease.held() && self.recorder.durable().is_some() && self.pod_help() > PodHelp::None
    }

    pub(super) fn pod_help(&self) -> PodHelp {
        let accepted = self.recorder.counting().accepted.as_ref();
        let accepted = accepted.filter(|_| self.settings.purpose == Purpose::Run);
        accepted.map_or(PodHelp::None, |accepted| accepted.configuration.pods)
    }

    /// Forgets all pods, and what was said of them, when they are not followed any more. Whose pods were evicted is kept.
    pub(super) fn settle_pods(&mut self, now: Now) {
        if self.follows_pods() {
            return;
        }
        for key in self.pods.keys() {
            self.pod_gone(now, &key);
        }
        self.ledger.clear(now.mono, UNSEEN);
        self.ledger.clear(now.mono, UNEVICTED);
    }

    pub(super) fn pod_seen(&mut self, now: Now, seen: PodSeen) {
        if !self.follows_pods() {
            return;
        }
        if seen.references.iter().any(|name| name == PULL_SECRET) {
            return self.pod_gone(now, &(seen.namespace, seen.name));
        }
        let key = (seen.namespace.clone(), seen.name.clone());
        if self.pods.get(&key).is_some_and(|known| known.seen.uid != seen.uid) {
            self.pod_gone(now, &key);
        }
        self.pods.see(now.mono, seen);
        self.look_at_pod(now, &key);
    }

    pub(super) fn pod_gone(&mut self, now: Now, key: &PodKey) {
        if self.pods.forget(key) {
            self.ledger.clear(now.mono, &pod_group(key));
        }
    }

    pub(super) fn pods_listed(&mut self, now: Now) {
        for key in self.pods.not_shown() {
            self.pod_gone(now, &key);
        }
        self.ledger.clear(now.mono, UNSEEN);
    }

    pub(super) fn pods_unseen(&mut self, now: Now, refusal: &Refusal) {
        if !matches!(refusal, Refusal::NoRight { .. }) || !self.follows_pods() {
            return;
        }
        let message = format!(
            "`pods` asks for help for pods, and pods cannot be followed: {refusal}; install the chart with podHelp: report \
             or more, or set `pods: none`"
        );
        self.ledger.set_one(now.mono, UNSEEN, Subject::Configuration, refusal.label(), message);
    }

    /// Looks at the pods of a namespace, after something that their case is proven by has changed.
    pub(super) fn look_at_pods(&mut self, now: Now, namespace: &str) {
        if self.pods.is_empty() {
            return;
        }
        for key in self.pods.of(namespace) {
            self.look_at_pod(now, &key);
        }
    }

    fn look_at_pod(&mut self, now: Now, key: &PodKey) {
        let plight = self.plight(now, key);
        let helps = match plight {
            Some(Plight::OlderThanAttach) => true,
            Some(Plight::OwnList) => self.appends_to_pods(&key.0),
            Some(Plight::MadeAnewInVain) | None => false,
        };
        let help = self.pod_help();
        let Some(pod) = self.pods.get_mut(key) else { return };
        pod.plight = plight;
        let still = pod.helped.filter(|(known, _)| Some(*known) == plight);
        pod.helped = plight.filter(|_| helps).map(|plight| still.unwrap_or((plight, now.mono)));
        let anew = pod.seen.owner.as_ref().is_some_and(makes_anew) && !pod.seen.runs;
        let restarts = help == PodHelp::Restart && anew;
        let settled = pod.helped.filter(|_| restarts);
        let settled = settled.map(|(plight, since)| since.plus(plight.settles(self.settings.answers)));
        let due = settled.map(|settled| settled.max(pod.not_before));
        let told = plight.map(|plight| in_words(pod, plight, helps, help));
        let subject = subject(&pod.seen);
        self.pods.is_due(key, due);
        match (self.pods.report(key, told.is_some()), told) {
            ((_, true), Some((code, message))) => {
                self.ledger.set_one(now.mono, &pod_group(key), subject, code, message);
            }
            ((true, _), _) => self.ledger.clear(now.mono, &pod_group(key)),
            _ => {}
        }
    }

    /// Why the pull secret does not help a pod that needs it.
    fn plight(&mut self, now: Now, key: &PodKey) -> Option<Plight> {
        if self.pod_help() == PodHelp::None {
            return None;
        }
        let (name, _) = key;
        let pod = self.pods.get(key)?;
        if pod.seen.unpulled.is_empty() || pod.seen.terminating || pod.evicted {
            return None;
        }
        let profile = self.profile(now, name)?;
        let namespace = self.world.namespace(name)?;
        let pod = self.pods.get(key)?;
        let home = self.policy.namespace(name, namespace);
        let account = namespace.account(&pod.seen.service_account)?;
        if self.policy.account(home, name, namespace, account) != Standing::Served || !account.attached {
            return None;
        }
        let (secret, payload) = (namespace.secret.as_ref()?, profile.payload.as_ref()?);
        let holds_login = |image: &String| profile.slots.iter().any(|slot: &KeySlot| slot.covers(image));
        if !is_current(secret, namespace.trust.as_ref(), &payload.digest)
            || !pod.seen.unpulled.iter().any(holds_login)
        {
            return None;
        }
        let owner = pod.seen.owner.as_ref();
        if owner.is_some_and(|owner| self.pods.let_alone(now.mono, &owner.uid, &pod.seen.uid)) {
            return Some(Plight::MadeAnewInVain);
        }
        let references = &pod.seen.references;
        let own = !references.is_empty() && !account.may_have_given(references);
        Some(if own { Plight::OwnList } else { Plight::OlderThanAttach })
    }

    /// Whether the API server has the webhook append our entry to new pods of a namespace.
    fn appends_to_pods(&self, namespace: &str) -> bool {
        self.registers_for_pods()
            && self.stands_as_wished(AdmissionObject::Registration)
            && asks_about_pods(namespace, &self.settings.namespace)
    }

    /// The next pod to evict.
    pub(super) fn next_eviction(&mut self, now: Now) -> Option<(Flight, Operation)> {
        if !self.follows_pods() {
            return None;
        }
        let key = loop {
            let (due, key) = self.pods.first_due()?;
            if due.max(self.paused) > now.mono {
                return None;
            }
            let key = key.clone();
            // What proved its case may have changed without a word about its namespace, such as the registration.
            self.look_at_pod(now, &key);
            if self.pods.first_due().is_some_and(|(_, first)| *first == key) {
                break key;
            }
        };
        self.pods.is_due(&key, None);
        self.pods.next = now.mono.plus(PACE);
        let PodSeen { namespace, name, uid, resource_version, owner, .. } = &self.pods.get(&key)?.seen;
        let operation = Operation::EvictPod {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
            resource_version: *resource_version,
        };
        let (uid, owner) = (uid.clone(), owner.as_ref()?.uid.clone());
        Some((Flight::Eviction { pod: key, uid, owner, started: now.mono }, operation))
    }

    pub(super) fn eviction_answered(
        &mut self,
        now: Now,
        key: &PodKey,
        uid: String,
        owner: &str,
        started: Mono,
        answer: Answer,
    ) {
        match answer {
            Answer::Refused(refusal) => self.eviction_refused(now, key, &uid, owner, started, &refusal),
            _ => self.pod_evicted(now, key, uid, owner, started),
        }
    }

    fn pod_evicted(&mut self, now: Now, key: &PodKey, uid: String, owner: &str, started: Mono) {
        self.pods.evicted(now.mono, started, owner);
        self.ledger.clear(now.mono, UNEVICTED);
        if let Some(pod) = self.pods.get_mut(key).filter(|pod| pod.seen.uid == uid) {
            pod.evicted = true;
        }
        self.look_at_pod(now, key);
        let (namespace, name) = key.clone();
        let message = format!("evicted, so that a new one is made that names {PULL_SECRET}");
        self.ledger.tell(Subject::Pod { namespace, name, uid }, "PodEvicted", message);
    }

    fn eviction_refused(
        &mut self,
        now: Now,
        key: &PodKey,
        uid: &str,
        owner: &str,
        started: Mono,
        refusal: &Refusal,
    ) {
        if let Refusal::NoRight { .. } = refusal {
            self.pods.next = now.mono.plus(backoff::LONGEST);
            let message = format!(
                "`pods: restart` asks for evictions, and they are not allowed: {refusal}; install the chart with podHelp: \
                 restart, or set `pods: report`"
            );
            self.ledger.set_one(now.mono, UNEVICTED, Subject::Configuration, refusal.label(), message);
        }
        if matches!(refusal, Refusal::Unknown { .. }) {
            // It may have gone: what its owner makes in its place is known for that.
            self.pods.may_have_been_evicted(now.mono, started, owner);
        }
        let Some(pod) = self.pods.get_mut(key).filter(|pod| pod.seen.uid == uid) else { return };
        pod.failures = pod.failures.saturating_add(1);
        pod.refused = Some(refusal.to_string());
        let asked = match refusal {
            Refusal::Throttled { retry_after } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        pod.not_before = now.mono.plus(backoff::after(pod.failures, key).max(asked.min(backoff::LONGEST)));
        self.look_at_pod(now, key);
    }

    /// When an eviction is due although nothing was observed.
    pub(super) fn eviction_wake(&self) -> Option<Mono> {
        self.pods.first_due().filter(|_| self.follows_pods()).map(|(at, _)| at.max(self.paused))
    }

    pub(super) fn pods_status(&self) -> PodsStatus {
        let count = |wanted| self.pods.all().filter(|pod| pod.plight == Some(wanted)).count();
        PodsStatus {
            own_list: count(Plight::OwnList),
            older: count(Plight::OlderThanAttach),
            in_vain: count(Plight::MadeAnewInVain),
            evicted: self.pods.evicted,
        }
    }
}

fn makes_anew(owner: &PodOwner) -> bool {
    MAKES_ANEW.contains(&(owner.group.as_str(), owner.kind.as_str()))
}

fn subject(pod: &PodSeen) -> Subject {
    let PodSeen { namespace, name, uid, .. } = pod;
    Subject::Pod { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() }
}

/// Code and message. `helps` says whether a new pod would have our entry.
fn in_words(pod: &Pod, plight: Plight, helps: bool, help: PodHelp) -> (&'static str, String) {
    let PodSeen { name, service_account, references, owner, unpulled, .. } = &pod.seen;
    let image = unpulled.first().map_or("its image", String::as_str);
    let owner = owner.as_ref();
    let template = owner.map_or_else(
        || "the list of the pod".to_owned(),
        |owner| format!("the list in the template of the {} {}", owner.kind, owner.name),
    );
    let anew = match owner {
        Some(_) if pod.seen.runs => {
            "make it anew; `pods: restart` leaves it alone, because others of its containers run".to_owned()
        }
        Some(owner) if makes_anew(owner) && help == PodHelp::Restart => {
            let evicted = pod.refused.as_ref().map_or_else(
                || "it is evicted".to_owned(),
                |refused| format!("its eviction did not succeed ({refused}) and is tried again"),
            );
            format!("{evicted}, and the {} {} makes it anew", owner.kind, owner.name)
        }
        Some(owner) if makes_anew(owner) => {
            format!(
                "delete it, and the {} {} makes it anew; `pods: restart` does that",
                owner.kind, owner.name
            )
        }
        Some(owner) => format!(
            "make it anew; `pods: restart` leaves it alone, because its {} {} may count that as a failure",
            owner.kind, owner.name
        ),
        None => "make it anew; `pods: restart` leaves it alone, because nothing else would make it again"
            .to_owned(),
    };
    let (code, why, remedy) = match plight {
        Plight::OwnList => (
            "PodHasOwnList",
            format!(
                "it brings imagePullSecrets of its own ({}), so that those of its ServiceAccount {service_account} do not \
                 count",
                references.join(", ")
            ),
            if helps {
                format!("a new one gets {PULL_SECRET} appended; {anew}")
            } else {
                format!(
                    "add `- name: {PULL_SECRET}` to {template}, or take that list away, or have the webhook append to new \
                     pods: `pods: append`, and `enable: true` in webhook-configuration"
                )
            },
        ),
        Plight::MadeAnewInVain => (
            "PodMadeAnewInVain",
            format!("one before it was evicted for that, and it came without {PULL_SECRET} again"),
            format!(
                "add `- name: {PULL_SECRET}` to {template}; what comes from there is left alone for {} minutes",
                LET_ALONE.as_secs() / 60
            ),
        ),
        Plight::OlderThanAttach => (
            "PodOlderThanAttach",
            format!(
                "it was made before its ServiceAccount {service_account} named {PULL_SECRET}, and a pod keeps its list"
            ),
            anew,
        ),
    };
    (code, format!("the pod {name} cannot pull {image}: {why}; {remedy}"))
}

fn pod_group(key: &PodKey) -> String {
    let (namespace, name) = key;
    format!("{}pod/{name}", group(namespace))
}
