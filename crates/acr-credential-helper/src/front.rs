//! The webhook of a process: a thread of its own, so that the API server waits for no other work of this program.

use std::net::{Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use acr_configuration::callable_url;
use acr_controller::Serving;
use acr_controller::admission::Front as Target;
use acr_controller::names::WEBHOOK_SERVICE;
use acr_server::{Listening, ServedCertificate, TlsListener, serve_webhook};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::process::{self, CERTIFICATE_LIFE};

/// The port that the Service leads to.
const PORT: u16 = 8443;
/// The pause before an address is tried again that could not be bound.
const AGAIN: Duration = Duration::from_secs(5);
/// How long it still answers when it is turned off or the process ends: until then every API server has heard that there
/// is no registration, or no endpoint here, any more.
pub(crate) const WIND_DOWN: Duration = Duration::from_secs(5);

/// Where the API server finds the webhook, once `webhook-configuration` turns it on.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Webhook")]
pub(crate) struct FrontArguments {
    /// The Service of the component's namespace that leads the API server to the webhook, port 443
    #[arg(id = "webhook-service", long, value_name = "NAME", default_value = WEBHOOK_SERVICE, conflicts_with = "webhook-url")]
    service: String,
    /// Instead of a Service: https://host:port at which the API server reaches this process
    #[arg(id = "webhook-url", long, value_name = "URL", value_parser = webhook_url)]
    url: Option<String>,
    /// Where this process serves the webhook
    ///
    /// Default in a cluster: port 8443 of all addresses. Outside of it: nowhere, because `acr-credential-helper webhook`
    /// serves it in the cluster.
    #[arg(id = "webhook-listen", long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// There is none here: nothing leads the API server to it
    ///
    /// Where `webhook-configuration` asks for it all the same, a finding says so, and a registration of former days is
    /// taken back. The chart gives this with `webhook.enabled: false`.
    #[arg(long, conflicts_with_all = ["webhook-service", "webhook-url", "webhook-listen"])]
    no_webhook: bool,
    /// How long its certificates are valid, in seconds; they are renewed after two thirds of it
    #[arg(long, value_name = "SECONDS", default_value_t = CERTIFICATE_LIFE.as_secs(), value_parser = clap::value_parser!(u64).range(60..=315_360_000))]
    certificate_life: u64,
}

impl FrontArguments {
    /// Where the API server finds it, if there is one.
    pub(crate) fn target(&self) -> Option<Target> {
        let target = match &self.url {
            Some(url) => Target::Url(url.clone()),
            None => Target::Service { name: self.service.clone() },
        };
        (!self.no_webhook).then_some(target)
    }

    /// Where it is served.
    pub(crate) fn listen(&self, outside: bool) -> Option<SocketAddr> {
        self.listen.or_else(|| (!outside && !self.no_webhook).then(everywhere))
    }

    /// How long a certificate is valid.
    pub(crate) fn certificate_life(&self) -> Duration {
        Duration::from_secs(self.certificate_life)
    }
}

/// What the API server takes for the URL of a webhook: https, a host, no query.
fn webhook_url(text: &str) -> Result<String, &'static str> {
    let callable =
        callable_url(text).filter(|url| url.starts_with("https://") && !url.contains(['?', '#', '@']));
    callable.map(str::to_owned).ok_or("write https://host, with a port and a path if needed")
}

/// Serves the webhook while there is a certificate for it.
#[derive(Debug)]
pub(crate) struct Front {
    address: Option<SocketAddr>,
    certificate: ServedCertificate,
    listening: Listening,
    served: Option<Serving>,
    /// Dropping it ends the thread.
    running: Option<oneshot::Sender<()>>,
}

impl Front {
    /// A webhook that is served at `address` when its time comes, which `listening` then says; `None`: nowhere.
    pub(crate) fn at(address: Option<SocketAddr>, listening: Listening) -> Self {
        Self { address, certificate: ServedCertificate::default(), listening, served: None, running: None }
    }

    /// Serves with this certificate from now on, or no more.
    pub(crate) fn serve(&mut self, serving: Option<&Serving>) {
        let Some(address) = self.address else { return };
        if self.served.as_ref() == serving {
            return;
        }
        self.served = serving.cloned();
        let Some(serving) = serving else {
            info!("the webhook is off");
            let running = self.running.take();
            tokio::spawn(async move {
                tokio::time::sleep(WIND_DOWN).await;
                drop(running);
            });
            return;
        };
        if let Err(error) = self.certificate.replace(&serving.chain, &serving.key) {
            return error!("the certificate of the webhook cannot be served: {error}");
        }
        info!("the webhook has a new certificate");
        if self.running.is_none() {
            self.running = started(address, self.certificate.clone(), self.listening.clone());
        }
    }

    /// Answers a little longer.
    pub(crate) async fn wind_down(self) {
        if self.running.is_some() {
            tokio::time::sleep(WIND_DOWN).await;
        }
    }
}

/// All addresses, IPv6 and IPv4, where the kernel has both.
pub(crate) fn everywhere() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))
}

fn started(
    address: SocketAddr,
    certificate: ServedCertificate,
    listening: Listening,
) -> Option<oneshot::Sender<()>> {
    let (running, stop) = oneshot::channel();
    let serve = move || match process::runtime() {
        Ok(runtime) => runtime.block_on(serve(address, certificate, listening, stop)),
        Err(error) => error!("the webhook cannot be served: {error}"),
    };
    match thread::Builder::new().name("webhook".to_owned()).spawn(serve) {
        Ok(_) => Some(running),
        Err(error) => {
            error!("the webhook cannot be served: {error}");
            None
        }
    }
}

/// Serves until `stop` completes or its sender is gone.
pub(crate) async fn serve(
    address: SocketAddr,
    certificate: ServedCertificate,
    listening: Listening,
    mut stop: oneshot::Receiver<()>,
) {
    let listener = loop {
        match bind(address).await.and_then(|listener| TlsListener::new(listener, certificate.clone())) {
            Ok(listener) => break listener,
            Err(error) => error!(%address, "the webhook cannot be served, trying again: {error}"),
        }
        tokio::select! {
            _ = &mut stop => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    };
    info!(%address, "the webhook answers");
    let bound = listening.bound();
    let stop = async move {
        // The end of its sender completes it as well.
        let _ = stop.await;
        // From here on no connection is taken.
        drop(bound);
    };
    serve_webhook(listener, stop).await;
}

/// Without IPv6 all addresses are those of IPv4.
async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address == everywhere() => TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, PORT)).await,
        bound => bound,
    }
}
