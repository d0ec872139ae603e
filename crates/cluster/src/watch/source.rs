//! What a watch asks for: the requests of lists and watches of one kind of object.

use acr_configuration::SecretRef;
use acr_controller::admission::AdmissionObject;
use acr_controller::names::{CONFIG_MAP, PULL_SECRET, REGISTRATION, SCOPE_CONFIG_MAP};
use acr_controller::observation::{Observation, Refusal, Watch};
use acr_credentials::uri_encoding::encode_into;
use http::Request;
use http::header::ACCEPT;

use crate::request::REGISTRATIONS;

/// The answer holds objects without `spec`, `status` and `data`.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const WHOLE: &str = "application/json";
/// Objects per page where lists are paged; the page size of client-go.
const PAGE: u32 = 500;

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One of the machine's watches.
    Watch(Watch),
    /// One object, for as long as the machine asks for it.
    Named(Named),
}

/// One object that is followed by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// A Secret that the configuration names, or that holds the certificate of the webhook.
    Secret(SecretRef),
    /// What the API server goes by when ServiceAccounts are created.
    Admission(AdmissionObject),
}

impl Named {
    /// There is none at a version.
    pub(crate) fn absent(&self, version: u64) -> Observation {
        match self.clone() {
            Self::Secret(reference) => Observation::Referenced { reference, seen: Ok(None) },
            Self::Admission(object) => Observation::Admission { object, version, seen: Ok(None) },
        }
    }

    /// It cannot be followed.
    pub(crate) fn refused(&self, refusal: Refusal) -> Observation {
        match self.clone() {
            Self::Secret(reference) => Observation::Referenced { reference, seen: Err(refusal) },
            Self::Admission(object) => Observation::Admission { object, version: 0, seen: Err(refusal) },
        }
    }
}

/// One kind of object, and which of them.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) subject: Subject,
    path: String,
    /// A field selector. Rights by name need one by name.
    selector: Option<String>,
    metadata_only: bool,
}

impl Source {
    pub(crate) fn configuration(namespace: &str) -> Self {
        Self {
            subject: Subject::Watch(Watch::Configuration),
            path: format!("/api/v1/namespaces/{namespace}/configmaps"),
            selector: Some(named(CONFIG_MAP)),
            metadata_only: false,
        }
    }

    pub(crate) fn reference(reference: SecretRef) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{}/secrets", reference.namespace),
            selector: Some(named(&reference.name)),
            subject: Subject::Named(Named::Secret(reference)),
            metadata_only: false,
        }
    }

    pub(crate) fn registration() -> Self {
        Self {
            subject: Subject::Named(Named::Admission(AdmissionObject::Registration)),
            path: REGISTRATIONS.to_owned(),
            selector: Some(named(REGISTRATION)),
            metadata_only: false,
        }
    }

    pub(crate) fn parameters(namespace: &str) -> Self {
        Self {
            subject: Subject::Named(Named::Admission(AdmissionObject::Parameters)),
            selector: Some(named(SCOPE_CONFIG_MAP)),
            ..Self::configuration(namespace)
        }
    }

    pub(crate) fn namespaces() -> Self {
        let path = "/api/v1/namespaces".to_owned();
        Self { subject: Subject::Watch(Watch::Namespaces), path, selector: None, metadata_only: true }
    }

    pub(crate) fn accounts() -> Self {
        let path = "/api/v1/serviceaccounts".to_owned();
        Self { subject: Subject::Watch(Watch::Accounts), path, selector: None, metadata_only: false }
    }

    pub(crate) fn pull_secrets() -> Self {
        let path = "/api/v1/secrets".to_owned();
        Self {
            subject: Subject::Watch(Watch::PullSecrets),
            path,
            selector: Some(named(PULL_SECRET)),
            metadata_only: true,
        }
    }

    /// Those that wait for their images are among those that have not started.
    pub(crate) fn pods() -> Self {
        Self {
            subject: Subject::Watch(Watch::Pods),
            path: "/api/v1/pods".to_owned(),
            selector: Some("status.phase=Pending".to_owned()),
            metadata_only: false,
        }
    }

    /// What is watched, for logs.
    pub(crate) fn label(&self) -> String {
        match &self.subject {
            Subject::Watch(Watch::Configuration) => "ConfigMap".to_owned(),
            Subject::Watch(Watch::Namespaces) => "Namespaces".to_owned(),
            Subject::Watch(Watch::Accounts) => "ServiceAccounts".to_owned(),
            Subject::Watch(Watch::PullSecrets) => "pull secrets".to_owned(),
            Subject::Watch(Watch::Pods) => "Pods".to_owned(),
            Subject::Named(Named::Secret(reference)) => format!("Secret {reference}"),
            Subject::Named(Named::Admission(AdmissionObject::Registration)) => {
                format!("MutatingWebhookConfiguration {REGISTRATION}")
            }
            Subject::Named(Named::Admission(AdmissionObject::Parameters)) => {
                format!("ConfigMap {SCOPE_CONFIG_MAP}")
            }
        }
    }

    /// A watch that goes on after `version`, or that starts with all objects as they are at that moment. The
    /// server ends it after `seconds`.
    pub(crate) fn follow(&self, version: Option<u64>, seconds: u32) -> Result<Request<Vec<u8>>, http::Error> {
        let start = match version {
            Some(version) => format!("&resourceVersion={version}"),
            // No version: not older than the moment of the request, whichever API server answers.
            None => "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=".to_owned(),
        };
        let query = format!("watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}{start}");
        self.get(&query, if self.metadata_only { METADATA } else { WHOLE })
    }

    /// One page of a list as it is at the moment of the first page.
    pub(crate) fn page(&self, continue_token: Option<&str>) -> Result<Request<Vec<u8>>, http::Error> {
        let mut query = format!("limit={PAGE}");
        if let Some(token) = continue_token {
            query.push_str("&continue=");
            encode_into(&mut query, token);
        }
        self.get(&query, if self.metadata_only { METADATA_LIST } else { WHOLE })
    }

    fn get(&self, query: &str, accept: &'static str) -> Result<Request<Vec<u8>>, http::Error> {
        let mut uri = format!("{}?{query}", self.path);
        if let Some(selector) = &self.selector {
            uri.push_str("&fieldSelector=");
            encode_into(&mut uri, selector);
        }
        Request::get(uri).header(ACCEPT, accept).body(Vec::new())
    }
}

fn named(name: &str) -> String {
    format!("metadata.name={name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(request: Result<Request<Vec<u8>>, http::Error>) -> String {
        request.unwrap().uri().to_string()
    }

    #[test]
    fn what_is_allowed_by_name_is_asked_for_by_name() {
        let reference = SecretRef { namespace: "a".to_owned(), name: "acr-keys".to_owned() };
        for source in [
            Source::configuration("kube-system"),
            Source::pull_secrets(),
            Source::reference(reference),
            Source::registration(),
            Source::parameters("kube-system"),
        ] {
            for uri in [
                uri(source.follow(None, 200)),
                uri(source.follow(Some(7), 200)),
                uri(source.page(Some("c="))),
            ] {
                assert!(uri.contains("fieldSelector=metadata.name%3Dacr-"), "{uri}");
            }
        }
    }

    #[test]
    fn a_watch_starts_with_all_objects_or_after_a_version() {
        insta::assert_snapshot!(uri(Source::accounts().follow(None, 200)), @"/api/v1/serviceaccounts?watch=true&allowWatchBookmarks=true&timeoutSeconds=200&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=");
        insta::assert_snapshot!(uri(Source::pull_secrets().follow(Some(9), 200)), @"/api/v1/secrets?watch=true&allowWatchBookmarks=true&timeoutSeconds=200&resourceVersion=9&fieldSelector=metadata.name%3Dacr-credential-secret-aggregation");
        insta::assert_snapshot!(uri(Source::pods().follow(Some(9), 200)), @"/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=200&resourceVersion=9&fieldSelector=status.phase%3DPending");
        insta::assert_snapshot!(uri(Source::namespaces().page(Some("eyJ2=/+"))), @"/api/v1/namespaces?limit=500&continue=eyJ2%3D%2F%2B");
    }
}
