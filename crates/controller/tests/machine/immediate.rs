//! Immediate use: what stands in the way of the registration, and what goes on without it.

use crate::scenario::{ONE_ENTRY, Scenario};
use acr_controller::admission::AdmissionObject;
use acr_controller::observation::Refusal;
use serde_json::json;

const WEBHOOK: (&str, &str) = ("webhook-configuration", "enable: true");

fn served() -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[("watch-namespace", "default,team"), WEBHOOK]);
        for name in ["default", "team"] {
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
