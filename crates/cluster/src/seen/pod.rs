//! A pod that has not started, as the watch shows it.

use acr_controller::observation::{Observation, PodOwner, PodSeen};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Metadata, Watched};

/// Why a container waits while its image cannot be pulled, as the kubelet says it
/// (<https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff>).
const NOT_PULLED: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// A Pod.
#[derive(Clone, Deserialize)]
pub(crate) struct PodObject {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    service_account_name: Option<String>,
    image_pull_secrets: Option<Vec<Reference>>,
}

#[derive(Clone, Deserialize)]
struct Reference {
    name: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct Status {
    #[serde(rename = "initContainerStatuses")]
    init: Option<Vec<Container>>,
    #[serde(rename = "containerStatuses")]
    ordinary: Option<Vec<Container>>,
}

#[derive(Clone, Deserialize)]
struct Container {
    #[serde(default)]
    image: String,
    state: Option<State>,
}

#[derive(Clone, Deserialize)]
struct State {
    waiting: Option<Waiting>,
    running: Option<IgnoredAny>,
}

#[derive(Clone, Deserialize)]
struct Waiting {
    reason: Option<String>,
}

/// An owner reference.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
    controller: Option<bool>,
}

impl Container {
    fn runs(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.running.is_some())
    }

    fn is_not_pulled(&self) -> bool {
        let waiting = self.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
        reason.is_some_and(|reason| NOT_PULLED.contains(&reason))
    }
}

impl Owner {
    fn into_seen(self) -> PodOwner {
        let Self { api_version, kind, name, uid, .. } = self;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        PodOwner { group: group.to_owned(), kind, name, uid }
    }
}

impl Watched for PodObject {
    fn shown(self) -> Observation {
        let Self { metadata, spec, status } = self;
        let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let owners = metadata.owner_references.into_iter().flatten();
        let containers: Vec<Container> =
            [status.init, status.ordinary].into_iter().flatten().flatten().collect();
        let references = spec.image_pull_secrets.into_iter().flatten();
        Observation::Pod(PodSeen {
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            service_account: spec.service_account_name.unwrap_or_default(),
            references: references.filter_map(|reference| reference.name).collect(),
            owner: owners.into_iter().find(|owner| owner.controller == Some(true)).map(Owner::into_seen),
            runs: containers.iter().any(Container::runs),
            unpulled: containers
                .into_iter()
                .filter(Container::is_not_pulled)
                .map(|container| container.image)
                .collect(),
            terminating: metadata.deletion_timestamp.is_some(),
        })
    }

    fn gone(self) -> Observation {
        Observation::PodGone { namespace: self.metadata.namespace, name: self.metadata.name }
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(pod: Value) -> String {
        format!("{:#?}", serde_json::from_value::<PodObject>(pod).unwrap().shown())
    }

    #[test]
    fn a_pod_without_anything_that_is_looked_for_is_one_with_nothing_wrong() {
        insta::assert_snapshot!(seen(json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7" } })), @r#"
        Pod(
            PodSeen {
                namespace: "n",
                name: "p",
                uid: "u",
                resource_version: 7,
                service_account: "",
                references: [],
                owner: None,
                unpulled: [],
                runs: false,
                terminating: false,
            },
        )
        "#);
    }

    #[test]
    fn init_containers_count_and_what_waits_for_something_else_does_not() {
        let waiting = |image: &str, reason: &str| json!({ "image": image, "state": { "waiting": { "reason": reason } } });
        let pod = json!({
            "metadata": {
                "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "1" },
                    { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": true },
                ],
            },
            "spec": { "serviceAccountName": "app", "imagePullSecrets": [{ "name": "mine" }, {}] },
            "status": {
                "initContainerStatuses": [waiting("host/init", "ImagePullBackOff")],
                "containerStatuses": [
                    waiting("host/app", "ErrImagePull"),
                    waiting("host/waits", "PodInitializing"),
                    waiting("host/wrong name", "InvalidImageName"),
                    { "image": "host/runs", "state": { "running": {} } },
                ],
            },
        });
        insta::assert_snapshot!(seen(pod), @r#"
        Pod(
            PodSeen {
                namespace: "n",
                name: "p",
                uid: "u",
                resource_version: 7,
                service_account: "app",
                references: [
                    "mine",
                ],
                owner: Some(
                    PodOwner {
                        group: "apps",
                        kind: "ReplicaSet",
                        name: "web-1",
                        uid: "2",
                    },
                ),
                unpulled: [
                    "host/init",
                    "host/app",
                ],
                runs: true,
                terminating: false,
            },
        )
        "#);
    }
}
