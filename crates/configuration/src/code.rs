//! The codes of findings: `PascalCase` words that are also reasons of Events and labels of metrics.

/// Not YAML or JSON.
pub const SYNTAX_ERROR: &str = "SyntaxError";
/// More than one YAML document.
pub const SEVERAL_DOCUMENTS: &str = "SeveralDocuments";
/// Bigger or deeper than any configuration.
pub const TOO_LARGE: &str = "TooLarge";
/// A file that is none of the forms that can be checked.
pub const UNKNOWN_FORM: &str = "UnknownForm";
/// A file that is not UTF-8 text.
pub const NOT_UTF8: &str = "NotUtf8";
/// A key or field twice in one mapping.
pub const DUPLICATE_KEY: &str = "DuplicateKey";
/// A list where a text is needed, a text where a number is needed, and the like.
pub const WRONG_TYPE: &str = "WrongType";
/// A number or boolean without quotes under `data:`.
pub const UNQUOTED_VALUE: &str = "UnquotedValue";
/// A value that is none of the allowed ones, or not of the form it must have.
pub const INVALID_VALUE: &str = "InvalidValue";
/// A number or duration that is too small or too large.
pub const OUT_OF_RANGE: &str = "OutOfRange";
/// Not a Go duration.
pub const INVALID_DURATION: &str = "InvalidDuration";
/// Not the ARN of a role or OIDC provider.
pub const INVALID_ARN: &str = "InvalidArn";
/// Not a registry domain.
pub const INVALID_DOMAIN: &str = "InvalidDomain";
/// Not a label selector.
pub const INVALID_SELECTOR: &str = "InvalidSelector";
/// Two fields that belong together, of which one is missing, or which do not fit each other.
pub const INCOMPLETE_PAIR: &str = "IncompletePair";
/// `acr-registry-info` is absent, null, empty or commented out.
pub const REGISTRY_INFO_MISSING: &str = "RegistryInfoMissing";
/// An entry without the field `instanceId`.
pub const INSTANCE_ID_MISSING: &str = "InstanceIdMissing";
/// Keys of the ConfigMap and add-on parameters at once.
pub const BOTH_FORMS: &str = "BothForms";
/// An unknown key that looks like a known one which is absent.
pub const MISSPELLED_KEY: &str = "MisspelledKey";
/// An unknown field that looks like a known one which is absent.
pub const MISSPELLED_FIELD: &str = "MisspelledField";

/// A key that nobody reads.
pub const UNKNOWN_KEY: &str = "UnknownKey";
/// A key of the ConfigMap that stands beside its `data:`, not in it.
pub const MISPLACED_KEY: &str = "MisplacedKey";
/// A field that nobody reads.
pub const UNKNOWN_FIELD: &str = "UnknownField";
/// Two entries publish the same host.
pub const DUPLICATE_HOST: &str = "DuplicateHost";
/// A value of the documentation's example was not replaced.
pub const PLACEHOLDER_NOT_REPLACED: &str = "PlaceholderNotReplaced";
/// An AccessKey stands in the ConfigMap.
pub const INLINE_ACCESS_KEY: &str = "InlineAccessKey";
/// An empty `instanceId` with keys: probably an Enterprise instance was meant.
pub const EMPTY_INSTANCE_ID: &str = "EmptyInstanceId";
/// An `instanceId` that does not start with `cri-`.
pub const UNUSUAL_INSTANCE_ID: &str = "UnusualInstanceId";
/// An instance of the new Personal Edition.
pub const NEW_PERSONAL_EDITION: &str = "NewPersonalEdition";
/// More than one way to get a credential in one entry.
pub const SEVERAL_IDENTITIES: &str = "SeveralIdentities";
/// RRSA is on, but the entry has no ARNs.
pub const RRSA_WITHOUT_ARNS: &str = "RrsaWithoutArns";
/// The entry has ARNs, but RRSA is off.
pub const ARNS_WITHOUT_RRSA: &str = "ArnsWithoutRrsa";
/// A namespace of the system is in scope.
pub const SYSTEM_NAMESPACE_IN_SCOPE: &str = "SystemNamespaceInScope";
/// A name that no namespace or ServiceAccount can have.
pub const IMPOSSIBLE_NAME: &str = "ImpossibleName";
/// A region that is not on Alibaba Cloud's list, or an entry whose region an offline check cannot know.
pub const UNKNOWN_REGION: &str = "UnknownRegion";
/// A domain with `https://` or the like in front.
pub const DOMAIN_WITH_SCHEME: &str = "DomainWithScheme";
/// The AccessKey in an entry is that of a session, whose security token has no place there.
pub const SESSION_KEY_WITHOUT_TOKEN: &str = "SessionKeyWithoutToken";
/// `assumeRoleARN` names the role that the entry has by RRSA already.
pub const SAME_ROLE_TWICE: &str = "SameRoleTwice";
/// Two entries have one instance in two regions.
pub const INSTANCE_IN_TWO_REGIONS: &str = "InstanceInTwoRegions";
/// A domain that the instance of its entry does not have.
pub const HOST_NOT_OF_INSTANCE: &str = "HostNotOfInstance";
/// `pods: append` where no webhook is registered.
pub const APPEND_WITHOUT_WEBHOOK: &str = "AppendWithoutWebhook";
/// A key or field that is known and does nothing.
pub const NO_EFFECT: &str = "NoEffect";
/// `assumeRoleARN` with the managed role, which cannot assume roles.
pub const ASSUME_ROLE_UNDER_MANAGED_ROLE: &str = "AssumeRoleUnderManagedRole";
/// A ConfigMap of another name or namespace than the one that is read.
pub const OTHER_CONFIG_MAP: &str = "OtherConfigMap";
