//! What is told of an edit before it is made, by `config diff` on a real cluster.

use std::path::Path;
use std::process::Output;

use acr_end_to_end::ACME;
use serde_json::{Value, json};

use crate::program;
use crate::scene::{ACME_BY_KEY, Scene};

/// Runs `config diff` as somebody who may read everything.
async fn diff(scene: &Scene<'_>, file: &Path, more: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(program().await.path());
    command.args(["config", "diff"]).arg(file).arg("--kubeconfig");
    command.arg(scene.stage.control_plane().admin_kubeconfig());
    command.args(["--namespace", scene.stage.namespace(), "--log-level", "warn"]).args(more);
    command.kill_on_drop(true).output().await.unwrap()
}

fn told(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn config_diff_tells_what_an_edit_then_does_and_writes_nothing() {
    let mut scene = Scene::begin("diff").await;
    let (shop, web) = (scene.create_space("shop").await, scene.create_space("web").await);
    scene.stage.create_account(&web, "builder").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edit.json");
    let write = |keys: &Value| std::fs::write(&file, keys.to_string()).unwrap();

    write(&json!({ "acr-registry-info": ACME_BY_KEY, "watch-namespace": shop }));
    let first = diff(&scene, &file, &[]).await;
    assert_eq!(first.status.code(), Some(1), "{first:?}");
    let words = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(words.contains("there is no ConfigMap acr-configuration in the namespace"), "{words}");

    scene.configure(ACME_BY_KEY, &[&shop], &[]).await;
    scene.run().await;
    scene.served_with_acme(&shop).await;
    let same = diff(&scene, &file, &[]).await;
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    assert_eq!(String::from_utf8(same.stdout).unwrap(), "nothing would change\n");

    write(
        &json!({ "acr-registry-info": ACME_BY_KEY, "watch-namespace": shop, "expiring-threshold": "soon" }),
    );
    let faulty = diff(&scene, &file, &[]).await;
    assert_eq!(faulty.status.code(), Some(2), "{faulty:?}");
    assert!(String::from_utf8_lossy(&faulty.stderr).contains("refused whole"), "{faulty:?}");

    write(&json!({ "acr-registry-info": ACME_BY_KEY, "watch-namespace": web, "service-account": "*" }));
    let change = told(&diff(&scene, &file, &["--output", "json"]).await);
    let account = |space: &str, name: &str| json!({ "namespace": space, "name": name });
    let domains = "all domains of cri-acme0000000000";
    assert_eq!(
        change,
        json!({
            "attach": [account(&web, "builder"), account(&web, "default")],
            "detach": [account(&shop, "default")],
            "write": [web], "adopt": [], "delete": [shop],
            "hosts_added": { domains: [web] }, "hosts_removed": { domains: [shop] },
            "settings": {},
        })
    );
    let text = String::from_utf8(diff(&scene, &file, &[]).await.stdout).unwrap();
    assert!(text.contains(&format!("deleted: 1 pull secret\n    {shop}\n")), "{text}");
    // Until now nothing of it has happened; then all of it does.
    scene.served_with_acme(&shop).await;
    assert!(!scene.is_attached(&web, "builder").await);
    scene.configure(ACME_BY_KEY, &[&web], &[("service-account", "*")]).await;
    scene.without_secret(&shop).await;
    scene.detached(&shop, "default").await;
    scene.attached(&web, "builder").await;
    scene.served(&web, ACME.hosts).await;
    scene.end().await;
}

#[tokio::test]
async fn config_diff_says_what_it_lacks_where_the_cluster_cannot_be_listed() {
    let scene = Scene::begin("blind").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edit.json");
    std::fs::write(&file, json!({ "acr-registry-info": "[]" }).to_string()).unwrap();
    let mut command = tokio::process::Command::new(program().await.path());
    command.args(["config", "diff", "--timeout", "2", "--namespace", "somebody-elses", "--kubeconfig"]);
    command.arg(scene.stage.kubeconfig()).arg(&file);
    let output = command.kill_on_drop(true).output().await.unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{words}");
    assert!(words.contains("missing: the ConfigMap acr-configuration."), "{words}");
}
