//! Pods that are there before the component is, and pods with a list of their own: made anew, they pull.

use std::net::{Ipv4Addr, TcpListener};

use acr_end_to_end::PULL_SECRET;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

use crate::play::{BASIC, BY_KEY, Cluster, Play, until};

/// The lists of the pods that are not being deleted.
async fn lists(play: &Play<'_>, space: &str) -> Vec<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(play.stage.client().clone(), space);
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    let stay = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let list = |pod: Pod| pod.spec.unwrap().image_pull_secrets.unwrap_or_default();
    stay.map(|pod| list(pod).into_iter().map(|entry| entry.name).collect()).collect()
}

#[tokio::test]
async fn pods_that_are_older_than_the_attach_and_pods_with_a_list_of_their_own_are_made_anew_and_pull() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    play.stage.helps_pods().await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("https://{address}");
    play.stage.is_reached_at(&url).await.unwrap();
    let (older, own) = (play.create_space("older").await, play.create_space("own").await);
    let with_own_list = BASIC.with("    spec:\n", "    spec:\n      imagePullSecrets: [{name: their-own}]\n");
    for (space, workload) in [(older, &BASIC), (own, &with_own_list)] {
        play.stage.apply(space, &workload.manifests).await.unwrap();
        play.refused(space, workload, &["pull access denied"]).await;
    }

    let keys = [("pods", "restart"), ("webhook-configuration", "enable: true")];
    play.run(BY_KEY, &[older, own], &keys, &["--webhook-listen", &address, "--webhook-url", &url]).await;
    for (space, list) in [(older, &[PULL_SECRET][..]), (own, &["their-own", PULL_SECRET])] {
        // The image is on the node after the first pull, so it is the list that tells.
        until("the pods name the pull secret", async || (lists(&play, space).await == [list]).then_some(()))
            .await;
        until(&format!("the pods of {space} run"), async || {
            let (wanted, running) = play.stage.replicas(space, BASIC.deployment).await.unwrap();
            (wanted == running).then_some(())
        })
        .await;
    }
    until("nothing is left to mend", async || play.findings().await.is_empty().then_some(())).await;
    play.end().await;
}
