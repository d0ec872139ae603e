//! The samples of the official pages, read as `config check` reads them.

#![cfg(test)]

mod support;

use std::fmt::Write as _;

use acr_configuration::{Assumptions, load_document};

/// Everything about a file: findings with remedy and snippet, then entries.
fn report(text: &str) -> String {
    let mut document = load_document(text.as_bytes());
    let entries = document.summarize(&Assumptions::default());
    let mut out = String::new();
    for (finding, line) in document.loaded.findings.iter().zip(support::told(&document.loaded.findings)) {
        writeln!(out, "{line}\n  {}\n  {}", finding.message, finding.remedy).unwrap();
        for line in support::caret(finding).lines() {
            writeln!(out, "    {line}").unwrap();
        }
    }
    for entry in entries {
        let chain = match &entry.unsupported {
            None => entry.chain.join(" -> "),
            Some(unsupported) => format!("not served: {unsupported}"),
        };
        let (index, edition, region, hosts) = (entry.index, entry.edition, entry.region, entry.hosts);
        writeln!(out, "entry {index} {edition} {region:?} {hosts:?}\n  {chain}").unwrap();
    }
    out
}

#[test]
fn an_enterprise_fragment() {
    insta::assert_snapshot!(report(include_str!("../fixtures/enterprise-fragment.yaml")), @r#"
    warning SystemNamespaceInScope watch-namespace 1:1 @3
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        all
        ^^^
    entry 0 enterprise Some("cn-hangzhou") ["acme-registry.cn-hangzhou.cr.aliyuncs.com", "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com"]
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    "#);
}

#[test]
fn entries_of_two_regions() {
    insta::assert_snapshot!(report(include_str!("../fixtures/two-regions-list.yaml")), @r#"
    warning PlaceholderNotReplaced acr-registry-info 1:15 @2
      the placeholder `cri-instanceId` of instanceId was not replaced
      write your own value for instanceId
        - instanceId: "cri-instanceId"
                      ^^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 3:15 @4
      the placeholder `cri-instanceId` of instanceId was not replaced
      write your own value for instanceId
        - instanceId: "cri-instanceId"
                      ^^^^^^^^^^^^^^^^
    entry 0 enterprise Some("cn-beijing") []
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    entry 1 enterprise Some("cn-hangzhou") []
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    "#);
}

#[test]
fn a_personal_config_map() {
    insta::assert_snapshot!(report(include_str!("../fixtures/personal-configmap.yaml")), @r#"
    entry 0 personal Some("cn-hangzhou") ["registry.cn-hangzhou.aliyuncs.com", "registry-vpc.cn-hangzhou.aliyuncs.com", "registry-internal.cn-hangzhou.aliyuncs.com", "registry-intl.cn-hangzhou.aliyuncs.com", "registry-intl-vpc.cn-hangzhou.aliyuncs.com"]
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    "#);
}

#[test]
fn a_broken_indentation() {
    insta::assert_snapshot!(report(include_str!("../fixtures/personal-broken-indent.yaml")), @r#"
    error SyntaxError acr-registry-info 2:5 @9
      not YAML: regionId starts in column 5, the field above it in column 3
      write the line as `  regionId: "***"`
            regionId: "***"
            ^
    "#);
}

#[test]
fn two_strings_for_domains() {
    insta::assert_snapshot!(report(include_str!("../fixtures/domains-two-strings.yaml")), @r#"
    error SyntaxError acr-registry-info 3:27 @10
      not YAML: domains has several quoted texts; it needs one, with commas inside
      write the line as `  domains: "***,***"`
          domains: "***","***"
                        ^
    "#);
}

#[test]
fn slashes_for_comments() {
    insta::assert_snapshot!(report(include_str!("../fixtures/keys-slash-comment.yaml")), @r#"
    error SyntaxError acr-registry-info 3:28 @10
      not YAML: `//` starts no comment in YAML, `#` does
      write the line as `  customAccessKey: "***" # …`
          customAccessKey: "***" // *** ***
                                 ^
    "#);
}

#[test]
fn rrsa_across_accounts() {
    insta::assert_snapshot!(report(include_str!("../fixtures/rrsa-fragment.yaml")), @r#"
    warning SystemNamespaceInScope watch-namespace 1:1 @3
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        all
        ^^^
    warning PlaceholderNotReplaced acr-registry-info 1:15 @7
      the placeholder `cri-xxx` of instanceId was not replaced
      write your own value for instanceId
        - instanceId: "cri-xxx"
                      ^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 3:12 @9
      the placeholder `xxxxx-registry.cn-hangzhou.cr.aliyuncs.com` of domains was not replaced
      write your own value for domains
          domains: "xxxxx-registry.cn-hangzhou.cr.aliyuncs.com"
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 4:16 @10
      the placeholder `<ARN of the role in account A>` of rrsaRoleARN was not replaced
      write your own value for rrsaRoleARN
          rrsaRoleARN: "<ARN of the role in account A>"
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 5:28 @11
      the placeholder `<ARN of the cluster's OIDC provider in account A>` of rrsaOIDCProviderRoleARN was not replaced
      write your own value for rrsaOIDCProviderRoleARN
          rrsaOIDCProviderRoleARN: "<ARN of the cluster's OIDC provider in account A>"
                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 6:18 @12
      the placeholder `<ARN of the role in account B>` of assumeRoleARN was not replaced
      write your own value for assumeRoleARN
          assumeRoleARN: "<ARN of the role in account B>"
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    entry 0 enterprise Some("cn-hangzhou") []
      not served: assumeRoleARN still holds a placeholder
    "#);
}

#[test]
fn worker_role_across_accounts() {
    insta::assert_snapshot!(report(include_str!("../fixtures/worker-role-fragment.yaml")), @r#"
    warning SystemNamespaceInScope watch-namespace 1:1 @3
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        all
        ^^^
    warning PlaceholderNotReplaced acr-registry-info 1:15 @7
      the placeholder `cri-xxx` of instanceId was not replaced
      write your own value for instanceId
        - instanceId: "cri-xxx"
                      ^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 3:12 @9
      the placeholder `xxxxx-registry.cn-hangzhou.cr.aliyuncs.com` of domains was not replaced
      write your own value for domains
          domains: "xxxxx-registry.cn-hangzhou.cr.aliyuncs.com"
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 4:18 @10
      the placeholder `<ARN of the role in account B>` of assumeRoleARN was not replaced
      write your own value for assumeRoleARN
          assumeRoleARN: "<ARN of the role in account B>"
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    entry 0 enterprise Some("cn-hangzhou") []
      not served: assumeRoleARN still holds a placeholder
    "#);
}

#[test]
fn access_key_across_accounts() {
    insta::assert_snapshot!(report(include_str!("../fixtures/access-key-fragment.yaml")), @r#"
    warning SystemNamespaceInScope watch-namespace 1:1 @3
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        all
        ^^^
    warning EmptyInstanceId acr-registry-info 1:15 @7
      an empty instanceId means the Personal Edition, also with keys
      for an Enterprise instance write its id, `instanceId: "cri-…"`
        - instanceId: "" # …
                      ^^
    warning InlineAccessKey acr-registry-info 3:3 @9
      an AccessKey stands in plain text in the ConfigMap
      put it into a Secret and name that with customAccessKeySecretRef
          customAccessKey: "***"
          ^^^^^^^^^^^^^^^
    warning PlaceholderNotReplaced acr-registry-info 3:20 @9
      the placeholder of customAccessKey was not replaced
      write your own value for customAccessKey
          customAccessKey: "***"
                           ^^^^^
    warning PlaceholderNotReplaced acr-registry-info 4:26 @10
      the placeholder of customAccessKeySecret was not replaced
      write your own value for customAccessKeySecret
          customAccessKeySecret: "***"
                                 ^^^^^
    entry 0 personal Some("cn-hangzhou") ["registry.cn-hangzhou.aliyuncs.com", "registry-vpc.cn-hangzhou.aliyuncs.com", "registry-internal.cn-hangzhou.aliyuncs.com", "registry-intl.cn-hangzhou.aliyuncs.com", "registry-intl-vpc.cn-hangzhou.aliyuncs.com"]
      AccessKey in the entry
    "#);
}

#[test]
fn immediate_use() {
    insta::assert_snapshot!(report(include_str!("../fixtures/webhook-configmap.yaml")), @r#"
    warning SystemNamespaceInScope watch-namespace 1:1 @11
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        all
        ^^^
    entry 0 enterprise Some("cn-hangzhou") []
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    "#);
}

#[test]
fn add_on_parameters() {
    insta::assert_snapshot!(report(include_str!("../fixtures/managed.json")), @r#"
    warning SystemNamespaceInScope add-on-parameters 1:288 @1
      namespaces of the system are in scope: kube-system,kube-public,kube-node-lease
      exclude them with `exclude-namespace: "kube-system,kube-public,kube-node-lease"`, unless their pods need private images
        …notifyEmail":"","serviceAccount":"default","watchNamespace":"all"}
                                                                     ^^^^^
    entry 0 enterprise Some("cn-hangzhou") []
      worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    "#);
}

#[test]
fn a_fresh_install() {
    insta::assert_snapshot!(report(include_str!("../fixtures/shell-configmap.yaml")), @r#"
    error RegistryInfoMissing acr-registry-info 1:1 @9
      acr-registry-info has no entries: it is absent, null, empty or commented out
      add an entry, `- instanceId: "cri-…"`, or write `acr-registry-info: []` to remove all pull secrets
        # …
        ^^^
    "#);
}

#[test]
fn a_deployment() {
    insta::assert_snapshot!(report(include_str!("../fixtures/deployment-basic.yaml")), @r#"
    error UnknownForm
      the manifest is of kind Deployment, not ConfigMap
      check the manifest of the ConfigMap acr-configuration
    "#);
}

#[test]
fn a_deployment_with_its_service_account() {
    insta::assert_snapshot!(report(include_str!("../fixtures/deployment-service-account.yaml")), @r#"
    error SeveralDocuments 4:1 @4
      a second YAML document starts here
      remove the line `---` and what follows it
        ---
        ^
    "#);
}
