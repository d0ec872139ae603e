//! Which host names of Alibaba Cloud exist, and which product and region each of them is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::description::Instance;

/// The products that are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Product {
    /// Security Token Service.
    Sts,
    /// Container Registry.
    Cr,
    /// The metadata service of a machine.
    Metadata,
    /// The token service of the registries, also where a registry has taken it over.
    Dockerauth,
}

impl Product {
    /// The name in files and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Cr => "cr",
            Self::Metadata => "metadata",
            Self::Dockerauth => "dockerauth",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a host name of Alibaba Cloud stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) product: Product,
    /// `None` for the central STS host and the metadata service.
    pub(crate) region: Option<String>,
    /// The instance whose own host has taken over the token service.
    pub(crate) taken_over_by: Option<String>,
}

impl Address {
    /// `None` when there is no such host (its name would not resolve).
    pub(crate) fn of(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        if host == "100.100.100.200" {
            return Some(Self::new(Product::Metadata, None));
        }
        let name = host.strip_suffix(".aliyuncs.com")?;
        if name == "sts" {
            return Some(Self::new(Product::Sts, None));
        }
        if name == "dockerauth-cn-zhangjiakou" {
            return Some(Self::new(Product::Dockerauth, Some("cn-zhangjiakou")));
        }
        let (service, region) = name.split_once('.')?;
        let (product, exists) = match service {
            "sts" => (Product::Sts, !STS_VPC_ONLY.contains(&region) && region_exists(region)),
            "sts-vpc" => (Product::Sts, STS_VPC.contains(&region) || STS_VPC_ONLY.contains(&region)),
            "cr" => (Product::Cr, CR_VPC.contains(&region) || CR_PUBLIC_ONLY.contains(&region)),
            "cr-vpc" => (Product::Cr, CR_VPC.contains(&region)),
            "dockerauth" => (Product::Dockerauth, region != "cn-zhangjiakou" && region_exists(region)),
            "dockerauth-ee" => (Product::Dockerauth, region_exists(region)),
            "dockerauth-vpc" | "dockerauth-ee-vpc" => (Product::Dockerauth, CR_VPC.contains(&region)),
            _ => return None,
        };
        exists.then(|| Self::new(product, Some(region)))
    }

    fn new(product: Product, region: Option<&str>) -> Self {
        Self { product, region: region.map(str::to_owned), taken_over_by: None }
    }

    /// The token service on the host of an instance that has taken it over.
    pub(crate) fn taken_over(instance: &Instance) -> Self {
        let taken_over_by = Some(instance.id.clone());
        Self { taken_over_by, ..Self::new(Product::Dockerauth, Some(&instance.region)) }
    }
}

/// The token service that the Personal registry of a region names in its challenge: some regions name another's.
pub(crate) fn personal_realm_host(region: &str) -> String {
    match region {
        "cn-zhangjiakou" => "dockerauth-cn-zhangjiakou.aliyuncs.com".to_owned(),
        "cn-shanghai" | "cn-beijing" => "dockerauth.cn-hangzhou.aliyuncs.com".to_owned(),
        region => format!("dockerauth.{region}.aliyuncs.com"),
    }
}

/// The host names of the Personal registry of a region, of the old kind: public, VPC and classic network.
pub(crate) fn personal_registry_hosts(region: &str) -> Vec<String> {
    let mut names = vec!["registry", "registry-vpc", "registry-internal"];
    if !region.starts_with("cn-") {
        names.extend(["registry-intl", "registry-intl-vpc"]);
    }
    names.into_iter().map(|name| format!("{name}.{region}.aliyuncs.com")).collect()
}

/// Whether a region is known at all.
pub(crate) fn region_exists(region: &str) -> bool {
    [STS_VPC, STS_VPC_ONLY, CR_VPC, CR_PUBLIC_ONLY].iter().any(|regions| regions.contains(&region))
}

/// Regions with Container Registry, that is, where an instance can be.
pub(crate) fn has_registry(region: &str) -> bool {
    CR_VPC.contains(&region) || CR_PUBLIC_ONLY.contains(&region)
}

/// Regions with `sts-vpc.<region>` (endpoint page of STS).
const STS_VPC: &[&str] = &[
    "cn-qingdao",
    "cn-beijing",
    "cn-zhangjiakou",
    "cn-huhehaote",
    "cn-wulanchabu",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-nanjing",
    "cn-fuzhou",
    "cn-shenzhen",
    "cn-heyuan",
    "cn-guangzhou",
    "cn-chengdu",
    "cn-wuhan-lr",
    "cn-hongkong",
    "cn-beijing-finance-1",
    "cn-shanghai-finance-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-7",
    "us-west-1",
    "us-east-1",
    "na-south-1",
    "eu-central-1",
    "eu-west-1",
    "me-east-1",
    "me-central-1",
];

/// Regions that have `sts-vpc.<region>` and no public regional host (endpoint map of the SDK).
const STS_VPC_ONLY: &[&str] = &["cn-shenzhen-finance-1", "cn-north-2-gov-1"];

/// Regions with `cr.<region>` and `cr-vpc.<region>` (endpoint page of Container Registry).
const CR_VPC: &[&str] = &[
    "cn-qingdao",
    "cn-beijing",
    "cn-zhangjiakou",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-nanjing",
    "cn-fuzhou",
    "cn-shenzhen",
    "cn-guangzhou",
    "cn-chengdu",
    "cn-wuhan-lr",
    "cn-hongkong",
    "cn-hangzhou-finance",
    "cn-zhengzhou-jva",
    "cn-heyuan-acdr-1",
    "cn-beijing-finance-1",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ap-south-1",
    "us-west-1",
    "us-east-1",
    "us-southeast-1",
    "na-south-1",
    "eu-central-1",
    "eu-west-1",
    "me-east-1",
    "me-central-1",
];

/// Regions with `cr.<region>` alone.
const CR_PUBLIC_ONLY: &[&str] = &["cn-huhehaote", "cn-wulanchabu", "cn-heyuan"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_does_not_exist_is_nothing() {
        for host in [
            "",
            "aliyuncs.com",
            "sts.cn-nowhere.aliyuncs.com",
            "sts.cn-north-2-gov-1.aliyuncs.com",
            "sts-vpc.cn-hangzhou-finance.aliyuncs.com",
            "cr.aliyuncs.com",
            "cr-vpc.cn-heyuan.aliyuncs.com",
            "dockerauth.cn-zhangjiakou.aliyuncs.com",
            "ecs.cn-hangzhou.aliyuncs.com",
            "cr.cn-hangzhou.aliyuncs.com.example.com",
        ] {
            assert_eq!(Address::of(host), None, "{host}");
        }
    }

    #[test]
    fn a_host_names_its_product_and_region() {
        let regional = |product, region| Some(Address::new(product, Some(region)));
        assert_eq!(Address::of("100.100.100.200"), Some(Address::new(Product::Metadata, None)));
        assert_eq!(Address::of("sts.aliyuncs.com"), Some(Address::new(Product::Sts, None)));
        for (host, expected) in [
            ("sts.cn-hangzhou.aliyuncs.com", regional(Product::Sts, "cn-hangzhou")),
            ("STS-VPC.cn-north-2-gov-1.aliyuncs.com", regional(Product::Sts, "cn-north-2-gov-1")),
            ("cr.cn-heyuan.aliyuncs.com", regional(Product::Cr, "cn-heyuan")),
            ("cr-vpc.me-central-1.aliyuncs.com", regional(Product::Cr, "me-central-1")),
            ("dockerauth-ee-vpc.cn-beijing.aliyuncs.com", regional(Product::Dockerauth, "cn-beijing")),
            ("dockerauth-cn-zhangjiakou.aliyuncs.com", regional(Product::Dockerauth, "cn-zhangjiakou")),
        ] {
            assert_eq!(Address::of(host), expected, "{host}");
        }
    }
}
