//! The machine beside others who write what it writes: a former owner, another instance, whoever undoes its writes.

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::observation::{ForeignSecret, Observation, PullSecretSeen};
use acr_controller::settings::Purpose;
use acr_controller::status::Outcome;

const MINUTE: u64 = 60_000;
const THEIRS: &str = "their-manager";

/// The Secret of our name as somebody else has just written it; `marked` says whether our marks are still on it.
fn theirs(scenario: &mut Scenario, marked: bool) -> PullSecretSeen {
    scenario.version += 1;
    let mut seen = PullSecretSeen {
        namespace: "default".into(),
        uid: "secret".into(),
        resource_version: scenario.version,
        labels: [].into(),
        annotations: [].into(),
        data_owners: vec![THEIRS.into()],
        terminating: false,
    };
    if marked {
        seen.labels = [("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())].into();
        seen.annotations = [
            ("acr-credential-helper/payload-digest".into(), "d".into()),
            ("acr-credential-helper/adopted".into(), "true".into()),
        ]
        .into();
    }
    seen
}

/// A namespace whose Secret of our name was made by somebody else, and adopted, with these keys of the configuration.
fn adopted(keys: &[(&str, &str)]) -> Scenario {
    let mut scenario = Scenario::new();
    let hosts = Some(vec![HOST.into()]);
    let kind = "kubernetes.io/dockerconfigjson".to_owned();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, keys);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
        let seen = theirs(scenario, false);
        scenario.foreign = Some(ForeignSecret {
            uid: seen.uid.clone(),
            resource_version: seen.resource_version,
            kind,
            hosts,
        });
        scenario.observe(Observation::PullSecret(seen));
    });
    scenario.pass(MINUTE);
    assert_eq!((scenario.count("apply-pull-secret"), scenario.adopted), (1, true));
    scenario.log.clear();
    scenario
}

fn written_by_them(scenario: &mut Scenario) {
    let seen = theirs(scenario, true);
    scenario.observe(Observation::PullSecret(seen));
}

#[test]
fn without_takeover_an_adopted_secret_is_left_to_its_writer_who_is_named_with_the_way_out() {
    let mut scenario = adopted(&[]);
    written_by_them(&mut scenario);
    scenario.pass(60 * MINUTE);
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    let finding = scenario.finding("AdoptedSecretTakenBack");
    assert!(finding.contains(THEIRS) && finding.contains("`takeover: true`"), "{finding}");
}

#[test]
fn with_takeover_it_is_written_back_at_once_then_later_and_later_and_said() {
    let mut scenario = adopted(&[("takeover", "true")]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        scenario.log.clear();
        written_by_them(&mut scenario);
        let before = scenario.mono;
        while scenario.count("apply-pull-secret") == 0 && scenario.mono < before + 10 * MINUTE {
            scenario.pass(100);
        }
        waits.push(scenario.mono - before);
        assert!(scenario.adopted, "whose it was stays known");
    }
    assert_eq!(waits[0], 100, "the first time at once");
    assert!(waits.windows(2).skip(1).all(|pair| pair[1] > pair[0]), "{waits:?}");
    let finding = scenario.finding("PullSecretKeepsBeingChanged");
    assert!(finding.contains(THEIRS) && finding.contains("docs/migration.md"), "{finding}");
    assert_eq!(scenario.finding("AdoptedSecretTakenBack"), "");
}

#[test]
fn takeover_takes_up_what_was_left_and_its_end_leaves_it_again() {
    let mut scenario = adopted(&[]);
    written_by_them(&mut scenario);
    scenario.pass(MINUTE);
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    scenario.configure(ONE_ENTRY, &[("takeover", "true")]);
    scenario.pass(1_000);
    assert_eq!(scenario.count("apply-pull-secret"), 1);
    assert_eq!(scenario.finding("AdoptedSecretTakenBack"), "");
    // They write while it may not be written back yet, and before it is, the user thinks better of it.
    for _ in 0..3 {
        written_by_them(&mut scenario);
        scenario.run();
    }
    scenario.log.clear();
    scenario.configure(ONE_ENTRY, &[]);
    scenario.pass(60 * MINUTE);
    assert_eq!(scenario.count("apply-pull-secret"), 0);
    assert!(!scenario.finding("AdoptedSecretTakenBack").is_empty());
}

#[test]
fn another_instance_is_told_from_a_tenant() {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[]);
        scenario.namespace("default", &[]);
    });
    scenario.pass(2_000);
    for _ in 0..3 {
        let mut seen = theirs(&mut scenario, true);
        seen.data_owners = vec!["acr-credential-helper".into()];
        seen.annotations.remove("acr-credential-helper/adopted");
        scenario.observe(Observation::PullSecret(seen));
        scenario.pass(5_000);
    }
    assert!(scenario.finding("AnotherInstance").contains("stop one"));
    assert_eq!(scenario.finding("PullSecretKeepsBeingChanged"), "");
}

#[test]
fn whoever_takes_our_name_out_of_every_write_before_it_is_stored_is_met_by_few_writes_and_reported() {
    for unchanged in [true, false] {
        let mut scenario = Scenario::new();
        scenario.stripped = Some(unchanged);
        scenario.listing(|scenario| {
            scenario.configure(ONE_ENTRY, &[]);
            scenario.namespace("default", &[]);
            scenario.account("default", "default", Some(r#"[{"name":"theirs"}]"#));
        });
        scenario.pass(60 * MINUTE);
        let writes = scenario.count("attach");
        assert!((3..30).contains(&writes), "unchanged {unchanged}: {writes}");
        assert!(
            scenario.finding("EntryKeepsBeingRemoved").contains("docs/gitops.md"),
            "unchanged {unchanged}"
        );
    }
}

const ELSEWHERE: &str = "acr-credential-helper/installation";

/// The Secret of `namespace` as the installation in `home` has just written it.
fn of_installation(scenario: &mut Scenario, namespace: &str, home: &str) -> PullSecretSeen {
    let mut seen = theirs(scenario, true);
    seen.namespace = namespace.into();
    seen.data_owners = vec!["acr-credential-helper".into()];
    seen.annotations.remove("acr-credential-helper/adopted");
    seen.annotations.insert(ELSEWHERE.into(), home.into());
    seen
}

/// A cluster with two namespaces of which the second has a Secret of another installation, and who writes anything there.
fn beside_another(keys: &[(&str, &str)], purpose: Purpose) -> Scenario {
    let mut scenario = Scenario::with_purpose(purpose);
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, &[&[("watch-namespace", "all")], keys].concat());
        for (name, team) in [("default", "a"), ("shop", "b")] {
            scenario.namespace(name, &[("team", team)]);
            scenario.account(name, "default", None);
        }
        scenario.account("shop", "app", Some(r#"[{"name":"acr-credential-secret-aggregation"}]"#));
        let seen = of_installation(scenario, "shop", "elsewhere");
        scenario.observe(Observation::PullSecret(seen));
    });
    scenario
}

/// Whether nothing was written in the namespace of the other installation.
fn shop_is_left_alone(scenario: &Scenario) -> bool {
    scenario.list("shop", "default").is_none()
        && scenario.list("shop", "app").is_some()
        && !scenario.secrets.contains_key("shop")
        && scenario.count("delete-pull-secret") == 0
}

#[test]
fn what_another_installation_serves_is_left_to_it_and_who_it_is_is_said() {
    for keys in [&[][..], &[("namespace-selector", "team=a")]] {
        let mut scenario = beside_another(keys, Purpose::Run);
        scenario.pass(10 * MINUTE);
        assert!(shop_is_left_alone(&scenario), "{keys:?}: {:?}", scenario.log);
        let said = scenario.finding("AnotherInstance");
        assert_eq!(said.contains("in the namespace elsewhere"), keys.is_empty(), "{keys:?}: {said}");
        assert!(scenario.list("default", "default").is_some(), "what is ours is served");
    }
}

#[test]
fn a_namespace_is_served_once_the_other_installation_has_left_it() {
    let mut scenario = beside_another(&[], Purpose::Run);
    scenario.pass(MINUTE);
    scenario.observe(Observation::PullSecretGone { namespace: "shop".to_owned() });
    scenario.pass(MINUTE);
    assert!(scenario.secrets.contains_key("shop") && scenario.list("shop", "default").is_some());
    assert_eq!(scenario.finding("AnotherInstance"), "");
}

#[test]
fn with_takeover_what_the_other_installation_has_left_is_adopted() {
    let mut scenario = beside_another(&[], Purpose::Run);
    scenario.pass(MINUTE);
    scenario.foreign = Some(ForeignSecret {
        uid: "secret".into(),
        resource_version: scenario.version,
        kind: "kubernetes.io/dockerconfigjson".to_owned(),
        hosts: Some(vec![HOST.into()]),
    });
    let seen = of_installation(&mut scenario, "shop", "elsewhere");
    scenario.foreign.as_mut().unwrap().resource_version = seen.resource_version;
    scenario.observe(Observation::PullSecret(seen));
    scenario.configure(ONE_ENTRY, &[("watch-namespace", "all"), ("takeover", "true")]);
    scenario.pass(MINUTE);
    assert!(scenario.adopted && scenario.list("shop", "default").is_some(), "{:?}", scenario.log);
    assert_eq!(scenario.finding("AnotherInstance"), "");
}

#[test]
fn an_uninstall_takes_nothing_of_another_installation_with_or_without_a_configuration() {
    for configured in [true, false] {
        let mut scenario = beside_another(&[], Purpose::Uninstall);
        if !configured {
            scenario.observe(Observation::ConfigurationGone);
        }
        scenario.pass(10 * MINUTE);
        assert_eq!(scenario.machine.outcome(), Some(Outcome::Removed), "{configured}");
        assert!(shop_is_left_alone(&scenario), "{configured}: {:?}", scenario.log);
    }
}

#[test]
fn two_installations_that_both_take_over_meet_later_and_later_and_it_is_said() {
    let mut scenario = beside_another(&[("takeover", "true")], Purpose::Run);
    for _ in 0..200 {
        let seen = of_installation(&mut scenario, "shop", "elsewhere");
        scenario.foreign = Some(ForeignSecret {
            uid: seen.uid.clone(),
            resource_version: seen.resource_version,
            kind: "kubernetes.io/dockerconfigjson".to_owned(),
            hosts: Some(vec![HOST.into()]),
        });
        scenario.observe(Observation::PullSecret(seen));
        scenario.pass(3_000);
    }
    // Ten minutes, and a first write each in the other namespace.
    let writes = scenario.count("apply-pull-secret");
    assert!((3..20).contains(&writes), "{writes}");
    assert!(!scenario.finding("AnotherInstance").is_empty());
}
