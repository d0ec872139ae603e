//! What users ask for by annotations of the ConfigMap: to hold everything still, and to renew what is held.

use crate::scenario::{ONE_ENTRY, Scenario};
use acr_controller::settings::Purpose;
use acr_credentials::{CallFailure, FailureKind};

const HOUR: u64 = 3_600_000;
const SCOPE: [(&str, &str); 1] = [("watch-namespace", "default,team")];
const BY_NODE: &str = "[{instanceId: cri-0123456789abcdef, regionId: cn-hangzhou}]";
const TWO_ENTRIES: &str = "[{instanceId: cri-0123456789abcdef, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}, {instanceId: cri-other, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}]";

fn served(entries: &str) -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(entries, &SCOPE);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
    scenario.log.clear();
    scenario
}

fn annotate(scenario: &mut Scenario, entries: &str, annotations: &[(&str, &str)]) {
    let key = |name: &str| format!("acr-credential-helper/{name}");
    scenario.annotations = annotations.iter().map(|(name, value)| (key(name), (*value).to_owned())).collect();
    scenario.configure(entries, &SCOPE);
    scenario.pass(2_000);
}

/// What was handed out, but for the Lease, Events and the journal.
fn moves(scenario: &Scenario) -> Vec<&str> {
    let still = |label: &&str| label.contains("lease") || label.contains("journal") || *label == "report";
    scenario.log.iter().map(String::as_str).filter(|label| !still(label)).collect()
}

#[test]
fn while_everything_is_held_still_nobody_is_asked_and_nothing_is_written() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("pause", "true")]);
    scenario.namespace("team", &[]);
    scenario.account("team", "default", None);
    scenario.pass(2 * HOUR);
    assert_eq!(moves(&scenario), [""; 0], "renewals and newcomers wait");
    assert!(scenario.count("write-lease") > 100, "and nobody else takes over");
    let paused = scenario.finding("Paused");
    assert!(paused.contains("the first login ends 2026-01-01T01:00:"), "{paused}");
}

#[test]
fn a_look_for_keys_that_failed_is_not_repeated_before_the_pause_ends_and_nobody_is_woken_for_it() {
    let mut scenario = served(BY_NODE);
    let no_answer = CallFailure::new("MetadataRole", FailureKind::NoAnswer, "no");
    scenario.failing = Some(no_answer);
    scenario.pass(46 * HOUR / 60);
    assert!(scenario.finding("NoAnswer").contains("MetadataRole"), "the keys of before are still good");
    annotate(&mut scenario, BY_NODE, &[("pause", "true")]);
    scenario.failing = None;
    scenario.log.clear();
    // That nobody is woken for nothing is asserted whenever time passes.
    scenario.pass(HOUR);
    assert_eq!(moves(&scenario), [""; 0]);
    annotate(&mut scenario, BY_NODE, &[]);
    assert_eq!(scenario.count("MetadataRole"), 1);
    assert_eq!(scenario.finding("NoAnswer"), "");
}

#[test]
fn when_a_pause_ends_all_that_has_waited_is_done() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("pause", "true")]);
    scenario.namespace("team", &[]);
    scenario.account("team", "default", None);
    scenario.pass(2 * HOUR);
    annotate(&mut scenario, ONE_ENTRY, &[]);
    assert!(scenario.list("team", "default").is_some());
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    assert_eq!(scenario.secrets["team"], scenario.secrets["default"]);
    assert_eq!(scenario.finding("Paused"), "");
}

#[test]
fn a_process_that_starts_into_a_pause_moves_nothing_even_before_it_has_seen_the_config_map() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("pause", "true")]);
    scenario.restart(Purpose::Run);
    scenario.namespace("team", &[]);
    scenario.account("team", "default", None);
    scenario.pass(2 * HOUR);
    assert_eq!(moves(&scenario), [""; 0]);
}

#[test]
fn an_edit_that_comes_with_a_pause_counts_when_the_pause_ends() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, TWO_ENTRIES, &[("pause", "true")]);
    assert_eq!(moves(&scenario), [""; 0]);
    annotate(&mut scenario, TWO_ENTRIES, &[]);
    assert!(scenario.secrets["default"].contains("cri-other.example"));
}

#[test]
fn a_config_map_that_is_gone_does_not_end_a_pause() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("pause", "true")]);
    scenario.observe(acr_controller::observation::Observation::ConfigurationGone);
    scenario.pass(2 * HOUR);
    assert_eq!(moves(&scenario), [""; 0]);
    let paused = scenario.finding("Paused");
    assert!(paused.ends_with("put the ConfigMap back without the annotation to go on"), "{paused}");
}

#[test]
fn an_uninstall_goes_on_however_still_everything_is_held() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("pause", "true")]);
    scenario.lease = None;
    scenario.restart(Purpose::Uninstall);
    let list = scenario.list("default", "default").map(str::to_owned);
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &SCOPE);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", list.as_deref());
    });
    scenario.pass(120_000);
    assert_eq!(scenario.list("default", "default"), None);
    assert!(scenario.journal.is_none());
}

#[test]
fn another_word_renews_what_is_held_and_what_is_published_stays_until_then() {
    let mut scenario = served(ONE_ENTRY);
    let before = scenario.secrets["default"].clone();
    scenario.cloud_fails = Some(FailureKind::Denied);
    annotate(&mut scenario, ONE_ENTRY, &[("rotate", "leaked on monday")]);
    assert!(scenario.count("GetAuthorizationToken") >= 1);
    assert_eq!(scenario.secrets["default"], before, "the last good login stays");
    scenario.cloud_fails = None;
    scenario.pass(60_000);
    assert_ne!(scenario.secrets["default"], before);
}

#[test]
fn the_same_word_is_heard_once_by_this_process_and_by_the_next() {
    let mut scenario = served(ONE_ENTRY);
    annotate(&mut scenario, ONE_ENTRY, &[("rotate", "monday")]);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    annotate(&mut scenario, ONE_ENTRY, &[("rotate", "monday")]);
    annotate(&mut scenario, ONE_ENTRY, &[]);
    assert_eq!(
        scenario.count("GetAuthorizationToken"),
        1,
        "nor does taking the annotation away ask for anything"
    );
    annotate(&mut scenario, ONE_ENTRY, &[("rotate", "monday")]);
    scenario.restart(Purpose::Run);
    let list = scenario.list("default", "default").map(str::to_owned);
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &SCOPE);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", list.as_deref());
    });
    scenario.pass(2_000);
    assert_eq!(scenario.count("GetAuthorizationToken"), 0, "{:?}", scenario.log);
}

#[test]
fn a_request_that_was_not_answered_before_a_crash_is_answered_after_it() {
    let mut scenario = served(ONE_ENTRY);
    scenario.cloud_fails = Some(FailureKind::NoAnswer);
    annotate(&mut scenario, ONE_ENTRY, &[("rotate", "monday")]);
    let before = scenario.secrets["default"].clone();
    scenario.restart(Purpose::Run);
    scenario.cloud_fails = None;
    scenario.pass(60_000);
    scenario.namespace("default", &[]);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1);
    assert_eq!(scenario.secrets["default"], before, "nothing is written before everything is listed");
}

#[test]
fn a_word_about_one_instance_leaves_the_others_alone() {
    let mut scenario = served(TWO_ENTRIES);
    annotate(&mut scenario, TWO_ENTRIES, &[("rotate.cri-other", "monday")]);
    assert_eq!(scenario.count("GetAuthorizationToken"), 1, "{:?}", scenario.log);
}

#[test]
fn a_word_about_nobody_is_said_with_those_who_could_be_meant() {
    let mut scenario = served(TWO_ENTRIES);
    annotate(&mut scenario, TWO_ENTRIES, &[("rotate.cri-nobody", "monday")]);
    assert_eq!(moves(&scenario), [""; 0]);
    let said = scenario.finding("RotateUnknown");
    assert!(said.ends_with("what can be renewed is cri-0123456789abcdef, cri-other"), "{said}");
}
