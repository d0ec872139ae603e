//! The model of the API server, asked directly.

use acr_controller::names;
use acr_controller::observation::{Answer, Refusal, Watch};
use acr_controller::operation::{ListChange, Operation, Payload, Precondition};
use acr_credentials::UnixMillis;
use zeroize::Zeroizing;

use super::*;
use crate::wanted::Labels;

fn server() -> ApiServer {
    let mut server = ApiServer::new(UnixMillis(0));
    server.create_namespace("a", Labels::new(), UnixMillis(0));
    server.create_account("a", "app", List::default(), false);
    server
}

fn patch(server: &mut ApiServer, observed: Option<&str>, change: ListChange) -> Answer {
    let operation = Operation::PatchList {
        namespace: "a".into(),
        name: "app".into(),
        observed: observed.map(str::to_owned),
        change,
    };
    server.execute(&operation).unwrap().answer
}

fn payload(text: &str) -> Payload {
    Payload { document: Zeroizing::new(text.as_bytes().to_vec()), digest: text.to_owned(), expires: None }
}

fn apply(server: &mut ApiServer, precondition: Precondition, text: &str) -> Answer {
    let operation = Operation::ApplyPullSecret {
        namespace: "a".into(),
        precondition,
        payload: payload(text),
        adopted: false,
    };
    server.execute(&operation).unwrap().answer
}

fn exactly(server: &ApiServer) -> Precondition {
    let secret = &server.pull_secrets()["a"];
    Precondition::Exactly { uid: secret.uid.clone(), resource_version: secret.resource_version }
}

fn refusal(answer: &Answer) -> &'static str {
    match answer {
        Answer::Refused(refusal) => refusal.label(),
        _ => "done",
    }
}

fn list(server: &ApiServer) -> Option<String> {
    server.accounts()[&("a".to_owned(), "app".to_owned())].list.json()
}

#[test]
fn a_guard_that_does_not_fit_loses_and_changes_nothing() {
    let mut server = server();
    assert_eq!(refusal(&patch(&mut server, Some("[]"), ListChange::Append)), "LostRace");
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Append)), "LostRace");
    server.write_list("a", "app", vec!["x".into()]);
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Create)), "LostRace");
    assert_eq!(refusal(&patch(&mut server, Some(r#"[{"name":"y"}]"#), ListChange::Append)), "LostRace");
    let outside = ListChange::Remove { place: 1 };
    assert_eq!(refusal(&patch(&mut server, Some(r#"[{"name":"x"}]"#), outside)), "LostRace");
    assert_eq!(list(&server).as_deref(), Some(r#"[{"name":"x"}]"#));
}

#[test]
fn a_guard_compares_json_and_not_text() {
    let mut server = server();
    server.write_list("a", "app", vec!["x".into(), String::new()]);
    assert_eq!(list(&server).as_deref(), Some(r#"[{"name":"x"},{}]"#));
    assert_eq!(
        refusal(&patch(&mut server, Some(r#"[{"name":"x"},{"name":""}]"#), ListChange::Append)),
        "LostRace"
    );
    assert_eq!(refusal(&patch(&mut server, Some(r#"[ {"name": "x"}, {} ]"#), ListChange::Append)), "done");
    assert_eq!(
        list(&server).unwrap(),
        format!(r#"[{{"name":"x"}},{{}},{{"name":"{}"}}]"#, names::PULL_SECRET)
    );
}

#[test]
fn the_last_element_takes_the_list_with_it() {
    let mut server = server();
    patch(&mut server, None, ListChange::Create);
    let observed = list(&server).unwrap();
    assert_eq!(refusal(&patch(&mut server, Some(&observed), ListChange::Remove { place: 0 })), "done");
    assert_eq!(list(&server), None);
}

#[test]
fn a_policy_comes_after_the_guard_and_termination_does_not_matter() {
    let mut server = server();
    server.resistance.guarded_accounts.insert("a".into());
    assert_eq!(refusal(&patch(&mut server, Some("[]"), ListChange::Append)), "LostRace");
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Create)), "RefusedByPolicy");
    server.resistance.guarded_accounts.clear();
    server.delete_namespace("a");
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Create)), "done");
}

#[test]
fn an_apply_needs_exactly_what_was_observed() {
    let mut server = server();
    let gone = Precondition::Exactly { uid: "u".into(), resource_version: 1 };
    assert_eq!(refusal(&apply(&mut server, gone, "1")), "LostRace");
    assert_eq!(refusal(&apply(&mut server, Precondition::Absent, "1")), "done");
    assert_eq!(refusal(&apply(&mut server, Precondition::Absent, "2")), "LostRace");
    let first = exactly(&server);
    assert_eq!(refusal(&apply(&mut server, first.clone(), "2")), "done");
    assert_eq!(refusal(&apply(&mut server, first, "3")), "LostRace");
    assert_eq!(&*server.pull_secrets()["a"].document, b"2");
}

#[test]
fn an_apply_of_the_same_writes_nothing() {
    let mut server = server();
    apply(&mut server, Precondition::Absent, "1");
    let (before, events) = (exactly(&server), server.log_end(Watch::PullSecrets));
    assert_eq!(refusal(&apply(&mut server, before.clone(), "1")), "done");
    assert_eq!((exactly(&server), server.log_end(Watch::PullSecrets)), (before, events));
}

#[test]
fn creation_ends_with_the_namespace_and_at_quotas() {
    let mut server = server();
    server.resistance.full.insert("a".into());
    assert_eq!(refusal(&apply(&mut server, Precondition::Absent, "1")), "Quota");
    server.resistance.full.clear();
    apply(&mut server, Precondition::Absent, "1");
    server.delete_namespace("a");
    let present = exactly(&server);
    assert_eq!(refusal(&apply(&mut server, present, "2")), "done");
    server.delete_secret("a");
    assert_eq!(refusal(&apply(&mut server, Precondition::Absent, "1")), "Terminating");
    while server.continue_deletion("a", 0) {}
    assert_eq!(refusal(&apply(&mut server, Precondition::Absent, "1")), "Gone");
}

#[test]
fn a_secret_of_another_type_cannot_be_taken() {
    let mut server = server();
    server.create_foreign_secret("a", "Opaque", b"{}", Forgery::None);
    let present = exactly(&server);
    assert_eq!(refusal(&apply(&mut server, present, "1")), "RefusedByPolicy");
}

#[test]
fn foreign_writes_of_the_data_show_in_its_owners() {
    let mut server = server();
    apply(&mut server, Precondition::Absent, "1");
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER]);
    server.write_secret("a", b"other", Forgery::Marked);
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, ["kubectl-edit"]);
    let present = exactly(&server);
    apply(&mut server, present, "1");
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER]);
    server.widen_secret("a");
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER]);
}

#[test]
fn what_is_applied_over_the_same_value_is_owned_by_both_and_that_is_a_change() {
    let mut server = server();
    server.create_foreign_secret("a", names::PULL_SECRET_TYPE, b"1", Forgery::None);
    let (foreign, events) = (exactly(&server), server.log_end(Watch::PullSecrets));
    apply(&mut server, foreign, "1");
    assert_eq!(server.log_end(Watch::PullSecrets), events + 1);
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER, "kubectl-create"]);
    let present = exactly(&server);
    apply(&mut server, present, "2");
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER]);
}

#[test]
fn a_foreign_write_of_what_is_there_changes_nothing() {
    let mut server = server();
    apply(&mut server, Precondition::Absent, "1");
    assert!(!server.write_secret("a", b"1", Forgery::None));
    assert_eq!(server.pull_secrets()["a"].seen("a").data_owners, [names::FIELD_MANAGER]);
}

#[test]
fn an_apply_tells_the_uid_whether_it_changed_anything_or_not() {
    let mut server = server();
    for _ in 0..2 {
        let precondition = server.journal().map_or(Precondition::Absent, |journal| Precondition::Exactly {
            uid: journal.uid.clone(),
            resource_version: journal.resource_version,
        });
        let operation =
            Operation::WriteJournal { precondition, document: Zeroizing::new(b"{}".to_vec()), serving: None };
        let answer = server.execute(&operation).unwrap().answer;
        let Answer::Done { uid: Some(uid), .. } = answer else { panic!("{answer:?}") };
        assert_eq!(uid, server.journal().unwrap().uid);
    }
}

#[test]
fn a_held_secret_stays_until_it_is_released() {
    let mut server = server();
    apply(&mut server, Precondition::Absent, "1");
    server.hold_secret("a", true);
    server.delete_secret("a");
    assert!(server.pull_secrets()["a"].terminating);
    // Neither a second deletion nor the release itself is shown, only the end.
    let events = server.log_end(Watch::PullSecrets);
    let secret = server.pull_secrets()["a"].clone();
    let again = Operation::DeletePullSecret {
        namespace: "a".into(),
        uid: secret.uid.clone(),
        resource_version: secret.resource_version,
    };
    assert_eq!(refusal(&server.execute(&again).unwrap().answer), "done");
    server.hold_secret("a", false);
    assert!(server.pull_secrets().is_empty());
    assert_eq!(server.log_end(Watch::PullSecrets), events + 1);
}

#[test]
fn a_delete_needs_uid_and_version() {
    let mut server = server();
    apply(&mut server, Precondition::Absent, "1");
    let secret = server.pull_secrets()["a"].clone();
    let mut delete = |uid: &str, resource_version| {
        let uid = uid.to_owned();
        let operation = Operation::DeletePullSecret { namespace: "a".into(), uid, resource_version };
        refusal(&server.execute(&operation).unwrap().answer)
    };
    assert_eq!(delete("other", secret.resource_version), "LostRace");
    assert_eq!(delete(&secret.uid, secret.resource_version - 1), "LostRace");
    assert_eq!(delete(&secret.uid, secret.resource_version), "done");
    assert_eq!(delete(&secret.uid, secret.resource_version), "Gone");
}

#[test]
fn rights_come_before_throttling_and_both_before_all_else() {
    let mut server = server();
    server.resistance.throttling = Some(None);
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Create)), "Throttled");
    server.resistance.missing.insert(Right::Accounts);
    assert_eq!(refusal(&patch(&mut server, None, ListChange::Create)), "NoRight");
    assert!(matches!(server.execute(&Operation::ReadLease).unwrap().answer, Answer::Lease(None)));
    assert!(matches!(
        server.execute(&Operation::ReadJournal).unwrap().answer,
        Answer::Refused(Refusal::Throttled { .. })
    ));
}

/// The first pod of an owner of this kind in namespace `a`.
fn pod_of(server: &mut ApiServer, kind: OwnerKind, list: &'static [&'static str]) -> PodKey {
    let image = "registry.example/app:1".to_owned();
    let template = Template { kind, account: "app", list, image, sidecar: false, replicas: 1 };
    assert!(server.create_owner("a", "web", template));
    let Made::Pod(key) = server.make_pod(&owner(), || false) else { panic!("no pod is made") };
    key
}

fn owner() -> PodKey {
    ("a".to_owned(), "web".to_owned())
}

fn evict(server: &mut ApiServer, key: &PodKey, uid: &str, resource_version: u64) -> &'static str {
    let operation = Operation::EvictPod {
        namespace: key.0.clone(),
        name: key.1.clone(),
        uid: uid.to_owned(),
        resource_version,
    };
    refusal(&server.execute(&operation).unwrap().answer)
}

#[test]
fn a_pod_has_the_list_of_its_template_or_that_of_its_service_account_and_keeps_it() {
    let mut server = server();
    server.write_list("a", "app", vec!["x".into(), String::new()]);
    let key = pod_of(&mut server, OwnerKind::ReplicaSet, &[]);
    assert_eq!(server.pods()[&key].references, ["x"]);
    server.write_list("a", "app", vec!["y".into()]);
    assert_eq!(server.pods()[&key].references, ["x"]);
    server.delete_owner(&owner());
    let own = pod_of(&mut server, OwnerKind::ReplicaSet, &["mine"]);
    assert_eq!(server.pods()[&own].references, ["mine"]);
}

#[test]
fn no_pod_is_evicted_that_is_not_as_it_was_seen() {
    let mut server = server();
    let key = pod_of(&mut server, OwnerKind::ReplicaSet, &[]);
    let seen = server.pods()[&key].clone();
    server.pull_failed(&key);
    assert_eq!(evict(&mut server, &key, &seen.uid, seen.resource_version), "LostRace");
    let now = server.pods()[&key].resource_version;
    assert_eq!(evict(&mut server, &key, "another", now), "LostRace");
    assert!(!server.pods()[&key].terminating);
    assert_eq!(evict(&mut server, &key, &seen.uid, now), "done");
    assert!(server.pods()[&key].terminating);
    assert!(server.pod_ended(&key, &seen.uid));
    assert_eq!(evict(&mut server, &key, &seen.uid, now), "Gone");
}

#[test]
fn a_budget_counts_for_pods_that_have_started_and_a_policy_for_all() {
    let mut server = server();
    let key = pod_of(&mut server, OwnerKind::ReplicaSet, &[]);
    let seen = server.pods()[&key].clone();
    server.resistance.guarded_pods.insert("a".to_owned());
    assert_eq!(evict(&mut server, &key, &seen.uid, seen.resource_version), "RefusedByPolicy");
    server.resistance.guarded_pods.clear();
    server.resistance.no_disruption.insert("a".to_owned());
    server.start_pod(&key);
    assert_eq!(evict(&mut server, &key, &seen.uid, seen.resource_version), "Throttled");
    server.resistance.missing.insert(Right::Evictions);
    assert_eq!(evict(&mut server, &key, &seen.uid, seen.resource_version), "NoRight");
    let other = ("a".to_owned(), "other".to_owned());
    server.resistance = Resistance::default();
    assert_eq!(evict(&mut server, &other, "1", 1), "Gone");
}

#[test]
fn pods_are_made_anew_each_kind_in_its_way() {
    for (kind, while_it_ends, when_it_is_gone) in [
        (OwnerKind::ReplicaSet, Some("web-1"), Some("web-2")),
        (OwnerKind::StatefulSet, None, Some("web-0")),
        (OwnerKind::Nobody, None, None),
    ] {
        let mut server = server();
        let key = pod_of(&mut server, kind, &[]);
        let made = |server: &mut ApiServer| match server.make_pod(&owner(), || false) {
            Made::Pod(key) => Some(key.1),
            Made::Nothing | Made::Refused => None,
        };
        assert_eq!(made(&mut server), None, "{kind:?} has all that it wants");
        server.delete_pod(&key);
        assert_eq!(made(&mut server).as_deref(), while_it_ends, "{kind:?}");
        for key in server.pods().keys().cloned().collect::<Vec<_>>() {
            let uid = server.pods()[&key].uid.clone();
            server.delete_pod(&key);
            server.pod_ended(&key, &uid);
        }
        assert_eq!(made(&mut server).as_deref(), when_it_is_gone, "{kind:?}");
    }
}

#[test]
fn a_watch_of_pending_pods_shows_the_start_of_a_pod_as_its_end() {
    let mut server = server();
    let key = pod_of(&mut server, OwnerKind::Job, &[]);
    assert_eq!(server.list(Watch::Pods).len(), 1);
    server.start_pod(&key);
    assert!(server.list(Watch::Pods).is_empty());
    let last = server.logged(Watch::Pods, server.log_end(Watch::Pods) - 1);
    assert!(matches!(last, Some(Sight::PodGone(..))), "{last:?}");
    let before = server.log_end(Watch::Pods);
    server.delete_pod(&key);
    assert_eq!(server.log_end(Watch::Pods), before, "what has started is not watched");
}
