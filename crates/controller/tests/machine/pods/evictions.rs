//! Which pods are evicted, when, and what comes after.

use std::time::Duration;

use acr_controller::admission::{AdmissionObject, ServerSeen};
use acr_controller::observation::{Observation, PodSeen, Refusal};

use super::*;

/// A cluster that is served, with `pods: restart` and a webhook that appends.
fn with_webhook(mut scenario: Scenario) -> Scenario {
    let webhook = ("webhook-configuration", "enable: true");
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), ("pods", "restart"), webhook]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(10_000);
    scenario
}

#[test]
fn a_list_of_its_own_is_reported_and_never_a_reason_to_evict() {
    let mut scenario = served("restart");
    let references = vec!["mine".to_owned(), "yours".to_owned()];
    show(&mut scenario, PodSeen { references, ..pod("web-1") });
    scenario.pass(MINUTE);
    insta::assert_snapshot!(scenario.finding("PodHasOwnList"), @"the pod web-1 cannot pull acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:1.0: it brings imagePullSecrets of its own (mine, yours), so that those of its ServiceAccount default do not count; add `- name: acr-credential-secret-aggregation` to the list in the template of the ReplicaSet web, or take that list away, or have the webhook append to new pods: `pods: append`, and `enable: true` in webhook-configuration");
    assert!(scenario.evicted.is_empty());
}

#[test]
fn what_nothing_makes_anew_is_not_evicted_and_it_is_said_why() {
    for owner in [
        None,
        Some(owner("batch", "Job")),
        Some(owner("", "Node")),
        Some(owner("apps.example", "ReplicaSet")),
    ] {
        let mut scenario = served("restart");
        show(&mut scenario, PodSeen { owner: owner.clone(), ..pod("web-1") });
        scenario.pass(MINUTE);
        assert!(scenario.evicted.is_empty(), "{owner:?}");
        let said = scenario.finding("PodOlderThanAttach");
        assert!(said.contains("`pods: restart` leaves it alone, because"), "{said}");
    }
}

#[test]
fn evictions_come_one_at_a_time_and_not_faster_than_one_a_second() {
    let mut scenario = served("restart");
    for place in 0..100 {
        scenario.observe(Observation::Pod(pod(&format!("web-{place}"))));
    }
    scenario.pass(SETTLES + 50_500);
    assert_eq!(scenario.evicted.len(), 51);
    scenario.pass(100_000);
    assert_eq!(scenario.evicted.len(), 100, "each once");
}

#[test]
fn what_comes_without_our_entry_again_is_left_alone_for_an_hour() {
    let mut scenario = served("restart");
    show(&mut scenario, pod("web-1"));
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted, ["default/web-1"]);
    gone(&mut scenario, "web-1");
    scenario.account(
        "default",
        "default",
        Some(r#"[{"name":"mine"},{"name":"acr-credential-secret-aggregation"}]"#),
    );
    let again = PodSeen { references: vec!["mine".to_owned()], ..pod("web-2") };
    show(&mut scenario, again.clone());
    scenario.pass(50 * MINUTE);
    assert_eq!(scenario.evicted, ["default/web-1"]);
    let said = scenario.finding("PodMadeAnewInVain");
    assert!(said.ends_with("what comes from there is left alone for 60 minutes"), "{said}");
    scenario.pass(11 * MINUTE);
    show(&mut scenario, PodSeen { resource_version: 8, ..again });
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted.len(), 2);
}

#[test]
fn a_budget_that_does_not_allow_it_is_asked_later_and_later() {
    let mut scenario = served("restart");
    scenario.refusals = (0..4)
        .map(|_| ("evict-pod", Refusal::Throttled { retry_after: Some(Duration::from_secs(10)) }))
        .collect();
    show(&mut scenario, pod("web-1"));
    scenario.pass(SETTLES + 9_000);
    assert_eq!(scenario.count("evict-pod"), 1, "not before the budget said");
    scenario.pass(MINUTE);
    assert_eq!(scenario.evicted, ["default/web-1"]);
    assert_eq!(scenario.count("evict-pod"), 5);
}

#[test]
fn where_nothing_is_appended_any_more_those_with_a_list_of_their_own_give_way_to_the_next() {
    let mut scenario = with_webhook(Scenario::new());
    let content = &scenario.admission[&AdmissionObject::Registration].1;
    assert_eq!(
        content[1]["failurePolicy"], "Ignore",
        "a pod that is not helped is better than none: {content}"
    );
    // One goes at once; the other two wait for their turn.
    let own = |name: &str| PodSeen { references: vec!["mine".to_owned()], ..pod(name) };
    for pod in [pod("a"), own("b"), pod("c")] {
        scenario.observe(Observation::Pod(pod));
    }
    scenario.pass(SETTLES);
    let registration = scenario.admission.remove(&AdmissionObject::Registration).unwrap();
    scenario.refusals = (0..20)
        .map(|_| ("apply-registration", Refusal::NoRight { message: "forbidden".to_owned() }))
        .collect();
    scenario.pass(5_000);
    assert_eq!(scenario.evicted, ["default/a", "default/c"]);
    scenario.refusals.clear();
    scenario.admission.insert(AdmissionObject::Registration, registration);
    scenario.pass(10_000);
    show(&mut scenario, PodSeen { resource_version: 8, ..own("b") });
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted.last().map(String::as_str), Some("default/b"));
}

#[test]
fn where_the_webhook_is_not_registered_a_list_of_its_own_is_no_reason_to_evict() {
    let nobody_answers = Scenario::with_flags(|settings| settings.front = None);
    let mut too_old = Scenario::new();
    too_old.server = ServerSeen { version: Some((1, 27)), policies: Some(false) };
    for (scenario, why) in [(nobody_answers, "WebhookLeftOut"), (too_old, "MatchConditionsUnsupported")] {
        let mut scenario = with_webhook(scenario);
        assert!(!scenario.finding(why).is_empty());
        show(&mut scenario, PodSeen { references: vec!["mine".to_owned()], ..pod("web-1") });
        scenario.pass(10 * MINUTE);
        assert!(scenario.evicted.is_empty(), "{why}");
        assert!(!scenario.finding("PodHasOwnList").is_empty(), "{why}");
    }
}

#[test]
fn a_pod_of_which_other_containers_run_is_reported_and_left_alone() {
    let mut scenario = served("restart");
    show(&mut scenario, PodSeen { runs: true, ..pod("web-1") });
    scenario.pass(MINUTE);
    assert!(scenario.evicted.is_empty());
    let said = scenario.finding("PodOlderThanAttach");
    assert!(said.ends_with("leaves it alone, because others of its containers run"), "{said}");
}

#[test]
fn an_eviction_whose_answer_was_lost_begins_no_circle() {
    let mut scenario = served("restart");
    scenario.refusals = vec![("evict-pod", Refusal::Unknown { message: "cut".to_owned() })];
    show(&mut scenario, pod("web-1"));
    scenario.pass(SETTLES + 500);
    assert_eq!(scenario.count("evict-pod"), 1);
    gone(&mut scenario, "web-1");
    scenario.pass(500);
    show(&mut scenario, pod("web-2"));
    scenario.pass(10 * MINUTE);
    assert_eq!(scenario.count("evict-pod"), 1);
    assert!(!scenario.finding("PodMadeAnewInVain").is_empty());
}

#[test]
fn a_case_must_stand_for_a_while_before_anybody_is_evicted_for_it() {
    let mut scenario = served("restart");
    show(&mut scenario, pod("web-1"));
    scenario.pass(SETTLES - 100);
    assert!(scenario.evicted.is_empty(), "another API server may not know of the attach yet");
    // It pulls after all, and fails once more: the time begins anew.
    show(&mut scenario, PodSeen { unpulled: Vec::new(), resource_version: 8, ..pod("web-1") });
    show(&mut scenario, PodSeen { resource_version: 9, ..pod("web-1") });
    scenario.pass(SETTLES - 100);
    assert!(scenario.evicted.is_empty());
    scenario.pass(100);
    assert_eq!(scenario.evicted, ["default/web-1"]);
}

#[test]
fn a_webhook_that_another_program_answers_is_given_the_time_that_its_certificate_takes() {
    let mut scenario = with_webhook(Scenario::with_flags(|settings| settings.answers = false));
    show(&mut scenario, PodSeen { references: vec!["mine".to_owned()], ..pod("web-1") });
    scenario.pass(2 * MINUTE);
    assert!(scenario.evicted.is_empty());
    scenario.pass(MINUTE);
    assert_eq!(scenario.evicted, ["default/web-1"]);
}

#[test]
fn an_eviction_that_is_refused_is_tried_again_and_the_finding_says_why_it_was() {
    for (refusal, words) in [
        (Refusal::RefusedByPolicy { message: "not on Fridays".to_owned() }, "(refused: not on Fridays)"),
        (Refusal::Gone, "(not found)"),
        (Refusal::Unknown { message: "500".to_owned() }, "(no clear answer: 500)"),
    ] {
        let mut scenario = served("restart");
        scenario.refusals = vec![("evict-pod", refusal)];
        show(&mut scenario, pod("web-1"));
        let said = scenario.finding("PodOlderThanAttach");
        assert!(said.ends_with("it is evicted, and the ReplicaSet web makes it anew"), "{said}");
        scenario.pass(SETTLES);
        let said = scenario.finding("PodOlderThanAttach");
        assert!(said.contains(words) && said.contains("is tried again"), "{said}");
        scenario.pass(2_000);
        assert_eq!(scenario.evicted, ["default/web-1"]);
    }
}

#[test]
fn those_that_were_there_before_the_first_eviction_are_known_after_a_time_in_which_nobody_looked() {
    let mut scenario = served("restart");
    for name in ["web-1", "web-2"] {
        scenario.observe(Observation::Pod(pod(name)));
    }
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted, ["default/web-1"]);
    for help in ["none", "restart"] {
        configure(&mut scenario, help);
        scenario.pass(2_000);
    }
    show(&mut scenario, pod("web-2"));
    show(&mut scenario, pod("web-3"));
    scenario.pass(SETTLES);
    assert_eq!(scenario.evicted, ["default/web-1", "default/web-2"]);
    assert!(scenario.finding("PodMadeAnewInVain").contains("web-3"));
}
