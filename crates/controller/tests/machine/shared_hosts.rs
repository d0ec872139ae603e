//! A host that two entries turn out to have: said with the entry that wins it, once, and not of what the text alone told.

use crate::scenario::Scenario;
use acr_configuration::SecretRef;
use acr_controller::observation::Observation;
use acr_credentials::{CallFailure, FailureKind, SecretData};

const KEYS: &str = "customAccessKey: LTAIexample, customAccessKeySecret: s";
const CODE: &str = "DuplicateHost";

/// A cluster in cn-hangzhou with these entries.
fn run(entries: &str) -> Scenario {
    let mut scenario = Scenario::in_region(Some("cn-hangzhou"));
    list(&mut scenario, entries);
    scenario
}

fn list(scenario: &mut Scenario, entries: &str) {
    scenario.listing(|scenario| {
        scenario.configure(entries, &[]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
}

fn secret(scenario: &mut Scenario, name: &str, host: &str) {
    secret_with(scenario, name, &[host.to_owned()]);
}

/// A Secret with a login for each of these hosts.
fn secret_with(scenario: &mut Scenario, name: &str, hosts: &[String]) {
    let login = |host: &String| format!(r#""{host}":{{"username":"u","password":"p"}}"#);
    let auths: Vec<String> = hosts.iter().map(login).collect();
    let document = format!(r#"{{"auths":{{{}}}}}"#, auths.join(","));
    let data = [(".dockerconfigjson".to_owned(), document.into_bytes().into())];
    let data: SecretData = data.into_iter().collect();
    let reference = SecretRef { namespace: "infra".to_owned(), name: name.to_owned() };
    scenario.observe(Observation::Referenced { reference, seen: Ok(Some(data)) });
}

/// The messages of all findings of the code.
fn told(scenario: &Scenario) -> Vec<String> {
    let findings = scenario.machine.status(scenario.now()).findings;
    findings.into_iter().filter(|finding| finding.code == CODE).map(|finding| finding.message).collect()
}

#[test]
fn a_domain_that_is_a_host_of_another_entrys_instance_is_said_when_the_cloud_has_told() {
    let mut scenario = run(&format!(
        "- {{instanceId: cri-a, {KEYS}}}\n- {{instanceId: cri-b, domains: 'cri-a.example,b.example', {KEYS}}}"
    ));
    insta::assert_snapshot!(told(&scenario).join("\n"), @"entry 1 (cri-b) has cri-a.example in common with entry 0 (cri-a), which comes first: its login is the one in the pull secrets, as long as it has a living one; remove what is common from one entry with `domains`, narrow the entries by `namespaces`, or write `host/namespace`");
    // The same words through renewals, and one Event for all of them.
    let generation = scenario.machine.findings_generation();
    let reports = scenario.count("report");
    scenario.pass(4 * 3_600_000);
    assert!(scenario.logins > 4, "{}", scenario.logins);
    assert_eq!((scenario.machine.findings_generation(), scenario.count("report")), (generation, reports));
}

#[test]
fn an_entry_with_several_instances_is_named_with_the_one_that_has_the_host_and_without_where_several_do() {
    let entries = |domains: &str| {
        format!(
            "- {{staticSecretRef: {{namespace: infra, name: one}}}}\n- {{instanceId: 'cri-a,cri-b', domains: '{domains}', {KEYS}}}"
        )
    };
    for (domains, named) in
        [("cri-b.example", "entry 1 (cri-b) has "), ("cri-a.example,cri-b.example", "entry 1 has ")]
    {
        let mut scenario = run(&entries(domains));
        let hosts: Vec<String> = domains.split(',').map(str::to_owned).collect();
        secret_with(&mut scenario, "one", &hosts);
        scenario.pass(2_000);
        let told = told(&scenario);
        assert!(told.len() == 1 && told[0].starts_with(named), "{told:?}");
    }
    let mut scenario = run(&format!(
        "- {{instanceId: 'cri-b,cri-a', domains: cri-a.example, {KEYS}}}\n- {{instanceId: cri-a, {KEYS}}}\n- {{instanceId: cri-b, {KEYS}}}"
    ));
    scenario.pass(2_000);
    let told = told(&scenario);
    assert!(
        told.len() == 1
            && told[0].contains("entry 1 (cri-a) has cri-a.example in common with entry 0 (cri-a)"),
        "{told:?}"
    );
}

#[test]
fn of_several_earlier_entries_the_one_that_wins_everywhere_is_named() {
    let scenario = run(&format!(
        "- {{instanceId: cri-a, domains: cri-c.example, namespaces: x, {KEYS}}}\n- {{instanceId: cri-b, domains: cri-c.example, {KEYS}}}\n- {{instanceId: cri-c, {KEYS}}}"
    ));
    let told = told(&scenario);
    let of_last = told.iter().find(|told| told.starts_with("entry 2 (cri-c)")).unwrap();
    assert!(of_last.contains("in common with entry 1 (cri-b)"), "{told:?}");
}

#[test]
fn a_failing_login_of_the_first_entry_changes_nothing_about_it() {
    let entries =
        format!("- {{instanceId: cri-a, domains: cri-x.example, {KEYS}}}\n- {{instanceId: cri-x, {KEYS}}}");
    let mut scenario = run(&entries);
    let before = told(&scenario);
    assert_eq!(before.len(), 1, "{before:?}");
    scenario.failing = Some(CallFailure::new("GetAuthorizationToken", FailureKind::Denied, "no"));
    for _ in 0..100 {
        scenario.pass(60_000);
        assert_eq!(told(&scenario), before);
    }
}

#[test]
fn the_personal_edition_with_and_without_its_region_is_said_once_the_region_is_known() {
    let entries =
        format!("- {{instanceId: '', regionId: cn-hangzhou, {KEYS}}}\n- {{instanceId: '', {KEYS}}}");
    let here = told(&run(&entries));
    insta::assert_snapshot!(here.join("\n"), @"entry 1 (personal/cn-hangzhou) has registry.cn-hangzhou.aliyuncs.com, registry-vpc.cn-hangzhou.aliyuncs.com, registry-internal.cn-hangzhou.aliyuncs.com, registry-intl.cn-hangzhou.aliyuncs.com, registry-intl-vpc.cn-hangzhou.aliyuncs.com in common with entry 0 (personal/cn-hangzhou), which comes first: its login is the one in the pull secrets, as long as it has a living one; remove what is common from one entry with `domains`, narrow the entries by `namespaces`, or write `host/namespace`");
    assert!(told(&run(&entries.replace("cn-hangzhou", "cn-beijing"))).is_empty());
}

#[test]
fn a_host_of_a_secret_with_logins_is_said_when_the_secret_was_read_and_no_more_when_it_is_gone_from_there() {
    let mut scenario = run("- {staticSecretRef: {namespace: infra, name: one}}\n\
                            - {staticSecretRef: {namespace: infra, name: two}, domains: x.example}");
    assert!(told(&scenario).is_empty());
    secret(&mut scenario, "one", "x.example");
    secret(&mut scenario, "two", "x.example");
    scenario.pass(2_000);
    insta::assert_snapshot!(told(&scenario).join("\n"), @"entry 1 (secret/infra/two/x.example) has x.example in common with entry 0 (secret/infra/one/x.example), which comes first: its login is the one in the pull secrets, as long as it has a living one; remove what is common from one entry with `domains`, narrow the entries by `namespaces`, or write `host/namespace`");
    secret(&mut scenario, "one", "other.example");
    scenario.pass(2_000);
    assert!(told(&scenario).is_empty(), "{:?}", told(&scenario));
}

#[test]
fn what_the_text_told_is_not_said_twice() {
    for entries in [
        format!("- {{instanceId: cri-a, {KEYS}}}\n- {{instanceId: cri-a, domains: cri-a.example, {KEYS}}}"),
        format!("- {{instanceId: cri-a, {KEYS}}}\n- {{instanceId: cri-a, regionId: cn-hangzhou, {KEYS}}}"),
        format!(
            "- {{instanceId: cri-a, domains: x.example, {KEYS}}}\n- {{instanceId: cri-b, domains: x.example, {KEYS}}}"
        ),
    ] {
        let told = told(&run(&entries));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("acr-registry-info, line 2"), "{told:?}");
    }
}

#[test]
fn entries_that_serve_other_namespaces_and_entries_that_are_not_served_share_nothing() {
    for entries in [
        format!(
            "- {{instanceId: cri-a, namespaces: a, {KEYS}}}\n- {{instanceId: cri-b, domains: cri-a.example, namespaces: b, {KEYS}}}"
        ),
        format!("- {{instanceId: crpi-a, {KEYS}}}\n- {{instanceId: cri-b, domains: crpi-a.example, {KEYS}}}"),
    ] {
        let told = told(&run(&entries));
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn many_common_hosts_are_one_finding_of_bounded_length() {
    let domains: Vec<String> = (0..200).map(|number| format!("h{number}.example")).collect();
    let mut scenario = run(&format!(
        "- {{instanceId: cri-a, domains: '{}', {KEYS}}}\n- {{staticSecretRef: {{namespace: infra, name: one}}}}",
        domains.join(",")
    ));
    secret_with(&mut scenario, "one", &domains);
    scenario.pass(2_000);
    let told = told(&scenario);
    // A line for each host of the Secret, one finding for all of them.
    assert_eq!(told.len(), 1, "{}", told.len());
    assert!(told[0].contains("and 195 more") && told[0].len() < 1_000, "{told:?}");
}
