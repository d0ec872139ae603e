//! One host of the cloud on a local port: HTTP in and out, delays and cut connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Event, Shared, keys};
use crate::cloud::Outcome;
use crate::mutation::Mutation;

/// Largest request body in bytes.
const MAX_BODY: usize = 1 << 20;

/// Makes the server drop the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct CutOff;

/// Answers on a listener until told to stop; then open connections are cut.
pub(super) async fn serve(
    listener: TcpListener,
    host: String,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let host: Arc<str> = host.into();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // Either told to stop, or the simulator was dropped.
            _ = stopped.changed() => break,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, or a peer that left: the next connection may work.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (host, shared) = (host.clone(), shared.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(host.clone(), shared.clone(), request));
            // An error here is the peer's, or a connection that was cut on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
    connections.shutdown().await;
}

async fn answer(
    host: Arc<str>,
    shared: Arc<Shared>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, CutOff> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(status(StatusCode::PAYLOAD_TOO_LARGE));
    };
    // What is plain HTTP here stands for HTTPS; only the metadata service is plain in the real cloud as well.
    let scheme = if &*host == "100.100.100.200" { "http" } else { "https" };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = Uri::builder().scheme(scheme).authority(&*host).path_and_query(path).build() else {
        return Ok(status(StatusCode::BAD_REQUEST));
    };
    parts.uri = uri;
    let request = http::Request::from_parts(parts, body.to_bytes());

    let wanted = shared.cloud().wants_keys(&request);
    if let Some(provider) = wanted {
        hand_over_keys(&shared, provider).await;
    }
    let (response, record) = {
        let mut cloud = shared.cloud();
        let response = cloud.call(Timestamp::now(), request);
        let record = cloud.calls().last().cloned();
        (response, record)
    };
    // A host that does not exist (any more) leaves no record.
    if let (Some(record), false) = (&record, matches!(response.outcome, Outcome::NoSuchHost)) {
        shared.tell(Event::Call(record));
    }
    tokio::time::sleep(response.delay).await;
    match response.outcome {
        Outcome::Answered(response) => Ok(response.map(Full::new)),
        Outcome::Cut | Outcome::NoSuchHost => Err(CutOff),
    }
}

/// Gets the keys of an issuer from its address. What was known before stays when that fails.
async fn hand_over_keys(shared: &Shared, provider: String) {
    let Some(source) = keys::url_of(shared.cloud().description(), &provider) else { return };
    match keys::fetch(&source, &shared.folder).await {
        // The provider exists: it was found a moment ago, and providers cannot be removed.
        Ok(jwks) => {
            let _ = shared.cloud().mutate(Mutation::SetIssuerKeys { provider, jwks: Some(jwks) });
        }
        Err(error) => shared.tell(Event::KeysFailed { provider: &provider, error: &error }),
    }
}

fn status(status: StatusCode) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    response
}
