//! The simulated cloud on loopback: one listener per host name of Alibaba Cloud, and the admin API.

mod admin;
mod bucket;
mod edge;
mod files;
mod keys;
mod listing;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::call_log::CallRecord;
use crate::cloud::Cloud;
use crate::description::{Description, KeySource};
use crate::hosts::Address;
use crate::mutation::{Mutation, MutationError};
use crate::signing_key::{SigningKey, SigningKeyError};

pub use files::check_files;
pub use keys::KeyError;
pub use listing::{Listing, PersonalRegistryAuth, RegistryAuth, ServedHost};

/// How to serve a cloud.
#[derive(Clone)]
pub struct Options {
    /// The local address of every listener that `listen` does not name.
    pub address: IpAddr,
    /// Where to serve a host name of Alibaba Cloud; also adds hosts that are not served by default, such as those of
    /// the `vpc` network. Port 0 takes any free one.
    pub listen: BTreeMap<String, SocketAddr>,
    /// Where to serve the admin API; absent = any free port of `address`.
    pub admin: Option<SocketAddr>,
    /// The folder that relative paths of the description start from.
    pub folder: PathBuf,
    /// The root directory of the registries' file storage, to be served as a bucket of OSS; absent = no bucket.
    pub bucket: Option<PathBuf>,
    /// The key of the token service; absent = the file that the description names, else a fresh key.
    pub signing_key: Option<Arc<SigningKey>>,
    /// Is told of every call and of every failure to get the keys of an issuer.
    pub observer: Option<Observer>,
}

/// Something to be told what happens.
pub type Observer = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A call was answered, or its connection cut.
    Call(&'a CallRecord),
    /// The keys of an issuer could not be had.
    KeysFailed {
        /// ARN of the OIDC provider.
        provider: &'a str,
        /// Why.
        error: &'a KeyError,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            listen: BTreeMap::new(),
            admin: None,
            folder: PathBuf::from("."),
            bucket: None,
            signing_key: None,
            observer: None,
        }
    }
}

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A host to be served is not one of Alibaba Cloud, nor one of an instance that has taken over its token service.
    #[error(
        "{host:?} is not a host of the simulated cloud; known are for example sts.aliyuncs.com, \
         cr-vpc.cn-hangzhou.aliyuncs.com and 100.100.100.200"
    )]
    UnknownHost {
        /// The host as given.
        host: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}; is something else running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The host to be served, or `the admin API`.
        purpose: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder to be served as a bucket cannot be listed.
    #[error("cannot read the bucket's folder {}", folder.display())]
    Bucket {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file with the signing key cannot be read.
    #[error("cannot read the signing key {}", path.display())]
    ReadSigningKey {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no usable signing key.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// The file with the keys of an issuer cannot be used.
    #[error("the keys of the OIDC provider {provider} cannot be had")]
    Keys {
        /// ARN of the OIDC provider.
        provider: String,
        /// Why.
        source: KeyError,
    },
    /// The OIDC provider of the keys does not exist.
    #[error(transparent)]
    Provider(#[from] MutationError),
}

/// A simulated cloud that is being served. Dropping it stops it.
pub struct Simulator {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    listing: Listing,
}

/// What all listeners share.
struct Shared {
    cloud: Mutex<Cloud>,
    folder: PathBuf,
    observer: Option<Observer>,
}

impl Shared {
    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl Simulator {
    /// Reads what the description names, binds every listener and starts to answer.
    pub async fn start(description: Description, options: Options) -> Result<Self, StartError> {
        let signing_key = signing_key(&description, &options).await?;
        let mut cloud = Cloud::new(description).with_signing_key(signing_key);
        read_key_files(&mut cloud, &options.folder).await?;
        let description = cloud.description().clone();
        let jwks = cloud.jwks();
        let shared =
            Arc::new(Shared { cloud: Mutex::new(cloud), folder: options.folder, observer: options.observer });

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut hosts = Vec::new();
        for (host, address) in addresses(&description, &options.listen, options.address)? {
            let (listener, bound) = bind(address, &host).await?;
            hosts.push(ServedHost::new(&description, &host, bound));
            tasks.spawn(edge::serve(listener, host, shared.clone(), stopped.clone()));
        }
        let admin = options.admin.unwrap_or_else(|| SocketAddr::new(options.address, 0));
        let (listener, bound) = bind(admin, "the admin API").await?;
        let mut listing = Listing::new(&description, hosts, bound, jwks);
        if let Some(folder) = options.bucket {
            std::fs::read_dir(&folder)
                .map_err(|source| StartError::Bucket { folder: folder.clone(), source })?;
            let any_port = SocketAddr::new(options.address, 0);
            let (listener, bound) = bind(any_port, "the bucket of OSS").await?;
            listing.bucket = Some(format!("http://{bound}"));
            tasks.spawn(bucket::serve(listener, folder, stopped.clone()));
        }
        tasks.spawn(admin::serve(listener, shared.clone(), listing.clone(), stopped));
        Ok(Self { shared, stop, tasks, listing })
    }

    /// What is served where.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The cloud itself: call log, faults, changes. Do not hold it across an `await`: no call is answered meanwhile.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.shared.cloud()
    }

    /// Stops listening, cuts what is open and returns when all is closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulator").field("listing", &self.listing).finish_non_exhaustive()
    }
}

/// The hosts to serve and where: those of all regions in the description, then those that were asked for.
fn addresses(
    description: &Description,
    listen: &BTreeMap<String, SocketAddr>,
    address: IpAddr,
) -> Result<BTreeMap<String, SocketAddr>, StartError> {
    let any_port = SocketAddr::new(address, 0);
    let mut addresses: BTreeMap<String, SocketAddr> =
        listing::default_hosts(description).into_iter().map(|host| (host, any_port)).collect();
    for (host, address) in listen {
        let host = host.to_ascii_lowercase();
        let taken_over =
            description.instances.iter().any(|instance| instance.auth_takeover && instance.answers_at(&host));
        if Address::of(&host).is_none() && !taken_over {
            return Err(StartError::UnknownHost { host });
        }
        addresses.insert(host, *address);
    }
    Ok(addresses)
}

async fn bind(address: SocketAddr, purpose: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, purpose: purpose.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn signing_key(description: &Description, options: &Options) -> Result<Arc<SigningKey>, StartError> {
    if let Some(key) = &options.signing_key {
        return Ok(key.clone());
    }
    let key = match &description.token_service.signing_key_file {
        Some(file) => {
            let path = options.folder.join(file);
            match tokio::fs::read_to_string(&path).await {
                Ok(text) => SigningKey::from_pem(&text)?,
                Err(source) => return Err(StartError::ReadSigningKey { path, source }),
            }
        }
        None => SigningKey::generate()?,
    };
    Ok(Arc::new(key))
}

/// Hands over the key sets that the description names as files.
async fn read_key_files(cloud: &mut Cloud, folder: &std::path::Path) -> Result<(), StartError> {
    let files: Vec<(String, PathBuf)> = keys::sources(cloud.description())
        .filter_map(|(provider, source)| match source {
            KeySource::File(file) => Some((provider, folder.join(file))),
            KeySource::Given | KeySource::Jwks(_) | KeySource::Url(_) => None,
        })
        .collect();
    for (provider, path) in files {
        let jwks = keys::read(&path)
            .await
            .map_err(|source| StartError::Keys { provider: provider.clone(), source })?;
        cloud.mutate(Mutation::SetIssuerKeys { provider, jwks: Some(jwks) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
