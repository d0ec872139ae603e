//! The bodies of writes, as JSON text.

use acr_controller::Serving;
use acr_controller::admission::AdmissionObject;
use acr_controller::names::{
    ADOPTED_ANNOTATION, CERTIFICATE_KEY, DIGEST_ANNOTATION, EXPIRES_ANNOTATION, INSTALLATION_ANNOTATION,
    JOURNAL_KEY, JOURNAL_SECRET, LEASE, MANAGED_BY, MANAGED_BY_LABEL, PRIVATE_KEY_KEY, PULL_SECRET,
    PULL_SECRET_KEY, PULL_SECRET_TYPE, REGISTRATION, SCOPE_CONFIG_MAP,
};
use acr_controller::operation::{LeaseWrite, ListChange, Payload, Precondition};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Annotations that keep Argo CD from counting what we make as drift of an application, and from pruning it
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/>).
const ARGO_CD: [(&str, &str); 2] = [
    ("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
    ("argocd.argoproj.io/sync-options", "Prune=false"),
];

/// A JSON patch that tests the list as observed and changes it by one element.
pub(crate) fn list_patch(observed: Option<&str>, change: ListChange) -> Vec<u8> {
    let observed = match change {
        // Creating replaces: it must never meet a list that is there.
        ListChange::Create => "null",
        ListChange::Append | ListChange::Remove { .. } => observed.unwrap_or("null"),
    };
    let change = match change {
        ListChange::Create => {
            format!(r#"{{"op":"add","path":"/imagePullSecrets","value":[{{"name":"{PULL_SECRET}"}}]}}"#)
        }
        ListChange::Append => {
            format!(r#"{{"op":"add","path":"/imagePullSecrets/-","value":{{"name":"{PULL_SECRET}"}}}}"#)
        }
        ListChange::Remove { place } => format!(r#"{{"op":"remove","path":"/imagePullSecrets/{place}"}}"#),
    };
    format!(r#"[{{"op":"test","path":"/imagePullSecrets","value":{observed}}},{change}]"#).into_bytes()
}

/// A pull secret, as it is applied.
pub(crate) fn pull_secret(
    namespace: &str,
    own: &str,
    precondition: &Precondition,
    payload: &Payload,
    adopted: bool,
) -> Vec<u8> {
    let expires = payload.expires.map(|expires| expires.to_string());
    let annotations = Pairs(&[
        Some((DIGEST_ANNOTATION, payload.digest.as_str())),
        expires.as_deref().map(|expires| (EXPIRES_ANNOTATION, expires)),
        adopted.then_some((ADOPTED_ANNOTATION, "true")),
        Some((INSTALLATION_ANNOTATION, own)),
        Some(ARGO_CD[0]),
        Some(ARGO_CD[1]),
    ]);
    secret(&SecretApply {
        api_version: "v1",
        kind: "Secret",
        metadata: metadata(PULL_SECRET, Some(namespace), precondition, annotations),
        r#type: PULL_SECRET_TYPE,
        data: Members(&[Some((PULL_SECRET_KEY, &payload.document))]),
    })
}

/// The journal, as it is applied.
pub(crate) fn journal(
    namespace: &str,
    precondition: &Precondition,
    document: &[u8],
    serving: Option<&Serving>,
) -> Vec<u8> {
    let annotations = Pairs(&[Some(ARGO_CD[0]), Some(ARGO_CD[1])]);
    secret(&SecretApply {
        api_version: "v1",
        kind: "Secret",
        metadata: metadata(JOURNAL_SECRET, Some(namespace), precondition, annotations),
        r#type: "Opaque",
        data: Members(&[
            Some((JOURNAL_KEY, document)),
            serving.map(|serving| (CERTIFICATE_KEY, serving.chain.as_slice())),
            serving.map(|serving| (PRIVATE_KEY_KEY, serving.key.as_slice())),
        ]),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretApply<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    r#type: &'static str,
    data: Members<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    resource_version: String,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
}

fn metadata<'a>(
    name: &'static str,
    namespace: Option<&'a str>,
    precondition: &'a Precondition,
    annotations: Pairs<'a>,
) -> Metadata<'a> {
    let (uid, resource_version) = match precondition {
        // Any version that no object has makes the apply a creation that loses against an object that is there.
        // No uid: a uid would refuse the creation.
        Precondition::Absent => (None, 1),
        Precondition::Exactly { uid, resource_version } => (Some(uid.as_str()), *resource_version),
    };
    Metadata {
        name,
        namespace,
        uid,
        resource_version: resource_version.to_string(),
        labels: Pairs(&[Some((MANAGED_BY_LABEL, MANAGED_BY))]),
        annotations,
    }
}

/// Writes a Secret in one piece, so that growing leaves no copies of it behind.
fn secret(body: &SecretApply<'_>) -> Vec<u8> {
    let bytes: usize = body.data.0.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    let mut text = Vec::with_capacity(bytes * 4 / 3 + SECRET_HEAD_BYTES);
    let written = serde_json::to_writer(&mut text, body);
    debug_assert!(written.is_ok(), "writing strings to memory cannot fail");
    text
}

/// More than all of a Secret but its document takes.
const SECRET_HEAD_BYTES: usize = 2048;

struct Pairs<'a>(&'a [Option<(&'a str, &'a str)>]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().flatten().copied())
    }
}

/// Members whose bytes become base64 on the way out.
struct Members<'a>(&'a [Option<(&'static str, &'a [u8])>]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().flatten().map(|(name, bytes)| (name, Base64(bytes))))
    }
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// The registration of the webhook or the parameters of the policy, as they are applied.
pub(crate) fn admission(
    object: AdmissionObject,
    own: &str,
    precondition: &Precondition,
    content: &Value,
) -> Vec<u8> {
    let annotations = Pairs(&[Some((INSTALLATION_ANNOTATION, own)), Some(ARGO_CD[0]), Some(ARGO_CD[1])]);
    let text = match object {
        AdmissionObject::Registration => json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": metadata(REGISTRATION, None, precondition, annotations),
            "webhooks": content,
        }),
        AdmissionObject::Parameters => json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(SCOPE_CONFIG_MAP, Some(own), precondition, annotations),
            "data": content,
        }),
    };
    text.to_string().into_bytes()
}

/// Preconditions of a deletion.
pub(crate) fn deletion(uid: &str, resource_version: u64) -> Vec<u8> {
    delete_options(uid, resource_version).to_string().into_bytes()
}

fn delete_options(uid: &str, resource_version: u64) -> Value {
    let preconditions = json!({ "uid": uid, "resourceVersion": resource_version.to_string() });
    json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions })
}

/// An eviction with preconditions
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/>).
pub(crate) fn eviction(namespace: &str, name: &str, uid: &str, resource_version: u64) -> Vec<u8> {
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": namespace },
        "deleteOptions": delete_options(uid, resource_version),
    })
    .to_string()
    .into_bytes()
}

/// The Lease, as it is PUT. `renewed` and `acquired` are RFC 3339 with microseconds.
pub(crate) fn lease(namespace: &str, write: &LeaseWrite, renewed: &str, acquired: Option<&str>) -> Vec<u8> {
    let mut metadata = json!({
        "name": LEASE,
        "namespace": namespace,
        "labels": { MANAGED_BY_LABEL: MANAGED_BY },
    });
    if let (Some((uid, resource_version)), Some(metadata)) = (&write.replaces, metadata.as_object_mut()) {
        // The version alone would bring a Lease back that was deleted meanwhile.
        metadata.insert("uid".to_owned(), uid.as_str().into());
        metadata.insert("resourceVersion".to_owned(), resource_version.to_string().into());
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": write.holder,
            "leaseDurationSeconds": write.duration_seconds,
            "leaseTransitions": write.transitions,
            "renewTime": renewed,
            "acquireTime": acquired,
        },
    })
    .to_string()
    .into_bytes()
}

/// A request for a token.
pub(crate) fn token_request(audience: &str, expiration_seconds: i64) -> Vec<u8> {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "audiences": [audience], "expirationSeconds": expiration_seconds },
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use acr_credentials::UnixMillis;
    use zeroize::Zeroizing;

    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_patch_tests_the_list_as_observed_and_changes_it_by_one_element() {
        insta::assert_snapshot!(text(list_patch(None, ListChange::Create)), @r#"[{"op":"test","path":"/imagePullSecrets","value":null},{"op":"add","path":"/imagePullSecrets","value":[{"name":"acr-credential-secret-aggregation"}]}]"#);
        insta::assert_snapshot!(text(list_patch(Some(r#"[{},{"name":"x"}]"#), ListChange::Append)), @r#"[{"op":"test","path":"/imagePullSecrets","value":[{},{"name":"x"}]},{"op":"add","path":"/imagePullSecrets/-","value":{"name":"acr-credential-secret-aggregation"}}]"#);
        insta::assert_snapshot!(text(list_patch(Some(r#"[{"name":"x"},{"name":"acr-credential-secret-aggregation"}]"#), ListChange::Remove { place: 1 })), @r#"[{"op":"test","path":"/imagePullSecrets","value":[{"name":"x"},{"name":"acr-credential-secret-aggregation"}]},{"op":"remove","path":"/imagePullSecrets/1"}]"#);
    }

    #[test]
    fn creating_a_list_never_replaces_one_that_was_observed() {
        let patch = text(list_patch(Some(r#"[{"name":"x"}]"#), ListChange::Create));
        assert!(patch.contains(r#""value":null"#), "{patch}");
    }

    fn payload(document: &[u8], expires: Option<UnixMillis>) -> Payload {
        Payload { document: Zeroizing::new(document.to_vec()), digest: "d1".into(), expires }
    }

    #[test]
    fn a_pull_secret_carries_mark_type_and_the_preconditions() {
        let exactly = Precondition::Exactly { uid: "u-1".into(), resource_version: 77 };
        let body = pull_secret(
            "team",
            "kube-system",
            &exactly,
            &payload(b"{}", Some(UnixMillis(1_767_323_045_999))),
            true,
        );
        insta::assert_snapshot!(text(body), @r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"acr-credential-secret-aggregation","namespace":"team","uid":"u-1","resourceVersion":"77","labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"annotations":{"acr-credential-helper/payload-digest":"d1","acr-credential-helper/expires":"2026-01-02T03:04:05Z","acr-credential-helper/adopted":"true","acr-credential-helper/installation":"kube-system","argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}}"#);
    }

    #[test]
    fn a_secret_that_shall_be_absent_has_a_version_that_none_has_and_no_uid() {
        let body =
            text(pull_secret("team", "kube-system", &Precondition::Absent, &payload(b"{}", None), false));
        assert!(body.contains(r#""resourceVersion":"1""#), "{body}");
        assert!(!body.contains("uid") && !body.contains("expires") && !body.contains("adopted"), "{body}");
    }

    #[test]
    fn a_secret_is_written_without_growing() {
        for length in [0, 1, 1000, 700_000] {
            let document = vec![b'x'; length];
            let namespace = "n".repeat(63);
            let exactly = Precondition::Exactly { uid: "u".repeat(36), resource_version: u64::MAX };
            let body =
                pull_secret(&namespace, &namespace, &exactly, &payload(&document, Some(UnixMillis(0))), true);
            assert!(body.capacity() <= length * 4 / 3 + SECRET_HEAD_BYTES, "{length}");
        }
    }

    #[test]
    fn the_journal_is_an_opaque_secret() {
        insta::assert_snapshot!(text(journal("kube-system", &Precondition::Absent, b"{}", None)), @r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"acr-credential-helper-state","namespace":"kube-system","resourceVersion":"1","labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"annotations":{"argocd.argoproj.io/compare-options":"IgnoreExtraneous","argocd.argoproj.io/sync-options":"Prune=false"}},"type":"Opaque","data":{"journal.json":"e30="}}"#);
    }

    #[test]
    fn a_new_lease_has_no_version_and_a_renewed_one_has_uid_and_version() {
        let mut write = LeaseWrite {
            replaces: None,
            holder: Some("me".into()),
            duration_seconds: 15,
            transitions: 0,
            acquired: true,
        };
        let now = "2026-11-21T10:00:00.000000Z";
        insta::assert_snapshot!(text(lease("kube-system", &write, now, Some(now))), @r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},"name":"acr-credential-helper","namespace":"kube-system"},"spec":{"acquireTime":"2026-11-21T10:00:00.000000Z","holderIdentity":"me","leaseDurationSeconds":15,"leaseTransitions":0,"renewTime":"2026-11-21T10:00:00.000000Z"}}"#);
        write.replaces = Some(("u-1".into(), 5));
        write.holder = None;
        let body = text(lease("kube-system", &write, now, None));
        assert!(body.contains(r#""resourceVersion":"5","uid":"u-1""#), "{body}");
        assert!(body.contains(r#""holderIdentity":null"#), "{body}");
    }
}
