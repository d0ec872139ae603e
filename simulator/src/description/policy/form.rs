//! The forms that RAM asks of the parts of a policy: what could never match anything is refused where it stands.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{Condition, ConditionOperator, OneOrMany, Principals};

pub(super) fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
    let is = |action: &str| action == "*" || is_qualified(action);
    checked(deserializer, is, "is no action: write `product:Name`, such as cr:PullRepository or cr:*, or `*`")
}

pub(super) fn actions_of_trust<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
    let is = |action: &str| action.starts_with("sts:") && is_qualified(action);
    checked(deserializer, is, "is no action of a trust policy: write sts:AssumeRole")
}

pub(super) fn resources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
    // acs:<product>:<region>:<account>:<what>
    let is = |resource: &str| {
        resource == "*" || resource.starts_with("acs:") && resource.splitn(5, ':').count() == 5
    };
    checked(
        deserializer,
        is,
        "is no resource: write `acs:product:region:account:what`, such as acs:cr:*:*:repository/cri-1/app/*, or `*`",
    )
}

pub(super) fn principals<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Principals, D::Error> {
    let principals = Principals::deserialize(deserializer)?;
    let Principals { federated, service, ram } = &principals;
    let of_account = |text: &str, kinds: &[&str]| {
        let rest = text.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(':'));
        rest.is_some_and(|(account, what)| {
            let is_account = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
            let named = |kind: &&str| match what.strip_prefix(*kind) {
                Some(name) => name.is_empty() != kind.ends_with('/'),
                None => false,
            };
            is_account && kinds.iter().any(named)
        })
    };
    let bad = |many: &OneOrMany, is: &dyn Fn(&str) -> bool, form: &str| {
        let bad = many.0.iter().find(|text| !is(text))?;
        Some(Error::custom(format!("{bad:?} is no such principal: write {form}")))
    };
    let is_provider = |text: &str| of_account(text, &["oidc-provider/", "saml-provider/"]);
    let is_identity = |text: &str| of_account(text, &["root", "user/", "role/"]);
    let is_service = |text: &str| text.ends_with(".aliyuncs.com") && !text.contains(['*', ':', '/']);
    let fault = bad(federated, &is_provider, "`acs:ram::<account>:oidc-provider/<name>`")
        .or_else(|| bad(service, &is_service, "a service such as ecs.aliyuncs.com"))
        .or_else(|| bad(ram, &is_identity, "`acs:ram::<account>:root`, `…:user/<name>` or `…:role/<name>`"));
    match fault {
        Some(fault) => Err(fault),
        None if federated.is_empty() && service.is_empty() && ram.is_empty() => Err(Error::custom(
            "the principal names nobody: write Federated, Service or RAM with at least one",
        )),
        None => Ok(principals),
    }
}

pub(super) fn condition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Condition, D::Error> {
    let condition = Condition::deserialize(deserializer)?;
    for (operator, keys) in &condition {
        for (key, values) in keys {
            let truth =
                |value: &String| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
            if !is_qualified(key) {
                return Err(Error::custom(format!(
                    "{key:?} is no key of a condition: write one such as oidc:sub"
                )));
            }
            if values.is_empty() {
                return Err(Error::custom(format!("{key} has no value: write the one that it must have")));
            }
            if *operator == ConditionOperator::Bool && !values.0.iter().all(truth) {
                return Err(Error::custom(format!("{key} under Bool must be true or false")));
            }
        }
    }
    Ok(condition)
}

/// At least one text, each of the form that `is` asks for.
fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    is: impl Fn(&str) -> bool,
    fault: &str,
) -> Result<OneOrMany, D::Error> {
    let many = OneOrMany::deserialize(deserializer)?;
    if many.is_empty() {
        return Err(Error::custom("the list is empty: write at least one"));
    }
    match many.0.iter().find(|text| !is(text)) {
        Some(bad) => Err(Error::custom(format!("{bad:?} {fault}"))),
        None => Ok(many),
    }
}

/// `product:Name`.
fn is_qualified(text: &str) -> bool {
    text.split_once(':').is_some_and(|(product, name)| {
        let is = |part: &str, more: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        is(product, "-") && is(name, "*?-_/")
    })
}
