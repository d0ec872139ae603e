//! Objects as the watches and reads show them: only what is used, whatever else they hold.
//!
//! Fields that nothing can be done without (name, version) are required: an object that lacks them is reported
//! and passed over. Everything else is optional, so that no object of a future server stops a watch.

mod pod;

use std::collections::BTreeMap;

use acr_configuration::SecretRef;
use acr_controller::admission::{AdmissionObject, AdmissionSeen, POD_WEBHOOK_NAME, WEBHOOK_NAME};
use acr_controller::names::{IGNORE_LABEL, INSTALLATION_ANNOTATION};
use acr_controller::observation::{AccountSeen, ConfigMapSeen, NamespaceSeen, Observation, PullSecretSeen};
use acr_credentials::UnixMillis;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::reply::data_of;
pub(crate) use pod::PodObject;

/// A kind of object that is watched.
pub(crate) trait Watched: DeserializeOwned + Clone + Send + 'static {
    /// It exists, like this.
    fn shown(self) -> Observation;
    /// It was deleted.
    fn gone(self) -> Observation;
    /// Its resourceVersion, as the server wrote it.
    fn version(&self) -> u64;
}

/// Prefix of the annotations that are kept. Others may hold anything; that of `kubectl apply` holds a whole
/// Secret.
const KEPT_ANNOTATIONS: &str = "acr-credential-helper/";

fn kept(annotations: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut annotations = annotations.unwrap_or_default();
    annotations.retain(|key, _| key.starts_with(KEPT_ANNOTATIONS));
    annotations
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // A decimal number since Kubernetes is stored in etcd, and by contract since 1.35 (KEP-5504).
    struct Text;
    impl serde::de::Visitor<'_> for Text {
        type Value = u64;
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a decimal resourceVersion")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(|_| E::custom("not a decimal resourceVersion"))
        }
    }
    deserializer.deserialize_str(Text)
}

/// The part of `metadata` that every kind shares.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(deserialize_with = "version")]
    pub(crate) resource_version: u64,
    creation_timestamp: Option<jiff::Timestamp>,
    deletion_timestamp: Option<IgnoredAny>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<pod::Owner>>,
    #[serde(default)]
    managed_fields: Option<Vec<ManagedFields>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedFields {
    manager: Option<String>,
    fields_v1: Option<Fields>,
}

/// The part of a field set that tells who owns the docker config document; see
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#managedfields>.
#[derive(Clone, Deserialize)]
struct Fields {
    #[serde(rename = "f:data")]
    data: Option<DataFields>,
}

#[derive(Clone, Deserialize)]
struct DataFields {
    #[serde(rename = "f:.dockerconfigjson")]
    document: Option<IgnoredAny>,
}

impl ManagedFields {
    fn owns_document(&self) -> bool {
        let data = self.fields_v1.as_ref().and_then(|fields| fields.data.as_ref());
        data.is_some_and(|data| data.document.is_some())
    }
}

/// Only which object it is, and its version: from the answer to a write.
#[derive(Deserialize)]
pub(crate) struct Versioned {
    pub(crate) metadata: VersionOnly,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionOnly {
    pub(crate) uid: Option<String>,
    #[serde(deserialize_with = "version")]
    pub(crate) resource_version: u64,
}

/// A ConfigMap.
#[derive(Clone, Deserialize)]
pub(crate) struct ConfigMapObject {
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
}

impl Watched for ConfigMapObject {
    fn shown(self) -> Observation {
        Observation::Configuration(ConfigMapSeen {
            uid: self.metadata.uid,
            resource_version: self.metadata.resource_version,
            data: self.data.unwrap_or_default(),
            annotations: kept(self.metadata.annotations),
        })
    }

    fn gone(self) -> Observation {
        Observation::ConfigurationGone
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// A Namespace, metadata only.
#[derive(Clone, Deserialize)]
pub(crate) struct NamespaceObject {
    metadata: Metadata,
}

impl Watched for NamespaceObject {
    fn shown(self) -> Observation {
        let metadata = self.metadata;
        Observation::Namespace(NamespaceSeen {
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            labels: metadata.labels.unwrap_or_default(),
            terminating: metadata.deletion_timestamp.is_some(),
            created: metadata
                .creation_timestamp
                .map_or(UnixMillis::default(), |created| UnixMillis(created.as_millisecond())),
        })
    }

    fn gone(self) -> Observation {
        Observation::NamespaceGone { name: self.metadata.name }
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// A ServiceAccount. There are many, so its metadata is read more narrowly than that of the others.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountObject {
    metadata: AccountMetadata,
    // Kept as it is: an element may have no name, or members that this program does not know.
    image_pull_secrets: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountMetadata {
    name: String,
    namespace: String,
    #[serde(deserialize_with = "version")]
    resource_version: u64,
    labels: Option<AccountLabels>,
}

#[derive(Clone, Deserialize)]
struct AccountLabels {
    #[serde(rename = "acr-credential-helper/ignore")]
    ignore: Option<String>,
}

impl AccountObject {
    pub(crate) fn into_seen(self) -> AccountSeen {
        let labels = self.metadata.labels;
        AccountSeen {
            namespace: self.metadata.namespace,
            name: self.metadata.name,
            resource_version: self.metadata.resource_version,
            ignored: labels.and_then(|labels| labels.ignore).is_some_and(|value| value == "true"),
            list: self.image_pull_secrets.map(|list| list.to_string()),
        }
    }
}

impl Watched for AccountObject {
    fn shown(self) -> Observation {
        Observation::Account(self.into_seen())
    }

    fn gone(self) -> Observation {
        Observation::AccountGone { namespace: self.metadata.namespace, name: self.metadata.name }
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// A Secret of the pull secret's name, metadata only.
#[derive(Clone, Deserialize)]
pub(crate) struct PullSecretObject {
    metadata: Metadata,
}

impl Watched for PullSecretObject {
    fn shown(self) -> Observation {
        let metadata = self.metadata;
        let owners = metadata.managed_fields.unwrap_or_default().into_iter();
        let annotations = kept(metadata.annotations);
        Observation::PullSecret(PullSecretSeen {
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            labels: metadata.labels.unwrap_or_default(),
            annotations,
            data_owners: owners
                .filter(ManagedFields::owns_document)
                .filter_map(|entry| entry.manager)
                .collect(),
            terminating: metadata.deletion_timestamp.is_some(),
        })
    }

    fn gone(self) -> Observation {
        Observation::PullSecretGone { namespace: self.metadata.namespace }
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// A Secret that the configuration names.
#[derive(Clone, Deserialize)]
pub(crate) struct ReferenceObject {
    metadata: Metadata,
    data: Option<BTreeMap<String, Zeroizing<String>>>,
}

impl ReferenceObject {
    fn reference(&self) -> SecretRef {
        let Metadata { namespace, name, .. } = &self.metadata;
        SecretRef { namespace: namespace.clone(), name: name.clone() }
    }
}

impl Watched for ReferenceObject {
    fn shown(self) -> Observation {
        let reference = self.reference();
        let data = self
            .data
            .as_ref()
            .map(|data| data.iter().map(|(name, text)| (name.clone(), text.as_str())).collect());
        Observation::Referenced { reference, seen: Ok(Some(data_of(data))) }
    }

    fn gone(self) -> Observation {
        Observation::Referenced { reference: self.reference(), seen: Ok(None) }
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// The registration of the webhook.
#[derive(Clone, Deserialize)]
pub(crate) struct RegistrationObject {
    metadata: Metadata,
    webhooks: Option<Vec<Value>>,
}

impl Watched for RegistrationObject {
    fn shown(self) -> Observation {
        // What others add under other names of the same object is theirs.
        let ours = |webhook: &Value| {
            let name = webhook.get("name").and_then(Value::as_str);
            matches!(name, Some(WEBHOOK_NAME | POD_WEBHOOK_NAME))
        };
        let content = self.webhooks.into_iter().flatten().filter(ours).collect();
        admission(AdmissionObject::Registration, self.metadata, content)
    }

    fn gone(self) -> Observation {
        admission_gone(AdmissionObject::Registration, &self.metadata)
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

/// The parameters of the mutating policy.
#[derive(Clone, Deserialize)]
pub(crate) struct ParametersObject {
    metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
}

impl Watched for ParametersObject {
    fn shown(self) -> Observation {
        let content = self.data.unwrap_or_default().into_iter().collect();
        admission(AdmissionObject::Parameters, self.metadata, content)
    }

    fn gone(self) -> Observation {
        admission_gone(AdmissionObject::Parameters, &self.metadata)
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

fn admission(object: AdmissionObject, metadata: Metadata, content: Value) -> Observation {
    let version = metadata.resource_version;
    let mut annotations = metadata.annotations.unwrap_or_default();
    let seen = AdmissionSeen {
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        installation: annotations.remove(INSTALLATION_ANNOTATION),
        content,
    };
    Observation::Admission { object, version, seen: Ok(Some(seen)) }
}

fn admission_gone(object: AdmissionObject, metadata: &Metadata) -> Observation {
    Observation::Admission { object, version: metadata.resource_version, seen: Ok(None) }
}

// The name in `AccountLabels` must be a literal.
const _: () = assert!(matches!(IGNORE_LABEL.as_bytes(), b"acr-credential-helper/ignore"));

#[cfg(test)]
mod tests;
