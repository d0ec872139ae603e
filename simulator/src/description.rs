//! What the simulated cloud consists of: the documented YAML file, as types.
//!
//! Field names are camelCase in the file; policies keep the spelling of RAM, so that a policy copied from a console or
//! a manual can be pasted (YAML contains JSON). An unknown field is an error with line and column.

mod check;
mod keys;
mod personal;
mod places;
mod policy;
mod quotas;

pub use check::DescriptionError;
pub use keys::{IssuerCertificate, Jwk, Jwks, KeySource, KeyUrl};
pub use personal::{Personal, PersonalKind};
pub use policy::{
    Condition, ConditionOperator, Effect, OneOrMany, Policy, PolicyVersion, Principals, Statement,
    TrustPolicy, TrustStatement,
};
pub use quotas::Quotas;

pub(crate) use check::{Misfit, trusts_machines, trusts_service};
pub(crate) use places::Places;
pub(crate) use policy::{Context, Decision, Principal, decide, wildcard};

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// A whole cloud: accounts, registry instances, one machine with its metadata service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    /// Feeds every generated id, secret and token: the same seed and calls give the same answers.
    #[serde(default = "default_seed")]
    pub seed: String,
    /// The Alibaba Cloud accounts.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// The machine (ECS instance) whose metadata service answers at `100.100.100.200`; absent = not on ECS.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// The Container Registry Enterprise Edition instances.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// The Personal Editions of Container Registry.
    #[serde(default)]
    pub personal: Vec<Personal>,
    /// The token service (`dockerauth`) that all instances share.
    #[serde(default)]
    pub token_service: TokenService,
    /// How often accounts may call.
    #[serde(default)]
    pub quotas: Quotas,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            seed: default_seed(),
            accounts: Vec::new(),
            metadata: None,
            instances: Vec::new(),
            personal: Vec::new(),
            token_service: TokenService::default(),
            quotas: Quotas::default(),
        }
    }
}

/// An Alibaba Cloud account with what RAM holds for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// The account id, digits only.
    pub id: String,
    /// Access keys of the main account itself; they may do everything within the account.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// RAM users.
    #[serde(default)]
    pub users: Vec<User>,
    /// RAM roles.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// OIDC identity providers (RRSA).
    #[serde(default)]
    pub oidc_providers: Vec<OidcProvider>,
}

/// A RAM user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// The user name, unique in the account.
    pub name: String,
    /// Access keys of the user.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// What the user may do.
    #[serde(default)]
    pub policies: Vec<Policy>,
}

/// An access key pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessKey {
    /// The public half, for example `LTAI5tExample`.
    pub id: String,
    /// The secret half.
    #[serde(deserialize_with = "secret")]
    pub secret: SecretString,
    /// Whether the key may be used.
    #[serde(default)]
    pub status: KeyStatus,
}

/// Whether an access key may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum KeyStatus {
    /// The key works.
    #[default]
    Active,
    /// The key is disabled: `InvalidAccessKeyId.Inactive`.
    Inactive,
}

/// A RAM role.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// The role name, unique in the account.
    pub name: String,
    /// Upper limit of a session in seconds, 3600 to 43200.
    #[serde(default = "default_session")]
    pub max_session_seconds: u32,
    /// Who may become the role.
    pub trust_policy: TrustPolicy,
    /// What the role may do.
    #[serde(default)]
    pub policies: Vec<Policy>,
}

/// An OIDC identity provider of an account, as RRSA makes one per cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OidcProvider {
    /// The name, for ACK `ack-rrsa-<cluster id>`; the ARN is `acs:ram::<account>:oidc-provider/<name>`.
    pub name: String,
    /// The issuer URL that tokens must carry.
    pub issuer: String,
    /// Accepted audiences.
    #[serde(default = "default_clients")]
    pub client_ids: Vec<String>,
    /// Where the public keys of the issuer come from.
    #[serde(default)]
    pub keys: KeySource,
    /// What STS thinks of the certificate of the issuer's URL.
    #[serde(default)]
    pub issuer_certificate: IssuerCertificate,
}

/// The machine whose metadata service is simulated.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The account that owns the machine.
    pub account: String,
    /// The region of the machine.
    pub region: String,
    /// The id of the machine.
    #[serde(default = "default_machine")]
    pub instance_id: String,
    /// The RAM role attached to the machine (its trust policy must name the service `ecs.aliyuncs.com`).
    #[serde(default)]
    pub role: Option<String>,
    /// Whether session tokens (hardened mode) are known and whether they are demanded.
    #[serde(default)]
    pub tokens: MetadataTokens,
    /// Life of a role document in seconds.
    #[serde(default = "default_document_life")]
    pub document_seconds: u32,
    /// A new role document is handed out every so many seconds; not longer than its life.
    #[serde(default = "default_document_rotation")]
    pub rotation_seconds: u32,
}

/// How the metadata service treats session tokens (`HttpTokens` of the machine).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MetadataTokens {
    /// Both modes are answered.
    #[default]
    Optional,
    /// A request without a session token is refused.
    Required,
    /// An older platform: asking for a session token is 404.
    Unsupported,
}

/// A Container Registry Enterprise Edition instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instance {
    /// The id, `cri-…`.
    pub id: String,
    /// The name, which forms the default domains.
    pub name: String,
    /// The region that holds the instance.
    pub region: String,
    /// The account that owns the instance.
    pub account: String,
    /// The endpoint on the internet.
    #[serde(default)]
    pub public_endpoint: Endpoint,
    /// The endpoint inside VPCs.
    #[serde(default)]
    pub vpc_endpoint: Endpoint,
    /// Domains of the user, beside those of the system.
    #[serde(default)]
    pub custom_domains: Vec<CustomDomain>,
    /// Whether the instance's own domains serve as token service (`https://<domain>/auth`).
    #[serde(default)]
    pub auth_takeover: bool,
    /// The repositories; absent = every name exists and is private.
    #[serde(default)]
    pub repositories: Option<Vec<Repository>>,
}

/// One of the two system endpoints of an instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Whether the endpoint is switched on.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Its domain; absent = `<name>-registry[-vpc].<region>.cr.aliyuncs.com`.
    #[serde(default)]
    pub domain: Option<String>,
    /// Linked VPC ids (VPC endpoint only).
    #[serde(default)]
    pub vpcs: Vec<String>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { enabled: true, domain: None, vpcs: Vec::new() }
    }
}

/// A domain of the user (type `USER`).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomDomain {
    /// The domain name.
    pub domain: String,
    /// Which endpoint lists it.
    #[serde(default)]
    pub endpoint: EndpointKind,
    /// A domain that is not enabled is not listed.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// The two kinds of endpoint, in the words of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointKind {
    /// On the internet.
    #[default]
    Internet,
    /// Inside VPCs.
    Vpc,
}

/// A repository, or with `*` a family of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// `<namespace>/<name>`; `*` stands for any run of characters.
    pub name: String,
    /// Whether everyone may pull without a login.
    #[serde(default)]
    pub public: bool,
}

/// The token service of the registries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenService {
    /// PEM file with the RSA key (PKCS#8, 2048 bits or more) that signs registry tokens; absent = a fresh key.
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
}

impl Instance {
    /// The domain of the endpoint on the internet.
    pub fn public_domain(&self) -> String {
        let default = || format!("{}-registry.{}.cr.aliyuncs.com", self.name, self.region);
        self.public_endpoint.domain.clone().unwrap_or_else(default)
    }

    /// The domain of the endpoint inside VPCs.
    pub fn vpc_domain(&self) -> String {
        let default = || format!("{}-registry-vpc.{}.cr.aliyuncs.com", self.name, self.region);
        self.vpc_endpoint.domain.clone().unwrap_or_else(default)
    }

    /// The service string of the token protocol, which names region and instance.
    pub fn service(&self) -> String {
        format!("registry.aliyuncs.com:{}:china:{}", self.region, self.id)
    }

    /// Whether a host name is one of this instance.
    pub fn answers_at(&self, host: &str) -> bool {
        self.public_domain() == host
            || self.vpc_domain() == host
            || self.custom_domains.iter().any(|custom| custom.enabled && custom.domain == host)
    }
}

impl Account {
    /// The ARN of a role of this account.
    pub fn role_arn(&self, role: &str) -> String {
        format!("acs:ram::{}:role/{role}", self.id)
    }

    /// The ARN of an OIDC provider of this account.
    pub fn provider_arn(&self, provider: &str) -> String {
        format!("acs:ram::{}:oidc-provider/{provider}", self.id)
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn default_seed() -> String {
    "acr-simulator".to_owned()
}

fn default_session() -> u32 {
    3600
}

fn default_clients() -> Vec<String> {
    vec!["sts.aliyuncs.com".to_owned()]
}

fn default_machine() -> String {
    "i-bp1simulated".to_owned()
}

fn default_document_life() -> u32 {
    6 * 3600
}

fn default_document_rotation() -> u32 {
    3 * 3600
}

fn yes() -> bool {
    true
}
