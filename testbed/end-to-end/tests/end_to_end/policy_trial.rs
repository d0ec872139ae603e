//! `mode: policy` on a server whose policy does not count: what is wrong is said, and the watch serves.

use acr_end_to_end::SERVICE_ACCOUNT;
use acr_testbed::Right;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, turn};

/// An object of the policy.
fn of_the_policy(scene: &Scene<'_>, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    Api::all_with(scene.stage.client().clone(), &ApiResource::from_gvk(&kind))
}

#[tokio::test]
async fn whatever_keeps_the_policy_from_counting_is_said_and_mended() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "trial", |_| {}).await;
    let space = scene.create_space("shop").await;
    // A name that exists wherever it is in scope: only the annotation of the trial lets it be tried.
    let policy = [("service-account", "default"), ("webhook-configuration", "enable: true\nmode: policy")];
    scene.configure(ACME_BY_KEY, &[&space], &policy).await;
    scene.run().await;
    // Nothing of the policy is installed, not even the right to try it.
    let message = scene.finding("PolicyMissing").await;
    assert!(message.contains("deploy/mutating-policy.yaml"), "{message}");
    scene.attached(&space, "default").await;

    scene.stage.has_mutating_policy().await.unwrap();
    scene.mended("PolicyMissing").await;

    // Without its binding, and with one that leads elsewhere. A change of the scope has it tried again.
    let bindings = of_the_policy(&scene, "MutatingAdmissionPolicyBinding");
    let binding = bindings.get("acr-credential-helper").await.unwrap();
    bindings.delete("acr-credential-helper", &DeleteParams::default()).await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space, "trial-other"], &policy).await;
    let message = scene.finding("PolicyUnbound").await;
    assert!(message.contains("MutatingAdmissionPolicyBinding"), "{message}");
    let mut elsewhere = serde_json::to_value(&binding).unwrap();
    elsewhere["metadata"] = json!({ "name": "acr-credential-helper" });
    elsewhere["spec"]["paramRef"]["name"] = json!("another");
    let create = async |object: &Value| {
        let object = serde_json::from_value(object.clone()).unwrap();
        bindings.create(&PostParams::default(), &object).await.unwrap();
    };
    create(&elsewhere).await;
    scene
        .until("the finding names the ConfigMap", async || {
            let findings = scene.findings().await;
            findings.iter().any(|(_, _, message)| message.contains("/another")).then_some(())
        })
        .await;
    let back = json!({ "spec": { "paramRef": { "name": "acr-credential-helper-scope" } } });
    bindings.patch("acr-credential-helper", &PatchParams::default(), &Patch::Merge(&back)).await.unwrap();
    scene.mended("PolicyUnbound").await;

    // What was tried was never stored, and the right to try is good for nothing else.
    let control_plane = scene.stage.control_plane();
    let account = Right { verb: "create", resource: "serviceaccounts", ..Right::default() };
    control_plane.until_granted(scene.stage.namespace(), SERVICE_ACCOUNT, &[account]).await.unwrap();
    let token = control_plane
        .service_account_token(scene.stage.namespace(), SERVICE_ACCOUNT, &[], 3600)
        .await
        .unwrap();
    let space = scene.create_space("refused").await;
    let accounts: Api<ServiceAccount> =
        Api::namespaced(control_plane.client_with_token(&token).unwrap(), &space);
    let made = |metadata: Value| -> ServiceAccount {
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    };
    let trial = made(json!({ "generateName": "acr-credential-helper-trial-" }));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    accounts.create(&dry, &trial).await.unwrap();
    for (parameters, account) in [
        (PostParams::default(), &trial),
        (dry.clone(), &made(json!({ "name": "mine" }))),
        (dry, &made(json!({ "generateName": "mine-" }))),
    ] {
        let error = accounts.create(&parameters, account).await.unwrap_err();
        assert!(error.to_string().contains("neither makes nor deletes them"), "{error}");
    }
    let names = scene.stage.accounts(&space).list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(names.items.len(), 1, "{names:?}");
    scene.end().await;
}
