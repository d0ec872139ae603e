//! Faults of entries: each list with every finding it gets, exactly.
#![cfg(test)]

mod support;

use support::{entries, told};

/// What is wrong, the list, and `severity code line:column` of each finding.
type Fault = (&'static str, &'static str, &'static [&'static str]);

const FAULTS: &[Fault] = &[
    ("no id", "- regionId: cn-hangzhou", &["error InstanceIdMissing 1:3"]),
    ("id 0", "- instanceId: 0", &["error WrongType 1:15"]),
    ("id is a list", "- instanceId: [a]", &["error WrongType 1:15"]),
    ("id is a boolean", "- instanceId: true", &["error WrongType 1:15"]),
    ("id is only commas", "- instanceId: ','", &["error InvalidValue 1:15"]),
    ("name for id", "- instanceId: acme", &["warning UnusualInstanceId 1:15"]),
    ("name with a space", "- instanceId: acme registry", &["error InvalidValue 1:15"]),
    ("nothing after cri-", "- instanceId: cri-", &["error InvalidValue 1:15"]),
    ("ids without a comma", "- instanceId: cri-1 cri-2", &["error InvalidValue 1:15"]),
    (
        "the second is a host",
        "- instanceId: 'cri-1,acme-registry.cn-hangzhou.cr.aliyuncs.com'",
        &["error InvalidValue 1:22"],
    ),
    ("an id in other brackets", "- instanceId: '(cri-1)'", &["error InvalidValue 1:15"]),
    ("an id in large letters", "- instanceId: cri-ABC", &["warning UnusualInstanceId 1:15"]),
    ("an id with a hyphen", "- instanceId: cri-1,cri-a-b", &["warning UnusualInstanceId 1:21"]),
    ("new Personal", "- instanceId: crpi-abc", &["warning NewPersonalEdition 1:15"]),
    ("one new Personal of two", "- instanceId: cri-1,crpi-abc", &["warning NewPersonalEdition 1:21"]),
    ("Personal", "- instanceId: ''", &[]),
    (
        "Personal with hosts of its own, and one that nobody documents",
        "- instanceId: ''\n  regionId: cn-hangzhou\n  domains: registry-vpc.cn-hangzhou.aliyuncs.com/team,registry.aliyuncs.com",
        &[],
    ),
    (
        "Personal with a host of an Enterprise instance",
        "- instanceId: ''\n  domains: 'registry.cn-beijing.aliyuncs.com,acme-registry.cn-hangzhou.cr.aliyuncs.com:443'",
        &["warning HostNotOfInstance 2:46"],
    ),
    (
        "Personal with a host of another region",
        "- instanceId: ''\n  regionId: cn-hangzhou\n  domains: registry.cn-beijing.aliyuncs.com",
        &["warning HostNotOfInstance 3:12"],
    ),
    (
        "Personal with a host that nobody replaced",
        "- instanceId: ''\n  domains: xxx.com",
        &["warning PlaceholderNotReplaced 2:12"],
    ),
    ("Personal by null", "- instanceId:", &["warning EmptyInstanceId 1:13"]),
    (
        "a Secret without namespace and name",
        "- instanceId: cri-1\n  customAccessKeySecretRef: {}",
        &["error IncompletePair 2:29", "error IncompletePair 2:29"],
    ),
    ("an entry that is null", "-", &["error WrongType 1:2"]),
    ("an entry that is text", "- cri-1", &["error WrongType 1:3"]),
    ("an entry that is a list", "- - cri-1", &["error WrongType 1:3"]),
    ("a field twice", "- instanceId: cri-1\n  instanceId: cri-2", &["error DuplicateKey 2:3"]),
    ("both spellings of a field", "- instanceId: cri-1\n  InstanceId: cri-1", &["error DuplicateKey 2:3"]),
    ("misspelled", "- instanceID: cri-1", &["error InstanceIdMissing 1:3", "error MisspelledField 1:3"]),
    ("misspelled", "- {instanceId: cri-1, region: x}", &["error MisspelledField 1:23"]),
    (
        "unknown beside the known one",
        "- {instanceId: cri-1, regionId: cn-beijing, region: x}",
        &["warning UnknownField 1:45"],
    ),
    ("unknown", "- {instanceId: cri-1, color: red}", &["warning UnknownField 1:23"]),
    ("region", "- {instanceId: cri-1, regionId: cn-hangzhuo}", &["warning UnknownRegion 1:33"]),
    ("no region at all", "- {instanceId: cri-1, regionId: 'a b'}", &["warning UnknownRegion 1:33"]),
    ("region list", "- {instanceId: cri-1, regionId: [a]}", &["error WrongType 1:33"]),
    ("domains as a list", "- {instanceId: cri-1, domains: [a.example.com]}", &["error WrongType 1:32"]),
    (
        "domains",
        "- instanceId: cri-1\n  domains: \"a b, https://c.example.com ,*.d\"",
        &["error InvalidDomain 2:13", "warning DomainWithScheme 2:18", "error InvalidDomain 2:41"],
    ),
    (
        "a host twice in one entry",
        "- {instanceId: cri-1, domains: 'a.com,b.com, https://a.com,a.com/x'}",
        &["warning DomainWithScheme 1:46", "warning DuplicateHost 1:46"],
    ),
    (
        "new Personal host",
        "- {instanceId: cri-1, domains: crpi-a.cn-hangzhou.personal.cr.aliyuncs.com}",
        &["warning NewPersonalEdition 1:32"],
    ),
    (
        "new Personal host beside another",
        "- {instanceId: cri-1, domains: 'a.com,crpi-a.cn-hangzhou.personal.cr.aliyuncs.com/x'}",
        &["warning NewPersonalEdition 1:39"],
    ),
    (
        "hop",
        "- {instanceId: cri-1, assumeRoleARN: 'acs:ram::1:user/x', expireDuration: 899}",
        &["error InvalidArn 1:38", "error OutOfRange 1:75"],
    ),
    (
        "hop too long",
        "- {instanceId: cri-1, assumeRoleARN: 'acs:ram::1:role/x', expireDuration: '43201'}",
        &["error OutOfRange 1:75"],
    ),
    (
        "hop with a unit",
        "- {instanceId: cri-1, assumeRoleARN: 'acs:ram::1:role/x', expireDuration: 3600s}",
        &["error WrongType 1:75"],
    ),
    (
        "negative and fractional durations",
        "- {instanceId: cri-1, expireDuration: -1}\n- {instanceId: cri-2, expireDuration: 3600.0}",
        &["warning NoEffect 1:23", "error OutOfRange 1:39", "warning NoEffect 2:23", "error WrongType 2:39"],
    ),
    (
        "without a hop nothing needs them",
        "- {instanceId: cri-1, expireDuration: 3600, externalId: ab}",
        &["warning NoEffect 1:23", "warning NoEffect 1:45"],
    ),
    (
        "external id",
        "- {instanceId: cri-1, assumeRoleARN: 'acs:ram::1:role/x', externalId: 'a b'}",
        &["error InvalidValue 1:71"],
    ),
    (
        "half a key",
        "- {instanceId: cri-1, customAccessKey: LTAIx}",
        &["error IncompletePair 1:23", "warning InlineAccessKey 1:23"],
    ),
    (
        "the other half",
        "- {instanceId: cri-1, customAccessKeySecret: s}",
        &["error IncompletePair 1:23", "warning InlineAccessKey 1:23"],
    ),
    (
        "empty half",
        "- {instanceId: cri-1, customAccessKey: LTAIx, customAccessKeySecret: ''}",
        &["error IncompletePair 1:23", "warning InlineAccessKey 1:23"],
    ),
    (
        "a key with a blank",
        "- {instanceId: cri-1, customAccessKey: LTAI x, customAccessKeySecret: s}",
        &["warning InlineAccessKey 1:23", "error InvalidValue 1:40"],
    ),
    (
        "a key of no text",
        "- {instanceId: cri-1, customAccessKey: [a], customAccessKeySecret: s}",
        &["warning InlineAccessKey 1:23", "error WrongType 1:40"],
    ),
    (
        "empty id with keys",
        "- {instanceId: '', customAccessKey: a, customAccessKeySecret: b}",
        &["warning EmptyInstanceId 1:16", "warning InlineAccessKey 1:20"],
    ),
    (
        "half of RRSA, and RRSA off",
        "- {instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:role/x'}",
        &["error IncompletePair 1:23", "warning ArnsWithoutRrsa 1:23"],
    ),
    (
        "RRSA ARNs swapped",
        "- instanceId: cri-1\n  rrsaRoleARN: acs:ram::1:oidc-provider/p\n  rrsaOIDCProviderRoleARN: acs:ram::1:role/x",
        &["warning ArnsWithoutRrsa 2:3", "error InvalidArn 2:16", "error InvalidArn 3:28"],
    ),
    (
        "RRSA of two accounts",
        "- instanceId: cri-1\n  rrsaRoleARN: acs:ram::1:role/x\n  rrsaOIDCProviderRoleARN: acs:ram::2:oidc-provider/p",
        &["warning ArnsWithoutRrsa 2:3", "error IncompletePair 3:3"],
    ),
    (
        "reference without a name",
        "- {instanceId: cri-1, customAccessKeySecretRef: {namespace: a}}",
        &["error IncompletePair 1:49"],
    ),
    (
        "reference as a text",
        "- {instanceId: cri-1, customAccessKeySecretRef: a/b}",
        &["error WrongType 1:49"],
    ),
    (
        "impossible reference, misspelled field in it",
        "- {instanceId: cri-1, staticSecretRef: {namespace: A, names: b}}",
        &[
            "warning NoEffect 1:4",
            "error IncompletePair 1:40",
            "error InvalidValue 1:52",
            "error MisspelledField 1:55",
        ],
    ),
    (
        "a pull secret and the journal as references",
        "- {staticSecretRef: {namespace: shop, name: acr-credential-secret-aggregation}}\n\
         - {instanceId: cri-1, customAccessKeySecretRef: {namespace: kube-system, name: acr-credential-helper-state}}",
        &["error InvalidValue 1:45", "error InvalidValue 2:80"],
    ),
    (
        "a role to assume beside a login that somebody wrote down",
        "- {staticSecretRef: {namespace: a, name: b}, assumeRoleARN: 'acs:ram::1:role/x', endpoint: vpc}",
        &["warning NoEffect 1:46", "warning NoEffect 1:82"],
    ),
    (
        "an instance and a region beside a login that somebody wrote down",
        "- {staticSecretRef: {namespace: a, name: b}, instanceId: cri-1, regionId: cn-beijing}\n\
         - {staticSecretRef: {namespace: a, name: c}, instanceId: '', regionId: ''}",
        &["warning NoEffect 1:46", "warning NoEffect 1:65"],
    ),
    (
        "the key of a session",
        "- {instanceId: cri-1, customAccessKey: STS.NU, customAccessKeySecret: b}",
        &["warning InlineAccessKey 1:23", "warning SessionKeyWithoutToken 1:40"],
    ),
    (
        "one instance in two regions",
        "- {instanceId: 'cri-1,cri-2', regionId: cn-beijing}\n- {instanceId: cri-3, regionId: cn-qingdao}\n\
         - {instanceId: cri-2, regionId: cn-qingdao}",
        &["warning InstanceInTwoRegions 3:16"],
    ),
    (
        "one instance in a region and in that of the cluster",
        "- {instanceId: cri-1, domains: a.com, regionId: cn-beijing}\n- {instanceId: cri-1, domains: b.com}",
        &[],
    ),
    (
        "several identities",
        "- instanceId: cri-1\n  customAccessKey: a\n  customAccessKeySecret: b\n  customAccessKeySecretRef: {namespace: a, name: b}",
        &["warning InlineAccessKey 2:3", "warning SeveralIdentities 2:3"],
    ),
    ("endpoint", "- {instanceId: cri-1, endpoint: vcp}", &["error InvalidValue 1:33"]),
    (
        "impossible names",
        "- {instanceId: cri-1, namespaces: 'a,B,c_*', serviceAccounts: [Default, X]}",
        &["warning ImpossibleName 1:38", "warning ImpossibleName 1:40", "warning ImpossibleName 1:73"],
    ),
    ("names of no text", "- {instanceId: cri-1, namespaces: [[a]]}", &["error WrongType 1:36"]),
    ("names as a mapping", "- {instanceId: cri-1, namespaces: {a: b}}", &["error WrongType 1:35"]),
];

#[test]
fn every_fault_of_an_entry_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for (what, list, expected) in FAULTS {
        let found = told(&entries(list).findings);
        let found: Vec<String> = found.iter().map(|line| line.replace(" acr-registry-info", "")).collect();
        if found != *expected {
            wrong.push(format!("{what}: {list}\n     found {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_key_of_a_session_is_not_served_and_not_shown() {
    let loaded = entries("- {instanceId: cri-1, customAccessKey: STS.MARKER, customAccessKeySecret: b}");
    let finding = loaded.findings.iter().find(|finding| finding.code == "SessionKeyWithoutToken").unwrap();
    assert!(finding.remedy.contains("customAccessKeySecretRef"), "{}", finding.remedy);
    assert!(!support::seen(&loaded.findings).contains("MARKER"));
    assert!(loaded.configuration.unwrap().entries[0].unsupported.is_some());
    // Where another identity wins, it is the business of nobody.
    let other = "- {instanceId: cri-1, customAccessKey: STS.x, customAccessKeySecret: b, customAccessKeySecretRef: {namespace: a, name: b}}";
    let loaded = entries(other);
    assert_eq!(loaded.configuration.unwrap().entries[0].unsupported, None);
}

#[test]
fn a_role_that_is_to_assume_itself_is_told() {
    let list = "- {instanceId: cri-1, rrsaRoleARN: 'acs:ram::1:role/x', rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p', assumeRoleARN: 'acs:ram::1:role/x'}";
    let on = support::loaded(&[("acr-registry-info", list), ("rrsa", "enable: true")]);
    assert_eq!(told(&on.findings), ["warning SameRoleTwice acr-registry-info 1:112"]);
    let other = support::loaded(&[
        ("acr-registry-info", &list.replace("role/x'}", "role/y'}")),
        ("rrsa", "enable: true"),
    ]);
    assert_eq!(told(&other.findings), support::NOTHING);
    // Without RRSA it is a hop like any other.
    let off = entries(list);
    assert_eq!(told(&off.findings), ["warning ArnsWithoutRrsa acr-registry-info 1:23"]);
}

#[test]
fn the_new_personal_edition_is_told_with_its_date_and_the_way_out_by_its_id_and_by_its_hosts() {
    for list in [
        "- instanceId: crpi-abc",
        "- {instanceId: cri-1, domains: crpi-a.cn-hangzhou.personal.cr.aliyuncs.com}",
        "- {instanceId: cri-1, domains: 'crpi-a.cn-hangzhou.personal.cr.aliyuncs.com:443'}",
    ] {
        let loaded = entries(list);
        let finding = loaded.findings.iter().find(|finding| finding.code == "NewPersonalEdition").unwrap();
        assert!(finding.message.contains("2024-09-08"), "{list}: {}", finding.message);
        assert!(finding.remedy.contains("staticSecretRef and domains"), "{list}: {}", finding.remedy);
        let unsupported = loaded.configuration.unwrap().entries[0].unsupported.clone().unwrap();
        assert!(unsupported.to_string().contains("2024-09-08"), "{list}: {unsupported}");
    }
}

#[test]
fn a_host_of_the_new_personal_edition_beside_others_is_left_out_and_these_are_served() {
    let domains = "domains: 'a.com,crpi-a.cn-hangzhou.personal.cr.aliyuncs.com,b.com'";
    let hosts = |list: &str| {
        let entry = entries(list).configuration.unwrap().entries.remove(0);
        assert_eq!(entry.unsupported, None);
        entry.domains.unwrap().into_iter().map(|domain| domain.host).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&format!("- {{instanceId: cri-1, {domains}}}")), ["a.com", "b.com"]);
    assert_eq!(hosts(&format!("- {{instanceId: '', {domains}}}")), ["a.com", "b.com"]);
    // A login that somebody wrote down is of use there.
    let all = hosts(&format!("- {{staticSecretRef: {{namespace: n, name: s}}, {domains}}}"));
    assert_eq!(all.len(), 3);
}
