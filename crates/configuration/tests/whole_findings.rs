//! What a user reads about the identity and the edition of an entry that cannot be as it is written: code, message and remedy,
//! whole.

#![cfg(test)]

mod support;

use acr_configuration::{Assumptions, Finding, Source, TokenMode, load};
use support::{document, entries, loaded, source};

fn shown(findings: &[Finding]) -> String {
    let line = |finding: &Finding| format!("{} {}: {finding}", finding.severity.as_str(), finding.code);
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What is found about a list of entries, but that inline keys are better kept elsewhere.
fn told(list: &str) -> String {
    let findings = entries(list).findings;
    shown(&findings.into_iter().filter(|finding| finding.code != "InlineAccessKey").collect::<Vec<_>>())
}

/// The same with RRSA on.
fn told_with_rrsa(list: &str) -> String {
    shown(&loaded(&[("acr-registry-info", list), ("rrsa", "enable: true")]).findings)
}

#[test]
fn keys_in_an_entry() {
    insta::assert_snapshot!(shown(&entries("- {instanceId: cri-1, customAccessKey: LTAIx, customAccessKeySecret: s}").findings), @"warning InlineAccessKey: acr-registry-info, line 1, column 23: an AccessKey stands in plain text in the ConfigMap; put it into a Secret and name that with customAccessKeySecretRef");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKey: LTAIx}"), @"error IncompletePair: acr-registry-info, line 1, column 23: customAccessKey is given without customAccessKeySecret; add customAccessKeySecret, or remove customAccessKey");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKey: LTAI x, customAccessKeySecret: s}"), @"error InvalidValue: acr-registry-info, line 1, column 40: customAccessKey has white space in it; write the key in one piece");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKey: STS.x, customAccessKeySecret: s}"), @"warning SessionKeyWithoutToken: acr-registry-info, line 1, column 40: customAccessKey begins with `STS.`: it is the key of a session, and without its security token Alibaba Cloud refuses it; write the key of a RAM user, or put access-key-id, access-key-secret and security-token into a Secret and name that with customAccessKeySecretRef; this entry is not served");
    insta::assert_snapshot!(told("- {instanceId: '', customAccessKey: LTAIx, customAccessKeySecret: s}"), @r#"warning EmptyInstanceId: acr-registry-info, line 1, column 16: an empty instanceId means the Personal Edition, also with keys; for an Enterprise instance write its id, `instanceId: "cri-…"`"#);
}

#[test]
fn references_to_secrets() {
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKeySecretRef: {namespace: infra}}"), @"error IncompletePair: acr-registry-info, line 1, column 49: customAccessKeySecretRef has no name; write both: `customAccessKeySecretRef: {namespace: …, name: …}`");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKeySecretRef: {namespace: infra, name: A_b}}"), @"error InvalidValue: acr-registry-info, line 1, column 74: `A_b` cannot be the name of a Secret; write the name as `kubectl get secret -A` shows it");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKeySecretRef: {namespace: infra, name: acr-credential-helper-state}}"), @"error InvalidValue: acr-registry-info, line 1, column 74: customAccessKeySecretRef names the Secret acr-credential-helper-state, which the component itself writes; name the Secret into which you have put the login or the key");
    insta::assert_snapshot!(told("- {staticSecretRef: {namespace: infra, name: quay}, instanceId: cri-1}"), @"warning NoEffect: acr-registry-info, line 1, column 53: instanceId has no effect beside staticSecretRef, whose login is published as it is; remove instanceId, or staticSecretRef");
    insta::assert_snapshot!(told("- {instanceId: cri-1, customAccessKey: LTAIx, customAccessKeySecret: s, customAccessKeySecretRef: {namespace: infra, name: key}}"), @"warning SeveralIdentities: acr-registry-info, line 1, column 23: the entry has customAccessKeySecretRef and customAccessKey; customAccessKeySecretRef wins; remove customAccessKey, or customAccessKeySecretRef");
}

#[test]
fn roles_and_providers() {
    const PROVIDER: &str = "rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'";
    insta::assert_snapshot!(told_with_rrsa("- {instanceId: cri-1}"), @"warning RrsaWithoutArns: acr-registry-info, line 1, column 3: RRSA is enabled, but the entry has no rrsaRoleARN and rrsaOIDCProviderRoleARN; add both ARNs; without them the entry uses the identity of tokenMode");
    insta::assert_snapshot!(told(&format!("- {{instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:role/x', {PROVIDER}}}")), @"warning ArnsWithoutRrsa: acr-registry-info, line 1, column 23: rrsaRoleARN has no effect: RRSA is not enabled; add the key `rrsa` with `enable: true` (add-on parameter `enableRRSA: true`), or remove the ARNs");
    insta::assert_snapshot!(told_with_rrsa("- {instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:role/x'}"), @"error IncompletePair: acr-registry-info, line 1, column 23: rrsaRoleARN is given without rrsaOIDCProviderRoleARN; add rrsaOIDCProviderRoleARN, or remove rrsaRoleARN");
    insta::assert_snapshot!(told_with_rrsa(&format!("- {{instanceId: cri-1, rrsaRoleARN: 'acs:ram::2:role/x', {PROVIDER}}}")), @"error IncompletePair: acr-registry-info, line 1, column 57: the OIDC provider is of account `1`, the role of account `2`; a role can only trust a provider of its own; write the provider and the role of the cluster's account; the hop into another account is assumeRoleARN");
    insta::assert_snapshot!(told_with_rrsa(&format!("- {{instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:oidc-provider/p', {PROVIDER}}}")), @"error InvalidArn: acr-registry-info, line 1, column 36: rrsaRoleARN `acs:ram::1:oidc-provider/p` is no ARN of this kind: it names an OIDC provider, not a role; write `acs:ram::<account id>:role/<role name>`");
    insta::assert_snapshot!(told_with_rrsa(&format!("- {{instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:role/x', {PROVIDER}, assumeRoleARN: 'acs:ram::1:role/x'}}")), @"warning SameRoleTwice: acr-registry-info, line 1, column 112: assumeRoleARN names the role of rrsaRoleARN, which the component has by then: it is asked to let itself in; remove assumeRoleARN where the instance is of the same account, else name a role of the instance's account");
    insta::assert_snapshot!(told("- {instanceId: cri-1, assumeRoleARN: 'acs:ram:1:role/x', expireDuration: 60}"), @"
    error InvalidArn: acr-registry-info, line 1, column 38: assumeRoleARN `acs:ram:1:role/x` is no ARN of this kind: RAM has no region: two colons follow acs:ram; write `acs:ram::<account id>:role/<role name>`
    error OutOfRange: acr-registry-info, line 1, column 74: expireDuration must be from 900 to 43200, found `60`; write a number from 900 to 43200
    ");
    insta::assert_snapshot!(told("- {instanceId: cri-1, expireDuration: 3600}"), @"warning NoEffect: acr-registry-info, line 1, column 23: expireDuration has no effect without assumeRoleARN; remove expireDuration, or add assumeRoleARN");
    insta::assert_snapshot!(told("- {instanceId: cri-1, assumeRoleARN: 'acs:ram::1:role/x', externalId: 'a b'}"), @"error InvalidValue: acr-registry-info, line 1, column 71: externalId is not 2 to 1224 letters, digits and _ + = , . @ : / -; write the external id that the trust policy of the role asks for");
}

#[test]
fn a_managed_role_that_is_to_assume_another() {
    let mut read =
        document("- {instanceId: cri-1, regionId: cn-hangzhou, assumeRoleARN: 'acs:ram::1:role/x'}");
    let token_mode = Some(TokenMode::ManagedRole);
    read.summarize(&Assumptions { token_mode, ..Assumptions::default() });
    insta::assert_snapshot!(shown(&read.loaded.findings), @"warning AssumeRoleUnderManagedRole: acr-registry-info, line 1, column 3: the managed role cannot assume the role of assumeRoleARN; use tokenMode workerRole, or RRSA, with the policy AliyunSTSAssumeRoleAccess on that role");
}

#[test]
fn editions_instances_and_hosts() {
    insta::assert_snapshot!(told("- regionId: cn-hangzhou"), @r#"error InstanceIdMissing: acr-registry-info, line 1, column 3: the entry has no instanceId; write `instanceId: "cri-…"`; only `instanceId: ""` means the Personal Edition"#);
    insta::assert_snapshot!(told("- instanceId: acme"), @"warning UnusualInstanceId: acr-registry-info, line 1, column 15: `acme` does not look like the id of an instance; write the id, which starts with `cri-`, not the name of the instance");
    insta::assert_snapshot!(told("- instanceId: crpi-abc"), @"warning NewPersonalEdition: acr-registry-info, line 1, column 15: `crpi-abc` is an instance of the new Personal Edition (opened after 2024-09-08), for which ACR hands out no temporary login; give it an entry with staticSecretRef and domains; this one is not served");
    insta::assert_snapshot!(told("- {instanceId: cri-1, domains: crpi-a.cn-hangzhou.personal.cr.aliyuncs.com}"), @"warning NewPersonalEdition: acr-registry-info, line 1, column 32: `crpi-a.cn-hangzhou.personal.cr.aliyuncs.com` belongs to the new Personal Edition (opened after 2024-09-08), for which ACR hands out no temporary login: it is not served; give it an entry with staticSecretRef and domains");
    insta::assert_snapshot!(told("- {instanceId: '', regionId: cn-hangzhou, domains: 'a-registry.cn-hangzhou.cr.aliyuncs.com,registry-vpc.cn-beijing.aliyuncs.com'}"), @r#"
    warning HostNotOfInstance: acr-registry-info, line 1, column 53: `a-registry.cn-hangzhou.cr.aliyuncs.com` is no host of the Personal Edition, which an empty instanceId means: it is published all the same; for an Enterprise instance write its id, `instanceId: "cri-…"`; the Personal Edition has hosts such as `registry.cn-hangzhou.aliyuncs.com`
    warning HostNotOfInstance: acr-registry-info, line 1, column 92: `registry-vpc.cn-beijing.aliyuncs.com` is a host of the Personal Edition in cn-beijing, and the entry is that of cn-hangzhou: it is published all the same; write `regionId: cn-beijing`, or `registry-vpc.cn-hangzhou.aliyuncs.com`
    "#);
    insta::assert_snapshot!(told("- instanceId: cri-1 cri-2"), @"error InvalidValue: acr-registry-info, line 1, column 15: `cri-1 cri-2` cannot be the id of an instance: an id is `cri-` with letters and digits after it; copy the id from the page of the instance in the console of ACR; several are separated by commas");
    insta::assert_snapshot!(told("- instanceId: cri-ABC"), @"warning UnusualInstanceId: acr-registry-info, line 1, column 15: `cri-ABC` does not look like the id of an instance: no id is known to have more than small letters and digits after `cri-`; compare it with the page of the instance in the console of ACR");
    insta::assert_snapshot!(told("- {instanceId: cri-1, regionId: cn-hangzhuo}"), @"warning UnknownRegion: acr-registry-info, line 1, column 33: `cn-hangzhuo` is no known region; write `cn-hangzhou`, if that is what is meant");
    insta::assert_snapshot!(told("- {instanceId: cri-1, domains: '[2001:db8::1]:5000'}"), @"error InvalidDomain: acr-registry-info, line 1, column 32: `[2001:db8::1]:5000` in domains is no registry domain: an IPv6 address is not supported here, write a host name that resolves to it; write `host`, `host:port` or `host/namespace`, several separated by commas");
    insta::assert_snapshot!(told("- {instanceId: cri-1, domains: a.com}\n- {instanceId: cri-2, domains: a.com}"), @"warning DuplicateHost: acr-registry-info, line 2, column 32: entry 0 publishes `a.com` already, and the first entry wins; remove it from one entry, narrow the entries by namespaces, or write `host/namespace`");
    insta::assert_snapshot!(told("- {instanceId: cri-1, regionId: cn-beijing}\n- {instanceId: cri-1, regionId: cn-qingdao}"), @"warning InstanceInTwoRegions: acr-registry-info, line 2, column 16: `cri-1` is said to be in `cn-qingdao` here and in `cn-beijing` in entry 0; an instance is in one region; its page in the console of ACR names its region: correct `regionId` or `instanceId` of one of the two");
    let both = [("acr-registry-info", "[]"), ("add-on-parameters", r#"{"AcrInstanceInfo":[]}"#)];
    insta::assert_snapshot!(shown(&loaded(&both).findings), @"error BothForms: acr-registry-info: acr-registry-info stands beside the key add-on-parameters, which says the same; keep one form: remove acr-registry-info from the ConfigMap, or leave the key add-on-parameters out");
    let of_file = load(&source(&both[..1]).with_parameters(r#"{"AcrInstanceInfo":[]}"#));
    insta::assert_snapshot!(shown(&of_file.findings), @"error BothForms: acr-registry-info: acr-registry-info stands beside --parameters FILE, which says the same; keep one form: remove acr-registry-info from the ConfigMap, or leave --parameters FILE out");
    let keyed = load(&source(&both[..1]).with_parameters(r#"{"acr-registry-info":"[]"}"#));
    insta::assert_snapshot!(shown(&keyed.findings), @"error BothForms: acr-registry-info: acr-registry-info stands beside --parameters FILE, which says the same; keep one form: remove acr-registry-info from the ConfigMap, or leave --parameters FILE out");
}

#[test]
fn parameters_that_mix_both_spellings() {
    let told = |json: &str| {
        let findings = document(json).loaded.findings;
        let in_force = load(&Source::from_parameters(json)).findings;
        assert_eq!(shown(&findings), shown(&in_force));
        findings
            .iter()
            .map(|finding| format!("{}\n{}", shown(std::slice::from_ref(finding)), support::caret(finding)))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(told(r#"{"AcrInstanceInfo":[],"acr-registry-info":"[]","watch-namespace":"a"}"#), @r#"
    error BothForms: add-on-parameters, line 1, column 23: `acr-registry-info` is a key of the ConfigMap, and stands beside the parameters of the add-on; one object has one spelling; remove it: `AcrInstanceInfo` says the same
    {"AcrInstanceInfo":[],"acr-registry-info":"***","watch-namespace":"***"}
                          ^^^^^^^^^^^^^^^^^^^
    error BothForms: add-on-parameters, line 1, column 48: `watch-namespace` is a key of the ConfigMap, and stands beside the parameters of the add-on; one object has one spelling; write `watchNamespace`
    {"AcrInstanceInfo":[],"acr-registry-info":"***","watch-namespace":"***"}
                                                    ^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(told(r#"{"AcrInstanceInfo":[],"acr-registry-info":"[]","watchNamespace":"a"}"#), @r#"
    error BothForms: add-on-parameters, line 1, column 23: `acr-registry-info` is a key of the ConfigMap, and stands beside the parameters of the add-on; one object has one spelling; remove it: `AcrInstanceInfo` says the same
    {"AcrInstanceInfo":[],"acr-registry-info":"***","watchNamespace":"***"}
                          ^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(told(r#"{"AcrInstanceInfo":[],"watch-namespace":"a","expiring-threshold":"15m"}"#), @r#"
    error BothForms: add-on-parameters, line 1, column 23: `watch-namespace` is a key of the ConfigMap, and stands beside the parameters of the add-on; one object has one spelling; write `watchNamespace`
    {"AcrInstanceInfo":[],"watch-namespace":"***","expiring-threshold":"***"}
                          ^^^^^^^^^^^^^^^^^
    error BothForms: add-on-parameters, line 1, column 45: `expiring-threshold` is a key of the ConfigMap, and stands beside the parameters of the add-on; one object has one spelling; write `expiringThreshold`
    {"AcrInstanceInfo":[],"watch-namespace":"***","expiring-threshold":"***"}
                                                  ^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(told(r#"{"acr-registry-info":"[]","watchNamespace":"a","enableRRSA":true,"tokenMode":"auto"}"#), @r#"
    error BothForms: add-on-parameters, line 1, column 27: `watchNamespace` is a parameter of the add-on, and stands beside the keys of the ConfigMap; one object has one spelling; write `watch-namespace`
    {"acr-registry-info":"***","watchNamespace":"***","enableRRSA":***,"tokenMode":"***"}
                               ^^^^^^^^^^^^^^^^
    error BothForms: add-on-parameters, line 1, column 48: `enableRRSA` is a parameter of the add-on, and stands beside the keys of the ConfigMap; one object has one spelling; write `"rrsa": "enable: true"`
    {"acr-registry-info":"***","watchNamespace":"***","enableRRSA":***,"tokenMode":"***"}
                                                      ^^^^^^^^^^^^
    "#);
}

#[test]
fn what_is_written_in_another_way_than_it_is_read() {
    let file = |text: &str| shown(&document(text).loaded.findings);
    insta::assert_snapshot!(file("- instanceId: cri-1\n\tregionId: cn-hangzhou\n"), @"error SyntaxError: line 2, column 1: not YAML: a tab in the indentation, where YAML allows spaces alone; write the line as `  regionId: ***-***`");
    insta::assert_snapshot!(file("kind: ConfigMap\nmetadata:\n\tlabels: {}\n"), @"error SyntaxError: line 3, column 1: not YAML: a tab in the indentation, where YAML allows spaces alone; write the line as `  ***: {}`");
    insta::assert_snapshot!(told("- instanceId: cri-1\n  domains: [a.com, b.com]"), @r#"error WrongType: acr-registry-info, line 2, column 12: domains must be a text, found a list; write what the list has as one text, separated by commas: `domains: "…,…"`"#);
    insta::assert_snapshot!(told("- instanceId: [cri-1, cri-2]"), @r#"error WrongType: acr-registry-info, line 1, column 15: instanceId must be a text, found a list; write what the list has as one text, separated by commas: `instanceId: "…,…"`"#);
    insta::assert_snapshot!(told("- {instanceId: cri-1, rrsaOIDCProviderARN: 'acs:ram::1:oidc-provider/p'}"), @"error MisspelledField: acr-registry-info, line 1, column 23: unknown field `rrsaOIDCProviderARN` in the entry; the nearest known one is `rrsaOIDCProviderRoleARN`; write `rrsaOIDCProviderRoleARN`, or remove the field");
    insta::assert_snapshot!(told("- instanceId:\n  regionId: cn-hangzhou"), @r#"warning EmptyInstanceId: acr-registry-info, line 1, column 13: instanceId has no value, which means the Personal Edition; write `instanceId: ""` if that is meant, else the id of the instance, `instanceId: "cri-…"`"#);
    insta::assert_snapshot!(file(r#"{"AcrInstanceInfo":[{"instanceId":"cri-1","customAccessKey":"LTAIx","customAccessKeySecret":"s"}]}"#), @"warning InlineAccessKey: add-on-parameters, line 1, column 43: an AccessKey stands in plain text in the add-on parameters; put it into a Secret and name that with customAccessKeySecretRef");
}
