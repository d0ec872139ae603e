//! Policies: what is refused when read, what is denied, and who is trusted.

use super::*;

fn policy(text: &str) -> Policy {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_policy_with_an_element_that_is_not_modelled_is_refused() {
    for text in [
        r#"{"Statement":[]}"#,
        r#"{"Version":"2","Statement":[]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*"}]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":1,"Resource":"*"}]}"#,
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{}}}]}"#,
    ] {
        assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
    }
    let unknown_operator = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"Service":"x"},"Condition":{"IpAddress":{"acs:SourceIp":"1.2.3.4"}}}]}"#;
    assert!(serde_json::from_str::<TrustPolicy>(unknown_operator).is_err());
}

#[test]
fn a_policy_that_could_never_match_is_refused_and_the_right_form_is_named() {
    let permission = |part: &str| {
        let text = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:*","Resource":"*","Condition":{}}]}"#;
        let (name, _) = part.split_once(':').unwrap();
        let former = [r#""Action":"cr:*""#, r#""Resource":"*""#, r#""Condition":{}"#];
        let former = former.into_iter().find(|former| former.starts_with(name)).unwrap();
        serde_json::from_str::<Policy>(&text.replace(former, part)).unwrap_err().to_string()
    };
    for (part, form) in [
        (r#""Action":"""#, "product:Name"),
        (r#""Action":[]"#, "at least one"),
        (r#""Action":["cr:*","PullRepository"]"#, "product:Name"),
        (r#""Action":"cr PullRepository""#, "product:Name"),
        (r#""Resource":"repository/cri-1""#, "acs:product:region:account:what"),
        (r#""Resource":"acs:cr:*""#, "acs:product:region:account:what"),
        (r#""Resource":[]"#, "at least one"),
        (r#""Condition":{"StringEquals":{"sub":"x"}}"#, "oidc:sub"),
        (r#""Condition":{"StringEquals":{"oidc:sub":[]}}"#, "has no value"),
        (r#""Condition":{"Bool":{"acs:SecureTransport":"yes"}}"#, "true or false"),
    ] {
        let fault = permission(part);
        assert!(fault.contains(form) && fault.contains("line 1 column"), "{part}: {fault}");
    }
    let of_trust = |action: &str, principal: &str| {
        let text = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}","Principal":{principal}}}]}}"#
        );
        serde_json::from_str::<TrustPolicy>(&text).unwrap_err().to_string()
    };
    let service = r#"{"Service":"ecs.aliyuncs.com"}"#;
    for (action, principal, form) in [
        ("cr:*", service, "write sts:AssumeRole"),
        ("*", service, "write sts:AssumeRole"),
        ("sts:AssumeRole", "{}", "names nobody"),
        ("sts:AssumeRole", r#"{"Service":"ecs"}"#, "ecs.aliyuncs.com"),
        ("sts:AssumeRole", r#"{"RAM":"acs:ram::one:root"}"#, ":root"),
        ("sts:AssumeRole", r#"{"RAM":"acs:ram::1:role/"}"#, ":role/<name>"),
        ("sts:AssumeRole", r#"{"RAM":["acs:ram::1:root","*"]}"#, ":root"),
        ("sts:AssumeRole", r#"{"Federated":"acs:ram::1:role/x"}"#, ":oidc-provider/<name>"),
    ] {
        let fault = of_trust(action, principal);
        assert!(fault.contains(form), "{action} {principal}: {fault}");
    }
}

#[test]
fn nothing_is_allowed_that_no_statement_allows_and_a_denial_wins() {
    let allow = policy(
        r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["cr:Get*","cr:Pull?epository"],
        "Resource":"acs:cr:*:1:repository/cri-1/app/*"}]}"#,
    );
    let deny = policy(
        r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"*","Resource":"acs:cr:*:*:*/secret"}]}"#,
    );
    let repository = |name: &str| format!("acs:cr:cn-hangzhou:1:repository/cri-1/app/{name}");
    let both = [allow.clone(), deny];
    for (policies, action, resource, expected) in [
        (&[][..], "cr:GetX", repository("web"), Decision::ImplicitDeny),
        (&both[..1], "cr:GetX", repository("web"), Decision::Allow),
        (&both[..1], "cr:PullRepository", repository("web"), Decision::Allow),
        (&both[..1], "cr:PushRepository", repository("web"), Decision::ImplicitDeny),
        (&both[..1], "cr:GetX", repository("web").replace(":1:", ":2:"), Decision::ImplicitDeny),
        (&both[..], "cr:GetX", repository("secret"), Decision::ExplicitDeny),
        (&both[..], "cr:GetX", repository("web"), Decision::Allow),
    ] {
        assert_eq!(decide(policies, action, &resource, &[]), expected, "{action} {resource}");
    }
}

#[test]
fn a_permission_holds_only_where_its_conditions_do() {
    let policies = |condition: &str| {
        let text = format!(
            r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}]}}"#
        );
        [policy(&text)]
    };
    let context: [(&str, &[&str]); 1] = [("acs:SecureTransport", &["true"])];
    for (condition, expected) in [
        (r#"{"Bool":{"acs:SecureTransport":"false"}}"#, Decision::ImplicitDeny),
        (r#"{"Bool":{"acs:MFAPresent":"true"}}"#, Decision::ImplicitDeny),
        (r#"{"Bool":{"acs:SecureTransport":["true"]},"StringEquals":{"acs:x":"y"}}"#, Decision::ImplicitDeny),
        (r#"{"Bool":{"acs:SecureTransport":"True"}}"#, Decision::Allow),
        ("{}", Decision::Allow),
    ] {
        assert_eq!(decide(&policies(condition), "cr:GetX", "r", &context), expected, "{condition}");
    }
}

fn trust(principal: &str, condition: &str) -> TrustPolicy {
    let text = format!(
        r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{principal},"Condition":{condition}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn only_the_named_principal_is_trusted() {
    let provider = trust(r#"{"Federated":["acs:ram::1:oidc-provider/a"]}"#, "{}");
    let of = |arn| provider.decide(Principal::Federated(arn), &[]);
    assert_eq!(of("acs:ram::1:oidc-provider/b"), Decision::ImplicitDeny);
    assert_eq!(of("acs:ram::1:oidc-provider/a"), Decision::Allow);
    assert_eq!(provider.decide(Principal::Service("ecs.aliyuncs.com"), &[]), Decision::ImplicitDeny);
    let accounts = trust(r#"{"RAM":"acs:ram::1:root"}"#, "{}");
    assert_eq!(accounts.decide(Principal::Federated("acs:ram::1:root"), &[]), Decision::ImplicitDeny);
}

#[test]
fn every_condition_must_hold() {
    let subject = |condition: &str, values: &[&str]| {
        let policy = trust(r#"{"Service":"s.aliyuncs.com"}"#, condition);
        policy.decide(Principal::Service("s.aliyuncs.com"), &[("oidc:sub", values)]) == Decision::Allow
    };
    for (condition, values, expected) in [
        (r#"{"StringEquals":{"oidc:sub":"a"}}"#, &["a"][..], true),
        (r#"{"StringEquals":{"oidc:sub":"a"}}"#, &["A"], false),
        (r#"{"StringEquals":{"oidc:sub":["b","a"]}}"#, &["c", "a"], true),
        (r#"{"StringEquals":{"oidc:aud":"a"}}"#, &["a"], false),
        (r#"{"StringEquals":{"oidc:sub":"a*"}}"#, &["ab"], false),
        (r#"{"StringLike":{"oidc:sub":"a*"}}"#, &["ab"], true),
        (r#"{"StringLike":{"oidc:sub":"a*"}}"#, &["b"], false),
        (r#"{"StringNotLike":{"oidc:sub":"a*"}}"#, &["b"], true),
        (r#"{"StringNotEquals":{"oidc:sub":"a"}}"#, &["a"], false),
        (r#"{"StringNotEquals":{"oidc:sub":"a"}}"#, &["b"], true),
        (r#"{"StringEqualsIgnoreCase":{"oidc:sub":"a"}}"#, &["A"], true),
        (r#"{"StringNotEqualsIgnoreCase":{"oidc:sub":"a"}}"#, &["A"], false),
        (r#"{"StringEquals":{"oidc:sub":"a"},"StringLike":{"oidc:sub":"b"}}"#, &["a"], false),
    ] {
        assert_eq!(subject(condition, values), expected, "{condition} {values:?}");
    }
}

#[test]
fn wildcards_stand_for_any_run_and_for_one_character() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("a", "", false),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("?", "", false),
        ("a?c", "abc", true),
        ("**", "x", true),
        ("*ab", "aab", true),
        ("*?", "", false),
    ] {
        assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
    }
}
