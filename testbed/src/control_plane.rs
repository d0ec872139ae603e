//! etcd, the API server and the controller manager of one cluster without nodes.

mod arguments;
mod keys;
mod parts;
mod rights;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::SecretString;

use crate::audit::{AuditEvent, AuditLog};
use crate::error::Error;
use crate::folder::Folder;
use crate::guarded::{Guarded, clean_command};
use crate::install_tls_provider;
use crate::ports::Port;
use crate::tools::Tools;

use keys::Tokens;
pub use parts::Part;
use parts::Servers;
pub use rights::Right;

/// Time between two questions whether a server is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long one such question may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the node that a control plane for nodes knows.
pub(crate) const NODE_NAME: &str = "node-1";

/// How a control plane is to be started.
#[derive(Clone, Debug)]
pub struct ControlPlaneOptions {
    /// Keep the folder with data and logs at the end, and say where it is.
    pub keep: bool,
    /// Write an audit log of all requests, see [`ControlPlane::audit_events`]. Requests that the API server
    /// makes to itself are left out.
    pub audit_log: bool,
    /// The issuer of ServiceAccount tokens, and the audience of those that the API server takes. The default
    /// is `https://kubernetes.default.svc`.
    pub issuer: String,
    /// The longest life of a ServiceAccount token, whatever is asked for; at least an hour. `None` is the
    /// API server's default.
    pub longest_token: Option<Duration>,
    /// Whether a [`Node`](crate::Node) is to join: with the controllers of Deployments, ReplicaSets and nodes, and
    /// with the rights of a kubelet.
    pub nodes: bool,
    /// Controllers to run beside our own, such as `job-controller`.
    pub controllers: Vec<String>,
    /// Arguments for the API server, after our own, such as `--feature-gates=WatchList=false`.
    pub api_server_arguments: Vec<String>,
    /// How long each server may take to become ready.
    pub deadline: Duration,
}

impl Default for ControlPlaneOptions {
    fn default() -> Self {
        Self {
            keep: false,
            audit_log: false,
            issuer: "https://kubernetes.default.svc".to_owned(),
            longest_token: None,
            nodes: false,
            controllers: Vec::new(),
            api_server_arguments: Vec::new(),
            deadline: Duration::from_mins(2),
        }
    }
}

/// A running control plane. Dropping it kills its servers and removes its folder; the folder stays when that
/// was asked for, when the start failed, or when a panic is under way.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: the servers end before their folder and their ports are given up.
    servers: Mutex<Servers>,
    site: Site,
    config: Config,
    ca: Vec<u8>,
    tokens: Tokens,
    tools: Tools,
    options: ControlPlaneOptions,
}

/// The folder and the ports of a control plane.
#[derive(Debug)]
struct Site {
    folder: Folder,
    api_server: Port,
    etcd: Port,
    etcd_peers: Port,
}

impl Site {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server.number())
    }
}

impl ControlPlane {
    /// Starts etcd, the API server and the controller manager, and waits until they are ready: the API
    /// server says so, and the controllers have made the `default` ServiceAccount of namespace `default`.
    pub async fn start(tools: &Tools, options: ControlPlaneOptions) -> Result<Self, Error> {
        install_tls_provider();
        let site = Site {
            folder: Folder::create(options.keep)?,
            api_server: Port::claim()?,
            etcd: Port::claim()?,
            etcd_peers: Port::claim()?,
        };
        let tokens = Tokens::generate()?;
        keys::write_secret(&site.path("signing.key"), &keys::signing_key()?)?;
        keys::write_secret(&site.path("tokens.csv"), &arguments::tokens(&tokens))?;
        arguments::write_audit_policy(&site.path("audit-policy.yaml"))?;

        let mut starting = Self {
            servers: Mutex::default(),
            // Complete as soon as the API server has made its certificate.
            config: Config::new(http::Uri::default()),
            ca: Vec::new(),
            tokens,
            site,
            tools: tools.clone(),
            options,
        };
        let started = starting.start_servers().await;
        if started.is_err() {
            starting.site.folder.keep_logs();
        }
        started.map(|()| starting)
    }

    async fn start_servers(&mut self) -> Result<(), Error> {
        self.launch(Part::Etcd)?;
        self.wait_for(Part::Etcd, async || {
            let address = (std::net::Ipv4Addr::LOCALHOST, self.site.etcd.number());
            tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
        })
        .await?;

        self.launch(Part::ApiServer)?;
        let certificate = self.site.path(arguments::CERTIFICATE);
        let ca = self
            .wait_for(Part::ApiServer, async || match std::fs::read(&certificate) {
                Ok(pem) if pem.ends_with(b"-----END CERTIFICATE-----\n") => Ok(pem),
                Ok(_) => Err("its certificate is not complete".to_owned()),
                Err(error) => Err(format!("no certificate: {error}")),
            })
            .await?;
        self.ca = ca;
        let kubeconfig = self.kubeconfig("admin", &self.tokens.admin);
        keys::write_kubeconfig(&self.admin_kubeconfig(), &kubeconfig)?;
        self.config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // The servers are on loopback, and retrying is for whoever asks to decide.
        self.config.proxy_url = None;
        self.config.default_retry = false;
        self.wait_for_api_server().await?;

        let kubeconfig = self.kubeconfig("controller-manager", &self.tokens.controller_manager);
        keys::write_kubeconfig(&self.site.path(arguments::CONTROLLER_MANAGER_KUBECONFIG), &kubeconfig)?;
        self.launch(Part::ControllerManager)?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin()?, "default");
        self.wait_for(Part::ControllerManager, async || {
            accounts.get_metadata("default").await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }

    /// Starts a server that is not running.
    fn launch(&self, part: Part) -> Result<(), Error> {
        let (program, arguments) = match part {
            Part::Etcd => (self.tools.etcd(), arguments::etcd(&self.site)),
            Part::ApiServer => {
                (self.tools.kube_apiserver(), arguments::api_server(&self.site, &self.options))
            }
            Part::ControllerManager => (
                self.tools.kube_controller_manager(),
                arguments::controller_manager(&self.site, &self.options),
            ),
        };
        let folder = &self.site.folder;
        let mut command = clean_command(program, folder.path());
        command.args(arguments).current_dir(folder.path());
        let remove = folder.remove_when_orphaned();
        let name = part.name().to_owned();
        let server = Guarded::start_below(self.tools.guard(), name, &command, self.log_path(part), remove)?;
        *self.servers().slot(part) = Some(server);
        Ok(())
    }

    /// Asks `ready` until it says yes. Gives up at the deadline, or when a server has ended.
    async fn wait_for<T>(&self, part: Part, ready: impl AsyncFn() -> Result<T, String>) -> Result<T, Error> {
        let started = Instant::now();
        loop {
            self.check_alive()?;
            let last = match tokio::time::timeout(POLL_TIMEOUT, ready()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(reason)) => reason,
                Err(_) => format!("no answer within {POLL_TIMEOUT:?}"),
            };
            if started.elapsed() > self.options.deadline {
                let log = self.log_path(part);
                let tail = crate::guarded::last_lines(&log, 20);
                return Err(Error::NotReady {
                    name: part.to_string(),
                    waited: self.options.deadline,
                    last,
                    log,
                    tail,
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn wait_for_api_server(&self) -> Result<(), Error> {
        let client = self.admin()?;
        self.wait_for(Part::ApiServer, async || {
            get_text(&client, "/readyz").await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }

    /// Says which server has ended by itself, if any.
    pub fn check_alive(&self) -> Result<(), Error> {
        let mut servers = self.servers();
        for part in [Part::Etcd, Part::ApiServer, Part::ControllerManager] {
            let Some(server) = servers.slot(part) else { continue };
            if let Some(status) = server.try_wait()? {
                return Err(Error::Died {
                    name: part.to_string(),
                    status,
                    log: server.log().to_owned(),
                    tail: server.log_tail(),
                });
            }
        }
        Ok(())
    }

    /// The address of the API server.
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// The certificates that the API server is to be trusted by, as PEM.
    pub fn ca(&self) -> &[u8] {
        &self.ca
    }

    /// Where etcd answers, JSON over HTTP among others, to whoever wants to change what the API server would not.
    pub fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.site.etcd.number())
    }

    /// The issuer of ServiceAccount tokens.
    pub fn issuer(&self) -> &str {
        &self.options.issuer
    }

    /// The private folder, for files that are to go when the control plane goes.
    pub fn folder(&self) -> &Path {
        self.site.folder.path()
    }

    /// The log of a server.
    pub fn log_path(&self, part: Part) -> PathBuf {
        self.site.path(&format!("{part}.log"))
    }

    /// A kubeconfig of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.site.path("admin.kubeconfig")
    }

    /// A new client of a user who may do everything. It does not retry.
    ///
    /// A client belongs to the runtime that it was made in; each test makes its own.
    pub fn admin(&self) -> Result<Client, Error> {
        client(self.config.clone())
    }

    /// A new client of whoever `token` is given to. It does not retry.
    pub fn client_with_token(&self, token: &SecretString) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.auth_info.token = Some(token.clone());
        client(config)
    }

    /// Writes a kubeconfig with `token` for running a program with exactly the rights of a ServiceAccount.
    /// `user` names the file, and the user within it.
    pub fn kubeconfig_with_token(&self, user: &str, token: &SecretString) -> Result<PathBuf, Error> {
        let path = self.site.path(&format!("{}.kubeconfig", user.replace(['/', ':'], "-")));
        keys::write_kubeconfig(&path, &self.kubeconfig(user, token))?;
        Ok(path)
    }

    /// Writes the kubeconfigs of the scheduler and of the kubelet, in this order.
    pub(crate) fn kubeconfigs_of_node(&self) -> Result<[PathBuf; 2], Error> {
        Ok([
            self.kubeconfig_with_token("system:kube-scheduler", &self.tokens.scheduler)?,
            self.kubeconfig_with_token(&format!("system:node:{NODE_NAME}"), &self.tokens.kubelet)?,
        ])
    }

    /// A token of a ServiceAccount for `audiences` (none: the API server itself) that is good for `seconds`,
    /// at least 600 (TokenRequest of `authentication.k8s.io/v1`).
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[&str],
        seconds: i64,
    ) -> Result<SecretString, Error> {
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin()?, namespace);
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(Error::api(format!("get a token of ServiceAccount {namespace}/{name}")))?;
        Ok(answer.status.map(|status| status.token).unwrap_or_default().into())
    }

    /// The keys that ServiceAccount tokens are signed with, as a JSON Web Key Set (RFC 7517).
    pub async fn jwks(&self) -> Result<String, Error> {
        get_text(&self.admin()?, "/openid/v1/jwks").await.map_err(Error::api("get the keys of the issuer"))
    }

    /// What the audit log holds so far, oldest first.
    ///
    /// An event is written before the end of its answer is sent, for answers below about 2 KiB; longer ones
    /// may be read by their client an instant earlier.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>, Error> {
        AuditLog::read(&self.site.path(arguments::AUDIT_LOG))
    }

    /// How long the audit log is now, for [`audit_events_since`](Self::audit_events_since).
    pub fn audit_mark(&self) -> Result<u64, Error> {
        let path = self.site.path(arguments::AUDIT_LOG);
        std::fs::metadata(&path).map(|metadata| metadata.len()).map_err(Error::file("look at", &path))
    }

    /// What the audit log holds of requests whose first event was written after a mark was taken, oldest first.
    pub fn audit_events_since(&self, mark: u64) -> Result<Vec<AuditEvent>, Error> {
        AuditLog::read_from(&self.site.path(arguments::AUDIT_LOG), mark)
    }

    /// Kills the API server, as a crash would.
    pub fn stop_api_server(&self) -> Result<(), Error> {
        match self.servers().api_server.take() {
            Some(mut server) => server.kill().map(drop),
            None => Ok(()),
        }
    }

    /// Starts the API server again, with the same address, data and certificate, and waits until it is
    /// ready. Does nothing while it runs.
    pub async fn start_api_server(&self) -> Result<(), Error> {
        if self.servers().api_server.is_none() {
            self.launch(Part::ApiServer)?;
        }
        self.wait_for_api_server().await
    }

    /// Stops a server in its tracks: its connections stay open and nothing answers.
    pub fn pause(&self, part: Part) -> Result<(), Error> {
        self.servers().slot(part).as_mut().map_or(Ok(()), Guarded::pause)
    }

    /// Lets a server go on after [`pause`](Self::pause).
    pub fn resume(&self, part: Part) -> Result<(), Error> {
        self.servers().slot(part).as_mut().map_or(Ok(()), Guarded::resume)
    }

    /// The process id of a server, while it runs.
    pub fn process_id(&self, part: Part) -> Option<u32> {
        self.servers().slot(part).as_ref().map(Guarded::process_id)
    }

    /// Kills the servers and removes the folder, unless it was to be kept.
    pub fn stop(self) -> Result<(), Error> {
        let mut servers = self.servers();
        for part in [Part::ControllerManager, Part::ApiServer, Part::Etcd] {
            if let Some(mut server) = servers.slot(part).take() {
                server.kill()?;
            }
        }
        Ok(())
    }

    fn kubeconfig(&self, user: &str, token: &SecretString) -> Kubeconfig {
        keys::kubeconfig(&self.url(), &self.ca, user, token)
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        // Each change of the servers is a single assignment: a panic cannot leave half of one.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(Error::api("make a client"))
}

async fn get_text(client: &Client, path: &str) -> Result<String, kube::Error> {
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}
