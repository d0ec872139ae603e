//! What a test has to itself: a cluster with a node, and on it a cloud, a registry with images and a component.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use acr_credentials::Login;
use acr_end_to_end::{
    ACME, Component, Images, Instance, PULL_SECRET, Program, Reported, RunOptions, Stage, eventually,
    secret_login,
};
use acr_simulator::Description;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Node, NodeOptions, NodeTools, Progress, Tools};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// The Deployment of the verification step across accounts, by the public domain.
pub(crate) const BASIC: Workload = Workload {
    manifests: Cow::Borrowed(include_str!("../../../../crates/configuration/fixtures/deployment-basic.yaml")),
    deployment: "nginx-deployment-basic",
    account: "default",
    image: "acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:v1",
};
/// The Deployment of the verification step of the same account, by the domain inside VPCs, with a ServiceAccount.
pub(crate) const WITH_ACCOUNT: Workload = Workload {
    manifests: Cow::Borrowed(include_str!(
        "../../../../crates/configuration/fixtures/deployment-service-account.yaml"
    )),
    deployment: "nginx-test",
    account: "my-service-account",
    image: "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com/team/app:v1",
};

/// An entry of [`ACME`] with the key of a user who may pull.
pub(crate) const BY_KEY: &str = "- instanceId: cri-acme0000000000\n  customAccessKey: LTAI5tPuller\n  \
                                 customAccessKeySecret: marker-puller-secret\n";
/// An entry of [`ACME`] without an identity of its own.
pub(crate) const BY_COMPONENT: &str = "- instanceId: cri-acme0000000000\n";

/// A Deployment to apply.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) manifests: Cow<'static, str>,
    pub(crate) deployment: &'static str,
    /// The ServiceAccount of its pods.
    pub(crate) account: &'static str,
    pub(crate) image: &'static str,
}

impl Workload {
    /// The same with another image.
    pub(crate) fn with_image(&self, image: &'static str) -> Self {
        self.with(self.image, image).named(image)
    }

    /// The same with other words in its manifests.
    pub(crate) fn with(&self, words: &str, others: &str) -> Self {
        assert!(self.manifests.contains(words), "{words:?} is not in {}", self.manifests);
        Self { manifests: Cow::Owned(self.manifests.replace(words, others)), ..*self }
    }

    fn named(self, image: &'static str) -> Self {
        Self { image, ..self }
    }
}

/// A control plane with a node.
pub(crate) struct Cluster {
    node: Node,
    control_plane: ControlPlane,
    _turn: SemaphorePermit<'static>,
}

async fn tools() -> &'static (Tools, NodeTools) {
    static TOOLS: OnceCell<(Tools, NodeTools)> = OnceCell::const_new();
    TOOLS
        .get_or_init(async || {
            let tools = Tools::ensure(Progress::Stderr).await.unwrap();
            let node_tools = NodeTools::ensure(&tools, Progress::Stderr).await.unwrap();
            (tools, node_tools)
        })
        .await
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        // Each takes half a GiB, and a core while it starts: without turns small machines run out of both.
        static TURNS: Semaphore = Semaphore::const_new(2);
        let turn = TURNS.acquire().await.unwrap();
        let (tools, node_tools) = tools().await;
        let options = ControlPlaneOptions { nodes: true, audit_log: true, ..ControlPlaneOptions::default() };
        let control_plane = ControlPlane::start(tools, options).await.unwrap();
        let node = Node::start(&control_plane, tools, node_tools, NodeOptions::default()).await.unwrap();
        Self { node, control_plane, _turn: turn }
    }
}

/// A cloud whose instance [`ACME`] has the images of the Deployments, and a component.
pub(crate) struct Play<'a> {
    pub(crate) stage: Stage<'a>,
    pub(crate) images: Images,
    pub(crate) node: &'a Node,
    component: Option<Component>,
}

impl<'a> Play<'a> {
    pub(crate) async fn begin(cluster: &'a Cluster) -> Self {
        Self::begin_with(cluster, |_| {}).await
    }

    /// The same with a cloud that differs from the usual one.
    pub(crate) async fn begin_with(cluster: &'a Cluster, change: impl FnOnce(&mut Description)) -> Self {
        Self::begin_at(cluster, ACME, "team/app", change).await
    }

    /// The same with a registry of another instance, which has `repository` with the tag v1.
    pub(crate) async fn begin_at(
        cluster: &'a Cluster,
        instance: Instance,
        repository: &str,
        change: impl FnOnce(&mut Description),
    ) -> Self {
        let (tools, _) = tools().await;
        let node = &cluster.node;
        let stage = Stage::set_with(&cluster.control_plane, "kube-system", change).await.unwrap();
        let images = Images::serve(tools, &stage, instance).await.unwrap();
        images.lead(node).unwrap();
        images.push_program(&stage, node, repository, "v1").await.unwrap();
        Self { stage, images, node, component: None }
    }

    /// Makes a namespace, and waits for its `default` ServiceAccount.
    pub(crate) async fn create_space(&self, name: &'static str) -> &'static str {
        self.stage.create_namespace(name, &[]).await.unwrap();
        let account = async || self.stage.list(name, "default").await.unwrap();
        until("the default ServiceAccount exists", account).await;
        name
    }

    /// Writes the ConfigMap and starts the component: entries, the namespaces to serve, and more keys.
    pub(crate) async fn run(
        &mut self,
        entries: &str,
        spaces: &[&str],
        keys: &[(&str, &str)],
        arguments: &[&str],
    ) {
        let (tools, _) = tools().await;
        let spaces = spaces.join(",");
        let mut all = vec![("acr-registry-info", entries), ("watch-namespace", &spaces)];
        all.extend(keys);
        self.stage.configure(&all).await.unwrap();
        let program = Program::ensure().await.unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let options = RunOptions { arguments, ..RunOptions::default() };
        let mut component = Component::start(tools, &program, &self.stage, &options).unwrap();
        component.ready().await.unwrap();
        self.component = Some(component);
    }

    /// Waits until a ServiceAccount is attached, and the namespace has logins.
    pub(crate) async fn attached(&self, space: &str, account: &str) {
        until(&format!("{space}/{account} is attached"), async || {
            let list = self.stage.list(space, account).await.unwrap().unwrap_or_default();
            let served = self.stage.served(space).await.unwrap();
            let ready = list.iter().any(|name| name == PULL_SECRET)
                && served.is_some_and(|served| !served.hosts.is_empty());
            ready.then_some(())
        })
        .await;
    }

    /// Makes a ServiceAccount where it is missing, waits until it is attached, and applies a Deployment unchanged.
    pub(crate) async fn apply_when_attached(&self, space: &str, workload: &Workload) {
        if self.stage.list(space, workload.account).await.unwrap().is_none() {
            self.stage.create_account(space, workload.account).await.unwrap();
        }
        self.attached(space, workload.account).await;
        self.stage.apply(space, &workload.manifests).await.unwrap();
    }

    /// Waits until the kubelet has said that it pulled the image, and until all pods run.
    pub(crate) async fn pulled(&self, space: &str, workload: &Workload) {
        let wanted = format!("Successfully pulled image \"{}\"", workload.image);
        self.event(space, "Pulled", &[&wanted]).await;
        until(&format!("the pods of {space} run"), async || {
            let (wanted, running) = self.stage.replicas(space, workload.deployment).await.unwrap();
            (wanted == running).then_some(())
        })
        .await;
    }

    /// Waits until the kubelet has said that it cannot pull the image, with these words.
    pub(crate) async fn refused(&self, space: &str, workload: &Workload, words: &[&str]) {
        let wanted = format!("Failed to pull image \"{}\"", workload.image);
        let mut wanted = vec![wanted.as_str()];
        wanted.extend(words);
        self.event(space, "Failed", &wanted).await;
        let events = self.stage.kubelet_events(space).await.unwrap();
        assert!(events.iter().all(|event| event.reason != "Pulled"), "{events:#?}");
    }

    /// The pods whose image was pulled, as the kubelet has said.
    pub(crate) async fn pods_with_pulls(&self, space: &str) -> Vec<String> {
        let events = self.stage.kubelet_events(space).await.unwrap();
        let pulls = events.into_iter().filter(|event| event.message.starts_with("Successfully pulled image"));
        pulls.map(|event| event.about).collect()
    }

    /// Waits until the token service takes a login no more.
    pub(crate) async fn ended(&self, login: &Login, repository: &str) {
        until("the login has ended", async || {
            let pulled = self.images.pull(ACME.public_host, repository, "v1", Some(login)).await.unwrap();
            pulled.is_err_and(|failure| failure.status() == Some(401)).then_some(())
        })
        .await;
    }

    /// Waits for an Event of the kubelet about a pod.
    pub(crate) async fn event(&self, space: &str, reason: &str, words: &[&str]) -> Reported {
        let started = Instant::now();
        loop {
            let events = self.stage.kubelet_events(space).await.unwrap();
            let has_all = |message: &str| words.iter().all(|word| message.contains(word));
            if let Some(event) = events.iter().find(|event| event.reason == reason && has_all(&event.message))
            {
                return event.clone();
            }
            assert!(started.elapsed() < PATIENCE, "no Event {reason} with {words:?} in {events:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What has to be mended, as the component says: codes. That keys are better kept in a Secret is always said.
    pub(crate) async fn findings(&self) -> Vec<String> {
        let status = self.component.as_ref().unwrap().status().await.unwrap();
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        let codes = findings.iter().map(|finding| finding["code"].as_str().unwrap_or_default().to_owned());
        codes.filter(|code| code != "InlineAccessKey").collect()
    }

    /// The messages of the findings with this code.
    pub(crate) async fn told(&self, code: &str) -> Vec<String> {
        let status = self.component.as_ref().unwrap().status().await.unwrap();
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        let found = findings.iter().filter(|finding| finding["code"] == code);
        found.map(|finding| finding["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The login that the pull secret of a namespace has for the public domain.
    pub(crate) async fn login(&self, space: &str) -> Option<Login> {
        let secret = self.stage.pull_secret(space).await.unwrap()?;
        secret_login(space, &secret, ACME.public_host).unwrap()
    }

    /// Ends the component, which must not have told a secret.
    pub(crate) async fn end(mut self) {
        let component = self.component.take().unwrap();
        let log = component.log_path().to_owned();
        component.terminate().await.unwrap();
        let log = std::fs::read_to_string(log).unwrap();
        assert!(!log.contains("marker-") && !log.contains("panicked at"), "{log}");
    }
}

/// Asks `question` until it has an answer.
pub(crate) async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    eventually(what, PATIENCE, async || Ok(question().await)).await.unwrap()
}
