//! `tokenMode: auto` in a cluster that is older than the managed role.

use acr_end_to_end::ACME;
use acr_testbed::ControlPlane;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::{control_plane, turn};

/// 2020-02-20T00:00:00Z.
const LONG_AGO: i64 = 1_582_156_800;

/// One call of etcd's JSON API.
async fn etcd(control_plane: &ControlPlane, path: &str, body: &Value) -> Value {
    let request = http::Request::post(format!("{}{path}", control_plane.etcd_url()))
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&body)))
}

/// `creationTimestamp` as it stands in the metadata of a stored object: field 8, a message of seconds and
/// nanoseconds.
fn stored(mut seconds: i64) -> Vec<u8> {
    let mut bytes = vec![0x42, 0x08, 0x08];
    for more in [true, true, true, true, false] {
        bytes.push(u8::try_from(seconds & 0x7f).unwrap() | if more { 0x80 } else { 0 });
        seconds >>= 7;
    }
    bytes
}

/// Makes a namespace as old as no API server lets anybody make it.
async fn age(control_plane: &ControlPlane, name: &str) {
    let namespaces: Api<Namespace> = Api::all(control_plane.admin().unwrap());
    let created = namespaces.get(name).await.unwrap().metadata.creation_timestamp.unwrap().0;
    let key = STANDARD.encode(format!("/registry/namespaces/{name}"));
    let found = etcd(control_plane, "/v3/kv/range", &json!({ "key": key })).await;
    let value = found["kvs"][0]["value"].as_str().unwrap_or_else(|| panic!("{found}"));
    let mut object = STANDARD.decode(value).unwrap();
    let (now, then) = (stored(created.as_second()), stored(LONG_AGO));
    let place = object.windows(now.len()).position(|bytes| bytes == now).unwrap();
    object.splice(place..place + now.len(), then);
    etcd(control_plane, "/v3/kv/put", &json!({ "key": key, "value": STANDARD.encode(&object) })).await;
    let seen = namespaces.get(name).await.unwrap().metadata.creation_timestamp.unwrap().0;
    assert_eq!(seen.as_second(), LONG_AGO);
}

#[tokio::test]
async fn in_an_old_cluster_auto_is_the_role_of_the_node_and_that_is_said() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    age(&control_plane, "kube-system").await;
    let mut scene = Scene::begin_on(&control_plane, "aged", |_| {}).await;
    let space = scene.create_space("shop").await;
    scene.configure(&format!("- instanceId: {}\n", ACME.id), &[&space], &[]).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let finding = scene.finding("TokenModeByAge").await;
    assert!(finding.contains("workerRole") && finding.contains("2020-02-20T00:00:00Z"), "{finding}");
    let status = scene.component().status().await.unwrap();
    let chain = status["logins"][0]["chain"][0].as_str().unwrap();
    assert!(chain.starts_with("worker role of the node"), "{chain}");
    scene.end().await;
}
