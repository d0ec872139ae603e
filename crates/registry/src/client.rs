//! Asking registries over HTTP: where a host is called, redirects, and deadlines.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::failure::Problem;

/// Long enough for the requests of one pull to share connections.
const IDLE_CONNECTION: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A registry redirects once, to the store of its blobs.
const REDIRECTS: usize = 5;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The `User-Agent` header of every request, `name/version`.
    pub user_agent: String,
    /// Where to send the requests of a host instead: from `host[:port]`, as it stands in an image reference or a
    /// realm, to the base URL of a mirror, a proxy or a local registry. The `Host` header stays.
    pub hosts: BTreeMap<String, String>,
    /// The time that one pull may take.
    pub deadline: Duration,
    /// The longest blob that is read, in bytes.
    pub blob_limit_bytes: u64,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientSetupFailure {
    /// The user agent holds characters that no header carries.
    #[error("the user agent {0:?} is no header value: use printable ASCII")]
    UserAgent(String),
    /// What stands for a host is no base URL.
    #[error("the requests of {host} cannot be sent to {url:?}: give a URL such as http://127.0.0.1:5000")]
    Host {
        /// The host that was to be called elsewhere.
        host: String,
        /// What was given as its base URL.
        url: String,
    },
    /// There is nothing to check certificates by.
    #[error(
        "no TLS without certificates of authorities: install the system's bundle (package ca-certificates) \
         or set SSL_CERT_FILE"
    )]
    Roots(#[source] rustls::Error),
}

/// Asks registries and token endpoints. It keeps open connections for seconds and nothing else.
#[derive(Clone, Debug)]
pub struct Client {
    connections: Connections<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    user_agent: HeaderValue,
    elsewhere: BTreeMap<String, Place>,
    pub(crate) deadline: Duration,
    pub(crate) blob_limit_bytes: u64,
}

/// Where the requests of a host go.
#[derive(Clone, Debug)]
struct Place {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl Client {
    /// A client that trusts the authorities that the system trusts.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientSetupFailure> {
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| ClientSetupFailure::UserAgent(options.user_agent.clone()))?;
        let mut elsewhere = BTreeMap::new();
        for (host, url) in &options.hosts {
            let place = place(url)
                .ok_or_else(|| ClientSetupFailure::Host { host: host.clone(), url: url.clone() })?;
            elsewhere.insert(host.to_ascii_lowercase(), place);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(ClientSetupFailure::Roots)?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connections = Connections::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_timer(TokioTimer::new())
            .build(tls.wrap_connector(tcp));
        Ok(Self {
            connections,
            user_agent,
            elsewhere,
            deadline: options.deadline,
            blob_limit_bytes: options.blob_limit_bytes,
        })
    }

    /// Whether what is sent to `uri` travels in clear.
    pub(crate) fn is_plain(&self, uri: &Uri) -> bool {
        let scheme = match self.elsewhere.get(&host(uri)) {
            Some(place) => Some(&place.scheme),
            None => uri.scheme(),
        };
        scheme != Some(&Scheme::HTTPS)
    }

    /// The answer to a GET, redirects followed. The authorization goes to the origin of `uri` alone: a store of
    /// blobs has its own, in the URL of the redirect.
    pub(crate) async fn get(
        &self,
        mut uri: Uri,
        accept: Option<&'static str>,
        mut authorization: Option<HeaderValue>,
        end: Instant,
    ) -> Result<Answer, Problem> {
        for _ in 0..=REDIRECTS {
            let answer = self.get_once(&uri, accept, authorization.as_ref(), end).await?;
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let target = location(&uri, &answer.headers).ok_or_else(|| Problem::Malformed {
                host: host(&uri),
                reason: "it redirects to no URL".to_owned(),
            })?;
            if (target.scheme(), host(&target)) != (uri.scheme(), host(&uri)) {
                authorization = None;
            }
            uri = target;
        }
        Err(Problem::Malformed { host: host(&uri), reason: format!("more than {REDIRECTS} redirects") })
    }

    async fn get_once(
        &self,
        uri: &Uri,
        accept: Option<&'static str>,
        authorization: Option<&HeaderValue>,
        end: Instant,
    ) -> Result<Answer, Problem> {
        let host = host(uri);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let request = HeaderValue::from_str(&host).ok().and_then(|value| {
            headers.insert(header::HOST, value);
            let mut request = Request::get(self.wire(uri)?).body(Empty::new()).ok()?;
            *request.headers_mut() = headers;
            Some(request)
        });
        let Some(request) = request else {
            return Err(Problem::Malformed { host, reason: "it cannot be asked by HTTP".to_owned() });
        };
        match timeout_at(end, self.connections.request(request)).await {
            Err(_) => Err(Problem::TimedOut { host }),
            Ok(Err(error)) => {
                let cause = causes(error.source());
                Err(if error.is_connect() {
                    Problem::Unreachable { host, cause }
                } else {
                    Problem::Cut { host, cause }
                })
            }
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                Ok(Answer { host, status: head.status, headers: head.headers, body, end })
            }
        }
    }

    /// The URI that is really called for `uri`.
    fn wire(&self, uri: &Uri) -> Option<Uri> {
        let Some(place) = self.elsewhere.get(&host(uri)) else { return Some(uri.clone()) };
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder()
            .scheme(place.scheme.clone())
            .authority(place.authority.clone())
            .path_and_query(format!("{}{path}", place.prefix))
            .build()
            .ok()
    }
}

fn place(url: &str) -> Option<Place> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme))?;
    let authority = parts.authority.filter(|authority| !authority.as_str().contains('@'))?;
    let path = parts.path_and_query.filter(|path| path.query().is_none())?;
    Some(Place { scheme, authority, prefix: path.path().trim_end_matches('/').to_owned() })
}

/// Host and port of a URI in lower case, without the scheme's own port.
pub(crate) fn host(uri: &Uri) -> String {
    let authority = uri.authority().map(Authority::as_str).unwrap_or_default().to_ascii_lowercase();
    let own_port = if uri.scheme() == Some(&Scheme::HTTP) { ":80" } else { ":443" };
    authority.strip_suffix(own_port).map(str::to_owned).unwrap_or(authority)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Where an answer redirects to: another URL, or another path of the same host.
fn location(from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let target: Uri = headers.get(header::LOCATION)?.to_str().ok()?.parse().ok()?;
    let parts = target.into_parts();
    let has_user = |authority: &Authority| authority.as_str().contains('@');
    let (scheme, authority) = match (parts.scheme, parts.authority) {
        (Some(scheme), Some(authority)) if !has_user(&authority) => (scheme, authority),
        (None, None) => (from.scheme()?.clone(), from.authority()?.clone()),
        _ => return None,
    };
    let path = parts.path_and_query.filter(|path| path.as_str().starts_with('/'))?;
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
}

/// An error and its causes in one line, a cause that its error repeats once. None of them knows a URL.
pub(crate) fn causes(mut error: Option<&(dyn Error + 'static)>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_base_url_is_refused_with_its_host() {
        for url in
            ["", "127.0.0.1:5000", "ftp://r.example", "http://user:pass@r.example", "http://r.example/?a=b"]
        {
            let refusal = Client::new(&ClientOptions {
                user_agent: "test/1".into(),
                hosts: [("r.example".to_owned(), url.to_owned())].into(),
                deadline: Duration::from_secs(1),
                blob_limit_bytes: 1,
            })
            .unwrap_err();
            assert!(matches!(refusal, ClientSetupFailure::Host { .. }), "{url}: {refusal}");
        }
    }

    #[test]
    fn a_location_is_a_url_or_a_path_of_the_same_host() {
        let from: Uri = "https://r.example:5000/v2/a/blobs/x".parse().unwrap();
        for (text, target) in [
            ("https://oss.example/b?Signature=s", Some("https://oss.example/b?Signature=s")),
            ("/elsewhere?x=y", Some("https://r.example:5000/elsewhere?x=y")),
            ("https://user:pass@oss.example/b", None),
            ("oss.example", None),
            ("", None),
        ] {
            let headers: HeaderMap =
                [(header::LOCATION, HeaderValue::from_str(text).unwrap())].into_iter().collect();
            let found = location(&from, &headers).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), target, "{text}");
        }
        assert_eq!(location(&from, &HeaderMap::new()), None);
    }

    #[test]
    fn the_scheme_decides_which_port_is_its_own() {
        for (uri, expected) in [
            ("https://R.example:443/x", "r.example"),
            ("https://r.example:80/x", "r.example:80"),
            ("http://r.example:80", "r.example"),
            ("https://[::1]:443/", "[::1]"),
        ] {
            assert_eq!(host(&uri.parse().unwrap()), expected);
        }
    }
}
