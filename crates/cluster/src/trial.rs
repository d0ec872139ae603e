//! What an API server can do when ServiceAccounts are created, and whether its mutating policy does it: requests that
//! change nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use acr_controller::admission::{BindingSeen, ServerSeen, Trial};
use acr_controller::names::{
    FINGERPRINT_ANNOTATION, FINGERPRINT_KEY, POLICY, POLICY_TRIAL_ANNOTATION, PULL_SECRET, SCOPE_CONFIG_MAP,
};
use acr_controller::observation::{Answer, Refusal};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::call::{Received, Unanswered, exchange};
use crate::refusal::{Asked, refusal};
use crate::request::JSON;

const GROUP: &str = "/apis/admissionregistration.k8s.io";
/// The versions in which there are policies that are on by default or can be turned on, best first.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// The at most four requests of an operation end within the five seconds of one.
const DEADLINE: Duration = Duration::from_secs(1);

/// The version, and whether discovery shows policies.
pub(crate) async fn read_server(client: &Client) -> Answer {
    match server(client).await {
        Ok(seen) => Answer::Server(seen),
        Err(refusal) => Answer::Refused(refusal),
    }
}

async fn server(client: &Client) -> Result<ServerSeen, Refusal> {
    let version = match get::<Version>(client, "/version").await {
        Ok(version) => version.and_then(|version| version.numbers()),
        Err(Refusal::NoRight { .. }) => None,
        Err(refusal) => return Err(refusal),
    };
    for place in VERSIONS {
        match get::<ResourceList>(client, &format!("{GROUP}/{place}")).await {
            Ok(Some(list)) if list.has_policies() => {
                return Ok(ServerSeen { version, policies: Some(true) });
            }
            Ok(_) => {}
            Err(Refusal::NoRight { .. }) => return Ok(ServerSeen { version, policies: None }),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(ServerSeen { version, policies: Some(false) })
}

/// The fingerprint of the parameters that stand.
pub(crate) async fn written_fingerprint(client: &Client, own: &str) -> Result<Option<String>, Refusal> {
    let path = format!("/api/v1/namespaces/{own}/configmaps/{SCOPE_CONFIG_MAP}");
    let found = get::<Parameters>(client, &path).await?;
    Ok(found.map(|mut found| found.data.remove(FINGERPRINT_KEY).unwrap_or_default()))
}

/// Creates a ServiceAccount that is not stored. Where no policy has to do with it, looks at policy and binding.
pub(crate) async fn try_policy(
    client: &Client,
    namespace: &str,
    service_account: &str,
    fingerprint: &str,
) -> Answer {
    match trial(client, namespace, service_account, fingerprint).await {
        Ok(trial) => Answer::Tried(trial),
        Err(refusal) => Answer::Refused(refusal),
    }
}

async fn trial(
    client: &Client,
    namespace: &str,
    service_account: &str,
    fingerprint: &str,
) -> Result<Trial, Refusal> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            // One of the name itself may exist.
            "generateName": "acr-credential-helper-trial-",
            "annotations": { (POLICY_TRIAL_ANNOTATION): service_account },
        },
    });
    let uri = format!("/api/v1/namespaces/{namespace}/serviceaccounts?dryRun=All");
    let received = ask(client, Method::POST, &uri, account.to_string().into_bytes()).await?;
    if !received.status.is_success() {
        return Err(refusal(Asked::Other, &received));
    }
    let made: Account = read(&received)?;
    if let Some(trial) = made.trial(fingerprint) {
        return Ok(trial);
    }
    for place in VERSIONS {
        let policy =
            get::<Object>(client, &format!("{GROUP}/{place}/mutatingadmissionpolicies/{POLICY}")).await;
        let policy = match policy {
            Ok(policy) => policy.is_some(),
            Err(Refusal::NoRight { .. }) => return Ok(Trial::NotAttached { policy: None, binding: None }),
            Err(refusal) => return Err(refusal),
        };
        if !policy {
            continue;
        }
        let binding = format!("{GROUP}/{place}/mutatingadmissionpolicybindings/{POLICY}");
        let binding = get::<Binding>(client, &binding).await?.map(|binding| BindingSeen {
            policy: binding.spec.policy_name,
            parameters: binding.spec.param_ref.map(|parameters| (parameters.namespace, parameters.name)),
        });
        return Ok(Trial::NotAttached { policy: Some(true), binding });
    }
    Ok(Trial::NotAttached { policy: Some(false), binding: None })
}

/// What a path shows; `None` where there is nothing.
async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Option<T>, Refusal> {
    let received = ask(client, Method::GET, path, Vec::new()).await?;
    match received.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => read(&received).map(Some),
        _ => Err(refusal(Asked::Other, &received)),
    }
}

async fn ask(client: &Client, method: Method, uri: &str, body: Vec<u8>) -> Result<Received, Refusal> {
    let request = Request::builder().method(method).uri(uri).header(ACCEPT, JSON).header(CONTENT_TYPE, JSON);
    let unknown = |message: String| Refusal::Unknown { message };
    let request = request.body(body).map_err(|error| unknown(error.to_string()))?;
    exchange(client, request, DEADLINE).await.map_err(|Unanswered(message)| unknown(message))
}

fn read<T: DeserializeOwned>(received: &Received) -> Result<T, Refusal> {
    // These hold no secret.
    serde_json::from_slice(&received.body).map_err(|error| Refusal::Unknown { message: error.to_string() })
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    major: String,
    #[serde(default)]
    minor: String,
}

impl Version {
    /// Some distributions write `28+`.
    fn numbers(&self) -> Option<(u32, u32)> {
        let minor: String = self.minor.chars().take_while(char::is_ascii_digit).collect();
        Some((self.major.parse().ok()?, minor.parse().ok()?))
    }
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Resource>,
}

impl ResourceList {
    fn has_policies(&self) -> bool {
        self.resources.iter().any(|resource| resource.name == "mutatingadmissionpolicies")
    }
}

#[derive(Deserialize)]
struct Resource {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    image_pull_secrets: Vec<Reference>,
}

impl Account {
    /// What has become of it where it had to be made by the parameters of this fingerprint; `None` where nothing was done to
    /// it.
    fn trial(&self, fingerprint: &str) -> Option<Trial> {
        let attached = self.image_pull_secrets.iter().any(|entry| entry.name.as_deref() == Some(PULL_SECRET));
        match (self.metadata.annotations.get(FINGERPRINT_ANNOTATION), attached) {
            (Some(told), _) if told != fingerprint => Some(Trial::OtherParameters),
            (Some(_), true) => Some(Trial::Attached),
            (Some(_), false) => Some(Trial::LeftOut),
            (None, true) => Some(Trial::Untold),
            (None, false) => None,
        }
    }
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Reference {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Object {}

#[derive(Deserialize)]
struct Binding {
    spec: BindingSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingSpec {
    #[serde(default)]
    policy_name: String,
    param_ref: Option<ParameterReference>,
}

#[derive(Deserialize)]
struct ParameterReference {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_whatever_a_distribution_appends() {
        let numbers =
            |major: &str, minor: &str| Version { major: major.to_owned(), minor: minor.to_owned() }.numbers();
        assert_eq!(numbers("1", "36"), Some((1, 36)));
        assert_eq!(numbers("1", "28+"), Some((1, 28)));
        assert_eq!(numbers("", ""), None);
        assert_eq!(numbers("v1", "x"), None);
    }

    #[test]
    fn only_a_name_that_came_by_the_parameters_that_stand_counts() {
        let trial =
            |account: serde_json::Value| serde_json::from_value::<Account>(account).unwrap().trial("current");
        let told = |fingerprint: &str| json!({ "annotations": { (FINGERPRINT_ANNOTATION): fingerprint } });
        let named = json!([{ "name": "theirs" }, { "name": PULL_SECRET }]);
        let attached =
            |fingerprint: &str| trial(json!({ "metadata": told(fingerprint), "imagePullSecrets": named }));
        assert_eq!(trial(json!({ "metadata": {} })), None);
        assert_eq!(trial(json!({ "metadata": {}, "imagePullSecrets": named })), Some(Trial::Untold));
        assert_eq!(attached("former"), Some(Trial::OtherParameters));
        assert_eq!(attached(""), Some(Trial::OtherParameters));
        assert_eq!(trial(json!({ "metadata": told("former") })), Some(Trial::OtherParameters));
        assert_eq!(trial(json!({ "metadata": told("current") })), Some(Trial::LeftOut));
        assert_eq!(attached("current"), Some(Trial::Attached));
    }

    #[test]
    fn only_the_policies_themselves_count() {
        let list = |names: &[&str]| ResourceList {
            resources: names.iter().map(|name| Resource { name: (*name).to_owned() }).collect(),
        };
        assert!(!list(&["validatingadmissionpolicies", "mutatingadmissionpolicybindings"]).has_policies());
        assert!(list(&["mutatingadmissionpolicies"]).has_policies());
    }
}
