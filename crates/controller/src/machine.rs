//! The machine itself: what comes in is put where it belongs, what goes out is asked of those who decide.

mod admission;
mod answers;
mod certificates;
mod cloud;
mod configuration;
mod contest;
mod controls;
mod findings;
mod handed_over;
mod objects;
mod pods;
mod policy_trial;
mod queues;
mod references;
mod removal;
mod secrets;
mod shared_hosts;
mod snapshot;
mod wishes;

use std::collections::BTreeMap;
use std::sync::Arc;

use acr_configuration::SecretRef;
use acr_credentials::InstanceHost;

use crate::admission::AdmissionObject;
use crate::cloud_clock::CloudClock;
use crate::facts::{Book, FactKey, Lines};
use crate::journal::Recorder;
use crate::lease::Lease;
use crate::ledger::Ledger;
use crate::observation::{ConfigMapSeen, Observation, Watch};
use crate::operation::{Class, Operation, OperationId};
use crate::payload::Profile;
use crate::pods::{PodKey, Pods};
use crate::policy::{Policy, Standing};
use crate::settings::{Purpose, Settings};
use crate::status::{Histogram, Outcome, Status};
use crate::time::{Mono, Now};
use crate::world::{Namespace, Trust, World};
pub use certificates::Serving;
use queues::{Queues, Target};
use secrets::ProfileKey;

/// One synchronous owner of the world.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    lease: Lease,
    recorder: Recorder,
    clock: CloudClock,
    world: World,
    config_map: Option<ConfigMapSeen>,
    /// What is seen of the Secrets that the configuration names.
    seen_references: BTreeMap<SecretRef, references::Seen>,
    policy: Policy,
    lines: Lines,
    book: Book,
    /// Answers that are not in the journal yet.
    gathering: Option<cloud::Gathering>,
    /// Why the Secret with the keys of a registered cluster may not be read, where one was named.
    registered_key_denied: Option<String>,
    /// What is seen of the Secrets by which keys are handed over.
    handed_over: BTreeMap<SecretRef, handed_over::Seen>,
    /// Domains that were answered since the last release, by instance: whoever asked, and whether it is still wanted or not.
    fresh_endpoints: Vec<(String, Vec<InstanceHost>)>,
    /// The journal was absent or unusable: nobody knows what the pull secrets hold.
    cold: bool,
    profiles: BTreeMap<ProfileKey, Arc<Profile>>,
    queues: Queues,
    admission: admission::Admission,
    abilities: policy_trial::Abilities,
    pods: Pods,
    in_flight: BTreeMap<OperationId, Flight>,
    last_operation: u64,
    /// No operation on objects before: the API server asked for it, or does not answer.
    paused: Mono,
    silences: u32,
    /// Until then a write may land whose outcome is not known, or that an earlier process sent.
    unsettled: Mono,
    ledger: Ledger,
    stopping: bool,
    fights: u64,
    attach_lag: Histogram,
    outcome: Option<Outcome>,
    /// The latest time that was passed in.
    clocked: Mono,
}

/// What an operation in flight is about.
#[derive(Debug)]
enum Flight {
    Lease { wrote: bool },
    DeleteLease,
    Journal,
    Fact { key: FactKey, class: Class, domains_of: Option<String> },
    Account { namespace: Arc<str>, name: Box<str>, version: u64, attaches: bool },
    Secret { namespace: Arc<str>, version: u64, wrote: Option<Trust> },
    Report,
    Admission { object: AdmissionObject, version: u64, applies: bool },
    Certificate,
    Server,
    PolicyTrial,
    Eviction { pod: PodKey, uid: String, owner: String, started: Mono },
}

impl Flight {
    fn class(&self) -> Class {
        match self {
            Self::Lease { .. } | Self::DeleteLease => Class::Lease,
            Self::Journal => Class::Journal,
            Self::Fact { class, .. } => *class,
            Self::Account { .. } | Self::Secret { .. } => Class::Objects,
            Self::Report => Class::Report,
            Self::Eviction { .. } => Class::Eviction,
            Self::Admission { .. } | Self::Certificate | Self::Server | Self::PolicyTrial => Class::Admission,
        }
    }
}

impl Machine {
    /// A machine that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let world = World::of(&settings.namespace);
        Self {
            lease: Lease::new(settings.identity.clone(), settings.purpose),
            settings,
            recorder: Recorder::default(),
            clock: CloudClock::default(),
            world,
            config_map: None,
            seen_references: BTreeMap::new(),
            policy: Policy::default(),
            lines: Lines::default(),
            book: Book::default(),
            gathering: None,
            registered_key_denied: None,
            handed_over: BTreeMap::new(),
            fresh_endpoints: Vec::new(),
            cold: false,
            profiles: BTreeMap::new(),
            queues: Queues::default(),
            admission: admission::Admission::default(),
            abilities: policy_trial::Abilities::default(),
            pods: Pods::default(),
            in_flight: BTreeMap::new(),
            last_operation: 0,
            paused: Mono(0),
            silences: 0,
            unsettled: Mono(0),
            ledger: Ledger::default(),
            stopping: false,
            fights: 0,
            attach_lag: Histogram::default(),
            outcome: None,
            clocked: Mono(0),
        }
    }

    /// Takes one observation.
    pub fn observe(&mut self, now: Now, observation: Observation) {
        self.clocked = now.mono;
        match observation {
            Observation::ListStarted(Watch::Pods) => self.pods.list_started(),
            Observation::ListStarted(watch) => self.world.list_started(watch),
            Observation::ListCompleted { watch: Watch::Pods, .. } => self.pods_listed(now),
            Observation::ListCompleted { watch, version } => self.list_completed(now, watch, version),
            Observation::Configuration(seen) => {
                self.config_map = Some(seen);
                self.look_for_webhook();
                self.consider_configuration(now);
            }
            Observation::ConfigurationGone => {
                self.config_map = None;
                self.look_for_webhook();
                self.consider_configuration(now);
            }
            Observation::ParametersFile { unreadable } => self.parameters_file(now, unreadable.as_deref()),
            Observation::Namespace(seen) => {
                let system = seen.name == "kube-system";
                let standing = |machine: &Self, name: &str| {
                    let namespace = machine.world.namespace(name);
                    namespace.map_or(Standing::Foreign, |home| machine.policy.namespace(name, home))
                };
                let was_ours =
                    standing(self, &seen.name) != Standing::Foreign && !self.world.is_recreated(&seen);
                let name = self.world.see_namespace(seen);
                if was_ours && standing(self, &name) != Standing::Served {
                    self.world.left_by_label(&name);
                }
                if system {
                    self.redraw(now);
                }
                self.touch_namespace(now, &name);
            }
            Observation::NamespaceGone { name } => {
                self.world.namespace_gone(&name);
                let group = objects::group(&name);
                self.ledger.clear_where(now.mono, |known| known.starts_with(&group));
            }
            Observation::Account(seen) => {
                let name = seen.name.clone();
                let (namespace, removed) = self.world.see_account(seen);
                self.account_seen(now, &namespace, &name, removed);
            }
            Observation::AccountGone { namespace, name } => {
                self.world.account_gone(&namespace, &name);
                if let Some(namespace) = self.world.name(&namespace) {
                    self.touch_secret(now, &namespace);
                }
            }
            Observation::PullSecret(seen) => {
                let before = self.world.namespace(&seen.namespace).is_some_and(Namespace::is_made_elsewhere);
                let namespace = self.world.see_secret(seen);
                let after = self.world.namespace(&namespace).is_some_and(Namespace::is_made_elsewhere);
                if before != after {
                    // All that is in the namespace stands otherwise now.
                    self.touch_namespace(now, &namespace);
                }
                self.secret_seen(now, &namespace);
            }
            Observation::PullSecretGone { namespace } => {
                self.world.secret_gone(&namespace);
                if let Some(namespace) = self.world.name(&namespace) {
                    self.touch_namespace(now, &namespace);
                }
            }
            Observation::Answered { operation, answer } => self.answered(now, operation, answer),
            Observation::Admission { object, version, seen } => {
                self.admission_seen(now, object, version, seen);
            }
            Observation::Referenced { reference, seen } => self.referenced(now, reference, seen),
            Observation::Pod(seen) => self.pod_seen(now, seen),
            Observation::PodGone { namespace, name } => self.pod_gone(now, &(namespace, name)),
            Observation::PodsUnseen(refusal) => self.pods_unseen(now, &refusal),
            Observation::HandedOver => self.book.handed_over(),
            Observation::Stopping => self.stopping = true,
        }
        self.settle(now);
    }

    /// The next operation of `class`, or nothing to do for now. To be asked whenever a slot of the class is free:
    /// after an observation, after an answer, and when [`Self::wake`] has come.
    pub fn next(&mut self, now: Now, class: Class) -> Option<(OperationId, Operation)> {
        self.clocked = now.mono;
        if class == Class::Lease {
            return self.next_lease(now);
        }
        if self.stopping || !self.lease.leading(now.mono) {
            return None;
        }
        self.settle(now);
        if self.rests(class) {
            return None;
        }
        let (flight, operation) = match class {
            Class::Lease => return None,
            Class::Journal => (Flight::Journal, self.recorder.next(now.mono)?),
            Class::Admission => self.next_admission(now)?,
            Class::Objects => self.next_object(now)?,
            Class::Sts | Class::ContainerRegistry | Class::Metadata => self.next_fact(now, class)?,
            Class::Eviction => self.next_eviction(now)?,
            Class::Report => (Flight::Report, Operation::Report(self.ledger.next_report()?)),
        };
        Some((self.start(flight), operation))
    }

    fn next_lease(&mut self, now: Now) -> Option<(OperationId, Operation)> {
        if self.outcome.is_some() {
            return None;
        }
        if self.recorder.deleted() {
            // Uninstall: the journal is gone, the Lease goes last.
            if self
                .in_flight
                .values()
                .any(|flight| matches!(flight, Flight::Lease { .. } | Flight::DeleteLease))
            {
                return None;
            }
            let (uid, resource_version) = self.lease.record()?;
            return Some((self.start(Flight::DeleteLease), Operation::DeleteLease { uid, resource_version }));
        }
        let operation = self.lease.next(now.mono)?;
        let wrote = matches!(operation, Operation::WriteLease(_));
        Some((self.start(Flight::Lease { wrote }), operation))
    }

    fn start(&mut self, flight: Flight) -> OperationId {
        self.last_operation += 1;
        let operation = OperationId(self.last_operation);
        self.in_flight.insert(operation, flight);
        operation
    }

    /// When to ask [`Self::next`] again although nothing was observed.
    pub fn wake(&self) -> Option<Mono> {
        if self.outcome.is_some() {
            return None;
        }
        let mut wakes = vec![self.lease.wake()];
        if !self.stopping && self.lease.leading(self.clocked) {
            wakes.push(self.recorder.wake());
            if self.recorder.durable().is_some() {
                if !self.is_full(Class::Objects) && !self.rests(Class::Objects) {
                    let held_back = self.registration_comes_first();
                    wakes.push(self.queues.wake(held_back).map(|wake| wake.max(self.paused)));
                }
                if !self.is_full(Class::Admission) && !self.rests(Class::Admission) {
                    wakes.push(self.admission_wake());
                }
                if !self.is_full(Class::Eviction) && !self.rests(Class::Eviction) {
                    wakes.push(self.eviction_wake());
                }
                wakes.push(self.turning_wake());
                let releases = self.recorder.configuration_is_durable() && !self.is_paused();
                let gathered = self.gathering.filter(|_| releases);
                wakes.extend([
                    self.book.wake(self.clocked, |class| self.is_full(class) || self.rests(class)),
                    gathered.map(|gathering| gathering.wake(self.clocked)),
                    self.queues.death,
                    (self.retires() && self.unsettled > self.clocked).then_some(self.unsettled),
                ]);
            }
        }
        wakes.into_iter().flatten().min()
    }

    /// Whether all slots of a class are taken.
    fn is_full(&self, class: Class) -> bool {
        self.in_flight.values().filter(|flight| flight.class() == class).count() >= class.slots()
    }

    /// How the process has ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.clone()
    }

    /// What there is to see.
    pub fn status(&self, now: Now) -> Status {
        self.snapshot(now)
    }

    /// Changes whenever [`Status::findings`] does: a cheap question for whoever logs them.
    pub fn findings_generation(&self) -> u64 {
        self.ledger.generation()
    }

    fn list_completed(&mut self, now: Now, watch: Watch, version: u64) {
        let all_before = self.world.listed();
        let changed = self.world.list_completed(watch, version);
        if watch == Watch::Configuration {
            self.consider_configuration(now);
        }
        if watch == Watch::Namespaces {
            self.redraw(now);
        }
        // What waits for the lists to be complete is found by looking at everything once.
        if self.world.listed() && !all_before {
            self.touch_everything(now);
        } else {
            for namespace in &changed {
                self.touch_namespace(now, namespace);
            }
        }
    }

    /// What follows from what is known, without any new observation.
    fn settle(&mut self, now: Now) {
        self.queues.expire(now.mono);
        if self.clock.has_jumped(now) {
            let timing = self.timing();
            self.book.retime(now, &self.clock, &timing);
            self.republish(now);
        }
        self.bury(now);
        self.release(now);
        self.settle_admission(now);
        self.settle_pods(now);
        self.settle_retiring(now);
        if self.settings.purpose == Purpose::Uninstall {
            self.settle_removal();
        }
        if self.stopping && self.outcome.is_none() {
            let busy = self
                .in_flight
                .values()
                .any(|flight| !matches!(flight, Flight::Lease { .. } | Flight::Report));
            if !busy {
                self.lease.give_back();
            }
            if self.lease.given_back() {
                self.outcome = Some(Outcome::Stopped);
            }
        }
    }

    /// Whether it is known what is wanted: the journal is read, and something was accepted.
    fn configured(&self) -> bool {
        self.recorder.durable().is_some_and(|record| record.accepted.is_some())
    }

    fn later(&mut self, at: Mono, target: Target) {
        self.queues.at(at, target);
    }
}
