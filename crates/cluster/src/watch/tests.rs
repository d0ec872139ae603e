//! One watch against a scripted server: what it asks, and what it says of the answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::{Request, Response};
use http_body_util::StreamBody;
use kube::client::Body;

use super::*;
use crate::seen::Watched;

/// One scripted answer.
#[derive(Clone, Debug)]
struct Scripted {
    status: u16,
    body: String,
    stays_open: bool,
}

fn stays_open(body: &str) -> Scripted {
    Scripted { status: 200, body: body.to_owned(), stays_open: true }
}

fn ends(body: &str) -> Scripted {
    Scripted { status: 200, body: body.to_owned(), stays_open: false }
}

fn refuses(status: u16) -> Scripted {
    let body = format!(r#"{{"kind":"Status","status":"Failure","message":"no","code":{status}}}"#);
    Scripted { status, body, stays_open: false }
}

fn shown(name: &str, version: u64) -> String {
    format!(
        "{{\"type\":\"ADDED\",\"object\":{{\"kind\":\"ServiceAccount\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"n\",\"resourceVersion\":\"{version}\"}}}}}}\n"
    )
}

fn deleted(name: &str, version: u64) -> String {
    shown(name, version).replace("ADDED", "DELETED")
}

fn bookmark(version: u64, ends_list: bool) -> String {
    let annotations = if ends_list { r#","annotations":{"k8s.io/initial-events-end":"true"}"# } else { "" };
    format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"ServiceAccount\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{version}\"{annotations}}}}}}}\n"
    )
}

fn expired() -> String {
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too old resource version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}\n".to_owned()
}

fn page(names: &[&str], version: u64, next: &str) -> String {
    let items: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"metadata":{{"name":"{name}","namespace":"n","resourceVersion":"1"}}}}"#))
        .collect();
    format!(
        r#"{{"kind":"ServiceAccountList","metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

/// A watch of ServiceAccounts against a server that gives `script`, and then never answers again.
struct Played {
    asked: Arc<Mutex<Vec<String>>>,
    said: mpsc::Receiver<Observation>,
    tasks: JoinSet<()>,
}

fn play(script: impl IntoIterator<Item = Scripted>) -> Played {
    let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        noted.lock().unwrap().push(request.uri().to_string());
        let answer = script.lock().unwrap().pop_front();
        async move {
            let Some(answer) = answer else { std::future::pending().await };
            let whole =
                stream::iter([Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::from(answer.body)))]);
            let rest = if answer.stays_open { stream::pending().boxed() } else { stream::empty().boxed() };
            let body = StreamBody::new(whole.chain(rest));
            Ok::<_, Infallible>(Response::builder().status(answer.status).body(body).unwrap())
        }
    });
    let (observations, said) = mpsc::channel(100);
    let outlet = Outlet { observations, config_map_uid: ConfigMapUid::default() };
    let mut tasks = JoinSet::new();
    let client = Client::new(service, "default");
    tasks.spawn(Follower::<AccountObject>::new(client, Source::accounts(), outlet).run());
    Played { asked, said, tasks }
}

impl Played {
    /// The next `count` observations, in short.
    async fn hear(&mut self, count: usize) -> String {
        let mut heard = Vec::new();
        for _ in 0..count {
            let said = tokio::time::timeout(Duration::from_mins(10), self.said.recv()).await;
            heard.push(match said.expect("it says something").expect("the watch goes on") {
                Observation::ListStarted(_) => "[".to_owned(),
                Observation::ListCompleted { .. } => "]".to_owned(),
                Observation::Account(seen) => seen.name,
                Observation::AccountGone { name, .. } => format!("-{name}"),
                other => panic!("{other:?}"),
            });
        }
        heard.join(" ")
    }

    async fn is_silent_for(&mut self, span: Duration) {
        let said = tokio::time::timeout(span, self.said.recv()).await;
        assert!(said.is_err(), "{said:?}");
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let tail = |uri: &String| uri.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        asked.iter().map(tail).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_is_told_from_the_changes_after_it() {
    let body = shown("a", 3) + &shown("b", 2) + &bookmark(9, true) + &shown("c", 10) + &deleted("a", 11);
    let mut played = play([stays_open(&body)]);
    assert_eq!(played.hear(6).await, "[ a b ] c -a");
    assert_eq!(played.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_after_the_last_version_without_a_list() {
    let mut played = play([
        ends(&(shown("a", 3) + &bookmark(9, true) + &deleted("a", 12))),
        ends(&(shown("b", 13) + &bookmark(40, false))),
        stays_open(&shown("c", 41)),
    ]);
    assert_eq!(played.hear(6).await, "[ a ] -a b c");
    let asked = played.asked();
    assert!(asked[1].contains("resourceVersion=12") && !asked[1].contains("sendInitialEvents"), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=40"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_server_forgot_makes_a_new_list() {
    for forgotten in [ends(&expired()), refuses(410)] {
        let mut played = play([
            ends(&(shown("a", 3) + &bookmark(9, true))),
            forgotten,
            stays_open(&(shown("b", 20) + &bookmark(21, true))),
        ]);
        assert_eq!(played.hear(6).await, "[ a ] [ b ]");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_streamed_lists_is_listed_in_pages() {
    for status in [400, 422] {
        let mut played = play([
            refuses(status),
            ends(&page(&["a", "b"], 30, "next page")),
            ends(&page(&["c"], 30, "")),
            stays_open(&shown("d", 31)),
        ]);
        assert_eq!(played.hear(6).await, "[ a b c ] d");
        let asked = played.asked();
        assert!(asked[1].contains("limit=500") && asked[2].contains("continue=next%20page"), "{asked:?}");
        assert!(asked[3].contains("watch=true") && asked[3].contains("resourceVersion=30"), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_ends_a_streamed_list_is_listed_in_pages() {
    let mut played = play([stays_open(&shown("a", 3)), ends(&page(&["a"], 30, "")), stays_open("")]);
    assert_eq!(played.hear(5).await, "[ a [ a ]");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_cut_off_is_never_called_complete() {
    let mut played =
        play([ends(&shown("a", 3)), ends(&shown("b", 4)), stays_open(&(shown("c", 5) + &bookmark(9, true)))]);
    assert_eq!(played.hear(7).await, "[ a [ b [ c ]");
}

#[tokio::test(start_paused = true)]
async fn pages_that_expire_midway_are_listed_again_from_the_first() {
    let mut played = play([
        refuses(422),
        ends(&page(&["a"], 30, "more")),
        refuses(410),
        ends(&page(&["b"], 31, "")),
        stays_open(""),
    ]);
    assert_eq!(played.hear(5).await, "[ a [ b ]");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_nothing_may_be_null() {
    // What API servers answer for `PartialObjectMetadataList`.
    let nothing = page(&[], 30, "").replace("[]", "null");
    let mut played = play([refuses(422), ends(&nothing), stays_open(&shown("a", 31))]);
    assert_eq!(played.hear(3).await, "[ ] a");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_is_passed_over_and_hides_no_other() {
    let broken = shown("x", 5).replace("\"5\"", "5") + "{\"type\":\"ADDED\",\"object\":{}}\n" + "nonsense\n";
    let mut played = play([stays_open(&(shown("a", 3) + &broken + &shown("b", 6) + &bookmark(9, true)))]);
    assert_eq!(played.hear(4).await, "[ a b ]");

    let broken = page(&["a", "x", "b"], 30, "").replace(r#""name":"x""#, r#""name":7"#);
    let mut played = play([refuses(422), ends(&broken), stays_open("")]);
    assert_eq!(played.hear(4).await, "[ a b ]");
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_and_taken_up_where_it_was() {
    let mut played = play([stays_open(&(shown("a", 3) + &bookmark(9, true))), stays_open(&shown("b", 10))]);
    assert_eq!(played.hear(3).await, "[ a ]");
    played.is_silent_for(Duration::from_secs(200)).await;
    assert_eq!(played.hear(1).await, "b");
    assert!(played.asked()[1].contains("resourceVersion=9"), "{:?}", played.asked());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everything_is_asked_ever_more_rarely_and_its_return_is_found() {
    let mut script: Vec<Scripted> = std::iter::repeat_n(refuses(403), 30).collect();
    script.push(stays_open(&bookmark(9, true)));
    let mut played = play(script);
    let began = tokio::time::Instant::now();
    assert_eq!(played.hear(2).await, "[ ]");
    let took = began.elapsed();
    // 30 pauses of at most 5 s, most of them at least 2.5 s.
    assert!(took > Duration::from_mins(1) && took < Duration::from_secs(150), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_watch_at_once_is_not_hammered() {
    let mut script = vec![ends(&bookmark(9, true))];
    script.extend(std::iter::repeat_n(ends(""), 1000));
    let mut played = play(script);
    assert_eq!(played.hear(2).await, "[ ]");
    played.is_silent_for(Duration::from_mins(1)).await;
    assert!(played.asked().len() < 60, "{}", played.asked().len());
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_listener_is_gone_ends() {
    let Played { said, mut tasks, .. } = play([stays_open(&shown("a", 3))]);
    drop(said);
    assert!(tasks.join_next().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_uid_of_the_config_map_is_noted_for_events() {
    let uid = ConfigMapUid::default();
    let (observations, mut said) = mpsc::channel(1);
    let outlet = Outlet { observations, config_map_uid: uid.clone() };
    let json = r#"{"metadata":{"name":"acr-configuration","namespace":"kube-system","uid":"u-1","resourceVersion":"5"},"data":{"a":"b"}}"#;
    let object: ConfigMapObject = serde_json::from_str(json).unwrap();
    outlet.send(object.shown()).await.ok().unwrap();
    assert!(matches!(said.recv().await, Some(Observation::Configuration(_))));
    assert_eq!(uid.lock().unwrap().as_deref(), Some("u-1"));
}
