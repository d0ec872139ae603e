//! A key of the docker config's `auths`: a host, or a host and a path.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::image::ImageReference;

/// `host` or `host/path`, as Kubernetes matches it against image references
/// (<https://kubernetes.io/docs/concepts/containers/images/#config-json>).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySlot(String);

impl KeySlot {
    /// The slot of a whole host.
    pub fn host(host: &str) -> Self {
        Self(host.to_ascii_lowercase())
    }

    /// The slot of one namespace of a host.
    pub fn host_and_path(host: &str, path: &str) -> Self {
        Self(format!("{}/{path}", host.to_ascii_lowercase()))
    }

    /// Whether an image, as a pod names it, is pulled with the login of this slot. A path is compared as the kubelet does:
    /// by its first characters.
    pub fn covers(&self, image: &str) -> bool {
        let Ok(image) = image.parse::<ImageReference>() else { return false };
        let (host, path) = self.0.split_once('/').unwrap_or((&self.0, ""));
        host == image.registry() && image.repository().starts_with(path)
    }

    /// The key as it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeySlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_covers_no_image_of_another_host_or_path() {
        let host = KeySlot::host("Acme-registry.cn-hangzhou.cr.aliyuncs.com");
        let path = KeySlot::host_and_path("acme-registry.cn-hangzhou.cr.aliyuncs.com", "team");
        for (image, by_host, by_path) in [
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:1.0", true, true),
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com/other/app", true, false),
            ("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com/team/app:1.0", false, false),
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com:8443/team/app", false, false),
            ("team/app", false, false),
            ("", false, false),
        ] {
            assert_eq!((host.covers(image), path.covers(image)), (by_host, by_path), "{image}");
        }
    }
}
