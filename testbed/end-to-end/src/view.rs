//! What a stage shows of served namespaces: who is attached, which hosts a Secret has, and when it ends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::error::Error;
use crate::image::document;
use crate::stage::{PULL_SECRET, Stage};

/// The annotation with the time at which the first login of a pull secret ends.
const EXPIRES: &str = "acr-credential-helper/expires";

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether the pull secret's name stands in its list.
    pub attached: bool,
    /// Its resourceVersion, which every write of it changes.
    pub resource_version: String,
}

/// The pull secret of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Keys of the docker config.
    pub hosts: Vec<String>,
    /// When its first login ends.
    pub expires: Option<Timestamp>,
    /// Base64 of the whole document: equal where the bytes are equal.
    pub content: String,
}

impl Stage<'_> {
    /// The ServiceAccounts of a namespace, by name.
    pub async fn account_views(&self, namespace: &str) -> Result<Vec<AccountView>, Error> {
        let accounts = self.accounts(namespace).list(&ListParams::default()).await;
        let accounts = accounts.map_err(Error::api(format!("list the ServiceAccounts of {namespace}")))?;
        let view = |account: k8s_openapi::api::core::v1::ServiceAccount| AccountView {
            namespace: namespace.to_owned(),
            name: account.name_any(),
            resource_version: account.resource_version().unwrap_or_default(),
            attached: account
                .image_pull_secrets
                .unwrap_or_default()
                .iter()
                .any(|entry| entry.name == PULL_SECRET),
        };
        Ok(accounts.items.into_iter().map(view).collect())
    }

    /// What the pull secret of a namespace serves; `None` where there is none.
    pub async fn served(&self, namespace: &str) -> Result<Option<Served>, Error> {
        let Some(secret) = self.pull_secret(namespace).await? else { return Ok(None) };
        served(namespace, &secret).map(Some)
    }
}

/// Whether a ServiceAccount with this metadata, made now and not stored, gets our name. What the API server refuses does not.
pub async fn would_be_attached(client: &Client, namespace: &str, metadata: Value) -> bool {
    let Ok(account) = serde_json::from_value::<ServiceAccount>(json!({ "metadata": metadata })) else {
        return false;
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let made = accounts.create(&dry_run, &account).await;
    let list = made.ok().and_then(|made| made.image_pull_secrets).unwrap_or_default();
    list.iter().any(|entry| entry.name == PULL_SECRET)
}

/// What the API server does with new ServiceAccounts that nobody answers about, by our registration; `None` without one.
pub async fn failure_policy(client: &Client) -> Option<String> {
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let found = registrations.get_opt("acr-credential-helper").await.ok()??;
    found.webhooks?.first()?.failure_policy.clone()
}

fn served(namespace: &str, secret: &Secret) -> Result<Served, Error> {
    let document = document(namespace, secret)?;
    let auths = document.get("auths").and_then(Value::as_object);
    let expires = secret.annotations().get(EXPIRES).and_then(|text| text.parse().ok());
    Ok(Served {
        hosts: auths.into_iter().flat_map(|auths| auths.keys().cloned()).collect(),
        expires,
        content: STANDARD.encode(document.to_string()),
    })
}
