//! An image reference with its registry written out, as the token protocol and the docker config need it.

use std::fmt;
use std::str::FromStr;

/// The longest name that the reference grammar allows, registry and repository together.
const LONGEST_NAME: usize = 255;

/// `host[:port]/repository[:tag][@digest]`, by the grammar of the distribution project
/// (<https://pkg.go.dev/github.com/distribution/reference>), strict: the registry must be written out, and the
/// digest is SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// Host of the registry, with its port where one is written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path of the repository in the registry, without a slash in front.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What the registry is asked for: the digest, else the tag, else `latest`.
    pub fn manifest(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The digest of the manifest where one is written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// What is wrong with the text of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// The first part is no host, so the reference would mean docker.io or nothing.
    #[error(
        "an image reference starts with the host of its registry, such as registry.example.com/team/app:1.0"
    )]
    Registry,
    /// The repository is empty, too long, or has characters that none has.
    #[error(
        "a repository has lower-case letters and digits, separated by one of `.`, `_`, `__`, `-` or `/`, \
         255 characters with its host at most"
    )]
    Repository,
    /// The tag is empty, too long, or has characters that none has.
    #[error("a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two")]
    Tag,
    /// The digest is not SHA-256 in lower-case hex.
    #[error("a digest is `sha256:` and 64 lower-case hex digits")]
    Digest,
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (registry, rest) = rest.split_once('/').ok_or(ImageReferenceError::Registry)?;
        if !is_registry(registry) {
            return Err(ImageReferenceError::Registry);
        }
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(repository) || registry.len() + 1 + repository.len() > LONGEST_NAME {
            return Err(ImageReferenceError::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ImageReferenceError::Tag);
        }
        Ok(Self {
            registry: registry.to_ascii_lowercase(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// A host that no reader takes for a part of a repository: it has a dot or a port, or is `localhost`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':').unwrap_or("none"))),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host = if text.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        host.split('.').all(is_label) && (host.contains('.') || port.is_some() || host == "localhost")
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_host && port.is_none_or(is_port)
}

fn is_repository(text: &str) -> bool {
    text.split('/').all(|component| {
        let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let separators =
            component.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
        let starts_and_ends = [component.bytes().next(), component.bytes().next_back()]
            .iter()
            .all(|end| end.is_some_and(is_alphanumeric));
        starts_and_ends
            && separators.into_iter().all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
            })
    })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// A SHA-256 digest of content, as registries write it: `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest with its algorithm in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    /// The digest that SHA-256 came to.
    fn from(bytes: [u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = "sha256:".to_owned();
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl FromStr for Digest {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let hex = text.strip_prefix("sha256:").ok_or(ImageReferenceError::Digest)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if hex.len() != 64 || !hex.bytes().all(is_digit) {
            return Err(ImageReferenceError::Digest);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_not_strictly_a_reference_is_refused_with_the_part_that_is_wrong() {
        use ImageReferenceError::{Digest, Registry, Repository, Tag};
        for (text, error) in [
            ("", Registry),
            ("app", Registry),
            ("app:1", Registry),
            ("team/app", Registry),
            ("/app", Registry),
            ("https://r.example/app", Registry),
            ("user@r.example/app", Digest),
            ("r.example:port/app", Registry),
            ("r.example:/app", Registry),
            ("r.example:99999/app", Registry),
            ("r..example/app", Registry),
            ("-r.example/app", Registry),
            ("[::1]x/app", Registry),
            ("[zz]/app", Registry),
            ("r.example/", Repository),
            ("r.example//app", Repository),
            ("r.example/app/", Repository),
            ("r.example/App", Repository),
            ("r.example/app-", Repository),
            ("r.example/a..b", Repository),
            ("r.example/a___b", Repository),
            ("r.example/a b", Repository),
            ("r.example/app:", Tag),
            ("r.example/app:-x", Tag),
            ("r.example/app:1:2", Tag),
            ("r.example/app:1/2", Tag),
            ("r.example/app@", Digest),
            ("r.example/app@sha256:abc", Digest),
            ("r.example/app@md5:d41d8cd98f00b204e9800998ecf8427e", Digest),
        ] {
            assert_eq!(text.parse::<ImageReference>(), Err(error), "{text}");
        }
        assert_eq!(format!("r.example/{}", "a".repeat(256)).parse::<ImageReference>(), Err(Repository));
        assert_eq!(format!("r.example/a:{}", "a".repeat(129)).parse::<ImageReference>(), Err(Tag));
        assert_eq!(format!("r.example/a@{}", DIGEST.to_uppercase()).parse::<ImageReference>(), Err(Digest));
    }

    #[test]
    fn the_parts_of_a_reference() {
        for (text, registry, repository, manifest) in [
            ("r.example/app", "r.example", "app", "latest"),
            ("localhost/app:1", "localhost", "app", "1"),
            ("host:5000/a/b__c/d--e.f:v1.0-x", "host:5000", "a/b__c/d--e.f", "v1.0-x"),
            ("[::1]:5000/app:1", "[::1]:5000", "app", "1"),
            (
                "acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:1.0",
                "acme-registry.cn-hangzhou.cr.aliyuncs.com",
                "team/app",
                "1.0",
            ),
        ] {
            let image: ImageReference = text.parse().unwrap();
            assert_eq!(
                (image.registry(), image.repository(), image.manifest()),
                (registry, repository, manifest)
            );
            assert_eq!(image.to_string(), text);
        }
        let image: ImageReference = format!("R.example/app:1@{DIGEST}").parse().unwrap();
        assert_eq!(
            (image.registry(), image.manifest()),
            ("r.example", DIGEST),
            "the digest goes before the tag"
        );
    }

    #[test]
    fn a_digest_of_bytes_is_read_back() {
        let digest = Digest::from([0xab; 32]);
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        assert!(digest.as_str().starts_with("sha256:abab"));
    }

    proptest! {
        #[test]
        fn a_reference_prints_as_it_was_read(text in "[a-z0-9.:/@_-]{0,40}|r\\.example/[a-z/._-]{1,10}(:[a-z.]{1,3})?") {
            if let Ok(image) = text.parse::<ImageReference>() {
                prop_assert_eq!(image.to_string(), text);
            }
        }
    }
}
