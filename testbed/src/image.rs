//! Pushing a small image to a registry, as the distribution specification of OCI has it.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::error::Error;
use crate::hexadecimal::hexadecimal;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Size of a block of a tar archive; two empty ones end it (POSIX ustar).
const TAR_BLOCK: usize = 512;

/// An image that a registry has taken. Digests are written as `sha256:...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedImage {
    /// The repository, `namespace/name`.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Digest of the manifest.
    pub manifest_digest: String,
    /// Digest of the image configuration.
    pub config_digest: String,
    /// Digest of the only layer, an uncompressed tar archive.
    pub layer_digest: String,
    /// The content of the layer.
    pub layer: Bytes,
}

/// Pushes an image of one layer with one file, `image.txt`, that holds repository and tag.
///
/// `registry_url` is the one of the registry, plain HTTP; `bearer` a token with the actions pull and push on
/// the repository, or `None` for a registry without access control.
pub async fn push_image(
    registry_url: &str,
    repository: &str,
    tag: &str,
    bearer: Option<&SecretString>,
) -> Result<PushedImage, Error> {
    let registry = Target { url: registry_url.trim_end_matches('/'), repository, bearer };
    let layer = Bytes::from(archive("image.txt", format!("{repository}:{tag}\n").as_bytes()));
    let layer_digest = sha256(&layer);
    let config = Bytes::from(
        json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        })
        .to_string(),
    );
    let config_digest = sha256(&config);
    let manifest = Bytes::from(
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": layer_digest, "size": layer.len() }],
        })
        .to_string(),
    );
    let manifest_digest = sha256(&manifest);

    registry.push_blob(&layer_digest, layer.clone()).await?;
    registry.push_blob(&config_digest, config).await?;
    let url = format!("{}/v2/{repository}/manifests/{tag}", registry.url);
    registry.send(Method::PUT, &url, MANIFEST, manifest, StatusCode::CREATED).await?;
    Ok(PushedImage {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        manifest_digest,
        config_digest,
        layer_digest,
        layer,
    })
}

/// Where an image goes.
struct Target<'a> {
    url: &'a str,
    repository: &'a str,
    bearer: Option<&'a SecretString>,
}

impl Target<'_> {
    /// Opens an upload, then sends the blob in one piece.
    async fn push_blob(&self, digest: &str, blob: Bytes) -> Result<(), Error> {
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

    async fn send(
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

fn sha256(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    format!("sha256:{}", hexadecimal(hash.as_ref()))
}

/// A tar archive of one file that everybody may read, with the time 0 so that equal content has equal bytes.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(TAR_BLOCK);
    // Fields in their order, padded to their length: name, mode, owner, group, size, time (octal).
    field(&mut header, name, 100);
    for number in ["0000644", "0000000", "0000000"] {
        field(&mut header, number, 8);
    }
    field(&mut header, &format!("{:011o}", content.len()), 12);
    field(&mut header, "00000000000", 12);
    // The checksum is taken with spaces in its own place.
    let before_checksum = header.len();
    field(&mut header, "        ", 8);
    // A regular file; no link name; magic and version.
    field(&mut header, "0", 1);
    field(&mut header, "", 100);
    field(&mut header, "ustar\x0000", 8);
    header.resize(TAR_BLOCK, 0);
    let checksum: u32 = header.iter().copied().map(u32::from).sum();
    for (place, byte) in header.iter_mut().skip(before_checksum).zip(format!("{checksum:06o}\0 ").bytes()) {
        *place = byte;
    }
    let mut archive = header;
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(TAR_BLOCK) + 2 * TAR_BLOCK, 0);
    archive
}

fn field(header: &mut Vec<u8>, text: &str, length: usize) {
    let end = header.len() + length;
    header.extend(text.bytes().take(length));
    header.resize(end, 0);
}
