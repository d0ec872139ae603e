//! The routes, and the server that serves them.

use std::fmt::Write;
use std::future::Future;
use std::io;

use acr_controller::status::Status;
use acr_credentials::UnixMillis;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::document::{Document, severity};
use crate::listening::Listening;
use crate::metrics::Counters;
use crate::snapshot::Snapshots;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const STUCK: &str = "the main loop does not answer\n";

/// What is served.
#[derive(Clone, Debug)]
pub struct Application {
    /// Where snapshots come from.
    pub snapshots: Snapshots,
    /// What is counted.
    pub counters: Counters,
    /// Whether the webhook listens, where this process serves it.
    pub webhook: Listening,
    /// The version of the program.
    pub version: &'static str,
}

impl Application {
    /// The routes: `/healthz`, `/readyz`, `/metrics` and `/status`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(health))
            .route("/readyz", get(readiness))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .with_state(self)
    }
}

/// Serves until `stop` completes and the requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    application: Application,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, application.router()).with_graceful_shutdown(stop).await
}

/// Whether the process does its work: the main loop answers.
async fn health(State(application): State<Application>) -> Response {
    match application.snapshots.take().await {
        Some(_) => text(StatusCode::OK, "ok\n".to_owned()),
        None => stuck(),
    }
}

/// Whether the process knows the cluster. A configuration that is missing or broken does not make it unready:
/// a restart would mend nothing, and what was accepted before stays in force.
async fn readiness(State(application): State<Application>) -> Response {
    let Some(status) = application.snapshots.take().await else { return stuck() };
    // A webhook without its certificate, or behind a port that somebody else has, must not be asked.
    let listens = application.webhook.now();
    let ready = status.listed && status.certificate.is_none_or(|certificate| certificate && listens);
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(code, readiness_text(&status, listens))
}

fn readiness_text(status: &Status, listens: bool) -> String {
    let mut lines = String::new();
    lines.push_str(if status.listed {
        "watches: all listed\n"
    } else {
        "watches: not all listed yet; the log names the one that is refused or cut\n"
    });
    lines.push_str(if status.configured {
        "configuration: accepted\n"
    } else {
        "configuration: none accepted yet\n"
    });
    lines.push_str(match status.certificate {
        None => "",
        Some(true) if listens => "webhook: it listens, and its certificate is loaded\n",
        Some(true) => "webhook: does not listen; the log says why\n",
        Some(false) => "webhook: waits for its certificate, which whoever holds the Lease makes\n",
    });
    // Writing to memory cannot fail.
    let _ = match (status.leading, &status.holder) {
        (true, _) => writeln!(lines, "lease: held by this process"),
        (false, Some(holder)) => writeln!(lines, "lease: held by {holder}, this process only observes"),
        (false, None) => writeln!(lines, "lease: held by nobody yet"),
    };
    for finding in &status.findings {
        let _ = writeln!(lines, "{} {}: {}", severity(finding.error), finding.code, finding.message);
    }
    lines
}

async fn metrics(State(application): State<Application>) -> Response {
    let Some(status) = application.snapshots.take().await else { return stuck() };
    let body = application.counters.text(&status, now(), application.version);
    ([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], body).into_response()
}

async fn status(State(application): State<Application>) -> Response {
    let Some(status) = application.snapshots.take().await else { return stuck() };
    match serde_json::to_string(&Document::of(&status, now())) {
        Ok(body) => ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response(),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn stuck() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, STUCK.to_owned())
}

fn text(code: StatusCode, body: String) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (code, headers, body).into_response()
}

fn now() -> UnixMillis {
    UnixMillis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests;
