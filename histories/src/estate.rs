//! What the cloud of every history consists of: one account, its keys and roles, three registry instances.

use std::sync::LazyLock;

use acr_simulator::Description;

/// The account that owns everything.
pub const ACCOUNT: &str = "1234567890123456";
/// The region of the cluster.
pub const HOME_REGION: &str = "cn-hangzhou";
/// The role that RRSA assumes.
pub const RRSA_ROLE: &str = "acs:ram::1234567890123456:role/rrsa-puller";
/// A role that does not exist.
pub const MISSING_ROLE: &str = "acs:ram::1234567890123456:role/no-such-role";
/// The OIDC provider of the cluster.
pub const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/ack-rrsa-histories";
/// The issuer of the cluster's ServiceAccount tokens.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// A registry instance as configurations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// `cri-…`.
    pub id: &'static str,
    /// The first part of its default domains.
    pub name: &'static str,
    /// Where it is.
    pub region: &'static str,
    /// Domains of the user that it may have at one time or another.
    pub custom: &'static [&'static str],
    /// Whether the cloud knows it.
    pub exists: bool,
}

/// All instances that configurations name.
pub const INSTANCES: [Instance; 4] = [
    Instance {
        id: "cri-acmehangzhou01",
        name: "acme",
        region: HOME_REGION,
        custom: &["images.acme.example", "pull.acme.example"],
        exists: true,
    },
    Instance { id: "cri-acmeshanghai02", name: "acme-sh", region: "cn-shanghai", custom: &[], exists: true },
    Instance {
        id: "cri-toolhangzhou03",
        name: "tools",
        region: HOME_REGION,
        custom: &["tools.acme.example"],
        exists: true,
    },
    Instance { id: "cri-lostinstance04", name: "lost", region: HOME_REGION, custom: &[], exists: false },
];

impl Instance {
    /// Its domain on the internet.
    pub fn public_host(&self) -> String {
        format!("{}-registry.{}.cr.aliyuncs.com", self.name, self.region)
    }

    /// Its domain inside VPCs.
    pub fn vpc_host(&self) -> String {
        format!("{}-registry-vpc.{}.cr.aliyuncs.com", self.name, self.region)
    }

    /// The instance of an id.
    pub fn of(id: &str) -> Option<Self> {
        INSTANCES.into_iter().find(|instance| instance.id == id)
    }
}

/// An access key pair as configurations hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPair {
    /// A RAM user that may do everything needed.
    PullerA,
    /// Another one.
    PullerB,
    /// A user that may ask for logins and must not list endpoints.
    LoginOnly,
    /// A user without any permission.
    Nobody,
    /// The id of [`Self::PullerA`] with a wrong secret.
    WrongSecret,
    /// A key that does not exist.
    Unknown,
}

impl KeyPair {
    /// The AccessKey id.
    pub fn id(self) -> &'static str {
        match self {
            Self::PullerA | Self::WrongSecret => "LTAI5tHistoryPullerA",
            Self::PullerB => "LTAI5tHistoryPullerB",
            Self::LoginOnly => "LTAI5tHistoryLoginOn",
            Self::Nobody => "LTAI5tHistoryNobodyN",
            Self::Unknown => "LTAI5tHistoryUnknown",
        }
    }

    /// The AccessKey secret.
    pub fn secret(self) -> &'static str {
        match self {
            Self::PullerA => "secretOfPullerAsecretOfPullerA",
            Self::PullerB => "secretOfPullerBsecretOfPullerB",
            Self::LoginOnly => "secretOfLoginOnlysecretOfLogin",
            Self::Nobody => "secretOfNobodysecretOfNobodyse",
            Self::WrongSecret => "notTheSecretnotTheSecretnotThe",
            Self::Unknown => "secretOfUnknownsecretOfUnknown",
        }
    }

    /// The pair with this id and secret.
    pub fn of(id: &str, secret: &str) -> Option<Self> {
        [Self::PullerA, Self::PullerB, Self::LoginOnly, Self::Nobody, Self::WrongSecret, Self::Unknown]
            .into_iter()
            .find(|pair| pair.id() == id && pair.secret() == secret)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// A key pair.
    Keys(KeyPair),
    /// The role of RRSA.
    Rrsa,
    /// RRSA with a role that does not exist.
    RrsaMissingRole,
    /// The role of the node.
    Worker,
}

/// What is asked for: a login of an instance by an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// `cri-…`.
    pub instance: &'static str,
    /// Who asks.
    pub identity: Identity,
}

impl Fact {
    /// Whether the cloud hands out the login when it is well and keys are active.
    pub fn may_login(self) -> bool {
        let identity = match self.identity {
            Identity::Keys(KeyPair::PullerA | KeyPair::PullerB | KeyPair::LoginOnly)
            | Identity::Rrsa
            | Identity::Worker => true,
            Identity::Keys(KeyPair::Nobody | KeyPair::WrongSecret | KeyPair::Unknown)
            | Identity::RrsaMissingRole => false,
        };
        identity && Instance::of(self.instance).is_some_and(|instance| instance.exists)
    }

    /// Whether the cloud lists the instance's domains for the identity.
    pub fn may_list(self) -> bool {
        self.may_login() && self.identity != Identity::Keys(KeyPair::LoginOnly)
    }
}

/// The cloud as every history finds it, without the keys of the issuer.
pub static DESCRIPTION: LazyLock<Result<Description, String>> =
    LazyLock::new(|| Description::parse(TEXT).map_err(|error| error.to_string()));

const TEXT: &str = r#"
seed: histories
accounts:
  - id: "1234567890123456"
    users:
      - name: puller-a
        accessKeys: [{id: LTAI5tHistoryPullerA, secret: secretOfPullerAsecretOfPullerA}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: puller-b
        accessKeys: [{id: LTAI5tHistoryPullerB, secret: secretOfPullerBsecretOfPullerB}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: login-only
        accessKeys: [{id: LTAI5tHistoryLoginOn, secret: secretOfLoginOnlysecretOfLogin}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:GetAuthorizationToken", Resource: "*"}]}]
      - name: nobody
        accessKeys: [{id: LTAI5tHistoryNobodyN, secret: secretOfNobodysecretOfNobodyse}]
    roles:
      - name: worker
        trustPolicy:
          Version: "1"
          Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: [ecs.aliyuncs.com]}}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: rrsa-puller
        trustPolicy:
          Version: "1"
          Statement:
            - Effect: Allow
              Action: "sts:AssumeRole"
              Principal: {Federated: ["acs:ram::1234567890123456:oidc-provider/ack-rrsa-histories"]}
              Condition:
                StringEquals:
                  "oidc:aud": sts.aliyuncs.com
                  "oidc:sub": "system:serviceaccount:kube-system:aliyun-acr-credential-helper"
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
    oidcProviders:
      - name: ack-rrsa-histories
        issuer: https://kubernetes.default.svc
metadata:
  account: "1234567890123456"
  region: cn-hangzhou
  role: worker
  documentSeconds: 21600
  rotationSeconds: 7200
instances:
  - {id: cri-acmehangzhou01, name: acme, region: cn-hangzhou, account: "1234567890123456", customDomains: [{domain: images.acme.example}]}
  - {id: cri-acmeshanghai02, name: acme-sh, region: cn-shanghai, account: "1234567890123456"}
  - {id: cri-toolhangzhou03, name: tools, region: cn-hangzhou, account: "1234567890123456"}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_one_that_the_simulator_takes() {
        let description = DESCRIPTION.as_ref().unwrap();
        let existing: Vec<_> = INSTANCES.into_iter().filter(|instance| instance.exists).collect();
        assert_eq!(description.instances.len(), existing.len());
        for (described, instance) in description.instances.iter().zip(existing) {
            assert_eq!(described.id, instance.id);
            assert_eq!(described.public_domain(), instance.public_host());
            assert_eq!(described.vpc_domain(), instance.vpc_host());
        }
    }

    #[test]
    fn a_key_pair_is_found_by_both_halves() {
        assert_eq!(KeyPair::of(KeyPair::PullerA.id(), "something else"), None);
        assert_eq!(
            KeyPair::of(KeyPair::PullerA.id(), KeyPair::WrongSecret.secret()),
            Some(KeyPair::WrongSecret)
        );
    }
}
