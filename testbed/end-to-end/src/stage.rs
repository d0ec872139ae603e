//! One simulated cloud, and one namespace of a control plane with the component's rights.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_simulator::{Description, Product, Simulator};
use acr_testbed::{AuditEvent, ControlPlane, Right, apply_manifests};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::cloud;
use crate::error::Error;
use crate::eventually;
use crate::rights::{
    MUTATING_POLICY, POLICY, moved, one_of_each_binding, pod_help, policy_of, policy_with_url, rights_in,
    until_policy_counts,
};

/// The ConfigMap with the configuration.
pub const CONFIG_MAP: &str = "acr-configuration";
/// The Secret of each served namespace.
pub const PULL_SECRET: &str = "acr-credential-secret-aggregation";
/// The component's ServiceAccount.
pub const SERVICE_ACCOUNT: &str = "aliyun-acr-credential-helper";

/// What a user applies to run the component outside of the cluster.
const OUTSIDE: &str = include_str!("../../../deploy/outside.yaml");
/// The Secret of [`OUTSIDE`], which Kubernetes fills with a token.
const TOKEN_SECRET: &str = "aliyun-acr-credential-helper-outside";
/// How long Kubernetes may take for that.
pub(crate) const FILLED: Duration = Duration::from_mins(2);

/// One simulated cloud, and one namespace of a control plane in which the component has its rights.
pub struct Stage<'a> {
    control_plane: &'a ControlPlane,
    cloud: Simulator,
    namespace: String,
    storage: PathBuf,
    kubeconfig: PathBuf,
    token: SecretString,
    client: Client,
    /// The admission policy that holds the component.
    policy: String,
}

impl<'a> Stage<'a> {
    /// Makes `namespace` where it does not exist, gives the component its rights there, and starts a cloud that trusts
    /// the cluster.
    pub async fn set(control_plane: &'a ControlPlane, namespace: &str) -> Result<Self, Error> {
        Self::set_with(control_plane, namespace, |_| {}).await
    }

    /// The same with a cloud that differs from the usual one.
    pub async fn set_with(
        control_plane: &'a ControlPlane,
        namespace: &str,
        change: impl FnOnce(&mut Description),
    ) -> Result<Self, Error> {
        let client = control_plane.admin()?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        if namespaces.get_opt(namespace).await.map_err(Error::api("look for the namespace"))?.is_none() {
            create_namespace(&client, namespace, &[]).await?;
        }
        apply_manifests(&client, &rights_in(namespace)).await?;
        apply_manifests(&client, &policy_of(POLICY, namespace)).await?;
        apply_manifests(&client, &moved(OUTSIDE, namespace)).await?;
        let token = outside_token(&client, namespace).await?;
        let rights = one_of_each_binding(namespace);
        control_plane.until_granted(namespace, SERVICE_ACCOUNT, &rights).await?;
        Self::begin(control_plane, namespace, token, change).await
    }

    /// The same where the rights are there, because somebody else has given them to the component.
    pub async fn join(control_plane: &'a ControlPlane, namespace: &str) -> Result<Self, Error> {
        let token = control_plane.service_account_token(namespace, SERVICE_ACCOUNT, &[], 3600).await?;
        // A right to ask for tokens is there only where they are not projected.
        let [patch, watch, _] = one_of_each_binding(namespace);
        control_plane.until_granted(namespace, SERVICE_ACCOUNT, &[patch, watch]).await?;
        Self::begin(control_plane, namespace, token, |_| {}).await
    }

    /// Gives the component the rights of `pods: restart`, before it is reached anywhere. They have one name, so no other stage
    /// of the control plane can have them.
    pub async fn helps_pods(&mut self) -> Result<(), Error> {
        let (rights, policy) = pod_help();
        apply_manifests(&self.client, &moved(&rights, &self.namespace)).await?;
        apply_manifests(&self.client, &policy_of(&policy, &self.namespace)).await?;
        self.policy = policy;
        let right = Right { verb: "create", resource: "pods", subresource: "eviction", ..Right::default() };
        self.control_plane.until_granted(&self.namespace, SERVICE_ACCOUNT, &[right]).await?;
        Ok(())
    }

    /// Lets the component register a webhook that the API server reaches at `url`, as the chart does with `webhook.url`.
    pub async fn is_reached_at(&self, url: &str) -> Result<(), Error> {
        let policy = policy_with_url(&self.policy, url);
        apply_manifests(&self.client, &policy_of(&policy, &self.namespace)).await?;
        let registrations: Api<MutatingWebhookConfiguration> =
            Api::all(self.control_plane.client_with_token(&self.token)?);
        let registration = Patch::Apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": "acr-credential-helper" },
            "webhooks": [{
                "name": "serviceaccounts.acr-credential-helper.io",
                "clientConfig": { "url": format!("{url}/serviceaccounts") },
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        }));
        let dry_run = PatchParams { dry_run: true, ..PatchParams::apply("acr-credential-helper") };
        eventually("the policy lets the component register its webhook", FILLED, async || match registrations
            .patch("acr-credential-helper", &dry_run, &registration)
            .await
        {
            Ok(_) => Ok(Some(())),
            Err(kube::Error::Api(status)) if status.message.contains("denied request") => Ok(None),
            Err(error) => Err(Error::api("try to register a webhook")(error)),
        })
        .await
    }

    /// Installs the policy behind `mode: policy`, with the right to try it. It has one name, so no other stage of the
    /// control plane can have it.
    pub async fn has_mutating_policy(&self) -> Result<(), Error> {
        apply_manifests(&self.client, &moved(MUTATING_POLICY, &self.namespace)).await?;
        Ok(())
    }

    async fn begin(
        control_plane: &'a ControlPlane,
        namespace: &str,
        token: SecretString,
        change: impl FnOnce(&mut Description),
    ) -> Result<Self, Error> {
        let client = control_plane.admin()?;
        let mut description = cloud::description(namespace, control_plane.issuer())?;
        change(&mut description);
        let storage = control_plane.folder().join(format!("images-{namespace}"));
        std::fs::create_dir_all(&storage).map_err(|source| Error::File {
            action: "create",
            path: storage.clone(),
            source,
        })?;
        let cloud = cloud::start(description, &control_plane.jwks().await?, storage.clone()).await?;
        until_policy_counts(control_plane, namespace, &token).await?;
        let kubeconfig =
            control_plane.kubeconfig_with_token(&format!("{namespace}:{SERVICE_ACCOUNT}"), &token)?;
        let (namespace, policy) = (namespace.to_owned(), POLICY.to_owned());
        Ok(Self { control_plane, cloud, namespace, storage, kubeconfig, token, client, policy })
    }

    /// The control plane.
    pub fn control_plane(&self) -> &'a ControlPlane {
        self.control_plane
    }

    /// The simulated cloud.
    pub fn cloud(&self) -> &Simulator {
        &self.cloud
    }

    /// Switches the simulated cloud off.
    pub async fn into_darkness(self) {
        self.cloud.stop().await;
    }

    /// The component's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the registries of the cloud keep their images, each in a folder of its own; the cloud's bucket serves it.
    pub(crate) fn storage(&self) -> &Path {
        &self.storage
    }

    /// A kubeconfig with exactly the component's rights.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client that may do everything.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The component's requests to the API server so far.
    pub fn requests(&self) -> Result<Vec<AuditEvent>, Error> {
        let user = format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.namespace);
        let mut events = self.control_plane.audit_events()?;
        // Ours: that the policy counts was tried as the component, which tries nothing itself.
        events.retain(|event| event.user == user && !event.uri.contains("dryRun=All"));
        Ok(events)
    }

    /// What the cloud was asked for by others than whoever pushes images: actions of a product, in order.
    pub fn cloud_calls(&self, product: Product) -> Vec<String> {
        let builder = |caller: &String| caller.ends_with(":user/builder");
        let cloud = self.cloud.cloud();
        let calls = cloud.calls().filter(|call| call.product == product);
        calls
            .filter(|call| !call.caller.as_ref().is_some_and(builder))
            .map(|call| call.action.clone())
            .collect()
    }

    /// Writes the ConfigMap with these keys, the simulated cloud's `endpoints` among them.
    pub async fn configure(&self, keys: &[(&str, &str)]) -> Result<(), Error> {
        let mut data = BTreeMap::from([("endpoints".to_owned(), self.cloud.listing().endpoints_yaml())]);
        data.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.configure_exactly(&json!(data)).await
    }

    /// Writes the ConfigMap with this `data` and nothing else.
    pub async fn configure_exactly(&self, data: &Value) -> Result<(), Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let wanted = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": CONFIG_MAP, "namespace": self.namespace },
            "data": data,
        });
        let failed = || Error::api("write the ConfigMap");
        if maps.get_opt(CONFIG_MAP).await.map_err(failed())?.is_none() {
            let map = serde_json::from_value(wanted).map_err(kube::Error::SerdeError).map_err(failed())?;
            return maps.create(&PostParams::default(), &map).await.map(drop).map_err(failed());
        }
        // A JSON patch replaces the keys as a whole.
        let replace = json!([{ "op": "add", "path": "/data", "value": data }]);
        let patch = serde_json::from_value(replace).map_err(kube::Error::SerdeError).map_err(failed())?;
        maps.patch(CONFIG_MAP, &PatchParams::default(), &Patch::Json::<()>(patch))
            .await
            .map(drop)
            .map_err(failed())
    }

    /// Deletes the ConfigMap.
    pub async fn remove_configuration(&self) -> Result<(), Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        maps.delete(CONFIG_MAP, &DeleteParams::default())
            .await
            .map(drop)
            .map_err(Error::api("delete the ConfigMap"))
    }

    /// Makes a namespace with these labels.
    pub async fn create_namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<(), Error> {
        create_namespace(&self.client, name, labels).await
    }

    /// The names of all namespaces.
    pub async fn namespaces(&self) -> Result<Vec<String>, Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let list = namespaces.list_metadata(&ListParams::default()).await;
        let list = list.map_err(Error::api("list the namespaces"))?;
        Ok(list.items.iter().map(ResourceExt::name_any).collect())
    }

    /// Makes a ServiceAccount.
    pub async fn create_account(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let account = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
        self.accounts(namespace)
            .create(&PostParams::default(), &account)
            .await
            .map(drop)
            .map_err(Error::api(format!("make ServiceAccount {namespace}/{name}")))
    }

    /// The ServiceAccounts of a namespace.
    pub fn accounts(&self, namespace: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The Secrets of a namespace.
    pub fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Names in the list of a ServiceAccount; `None` where there is no such ServiceAccount.
    pub async fn list(&self, namespace: &str, account: &str) -> Result<Option<Vec<String>>, Error> {
        let found = self.accounts(namespace).get_opt(account).await;
        let found = found.map_err(Error::api(format!("get ServiceAccount {namespace}/{account}")))?;
        let names = |account: ServiceAccount| {
            account.image_pull_secrets.unwrap_or_default().into_iter().map(|entry| entry.name).collect()
        };
        Ok(found.map(names))
    }

    /// The Events that the component has written about objects of a namespace.
    pub async fn events(&self, namespace: &str) -> Result<Vec<Reported>, Error> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let list = events.list(&ListParams::default()).await;
        let list = list.map_err(Error::api(format!("list the Events of {namespace}")))?;
        let ours = list.items.into_iter().filter(|event| {
            event.reporting_controller.as_deref().is_some_and(|name| name.contains("acr-credential-helper"))
        });
        Ok(ours.map(Reported::from).collect())
    }

    /// The pull secret of a namespace.
    pub async fn pull_secret(&self, namespace: &str) -> Result<Option<Secret>, Error> {
        let found = self.secrets(namespace).get_opt(PULL_SECRET).await;
        let found = found.map_err(Error::api(format!("get the Secret of {namespace}")))?;
        Ok(found.filter(|secret| !secret.name_any().is_empty()))
    }
}

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// `ConfigMap NAME`, `Namespace NAME`, ...
    pub about: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// The PascalCase reason.
    pub reason: String,
    /// What happened, and the remedy.
    pub message: String,
}

impl From<Event> for Reported {
    fn from(event: Event) -> Self {
        let about = event.regarding.unwrap_or_default();
        Self {
            about: format!("{} {}", about.kind.unwrap_or_default(), about.name.unwrap_or_default()),
            kind: event.type_.unwrap_or_default(),
            reason: event.reason.unwrap_or_default(),
            message: event.note.unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Stage<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stage").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

async fn create_namespace(client: &Client, name: &str, labels: &[(&str, &str)]) -> Result<(), Error> {
    let mut namespace = Namespace { metadata: named(name), ..Namespace::default() };
    if !labels.is_empty() {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        namespace.metadata.labels = Some(labels.collect());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .map(drop)
        .map_err(Error::api(format!("make namespace {name}")))
}

/// The token that Kubernetes puts into the Secret of [`OUTSIDE`].
async fn outside_token(client: &Client, namespace: &str) -> Result<SecretString, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    eventually("the Secret for running outside of the cluster has a token", FILLED, async || {
        let secret = secrets.get(TOKEN_SECRET).await.map_err(Error::api("get the token"))?;
        let token = secret.data.unwrap_or_default().remove("token");
        Ok(token.and_then(|token| String::from_utf8(token.0).ok()).map(SecretString::from))
    })
    .await
}
