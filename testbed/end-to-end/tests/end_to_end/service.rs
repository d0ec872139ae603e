//! The webhook behind its Service, as the chart installs it: the API server finds the address itself, and goes by the name
//! of the Service in the certificate.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use acr_end_to_end::{PULL_SECRET, RunOptions};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::immediate::{counts, created_with, fails};
use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

const SERVICE: &str = "acr-credential-helper-webhook";

/// An address of this machine that may stand in an EndpointSlice, which takes none of loopback. Nothing is sent there.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let way = socket.connect("198.51.100.1:9").and_then(|()| socket.local_addr());
    // A machine without any but loopback cannot play this.
    way.unwrap().ip()
}

#[tokio::test]
async fn the_api_server_finds_the_webhook_by_its_service() {
    let _turn = turn().await;
    // There is no kube-proxy: the API server looks the endpoints up, as managed control planes do.
    let control_plane = control_plane(&["--enable-aggregator-routing=true"]).await;
    let mut scene = Scene::begin_on(&control_plane, "service", |_| {}).await;
    let client = scene.stage.client().clone();
    let address = TcpListener::bind(SocketAddr::new(own_address(), 0)).unwrap().local_addr().unwrap();
    let own = scene.stage.namespace();
    // The Service is part of the manifests; this is what the controllers make of a pod of it that is ready.
    let slice = json!({
        "metadata": { "name": format!("{SERVICE}-1"), "labels": { "kubernetes.io/service-name": SERVICE } },
        "addressType": "IPv4",
        "ports": [{ "name": "webhook", "port": address.port(), "protocol": "TCP" }],
        "endpoints": [{ "addresses": [address.ip().to_string()], "conditions": { "ready": true } }],
    });
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), own);
    slices.create(&PostParams::default(), &serde_json::from_value(slice).unwrap()).await.unwrap();

    let space = scene.create_space("shop").await;
    let webhook = ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 5");
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*"), webhook]).await;
    // As in a pod, but for the port: no URL, the policy as it is shipped.
    let arguments = ["--webhook-listen", &address.to_string()].map(str::to_owned).to_vec();
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    scene.until("the API server calls the webhook", async || counts(&client, &space).await).await;
    scene.until("it is relied on", async || fails(&client).await).await;
    assert_eq!(created_with(&client, &space, "app", &["theirs"]).await, ["theirs", PULL_SECRET]);

    // Nobody answers: `Fail` refuses, which shows that it was the webhook that had answered.
    scene.kill();
    let account = serde_json::from_value(json!({ "metadata": { "name": "refused" } })).unwrap();
    let error = scene.stage.accounts(&space).create(&PostParams::default(), &account).await.unwrap_err();
    assert!(error.to_string().contains("failed calling webhook"), "{error}");
    scene.end().await;
}
