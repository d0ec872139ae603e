//! What the webhook answers: an AdmissionReview in, an AdmissionReview out, decided from the request alone
//! (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>).
//!
//! Which ServiceAccounts are in scope is what the registration says: the API server asks for no others. So an answer needs
//! no knowledge of the cluster, and a replica that has just started gives the right one.

use std::borrow::Cow;

use acr_controller::names::PULL_SECRET;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};

use crate::frugal::{Fields, Text, each};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// An API server gives a UUID. The answer repeats it, and whoever asks may be slow to take the answer.
const LONGEST_UID: usize = 256;

/// Why a request is not answered with a review.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// It is not JSON, or lacks what every review has.
    #[error("not an AdmissionReview: line {line}, column {column}")]
    Malformed {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
    /// It is another kind of object, or another version.
    #[error("expected kind {KIND} of {API_VERSION}")]
    WrongKind,
    /// It holds no request: it may be an answer.
    #[error("the AdmissionReview holds no request")]
    NoRequest,
    /// Its uid is longer than any that an API server gives.
    #[error("the uid of the request has more than {LONGEST_UID} bytes")]
    LongUid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(default, borrow)]
    api_version: Cow<'a, str>,
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Fields<Request<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(default, borrow)]
    resource: Fields<Resource<'a>>,
    #[serde(default, borrow)]
    sub_resource: Cow<'a, str>,
    #[serde(default, borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    object: Option<Fields<Object<'a>>>,
}

#[derive(Default, Deserialize)]
struct Resource<'a> {
    #[serde(default, borrow)]
    group: Cow<'a, str>,
    #[serde(default, borrow)]
    version: Cow<'a, str>,
    #[serde(default, borrow)]
    #[serde(rename = "resource")]
    plural: Cow<'a, str>,
}

/// Only what decides, of a ServiceAccount or a Pod: whatever else it holds stays as it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    image_pull_secrets: Option<PullSecrets>,
    #[serde(borrow)]
    spec: Option<Fields<PodSpec<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    #[serde(borrow)]
    service_account_name: Option<Text<'a>>,
    image_pull_secrets: Option<PullSecrets>,
}

/// Of a list of references, all that counts.
struct PullSecrets {
    name_ours: bool,
}

impl<'de> Deserialize<'de> for PullSecrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut name_ours = false;
        each(deserializer, |Fields(Reference { name })| {
            name_ours |= name.is_some_and(|Text(name)| name == PULL_SECRET);
        })?;
        Ok(Self { name_ours })
    }
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    /// Base64 of a JSON patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

/// The answer to a review: every request is allowed, and the creation of a ServiceAccount or a Pod that does not name the
/// pull secret gets a patch that appends it.
///
/// A dry run gets the same answer: giving it has no effect but the answer.
pub fn answer(review: &[u8]) -> Result<Vec<u8>, ReviewError> {
    let malformed =
        |error: serde_json::Error| ReviewError::Malformed { line: error.line(), column: error.column() };
    let Fields(Review { api_version, kind, request }) = serde_json::from_slice(review).map_err(malformed)?;
    if (api_version.as_ref(), kind.as_ref()) != (API_VERSION, KIND) {
        return Err(ReviewError::WrongKind);
    }
    let Fields(request) = request.ok_or(ReviewError::NoRequest)?;
    if request.uid.len() > LONGEST_UID {
        return Err(ReviewError::LongUid);
    }
    let patch = patch(&request).map(|patch| STANDARD.encode(patch));
    let answer = Answer {
        api_version: API_VERSION,
        kind: KIND,
        response: Response {
            uid: &request.uid,
            allowed: true,
            patch_type: patch.is_some().then_some("JSONPatch"),
            patch,
        },
    };
    serde_json::to_vec(&answer).map_err(malformed)
}

fn patch(request: &Request<'_>) -> Option<String> {
    let Fields(Resource { group, version, plural }) = &request.resource;
    let is_creation = (group.as_ref(), version.as_ref()) == ("", "v1")
        && (request.sub_resource.as_ref(), request.operation.as_ref()) == ("", "CREATE");
    let Fields(object) = request.object.as_ref().filter(|_| is_creation)?;
    let (list, path) = match plural.as_ref() {
        "serviceaccounts" => (&object.image_pull_secrets, "/imagePullSecrets"),
        "pods" => {
            // Without a ServiceAccount it is the image of a static pod, which may name no Secret.
            let Fields(spec) = object.spec.as_ref()?;
            spec.service_account_name.as_ref().filter(|Text(name)| !name.is_empty())?;
            (&spec.image_pull_secrets, "/spec/imagePullSecrets")
        }
        _ => return None,
    };
    match list {
        Some(list) if list.name_ours => None,
        Some(_) => Some(format!(r#"[{{"op":"add","path":"{path}/-","value":{{"name":"{PULL_SECRET}"}}}}]"#)),
        None => Some(format!(r#"[{{"op":"add","path":"{path}","value":[{{"name":"{PULL_SECRET}"}}]}}]"#)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn review(object: &Value, changes: &[(&str, Value)]) -> Value {
        let mut request = json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "ServiceAccount" },
            "resource": { "group": "", "version": "v1", "resource": "serviceaccounts" },
            "namespace": "team",
            "operation": "CREATE",
            "userInfo": { "username": "admin" },
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        });
        for (key, value) in changes {
            request[key] = value.clone();
        }
        json!({ "kind": KIND, "apiVersion": API_VERSION, "request": request })
    }

    fn answered(review: &Value) -> (Value, Option<Value>) {
        let answer: Value = serde_json::from_slice(&answer(review.to_string().as_bytes()).unwrap()).unwrap();
        let patch = answer["response"]["patch"].as_str().map(|patch| {
            assert_eq!(answer["response"]["patchType"], "JSONPatch");
            serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap()
        });
        (answer, patch)
    }

    #[test]
    fn what_is_no_review_is_told_with_its_place() {
        for (text, expected) in [
            ("", ReviewError::Malformed { line: 1, column: 0 }),
            ("{", ReviewError::Malformed { line: 1, column: 1 }),
            ("[]", ReviewError::Malformed { line: 1, column: 2 }),
            ("{}", ReviewError::WrongKind),
            (r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}"#, ReviewError::WrongKind),
            (r#"{"kind":"Pod","apiVersion":"admission.k8s.io/v1"}"#, ReviewError::WrongKind),
            (r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}"#, ReviewError::NoRequest),
        ] {
            assert_eq!(answer(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
        let long_uid = review(&json!({}), &[("uid", json!("u".repeat(LONGEST_UID + 1)))]).to_string();
        assert_eq!(answer(long_uid.as_bytes()).unwrap_err(), ReviewError::LongUid);
        let without_uid = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}"#;
        assert!(matches!(answer(without_uid.as_bytes()), Err(ReviewError::Malformed { .. })));
    }

    #[test]
    fn whatever_is_no_creation_of_a_service_account_or_a_pod_is_allowed_as_it_is() {
        let claims = json!({ "group": "", "version": "v1", "resource": "persistentvolumeclaims" });
        let group = json!({ "group": "example.com", "version": "v1", "resource": "serviceaccounts" });
        for (key, value) in [
            ("operation", json!("UPDATE")),
            ("operation", json!("DELETE")),
            ("operation", json!("CONNECT")),
            ("subResource", json!("token")),
            ("resource", claims),
            ("resource", group),
            ("object", Value::Null),
        ] {
            let (answer, patch) = answered(&review(&json!({}), &[(key, value.clone())]));
            assert_eq!((&answer["response"]["allowed"], patch), (&json!(true), None), "{key} {value}");
        }
    }

    #[test]
    fn a_pod_gets_our_entry_behind_its_own_unless_it_has_it() {
        let pods = json!({ "group": "", "version": "v1", "resource": "pods" });
        let patch = |spec: Value| {
            let object = json!({ "metadata": { "generateName": "web-" }, "spec": spec });
            answered(&review(&object, &[("resource", pods.clone())])).1
        };
        let ours = json!({ "name": PULL_SECRET });
        assert_eq!(patch(json!({ "serviceAccountName": "app", "imagePullSecrets": [ours] })), None);
        assert_eq!(
            patch(json!({ "serviceAccountName": "app", "imagePullSecrets": [{ "name": "mine" }] })),
            Some(json!([{ "op": "add", "path": "/spec/imagePullSecrets/-", "value": ours }]))
        );
        assert_eq!(
            patch(json!({ "serviceAccountName": "app" })),
            Some(json!([{ "op": "add", "path": "/spec/imagePullSecrets", "value": [ours] }]))
        );
        let static_pod = "a static pod's image names no ServiceAccount, and may name no Secret";
        assert_eq!(patch(json!({ "containers": [] })), None, "{static_pod}");
        assert_eq!(patch(json!({ "serviceAccountName": "" })), None, "{static_pod}");
        let without_spec = answered(&review(&json!({}), &[("resource", pods.clone())]));
        assert_eq!((&without_spec.0["response"]["allowed"], without_spec.1), (&json!(true), None));
    }

    #[test]
    fn a_service_account_that_names_the_pull_secret_is_left_as_it_is() {
        let (_, patch) =
            answered(&review(&json!({ "imagePullSecrets": [{}, { "name": PULL_SECRET }] }), &[]));
        assert_eq!(patch, None);
    }

    #[test]
    fn an_answer_carries_the_uid_of_its_request_and_nothing_of_its_object() {
        let (answer, _) = answered(&review(&json!({ "metadata": { "name": "marker" } }), &[]));
        insta::assert_json_snapshot!(answer, @r#"
        {
          "apiVersion": "admission.k8s.io/v1",
          "kind": "AdmissionReview",
          "response": {
            "allowed": true,
            "patch": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2ltYWdlUHVsbFNlY3JldHMiLCJ2YWx1ZSI6W3sibmFtZSI6ImFjci1jcmVkZW50aWFsLXNlY3JldC1hZ2dyZWdhdGlvbiJ9XX1d",
            "patchType": "JSONPatch",
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002"
          }
        }
        "#);
    }

    #[test]
    fn a_dry_run_is_answered_like_any_other() {
        let object = json!({ "metadata": { "generateName": "job-" } });
        let dry = answered(&review(&object, &[("dryRun", json!(true))]));
        assert_eq!(dry, answered(&review(&object, &[])));
        assert!(dry.1.is_some());
    }

    proptest! {
        #[test]
        fn a_patch_appends_ours_and_changes_nothing_else(
            names in proptest::option::of(proptest::collection::vec(proptest::option::of("[a-c]"), 0..4)),
        ) {
            let mut object = json!({ "metadata": { "name": "app" }, "secrets": [{ "name": "t" }] });
            let reference = |name: &Option<String>| name.as_ref().map_or(json!({}), |name| json!({ "name": name }));
            if let Some(names) = &names {
                object["imagePullSecrets"] = names.iter().map(reference).collect();
            }
            let (_, patch) = answered(&review(&object, &[]));
            let mut expected = object.clone();
            let mut list: Vec<Value> = names.iter().flatten().map(reference).collect();
            list.push(json!({ "name": PULL_SECRET }));
            expected["imagePullSecrets"] = list.into();

            let patch: json_patch::Patch = serde_json::from_value(patch.unwrap()).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
            prop_assert_eq!(object, expected);
        }

        #[test]
        fn no_bytes_make_it_fail_otherwise_than_by_an_error(bytes: Vec<u8>) {
            prop_assert!(answer(&bytes).is_err());
        }
    }
}
