//! Waiting until rights that were given count: the authorizer of the API server learns of them by a watch of its own.

use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};

use super::{ControlPlane, POLL_INTERVAL};
use crate::error::Error;

/// How long the authorizer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Something that a ServiceAccount may do. Empty fields mean none or all, as in RBAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Right<'a> {
    /// `get`, `patch`, ...
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The plural of the resource.
    pub resource: &'a str,
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
}

impl ControlPlane {
    /// Waits until the API server grants each of these rights to a ServiceAccount. One right of each binding
    /// shows that the binding counts.
    pub async fn until_granted(
        &self,
        namespace: &str,
        service_account: &str,
        rights: &[Right<'_>],
    ) -> Result<(), Error> {
        let started = Instant::now();
        for right in rights {
            while !self.is_granted(namespace, service_account, right).await? {
                if started.elapsed() > PATIENCE {
                    return Err(Error::NotGranted {
                        account: format!("{namespace}/{service_account}"),
                        right: format!("{right:?}"),
                        waited: PATIENCE,
                    });
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        Ok(())
    }

    async fn is_granted(
        &self,
        namespace: &str,
        service_account: &str,
        right: &Right<'_>,
    ) -> Result<bool, Error> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{service_account}")),
                // The groups of a ServiceAccount (Kubernetes documentation, Authenticating).
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    verb: given(right.verb),
                    group: given(right.group),
                    resource: given(right.resource),
                    subresource: given(right.subresource),
                    namespace: given(right.namespace),
                    name: given(right.name),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.admin()?);
        let answer = reviews
            .create(&PostParams::default(), &review)
            .await
            .map_err(Error::api("ask whether rights are granted"))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
