//! Load at a fixed rate: requests leave when they are due, whether or not earlier ones are answered, and each is measured
//! from the moment at which it was due.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use acr_controller::admission::WEBHOOK_PATH;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::review::review;
use crate::Outcome;

/// As many connections as an API server keeps open to a webhook.
const CONNECTIONS: u32 = 25;
/// Requests of each connection before the measurement.
const WARM_UP: u32 = 40;
/// From the start of the threads until the first request is due.
const LEAD: Duration = Duration::from_secs(1);
/// How long a request may take: the shortest `timeout-seconds`.
const LIMIT: Duration = Duration::from_secs(1);

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Send reviews at a fixed rate
#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    #[arg(long)]
    address: SocketAddr,
    /// The authorities to trust, PEM; read for each connection
    #[arg(long)]
    authority: PathBuf,
    /// Requests per second
    #[arg(long)]
    rate: u32,
    #[arg(long)]
    seconds: u32,
    /// Make a new connection after so many requests; 0: never
    #[arg(long, default_value_t = 0)]
    reconnect_after: u32,
    /// What an answer must contain
    #[arg(long, default_value = "")]
    expect: String,
}

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    /// Requests sent in the measurement.
    pub(super) requests: usize,
    /// Those not answered as expected, within a second of being sent.
    pub(super) failures: usize,
    /// Why the first of them failed.
    pub(super) first_failure: Option<String>,
    /// Different certificates that were presented.
    pub(super) certificates: usize,
    /// Median latency.
    pub(super) p50_ms: f64,
    /// The latency that one of a hundred exceeds.
    pub(super) p99_ms: f64,
    /// The highest one.
    pub(super) most_ms: f64,
}

/// Sends, and prints a [`Load`] as JSON.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let load =
        tokio::task::spawn_blocking(move || all(&arguments)).await?.map_err(|error| error.to_string())?;
    anstream::println!("{}", serde_json::to_string(&load)?);
    Ok(std::process::ExitCode::SUCCESS)
}

fn all(arguments: &Arguments) -> Result<Load, Broken> {
    acr_testbed::install_tls_provider();
    let start = Instant::now() + LEAD;
    // A thread each, asleep until its next request is due: timers of the runtime are a millisecond coarse.
    let parts: Vec<Result<Part, Broken>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|place| scope.spawn(move || Connection::new(arguments)?.send(place, start)))
            .collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|part| part.unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let mut together = Part::default();
    for part in parts {
        let part = part?;
        together.latencies.extend(part.latencies);
        together.failures.extend(part.failures);
        together.certificates.extend(part.certificates);
    }
    Ok(together.load())
}

#[derive(Default)]
struct Part {
    latencies: Vec<Duration>,
    failures: Vec<String>,
    certificates: BTreeSet<Vec<u8>>,
}

impl Part {
    fn load(mut self) -> Load {
        self.latencies.sort_unstable();
        let at = |of_a_thousand| quantile(&self.latencies, of_a_thousand).as_secs_f64() * 1000.0;
        Load {
            requests: self.latencies.len() + self.failures.len(),
            failures: self.failures.len(),
            certificates: self.certificates.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            most_ms: at(1000),
            first_failure: self.failures.into_iter().next(),
        }
    }
}

/// The smallest of some sorted values that so many of a thousand do not exceed.
fn quantile(sorted: &[Duration], of_a_thousand: usize) -> Duration {
    let place = (sorted.len() * of_a_thousand).div_ceil(1000);
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// One connection after the other, on a thread of its own.
struct Connection<'a> {
    arguments: &'a Arguments,
    runtime: Runtime,
    body: Bytes,
    open: Option<SendRequest<Full<Bytes>>>,
    sent: u32,
    part: Part,
}

impl<'a> Connection<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, Broken> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = Bytes::from(review().to_string());
        Ok(Self { arguments, runtime, body, open: None, sent: 0, part: Part::default() })
    }

    fn send(mut self, place: u32, start: Instant) -> Result<Part, Broken> {
        for _ in 0..WARM_UP {
            // What does not answer at all is not measured.
            self.one()?;
        }
        self.part.certificates.clear();
        let interval = Duration::from_secs(1) / self.arguments.rate;
        let requests = self.arguments.rate * self.arguments.seconds;
        for number in (place..requests).step_by(usize::try_from(CONNECTIONS)?) {
            let due = start + interval * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            match self.one() {
                Ok(()) => self.part.latencies.push(due.elapsed()),
                Err(error) => {
                    self.open = None;
                    self.part.failures.push(error.to_string());
                }
            }
        }
        Ok(self.part)
    }

    /// Sends one request and reads the answer.
    fn one(&mut self) -> Result<(), Broken> {
        let Self { arguments, runtime, body, open, sent, part } = self;
        runtime.block_on(async {
            let exchange = async {
                if arguments.reconnect_after > 0 && *sent >= arguments.reconnect_after {
                    *open = None;
                    *sent = 0;
                }
                if open.is_none() {
                    *open = Some(connect(arguments, &mut part.certificates).await?);
                }
                let Some(connection) = open else { return Err("no connection".into()) };
                *sent += 1;
                let request = Request::post(WEBHOOK_PATH)
                    .header(HOST, "webhook")
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(body.clone()))?;
                connection.ready().await?;
                let answer = connection.send_request(request).await?;
                let status = answer.status();
                let answer = answer.into_body().collect().await?.to_bytes();
                let text = String::from_utf8_lossy(&answer);
                if status.is_success() && text.contains(&arguments.expect) {
                    Ok(())
                } else {
                    Err(Broken::from(format!("{status}: {text}")))
                }
            };
            tokio::time::timeout(LIMIT, exchange).await?
        })
    }
}

async fn connect(
    arguments: &Arguments,
    seen: &mut BTreeSet<Vec<u8>>,
) -> Result<SendRequest<Full<Bytes>>, Broken> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&arguments.authority)? {
        roots.add(authority?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    let stream = TcpStream::connect(arguments.address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::IpAddress(arguments.address.ip().into());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let presented = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    seen.extend(presented.map(|certificate| certificate.to_vec()));
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_exceeds_the_p99() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let shown = |of_a_thousand| quantile(&values, of_a_thousand).as_millis();
        assert_eq!((shown(500), shown(990), shown(1000)), (100, 198, 200));
        assert_eq!(quantile(&[], 990), Duration::ZERO);
        assert_eq!(quantile(&[Duration::from_millis(7)], 990), Duration::from_millis(7));
    }
}
