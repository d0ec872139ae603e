//! Stand-ins for the webhook: as little as can answer, behind the component's own TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acr_controller::admission::WEBHOOK_PATH;
use acr_controller::names::PULL_SECRET;
use acr_credentials::UnixMillis;
use acr_server::{ServedCertificate, TlsListener, make_certificate};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::Outcome;
use crate::bench::Error;

/// Longer than any measurement.
const LIFE: Duration = Duration::from_hours(24);

/// Answer like a webhook that does nothing
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_enum)]
    answer: Answer,
    #[arg(long)]
    listen: SocketAddr,
    /// Where the certificate of the authority is written
    #[arg(long)]
    authority: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Answer {
    /// Nothing, with status 200
    Empty,
    /// That the ServiceAccount may be as it is: always the same but for the uid of the request, on which an API server
    /// insists
    Leave,
    /// The patch that appends the name of the pull secret to a list that is not there, whatever is asked
    Constant,
}

impl Answer {
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Leave => "leave",
            Self::Constant => "constant",
        }
    }
}

/// Serves until it is killed.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let served = tokio::task::spawn_blocking(move || {
        // One thread, as the component's own webhook has.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(serve(&arguments))
    });
    served.await?.map_err(|error| error.to_string())?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn serve(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let made = make_certificate(&arguments.listen.ip().to_string(), now.minus(LIFE), now.plus(LIFE))?;
    let certificate = ServedCertificate::default();
    certificate.replace(made.chain.as_bytes(), made.key.expose_secret().as_bytes())?;
    let listener = TlsListener::new(TcpListener::bind(arguments.listen).await?, certificate)?;
    // It is there when it can be asked.
    write_whole(&arguments.authority, &made.authority)?;
    let router = match arguments.answer {
        Answer::Empty => Router::new().route(WEBHOOK_PATH, post(|_: Bytes| async {})),
        Answer::Leave => {
            Router::new().route(WEBHOOK_PATH, post(|body: Bytes| async move { answered(&body, "") }))
        }
        Answer::Constant => {
            let patch = STANDARD.encode(format!(
                r#"[{{"op":"add","path":"/imagePullSecrets","value":[{{"name":"{PULL_SECRET}"}}]}}]"#
            ));
            let patch: Arc<str> = format!(r#","patchType":"JSONPatch","patch":"{patch}""#).into();
            let answer = move |body: Bytes| {
                let patch = patch.clone();
                async move { answered(&body, &patch) }
            };
            Router::new().route(WEBHOOK_PATH, post(answer))
        }
    };
    Ok(axum::serve(listener, router).await?)
}

/// Writes a file that others read at any time.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}

fn answered(body: &Bytes, patch: &str) -> Response {
    let Some(uid) = uid(body) else { return StatusCode::BAD_REQUEST.into_response() };
    let answer = [
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"allowed":true,"uid":""#,
        uid,
        "\"",
        patch,
        "}}",
    ];
    ([(CONTENT_TYPE, "application/json")], answer.concat()).into_response()
}

/// The first `uid` of a review, which an API server writes before everything else that is called so.
fn uid(review: &[u8]) -> Option<&str> {
    const KEY: &[u8] = br#""uid":""#;
    let at = review.windows(KEY.len()).position(|window| window == KEY)?;
    let rest = review.get(at + KEY.len()..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_uid_is_that_of_the_request() {
        let review =
            br#"{"kind":"AdmissionReview","request":{"uid":"a-1","object":{"metadata":{"uid":"b"}}}}"#;
        assert_eq!(uid(review), Some("a-1"));
        assert_eq!(uid(br#"{"uid":"a"#), None);
        assert_eq!(uid(b"{}"), None);
    }
}
