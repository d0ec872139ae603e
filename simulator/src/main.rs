//! The program `acr-simulator`: a described Alibaba Cloud on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use acr_simulator::{
    Description, DescriptionError, EXAMPLE, Event, Listing, Observer, Options, PersonalRegistryAuth,
    RegistryAuth, Simulator, StartError, check_files,
};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The longest description in bytes: one account with all its instances takes about a kilobyte.
const MAX_DESCRIPTION_BYTES: u64 = 16 << 20;

/// A local Alibaba Cloud that refuses what the real one refuses.
///
/// It answers for STS, Container Registry (Enterprise and Personal Edition), the ECS metadata service and the token service of the
/// registries (dockerauth). Signatures, OIDC tokens, trust policies, permissions and lifetimes are checked as in the
/// real cloud; keys, accounts and instances are what a YAML file says.
#[derive(Parser)]
#[command(name = "acr-simulator", version, after_long_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Getting started:
  acr-simulator example > cloud.yaml
  acr-simulator run cloud.yaml

Admin API (JSON; `run` prints its address as `admin`):
  GET    /listing      hosts and their URLs, registry settings, key of the token service
  GET    /calls        time, product, region, action, caller, instance, code, status, requestId
  DELETE /calls        forget them
  GET    /faults       the faults in force
  POST   /faults       put one in force, answers {\"id\": N}
  DELETE /faults[/N]   end all, or one
  POST   /mutate       change the cloud
  POST   /add-on-token what ACK writes into addon.token.config: {\"role\": \"acs:ram::…:role/…\"}

A fault is {\"match\": {…}, \"times\": N, \"effect\": …}. Without `match` it is for every call,
without `times` it stays until it is ended. `match` has product (sts, cr, metadata, dockerauth),
region, action and instance; the last three take * and ?. Effects:
  {\"delay\": {\"milliseconds\": 2000}}
  {\"error\": {\"status\": 500, \"code\": \"SystemError\", \"headers\": {\"Retry-After\": \"3\"}}}
  {\"throttle\": {\"code\": \"Throttling.User\", \"timeLeft\": 2000}}
  {\"isSuccessFalse\": {\"code\": \"INSTANCE_NOT_EXIST\"}}
  {\"cut\": \"before\"}, {\"cut\": \"after\"}   the call is lost, or only its answer
  {\"clockSkew\": {\"seconds\": -1200}}
  {\"expireTime\": {\"milliseconds\": 1}}, {\"expireIn\": {\"seconds\": 999999}}
  {\"garbage\": {\"status\": 200, \"body\": \"<html>\"}}

Changes:
  {\"setKeyStatus\": {\"accessKeyId\": \"LTAI…\", \"status\": \"Inactive\"}}
  {\"setMachineRole\": {\"role\": null}}
  {\"setUserPolicies\": {\"account\": \"…\", \"user\": \"…\", \"policies\": […]}}
  {\"setRolePolicies\": {\"role\": \"acs:ram::…:role/…\", \"policies\": […]}}
  {\"setTrustPolicy\": {\"role\": \"acs:ram::…:role/…\", \"trustPolicy\": {…}}}
  {\"setMaxSession\": {\"role\": \"acs:ram::…:role/…\", \"seconds\": 7200}}
  {\"removeRole\": {\"role\": \"acs:ram::…:role/…\"}}
  {\"setIssuerKeys\": {\"provider\": \"acs:ram::…:oidc-provider/…\", \"jwks\": {…}}}
  {\"setIssuerCertificate\": {\"provider\": \"acs:ram::…:oidc-provider/…\", \"certificate\": \"unknownAuthority\"}}
  {\"putInstance\": {…}}, {\"removeInstance\": {\"instance\": \"cri-…\"}}
  {\"putPersonal\": {\"account\": \"…\", \"region\": \"cn-hangzhou\", \"users\": […]}}
  {\"setEndpoints\": {\"instance\": \"cri-…\", \"public\": false, \"customDomains\": […]}}

Exit codes: 0 done, 1 could not start, 2 errors in the description, 64 wrong usage, 66 unreadable input.";

#[derive(Subcommand)]
enum Command {
    /// Serve the described cloud until Ctrl-C.
    ///
    /// Calls are logged to standard error, one line each, never with a secret.
    Run(Run),
    /// Print a description with every field, commented.
    Example,
    /// Check a description and say what is wrong with it.
    Check {
        /// The description; `-` reads standard input.
        file: PathBuf,
    },
}

#[derive(clap::Args)]
struct Run {
    /// The description; `-` reads standard input.
    file: PathBuf,
    /// Local address of every listener that --listen does not name.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    address: IpAddr,
    /// Serve a host of Alibaba Cloud at a fixed local address, or one that is not served by itself, such as
    /// cr-vpc.cn-hangzhou.aliyuncs.com. May be given several times.
    #[arg(long, value_name = "HOST=IP:PORT", value_parser = listen)]
    listen: Vec<(String, SocketAddr)>,
    /// Where to serve the admin API; default is any free port.
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Also write what is served where into a JSON file (what GET /listing answers).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write the public key of the token service into a file, for `auth.token.jwks` of the registry.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Serve the root directory of the registries' file storage as a bucket of OSS: where they send clients for blobs.
    #[arg(long, value_name = "FOLDER")]
    bucket: Option<PathBuf>,
    /// Print nothing but the `endpoints` key for the ConfigMap acr-configuration.
    #[arg(long)]
    print_endpoints: bool,
    /// Do not log calls.
    #[arg(long)]
    quiet: bool,
}

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is empty; `acr-simulator example` prints a description to start from", path.display())]
    Empty { path: PathBuf },
    #[error(
        "{} describes no account, so that nobody could call; `acr-simulator example` prints a description to start from",
        path.display()
    )]
    NoAccount { path: PathBuf },
    #[error("{}", path.display())]
    Description { path: PathBuf, source: DescriptionError },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot write {}", path.display())]
    WriteFile { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
    #[error("cannot wait for signals")]
    Signal(#[source] io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } => 66,
            Self::Empty { .. } | Self::NoAccount { .. } | Self::Description { .. } => 2,
            Self::Start(_) | Self::Runtime(_) | Self::WriteFile { .. } | Self::Write(_) | Self::Signal(_) => {
                1
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; nothing can be done when they cannot be written.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let result = match arguments.command {
        Command::Run(run) => serve(&run),
        Command::Example => print(EXAMPLE),
        Command::Check { file } => check(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "acr-simulator: {}", with_causes(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let (description, text) = read(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Failure::Runtime)?;
    runtime
        .block_on(check_files(&description, &text, &folder_of(file)))
        .map_err(|source| Failure::Description { path: file.to_owned(), source })?;
    let (accounts, instances) = (description.accounts.len(), description.instances.len());
    print(&format!("{}: good ({accounts} accounts, {instances} instances)\n", file.display()))
}

/// The folder from which relative paths of a description start.
fn folder_of(file: &Path) -> PathBuf {
    file.parent().filter(|_| file != Path::new("-")).map(Path::to_owned).unwrap_or_default()
}

fn serve(run: &Run) -> Result<(), Failure> {
    let (description, _) = read(&run.file)?;
    let log: Observer = Arc::new(log);
    let observer = Some(log).filter(|_| !run.quiet);
    let options = Options {
        address: run.address,
        listen: run.listen.iter().cloned().collect::<BTreeMap<_, _>>(),
        admin: run.admin,
        folder: folder_of(&run.file),
        bucket: run.bucket.clone(),
        observer,
        ..Options::default()
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let interruption = Interruption::new().map_err(Failure::Signal)?;
        let simulator = Simulator::start(description, options).await?;
        announce(run, simulator.listing())?;
        interruption.wait().await;
        simulator.stop().await;
        Ok(())
    })
}

/// Tells where everything is: on standard output, and in the files that were asked for.
fn announce(run: &Run, listing: &Listing) -> Result<(), Failure> {
    for (path, content) in [(&run.output, json(listing)), (&run.jwks, json(&listing.jwks))] {
        if let Some(path) = path {
            fs::write(path, content).map_err(|source| Failure::WriteFile { path: path.clone(), source })?;
        }
    }
    let mut endpoints = "endpoints: |\n".to_owned();
    for line in listing.endpoints_yaml().lines() {
        endpoints.extend(["  ", line, "\n"]);
    }
    if run.print_endpoints {
        return print(&endpoints);
    }
    let hosts = listing.hosts.iter().map(|served| (served.host.as_str(), &served.url));
    let others = [("bucket", listing.bucket.as_ref()), ("admin", Some(&listing.admin))];
    let others = others.into_iter().filter_map(|(name, url)| Some((name, url?)));
    let addresses = hosts.chain(others).map(|(name, url)| format!("{name:<44} {url}\n"));
    let registries = listing.registries.iter().map(|registry| {
        let RegistryAuth { instance, realm, service, issuer } = registry;
        format!("registry of {instance}: realm {realm}, service {service}, issuer {issuer}\n")
    });
    let personal = listing.personal_registries.iter().map(|registry| {
        let PersonalRegistryAuth { region, hosts, realm, service, issuer } = registry;
        let hosts = hosts.join(", ");
        format!(
            "Personal registry of {region} ({hosts}): realm {realm}, service {service}, issuer {issuer}\n"
        )
    });
    let text: String = addresses.chain(["\n".to_owned()]).chain(registries).chain(personal).collect();
    print(&format!("{text}\nFor the ConfigMap acr-configuration:\n{endpoints}"))
}

/// The signals that end the program.
struct Interruption {
    interrupted: Signal,
    terminated: Signal,
}

impl Interruption {
    /// From here on the signals do not kill the program.
    fn new() -> io::Result<Self> {
        let (interrupted, terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupted, terminated })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Writes an event to standard error.
fn log(event: Event<'_>) {
    let line = match event {
        Event::Call(call) => {
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {} {} instance={} caller={} -> {} {}",
                call.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
                call.product,
                or_none(&call.region),
                call.action,
                or_none(&call.instance),
                or_none(&call.caller),
                call.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
                call.code,
            )
        }
        Event::KeysFailed { provider, error } => format!("keys of {provider}: {}", with_causes(error)),
    };
    // A log that cannot be written must not end the simulator.
    let _ = writeln!(io::stderr(), "{line}");
}

fn read(path: &Path) -> Result<(Description, String), Failure> {
    let up_to_limit = |input: &mut dyn Read| {
        let text = io::read_to_string(input.take(MAX_DESCRIPTION_BYTES + 1))?;
        let fits = u64::try_from(text.len()).is_ok_and(|length| length <= MAX_DESCRIPTION_BYTES);
        fits.then_some(text).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))
    };
    let text = if path == Path::new("-") {
        up_to_limit(&mut io::stdin())
    } else {
        fs::File::open(path).and_then(|mut file| up_to_limit(&mut file))
    };
    let text = text.map_err(|source| Failure::Read { path: path.to_owned(), source })?;
    if text.trim().is_empty() {
        return Err(Failure::Empty { path: path.to_owned() });
    }
    let description =
        Description::parse(&text).map_err(|source| Failure::Description { path: path.to_owned(), source })?;
    if description.accounts.is_empty() {
        return Err(Failure::NoAccount { path: path.to_owned() });
    }
    Ok((description, text))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Write)
}

/// `HOST=IP:PORT`.
fn listen(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("expected HOST=IP:PORT")?;
    let address = address.parse().map_err(|_| format!("{address:?} is not an IP:PORT"))?;
    Ok((host.to_owned(), address))
}

/// An error with its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some errors show their cause themselves.
        if !text.ends_with(&cause_text) {
            text.extend([": ", &cause_text]);
        }
        next = cause.source();
    }
    text
}
