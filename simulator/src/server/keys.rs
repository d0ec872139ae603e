//! The public keys of OIDC issuers, from files and addresses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::description::{Description, Jwks, KeySource, KeyUrl};

/// How long an issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set in bytes.
const MAX_SET: usize = 1 << 20;

/// Why a key set cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file that is needed cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file with certificates or a token is not usable.
    #[error("{} does not hold {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The address is not a URL.
    #[error("{address:?} is not an http or https URL")]
    Address {
        /// The address as given.
        address: String,
    },
    /// The address did not answer.
    #[error("{address} did not answer: {cause}")]
    NoAnswer {
        /// The address.
        address: String,
        /// What happened, with its causes.
        cause: String,
    },
    /// The address answered something other than success.
    #[error("{address} answered {status}; is a token needed (tokenFile)?")]
    Refused {
        /// The address.
        address: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// What was found is not a key set.
    #[error("{place} does not hold a JSON Web Key Set: {source}")]
    NotAKeySet {
        /// File or address.
        place: String,
        /// Where the text is wrong.
        source: serde_json::Error,
    },
}

/// Every OIDC provider by ARN with the source of its keys.
pub(super) fn sources(description: &Description) -> impl Iterator<Item = (String, &KeySource)> {
    description.accounts.iter().flat_map(|account| {
        account.oidc_providers.iter().map(|provider| (account.provider_arn(&provider.name), &provider.keys))
    })
}

/// The address that has the keys of a provider; `None` for a provider whose keys come from elsewhere.
pub(super) fn url_of(description: &Description, provider: &str) -> Option<KeyUrl> {
    let (_, source) = sources(description).find(|(arn, _)| arn == provider)?;
    match source {
        KeySource::Url(url) => Some(url.clone()),
        KeySource::Given | KeySource::Jwks(_) | KeySource::File(_) => None,
    }
}

/// Reads a key set from a file.
pub(super) async fn read(path: &Path) -> Result<Jwks, KeyError> {
    let text = read_text(path).await?;
    serde_json::from_str(&text)
        .map_err(|source| KeyError::NotAKeySet { place: path.display().to_string(), source })
}

/// Asks an address for a key set.
pub(super) async fn fetch(url: &KeyUrl, folder: &Path) -> Result<Jwks, KeyError> {
    let address = &url.address;
    let uri: Uri = address.parse().map_err(|_| KeyError::Address { address: address.clone() })?;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(url.ca_file.as_deref().map(|file| folder.join(file))).await?)
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = http::Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    if let Some(file) = &url.token_file {
        request.headers_mut().insert("authorization", bearer(&folder.join(file)).await?);
    }
    let no_answer = |cause: String| KeyError::NoAnswer { address: address.clone(), cause };
    let conversation = async {
        let response = client.request(request).await.map_err(|error| no_answer(causes(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(KeyError::Refused { address: address.clone(), status: response.status() });
        }
        let body = Limited::new(response.into_body(), MAX_SET).collect().await;
        Ok(body.map_err(|error| no_answer(causes(&*error)))?.to_bytes())
    };
    let body = match tokio::time::timeout(TIMEOUT, conversation).await {
        Ok(body) => body?,
        Err(_) => return Err(no_answer(format!("no answer within {} s", TIMEOUT.as_secs()))),
    };
    serde_json::from_slice(&body).map_err(|source| KeyError::NotAKeySet { place: address.clone(), source })
}

/// Trusts the authorities of the file and nobody else; without a file nobody, which leaves plain HTTP.
async fn tls(ca_file: Option<PathBuf>) -> Result<ClientConfig, KeyError> {
    let roots = match ca_file {
        Some(path) => authorities(&path).await?,
        None => RootCertStore::empty(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions
        .map_err(|error| KeyError::NoAnswer { address: "TLS".to_owned(), cause: error.to_string() })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities of a PEM file.
pub(super) async fn authorities(path: &Path) -> Result<RootCertStore, KeyError> {
    let wrong = || KeyError::Content { path: path.to_owned(), expected: "PEM certificates" };
    let text = read_text(path).await?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(wrong)?;
    }
    if roots.is_empty() { Err(wrong()) } else { Ok(roots) }
}

/// The header with the bearer token of a file.
pub(super) async fn bearer(path: &Path) -> Result<HeaderValue, KeyError> {
    let wrong = || KeyError::Content { path: path.to_owned(), expected: "a bearer token" };
    let text = read_text(path).await?;
    let token = Some(text.trim()).filter(|token| !token.is_empty()).ok_or_else(wrong)?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong())?;
    header.set_sensitive(true);
    Ok(header)
}

async fn read_text(path: &Path) -> Result<String, KeyError> {
    tokio::fs::read_to_string(path).await.map_err(|source| KeyError::Read { path: path.to_owned(), source })
}

/// An error with its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.extend([": ", &cause.to_string()]);
        next = cause.source();
    }
    text
}
