//! An OCI image layout: blobs by digest, and an index that names the images among them.
//!
//! OCI Image Format Specification 1.1: image-layout.md, manifest.md, config.md; descriptors of referrers as in
//! "Guidelines for Artifact Usage".

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::error::Error;
use super::layer::{Layer, digest_of};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The configuration of what is no image.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A bill of materials.
pub(super) const CYCLONE_DX: &str = "application/vnd.cyclonedx+json";
/// How an index calls an image.
const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
const TITLE: &str = "org.opencontainers.image.title";

/// What the image of one architecture is made of.
#[derive(Clone, Debug)]
pub(super) struct Image<'a> {
    /// In the words of Go: `amd64`, `arm64`.
    pub(super) architecture: &'static str,
    /// The `config` of the image configuration.
    pub(super) run: Value,
    pub(super) layers: &'a [Layer],
    /// CycloneDX, JSON.
    pub(super) materials: &'a [u8],
}

/// A layout that is being filled.
#[derive(Debug, Default)]
pub(super) struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    images: Vec<Value>,
    referrers: Vec<Value>,
}

impl Layout {
    /// Takes an image in, its bill of materials as a referrer. Gives the digest of its manifest.
    pub(super) fn add(&mut self, image: &Image<'_>) -> String {
        let differences: Vec<&str> = image.layers.iter().map(|layer| layer.difference.as_str()).collect();
        let configuration = json!({
            "architecture": image.architecture,
            "os": "linux",
            "config": image.run,
            "rootfs": { "type": "layers", "diff_ids": differences },
        });
        let config = self.json(CONFIG, &configuration);
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| with(self.blob(LAYER, layer.compressed.clone()), "annotations", titled(layer.title)))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let manifest = self.json(MANIFEST, &manifest);

        let name = format!("acr-credential-helper_linux_{}.cdx.json", image.architecture);
        let materials = self.blob(CYCLONE_DX, image.materials.to_vec());
        let empty = with(self.blob(EMPTY, b"{}".to_vec()), "data", json!("e30="));
        let referrer = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": CYCLONE_DX,
            "config": empty,
            "layers": [with(materials, "annotations", titled(&name))],
            "subject": manifest,
        });
        let referrer = self.json(MANIFEST, &referrer);
        self.referrers.push(with(referrer, "artifactType", json!(CYCLONE_DX)));

        let digest = manifest.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
        let platform = json!({ "os": "linux", "architecture": image.architecture });
        self.images.push(with(manifest, "platform", platform));
        digest
    }

    /// Writes the layout into a folder that is there, under this tag. Gives the digest of the image for all
    /// architectures, by which it is pulled.
    pub(super) fn write(mut self, folder: &Path, tag: &str) -> Result<String, Error> {
        let images = std::mem::take(&mut self.images);
        let image = self.json(INDEX, &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": images }));
        let digest = image.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut manifests = vec![with(image, "annotations", json!({ REFERENCE_NAME: tag }))];
        manifests.append(&mut self.referrers);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });

        let blobs = folder.join("blobs").join("sha256");
        std::fs::create_dir_all(&blobs).map_err(Error::file("create", &blobs))?;
        let write =
            |path: &Path, content: &[u8]| std::fs::write(path, content).map_err(Error::file("write", path));
        for (digest, blob) in &self.blobs {
            write(&blobs.join(digest.trim_start_matches("sha256:")), blob)?;
        }
        write(&folder.join("index.json"), index.to_string().as_bytes())?;
        // Last: with it the folder is a layout.
        write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(digest)
    }

    fn json(&mut self, kind: &str, value: &Value) -> Value {
        self.blob(kind, value.to_string().into_bytes())
    }

    /// Keeps a blob, and gives its descriptor.
    fn blob(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let digest = digest_of(&bytes);
        let descriptor = json!({ "mediaType": kind, "digest": digest, "size": bytes.len() });
        self.blobs.insert(digest, bytes);
        descriptor
    }
}

fn titled(name: &str) -> Value {
    json!({ TITLE: name })
}

/// A descriptor with one more field.
fn with(mut descriptor: Value, field: &str, value: Value) -> Value {
    if let Some(fields) = descriptor.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    descriptor
}
