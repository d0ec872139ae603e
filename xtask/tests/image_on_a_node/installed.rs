//! The chart, installed on a node: its Deployment, its Service and the Jobs of its hooks are pods of the image.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use acr_end_to_end::{
    ACME, CONFIG_MAP, Images, PROVIDER_ARN, PULL_SECRET, ROLE_ARN, SERVICE_ACCOUNT, Stage, chart_folder,
    eventually, run_helm,
};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Helm, Node, NodeOptions, NodeTools, Progress, Tools};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{PATIENCE, REPOSITORY, TAG, archive};

const OWN: &str = "kube-system";
const SHOP: &str = "shop";
/// The Deployment of the verification step of the same account, with a ServiceAccount of its own.
const WORKLOAD: &str = include_str!("../../../crates/configuration/fixtures/deployment-service-account.yaml");
const ACCOUNT: &str = "my-service-account";

/// What kube-proxy does: whoever connects to the address of a Service is led to its pod.
struct Led(JoinHandle<()>);

impl Led {
    async fn from(service: SocketAddr, pod: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind(service).await.unwrap();
        Self(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if let Ok(mut onward) = TcpStream::connect(pod).await {
                        let _ = copy_bidirectional(&mut stream, &mut onward).await;
                    }
                });
            }
        }))
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A port that is free on all addresses: pods of the network of the host listen there.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

/// Services have addresses of loopback, others in each process: nothing has to be set up for them.
fn service_network() -> [u8; 2] {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0 is everybody's.
    [high | 0x80, low]
}

struct Cluster {
    // Dropped in this order.
    node: Node,
    _api_server: Led,
    control_plane: ControlPlane,
    helm: Helm,
}

impl Cluster {
    async fn start() -> Self {
        let tools = Tools::ensure(Progress::Stderr).await.unwrap();
        let node_tools = NodeTools::ensure(&tools, Progress::Stderr).await.unwrap();
        let helm = Helm::ensure(&tools, Progress::Stderr).await.unwrap();
        let [high, low] = service_network();
        let options = ControlPlaneOptions {
            nodes: true,
            controllers: vec!["job-controller".to_owned()],
            api_server_arguments: vec![format!("--service-cluster-ip-range=127.{high}.{low}.0/24")],
            ..ControlPlaneOptions::default()
        };
        let control_plane = ControlPlane::start(&tools, options).await.unwrap();
        let server = control_plane.url().strip_prefix("https://").unwrap().parse().unwrap();
        let api_server = Led::from((Ipv4Addr::new(127, high, low, 1), 443).into(), server).await;
        let node = Node::start(&control_plane, &tools, &node_tools, NodeOptions::default()).await.unwrap();
        node.import(archive().await, Some(REPOSITORY)).await.unwrap();
        Self { node, _api_server: api_server, control_plane, helm }
    }

    /// `helm COMMAND`, which must pass. Gives what it says.
    async fn helm(&self, command: &str, arguments: &[&str]) -> String {
        let home = self.control_plane.folder().join("helm");
        let kubeconfig = self.control_plane.admin_kubeconfig();
        let mut all = vec![command, "acr-credential-helper", "--namespace", OWN];
        all.extend(arguments);
        let environment: [(&str, &Path); 2] = [("KUBECONFIG", &kubeconfig), ("HOME", &home)];
        let output = run_helm(&self.helm, &all, &environment).await.unwrap();
        assert!(output.status.success(), "helm {command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Whether a ServiceAccount that is made now, and not stored, gets our name.
async fn counts(stage: &Stage<'_>) -> Option<()> {
    let account: ServiceAccount =
        serde_json::from_value(json!({ "metadata": { "generateName": "counts-" } })).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let made = stage.accounts(SHOP).create(&dry, &account).await.ok()?;
    let list = made.image_pull_secrets.unwrap_or_default();
    list.iter().any(|entry| entry.name == PULL_SECRET).then_some(())
}

/// Waits until the controller of Jobs has said that one of them is complete. helm has deleted the Job itself.
async fn is_done(stage: &Stage<'_>, job: &str) {
    let events: Api<Event> = Api::namespaced(stage.client().clone(), OWN);
    until(&format!("the Job {job} is complete"), async || {
        let list = events.list(&ListParams::default()).await.unwrap();
        let complete = |event: &Event| {
            let about = event.regarding.as_ref().and_then(|about| about.name.as_deref());
            about == Some(job) && event.reason.as_deref() == Some("Completed")
        };
        list.items.iter().any(complete).then_some(())
    })
    .await;
}

async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    eventually(what, PATIENCE, async || Ok(question().await)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_installed_serves_tries_its_policy_and_is_removed_by_pods_of_its_own() {
    let cluster = Cluster::start().await;
    let chart = chart_folder().to_string_lossy().into_owned();
    let (port, webhook_port) = (free_port().to_string(), free_port());
    let values = [
        &format!("--set=image.repository={REPOSITORY},image.tag={TAG},image.pullPolicy=Never"),
        &format!("--set=port={port},webhook.port={webhook_port},hostNetwork=true,replicas=1"),
        // A machine with one core has no room for two of them beside the workload.
        "--set=resources.requests.cpu=1m",
    ];
    cluster.helm("install", &[&[chart.as_str()], &values[..]].concat()).await;

    let stage = Stage::join(&cluster.control_plane, OWN).await.unwrap();
    let tools = Tools::ensure(Progress::Stderr).await.unwrap();
    let images = Images::serve(&tools, &stage, ACME).await.unwrap();
    images.lead(&cluster.node).unwrap();
    images.push_program(&stage, &cluster.node, "team/app", "v1").await.unwrap();
    let entry = format!(
        "- instanceId: {}\n  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n",
        ACME.id
    );
    let keys = [
        ("acr-registry-info", entry.as_str()),
        ("rrsa", "enable: true\n"),
        ("watch-namespace", SHOP),
        ("service-account", "*"),
    ];
    let configure = async |webhook: &str| {
        stage.configure(&[&keys[..], &[("webhook-configuration", webhook)]].concat()).await.unwrap();
    };
    configure("enable: true\nfailure-policy: Fail\n").await;
    let services: Api<Service> = Api::namespaced(stage.client().clone(), OWN);
    let service = services.get("acr-credential-helper-webhook").await.unwrap().spec.unwrap();
    assert_eq!(service.ports.unwrap()[0].port, 443);
    let address: Ipv4Addr = service.cluster_ip.unwrap().parse().unwrap();
    let _service = Led::from((address, 443).into(), (Ipv4Addr::LOCALHOST, webhook_port).into()).await;
    until("the pod is ready, as the kubelet says", async || {
        let (wanted, ready) = stage.replicas(OWN, SERVICE_ACCOUNT).await.unwrap();
        (wanted == ready).then_some(())
    })
    .await;

    stage.create_namespace("first", &[]).await.unwrap();
    stage.create_namespace(SHOP, &[]).await.unwrap();
    until("the webhook counts, by its Service", async || counts(&stage).await).await;
    // Nothing is waited for: what was made too early would never pull.
    stage.apply(SHOP, WORKLOAD).await.unwrap();
    until("the workload runs", async || {
        let (wanted, ready) = stage.replicas(SHOP, "nginx-test").await.unwrap();
        (wanted == ready).then_some(())
    })
    .await;

    // The policy takes over; the Job of the hook tries it.
    configure("enable: true\nmode: policy\n").await;
    cluster.helm("upgrade", &[&[chart.as_str()], &values[..]].concat()).await;
    is_done(&stage, "acr-credential-helper-try-policy").await;
    until("the policy counts", async || counts(&stage).await).await;
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(stage.client().clone());
    until("the webhook is registered no more", async || {
        registrations.get_opt("acr-credential-helper").await.unwrap().is_none().then_some(())
    })
    .await;

    // The Job of the hook stops the Deployment, waits for its pod, and takes everything back.
    cluster.helm("uninstall", &[]).await;
    is_done(&stage, "acr-credential-helper-uninstall").await;
    assert_eq!(stage.list(SHOP, ACCOUNT).await.unwrap(), Some(vec![]));
    assert!(stage.pull_secret(SHOP).await.unwrap().is_none());
    let leases: Api<Lease> = Api::namespaced(stage.client().clone(), OWN);
    assert!(leases.get_opt("acr-credential-helper").await.unwrap().is_none());
    let secrets: Api<Secret> = Api::namespaced(stage.client().clone(), OWN);
    assert!(secrets.get_opt("acr-credential-helper-state").await.unwrap().is_none());
    let maps: Api<ConfigMap> = Api::namespaced(stage.client().clone(), OWN);
    assert!(maps.get_opt(CONFIG_MAP).await.unwrap().is_some(), "it is the user's");
    assert!(maps.get_opt("acr-credential-helper-scope").await.unwrap().is_none());
}
