//! Names that users have in their clusters or find there: fixed, because documents and scripts hold them.

/// The ConfigMap with the configuration, in the component's namespace.
pub const CONFIG_MAP: &str = "acr-configuration";
/// The pull secret, one per served namespace.
pub const PULL_SECRET: &str = "acr-credential-secret-aggregation";
/// The type of the pull secret.
pub const PULL_SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";
/// The one data key of the pull secret.
pub const PULL_SECRET_KEY: &str = ".dockerconfigjson";
/// The Secret that holds the journal, in the component's namespace.
pub const JOURNAL_SECRET: &str = "acr-credential-helper-state";
/// The data key of the journal.
pub const JOURNAL_KEY: &str = "journal.json";
/// The data key of the journal's Secret with the certificate that the webhook serves, PEM.
pub const CERTIFICATE_KEY: &str = "tls.crt";
/// The data key of the journal's Secret with the private key of [`CERTIFICATE_KEY`], PEM.
pub const PRIVATE_KEY_KEY: &str = "tls.key";
/// The MutatingWebhookConfiguration of the component.
pub const REGISTRATION: &str = "acr-credential-helper";
/// The MutatingAdmissionPolicy behind `mode: policy`, and its binding.
pub const POLICY: &str = "acr-credential-helper";
/// The ConfigMap from which the mutating policy takes its scope, in the component's namespace.
pub const SCOPE_CONFIG_MAP: &str = "acr-credential-helper-scope";
/// The Service in front of the webhook, in the component's namespace.
pub const WEBHOOK_SERVICE: &str = "acr-credential-helper-webhook";
/// The Lease of whoever writes, in the component's namespace.
pub const LEASE: &str = "acr-credential-helper";
/// The field manager of everything that is applied.
pub const FIELD_MANAGER: &str = "acr-credential-helper";
/// The ServiceAccount of the component, which RAM trust policies name.
pub const SERVICE_ACCOUNT: &str = "aliyun-acr-credential-helper";
/// The audience of the ServiceAccount tokens that STS takes.
pub const STS_AUDIENCE: &str = "sts.aliyuncs.com";
/// The Secret with the keys of a registered cluster, as its documentation names it.
pub const REGISTERED_KEY_SECRET: &str = "alibaba-addon-secret";
/// The label of what the component makes.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "acr-credential-helper";
/// The label by which a Namespace or ServiceAccount opts out, with the value `true`.
pub const IGNORE_LABEL: &str = "acr-credential-helper/ignore";
/// The annotation of the ConfigMap that holds everything still, with the value `true`.
pub const PAUSE_ANNOTATION: &str = "acr-credential-helper/pause";
/// The annotation of the ConfigMap that has what is held asked for anew, whenever its value changes; with `.` and the
/// id of an instance behind it, only what is held for that.
pub const ROTATE_ANNOTATION: &str = "acr-credential-helper/rotate";
/// The annotation of a ServiceAccount that is created without being stored, to try the policy: the name that it is to have.
pub const POLICY_TRIAL_ANNOTATION: &str = "acr-credential-helper/trial";
/// The annotation in which the policy tells whoever tries it by which parameters it went: their [`FINGERPRINT_KEY`].
pub const FINGERPRINT_ANNOTATION: &str = "acr-credential-helper/fingerprint";
/// The data key of [`SCOPE_CONFIG_MAP`] with a digest of the others.
pub const FINGERPRINT_KEY: &str = "fingerprint";
/// The annotation that holds the digest of a pull secret's payload.
pub const DIGEST_ANNOTATION: &str = "acr-credential-helper/payload-digest";
/// The annotation that holds the time, RFC 3339, at which the first login of a pull secret ends.
pub const EXPIRES_ANNOTATION: &str = "acr-credential-helper/expires";
/// The annotation with the namespace of the installation that has made a pull secret or a registration.
pub const INSTALLATION_ANNOTATION: &str = "acr-credential-helper/installation";
/// The annotation, value `true`, of a pull secret that somebody else had made.
pub const ADOPTED_ANNOTATION: &str = "acr-credential-helper/adopted";
