//! A cluster with a node that has the image, and with helm beside it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use acr_end_to_end::{
    ACME, Images, PROVIDER_ARN, ROLE_ARN, Stage, chart_folder, eventually, run_helm, would_be_attached,
};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Helm, Node, NodeOptions, NodeTools, Progress, Tools};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{PATIENCE, REPOSITORY, TAG, archive};

pub(crate) const OWN: &str = "kube-system";
pub(crate) const SHOP: &str = "shop";
/// The Deployment of the verification step of the same account, with a ServiceAccount of its own.
const WORKLOAD: &str = include_str!("../../../crates/configuration/fixtures/deployment-service-account.yaml");
pub(crate) const ACCOUNT: &str = "my-service-account";

/// What kube-proxy does: whoever connects to the address of a Service is led to its pod.
pub(crate) struct Led(JoinHandle<()>);

impl Led {
    fn to(pod: SocketAddr, listener: tokio::net::TcpListener) -> Self {
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
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

/// The address of the API server's Service, in a network of 256 that nobody else uses: Services have addresses of loopback, so
/// nothing has to be set up for them.
async fn claim_network() -> (Ipv4Addr, tokio::net::TcpListener) {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    for step in 0..=u8::MAX {
        // 127.0 is everybody's.
        let address = Ipv4Addr::new(127, high | 0x80, low.wrapping_add(step), 1);
        if let Ok(listener) = tokio::net::TcpListener::bind((address, 443)).await {
            return (address, listener);
        }
    }
    panic!("no network of loopback is free, or its port 443 may not be taken");
}

pub(crate) struct Cluster {
    // Dropped in this order.
    pub(crate) node: Node,
    _api_server: Led,
    pub(crate) control_plane: ControlPlane,
    helm: Helm,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let tools = Tools::ensure(Progress::Stderr).await.unwrap();
        let node_tools = NodeTools::ensure(&tools, Progress::Stderr).await.unwrap();
        let helm = Helm::ensure(&tools, Progress::Stderr).await.unwrap();
        let (service, listener) = claim_network().await;
        let [_, high, low, _] = service.octets();
        let options = ControlPlaneOptions {
            nodes: true,
            controllers: vec!["job-controller".to_owned()],
            api_server_arguments: vec![format!("--service-cluster-ip-range=127.{high}.{low}.0/24")],
            ..ControlPlaneOptions::default()
        };
        let control_plane = ControlPlane::start(&tools, options).await.unwrap();
        let server = control_plane.url().strip_prefix("https://").unwrap().parse().unwrap();
        let api_server = Led::to(server, listener);
        let node = Node::start(&control_plane, &tools, &node_tools, NodeOptions::default()).await.unwrap();
        node.import(archive().await, Some(REPOSITORY)).await.unwrap();
        Self { node, _api_server: api_server, control_plane, helm }
    }

    /// `helm install` or `helm upgrade` of the chart with the image, and with these values.
    pub(crate) async fn helm_chart(&self, command: &str, values: &[&str]) {
        let chart = chart_folder().to_string_lossy().into_owned();
        let image = format!("--set=image.repository={REPOSITORY},image.tag={TAG},image.pullPolicy=Never");
        // A machine with one core has no room for more beside the workload.
        let own = [chart.as_str(), &image, "--set=resources.requests.cpu=1m,replicas=1"];
        self.helm(command, &[&own[..], values].concat()).await;
    }

    /// Leads whoever connects to the Service of the webhook to this port.
    pub(crate) async fn lead_webhook(&self, port: u16) -> Led {
        let services: Api<Service> = Api::namespaced(self.control_plane.admin().unwrap(), OWN);
        let service = services.get("acr-credential-helper-webhook").await.unwrap().spec.unwrap();
        assert_eq!(service.ports.unwrap()[0].port, 443);
        let address: Ipv4Addr = service.cluster_ip.unwrap().parse().unwrap();
        let listener = tokio::net::TcpListener::bind((address, 443)).await.unwrap();
        Led::to((Ipv4Addr::LOCALHOST, port).into(), listener)
    }

    /// The registry of [`ACME`] with the image of the workload.
    pub(crate) async fn serve_images(&self, stage: &Stage<'_>) -> Images {
        let tools = Tools::ensure(Progress::Stderr).await.unwrap();
        let images = Images::serve(&tools, stage, ACME).await.unwrap();
        images.lead(&self.node).unwrap();
        images.push_program(stage, &self.node, "team/app", "v1").await.unwrap();
        images
    }

    /// `helm COMMAND`, which must pass. Gives what it says.
    pub(crate) async fn helm(&self, command: &str, arguments: &[&str]) -> String {
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

/// Writes the ConfigMap: RRSA for all ServiceAccounts of one namespace, and this `webhook-configuration`.
pub(crate) async fn configure(stage: &Stage<'_>, webhook: &str) {
    let entry = format!(
        "- instanceId: {}\n  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n",
        ACME.id
    );
    let keys = [
        ("acr-registry-info", entry.as_str()),
        ("rrsa", "enable: true\n"),
        ("watch-namespace", SHOP),
        ("service-account", "*"),
        ("webhook-configuration", webhook),
    ];
    stage.configure(&keys).await.unwrap();
}

/// Applies a workload with its ServiceAccount in a new namespace without waiting for anything: what was made too early would
/// never pull.
pub(crate) async fn pulls_at_once(stage: &Stage<'_>) {
    stage.apply(SHOP, WORKLOAD).await.unwrap();
    until("the workload runs", async || {
        let (wanted, ready) = stage.replicas(SHOP, "nginx-test").await.unwrap();
        (wanted == ready).then_some(())
    })
    .await;
}

/// Whether a ServiceAccount that is made now, and not stored, gets our name.
pub(crate) async fn counts(stage: &Stage<'_>) -> Option<()> {
    would_be_attached(stage.client(), SHOP, json!({ "generateName": "counts-" })).await.then_some(())
}

pub(crate) async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    eventually(what, PATIENCE, async || Ok(question().await)).await.unwrap()
}
