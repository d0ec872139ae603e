//! Keys of the ConfigMap: defaults, spellings, faults with their places, and the add-on parameters.

#![cfg(test)]

mod support;

use std::time::Duration;

use acr_configuration::{
    FailurePolicy, Glob, NamespaceSet, PodHelp, Product, Scope, Source, TokenMode, WebhookMode, load,
};
use support::{NOTHING, good, loaded, seen, source, told};

/// One entry without a finding, so that only the key under test is told about.
const ENTRIES: (&str, &str) = ("acr-registry-info", "- instanceId: cri-1");

fn with<'a>(key: &'a str, value: &'a str) -> [(&'a str, &'a str); 2] {
    [ENTRIES, (key, value)]
}

/// The key, its value, and `severity code line:column` of each finding.
const FAULTS: &[(&str, &str, &[&str])] = &[
    ("expiring-threshold", "15", &["error InvalidDuration 1:1"]),
    ("expiring-threshold", "15min", &["error InvalidDuration 1:3"]),
    ("expiring-threshold", " 1d\n", &["error InvalidDuration 1:3"]),
    ("expiring-threshold", "1h30", &["error InvalidDuration 1:3"]),
    ("expiring-threshold", "99999999999999999999h", &["error InvalidDuration 1:1"]),
    ("expiring-threshold", "0s", &["error OutOfRange 1:1"]),
    ("expiring-threshold", "-15m", &["error OutOfRange 1:1"]),
    ("expiring-threshold", "<threshold>", &["warning PlaceholderNotReplaced 1:1"]),
    ("watch-namespace", ",", &["error InvalidValue 1:1"]),
    ("watch-namespace", "a, B,team-*", &["warning ImpossibleName 1:4", "warning ImpossibleName 1:6"]),
    ("watch-namespace", "a\n- b", &["warning ImpossibleName 1:1"]),
    ("watch-namespace", "*", &["warning ImpossibleName 1:1"]),
    ("watch-namespace", "a,<b>", &["warning PlaceholderNotReplaced 1:3"]),
    ("watch-namespace", "a,kube-public", &["warning SystemNamespaceInScope 1:3"]),
    ("watch-namespace", "a,All", &["warning SystemNamespaceInScope 1:3"]),
    ("service-account", ", ,", &["error InvalidValue 1:1"]),
    ("service-account", "a_b,c", &["warning ImpossibleName 1:1"]),
    ("exclude-namespace", "Kube-*", &["warning ImpossibleName 1:1"]),
    ("namespace-selector", "team=", &[]),
    ("namespace-selector", "team=a b", &["error InvalidSelector 1:8"]),
    ("namespace-selector", "team>1", &["error InvalidSelector 1:5"]),
    ("namespace-selector", "<selector>", &["error InvalidSelector 1:1"]),
    ("notify-email", "a\nb", &["error InvalidValue 1:1"]),
    ("notify-email", "<mail>", &["warning PlaceholderNotReplaced 1:1"]),
    ("notify-email", "c*@example.com", &[]),
    ("takeover", "perhaps", &["error WrongType 1:1"]),
    ("takeover", "true", &[]),
    ("takeover", "\"off\"", &["error WrongType 1:1"]),
    ("pods", "restrat", &["error InvalidValue 1:1"]),
    ("pods", "report", &[]),
    ("pods", "append", &["warning AppendWithoutWebhook 1:1"]),
    ("pods", "restart", &[]),
    ("pods", "none", &[]),
    ("acr-api-version", "2018-12-01", &[]),
    ("acr-api-version", "v1", &["warning NoEffect 1:1"]),
    ("acr-registry", "registry.*.aliyuncs.com", &["warning NoEffect 1:1"]),
    ("acr-registry", "", &[]),
    ("rrsa", "true", &["error WrongType 1:1"]),
    ("rrsa", "enabled: true", &["error MisspelledField 1:1"]),
    ("rrsa", "enable: maybe", &["error WrongType 1:9"]),
    ("rrsa", "enable: false\nenabled: true", &["warning UnknownField 2:1"]),
    ("rrsa", "enable: [", &["error SyntaxError 1:9"]),
    ("webhook-configuration", "enable: true", &[]),
    ("webhook-configuration", "enable: 'false'\ntimeout-seconds: '10'\nmode: policy", &[]),
    (
        "webhook-configuration",
        "enable: false\nfailure-policy: Ignored\ntimeout-seconds: 31\nmode: x\n",
        &["error InvalidValue 2:17", "error OutOfRange 3:18", "warning PlaceholderNotReplaced 4:7"],
    ),
    ("endpoints", "product: sts", &["error WrongType 1:1"]),
    ("endpoints", "- sts", &["error WrongType 1:3"]),
    (
        "endpoints",
        "- product: ecs\n- url: ftp://a\n- {product: cr, url: 'https://u@a', regions: b}",
        &[
            "error IncompletePair 1:3",
            "error InvalidValue 1:12",
            "error IncompletePair 2:3",
            "error InvalidValue 2:8",
            "error InvalidValue 3:22",
            "error MisspelledField 3:37",
        ],
    ),
    ("endpoints", "- {product: cr, url: 'https://<host>'}", &["warning PlaceholderNotReplaced 1:22"]),
];

#[test]
fn every_fault_of_a_key_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for (key, value, expected) in FAULTS {
        let found = loaded(&with(key, value)).findings;
        let found: Vec<String> = told(&found)
            .iter()
            .filter(|line| !line.contains("RrsaWithoutArns"))
            .map(|line| line.replace(&format!(" {key}"), ""))
            .collect();
        if found != *expected {
            wrong.push(format!("{key}: {value:?}\n     found {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_absent_or_empty_key_means_its_default() {
    let bare = good(&[ENTRIES]);
    assert_eq!(bare.scope, Scope::default());
    assert_eq!(bare.expiring_threshold, Duration::from_mins(15));
    assert_eq!((bare.notify_email.as_deref(), bare.rrsa_enabled, bare.token_mode), (None, false, None));
    assert_eq!((bare.takeover, bare.pods, bare.webhook.enable), (false, PodHelp::None, false));
    assert_eq!((bare.webhook.failure_policy, bare.webhook.timeout_seconds), (FailurePolicy::Ignore, 10));
    for key in [
        "acr-api-version",
        "acr-registry",
        "add-on-parameters",
        "endpoints",
        "exclude-namespace",
        "expiring-threshold",
        "namespace-selector",
        "notify-email",
        "pods",
        "rrsa",
        "service-account",
        "takeover",
        "watch-namespace",
        "webhook-configuration",
    ] {
        for nothing in ["", "0", " \n"] {
            let loaded = loaded(&with(key, nothing));
            assert_eq!(told(&loaded.findings), NOTHING, "{key}: {nothing:?}");
            assert_eq!(loaded.configuration.as_ref(), Some(&bare), "{key}: {nothing:?}");
        }
    }
}

#[test]
fn every_spelling_of_all_means_all() {
    for all in ["all", "All", "ALL", " all ", "a,all"] {
        let scope = good(&with("watch-namespace", all)).scope;
        assert_eq!(scope.watch_namespace, NamespaceSet::All, "{all}");
    }
    let scope = good(&with("watch-namespace", " a , b,,a")).scope;
    assert!(
        scope.namespace_is_named("a")
            && scope.namespace_is_named("b")
            && !scope.namespace_is_named("default")
    );
}

#[test]
fn service_accounts_are_names_globs_or_default() {
    let accounts = |list: &str| good(&with("service-account", list)).scope.service_account;
    assert_eq!(accounts("Default"), [Glob::new("default")]);
    assert_eq!(accounts("*"), [Glob::new("*")]);
    assert_eq!(accounts("app-*, builder"), [Glob::new("app-*"), Glob::new("builder")]);
}

#[test]
fn an_impossible_name_never_reaches_the_scope() {
    let scope = good(&[ENTRIES, ("watch-namespace", "a,B,team-*"), ("exclude-namespace", "x_y,z*")]).scope;
    assert_eq!(scope.watch_namespace, NamespaceSet::Names(["a".to_owned()].into()));
    assert_eq!(scope.exclude_namespace, [Glob::new("z*")]);
}

#[test]
fn namespaces_of_the_system_are_told_until_they_are_excluded() {
    let told_about = |extra: &[(&str, &str)]| {
        let data = [&[ENTRIES, ("watch-namespace", "all")], extra].concat();
        let found = loaded(&data).findings;
        found.iter().map(|finding| finding.message.clone()).collect::<String>()
    };
    assert!(told_about(&[]).contains("kube-system,kube-public,kube-node-lease"));
    assert!(told_about(&[("exclude-namespace", "kube-system")]).ends_with(": kube-public,kube-node-lease"));
    assert_eq!(told_about(&[("exclude-namespace", "kube-*")]), "");
    assert_eq!(told_about(&[("namespace-selector", "team")]), "", "they have no such label");
    let by_name = "kubernetes.io/metadata.name notin (kube-system,kube-public)";
    assert!(told_about(&[("namespace-selector", by_name)]).ends_with(": kube-node-lease"));
}

#[test]
fn a_misspelled_key_refuses_the_edit_and_an_unknown_one_does_not() {
    let misspelled = loaded(&with("watch-namespaces", "all"));
    assert_eq!(told(&misspelled.findings), ["error MisspelledKey watch-namespaces"]);
    assert!(misspelled.findings[0].message.contains("`watch-namespace`"));
    assert!(!misspelled.errors_only_in_entries);
    let beside = loaded(&[ENTRIES, ("watch-namespace", "a"), ("watch-namespaces", "b")]);
    assert_eq!(told(&beside.findings), ["warning UnknownKey watch-namespaces"]);
    let unknown = loaded(&with("log-level", "MARKER"));
    assert_eq!(told(&unknown.findings), ["warning UnknownKey log-level"]);
    assert!(!seen(&unknown.findings).contains("MARKER"));
    let mode = loaded(&with("tokenMode", "auto"));
    assert!(mode.findings[0].remedy.contains("--token-mode"));
    // Each form has names that the other has not.
    let parameter = loaded(&with("enableRRSA", "true"));
    assert_eq!(told(&parameter.findings), ["warning UnknownKey enableRRSA"]);
    assert!(
        parameter.findings[0].remedy.contains("write the key `rrsa`"),
        "{}",
        parameter.findings[0].remedy
    );
    let key = loaded(&[("add-on-parameters", r#"{"AcrInstanceInfo":[],"exclude-namespace":"a"}"#)]);
    assert_eq!(told(&key.findings), ["warning UnknownField add-on-parameters 1:23"]);
    assert!(key.findings[0].remedy.contains("the key `exclude-namespace` of the ConfigMap"));
}

#[test]
fn blocks_are_read() {
    let configuration = good(&[
        ENTRIES,
        (
            "webhook-configuration",
            "enable: false\nfailure-policy: Fail\ntimeout-seconds: '5'\nmode: policy\n",
        ),
        (
            "endpoints",
            "- {product: cr, region: cn-*, url: 'http://127.0.0.1:8080/cr/'}\n- {product: STS, url: https://sts.internal}\n- {product: cr, url: 'https://[::1]:443'}",
        ),
        ("expiring-threshold", "1.5h"),
        ("notify-email", "ops@example.com"),
        ("namespace-selector", "team in (a,b)"),
    ]);
    let webhook = &configuration.webhook;
    assert_eq!(
        (webhook.failure_policy, webhook.timeout_seconds, webhook.mode),
        (FailurePolicy::Fail, 5, WebhookMode::Policy)
    );
    assert_eq!(configuration.endpoint_override(Product::Cr, "cn-beijing"), Some("http://127.0.0.1:8080/cr"));
    assert_eq!(configuration.endpoint_override(Product::Cr, "us-east-1"), Some("https://[::1]:443"));
    assert_eq!(configuration.endpoint_override(Product::Sts, "us-east-1"), Some("https://sts.internal"));
    assert_eq!(configuration.endpoint_override(Product::Metadata, "us-east-1"), None);
    assert_eq!(configuration.expiring_threshold, Duration::from_mins(90));
    assert_eq!(configuration.notify_email.as_deref(), Some("ops@example.com"));
    assert!(configuration.scope.namespace_is_served("default", |key| (key == "team").then_some("b")));
}

const PARAMETERS: &str = r#"{"AcrInstanceInfo":[{"InstanceId":"cri-1","regionId":"cn-beijing","expireDuration":0}],
  "enableRRSA":"false","watchNamespace":"a,b","serviceAccount":"Default","expiringThreshold":"20m","notifyEmail":"m","tokenMode":"workerRole"}"#;

#[test]
fn add_on_parameters_mean_what_the_keys_mean() {
    let by_flag = load(&Source::from_parameters(PARAMETERS));
    let by_key = loaded(&[("add-on-parameters", PARAMETERS)]);
    assert_eq!(told(&by_flag.findings), NOTHING);
    assert_eq!(by_flag.configuration, by_key.configuration);
    let mut configuration = by_flag.configuration.unwrap();
    assert_eq!(configuration.token_mode.take(), Some(TokenMode::WorkerRole));
    let by_keys = good(&[
        ("acr-registry-info", "- instanceId: cri-1\n  regionId: cn-beijing"),
        ("watch-namespace", "a,b"),
        ("service-account", "default"),
        ("expiring-threshold", "20m"),
        ("notify-email", "m"),
    ]);
    assert_eq!(configuration, by_keys);
}

#[test]
fn add_on_parameters_go_with_keys_that_they_do_not_have() {
    let loaded = loaded(&[
        ("add-on-parameters", PARAMETERS),
        ("exclude-namespace", "b"),
        ("acr-api-version", "2018-12-01"),
    ]);
    assert_eq!(told(&loaded.findings), NOTHING);
    let scope = loaded.configuration.unwrap().scope;
    assert!(scope.namespace_is_named("a") && !scope.namespace_is_named("b"));
}

#[test]
fn both_forms_at_once_are_an_error_that_serves_nothing() {
    let beside =
        loaded(&[ENTRIES, ("add-on-parameters", PARAMETERS), ("watch-namespace", "a"), ("rrsa", "")]);
    assert_eq!(
        told(&beside.findings),
        ["error BothForms acr-registry-info", "error BothForms watch-namespace"]
    );
    assert_eq!((beside.configuration, beside.errors_only_in_entries), (None, false));
    let flag = load(&source(&[("add-on-parameters", PARAMETERS)]).with_parameters(PARAMETERS));
    assert_eq!(told(&flag.findings), ["error BothForms add-on-parameters"]);
}

#[test]
fn faults_of_add_on_parameters_are_told_at_their_key() {
    let mut wrong = Vec::new();
    for (json, expected) in [
        ("{}", &["error RegistryInfoMissing 1:1"][..]),
        (r#"{"AcrInstanceInfo":null}"#, &["error RegistryInfoMissing 1:20"]),
        (r#"{"AcrInstanceInfo":""}"#, &["error RegistryInfoMissing 1:20"]),
        (r#"{"AcrInstanceInfo":[]}"#, &[]),
        (r#"{"acrInstanceInfo":[]}"#, &["error MisspelledField 1:2", "error RegistryInfoMissing 1:1"]),
        (r#"{"AcrInstanceInfo":[],"enableRRSA":1}"#, &["error WrongType 1:36"]),
        (r#"{"AcrInstanceInfo":[],"tokenMode":"manager"}"#, &["error InvalidValue 1:35"]),
        (r#"{"AcrInstanceInfo":[],"expiringThreshold":"0s"}"#, &["error OutOfRange 1:43"]),
        (r#"{"AcrInstanceInfo":[],"watchNamespace":["a"]}"#, &["error WrongType 1:40"]),
        (r#"{"AcrInstanceInfo":[{}]}"#, &["error InstanceIdMissing 1:21"]),
        (r#"{"AcrInstanceInfo":[]"#, &["error SyntaxError 1:1"]),
        ("[]", &["error WrongType 1:1"]),
        ("- instanceId: a", &["error WrongType 1:1"]),
    ] {
        let expected: Vec<String> = expected
            .iter()
            .map(|line| {
                line.replace(' ', "\u{0}").replacen('\u{0}', " ", 1).replace('\u{0}', " add-on-parameters ")
            })
            .collect();
        let mut found = told(&loaded(&[("add-on-parameters", json)]).findings);
        found.sort_by_key(|line| !line.contains("Misspelled"));
        if found != expected {
            wrong.push(format!("{json}\n     found {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_managed_role_is_a_token_mode_like_the_others() {
    let json = r#"{"tokenMode":"managedRole","AcrInstanceInfo":[{"instanceId":"cri-1"}]}"#;
    let loaded = loaded(&[("add-on-parameters", json)]);
    assert_eq!(told(&loaded.findings), Vec::<String>::new());
    let configuration = loaded.configuration.unwrap();
    assert_eq!(configuration.token_mode, Some(TokenMode::ManagedRole));
    assert_eq!(configuration.entries[0].unsupported, None);
}
