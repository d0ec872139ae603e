//! What is tried with the token of the component's ServiceAccount, and what must come of it.

use acr_end_to_end::PULL_SECRET;
use serde_json::{Value, json};

use crate::site::OWN;

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The authorizer: there is no such right.
    Rights,
    /// The admission policy, in these words.
    Policy(&'static str),
    /// The admission policy, in these words; where it is not installed, the authorizer: the right comes with it.
    PolicyOrRights(&'static str),
    /// Nobody: the component needs it.
    Nobody,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) what: &'static str,
    pub(crate) refused: By,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content: &'static str,
    pub(crate) body: Value,
    /// A header that asks for somebody else's rights.
    pub(crate) impersonate: Option<&'static str>,
}

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const OTHER_SECRET: &str = "and no other Secret";
const OTHER_TOKEN: &str = "and no others";
const OTHER_FIELD: &str = "no field of a ServiceAccount but imagePullSecrets";
const OTHER_METADATA: &str = "no label, annotation, owner or finalizer";
const OTHER_ELEMENT: &str = "no other element";
const OTHER_WEBHOOK: &str = "for the creation of ServiceAccounts";
const NO_ACCOUNT: &str = "neither makes nor deletes them";
const NO_DATA: &str = "no other data";
const FROZEN: &str = "neither freezes its Secrets";
const KEPT: &str = "no owner and no finalizer of its registration";
const SPARED: &str = "refuses what is made in kube-system";

fn attempt(what: &'static str, refused: By, method: &'static str, path: &str, body: Value) -> Attempt {
    // Nothing is to change: what is refused without the policy would be done without it.
    let dry_run = if path.contains('?') { "&dryRun=All" } else { "?dryRun=All" };
    let path = if method == "GET" { path.to_owned() } else { format!("{path}{dry_run}") };
    let content = match method {
        "PATCH" if body.is_array() => JSON_PATCH,
        "PATCH" if path.contains("fieldManager") => APPLY,
        "PATCH" => MERGE,
        _ => JSON,
    };
    Attempt { what, refused, method, path, content, body, impersonate: None }
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

fn applied(namespace: &str, name: &str) -> String {
    format!("{}/{name}?fieldManager=acr-credential-helper&force=true", secrets(namespace))
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": kind, "data": data })
}

fn pull_secret(more: &Value) -> Value {
    let data = json!({ ".dockerconfigjson": "eyJhdXRocyI6e319" });
    let mut secret = secret(PULL_SECRET, "kubernetes.io/dockerconfigjson", &data);
    merge(&mut secret, more);
    secret
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            more.iter()
                .for_each(|(key, value)| merge(into.entry(key.as_str()).or_insert(Value::Null), value));
        }
        (into, more) => *into = more.clone(),
    }
}

fn token(audiences: &Value, seconds: u32) -> Value {
    json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": { "audiences": audiences, "expirationSeconds": seconds } })
}

const WEB: &str = "/api/v1/namespaces/shop/serviceaccounts/web";
const BARE: &str = "/api/v1/namespaces/shop/serviceaccounts/bare";
const ACCOUNTS: &str = "/api/v1/namespaces/shop/serviceaccounts";
const OWN_TOKEN: &str = "/api/v1/namespaces/kube-system/serviceaccounts/aliyun-acr-credential-helper/token";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// What becomes possible with a value of the chart's `podHelp` that gives the sight of pods, and maybe their eviction.
pub(crate) fn of_a_thief_who_sees_pods(evicts: bool) -> Vec<Attempt> {
    let pods = "/api/v1/namespaces/shop/pods";
    let victim = format!("{pods}/victim");
    let none = json!({});
    let image = json!({ "spec": { "containers": [{ "name": "x", "image": "theirs" }] } });
    let placing = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "victim" },
        "target": { "kind": "Node", "name": "theirs" } });
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "victim" } });
    let evicted = if evicts { By::Nobody } else { By::Rights };
    #[rustfmt::skip]
    let attempts = vec![
        attempt("see which pods there are", By::Nobody, "GET", "/api/v1/pods", none.clone()),
        attempt("evict a pod", evicted, "POST", &format!("{victim}/eviction"), eviction),
        attempt("delete a pod", By::Rights, "DELETE", &victim, none.clone()),
        attempt("delete all pods", By::Rights, "DELETE", pods, none.clone()),
        attempt("make a pod", By::Rights, "POST", pods, json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "mine" }, "spec": image["spec"].clone() })),
        attempt("change the image of a pod", By::Rights, "PATCH", &victim, image.clone()),
        attempt("say that a pod failed", By::Rights, "PATCH", &format!("{victim}/status"), json!({ "status": { "phase": "Failed" } })),
        attempt("add a container to a pod", By::Rights, "PATCH", &format!("{victim}/ephemeralcontainers"), image),
        attempt("bind a pod to a node", By::Rights, "POST", &format!("{victim}/binding"), placing),
        attempt("run a command in a pod", By::Rights, "POST", &format!("{victim}/exec?command=id&stdout=true"), none.clone()),
        attempt("read logs", By::Rights, "GET", &format!("{victim}/log"), none.clone()),
        attempt("scale what makes pods", By::Rights, "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", json!({ "spec": { "replicas": 0 } })),
        attempt("see budgets", By::Rights, "GET", "/apis/policy/v1/poddisruptionbudgets", none),
    ];
    attempts
}

/// The list of `web` and the Secret of `odd` are made by the test: `theirs`, `more`; and one of our name, but Opaque.
pub(crate) fn of_a_thief() -> Vec<Attempt> {
    let none = json!({});
    let ours = json!({ "name": PULL_SECRET });
    let list = |elements: Value| json!({ "imagePullSecrets": elements });
    let (theirs, more) = (json!({ "name": "theirs" }), json!({ "name": "more" }));
    let other = secret("database", "Opaque", &json!({}));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "mine" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "aliyun-acr-credential-helper", "namespace": OWN }],
    });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "mine" },
        "spec": { "containers": [{ "name": "x", "image": "x" }] } });
    let rights = By::Rights;
    let policy = By::Policy;
    #[rustfmt::skip]
    let mut attempts = vec![
        attempt("read another Secret", rights, "GET", &format!("{}/database", secrets("shop")), none.clone()),
        attempt("list all Secrets", rights, "GET", "/api/v1/secrets", none.clone()),
        attempt("list a namespace's Secrets", rights, "GET", &secrets("shop"), none.clone()),
        attempt("watch all Secrets", rights, "GET", "/api/v1/secrets?watch=true", none.clone()),
        attempt("read a journal elsewhere", rights, "GET", &format!("{}/acr-credential-helper-state", secrets("shop")), none.clone()),
        attempt("create another Secret", rights, "POST", &secrets("shop"), other.clone()),
        attempt("apply another Secret", rights, "PATCH", &applied("shop", "database"), other.clone()),
        attempt("delete another Secret", rights, "DELETE", &format!("{}/database", secrets("shop")), none.clone()),
        attempt("delete all Secrets", rights, "DELETE", &secrets("shop"), none.clone()),
        attempt("run a command in a pod", rights, "POST", "/api/v1/namespaces/shop/pods/victim/exec?command=id&stdout=true", none.clone()),
        attempt("make a pod", rights, "POST", "/api/v1/namespaces/shop/pods", pod),
        attempt("see which pods there are", rights, "GET", "/api/v1/pods", none.clone()),
        attempt("evict a pod", rights, "POST", "/api/v1/namespaces/shop/pods/victim/eviction", json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "victim" } })),
        attempt("read logs", rights, "GET", "/api/v1/namespaces/shop/pods/victim/log", none.clone()),
        attempt("reach a kubelet", rights, "GET", "/api/v1/nodes/node-1/proxy/pods", none.clone()),
        attempt("change the own Deployment", rights, "PATCH", "/apis/apps/v1/namespaces/kube-system/deployments/aliyun-acr-credential-helper", json!({ "spec": { "replicas": 0 } })),
        attempt("change the configuration", rights, "PATCH", "/api/v1/namespaces/kube-system/configmaps/acr-configuration", json!({ "data": {} })),
        attempt("publish what the component does not", rights, "PATCH", "/api/v1/namespaces/kube-system/configmaps/acr-credential-helper-status?fieldManager=acr-credential-helper&force=true", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "acr-credential-helper-status" } })),
        attempt("mint a token of another ServiceAccount", rights, "POST", &format!("{WEB}/token"), token(&json!(["sts.aliyuncs.com"]), 3600)),
        attempt("bind itself to cluster-admin", rights, "POST", BINDINGS, binding.clone()),
        attempt("change the own binding", rights, "PATCH", &format!("{BINDINGS}/acr-credential-helper"), json!({ "metadata": { "labels": { "x": "y" } } })),
        attempt("widen the own role", rights, "PATCH", &format!("{ROLES}/acr-credential-helper"), json!({ "rules": [] })),
        attempt("register another webhook", rights, "POST", &format!("{ADMISSION}/mutatingwebhookconfigurations"), webhook("mine", &json!({}))),
        attempt("register a validating webhook", rights, "POST", &format!("{ADMISSION}/validatingwebhookconfigurations"), json!({})),
        attempt("register a mutating policy", rights, "POST", &format!("{ADMISSION}/mutatingadmissionpolicies"), json!({})),
        attempt("weaken the policy", rights, "PATCH", &format!("{ADMISSION}/validatingadmissionpolicies/acr-credential-helper"), json!({ "spec": { "failurePolicy": "Ignore" } })),
        attempt("unbind the policy", rights, "DELETE", &format!("{ADMISSION}/validatingadmissionpolicybindings/acr-credential-helper"), none.clone()),
        attempt("make a ServiceAccount", By::PolicyOrRights(NO_ACCOUNT), "POST", ACCOUNTS, json!({ "metadata": { "name": "mine" } })),
        attempt("delete a ServiceAccount", rights, "DELETE", WEB, none.clone()),
        attempt("ask for a certificate", rights, "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", json!({})),
        attempt("mint a token for the API server", policy(OTHER_TOKEN), "POST", OWN_TOKEN, token(&json!(["https://kubernetes.default.svc"]), 3600)),
        attempt("mint a token for two audiences", policy(OTHER_TOKEN), "POST", OWN_TOKEN, token(&json!(["sts.aliyuncs.com", "https://kubernetes.default.svc"]), 3600)),
        attempt("mint a token without an audience", policy(OTHER_TOKEN), "POST", OWN_TOKEN, token(&json!([]), 3600)),
        attempt("mint a token for longer", policy(OTHER_TOKEN), "POST", OWN_TOKEN, token(&json!(["sts.aliyuncs.com"]), 3601)),
        attempt("label a ServiceAccount", policy(OTHER_METADATA), "PATCH", WEB, json!({ "metadata": { "labels": { "x": "y" } } })),
        attempt("take a label away", policy(OTHER_METADATA), "PATCH", WEB, json!({ "metadata": { "labels": { "team": null } } })),
        attempt("give a ServiceAccount a role of the cloud", policy(OTHER_METADATA), "PATCH", WEB, json!({ "metadata": { "annotations": { "pod-identity.alibabacloud.com/role-name": "admin" } } })),
        attempt("keep a ServiceAccount for ever", policy(OTHER_METADATA), "PATCH", WEB, json!({ "metadata": { "finalizers": ["example.com/mine"] } })),
        attempt("have a ServiceAccount collected", policy(OTHER_METADATA), "PATCH", WEB, json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x" }] } })),
        attempt("mount another Secret", policy(OTHER_FIELD), "PATCH", WEB, json!({ "secrets": [{ "name": "database" }] })),
        attempt("take the mountable Secrets away", policy(OTHER_FIELD), "PATCH", WEB, json!({ "secrets": null })),
        attempt("mount tokens", policy(OTHER_FIELD), "PATCH", WEB, json!({ "automountServiceAccountToken": true })),
        attempt("remove a foreign element", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([theirs]))),
        attempt("remove the list", policy(OTHER_ELEMENT), "PATCH", WEB, json!({ "imagePullSecrets": null })),
        attempt("reorder the list", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([more, theirs]))),
        attempt("add a foreign element", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([theirs, more, { "name": "mine" }]))),
        attempt("add ours and another", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([theirs, more, { "name": "mine" }, ours]))),
        attempt("add ours in front", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([ours, theirs, more]))),
        attempt("add ours twice", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([theirs, more, ours, ours]))),
        attempt("swap an element for ours", policy(OTHER_ELEMENT), "PATCH", WEB, list(json!([theirs, ours]))),
        attempt("begin a list with another", policy(OTHER_ELEMENT), "PATCH", BARE, list(json!([{ "name": "mine" }]))),
        attempt("make a Secret of our name with another type", policy(OTHER_SECRET), "PATCH", &applied("shop", PULL_SECRET), secret(PULL_SECRET, "Opaque", &json!({}))),
        attempt("make a token Secret of our name", policy(OTHER_SECRET), "PATCH", &applied("shop", PULL_SECRET),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": PULL_SECRET, "annotations": { "kubernetes.io/service-account.name": "web" } }, "type": "kubernetes.io/service-account-token" })),
        attempt("write a foreign Secret of our name", policy(OTHER_SECRET), "PATCH", &applied("odd", PULL_SECRET), secret(PULL_SECRET, "Opaque", &json!({ ".dockerconfigjson": "e30=" }))),
        attempt("delete a foreign Secret of our name", policy(OTHER_SECRET), "DELETE", &format!("{}/{PULL_SECRET}", secrets("odd")), none.clone()),
        attempt("hide something in the pull secret", policy(NO_DATA), "PATCH", &applied("shop", PULL_SECRET), pull_secret(&json!({ "data": { "more": "e30=" } }))),
        attempt("freeze the pull secret", policy(FROZEN), "PATCH", &applied("shop", PULL_SECRET), pull_secret(&json!({ "immutable": true }))),
        attempt("keep a namespace from ending", policy(FROZEN), "PATCH", &applied("shop", PULL_SECRET), pull_secret(&json!({ "metadata": { "finalizers": ["example.com/mine"] } }))),
        attempt("make a journal of another type", policy(OTHER_SECRET), "PATCH", &applied(OWN, "acr-credential-helper-state"), pull_secret(&json!({ "metadata": { "name": "acr-credential-helper-state" } }))),
        attempt("keep the registration for ever", policy(KEPT), "PATCH", &applied_registration(), registration_with(&json!({ "finalizers": ["example.com/mine"] }))),
        attempt("have the registration collected", policy(KEPT), "PATCH", &applied_registration(), registration_with(&json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Namespace", "name": "x", "uid": "x" }] }))),
        attempt("refuse ServiceAccounts everywhere", policy(SPARED), "PATCH", &applied_registration(), refusing(&json!([]))),
        attempt("refuse those of a label", policy(SPARED), "PATCH", &applied_registration(), refusing(&json!([{ "key": "team", "operator": "NotIn", "values": [OWN] }]))),
        attempt("refuse those of other namespaces and of kube-system", policy(SPARED), "PATCH", &applied_registration(), refusing(&json!([{ "key": NAME_LABEL, "operator": "NotIn", "values": ["shop"] }]))),
        attempt("refuse those of kube-system", policy(SPARED), "PATCH", &applied_registration(), refusing(&json!([{ "key": NAME_LABEL, "operator": "In", "values": ["shop", OWN] }]))),
        attempt("refuse those of any name", policy(SPARED), "PATCH", &applied_registration(), refusing(&json!([{ "key": NAME_LABEL, "operator": "Exists" }]))),
    ];
    let impersonation = attempt("impersonate an administrator", rights, "GET", "/api/v1/namespaces", none);
    attempts.push(Attempt { impersonate: Some("admin"), ..impersonation });
    attempts
}

/// What the policy refuses to a component that somebody has made cluster-admin.
pub(crate) fn of_a_thief_with_all_rights() -> Vec<Attempt> {
    let none = json!({});
    let other = secret("other", "Opaque", &none);
    let generated = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "generateName": "acr-" } });
    let webhooks = format!("{ADMISSION}/mutatingwebhookconfigurations");
    let rule = |change: Value| webhook("acr-credential-helper", &change);
    let policy = By::Policy;
    #[rustfmt::skip]
    let attempts = vec![
        attempt("create another Secret", policy(OTHER_SECRET), "POST", &secrets("shop"), other.clone()),
        attempt("create a Secret of a generated name", policy(OTHER_SECRET), "POST", &secrets("shop"), generated),
        attempt("change another Secret", policy(OTHER_SECRET), "PATCH", &format!("{}/database", secrets("shop")), json!({ "data": { "x": "e30=" } })),
        attempt("delete another Secret", policy(OTHER_SECRET), "DELETE", &format!("{}/database", secrets("shop")), none.clone()),
        attempt("delete all Secrets", policy(OTHER_SECRET), "DELETE", &secrets("shop"), none.clone()),
        attempt("write a journal elsewhere", policy(OTHER_SECRET), "PATCH", &applied("shop", "acr-credential-helper-state"), secret("acr-credential-helper-state", "Opaque", &none)),
        attempt("make a ServiceAccount", policy(NO_ACCOUNT), "POST", ACCOUNTS, json!({ "metadata": { "name": "mine" } })),
        attempt("make a ServiceAccount of a generated name", policy(NO_ACCOUNT), "POST", ACCOUNTS, json!({ "metadata": { "generateName": "mine-" } })),
        attempt("delete a ServiceAccount", policy(NO_ACCOUNT), "DELETE", WEB, none.clone()),
        attempt("mint a token of another ServiceAccount", policy(OTHER_TOKEN), "POST", &format!("{WEB}/token"), token(&json!(["sts.aliyuncs.com"]), 3600)),
        attempt("register another webhook", policy(OTHER_WEBHOOK), "POST", &webhooks, webhook("mine", &none)),
        attempt("be called for Secrets", policy(OTHER_WEBHOOK), "POST", &webhooks, rule(json!({ "resources": ["secrets"] }))),
        attempt("be called for changes, too", policy(OTHER_WEBHOOK), "POST", &webhooks, rule(json!({ "operations": ["CREATE", "UPDATE"] }))),
        attempt("be called for pods", policy(OTHER_WEBHOOK), "POST", &webhooks, webhook_for_pods("Ignore")),
        attempt("be called for tokens", policy(OTHER_WEBHOOK), "POST", &webhooks, rule(json!({ "resources": ["serviceaccounts", "serviceaccounts/token"] }))),
        attempt("have the API server call elsewhere", policy(OTHER_WEBHOOK), "POST", &webhooks, webhook_of("acr-credential-helper", &none, &json!({ "url": "https://example.com/" }))),
        attempt("have the API server call another Service", policy(OTHER_WEBHOOK), "POST", &webhooks, webhook_of("acr-credential-helper", &none, &json!({ "service": { "namespace": OWN, "name": "other" } }))),
        attempt("register the own webhook", By::Nobody, "POST", &webhooks, rule(none)),
    ];
    attempts
}

/// The same where the chart has `podHelp: append`.
pub(crate) fn of_a_thief_with_pod_help() -> Vec<Attempt> {
    let webhooks = format!("{ADMISSION}/mutatingwebhookconfigurations");
    let both = json!({ "resources": ["serviceaccounts", "pods"] });
    let policy = By::Policy(OTHER_WEBHOOK);
    let both = webhook("acr-credential-helper", &both);
    let changes = json!({ "resources": ["pods"], "operations": ["UPDATE"] });
    let changes = webhook("acr-credential-helper", &changes);
    let mut slow = webhook_for_pods("Ignore");
    slow["webhooks"][0]["timeoutSeconds"] = 30.into();
    let mut many = webhook_for_pods("Ignore");
    let webhooks_of_many = (0..3).map(|place| {
        let mut one = many["webhooks"][0].clone();
        one["name"] = format!("pods{place}.acr-credential-helper.io").into();
        one
    });
    let webhooks_of_many: Vec<Value> = webhooks_of_many.collect();
    many["webhooks"] = webhooks_of_many.into();
    vec![
        attempt("keep pods from being made", policy, "POST", &webhooks, webhook_for_pods("Fail")),
        attempt("keep pods from being made by both", policy, "POST", &webhooks, both),
        attempt("be called for changes of pods", policy, "POST", &webhooks, changes),
        attempt("slow pods down", policy, "POST", &webhooks, slow),
        attempt("slow pods down by many", policy, "POST", &webhooks, many),
        attempt("be called for pods", By::Nobody, "POST", &webhooks, webhook_for_pods("Ignore")),
    ]
}

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

fn applied_registration() -> String {
    format!(
        "{ADMISSION}/mutatingwebhookconfigurations/acr-credential-helper?fieldManager=acr-credential-helper&force=true"
    )
}

fn registration_with(metadata: &Value) -> Value {
    let mut registration = webhook("acr-credential-helper", &json!({}));
    merge(&mut registration["metadata"], metadata);
    registration
}

/// One that refuses ServiceAccounts while nobody answers, in these namespaces.
fn refusing(namespaces: &Value) -> Value {
    let mut registration = webhook("acr-credential-helper", &json!({}));
    registration["webhooks"][0]["failurePolicy"] = "Fail".into();
    registration["webhooks"][0]["namespaceSelector"] = json!({ "matchExpressions": namespaces });
    registration
}

fn webhook_for_pods(failure_policy: &str) -> Value {
    let mut registration = webhook("acr-credential-helper", &json!({ "resources": ["pods"] }));
    registration["webhooks"][0]["failurePolicy"] = failure_policy.into();
    registration["webhooks"][0]["timeoutSeconds"] = 2.into();
    registration
}

fn webhook(name: &str, rule: &Value) -> Value {
    webhook_of(
        name,
        rule,
        &json!({ "service": { "namespace": OWN, "name": "acr-credential-helper-webhook" } }),
    )
}

fn webhook_of(name: &str, change: &Value, client: &Value) -> Value {
    let mut rule = json!({ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["serviceaccounts"] });
    merge(&mut rule, change);
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": name },
        "webhooks": [{ "name": "accounts.acr-credential-helper.io", "clientConfig": client, "rules": [rule],
            "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"] }],
    })
}

/// What the component does. `web`, `bare` and `attached` are ServiceAccounts, `adopted` has a Secret that somebody made.
pub(crate) fn of_the_component() -> Vec<Attempt> {
    let nobody = By::Nobody;
    let ours = json!({ "name": PULL_SECRET });
    let list = json!([{ "name": "theirs" }, { "name": "more" }]);
    let patch = |test: &Value, change: Value| json!([{ "op": "test", "path": "/imagePullSecrets", "value": test }, change]);
    let append = json!({ "op": "add", "path": "/imagePullSecrets/-", "value": ours });
    let create = json!({ "op": "add", "path": "/imagePullSecrets", "value": [ours] });
    let remove = |place: u32| json!({ "op": "remove", "path": format!("/imagePullSecrets/{place}") });
    let attached = format!("{ACCOUNTS}/attached");
    let ending = format!("{ACCOUNTS}/ending");
    let attached_list = json!([{ "name": "theirs" }, ours, { "name": "more" }, ours]);
    let journal = secret("acr-credential-helper-state", "Opaque", &json!({ "journal.json": "e30=" }));
    let not_ignored =
        json!({ "key": "acr-credential-helper/ignore", "operator": "NotIn", "values": ["true"] });
    let by_name = format!("/api/v1/secrets?fieldSelector=metadata.name%3D{PULL_SECRET}");
    let marks = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "acr-credential-helper" },
        "annotations": { "acr-credential-helper/payload-digest": "x" } } });
    #[rustfmt::skip]
    let attempts = vec![
        attempt("attach an account without a list", nobody, "PATCH", BARE, patch(&json!(null), create)),
        attempt("attach an account with a list", nobody, "PATCH", WEB, patch(&list, append.clone())),
        attempt("attach an account that is ending", nobody, "PATCH", &ending, patch(&list, append)),
        attempt("detach one of two", nobody, "PATCH", &attached, patch(&attached_list, remove(1))),
        attempt("detach the other of two", nobody, "PATCH", &attached, patch(&attached_list, remove(3))),
        attempt("make a pull secret", nobody, "PATCH", &applied("shop", PULL_SECRET), pull_secret(&marks)),
        attempt("take a foreign pull secret over", nobody, "PATCH", &applied("adopted", PULL_SECRET), pull_secret(&marks)),
        attempt("delete a pull secret", nobody, "DELETE", &format!("{}/{PULL_SECRET}", secrets("adopted")), json!({})),
        attempt("see the pull secrets", nobody, "GET", &by_name, json!({})),
        attempt("write the journal", nobody, "PATCH", &applied(OWN, "acr-credential-helper-state"), journal),
        attempt("register the webhook", nobody, "PATCH", &applied_registration(), webhook("acr-credential-helper", &json!({}))),
        attempt("register one that refuses, for all namespaces", nobody, "PATCH", &applied_registration(), refusing(&json!([not_ignored, { "key": NAME_LABEL, "operator": "NotIn", "values": ["infra", OWN] }]))),
        attempt("register one that refuses, for some namespaces", nobody, "PATCH", &applied_registration(), refusing(&json!([{ "key": NAME_LABEL, "operator": "In", "values": ["shop"] }, not_ignored]))),
        attempt("get a token for the Security Token Service", nobody, "POST", OWN_TOKEN, token(&json!(["sts.aliyuncs.com"]), 3600)),
        attempt("get a token without a wish for its life", nobody, "POST", OWN_TOKEN, json!({ "spec": { "audiences": ["sts.aliyuncs.com"] } })),
    ];
    attempts
}
