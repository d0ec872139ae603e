//! `mode: policy` on a server whose policy does not count: what is wrong is said, and the watch serves.

use acr_end_to_end::SERVICE_ACCOUNT;
use acr_testbed::{Right, apply_manifests};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, program, turn};

/// Somebody else's policy: it refuses the ConfigMap that its parameters name.
const THEIRS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: theirs, namespace: default}
data: {refused: this}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: theirs}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: \"object.metadata.name != params.data['refused']\"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: theirs}
spec:
  policyName: theirs
  paramRef: {name: theirs, namespace: default, parameterNotFoundAction: Allow}
  validationActions: [Deny]
";

/// An object of a policy.
fn of_the_policy(scene: &Scene<'_>, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    Api::all_with(scene.stage.client().clone(), &ApiResource::from_gvk(&kind))
}

/// What a trial is told: the fingerprint of the parameters that the API server goes by, and whether it names the pull secret.
async fn trial(scene: &Scene<'_>, space: &str) -> (Option<String>, bool) {
    let account = json!({ "metadata": {
        "generateName": "probe-", "annotations": { "acr-credential-helper/trial": "default" },
    } });
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let accounts = scene.stage.accounts(space);
    let made = accounts.create(&dry, &serde_json::from_value(account).unwrap()).await.unwrap();
    let mut annotations = made.metadata.annotations.unwrap_or_default();
    (annotations.remove("acr-credential-helper/fingerprint"), made.image_pull_secrets.is_some())
}

/// `try-policy` with the rights of the component: its exit code and what it says.
async fn try_policy(scene: &Scene<'_>, timeout: &str) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(program().await.path());
    command.args(["try-policy", "--timeout", timeout, "--log-level", "error", "--kubeconfig"]);
    command.arg(scene.stage.kubeconfig()).args(["--namespace", scene.stage.namespace()]);
    let output = command.kill_on_drop(true).output().await.unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
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
    let former = trial(&scene, &space).await;
    assert!(former.0.is_some() && former.1, "{former:?}");
    bindings.delete("acr-credential-helper", &DeleteParams::default()).await.unwrap();
    // That was the last binding with a ConfigMap: from now on this API server reads none.
    scene
        .until("the binding is gone", async || (trial(&scene, &space).await == (None, false)).then_some(()))
        .await;
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

    let message = scene.finding("PolicyFrozen").await;
    assert!(message.contains("restart each API server"), "{message}");
    let (code, words) = try_policy(&scene, "3").await;
    assert!(code == Some(1) && words.contains("PolicyFrozen: "), "{code:?} {words}");
    assert_eq!(trial(&scene, &space).await, former, "it goes by the scope that was");
    // And by it alone, even where nobody asks for the policy any more, until the policy itself is taken away.
    let off = [("service-account", "default"), ("webhook-configuration", "enable: false")];
    scene.configure(ACME_BY_KEY, &[&space], &off).await;
    scene.mended("PolicyFrozen").await;
    let scope: Api<ConfigMap> = Api::namespaced(scene.stage.client().clone(), scene.stage.namespace());
    scene
        .until("the scope is gone", async || {
            scope.get_opt("acr-credential-helper-scope").await.unwrap().is_none().then_some(())
        })
        .await;
    assert_eq!(trial(&scene, &space).await, former);
    let policies = of_the_policy(&scene, "MutatingAdmissionPolicy");
    policies.delete("acr-credential-helper", &DeleteParams::default()).await.unwrap();
    scene
        .until("the policy is gone", async || (trial(&scene, &space).await == (None, false)).then_some(()))
        .await;
    scene.stage.has_mutating_policy().await.unwrap();
    scene.configure(ACME_BY_KEY, &[&space, "trial-other"], &policy).await;
    scene.finding("PolicyFrozen").await;

    scene.stage.control_plane().stop_api_server().unwrap();
    scene.stage.control_plane().start_api_server().await.unwrap();
    scene.was_restarted = true;
    scene.configure(ACME_BY_KEY, &[&space], &policy).await;
    scene.mended("PolicyFrozen").await;
    let (code, words) = try_policy(&scene, "60").await;
    assert_eq!(code, Some(0), "{words}");

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

#[tokio::test]
async fn somebody_elses_policy_that_goes_leaves_the_former_scope_in_force_and_that_is_said() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "frozen", |_| {}).await;
    let maps: Api<ConfigMap> = Api::namespaced(scene.stage.client().clone(), "default");
    let refused = async |wanted: bool| {
        let map = serde_json::from_value(json!({ "metadata": { "name": "this" } })).unwrap();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        (maps.create(&dry, &map).await.is_err() == wanted).then_some(())
    };
    apply_manifests(scene.stage.client(), THEIRS).await.unwrap();
    scene.until("their policy counts", async || refused(true).await).await;

    scene.stage.has_mutating_policy().await.unwrap();
    let (shop, leaves) = (scene.create_space("shop").await, scene.create_space("leaves").await);
    let policy = [("service-account", "default"), ("webhook-configuration", "enable: true\nmode: policy")];
    scene.configure(ACME_BY_KEY, &[&shop, &leaves], &policy).await;
    scene.run().await;
    let (code, words) = try_policy(&scene, "60").await;
    assert_eq!(code, Some(0), "{words}");

    let bindings = of_the_policy(&scene, "ValidatingAdmissionPolicyBinding");
    bindings.delete("theirs", &DeleteParams::default()).await.unwrap();
    scene.until("their policy is bound no more", async || refused(false).await).await;
    scene.configure(ACME_BY_KEY, &[&shop], &policy).await;
    scene.finding("PolicyFrozen").await;
    let (_, appended) = trial(&scene, &leaves).await;
    assert!(appended, "who is in scope is appended, and who has left is as well");
    scene.end().await;
}
