//! Entries: every field, every fault, each with its place.

#![cfg(test)]

mod support;

use acr_configuration::{Edition, EndpointChoice, Identity, SecretRef, Unsupported};
use support::{NOTHING, entries, good, loaded, seen, told};

const ID: &str = "cri-0123456789abcdef";

#[test]
fn only_an_explicit_empty_list_means_no_entries() {
    assert_eq!(good(&[("acr-registry-info", "[]")]).entries, []);
    assert_eq!(good(&[("acr-registry-info", " [ ] # none\n")]).entries, []);
    for list in [
        "",
        " \n",
        "null",
        "~",
        "''",
        "0",
        "# - instanceId: ''",
        "#- instanceId: \"\"\n#  regionId: \"\"\n",
        "---",
        "--- # x\n",
    ] {
        let loaded = entries(list);
        assert_eq!(loaded.configuration, None, "{list:?}");
        assert!(!loaded.errors_only_in_entries, "{list:?}");
        assert_eq!(
            loaded.findings.iter().map(|f| f.code).collect::<Vec<_>>(),
            ["RegistryInfoMissing"],
            "{list:?}"
        );
    }
    let absent = loaded(&[("watch-namespace", "a")]);
    assert_eq!(told(&absent.findings), ["error RegistryInfoMissing acr-registry-info"]);
    assert_eq!(absent.accepted(false), None);
}

#[test]
fn what_is_no_list_of_entries_is_an_error_and_no_shrink() {
    for list in ["instanceId: cri-1", "cri-1", "{}", "true"] {
        let loaded = entries(list);
        assert_eq!(loaded.configuration, None, "{list:?}");
        assert_eq!(told(&loaded.findings), ["error WrongType acr-registry-info 1:1"], "{list:?}");
    }
}

#[test]
fn an_entry_with_an_error_is_left_out_and_the_others_can_be_served_only_where_nothing_was_good_before() {
    let loaded = entries("- instanceId: cri-1\n- regionId: cn-hangzhou\n- instanceId: cri-3\n");
    let configuration = loaded.configuration.as_ref().unwrap();
    assert_eq!(configuration.entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(loaded.findings[0].entry, Some(1));
    assert!(loaded.has_errors() && loaded.errors_only_in_entries);
    assert_eq!(loaded.accepted(true), None);
    assert_eq!(loaded.accepted(false), Some(configuration));
    let elsewhere = support::loaded(&[
        ("acr-registry-info", "- instanceId: cri-1\n- regionId: cn-hangzhou"),
        ("expiring-threshold", "soon"),
    ]);
    assert!(!elsewhere.errors_only_in_entries);
    assert_eq!(elsewhere.accepted(false), None);
}

#[test]
fn not_set_is_not_set_before_any_check() {
    for nothing in ["''", "\"\"", "null", "~", "0", "'0'", "' '"] {
        let list = format!(
            "- instanceId: {ID}\n  regionId: {nothing}\n  domains: {nothing}\n  assumeRoleARN: {nothing}\n  expireDuration: {nothing}\n  \
             rrsaRoleARN: {nothing}\n  rrsaOIDCProviderRoleARN: {nothing}\n  customAccessKey: {nothing}\n  customAccessKeySecret: {nothing}\n  \
             customAccessKeySecretRef: {nothing}\n  staticSecretRef: {nothing}\n  namespaces: {nothing}\n  serviceAccounts: {nothing}\n  \
             endpoint: {nothing}\n  externalId: {nothing}\n"
        );
        let loaded = entries(&list);
        assert_eq!(told(&loaded.findings), NOTHING, "{nothing}");
        assert_eq!(loaded.configuration, entries(&format!("- instanceId: {ID}")).configuration, "{nothing}");
    }
    let empty = entries(&format!("- instanceId: {ID}\n  namespaces: []\n  serviceAccounts: ['', null]\n"));
    assert_eq!(empty.configuration.unwrap().entries[0].namespaces, None);
}

#[test]
fn every_field_is_read() {
    let configuration = good(&[
        (
            "acr-registry-info",
            "- instanceId: \"cri-1, cri-2,cri-1\"\n  regionId: cn-hangzhou\n  domains: \"A.example.com/team, b.example.com:5000,a.example.com/team\"\n  \
             rrsaRoleARN: acs:ram::1:role/a\n  rrsaOIDCProviderRoleARN: acs:ram::1:oidc-provider/p\n  assumeRoleARN: acs:ram::2:role/b\n  \
             expireDuration: \"900\"\n  externalId: e-1\n  namespaces: [team-*, prod]\n  serviceAccounts: \"app-*,default\"\n  endpoint: VPC\n",
        ),
        ("rrsa", "enable: 'true'"),
    ]);
    let [entry] = &configuration.entries[..] else { panic!() };
    assert_eq!(entry.edition, Edition::Enterprise { ids: vec!["cri-1".to_owned(), "cri-2".to_owned()] });
    assert_eq!(entry.region.as_deref(), Some("cn-hangzhou"));
    let domains: Vec<String> = entry.domains.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(domains, ["a.example.com/team", "b.example.com:5000"]);
    assert_eq!(
        entry.identity,
        Identity::Rrsa {
            role_arn: "acs:ram::1:role/a".to_owned(),
            oidc_provider_arn: "acs:ram::1:oidc-provider/p".to_owned()
        }
    );
    let hop = entry.assume_role.as_ref().unwrap();
    assert_eq!((hop.role_arn.as_str(), hop.duration_seconds), ("acs:ram::2:role/b", 900));
    assert_eq!(hop.external_id.as_deref(), Some("e-1"));
    assert!(
        entry.admits_namespace("team-x") && entry.admits_namespace("prod") && !entry.admits_namespace("test")
    );
    assert!(entry.admits_service_account("app-1") && !entry.admits_service_account("builder"));
    assert_eq!(entry.endpoint, EndpointChoice::Vpc);
    assert_eq!(entry.unsupported, None);
}

#[test]
fn the_identity_follows_the_order_of_the_fields() {
    const ALL: [&str; 4] = [
        "staticSecretRef: {namespace: n, name: static}",
        "customAccessKeySecretRef: {namespace: n, name: keys}",
        "customAccessKey: id, customAccessKeySecret: secret",
        "rrsaRoleARN: 'acs:ram::1:role/a', rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'",
    ];
    let reference = |name: &str| SecretRef { namespace: "n".to_owned(), name: name.to_owned() };
    for first in 0..=ALL.len() {
        let list = format!("- {{instanceId: cri-1, {}}}", ALL[first..].join(", "));
        let entry = &good(&[("acr-registry-info", &list), ("rrsa", "enable: true")]).entries[0];
        let (identity, unsupported) = (&entry.identity, &entry.unsupported);
        match first {
            0 => {
                assert_eq!(*identity, Identity::StaticSecretRef(reference("static")));
                assert_eq!((&entry.edition, unsupported), (&Edition::Static, &None));
            }
            1 => {
                assert_eq!(*identity, Identity::AccessKeySecretRef(reference("keys")));
                assert_eq!(*unsupported, None);
            }
            2 => {
                let Identity::AccessKey { id, secret } = identity else { panic!("{identity:?}") };
                assert_eq!((id.expose(), secret.expose(), unsupported), ("id", "secret", &None));
            }
            3 => assert!(matches!(identity, Identity::Rrsa { .. }) && unsupported.is_none()),
            _ => assert_eq!((identity, unsupported), (&Identity::TokenMode, &None)),
        }
    }
}

#[test]
fn a_static_entry_needs_no_instance() {
    let entry = &good(&[(
        "acr-registry-info",
        "- {staticSecretRef: {namespace: n, name: s}, domains: crpi-a.cn-hangzhou.personal.cr.aliyuncs.com}",
    )])
    .entries[0];
    assert_eq!(entry.edition, Edition::Static);
}

#[test]
fn a_static_entry_assumes_no_role() {
    let list = "- {staticSecretRef: {namespace: n, name: s}, assumeRoleARN: 'acs:ram::1:role/x'}";
    let entry = &good(&[("acr-registry-info", list)]).entries[0];
    let chain = acr_configuration::identity_chain(entry, acr_configuration::TokenMode::Auto);
    assert_eq!(chain, ["user name and password in Secret n/s"]);
}

#[test]
fn rrsa_with_one_switch_only_is_told() {
    let arns = "rrsaRoleARN: 'acs:ram::1:role/a', rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'";
    let off = entries(&format!("- {{instanceId: cri-1, {arns}}}"));
    assert_eq!(told(&off.findings), ["warning ArnsWithoutRrsa acr-registry-info 1:23"]);
    assert_eq!(off.configuration.unwrap().entries[0].identity, Identity::TokenMode);
    let on = loaded(&[("acr-registry-info", "- instanceId: cri-1"), ("rrsa", "enable: true")]);
    assert_eq!(told(&on.findings), ["warning RrsaWithoutArns acr-registry-info 1:3"]);
    assert_eq!(on.configuration.unwrap().entries[0].identity, Identity::TokenMode);
}

#[test]
fn a_placeholder_is_a_warning_and_stops_the_entry_only_where_it_must_be_parsed() {
    for (field, value, stops) in [
        ("regionId", "<region>", true),
        ("domains", "xxx.example.com", false),
        ("domains", "<domain>", true),
        ("assumeRoleARN", "<ARN>", true),
        ("customAccessKeySecretRef", "{namespace: <n>, name: b}", true),
    ] {
        let loaded = entries(&format!("- instanceId: cri-1\n  {field}: {value}\n"));
        let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&"PlaceholderNotReplaced"), "{field}: {codes:?}");
        assert!(!loaded.has_errors(), "{field}: {codes:?}");
        let unsupported = &loaded.configuration.unwrap().entries[0].unsupported;
        assert_eq!(*unsupported == Some(Unsupported::Placeholder { field }), stops, "{field}");
    }
    let duration = "- instanceId: cri-1\n  assumeRoleARN: acs:ram::1:role/x\n  expireDuration: <seconds>\n";
    let entry = &good(&[("acr-registry-info", duration)]).entries[0];
    assert_eq!(entry.unsupported, Some(Unsupported::Placeholder { field: "expireDuration" }));
}

#[test]
fn a_region_that_cannot_be_one_stops_its_entry_only() {
    let entries = good(&[(
        "acr-registry-info",
        "- {instanceId: cri-1, regionId: CN-HANGZHOU}\n- {instanceId: cri-2, regionId: mars-1}\n",
    )])
    .entries;
    let [first, second] = &entries[..] else { panic!() };
    assert_eq!(first.unsupported, Some(Unsupported::ImpossibleRegion));
    assert_eq!((second.region.as_deref(), &second.unsupported), (Some("mars-1"), &None));
}

#[test]
fn aliases_and_merges_are_followed() {
    let configuration = good(&[(
        "acr-registry-info",
        "- &base\n  instanceId: cri-1\n  regionId: cn-beijing\n- <<: *base\n  instanceId: cri-2\n- *base\n",
    )]);
    let regions: Vec<_> = configuration.entries.iter().map(|entry| entry.region.as_deref()).collect();
    assert_eq!(regions, [Some("cn-beijing"); 3]);
    assert_eq!(configuration.entries[1].edition, Edition::Enterprise { ids: vec!["cri-2".to_owned()] });
}

#[test]
fn a_json_list_is_read_like_yaml() {
    let json = r#"[{"instanceId":"cri-1","regionId":"cn-beijing","expireDuration":0,"domains":null}]"#;
    let yaml = "- instanceId: cri-1\n  regionId: cn-beijing\n";
    assert_eq!(good(&[("acr-registry-info", json)]), good(&[("acr-registry-info", yaml)]));
}

#[test]
fn keys_are_never_printed() {
    let list = "- instanceId: cri-1\n  customAccessKey: MARKERID\n  customAccessKeySecret: MARKERSECRET\n  color: MARKERVALUE\n  regionId: [MARKERLIST]\n";
    let loaded = entries(list);
    assert!(loaded.findings.len() >= 3);
    let shown = format!(
        "{}{:?}{:?}",
        seen(&loaded.findings),
        loaded.configuration,
        entries("- {instanceId: cri-1, customAccessKey: MARKER, customAccessKeySecret: MARKER}")
    );
    assert!(!shown.contains("MARKER"), "{shown}");
}
