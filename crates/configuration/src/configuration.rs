//! The configuration as types: what remains when every text has been read and every default filled in.

use std::fmt;
use std::time::Duration;

use crate::glob::Glob;
use crate::scope::Scope;
use crate::secret::SecretText;

/// Renew when this much life is left, where the configuration says nothing: 15 minutes.
pub const DEFAULT_EXPIRING_THRESHOLD: Duration = Duration::from_mins(15);

/// `expireDuration` where the entry says nothing, in seconds.
pub const DEFAULT_DURATION_SECONDS: u32 = 3600;

/// Everything that the ConfigMap (or the add-on parameters) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Namespaces and ServiceAccounts, without the entries' own lists.
    pub scope: Scope,
    /// The entries without an error, in their order. Empty for an explicit `[]`, or when every entry is faulty.
    pub entries: Vec<Entry>,
    /// `expiring-threshold`: renew when `expire - now` is at most this.
    pub expiring_threshold: Duration,
    /// `notify-email`: the `email` of the docker config entries.
    pub notify_email: Option<String>,
    /// `rrsa: enable` or `enableRRSA`.
    pub rrsa_enabled: bool,
    /// `tokenMode` of the add-on parameters; a ConfigMap has no such key.
    pub token_mode: Option<TokenMode>,
    /// `endpoints`: where to call instead; the first match wins.
    pub endpoints: Vec<EndpointOverride>,
    /// `takeover`: keep an adopted Secret although its former owner still writes it.
    pub takeover: bool,
    /// `pods`: help for pods with their own list or older than the attach.
    pub pods: PodHelp,
    /// `webhook-configuration`.
    pub webhook: Webhook,
    /// `acr-api-version` as written; it has no effect.
    pub api_version: Option<String>,
}

impl Default for Configuration {
    /// What a ConfigMap without any key would mean, were that not an error.
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            entries: Vec::new(),
            expiring_threshold: DEFAULT_EXPIRING_THRESHOLD,
            notify_email: None,
            rrsa_enabled: false,
            token_mode: None,
            endpoints: Vec::new(),
            takeover: false,
            pods: PodHelp::None,
            webhook: Webhook::default(),
            api_version: None,
        }
    }
}

impl Configuration {
    /// The URL to call for `product` in `region` instead of Alibaba Cloud's own; the first match wins.
    pub fn endpoint_override(&self, product: Product, region: &str) -> Option<&str> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.product == product && endpoint.region.matches(region))
            .map(|endpoint| endpoint.url.as_str())
    }
}

/// One element of `acr-registry-info` or `AcrInstanceInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 0-based place in the list as written, faulty entries counted.
    pub index: usize,
    /// What `instanceId` and `staticSecretRef` make of it.
    pub edition: Edition,
    /// `regionId`; `None` means the region of the cluster.
    pub region: Option<String>,
    /// `domains`; `None` means all of the instance's.
    pub domains: Option<Vec<Domain>>,
    /// Who asks, selected from the entry's fields in the order `staticSecretRef`, `customAccessKeySecretRef`,
    /// `customAccessKey`, RRSA, token mode.
    pub identity: Identity,
    /// The hop into another account, if the entry has `assumeRoleARN`.
    pub assume_role: Option<AssumeRole>,
    /// `namespaces`: narrows the scope; `None` when not set or empty.
    pub namespaces: Option<Vec<Glob>>,
    /// `serviceAccounts`: narrows the scope; `None` when not set or empty.
    pub service_accounts: Option<Vec<Glob>>,
    /// `endpoint`: which Alibaba endpoints to call.
    pub endpoint: EndpointChoice,
    /// Why this entry is not served although it has no error. A finding tells the user.
    pub unsupported: Option<Unsupported>,
}

impl Entry {
    /// Whether the entry's own list admits a namespace that the scope serves.
    pub fn admits_namespace(&self, name: &str) -> bool {
        admits(self.namespaces.as_deref(), name)
    }

    /// Whether the entry's own list admits a ServiceAccount that the scope serves.
    pub fn admits_service_account(&self, name: &str) -> bool {
        admits(self.service_accounts.as_deref(), name)
    }
}

fn admits(globs: Option<&[Glob]>, name: &str) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(name)))
}

/// What kind of registry an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Container Registry Enterprise Edition.
    Enterprise {
        /// `cri-…`; with several and `domains`, each domain goes to the instance that owns it.
        ids: Vec<String>,
    },
    /// The Personal Edition of the entry's region (`instanceId: ""`).
    Personal,
    /// No login is asked for: the Secret of `staticSecretRef` holds it.
    Static,
}

impl Edition {
    /// The word used in output and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Enterprise { .. } => "enterprise",
            Self::Personal => "personal",
            Self::Static => "static",
        }
    }
}

/// A registry domain of an entry, without scheme, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain {
    /// Host name, with `:port` if one was written.
    pub host: String,
    /// What follows the first `/`: the login is then meant for images under this path only.
    pub path: Option<String>,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            None => f.write_str(&self.host),
            Some(path) => write!(f, "{}/{path}", self.host),
        }
    }
}

/// The source credential of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `staticSecretRef`: a user name and password that ACR did not hand out.
    StaticSecretRef(SecretRef),
    /// `customAccessKeySecretRef`: keys `access-key-id`, `access-key-secret`, optional `security-token`.
    AccessKeySecretRef(SecretRef),
    /// `customAccessKey` and `customAccessKeySecret`, inline.
    AccessKey {
        /// AccessKey ID.
        id: SecretText,
        /// AccessKey secret.
        secret: SecretText,
    },
    /// RRSA: a role assumed with the component's own ServiceAccount token.
    Rrsa {
        /// `rrsaRoleARN`.
        role_arn: String,
        /// `rrsaOIDCProviderRoleARN`.
        oidc_provider_arn: String,
    },
    /// Nothing of the above: what `tokenMode` says.
    TokenMode,
}

/// A Secret of the cluster that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// STS `AssumeRole` into another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// `assumeRoleARN`.
    pub role_arn: String,
    /// `expireDuration`, 900 to 43200 seconds.
    pub duration_seconds: u32,
    /// `externalId`.
    pub external_id: Option<String>,
}

/// `endpoint` of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointChoice {
    /// VPC first, public when its name does not resolve or connect.
    #[default]
    Auto,
    /// VPC endpoints only.
    Vpc,
    /// Public endpoints only.
    Public,
}

/// `tokenMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMode {
    /// By the age of the cluster.
    Auto,
    /// The add-on token of `AliyunCSManagedAcrRole`.
    ManagedRole,
    /// The RAM role of the node, from the metadata service.
    WorkerRole,
}

impl TokenMode {
    /// All modes, in the order in which help texts name them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::ManagedRole, Self::WorkerRole];

    /// The spelling of the add-on parameter and the flag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::ManagedRole => "managedRole",
            Self::WorkerRole => "workerRole",
        }
    }
}

/// One element of `endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOverride {
    /// `product`.
    pub product: Product,
    /// `region`, default `*`.
    pub region: Glob,
    /// `url`: `http` or `https`, a host, an optional port and path.
    pub url: String,
}

/// A product of Alibaba Cloud that the component calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Security Token Service.
    Sts,
    /// Container Registry.
    Cr,
    /// ECS metadata service.
    Metadata,
}

/// `pods`: each does what those before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodHelp {
    /// Pods are not looked at.
    #[default]
    None,
    /// Pods that cannot get the pull secret are reported.
    Report,
    /// New pods with a list of their own get our name appended.
    Append,
    /// Pods older than the attach are evicted, so that their controllers make new ones.
    Restart,
}

impl PodHelp {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Report, Self::Append, Self::Restart];

    /// Its name in the ConfigMap.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Report => "report",
            Self::Append => "append",
            Self::Restart => "restart",
        }
    }
}

/// `webhook-configuration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `enable`.
    pub enable: bool,
    /// `failure-policy`.
    pub failure_policy: FailurePolicy,
    /// `timeout-seconds`, 1 to 30.
    pub timeout_seconds: u32,
    /// `mode`.
    pub mode: WebhookMode,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            enable: false,
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 10,
            mode: WebhookMode::Webhook,
        }
    }
}

/// What the API server does with a ServiceAccount when the webhook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Creates it all the same.
    Ignore,
    /// Refuses it.
    Fail,
}

impl FailurePolicy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ignore, Self::Fail];

    /// Its name in the ConfigMap, and for the API server.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Fail => "Fail",
        }
    }
}

/// How new ServiceAccounts are served at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookMode {
    /// A mutating webhook of the component.
    Webhook,
    /// A static `MutatingAdmissionPolicy`.
    Policy,
}

/// Why an entry without an error is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// `crpi-…`: ACR hands out no temporary login for the new Personal Edition.
    NewPersonalEdition,
    /// `regionId` cannot be a part of a host name.
    ImpossibleRegion,
    /// `customAccessKey` is that of a session (`STS.…`), whose security token has no place in an entry.
    SessionKeyWithoutToken,
    /// A placeholder stands where the value must be parsed.
    Placeholder {
        /// The field that holds it.
        field: &'static str,
    },
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewPersonalEdition => {
                f.write_str(
                    "ACR hands out no temporary login for the new Personal Edition (crpi-…, opened after 2024-09-08)",
                )
            }
            Self::ImpossibleRegion => f.write_str("regionId cannot be a region"),
            Self::SessionKeyWithoutToken => {
                f.write_str("customAccessKey is that of a session, which asks for nothing without its security token")
            }
            Self::Placeholder { field } => write!(f, "{field} still holds a placeholder"),
        }
    }
}
