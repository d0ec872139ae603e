//! Logins that end: pulls go on with the next one, and a dead one does not stand in the way of public images.

use acr_end_to_end::PULL_SECRET;
use acr_simulator::{Description, Fault, FaultEffect, Matcher, Product};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};

use crate::play::{BASIC, BY_COMPONENT, Cluster, Play, until};

const WORKER_ROLE: [&str; 1] = ["--token-mode=workerRole"];

/// A public image of the host that the pull secret has a login for.
const PUBLIC: &str = "acme-registry.cn-hangzhou.cr.aliyuncs.com/base/busybox:v1";

/// A login lives no longer than the session that asked for it: half a minute.
fn short_lives(description: &mut Description) {
    let metadata = description.metadata.as_mut().unwrap();
    metadata.document_seconds = 30;
    metadata.rotation_seconds = 15;
}

#[tokio::test]
async fn an_image_is_pulled_again_when_the_first_login_has_ended() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin_with(&cluster, short_lives).await;
    let space = play.create_space("shop").await;
    play.run(BY_COMPONENT, &[space], &[], &WORKER_ROLE).await;
    play.attached(space, "default").await;
    let first = play.login(space).await.unwrap();
    let always = BASIC.with("        image:", "        imagePullPolicy: Always\n        image:");
    play.stage.apply(space, &always.manifests).await.unwrap();
    play.pulled(space, &BASIC).await;

    play.ended(&first, "team/app").await;
    play.stage.delete_pods(space).await.unwrap();
    until("another pod has pulled", async || {
        let mut pods = play.pods_with_pulls(space).await;
        pods.sort();
        pods.dedup();
        (pods.len() > 1).then_some(())
    })
    .await;
    play.end().await;
}

#[tokio::test]
async fn a_public_image_of_a_host_whose_login_is_dead_is_pulled_because_the_login_is_taken_away() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin_with(&cluster, short_lives).await;
    play.images.push_program(&play.stage, play.node, "base/busybox", "v1").await.unwrap();
    let (shop, web) = (play.create_space("shop").await, play.create_space("web").await);
    play.run(BY_COMPONENT, &[shop], &[], &WORKER_ROLE).await;
    play.attached(shop, "default").await;
    let login = play.login(shop).await.unwrap();
    // Somebody keeps it, in a namespace that is not served.
    let kept = play.stage.pull_secret(shop).await.unwrap().unwrap();
    let metadata = ObjectMeta { name: Some("kept".to_owned()), ..ObjectMeta::default() };
    let kept = Secret { metadata, ..kept };
    play.stage.secrets(web).create(&PostParams::default(), &kept).await.unwrap();

    // No login any more, and by the clock of the cloud it is a quarter of an hour later.
    let broken =
        FaultEffect::Error { status: 500, code: "SystemError".to_owned(), message: None, headers: [].into() };
    for effect in [broken, FaultEffect::ClockSkew { seconds: 900 }] {
        let matcher = Matcher { product: Some(Product::Cr), ..Matcher::default() };
        play.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect });
    }
    until("the dead login is taken away", async || {
        let served = play.stage.served(shop).await.unwrap()?;
        served.hosts.is_empty().then_some(())
    })
    .await;
    play.ended(&login, "base/busybox").await;

    // With the dead login in hand the public image is out of reach, ...
    let public = BASIC.with_image(PUBLIC);
    let with_kept = public.with("    spec:\n", "    spec:\n      imagePullSecrets: [{name: kept}]\n");
    play.stage.apply(web, &with_kept.manifests).await.unwrap();
    play.refused(web, &public, &["401 Unauthorized"]).await;
    // ... and with the pull secret, which still stands in the list, it is not.
    assert_eq!(play.stage.list(shop, "default").await.unwrap().unwrap(), [PULL_SECRET]);
    play.stage.apply(shop, &public.manifests).await.unwrap();
    play.pulled(shop, &public).await;
    assert_eq!(play.findings().await, ["Server", "ThresholdTooLong"]);
    play.end().await;
}
