//! The real server: the component's edge with the shipped rights or none, and a look at all objects.

use std::collections::BTreeMap;

use acr_cluster::{Access, Cluster, Ourselves, connect};
use acr_controller::names;
use acr_testbed::{ControlPlane, Right, apply_manifests};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::objects::{BUILT_IN, Content, Identity, Key, Objects, PullSecret};

/// The component's namespace.
pub(crate) const OWN: &str = "kube-system";
/// A namespace in which a policy refuses the component's changes of ServiceAccounts.
pub(crate) const FROZEN: &str = "frozen";
/// A namespace in which a policy refuses the component's Secrets.
pub(crate) const NO_SECRETS: &str = "no-secrets";
/// A namespace whose quota has no room for another Secret.
pub(crate) const FULL: &str = "full";

const RIGHTS: &str = include_str!("../../../deploy/rbac.yaml");
/// Policies for the component alone: what users do is not what is compared.
const POLICIES: &str = include_str!("policies.yaml");

pub(crate) struct Real {
    pub(crate) admin: Client,
    pub(crate) component: Client,
    pub(crate) cluster: Cluster,
    has_rights: bool,
}

impl Real {
    pub(crate) async fn with_rights(control_plane: &ControlPlane) -> Self {
        let admin = control_plane.admin().unwrap();
        apply_manifests(&admin, RIGHTS).await.unwrap();
        let own = Right { namespace: OWN, ..Right::default() };
        let one_of_each_binding = [
            Right { verb: "patch", resource: "serviceaccounts", ..Right::default() },
            Right { verb: "watch", resource: "configmaps", name: names::CONFIG_MAP, ..own },
        ];
        control_plane.until_granted(OWN, names::SERVICE_ACCOUNT, &one_of_each_binding).await.unwrap();
        Self::of(control_plane, (OWN, names::SERVICE_ACCOUNT), true).await
    }

    /// As a ServiceAccount that nobody gave anything.
    pub(crate) async fn without_rights(control_plane: &ControlPlane) -> Self {
        Self::of(control_plane, ("default", "default"), false).await
    }

    async fn of(control_plane: &ControlPlane, account: (&str, &str), has_rights: bool) -> Self {
        let admin = control_plane.admin().unwrap();
        let token = control_plane.service_account_token(account.0, account.1, &[], 3600).await.unwrap();
        let kubeconfig = control_plane.kubeconfig_with_token("component", &token).unwrap();
        let access = Access { kubeconfig: Some(kubeconfig), context: None };
        let ourselves = Ourselves { namespace: OWN.to_owned(), identity: "test".to_owned() };
        Self {
            component: control_plane.client_with_token(&token).unwrap(),
            cluster: Cluster::new(connect(&access).await.unwrap(), ourselves),
            admin,
            has_rights,
        }
    }

    /// Puts the policies and the quota in force and waits until they count.
    pub(crate) async fn resist(&self) {
        let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> =
            Api::namespaced(self.admin.clone(), FULL);
        let none = json!({ "count/secrets": "0" });
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": { "name": "tight" }, "spec": { "hard": none } });
        quotas
            .create(&kube::api::PostParams::default(), &serde_json::from_value(quota).unwrap())
            .await
            .unwrap();
        // No controller counts here: what it would write is written by hand.
        let counted = Patch::Merge(json!({ "status": { "hard": none, "used": none } }));
        quotas.patch_status("tight", &PatchParams::default(), &counted).await.unwrap();
        if !self.has_rights {
            return;
        }
        apply_manifests(&self.admin, POLICIES).await.unwrap();
        let dry = PatchParams { dry_run: true, force: true, ..PatchParams::apply("test") };
        let secret = |name: &str, namespace: &str| {
            Patch::Apply(
                json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
                "metadata": { "name": name, "namespace": namespace },
                "data": { ".dockerconfigjson": "e30=" } }),
            )
        };
        let label = Patch::Merge(json!({ "metadata": { "labels": { "probe": "1" } } }));
        let merge = PatchParams { dry_run: true, ..PatchParams::default() };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.component.clone(), FROZEN);
        until_refused("the policy on ServiceAccounts", "are frozen", async || {
            accounts.patch("app", &merge, &label).await.map(drop)
        })
        .await;
        for (what, namespace, words) in
            [("the policy on Secrets", NO_SECRETS, "no Secrets"), ("the quota", FULL, "exceeded quota")]
        {
            let secrets: Api<Secret> = Api::namespaced(self.component.clone(), namespace);
            until_refused(what, words, async || {
                secrets
                    .patch(names::PULL_SECRET, &dry, &secret(names::PULL_SECRET, namespace))
                    .await
                    .map(drop)
            })
            .await;
        }
    }

    /// Everything that is there.
    pub(crate) async fn objects(&self) -> Objects {
        let all = ListParams::default();
        let by_name = ListParams::default().fields(&format!("metadata.name={}", names::PULL_SECRET));
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        let accounts: Api<ServiceAccount> = Api::all(self.admin.clone());
        let secrets: Api<Secret> = Api::all(self.admin.clone());
        let own_secrets: Api<Secret> = Api::namespaced(self.admin.clone(), OWN);
        let leases: Api<Lease> = Api::namespaced(self.admin.clone(), OWN);
        let maps: Api<ConfigMap> = Api::namespaced(self.admin.clone(), OWN);
        let (namespaces, accounts, secrets, journal, lease, map) = tokio::try_join!(
            namespaces.list(&all),
            accounts.list(&all),
            secrets.list(&by_name),
            own_secrets.get_opt(names::JOURNAL_SECRET),
            leases.get_opt(names::LEASE),
            maps.get_opt(names::CONFIG_MAP),
        )
        .unwrap();
        let namespaces = namespaces.items.iter().map(namespace);
        let accounts = accounts.items.iter().map(account);
        let secrets = secrets.items.iter().map(pull_secret);
        let single = [
            journal.as_ref().map(self::journal),
            lease.as_ref().map(self::lease),
            map.as_ref().map(configuration),
        ];
        let objects = namespaces.chain(accounts).chain(secrets).chain(single.into_iter().flatten());
        let theirs = |key: &Key| {
            let (Key::Namespace(home) | Key::Account(home, _)) = key else { return false };
            BUILT_IN.contains(&home.as_str())
        };
        objects.filter(|(key, _)| !theirs(key)).collect()
    }
}

/// Waits until something is refused in these words: a policy counts a moment after it was made.
async fn until_refused(what: &str, words: &str, ask: impl AsyncFn() -> kube::Result<()>) {
    let started = std::time::Instant::now();
    loop {
        match ask().await {
            Err(error) if error.to_string().contains(words) => return,
            other => assert!(started.elapsed().as_secs() < 120, "{what} does not count: {other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

type Found = (Key, (Content, Identity));

fn identity(object: &impl ResourceExt) -> Identity {
    Identity { uid: object.uid().unwrap(), version: object.resource_version().unwrap().parse().unwrap() }
}

fn namespace(object: &Namespace) -> Found {
    let identity = identity(object);
    let mut labels = object.labels().clone();
    // The server sets it on every Namespace.
    labels.remove("kubernetes.io/metadata.name");
    let terminating = object.metadata.deletion_timestamp.is_some();
    (Key::Namespace(object.name_any()), (Content::Namespace { labels, terminating }, identity))
}

fn account(object: &ServiceAccount) -> Found {
    let identity = identity(object);
    let key = Key::Account(object.namespace().unwrap(), object.name_any());
    let ignored = object.labels().get(names::IGNORE_LABEL).is_some_and(|value| value == "true");
    let value = serde_json::to_value(object).unwrap();
    // An element without a name is shown as an empty object; the type of the library shows an empty name.
    let list = value.get("imagePullSecrets").and_then(Value::as_array).map(|elements| {
        let unnamed = json!({ "name": "" });
        let shown = |element: &Value| if *element == unnamed { json!({}) } else { element.clone() };
        Value::Array(elements.iter().map(shown).collect()).to_string()
    });
    (key, (Content::Account { ignored, list }, identity))
}

fn pull_secret(object: &Secret) -> Found {
    let identity = identity(object);
    let own = |annotations: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let kept = annotations.iter().filter(|(key, _)| key.starts_with("acr-credential-helper/"));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let data = object.data.clone().unwrap_or_default();
    let owns = |fields: &Value| fields.pointer("/f:data/f:.dockerconfigjson").is_some();
    let owners = object
        .managed_fields()
        .iter()
        .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0)));
    let content = PullSecret {
        kind: object.type_.clone().unwrap_or_default(),
        document: data.get(names::PULL_SECRET_KEY).map(|bytes| bytes.0.clone()).unwrap_or_default(),
        owners: owners.filter_map(|entry| entry.manager.clone()).collect(),
        wide: data.len() > 1,
        labels: object.labels().clone(),
        annotations: own(object.annotations()),
        held: !object.finalizers().is_empty(),
        terminating: object.metadata.deletion_timestamp.is_some(),
    };
    (Key::PullSecret(object.namespace().unwrap()), (Content::PullSecret(content), identity))
}

fn journal(object: &Secret) -> Found {
    let identity = identity(object);
    let mut data = object.data.clone().unwrap_or_default();
    let document = data.remove(names::JOURNAL_KEY).map(|bytes| bytes.0).unwrap_or_default();
    (Key::Journal, (Content::Journal { document }, identity))
}

fn lease(object: &Lease) -> Found {
    let identity = identity(object);
    let spec = object.spec.clone().unwrap_or_default();
    let number = |value: Option<i32>| u32::try_from(value.unwrap_or_default()).unwrap();
    let content = Content::Lease {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration_seconds: number(spec.lease_duration_seconds),
        transitions: number(spec.lease_transitions),
    };
    (Key::Lease, (content, identity))
}

fn configuration(object: &ConfigMap) -> Found {
    let identity = identity(object);
    (Key::Configuration, (Content::Configuration { data: object.data.clone().unwrap_or_default() }, identity))
}
