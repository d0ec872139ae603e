//! Pulls that must fail: what the kubelet says, and what the component reports about them.

use acr_simulator::description::OneOrMany;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::play::{BASIC, BY_KEY, Cluster, Play, WITH_ACCOUNT, until};

#[tokio::test]
async fn a_service_account_out_of_scope_pulls_nothing_beside_one_that_does() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    let space = play.create_space("shop").await;
    play.run(BY_KEY, &[space], &[], &[]).await;
    play.attached(space, "default").await;
    play.stage.apply(space, &WITH_ACCOUNT.manifests).await.unwrap();
    play.refused(space, &WITH_ACCOUNT, &["pull access denied"]).await;
    play.stage.apply(space, &BASIC.manifests).await.unwrap();
    play.pulled(space, &BASIC).await;
    // It is what was configured, so there is nothing to mend.
    assert_eq!(play.findings().await, [""; 0]);
    assert_eq!(play.stage.list(space, "my-service-account").await.unwrap().unwrap(), [""; 0]);
    play.end().await;
}

#[tokio::test]
async fn a_host_that_is_missing_in_the_domains_is_pulled_from_as_anybody() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    let (shop, web) = (play.create_space("shop").await, play.create_space("web").await);
    let vpc_only = format!("{BY_KEY}  domains: acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com\n");
    play.run(&vpc_only, &[shop, web], &[("service-account", "*")], &[]).await;
    play.apply_when_attached(shop, &BASIC).await;
    play.apply_when_attached(web, &WITH_ACCOUNT).await;
    play.refused(shop, &BASIC, &["pull access denied"]).await;
    play.pulled(web, &WITH_ACCOUNT).await;
    assert_eq!(play.findings().await, [""; 0]);
    play.end().await;
}

#[tokio::test]
async fn a_right_that_is_denied_fails_at_the_pull_itself() {
    let may_not_pull = |description: &mut acr_simulator::Description| {
        let puller = &mut description.accounts[0].users[0];
        let actions = ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint"];
        puller.policies[0].statement[0].action = OneOrMany(actions.map(str::to_owned).to_vec());
    };
    let cluster = Cluster::start().await;
    let mut play = Play::begin_with(&cluster, may_not_pull).await;
    let space = play.create_space("shop").await;
    play.run(BY_KEY, &[space], &[], &[]).await;
    play.apply_when_attached(space, &BASIC).await;
    play.refused(space, &BASIC, &["pull access denied"]).await;
    // Nothing that the component asks for was refused.
    assert_eq!(play.findings().await, [""; 0]);
    play.end().await;
}

#[tokio::test]
async fn a_login_that_is_denied_leaves_the_pull_to_anybody_and_is_said_with_what_mends_it() {
    let may_not_ask = |description: &mut acr_simulator::Description| {
        let puller = &mut description.accounts[0].users[0];
        let actions = ["cr:ListInstanceEndpoint", "cr:PullRepository"];
        puller.policies[0].statement[0].action = OneOrMany(actions.map(str::to_owned).to_vec());
    };
    let cluster = Cluster::start().await;
    let mut play = Play::begin_with(&cluster, may_not_ask).await;
    let space = play.create_space("shop").await;
    play.run(BY_KEY, &[space], &[], &[]).await;
    // There is no login to wait for.
    play.stage.apply(space, &BASIC.manifests).await.unwrap();
    play.refused(space, &BASIC, &["pull access denied"]).await;
    let finding = until("it is said who asked", async || {
        let told = play.told("Denied").await;
        told.into_iter().find(|told| {
            told.contains("as AccessKey in the entry (acs:ram::1280000000009011:user/image-puller)")
        })
    })
    .await;
    for words in [
        "GetAuthorizationToken failed: permission denied, NoPrivilege",
        r#"grant the identity {"Statement":[{"Action":["cr:GetAuthorizationToken","#,
    ] {
        assert!(finding.contains(words), "{finding}");
    }
    assert_eq!(play.findings().await, ["Denied"]);
    play.end().await;
}

#[tokio::test]
async fn a_pod_with_its_own_list_does_not_get_ours() {
    let cluster = Cluster::start().await;
    let mut play = Play::begin(&cluster).await;
    let space = play.create_space("shop").await;
    play.run(BY_KEY, &[space], &[], &[]).await;
    play.attached(space, "default").await;
    let with_own_list = BASIC.with("    spec:\n", "    spec:\n      imagePullSecrets: [{name: their-own}]\n");
    play.stage.apply(space, &with_own_list.manifests).await.unwrap();
    play.event(space, "FailedToRetrieveImagePullSecret", &["their-own"]).await;
    play.refused(space, &BASIC, &["pull access denied"]).await;
    assert_eq!(play.findings().await, [""; 0]);

    // Without a list of its own it gets the one of its ServiceAccount.
    let deployments: Api<Deployment> = Api::namespaced(play.stage.client().clone(), space);
    let without = json!({ "spec": { "template": { "spec": { "imagePullSecrets": null } } } });
    deployments.patch(BASIC.deployment, &PatchParams::default(), &Patch::Merge(without)).await.unwrap();
    until("the image is pulled", async || (!play.pods_with_pulls(space).await.is_empty()).then_some(()))
        .await;
    play.end().await;
}
