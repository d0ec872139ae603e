//! How the API server is reached: from within the cluster, or by a kubeconfig from outside.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{AuthError, ClientBuilder, ConfigExt};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{BoxError, ServiceExt};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that is silent for this long is probed by the kernel, and given up after three probes: within
/// half a minute a watch learns of a cut that nobody told.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
/// Connections of a wave are closed when they were idle for this long.
const POOL_IDLE: Duration = Duration::from_secs(30);

const USER_AGENT_VALUE: HeaderValue =
    HeaderValue::from_static(concat!("acr-credential-helper/", env!("CARGO_PKG_VERSION")));

/// Which cluster to reach, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig file. `None`: the cluster that this process runs in, else `$KUBECONFIG`, else
    /// `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig other than its current one. Where it is set, a kubeconfig is used even
    /// within a cluster.
    pub context: Option<String>,
}

/// Why the API server cannot be reached at all. The text holds nothing of the kubeconfig's content.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("cannot use {place}: {reason}")]
    Kubeconfig {
        /// Which one.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The files or variables that a pod has are incomplete.
    #[error("cannot use the ServiceAccount of this pod: {reason}; set `automountServiceAccountToken: true`")]
    InCluster {
        /// What is wrong.
        reason: String,
    },
    /// A proxy stands before the API server.
    #[error(
        "the kubeconfig leads to the API server through a proxy (`proxy-url`), which is not supported: remove `proxy-url`"
    )]
    Proxy,
    /// The credentials or certificates cannot be used.
    #[error("cannot make a connection to the API server: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
}

/// Makes a client. Nothing is sent yet.
///
/// The TLS provider of the process must be installed before. The client neither retries nor logs.
pub async fn connect(access: &Access) -> Result<Client, ConnectError> {
    let in_cluster = access.kubeconfig.is_none()
        && access.context.is_none()
        && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let config = if in_cluster {
        Config::incluster().map_err(|error| ConnectError::InCluster { reason: in_cluster_reason(&error) })?
    } else {
        from_kubeconfig(access).await?
    };
    client(config)
}

async fn from_kubeconfig(access: &Access) -> Result<Config, ConnectError> {
    let place = match &access.kubeconfig {
        Some(path) => format!("the kubeconfig {}", path.display()),
        None => {
            "the kubeconfig of $KUBECONFIG or ~/.kube/config (this is no pod, and no --kubeconfig is given)"
                .to_owned()
        }
    };
    let unusable = |error: &KubeconfigError| ConnectError::Kubeconfig {
        place: place.clone(),
        reason: kubeconfig_reason(error),
    };
    let kubeconfig = match &access.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = kubeconfig.map_err(|error| unusable(&error))?;
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    let has_proxy = names_proxy(&kubeconfig);
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?;
    if !has_proxy {
        // What HTTPS_PROXY says is for the cloud: the API server is reached straight.
        config.proxy_url = None;
    }
    Ok(config)
}

/// Whether a kubeconfig itself leads through a proxy.
fn names_proxy(kubeconfig: &Kubeconfig) -> bool {
    let clusters = kubeconfig.clusters.iter().filter_map(|cluster| cluster.cluster.as_ref());
    clusters.into_iter().any(|cluster| cluster.proxy_url.is_some())
}

fn client(config: Config) -> Result<Client, ConnectError> {
    if config.proxy_url.is_some() {
        return Err(ConnectError::Proxy);
    }
    let mut config = config;
    config.headers.push((USER_AGENT, USER_AGENT_VALUE));

    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    let tls = config.rustls_https_connector_with_connector(tcp).map_err(|error| unusable(&error))?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .build::<_, kube::client::Body>(tls);

    // From the inside out. Not kube's own stack: that logs every failed call as an error of its own and may
    // retry, and both are for whoever asked to decide.
    let namespace = config.default_namespace.clone();
    let headers = config.extra_headers_layer().map_err(|error| unusable(&error))?;
    let base = config.base_uri_layer();
    let builder = ClientBuilder::new(http.map_err(BoxError::from), namespace).with_layer(&headers);
    Ok(match config.auth_layer().map_err(|error| unusable(&error))? {
        Some(auth) => builder.with_layer(&auth).with_layer(&base).build(),
        None => builder.with_layer(&base).build(),
    })
}

fn unusable(error: &kube::Error) -> ConnectError {
    let reason = match error {
        kube::Error::Auth(error) => auth_reason(error),
        kube::Error::RustlsTls(_) => {
            "a certificate or key is malformed, or no root certificates are found".to_owned()
        }
        kube::Error::InferKubeconfig(error) => kubeconfig_reason(error),
        _ => "the settings do not make a valid request".to_owned(),
    };
    ConnectError::Client { reason }
}

/// kube's words, but none that quote content: its parser prints the lines around a fault, tokens included.
fn kubeconfig_reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("it is not a kubeconfig (line {}, column {})", at.line(), at.column()),
            None => "it is not a kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", path.display()),
        KubeconfigError::CurrentContextNotSet => {
            "it has no current context: give one with --context".to_owned()
        }
        KubeconfigError::LoadContext(name) => format!("it has no context {name:?}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster {name:?}"),
        KubeconfigError::LoadCertificateAuthority(_) => "its certificate authority cannot be read".to_owned(),
        KubeconfigError::LoadClientCertificate(_) => "its client certificate cannot be read".to_owned(),
        KubeconfigError::LoadClientKey(_) => "its client key cannot be read".to_owned(),
        KubeconfigError::ParseCertificates(_) => "its certificates are not PEM".to_owned(),
        KubeconfigError::ParseClusterUrl(_) => "the address of its cluster is not a URL".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => {
            "its proxy-url, or HTTPS_PROXY of the environment, is not a URL".to_owned()
        }
        KubeconfigError::MissingClusterUrl => "its cluster has no address".to_owned(),
        KubeconfigError::FindPath => "there is none".to_owned(),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "its files are of different kinds and cannot be merged".to_owned()
        }
    }
}

fn auth_reason(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => format!("the credential plugin cannot be started: {error}"),
        // Not its command line either: arguments may hold a secret.
        AuthError::AuthExecRun { out, .. } => {
            format!(
                "the credential plugin of the kubeconfig failed ({}); run it by hand to see why",
                out.status
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the credential plugin did not print credentials".to_owned()
        }
        AuthError::ReadTokenFile(error, path) => format!("the token file {}: {error}", path.display()),
        _ => "the credentials of the kubeconfig cannot be used".to_owned(),
    }
}

fn in_cluster_reason(error: &InClusterError) -> String {
    match error {
        InClusterError::ReadEnvironmentVariable(_) => {
            "KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set".to_owned()
        }
        InClusterError::ReadDefaultNamespace(error) => format!("its namespace: {error}"),
        InClusterError::ReadCertificateBundle(error) => format!("its certificates: {error}"),
        _ => "its certificates or the API server's address are malformed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
