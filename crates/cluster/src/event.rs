//! Events (`events.k8s.io/v1`): one object per subject, reason and message, counted when it happens again.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use acr_controller::names::{CONFIG_MAP, FIELD_MANAGER};
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::{Report, Subject};
use aws_lc_rs::digest::{Context, SHA256};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use kube::Client;
use serde_json::json;

use crate::call::{OPERATION_DEADLINE, Received, Unanswered, exchange};
use crate::refusal::Asked;
use crate::reply::{Shape, reply};
use crate::request::{JSON, MERGE_PATCH, managed};

/// The longest `note` in bytes, and the longest `reason` (validation of `events.k8s.io/v1`).
const NOTE_LIMIT: usize = 1024;
const REASON_LIMIT: usize = 128;
/// Bytes of the hash in an Event's name: enough for all that ever meet in a cluster.
const HASH_BYTES: usize = 8;
/// How many different Events are counted. Beyond that counting starts again, which changes only a number.
const COUNTED: usize = 1024;

/// Writes Events, and remembers how often each was written by this process.
#[derive(Debug, Default)]
pub(crate) struct Events {
    counts: Mutex<HashMap<String, u32>>,
}

/// Where an Event comes from and what it is about.
pub(crate) struct Scene<'a> {
    /// The component's namespace, that of the ConfigMap.
    pub(crate) own: &'a str,
    /// Who reports.
    pub(crate) identity: &'a str,
    /// The uid of the ConfigMap, without which `kubectl describe` does not find its Events.
    pub(crate) config_map_uid: Option<&'a str>,
    /// RFC 3339 with microseconds.
    pub(crate) now: &'a str,
}

impl Events {
    /// Writes one, or counts it where the same was written before.
    pub(crate) async fn write(&self, client: &Client, report: &Report, scene: &Scene<'_>) -> Answer {
        // Both requests together: a second one must not start when the time is over.
        let written = tokio::time::timeout(OPERATION_DEADLINE, self.try_write(client, report, scene)).await;
        match written.unwrap_or_else(|late| Err(Unanswered(late.to_string()))) {
            Ok(received) => reply(Shape::Version, Asked::Other, &received),
            Err(Unanswered(message)) => Answer::Refused(Refusal::Unknown { message }),
        }
    }

    async fn try_write(
        &self,
        client: &Client,
        report: &Report,
        scene: &Scene<'_>,
    ) -> Result<Received, Unanswered> {
        let name = name(report);
        let namespace = namespace(report, scene.own);
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let count = self.count(&name);
        let new = request(Method::POST, managed(&path), JSON, body(report, &name, scene))?;
        let received = exchange(client, new, OPERATION_DEADLINE).await?;
        if received.status != StatusCode::CONFLICT {
            return Ok(received);
        }
        // It was there: at least twice, whoever wrote it first.
        let series = json!({ "series": { "count": count.max(2), "lastObservedTime": scene.now } });
        let path = managed(&format!("{path}/{name}"));
        let again = request(Method::PATCH, path, MERGE_PATCH, series.to_string().into_bytes())?;
        exchange(client, again, OPERATION_DEADLINE).await
    }

    fn count(&self, name: &str) -> u32 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED && !counts.contains_key(name) {
            counts.clear();
        }
        let count = counts.entry(name.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }
}

fn request(
    method: Method,
    path: String,
    content: &'static str,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, Unanswered> {
    let request =
        Request::builder().method(method).uri(path).header(ACCEPT, JSON).header(CONTENT_TYPE, content);
    request.body(body).map_err(|error| Unanswered(error.to_string()))
}

/// Events about a namespace are written into it, where its users look.
fn namespace<'a>(report: &'a Report, own: &'a str) -> &'a str {
    report.about.namespace().unwrap_or(own)
}

/// The same for the same report, so that it becomes one Event however often it is written.
fn name(report: &Report) -> String {
    let subject = match &report.about {
        Subject::Configuration => CONFIG_MAP,
        Subject::Namespace(name) | Subject::Pod { name, .. } => name,
    };
    let mut context = Context::new(&SHA256);
    for part in [subject, &report.reason, &report.message] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let digest = context.finish();
    let mut name = format!("{subject}.");
    for byte in digest.as_ref().iter().take(HASH_BYTES) {
        // Writing to memory cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn body(report: &Report, name: &str, scene: &Scene<'_>) -> Vec<u8> {
    let regarding = match &report.about {
        Subject::Configuration => json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": CONFIG_MAP,
            "namespace": scene.own,
            "uid": scene.config_map_uid,
        }),
        Subject::Namespace(name) => {
            json!({ "apiVersion": "v1", "kind": "Namespace", "name": name, "namespace": name })
        }
        Subject::Pod { namespace, name, uid } => {
            json!({ "apiVersion": "v1", "kind": "Pod", "name": name, "namespace": namespace, "uid": uid })
        }
    };
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": namespace(report, scene.own) },
        "eventTime": scene.now,
        "reportingController": FIELD_MANAGER,
        "reportingInstance": cut(scene.identity, REASON_LIMIT),
        "action": "Serve",
        "reason": cut(&report.reason, REASON_LIMIT),
        "regarding": regarding,
        "note": cut(&report.message, NOTE_LIMIT),
        "type": if report.warning { "Warning" } else { "Normal" },
    })
    .to_string()
    .into_bytes()
}

/// At most `limit` bytes of `text`, with a sign that there was more.
fn cut(text: &str, limit: usize) -> std::borrow::Cow<'_, str> {
    const MORE: &str = "…";
    if text.len() <= limit {
        return text.into();
    }
    let end = text.floor_char_boundary(limit.saturating_sub(MORE.len()));
    let (head, _) = text.split_at(end);
    format!("{head}{MORE}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(about: Subject, message: &str) -> Report {
        Report { about, warning: true, reason: "UnknownKey".into(), message: message.into() }
    }

    fn scene() -> Scene<'static> {
        Scene {
            own: "kube-system",
            identity: "pod-1_ab12",
            config_map_uid: Some("u-1"),
            now: "2026-11-21T10:00:00.000000Z",
        }
    }

    #[test]
    fn an_event_on_the_config_map_names_its_uid() {
        let report = report(Subject::Configuration, "line 3");
        let body = String::from_utf8(body(&report, &name(&report), &scene())).unwrap();
        insta::assert_snapshot!(body, @r#"{"action":"Serve","apiVersion":"events.k8s.io/v1","eventTime":"2026-11-21T10:00:00.000000Z","kind":"Event","metadata":{"name":"acr-configuration.7e4a637dac96270d","namespace":"kube-system"},"note":"line 3","reason":"UnknownKey","regarding":{"apiVersion":"v1","kind":"ConfigMap","name":"acr-configuration","namespace":"kube-system","uid":"u-1"},"reportingController":"acr-credential-helper","reportingInstance":"pod-1_ab12","type":"Warning"}"#);
    }

    #[test]
    fn an_event_on_a_namespace_is_written_into_it() {
        let report = report(Subject::Namespace("team".into()), "line 3");
        let body = String::from_utf8(body(&report, &name(&report), &scene())).unwrap();
        insta::assert_snapshot!(body, @r#"{"action":"Serve","apiVersion":"events.k8s.io/v1","eventTime":"2026-11-21T10:00:00.000000Z","kind":"Event","metadata":{"name":"team.f0c09a03e24a589e","namespace":"team"},"note":"line 3","reason":"UnknownKey","regarding":{"apiVersion":"v1","kind":"Namespace","name":"team","namespace":"team"},"reportingController":"acr-credential-helper","reportingInstance":"pod-1_ab12","type":"Warning"}"#);
    }

    #[test]
    fn the_name_differs_with_subject_reason_and_message_and_with_nothing_else() {
        let first = report(Subject::Configuration, "line 3");
        let mut calm = first.clone();
        calm.warning = false;
        assert_eq!(name(&first), name(&calm));
        let mut other_reason = first.clone();
        other_reason.reason = "UnknownField".into();
        let others = [
            report(Subject::Configuration, "line 4"),
            report(Subject::Namespace("team".into()), "line 3"),
            other_reason,
        ];
        for other in others {
            assert_ne!(name(&first), name(&other), "{other:?}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters_within_the_limit() {
        for text in ["x".repeat(5000), "é".repeat(5000), "网".repeat(1023)] {
            let note = cut(&text, NOTE_LIMIT);
            assert!(note.len() <= NOTE_LIMIT && note.ends_with('…'), "{}", note.len());
        }
        assert_eq!(cut("short", NOTE_LIMIT), "short");
    }

    #[test]
    fn counting_many_different_events_stays_bounded() {
        let events = Events::default();
        for place in 0..5 * COUNTED {
            events.count(&place.to_string());
        }
        assert!(events.counts.lock().unwrap().len() <= COUNTED);
        assert_eq!(events.count("again"), 1);
        assert_eq!(events.count("again"), 2);
    }
}
