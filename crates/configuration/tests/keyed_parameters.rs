//! Add-on parameters that are spelled like the keys of the ConfigMap.

#![cfg(test)]

mod support;

use acr_configuration::{Assumptions, Finding, Source, TokenMode, load};
use support::{NOTHING, document, good, loaded, seen, source, told};

const KEYED: &str = r#"{"acr-registry-info":"[{\"instanceId\":\"cri-1\",\"regionId\":\"cn-beijing\"}]",
  "watch-namespace":"a,b","service-account":"Default","tokenMode":"workerRole"}"#;

#[test]
fn they_mean_what_the_keys_mean_from_a_file_and_from_the_config_map() {
    let by_keys = good(&[
        ("acr-registry-info", "- instanceId: cri-1\n  regionId: cn-beijing"),
        ("watch-namespace", "a,b"),
        ("service-account", "default"),
        ("exclude-namespace", "c"),
    ]);
    for read in [
        load(&source(&[("exclude-namespace", "c")]).with_parameters(KEYED)),
        loaded(&[("exclude-namespace", "c"), ("add-on-parameters", KEYED)]),
    ] {
        assert_eq!(told(&read.findings), NOTHING);
        let mut configuration = read.configuration.unwrap();
        assert_eq!(configuration.token_mode.take(), Some(TokenMode::WorkerRole));
        assert_eq!(configuration, by_keys);
    }
}

#[test]
fn a_checked_file_of_them_is_read_with_its_token_mode_and_its_lines() {
    let mut read = document(KEYED);
    let entries = read.summarize(&Assumptions::default());
    assert_eq!(told(&read.loaded.findings), NOTHING);
    assert_eq!(entries[0].chain, ["worker role of the node by the metadata service"]);
    let wrong = document(&KEYED.replace("a,b", "a,/").replace("workerRole", "worker"));
    assert_eq!(
        told(&wrong.loaded.findings),
        ["error InvalidValue tokenMode 1:1 @2", "warning ImpossibleName watch-namespace 1:3 @2"]
    );
}

#[test]
fn what_stands_in_the_config_map_as_well_is_an_error_that_serves_nothing() {
    let both = loaded(&[("add-on-parameters", KEYED), ("watch-namespace", "a"), ("service-account", "")]);
    assert_eq!(told(&both.findings), ["error BothForms watch-namespace"]);
    assert_eq!((both.configuration, both.errors_only_in_entries), (None, false));
    let twice = load(&source(&[("add-on-parameters", KEYED)]).with_parameters(KEYED));
    assert!(told(&twice.findings).contains(&"error BothForms add-on-parameters".to_owned()));
    assert_eq!(twice.accepted(false), None);
}

#[test]
fn a_file_that_is_checked_and_parameters_in_force_are_read_alike_whatever_is_mixed() {
    const NAMES: [(&str, &str); 8] = [
        ("AcrInstanceInfo", r#"[{"instanceId":"cri-1"}]"#),
        ("acr-registry-info", r#""[]""#),
        ("watchNamespace", r#""a""#),
        ("watch-namespace", r#""b""#),
        ("tokenMode", r#""workerRole""#),
        ("exclude-namespace", r#""c""#),
        ("enableRRSA", "true"),
        ("add-on-parameter", r#""x""#),
    ];
    let mut both = 0;
    for mix in 1_u32..1 << NAMES.len() {
        let chosen = (0..).zip(NAMES).filter(|(bit, _)| mix & (1 << bit) != 0);
        let fields: Vec<String> = chosen.map(|(_, (name, value))| format!("\"{name}\":{value}")).collect();
        let has = |name: &str| fields.iter().any(|field| field.starts_with(&format!("\"{name}\"")));
        let json = format!("{{{}}}", fields.join(","));
        let checked = document(&json).loaded;
        let in_force = load(&Source::from_parameters(&json));
        let shown = |findings: &[Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
        let parameters = ["AcrInstanceInfo", "watchNamespace", "enableRRSA"].into_iter().any(has);
        let keys = ["acr-registry-info", "watch-namespace"].into_iter().any(has);
        // Without `tokenMode` the keys are a ConfigMap's, and nothing at all is told otherwise; the rest is the same.
        if parameters || keys && has("tokenMode") {
            assert_eq!(shown(&checked.findings), shown(&in_force.findings), "{json}");
        }
        assert_eq!(checked.configuration, in_force.configuration, "{json}");
        let is_both = in_force.findings.iter().any(|finding| finding.code == "BothForms");
        assert_eq!(is_both, parameters && keys, "{json}");
        both += u32::from(is_both);
    }
    assert_eq!(both, 7 * 3 * 8);
}

#[test]
fn faults_are_told_at_the_key_and_no_value_of_a_secret_field_is_shown() {
    let json = r#"{"acr-registry-info":"- {instanceId: cri-1, customAccessKey: MARKER, customAccessKeySecret: MARKER, regionId: [1]}","watch-namespaces":"x"}"#;
    let read = load(&Source::from_parameters(json));
    assert_eq!(
        told(&read.findings),
        [
            "warning InlineAccessKey acr-registry-info 1:23",
            "error WrongType acr-registry-info 1:89",
            "error MisspelledKey watch-namespaces"
        ]
    );
    assert!(!seen(&read.findings).contains("MARKER"), "{}", seen(&read.findings));
    let empty = load(&Source::from_parameters(r#"{"watch-namespace":"a"}"#));
    assert_eq!(told(&empty.findings), ["error RegistryInfoMissing acr-registry-info"]);
}
