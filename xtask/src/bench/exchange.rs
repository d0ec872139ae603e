//! Requests as benchmarks make them: many at once, answers not looked at beyond their status.

use futures::stream::{self, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use serde::de::DeserializeOwned;

use super::Error;

/// A JSON patch (RFC 6902).
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
/// A server-side apply; JSON is YAML.
pub(super) const APPLY: &str = "application/apply-patch+yaml";
/// An object as it is.
pub(super) const JSON: &str = "application/json";
/// The answer to a write: of objects only the metadata.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Characters of an answer that an error shows.
const SHOWN: usize = 400;

/// A request that is to succeed.
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    /// Whether an object that is not there will do as well.
    pub(super) may_be_absent: bool,
}

impl Write {
    pub(super) fn patch(path: String, content: &'static str, body: Vec<u8>) -> Self {
        Self { method: Method::PATCH, path, content, body, may_be_absent: false }
    }

    pub(super) fn create(path: String, object: &serde_json::Value) -> Self {
        let body = object.to_string().into_bytes();
        Self { method: Method::POST, path, content: JSON, body, may_be_absent: false }
    }

    /// Deletes what may or may not be there.
    pub(super) fn delete(path: String) -> Self {
        Self { method: Method::DELETE, path, content: JSON, body: Vec::new(), may_be_absent: true }
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn send(self, client: &Client) -> Result<(), Error> {
        let what = format!("{} {}", self.method, self.path);
        let failed = |reason: String| Error::Request { what: what.clone(), reason };
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(ACCEPT, METADATA_ONLY)
            .header(CONTENT_TYPE, self.content)
            .body(self.body.into())
            .map_err(|error| failed(error.to_string()))?;
        let answer = client.send(request).await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
        if status.is_success() || (self.may_be_absent && status == StatusCode::NOT_FOUND) {
            return Ok(());
        }
        let text: String = String::from_utf8_lossy(&body.to_bytes()).chars().take(SHOWN).collect();
        Err(failed(format!("{status}: {text}")))
    }
}

/// Carries out jobs, `in_flight` of them at any time, and ends with the first that fails.
pub(super) async fn all_of<F: Future<Output = Result<(), Error>>>(
    in_flight: usize,
    jobs: impl Iterator<Item = F>,
    mut done: impl FnMut(),
) -> Result<(), Error> {
    let mut running = stream::iter(jobs).buffer_unordered(in_flight);
    while let Some(outcome) = running.next().await {
        outcome?;
        done();
    }
    Ok(())
}

/// Reads JSON.
pub(super) async fn read<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Error> {
    let failed = |reason: String| Error::Request { what: format!("GET {path}"), reason };
    let request = Request::get(path)
        .header(ACCEPT, JSON)
        .body(Vec::new())
        .map_err(|error| failed(error.to_string()))?;
    client.request(request).await.map_err(|error| failed(error.to_string()))
}
