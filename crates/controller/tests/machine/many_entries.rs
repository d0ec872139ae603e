//! Fifty entries over five identities and three regions: how often the cloud is asked, and how deep.

use crate::scenario::{Scenario, host_of};
use acr_controller::observation::Observation;

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
fn entries(count: usize) -> String {
    let identities = identities();
    let entry = |number: usize| {
        let (identity, region) = (&identities[number % 5], REGIONS[number % 3]);
        let comma = if identity.is_empty() { "" } else { ", " };
        format!("- {{instanceId: {}, regionId: {region}{comma}{identity}}}\n", instance(number))
    };
    (0..count).map(entry).collect()
}

/// With or without the region of the cluster itself.
fn listed(region: Option<&str>, count: usize) -> Scenario {
    let mut scenario = Scenario::in_region(region);
    scenario.listing(|scenario| {
        scenario.configure("[]", &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(1_000);
    scenario.log.clear();
    scenario.configure(&entries(count), &[("rrsa", "enable: true")]);
    scenario
}

#[test]
fn where_nobody_says_the_own_region_all_regions_share_their_sessions_all_the_same() {
    let mut scenario = listed(None, 50);
    // A product is asked fifty times a second at most.
    scenario.pass(5_000);
    assert_eq!(scenario.count("AssumeRoleWithOIDC"), 1);
    assert_eq!(scenario.count("AssumeRole"), 2);
    assert_eq!(scenario.count("GetAuthorizationToken"), 50);
}

#[test]
fn each_hop_and_each_login_is_asked_once_and_all_are_one_wave() {
    let mut scenario = listed(Some("cn-hangzhou"), 50);
    scenario.pass(500);
    assert_eq!(scenario.count("GetAuthorizationToken") + scenario.count("ListInstanceEndpoint"), 50);
    scenario.pass(5_000);
    // RRSA, and a hop from RRSA and from the worker role.
    assert_eq!(scenario.count("AssumeRoleWithOIDC"), 1);
    assert_eq!(scenario.count("AssumeRole"), 2);
    assert_eq!(scenario.count("MetadataRole"), 1);
    assert_eq!(scenario.count("GetAuthorizationToken"), 50);
    assert_eq!(scenario.count("ListInstanceEndpoint"), 50);
    // One journal for the edit, one for all answers, one Secret.
    assert_eq!((scenario.count("write-journal"), scenario.count("apply-pull-secret")), (2, 1));
    let document = &scenario.secrets["default"];
    assert!((0..50).all(|number| document.contains(&host_of(&instance(number)))));
}

#[test]
fn what_the_limiter_held_back_belongs_to_the_wave_although_its_answers_take_time() {
    let mut scenario = listed(Some("cn-hangzhou"), 50);
    while scenario.secrets.is_empty() {
        // Every answer of the cloud is on its way for 50 ms, everything else is there at once.
        let mut on_the_way = Vec::new();
        while let Some((operation, answer)) = scenario.step() {
            if matches!(answer, acr_controller::observation::Answer::Cloud(_)) {
                on_the_way.push((operation, answer));
            } else {
                scenario.observe(Observation::Answered { operation, answer });
            }
        }
        scenario.mono += 50;
        for (operation, answer) in on_the_way {
            scenario.observe(Observation::Answered { operation, answer });
        }
        assert!(scenario.mono < 10_000, "{:?}", scenario.log);
    }
    scenario.pass(10_000);
    assert_eq!((scenario.count("write-journal"), scenario.count("apply-pull-secret")), (2, 1));
}

#[test]
fn a_login_takes_as_many_round_trips_as_its_chain_has_sessions_and_one() {
    // One entry of each identity: no share of slots is taken.
    let mut scenario = listed(Some("cn-hangzhou"), 5);
    let mut rounds: Vec<Vec<String>> = Vec::new();
    while scenario.count("GetAuthorizationToken") < 5 {
        rounds.push(scenario.round());
        assert!(rounds.len() < 20, "{rounds:?}");
    }
    let has = |label: &'static str| move |round: &Vec<String>| round.iter().any(|other| other == label);
    let first = rounds.iter().position(has("AssumeRoleWithOIDC")).unwrap();
    let last = rounds.iter().rposition(has("GetAuthorizationToken")).unwrap();
    // The longest chain has two sessions.
    assert_eq!(last + 1 - first, 3, "{rounds:?}");
    // Who needs no session does not wait for those of others, and domains are asked for beside the login.
    assert!(has("GetAuthorizationToken")(&rounds[first - 1]), "{rounds:?}");
    assert!(has("ListInstanceEndpoint")(&rounds[first - 1]), "{rounds:?}");
}

#[test]
fn an_answer_that_is_late_delays_nobody_elses_entry() {
    let mut scenario = listed(Some("cn-hangzhou"), 50);
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
        assert!(scenario.mono < 6_000, "the others wait for the late one");
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
