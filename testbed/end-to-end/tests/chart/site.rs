//! A control plane with helm beside it.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use acr_end_to_end::{Program, chart_folder, eventually, run_helm};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Helm, Progress, Tools};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::pinned_kind;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// The namespace of the releases.
pub(crate) const OWN: &str = "kube-system";
/// The name of the releases.
pub(crate) const RELEASE: &str = "acr-credential-helper";
/// How long anything that must come may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn tools() -> &'static Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    TOOLS.get_or_init(async || Tools::ensure(Progress::Stderr).await.unwrap()).await
}

pub(crate) async fn helm() -> &'static Helm {
    static HELM: OnceCell<Helm> = OnceCell::const_new();
    HELM.get_or_init(async || Helm::ensure(tools().await, Progress::Stderr).await.unwrap()).await
}

pub(crate) async fn program() -> &'static Program {
    static PROGRAM: OnceCell<Program> = OnceCell::const_new();
    PROGRAM.get_or_init(async || Program::ensure().await.unwrap()).await
}

/// `helm COMMAND ...` without a cluster. The chart's folder is not added.
pub(crate) async fn helm_alone(arguments: &[&str]) -> Output {
    run_helm(helm().await, arguments, &[]).await.unwrap()
}

/// What helm says of a refusal.
pub(crate) fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "not refused: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What helm says when all is well.
pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn chart() -> String {
    chart_folder().to_string_lossy().into_owned()
}

/// The documents of a YAML stream.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Option<Value>> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().flatten().collect()
}

pub(crate) struct Site {
    pub(crate) control_plane: ControlPlane,
    pub(crate) client: Client,
    _turn: SemaphorePermit<'static>,
}

impl Site {
    pub(crate) async fn begin() -> Self {
        Self::begin_with(tools().await, &[]).await
    }

    /// On the oldest Kubernetes that is tested.
    pub(crate) async fn begin_oldest() -> Self {
        static TOOLS: OnceCell<Tools> = OnceCell::const_new();
        let ensured = async || Tools::ensure_oldest(Progress::Stderr).await.unwrap();
        Self::begin_with(TOOLS.get_or_init(ensured).await, &[]).await
    }

    /// With more arguments for the API server.
    pub(crate) async fn begin_with(tools: &'static Tools, api_server_arguments: &[&str]) -> Self {
        // Each takes half a GiB, and a core while it starts.
        static TURNS: Semaphore = Semaphore::const_new(2);
        let turn = TURNS.acquire().await.unwrap();
        let options = ControlPlaneOptions {
            nodes: true,
            audit_log: true,
            api_server_arguments: api_server_arguments.iter().map(|&argument| argument.to_owned()).collect(),
            ..ControlPlaneOptions::default()
        };
        let control_plane = ControlPlane::start(tools, options).await.unwrap();
        let client = control_plane.admin().unwrap();
        Self { control_plane, client, _turn: turn }
    }

    fn home(&self) -> PathBuf {
        self.control_plane.folder().join("helm")
    }

    /// `helm COMMAND RELEASE ...` on this cluster.
    pub(crate) async fn helm(&self, command: &str, arguments: &[&str]) -> Output {
        let kubeconfig = self.control_plane.admin_kubeconfig();
        let home = self.home();
        let mut all = vec![command, RELEASE, "--namespace", OWN];
        all.extend(arguments);
        let environment: [(&str, &Path); 2] = [("KUBECONFIG", &kubeconfig), ("HOME", &home)];
        run_helm(helm().await, &all, &environment).await.unwrap()
    }

    /// Installs the chart.
    pub(crate) async fn install(&self, arguments: &[&str]) -> Output {
        let chart = chart();
        self.helm("install", &[&[chart.as_str()], arguments].concat()).await
    }

    /// Upgrades it, with exactly these values.
    pub(crate) async fn upgrade(&self, arguments: &[&str]) -> Output {
        let chart = chart();
        self.helm("upgrade", &[&[chart.as_str(), "--reset-values"], arguments].concat()).await
    }

    pub(crate) async fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, kind);
        let (resource, _) = pinned_kind(&self.client, &kind).await.unwrap();
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }

    /// An object, if there is one.
    pub(crate) async fn object(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Value> {
        let found = self.api(api_version, kind, namespace).await.get_opt(name).await.unwrap();
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    pub(crate) async fn config_map(&self) -> Option<Value> {
        self.object("v1", "ConfigMap", OWN, "acr-configuration").await
    }

    pub(crate) async fn deployment(&self) -> Option<Value> {
        self.object("apps/v1", "Deployment", OWN, "aliyun-acr-credential-helper").await
    }

    /// Asks `question` until it has an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
        eventually(what, PATIENCE, async || Ok(question().await)).await.unwrap()
    }
}
