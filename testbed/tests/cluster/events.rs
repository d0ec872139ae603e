//! Events, where those look who can mend what they tell.

use acr_controller::names::CONFIG_MAP;
use acr_controller::operation::{Operation, Report, Subject};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{OWN, cluster, done, eventually, namespace, shared_control_plane};

fn report(about: Subject, message: &str) -> Operation {
    Operation::Report(Report {
        about,
        warning: true,
        reason: "TestFinding".to_owned(),
        message: message.to_owned(),
    })
}

#[tokio::test]
async fn an_event_about_a_namespace_is_in_it_and_is_counted_when_it_comes_again() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "reported").await;
    let cluster = cluster(control_plane).await;
    let about = Subject::Namespace("reported".to_owned());
    for _ in 0..3 {
        done(cluster.carry_out(report(about.clone(), "something is wrong")).await);
    }
    done(cluster.carry_out(report(about, "something else is wrong")).await);
    let events: Api<Event> = Api::namespaced(client, "reported");
    let mut found = events.list(&ListParams::default()).await.unwrap().items;
    found.sort_by_key(|event| event.note.clone());
    let told: Vec<_> = found
        .iter()
        .map(|event| (event.note.as_deref().unwrap(), event.series.as_ref().map(|series| series.count)))
        .collect();
    assert_eq!(told, [("something else is wrong", None), ("something is wrong", Some(3))]);
    let regarding = found[0].regarding.as_ref().unwrap();
    assert_eq!((regarding.kind.as_deref(), regarding.name.as_deref()), (Some("Namespace"), Some("reported")));
    assert_eq!(found[0].type_.as_deref(), Some("Warning"));
}

#[tokio::test]
async fn an_event_on_the_config_map_is_found_by_its_uid_as_kubectl_describe_does() {
    let control_plane = shared_control_plane().await;
    let client = control_plane.admin().unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), OWN);
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": CONFIG_MAP } })).unwrap();
    let uid = maps.create(&PostParams::default(), &map).await.unwrap().uid().unwrap();
    let cluster = cluster(control_plane).await;
    let (observe, mut seen) = mpsc::channel(100);
    let _watches = cluster.watch(&observe);
    let drain = tokio::spawn(async move { while seen.recv().await.is_some() {} });
    let events: Api<Event> = Api::namespaced(client, OWN);
    // The uid is known as soon as the watch has shown the ConfigMap.
    let mut attempt = 0;
    loop {
        attempt += 1;
        let message = format!("attempt {attempt}");
        done(cluster.carry_out(report(Subject::Configuration, &message)).await);
        let of_map = ListParams::default().fields(&format!("regarding.uid={uid}"));
        let found = events.list(&of_map).await.unwrap().items;
        if found.iter().any(|event| event.note.as_deref() == Some(message.as_str())) {
            break;
        }
        assert!(attempt < 500, "no Event has the uid of the ConfigMap");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drain.abort();
    maps.delete(CONFIG_MAP, &kube::api::DeleteParams::default()).await.unwrap();
    eventually("the ConfigMap is gone", async || {
        maps.get_opt(CONFIG_MAP).await.unwrap().is_none().then_some(())
    })
    .await;
}
