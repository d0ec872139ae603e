//! The cluster edge on a real API server, with the rights that are shipped and no others.
//!
//! The tests share one control plane and have namespaces of their own; those that stop servers have a control
//! plane of their own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod events;
mod lease;
mod pull_secrets;
mod rights;
mod service_accounts;
mod watches;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acr_cluster::{Access, Cluster, Ourselves, connect};
use acr_controller::names::{CONFIG_MAP, SERVICE_ACCOUNT};
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::Payload;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Right, Tools, apply_manifests};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

/// What users apply before anything else.
const RIGHTS: &str = include_str!("../../../deploy/rbac.yaml");
/// What holds the component to them.
const POLICY: &str = include_str!("../../../deploy/policy.yaml");
/// What they apply to run it outside of the cluster.
const OUTSIDE: &str = include_str!("../../../deploy/outside.yaml");
/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// The namespace of the component.
const OWN: &str = "kube-system";

async fn tools() -> &'static Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    TOOLS.get_or_init(async || Tools::ensure(Progress::Stderr).await.unwrap()).await
}

/// Never dropped: the end of this process ends it, which is what the guard is for.
async fn shared_control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED.get_or_init(async || start(ControlPlaneOptions::default()).await).await
}

/// A control plane with the shipped rights.
async fn start(options: ControlPlaneOptions) -> ControlPlane {
    let options = ControlPlaneOptions { audit_log: true, ..options };
    let control_plane = ControlPlane::start(tools().await, options).await.unwrap();
    for manifest in [RIGHTS, POLICY, OUTSIDE] {
        apply_manifests(&control_plane.admin().unwrap(), manifest).await.unwrap();
    }
    let own = Right { namespace: OWN, ..Right::default() };
    let one_of_each_binding = [
        Right { verb: "patch", resource: "serviceaccounts", ..Right::default() },
        Right { verb: "watch", resource: "configmaps", name: CONFIG_MAP, ..own },
        Right {
            verb: "create",
            resource: "serviceaccounts",
            subresource: "token",
            name: SERVICE_ACCOUNT,
            ..own
        },
    ];
    control_plane.until_granted(OWN, SERVICE_ACCOUNT, &one_of_each_binding).await.unwrap();
    control_plane
}

/// A turn to have a control plane of its own. Each takes half a GiB, and a core while it starts: without turns small
/// machines run out of both.
async fn turn() -> SemaphorePermit<'static> {
    static TURNS: Semaphore = Semaphore::const_new(2);
    TURNS.acquire().await.unwrap()
}

/// The cluster as the component reaches it: by a kubeconfig, as its ServiceAccount.
async fn cluster(control_plane: &ControlPlane) -> Cluster {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    acr_testbed::install_tls_provider();
    let token = control_plane.service_account_token(OWN, SERVICE_ACCOUNT, &[], 3600).await.unwrap();
    // A file of its own: another test may be reading one just now.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let kubeconfig = control_plane.kubeconfig_with_token(&format!("component-{number}"), &token).unwrap();
    let access = Access { kubeconfig: Some(kubeconfig), context: None };
    let ourselves = Ourselves { namespace: OWN.to_owned(), identity: "test".to_owned() };
    Cluster::new(connect(&access).await.unwrap(), ourselves)
}

/// A namespace of this name, and a client that may do everything.
async fn namespace(control_plane: &ControlPlane, name: &str) -> Client {
    let client = control_plane.admin().unwrap();
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    client
}

fn payload(document: &str) -> Payload {
    Payload {
        document: Zeroizing::new(document.as_bytes().to_vec()),
        digest: format!("digest-of-{}", document.len()),
        expires: None,
    }
}

/// What is left of an answer that is a refusal.
fn refusal(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// uid and version that a write has made.
fn done(answer: Answer) -> (String, u64) {
    match answer {
        Answer::Done { resource_version, uid } => (uid.unwrap_or_default(), resource_version),
        other => panic!("not done: {other:?}"),
    }
}

async fn secret(client: &Client, namespace: &str, name: &str) -> Secret {
    Api::namespaced(client.clone(), namespace).get(name).await.unwrap()
}

/// The only data of a Secret, as text.
fn document(secret: &Secret) -> String {
    let data = secret.data.as_ref().unwrap();
    assert_eq!(data.len(), 1);
    String::from_utf8(data.values().next().unwrap().0.clone()).unwrap()
}

/// Asks `question` until it has an answer. Only what hangs takes as long as that is given.
async fn eventually<T>(what: &str, question: impl AsyncFn() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
