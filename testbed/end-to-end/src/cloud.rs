//! The simulated Alibaba Cloud of a stage.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use acr_simulator::{Description, Jwks, Mutation, Options, SigningKey, Simulator};

use crate::error::Error;

/// The account that owns everything.
pub const ACCOUNT: &str = "1280000000009011";
/// The role of RRSA.
pub const ROLE_ARN: &str = "acs:ram::1280000000009011:role/acr-pull";
/// The OIDC provider of RRSA.
pub const PROVIDER_ARN: &str = "acs:ram::1280000000009011:oidc-provider/ack-rrsa-demo";

/// An instance of Container Registry, or the Personal Edition of a region.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// Its id; empty for the Personal Edition.
    pub id: &'static str,
    /// Its region.
    pub region: &'static str,
    /// Its domain on the internet.
    pub public_host: &'static str,
    /// All its domains, in the order of the alphabet.
    pub hosts: &'static [&'static str],
    /// The AccessKey, id and secret, of the user of its account who may push.
    pub builder: (&'static str, &'static str),
}

const BUILDER: (&str, &str) = ("LTAI5tBuilder", "marker-builder-secret");

/// An instance in the region of the cluster, with a domain of its owner.
pub const ACME: Instance = Instance {
    id: "cri-acme0000000000",
    region: "cn-hangzhou",
    public_host: "acme-registry.cn-hangzhou.cr.aliyuncs.com",
    hosts: &[
        "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
        "acme-registry.cn-hangzhou.cr.aliyuncs.com",
        "images.acme.example",
    ],
    builder: BUILDER,
};

/// An instance in another region, whose domains serve as token service too.
pub const PARTNER: Instance = Instance {
    id: "cri-partner0000000",
    region: "cn-beijing",
    public_host: "partner-registry.cn-beijing.cr.aliyuncs.com",
    hosts: &[
        "partner-registry-vpc.cn-beijing.cr.aliyuncs.com",
        "partner-registry.cn-beijing.cr.aliyuncs.com",
    ],
    builder: BUILDER,
};

/// An instance of another account.
pub const BRANCH: Instance = Instance {
    id: "cri-branch0000000",
    region: "cn-hangzhou",
    public_host: "branch-registry.cn-hangzhou.cr.aliyuncs.com",
    hosts: &[
        "branch-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
        "branch-registry.cn-hangzhou.cr.aliyuncs.com",
    ],
    builder: ("LTAI5tBranchBuilder", "marker-branch-builder-secret"),
};

/// The Personal Edition of the cluster's region, of the kind that hands out logins.
pub const PERSONAL: Instance = Instance {
    id: "",
    region: "cn-hangzhou",
    public_host: "registry.cn-hangzhou.aliyuncs.com",
    hosts: &[
        "registry-internal.cn-hangzhou.aliyuncs.com",
        "registry-vpc.cn-hangzhou.aliyuncs.com",
        "registry.cn-hangzhou.aliyuncs.com",
    ],
    builder: BUILDER,
};

/// The cloud for a component in `namespace` of a cluster with this issuer.
pub(crate) fn description(namespace: &str, issuer: &str) -> Result<Description, Error> {
    let text = include_str!("cloud.yaml").replace("COMPONENT", namespace).replace("ISSUER", issuer);
    Ok(Description::parse(&text)?)
}

/// Starts a cloud whose OIDC provider has the keys of the cluster, and whose bucket has the blobs below `storage`.
pub(crate) async fn start(
    description: Description,
    jwks: &str,
    storage: PathBuf,
) -> Result<Simulator, Error> {
    let options = Options { signing_key: Some(signing_key()?), bucket: Some(storage), ..Options::default() };
    let simulator = Simulator::start(description, options).await?;
    let jwks: Jwks = serde_json::from_str(jwks)
        .map_err(|error| Error::Cloud(format!("the keys of the cluster are no key set: {error}")))?;
    simulator
        .cloud()
        .mutate(Mutation::SetIssuerKeys { provider: PROVIDER_ARN.to_owned(), jwks: Some(jwks) })?;
    Ok(simulator)
}

/// One key for all clouds of this process, because making one takes a while.
fn signing_key() -> Result<Arc<SigningKey>, Error> {
    static KEY: OnceLock<Arc<SigningKey>> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let key = SigningKey::generate().map_err(|error| Error::Cloud(error.to_string()))?;
    Ok(KEY.get_or_init(|| Arc::new(key)).clone())
}
