//! The machine beside others who write what it writes: a former owner, another instance, whoever undoes its writes.

use crate::scenario::{HOST, ONE_ENTRY, Scenario};
use acr_controller::observation::{ForeignSecret, Observation, PullSecretSeen};

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
