//! Two installations of the component in one cluster: each keeps to what it has made.

use acr_end_to_end::{Program, uninstall};
use kube::ResourceExt;

use crate::scene::{ACME_BY_KEY, Scene};

/// What an installation has asked to be changed in a namespace.
fn writes(scene: &Scene<'_>, space: &str) -> Vec<String> {
    let requests = scene.stage.requests().unwrap().into_iter();
    let writes = requests.filter(|event| {
        let changes = matches!(event.verb.as_str(), "create" | "update" | "patch" | "delete");
        event.namespace == space && changes && !event.resource.contains("events")
    });
    writes.map(|event| format!("{} {}", event.verb, event.resource)).collect()
}

async fn uid_and_version(scene: &Scene<'_>, space: &str) -> (String, String) {
    let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
    (secret.uid().unwrap(), secret.resource_version().unwrap())
}

#[tokio::test]
async fn where_scopes_overlap_the_first_serves_and_the_second_says_so_until_the_first_has_left() {
    let mut first = Scene::begin("twin").await;
    let mut second = Scene::begin("twin-second").await;
    let space = second.create_space("shop").await;
    first.configure(ACME_BY_KEY, &[&space], &[]).await;
    first.run().await;
    first.served_with_acme(&space).await;
    first.attached(&space, "default").await;
    let before = uid_and_version(&first, &space).await;
    // With a cloud of its own it has other logins, and knows nothing of the first.
    second.configure(ACME_BY_KEY, &[&space], &[]).await;
    second.run().await;
    let finding = second.finding("AnotherInstance").await;
    assert!(finding.contains("in the namespace twin-acr,") && finding.contains("takeover"), "{finding}");
    second.event(&space, &format!("Namespace {space}"), "AnotherInstance").await;
    assert_eq!((writes(&second, &space), uid_and_version(&first, &space).await), (vec![], before));
    // Kept apart, all is well again.
    first.configure(ACME_BY_KEY, &[&first.space("elsewhere")], &[]).await;
    second.mended("AnotherInstance").await;
    second.served_with_acme(&space).await;
    second.attached(&space, "default").await;
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn kept_apart_by_a_selector_each_serves_its_own_and_an_uninstall_takes_its_own() {
    let mut first = Scene::begin("selected").await;
    let mut second = Scene::begin("selected-red").await;
    let blue = first.create_labelled_space("shop", &[("apart", "blue")]).await;
    let red = second.create_labelled_space("shop", &[("apart", "red")]).await;
    let both = [blue.as_str(), red.as_str()];
    first.configure(ACME_BY_KEY, &both, &[("namespace-selector", "apart=blue")]).await;
    second.configure(ACME_BY_KEY, &both, &[("namespace-selector", "apart=red")]).await;
    first.run().await;
    second.run().await;
    first.served_with_acme(&blue).await;
    second.served_with_acme(&red).await;
    first.attached(&blue, "default").await;
    second.attached(&red, "default").await;
    assert_eq!((writes(&first, &red), writes(&second, &blue)), (vec![], vec![]));

    let program = Program::ensure().await.unwrap();
    let kept = uid_and_version(&first, &red).await;
    first.stop().await;
    let removed = uninstall(&program, &first.stage, &[]).await.unwrap();
    assert!(removed.status.success(), "{removed:?}");
    assert!(second.stage.pull_secret(&blue).await.unwrap().is_none());
    assert_eq!(uid_and_version(&second, &red).await, kept);
    second.attached(&red, "default").await;
    first.end().await;
    second.end().await;
}
