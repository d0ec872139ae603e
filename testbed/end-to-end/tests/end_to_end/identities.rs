//! Who asks the cloud: keys, RRSA by file and by TokenRequest, the role of the node; and what is said when it may not.

use std::time::Duration;

use acr_end_to_end::{ACME, PROVIDER_ARN, ROLE_ARN, RunOptions};
use acr_simulator::description::{MetadataTokens, OneOrMany, Role};
use acr_simulator::{Description, Mutation, Product};

use crate::scene::{ACME_BY_KEY, Scene};

const RRSA_ON: [(&str, &str); 1] = [("rrsa", "enable: true\n")];

fn by_rrsa(role: &str) -> String {
    format!("- instanceId: {}\n  rrsaRoleARN: {role}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n", ACME.id)
}

fn by_key(id: &str, secret: &str) -> String {
    format!("- instanceId: {}\n  customAccessKey: {id}\n  customAccessKeySecret: {secret}\n", ACME.id)
}

fn worker_role() -> RunOptions {
    RunOptions { arguments: vec!["--token-mode=workerRole".to_owned()], ..RunOptions::default() }
}

fn token_requests(scene: &Scene<'_>) -> usize {
    let requests = scene.stage.requests().unwrap();
    requests
        .iter()
        .filter(|event| (event.verb.as_str(), event.subresource.as_str()) == ("create", "token"))
        .count()
}

#[tokio::test]
async fn rrsa_without_a_projected_token_asks_the_api_server_for_one() {
    let mut scene = Scene::begin("request").await;
    let space = scene.create_space("shop").await;
    let images = scene.images(ACME).await;
    images.push(&scene.stage, "shop/web", "1.0").await.unwrap();
    scene.configure(&by_rrsa(ROLE_ARN), &[&space], &RRSA_ON).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    assert_eq!(token_requests(&scene), 1);
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRoleWithOIDC"), 1);
    assert_eq!(scene.logins(), 1);
    let secret = scene.stage.pull_secret(&space).await.unwrap().unwrap();
    let login = acr_end_to_end::secret_login(&space, &secret, ACME.public_host).unwrap().unwrap();
    images.pull(ACME.public_host, "shop/web", "1.0", Some(&login)).await.unwrap().unwrap();
    scene.end().await;
}

#[tokio::test]
async fn rrsa_takes_the_projected_token_where_there_is_one() {
    let mut scene = Scene::begin("file").await;
    let space = scene.create_space("shop").await;
    let folder = scene.project_token().await;
    let file = folder.path().join("token");
    scene.configure(&by_rrsa(ROLE_ARN), &[&space], &RRSA_ON).await;
    let arguments = vec![format!("--token-file={}", file.display())];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    assert_eq!(token_requests(&scene), 0);
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRoleWithOIDC"), 1);
    scene.end().await;
}

#[tokio::test]
async fn rrsa_can_be_turned_on_later_without_a_restart() {
    let mut scene = Scene::begin("later").await;
    let space = scene.create_space("shop").await;
    scene.configure(&by_rrsa(ROLE_ARN), &[&space], &[]).await;
    scene.run().await;
    scene.finding("ArnsWithoutRrsa").await;
    scene.configure(&by_rrsa(ROLE_ARN), &[&space], &RRSA_ON).await;
    scene.served_with_acme(&space).await;
    scene.mended("ArnsWithoutRrsa").await;
    scene.end().await;
}

#[tokio::test]
async fn the_role_of_the_node_serves_entries_without_an_identity_hardened_or_not() {
    for (name, tokens) in [
        ("hardened", MetadataTokens::Required),
        ("either", MetadataTokens::Optional),
        ("normal", MetadataTokens::Unsupported),
    ] {
        let change = |description: &mut Description| {
            description.metadata.as_mut().unwrap().tokens = tokens;
        };
        let mut scene = Scene::begin_with(name, change).await;
        let space = scene.create_space("shop").await;
        scene.configure(&format!("- instanceId: {}\n", ACME.id), &[&space], &[]).await;
        scene.run_with(&worker_role()).await;
        scene.served_with_acme(&space).await;
        assert_eq!(scene.logins(), 1, "{name}");
        let calls = scene.stage.cloud_calls(Product::Metadata);
        assert!(calls.iter().any(|call| call.ends_with("region-id")), "{name}: {calls:?}");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_region_that_nobody_says_is_told_with_where_to_say_it_and_keeps_no_other_entry() {
    let nowhere = |description: &mut Description| description.metadata = None;
    let mut scene = Scene::begin_with("noregion", nowhere).await;
    let space = scene.create_space("shop").await;
    let elsewhere = ACME_BY_KEY.replace(ACME.id, "cri-partner0000000");
    scene.configure(&format!("{elsewhere}{ACME_BY_KEY}  regionId: cn-hangzhou\n"), &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let finding = scene
        .until("the region is missed", async || {
            let findings = scene.findings().await;
            findings.into_iter().map(|(_, _, text)| text).find(|text| text.contains("MetadataRegion failed"))
        })
        .await;
    assert!(
        finding.starts_with("entry 0 (cri-partner0000000)")
            && finding.contains("give `regionId` (or --region)"),
        "{finding}"
    );
    scene
        .configure(
            &format!("{elsewhere}  regionId: cn-beijing\n{ACME_BY_KEY}  regionId: cn-hangzhou\n"),
            &[&space],
            &[],
        )
        .await;
    scene
        .until("the region is missed no more", async || {
            let findings = scene.findings().await;
            findings.iter().all(|(_, _, text)| !text.contains("MetadataRegion")).then_some(())
        })
        .await;
    scene.end().await;
}

fn attach(scene: &Scene<'_>, role: Option<&str>) {
    let role = role.map(str::to_owned);
    scene.stage.cloud().cloud().mutate(Mutation::SetMachineRole { role }).unwrap();
}

fn asked_by(scene: &Scene<'_>, role: &str) -> bool {
    let role = format!(":role/{role}/");
    let cloud = scene.stage.cloud().cloud();
    let is_by = |caller: &String| caller.contains(&role);
    cloud
        .calls()
        .any(|call| call.action == "GetAuthorizationToken" && call.caller.as_ref().is_some_and(is_by))
}

#[tokio::test]
async fn the_role_of_the_node_may_be_attached_changed_and_removed_while_it_is_used() {
    let without = |description: &mut Description| {
        description.metadata.as_mut().unwrap().role = None;
        let roles = &mut description.accounts[0].roles;
        let worker = roles.iter().find(|role| role.name == "KubernetesWorkerRole-demo").unwrap();
        let other = Role { name: "KubernetesWorkerRole-other".to_owned(), ..worker.clone() };
        roles.push(other);
    };
    let mut scene = Scene::begin_with("attached", without).await;
    let space = scene.create_space("shop").await;
    // Every login is renewed three seconds after it was handed out.
    let soon = [("expiring-threshold", "59m57s")];
    scene.configure(&format!("- instanceId: {}\n", ACME.id), &[&space], &soon).await;
    scene.run_with(&worker_role()).await;
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("attach"), "{finding}");

    attach(&scene, Some("KubernetesWorkerRole-demo"));
    scene.served_with_acme(&space).await;
    scene.mended("NotFound").await;
    assert!(asked_by(&scene, "KubernetesWorkerRole-demo"));

    attach(&scene, Some("KubernetesWorkerRole-other"));
    let minute = Duration::from_mins(1);
    scene
        .within(minute, "the other role asks", async || {
            asked_by(&scene, "KubernetesWorkerRole-other").then_some(())
        })
        .await;

    // What it handed out is good to its end, and used meanwhile.
    attach(&scene, None);
    scene.finding("NotFound").await;
    let before = scene.logins();
    scene.within(minute, "logins go on", async || (scene.logins() > before).then_some(())).await;
    attach(&scene, Some("KubernetesWorkerRole-demo"));
    scene.mended("NotFound").await;
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn an_entry_without_an_identity_in_a_young_cluster_is_answered_with_the_ways_out() {
    let mut scene = Scene::begin("young").await;
    let space = scene.create_space("shop").await;
    scene.configure(&format!("- instanceId: {}\n  regionId: cn-hangzhou\n", ACME.id), &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("rrsa") && finding.contains("workerRole"), "{finding}");
    scene.end().await;
}

/// What was configured, what is found, and what the message must hold.
type WrongIdentity =
    (&'static str, String, &'static [(&'static str, &'static str)], &'static str, [&'static str; 2]);

#[tokio::test]
async fn a_wrong_identity_is_said_in_the_words_of_the_cloud_and_mended_by_an_edit() {
    let mut scene = Scene::begin("wrong").await;
    let space = scene.create_space("shop").await;
    scene.configure("[]", &[&space], &[]).await;
    scene.run().await;
    let unknown_instance = ACME_BY_KEY.replace("cri-acme0000000000", "cri-unknown0000000");
    let elsewhere = format!("{ACME_BY_KEY}  regionId: cn-beijing\n  domains: {}\n", ACME.public_host);
    let cases: [WrongIdentity; 7] = [
        (
            "wrong secret",
            by_key("LTAI5tPuller", "marker-wrong"),
            &[],
            "CredentialsRefused",
            ["SignatureDoesNotMatch", "AccessKey"],
        ),
        (
            "wrong key",
            by_key("LTAI5tNobody", "marker-nobody"),
            &[],
            "CredentialsRefused",
            ["InvalidAccessKeyId", "AccessKey"],
        ),
        (
            "no permission",
            by_key("LTAI5tIntern", "marker-intern-secret"),
            &[],
            "Denied",
            ["NoPrivilege", "cr:GetAuthorizationToken"],
        ),
        (
            "unknown role",
            by_rrsa("acs:ram::1280000000009011:role/nobody"),
            &RRSA_ON,
            "NotFound",
            ["EntityNotExist.Role", "role"],
        ),
        (
            "untrusting role",
            by_rrsa("acs:ram::1280000000009011:role/KubernetesWorkerRole-demo"),
            &RRSA_ON,
            "Denied",
            ["AuthenticationFail.NoPermission", "trust policy"],
        ),
        (
            "instance in another region",
            elsewhere,
            &[],
            "NotFound",
            ["in cn-beijing (the region is by regionId)", "set `regionId: cn-hangzhou`"],
        ),
        ("unknown instance", unknown_instance, &[], "NotFound", ["INSTANCE_NOT_EXIST", "instanceId"]),
    ];
    let namespace = scene.stage.namespace().to_owned();
    for (case, entries, keys, code, words) in cases {
        scene.configure(&entries, &[&space], keys).await;
        let finding = scene
            .until(case, async || {
                let findings = scene.findings().await;
                let found = |(_, found, message): &&(String, String, String)| {
                    found == code && words.iter().all(|word| message.contains(word))
                };
                findings.iter().find(found).map(|(_, _, message)| message.clone())
            })
            .await;
        assert!(finding.starts_with("entry 0 (cri-"), "{case}: {finding}");
        // A pod may be made before the cloud is in order: the list comes all the same.
        scene.attached(&space, "default").await;
    }
    for code in ["CredentialsRefused", "Denied", "NotFound"] {
        scene.event(&namespace, "ConfigMap acr-configuration", code).await;
    }
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.served_with_acme(&space).await;
    scene.mended("NotFound").await;
    scene.end().await;
}

#[tokio::test]
async fn an_identity_that_may_not_list_domains_serves_those_of_its_entry() {
    let change = |description: &mut Description| {
        let puller = &mut description.accounts[0].users[0];
        puller.policies[0].statement[0].action = OneOrMany(vec!["cr:GetAuthorizationToken".to_owned()]);
    };
    let mut scene = Scene::begin_with("nolist", change).await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Denied").await;
    assert!(finding.contains("ListInstanceEndpoint"), "{finding}");
    let entry = format!("{ACME_BY_KEY}  domains: {}\n", ACME.public_host);
    scene.configure(&entry, &[&space], &[]).await;
    scene.served(&space, &[ACME.public_host]).await;
    scene.end().await;
}
