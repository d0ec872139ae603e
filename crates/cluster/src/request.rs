//! From an operation to the one HTTP request that carries it out.

use acr_controller::admission::AdmissionObject;
use acr_controller::names::{
    FIELD_MANAGER, JOURNAL_SECRET, LEASE, PULL_SECRET, REGISTRATION, SCOPE_CONFIG_MAP,
};
use acr_controller::operation::{Operation, Precondition};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};

use crate::body;
use crate::refusal::Asked;
use crate::reply::Shape;

/// Answers of writes are needed for their version only; the server leaves the rest out.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
pub(crate) const JSON: &str = "application/json";
/// The collection of the registrations of mutating webhooks.
pub(crate) const REGISTRATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// A request and how its answer is read.
pub(crate) struct Prepared {
    pub(crate) request: Request<Vec<u8>>,
    /// How the body of a success is read.
    pub(crate) shape: Shape,
    /// How a refusal is read.
    pub(crate) asked: Asked,
}

/// When something was written, for the Lease: RFC 3339 with microseconds.
pub(crate) struct Times<'a> {
    pub(crate) now: &'a str,
    pub(crate) acquired: Option<&'a str>,
}

/// The request of `operation`. `own` is the component's namespace. `None` for what is not the API server's.
pub(crate) fn prepare(
    operation: &Operation,
    own: &str,
    times: &Times<'_>,
) -> Option<Result<Prepared, http::Error>> {
    let account =
        |namespace: &str, name: &str| format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
    let secret = |namespace: &str, name: &str| format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let lease = || format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases/{LEASE}");
    Some(match operation {
        Operation::PatchList { namespace, name, observed, change } => Call {
            content: JSON_PATCH,
            shape: Shape::Version,
            asked: Asked::GuardedPatch,
            ..Call::new(Method::PATCH, managed(&account(namespace, name)))
        }
        .with(body::list_patch(observed.as_deref(), *change)),
        Operation::ReadAccount { namespace, name } => {
            Call { shape: Shape::Account, ..Call::new(Method::GET, account(namespace, name)) }
                .with(Vec::new())
        }
        Operation::ApplyPullSecret { namespace, precondition, payload, adopted } => Call::apply(
            &secret(namespace, PULL_SECRET),
            precondition,
        )
        .with(body::pull_secret(namespace, own, precondition, payload, *adopted)),
        Operation::DeletePullSecret { namespace, uid, resource_version } => {
            Call::new(Method::DELETE, secret(namespace, PULL_SECRET))
                .with(body::deletion(uid, *resource_version))
        }
        Operation::ReadForeignSecret { namespace } => {
            Call { shape: Shape::ForeignSecret, ..Call::new(Method::GET, secret(namespace, PULL_SECRET)) }
                .with(Vec::new())
        }
        Operation::ReadJournal => {
            Call { shape: Shape::Journal, ..Call::new(Method::GET, secret(own, JOURNAL_SECRET)) }
                .with(Vec::new())
        }
        Operation::WriteJournal { precondition, document, serving } => Call::apply(
            &secret(own, JOURNAL_SECRET),
            precondition,
        )
        .with(body::journal(own, precondition, document, serving.as_ref())),
        Operation::DeleteJournal => Call::new(Method::DELETE, secret(own, JOURNAL_SECRET)).with(Vec::new()),
        Operation::ReadLease => {
            Call { shape: Shape::Lease, ..Call::new(Method::GET, lease()) }.with(Vec::new())
        }
        Operation::WriteLease(write) => {
            Call { shape: Shape::Lease, asked: Asked::Put, ..Call::new(Method::PUT, managed(&lease())) }
                .with(body::lease(own, write, times.now, times.acquired))
        }
        Operation::DeleteLease { uid, resource_version } => {
            Call::new(Method::DELETE, lease()).with(body::deletion(uid, *resource_version))
        }
        Operation::RequestToken { service_account, audience, expiration_seconds } => {
            let path = format!("{}/token", account(own, service_account));
            Call { shape: Shape::Token, ..Call::new(Method::POST, path) }
                .with(body::token_request(audience, *expiration_seconds))
        }
        Operation::ApplyAdmission { object, precondition, content } => Call::apply(
            &admission(*object, own),
            precondition,
        )
        .with(body::admission(*object, own, precondition, content)),
        Operation::DeleteAdmission { object, uid, resource_version } => {
            Call::new(Method::DELETE, admission(*object, own)).with(body::deletion(uid, *resource_version))
        }
        Operation::EvictPod { namespace, name, uid, resource_version } => {
            Call::new(Method::POST, format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
                .with(body::eviction(namespace, name, uid, *resource_version))
        }
        Operation::ReadServer
        | Operation::TryPolicy { .. }
        | Operation::MakeCertificate { .. }
        | Operation::ReadTokenFile
        | Operation::ReadRegisteredKey
        | Operation::ReadAddOnToken
        | Operation::Ask { .. }
        | Operation::Report(_) => return None,
    })
}

fn admission(object: AdmissionObject, own: &str) -> String {
    match object {
        AdmissionObject::Registration => format!("{REGISTRATIONS}/{REGISTRATION}"),
        AdmissionObject::Parameters => format!("/api/v1/namespaces/{own}/configmaps/{SCOPE_CONFIG_MAP}"),
    }
}

/// Says who owns the fields that are written.
pub(crate) fn managed(path: &str) -> String {
    format!("{path}?fieldManager={FIELD_MANAGER}")
}

/// A request without its body.
struct Call {
    method: Method,
    path: String,
    accept: &'static str,
    content: &'static str,
    shape: Shape,
    asked: Asked,
}

impl Call {
    fn new(method: Method, path: String) -> Self {
        let accept = if method == Method::PATCH { METADATA_ONLY } else { JSON };
        Self { method, path, accept, content: JSON, shape: Shape::Nothing, asked: Asked::Other }
    }

    fn apply(path: &str, precondition: &Precondition) -> Self {
        // Over an object that is exactly as observed the fields are taken from whoever owns them. A creation
        // does not force, so that even without its version it could not overwrite.
        let force = matches!(precondition, Precondition::Exactly { .. });
        let path = format!("{}&force={force}", managed(path));
        Self { content: APPLY, shape: Shape::Version, ..Self::new(Method::PATCH, path) }
    }

    fn with(self, body: Vec<u8>) -> Result<Prepared, http::Error> {
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(ACCEPT, self.accept)
            .header(CONTENT_TYPE, self.content)
            .body(body)?;
        Ok(Prepared { request, shape: self.shape, asked: self.asked })
    }
}
