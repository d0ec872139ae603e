//! `run --observe`: it says what it would do, and does none of it, whoever serves the cluster meanwhile.

use acr_end_to_end::RunOptions;

use crate::scene::{ACME_BY_KEY, Scene};

fn observe() -> RunOptions {
    RunOptions { arguments: vec!["--observe".to_owned()], ..RunOptions::default() }
}

#[tokio::test]
async fn an_observer_says_what_it_would_do_and_writes_nothing() {
    let mut scene = Scene::begin("observe").await;
    let space = scene.create_space("shop").await;
    scene.create_account_with(&space, "app", &serde_json::json!([{ "name": "theirs" }])).await;
    scene.configure(ACME_BY_KEY, &[&space], &[("service-account", "*")]).await;
    let before = scene.request_count();
    scene.run_with(&observe()).await;
    let would = [
        format!("would attach namespace=\"{space}\" name=\"default\""),
        format!("would attach namespace=\"{space}\" name=\"app\""),
        format!("would create the pull secret for {}", acr_end_to_end::ACME.hosts.join(", ")),
    ];
    for line in &would {
        scene.until(line, async || scene.component().log().unwrap().contains(line).then_some(())).await;
    }
    // A newcomer is told of as it comes.
    let later = "later";
    scene.create_account_with(&space, later, &serde_json::json!([])).await;
    let line = format!("would attach namespace=\"{space}\" name=\"{later}\"");
    scene.until(&line, async || scene.component().log().unwrap().contains(&line).then_some(())).await;
    let metrics = scene.component().metrics().await.unwrap();
    assert!(!metrics.contains("api_writes_total{"), "nothing was written:\n{metrics}");
    // Nor does it say so.
    scene
        .until("it has said how it stands", async || {
            scene.component().log().unwrap().contains("a configuration is in force").then_some(())
        })
        .await;
    let log = scene.component().log().unwrap();
    assert!(!log.contains("the Lease is ours") && !log.contains("all in scope is served"), "{log}");
    scene.stop().await;
    let ours = |user: &str| user.contains(scene.stage.namespace());
    let writes: Vec<String> = scene
        .requests_since(before)
        .into_iter()
        .filter(|event| ours(&event.user) && !["get", "list", "watch"].contains(&event.verb.as_str()))
        .map(|event| format!("{} {}", event.verb, event.resource))
        .collect();
    assert_eq!(writes, [""; 0]);
    assert!(scene.list(&space, "default").await.is_empty());
    assert!(scene.stage.pull_secret(&space).await.unwrap().is_none());
    scene.end().await;
}

#[tokio::test]
async fn beside_a_component_that_serves_an_observer_has_nothing_to_do() {
    let mut scene = Scene::begin("beside").await;
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let serving = scene.take_component();
    scene.run_with(&observe()).await;
    scene
        .until("it has looked", async || {
            let status = scene.component().status().await.ok()?;
            let seen = status["listed"] == true && status["service_accounts"]["attached"] == 1;
            (seen && status["logins"][0]["expires"].is_string()).then_some(())
        })
        .await;
    scene
        .until("it says how the cluster is", async || {
            let told =
                "all in scope is as it shall be, by whoever serves it: 1 ServiceAccounts attached, 1 pull";
            scene.component().log().unwrap().contains(told).then_some(())
        })
        .await;
    let observer = scene.take_component();
    let log = observer.log_path().to_owned();
    observer.terminate().await.unwrap();
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("nothing would have been written"), "{said}");
    drop(serving);
    scene.end().await;
}
