//! What a test has to itself: a stage, namespaces to serve, and a component that runs now or not.

use std::time::Duration;

use acr_end_to_end::{
    ACME, Component, Images, Instance, PULL_SECRET, Reported, RunOptions, SERVICE_ACCOUNT, Served, Stage,
    eventually,
};
use acr_simulator::{Description, Fault, FaultEffect, Matcher, Product};
use acr_testbed::{AuditEvent, ControlPlane};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Patch, PatchParams};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{program, shared_control_plane, tools};

/// How long anything that must come may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// An entry of [`ACME`] with the key of a user who may pull.
pub(crate) const ACME_BY_KEY: &str = "- instanceId: cri-acme0000000000\n  customAccessKey: LTAI5tPuller\n  \
                                      customAccessKeySecret: marker-puller-secret\n";

/// An entry of [`acr_end_to_end::PARTNER`] with the key of a user who may pull.
pub(crate) const PARTNER_BY_KEY: &str = "- instanceId: cri-partner0000000\n  regionId: cn-beijing\n  \
                                         customAccessKey: LTAI5tPuller\n  \
                                         customAccessKeySecret: marker-puller-secret\n";

/// Everything with this in it is secret in the configurations of the tests.
const MARKER: &str = "marker-";

pub(crate) struct Scene<'a> {
    pub(crate) stage: Stage<'a>,
    pub(crate) name: String,
    component: Option<Component>,
    log: Option<std::path::PathBuf>,
    /// Whether the API server was stopped and started again.
    pub(crate) was_restarted: bool,
}

impl Scene<'static> {
    /// A stage on the shared control plane. The component's namespace is `NAME-acr`.
    pub(crate) async fn begin(name: &str) -> Self {
        Self::begin_with(name, |_| {}).await
    }

    /// The same with a cloud that differs.
    pub(crate) async fn begin_with(name: &str, change: impl FnOnce(&mut Description)) -> Self {
        Self::begin_on(shared_control_plane().await, name, change).await
    }
}

impl<'a> Scene<'a> {
    pub(crate) async fn begin_on(
        control_plane: &'a ControlPlane,
        name: &str,
        change: impl FnOnce(&mut Description),
    ) -> Self {
        let stage = Stage::set_with(control_plane, &format!("{name}-acr"), change).await.unwrap();
        Self { stage, name: name.to_owned(), component: None, log: None, was_restarted: false }
    }

    /// The name of a namespace to serve.
    pub(crate) fn space(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Makes a namespace to serve, and waits for its `default` ServiceAccount.
    pub(crate) async fn create_space(&self, suffix: &str) -> String {
        self.create_labelled_space(suffix, &[]).await
    }

    pub(crate) async fn create_labelled_space(&self, suffix: &str, labels: &[(&str, &str)]) -> String {
        let space = self.space(suffix);
        self.stage.create_namespace(&space, labels).await.unwrap();
        self.until("the default ServiceAccount exists", async || {
            self.stage.list(&space, "default").await.unwrap()
        })
        .await;
        space
    }

    /// Writes the ConfigMap: entries, the namespaces to serve, and more keys.
    pub(crate) async fn configure(&self, entries: &str, spaces: &[&str], more: &[(&str, &str)]) {
        let spaces = spaces.join(",");
        let mut keys = vec![("acr-registry-info", entries), ("watch-namespace", &spaces)];
        keys.extend(more);
        self.stage.configure(&keys).await.unwrap();
    }

    /// A folder with the component's token for RRSA in the file `token`, as the kubelet projects it.
    pub(crate) async fn project_token(&self) -> tempfile::TempDir {
        let (control_plane, audiences) = (self.stage.control_plane(), ["sts.aliyuncs.com"]);
        let token = control_plane
            .service_account_token(self.stage.namespace(), SERVICE_ACCOUNT, &audiences, 3600)
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), token.expose_secret()).unwrap();
        folder
    }

    /// Starts the component and waits until it is ready.
    pub(crate) async fn run(&mut self) {
        self.run_with(&RunOptions::default()).await;
    }

    pub(crate) async fn run_with(&mut self, options: &RunOptions) {
        self.start(options).await;
        self.component.as_mut().unwrap().ready().await.unwrap();
    }

    /// Starts the component and does not wait.
    pub(crate) async fn start(&mut self, options: &RunOptions) {
        // Secrets are in no level of the log.
        let mut options = options.clone();
        options.environment.insert(0, ("RUST_LOG".to_owned(), "debug".to_owned()));
        let component = Component::start(tools().await, program().await, &self.stage, &options).unwrap();
        self.log = Some(component.log_path().to_owned());
        self.component = Some(component);
    }

    pub(crate) fn component(&self) -> &Component {
        self.component.as_ref().unwrap()
    }

    pub(crate) fn component_mut(&mut self) -> &mut Component {
        self.component.as_mut().unwrap()
    }

    /// Asks the component to end, which gives the Lease back.
    pub(crate) async fn stop(&mut self) {
        let status = self.component.take().unwrap().terminate().await.unwrap();
        assert!(status.success(), "{status}");
    }

    /// The component goes on beside the next one.
    pub(crate) fn take_component(&mut self) -> Component {
        self.component.take().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.component.take().unwrap().kill().unwrap();
    }

    /// Asks `question` until it has an answer.
    pub(crate) async fn until<T>(&self, what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
        self.within(PATIENCE, what, question).await
    }

    pub(crate) async fn within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut question: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        eventually(what, patience, async || Ok(question().await)).await.unwrap()
    }

    /// Names in the list of a ServiceAccount.
    pub(crate) async fn list(&self, space: &str, account: &str) -> Vec<String> {
        self.stage.list(space, account).await.unwrap().unwrap_or_default()
    }

    pub(crate) async fn is_attached(&self, space: &str, account: &str) -> bool {
        self.list(space, account).await.iter().any(|name| name == PULL_SECRET)
    }

    /// Waits until a ServiceAccount is attached.
    pub(crate) async fn attached(&self, space: &str, account: &str) {
        let what = format!("{space}/{account} is attached");
        self.until(&what, async || self.is_attached(space, account).await.then_some(())).await;
    }

    /// Waits until a ServiceAccount is not attached any more.
    pub(crate) async fn detached(&self, space: &str, account: &str) {
        let what = format!("{space}/{account} is detached");
        self.until(&what, async || (!self.is_attached(space, account).await).then_some(())).await;
    }

    pub(crate) async fn served_now(&self, space: &str) -> Option<Served> {
        self.stage.served(space).await.unwrap()
    }

    /// Waits until the pull secret of a namespace has these hosts.
    pub(crate) async fn served(&self, space: &str, hosts: &[&str]) -> Served {
        let what = format!("the Secret of {space} has {hosts:?}");
        self.until(&what, async || self.served_now(space).await.filter(|served| served.hosts == hosts)).await
    }

    /// Waits until a namespace is served with [`ACME`], account and Secret.
    pub(crate) async fn served_with_acme(&self, space: &str) -> Served {
        self.attached(space, "default").await;
        self.served(space, ACME.hosts).await
    }

    /// Waits until a namespace has no pull secret.
    pub(crate) async fn without_secret(&self, space: &str) {
        let what = format!("{space} has no Secret");
        let secret = async || self.stage.pull_secret(space).await.unwrap();
        self.until(&what, async || secret().await.is_none().then_some(())).await;
    }

    /// What has to be mended now: `(namespace or "", code, message)`.
    pub(crate) async fn findings(&self) -> Vec<(String, String, String)> {
        let status = self.component().status().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .map(|found| (text(&found["namespace"]), text(&found["code"]), text(&found["message"])))
            .collect()
    }

    /// Waits for a finding, and gives its message.
    pub(crate) async fn finding(&self, code: &str) -> String {
        let what = format!("the finding {code}");
        self.until(&what, async || {
            let findings = self.findings().await;
            findings.into_iter().find(|(_, found, _)| found == code).map(|(_, _, message)| message)
        })
        .await
    }

    /// Waits until there is no such finding any more.
    pub(crate) async fn mended(&self, code: &str) {
        self.until(&format!("{code} is mended"), async || {
            (!self.findings().await.iter().any(|(_, found, _)| found == code)).then_some(())
        })
        .await;
    }

    /// Waits for an Event.
    pub(crate) async fn event(&self, namespace: &str, about: &str, reason: &str) -> Reported {
        self.until(&format!("an Event {reason} about {about}"), async || {
            let events = self.stage.events(namespace).await.unwrap();
            events.into_iter().find(|event| event.reason == reason && event.about == about)
        })
        .await
    }

    /// How often the component has asked the cloud for something.
    pub(crate) fn cloud_calls(&self, product: Product, action: &str) -> usize {
        self.stage.cloud_calls(product).iter().filter(|called| *called == action).count()
    }

    /// Makes the cloud fail in this way for all calls of an action.
    pub(crate) fn disturb(&self, action: &str, effect: FaultEffect) -> u64 {
        let matcher = Matcher { action: Some(action.to_owned()), ..Matcher::default() };
        self.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect })
    }

    /// Ends all faults of the cloud.
    pub(crate) fn calm(&self) {
        self.stage.cloud().cloud().clear_faults();
    }

    pub(crate) fn logins(&self) -> usize {
        self.cloud_calls(Product::Cr, "GetAuthorizationToken")
    }

    /// The component's requests since there were `before`.
    pub(crate) fn requests_since(&self, before: usize) -> Vec<AuditEvent> {
        self.stage.requests().unwrap().split_off(before)
    }

    /// Waits until there are as many requests of this kind since there were `before`: what a write has changed is seen
    /// a moment before the audit log has it.
    pub(crate) async fn audited(&self, before: usize, count: usize, wanted: impl Fn(&AuditEvent) -> bool) {
        let found = || self.requests_since(before).iter().filter(|event| wanted(event)).count();
        self.until("the audit log has the requests", async || (found() >= count).then_some(())).await;
    }

    pub(crate) fn request_count(&self) -> usize {
        self.stage.requests().unwrap().len()
    }

    pub(crate) async fn images(&self, instance: Instance) -> Images {
        Images::serve(tools().await, &self.stage, instance).await.unwrap()
    }

    pub(crate) async fn account(&self, space: &str, name: &str) -> Value {
        let account = self.stage.accounts(space).get(name).await.unwrap();
        serde_json::to_value(account).unwrap()
    }

    /// Changes a ServiceAccount as somebody else.
    pub(crate) async fn merge_account(&self, space: &str, name: &str, change: &Value) {
        let accounts = self.stage.accounts(space);
        accounts.patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    /// Makes a ServiceAccount with this list.
    pub(crate) async fn create_account_with(&self, space: &str, name: &str, list: &Value) {
        let account: ServiceAccount =
            serde_json::from_value(json!({ "metadata": { "name": name }, "imagePullSecrets": list }))
                .unwrap();
        self.stage.accounts(space).create(&kube::api::PostParams::default(), &account).await.unwrap();
    }

    /// Looks for what no test may leave behind: a secret that was told, a right that was lacking, a bug.
    pub(crate) async fn end(mut self) {
        let mut told = Vec::new();
        if let Some(component) = &self.component {
            told.push(component.metrics().await.unwrap());
            told.push(component.status().await.unwrap().to_string());
            // What other tests do in their namespaces is out of scope.
            let home = format!("{}-", self.name);
            let astray =
                |(space, _, _): &(String, String, String)| !space.is_empty() && !space.starts_with(&home);
            let findings = self.findings().await;
            assert!(!findings.iter().any(astray), "{findings:?}");
        }
        let mut spaces = vec![self.stage.namespace().to_owned()];
        let ours = |space: &String| space.starts_with(&format!("{}-", self.name));
        spaces.extend(self.stage.namespaces().await.unwrap().into_iter().filter(ours));
        let mut secrets = vec![MARKER.to_owned()];
        for space in &spaces {
            told.extend(self.stage.events(space).await.unwrap().iter().map(|event| format!("{event:?}")));
            secrets.extend(self.passwords(space).await);
        }
        if let Some(component) = self.component.take() {
            component.terminate().await.unwrap();
        }
        if let Some(log) = &self.log {
            told.push(std::fs::read_to_string(log).unwrap());
        }
        for text in &told {
            assert!(!text.contains("panicked at"), "{text}");
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "a secret was told: {text}");
            }
        }
        let lacking: Vec<AuditEvent> = self.stage.requests().unwrap();
        // An API server that has just started refuses whom it does not know yet; a dying namespace refuses all, and
        // a full one what is new; what nobody has granted yet is refused as well, and what a test tries as the component.
        let may_refuse = ["-terminating", "-quota", "-ungranted-acr", "-refused"];
        let refused = |event: &&AuditEvent| {
            event.code == Some(403)
                && !self.was_restarted
                // Whoever needs to see pods shows it by what comes of it.
                && event.resource != "pods"
                && !may_refuse.iter().any(|end| event.namespace.ends_with(end))
        };
        let lacking: Vec<&AuditEvent> = lacking.iter().filter(refused).collect();
        assert!(lacking.is_empty(), "rights are lacking: {lacking:?}");
        // Nobody is to be told of this component's end.
        self.log = None;
    }

    /// The passwords in the pull secret of a namespace.
    async fn passwords(&self, space: &str) -> Vec<String> {
        let Some(secret) = self.stage.pull_secret(space).await.unwrap() else { return Vec::new() };
        let data = secret.data.unwrap_or_default();
        let Some(document) = data.get(".dockerconfigjson") else { return Vec::new() };
        let Ok(document) = serde_json::from_slice::<Value>(&document.0) else { return Vec::new() };
        let entries = document["auths"].as_object().cloned().unwrap_or_default();
        let texts = entries.values().flat_map(|entry| [entry["password"].clone(), entry["auth"].clone()]);
        texts.filter_map(|text| text.as_str().map(str::to_owned)).filter(|text| text.len() > 8).collect()
    }
}

impl Drop for Scene<'_> {
    #[expect(clippy::print_stderr, reason = "what a failed test prints is shown with its failure")]
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(log) = &self.log
        {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            eprintln!("--- the log of the component, {}:\n{text}---", log.display());
        }
    }
}
