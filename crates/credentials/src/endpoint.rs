//! The base URLs of Alibaba Cloud's products, in the order in which they are tried.

use acr_configuration::{EndpointChoice, EndpointOverride, Product};

/// The metadata service of an ECS instance, reachable from the instance only.
const METADATA: &str = "http://100.100.100.200";

/// The STS endpoint of no region.
const STS_CENTRAL: &str = "sts.aliyuncs.com";

/// Known regions that the endpoint page of STS lists without a VPC name
/// (<https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-endpoint>).
const STS_WITHOUT_VPC: [&str; 5] =
    ["ap-south-1", "ap-southeast-6", "cn-heyuan-acdr-1", "cn-zhengzhou-jva", "us-southeast-1"];

/// Known regions that the endpoint page of Container Registry lists without a VPC name
/// (<https://www.alibabacloud.com/help/en/acr/developer-reference/api-cr-2018-12-01-endpoint>).
const CR_WITHOUT_VPC: [&str; 3] = ["cn-heyuan", "cn-huhehaote", "cn-wulanchabu"];

/// Where to call `product` in `region`: the first matching override alone, else Alibaba Cloud's own endpoints
/// by `choice`. `auto` is VPC before public; a region that is on no list is taken to have both, because their
/// names follow from the region's.
///
/// The region is empty while it is not known: then only STS, by its central endpoint, and the metadata service
/// can be called. Empty where there is nothing to call.
pub fn endpoints(
    product: Product,
    region: &str,
    choice: EndpointChoice,
    overrides: &[EndpointOverride],
) -> Vec<String> {
    let matching = overrides.iter().find(|found| found.product == product && found.region.matches(region));
    if let Some(found) = matching {
        return vec![found.url.clone()];
    }
    let hosts = match product {
        Product::Metadata => return vec![METADATA.to_owned()],
        Product::Sts if region.is_empty() => return vec![format!("https://{STS_CENTRAL}")],
        Product::Sts | Product::Cr if !is_region(region) => return Vec::new(),
        Product::Sts => sts(region),
        Product::Cr => container_registry(region),
    };
    let chosen = match choice {
        EndpointChoice::Auto if hosts.has_vpc && hosts.vpc != hosts.public => vec![hosts.vpc, hosts.public],
        EndpointChoice::Vpc => vec![hosts.vpc],
        EndpointChoice::Auto | EndpointChoice::Public => vec![hosts.public],
    };
    chosen.iter().map(|host| format!("https://{host}")).collect()
}

struct Hosts {
    vpc: String,
    /// Whether the VPC name is known not to be missing.
    has_vpc: bool,
    public: String,
}

fn sts(region: &str) -> Hosts {
    let vpc = format!("sts-vpc.{region}.aliyuncs.com");
    let public = format!("sts.{region}.aliyuncs.com");
    // The finance and government regions depart from the rule in Alibaba Cloud's own SDKs.
    let (vpc, public) = match region {
        "cn-hangzhou-finance" => ("sts-vpc.cn-hangzhou.aliyuncs.com".to_owned(), STS_CENTRAL.to_owned()),
        "cn-beijing-finance-1" => (vpc, STS_CENTRAL.to_owned()),
        "cn-shenzhen-finance-1" | "cn-north-2-gov-1" => (vpc.clone(), vpc),
        _ => (vpc, public),
    };
    Hosts { vpc, has_vpc: !STS_WITHOUT_VPC.contains(&region), public }
}

fn container_registry(region: &str) -> Hosts {
    Hosts {
        vpc: format!("cr-vpc.{region}.aliyuncs.com"),
        has_vpc: !CR_WITHOUT_VPC.contains(&region),
        public: format!("cr.{region}.aliyuncs.com"),
    }
}

/// Whether the region can be a label of a host name.
fn is_region(region: &str) -> bool {
    let legible = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !region.is_empty() && region.len() <= 63 && region.bytes().all(legible)
}

#[cfg(test)]
mod tests {
    use acr_configuration::Glob;

    use super::*;

    fn overriding(product: Product, region: &str, url: &str) -> EndpointOverride {
        EndpointOverride { product, region: Glob::new(region), url: url.to_owned() }
    }

    #[test]
    fn a_region_that_is_no_name_has_no_endpoint() {
        for region in ["cn-hangzhou.evil.example/", "a b", "CN-HANGZHOU", "é"] {
            for product in [Product::Sts, Product::Cr] {
                assert!(endpoints(product, region, EndpointChoice::Auto, &[]).is_empty(), "{region}");
            }
        }
        assert!(endpoints(Product::Cr, "", EndpointChoice::Auto, &[]).is_empty());
    }

    #[test]
    fn section_1_5_and_section_2_4_the_choice_decides_between_vpc_and_public() {
        use EndpointChoice::{Auto, Public, Vpc};
        for (product, region, choice, expected) in [
            (Product::Cr, "cn-hangzhou", Auto, &["cr-vpc.cn-hangzhou", "cr.cn-hangzhou"][..]),
            (Product::Cr, "cn-hangzhou", Vpc, &["cr-vpc.cn-hangzhou"]),
            (Product::Cr, "cn-hangzhou", Public, &["cr.cn-hangzhou"]),
            (Product::Cr, "cn-wulanchabu", Auto, &["cr.cn-wulanchabu"]),
            (Product::Cr, "cn-wulanchabu", Vpc, &["cr-vpc.cn-wulanchabu"]),
            (Product::Cr, "mars-1", Auto, &["cr-vpc.mars-1", "cr.mars-1"]),
            (Product::Sts, "cn-hangzhou", Auto, &["sts-vpc.cn-hangzhou", "sts.cn-hangzhou"]),
            (Product::Sts, "ap-southeast-6", Auto, &["sts.ap-southeast-6"]),
            (Product::Sts, "cn-hangzhou-finance", Auto, &["sts-vpc.cn-hangzhou", "sts"]),
            (Product::Sts, "cn-north-2-gov-1", Auto, &["sts-vpc.cn-north-2-gov-1"]),
            (Product::Sts, "cn-north-2-gov-1", Public, &["sts-vpc.cn-north-2-gov-1"]),
            (Product::Sts, "", Auto, &["sts"]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|host| format!("https://{host}.aliyuncs.com")).collect();
            assert_eq!(endpoints(product, region, choice, &[]), expected, "{product:?} {region} {choice:?}");
        }
        assert_eq!(endpoints(Product::Metadata, "", Auto, &[]), ["http://100.100.100.200"]);
    }

    #[test]
    fn the_first_override_that_matches_is_the_only_endpoint() {
        let overrides = [
            overriding(Product::Sts, "*", "http://sts.example"),
            overriding(Product::Cr, "cn-*", "http://cn.example"),
            overriding(Product::Cr, "*", "http://all.example"),
        ];
        let at = |product, region| endpoints(product, region, EndpointChoice::Vpc, &overrides);
        assert_eq!(at(Product::Cr, "cn-hangzhou"), ["http://cn.example"]);
        assert_eq!(at(Product::Cr, "eu-west-1"), ["http://all.example"]);
        assert_eq!(at(Product::Sts, ""), ["http://sts.example"]);
        assert_eq!(at(Product::Metadata, ""), ["http://100.100.100.200"]);
    }
}
