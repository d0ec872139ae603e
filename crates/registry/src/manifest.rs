//! Manifests and indexes of OCI and Docker: which blobs an image is made of
//! (<https://github.com/opencontainers/image-spec/blob/main/manifest.md>).

use acr_credentials::Digest;
use serde::Deserialize;

/// The platform whose image is pulled where there is a choice: operating system and architecture.
pub const PLATFORM: (&str, &str) = ("linux", "amd64");

/// What manifests are asked for, as a value of `Accept`.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A piece of content as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Bytes of the content.
    pub size: u64,
}

/// What a manifest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// The manifest of [`PLATFORM`] in an index.
    Index(Descriptor),
    /// Configuration and layers of an image, each once.
    Image(Vec<Descriptor>),
}

/// Reads a manifest or an index, or says why it is none that can be pulled.
pub fn parse_manifest(body: &[u8]) -> Result<Manifest, &'static str> {
    let document: Document = serde_json::from_slice(body).map_err(|_| "it is no JSON of a manifest")?;
    match document {
        Document { manifests: Some(manifests), .. } => {
            let chosen =
                manifests.iter().find(|entry| entry.platform.as_ref().is_some_and(Platform::is_ours));
            let chosen = chosen.ok_or("its index has no image for linux/amd64")?;
            Ok(Manifest::Index(chosen.descriptor.read()?))
        }
        Document { config: Some(config), layers: Some(layers), .. } => {
            let mut blobs: Vec<Descriptor> = Vec::new();
            for part in std::iter::once(&config).chain(&layers) {
                let blob = part.read()?;
                if !blobs.iter().any(|known| known.digest == blob.digest) {
                    blobs.push(blob);
                }
            }
            Ok(Manifest::Image(blobs))
        }
        Document { .. } => Err("it is neither an index nor a manifest with config and layers"),
    }
}

#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<IndexEntry>>,
    config: Option<Content>,
    layers: Option<Vec<Content>>,
}

#[derive(Deserialize)]
struct IndexEntry {
    platform: Option<Platform>,
    #[serde(flatten)]
    descriptor: Content,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Platform {
    fn is_ours(&self) -> bool {
        (self.os.as_str(), self.architecture.as_str()) == PLATFORM
    }
}

#[derive(Deserialize)]
struct Content {
    digest: String,
    size: u64,
}

impl Content {
    fn read(&self) -> Result<Descriptor, &'static str> {
        let digest = self.digest.parse().map_err(|_| "it names content by something else than SHA-256")?;
        Ok(Descriptor { digest, size: self.size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(fill: char) -> String {
        format!("sha256:{}", fill.to_string().repeat(64))
    }

    fn descriptor(fill: char, size: u64) -> Descriptor {
        Descriptor { digest: digest(fill).parse().unwrap(), size }
    }

    fn content(fill: char, size: u64) -> String {
        format!(r#"{{"mediaType":"m","digest":"{}","size":{size}}}"#, digest(fill))
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_the_reason() {
        for (body, reason) in [
            (String::new(), "no JSON"),
            ("[]".into(), "no JSON"),
            ("{}".into(), "neither"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), "neither"),
            (r#"{"manifests":[]}"#.into(), "no image for linux/amd64"),
            (format!(r#"{{"manifests":[{}]}}"#, content('a', 1)), "no image for linux/amd64"),
            (r#"{"config":{"digest":"sha512:00","size":1},"layers":[]}"#.into(), "SHA-256"),
            (r#"{"config":{"digest":"sha256:00","size":-1},"layers":[]}"#.into(), "no JSON"),
        ] {
            let refusal = parse_manifest(body.as_bytes()).unwrap_err();
            assert!(refusal.contains(reason), "{body}: {refusal}");
        }
    }

    #[test]
    fn an_image_is_its_configuration_and_each_layer_once() {
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"x","config":{},"layers":[{},{},{}]}}"#,
            content('a', 1),
            content('b', 2),
            content('c', 3),
            content('b', 2)
        );
        let blobs = vec![descriptor('a', 1), descriptor('b', 2), descriptor('c', 3)];
        assert_eq!(parse_manifest(body.as_bytes()), Ok(Manifest::Image(blobs)));
    }

    #[test]
    fn an_index_gives_the_first_image_of_the_platform() {
        let entry = |fill, os, architecture| {
            format!(
                r#"{{"mediaType":"m","digest":"{}","size":7,"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#,
                digest(fill)
            )
        };
        let body = format!(
            r#"{{"manifests":[{},{},{},{}]}}"#,
            content('9', 7),
            entry('a', "linux", "arm64"),
            entry('b', "linux", "amd64"),
            entry('c', "linux", "amd64")
        );
        assert_eq!(parse_manifest(body.as_bytes()), Ok(Manifest::Index(descriptor('b', 7))));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_manifest(&body);
        }
    }
}
