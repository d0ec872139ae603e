//! Help for pods that cannot pull: whose case is proven, and what is said.

mod evictions;

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::admission::AdmissionObject;
use acr_controller::observation::{Observation, PodOwner, PodSeen, Refusal, Watch};
use acr_controller::settings::Purpose;
use acr_credentials::FailureKind;

const OURS: &str = "acr-credential-secret-aggregation";
const MINUTE: u64 = 60_000;
/// As long as a case must stand, in milliseconds.
const SETTLES: u64 = 10_000;

fn image() -> String {
    format!("{HOST}/team/app:1.0")
}

/// A pod of the ReplicaSet `web` that was made before anything was attached, and cannot pull.
fn pod(name: &str) -> PodSeen {
    PodSeen {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        resource_version: 7,
        service_account: "default".to_owned(),
        references: Vec::new(),
        owner: Some(owner("apps", "ReplicaSet")),
        unpulled: vec![image()],
        runs: false,
        terminating: false,
    }
}

fn owner(group: &str, kind: &str) -> PodOwner {
    PodOwner {
        group: group.to_owned(),
        kind: kind.to_owned(),
        name: "web".to_owned(),
        uid: "uid-web".to_owned(),
    }
}

/// A cluster that is served, with this `pods`.
fn served(help: &str) -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        configure(scenario, help);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
    scenario.log.clear();
    scenario
}

fn configure(scenario: &mut Scenario, help: &str) {
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), ("pods", help)]);
}

fn show(scenario: &mut Scenario, pod: PodSeen) {
    scenario.observe(Observation::Pod(pod));
    scenario.pass(10);
}

fn gone(scenario: &mut Scenario, name: &str) {
    scenario.observe(Observation::PodGone { namespace: "default".to_owned(), name: name.to_owned() });
}

fn codes(scenario: &Scenario) -> Vec<String> {
    let findings = scenario.machine.status(scenario.now()).findings;
    findings.into_iter().map(|finding| finding.code).filter(|code| code.starts_with("Pod")).collect()
}

#[test]
fn pods_are_looked_at_by_nobody_who_did_not_ask_for_it() {
    for (help, followed) in [("none", false), ("report", true), ("append", true), ("restart", true)] {
        let scenario = served(help);
        assert_eq!(scenario.machine.follows_pods(), followed, "{help}");
    }
    let mut scenario = served("none");
    show(&mut scenario, pod("web-1"));
    scenario.pass(MINUTE);
    assert_eq!((codes(&scenario), scenario.evicted), (vec![], vec![]));
}

#[test]
fn an_uninstall_does_not_look_at_pods() {
    let mut scenario = served("restart");
    scenario.lease = None;
    scenario.restart(Purpose::Uninstall);
    scenario.pass(MINUTE);
    assert!(!scenario.machine.follows_pods());
}

#[test]
fn whatever_leaves_the_case_unproven_leaves_the_pod_alone() {
    let others = |change: fn(&mut PodSeen)| {
        let mut changed = pod("web-1");
        change(&mut changed);
        changed
    };
    for (what, pod) in [
        ("it names the pull secret", others(|pod| pod.references.push(OURS.to_owned()))),
        ("it has not failed to pull", others(|pod| pod.unpulled.clear())),
        ("it is being deleted", others(|pod| pod.terminating = true)),
        (
            "no login is for its image",
            others(|pod| pod.unpulled = vec!["docker.io/library/nginx:1".to_owned()]),
        ),
        ("its ServiceAccount is not known", others(|pod| pod.service_account = "unknown".to_owned())),
        ("its namespace is not served", others(|pod| pod.namespace = "other".to_owned())),
    ] {
        let mut scenario = served("restart");
        scenario.namespace("other", &[]);
        scenario.account("other", "default", None);
        show(&mut scenario, pod);
        scenario.pass(MINUTE);
        assert_eq!((codes(&scenario), scenario.evicted), (vec![], vec![]), "{what}");
    }
}

#[test]
fn a_pod_is_left_alone_while_there_is_no_login_to_pull_with() {
    let mut scenario = Scenario::new();
    scenario.cloud_fails = Some(FailureKind::Denied);
    scenario.listing(|scenario| {
        configure(scenario, "restart");
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
    show(&mut scenario, pod("web-1"));
    scenario.pass(MINUTE);
    assert!(scenario.evicted.is_empty());
    scenario.cloud_fails = None;
    scenario.pass(10 * MINUTE);
    assert_eq!(scenario.evicted, ["default/web-1"], "and helped when there is one");
}

#[test]
fn a_pod_that_is_older_than_the_attach_is_reported_and_left_alone_unless_asked() {
    for help in ["report", "append"] {
        let mut scenario = served(help);
        show(&mut scenario, pod("web-1"));
        scenario.pass(MINUTE);
        insta::allow_duplicates! {
            insta::assert_snapshot!(scenario.finding("PodOlderThanAttach"), @"the pod web-1 cannot pull acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:1.0: it was made before its ServiceAccount default named acr-credential-secret-aggregation, and a pod keeps its list; delete it, and the ReplicaSet web makes it anew; `pods: restart` does that");
        }
        assert!(scenario.evicted.is_empty());
        assert_eq!(scenario.machine.status(scenario.now()).pods.older, 1);
        gone(&mut scenario, "web-1");
        assert_eq!(codes(&scenario), [""; 0], "nothing is said of what is gone");
    }
}

#[test]
fn a_right_that_is_missing_is_said_with_the_way_to_it() {
    let mut scenario = served("restart");
    let missing = || Refusal::NoRight { message: "pods is forbidden".to_owned() };
    scenario.observe(Observation::PodsUnseen(missing()));
    assert!(scenario.finding("NoRight").contains("podHelp: report"));
    scenario.observe(Observation::ListStarted(Watch::Pods));
    scenario.observe(Observation::ListCompleted { watch: Watch::Pods, version: 9 });
    assert_eq!(scenario.finding("NoRight"), "", "it was granted");
    scenario.refusals = vec![("evict-pod", missing())];
    show(&mut scenario, pod("web-1"));
    scenario.pass(2 * MINUTE);
    assert_eq!(scenario.count("evict-pod"), 1, "asking does not help");
    assert!(scenario.finding("NoRight").contains("podHelp: restart"));
}

#[test]
fn a_pod_of_the_same_name_is_another_pod() {
    let mut scenario = served("report");
    show(&mut scenario, pod("web-0"));
    assert_eq!(codes(&scenario), ["PodOlderThanAttach"]);
    show(&mut scenario, PodSeen { uid: "another".to_owned(), unpulled: Vec::new(), ..pod("web-0") });
    assert_eq!(codes(&scenario), [""; 0]);
}

#[test]
fn what_a_new_list_does_not_show_is_gone() {
    let mut scenario = served("report");
    show(&mut scenario, pod("web-1"));
    show(&mut scenario, pod("web-2"));
    scenario.observe(Observation::ListStarted(Watch::Pods));
    scenario.observe(Observation::Pod(pod("web-2")));
    scenario.observe(Observation::ListCompleted { watch: Watch::Pods, version: 9 });
    assert_eq!(scenario.machine.status(scenario.now()).pods.older, 1);
}

#[test]
fn an_account_that_left_the_scope_is_no_reason_to_help_its_pods() {
    let mut scenario = served("restart");
    scenario.refusals = vec![("evict-pod", Refusal::LostRace)];
    show(&mut scenario, pod("web-1"));
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "team"), ("pods", "restart")]);
    scenario.pass(MINUTE);
    assert_eq!((codes(&scenario), scenario.evicted), (vec![], vec![]));
}

#[test]
fn an_edit_turns_help_on_for_pods_that_are_there_and_off_again() {
    let mut scenario = served("report");
    show(&mut scenario, pod("web-1"));
    configure(&mut scenario, "none");
    scenario.pass(2_000);
    assert_eq!(codes(&scenario), [""; 0]);
    configure(&mut scenario, "restart");
    scenario.pass(2_000);
    show(&mut scenario, pod("web-1"));
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted, ["default/web-1"]);
}

#[test]
fn of_many_pods_a_hundred_get_a_finding_and_all_are_counted() {
    let mut scenario = served("report");
    for place in 0..250 {
        scenario.observe(Observation::Pod(pod(&format!("web-{place}"))));
    }
    assert_eq!(codes(&scenario).len(), 100);
    assert_eq!(scenario.machine.status(scenario.now()).pods.older, 250);
    for place in 0..250 {
        gone(&mut scenario, &format!("web-{place}"));
    }
    assert_eq!(codes(&scenario), [""; 0]);
}

#[test]
fn a_policy_that_refuses_the_webhook_for_pods_leaves_the_one_for_service_accounts_as_it_is() {
    let mut scenario = Scenario::new();
    let webhook = ("webhook-configuration", "enable: true");
    let policy = || Refusal::RefusedByPolicy { message: "and no other".to_owned() };
    scenario.refusals = vec![("apply-registration", policy())];
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), ("pods", "append"), webhook]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(20_000);
    let registered =
        |scenario: &Scenario| scenario.admission[&AdmissionObject::Registration].1.as_array().unwrap().len();
    assert_eq!(registered(&scenario), 1);
    let said = scenario.finding("PodsNotRegistered");
    assert!(said.contains("install the chart with the same value for podHelp"), "{said}");
    // Somebody has mended it, and edits.
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default"), ("pods", "append"), webhook]);
    scenario.pass(20_000);
    assert_eq!(registered(&scenario), 2);
    assert_eq!(scenario.finding("PodsNotRegistered"), "");
}

#[test]
fn when_pods_are_not_followed_any_more_nothing_of_them_is_left() {
    let mut scenario = served("restart");
    let missing = Refusal::NoRight { message: "pods is forbidden".to_owned() };
    scenario.observe(Observation::PodsUnseen(missing));
    show(&mut scenario, PodSeen { owner: None, ..pod("alone") });
    assert!(!codes(&scenario).is_empty() && !scenario.finding("NoRight").is_empty());
    configure(&mut scenario, "none");
    scenario.pass(2_000);
    assert_eq!((codes(&scenario), scenario.finding("NoRight")), (vec![], String::new()));
    assert_eq!(scenario.machine.status(scenario.now()).pods.older, 0);
    // What was still on its way.
    show(&mut scenario, PodSeen { owner: None, ..pod("late") });
    configure(&mut scenario, "report");
    scenario.pass(2_000);
    assert_eq!(codes(&scenario), [""; 0]);
}

#[test]
fn a_list_that_the_service_account_did_not_give_is_the_pods_own() {
    for (references, code) in [
        (vec!["theirs", "more"], "PodOlderThanAttach"),
        (vec!["more", "theirs"], "PodHasOwnList"),
        (vec!["mine"], "PodHasOwnList"),
        (vec![], "PodOlderThanAttach"),
    ] {
        let mut scenario = served("report");
        let list = r#"[{"name":"theirs"},{"name":"more"},{"name":"acr-credential-secret-aggregation"}]"#;
        scenario.account("default", "default", Some(list));
        let references: Vec<String> = references.into_iter().map(str::to_owned).collect();
        show(&mut scenario, PodSeen { references: references.clone(), ..pod("web-1") });
        assert_eq!(codes(&scenario), [code], "{references:?}");
    }
}
