//! The review that is sent: what an API server asks about a ServiceAccount of a deployment tool.

use serde_json::{Value, json};

/// A review as Kubernetes 1.36 writes it.
pub(super) fn review() -> Value {
    let kind = json!({ "group": "", "version": "v1", "kind": "ServiceAccount" });
    let resource = json!({ "group": "", "version": "v1", "resource": "serviceaccounts" });
    let managed = json!([{
        "manager": "helm",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-11-22T12:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": {
            "f:annotations": { ".": {}, "f:meta.helm.sh/release-name": {}, "f:meta.helm.sh/release-namespace": {} },
            "f:labels": { ".": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/managed-by": {} },
        } },
    }]);
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "web",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:delivery:deployer",
                "uid": "7e4f0a4e-8a25-4d46-9f53-8e8f5b0b1c7a",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:delivery", "system:authenticated"],
                "extra": { "authentication.kubernetes.io/credential-id": ["JTI=5f0c1e2a-1d65-4f5c-8a4e-1f2d3c4b5a69"] },
            },
            "object": {
                "kind": "ServiceAccount",
                "apiVersion": "v1",
                "metadata": {
                    "name": "web",
                    "namespace": "shop",
                    "uid": "5f3c3f0e-2e0a-4a40-8c0b-0a6d9d0a5b11",
                    "creationTimestamp": "2026-11-22T12:00:00Z",
                    "labels": { "app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm" },
                    "annotations": {
                        "meta.helm.sh/release-name": "shop",
                        "meta.helm.sh/release-namespace": "shop",
                    },
                    "managedFields": managed,
                },
            },
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "helm" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_review_is_answered_with_a_patch() {
        let answer = acr_server::answer(review().to_string().as_bytes()).unwrap();
        assert!(String::from_utf8(answer).unwrap().contains(r#""patchType":"JSONPatch""#));
    }
}
