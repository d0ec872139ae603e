//! Two replicas: one writes, the other takes over from the journal, whatever became of the first.

use std::collections::BTreeMap;

use acr_end_to_end::{Component, PULL_SECRET};

use crate::scene::{ACME_BY_KEY, Scene};

/// Namespaces that come while the leader changes: more than are written at once.
const WAVE: usize = 48;
/// So many are served by the first leader.
const BEFORE: usize = 8;

/// Two replicas, of which the one that is given leads, and the names of the namespaces to come.
async fn replicas(scene: &mut Scene<'_>) -> (Component, Vec<String>) {
    let spaces: Vec<String> = (0..WAVE).map(|number| scene.space(&format!("n{number}"))).collect();
    let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
    scene.configure(ACME_BY_KEY, &names, &[]).await;
    scene.run().await;
    let leader = scene.take_component();
    scene.run().await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], false);
    (leader, spaces)
}

/// How many of them have a pull secret.
async fn served(scene: &Scene<'_>, spaces: &[String]) -> usize {
    let mut served = 0;
    for space in spaces {
        served += usize::from(scene.served_now(space).await.is_some_and(|served| !served.hosts.is_empty()));
    }
    served
}

/// Lets the namespaces come, and waits until the first leader is in the middle of them.
async fn begin_wave(scene: &Scene<'_>, spaces: &[String]) {
    let (first, rest) = spaces.split_at(BEFORE);
    for space in first {
        scene.stage.create_namespace(space, &[]).await.unwrap();
    }
    scene.until("the first are served", async || (served(scene, first).await == BEFORE).then_some(())).await;
    for space in rest {
        scene.stage.create_namespace(space, &[]).await.unwrap();
    }
}

/// All are served alike and attached once, no login was asked for a second time, and what the first leader had written
/// was not written again.
async fn all_is_right(scene: &Scene<'_>, spaces: &[String]) {
    scene.until("all are served", async || (served(scene, spaces).await == WAVE).then_some(())).await;
    let expected = scene.served_with_acme(&spaces[0]).await;
    for space in spaces {
        scene.attached(space, "default").await;
        assert_eq!(scene.list(space, "default").await, [PULL_SECRET], "{space}");
        assert_eq!(scene.served_now(space).await.as_ref(), Some(&expected), "{space}");
    }
    assert_eq!(scene.logins(), 1);
    let mut writes: BTreeMap<(String, String), usize> = BTreeMap::new();
    for request in scene.stage.requests().unwrap() {
        if request.verb == "patch" && spaces[..BEFORE].contains(&request.namespace) {
            *writes.entry((request.namespace, request.resource)).or_default() += 1;
        }
    }
    assert!(writes.values().all(|count| *count == 1), "{writes:?}");
}

#[tokio::test]
async fn a_leader_that_is_killed_within_a_wave_is_followed_by_the_other() {
    let mut scene = Scene::begin("killedleader").await;
    let (leader, spaces) = replicas(&mut scene).await;
    begin_wave(&scene, &spaces).await;
    leader.kill().unwrap();
    all_is_right(&scene, &spaces).await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], true);
    scene.end().await;
}

#[tokio::test]
async fn a_leader_that_stands_still_within_a_wave_is_followed_and_finds_that_it_leads_no_more() {
    let mut scene = Scene::begin("stillleader").await;
    let (mut leader, spaces) = replicas(&mut scene).await;
    begin_wave(&scene, &spaces).await;
    leader.pause().unwrap();
    all_is_right(&scene, &spaces).await;
    leader.resume().unwrap();
    scene
        .until("the former leader looks on", async || {
            let status = leader.status().await.ok()?;
            (status["leading"] == false).then_some(())
        })
        .await;
    // What it had in its hands when it stood still has landed harmlessly, or not at all.
    all_is_right(&scene, &spaces).await;
    assert_eq!(scene.component().status().await.unwrap()["leading"], true);
    assert!(leader.terminate().await.unwrap().success());
    scene.end().await;
}
