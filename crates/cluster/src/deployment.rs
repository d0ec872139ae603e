//! Stopping the component's Deployment, which only an uninstall does, with a right of its own.

use acr_controller::observation::Refusal;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde::Deserialize;

use crate::call::{OPERATION_DEADLINE, Unanswered, exchange};
use crate::cluster::Cluster;
use crate::refusal::{Asked, refusal};
use crate::request::{JSON, MERGE_PATCH, managed};

/// The wish for no replica.
const NONE: &str = r#"{"spec":{"replicas":0}}"#;

/// What is needed of a `Scale` (autoscaling/v1).
#[derive(Deserialize)]
struct Scale {
    #[serde(default)]
    status: ScaleStatus,
}

#[derive(Default, Deserialize)]
struct ScaleStatus {
    #[serde(default)]
    replicas: usize,
}

impl Cluster {
    /// Wants no replica of a Deployment of our namespace, and says how many it still has; `None` where there is no such
    /// Deployment. Ends within the time that the Lease leaves; asking again changes nothing.
    ///
    /// A pod that is ending is not counted: the Lease tells whether it is still at work.
    pub async fn scale_to_zero(&self, deployment: &str) -> Result<Option<usize>, Refusal> {
        let own = self.own_namespace();
        let path = format!("/apis/apps/v1/namespaces/{own}/deployments/{deployment}/scale");
        let unknown = |message: String| Refusal::Unknown { message };
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(managed(&path))
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, MERGE_PATCH)
            .body(NONE.as_bytes().to_vec())
            .map_err(|error| unknown(error.to_string()))?;
        let received = exchange(self.client(), request, OPERATION_DEADLINE)
            .await
            .map_err(|Unanswered(message)| unknown(message))?;
        if received.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !received.status.is_success() {
            return Err(refusal(Asked::Other, &received));
        }
        let scale: Scale =
            serde_json::from_slice(&received.body).map_err(|error| unknown(error.to_string()))?;
        Ok(Some(scale.status.replicas))
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use kube::Client;
    use kube::client::Body;

    use super::*;
    use crate::Ourselves;

    async fn asked_of_a_server_that_says(status: u16, body: &'static str) -> Result<Option<usize>, Refusal> {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let path = "/apis/apps/v1/namespaces/kube-system/deployments/helper/scale";
            assert_eq!((request.method(), request.uri().path()), (&Method::PATCH, path));
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(status).body(Body::from(body.as_bytes().to_vec())).unwrap(),
            )
        });
        let ourselves = Ourselves { namespace: "kube-system".into(), identity: "one".into() };
        Cluster::new(Client::new(service, "default"), ourselves).scale_to_zero("helper").await
    }

    #[tokio::test]
    async fn a_deployment_that_is_not_there_is_told_from_one_that_is_stopped() {
        let missing = r#"{"kind":"Status","reason":"NotFound","code":404}"#;
        assert_eq!(asked_of_a_server_that_says(404, missing).await.unwrap(), None);
        assert_eq!(asked_of_a_server_that_says(200, r#"{"kind":"Scale"}"#).await.unwrap(), Some(0));
        let two = r#"{"kind":"Scale","status":{"replicas":2}}"#;
        assert_eq!(asked_of_a_server_that_says(200, two).await.unwrap(), Some(2));
    }
}
