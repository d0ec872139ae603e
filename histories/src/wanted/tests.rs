//! What is wanted, derived from small configurations.

use super::*;
use crate::estate::{INSTANCES, KeyPair};
use crate::random::Random;

fn entry(identity: Identity) -> WantedEntry {
    let [acme, ..] = INSTANCES;
    WantedEntry {
        instances: vec![acme],
        region_written: true,
        domains: None,
        identity,
        namespaces: None,
        accounts: None,
        unserved: None,
    }
}

fn wanted(entries: Vec<WantedEntry>) -> Wanted {
    Wanted {
        watched: Watched::All,
        excluded: vec![Pattern::Prefix("kube-")],
        selector: vec![Requirement::Differs("team", "b")],
        accounts: vec![Pattern::Prefix("app")],
        threshold_seconds: 900,
        email: None,
        rrsa: false,
        takeover: false,
        immediate: Immediate::Off,
        pods: PodHelp::None,
        entries,
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn without_entries_nobody_is_served() {
    let none = wanted(vec![]);
    assert!(!none.serves_namespace("team-a", &labels(&[])));
    assert!(!none.serves_account("team-a", &labels(&[]), "app", false));
}

#[test]
fn names_labels_and_opt_outs_narrow_the_scope() {
    let wanted = wanted(vec![entry(Identity::Worker)]);
    assert!(wanted.serves_account("team-a", &labels(&[]), "app-ci", false));
    assert!(!wanted.serves_account("team-a", &labels(&[]), "app-ci", true));
    assert!(!wanted.serves_account("team-a", &labels(&[]), "default", false));
    assert!(!wanted.serves_account("team-a", &labels(&[("team", "b")]), "app", false));
    assert!(!wanted.serves_account("team-a", &labels(&[(OPT_OUT, "true")]), "app", false));
    assert!(wanted.serves_account("team-a", &labels(&[(OPT_OUT, "false")]), "app", false));
    assert!(!wanted.serves_namespace("kube-system", &labels(&[])));
}

#[test]
fn an_entrys_own_lists_narrow_who_is_attached_and_which_namespaces_get_it() {
    let mut narrow = entry(Identity::Worker);
    narrow.namespaces = Some(vec![Pattern::Exact("team-a")]);
    narrow.accounts = Some(vec![Pattern::Exact("app")]);
    let wanted = wanted(vec![narrow]);
    assert!(wanted.serves_namespace("team-a", &labels(&[])));
    assert!(!wanted.serves_namespace("team-b", &labels(&[])));
    assert!(wanted.serves_account("team-a", &labels(&[]), "app", false));
    assert!(!wanted.serves_account("team-a", &labels(&[]), "app-ci", false));
}

#[test]
fn the_first_entry_claims_a_host_before_the_second() {
    let first = entry(Identity::Worker);
    let second = entry(Identity::Keys(KeyPair::PullerA));
    let wanted = wanted(vec![first, second]);
    let hosts = BTreeSet::from(["a.example".to_owned()]);
    let claims = wanted.claims("team-a", |_| Some(&hosts));
    let identities: Vec<_> = claims["a.example"].iter().map(|claim| claim.fact.identity).collect();
    assert_eq!(identities, [Identity::Worker, Identity::Keys(KeyPair::PullerA)]);
}

#[test]
fn an_entry_that_is_not_supported_claims_nothing() {
    let mut unserved = entry(Identity::Worker);
    unserved.unserved = Some(Unserved::NewPersonal);
    let hosts = BTreeSet::from(["a.example".to_owned()]);
    assert!(wanted(vec![unserved]).claims("team-a", |_| Some(&hosts)).is_empty());
}

#[test]
fn many_configurations_are_made_and_each_can_be_written() {
    let mut random = Random::new(1);
    let (mut parameters, mut empty, mut explicit) = (0, 0, 0);
    for _ in 0..500 {
        let wanted = Wanted::generate(&mut random).edited(&mut random);
        let data = wanted.render(&mut random);
        parameters += u32::from(data.contains_key("add-on-parameters"));
        empty += u32::from(data.get("acr-registry-info").is_some_and(|info| info == "[]"));
        explicit += u32::from(wanted.configured_hosts().count() > 0);
        assert!(wanted.entries.len() <= 4);
        let served = wanted.entries.iter().filter(|entry| entry.unserved.is_none()).count();
        assert_eq!(served == 0, wanted.entries.is_empty());
    }
    assert!(parameters > 5 && empty > 5 && explicit > 100, "{parameters} {empty} {explicit}");
}

#[test]
fn a_spoiled_configuration_differs_from_every_good_spelling() {
    let mut random = Random::new(2);
    let mut kinds = BTreeSet::new();
    for _ in 0..500 {
        let spoiled = Wanted::generate(&mut random).spoiled(&mut random);
        kinds.insert(spoiled.what);
        assert_eq!(spoiled.remainder.is_some(), spoiled.what == "with one wrong entry");
    }
    assert_eq!(kinds.len(), 14);
}
