//! Other writers of what we write: foreign Secrets of our name, tenants who edit ours, tools that remove our entry.

use acr_credentials::Digest;
use acr_end_to_end::{ACME, PULL_SECRET, secret_login};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::scene::{ACME_BY_KEY, Scene};

const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

fn docker_config(hosts: &[&str]) -> Value {
    let entry = json!({ "username": "them", "password": "theirs", "auth": "dGhlbTp0aGVpcnM=" });
    json!({ "auths": hosts.iter().map(|host| ((*host).to_owned(), entry.clone())).collect::<serde_json::Map<_, _>>() })
}

async fn create_secret(scene: &Scene<'_>, space: &str, kind: &str, data: Value) -> Secret {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": PULL_SECRET },
        "type": kind, "stringData": data });
    let secret = serde_json::from_value(secret).unwrap();
    scene.stage.secrets(space).create(&PostParams::default(), &secret).await.unwrap()
}

async fn secret(scene: &Scene<'_>, space: &str) -> Secret {
    scene.stage.pull_secret(space).await.unwrap().unwrap()
}

/// Changes our Secret as a tenant does.
async fn tamper(scene: &Scene<'_>, space: &str, change: &Value) {
    let secrets = scene.stage.secrets(space);
    let tenant = PatchParams { field_manager: Some("tenant".to_owned()), ..PatchParams::default() };
    secrets.patch(PULL_SECRET, &tenant, &Patch::Merge(change)).await.unwrap();
}

#[tokio::test]
async fn a_foreign_secret_is_adopted_when_it_holds_nothing_but_acr_hosts() {
    let mut scene = Scene::begin("adopt").await;
    let space = scene.create_space("shop").await;
    let theirs = docker_config(&[ACME.public_host, "registry.cn-hangzhou.aliyuncs.com"]);
    let before =
        create_secret(&scene, &space, DOCKER_CONFIG, json!({ ".dockerconfigjson": theirs.to_string() }))
            .await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let adopted = secret(&scene, &space).await;
    assert_eq!(adopted.uid(), before.uid());
    assert_eq!(adopted.annotations()["acr-credential-helper/adopted"], "true");

    // Its former owner writes it again: it is theirs, and that is said.
    let data =
        json!({ "stringData": { ".dockerconfigjson": docker_config(&[ACME.public_host]).to_string() } });
    tamper(&scene, &space, &data).await;
    let taken_back = secret(&scene, &space).await;
    let finding = scene.finding("AdoptedSecretTakenBack").await;
    assert!(finding.contains("takeover"), "{finding}");
    scene.event(&space, &format!("Namespace {space}"), "AdoptedSecretTakenBack").await;
    // What comes later passes it by as well.
    scene.stage.create_account(&space, "web").await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    scene.attached(&space, "web").await;
    assert_eq!(secret(&scene, &space).await.data, taken_back.data);
    scene.end().await;
}

#[tokio::test]
async fn a_foreign_secret_with_anything_else_is_left_alone_and_reported() {
    let mut scene = Scene::begin("leave").await;
    let mixed = docker_config(&[ACME.public_host, "registry.example.com"]).to_string();
    let helpers = json!({ "auths": {}, "credHelpers": { "x": "y" } }).to_string();
    let cases: [(&str, &str, Value); 4] = [
        ("mixed", DOCKER_CONFIG, json!({ ".dockerconfigjson": mixed })),
        ("opaque", "Opaque", json!({ "password": "theirs" })),
        ("more", DOCKER_CONFIG, json!({ ".dockerconfigjson": helpers })),
        ("empty", DOCKER_CONFIG, json!({ ".dockerconfigjson": "{\"auths\":{}}" })),
    ];
    let mut theirs = Vec::new();
    for (suffix, kind, data) in cases {
        let space = scene.create_space(suffix).await;
        theirs.push((space.clone(), create_secret(&scene, &space, kind, data).await));
    }
    let clean = scene.create_space("clean").await;
    let mut names: Vec<&str> = theirs.iter().map(|(space, _)| space.as_str()).collect();
    names.push(&clean);
    scene.configure(ACME_BY_KEY, &names, &[]).await;
    scene.run().await;
    scene.served_with_acme(&clean).await;
    for (space, before) in &theirs {
        scene
            .until(&format!("the foreign Secret of {space} is reported"), async || {
                let findings = scene.findings().await;
                findings
                    .iter()
                    .any(|(found, code, _)| found == space && code == "ForeignSecret")
                    .then_some(())
            })
            .await;
        scene.event(space, &format!("Namespace {space}"), "ForeignSecret").await;
        assert_eq!(secret(&scene, space).await.resource_version(), before.resource_version(), "{space}");
    }
    // Renamed, or deleted, it stands in the way no more.
    let (space, _) = &theirs[0];
    scene.stage.secrets(space).delete(PULL_SECRET, &DeleteParams::default()).await.unwrap();
    scene.served_with_acme(space).await;
    scene.end().await;
}

#[tokio::test]
async fn a_secret_of_ours_that_a_tenant_edits_or_whose_mark_is_forged_is_written_back() {
    let mut scene = Scene::begin("tenant").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    let ours = secret(&scene, &space).await;
    let evil = docker_config(&[ACME.public_host]).to_string();
    let digest = "acr-credential-helper/payload-digest";
    let edits = [
        // The data alone: the mark still says that it is ours.
        json!({ "stringData": { ".dockerconfigjson": evil } }),
        // The mark alone.
        json!({ "metadata": { "annotations": { digest: "0".repeat(64) } } }),
        // Both, so that one fits the other.
        json!({ "metadata": { "annotations": { digest: sha256(&evil) } }, "stringData": { ".dockerconfigjson": evil } }),
    ];
    for edit in &edits {
        tamper(&scene, &space, edit).await;
        let written_back = async || {
            let secret = secret(&scene, &space).await;
            (secret.data == ours.data && secret.annotations().get(digest) == ours.annotations().get(digest))
                .then_some(())
        };
        scene.until(&format!("{edit} is undone"), written_back).await;
    }
    scene.stage.secrets(&space).delete(PULL_SECRET, &DeleteParams::default()).await.unwrap();
    let again = scene.served(&space, ACME.hosts).await;
    assert_eq!(again, served);
    // No login is ever taken from a Secret that tenants can write.
    let login = secret_login(&space, &secret(&scene, &space).await, ACME.public_host).unwrap().unwrap();
    assert_ne!(login.username, "them");
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_mark_that_was_forged_while_nobody_looked_is_not_trusted() {
    let mut scene = Scene::begin("forged").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    let served = scene.served_with_acme(&space).await;
    let ours = secret(&scene, &space).await;
    scene.stop().await;
    // Only the data: the mark and its digest are still those of the true payload.
    let evil = docker_config(&[ACME.public_host]).to_string();
    tamper(&scene, &space, &json!({ "stringData": { ".dockerconfigjson": evil } })).await;
    scene.run().await;
    scene
        .until("the Secret is written back", async || {
            (secret(&scene, &space).await.data == ours.data).then_some(())
        })
        .await;
    assert_eq!(scene.served_now(&space).await, Some(served));
    assert_eq!(scene.logins(), 1);
    scene.end().await;
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let digest = Digest::from(<[u8; 32]>::try_from(digest.as_ref()).unwrap());
    digest.as_str().trim_start_matches("sha256:").to_owned()
}

#[tokio::test]
async fn a_forged_mark_outside_of_the_scope_means_nothing() {
    let mut scene = Scene::begin("outside").await;
    let (space, outside) = (scene.create_space("shop").await, scene.create_space("elsewhere").await);
    let data = json!({ ".dockerconfigjson": docker_config(&[ACME.public_host]).to_string() });
    create_secret(&scene, &outside, DOCKER_CONFIG, data).await;
    let marks = json!({ "metadata": {
        "labels": { "app.kubernetes.io/managed-by": "acr-credential-helper" },
        "annotations": { "acr-credential-helper/adopted": "true", "acr-credential-helper/payload-digest": "0" },
    } });
    tamper(&scene, &outside, &marks).await;
    let before = secret(&scene, &outside).await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    // Looked at when everything was, and again when the scope changes around it.
    scene.configure("[]", &[&space], &[]).await;
    scene.without_secret(&space).await;
    assert_eq!(secret(&scene, &outside).await.resource_version(), before.resource_version());
    let findings = scene.findings().await;
    assert!(findings.iter().all(|(found, _, _)| *found != outside), "{findings:?}");
    scene.end().await;
}
