//! Immediate use: what stands in the way of the registration, and what goes on without it.

use std::time::Duration;

use crate::scenario::{ONE_ENTRY, Scenario};
use acr_controller::admission::AdmissionObject;
use acr_controller::observation::{Observation, Refusal};
use acr_controller::settings::Purpose;
use serde_json::json;

const WEBHOOK: (&str, &str) = ("webhook-configuration", "enable: true");

const ACCOUNTS: [&str; 2] = ["default", "team"];

fn served() -> Scenario {
    served_by(Scenario::new())
}

fn served_by(mut scenario: Scenario) -> Scenario {
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), WEBHOOK]);
        for name in ACCOUNTS {
            scenario.namespace(name, &[]);
            scenario.account(name, "default", None);
        }
    });
    scenario.pass(2_000);
    scenario
}

/// Somebody empties the registration.
fn spoil(scenario: &mut Scenario) {
    scenario.version += 1;
    scenario.admission.insert(AdmissionObject::Registration, (scenario.version, json!([])));
    scenario.show_admission_object(AdmissionObject::Registration);
    scenario.run();
}

#[test]
fn a_registration_that_somebody_changes_is_written_back_at_once_and_later_and_later() {
    let mut scenario = served();
    let wanted = scenario.admission[&AdmissionObject::Registration].1.clone();
    scenario.log.clear();
    spoil(&mut scenario);
    assert_eq!(scenario.count("apply-registration"), 1);
    assert_eq!(scenario.finding("RegistrationKeepsBeingChanged"), "");
    for _ in 0..20 {
        spoil(&mut scenario);
        scenario.pass(1_000);
    }
    let writes = scenario.count("apply-registration");
    assert!((3..12).contains(&writes), "{writes} writes in 20 s");
    let said = scenario.finding("RegistrationKeepsBeingChanged");
    assert!(said.contains("the MutatingWebhookConfiguration acr-credential-helper"), "{said}");
    scenario.pass(6 * 60_000);
    assert_eq!(scenario.admission[&AdmissionObject::Registration].1, wanted, "and stands at last");
}

#[test]
fn who_fights_over_the_registration_does_not_keep_what_left_the_scope_attached() {
    let mut scenario = served();
    for _ in 0..40 {
        spoil(&mut scenario);
        scenario.pass(30_000);
    }
    spoil(&mut scenario);
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default"), WEBHOOK]);
    scenario.pass(5_000);
    assert_eq!(scenario.list("team", "default"), None);
}

#[test]
fn a_certificate_that_cannot_be_made_does_not_keep_what_left_the_scope_attached() {
    let mut scenario = Scenario::new();
    let broken = || ("make-certificate", Refusal::Unknown { message: "no entropy".to_owned() });
    scenario.refusals = std::iter::repeat_with(broken).take(100).collect();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), WEBHOOK]);
        for name in ["default", "team"] {
            scenario.namespace(name, &[]);
            scenario.account(name, "default", None);
        }
    });
    scenario.pass(2_000);
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default"), WEBHOOK]);
    scenario.pass(10_000);
    assert_eq!(scenario.list("team", "default"), None);
    assert!(scenario.list("default", "default").is_some());
}

fn no_right() -> Refusal {
    Refusal::NoRight { message: "forbidden".to_owned() }
}

#[test]
fn a_registration_that_may_not_be_deleted_is_named_with_the_way_to_delete_it() {
    let mut scenario = served();
    scenario.refusals = std::iter::repeat_with(|| ("delete-registration", no_right())).take(100).collect();
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default")]);
    scenario.pass(3 * 60_000);
    let said = scenario.finding("NoRight");
    assert!(said.contains("is left") && said.contains("failure-policy: Fail"), "{said}");
    assert!(said.contains("kubectl delete mutatingwebhookconfiguration acr-credential-helper"), "{said}");
    assert!(!said.contains("served by the watch"), "{said}");
    assert_eq!(scenario.list("team", "default"), None, "it keeps nothing else from being taken back");
    // Whoever may deletes it.
    scenario.version += 1;
    scenario.admission.remove(&AdmissionObject::Registration);
    scenario.show_admission_object(AdmissionObject::Registration);
    scenario.run();
    assert_eq!(scenario.finding("NoRight"), "");
}

#[test]
fn an_uninstall_says_which_registration_it_may_not_look_at_and_ends_when_it_is_gone() {
    let mut scenario = served();
    scenario.restart(Purpose::Uninstall);
    scenario.mono += 20_000;
    scenario.listing(|scenario| {
        for name in ACCOUNTS {
            scenario.namespace(name, &[]);
            scenario.show_account(name, "default");
        }
    });
    // As the watch tells it, again and again.
    for _ in 0..10 {
        let (now, version) = (scenario.now(), scenario.version);
        let seen = Err(no_right());
        let refused = Observation::Admission { object: AdmissionObject::Registration, version, seen };
        scenario.machine.observe(now, refused);
        while let Some((operation, answer)) = scenario.step() {
            scenario.observe(Observation::Answered { operation, answer });
        }
        scenario.mono += 10_000;
    }
    let said = scenario.finding("NoRight");
    assert!(said.contains("may be left"), "{said}");
    assert!(said.contains("kubectl delete mutatingwebhookconfiguration acr-credential-helper"), "{said}");
    assert!(scenario.journal.is_some());
    scenario.admission.remove(&AdmissionObject::Registration);
    scenario.pass(3 * 60_000);
    assert_eq!(scenario.journal, None);
    assert_eq!(scenario.finding("NoRight"), "");
}

#[test]
fn a_registration_that_stands_and_cannot_be_written_is_not_said_to_be_harmless() {
    let mut scenario = served();
    scenario.refusals = vec![("apply-registration", no_right())];
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,more"), WEBHOOK]);
    scenario.run();
    let said = scenario.finding("NoRight");
    assert!(said.contains("failure-policy: Fail") && said.contains("take `enable` out"), "{said}");
    assert!(!said.contains("served by the watch"), "{said}");
}

#[test]
fn where_nobody_answers_nothing_is_registered_and_it_is_said_while_it_is_asked_for() {
    let mut scenario = served_by(Scenario::with_flags(|settings| settings.front = None));
    assert!(scenario.admission.is_empty());
    assert_eq!((scenario.count("make-certificate"), scenario.count("apply-registration")), (0, 0));
    insta::assert_snapshot!(scenario.finding("WebhookLeftOut"), @"webhook-configuration asks for the webhook, and this installation has none (`--no-webhook`, which the chart gives with webhook.enabled: false): nothing is registered, and new ServiceAccounts are served by the watch, a moment after they are made; install the chart with webhook.enabled: true, or take `enable` out of webhook-configuration");
    assert!(ACCOUNTS.iter().all(|name| scenario.list(name, "default").is_some()), "the watch serves");
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team")]);
    scenario.pass(2_000);
    assert_eq!(scenario.finding("WebhookLeftOut"), "");
}

#[test]
fn a_registration_from_before_nobody_answered_is_taken_back_at_once() {
    let mut scenario = served();
    assert!(scenario.admission.contains_key(&AdmissionObject::Registration));
    scenario.restart_with(|settings| settings.front = None);
    scenario.mono += 20_000;
    scenario.listing(|scenario| {
        for name in ACCOUNTS {
            scenario.namespace(name, &[]);
            scenario.show_account(name, "default");
        }
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), WEBHOOK]);
    });
    scenario.pass(30_000);
    assert!(scenario.admission.is_empty());
    assert_eq!((scenario.count("delete-registration"), scenario.count("apply-registration")), (1, 0));
    assert!(!scenario.finding("WebhookLeftOut").is_empty());
}

#[test]
fn nobody_is_refused_before_whoever_answers_has_the_certificate() {
    for (answers, arrives) in [(true, 10_000), (false, 180_000)] {
        let mut scenario = served_by(Scenario::with_flags(|settings| {
            settings.answers = answers;
            settings.certificate_life = Duration::from_hours(1);
        }));
        let policies = |scenario: &Scenario| {
            let content = &scenario.admission[&AdmissionObject::Registration].1;
            (content[0]["failurePolicy"].clone(), scenario.count("make-certificate"))
        };
        // Turned off and on again, it has another certificate.
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team")]);
        scenario.pass(120_000);
        let fail = ("webhook-configuration", "enable: true\nfailure-policy: Fail");
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), fail]);
        scenario.pass(arrives - 1_000);
        assert_eq!(policies(&scenario), (json!("Ignore"), 2), "{answers}");
        scenario.pass(2_000);
        assert_eq!(policies(&scenario), (json!("Fail"), 2), "{answers}");
        // The next certificate is trusted before it is served: nothing changes about who may be refused.
        scenario.pass(41 * 60_000);
        assert_eq!(policies(&scenario), (json!("Fail"), 3), "{answers}");
        // Another policy needs no new certificate.
        for policy in ["Ignore", "Fail"] {
            let asked = format!("enable: true\nfailure-policy: {policy}");
            let webhook = ("webhook-configuration", asked.as_str());
            scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), webhook]);
            scenario.pass(1_000);
            assert_eq!(policies(&scenario), (json!(policy), 3), "{answers}");
        }
    }
}
