//! Pulls that work: every way to prove who the cluster is, by the public domain and by the one inside VPCs.

use acr_end_to_end::{PROVIDER_ARN, ROLE_ARN};

use crate::play::{BASIC, BY_COMPONENT, BY_KEY, Cluster, Play, WITH_ACCOUNT, Workload};

/// One way to prove who the cluster is. More ways are more tests of a line.
struct Way<'a> {
    entries: &'a str,
    keys: &'a [(&'a str, &'a str)],
    arguments: &'a [&'a str],
}

/// Applies the Deployments unchanged, in fresh namespaces with fresh ServiceAccounts, and waits for the kubelet's word.
async fn both_deployments_pull(way: Way<'_>) {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    let spaces: [(&str, Workload); 2] = [("shop", BASIC), ("web", WITH_ACCOUNT)];
    let mut keys = vec![("service-account", "default,my-service-account")];
    keys.extend(way.keys);
    play.run(way.entries, &["shop", "web"], &keys, way.arguments).await;
    for (space, workload) in spaces {
        play.create_space(space).await;
        play.apply_when_attached(space, &workload).await;
    }
    for (space, workload) in spaces {
        play.pulled(space, &workload).await;
    }
    // The blobs came from the bucket, where the registry's token is refused.
    let log = std::fs::read_to_string(play.images.log_path()).unwrap();
    let redirected =
        |line: &str| line.contains("http.response.status=307") && line.contains("/blobs/sha256:");
    assert!(log.lines().any(redirected), "{log}");
    assert_eq!(play.findings().await, [""; 0]);
    play.end().await;
}

#[tokio::test]
async fn with_the_keys_of_an_entry() {
    both_deployments_pull(Way { entries: BY_KEY, keys: &[], arguments: &[] }).await;
}

#[tokio::test]
async fn with_the_role_of_the_node() {
    both_deployments_pull(Way { entries: BY_COMPONENT, keys: &[], arguments: &["--token-mode=workerRole"] })
        .await;
}

#[tokio::test]
async fn with_rrsa() {
    let roles = format!("  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n");
    let entries = format!("{BY_COMPONENT}{roles}");
    both_deployments_pull(Way { entries: &entries, keys: &[("rrsa", "enable: true\n")], arguments: &[] })
        .await;
}
