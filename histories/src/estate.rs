//! What the cloud of every history consists of: one account, its keys and roles, three registry instances.

use std::sync::LazyLock;

use acr_simulator::Description;

/// The account that owns everything.
pub const ACCOUNT: &str = "1234567890123456";
/// The region of the cluster.
pub const HOME_REGION: &str = "cn-hangzhou";
/// The role that RRSA assumes.
pub const RRSA_ROLE: &str = "acs:ram::1234567890123456:role/rrsa-puller";
/// The role that some identities assume after their own.
pub const HOP_ROLE: &str = "acs:ram::1234567890123456:role/hop-puller";
/// A role that does not exist.
pub const MISSING_ROLE: &str = "acs:ram::1234567890123456:role/no-such-role";
/// The OIDC provider of the cluster.
pub const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/ack-rrsa-histories";
/// The issuer of the cluster's ServiceAccount tokens.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// The component's namespace.
pub const OWN: &str = "kube-system";

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

/// The Personal Edition of the home region.
pub const PERSONAL: Instance =
    Instance { id: "personal/cn-hangzhou", name: "personal", region: HOME_REGION, custom: &[], exists: true };

impl Instance {
    /// Its domain on the internet.
    pub fn public_host(&self) -> String {
        if *self == PERSONAL {
            return format!("registry.{}.aliyuncs.com", self.region);
        }
        format!("{}-registry.{}.cr.aliyuncs.com", self.name, self.region)
    }

    /// Its domain inside VPCs.
    pub fn vpc_host(&self) -> String {
        if *self == PERSONAL {
            return format!("registry-vpc.{}.aliyuncs.com", self.region);
        }
        format!("{}-registry-vpc.{}.cr.aliyuncs.com", self.name, self.region)
    }

    /// All its domains, where they follow from the region.
    pub fn known_hosts(&self) -> Option<[String; 5]> {
        let kinds = ["", "-vpc", "-internal", "-intl", "-intl-vpc"];
        (*self == PERSONAL).then(|| kinds.map(|kind| format!("registry{kind}.{}.aliyuncs.com", self.region)))
    }

    /// The instance of an id.
    pub fn of(id: &str) -> Option<Self> {
        INSTANCES.into_iter().chain([PERSONAL]).find(|instance| instance.id == id)
    }
}

/// The Secret in `kube-system` that holds [`KeyPair::Referenced`].
pub const KEY_SECRET: &str = "registry-keys";

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
    /// The key of a user that may do everything needed, in the Secret [`KEY_SECRET`].
    Referenced,
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
            Self::Referenced => "LTAI5tHistoryInSecre",
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
            Self::Referenced => "secretOfReferencedsecretOfRefe",
        }
    }

    /// The pair with this id and secret.
    pub fn of(id: &str, secret: &str) -> Option<Self> {
        use KeyPair::{LoginOnly, Nobody, PullerA, PullerB, Referenced, Unknown, WrongSecret};
        [PullerA, PullerB, LoginOnly, Nobody, WrongSecret, Unknown, Referenced]
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
    /// A key pair that assumes another role.
    KeysHop(KeyPair),
    /// The role of RRSA, which assumes another one.
    RrsaHop,
    /// The role of the node, which assumes another one.
    WorkerHop,
}

impl Identity {
    /// Who asks after the hop to [`HOP_ROLE`].
    pub fn hop(self) -> Option<Self> {
        match self {
            Self::Keys(pair) => Some(Self::KeysHop(pair)),
            Self::Rrsa => Some(Self::RrsaHop),
            Self::Worker => Some(Self::WorkerHop),
            Self::RrsaMissingRole | Self::KeysHop(_) | Self::RrsaHop | Self::WorkerHop => None,
        }
    }

    /// Who asks for the hop.
    pub fn before_hop(self) -> Option<Self> {
        match self {
            Self::KeysHop(pair) => Some(Self::Keys(pair)),
            Self::RrsaHop => Some(Self::Rrsa),
            Self::WorkerHop => Some(Self::Worker),
            Self::Keys(_) | Self::Rrsa | Self::RrsaMissingRole | Self::Worker => None,
        }
    }

    /// Whether it begins with RRSA.
    pub fn is_rrsa(self) -> bool {
        matches!(self, Self::Rrsa | Self::RrsaMissingRole | Self::RrsaHop)
    }
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
            Identity::Keys(
                KeyPair::PullerA | KeyPair::PullerB | KeyPair::LoginOnly | KeyPair::Referenced,
            )
            | Identity::KeysHop(KeyPair::PullerA)
            | Identity::Rrsa
            | Identity::RrsaHop
            | Identity::Worker
            | Identity::WorkerHop => true,
            Identity::Keys(KeyPair::Nobody | KeyPair::WrongSecret | KeyPair::Unknown)
            | Identity::KeysHop(_)
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
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: ["cr:*", "sts:AssumeRole"], Resource: "*"}]}]
      - name: puller-b
        accessKeys: [{id: LTAI5tHistoryPullerB, secret: secretOfPullerBsecretOfPullerB}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: login-only
        accessKeys: [{id: LTAI5tHistoryLoginOn, secret: secretOfLoginOnlysecretOfLogin}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:GetAuthorizationToken", Resource: "*"}]}]
      - name: puller-c
        accessKeys: [{id: LTAI5tHistoryInSecre, secret: secretOfReferencedsecretOfRefe}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
      - name: nobody
        accessKeys: [{id: LTAI5tHistoryNobodyN, secret: secretOfNobodysecretOfNobodyse}]
    roles:
      - name: worker
        trustPolicy:
          Version: "1"
          Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: [ecs.aliyuncs.com]}}]
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: ["cr:*", "sts:AssumeRole"], Resource: "*"}]}]
      - name: hop-puller
        trustPolicy:
          Version: "1"
          Statement:
            - {Effect: Allow, Action: "sts:AssumeRole", Principal: {RAM: ["acs:ram::1234567890123456:root"]}}
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
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: ["cr:*", "sts:AssumeRole"], Resource: "*"}]}]
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
personal:
  - {account: "1234567890123456", region: cn-hangzhou}
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
