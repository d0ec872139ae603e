//! What the chart renders without a cluster: the committed manifests, the profiles and the switches.

use std::collections::{BTreeMap, BTreeSet};

use acr_end_to_end::{chart_folder, render_manifests};
use serde_json::{Value, json};

use crate::site::{RELEASE, chart, documents, helm, helm_alone, said, tools};

/// What is rendered with these values, by kind and name. Hooks are left out.
pub(crate) async fn rendered(values: &[&str]) -> BTreeMap<String, Value> {
    let chart = chart();
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace=kube-system", "--no-hooks"];
    arguments.extend(["--kube-version=1.36.3"]);
    arguments.extend(values);
    let text = said(&helm_alone(&arguments).await);
    let key = |object: &Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        format!("{} {} {}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
    };
    documents(&text).into_iter().map(|object| (key(&object), object)).collect()
}

/// The same in the order of Helm, with the hooks.
async fn with_hooks(values: &[&str]) -> Vec<Value> {
    let chart = chart();
    let arguments =
        [&["template", RELEASE, &chart, "--namespace=kube-system", "--kube-version=1.36.3"], values].concat();
    documents(&said(&helm_alone(&arguments).await))
}

/// What these values add to the objects and to the program's arguments; nothing else may differ.
async fn added_by(values: &[&str]) -> Vec<String> {
    added_to(&[], values).await
}

/// The same, beside other values.
async fn added_to(others: &[&str], values: &[&str]) -> Vec<String> {
    let (without, with) = (rendered(others).await, rendered(&[others, values].concat()).await);
    let deployment = "Deployment kube-system aliyun-acr-credential-helper";
    let mut added: Vec<String> = Vec::new();
    for (key, object) in &with {
        match without.get(key) {
            None => added.push(format!("{key} {}", object.get("rules").unwrap_or(&Value::Null))),
            Some(before) if key == deployment => {
                let arguments = |object: &Value| -> BTreeSet<String> {
                    let arguments = object.pointer("/spec/template/spec/containers/0/args").unwrap();
                    arguments
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|text| text.as_str().unwrap().to_owned())
                        .collect()
                };
                added.extend(arguments(object).difference(&arguments(before)).cloned());
            }
            Some(before) => assert_eq!(before, object, "{values:?} changes {key}"),
        }
    }
    let gone: Vec<&String> = without.keys().filter(|key| !with.contains_key(*key)).collect();
    assert!(gone.is_empty(), "{values:?} takes away {gone:?}");
    added
}

#[tokio::test]
async fn the_committed_manifests_are_what_the_chart_renders() {
    for manifest in render_manifests(helm().await).await.unwrap() {
        let committed = std::fs::read_to_string(&manifest.path).unwrap();
        assert!(committed == manifest.text, "{}: run `cargo xtask manifests`", manifest.path.display());
    }
}

#[tokio::test]
async fn the_kustomize_base_is_the_chart_with_its_default_values_for_servers_without_mutating_policies() {
    let deploy = chart_folder().join("../../deploy");
    let mut kubectl = tokio::process::Command::new(tools().await.kubectl());
    let output = kubectl.arg("kustomize").arg(&deploy).output().await.unwrap();
    let mut base = documents(&said(&output));
    let mut chart: Vec<Value> = rendered(&["--kube-version=1.30.0"]).await.into_values().collect();
    for list in [&mut base, &mut chart] {
        list.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    }
    assert_eq!(base, chart);
}

#[tokio::test]
async fn the_chart_and_its_profiles_pass_the_linter() {
    let chart = chart();
    let mut profiles: Vec<String> = std::fs::read_dir(chart_folder().join("profiles"))
        .unwrap()
        .map(|file| file.unwrap().path().to_string_lossy().into_owned())
        .collect();
    profiles.sort();
    assert_eq!(profiles.len(), 5, "{profiles:?}");
    let mut arguments = vec![vec!["lint", "--strict", &chart]];
    arguments.extend(profiles.iter().map(|profile| vec!["lint", "--strict", &chart, "--values", profile]));
    for arguments in arguments {
        let words = said(&helm_alone(&arguments).await);
        assert!(words.contains("0 chart(s) failed"), "{words}");
    }
}

#[tokio::test]
async fn no_profile_mounts_anything_of_the_node_or_runs_on_each() {
    for profile in ["managed", "dedicated", "registered", "serverless", "edge"] {
        let file = chart_folder().join("profiles").join(format!("{profile}.yaml"));
        let objects = rendered(&[&format!("--values={}", file.display())]).await;
        assert!(!objects.keys().any(|key| key.starts_with("DaemonSet")), "{profile}");
        let pod = &objects["Deployment kube-system aliyun-acr-credential-helper"]["spec"]["template"]["spec"];
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume.get("hostPath").is_none(), "{profile}: {volume}");
        }
        let text = pod.to_string();
        let wanted: &[&str] = match profile {
            "dedicated" => &["--token-mode=workerRole"],
            "serverless" => &["virtual-kubelet.io/provider"],
            "registered" => &["alibaba-addon-secret"],
            "edge" => &["alibabacloud.com/is-edge-worker"],
            _ => &["addon.aliyuncsmanagedacrrole.token"],
        };
        for part in wanted {
            assert!(text.contains(part), "{profile}: {part} is not in {text}");
        }
    }
}

#[tokio::test]
async fn each_switch_of_a_right_adds_exactly_its_line() {
    insta::assert_snapshot!(added_by(&["--set=credentials.rrsaToken=requested"]).await.join("\n"), @r#"
    Role kube-system acr-credential-helper-token [{"apiGroups":[""],"resourceNames":["aliyun-acr-credential-helper"],"resources":["serviceaccounts/token"],"verbs":["create"]}]
    RoleBinding kube-system acr-credential-helper-token null
    "#);
    let read = ["--set=credentials.registeredKey=read", "--set=credentials.addOnToken=read"];
    insta::assert_snapshot!(added_by(&read).await.join("\n"), @r#"
    --add-on-token-secret=addon.aliyuncsmanagedacrrole.token
    --registered-key-secret=alibaba-addon-secret
    Role kube-system acr-credential-helper-reads-add-on-token [{"apiGroups":[""],"resourceNames":["addon.aliyuncsmanagedacrrole.token"],"resources":["secrets"],"verbs":["get","list","watch"]}]
    Role kube-system acr-credential-helper-reads-registered-key [{"apiGroups":[""],"resourceNames":["alibaba-addon-secret"],"resources":["secrets"],"verbs":["get","list","watch"]}]
    RoleBinding kube-system acr-credential-helper-reads-add-on-token null
    RoleBinding kube-system acr-credential-helper-reads-registered-key null
    "#);
    let reference = r#"--set-json=secretReferences=[{"namespace":"shop","name":"keys"}]"#;
    insta::assert_snapshot!(added_by(&[reference]).await.join("\n"), @r#"
    Role shop acr-credential-helper-reads-keys [{"apiGroups":[""],"resourceNames":["keys"],"resources":["secrets"],"verbs":["get","list","watch"]}]
    RoleBinding shop acr-credential-helper-reads-keys null
    "#);
    insta::assert_snapshot!(added_by(&["--set=podHelp=report"]).await.join("\n"), @r#"
    ClusterRole  acr-credential-helper-pods [{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]}]
    ClusterRoleBinding  acr-credential-helper-pods null
    "#);
    // The right to be asked about pods is a rule of the admission policy.
    let without_policy = ["--set=admissionPolicy=false"];
    insta::assert_snapshot!(added_to(&without_policy, &["--set=podHelp=append"]).await.join("\n"), @r#"
    ClusterRole  acr-credential-helper-pods [{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]}]
    ClusterRoleBinding  acr-credential-helper-pods null
    "#);
    insta::assert_snapshot!(added_to(&without_policy, &["--set=podHelp=restart"]).await.join("\n"), @r#"
    ClusterRole  acr-credential-helper-pods [{"apiGroups":[""],"resources":["pods"],"verbs":["list","watch"]},{"apiGroups":[""],"resources":["pods/eviction"],"verbs":["create"]}]
    ClusterRoleBinding  acr-credential-helper-pods null
    "#);
}

#[tokio::test]
async fn whatever_is_switched_off_a_registration_that_is_there_may_be_taken_back() {
    let verbs = async |values: &[&str]| {
        let objects = with_hooks(values).await;
        let roles = objects.iter().filter(|object| object["kind"] == "ClusterRole");
        let all_rules = roles.flat_map(|role| role["rules"].as_array().unwrap());
        let of_webhooks =
            all_rules.filter(|rule| rule["resources"] == json!(["mutatingwebhookconfigurations"]));
        let lines = of_webhooks.map(|rule| format!("{} {}", rule["resourceNames"], rule["verbs"]));
        lines.collect::<Vec<_>>()
    };
    let own = |verbs: &str| format!(r#"["acr-credential-helper"] {verbs}"#);
    let all = own(r#"["get","list","watch","create","patch","delete"]"#);
    let back = own(r#"["get","list","watch","delete"]"#);
    assert_eq!(verbs(&[]).await, [all.clone(), back.clone()]);
    assert_eq!(verbs(&["--set=webhook.enabled=false"]).await, [back.clone(), back]);
}

#[tokio::test]
async fn the_policy_is_tried_by_a_hook_where_the_configuration_asks_for_it_and_nowhere_else() {
    let chart = chart();
    let entry = "--set-json=acr-registry-info=[{\"instanceId\":\"cri-acme0000000000\"}]";
    let asks = |webhook: &str| format!("--set-json=webhook-configuration={webhook}");
    for (webhook, version, is_tried) in [
        (r#"{"enable":true,"mode":"policy"}"#, "1.36.3", true),
        (r#""enable: true\nmode: policy""#, "1.36.3", true),
        // The program takes these, too.
        (r#"{"enable":"True","mode":"Policy"}"#, "1.36.3", true),
        (r#""enable: yes\nmode: POLICY""#, "1.36.3", true),
        (r#"{"enable":true,"mode":"policy"}"#, "1.30.0", false),
        (r#"{"enable":true}"#, "1.36.3", false),
        (r#"{"enable":false,"mode":"policy"}"#, "1.36.3", false),
    ] {
        let (webhook, version) = (asks(webhook), format!("--kube-version={version}"));
        let arguments = ["template", RELEASE, &chart, "--namespace=kube-system", entry, &webhook, &version];
        let text = said(&helm_alone(&arguments).await);
        assert_eq!(text.contains("acr-credential-helper-try-policy"), is_tried, "{webhook} {version}");
    }
}

#[tokio::test]
async fn the_policy_and_the_right_to_try_it_come_where_they_are_asked_for() {
    const POLICY: &str = "MutatingAdmissionPolicy  acr-credential-helper null
MutatingAdmissionPolicyBinding  acr-credential-helper null";
    let entry = "--set-json=acr-registry-info=[{\"instanceId\":\"cri-acme0000000000\"}]";
    let on = "--set-json=webhook-configuration={\"enable\":true,\"mode\":\"policy\"}";
    // Without it a removal cannot keep API servers from reading what other policies go by.
    for webhook in [r#"{"enable":true}"#, r#"{"enable":false,"mode":"policy"}"#] {
        let webhook = format!("--set-json=webhook-configuration={webhook}");
        let objects = rendered(&[entry, &webhook]).await;
        assert!(!objects.keys().any(|key| key.contains("Mutating") || key.contains("-trial")), "{webhook}");
    }
    let rights = r#"ClusterRole  acr-credential-helper-policy-trial [{"apiGroups":[""],"resources":["serviceaccounts"],"verbs":["create"]},{"apiGroups":["admissionregistration.k8s.io"],"resourceNames":["acr-credential-helper"],"resources":["mutatingadmissionpolicies","mutatingadmissionpolicybindings"],"verbs":["get"]}]
ClusterRoleBinding  acr-credential-helper-policy-trial null"#;
    let required = ["--set=mutatingPolicy=true"];
    assert_eq!(added_by(&required).await.join("\n"), format!("{rights}\n{POLICY}"));
    let off = "--set-json=webhook-configuration={\"enable\":true}";
    let asked = rendered(&[entry, on]).await;
    let not = rendered(&[entry, off]).await;
    assert_eq!(asked.keys().filter(|key| !not.contains_key(*key)).count(), 4, "{:?}", asked.keys());
    let never = rendered(&[entry, on, "--set=mutatingPolicy=false"]).await;
    assert_eq!(never.keys().collect::<Vec<_>>(), not.keys().collect::<Vec<_>>());
    // The mode needs no right to register; that to take a registration back is always there.
    let without = rendered(&[entry, on, "--set=webhook.enabled=false"]).await;
    let rules = without["ClusterRole  acr-credential-helper"]["rules"].as_array().unwrap();
    let of_registrations = |rule: &&Value| rule["resources"] == json!(["mutatingwebhookconfigurations"]);
    let rule = rules.iter().find(of_registrations).unwrap();
    assert_eq!(rule["verbs"], json!(["get", "list", "watch", "delete"]), "{rule}");
    assert!(without.contains_key("MutatingAdmissionPolicy  acr-credential-helper"));
}

#[tokio::test]
async fn help_for_pods_that_the_chart_writes_into_the_config_map_brings_its_rights() {
    let values =
        ["--set-json=acr-registry-info=[{\"instanceId\":\"cri-acme0000000000\"}]", "--set=pods=restart"];
    let objects = rendered(&values).await;
    let role = &objects["ClusterRole  acr-credential-helper-pods"];
    assert_eq!(role["rules"].as_array().unwrap().len(), 2, "{role}");
    let none = rendered(&[&values[..], &["--set=podHelp=none"]].concat()).await;
    assert!(!none.contains_key("ClusterRole  acr-credential-helper-pods"), "what is said counts");
}

#[tokio::test]
async fn section_6_the_token_is_projected_for_the_audience_of_sts_and_an_hour() {
    let rendered = rendered(&[]).await;
    let deployment = rendered.iter().find(|(name, _)| name.starts_with("Deployment")).unwrap().1;
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let sources = volumes.iter().filter_map(|volume| volume["projected"]["sources"].as_array()).flatten();
    let tokens: Vec<&Value> =
        sources.map(|source| &source["serviceAccountToken"]).filter(|token| !token.is_null()).collect();
    let of_sts = tokens.iter().find(|token| token["audience"] == "sts.aliyuncs.com").unwrap();
    assert_eq!((&of_sts["expirationSeconds"], &of_sts["path"]), (&json!(3600), &json!("token")));
}

#[tokio::test]
async fn a_second_replica_brings_its_budget_and_no_right() {
    assert_eq!(
        added_to(&["--set=replicas=1"], &["--set=replicas=2"]).await,
        ["PodDisruptionBudget kube-system aliyun-acr-credential-helper null"]
    );
}

#[tokio::test]
async fn outside_of_the_cluster_there_is_a_token_and_no_pod_but_those_that_answer() {
    let chart = chart();
    let arguments = ["template", RELEASE, &chart, "--namespace=kube-system", "--set=placement=outside"];
    let objects = documents(&said(&helm_alone(&arguments).await));
    let kinds: BTreeSet<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert!(!kinds.contains("Job"), "{kinds:?}");
    let network = objects.iter().find(|object| object["kind"] == "NetworkPolicy").unwrap();
    assert_eq!(network["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(network["spec"]["ingress"], json!([{ "ports": [{ "protocol": "TCP", "port": 8443 }] }]));
    assert_eq!(network["spec"]["egress"], Value::Null, "they reach nobody");
    let mut deployments = objects.iter().filter(|object| object["kind"] == "Deployment");
    let webhook = deployments.next().unwrap();
    assert_eq!(
        (webhook["metadata"]["name"].as_str(), deployments.next()),
        (Some("acr-credential-helper-webhook"), None)
    );
    let pod = &webhook["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], Value::Null);
    // While the webhook is off there is no certificate, and the Deployment is to become ready all the same.
    for probe in ["livenessProbe", "readinessProbe"] {
        let asks = &pod["containers"][0][probe];
        assert_eq!((&asks["tcpSocket"], &asks["httpGet"]), (&json!({ "port": "webhook" }), &Value::Null));
    }
    // Of the Secret with the logins it gets nothing but its certificate.
    assert_eq!(
        pod["volumes"][0]["secret"]["items"],
        json!([{ "key": "tls.crt", "path": "tls.crt" }, { "key": "tls.key", "path": "tls.key" }])
    );
    let secret = objects.iter().find(|object| object["kind"] == "Secret").unwrap();
    assert_eq!(secret["type"], "kubernetes.io/service-account-token");
    assert!(kinds.contains("ValidatingAdmissionPolicy"), "{kinds:?}");
}

/// Where the pod may go, as `PROTOCOL PORT` or `PROTOCOL PORT at NETWORK`; `None` without a NetworkPolicy.
async fn egress(values: &[&str]) -> Option<Vec<String>> {
    let policy = rendered(values).await.remove("NetworkPolicy kube-system aliyun-acr-credential-helper")?;
    let mut ways = Vec::new();
    for rule in policy["spec"]["egress"].as_array().unwrap() {
        let network = rule.pointer("/to/0/ipBlock/cidr").and_then(Value::as_str);
        let place = network.map(|network| format!(" at {network}")).unwrap_or_default();
        for port in rule["ports"].as_array().unwrap() {
            ways.push(format!("{} {}{place}", port["protocol"].as_str().unwrap(), port["port"]));
        }
    }
    Some(ways)
}

#[tokio::test]
async fn the_network_policy_lets_out_to_what_it_needs_and_the_proxy() {
    let usual = ["UDP 53", "TCP 53", "TCP 443", "TCP 6443"];
    let metadata = "TCP 80 at 100.100.100.200/32";
    let with = |ways: &[&str], more: &[&str]| {
        Some([ways, more].concat().iter().map(|&way| way.to_owned()).collect())
    };
    assert_eq!(egress(&[]).await, with(&usual, &[metadata]));
    assert_eq!(egress(&["--set=networkPolicy.metadata=false"]).await, with(&usual, &[]));
    for (url, port) in [("http://proxy:3128", "TCP 3128"), ("http://proxy/", "TCP 80")] {
        let values = format!("--set=proxy.url={url}");
        assert_eq!(egress(&[&values]).await, with(&usual, &[port, metadata]), "{url}");
    }
    // It would not count for such a pod.
    assert_eq!(egress(&["--set=hostNetwork=true"]).await, None);
}

#[tokio::test]
async fn servers_without_the_policy_get_the_chart_without_it() {
    let chart = chart();
    for (version, has_policy) in [("1.20.4", false), ("1.29.9", false), ("1.30.1-aliyun.1", true)] {
        let version_argument = format!("--kube-version={version}");
        let output = helm_alone(&["template", RELEASE, &chart, &version_argument]).await;
        assert_eq!(said(&output).contains("ValidatingAdmissionPolicy"), has_policy, "{version}");
    }
}
