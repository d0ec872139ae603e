//! S9: whose pods are evicted, how often, and what is said of pods.

use std::collections::{BTreeMap, BTreeSet};

use acr_controller::names;
use acr_controller::observation::{Answer, PodSeen, Refusal};
use acr_controller::operation::{Operation, Subject};
use acr_controller::status::Status;
use serde_json::Value;

use super::known::Known;
use super::published::Document;
use super::{Checked, Contract, Delivery, Issue, ProcessId, Rule, Truth, Violation, ensure};
use crate::api_server::{AccountKey, Pod, PodKey, Sight};
use crate::coverage::{Coverage, Happening};
use crate::plan::Moment;
use crate::wanted::{PodHelp, Wanted};

const SECOND: Moment = 1_000;
const MINUTE: Moment = 60 * SECOND;
/// The time between two evictions, less what clocks lose in it.
const PACE: Moment = SECOND - 2;
/// How long what an owner makes is left alone after its last pod was made anew in vain, and what clocks lose in it.
const LEFT_ALONE: Moment = 60 * MINUTE;
const DRIFT: Moment = 2 * SECOND;
/// How long a process must have known of a case, less what clocks lose in it.
const SETTLED: Moment = 10 * SECOND - 10;
/// How long after the webhook for pods is gone a process may not know it: no watch is held back longer.
const UNSEEN_FOR: Moment = 3 * MINUTE;
/// Between two looks the webhook may have been registered all the time; a holder of the Lease renews it sooner.
const UNREGISTERED_FOR: Moment = 5 * SECOND;
/// How long after the last change of any pod everything is said and shown.
const SAID_WITHIN: Moment = 2 * SECOND;
/// How long it takes at most until a pod that can be helped is evicted: settling, one a second, and an answer.
const EVICTED_WITHIN: Moment = MINUTE;
/// How long an eviction that was refused may wait for the next try: the longest back-off, a quarter more, and a try.
const TRIED_AGAIN_WITHIN: Moment = 6 * MINUTE + 30 * SECOND;

/// From when till when something was so: pods of an owner were evicted by a process, say.
#[derive(Clone, Copy, Debug)]
struct Times {
    first: Moment,
    last: Moment,
}

/// What is remembered of evictions.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    /// When the last one was started, by anybody.
    last: Option<Moment>,
    /// By process and uid of the owner; those that may have been carried out.
    by_owner: BTreeMap<(ProcessId, String), Times>,
    /// When an eviction was refused last, by the pod's uid.
    refused: BTreeMap<String, Moment>,
    /// Since when the webhook is registered for pods, and when it was last.
    registered: Option<Times>,
    /// When a process was first shown a pod, of this uid.
    met: BTreeMap<(ProcessId, String), Moment>,
    /// When it was first shown that it cannot pull.
    shown: BTreeMap<(ProcessId, String), Moment>,
    /// The owner of each pod, by the pod's uid: its uid and when the pod was created.
    owners: BTreeMap<String, (String, Moment)>,
}

impl Evictions {
    pub(super) fn ended(&mut self, process: ProcessId) {
        self.by_owner.retain(|(owner, _), _| *owner != process);
        self.met.retain(|(owner, _), _| *owner != process);
        self.shown.retain(|(owner, _), _| *owner != process);
    }

    /// Takes note of what is there at the start of any operation.
    pub(super) fn tick(&mut self, truth: Truth<'_>) {
        if truth.server.pod_webhook().is_some() {
            let known = self.registered.filter(|times| truth.now <= times.last + UNREGISTERED_FOR);
            let first = known.map_or(truth.now, |times| times.first);
            self.registered = Some(Times { first, last: truth.now });
        }
        for pod in truth.server.pods().values() {
            if !self.owners.contains_key(&pod.uid) {
                self.owners.insert(pod.uid.clone(), (pod.owner.1.clone(), pod.created));
            }
        }
    }

    pub(super) fn shown(&mut self, process: ProcessId, delivery: &Delivery, now: Moment) {
        let Delivery::Sight(Sight::Pod(pod)) = delivery else { return };
        let key = (process, pod.uid.clone());
        if !pod.unpulled.is_empty() {
            self.shown.entry(key.clone()).or_insert(now);
        }
        self.met.entry(key).or_insert(now);
    }

    /// An eviction was answered: whether it may have been carried out.
    pub(super) fn answered(&mut self, issue: &Issue, uid: &str, answer: &Answer, now: Moment) {
        match answer {
            Answer::Refused(Refusal::Gone) => return,
            Answer::Refused(Refusal::Unknown { .. }) => {
                self.refused.insert(uid.to_owned(), now);
            }
            Answer::Refused(_) => {
                self.refused.insert(uid.to_owned(), now);
                return;
            }
            _ => {}
        }
        let Some((owner, _)) = self.owners.get(uid) else { return };
        let key = (issue.process, owner.clone());
        let known = self.by_owner.get(&key).filter(|times| now < times.last + LEFT_ALONE - DRIFT);
        let first = known.map_or(issue.at, |times| times.first);
        self.by_owner.insert(key, Times { first, last: now });
    }

    /// Whether a pod came after an eviction of its owner by a process, which leaves it alone for that.
    fn leaves_alone(&self, process: ProcessId, uid: &str, now: Moment) -> bool {
        let created = self.owners.get(uid).map(|(_, created)| *created);
        self.came_after_an_eviction(process, uid, created, now + DRIFT)
    }

    /// The same, a while longer, and of what may have come after it for all that the process has seen.
    fn may_leave_alone(&self, process: ProcessId, uid: &str, now: Moment) -> bool {
        let met = self.met.get(&(process, uid.to_owned())).copied();
        self.came_after_an_eviction(process, uid, met, (now + DRIFT).saturating_sub(TRIED_AGAIN_WITHIN))
    }

    fn came_after_an_eviction(&self, by: ProcessId, uid: &str, came: Option<Moment>, now: Moment) -> bool {
        let times = self.owners.get(uid).and_then(|(owner, _)| self.by_owner.get(&(by, owner.clone())));
        times.zip(came).is_some_and(|(times, came)| came > times.first && now < times.last + LEFT_ALONE)
    }
}

fn s9(what: String) -> Violation {
    Violation { rule: Rule::S9, what }
}

impl Contract {
    /// S9 at the start of an eviction, by what its process was shown.
    pub(super) fn s9_eviction_is_allowed(
        &mut self,
        process: ProcessId,
        operation: &Operation,
        truth: Truth<'_>,
    ) -> Checked {
        let Operation::EvictPod { namespace, name, uid, resource_version } = operation else { return Ok(()) };
        let refuse = |what: &str| Err(s9(format!("the pod {namespace}/{name} is evicted {what}")));
        let Some(known) = self.known.get(&process) else { return refuse("by nobody") };
        if self.evictions.last.is_some_and(|last| truth.now < last + PACE) {
            return refuse("within a second of the eviction before");
        }
        self.evictions.last = Some(truth.now);
        let key: PodKey = (namespace.clone(), name.clone());
        let shown = known.pods.get(&key).filter(|pod| pod.uid == *uid);
        let Some(shown) = shown.filter(|pod| pod.resource_version == *resource_version) else {
            return refuse("that was not shown so");
        };
        if shown.terminating || shown.unpulled.is_empty() || shown.references.iter().any(is_ours) {
            return refuse("without need");
        }
        let since = self.evictions.shown.get(&(process, uid.clone()));
        if since.is_none_or(|since| truth.now < since + SETTLED) {
            return refuse("before its case has stood for ten seconds");
        }
        if shown.runs {
            return refuse("although a container of it runs");
        }
        let account: AccountKey = (namespace.clone(), shown.service_account.clone());
        if !known.settled(|wanted| wanted.pods == PodHelp::Restart && known.serves_account(wanted, &account))
        {
            return refuse("although no configuration that a journal holds asks for it");
        }
        let list = known.lists.get(&account).map(|(_, list)| elements(list.as_deref())).unwrap_or_default();
        if !list.iter().any(is_ours) {
            return refuse("although its ServiceAccount does not name our secret");
        }
        if !known.marked.contains(namespace) {
            return refuse("without a pull secret of ours");
        }
        if !secret_holds_a_login(known, shown, truth) {
            return refuse("although no login is for its image");
        }
        let own_list = !shown.references.is_empty() && !others(&list).eq(&shown.references);
        let unregistered = self.evictions.registered.is_none_or(|times| truth.now > times.last + UNSEEN_FOR);
        if own_list && (unregistered || namespace == "kube-system") {
            return refuse("for its own list, to which nobody appends");
        }
        if self.evictions.leaves_alone(process, uid, truth.now) {
            return refuse("although one before it was, within the hour");
        }
        Ok(())
    }

    /// S9 for what an eviction did.
    pub(super) fn s9_evicted(operation: &Operation, key: &PodKey, before: &Pod) -> Checked {
        let refuse = |what: &str| Err(s9(format!("the pod {}/{} is evicted {what}", key.0, key.1)));
        if !before.template.kind.makes_anew() {
            return refuse("although nothing makes it anew, or counts it as a failure");
        }
        if before.runs() {
            return refuse("although it runs");
        }
        let meant = matches!(operation, Operation::EvictPod { uid, resource_version, .. }
            if *uid == before.uid && *resource_version == before.resource_version);
        if !meant || before.names_ours() || !before.unpulled {
            return refuse("although it is not what was seen");
        }
        Ok(())
    }

    /// S9 at rest: who can be helped is, as far as `pods` asks for it, and what is said of pods is so.
    pub(super) fn s9_at_rest(
        &self,
        leader: ProcessId,
        wanted: &Wanted,
        status: &Status,
        current: &BTreeSet<&str>,
        truth: Truth<'_>,
        coverage: &mut Coverage,
    ) -> Checked {
        let said: BTreeMap<&str, &str> = status
            .findings
            .iter()
            .filter_map(|finding| match &finding.subject {
                Subject::Pod { uid, .. } => Some((uid.as_str(), finding.code.as_str())),
                _ => None,
            })
            .collect();
        if wanted.pods == PodHelp::None {
            ensure(Rule::S9, said.is_empty(), || format!("something is said of pods: {said:?}"))?;
            return Ok(());
        }
        let pods = truth.server.pods();
        if truth.now < truth.server.pods_changed() + SAID_WITHIN {
            // What has changed just now is still on its way.
            return Ok(());
        }
        for (uid, code) in &said {
            let about = pods.values().find(|pod| pod.uid == *uid);
            let so = about.is_some_and(|pod| !pod.started && pod.unpulled && !pod.names_ours());
            ensure(Rule::S9, so, || format!("{code} is said of the pod {uid}, of which it is not so"))?;
            coverage.note(Happening::PodReported);
        }
        for ((namespace, name), pod) in pods {
            let Some(home) = truth.server.namespaces().get(namespace) else { continue };
            let account = truth.server.accounts().get(&(namespace.clone(), pod.template.account.to_owned()));
            let secret = truth.server.pull_secrets().get(namespace);
            let (Some(account), Some(secret)) = (account, secret) else { continue };
            let served =
                wanted.serves_account(namespace, &home.labels, pod.template.account, account.ignored)
                    && !home.terminating
                    && account.list.ours() > 0;
            let needs = !pod.started && !pod.terminating && pod.unpulled && !pod.names_ours();
            if !served || !needs || !current.contains(namespace.as_str()) {
                continue;
            }
            if passwords_for(&secret.document, &pod.template.image).is_empty() {
                continue;
            }
            let broken = |what: &str| s9(format!("of the pod {namespace}/{name}, which needs help, {what}"));
            let code = said.get(pod.uid.as_str()).ok_or_else(|| broken("nothing is said"))?;
            if self.evictions.may_leave_alone(leader, &pod.uid, truth.now) {
                coverage.note(Happening::PodLeftAlone);
                continue;
            }
            if *code == "PodMadeAnewInVain" {
                return Err(broken("it is said that it was made anew in vain, which it was not"));
            }
            let own_list = !pod.references.is_empty() && !others(account.list.names()).eq(&pod.references);
            // A pod with a list of its own is looked at when something of it changes.
            let since = self.evictions.registered.map_or(Moment::MAX, |times| times.first);
            let appends = truth.server.pod_webhook().is_some() && namespace != "kube-system";
            let helps = !own_list || appends && since < pod.changed;
            let can_be_helped =
                wanted.pods == PodHelp::Restart && pod.template.kind.makes_anew() && !pod.runs() && helps;
            let refused = self.evictions.refused.get(&pod.uid).copied().unwrap_or_default();
            let waits = truth.now < refused + TRIED_AGAIN_WITHIN && refused > 0
                || truth.now < pod.failing_since + EVICTED_WITHIN
                || own_list && truth.now < pod.changed + EVICTED_WITHIN;
            if can_be_helped && !waits {
                return Err(broken("nothing is done"));
            }
        }
        Ok(())
    }
}

fn is_ours(name: &String) -> bool {
    name == names::PULL_SECRET
}

/// What a pod would have from a list before our name was in it.
fn others(list: &[String]) -> impl Iterator<Item = &String> {
    list.iter().filter(|name| !name.is_empty() && !is_ours(name))
}

/// The names in a list as it is shown.
fn elements(list: Option<&str>) -> Vec<String> {
    let parsed: Option<Vec<Value>> = list.and_then(|list| serde_json::from_str(list).ok());
    let names = parsed.into_iter().flatten();
    names.map(|element| element.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()).collect()
}

/// The passwords in a docker config that a node tries for an image: of keys that are its host, or its host and the
/// beginning of its path.
pub(crate) fn passwords_for(document: &[u8], image: &str) -> Vec<String> {
    let Ok(document) = Document::parse(document) else { return Vec::new() };
    let fits = |key: &String| match key.split_once('/') {
        Some((host, _)) => image.starts_with(key.as_str()) && image.split('/').next() == Some(host),
        None => image.split('/').next() == Some(key.as_str()),
    };
    document.slots.into_iter().filter(|(key, _)| fits(key)).map(|(_, slot)| slot.password).collect()
}

/// Whether the pull secret holds a login for what the pod cannot pull; not known where the Secret has changed since it was
/// shown.
fn secret_holds_a_login(known: &Known, pod: &PodSeen, truth: Truth<'_>) -> bool {
    let secret = truth.server.pull_secrets().get(&pod.namespace);
    let Some(secret) = secret.filter(|secret| {
        known.secret_versions.get(&pod.namespace).is_some_and(|shown| *shown == secret.resource_version)
    }) else {
        return true;
    };
    pod.unpulled.iter().any(|image| !passwords_for(&secret.document, image).is_empty())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::passwords_for;

    #[test]
    fn a_node_tries_the_logins_of_an_images_host_and_of_the_beginnings_of_its_path() {
        let login = |password: &str| {
            let auth = STANDARD.encode(format!("u:{password}"));
            json!({ "username": "u", "password": password, "auth": auth })
        };
        let document = json!({ "auths": {
            "r.example": login("host"), "r.example/team": login("path"), "r.example/other": login("elsewhere"),
            "s.example": login("another host"),
        }});
        let found = passwords_for(document.to_string().as_bytes(), "r.example/team/app:1");
        assert_eq!(found, ["host", "path"]);
    }
}
