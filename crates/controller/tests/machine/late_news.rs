//! News that come late: a list from before a write, a journal of another leader, an answer to what nobody asks any more.

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::observation::{
    AccountSeen, Answer, LeaseSeen, Observation, PullSecretSeen, Refusal, Watch,
};
use acr_credentials::{CallFailure, FailureKind, InstanceHost, Reply};

const OURS: &str = r#"[{"name":"acr-credential-secret-aggregation"}]"#;
const EVERY_ACCOUNT: [(&str, &str); 1] = [("service-account", "*")];
const MINUTE: u64 = 60_000;

fn served() -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &EVERY_ACCOUNT);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
    scenario.log.clear();
    scenario
}

/// Lets somebody else lead until the Lease has run out.
fn another_leads(scenario: &mut Scenario, meanwhile: impl FnOnce(&mut Scenario)) {
    scenario.refusals.push(("write-lease", Refusal::LostRace));
    let duration_seconds = scenario.lease.as_ref().unwrap().duration_seconds;
    let holder = Some("another".into());
    let (resource_version, transitions) = (scenario.version + 1, 1);
    let lease = LeaseSeen { uid: "lease".into(), resource_version, holder, duration_seconds, transitions };
    scenario.lease = Some(lease);
    meanwhile(scenario);
    scenario.log.clear();
    scenario.pass(MINUTE);
    assert!(scenario.count("read-journal") == 1, "{:?}", scenario.log);
}

#[test]
fn a_journal_that_was_begun_anew_without_a_configuration_leaves_the_last_good_one_in_force() {
    let mut scenario = served();
    scenario.observe(Observation::ConfigurationGone);
    another_leads(&mut scenario, |scenario| {
        scenario.version += 1;
        scenario.journal = Some((scenario.version, br#"{"version":1}"#.to_vec()));
    });
    scenario.account("default", "robot", None);
    scenario.pass(50 * MINUTE);
    assert_eq!(scenario.list("default", "robot"), Some(OURS));
    assert!(scenario.logins > 1, "and its logins are renewed");
    let journal = String::from_utf8(scenario.journal.clone().unwrap().1).unwrap();
    assert!(journal.contains("cri-0123456789abcdef"), "{journal}");
}

#[test]
fn a_journal_of_another_leader_counts_for_whoever_has_led_before() {
    let mut scenario = served();
    let mut other = Scenario::new();
    other.listing(|other| {
        other.configure("[]", &[]);
        other.namespace("default", &[]);
    });
    other.pass(2_000);
    let journal = other.journal.take().unwrap().1;
    scenario.observe(Observation::ConfigurationGone);
    another_leads(&mut scenario, |scenario| {
        scenario.version += 1;
        scenario.journal = Some((scenario.version, journal));
    });
    scenario.account("default", "robot", None);
    scenario.pass(50 * MINUTE);
    assert_eq!(scenario.list("default", "robot"), None);
}

fn show(scenario: &mut Scenario, version: u64, ignored: bool, list: Option<&str>) {
    scenario.observe(Observation::Account(AccountSeen {
        namespace: "default".into(),
        name: "robot".into(),
        resource_version: version,
        ignored,
        list: list.map(str::to_owned),
    }));
}

#[test]
fn a_list_that_is_older_than_our_write_does_not_hide_that_it_has_to_be_taken_back() {
    let mut scenario = served();
    scenario.observe(Observation::ListStarted(Watch::Accounts));
    show(&mut scenario, 110, false, None);
    scenario.lists.insert(("default".into(), "robot".into()), None);
    // The list was made when the ServiceAccount had opted out, and comes when it is attached already.
    scenario.late = true;
    let (operation, _) = scenario.step().unwrap();
    assert_eq!(scenario.log, ["attach"]);
    let answer = Answer::Done { resource_version: 130, uid: Some("uid".into()) };
    scenario.observe(Observation::Answered { operation, answer });
    show(&mut scenario, 120, true, None);
    scenario.observe(Observation::ListCompleted { watch: Watch::Accounts, version: 125 });
    scenario.namespace("default", &[]);
    assert!(scenario.step().is_none(), "what was written is awaited: {:?}", scenario.log);
    show(&mut scenario, 130, true, Some(OURS));
    assert!(scenario.step().is_some());
    assert_eq!(scenario.log, ["attach", "detach"]);
}

#[test]
fn a_list_that_was_started_after_our_write_frees_its_object_whatever_its_version_is() {
    let mut scenario = served();
    show(&mut scenario, 110, false, None);
    scenario.lists.insert(("default".into(), "robot".into()), None);
    scenario.late = true;
    let (operation, _) = scenario.step().unwrap();
    let answer = Answer::Done { resource_version: 130, uid: Some("uid".into()) };
    scenario.observe(Observation::Answered { operation, answer });
    scenario.lists.insert(("default".into(), "robot".into()), None);
    // As after etcd was restored from a backup.
    scenario.observe(Observation::ListStarted(Watch::Accounts));
    show(&mut scenario, 90, false, None);
    scenario.observe(Observation::ListCompleted { watch: Watch::Accounts, version: 95 });
    scenario.pass(2_000);
    assert_eq!(scenario.list("default", "robot"), Some(OURS));
}

#[test]
fn domains_that_come_after_an_edit_count_for_the_entry_that_asks_by_another_identity_now() {
    let by = |id: &str| ONE_ENTRY.replace("LTAIexample", id);
    let mut scenario = served();
    scenario.configure(&by("LTAIother"), &EVERY_ACCOUNT);
    // Asked by the second identity; before that is answered there is a third.
    let mut out = Vec::new();
    while let Some((operation, answer)) = scenario.step() {
        match scenario.log.last().unwrap().as_str() {
            "ListInstanceEndpoint" | "GetAuthorizationToken" => out.push((operation, answer)),
            _ => scenario.observe(Observation::Answered { operation, answer }),
        }
    }
    assert_eq!(out.len(), 2, "{:?}", scenario.log);
    scenario.failing = Some(CallFailure::new("ListInstanceEndpoint", FailureKind::Server, "no"));
    scenario.configure(&by("LTAIthird"), &EVERY_ACCOUNT);
    scenario.run();
    let answer = || {
        Answer::Cloud(acr_credentials::Answer {
            cloud_time: None,
            outcome: Ok(Reply::Endpoints(
                [HOST, "new.example"].map(|host| InstanceHost { host: host.into(), enabled: true }).into(),
            )),
        })
    };
    for (operation, _) in out {
        let answer = answer();
        scenario.observe(Observation::Answered { operation, answer });
    }
    scenario.pass(2_000);
    assert!(scenario.secrets["default"].contains("new.example"), "{}", scenario.secrets["default"]);
}

#[test]
fn a_write_that_changed_nothing_is_not_waited_for_although_the_secret_has_gone_before_its_answer() {
    let mut scenario = served();
    // Somebody has touched the Secret, and it is written over; the API server finds that nothing changes.
    let version = scenario.version + 1;
    let digest = scenario.digests["default"].clone();
    scenario.observe(Observation::PullSecret(PullSecretSeen {
        namespace: "default".into(),
        uid: "secret".into(),
        resource_version: version,
        labels: [("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())].into(),
        annotations: [("acr-credential-helper/payload-digest".into(), digest)].into(),
        data_owners: vec!["acr-credential-helper".into()],
        terminating: false,
    }));
    let operation = loop {
        let now = scenario.now();
        let handed = acr_controller::operation::Class::ALL
            .into_iter()
            .find_map(|class| scenario.machine.next(now, class))
            .unwrap();
        if handed.1.label() == "apply-pull-secret" {
            break handed.0;
        }
    };
    scenario.secrets.remove("default");
    scenario.observe(Observation::PullSecretGone { namespace: "default".into() });
    let answer = Answer::Done { resource_version: version, uid: Some("secret".into()) };
    scenario.observe(Observation::Answered { operation, answer });
    scenario.pass(10_000);
    assert!(scenario.secrets.contains_key("default"), "{:?}", scenario.log);
}
