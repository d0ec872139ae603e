//! The route of the webhook, and the server that serves it.

use std::future::Future;
use std::io;

use acr_controller::admission::{POD_WEBHOOK_PATH, WEBHOOK_PATH};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::review;
use crate::tls::TlsListener;

/// The largest review: an API server takes objects of up to 3 MiB, and sends the old one along with the new.
const LARGEST_REVIEW_BYTES: usize = 7 << 20;
const JSON: &str = "application/json";

/// The routes of the webhook. Everything else is 404, another method 405.
pub fn webhook_router() -> Router {
    Router::new()
        .route(WEBHOOK_PATH, post(review))
        .route(POD_WEBHOOK_PATH, post(review))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(LARGEST_REVIEW_BYTES))
}

/// Serves the webhook until `stop` completes and the requests under way are answered.
pub async fn serve_webhook(
    listener: TlsListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, webhook_router()).with_graceful_shutdown(stop).await
}

async fn review(headers: HeaderMap, body: Bytes) -> Response {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content.split(';').next().map(str::trim) != Some(JSON) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {JSON}\n")).into_response();
    }
    match review::answer(&body) {
        Ok(answer) => ([(CONTENT_TYPE, JSON)], answer).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Method, Request};
    use tower::ServiceExt;

    use super::*;

    async fn status(method: Method, path: &str, content: &str, body: impl Into<Body>) -> u16 {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, content);
        let answer = webhook_router().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn what_is_no_review_is_refused_by_its_kind() {
        assert_eq!(status(Method::GET, WEBHOOK_PATH, JSON, "").await, 405);
        assert_eq!(status(Method::POST, "/", JSON, "{}").await, 404);
        assert_eq!(status(Method::POST, "/serviceaccounts/", JSON, "{}").await, 404);
        assert_eq!(status(Method::POST, WEBHOOK_PATH, "text/plain", "{}").await, 415);
        assert_eq!(status(Method::POST, WEBHOOK_PATH, JSON, "{}").await, 400);
        assert_eq!(status(Method::POST, WEBHOOK_PATH, JSON, vec![b' '; LARGEST_REVIEW_BYTES + 1]).await, 413);
    }

    #[tokio::test]
    async fn a_review_is_answered_whatever_the_charset() {
        let review = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}"#;
        for content in [JSON, "application/json; charset=utf-8"] {
            assert_eq!(status(Method::POST, WEBHOOK_PATH, content, review).await, 200, "{content}");
        }
    }
}
