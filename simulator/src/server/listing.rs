//! What a served cloud can be reached at, in the forms that programs and people need.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Serialize;

use crate::description::{Description, Jwks, Personal};
use crate::hosts::{Address, Product, personal_realm_host, personal_registry_hosts};
use crate::token_service::TOKEN_ISSUER;

/// What a served cloud can be reached at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Every host name and its local URL.
    pub hosts: Vec<ServedHost>,
    /// What the registry of each instance needs in its `auth.token` section.
    pub registries: Vec<RegistryAuth>,
    /// The same for the Personal registry of each region that has one.
    pub personal_registries: Vec<PersonalRegistryAuth>,
    /// The public key of the token service, the content of the registry's `auth.token.jwks` file.
    pub jwks: Jwks,
    /// The URL of the admin API.
    pub admin: String,
    /// The URL of the bucket of OSS, where one is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
}

/// A host name of Alibaba Cloud and the local URL that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedHost {
    /// The host name.
    pub host: String,
    /// Its product.
    pub product: Product,
    /// Its region; null for the central STS host and the metadata service.
    pub region: Option<String>,
    /// The URL, without a slash at the end.
    pub url: String,
}

/// What the registry of an instance needs in its `auth.token` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryAuth {
    /// The instance id.
    pub instance: String,
    /// `realm`: where clients get their tokens.
    pub realm: String,
    /// `service`.
    pub service: String,
    /// `issuer`.
    pub issuer: String,
}

/// What the Personal registry of a region needs in its `auth.token` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonalRegistryAuth {
    /// The region.
    pub region: String,
    /// The host names that stand for the registry: public, VPC, classic network.
    pub hosts: Vec<String>,
    /// `realm`: where clients get their tokens.
    pub realm: String,
    /// `service`.
    pub service: String,
    /// `issuer`.
    pub issuer: String,
}

/// The hosts that are served without being asked for: STS, Container Registry and token service of every region in the
/// description, the central STS host, the metadata service, and the domains of instances that have taken over.
pub(super) fn default_hosts(description: &Description) -> Vec<String> {
    let regions: BTreeSet<&str> = description
        .instances
        .iter()
        .map(|instance| instance.region.as_str())
        .chain(description.metadata.as_ref().map(|metadata| metadata.region.as_str()))
        .chain(description.personal.iter().map(|edition| edition.region.as_str()))
        .collect();
    let mut hosts = vec!["sts.aliyuncs.com".to_owned()];
    for region in regions {
        // The first of each that exists in the region.
        for services in [["sts", "sts-vpc"].as_slice(), &["cr"], &["dockerauth-ee"]] {
            let names = services.iter().map(|service| format!("{service}.{region}.aliyuncs.com"));
            hosts.extend(names.into_iter().find(|host| Address::of(host).is_some()));
        }
    }
    hosts.extend(description.personal.iter().map(|edition| personal_realm_host(&edition.region)));
    if description.metadata.is_some() {
        hosts.push("100.100.100.200".to_owned());
    }
    for instance in description.instances.iter().filter(|instance| instance.auth_takeover) {
        hosts.extend([instance.public_domain(), instance.vpc_domain()]);
        let custom = instance.custom_domains.iter().filter(|custom| custom.enabled);
        hosts.extend(custom.map(|custom| custom.domain.clone()));
    }
    hosts
}

impl ServedHost {
    pub(super) fn new(description: &Description, host: &str, bound: SocketAddr) -> Self {
        let (product, region) = if let Some(address) = Address::of(host) {
            (address.product, address.region)
        } else {
            let owner = description.instances.iter().find(|instance| instance.answers_at(host));
            (Product::Dockerauth, owner.map(|instance| instance.region.clone()))
        };
        Self { host: host.to_owned(), product, region, url: format!("http://{bound}") }
    }

    fn is_vpc(&self) -> bool {
        self.host.contains("-vpc.")
    }
}

impl Listing {
    pub(super) fn new(
        description: &Description,
        hosts: Vec<ServedHost>,
        admin: SocketAddr,
        jwks: Jwks,
    ) -> Self {
        let url = |wanted: &str| hosts.iter().find(|served| served.host == wanted).map(|served| &served.url);
        let registries = description
            .instances
            .iter()
            .filter_map(|instance| {
                let host = if instance.auth_takeover {
                    instance.public_domain()
                } else {
                    format!("dockerauth-ee.{}.aliyuncs.com", instance.region)
                };
                Some(RegistryAuth {
                    instance: instance.id.clone(),
                    realm: format!("{}/auth", url(&host)?),
                    service: instance.service(),
                    issuer: TOKEN_ISSUER.to_owned(),
                })
            })
            .collect();
        let regions: BTreeSet<&str> =
            description.personal.iter().map(|edition| edition.region.as_str()).collect();
        let personal_registries = regions
            .into_iter()
            .filter_map(|region| {
                Some(PersonalRegistryAuth {
                    region: region.to_owned(),
                    hosts: personal_registry_hosts(region),
                    realm: format!("{}/auth", url(&personal_realm_host(region))?),
                    service: Personal::service(region),
                    issuer: TOKEN_ISSUER.to_owned(),
                })
            })
            .collect();
        Self { hosts, registries, personal_registries, jwks, admin: format!("http://{admin}"), bucket: None }
    }

    /// The local URL of a host name.
    pub fn url(&self, host: &str) -> Option<&str> {
        self.hosts.iter().find(|served| served.host == host).map(|served| served.url.as_str())
    }

    /// What the registry of an instance needs.
    pub fn registry(&self, instance: &str) -> Option<&RegistryAuth> {
        self.registries.iter().find(|registry| registry.instance == instance)
    }

    /// The value of the key `endpoints` of the ConfigMap `acr-configuration`: a YAML list in which hosts of a region
    /// come before those of all regions. Of the hosts of a product in a region the public one is taken.
    pub fn endpoints_yaml(&self) -> String {
        let mut wanted: Vec<&ServedHost> = self
            .hosts
            .iter()
            .filter(|served| matches!(served.product, Product::Sts | Product::Cr | Product::Metadata))
            .collect();
        wanted
            .sort_by_key(|served| (served.region.is_none(), served.product, &served.region, served.is_vpc()));
        wanted.dedup_by_key(|served| (served.product, &served.region));
        let mut text = String::new();
        for served in wanted {
            text.extend(["- product: ", served.product.name(), "\n"]);
            if let Some(region) = &served.region {
                text.extend(["  region: ", region.as_str(), "\n"]);
            }
            text.extend(["  url: ", served.url.as_str(), "\n"]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_registry_names_the_token_service_that_its_region_has() {
        let text = r#"
accounts: [{id: "1"}, {id: "2"}]
personal:
  - {account: "1", region: cn-shanghai}
  - {account: "1", region: cn-zhangjiakou}
  - {account: "1", region: cn-hangzhou}
  - {account: "1", region: ap-southeast-1}
  - {account: "2", region: cn-hangzhou}
"#;
        let description = Description::parse(text).unwrap();
        let bound: SocketAddr = "127.0.0.1:1".parse().unwrap();
        // Every host has its name as its URL here, to be told apart.
        let served =
            |host: String| ServedHost { url: host.clone(), ..ServedHost::new(&description, &host, bound) };
        let hosts = default_hosts(&description).into_iter().map(served).collect();
        let listing = Listing::new(&description, hosts, bound, Jwks::default());
        let found: Vec<(&str, &str, &str)> = listing
            .personal_registries
            .iter()
            .map(|registry| (registry.region.as_str(), registry.realm.as_str(), registry.hosts[0].as_str()))
            .collect();
        let hangzhou = "dockerauth.cn-hangzhou.aliyuncs.com/auth";
        assert_eq!(
            found,
            [
                (
                    "ap-southeast-1",
                    "dockerauth.ap-southeast-1.aliyuncs.com/auth",
                    "registry.ap-southeast-1.aliyuncs.com"
                ),
                ("cn-hangzhou", hangzhou, "registry.cn-hangzhou.aliyuncs.com"),
                // The challenge of this region names the token service of another.
                ("cn-shanghai", hangzhou, "registry.cn-shanghai.aliyuncs.com"),
                (
                    "cn-zhangjiakou",
                    "dockerauth-cn-zhangjiakou.aliyuncs.com/auth",
                    "registry.cn-zhangjiakou.aliyuncs.com"
                ),
            ]
        );
    }
}
