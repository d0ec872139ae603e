//! Immediate use on servers that can do less, and policies that do not count.

use crate::scenario::{ONE_ENTRY, Scenario};
use acr_controller::admission::{AdmissionObject, BindingSeen, ServerSeen, Trial};
use acr_controller::observation::{Observation, Refusal};

const MINUTE: u64 = 60_000;
const POLICY: (&str, &str) = ("webhook-configuration", "enable: true\nmode: policy");
const WEBHOOK: (&str, &str) = ("webhook-configuration", "enable: true");
/// Codes of findings that this is about.
const CODES: [&str; 8] = [
    "PolicyUnsupported",
    "PolicyMissing",
    "PolicyUnbound",
    "PolicyIneffective",
    "PolicyFrozen",
    "PolicyUntried",
    "MatchConditionsUnsupported",
    "NamespaceNamesUnsupported",
];

/// A namespace that is served, with immediate use on, before anything was carried out.
fn begun(change: impl FnOnce(&mut Scenario), keys: &[(&str, &str)]) -> Scenario {
    let mut scenario = Scenario::new();
    change(&mut scenario);
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, keys);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario
}

/// The one finding there is.
fn said(scenario: &Scenario) -> String {
    let found = CODES.into_iter().filter(|code| !scenario.finding(code).is_empty());
    found.map(|code| format!("{code}: {}", scenario.finding(code))).collect::<Vec<_>>().join("\n")
}

/// Writes what is wanted, lets the watch show it, and goes on.
fn settle(scenario: &mut Scenario, millis: u64) {
    scenario.pass(1);
    scenario.pass(millis);
}

#[test]
fn a_policy_that_counts_is_tried_once_and_nothing_is_asked_any_more() {
    let mut scenario = begun(|_| {}, &[POLICY]);
    settle(&mut scenario, 10 * MINUTE);
    assert_eq!((scenario.count("read-server"), scenario.count("try-policy")), (1, 1));
    assert_eq!(said(&scenario), "");
    // Other parameters are tried anew.
    scenario.configure(ONE_ENTRY, &[POLICY, ("watch-namespace", "all")]);
    settle(&mut scenario, 10 * MINUTE);
    assert_eq!((scenario.count("read-server"), scenario.count("try-policy")), (1, 2));
}

#[test]
fn where_nobody_asked_for_immediate_use_nothing_is_asked() {
    let mut scenario = begun(|_| {}, &[]);
    settle(&mut scenario, 10 * MINUTE);
    assert_eq!((scenario.count("read-server"), scenario.count("try-policy")), (0, 0));
}

#[test]
fn a_policy_that_does_not_count_is_reported_with_what_to_do_and_tried_ever_more_seldom() {
    let bound = |policy: &str, place: &str, name: &str| {
        let parameters = Some((place.to_owned(), name.to_owned()));
        Some(BindingSeen { policy: policy.to_owned(), parameters })
    };
    let ours = "acr-credential-helper";
    let there = [
        (Some(false), None, "PolicyMissing"),
        (Some(true), None, "PolicyUnbound"),
        (Some(true), bound("another", "kube-system", "acr-credential-helper-scope"), "PolicyUnbound"),
        (Some(true), bound(ours, "elsewhere", "acr-credential-helper-scope"), "PolicyUnbound"),
        (Some(true), Some(BindingSeen { policy: ours.to_owned(), parameters: None }), "PolicyUnbound"),
        (Some(true), bound(ours, "kube-system", "acr-credential-helper-scope"), "PolicyIneffective"),
        (None, None, "PolicyIneffective"),
    ];
    let not_attached = there.map(|(policy, binding, code)| (Trial::NotAttached { policy, binding }, code));
    let told = [
        (Trial::OtherParameters, "PolicyFrozen"),
        (Trial::LeftOut, "PolicyIneffective"),
        (Trial::Untold, "PolicyIneffective"),
    ];
    for (trial, code) in not_attached.into_iter().chain(told) {
        let mut scenario = begun(|scenario| scenario.trial = trial.clone(), &[POLICY]);
        settle(&mut scenario, 2_500);
        assert_eq!(said(&scenario), "", "an installation takes its time: {trial:?}");
        scenario.pass(60 * MINUTE);
        assert!(!scenario.finding(code).is_empty(), "{trial:?}: {}", said(&scenario));
        let tried = scenario.count("try-policy");
        assert!((10..30).contains(&tried), "{tried}");
        // Mended.
        scenario.trial = Trial::Attached;
        scenario.pass(7 * MINUTE);
        assert_eq!(said(&scenario), "");
        let tried = scenario.count("try-policy");
        scenario.pass(60 * MINUTE);
        assert_eq!(scenario.count("try-policy"), tried);
    }
}

#[test]
fn what_is_said_names_the_policy_and_the_way_out() {
    let binding = BindingSeen {
        policy: "acr-credential-helper".to_owned(),
        parameters: Some(("elsewhere".to_owned(), "scope".to_owned())),
    };
    let trial = Trial::NotAttached { policy: Some(true), binding: Some(binding) };
    let mut scenario = begun(|scenario| scenario.trial = trial, &[POLICY]);
    settle(&mut scenario, MINUTE);
    insta::assert_snapshot!(said(&scenario), @"PolicyUnbound: the MutatingAdmissionPolicyBinding acr-credential-helper takes its parameters from the ConfigMap elsewhere/scope instead of kube-system/acr-credential-helper-scope: install the chart in the namespace of the component, or correct spec.paramRef; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
}

/// What is said of a trial that ends like this.
fn said_of(trial: Trial) -> String {
    let mut scenario = begun(|scenario| scenario.trial = trial, &[POLICY]);
    settle(&mut scenario, MINUTE);
    said(&scenario)
}

#[test]
fn an_api_server_that_reads_no_parameters_any_more_is_told_from_a_policy_that_was_changed() {
    insta::assert_snapshot!(said_of(Trial::OtherParameters), @"PolicyFrozen: the MutatingAdmissionPolicy acr-credential-helper does not go by what the ConfigMap kube-system/acr-credential-helper-scope says, but by a former scope: new ServiceAccounts of that get the name of the pull secret; an API server reads no ConfigMap for policies any more after a policy binding with ConfigMap parameters was removed, by whomever, until it starts again; restart each API server, or use mode: webhook and install the chart with mutatingPolicy: false; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
    let parameters = Some(("kube-system".to_owned(), "acr-credential-helper-scope".to_owned()));
    let binding = Some(BindingSeen { policy: "acr-credential-helper".to_owned(), parameters });
    insta::assert_snapshot!(said_of(Trial::NotAttached { policy: Some(true), binding }), @"PolicyIneffective: a ServiceAccount in scope was created, without being stored, and did not get the name of the pull secret from the MutatingAdmissionPolicy acr-credential-helper: either the API server does not see the ConfigMap kube-system/acr-credential-helper-scope (an API server reads no ConfigMap for policies any more after a policy binding with ConfigMap parameters was removed, by whomever, until it starts again): restart each API server, or use mode: webhook and install the chart with mutatingPolicy: false; or it was changed, or is of another version: install the chart again, or apply deploy/mutating-policy.yaml; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
    insta::assert_snapshot!(said_of(Trial::LeftOut), @"PolicyIneffective: a ServiceAccount in scope was created, without being stored, and the MutatingAdmissionPolicy acr-credential-helper, which knows the scope, did not give it the name of the pull secret: it was changed, or is of another version; install the chart again, or apply deploy/mutating-policy.yaml; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
    insta::assert_snapshot!(said_of(Trial::Untold), @"PolicyIneffective: a ServiceAccount in scope was created, without being stored, and got the name of the pull secret, but the MutatingAdmissionPolicy acr-credential-helper does not say by which scope: it was changed, or is of another version, or something else gives that name; install the chart again, or apply deploy/mutating-policy.yaml; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
}

#[test]
fn what_comes_of_a_trial_with_former_parameters_says_nothing_of_those_that_stand() {
    let mut scenario = begun(|_| {}, &[POLICY]);
    settle(&mut scenario, 500);
    scenario.mono += 1_000;
    // The trial is under way when the scope changes.
    let under_way = scenario.step();
    assert_eq!(scenario.count("try-policy"), 1);
    let (operation, answer) = under_way.unwrap();
    scenario.configure(ONE_ENTRY, &[POLICY, ("watch-namespace", "all")]);
    settle(&mut scenario, 10_000);
    scenario.observe(Observation::Answered { operation, answer });
    scenario.trial = Trial::OtherParameters;
    settle(&mut scenario, MINUTE);
    assert!(said(&scenario).starts_with("PolicyFrozen"), "{}", said(&scenario));
}

#[test]
fn without_the_right_that_comes_with_it_the_policy_is_missing() {
    let refusal = || Refusal::NoRight { message: "cannot create serviceaccounts".to_owned() };
    let refusals = |scenario: &mut Scenario| {
        scenario.refusals = (0..5).map(|_| ("try-policy", refusal())).collect();
    };
    let mut scenario = begun(refusals, &[POLICY]);
    settle(&mut scenario, 10_000);
    insta::assert_snapshot!(said(&scenario), @"PolicyMissing: the MutatingAdmissionPolicy acr-credential-helper is not installed, or not by this version: the right to try it is missing, which comes with it; the chart installs it where webhook-configuration asks for mode: policy when helm runs, so run `helm upgrade` again, or give it mutatingPolicy: true, or apply deploy/mutating-policy.yaml; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
}

#[test]
fn a_trial_that_others_refuse_says_nothing_against_the_policy() {
    let refusal = || Refusal::Quota { message: "exceeded quota: count".to_owned() };
    let refusals = |scenario: &mut Scenario| {
        scenario.refusals = (0..5).map(|_| ("try-policy", refusal())).collect();
    };
    let mut scenario = begun(refusals, &[POLICY]);
    settle(&mut scenario, 10_000);
    insta::assert_snapshot!(said(&scenario), @"PolicyUntried: whether the MutatingAdmissionPolicy acr-credential-helper counts could not be tried: quota exhausted: exceeded quota: count; try it as docs/immediate-use.md shows; until it counts new ServiceAccounts are served by the watch, a moment after they are made");
}

#[test]
fn a_server_without_policies_is_told_and_not_tried_until_it_is_upgraded() {
    let old = ServerSeen { version: Some((1, 30)), policies: Some(false) };
    let mut scenario = begun(|scenario| scenario.server = old, &[POLICY]);
    settle(&mut scenario, MINUTE);
    insta::assert_snapshot!(said(&scenario), @"PolicyUnsupported: mode: policy needs a MutatingAdmissionPolicy, and this API server is Kubernetes 1.30: it comes with Kubernetes 1.36, and with 1.34 where admissionregistration.k8s.io/v1beta1 is turned on; new ServiceAccounts are served by the watch, a moment after they are made; set mode: webhook in webhook-configuration");
    assert_eq!(scenario.count("try-policy"), 0);
    assert_eq!(scenario.list("default", "default").unwrap().matches("acr-credential").count(), 1);
    // The other mode needs no policy.
    scenario.configure(ONE_ENTRY, &[WEBHOOK]);
    settle(&mut scenario, MINUTE);
    assert_eq!(said(&scenario), "");
    scenario.configure(ONE_ENTRY, &[POLICY]);
    settle(&mut scenario, MINUTE);
    assert!(said(&scenario).starts_with("PolicyUnsupported"));
    scenario.server = ServerSeen { version: Some((1, 36)), policies: Some(true) };
    scenario.pass(10 * MINUTE);
    assert_eq!(said(&scenario), "");
    assert_eq!(scenario.count("try-policy"), 1);
}

#[test]
fn a_server_that_drops_conditions_gets_no_registration_that_would_need_them() {
    let old = ServerSeen { version: Some((1, 27)), policies: Some(false) };
    let mut scenario = begun(|scenario| scenario.server = old, &[WEBHOOK, ("service-account", "default")]);
    settle(&mut scenario, MINUTE);
    insta::assert_snapshot!(said(&scenario), @r#"MatchConditionsUnsupported: the webhook is not registered: names and patterns of ServiceAccounts and namespaces need matchConditions, which come with Kubernetes 1.28, and this API server is Kubernetes 1.27; without them it would be asked about ServiceAccounts that are not in scope; new ServiceAccounts are served by the watch, a moment after they are made; with service-account: "*", no patterns in exclude-namespace and no lists of entries the webhook works here"#);
    assert!(scenario.admission.is_empty());
    // The scope that selectors can say.
    scenario.configure(ONE_ENTRY, &[WEBHOOK, ("service-account", "*")]);
    settle(&mut scenario, MINUTE);
    assert_eq!(said(&scenario), "");
    let registration = &scenario.admission[&AdmissionObject::Registration].1;
    assert!(registration[0].get("matchConditions").is_none(), "{registration}");
    assert!(registration[0].get("namespaceSelector").is_some(), "{registration}");
    // Nothing is written again and again.
    let written = scenario.count("apply-registration");
    scenario.pass(60 * MINUTE);
    assert_eq!(scenario.count("apply-registration"), written);
}

#[test]
fn a_server_whose_namespaces_have_no_label_with_their_name_gets_no_registration_at_all() {
    for (version, registers) in [((1, 20), false), ((1, 21), true)] {
        let old = ServerSeen { version: Some(version), policies: Some(false) };
        let mut scenario = begun(|scenario| scenario.server = old, &[WEBHOOK, ("service-account", "*")]);
        settle(&mut scenario, MINUTE);
        assert_eq!(scenario.admission.contains_key(&AdmissionObject::Registration), registers, "{version:?}");
        assert_eq!(said(&scenario).starts_with("NamespaceNamesUnsupported: "), !registers, "{version:?}");
    }
}

#[test]
fn a_server_that_does_not_tell_is_taken_for_a_new_one() {
    let refusals = |scenario: &mut Scenario| {
        scenario.refusals = vec![("read-server", Refusal::NoRight { message: "no".to_owned() })];
    };
    let mut scenario = begun(refusals, &[WEBHOOK]);
    settle(&mut scenario, MINUTE);
    let registration = &scenario.admission[&AdmissionObject::Registration].1;
    assert!(registration[0].get("matchConditions").is_some(), "{registration}");
    assert_eq!(scenario.count("read-server"), 1);
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let refusals = |scenario: &mut Scenario| {
        scenario.refusals =
            (0..3).map(|_| ("read-server", Refusal::Unknown { message: "away".to_owned() })).collect();
    };
    let mut scenario = begun(refusals, &[WEBHOOK]);
    settle(&mut scenario, MINUTE);
    assert_eq!(scenario.count("read-server"), 4);
    assert!(scenario.admission.contains_key(&AdmissionObject::Registration));
}
