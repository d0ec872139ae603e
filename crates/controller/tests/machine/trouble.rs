//! The machine among foreign writers, refusals, and a cloud that fails.

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::observation::{Answer, ForeignSecret, Observation, PullSecretSeen, Refusal};
use acr_credentials::{CallFailure, FailureKind};

const OURS: &str = r#"[{"name":"acr-credential-secret-aggregation"}]"#;
const MINUTE: u64 = 60_000;

fn served() -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
    scenario.log.clear();
    scenario
}

fn foreign(version: u64) -> PullSecretSeen {
    PullSecretSeen {
        namespace: "default".into(),
        uid: "theirs".into(),
        resource_version: version,
        labels: [].into(),
        annotations: [].into(),
        data_owners: vec!["kubectl-create".into()],
        terminating: false,
    }
}

/// A namespace whose Secret of our name belongs to somebody else.
fn beside_a_foreign_secret(kind: &str, hosts: Option<Vec<String>>) -> Scenario {
    let mut scenario = Scenario::new();
    scenario.foreign =
        Some(ForeignSecret { uid: "theirs".into(), resource_version: 5, kind: kind.into(), hosts });
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
        scenario.observe(Observation::PullSecret(foreign(5)));
    });
    scenario.pass(10 * MINUTE);
    scenario
}

#[test]
fn a_foreign_secret_with_other_hosts_is_read_once_left_alone_and_reported() {
    let scenario = beside_a_foreign_secret(
        "kubernetes.io/dockerconfigjson",
        Some(vec![HOST.into(), "registry.example.com".into()]),
    );
    assert_eq!(scenario.count("read-foreign-secret"), 1);
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    assert!(scenario.finding("ForeignSecret").contains("registry.example.com"));
    assert_eq!(scenario.list("default", "default"), Some(OURS));
}

#[test]
fn a_foreign_secret_of_another_type_or_without_a_docker_config_is_left_alone() {
    for (kind, hosts) in [("Opaque", Some(vec![HOST.to_owned()])), ("kubernetes.io/dockerconfigjson", None)] {
        let scenario = beside_a_foreign_secret(kind, hosts);
        assert_eq!(scenario.count("apply-pull-secret"), 0, "{kind}");
        assert!(!scenario.finding("ForeignSecret").is_empty());
    }
}

#[test]
fn a_foreign_secret_with_nothing_but_acr_hosts_is_adopted_once_and_given_back_to_its_writer() {
    let mut scenario = beside_a_foreign_secret("kubernetes.io/dockerconfigjson", Some(vec![HOST.into()]));
    assert_eq!(scenario.count("apply-pull-secret"), 1);
    assert!(scenario.adopted);
    scenario.log.clear();
    // The former owner writes its data again, and keeps our marks.
    scenario.version += 1;
    let mut seen = foreign(scenario.version);
    seen.uid = "secret".into();
    seen.labels = [("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())].into();
    seen.annotations = [
        ("acr-credential-helper/payload-digest".into(), "d".into()),
        ("acr-credential-helper/adopted".into(), "true".into()),
    ]
    .into();
    scenario.observe(Observation::PullSecret(seen));
    scenario.pass(2 * 60 * MINUTE);
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    assert!(!scenario.finding("AdoptedSecretTakenBack").is_empty());
}

#[test]
fn a_foreign_secret_that_takes_the_place_of_an_adopted_one_unseen_is_another_and_adopted_too() {
    let mut scenario = beside_a_foreign_secret("kubernetes.io/dockerconfigjson", Some(vec![HOST.into()]));
    assert!(scenario.adopted);
    scenario.log.clear();
    // The watch was cut while the adopted one was deleted, and shows the new one in its next list.
    scenario.version += 1;
    let mut seen = foreign(scenario.version);
    seen.uid = "another".into();
    scenario.foreign.as_mut().unwrap().uid = seen.uid.clone();
    scenario.foreign.as_mut().unwrap().resource_version = scenario.version;
    scenario.observe(Observation::PullSecret(seen));
    scenario.pass(MINUTE);
    assert_eq!((scenario.count("read-foreign-secret"), scenario.count("apply-pull-secret")), (1, 1));
    assert!(scenario.adopted);
    assert!(scenario.finding("AdoptedSecretTakenBack").is_empty());
}

#[test]
fn a_secret_of_ours_that_somebody_edits_is_written_back_at_once_then_later_and_later() {
    let mut scenario = served();
    let mut writes = Vec::new();
    for _ in 0..6 {
        scenario.version += 1;
        let mut seen = foreign(scenario.version);
        seen.uid = "secret".into();
        seen.labels = [("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())].into();
        // The mark is forged to look right.
        seen.annotations =
            [("acr-credential-helper/payload-digest".into(), scenario.digests["default"].clone())].into();
        seen.data_owners = vec!["acr-credential-helper".into()];
        scenario.log.clear();
        scenario.observe(Observation::PullSecret(seen));
        let before = scenario.mono;
        while scenario.count("apply-pull-secret") == 0 {
            scenario.pass(100);
        }
        writes.push(scenario.mono - before);
    }
    assert_eq!(writes[0], 100, "the first time at once");
    assert!(writes.windows(2).skip(1).all(|pair| pair[1] > pair[0]), "{writes:?}");
    assert!(!scenario.finding("PullSecretKeepsBeingChanged").is_empty());
}

#[test]
fn somebody_who_keeps_removing_our_entry_is_met_by_few_writes_and_reported_with_the_remedy() {
    let mut scenario = served();
    let end = scenario.mono + 60 * MINUTE;
    while scenario.mono < end {
        scenario.account("default", "default", Some(r#"[{"name":"theirs"}]"#));
        scenario.pass(1_000);
    }
    assert!(scenario.count("attach") < 30, "{}", scenario.count("attach"));
    assert!(scenario.finding("EntryKeepsBeingRemoved").contains("ignoreDifferences"));
    scenario.pass(30 * MINUTE);
    assert_eq!(
        scenario.list("default", "default"),
        Some(r#"[{"name":"theirs"},{"name":"acr-credential-secret-aggregation"}]"#)
    );
    assert_eq!(scenario.finding("EntryKeepsBeingRemoved"), "", "peace is noticed");
}

#[test]
fn a_lost_race_reads_the_account_when_no_event_tells_what_changed() {
    let mut scenario = Scenario::new();
    scenario.refusals = vec![("attach", Refusal::LostRace)];
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(5_000);
    assert_eq!(scenario.count("attach"), 2);
    assert_eq!(scenario.count("read-service-account"), 1);
    assert_eq!(scenario.list("default", "default"), Some(OURS));
}

#[test]
fn a_policy_that_refuses_is_tried_again_ever_more_rarely_and_reported_in_the_namespace() {
    let mut scenario = Scenario::new();
    let refusal = Refusal::RefusedByPolicy { message: "no-pull-secrets denied the request".into() };
    scenario.refusals = vec![("attach", refusal); 1000];
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(60 * MINUTE);
    let tries = scenario.count("attach");
    assert!((10..25).contains(&tries), "{tries}");
    assert!(scenario.finding("RefusedByPolicy").contains("no-pull-secrets"));
    assert_eq!(
        scenario.count("apply-pull-secret"),
        2,
        "the pull secret does not wait for it, and is renewed"
    );
}

#[test]
fn a_login_that_cannot_be_renewed_is_published_until_it_is_dead_and_its_secret_is_kept_empty() {
    let mut scenario = served();
    scenario.cloud_fails = Some(FailureKind::Server);
    scenario.pass(60 * MINUTE + 9 * MINUTE);
    assert!(scenario.secrets["default"].contains("password-1"), "not dead yet");
    scenario.pass(MINUTE);
    assert_eq!(scenario.secrets["default"], r#"{"auths":{}}"#);
    assert_eq!(scenario.count("apply-pull-secret"), 1);
    scenario.pass(60 * MINUTE);
    assert_eq!(scenario.count("delete-pull-secret"), 0);
    scenario.cloud_fails = None;
    scenario.pass(10 * MINUTE);
    assert!(scenario.secrets["default"].contains("password-2"));
}

#[test]
fn a_failing_cloud_is_asked_with_doubling_waits() {
    let mut scenario = Scenario::new();
    scenario.cloud_fails = Some(FailureKind::Denied);
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
    });
    scenario.pass(60 * MINUTE);
    let tries = scenario.count("GetAuthorizationToken");
    assert!((15..25).contains(&tries), "{tries}");
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    assert!(scenario.finding("Denied").contains("cr:GetAuthorizationToken"));
}

#[test]
fn the_silence_of_the_api_server_pauses_all_objects_not_each() {
    let mut scenario = Scenario::new();
    let silence = Refusal::Unknown { message: "connection refused".into() };
    scenario.refusals = vec![("attach", silence); 5];
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("service-account", "*")]);
        scenario.namespace("default", &[]);
        for account in 0..50 {
            scenario.account("default", &format!("sa-{account}"), None);
        }
    });
    scenario.pass(60_000);
    assert!(scenario.count("attach") <= 56, "{}", scenario.count("attach"));
    assert!((0..50).all(|account| scenario.list("default", &format!("sa-{account}")) == Some(OURS)));
}

#[test]
fn a_namespace_that_opts_out_is_cleaned_and_left_alone_afterwards() {
    let mut scenario = served();
    scenario.namespace("default", &[("acr-credential-helper/ignore", "true")]);
    scenario.pass(1_000);
    assert_eq!(scenario.list("default", "default"), None);
    assert!(scenario.secrets.is_empty());
    scenario.account("default", "default", Some(OURS));
    scenario.pass(60_000);
    assert_eq!(scenario.list("default", "default"), Some(OURS), "what a user writes there is the user's");
}

#[test]
fn two_instances_that_answer_together_make_one_wave() {
    let mut scenario = Scenario::new();
    let second = ONE_ENTRY.replace("cri-0123456789abcdef", "cri-fedcba9876543210");
    scenario.listing(|scenario| {
        scenario.configure(&format!("{ONE_ENTRY}\n{second}"), &[]);
        scenario.namespace("default", &[]);
    });
    scenario.pass(40 * MINUTE);
    scenario.log.clear();
    scenario.pass(10 * MINUTE);
    assert_eq!(scenario.count("GetAuthorizationToken"), 2);
    assert_eq!(scenario.count("apply-pull-secret"), 1);
    assert_eq!(scenario.count("write-journal"), 1);
}

#[test]
fn no_answer_for_an_operation_that_is_not_known_changes_anything() {
    let mut scenario = served();
    let operation = acr_controller::operation::OperationId(999_999);
    scenario.observe(Observation::Answered { operation, answer: Answer::Refused(Refusal::Gone) });
    scenario.pass(1_000);
    assert!(scenario.log.iter().all(|label| label == "write-lease"), "{:?}", scenario.log);
}

#[test]
fn domains_that_were_refused_while_the_entry_named_its_own_are_asked_for_at_once_when_it_names_none() {
    let named = ONE_ENTRY.replace("cri-0123456789abcdef,", "cri-0123456789abcdef, domains: x.example,");
    let mut scenario = Scenario::new();
    scenario.failing = Some(CallFailure::new("ListInstanceEndpoint", FailureKind::Denied, "no"));
    scenario.listing(|scenario| {
        scenario.configure(&named, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(30 * MINUTE);
    assert_eq!(scenario.count("ListInstanceEndpoint"), 1, "nothing but a warning depends on it");
    scenario.failing = None;
    scenario.configure(ONE_ENTRY, &[]);
    scenario.pass(2_000);
    assert!(scenario.secrets["default"].contains(HOST), "{}", scenario.secrets["default"]);
    assert!(!scenario.secrets["default"].contains("x.example"), "{}", scenario.secrets["default"]);
}
