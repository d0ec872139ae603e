//! Pods on a node, and what the kubelet says of their images.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use acr_testbed::apply_manifests_in;

use crate::error::Error;
use crate::stage::{Reported, Stage};

impl Stage<'_> {
    /// Applies manifests; objects without a namespace go into this one.
    pub async fn apply(&self, namespace: &str, manifests: &str) -> Result<(), Error> {
        Ok(apply_manifests_in(self.client(), namespace, manifests).await.map(drop)?)
    }

    /// The Events of the kubelet about pods of a namespace.
    pub async fn kubelet_events(&self, namespace: &str) -> Result<Vec<Reported>, Error> {
        let events: Api<Event> = Api::namespaced(self.client().clone(), namespace);
        let list = events.list(&ListParams::default()).await;
        let list = list.map_err(Error::api(format!("list the Events of {namespace}")))?;
        let of_kubelet = |event: &Event| {
            let legacy = event.deprecated_source.as_ref().and_then(|source| source.component.as_deref());
            event.reporting_controller.as_deref() == Some("kubelet") || legacy == Some("kubelet")
        };
        Ok(list.items.into_iter().filter(of_kubelet).map(Reported::from).collect())
    }

    /// How many pods of a Deployment are wanted, and how many of them run.
    pub async fn replicas(&self, namespace: &str, deployment: &str) -> Result<(i32, i32), Error> {
        let deployments: Api<Deployment> = Api::namespaced(self.client().clone(), namespace);
        let found = deployments.get(deployment).await;
        let found = found.map_err(Error::api(format!("get Deployment {namespace}/{deployment}")))?;
        let wanted = found.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        Ok((wanted, found.status.and_then(|status| status.available_replicas).unwrap_or_default()))
    }

    /// Deletes the pods of a namespace at once. Those of a Deployment come again.
    pub async fn delete_pods(&self, namespace: &str) -> Result<(), Error> {
        let pods: Api<Pod> = Api::namespaced(self.client().clone(), namespace);
        let list = pods.list_metadata(&ListParams::default()).await;
        let list = list.map_err(Error::api(format!("list the pods of {namespace}")))?;
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        for pod in list.items {
            let name = pod.name_any();
            pods.delete(&name, &now).await.map_err(Error::api(format!("delete pod {namespace}/{name}")))?;
        }
        Ok(())
    }
}
