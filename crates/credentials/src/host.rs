//! Which host names belong to ACR.

/// Whether `host` is a registry domain of ACR, by the patterns that Alibaba Cloud documents:
/// Enterprise, Personal (both kinds), P2P with its port, and the system images of ACK.
///
/// Custom domains can be anything and are not recognised here.
pub fn is_acr_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let (name, port) = host.split_once(':').map_or((host.as_str(), None), |(name, port)| (name, Some(port)));
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    let Some(stem) = name.strip_suffix(".aliyuncs.com") else { return false };
    let labels: Vec<&str> = stem.split('.').collect();
    if !labels.iter().all(|label| is_label(label)) {
        return false;
    }
    match labels.as_slice() {
        [registry, region, "cr"] | [registry, "distributed", region, "cr"] => {
            is_region(region) && is_registry_label(registry)
        }
        [instance, region, "personal", "cr"] => is_region(region) && instance.starts_with("crpi-"),
        [registry, "ack"] => registry.strip_prefix("registry-").is_some_and(is_region),
        [registry, region] => is_region(region) && NETWORKS.contains(registry),
        ["registry"] => true,
        _ => false,
    }
}

/// The region in the name of a host of ACR; `None` for custom domains and for hosts that name none.
pub fn region_of(host: &str) -> Option<&str> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    if !is_acr_host(name) {
        return None;
    }
    let labels: Vec<&str> = name.strip_suffix(".aliyuncs.com")?.split('.').collect();
    match labels.as_slice() {
        [registry, "ack"] => registry.strip_prefix("registry-"),
        [_, region, "cr"]
        | [_, "distributed", region, "cr"]
        | [_, region, "personal", "cr"]
        | [_, region] => Some(region),
        _ => None,
    }
}

const NETWORKS: [&str; 5] =
    ["registry", "registry-vpc", "registry-internal", "registry-intl", "registry-intl-vpc"];

/// `NAME-registry`, `NAME-registry-vpc` and so on; the name may hold `-` itself.
fn is_registry_label(label: &str) -> bool {
    NETWORKS.iter().any(|network| {
        label
            .strip_suffix(network)
            .is_some_and(|name| name.strip_suffix('-').is_some_and(|name| !name.is_empty()))
    })
}

fn is_region(label: &str) -> bool {
    label.contains('-')
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::{is_acr_host, region_of};

    #[test]
    fn the_region_is_read_from_the_name_and_from_nothing_else() {
        for host in ["images.acme.example", "registry.aliyuncs.com", "", "acme.cn-beijing.cr.aliyuncs.com"] {
            assert_eq!(region_of(host), None, "{host}");
        }
        for host in [
            "acme-registry.cn-beijing.cr.aliyuncs.com",
            "acme-registry-vpc.distributed.cn-beijing.cr.aliyuncs.com:65001",
            "registry-vpc.cn-beijing.aliyuncs.com",
            "crpi-1.cn-beijing.personal.cr.aliyuncs.com",
            "registry-cn-beijing.ack.aliyuncs.com",
        ] {
            assert_eq!(region_of(host), Some("cn-beijing"), "{host}");
        }
    }

    #[test]
    fn foreign_and_lookalike_hosts_are_not_acr() {
        for host in [
            "",
            "docker.io",
            "registry.example.com",
            "acme-registry.cn-hangzhou.cr.aliyuncs.com.evil.example",
            "acme-registry.cn-hangzhou.cr.aliyuncs.com:port",
            "acme-registry.cn-hangzhou.cr.aliyuncs.com/path",
            "-registry.cn-hangzhou.cr.aliyuncs.com",
            "acme.cn-hangzhou.cr.aliyuncs.com",
            "bucket.oss-cn-hangzhou.aliyuncs.com",
            "sts.cn-hangzhou.aliyuncs.com",
            "aliyuncs.com",
            ".aliyuncs.com",
        ] {
            assert!(!is_acr_host(host), "{host}");
        }
    }

    #[test]
    fn section_2_5_every_documented_form_is_acr() {
        for host in [
            "acme-registry.cn-hangzhou.cr.aliyuncs.com",
            "my-acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
            "acme-registry-vpc.distributed.cn-hangzhou.cr.aliyuncs.com:65001",
            "registry.cn-hangzhou.aliyuncs.com",
            "registry-vpc.cn-hangzhou.aliyuncs.com",
            "registry-internal.cn-hangzhou.aliyuncs.com",
            "registry-intl.ap-southeast-1.aliyuncs.com",
            "registry-intl-vpc.ap-southeast-1.aliyuncs.com",
            "crpi-0123456789abcdef.cn-hangzhou.personal.cr.aliyuncs.com",
            "registry-cn-hangzhou.ack.aliyuncs.com",
            "registry.aliyuncs.com",
            "ACME-registry.CN-hangzhou.cr.aliyuncs.com",
        ] {
            assert!(is_acr_host(host), "{host}");
        }
    }
}
