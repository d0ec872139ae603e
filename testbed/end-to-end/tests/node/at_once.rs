//! Pulls of what is created without waiting for anything, where new ServiceAccounts are served when they are created.

use std::net::{Ipv4Addr, TcpListener};

use acr_end_to_end::would_be_attached;
use serde_json::json;

use crate::play::{BASIC, BY_KEY, Cluster, Play, WITH_ACCOUNT, until};

#[tokio::test]
async fn the_deployments_are_applied_in_a_new_namespace_without_waiting_for_anything() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("https://{address}");
    play.stage.is_reached_at(&url).await.unwrap();
    let keys = [
        ("service-account", "default,my-service-account"),
        ("webhook-configuration", "enable: true\nfailure-policy: Fail\n"),
    ];
    let arguments = ["--webhook-listen", &address, "--webhook-url", &url];
    play.run(BY_KEY, &["first", "shop"], &keys, &arguments).await;
    let first = play.create_space("first").await;
    let counts = async || {
        would_be_attached(play.stage.client(), first, json!({ "name": WITH_ACCOUNT.account }))
            .await
            .then_some(())
    };
    until("the API server calls the webhook", counts).await;

    play.stage.create_namespace("shop", &[]).await.unwrap();
    for workload in [&WITH_ACCOUNT, &BASIC] {
        play.stage.apply("shop", &workload.manifests).await.unwrap();
    }
    // The list of a pod is that of its ServiceAccount at its creation: one that came too early would never pull.
    for workload in [&WITH_ACCOUNT, &BASIC] {
        play.pulled("shop", workload).await;
    }
    assert_eq!(play.findings().await, [""; 0]);
    play.end().await;
}
