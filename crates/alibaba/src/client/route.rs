//! The way to a host: straight, or through a proxy by CONNECT.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

/// How the text of every failure of a proxy begins.
pub(super) const PROXY: &str = "the proxy ";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long looking up a name and connecting may take, or a proxy to do that: a quarter of the twelve seconds that a call
/// usually has, so that a resolver or a proxy which hangs on the VPC name leaves time for the public one.
const REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// Which requests go through a proxy, by the rules of curl: a proxy for `https://` and one for `http://`, and the hosts,
/// domains and networks that are reached straight. The proxy is spoken to in plain HTTP; TLS goes through it.
#[derive(Clone, Default)]
pub struct ProxyRules(Option<Arc<Matcher>>);

impl ProxyRules {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in capital or small letters.
    ///
    /// One that is set and is no proxy is an error: calls that were to go through it would go straight.
    pub fn from_environment() -> Result<Self, UnusableProxy> {
        for variable in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
            for name in [variable.to_owned(), variable.to_ascii_lowercase()] {
                let value = std::env::var(&name).unwrap_or_default();
                if !value.is_empty() && !is_proxy(&value) {
                    return Err(UnusableProxy { variable: name });
                }
            }
        }
        Ok(Self(Some(Arc::new(Matcher::from_env()))))
    }

    /// The same from given values; an empty one says nothing. `secure` is the proxy for `https://`, `plain` the one for
    /// `http://`, `straight` is the list of what is reached without.
    pub fn new(secure: &str, plain: &str, straight: &str) -> Self {
        let rules = Matcher::builder().https(secure).http(plain).no(straight);
        Self(Some(Arc::new(rules.build())))
    }

    fn proxy_for(&self, host: &Uri) -> Option<Intercept> {
        self.0.as_ref()?.intercept(host)
    }
}

/// A variable of the environment that is set and names no proxy. Its value may hold a password, and is not told.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is no URL of a proxy: write http://host:port, or take it away")]
pub struct UnusableProxy {
    /// Its name.
    pub variable: String,
}

/// Whether a value leads to a proxy that is spoken to in plain HTTP.
fn is_proxy(value: &str) -> bool {
    let rules = Matcher::builder().all(value).build();
    let Some(proxy) = rules.intercept(&Uri::from_static("https://registry.example/")) else { return false };
    let Some(authority) = proxy.uri().authority() else { return false };
    // What stands behind the host is a port, or nothing.
    let port = authority.port_u16().map_or_else(String::new, |port| format!(":{port}"));
    let host = authority.host();
    proxy.uri().scheme_str() == Some("http")
        && !host.is_empty()
        && authority.as_str().ends_with(&format!("{host}{port}"))
        && !host.contains('@')
}

impl fmt::Debug for ProxyRules {
    /// Nothing of the rules: the URL of a proxy may hold a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProxyRules").finish_non_exhaustive()
    }
}

/// Connects to a host as the rules say. TLS, where the URL asks for it, is made on top.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) tcp: HttpConnector,
    pub(super) rules: ProxyRules,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let Some(proxy) = self.rules.proxy_for(&host) else {
            let connecting = timeout(REACH_TIMEOUT, self.tcp.call(host));
            return Box::pin(async move {
                Ok(connecting
                    .await
                    .map_err(|_| late("the name was not resolved and connected to in time"))??)
            });
        };
        if proxy.uri().scheme_str() != Some("http") {
            let reason = "the proxy that is configured for it is no http:// URL";
            return Box::pin(async move { Err(io::Error::other(reason).into()) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(credential) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credential.clone());
        }
        Box::pin(async move {
            let connecting = tunnel.call(with_port(host)?);
            // The texts of a tunnel's errors know no URL and no credential.
            let connected = timeout(REACH_TIMEOUT, connecting).await;
            let connected = connected.map_err(|_| late("the proxy did not reach the host in time"))?;
            connected.map_err(|error| format!("the proxy gave no connection: {error}").into())
        })
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// The URL with the port that its scheme implies, which a tunnel has to name.
fn with_port(host: Uri) -> Result<Uri, http::Error> {
    let (None, Some(name)) = (host.port(), host.host()) else { return Ok(host) };
    let port = if host.scheme_str() == Some("http") { 80 } else { 443 };
    Uri::builder().scheme("http").authority(format!("{name}:{port}")).path_and_query("/").build()
}

#[cfg(test)]
mod tests;
