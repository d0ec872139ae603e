//! Whether the API server can do what immediate use asks of it, and whether its policy does it.
//!
//! Order: what the server has is asked once in a term, when the configuration turns immediate use on. A policy is tried once
//! the parameters stand as they shall: with a ServiceAccount that is served, created without being stored. The policy says
//! in it by which parameters it went, because an API server may go by former ones for good. So nobody out of scope has to be
//! tried: whoever goes by these parameters leaves out whom they leave out. What does not count is tried again, ever more
//! seldom.

use serde_json::Value;

use super::{Flight, Machine};
use crate::admission::{AdmissionObject, ServerSeen, Trial, unsupported, verdict};
use crate::backoff;
use crate::names::FINGERPRINT_KEY;
use crate::observation::{Answer, Refusal};
use crate::operation::{Operation, Subject};
use crate::time::{Mono, Now};

/// An API server goes by a changed ConfigMap after a moment.
const AFTER_A_CHANGE: std::time::Duration = std::time::Duration::from_secs(1);
/// So many trials fail before it is said: policy, binding and parameters come one after the other.
const BEFORE_IT_IS_SAID: u32 = 3;
/// The group of the findings.
const GROUP: &str = "policy";

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    /// As it said, in this term.
    pub(super) server: Option<ServerSeen>,
    asking: bool,
    failures: u32,
    not_before: Mono,
    trial: PolicyTrial,
}

/// How the policy was tried.
#[derive(Debug, Default)]
struct PolicyTrial {
    /// The parameters that it was tried with.
    with: Option<Value>,
    counts: bool,
    /// The fingerprint of the parameters with which it is being tried.
    trying: Option<String>,
    failures: u32,
    not_before: Mono,
}

impl PolicyTrial {
    fn fingerprint(&self) -> Option<&str> {
        self.with.as_ref()?.get(FINGERPRINT_KEY)?.as_str()
    }
}

impl Machine {
    /// What follows for the policy without any new observation.
    pub(super) fn settle_policy_trial(&mut self, now: Now) {
        if !self.lease.held() {
            // A new term asks anew: servers are upgraded.
            self.abilities = Abilities { asking: self.abilities.asking, ..Abilities::default() };
            return;
        }
        let with = self.parameters_in_force();
        if self.abilities.trial.with.as_ref() != with {
            let with = with.cloned();
            let not_before = now.mono.plus(AFTER_A_CHANGE);
            let trying = self.abilities.trial.trying.take();
            self.abilities.trial = PolicyTrial { with, trying, not_before, ..PolicyTrial::default() };
        }
    }

    /// Says whether there can be a policy, after the configuration that counts or what is known of the server has changed.
    pub(super) fn report_policy_support(&mut self, now: Now) {
        if !self.wants_policy() {
            return self.ledger.clear(now.mono, GROUP);
        }
        if let Some(server) = self.abilities.server.as_ref().filter(|server| !server.has_policies()) {
            let message = format!(
                "{}; new ServiceAccounts are served by the watch, a moment after they are made; set mode: webhook in \
                 webhook-configuration",
                unsupported(server)
            );
            self.ledger.set_one(now.mono, GROUP, Subject::Configuration, "PolicyUnsupported", message);
        }
    }

    /// The parameters, where they stand as they shall and there can be a policy that reads them.
    fn parameters_in_force(&self) -> Option<&Value> {
        let able = self.abilities.server.as_ref().is_some_and(ServerSeen::has_policies);
        let written = self.wished_parameters().filter(|_| self.is_fulfilled(AdmissionObject::Parameters));
        written.filter(|_| able && self.world.listed())
    }

    /// The next question to the server.
    pub(super) fn next_policy_trial(&mut self, now: Now) -> Option<(Flight, Operation)> {
        if self.asks_for_the_server() && now.mono >= self.abilities.not_before {
            self.abilities.asking = true;
            return Some((Flight::Server, Operation::ReadServer));
        }
        if !self.trial_is_due() || now.mono < self.abilities.trial.not_before {
            return None;
        }
        let fingerprint = self.abilities.trial.fingerprint()?.to_owned();
        // Who is to be attached by the policy when it is created.
        let Some((namespace, account)) = self.policy.somebody_served(&self.world) else {
            // Looking through everything has its price.
            self.abilities.trial.not_before = now.mono.plus(backoff::LONGEST);
            return None;
        };
        let (namespace, service_account) = (namespace.to_string(), account.name.to_string());
        self.abilities.trial.trying = Some(fingerprint.clone());
        let operation = Operation::TryPolicy { namespace, service_account, fingerprint };
        Some((Flight::PolicyTrial, operation))
    }

    fn asks_for_the_server(&self) -> bool {
        let Abilities { server, asking, .. } = &self.abilities;
        let (policy, webhook) = (self.wants_policy(), self.is_wanted_on(AdmissionObject::Registration));
        // What lacks something may be upgraded.
        !asking
            && server.as_ref().map_or(policy || webhook, |server| {
                policy && !server.has_policies() || webhook && !server.has_match_conditions()
            })
    }

    fn trial_is_due(&self) -> bool {
        let PolicyTrial { with, counts, trying, .. } = &self.abilities.trial;
        with.is_some() && !counts && trying.is_none()
    }

    fn wants_policy(&self) -> bool {
        self.is_wanted_on(AdmissionObject::Parameters)
    }

    /// The server said what it can do, or did not.
    pub(super) fn server_answered(&mut self, now: Now, answer: Answer) {
        self.abilities.asking = false;
        let seen = match answer {
            Answer::Server(seen) => seen,
            // Who may not ask finds out by doing.
            Answer::Refused(Refusal::NoRight { .. } | Refusal::Gone | Refusal::RefusedByPolicy { .. }) => {
                ServerSeen::default()
            }
            _ => {
                let failures = self.abilities.failures.saturating_add(1);
                self.abilities.failures = failures;
                self.abilities.not_before = now.mono.plus(backoff::after(failures, "server"));
                return;
            }
        };
        self.abilities.failures = 0;
        self.abilities.not_before = now.mono.plus(backoff::LONGEST);
        self.abilities.server = Some(seen);
        self.wish_for_admission(now);
    }

    /// The policy was tried, or could not be.
    pub(super) fn policy_tried(&mut self, now: Now, answer: &Answer) {
        let trial = &mut self.abilities.trial;
        let with = trial.trying.take();
        // Of parameters that are not those that stand any more it says nothing.
        if with.is_none() || with.as_deref() != trial.fingerprint() {
            return;
        }
        if matches!(answer, Answer::Tried(Trial::Attached)) {
            trial.counts = true;
            trial.failures = 0;
            self.ledger.clear(now.mono, GROUP);
            return;
        }
        trial.failures = trial.failures.saturating_add(1);
        trial.not_before = now.mono.plus(backoff::after(trial.failures, GROUP));
        if trial.failures < BEFORE_IT_IS_SAID {
            return;
        }
        let Some((code, wrong)) = verdict(&self.settings.namespace, answer) else { return };
        let message = format!(
            "{wrong}; until it counts new ServiceAccounts are served by the watch, a moment after they are made"
        );
        self.ledger.set_one(now.mono, GROUP, Subject::Configuration, code, message);
    }

    /// Says whether the API server is too old for what the registration has to say.
    pub(super) fn report_missing_conditions(&mut self, now: Now, server: Option<&ServerSeen>) {
        const GROUP: &str = "conditions";
        let Some(server) = server else { return self.ledger.clear(now.mono, GROUP) };
        let name = server.name();
        if !server.labels_namespaces() {
            let message = format!(
                "the webhook is not registered: the label kubernetes.io/metadata.name, by which it leaves kube-system and its \
                 own namespace out, comes with Kubernetes 1.21, and {name}; new ServiceAccounts are served by the watch, a \
                 moment after they are made; take `enable` out of webhook-configuration"
            );
            let code = "NamespaceNamesUnsupported";
            return self.ledger.set_one(now.mono, GROUP, Subject::Configuration, code, message);
        }
        let message = format!(
            "the webhook is not registered: names and patterns of ServiceAccounts and namespaces need matchConditions, which come \
             with Kubernetes 1.28, and {name}; without them it would be asked about ServiceAccounts that are not in scope; \
             new ServiceAccounts are served by the watch, a moment after they are made; with service-account: \"*\", no \
             patterns in exclude-namespace and no lists of entries the webhook works here"
        );
        self.ledger.set_one(now.mono, GROUP, Subject::Configuration, "MatchConditionsUnsupported", message);
    }

    /// When something is due here although nothing was observed.
    pub(super) fn policy_trial_wake(&self) -> Option<Mono> {
        let server = self.asks_for_the_server().then_some(self.abilities.not_before);
        let trial = self.trial_is_due().then_some(self.abilities.trial.not_before);
        server.into_iter().chain(trial).min()
    }
}
