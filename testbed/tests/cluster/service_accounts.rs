//! The list of a ServiceAccount: guarded by its content, and nobody else's element ever touched.

use acr_controller::names::PULL_SECRET;
use acr_controller::observation::{Answer, Refusal};
use acr_controller::operation::{ListChange, Operation};
use acr_testbed::apply_manifests;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::{cluster, done, eventually, namespace, refusal, shared_control_plane};

fn patch(namespace: &str, observed: Option<&str>, change: ListChange) -> Operation {
    Operation::PatchList {
        namespace: namespace.to_owned(),
        name: "app".to_owned(),
        observed: observed.map(str::to_owned),
        change,
    }
}

async fn account(client: &Client, namespace: &str, list: Value) {
    let account: ServiceAccount =
        serde_json::from_value(json!({ "metadata": { "name": "app" }, "imagePullSecrets": list })).unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    accounts.create(&PostParams::default(), &account).await.unwrap();
}

/// The list, as the component reads it.
async fn list(cluster: &acr_cluster::Cluster, namespace: &str) -> Option<String> {
    let read = Operation::ReadAccount { namespace: namespace.to_owned(), name: "app".to_owned() };
    match cluster.carry_out(read).await {
        Answer::Account(seen) => seen.list,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_absent_list_is_created_and_an_empty_one_becomes_absent_again() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "absent-list").await;
    account(&client, "absent-list", Value::Null).await;
    let cluster = cluster(control_plane).await;
    assert_eq!(list(&cluster, "absent-list").await, None);
    // Appending to what is not there is refused by the server.
    let append = cluster.carry_out(patch("absent-list", None, ListChange::Append)).await;
    assert_eq!(refusal(append), Refusal::LostRace);
    done(cluster.carry_out(patch("absent-list", None, ListChange::Create)).await);
    let ours = format!(r#"[{{"name":"{PULL_SECRET}"}}]"#);
    assert_eq!(list(&cluster, "absent-list").await.as_deref(), Some(ours.as_str()));
    // It was there: creating it once more must not replace it.
    let create = cluster.carry_out(patch("absent-list", Some(&ours), ListChange::Create)).await;
    assert_eq!(refusal(create), Refusal::LostRace);
    done(cluster.carry_out(patch("absent-list", Some(&ours), ListChange::Remove { place: 0 })).await);
    assert_eq!(list(&cluster, "absent-list").await, None);
}

#[tokio::test]
async fn elements_of_others_keep_their_place_and_their_exact_form() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "foreign-elements").await;
    // An element without a name is stored as an empty object.
    account(&client, "foreign-elements", json!([{ "name": "z" }, { "name": "" }, { "name": "a" }])).await;
    let cluster = cluster(control_plane).await;
    let before = list(&cluster, "foreign-elements").await.unwrap();
    assert_eq!(before, r#"[{"name":"z"},{},{"name":"a"}]"#);
    done(cluster.carry_out(patch("foreign-elements", Some(&before), ListChange::Append)).await);
    let with_ours = list(&cluster, "foreign-elements").await.unwrap();
    assert_eq!(with_ours, format!(r#"[{{"name":"z"}},{{}},{{"name":"a"}},{{"name":"{PULL_SECRET}"}}]"#));
    done(
        cluster.carry_out(patch("foreign-elements", Some(&with_ours), ListChange::Remove { place: 3 })).await,
    );
    assert_eq!(list(&cluster, "foreign-elements").await.unwrap(), before);
}

#[tokio::test]
async fn a_list_that_somebody_changed_is_left_as_it_is() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "raced").await;
    account(&client, "raced", json!([{ "name": "x" }])).await;
    let cluster = cluster(control_plane).await;
    let observed = list(&cluster, "raced").await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "raced");
    let foreign = json!({ "imagePullSecrets": [{ "name": "y" }, { "name": "x" }] });
    accounts.patch("app", &PatchParams::default(), &Patch::Merge(&foreign)).await.unwrap();
    for change in [ListChange::Append, ListChange::Remove { place: 0 }, ListChange::Create] {
        let answer = cluster.carry_out(patch("raced", Some(&observed), change)).await;
        assert_eq!(refusal(answer), Refusal::LostRace, "{change:?}");
    }
    assert_eq!(list(&cluster, "raced").await.unwrap(), r#"[{"name":"y"},{"name":"x"}]"#);
}

#[tokio::test]
async fn a_change_of_something_else_does_not_stand_in_the_way() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "unrelated").await;
    account(&client, "unrelated", json!([{ "name": "x" }])).await;
    let cluster = cluster(control_plane).await;
    let observed = list(&cluster, "unrelated").await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "unrelated");
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    accounts.patch("app", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
    done(cluster.carry_out(patch("unrelated", Some(&observed), ListChange::Append)).await);
}

#[tokio::test]
async fn a_service_account_that_is_gone_is_told() {
    let control_plane = shared_control_plane().await;
    namespace(control_plane, "empty").await;
    let cluster = cluster(control_plane).await;
    let answer = cluster.carry_out(patch("empty", None, ListChange::Create)).await;
    assert_eq!(refusal(answer), Refusal::Gone);
}

#[tokio::test]
async fn a_policy_that_refuses_our_patch_is_told_from_a_lost_race() {
    let control_plane = shared_control_plane().await;
    let client = namespace(control_plane, "guarded").await;
    account(&client, "guarded", Value::Null).await;
    let cluster = cluster(control_plane).await;
    apply_manifests(&client, POLICY).await.unwrap();
    // A policy counts a moment after it was made.
    let told = eventually("the policy counts", async || {
        match cluster.carry_out(patch("guarded", None, ListChange::Create)).await {
            Answer::Refused(refusal) => Some(refusal),
            Answer::Done { .. } => {
                let ours = format!(r#"[{{"name":"{PULL_SECRET}"}}]"#);
                let undone =
                    cluster.carry_out(patch("guarded", Some(&ours), ListChange::Remove { place: 0 })).await;
                // It may begin to count between the two.
                if let Answer::Refused(refusal) = undone { Some(refusal) } else { None }
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    let Refusal::RefusedByPolicy { message } = told else { panic!("{told:?}") };
    assert!(message.contains("nobody edits accounts here"), "{message}");
}

const POLICY: &str = "\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: test-guarded}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [serviceaccounts]}
  matchConditions:
    - {name: here, expression: \"request.namespace == 'guarded'\"}
  validations:
    - {expression: 'false', message: nobody edits accounts here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: test-guarded}
spec: {policyName: test-guarded, validationActions: [Deny]}
";
