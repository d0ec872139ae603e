//! Descriptions that are refused, and why.

use insta::assert_snapshot;

use super::*;

fn fault(text: &str) -> String {
    Description::parse(text).unwrap_err().to_string()
}

#[test]
fn an_unknown_field_is_named_with_its_place() {
    let text = "accounts:\n  - id: \"1\"\n    role: []\n";
    assert_snapshot!(fault(text), @"unknown field `role`, expected one of id, accessKeys, users, roles, oidcProviders at line 3, column 5; `acr-simulator example` prints a complete description");
}

#[test]
fn a_wrong_type_is_named_with_its_place_and_no_secret_is_shown() {
    let text = "accounts:\n  - id: \"1\"\n    accessKeys:\n      - {id: a, secret: hidden, status: On}\n";
    let fault = fault(text);
    assert!(!fault.contains("hidden"), "{fault}");
    assert_snapshot!(fault, @"unknown variant `On`, expected one of Active, Inactive at line 4, column 41; `acr-simulator example` prints a complete description");
}

#[test]
fn a_policy_that_ram_would_not_take_is_refused_with_its_place_and_what_to_write() {
    let policy = |statement: &str| {
        fault(&format!(
            "accounts:\n  - id: \"1\"\n    users:\n      - name: u\n        policies:\n          - Version: \"1\"\n            Statement:\n              - {statement}\n"
        ))
    };
    assert_snapshot!(policy("{Effect: allow, Action: 'cr:*', Resource: '*'}"), @"unknown variant `allow`, expected one of Allow, Deny at line 8, column 26; `acr-simulator example` prints a complete description");
    assert_snapshot!(policy("{Effect: Allow, Action: PullRepository, Resource: '*'}"), @r#""PullRepository" is no action: write `product:Name`, such as cr:PullRepository or cr:*, or `*` at line 8, column 41; `acr-simulator example` prints a complete description"#);
    assert_snapshot!(policy("{Effect: Allow, Action: 'cr:*', Resource: 'repository/cri-1/*'}"), @r#""repository/cri-1/*" is no resource: write `acs:product:region:account:what`, such as acs:cr:*:*:repository/cri-1/app/*, or `*` at line 8, column 59; `acr-simulator example` prints a complete description"#);
    assert_snapshot!(fault("accounts:\n  - id: \"1\"\n    users: [{name: u, policies: [{Statement: []}]}]\n"), @"missing field `Version` at line 3, column 35; `acr-simulator example` prints a complete description");
    assert_snapshot!(fault("accounts:\n  - id: \"1\"\n    roles:\n      - name: r\n        trustPolicy:\n          Version: \"1\"\n          Statement:\n            - {Effect: Allow, Action: 'sts:AssumeRole', Principal: {RAM: ['acs:ram::1:rol/x']}}\n"), @r#""acs:ram::1:rol/x" is no such principal: write `acs:ram::<account>:root`, `…:user/<name>` or `…:role/<name>` at line 8, column 68; `acr-simulator example` prints a complete description"#);
}

#[test]
fn everything_that_does_not_fit_together_is_said_at_once() {
    let text = r#"
accounts:
  - id: "1"
    accessKeys: [{id: k, secret: s}, {id: STS.k, secret: s}]
    users: [{name: u, accessKeys: [{id: k, secret: s}]}, {name: u}]
    roles:
      - name: short
        maxSessionSeconds: 60
        trustPolicy: {Version: "1", Statement: []}
  - id: one
metadata: {account: "1", region: cn-nowhere, role: short, rotationSeconds: 99999}
instances:
  - {id: cri-1, name: a, region: cn-hangzhou, account: "2"}
  - {id: cri-1, name: a, region: cn-north-2-gov-1, account: "1"}
  - {id: acr-2, name: b, region: cn-hangzhou, account: "1"}
personal:
  - {account: "1", region: cn-hangzhou, users: [u, v]}
  - {account: "1", region: cn-hangzhou}
  - {account: "3", region: cn-nowhere}
"#;
    assert_snapshot!(fault(text), @r#"
    the parts do not fit together:
      line 5: access key "k" is given twice: remove or rename one
      line 5: user "u" is given twice: remove or rename one
      line 4: access key "STS.k": ids that start with STS. are those of sessions: write one such as LTAI5tExample
      line 8: role "short": maxSessionSeconds must lie between 3600 and 43200
      line 10: account "one": the id of an account consists of digits: write it in quotes
      line 11: metadata: there is no region "cn-nowhere": write one such as cn-hangzhou
      line 11: metadata: rotationSeconds must lie between 1 and documentSeconds
      line 11: metadata: the trust policy of role "short" does not name the service ecs.aliyuncs.com: add it to `Principal`
      line 14: instance "cri-1" is given twice: remove or rename one
      line 13: instance "cri-1": there is no account "2": describe it under `accounts`
      line 14: instance "cri-1": there is no Container Registry in region "cn-north-2-gov-1": write one such as cn-hangzhou
      line 15: instance "acr-2": the id of an Enterprise Edition instance starts with cri-: write `cri-…`
      line 18: personal edition "1 in cn-hangzhou" is given twice: remove or rename one
      line 17: personal edition "1 in cn-hangzhou": the account has no user "v": describe it under `users` of the account
      line 19: personal edition "3 in cn-nowhere": there is no Container Registry in the region: write one such as cn-hangzhou
      line 19: personal edition "3 in cn-nowhere": there is no account "3": describe it under `accounts`
    "#);
}

#[test]
fn what_is_empty_or_no_name_is_refused_with_its_line_and_what_to_write() {
    let text = r#"
accounts:
  - id: "1"
    users: [{name: "", accessKeys: [{id: k, secret: ""}]}, {name: a b}]
    oidcProviders:
      - {name: p, issuer: issuer.example, clientIds: []}
instances:
  - id: cri-
    name: ""
    region: cn-hangzhou
    account: "1"
    repositories: [{name: ""}]
  - id: cri-2
    name: b
    region: cn-hangzhou
    account: "1"
    customDomains:
      - domain: https://b.example
personal: []
"#;
    assert_snapshot!(fault(text), @r#"
    the parts do not fit together:
      line 4: user "": a name consists of letters, digits and . @ - _: write one
      line 4: user "a b": a name consists of letters, digits and . @ - _: write one
      line 4: access key "k": the secret is empty: write one
      line 6: OIDC provider "p": the issuer "issuer.example" is no URL: write what tokens carry as `iss`, https://…
      line 6: OIDC provider "p": no audience is accepted: write `clientIds: [sts.aliyuncs.com]`
      line 8: instance "cri-": the id of an Enterprise Edition instance starts with cri-: write `cri-…`
      line 9: instance "cri-": the name "" forms no domain: write small letters, digits and dashes
      line 12: instance "cri-": "" is no repository: write `<namespace>/<name>`, `*` for any run of characters
      line 18: instance "cri-2": "https://b.example" is no domain: write a host name, without scheme and port
      line 19: personal: nothing is described: describe one, or remove `personal`
    "#);
    assert_snapshot!(fault("accounts: []\ninstances: []\n"), @"
    the parts do not fit together:
      line 1: accounts: nothing is described: describe one, or remove `accounts`
      line 2: instances: nothing is described: describe one, or remove `instances`
    ");
}

#[test]
fn a_machine_needs_an_account_and_a_role_that_exist() {
    let metadata = |text: &str| fault(&format!("accounts: [{{id: \"1\"}}]\nmetadata: {text}\n"));
    assert_snapshot!(metadata("{account: \"2\", region: cn-hangzhou}"), @r#"
    the parts do not fit together:
      line 2: metadata: there is no account "2": describe it under `accounts`
    "#);
    assert_snapshot!(metadata("{account: \"1\", region: cn-hangzhou, role: worker}"), @r#"
    the parts do not fit together:
      line 2: metadata: account 1 has no role "worker": describe it under `roles`, or leave `role` out
    "#);
}

#[test]
fn an_empty_description_is_a_cloud_without_anything() {
    let description = Description::parse("{}").unwrap();
    assert_eq!(description.accounts.len() + description.instances.len(), 0);
}

#[test]
fn the_example_is_right_and_shows_every_field() {
    let description = Description::parse(crate::EXAMPLE).unwrap();
    assert_eq!(description.accounts.len(), 2);
    for field in [
        "seed",
        "accounts",
        "accessKeys",
        "users",
        "roles",
        "oidcProviders",
        "policies",
        "status",
        "maxSessionSeconds",
        "trustPolicy",
        "issuer",
        "clientIds",
        "keys",
        "metadata",
        "instanceId",
        "role",
        "tokens",
        "documentSeconds",
        "rotationSeconds",
        "publicEndpoint",
        "vpcEndpoint",
        "enabled",
        "domain",
        "vpcs",
        "customDomains",
        "endpoint",
        "authTakeover",
        "repositories",
        "public",
        "personal",
        "kind",
        "users",
        "quotas",
        "assumeRolePerMinute",
        "registryPerSecond",
        "tokenService",
        "signingKeyFile",
        "caFile",
        "tokenFile",
    ] {
        assert!(crate::EXAMPLE.contains(&format!("{field}:")), "{field}");
    }
}
