//! RAM policies in the spelling of RAM, and how they decide.
//!
//! Permission policies know actions and resources with wildcards, trust policies the three principals of RAM, and both
//! conditions on strings and truth values. An element that is not modelled, or that RAM would not take, is refused when the
//! policy is read, never passed over.

mod form;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A permission policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    /// Always `1`.
    pub version: PolicyVersion,
    /// The statements; an explicit denial wins over every permission.
    pub statement: Vec<Statement>,
}

/// The only version of the policy language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum PolicyVersion {
    /// Version 1.
    #[default]
    #[serde(rename = "1")]
    One,
}

/// A statement of a permission policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// Permission or denial.
    pub effect: Effect,
    /// Actions such as `cr:GetAuthorizationToken`, with `*` and `?`.
    #[serde(deserialize_with = "form::actions")]
    pub action: OneOrMany,
    /// Resources such as `acs:cr:*:*:repository/cri-1/app/*`, with `*` and `?`.
    #[serde(deserialize_with = "form::resources")]
    pub resource: OneOrMany,
    /// What else must hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "form::condition")]
    pub condition: Condition,
}

/// Permission or denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Effect {
    /// The statement permits.
    Allow,
    /// The statement denies, whatever else permits.
    Deny,
}

/// The trust policy of a role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TrustPolicy {
    /// Always `1`.
    pub version: PolicyVersion,
    /// The statements; an explicit denial wins over every permission.
    pub statement: Vec<TrustStatement>,
}

/// A statement of a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TrustStatement {
    /// Permission or denial.
    pub effect: Effect,
    /// `sts:AssumeRole`.
    #[serde(deserialize_with = "form::actions_of_trust")]
    pub action: OneOrMany,
    /// Whom the statement is about.
    #[serde(deserialize_with = "form::principals")]
    pub principal: Principals,
    /// What else must hold.
    #[serde(default, deserialize_with = "form::condition")]
    pub condition: Condition,
}

/// Conditions: operator, then key, then the values of which one must fit.
pub type Condition = BTreeMap<ConditionOperator, BTreeMap<String, OneOrMany>>;

/// Whom a trust statement is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Principals {
    /// ARNs of OIDC providers.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub federated: OneOrMany,
    /// Services such as `ecs.aliyuncs.com`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub service: OneOrMany,
    /// ARNs of accounts (`acs:ram::<id>:root`), users and roles.
    #[serde(default, rename = "RAM", skip_serializing_if = "OneOrMany::is_empty")]
    pub ram: OneOrMany,
}

/// The operators of conditions that are modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum ConditionOperator {
    /// One of the values is the value of the key.
    StringEquals,
    /// None of the values is.
    StringNotEquals,
    /// As `StringEquals`, regardless of case.
    StringEqualsIgnoreCase,
    /// As `StringNotEquals`, regardless of case.
    StringNotEqualsIgnoreCase,
    /// One of the values, with `*` and `?`, fits.
    StringLike,
    /// None of the values, with `*` and `?`, fits.
    StringNotLike,
    /// One of the values, `true` or `false`, is the value of the key.
    Bool,
}

/// A list of strings that may be written as a single string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

/// Who asks to become a role.
#[derive(Clone, Copy)]
pub(crate) enum Principal<'a> {
    /// A token of the OIDC provider with this ARN.
    Federated(&'a str),
    /// A service of Alibaba Cloud.
    Service(&'a str),
    /// A RAM user or a role.
    Ram {
        /// Its account: a policy that names the account trusts all of its users and roles.
        account: &'a str,
        /// Its ARN.
        arn: &'a str,
    },
}

/// What policies say about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    ImplicitDeny,
    ExplicitDeny,
}

impl Decision {
    /// Explicit denial first, then permission, else implicit denial.
    fn of(effects: impl Iterator<Item = Effect>) -> Self {
        let mut decision = Self::ImplicitDeny;
        for effect in effects {
            match effect {
                Effect::Deny => return Self::ExplicitDeny,
                Effect::Allow => decision = Self::Allow,
            }
        }
        decision
    }

    /// What two sets of policies say that must both permit.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::ExplicitDeny, _) | (_, Self::ExplicitDeny) => Self::ExplicitDeny,
            (Self::Allow, Self::Allow) => Self::Allow,
            _ => Self::ImplicitDeny,
        }
    }
}

/// What a request says about itself: condition keys and their values.
pub(crate) type Context<'a> = &'a [(&'a str, &'a [&'a str])];

/// What a set of permission policies says about an action on a resource.
pub(crate) fn decide(policies: &[Policy], action: &str, resource: &str, context: Context<'_>) -> Decision {
    let statements = policies.iter().flat_map(|policy| &policy.statement);
    Decision::of(
        statements
            .filter(|statement| {
                statement.action.fits(action)
                    && statement.resource.fits(resource)
                    && all_hold(&statement.condition, context)
            })
            .map(|statement| statement.effect),
    )
}

impl TrustPolicy {
    /// What the trust policy says about someone who asks to become the role. `context` holds the condition keys.
    pub(crate) fn decide(&self, principal: Principal<'_>, context: Context<'_>) -> Decision {
        let statements = self.statement.iter().filter(|statement| {
            statement.action.fits("sts:AssumeRole")
                && statement.principal.includes(principal)
                && all_hold(&statement.condition, context)
        });
        Decision::of(statements.map(|statement| statement.effect))
    }
}

fn all_hold(condition: &Condition, context: Context<'_>) -> bool {
    condition.iter().all(|(operator, keys)| {
        keys.iter().all(|(key, wanted)| {
            let found = context.iter().find(|(name, _)| name == key);
            operator.holds(&wanted.0, found.map_or(&[], |(_, values)| values))
        })
    })
}

impl Principals {
    fn includes(&self, principal: Principal<'_>) -> bool {
        match principal {
            Principal::Federated(arn) => self.federated.0.iter().any(|listed| listed == arn),
            Principal::Service(name) => self.service.0.iter().any(|listed| listed == name),
            Principal::Ram { account, arn } => {
                let whole_account = format!("acs:ram::{account}:root");
                self.ram.0.iter().any(|listed| listed == arn || *listed == whole_account)
            }
        }
    }
}

impl ConditionOperator {
    /// A key that the request does not have never equals anything, and always differs.
    fn holds(self, wanted: &[String], found: &[&str]) -> bool {
        let any = |same: fn(&str, &str) -> bool| wanted.iter().any(|w| found.iter().any(|f| same(w, f)));
        match self {
            Self::StringEquals => any(|wanted, found| wanted == found),
            Self::StringNotEquals => !any(|wanted, found| wanted == found),
            Self::StringEqualsIgnoreCase | Self::Bool => any(str::eq_ignore_ascii_case),
            Self::StringNotEqualsIgnoreCase => !any(str::eq_ignore_ascii_case),
            Self::StringLike => any(wildcard),
            Self::StringNotLike => !any(wildcard),
        }
    }
}

impl OneOrMany {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fits(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| wildcard(pattern, text))
    }
}

impl From<&str> for OneOrMany {
    fn from(one: &str) -> Self {
        Self(vec![one.to_owned()])
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMany;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, one: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::from(one))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = list.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany(many))
            }
        }
        deserializer.deserialize_any(Strings)
    }
}

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// Whether a text fits a pattern in which `*` is any run of characters and `?` any single one.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    let mut text_rest = text.chars();
    // Where to go on when the last `*` has to swallow one character more.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (before_pattern, before_text) = (pattern_rest.clone(), text_rest.clone());
        let fits = match (pattern_rest.next(), text_rest.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text_rest = before_text.clone();
                retry = Some((pattern_rest.clone(), before_text));
                true
            }
            (Some('?'), Some(_)) => true,
            (Some(wanted), Some(found)) => wanted == found,
            (Some(_), None) => return false,
            (None, Some(_)) => {
                pattern_rest = before_pattern;
                false
            }
        };
        if !fits {
            let Some((after_star, mut swallowed)) = retry.clone() else { return false };
            if swallowed.next().is_none() {
                return false;
            }
            retry = Some((after_star.clone(), swallowed.clone()));
            pattern_rest = after_star;
            text_rest = swallowed;
        }
    }
}

#[cfg(test)]
mod tests;
