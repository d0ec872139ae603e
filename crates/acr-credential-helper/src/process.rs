//! What `run` and `uninstall` have in common: how the cluster is reached, who we are, and how a process ends.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::panic;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acr_alibaba::{Client, ClientOptions, ClientSetupFailure, ProxyRules, UnusableProxy};
use acr_cluster::{Access, Cluster, ConnectError, Ourselves};
use acr_configuration::{TokenMode, is_dns_label, is_dns_subdomain};
use acr_controller::admission::Front;
use acr_controller::names::{SERVICE_ACCOUNT, WEBHOOK_SERVICE};
use acr_controller::settings::{Purpose, Settings};
use clap::Args;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::logging::Logs;

/// Where the kubelet projects the token that RRSA presents, as ack-pod-identity-webhook and deploy/ have it.
pub(crate) const TOKEN_FILE: &str = "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token";

/// How long a certificate of the webhook is valid: it is renewed after two thirds, so it may be late by a month.
pub(crate) const CERTIFICATE_LIFE: Duration = Duration::from_hours(90 * 24);

/// How the cluster is reached, and who this process is in it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Place {
    /// Reach the cluster by this kubeconfig
    ///
    /// Without it: the ServiceAccount of the pod, where this is one; else $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig instead of its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The namespace of ConfigMap, journal, Lease and ServiceAccount
    #[arg(long, env = "POD_NAMESPACE", default_value = "kube-system", value_parser = dns_label)]
    namespace: String,
    /// The name of this process in Lease and Events; a random part is added
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
}

impl Place {
    /// Connects; nothing is sent yet.
    pub(crate) async fn cluster(&self, ourselves: &Ourselves) -> Result<Cluster, ConnectError> {
        let access = Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        Ok(Cluster::new(acr_cluster::connect(&access).await?, ourselves.clone()))
    }

    /// Whether this process runs outside of the cluster that it serves.
    pub(crate) fn is_outside(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// A name that no other process has, not even the one before in the same pod.
    pub(crate) fn ourselves(&self) -> Ourselves {
        let given = self.identity.clone().filter(|name| !name.is_empty());
        let name = given
            .or_else(|| std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()))
            .unwrap_or_else(|| "acr-credential-helper".to_owned());
        // Keys of a new hasher come from the operating system.
        let random = RandomState::new().build_hasher().finish();
        Ourselves { namespace: self.namespace.clone(), identity: format!("{name}_{random:016x}") }
    }
}

/// What can be the name of a namespace, or stand in a host name.
pub(crate) fn dns_label(text: &str) -> Result<String, &'static str> {
    let good = is_dns_label(text).then(|| text.to_owned());
    good.ok_or("at most 63 of a-z, 0-9 and -, with a letter or digit at both ends")
}

/// What can be the name of a Deployment, a Secret, and of most other objects.
pub(crate) fn dns_subdomain(text: &str) -> Result<String, &'static str> {
    let good = is_dns_subdomain(text).then(|| text.to_owned());
    good.ok_or("write a name: a-z, 0-9, - and . with a letter or digit at both ends of each part")
}

/// The settings of a process.
pub(crate) fn settings(ourselves: &Ourselves, purpose: Purpose) -> Settings {
    Settings {
        namespace: ourselves.namespace.clone(),
        identity: ourselves.identity.clone(),
        purpose,
        token_mode: TokenMode::Auto,
        region: None,
        sts_endpoint: None,
        registered_key_secret: None,
        add_on_token_secret: None,
        service_account: SERVICE_ACCOUNT.to_owned(),
        front: Some(Front::Service { name: WEBHOOK_SERVICE.to_owned() }),
        answers: false,
        certificate_life: CERTIFICATE_LIFE,
    }
}

/// Why there is no client for the cloud.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudError {
    /// The file of `--extra-ca` cannot be read.
    #[error("--extra-ca {}: cannot be read: {source}", path.display())]
    ReadExtraCa {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A proxy that is none.
    #[error(transparent)]
    Proxy(#[from] UnusableProxy),
    /// The client cannot be made.
    #[error(transparent)]
    Setup(#[from] ClientSetupFailure),
}

/// A client for the cloud, by way of the proxy that the environment names, if any.
pub(crate) fn cloud(extra_ca: Option<&Path>) -> Result<Client, CloudError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| CloudError::ReadExtraCa { path: path.to_owned(), source })
    };
    Ok(Client::new(&ClientOptions {
        user_agent: concat!("acr-credential-helper/", env!("CARGO_PKG_VERSION")).to_owned(),
        proxy: ProxyRules::from_environment()?,
        extra_authorities: extra_ca.map(read).transpose()?.unwrap_or_default(),
    })?)
}

/// Starts the logs, and does `work` to its end.
pub(crate) fn run(logs: &Logs, work: impl Future<Output = Exit>) -> Exit {
    if let Err(error) = logs.start() {
        return failed(Exit::Usage, &format_args!("--log-level: {error}"));
    }
    match runtime() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => failed(Exit::System, &format_args!("cannot start: {error}")),
    }
}

/// One thread: everything here waits for others, and a second thread costs memory.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Builder::new_current_thread().enable_all().build()
}

/// Completes when the process is asked to end.
pub(crate) async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// How many of what, in words.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Says why the process ends, and gives `exit` on.
pub(crate) fn failed(exit: Exit, reason: &dyn std::fmt::Display) -> Exit {
    // Nobody can be told when standard error is closed; the exit code tells it all the same.
    let _ = writeln!(anstream::stderr(), "acr-credential-helper: {reason}");
    exit
}

/// Makes a panic end the process at once, wherever it happens, without showing what it may carry: only words
/// that were compiled in are printed, because others may be made of a secret.
pub(crate) fn end_on_panic() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let words = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
        // Nobody can be told when standard error is closed.
        let _ = writeln!(std::io::stderr(), "acr-credential-helper: bug: panicked at {place}: {words}");
        std::process::exit(Exit::Panic.code().into());
    }));
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Says to a test below that it runs in a process of its own and is to panic.
    const TOLD_TO_PANIC: &str = "ACR_TEST_TOLD_TO_PANIC";

    fn panics_in_a_process_of_its_own(test: &str) -> (Option<i32>, String) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([&format!("process::tests::{test}"), "--exact", "--nocapture"])
            .env(TOLD_TO_PANIC, "yes")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[test]
    fn a_panic_ends_the_process_and_what_it_may_carry_is_withheld() {
        if std::env::var_os(TOLD_TO_PANIC).is_some() {
            end_on_panic();
            let secret = "MARKER".to_owned();
            panic!("the login was {secret}");
        }
        let (code, told) =
            panics_in_a_process_of_its_own("a_panic_ends_the_process_and_what_it_may_carry_is_withheld");
        assert_eq!(code, Some(70), "{told}");
        assert!(told.contains("process.rs:") && told.contains("(message withheld)"), "{told}");
        assert!(!told.contains("MARKER"), "{told}");
    }

    #[test]
    fn a_panic_in_another_thread_ends_the_process_too_and_fixed_words_are_shown() {
        if std::env::var_os(TOLD_TO_PANIC).is_some() {
            end_on_panic();
            let _ = std::thread::spawn(|| panic!("fixed words")).join();
            return;
        }
        let (code, told) = panics_in_a_process_of_its_own(
            "a_panic_in_another_thread_ends_the_process_too_and_fixed_words_are_shown",
        );
        assert_eq!(code, Some(70), "{told}");
        assert!(told.contains("fixed words"), "{told}");
    }

    #[test]
    fn two_processes_never_have_one_name() {
        let place = Place {
            kubeconfig: None,
            context: None,
            namespace: "kube-system".to_owned(),
            identity: Some("pod-1".to_owned()),
        };
        let (one, two) = (place.ourselves().identity, place.ourselves().identity);
        assert!(one.starts_with("pod-1_") && one != two, "{one} {two}");
    }
}
