//! Help for pods with a list of their own and for pods that are older than the attach.

use acr_end_to_end::{ACME, PULL_SECRET, RunOptions};
use acr_testbed::ControlPlane;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::immediate::{counts, free_address};
use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

async fn helping_scene<'a>(control_plane: &'a ControlPlane, name: &str) -> Scene<'a> {
    let mut scene = Scene::begin_on(control_plane, name, |_| {}).await;
    scene.stage.helps_pods().await.unwrap();
    scene
}

fn pods(scene: &Scene<'_>, space: &str) -> Api<Pod> {
    Api::namespaced(scene.stage.client().clone(), space)
}

fn image() -> String {
    format!("{}/shop/web:1.0", ACME.public_host)
}

/// Makes a ReplicaSet that nobody looks after; gives its uid. Without it the garbage collector would take its pods.
async fn make_replica_set(scene: &Scene<'_>, space: &str) -> String {
    let template = json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": image() }] },
    });
    let set = json!({
        "metadata": { "name": "web" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": template },
    });
    let sets: Api<ReplicaSet> = Api::namespaced(scene.stage.client().clone(), space);
    let made = sets.create(&PostParams::default(), &serde_json::from_value(set).unwrap()).await.unwrap();
    made.uid().unwrap()
}

/// Makes a pod, of the ReplicaSet with this uid or of nobody, and says of it what a node says that cannot pull its image.
async fn make_stuck(scene: &Scene<'_>, space: &str, name: &str, own: &[&str], set: Option<&str>) {
    let own: Vec<Value> = own.iter().map(|name| json!({ "name": name })).collect();
    let owner = set.map(|uid| json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": uid, "controller": true }));
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "web" }, "ownerReferences": owner.into_iter().collect::<Vec<_>>() },
        "spec": { "containers": [{ "name": "web", "image": image() }], "imagePullSecrets": own },
    });
    let pods = pods(scene, space);
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let status = json!({ "status": {
        "phase": "Pending",
        "containerStatuses": [{
            "name": "web", "image": image(), "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } },
        }],
    }});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// The messages about a pod with a reason.
async fn said(scene: &Scene<'_>, space: &str, pod: &str, reason: &str) -> String {
    let about = format!("Pod {pod}");
    scene
        .until(&format!("{reason} is said of {pod}"), async || {
            let events = scene.stage.events(space).await.unwrap();
            events
                .into_iter()
                .find(|event| event.about == about && event.reason == reason)
                .map(|event| event.message)
        })
        .await
}

async fn is_leaving(scene: &Scene<'_>, space: &str, name: &str) -> bool {
    let pod = pods(scene, space).get_opt(name).await.unwrap();
    pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
}

#[tokio::test]
async fn pods_that_cannot_pull_are_told_why_evicted_where_something_makes_them_anew_and_the_rest_is_left_alone()
 {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = helping_scene(&control_plane, "podhelp").await;
    let space = scene.create_space("shop").await;
    let foreign = scene.create_space("other").await;
    for place in [&space, &foreign] {
        let set = make_replica_set(&scene, place).await;
        make_stuck(&scene, place, "web-old", &[], Some(&set)).await;
        make_stuck(&scene, place, "web-own", &["mine"], Some(&set)).await;
    }
    make_stuck(&scene, &space, "alone", &[], None).await;

    scene.configure(ACME_BY_KEY, &[&space], &[("pods", "report")]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let old = said(&scene, &space, "web-old", "PodOlderThanAttach").await;
    assert!(old.contains("`pods: restart` does that"), "{old}");
    let own = said(&scene, &space, "web-own", "PodHasOwnList").await;
    assert!(
        own.contains("imagePullSecrets of its own (mine)") && own.contains("template of the ReplicaSet web"),
        "{own}"
    );
    let text = scene.component().metrics().await.unwrap();
    assert!(text.contains("stuck_pods{cause=\"older_than_attach\"} 2"), "{text}");
    assert!(!is_leaving(&scene, &space, "web-old").await, "a report is no eviction");

    // A budget that allows nothing counts for pods that run; these do not, and the API server lets them go.
    let budget = json!({ "metadata": { "name": "web" }, "spec": { "maxUnavailable": 0, "selector": { "matchLabels": { "app": "web" } } } });
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(scene.stage.client().clone(), &space);
    budgets.create(&PostParams::default(), &serde_json::from_value(budget).unwrap()).await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space], &[("pods", "restart")]).await;
    scene
        .until("the pod of the ReplicaSet is evicted", async || {
            is_leaving(&scene, &space, "web-old").await.then_some(())
        })
        .await;
    said(&scene, &space, "web-old", "PodEvicted").await;
    for (place, pod) in [(&space, "web-own"), (&space, "alone"), (&foreign, "web-old")] {
        assert!(!is_leaving(&scene, place, pod).await, "{place}/{pod}");
    }
    assert_eq!(scene.component().status().await.unwrap()["pods"]["evicted"], 1);
    scene.end().await;
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn without_the_right_to_see_pods_it_is_said_and_everything_else_goes_on() {
    let mut scene = Scene::begin("podsright").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[("pods", "report")]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let finding = scene.finding("NoRight").await;
    assert!(finding.contains("install the chart with podHelp: report"), "{finding}");
    scene.end().await;
}

#[tokio::test]
async fn new_pods_with_a_list_of_their_own_get_ours_appended_and_nobody_elses_do() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = helping_scene(&control_plane, "podappend").await;
    let address = free_address();
    let url = format!("https://{address}");
    scene.stage.is_reached_at(&url).await.unwrap();
    let arguments = ["--webhook-listen", &address, "--webhook-url", &url].map(str::to_owned).to_vec();
    let space = scene.create_space("shop").await;
    let foreign = scene.create_space("other").await;
    scene.stage.create_account(&space, "outsider").await.unwrap();
    let keys = [
        ("webhook-configuration", "enable: true"),
        ("service-account", "default,probe-*"),
        ("pods", "append"),
    ];
    scene.configure(ACME_BY_KEY, &[&space], &keys).await;
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    let client = scene.stage.client().clone();
    let made = async |space: &str, account: &str, own: &[&str], labels: Value| {
        let own: Vec<Value> = own.iter().map(|name| json!({ "name": name })).collect();
        let pod = json!({
            "metadata": { "generateName": "web-", "labels": labels },
            "spec": { "serviceAccountName": account, "containers": [{ "name": "web", "image": image() }], "imagePullSecrets": own },
        });
        let pods: Api<Pod> = Api::namespaced(client.clone(), space);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let made = pods.create(&dry, &serde_json::from_value(pod).unwrap()).await.unwrap();
        let list = made.spec.unwrap().image_pull_secrets.unwrap_or_default();
        list.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    scene
        .until("the API server asks about pods", async || {
            (made(&space, "default", &["mine"], json!({})).await.len() == 2).then_some(())
        })
        .await;
    assert_eq!(made(&space, "default", &["mine"], json!({})).await, ["mine", PULL_SECRET]);
    assert_eq!(made(&space, "default", &[PULL_SECRET, "mine"], json!({})).await, [PULL_SECRET, "mine"]);
    assert_eq!(
        made(&space, "outsider", &["mine"], json!({})).await,
        ["mine"],
        "its ServiceAccount is not served"
    );
    assert_eq!(
        made(&foreign, "default", &["mine"], json!({})).await,
        ["mine"],
        "its namespace is not served"
    );
    let ignored = json!({ "acr-credential-helper/ignore": "true" });
    assert_eq!(made(&space, "default", &["mine"], ignored).await, ["mine"], "it opted out");

    // The image of a static pod, as a kubelet makes it: it may name no Secret, and is made all the same.
    let mirror = json!({
        "metadata": { "name": "static", "annotations": { "kubernetes.io/config.mirror": "x" } },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "web", "image": image() }] },
    });
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let mirrored = Api::<Pod>::namespaced(client.clone(), &space)
        .create(&dry, &serde_json::from_value(mirror).unwrap())
        .await
        .unwrap();
    assert_eq!(mirrored.spec.unwrap().image_pull_secrets, None);

    // Less help, and the API server does not ask about pods any more; about ServiceAccounts it does.
    let keys = [
        ("webhook-configuration", "enable: true"),
        ("service-account", "default,probe-*"),
        ("pods", "report"),
    ];
    scene.configure(ACME_BY_KEY, &[&space], &keys).await;
    scene
        .until("nobody asks about pods", async || {
            (made(&space, "default", &["mine"], json!({})).await == ["mine"]).then_some(())
        })
        .await;
    let _ = counts(&client, &space).await;
    scene.end().await;
    control_plane.stop().unwrap();
}
