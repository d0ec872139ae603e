//! Edits of the ConfigMap: good ones count within a second, bad ones change nothing and are said.

use std::time::{Duration, Instant};

use acr_end_to_end::{ACME, CONFIG_MAP, RunOptions, secret_login};
use kube::ResourceExt;

use crate::scene::{ACME_BY_KEY, PARTNER_BY_KEY, Scene};

/// How Events name the ConfigMap.
const ABOUT: &str = "ConfigMap acr-configuration";

#[tokio::test]
async fn an_edit_counts_within_a_second() {
    let mut scene = Scene::begin("edit").await;
    let mut spaces = vec![scene.create_space("0").await];
    scene.configure(ACME_BY_KEY, &[&spaces[0]], &[]).await;
    scene.run().await;
    scene.served_with_acme(&spaces[0]).await;
    // The machine may be busy with other tests: one of the edits finds it free enough.
    let mut took = Vec::new();
    while !took.iter().any(|took| *took < Duration::from_secs(1)) {
        assert!(took.len() < 40, "{took:?}");
        let space = scene.create_space(&spaces.len().to_string()).await;
        spaces.push(space.clone());
        let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
        scene.configure(ACME_BY_KEY, &names, &[]).await;
        let edited = Instant::now();
        scene.attached(&space, "default").await;
        scene.served(&space, ACME.hosts).await;
        took.push(edited.elapsed());
    }
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

/// The code of its finding, the entries, and more keys.
type Edit<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn every_bad_edit_is_refused_whole_and_said_on_the_config_map() {
    let mut scene = Scene::begin("bad").await;
    let (space, other) = (scene.create_space("shop").await, scene.create_space("other").await);
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let namespace = scene.stage.namespace().to_owned();
    let versions = async || {
        let secret = scene.stage.pull_secret(&space).await.unwrap().unwrap();
        (
            secret.resource_version(),
            scene.account(&space, "default").await["metadata"]["resourceVersion"].clone(),
        )
    };
    let before = versions().await;

    let nonsense = "x: [".repeat(250_000);
    let bomb = alias_bomb();
    let bad_arn = "- instanceId: cri-1\n  rrsaRoleARN: role/x\n  rrsaOIDCProviderRoleARN: provider/y\n";
    let half_a_pair = "- instanceId: cri-1\n  customAccessKey: LTAI\n";
    let badly_indented = "- instanceId: cri-1\n   regionId: cn-hangzhou\n";
    // Each names the other namespace, and would serve it.
    let edits: [Edit<'_>; 13] = [
        ("SyntaxError", badly_indented, &[]),
        ("TooLarge", &nonsense, &[]),
        ("TooLarge", &bomb, &[]),
        ("WrongType", "cri-acme0000000000", &[]),
        ("WrongType", "- [cri-acme0000000000]\n", &[]),
        ("RegistryInfoMissing", "", &[]),
        ("RegistryInfoMissing", "#- instanceId: \"\"\n", &[]),
        ("InstanceIdMissing", "- regionId: cn-hangzhou\n", &[]),
        ("InvalidArn", bad_arn, &[]),
        ("IncompletePair", half_a_pair, &[]),
        ("InvalidDuration", ACME_BY_KEY, &[("expiring-threshold", "15")]),
        ("OutOfRange", ACME_BY_KEY, &[("expiring-threshold", "0s")]),
        ("MisspelledKey", ACME_BY_KEY, &[("service-acount", "*")]),
    ];
    for (code, entries, more) in edits {
        scene.configure(entries, &[&space, &other], more).await;
        let finding = scene.finding(code).await;
        assert!(finding.contains(';'), "there is no remedy: {finding}");
        let event = scene.event(&namespace, ABOUT, code).await;
        assert_eq!(event.kind, "Warning");
        assert_eq!(scene.component().get("/healthz").await.unwrap().0, 200);
        scene.configure(ACME_BY_KEY, &[&space], &[]).await;
        scene.mended(code).await;
    }
    assert_eq!(versions().await, before);
    assert!(scene.list(&other, "default").await.is_empty());
    assert!(scene.stage.pull_secret(&other).await.unwrap().is_none());
    let misspelled = scene.event(&namespace, ABOUT, "MisspelledKey").await;
    assert!(misspelled.message.contains("service-account"), "{}", misspelled.message);
    let syntax = scene.event(&namespace, ABOUT, "SyntaxError").await;
    assert!(syntax.message.starts_with("acr-registry-info, line 2, column "), "{}", syntax.message);
    scene.end().await;
}

/// Nine levels of nine aliases each: a billion texts, if anybody wrote them out.
fn alias_bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        let aliases = vec![before; 9].join(", ");
        text.push_str(&["a", &level.to_string(), ": &a", &level.to_string(), " [", &aliases, "]\n"].concat());
    }
    text
}

#[tokio::test]
async fn warnings_are_said_and_the_rest_counts() {
    let mut scene = Scene::begin("warn").await;
    let space = scene.create_space("shop").await;
    let twice = format!(
        "{ACME_BY_KEY}  domains: {0}\n{PARTNER_BY_KEY}  domains: {0}\n- instanceId: cri-xxxxxxx\n  customAccessKey: LTAI5tPuller\n  \
         customAccessKeySecret: marker-puller-secret\n- instanceId: \"\"\n",
        ACME.public_host
    );
    let keys = [("acr-api-version", "v1"), ("team", "blue")];
    scene.configure(&twice, &[&space], &keys).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    let codes = ["InlineAccessKey", "UnknownKey", "NoEffect", "PlaceholderNotReplaced", "DuplicateHost"];
    for code in codes {
        scene.finding(code).await;
    }
    // The first entry wins the host that both want: its instance is the one that can be pulled from.
    scene.served(&space, &[ACME.public_host]).await;
    let images = scene.images(ACME).await;
    images.push(&scene.stage, "shop/web", "1.0").await.unwrap();
    let secret = scene.stage.pull_secret(&space).await.unwrap().unwrap();
    let login = secret_login(&space, &secret, ACME.public_host).unwrap();
    images.pull(ACME.public_host, "shop/web", "1.0", login.as_ref()).await.unwrap().unwrap();
    scene.end().await;
}

#[tokio::test]
async fn a_fresh_install_with_a_fault_in_one_entry_serves_the_others() {
    let mut scene = Scene::begin("fresh").await;
    let space = scene.create_space("shop").await;
    let entries = format!("{ACME_BY_KEY}- instanceId: cri-1\n  customAccessKey: LTAI\n");
    scene.configure(&entries, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    scene.finding("IncompletePair").await;
    scene.end().await;
}

#[tokio::test]
async fn a_fresh_install_without_entries_serves_nothing_and_says_so() {
    let mut scene = Scene::begin("shell").await;
    let space = scene.create_space("shop").await;
    scene.configure("#- instanceId: \"\"\n", &[&space], &[]).await;
    scene.run().await;
    scene.finding("RegistryInfoMissing").await;
    assert!(scene.list(&space, "default").await.is_empty());
    // Recovery is an edit, nothing else.
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn the_last_good_configuration_survives_a_bad_edit_followed_by_a_restart() {
    let mut scene = Scene::begin("last").await;
    let (space, later) = (scene.create_space("shop").await, scene.space("later"));
    scene.configure(ACME_BY_KEY, &[&space, &later], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.configure("- instanceId: [", &[&space], &[]).await;
    scene.finding("SyntaxError").await;
    scene.stop().await;
    scene.run().await;
    scene.finding("SyntaxError").await;
    scene.create_space("later").await;
    assert_eq!(scene.served_with_acme(&later).await, served);
    assert_eq!(scene.served_now(&space).await, Some(served));
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_config_map_that_goes_missing_changes_nothing_also_after_a_restart() {
    let mut scene = Scene::begin("missing").await;
    let (space, later) = (scene.create_space("shop").await, scene.space("later"));
    scene.configure(ACME_BY_KEY, &[&space, &later], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    scene.stage.remove_configuration().await.unwrap();
    scene.finding("ConfigurationMissing").await;
    scene.stop().await;
    scene.run().await;
    let finding = scene.finding("ConfigurationMissing").await;
    assert!(finding.contains(CONFIG_MAP), "{finding}");
    scene.create_space("later").await;
    assert_eq!(scene.served_with_acme(&later).await, served);
    scene.attached(&space, "default").await;
    assert_eq!(scene.served_now(&space).await, Some(served));
    scene.end().await;
}

#[tokio::test]
async fn the_parameters_of_the_managed_edition_are_a_configuration() {
    let mut scene = Scene::begin("managed").await;
    let space = scene.create_space("shop").await;
    scene.stage.create_account(&space, "other").await.unwrap();
    // In the spellings of its page.
    let parameters = serde_json::json!({
        "AcrInstanceInfo": [{ "InstanceId": ACME.id, "regionId": ACME.region,
            "rrsaRoleARN": acr_end_to_end::ROLE_ARN,
            "rrsaOIDCProviderRoleARN": acr_end_to_end::PROVIDER_ARN }],
        "enableRRSA": true, "watchNamespace": space, "serviceAccount": "Default",
        "expiringThreshold": "15m", "notifyEmail": "",
    });
    scene.stage.configure(&[("add-on-parameters", &parameters.to_string())]).await.unwrap();
    scene.run().await;
    scene.served_with_acme(&space).await;
    assert_eq!(scene.list(&space, "other").await, [""; 0], "`Default` is the ServiceAccount default");
    scene.end().await;
}

#[tokio::test]
async fn the_same_entries_give_the_same_in_both_editions_and_a_file_of_parameters_is_live() {
    let entry = |domains: &str| {
        serde_json::json!({ "instanceId": ACME.id, "regionId": ACME.region, "domains": domains,
            "rrsaRoleARN": acr_end_to_end::ROLE_ARN,
            "rrsaOIDCProviderRoleARN": acr_end_to_end::PROVIDER_ARN })
    };
    let mut scene = Scene::begin("editions").await;
    let space = scene.create_space("shop").await;
    let both = format!("{},{}", ACME.public_host, ACME.hosts[0]);
    // One edition: keys of the ConfigMap.
    let entries = serde_json::json!([entry(&both)]).to_string();
    scene.configure(&entries, &[&space], &[("rrsa", "enable: true\n"), ("service-account", "*")]).await;
    scene.run().await;
    let hosts = [ACME.hosts[0], ACME.public_host];
    scene.served(&space, &hosts).await;
    scene.attached(&space, "default").await;
    scene.stop().await;
    // The other: a file, and no ConfigMap. Nothing that was written changes, and the cloud is not asked again.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parameters.json");
    let parameters = |domains: &str| {
        serde_json::json!({ "AcrInstanceInfo": [entry(domains)], "enableRRSA": true, "watchNamespace": space,
            "serviceAccount": "*" })
        .to_string()
    };
    std::fs::write(&file, parameters(&both)).unwrap();
    scene.stage.remove_configuration().await.unwrap();
    let (served, logins) = (scene.served_now(&space).await, scene.logins());
    let arguments = vec![format!("--parameters={}", file.display())];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    // Served after everything else was looked at.
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.attached(&space, "web").await;
    assert_eq!((scene.served_now(&space).await, scene.logins()), (served, logins));
    std::fs::write(&file, parameters(ACME.public_host)).unwrap();
    scene.served(&space, &[ACME.public_host]).await;
    // A fault in the file changes nothing and is said.
    std::fs::write(&file, "{\"AcrInstanceInfo\": [}").unwrap();
    scene.finding("SyntaxError").await;
    scene.served(&space, &[ACME.public_host]).await;
    scene.end().await;
}
