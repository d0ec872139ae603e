//! What users and controllers do, on the model and on the real server.

use std::collections::BTreeMap;

use acr_controller::names;
use acr_credentials::UnixMillis;
use acr_histories::api_server::{ApiServer, Forgery, List};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::objects::{Content, Key, of_model};
use crate::real::OWN;

/// A change by somebody who is not the component.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    CreateNamespace(String),
    DeleteNamespace(String),
    /// A step of the namespace controller.
    ContinueDeletion(String, usize),
    LabelNamespace(String, BTreeMap<String, String>),
    CreateAccount(String, String, Vec<String>, bool),
    DeleteAccount(String, String),
    WriteList(String, String, Vec<String>),
    IgnoreAccount(String, String, bool),
    /// The number makes each touch another one, here and below.
    TouchAccount(String, String, usize),
    CreateSecret(String, &'static str, String, Forgery),
    WriteSecret(String, String, Forgery),
    WidenSecret(String, usize),
    UnmarkSecret(String),
    DeleteSecret(String),
    HoldSecret(String, bool),
    SpoilJournal(Option<String>),
    DeleteLease,
    Configure(Option<BTreeMap<String, String>>),
}

impl Change {
    /// Makes the change on the model. False where there is nothing to change.
    pub(crate) fn on_model(&self, model: &mut ApiServer) -> bool {
        match self.clone() {
            Self::CreateNamespace(name) => model.create_namespace(&name, BTreeMap::new(), UnixMillis(0)),
            Self::DeleteNamespace(name) => model.delete_namespace(&name),
            Self::ContinueDeletion(name, choice) => {
                let exists = model.namespaces().get(&name).is_some_and(|found| found.terminating);
                model.continue_deletion(&name, choice);
                exists
            }
            Self::LabelNamespace(name, labels) => model.label_namespace(&name, labels),
            Self::CreateAccount(space, name, list, ignored) => {
                let list: Vec<&str> = list.iter().map(String::as_str).collect();
                model.create_account(&space, &name, List::of(&list), ignored)
            }
            Self::DeleteAccount(space, name) => model.delete_account(&space, &name),
            Self::WriteList(space, name, list) => model.write_list(&space, &name, list),
            Self::IgnoreAccount(space, name, ignored) => model.ignore_account(&space, &name, ignored),
            Self::TouchAccount(space, name, _) => model.touch_account(&space, &name),
            Self::CreateSecret(space, kind, document, forgery) => {
                model.create_foreign_secret(&space, kind, document.as_bytes(), forgery)
            }
            Self::WriteSecret(space, document, forgery) => {
                model.write_secret(&space, document.as_bytes(), forgery)
            }
            Self::WidenSecret(space, _) => model.widen_secret(&space),
            Self::UnmarkSecret(space) => model.unmark_secret(&space),
            Self::DeleteSecret(space) => model.delete_secret(&space),
            Self::HoldSecret(space, held) => model.hold_secret(&space, held),
            Self::SpoilJournal(document) => model.spoil_journal(document.as_deref().map(str::as_bytes)),
            Self::DeleteLease => model.delete_lease(),
            Self::Configure(data) => {
                let before = model.configuration().is_some();
                model.configure(data.clone());
                before || data.is_some()
            }
        }
    }

    /// Makes the same change on the real server. `before` and `after` are what it was on the model.
    pub(crate) async fn on_real(&self, admin: &Client, before: &ApiServerKeys, model: &ApiServer) {
        let users = Users { admin };
        match self.clone() {
            Self::CreateNamespace(name) => {
                users
                    .create::<Namespace>(Api::all(admin.clone()), json!({ "metadata": { "name": name } }))
                    .await;
            }
            Self::DeleteNamespace(name) => {
                users.delete::<Namespace>(Api::all(admin.clone()), &name).await;
            }
            Self::ContinueDeletion(name, _) => users.continue_deletion(&name, before, model).await,
            Self::LabelNamespace(name, mut labels) => {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
                let patch = json!([{ "op": "replace", "path": "/metadata/labels", "value": labels }]);
                let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
                let namespaces: Api<Namespace> = Api::all(admin.clone());
                namespaces.patch(&name, &PatchParams::default(), &patch).await.unwrap();
            }
            Self::CreateAccount(space, name, list, ignored) => {
                let labels = if ignored { json!({ names::IGNORE_LABEL: "true" }) } else { json!({}) };
                let account = json!({ "metadata": { "name": name, "labels": labels },
                    "imagePullSecrets": elements(&list) });
                users.create::<ServiceAccount>(Api::namespaced(admin.clone(), &space), account).await;
            }
            Self::DeleteAccount(space, name) => users.delete(users.accounts(&space), &name).await,
            Self::WriteList(space, name, list) => {
                let list = if list.is_empty() { Value::Null } else { elements(&list) };
                users.merge(&users.accounts(&space), &name, json!({ "imagePullSecrets": list })).await;
            }
            Self::IgnoreAccount(space, name, ignored) => {
                let value = if ignored { json!("true") } else { Value::Null };
                let change = json!({ "metadata": { "labels": { names::IGNORE_LABEL: value } } });
                users.merge(&users.accounts(&space), &name, change).await;
            }
            Self::TouchAccount(space, name, number) => {
                let change = json!({ "metadata": { "annotations": { "touched": number.to_string() } } });
                users.merge(&users.accounts(&space), &name, change).await;
            }
            Self::CreateSecret(space, kind, document, _) => {
                // The mark is the one that the model's forger made.
                let forged = &model.pull_secrets()[&space];
                let metadata = json!({ "name": names::PULL_SECRET,
                    "labels": forged.labels, "annotations": forged.annotations });
                let secret = json!({ "metadata": metadata, "type": kind,
                    "stringData": { names::PULL_SECRET_KEY: document } });
                users.create(users.secrets(&space), secret).await;
            }
            Self::WriteSecret(space, document, forgery) => {
                let mut change = json!({ "stringData": { names::PULL_SECRET_KEY: document } });
                if forgery == Forgery::Marked {
                    let digest = &model.pull_secrets()[&space].annotations[names::DIGEST_ANNOTATION];
                    change["metadata"] = json!({ "annotations": { names::DIGEST_ANNOTATION: digest } });
                }
                users.merge(&users.secrets(&space), names::PULL_SECRET, change).await;
            }
            Self::WidenSecret(space, number) => {
                let change = json!({ "stringData": { "more": number.to_string() } });
                users.merge(&users.secrets(&space), names::PULL_SECRET, change).await;
            }
            Self::UnmarkSecret(space) => {
                let change = json!({ "metadata": { "labels": { names::MANAGED_BY_LABEL: null },
                    "annotations": { names::DIGEST_ANNOTATION: null } } });
                users.merge(&users.secrets(&space), names::PULL_SECRET, change).await;
            }
            Self::DeleteSecret(space) => users.delete(users.secrets(&space), names::PULL_SECRET).await,
            Self::HoldSecret(space, held) => {
                let finalizers = if held { json!(["acr.example/hold"]) } else { Value::Null };
                let change = json!({ "metadata": { "finalizers": finalizers } });
                users.merge(&users.secrets(&space), names::PULL_SECRET, change).await;
            }
            Self::SpoilJournal(None) => users.delete(users.secrets(OWN), names::JOURNAL_SECRET).await,
            Self::SpoilJournal(Some(document)) => {
                let change = json!({ "stringData": { names::JOURNAL_KEY: document } });
                users.merge(&users.secrets(OWN), names::JOURNAL_SECRET, change).await;
            }
            Self::DeleteLease => {
                users.delete::<Lease>(Api::namespaced(admin.clone(), OWN), names::LEASE).await;
            }
            Self::Configure(data) => users.configure(data, before.contains(&Key::Configuration)).await,
        }
    }
}

/// Which objects there were.
pub(crate) type ApiServerKeys = std::collections::BTreeSet<Key>;

struct Users<'a> {
    admin: &'a Client,
}

impl Users<'_> {
    fn accounts(&self, space: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.admin.clone(), space)
    }

    fn secrets(&self, space: &str) -> Api<Secret> {
        Api::namespaced(self.admin.clone(), space)
    }

    async fn create<K>(&self, api: Api<K>, object: Value)
    where
        K: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
    {
        let object: K = serde_json::from_value(object).unwrap();
        let maker = PostParams { field_manager: Some(MAKER.to_owned()), ..PostParams::default() };
        api.create(&maker, &object).await.unwrap();
    }

    async fn delete<K: Clone + std::fmt::Debug + DeserializeOwned>(&self, api: Api<K>, name: &str) {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    async fn merge<K: Clone + std::fmt::Debug + DeserializeOwned>(
        &self,
        api: &Api<K>,
        name: &str,
        change: Value,
    ) {
        let somebody = PatchParams { field_manager: Some(SOMEBODY.to_owned()), ..PatchParams::default() };
        api.patch(name, &somebody, &Patch::Merge(change)).await.unwrap();
    }

    /// What the namespace controller would do: what it chose to delete is seen on the model.
    async fn continue_deletion(&self, name: &str, before: &ApiServerKeys, model: &ApiServer) {
        let after = of_model(model);
        let gone = |key: &&Key| match after.get(*key) {
            None => true,
            Some((Content::PullSecret(secret), _)) => secret.terminating && key_is_of(key, name),
            Some(_) => false,
        };
        for key in before.iter().filter(gone) {
            match key {
                Key::Account(space, account) => self.delete(self.accounts(space), account).await,
                Key::PullSecret(space) => self.delete(self.secrets(space), names::PULL_SECRET).await,
                Key::Namespace(_) => self.finalize(name).await,
                Key::Journal | Key::Lease | Key::Configuration => {}
            }
        }
    }

    /// Says that nothing is left in a namespace that is being deleted.
    async fn finalize(&self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name }, "spec": { "finalizers": [] } });
        let request = http::Request::put(format!("/api/v1/namespaces/{name}/finalize"))
            .header("content-type", "application/json")
            .body(namespace.to_string().into_bytes())
            .unwrap();
        self.admin.request::<Value>(request).await.unwrap();
    }

    async fn configure(&self, data: Option<BTreeMap<String, String>>, exists: bool) {
        let maps: Api<ConfigMap> = Api::namespaced(self.admin.clone(), OWN);
        match data {
            None => self.delete(maps, names::CONFIG_MAP).await,
            Some(data) if !exists => {
                self.create(maps, json!({ "metadata": { "name": names::CONFIG_MAP }, "data": data })).await;
            }
            Some(data) => {
                let patch = json!([{ "op": "add", "path": "/data", "value": data }]);
                let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
                maps.patch(names::CONFIG_MAP, &PatchParams::default(), &patch).await.unwrap();
            }
        }
    }
}

/// How the model calls the field managers of users: who makes an object, and who changes it.
const MAKER: &str = "kubectl-create";
const SOMEBODY: &str = "kubectl-edit";

fn key_is_of(key: &Key, space: &str) -> bool {
    matches!(key, Key::PullSecret(home) if home == space)
}

fn elements(list: &[String]) -> Value {
    list.iter().map(|name| json!({ "name": name })).collect()
}
