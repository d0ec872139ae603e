//! One exchange with the API server that is not a watch: a request out, a whole answer in, within a deadline.

use std::error::Error;
use std::time::Duration;

use acr_controller::{LEASE_DEADLINE, LEASE_DURATION};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;

/// How long an operation may take: what the Lease leaves between the last moment at which its holder starts one and
/// the first at which somebody else can take it.
pub(crate) const OPERATION_DEADLINE: Duration = LEASE_DURATION.saturating_sub(LEASE_DEADLINE);

/// A complete answer.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    /// The header of the same name; only its form in seconds is used by API servers.
    pub(crate) retry_after: Option<Duration>,
    /// May hold secrets.
    pub(crate) body: Bytes,
}

/// No complete answer: what happened, in words that hold no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unanswered(pub(crate) String);

/// Sends `request` and reads the answer, whatever its status.
pub(crate) async fn exchange(
    client: &Client,
    request: Request<Vec<u8>>,
    deadline: Duration,
) -> Result<Received, Unanswered> {
    let whole = async {
        let answer = client.send(request.map(Into::into)).await.map_err(|error| unanswered(&error))?;
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| unanswered(&error))?.to_bytes();
        Ok(Received { status, retry_after, body })
    };
    match tokio::time::timeout(deadline, whole).await {
        Ok(answer) => answer,
        Err(_) => Err(Unanswered(format!("no answer within {} s", deadline.as_secs()))),
    }
}

/// Says what a failed exchange failed of. kube's words on credentials are left out: they may quote the output
/// of a credential plugin or lines of a file that holds a token.
pub(crate) fn unanswered(error: &kube::Error) -> Unanswered {
    Unanswered(match error {
        kube::Error::Auth(_) => {
            "the credentials for the API server could not be read or refreshed".to_owned()
        }
        kube::Error::Service(cause) => match cause.downcast_ref::<kube::client::AuthError>() {
            Some(_) => "the credentials for the API server could not be read or refreshed".to_owned(),
            None => chain(cause.as_ref()),
        },
        kube::Error::HyperError(cause) => chain(cause),
        kube::Error::ReadEvents(cause) => chain(cause),
        kube::Error::SerdeError(cause) => unreadable(cause),
        kube::Error::HttpError(_) | kube::Error::BuildRequest(_) => {
            "the request could not be built".to_owned()
        }
        _ => "the connection to the API server failed".to_owned(),
    })
}

/// Says where JSON went wrong without quoting it.
pub(crate) fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "is not of the expected form",
        _ => "is not JSON",
    };
    format!("the answer {what} (line {}, column {})", error.line(), error.column())
}

/// An error with its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        next = cause.source();
    }
    words
}
