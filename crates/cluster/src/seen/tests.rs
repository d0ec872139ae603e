//! What of an object is kept, and what is not.

use super::*;

fn shown<K: Watched>(json: &str) -> String {
    format!("{:#?}", serde_json::from_str::<K>(json).map(K::shown).unwrap())
}

#[test]
fn a_list_keeps_its_exact_elements_and_their_order() {
    let json = r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"12","labels":{"x":"y"}},
        "imagePullSecrets":[{"name":"z"},{},{"name":"a"},{"name":"z"}],"secrets":[{"name":"t"}]}"#;
    let seen = serde_json::from_str::<AccountObject>(json).unwrap().into_seen();
    assert_eq!(seen.list.as_deref(), Some(r#"[{"name":"z"},{},{"name":"a"},{"name":"z"}]"#));
    assert_eq!(seen.resource_version, 12);
    assert!(!seen.ignored);
}

#[test]
fn an_absent_list_is_told_from_an_empty_one() {
    let list = |json: &str| serde_json::from_str::<AccountObject>(json).unwrap().into_seen().list;
    let head = r#"{"metadata":{"name":"a","namespace":"n","resourceVersion":"1"}"#;
    assert_eq!(list(&format!("{head}}}")), None);
    assert_eq!(list(&format!("{head},\"imagePullSecrets\":[]}}")).as_deref(), Some("[]"));
}

#[test]
fn only_the_value_true_opts_a_service_account_out() {
    for (value, ignored) in [("true", true), ("True", false), ("", false), ("false", false)] {
        let json = format!(
            r#"{{"metadata":{{"name":"a","namespace":"n","resourceVersion":"1","labels":{{"acr-credential-helper/ignore":"{value}"}}}}}}"#
        );
        assert_eq!(
            serde_json::from_str::<AccountObject>(&json).unwrap().into_seen().ignored,
            ignored,
            "{value}"
        );
    }
}

#[test]
fn of_a_secret_only_our_marks_and_the_owners_of_data_are_kept() {
    let text = shown::<PullSecretObject>(
        r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{
            "name":"acr-credential-secret-aggregation","namespace":"team","uid":"u","resourceVersion":"281",
            "labels":{"app.kubernetes.io/managed-by":"acr-credential-helper"},
            "annotations":{"acr-credential-helper/payload-digest":"d","kubectl.kubernetes.io/last-applied-configuration":"MARKER"},
            "managedFields":[
                {"manager":"acr-credential-helper","operation":"Apply","fieldsV1":{"f:metadata":{"f:labels":{}},"f:type":{}}},
                {"manager":"kubectl-edit","operation":"Update","fieldsV1":{"f:data":{"f:.dockerconfigjson":{}}}},
                {"manager":"kubectl-create","operation":"Update","fieldsV1":{"f:data":{".":{}}}},
                {"manager":"other","operation":"Update"}]}}"#,
    );
    assert!(!text.contains("MARKER"), "{text}");
    insta::assert_snapshot!(text, @r#"
    PullSecret(
        PullSecretSeen {
            namespace: "team",
            uid: "u",
            resource_version: 281,
            labels: {
                "app.kubernetes.io/managed-by": "acr-credential-helper",
            },
            annotations: {
                "acr-credential-helper/payload-digest": "d",
            },
            data_owners: [
                "kubectl-edit",
            ],
            terminating: false,
        },
    )
    "#);
}

#[test]
fn a_namespace_tells_that_it_is_being_deleted_and_since_when_it_is() {
    let text = shown::<NamespaceObject>(
        r#"{"metadata":{"name":"n","uid":"u","resourceVersion":"3","creationTimestamp":"2026-11-21T22:16:00Z","deletionTimestamp":"2026-11-21T22:17:00Z"}}"#,
    );
    assert!(text.contains("terminating: true") && text.contains("1795299360000"), "{text}");
}

#[test]
fn a_secret_that_the_configuration_names_is_shown_by_the_names_of_its_members() {
    let text = shown::<ReferenceObject>(
        r#"{"metadata":{"name":"s","namespace":"n","uid":"u","resourceVersion":"3"},"data":{"password":"TUFSS0VS","damaged":"?"}}"#,
    );
    assert!(
        text.contains("\"password\"") && !text.contains("MARKER") && !text.contains("TUFSS0VS"),
        "{text}"
    );
    assert!(!text.contains("damaged"), "{text}");
}

#[test]
fn an_object_without_a_usable_version_is_refused() {
    for version in ["", "abc", "-1", "1.5"] {
        let json = format!(r#"{{"metadata":{{"name":"n","resourceVersion":"{version}"}}}}"#);
        assert!(serde_json::from_str::<NamespaceObject>(&json).is_err(), "{version}");
    }
}
