//! Uploads to a registry, as the distribution specification of OCI has them.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

/// Where an image goes.
pub(super) struct Target<'a> {
    pub(super) url: &'a str,
    pub(super) repository: &'a str,
    pub(super) bearer: Option<&'a SecretString>,
}

impl Target<'_> {
    /// Opens an upload, then sends the blob in one piece.
    pub(super) async fn push_blob(&self, digest: &str, blob: Bytes) -> Result<(), Error> {
        let url = format!("{}/v2/{}/blobs/uploads/", self.url, self.repository);
        let kind = "application/octet-stream";
        let opened = self.send(Method::POST, &url, kind, Bytes::new(), StatusCode::ACCEPTED).await?;
        let location = opened.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.failed(&"no upload location in its answer"))?;
        let separator = if location.contains('?') { '&' } else { '?' };
        // Locations may be relative.
        let base = if location.starts_with('/') { self.url } else { "" };
        let url = format!("{base}{location}{separator}digest={digest}");
        self.send(Method::PUT, &url, kind, blob, StatusCode::CREATED).await.map(drop)
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        content_type: &str,
        body: Bytes,
        wanted: StatusCode,
    ) -> Result<Response<Bytes>, Error> {
        let uri: Uri = url.parse().map_err(|error| self.failed(&format!("{url}: {error}")))?;
        let mut request =
            Request::builder().method(method.clone()).uri(uri).header(CONTENT_TYPE, content_type);
        if let Some(bearer) = self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.expose_secret()));
        }
        let request = request.body(Full::new(body)).map_err(|error| self.failed(&error))?;
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.map_err(|error| self.failed(&error))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| self.failed(&error))?.to_bytes();
        if head.status != wanted {
            let challenge = head.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            return Err(self.failed(&format!(
                "{method} was answered with {}: {} {}",
                head.status,
                String::from_utf8_lossy(&body).trim(),
                challenge.unwrap_or_default(),
            )));
        }
        Ok(Response::from_parts(head, body))
    }

    fn failed(&self, reason: &impl ToString) -> Error {
        let action = format!("push {} to {}", self.repository, self.url);
        Error::Registry { action, reason: reason.to_string() }
    }
}
