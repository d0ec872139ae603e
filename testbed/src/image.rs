//! Small images: made here, pushed to a registry or packed for a container runtime.

mod push;
mod tar;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::error::Error;
use crate::hexadecimal::hexadecimal;
use push::Target;
use tar::{Entry, archive};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The file of text in every image.
const TEXT_FILE: &str = "image.txt";
/// The program of an image that has one.
const PROGRAM_FILE: &str = "program";
/// How containerd is told the full name of an image in an archive.
const NAME_ANNOTATION: &str = "io.containerd.image.name";

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

/// An image of one layer. Equal content makes equal images.
#[derive(Clone, Debug)]
pub struct SmallImage {
    layer: Blob,
    config: Blob,
    manifest: Blob,
}

/// Bytes that are known by their digest.
#[derive(Clone, Debug)]
struct Blob {
    bytes: Bytes,
    digest: String,
}

impl Blob {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hash = digest(&SHA256, &bytes);
        Self { digest: format!("sha256:{}", hexadecimal(hash.as_ref())), bytes }
    }

    /// How an index or a manifest names it.
    fn described(&self, kind: &str) -> Value {
        json!({ "mediaType": kind, "digest": self.digest, "size": self.bytes.len() })
    }
}

impl SmallImage {
    /// An image of one file, `image.txt`, that holds a text.
    pub fn of_text(text: &str) -> Self {
        Self::new(&[text_file(text)], &json!({}))
    }

    /// An image that runs a program, which must not need any other file, with these arguments.
    pub fn of_program(program: &[u8], arguments: &[&str], text: &str) -> Self {
        let program = Entry { name: PROGRAM_FILE, executable: true, content: program };
        let run = json!({ "Entrypoint": [format!("/{PROGRAM_FILE}")], "Cmd": arguments });
        Self::new(&[program, text_file(text)], &run)
    }

    fn new(files: &[Entry<'_>], run: &Value) -> Self {
        let layer = Blob::new(archive(files));
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
        });
        let config = Blob::new(config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.described(CONFIG),
            "layers": [layer.described(LAYER)],
        });
        Self { manifest: Blob::new(manifest.to_string()), layer, config }
    }

    /// Pushes it.
    ///
    /// `registry_url` is the one of the registry, plain HTTP; `bearer` a token with the actions pull and push on
    /// the repository, or `None` for a registry without access control.
    pub async fn push(
        &self,
        registry_url: &str,
        repository: &str,
        tag: &str,
        bearer: Option<&SecretString>,
    ) -> Result<PushedImage, Error> {
        let registry = Target { url: registry_url.trim_end_matches('/'), repository, bearer };
        for blob in [&self.layer, &self.config] {
            registry.push_blob(&blob.digest, blob.bytes.clone()).await?;
        }
        let url = format!("{}/v2/{repository}/manifests/{tag}", registry.url);
        let manifest = self.manifest.bytes.clone();
        registry.send(Method::PUT, &url, MANIFEST, manifest, StatusCode::CREATED).await?;
        Ok(PushedImage {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            manifest_digest: self.manifest.digest.clone(),
            config_digest: self.config.digest.clone(),
            layer_digest: self.layer.digest.clone(),
            layer: self.layer.bytes.clone(),
        })
    }

    /// The image as an archive that containerd imports under this name (OCI image layout, as tar).
    pub(crate) fn oci_archive(&self, name: &str) -> Vec<u8> {
        let manifest = json!({
            "mediaType": MANIFEST,
            "digest": self.manifest.digest,
            "size": self.manifest.bytes.len(),
            "annotations": { NAME_ANNOTATION: name },
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] }).to_string();
        let blobs = [&self.layer, &self.config, &self.manifest];
        let paths = blobs.map(|blob| format!("blobs/{}", blob.digest.replace(':', "/")));
        let files = paths.iter().zip(blobs).map(|(path, blob)| plain(path, &blob.bytes));
        let mut entries: Vec<Entry<'_>> = files.collect();
        entries.push(plain("index.json", index.as_bytes()));
        entries.push(plain("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#));
        archive(&entries)
    }
}

/// Pushes an image of one layer with one file, `image.txt`, that holds repository and tag; see [`SmallImage::push`].
pub async fn push_image(
    registry_url: &str,
    repository: &str,
    tag: &str,
    bearer: Option<&SecretString>,
) -> Result<PushedImage, Error> {
    let image = SmallImage::of_text(&format!("{repository}:{tag}\n"));
    image.push(registry_url, repository, tag, bearer).await
}

fn text_file(text: &str) -> Entry<'_> {
    plain(TEXT_FILE, text.as_bytes())
}

fn plain<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { name, executable: false, content }
}

/// This machine's architecture as images name it: in the words of Go.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
