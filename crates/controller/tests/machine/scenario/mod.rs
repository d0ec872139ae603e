//! A scripted edge for tests of the machine: answers what is asked as a friendly cluster and cloud would.

mod edges;

use std::collections::BTreeMap;

use acr_configuration::TokenMode;
use acr_controller::admission::{AdmissionObject, AdmissionSeen, Front, ServerSeen, Trial};
use acr_controller::observation::{
    AccountSeen, Answer, ConfigMapSeen, ForeignSecret, LeaseSeen, NamespaceSeen, Observation, Refusal, Watch,
};
use acr_controller::operation::{Class, Operation, OperationId};
use acr_controller::settings::{GivenRegion, Purpose, Settings};
use acr_controller::{Machine, Mono, Now};
use acr_credentials::{Answer as CloudAnswer, Call, CallFailure, FailureKind, UnixMillis};

/// 2026-01-01T00:00:00Z in milliseconds.
pub const START: i64 = 1_767_225_600_000;
/// The host of every instance.
pub const HOST: &str = "acme-registry.cn-hangzhou.cr.aliyuncs.com";
/// One Enterprise instance with inline keys.
pub const ONE_ENTRY: &str = "- {instanceId: cri-0123456789abcdef, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}";

/// What a cloud of its own answers to a call.
pub type Answering = Box<dyn Fn(&Call) -> Option<CloudAnswer>>;

/// What a cluster of its own hands over for an identity.
pub type HandingOver = Box<dyn Fn(&Operation) -> Option<Answer>>;

/// A machine, its clock, and the cluster that its operations change.
pub struct Scenario {
    pub machine: Machine,
    pub mono: u64,
    pub version: u64,
    /// Everything handed out so far, by label.
    pub log: Vec<String>,
    pub lists: BTreeMap<(String, String), Option<String>>,
    pub secrets: BTreeMap<String, String>,
    pub digests: BTreeMap<String, String>,
    pub journal: Option<(u64, Vec<u8>)>,
    pub lease: Option<LeaseSeen>,
    pub logins: u64,
    /// What a read of a foreign Secret shows.
    pub foreign: Option<ForeignSecret>,
    /// Whether the last apply carried the mark of adoption.
    pub adopted: bool,
    /// The next operation of this label is refused like this.
    pub refusals: Vec<(&'static str, Refusal)>,
    /// Every call fails like this.
    pub cloud_fails: Option<FailureKind>,
    /// Calls of this operation fail like this.
    pub failing: Option<CallFailure>,
    /// What the cloud answers instead, where it says anything.
    pub answering: Option<Answering>,
    /// What the cluster hands over instead, where it says anything.
    pub handing_over: Option<HandingOver>,
    /// Whether this is a registered cluster with keys.
    pub registered: bool,
    /// The text of the projected token.
    pub token: String,
    /// Whether the watch shows a patched list only after the patch was answered.
    pub late: bool,
    /// What the API server goes by for new ServiceAccounts.
    pub admission: BTreeMap<AdmissionObject, (u64, serde_json::Value)>,
    /// The annotations of the ConfigMap.
    pub annotations: BTreeMap<String, String>,
    /// Whether somebody takes our name out of every write before it is stored; `Some(true)` where nothing is left to store.
    pub stripped: Option<bool>,
    /// What the API server can do.
    pub server: ServerSeen,
    /// What comes of a trial of the policy.
    pub trial: Trial,
    /// The pods that were evicted.
    pub evicted: Vec<String>,
    held: Vec<(String, String)>,
}

impl Scenario {
    pub fn new() -> Self {
        Self::with_purpose(Purpose::Run)
    }

    /// With `--region`.
    pub fn in_region(region: Option<&str>) -> Self {
        Self { machine: machine(Purpose::Run, "pod-1", region), ..Self::new() }
    }

    /// With `--token-mode`.
    pub fn with_mode(token_mode: TokenMode) -> Self {
        Self::with_flags(|settings| settings.token_mode = token_mode)
    }

    /// With other flags.
    pub fn with_flags(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(Purpose::Run, "pod-1", None);
        change(&mut settings);
        Self { machine: Machine::new(settings), ..Self::new() }
    }

    pub fn with_purpose(purpose: Purpose) -> Self {
        Self {
            machine: machine(purpose, "pod-1", None),
            mono: 0,
            version: 100,
            log: Vec::new(),
            lists: BTreeMap::new(),
            secrets: BTreeMap::new(),
            digests: BTreeMap::new(),
            journal: None,
            lease: None,
            logins: 0,
            foreign: None,
            adopted: false,
            refusals: Vec::new(),
            cloud_fails: None,
            failing: None,
            answering: None,
            handing_over: None,
            registered: false,
            token: "header.payload.signature".to_owned(),
            late: false,
            admission: BTreeMap::new(),
            annotations: BTreeMap::new(),
            stripped: None,
            server: ServerSeen { version: Some((1, 36)), policies: Some(true) },
            trial: Trial::Attached,
            evicted: Vec::new(),
            held: Vec::new(),
        }
    }

    /// A new process over the same cluster.
    pub fn restart(&mut self, purpose: Purpose) {
        self.restart_with(|settings| settings.purpose = purpose);
    }

    /// A new process with other flags.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = settings(Purpose::Run, "pod-2", None);
        change(&mut settings);
        self.machine = Machine::new(settings);
        self.log.clear();
    }

    pub fn now(&self) -> Now {
        Now { wall: UnixMillis(START + i64::try_from(self.mono).unwrap()), mono: Mono(self.mono) }
    }

    pub fn observe(&mut self, observation: Observation) {
        self.machine.observe(self.now(), observation);
    }

    pub fn configure(&mut self, registry_info: &str, scope: &[(&str, &str)]) {
        self.version += 1;
        let mut data = BTreeMap::from([("acr-registry-info".to_owned(), registry_info.to_owned())]);
        data.extend(scope.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.observe(Observation::Configuration(ConfigMapSeen {
            uid: "cm".into(),
            resource_version: self.version,
            data,
            annotations: self.annotations.clone(),
        }));
    }

    pub fn namespace(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.namespace_of(name, labels, START - 1000);
    }

    /// A namespace that was made at `created`, in milliseconds since 1970.
    pub fn namespace_of(&mut self, name: &str, labels: &[(&str, &str)], created: i64) {
        self.version += 1;
        self.observe(Observation::Namespace(NamespaceSeen {
            name: name.into(),
            uid: format!("uid-{name}"),
            resource_version: self.version,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            terminating: false,
            created: UnixMillis(created),
        }));
    }

    pub fn account(&mut self, namespace: &str, name: &str, list: Option<&str>) {
        self.version += 1;
        let list = list.map(str::to_owned);
        self.lists.insert((namespace.into(), name.into()), list.clone());
        self.show_account(namespace, name);
    }

    pub fn show_account(&mut self, namespace: &str, name: &str) {
        let list = self.lists[&(namespace.to_owned(), name.to_owned())].clone();
        self.observe(Observation::Account(AccountSeen {
            namespace: namespace.into(),
            name: name.into(),
            resource_version: self.version,
            ignored: false,
            list,
        }));
    }

    pub fn list(&self, namespace: &str, name: &str) -> Option<&str> {
        self.lists[&(namespace.to_owned(), name.to_owned())].as_deref()
    }

    /// Opens all lists, lets `fill` show what is there, and completes them.
    pub fn listing(&mut self, fill: impl FnOnce(&mut Self)) {
        let watches = [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets];
        for watch in watches {
            self.observe(Observation::ListStarted(watch));
        }
        fill(self);
        for watch in watches {
            let version = self.version;
            self.observe(Observation::ListCompleted { watch, version });
        }
    }

    /// Shows what the API server goes by for new ServiceAccounts to a machine that wants to know.
    fn show_admission(&mut self) {
        for object in self.machine.admission_objects() {
            self.show_admission_object(object);
        }
    }

    pub fn show_admission_object(&mut self, object: AdmissionObject) {
        let version = self.version;
        let seen = self.admission.get(&object).map(|(resource_version, content)| AdmissionSeen {
            uid: "uid".to_owned(),
            resource_version: *resource_version,
            installation: None,
            content: content.clone(),
        });
        self.observe(Observation::Admission { object, version, seen: Ok(seen) });
    }

    /// Carries out everything until nothing is left to do now.
    pub fn run(&mut self) {
        self.show_admission();
        while let Some((operation, answer)) = self.step() {
            assert!(self.log.len() < 100_000, "there is no end to it");
            self.observe(Observation::Answered { operation, answer });
            for (namespace, name) in std::mem::take(&mut self.held) {
                self.show_account(&namespace, &name);
            }
        }
    }

    /// Moves the clocks, stopping wherever the machine wants to be asked.
    pub fn pass(&mut self, millis: u64) {
        let end = self.mono + millis;
        self.run();
        while let Some(Mono(wake)) = self.machine.wake().filter(|wake| wake.0 <= end) {
            if wake <= self.mono {
                let before = self.log.len();
                self.run();
                assert!(
                    self.log.len() > before || self.machine.wake().is_none_or(|wake| wake.0 > self.mono),
                    "woken for nothing at {}: {:?}",
                    self.mono,
                    self.machine.wake()
                );
                continue;
            }
            self.mono = wake;
            self.run();
        }
        self.mono = end;
        self.run();
    }

    /// Hands out everything that can be handed out before any of it is answered, and then answers it. Gives the labels.
    pub fn round(&mut self) -> Vec<String> {
        let before = self.log.len();
        let answers: Vec<_> = std::iter::from_fn(|| self.step()).collect();
        for (operation, answer) in answers {
            self.observe(Observation::Answered { operation, answer });
        }
        self.log.split_at(before).1.to_vec()
    }

    /// Takes one operation and carries it out on the cluster; the answer is for the caller to deliver.
    pub fn step(&mut self) -> Option<(OperationId, Answer)> {
        let now = self.now();
        let (id, operation) = Class::ALL.into_iter().find_map(|class| self.machine.next(now, class))?;
        self.log.push(operation.label().to_owned());
        let refused = self.refusals.iter().position(|(label, _)| *label == operation.label());
        if let (None, Operation::EvictPod { namespace, name, .. }) = (refused, &operation) {
            self.evicted.push(format!("{namespace}/{name}"));
        }
        let answer = match refused {
            Some(place) => Answer::Refused(self.refusals.remove(place).1),
            None => self.carry_out(operation),
        };
        Some((id, answer))
    }

    /// The message of an active finding, empty where there is none.
    pub fn finding(&self, code: &str) -> String {
        let findings = self.machine.status(self.now()).findings;
        findings
            .into_iter()
            .find(|finding| finding.code == code)
            .map(|finding| finding.message)
            .unwrap_or_default()
    }

    pub fn count(&self, label: &str) -> usize {
        self.log.iter().filter(|logged| *logged == label).count()
    }
}

/// The host of an instance other than that of [`ONE_ENTRY`].
pub fn host_of(instance: &str) -> String {
    format!("{instance}.example")
}

fn machine(purpose: Purpose, identity: &str, region: Option<&str>) -> Machine {
    Machine::new(settings(purpose, identity, region))
}

fn settings(purpose: Purpose, identity: &str, region: Option<&str>) -> Settings {
    Settings {
        namespace: "kube-system".into(),
        identity: identity.into(),
        purpose,
        // The namespaces of a scenario are younger than the managed role.
        token_mode: TokenMode::WorkerRole,
        region: region.map(|region| GivenRegion { name: region.to_owned(), by: "--region" }),
        sts_endpoint: None,
        registered_key_secret: None,
        add_on_token_secret: None,
        service_account: "aliyun-acr-credential-helper".into(),
        front: Some(Front::Service { name: "front".to_owned() }),
        answers: true,
        certificate_life: std::time::Duration::from_hours(90 * 24),
    }
}
