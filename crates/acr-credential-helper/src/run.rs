//! `run`: serves the configuration until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use acr_cluster::Ourselves;
use acr_configuration::{TokenMode, callable_url};
use acr_controller::Machine;
use acr_controller::settings::{GivenRegion, Purpose, Settings};
use acr_controller::status::Outcome;
use acr_server::{Application, Counters, Listening, snapshots};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::chronicle::Chronicle;
use crate::config_check::token_mode;
use crate::edges::Edges;
use crate::exit::Exit;
use crate::front::{Front, FrontArguments};
use crate::handed_over::HandedOver;
use crate::logging::Logs;
use crate::observer::Observer;
use crate::operations::Notes;
use crate::parameters::Parameters;
use crate::process::{self, Place, TOKEN_FILE, dns_label, dns_subdomain, failed};
use crate::pump::{Sources, turn};

/// Observations that may wait for the machine. The watches wait when there are more.
const WAITING: usize = 1024;

/// Serve the configuration: pull secrets and imagePullSecrets, until told to stop
///
/// Watches the ConfigMap acr-configuration in its namespace, asks Alibaba Cloud for temporary registry logins,
/// writes the Secret acr-credential-secret-aggregation into every namespace in scope, and names it in the
/// imagePullSecrets of the ServiceAccounts in scope. A change of the ConfigMap takes effect within a second.
///
/// In a cluster: install the Helm chart, or apply the manifests of deploy/. Outside: give --kubeconfig, see
/// deploy/README.md.
///
/// SIGTERM and SIGINT give the Lease back and end with exit code 0. What is written stays; `uninstall` takes
/// it back.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Read the JSON parameters of the managed edition from this file, as if they stood in the ConfigMap
    ///
    /// A change takes effect within a second. The same parameters and keys of the ConfigMap at once are an error.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Write nothing: say in the log what would be written, beside whoever serves the cluster now
    ///
    /// Needs the rights to get, list and watch only, and for RRSA without a token file the right to ask for a token.
    /// The cloud is asked as usual, so that findings tell whether every identity gets its login. No Lease is taken,
    /// and no webhook is served. SIGINT ends it with a summary.
    #[arg(long)]
    observe: bool,
    #[command(flatten)]
    cloud: Cloud,
    /// Where to serve /healthz, /readyz, /metrics and /status; port 0 takes a free one, which the log names
    ///
    /// Default: port 8080 of all addresses, IPv6 and IPv4.
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Server")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    webhook: FrontArguments,
    #[command(flatten)]
    logs: Logs,
}

/// How entries without an identity, a region or an endpoint of their own are served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Alibaba Cloud")]
struct Cloud {
    /// The identity of entries that give none: auto, managedRole or workerRole
    ///
    /// `tokenMode` of the add-on parameters wins over it. `auto` is workerRole in clusters made before
    /// 2023-04-03 and managedRole in all others.
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = token_mode(), hide_possible_values = true)]
    token_mode: TokenMode,
    /// The region of entries without `regionId`, such as cn-hangzhou
    ///
    /// Without it: ALIBABA_CLOUD_STS_REGION, ALIBABA_CLOUD_REGION_ID, then the ECS metadata service.
    #[arg(long, value_parser = region_name)]
    region: Option<String>,
    /// The host name or URL of the Security Token Service to ask before those of the region
    ///
    /// These follow where it cannot be reached. An entry with `endpoint: vpc` or `public` does not ask it.
    #[arg(long, value_name = "HOST|URL", env = "ALIBABA_CLOUD_STS_ENDPOINT", value_parser = sts_endpoint)]
    sts_endpoint: Option<String>,
    /// Trust these authorities too, PEM, where something on the way to Alibaba Cloud answers with its own certificates
    ///
    /// HTTPS_PROXY and NO_PROXY lead calls through a proxy; those to the metadata service never go there.
    #[arg(long, value_name = "FILE")]
    extra_ca: Option<PathBuf>,
    /// The projected ServiceAccount token that RRSA presents, audience sts.aliyuncs.com; it need not exist
    ///
    /// Where it does not, a token is asked of the API server (TokenRequest).
    #[arg(long, value_name = "FILE", env = "ALIBABA_CLOUD_OIDC_TOKEN_FILE", default_value = TOKEN_FILE)]
    token_file: PathBuf,
    /// The folder in which the Secret alibaba-addon-secret of a registered cluster is mounted, if there is one
    ///
    /// Its keys come before the token mode. Blank values mean "not set".
    #[arg(long, value_name = "FOLDER", default_value = "/var/alibaba-addon-secret")]
    registered_key_folder: PathBuf,
    /// Where it is not mounted: read and follow this Secret of the component's namespace
    ///
    /// That needs the right to get, list and watch it.
    #[arg(long, value_name = "NAME", value_parser = dns_subdomain)]
    registered_key_secret: Option<String>,
    /// The file in which ACK hands over the token of the managed role (tokenMode managedRole)
    ///
    /// Whether ACK hands a token to an add-on that is not its own has not been verified.
    #[arg(
        long,
        value_name = "FILE",
        env = "ALIBABA_CLOUD_ACK_ADDON_TOKEN_PATH",
        default_value = "/var/addon/token-config"
    )]
    add_on_token_file: PathBuf,
    /// Where it is not mounted: read and follow this Secret of the component's namespace
    ///
    /// That needs the right to get, list and watch it. By the names that ACK gives to those of other roles: addon.aliyuncsmanagedacrrole.token.
    #[arg(long, value_name = "NAME", value_parser = dns_subdomain)]
    add_on_token_secret: Option<String>,
}

impl Cloud {
    fn handed_over(&self) -> HandedOver {
        HandedOver {
            registered_folder: self.registered_key_folder.clone(),
            registered_secret: self.registered_key_secret.clone(),
            add_on_file: self.add_on_token_file.clone(),
            add_on_secret: self.add_on_token_secret.clone(),
        }
    }

    /// The first that is not empty. A variable that is not used is not looked at.
    fn region(&self) -> Result<Option<GivenRegion>, UnusableRegion> {
        let flag = (self.region.clone(), "--region");
        let variables = ["ALIBABA_CLOUD_STS_REGION", "ALIBABA_CLOUD_REGION_ID"];
        let variables = variables.into_iter().map(|variable| (std::env::var(variable).ok(), variable));
        let given = |(name, by): (Option<String>, &'static str)| {
            Some(GivenRegion { name: name.filter(|name| !name.is_empty())?, by })
        };
        let Some(given) = std::iter::once(flag).chain(variables).find_map(given) else { return Ok(None) };
        match region_name(&given.name) {
            Ok(_) => Ok(Some(given)),
            Err(reason) => Err(UnusableRegion { by: given.by, name: given.name, reason }),
        }
    }
}

/// What the environment says cannot be the name of a region.
#[derive(Debug, thiserror::Error)]
#[error(
    "{by} is {name:?}, which cannot be a region: {reason}; set it to one such as cn-hangzhou, or give --region"
)]
struct UnusableRegion {
    by: &'static str,
    name: String,
    reason: &'static str,
}

/// The region becomes a part of host names. Empty is not set.
pub(crate) fn region_name(text: &str) -> Result<String, &'static str> {
    const SHAPE: &str = "write a region such as cn-hangzhou: at most 63 of a-z, 0-9 and -, with a letter or digit at both ends";
    if text.is_empty() { Ok(String::new()) } else { dns_label(text).map_err(|_| SHAPE) }
}

/// A host or a URL as a URL. Empty stays empty: an injected variable that is blank is not set.
fn sts_endpoint(text: &str) -> Result<String, &'static str> {
    let url = match text {
        "" => return Ok(String::new()),
        text if text.contains("://") => text.to_owned(),
        host => format!("https://{host}"),
    };
    let callable = callable_url(&url).map(str::to_owned);
    callable.ok_or("write a host such as sts-vpc.cn-hangzhou.aliyuncs.com, or https://host with a port and a path if needed")
}

/// What the machine is told of the flags, and whether this process answers as webhook.
fn settings(
    arguments: &Arguments,
    region: Option<GivenRegion>,
    ourselves: &Ourselves,
    answers: bool,
) -> Settings {
    Settings {
        token_mode: arguments.cloud.token_mode,
        region,
        sts_endpoint: arguments.cloud.sts_endpoint.clone().filter(|url| !url.is_empty()),
        registered_key_secret: arguments.cloud.registered_key_secret.clone(),
        add_on_token_secret: arguments.cloud.add_on_token_secret.clone(),
        front: arguments.webhook.target(),
        answers,
        certificate_life: arguments.webhook.certificate_life(),
        ..process::settings(ourselves, Purpose::Run)
    }
}

/// Serves.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    process::run(&arguments.logs, serve(arguments))
}

async fn serve(arguments: &Arguments) -> Exit {
    let region = match arguments.cloud.region() {
        Ok(region) => region,
        Err(error) => return failed(Exit::Usage, &error),
    };
    let parameters = match arguments.parameters.as_deref().map(Parameters::read).transpose() {
        Ok(parameters) => parameters,
        Err(error) => return failed(Exit::NoInput, &error),
    };
    // Before the cluster: what reads the kubeconfig takes a proxy of the environment that is none for one of the kubeconfig.
    let cloud = match process::cloud(arguments.cloud.extra_ca.as_deref()) {
        Ok(cloud) => cloud,
        Err(error) => return failed(Exit::Unusable, &error),
    };
    let ourselves = arguments.place.ourselves();
    let cluster = match arguments.place.cluster(&ourselves).await {
        Ok(cluster) => cluster,
        Err(error) => return failed(Exit::Unusable, &error),
    };
    let listener = match listen(arguments.listen).await {
        Ok(listener) => listener,
        Err(error) => return failed(Exit::System, &format_args!("cannot listen for --listen: {error}")),
    };
    if let Ok(address) = listener.local_addr() {
        info!(%address, identity = ourselves.identity, version = env!("CARGO_PKG_VERSION"), "listening");
    }

    let listen_webhook =
        arguments.webhook.listen(arguments.place.is_outside()).filter(|_| !arguments.observe);
    let settings = settings(arguments, region, &ourselves, listen_webhook.is_some());
    let counters = Counters::default();
    let (snapshots, status) = snapshots();
    let (observe, observations) = mpsc::channel(WAITING);
    let (stop_serving, told_to_stop_serving) = oneshot::channel::<()>();
    let listening = Listening::default();
    let application = Application {
        snapshots,
        counters: counters.clone(),
        webhook: listening.clone(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let server = tokio::spawn(acr_server::serve(listener, application, async {
        // The end of the main loop drops the other side, which completes it as well.
        let _ = told_to_stop_serving.await;
    }));
    // What the watches see passes by the parameters on its way, where there are any.
    let observe = match parameters {
        None => observe,
        Some(parameters) => {
            let (watch, watched) = mpsc::channel(WAITING);
            tokio::spawn(parameters.join(watched, observe));
            watch
        }
    };
    // Held until the end: dropping them ends the watches.
    let watches = cluster.watch(&observe);
    let mut references = cluster.references(&observe);
    let mut front = Front::at(listen_webhook, listening);
    let handed_over = arguments.cloud.handed_over();
    let files = tokio::spawn(handed_over.clone().watch(observe));
    let edges = Arc::new(Edges {
        cluster,
        cloud,
        token_file: arguments.cloud.token_file.clone(),
        handed_over,
        observer: arguments.observe.then(Observer::begin),
    });
    let mut chronicle = Chronicle::of(arguments.observe);
    let outcome = turn(
        Machine::new(settings),
        |operation| {
            let edges = edges.clone();
            async move { edges.carry_out(operation).await }
        },
        Sources {
            observations,
            status,
            follow: |machine: &Machine| {
                references.follow(machine.references(), machine.admission_objects(), machine.follows_pods());
                front.serve(machine.serving());
            },
            stop: asked_to_end(arguments.observe),
        },
        Notes::new(counters, !arguments.observe),
        |status| chronicle.tell(status),
    )
    .await;
    front.wind_down().await;
    drop((watches, stop_serving));
    files.abort();
    server.abort();
    if let Some(observer) = &edges.observer {
        info!("{}", observer.summary());
    }
    match outcome {
        Some(Outcome::Stopped) => info!("stopped"),
        outcome => error!(?outcome, "ended without giving the Lease back: it becomes free by itself"),
    }
    Exit::Success
}

/// Completes when the process is asked to end, and says so.
async fn asked_to_end(observes: bool) {
    match process::asked_to_end().await {
        Ok(()) if observes => info!("asked to end"),
        Ok(()) => info!("asked to end: giving the Lease back"),
        Err(error) => {
            // Without signals the process is ended by force, which is safe.
            warn!("cannot listen for signals: {error}");
            std::future::pending::<()>().await;
        }
    }
}

async fn listen(given: Option<SocketAddr>) -> std::io::Result<TcpListener> {
    const PORT: u16 = 8080;
    match given {
        Some(address) => TcpListener::bind(address).await,
        // One socket for both where the kernel has IPv6.
        None => match TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, PORT)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, PORT)).await,
        },
    }
}
