//! Fifty entries over five identities and three regions: how often the cloud is asked, and how deep.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test fails by panicking, and its name documents it"
)]

mod scenario;

use acr_controller::observation::Observation;
use scenario::{Scenario, host_of};

const RRSA: &str =
    "rrsaRoleARN: 'acs:ram::1:role/pull', rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'";
const HOP: &str = "assumeRoleARN: 'acs:ram::2:role/cross'";
const KEYS: &str = "customAccessKey: LTAIexample, customAccessKeySecret: s";
const REGIONS: [&str; 3] = ["cn-hangzhou", "cn-beijing", "eu-central-1"];

/// The identities: keys, RRSA and the worker role, and each of the latter two with a hop.
fn identities() -> [String; 5] {
    [KEYS.to_owned(), RRSA.to_owned(), format!("{RRSA}, {HOP}"), String::new(), HOP.to_owned()]
}

fn instance(number: usize) -> String {
    format!("cri-{number:016}")
}

/// Entry N has identity N mod 5 and region N mod 3, and an instance of its own.
fn entries() -> String {
    let identities = identities();
    let entry = |number: usize| {
        let (identity, region) = (&identities[number % 5], REGIONS[number % 3]);
        let comma = if identity.is_empty() { "" } else { ", " };
        format!("- {{instanceId: {}, regionId: {region}{comma}{identity}}}\n", instance(number))
    };
    (0..50).map(entry).collect()
}

/// With or without the region of the cluster itself.
fn listed(region: Option<&str>) -> Scenario {
    let mut scenario = Scenario::in_region(region);
    scenario.listing(|scenario| {
        scenario.configure("[]", &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(1_000);
    scenario.log.clear();
    scenario.configure(&entries(), &[("rrsa", "enable: true")]);
    scenario
}

#[test]
fn where_nobody_says_the_own_region_each_region_has_sessions_of_its_own() {
    let mut scenario = listed(None);
    while scenario.count("GetAuthorizationToken") < 50 {
        scenario.round();
        assert!(scenario.log.len() < 1_000, "{:?}", scenario.log);
    }
    // What stops the Security Token Service of one region stops the entries of that region only.
    assert_eq!(scenario.count("AssumeRoleWithOIDC"), 3);
    assert_eq!(scenario.count("AssumeRole"), 6);
    assert_eq!(scenario.count("GetAuthorizationToken"), 50);
}

#[test]
fn each_hop_and_each_login_is_asked_once_in_as_many_rounds_as_the_chain_is_long() {
    let mut scenario = listed(Some("cn-hangzhou"));
    let mut rounds: Vec<Vec<String>> = Vec::new();
    while scenario.count("GetAuthorizationToken") < 50 || scenario.secrets.is_empty() {
        rounds.push(scenario.round());
        assert!(rounds.len() < 20, "{rounds:?}");
    }
    // RRSA, and a hop from RRSA and from the worker role.
    assert_eq!(scenario.count("AssumeRoleWithOIDC"), 1);
    assert_eq!(scenario.count("AssumeRole"), 2);
    assert_eq!(scenario.count("MetadataRole"), 1);
    assert_eq!(scenario.count("GetAuthorizationToken"), 50);
    assert_eq!(scenario.count("ListInstanceEndpoint"), 50);
    // One wave: one journal for the edit, one for all answers, one Secret.
    assert_eq!((scenario.count("write-journal"), scenario.count("apply-pull-secret")), (2, 1));
    // The longest chain has two sessions, and the login comes after them: three round trips to STS and CR, of which none
    // waits for anything else.
    let first = rounds.iter().position(|round| round.iter().any(|label| label == "AssumeRoleWithOIDC"));
    let last = rounds.iter().rposition(|round| round.iter().any(|label| label == "GetAuthorizationToken"));
    assert_eq!(last.unwrap() + 1 - first.unwrap(), 3, "{rounds:?}");
    // Who needs no session does not wait for those of others.
    assert!(rounds[first.unwrap() - 1].iter().any(|label| label == "GetAuthorizationToken"), "{rounds:?}");
    let document = &scenario.secrets["default"];
    assert!((0..50).all(|number| document.contains(&host_of(&instance(number)))));
}

#[test]
fn an_answer_that_is_late_delays_nobody_elses_entry() {
    let mut scenario = listed(Some("cn-hangzhou"));
    let mut late = None;
    while scenario.secrets.is_empty() {
        let Some((operation, answer)) = scenario.step() else {
            scenario.pass(100);
            continue;
        };
        // The first login stays out for ten seconds.
        let is_login = scenario.log.last().is_some_and(|label| label == "GetAuthorizationToken");
        if is_login && late.is_none() {
            late = Some((operation, answer));
        } else {
            scenario.observe(Observation::Answered { operation, answer });
        }
        assert!(scenario.mono < 3_000, "the others wait for the late one");
    }
    let published = |scenario: &Scenario| {
        (0..50).filter(|number| scenario.secrets["default"].contains(&host_of(&instance(*number)))).count()
    };
    assert_eq!(published(&scenario), 49);
    scenario.pass(10_000);
    let (operation, answer) = late.unwrap();
    scenario.observe(Observation::Answered { operation, answer });
    scenario.pass(1_000);
    assert_eq!(published(&scenario), 50);
    assert_eq!(scenario.count("GetAuthorizationToken"), 50);
}
