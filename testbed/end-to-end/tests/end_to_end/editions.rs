//! The same entries as keys of the ConfigMap and as parameters of the managed edition, and both forms at once.

use acr_end_to_end::{ACME, BRANCH, RunOptions};
use acr_simulator::description::{Personal, PersonalKind};
use acr_simulator::{Description, Product};
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene};

const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";
/// The Personal Edition of a region, as [`acr_end_to_end::PERSONAL`] lists that of cn-hangzhou.
const PERSONAL: [&str; 5] =
    ["registry-internal", "registry-intl-vpc", "registry-intl", "registry-vpc", "registry"];

fn hosts_of_personal(region: &str) -> Vec<String> {
    PERSONAL.iter().map(|name| format!("{name}.{region}.aliyuncs.com")).collect()
}

fn sorted(hosts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut hosts: Vec<String> = hosts.into_iter().collect();
    hosts.sort();
    hosts
}

fn with_key(mut entry: Value) -> Value {
    entry["customAccessKey"] = "LTAI5tPuller".into();
    entry["customAccessKeySecret"] = "marker-puller-secret".into();
    entry
}

/// Two old Personal Editions of one account.
fn two_regions(description: &mut Description) {
    let personal = description.personal[0].clone();
    description.personal.push(Personal {
        region: "cn-beijing".to_owned(),
        kind: PersonalKind::Old,
        ..personal
    });
}

#[tokio::test]
async fn keys_hops_and_two_personal_regions_are_served_alike_in_both_editions() {
    let mut scene = Scene::begin_with("alike", two_regions).await;
    let space = scene.create_space("shop").await;
    let entries = json!([
        with_key(json!({ "instanceId": ACME.id, "regionId": "cn-hangzhou" })),
        with_key(json!({ "instanceId": BRANCH.id, "regionId": "cn-hangzhou", "assumeRoleARN": CROSS_ROLE,
            "expireDuration": 1800 })),
        with_key(json!({ "instanceId": "", "regionId": "cn-hangzhou" })),
        with_key(json!({ "instanceId": "", "regionId": "cn-beijing" })),
    ]);
    let of_instances = [ACME.hosts, BRANCH.hosts].concat().into_iter().map(str::to_owned);
    let of_personal = hosts_of_personal("cn-hangzhou").into_iter().chain(hosts_of_personal("cn-beijing"));
    let hosts = sorted(of_instances.chain(of_personal));
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    scene.configure(&entries.to_string(), &[&space], &[]).await;
    scene.run().await;
    let first = scene.served(&space, &hosts).await;
    scene.attached(&space, "default").await;
    let calls = || (scene.logins(), scene.cloud_calls(Product::Sts, "AssumeRole"));
    assert_eq!(calls(), (4, 1));
    let parameters = json!({ "AcrInstanceInfo": entries, "watchNamespace": space, "enableRRSA": "false",
        "expiringThreshold": "", "notifyEmail": "" });
    scene.stage.configure(&[("add-on-parameters", &parameters.to_string())]).await.unwrap();
    // Served after everything else was looked at.
    let later = scene.create_space("later").await;
    let mut both = parameters.clone();
    both["watchNamespace"] = format!("{space},{later}").into();
    scene.stage.configure(&[("add-on-parameters", &both.to_string())]).await.unwrap();
    assert_eq!(scene.served(&later, &hosts).await, first);
    assert_eq!(scene.served_now(&space).await, Some(first));
    assert_eq!(calls(), (4, 1));
    scene.end().await;
}

#[tokio::test]
async fn parameters_of_a_file_beside_those_of_the_config_map_are_an_error_and_a_file_that_is_gone_is_said() {
    let mut scene = Scene::begin("bothforms").await;
    let space = scene.create_space("shop").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parameters.json");
    let parameters =
        |entry: Value| json!({ "AcrInstanceInfo": [entry], "watchNamespace": space }).to_string();
    let acme = parameters(with_key(json!({ "instanceId": ACME.id, "regionId": "cn-hangzhou" })));
    let branch = parameters(json!({ "instanceId": BRANCH.id, "regionId": "cn-hangzhou" }));
    std::fs::write(&file, &acme).unwrap();
    scene.stage.configure(&[]).await.unwrap();
    let arguments = vec![format!("--parameters={}", file.display())];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    let served = scene.served_with_acme(&space).await;
    // Neither is preferred in silence.
    scene.stage.configure(&[("add-on-parameters", &branch)]).await.unwrap();
    let finding = scene.finding("BothForms").await;
    assert!(finding.contains("add-on-parameters") && finding.contains("keep one form"), "{finding}");
    assert_eq!(scene.served_now(&space).await, Some(served.clone()));
    scene.stage.configure(&[]).await.unwrap();
    scene.mended("BothForms").await;
    // A file that cannot be read changes nothing, and is said until it can.
    std::fs::remove_file(&file).unwrap();
    let finding = scene.finding("ParametersUnreadable").await;
    assert!(finding.contains("parameters.json") && finding.contains("stays in force"), "{finding}");
    assert_eq!(scene.served_now(&space).await, Some(served));
    std::fs::write(
        &file,
        parameters(with_key(json!({ "instanceId": ACME.id, "regionId": "cn-hangzhou",
        "domains": ACME.public_host }))),
    )
    .unwrap();
    scene.mended("ParametersUnreadable").await;
    scene.served(&space, &[ACME.public_host]).await;
    scene.end().await;
}

#[tokio::test]
async fn a_session_longer_than_the_role_admits_is_said_with_its_length_and_a_shorter_one_is_served() {
    let mut scene = Scene::begin("toolong").await;
    let space = scene.create_space("shop").await;
    let entry = |seconds: u32| {
        let entry = json!({ "instanceId": BRANCH.id, "regionId": "cn-hangzhou", "assumeRoleARN": CROSS_ROLE,
            "expireDuration": seconds });
        json!([with_key(entry)]).to_string()
    };
    scene.configure(&entry(7200), &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("InvalidRequest").await;
    assert!(finding.contains("7200 s") && finding.contains("lower `expireDuration`"), "{finding}");
    scene.configure(&entry(900), &[&space], &[]).await;
    let served = scene.served(&space, BRANCH.hosts).await;
    let left = served.expires.unwrap().duration_since(jiff::Timestamp::now());
    assert!(left.as_secs() <= 900, "a login lives no longer than the session: {left}");
    scene.mended("InvalidRequest").await;
    scene.end().await;
}

#[tokio::test]
async fn a_secret_of_a_registered_cluster_is_read_by_name_and_until_it_may_be_the_token_mode_goes_on() {
    let mut scene = Scene::begin("regsecret-ungranted").await;
    let space = scene.create_space("shop").await;
    let entry = |id: &str, region: &str| format!("- instanceId: {id}\n  regionId: {region}\n");
    scene.configure(&entry(ACME.id, "cn-hangzhou"), &[&space], &[]).await;
    let arguments = ["--token-mode=workerRole", "--registered-key-secret=alibaba-addon-secret"];
    let options = RunOptions { arguments: arguments.map(str::to_owned).to_vec(), ..RunOptions::default() };
    scene.run_with(&options).await;
    scene.served_with_acme(&space).await;
    let finding = scene.finding("Denied").await;
    assert!(
        finding.contains("RegisteredKey") && finding.contains("create role acr-alibaba-addon-secret"),
        "{finding}"
    );
    assert!(chain(&scene, 0).await.starts_with("worker role"));
    crate::chains::allow_secret(&scene, "alibaba-addon-secret").await;
    let key = json!({ "access-key-id": "LTAI5tPuller", "access-key-secret": "marker-puller-secret" });
    crate::chains::put_secret(&scene, "alibaba-addon-secret", "Opaque", &key).await;
    // As soon as it may be read it is, without a restart.
    scene
        .within(PATIENCE, "the keys of the registered cluster ask", async || {
            chain(&scene, 0).await.starts_with("keys of the registered cluster").then_some(())
        })
        .await;
    scene.mended("Denied").await;
    let two = format!("{}{}", entry(ACME.id, "cn-hangzhou"), entry(acr_end_to_end::PARTNER.id, "cn-beijing"));
    scene.configure(&two, &[&space], &[]).await;
    let hosts = sorted([ACME.hosts, acr_end_to_end::PARTNER.hosts].concat().into_iter().map(str::to_owned));
    scene.served(&space, &hosts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let last = scene.stage.cloud().cloud().calls().last().and_then(|call| call.caller.clone());
    assert!(last.is_some_and(|caller| caller.ends_with(":user/image-puller")));
    scene.end().await;
}

/// The chain of an entry as `/status` shows it.
async fn chain(scene: &Scene<'_>, place: usize) -> String {
    let status = scene.component().status().await.unwrap();
    status["logins"][place]["chain"][0].as_str().unwrap_or_default().to_owned()
}
