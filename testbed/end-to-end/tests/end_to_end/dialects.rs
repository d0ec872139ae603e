//! Three dialects of one scope: the matcher of the machine, the registration of the webhook and the parameters of the
//! policy agree on random ServiceAccounts, asked of a real API server.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use acr_configuration::{Configuration, Source, Webhook};
use acr_controller::Area;
use acr_controller::admission::{Front, Target, parameters, registration};
use acr_controller::names::SCOPE_CONFIG_MAP;
use acr_credentials::UnixMillis;
use acr_end_to_end::{PULL_SECRET, Stage, eventually};
use acr_server::{ServedCertificate, TlsListener, make_certificate};
use acr_testbed::apply_manifests;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::scene::PATIENCE;
use crate::{control_plane, turn};

/// Scopes, and ServiceAccounts that are asked about under each: 1 000 questions, each asked in both ways.
const SCOPES: usize = 40;
const ACCOUNTS: usize = 25;
/// The component's namespace.
const OWN: &str = "dialects-acr";
/// No webhook is ever asked about these, so that whatever starts it can be started.
const NEVER_ASKED: [&str; 2] = [OWN, "kube-system"];

const LABELLED: [(&str, &[(&str, &str)]); 9] = [
    ("shop", &[]),
    ("shop-eu", &[("team", "shop")]),
    ("build", &[("team", "build"), ("tier", "test")]),
    ("build-ci", &[("tier", "prod")]),
    ("a", &[("team", "")]),
    ("left-alone", &[("acr-credential-helper/ignore", "true"), ("team", "shop")]),
    ("asked-for", &[("acr-credential-helper/ignore", "false")]),
    (OWN, &[("team", "shop")]),
    ("kube-system", &[("team", "shop")]),
];
const NAMESPACE_PATTERNS: [&str; 7] = ["shop", "shop-*", "*", "b*d", "*-*", "build*", "dialects-acr"];
const ACCOUNT_PATTERNS: [&str; 8] = ["*", "default", "app-*", "*.v1", "a.b", "*-ci*", "web", "app-web"];
const ACCOUNT_NAMES: [&str; 7] = ["web", "app-web", "app-ci-1", "a.b", "axb", "job.v1", "default-x"];
const SELECTORS: [&str; 7] =
    ["team", "!team", "team=shop", "team!=shop", "tier in (test,prod)", "tier notin (test),team", "team="];

/// Xorshift: the same questions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], most: usize) -> String {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.one(of).to_owned()).collect::<Vec<_>>().join(",")
    }

    fn scope(&mut self) -> BTreeMap<String, String> {
        let names: Vec<&str> = LABELLED.iter().map(|(name, _)| *name).collect();
        let mut data = BTreeMap::new();
        let mut put = |key: &str, value: String| drop(data.insert(key.to_owned(), value));
        let watched = if self.below(3) > 0 { "all".to_owned() } else { self.some(&names, 4) };
        put("watch-namespace", watched);
        put("service-account", self.some(&ACCOUNT_PATTERNS, 3));
        if self.below(4) == 0 {
            put("exclude-namespace", self.some(&NAMESPACE_PATTERNS, 2).replace('*', "sh*"));
        }
        if self.below(4) == 0 {
            put("namespace-selector", self.one(&SELECTORS).to_owned());
        }
        let entries: String = (0..=self.below(3)).map(|place| self.entry(place)).collect();
        put("acr-registry-info", entries);
        data
    }

    fn entry(&mut self, place: usize) -> String {
        let mut lines = vec![format!("- instanceId: cri-{place}"), "  regionId: cn-hangzhou".to_owned()];
        if self.below(3) == 0 {
            lines.push(format!("  namespaces: \"{}\"", self.some(&NAMESPACE_PATTERNS, 2)));
        }
        if self.below(3) == 0 {
            lines.push(format!("  serviceAccounts: \"{}\"", self.some(&ACCOUNT_PATTERNS, 2)));
        }
        lines.join("\n") + "\n"
    }

    fn account(&mut self) -> Value {
        let mut metadata = json!({ "namespace": LABELLED[self.below(LABELLED.len())].0 });
        match self.below(6) {
            0 => metadata["generateName"] = json!("app-"),
            _ => metadata["name"] = json!(self.one(&ACCOUNT_NAMES)),
        }
        match self.below(8) {
            0 => metadata["labels"] = json!({ "acr-credential-helper/ignore": "true" }),
            1 => metadata["labels"] = json!({ "acr-credential-helper/ignore": "no" }),
            _ => {}
        }
        let mut account = json!({ "metadata": metadata });
        match self.below(4) {
            0 => account["imagePullSecrets"] = json!([{ "name": "theirs" }]),
            1 => account["imagePullSecrets"] = json!([{}, { "name": PULL_SECRET }]),
            2 => account["imagePullSecrets"] = json!([]),
            _ => {}
        }
        account
    }
}

/// What the machine would do about a ServiceAccount.
fn matches(area: &Area, account: &Value) -> bool {
    let metadata = &account["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap();
    let (_, labels) = LABELLED.iter().find(|(name, _)| *name == namespace).unwrap();
    let label = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    area.serves_namespace(namespace, label)
        && area.names_account(namespace, metadata["name"].as_str().unwrap_or_default())
        && metadata["labels"]["acr-credential-helper/ignore"] != "true"
}

/// The list that a creation would end with; nothing is stored.
async fn list_of(client: &Client, account: &Value) -> Vec<Value> {
    let namespace = account["metadata"]["namespace"].as_str().unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let made = accounts.create(&dry, &serde_json::from_value(account.clone()).unwrap()).await.unwrap();
    made.image_pull_secrets.unwrap_or_default().iter().map(|entry| json!(entry.name)).collect()
}

/// The list that the creation of a pod of this ServiceAccount would end with, where the pod has the list and the labels that
/// the ServiceAccount has; nothing is stored. No name that is still to be chosen can have pods.
async fn list_of_a_pod(client: &Client, account: &Value) -> Option<Vec<Value>> {
    let metadata = &account["metadata"];
    let name = metadata.get("name")?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), metadata["namespace"].as_str().unwrap());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let pod = json!({
        "metadata": { "generateName": "web-", "labels": metadata["labels"] },
        "spec": {
            "serviceAccountName": name,
            "imagePullSecrets": account["imagePullSecrets"],
            "containers": [{ "name": "web", "image": "example.com/web" }],
        },
    });
    let made = pods.create(&dry, &serde_json::from_value(pod).unwrap()).await.unwrap();
    let list = made.spec.unwrap().image_pull_secrets.unwrap_or_default();
    Some(list.iter().map(|entry| json!(entry.name)).collect())
}

fn expected(account: &Value, matched: bool) -> Vec<Value> {
    let list = account["imagePullSecrets"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<Value> =
        list.iter().map(|entry| json!(entry["name"].as_str().unwrap_or_default())).collect();
    if matched && !names.contains(&json!(PULL_SECRET)) {
        names.push(json!(PULL_SECRET));
    }
    names
}

/// Answers reviews under `/NUMBER/serviceaccounts`, and remembers the numbers under which it was asked about ConfigMaps.
async fn serve() -> (String, String, Arc<Mutex<Vec<usize>>>) {
    let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let hour = Duration::from_hours(1);
    let made = make_certificate("127.0.0.1", now.minus(hour), now.plus(hour)).unwrap();
    let certificate = ServedCertificate::default();
    certificate.replace(made.chain.as_bytes(), made.key.expose_secret().as_bytes()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answer = async |body: Bytes| acr_server::answer(&body).unwrap();
    let sentinel =
        async |State(asked): State<Arc<Mutex<Vec<usize>>>>, Path(number): Path<usize>, body: Bytes| {
            asked.lock().await.push(number);
            acr_server::answer(&body).unwrap()
        };
    let router = Router::new()
        .route("/{number}/serviceaccounts", post(answer))
        .route("/{number}/pods", post(answer))
        .route("/{number}/sentinel", post(sentinel))
        .with_state(Arc::clone(&asked));
    let listener = TlsListener::new(listener, certificate).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, made.authority, asked)
}

/// Writes the registration of a scope, and waits until the API server goes by it.
async fn register(
    client: &Client,
    content: Option<Value>,
    url: &str,
    bundle: &Value,
    number: usize,
    asked: &Mutex<Vec<usize>>,
) {
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    // The two change in one write, so who asks about the one goes by the other.
    let mut sentinel = json!({
        "name": "sentinel.acr-credential-helper.io",
        "clientConfig": { "url": format!("{url}/{number}/sentinel"), "caBundle": bundle },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
    });
    sentinel["namespaceSelector"] = json!({ "matchLabels": { "kubernetes.io/metadata.name": "shop" } });
    let mut webhooks = vec![sentinel];
    webhooks.extend(content.into_iter().flat_map(|content| content.as_array().unwrap().clone()));
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "dialects" }, "webhooks": webhooks,
    });
    let apply = PatchParams::apply("dialects").force();
    registrations.patch("dialects", &apply, &Patch::Apply(&object)).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "probe" } })).unwrap();
    eventually("the API server goes by the registration", PATIENCE, async || {
        maps.create(&dry, &map).await.unwrap();
        Ok::<_, acr_end_to_end::Error>((asked.lock().await.last() == Some(&number)).then_some(()))
    })
    .await
    .unwrap();
}

/// A policy that shows which parameters the API server goes by.
const SENTINEL_POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: sentinel}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: \"[JSONPatch{op: 'add', path: '/data', value: {'number': params.data['number']}}]\"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: sentinel}
spec:
  policyName: sentinel
  paramRef: {name: acr-credential-helper-scope, namespace: dialects-acr, parameterNotFoundAction: Allow}
";

/// Writes the parameters of a scope, and waits until the API server goes by them. A scope that serves nothing has none.
async fn parametrize(client: &Client, content: Option<BTreeMap<String, String>>, number: usize) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), OWN);
    let wanted = content.is_some().then(|| number.to_string());
    if let Some(mut data) = content {
        data.insert("number".to_owned(), number.to_string());
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": SCOPE_CONFIG_MAP }, "data": data,
        });
        let apply = PatchParams::apply("dialects").force();
        maps.patch(SCOPE_CONFIG_MAP, &apply, &Patch::Apply(&object)).await.unwrap();
    } else {
        let gone = maps.delete(SCOPE_CONFIG_MAP, &DeleteParams::default()).await;
        assert!(gone.is_ok() || matches!(gone, Err(kube::Error::Api(status)) if status.code == 404));
    }
    let probes: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "probe" } })).unwrap();
    eventually("the API server goes by the parameters", PATIENCE, async || {
        let shown = probes.create(&dry, &map).await.unwrap().data.and_then(|mut data| data.remove("number"));
        Ok::<_, acr_end_to_end::Error>((shown == wanted).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn matcher_registration_and_policy_agree_on_a_thousand_service_accounts_and_their_pods() {
    let _turn = turn().await;
    // It would refuse pods of ServiceAccounts that do not exist, and none of these is stored.
    let control_plane = control_plane(&["--disable-admission-plugins=ServiceAccount"]).await;
    let stage = Stage::set(&control_plane, OWN).await.unwrap();
    stage.has_mutating_policy().await.unwrap();
    let client = stage.client().clone();
    for (name, labels) in LABELLED.iter().filter(|(name, _)| !NEVER_ASKED.contains(name)) {
        stage.create_namespace(name, labels).await.unwrap();
    }
    let labels = json!({ "metadata": { "labels": { "team": "shop" } } });
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    for there_already in NEVER_ASKED {
        namespaces.patch(there_already, &PatchParams::default(), &Patch::Merge(&labels)).await.unwrap();
    }
    apply_manifests(&client, SENTINEL_POLICY).await.unwrap();
    let (url, authority, asked) = serve().await;

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut wrong = Vec::new();
    let mut in_scope = 0;
    for number in 0..SCOPES {
        let data = random.scope();
        let loaded = acr_configuration::load(&Source::from_config_map_data(&data));
        let configuration: Configuration = loaded.configuration.unwrap();
        let area = Area::whole(&configuration);
        let accounts: Vec<Value> = (0..ACCOUNTS).map(|_| random.account()).collect();

        let front = Front::Url(format!("{url}/{number}"));
        let target = Target { front: &front, own_namespace: OWN, authorities: &authority, pods: true };
        let content = registration(&area, &Webhook::default(), target);
        let bundle = json!(STANDARD.encode(&authority));
        register(&client, content, &url, &bundle, number, &asked).await;
        for account in &accounts {
            let matched = matches(&area, account);
            in_scope += usize::from(matched);
            let is_asked = !NEVER_ASKED.iter().any(|name| account["metadata"]["namespace"] == *name);
            let expected = expected(account, matched && is_asked);
            let found = list_of(&client, account).await;
            if found != expected {
                wrong.push(format!(
                    "webhook: {account} gets {found:?} instead of {expected:?} under {data:?}"
                ));
            }
            let found = list_of_a_pod(&client, account).await;
            if found.as_ref().is_some_and(|found| *found != expected) {
                wrong.push(format!(
                    "webhook: a pod of {account} gets {found:?} instead of {expected:?} under {data:?}"
                ));
            }
        }
        register(&client, None, &url, &bundle, SCOPES + number, &asked).await;

        parametrize(&client, parameters(&area), number).await;
        for account in &accounts {
            let expected = expected(account, matches(&area, account));
            let found = list_of(&client, account).await;
            if found != expected {
                wrong
                    .push(format!("policy: {account} gets {found:?} instead of {expected:?} under {data:?}"));
            }
        }
        parametrize(&client, None, number).await;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong answers, the first: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    // Questions with one answer only would show nothing.
    let asked = SCOPES * ACCOUNTS;
    assert!(asked == 1_000 && in_scope > asked / 10 && in_scope < asked * 9 / 10, "{in_scope} of {asked}");
}
