//! Applying manifests, as `kubectl apply --server-side` does.

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};

use crate::error::Error;

/// The field manager of applied manifests.
const FIELD_MANAGER: &str = "acr-testbed";

/// An object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if its kind has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Applies every document of `yaml`, in order. An object without a namespace goes into `default` where its
/// kind wants one. Empty documents are passed over.
pub async fn apply_manifests(client: &Client, yaml: &str) -> Result<Vec<Applied>, Error> {
    apply_manifests_in(client, "default", yaml).await
}

/// The same; an object without a namespace goes into this one, as with `kubectl --namespace`.
pub async fn apply_manifests_in(client: &Client, namespace: &str, yaml: &str) -> Result<Vec<Applied>, Error> {
    let documents: Vec<Option<serde_json::Value>> = serde_saphyr::from_multiple(yaml)
        // Without the lines around the fault, which may hold a Secret.
        .map_err(|error| Error::Yaml(error.without_snippet().to_string()))?;
    let mut applied = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let Some(document) = document else { continue };
        let broken = |reason: String| Error::Manifest { document: index + 1, reason };
        let object: DynamicObject =
            serde_json::from_value(document).map_err(|error| broken(error.to_string()))?;
        applied.push(apply(client, namespace, object).await.map_err(|error| match error {
            Failure::Document(reason) => broken(reason),
            Failure::Api(error) => error,
        })?);
    }
    Ok(applied)
}

enum Failure {
    Document(String),
    Api(Error),
}

async fn apply(client: &Client, default: &str, object: DynamicObject) -> Result<Applied, Failure> {
    let types = object.types.clone().ok_or_else(|| Failure::Document("no apiVersion and kind".to_owned()))?;
    let name = object.metadata.name.clone().ok_or_else(|| Failure::Document("no name".to_owned()))?;
    let action = format!("apply {} {name}", types.kind);
    let kind = GroupVersionKind::try_from(&types).map_err(|error| Failure::Document(error.to_string()))?;
    let (resource, capabilities) = pinned_kind(client, &kind).await.map_err(|error| {
        Failure::Api(Error::api(format!("find {} {}", types.api_version, types.kind))(error))
    })?;
    let (api, namespace): (Api<DynamicObject>, _) = match capabilities.scope {
        Scope::Cluster => (Api::all_with(client.clone(), &resource), None),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.clone().unwrap_or_else(|| default.to_owned());
            (Api::namespaced_with(client.clone(), &namespace, &resource), Some(namespace))
        }
    };
    api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&object))
        .await
        .map_err(|error| Failure::Api(Error::api(action)(error)))?;
    Ok(Applied { kind: types.kind, namespace, name })
}
