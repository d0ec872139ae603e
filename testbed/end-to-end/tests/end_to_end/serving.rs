//! What a user sees who configures an instance: Secrets, lists, and images that can be pulled.

use acr_end_to_end::{ACME, PARTNER, PULL_SECRET, secret_login};
use kube::ResourceExt;
use serde_json::json;

use crate::scene::{ACME_BY_KEY, PARTNER_BY_KEY, Scene};

#[tokio::test]
async fn one_entry_makes_private_images_pullable_in_its_namespace() {
    let mut scene = Scene::begin("one").await;
    let images = scene.images(ACME).await;
    images.push(&scene.stage, "shop/web", "1.0").await.unwrap();
    let (space, other) = (scene.create_space("shop").await, scene.create_space("other").await);
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;

    let refused = images.pull(ACME.public_host, "shop/web", "1.0", None).await.unwrap().unwrap_err();
    assert_eq!(refused.status(), Some(401), "{refused}");
    let secret = scene.stage.pull_secret(&space).await.unwrap().unwrap();
    for host in ACME.hosts {
        let login = secret_login(&space, &secret, host).unwrap().unwrap();
        images.pull(host, "shop/web", "1.0", Some(&login)).await.unwrap().unwrap();
    }
    assert_eq!(secret.labels()["app.kubernetes.io/managed-by"], "acr-credential-helper");
    assert_eq!(scene.list(&space, "default").await, [PULL_SECRET]);
    // One login, however many hosts; and nothing outside of the scope.
    assert_eq!(scene.logins(), 1);
    assert!(scene.stage.pull_secret(&other).await.unwrap().is_none());
    assert!(scene.list(&other, "default").await.is_empty());
    scene.end().await;
}

#[tokio::test]
async fn every_namespace_gets_the_same_bytes_by_one_login_per_instance() {
    let mut scene = Scene::begin("same").await;
    let spaces =
        [scene.create_space("a").await, scene.create_space("b").await, scene.create_space("c").await];
    let entries = format!("{ACME_BY_KEY}{PARTNER_BY_KEY}");
    let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
    scene.configure(&entries, &names, &[("notify-email", "ops@acme.example")]).await;
    scene.run().await;
    let hosts: Vec<&str> = ACME.hosts.iter().chain(PARTNER.hosts).copied().collect();
    let mut hosts = hosts;
    hosts.sort_unstable();
    let mut contents = Vec::new();
    for space in &spaces {
        scene.served(space, &hosts).await;
        let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
        contents.push(secret.data.unwrap()[".dockerconfigjson"].0.clone());
    }
    assert!(contents.iter().all(|content| *content == contents[0]), "the bytes differ");
    let document: serde_json::Value = serde_json::from_slice(&contents[0]).unwrap();
    assert_eq!(document["auths"][ACME.public_host]["email"], "ops@acme.example");
    assert_eq!(scene.logins(), 2);
    scene.end().await;
}

#[tokio::test]
async fn new_namespaces_and_accounts_are_served_at_once_and_without_the_cloud() {
    let mut scene = Scene::begin("new").await;
    let (first, second) = (scene.create_space("first").await, scene.space("second"));
    scene.configure(ACME_BY_KEY, &[&first, &second], &[("service-account", "default, app-*")]).await;
    scene.run().await;
    let served = scene.served_with_acme(&first).await;
    let calls = scene.stage.cloud().cloud().calls().len();

    scene.stage.create_account(&first, "app-1").await.unwrap();
    scene.stage.create_account(&first, "batch").await.unwrap();
    scene.create_space("second").await;
    scene.attached(&first, "app-1").await;
    assert_eq!(scene.served_with_acme(&second).await, served);
    assert!(scene.list(&first, "batch").await.is_empty());
    assert_eq!(scene.stage.cloud().cloud().calls().len(), calls);
    scene.end().await;
}

#[tokio::test]
async fn foreign_entries_and_everything_else_of_an_account_stay_as_they_are() {
    let mut scene = Scene::begin("foreign").await;
    let space = scene.create_space("shop").await;
    // An empty name is stored as an empty object.
    let list = json!([{ "name": "first" }, { "name": "" }, { "name": "last" }]);
    scene.create_account_with(&space, "web", &list).await;
    let change = json!({ "metadata": { "labels": { "team": "blue" }, "annotations": { "note": "keep" } },
        "secrets": [{ "name": "mounted" }], "automountServiceAccountToken": false });
    scene.merge_account(&space, "web", &change).await;
    let before = scene.account(&space, "web").await;

    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "web")]).await;
    scene.run().await;
    scene.attached(&space, "web").await;
    let attached = scene.account(&space, "web").await;
    let wanted = json!([{ "name": "first" }, before["imagePullSecrets"][1], { "name": "last" }, { "name": PULL_SECRET }]);
    assert_eq!(attached["imagePullSecrets"], wanted);

    scene.configure("[]", &[&space], &[("service-account", "web")]).await;
    scene.detached(&space, "web").await;
    let mut after = scene.account(&space, "web").await;
    for field in ["managedFields", "resourceVersion"] {
        after["metadata"][field] = before["metadata"][field].clone();
    }
    assert_eq!(after, before);
    scene.end().await;
}

#[tokio::test]
async fn domains_of_an_entry_are_served_alone_and_compared_with_the_instance() {
    let mut scene = Scene::begin("domains").await;
    let space = scene.create_space("shop").await;
    let wrong = "acme-registri.cn-hangzhou.cr.aliyuncs.com";
    let entry = format!("{ACME_BY_KEY}  domains: \"{},{wrong}\"\n", ACME.public_host);
    scene.configure(&entry, &[&space], &[]).await;
    scene.run().await;
    let mut hosts = [ACME.public_host, wrong];
    hosts.sort_unstable();
    scene.served(&space, &hosts).await;
    let finding = scene.finding("HostNotOfInstance").await;
    assert!(
        finding.contains(wrong) && finding.contains(&format!("did you mean {}", ACME.public_host)),
        "{finding}"
    );
    scene.end().await;
}

#[tokio::test]
async fn labels_selectors_and_exclusions_keep_namespaces_and_accounts_out() {
    let mut scene = Scene::begin("out").await;
    let team = [("team", "blue")];
    let (inside, excluded) =
        (scene.create_labelled_space("in", &team).await, scene.create_labelled_space("not", &team).await);
    let unlabelled = scene.create_space("plain").await;
    let ignored = [("team", "blue"), ("acr-credential-helper/ignore", "true")];
    let ignored = scene.create_labelled_space("ignored", &ignored).await;
    scene.stage.create_account(&inside, "quiet").await.unwrap();
    let label = json!({ "metadata": { "labels": { "acr-credential-helper/ignore": "true" } } });
    scene.merge_account(&inside, "quiet", &label).await;
    let keys =
        [("service-account", "*"), ("namespace-selector", "team in (blue)"), ("exclude-namespace", "out-n*")];
    scene.configure(ACME_BY_KEY, &[&inside, &excluded, &unlabelled, &ignored], &keys).await;
    scene.run().await;
    scene.served_with_acme(&inside).await;

    // Served now, by its own label: so all others were passed over before.
    scene.stage.create_account(&inside, "loud").await.unwrap();
    scene.attached(&inside, "loud").await;
    assert!(scene.list(&inside, "quiet").await.is_empty());
    for space in [&excluded, &unlabelled, &ignored] {
        assert!(scene.list(space, "default").await.is_empty(), "{space}");
        assert!(scene.stage.pull_secret(space).await.unwrap().is_none(), "{space}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_disabled_endpoint_is_published_all_the_same_and_said() {
    let change = |description: &mut acr_simulator::Description| {
        description.instances[0].public_endpoint.enabled = false;
    };
    let mut scene = Scene::begin_with("disabled", change).await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("EndpointDisabled").await;
    assert!(finding.contains(ACME.public_host), "{finding}");
    scene.served_with_acme(&space).await;
    scene.end().await;
}
