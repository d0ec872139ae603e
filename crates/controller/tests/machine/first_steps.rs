//! The machine from its first list to its last write, over a friendly cluster.

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::settings::Purpose;
use acr_controller::status::Outcome;

const OURS: &str = r#"[{"name":"acr-credential-secret-aggregation"}]"#;

fn served() -> Scenario {
    served_with(false)
}

fn served_with(late: bool) -> Scenario {
    let mut scenario = Scenario::new();
    scenario.late = late;
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team")]);
        scenario.namespace("default", &[]);
        scenario.namespace("other", &[]);
        scenario.account("default", "default", None);
        scenario.account("other", "default", None);
    });
    scenario.pass(2_000);
    scenario
}

#[test]
fn the_lag_of_an_attach_is_measured_whichever_comes_first_its_answer_or_its_event() {
    for late in [false, true] {
        let scenario = served_with(late);
        let lag = scenario.machine.status(scenario.now()).attach_lag;
        assert_eq!(lag.counts.iter().sum::<u64>(), 1, "late: {late}");
    }
}

#[test]
fn without_a_configuration_nothing_is_written_but_the_lease() {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(60_000);
    assert!(
        scenario
            .log
            .iter()
            .all(|label| label.contains("lease") || label == "read-journal" || label == "report"),
        "{:?}",
        scenario.log
    );
    assert_eq!(scenario.list("default", "default"), None);
}

#[test]
fn a_namespace_in_scope_gets_its_secret_and_its_account_the_name() {
    let scenario = served();
    assert_eq!(scenario.list("default", "default"), Some(OURS));
    assert_eq!(scenario.list("other", "default"), None);
    assert!(scenario.secrets["default"].contains(HOST));
    assert_eq!(scenario.secrets.len(), 1);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    assert_eq!(scenario.count("ListInstanceEndpoint"), 1);
    assert_eq!(scenario.count("write-journal"), 2);
}

#[test]
fn a_new_namespace_and_account_are_served_at_once_and_without_the_cloud() {
    let mut scenario = served();
    scenario.log.clear();
    scenario.namespace("team", &[]);
    scenario.account("team", "default", Some(r#"[{"name":"theirs"},{}]"#));
    scenario.run();
    assert_eq!(scenario.log, ["attach", "apply-pull-secret"]);
    assert_eq!(
        scenario.list("team", "default"),
        Some(r#"[{"name":"theirs"},{},{"name":"acr-credential-secret-aggregation"}]"#)
    );
    assert_eq!(scenario.secrets["team"], scenario.secrets["default"]);
}

#[test]
fn idle_means_lease_renewals_only_until_the_login_is_renewed_before_it_ends() {
    let mut scenario = served();
    scenario.log.clear();
    scenario.pass(35 * 60_000);
    assert!(scenario.log.iter().all(|label| label == "write-lease"), "{:?}", scenario.log);
    scenario.pass(12 * 60_000);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    assert_eq!(scenario.count("apply-pull-secret"), 1);
    assert_eq!(scenario.count("write-journal"), 1);
    assert!(scenario.secrets["default"].contains("password-2"));
}

#[test]
fn an_edited_threshold_counts_for_the_logins_that_are_held() {
    let mut scenario = served();
    scenario.log.clear();
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), ("expiring-threshold", "59m")]);
    scenario.pass(40_000);
    assert_eq!(scenario.count("GetAuthorizationToken"), 0);
    scenario.pass(25_000);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    assert!(scenario.secrets["default"].contains("password-2"));
}

#[test]
fn a_restart_with_current_secrets_asks_nothing_and_writes_nothing() {
    let mut scenario = served();
    let digest = scenario.digests["default"].clone();
    let mut again = Scenario::new();
    std::mem::swap(&mut again.lists, &mut scenario.lists);
    again.journal = scenario.journal.take();
    again.mono = 10_000;
    again.version = 500;
    again.listing(|again| {
        again.configure(ONE_ENTRY, &[("watch-namespace", "default,team")]);
        again.namespace("default", &[]);
        again.namespace("other", &[]);
        again.show_account("default", "default");
        again.show_account("other", "default");
        again.observe(acr_controller::observation::Observation::PullSecret(mark(&digest)));
    });
    again.pass(60_000);
    assert!(
        again.log.iter().all(|label| label.contains("lease") || label == "read-journal"),
        "{:?}",
        again.log
    );
}

fn mark(digest: &str) -> acr_controller::observation::PullSecretSeen {
    acr_controller::observation::PullSecretSeen {
        namespace: "default".into(),
        uid: "secret".into(),
        resource_version: 7,
        labels: [("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())].into(),
        annotations: [("acr-credential-helper/payload-digest".into(), digest.into())].into(),
        data_owners: vec!["acr-credential-helper".into()],
        terminating: false,
    }
}

#[test]
fn an_edit_with_an_error_and_a_missing_configuration_change_nothing() {
    let mut scenario = served();
    scenario.log.clear();
    scenario.configure("- {instanceId: [", &[("watch-namespace", "default,team")]);
    scenario.pass(1_000);
    scenario.configure("#", &[("watch-namespace", "default,team")]);
    scenario.pass(1_000);
    scenario.observe(acr_controller::observation::Observation::ConfigurationGone);
    scenario.pass(1_000);
    assert!(
        scenario.log.iter().all(|label| label == "report" || label == "write-lease"),
        "{:?}",
        scenario.log
    );
    assert_eq!(scenario.list("default", "default"), Some(OURS));
}

#[test]
fn an_explicit_empty_list_detaches_first_and_deletes_last() {
    let mut scenario = served();
    scenario.log.clear();
    scenario.configure("[]", &[("watch-namespace", "default,team")]);
    scenario.pass(1_000);
    assert_eq!(scenario.list("default", "default"), None);
    assert!(scenario.secrets.is_empty());
    let order = |scenario: &Scenario| -> Vec<String> {
        scenario.log.iter().filter(|label| *label != "write-lease").cloned().collect()
    };
    assert_eq!(order(&scenario), ["write-journal", "detach", "delete-pull-secret"]);
    // What an earlier process may have sent can land for a minute, and would have to be taken back.
    scenario.pass(70_000);
    assert_eq!(order(&scenario), ["write-journal", "detach", "delete-pull-secret", "write-journal"]);
}

#[test]
fn an_uninstall_undoes_everything_and_ends_without_journal_and_lease() {
    for late in [false, true] {
        uninstalls(late);
    }
}

fn uninstalls(late: bool) {
    let mut scenario = served();
    scenario.late = late;
    scenario.restart(Purpose::Uninstall);
    scenario.lease = None;
    let digest = scenario.digests["default"].clone();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team")]);
        scenario.namespace("default", &[]);
        scenario.show_account("default", "default");
        scenario.observe(acr_controller::observation::Observation::PullSecret(mark(&digest)));
    });
    scenario.pass(5_000);
    assert_eq!(scenario.machine.outcome(), Some(Outcome::Removed), "{:?}", scenario.log);
    assert_eq!(scenario.list("default", "default"), None);
    assert!(scenario.secrets.is_empty() && scenario.journal.is_none() && scenario.lease.is_none());
}

#[test]
fn an_uninstall_refuses_while_the_holder_renews() {
    let mut scenario = served();
    scenario.restart(Purpose::Uninstall);
    scenario.listing(|_| {});
    scenario.run();
    // The holder renews while the uninstaller watches.
    scenario.lease.as_mut().unwrap().resource_version += 1;
    scenario.pass(5_000);
    assert_eq!(scenario.machine.outcome(), Some(Outcome::LeaseHeld { holder: "pod-1".into() }));
    assert_eq!(scenario.list("default", "default"), Some(OURS));
}
