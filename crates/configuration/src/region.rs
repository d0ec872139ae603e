//! Regions of Alibaba Cloud, and the registry hosts that follow from a region alone.

/// The regions of the endpoint pages of STS 2015-04-01 and Container Registry 2018-12-01, as of 2026-11.
const REGIONS: [&str; 39] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "cn-beijing",
    "cn-beijing-finance-1",
    "cn-chengdu",
    "cn-fuzhou",
    "cn-guangzhou",
    "cn-hangzhou",
    "cn-hangzhou-finance",
    "cn-heyuan",
    "cn-heyuan-acdr-1",
    "cn-hongkong",
    "cn-huhehaote",
    "cn-nanjing",
    "cn-north-2-gov-1",
    "cn-qingdao",
    "cn-shanghai",
    "cn-shanghai-finance-1",
    "cn-shenzhen",
    "cn-shenzhen-finance-1",
    "cn-wuhan-lr",
    "cn-wulanchabu",
    "cn-zhangjiakou",
    "cn-zhengzhou-jva",
    "eu-central-1",
    "eu-west-1",
    "me-central-1",
    "me-east-1",
    "na-south-1",
    "us-east-1",
    "us-southeast-1",
    "us-west-1",
];

/// Whether a region is on the list, and the nearest one if not.
pub(crate) fn check(region: &str) -> Result<(), Option<&'static str>> {
    if REGIONS.contains(&region) {
        return Ok(());
    }
    Err(crate::names::nearest(region, &REGIONS).filter(|(_, alike)| *alike).map(|(name, _)| name))
}

/// The names of the registries of the old Personal Edition: public, VPC, internal, and the international two.
const PERSONAL: [&str; 5] =
    ["registry", "registry-vpc", "registry-internal", "registry-intl", "registry-intl-vpc"];

/// The hosts of the old Personal Edition in a region.
pub fn personal_hosts(region: &str) -> Vec<String> {
    PERSONAL.iter().map(|name| format!("{name}.{region}.aliyuncs.com")).collect()
}

/// The region whose old Personal Edition has a host, and the name of its registry; `None` where none has it.
pub(crate) fn personal_region(host: &str) -> Option<(&str, &str)> {
    let (name, region) = host.strip_suffix(".aliyuncs.com")?.split_once('.')?;
    (PERSONAL.contains(&name) && !region.contains('.')).then_some((region, name))
}

#[cfg(test)]
mod tests {
    use super::{check, personal_hosts, personal_region};

    #[test]
    fn the_hosts_of_a_region_are_those_of_its_personal_edition() {
        for host in personal_hosts("cn-hangzhou") {
            assert_eq!(personal_region(&host).map(|(region, _)| region), Some("cn-hangzhou"), "{host}");
        }
        for host in [
            "a-registry.cn-hangzhou.cr.aliyuncs.com",
            "registry.cn-hangzhou.cr.aliyuncs.com",
            "registry-cn-hangzhou.ack.aliyuncs.com",
            "registry.aliyuncs.com",
            "registry.cn-hangzhou.example.com",
        ] {
            assert_eq!(personal_region(host), None, "{host}");
        }
    }

    #[test]
    fn a_misspelled_region_gets_the_nearest_one() {
        assert_eq!(check("cn-hangzhou"), Ok(()));
        assert_eq!(check("cn-hangzhuo"), Err(Some("cn-hangzhou")));
        assert_eq!(check("cn-hanghzou"), Err(Some("cn-hangzhou")));
        assert_eq!(check("eu-central1"), Err(Some("eu-central-1")));
        assert_eq!(check("mars"), Err(None));
    }
}
