//! Carrying conversations out over HTTP and HTTPS: sockets, clock, randomness and deadlines, and no decision.

mod route;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use acr_credentials::{Answer, Barrier, Call, CallFailure, FailureKind, UnixMillis};
use aws_lc_rs::rand;
use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio::time::{Instant, timeout_at};

use self::route::Route;
pub use self::route::{ProxyRules, UnusableProxy};
use crate::conversation::{BODY_LIMIT_BYTES, Conversation, Stamp, Step, TransportFailure};

/// Long enough for the calls of one renewal to share a connection, shorter than any server keeps it.
const IDLE_CONNECTION: Duration = Duration::from_secs(10);

/// So that a VPC endpoint which is not routed here gives way to the public one soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The metadata service is on this machine or nowhere.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client is made of.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// The `User-Agent` header of every request, `name/version`.
    pub user_agent: String,
    /// Which requests to the cloud go through a proxy. Those to the metadata service never do: it is on this machine.
    pub proxy: ProxyRules,
    /// Certificates of authorities to trust besides the system's, as PEM; empty for none.
    pub extra_authorities: Vec<u8>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientSetupFailure {
    /// The user agent holds characters that no header carries.
    #[error("the user agent {0:?} is no header value: use printable ASCII")]
    UserAgent(String),
    /// There is nothing to check certificates by.
    #[error(
        "no TLS without certificates of authorities: install the system's bundle (package ca-certificates) \
         or set SSL_CERT_FILE"
    )]
    Roots(#[source] rustls::Error),
    /// The extra authorities are not PEM.
    #[error("the extra authorities are no PEM certificates: {0}")]
    Authorities(String),
}

/// Carries out calls. It keeps open connections for seconds and nothing else, never retries, and follows no
/// redirect.
#[derive(Clone, Debug)]
pub struct Client {
    cloud: Connections<HttpsConnector<Route>, Full<Bytes>>,
    metadata: Connections<HttpsConnector<Route>, Full<Bytes>>,
    user_agent: HeaderValue,
}

impl Client {
    /// A client that trusts the authorities that the system trusts, and those of the options.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientSetupFailure> {
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| ClientSetupFailure::UserAgent(options.user_agent.clone()))?;
        let authorities = extra_authorities(&options.extra_authorities)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(authorities, provider.clone());
        let verifier = Arc::new(verifier.map_err(ClientSetupFailure::Roots)?);
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientSetupFailure::Roots)?
            // What rustls calls dangerous is a verifier that checks nothing; this one checks by the system's rules.
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            cloud: connections(tls.clone(), CONNECT_TIMEOUT, options.proxy.clone()),
            metadata: connections(tls, METADATA_CONNECT_TIMEOUT, ProxyRules::default()),
            user_agent,
        })
    }

    /// Asks the cloud, all endpoints and exchanges of the call within `deadline`. Time stamps are the wall clock
    /// plus `signing_offset_millis`, what is known of the cloud's clock.
    pub async fn carry_out(&self, call: Call, signing_offset_millis: i64, deadline: Duration) -> Answer {
        let started = Instant::now();
        let end = started.checked_add(deadline).unwrap_or(started);
        let connections = match &call {
            Call::Region { .. } | Call::WorkerRole { .. } => &self.metadata,
            Call::AssumeRoleWithOidc { .. }
            | Call::AssumeRole { .. }
            | Call::CallerIdentity { .. }
            | Call::ListInstanceEndpoint { .. }
            | Call::GetAuthorizationToken { .. }
            | Call::PersonalAuthorizationToken { .. } => &self.cloud,
        };
        let operation = call.operation();
        let mut conversation = Conversation::new(call);
        loop {
            let Ok(nonce) = nonce() else { return without_randomness(operation) };
            let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
            match conversation.step(Stamp { wall: now.plus_millis(signing_offset_millis), nonce }) {
                Step::Done(answer) => return answer,
                Step::Send(mut request) => {
                    request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
                    let exchange = timeout_at(end, exchange(connections, request));
                    conversation.receive(exchange.await.unwrap_or(Err(TransportFailure::TimedOut)));
                }
            }
        }
    }
}

/// The certificates of a PEM file. One that is there but holds none is a mistake.
fn extra_authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientSetupFailure> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if found.is_empty() && !pem.is_empty() => {
            Err(ClientSetupFailure::Authorities("there is no BEGIN CERTIFICATE".to_owned()))
        }
        Ok(found) => Ok(found),
        // The text of the error may quote a line of the file, which may be a key.
        Err(_) => Err(ClientSetupFailure::Authorities("a block of it is damaged".to_owned())),
    }
}

fn connections(
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
    rules: ProxyRules,
) -> Connections<HttpsConnector<Route>, Full<Bytes>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    // hyper sends a request once more only where the idle connection was closed before any of it was written.
    Connections::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_timer(TokioTimer::new())
        .build(tls.wrap_connector(Route { tcp, rules }))
}

async fn exchange(
    connections: &Connections<HttpsConnector<Route>, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TransportFailure> {
    let response = connections.request(request.map(Full::new)).await.map_err(|error| {
        let causes = causes(error.source());
        if error.is_connect() {
            TransportFailure::NotReached(barrier(&error, &causes), causes)
        } else {
            TransportFailure::Cut(causes)
        }
    })?;
    let (head, body) = response.into_parts();
    match Limited::new(body, BODY_LIMIT_BYTES).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(TransportFailure::TooLarge),
        Err(error) => Err(TransportFailure::Cut(causes(Some(&*error)))),
    }
}

/// What kept the connection from coming about. hyper-util tells a failed lookup from a failed connection by its words
/// alone (hyper-util 0.1, `connect/http.rs`).
fn barrier(error: &(dyn Error + 'static), causes: &str) -> Barrier {
    let mut next = Some(error);
    while let Some(cause) = next {
        if is_of_tls(cause) {
            return Barrier::Certificate;
        }
        next = cause.source();
    }
    if causes.contains(route::PROXY) {
        Barrier::Proxy
    } else if causes.contains("dns error") {
        Barrier::Name
    } else {
        Barrier::Connection
    }
}

/// Whether it is an error of TLS, in however many errors of input and output it is wrapped, which do not name what they
/// wrap as their source.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_of_tls(wrapped))
}

/// An error and its causes in one line, a cause that its error repeats once. None of them knows a URL.
fn causes(mut error: Option<&(dyn Error + 'static)>) -> String {
    let mut texts: Vec<String> = Vec::new();
    while let Some(cause) = error {
        let text = cause.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
        error = cause.source();
    }
    texts.join(": ")
}

fn nonce() -> Result<u128, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes))
}

fn without_randomness(operation: &'static str) -> Answer {
    let message = "the operating system gives no random bytes for a nonce";
    Answer { cloud_time: None, outcome: Err(CallFailure::new(operation, FailureKind::Server, message)) }
}

#[cfg(test)]
mod authorities;
#[cfg(test)]
mod tests;
