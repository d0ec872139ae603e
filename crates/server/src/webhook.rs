//! The routes of the webhook, and what it takes in at once.

use std::sync::Arc;
use std::time::Duration;

use acr_controller::admission::{POD_WEBHOOK_PATH, WEBHOOK_PATH};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::review;
use crate::serving::serve;
use crate::tls::TlsListener;

// Whoever reaches the port must not take the memory of the pod (128 MiB, by the chart), of which the rest of the program
// has up to 30. What is left for 200 connections and 33 on their way: 23 MiB for what the kernel holds of them, 20 for the
// buffers of TLS and HTTP, 6 for their small reviews; then 21 for large ones, and 20 while one of these is parsed.

/// Connections at once. Each API server keeps up to 25 for 90 s: eight of them do not wait for one another.
const CONNECTIONS: usize = 200;
/// The largest review: an API server takes objects of up to 3 MiB, and sends the old one along with the new.
const LARGEST_REVIEW_BYTES: usize = 7 << 20;
/// A review that each connection may send whatever others do. Those about ServiceAccounts have a few KiB.
const SMALL_REVIEW_BYTES: usize = 32 << 10;
/// What is taken in of larger reviews at once: three of the largest.
const LARGE_REVIEWS_KIB: usize = 3 * (LARGEST_REVIEW_BYTES >> 10);
/// How long a review may take to arrive and be answered. An API server waits at most 30 s.
const REVIEW_LIMIT: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

/// Serves the webhook until `stop` completes and the requests under way are answered.
pub async fn serve_webhook(listener: TlsListener, stop: impl Future<Output = ()>) {
    serve(listener, router(), CONNECTIONS, stop).await;
}

/// The routes of the webhook. Everything else is 404, another method 405.
pub(crate) fn router() -> Router {
    Router::new()
        .route(WEBHOOK_PATH, post(review))
        .route(POD_WEBHOOK_PATH, post(review))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::new(Semaphore::new(LARGE_REVIEWS_KIB)))
}

async fn review(State(large): State<Arc<Semaphore>>, headers: HeaderMap, body: Body) -> Response {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content.split(';').next().map(str::trim) != Some(JSON) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {JSON}\n")).into_response();
    }
    let refused = |code: StatusCode, why: &str| (code, format!("{why}\n")).into_response();
    match timeout(REVIEW_LIMIT, taken_in(body, &large)).await {
        Ok(Ok(review)) => match review::answer(&review.text) {
            Ok(answer) => ([(CONTENT_TYPE, JSON)], answer).into_response(),
            Err(error) => refused(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        Ok(Err(NotTakenIn::TooLarge)) => refused(StatusCode::PAYLOAD_TOO_LARGE, "more than 7 MiB"),
        Ok(Err(NotTakenIn::Broken)) => refused(StatusCode::BAD_REQUEST, "the body ends before its time"),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the review did not arrive within 30 s"),
    }
}

/// A review, and the share of what large ones may take together.
struct TakenIn<'a> {
    text: Vec<u8>,
    _share: Option<SemaphorePermit<'a>>,
}

enum NotTakenIn {
    TooLarge,
    Broken,
}

/// Reads a review, once there is room for all of it.
async fn taken_in(mut body: Body, large: &Semaphore) -> Result<TakenIn<'_>, NotTakenIn> {
    // One that does not say its length may have any.
    let room = body.size_hint().upper().map_or(Ok(LARGEST_REVIEW_BYTES), usize::try_from);
    let room = room.ok().filter(|room| *room <= LARGEST_REVIEW_BYTES).ok_or(NotTakenIn::TooLarge)?;
    let share = if room > SMALL_REVIEW_BYTES {
        let kib = u32::try_from(room.div_ceil(1 << 10)).map_err(|_| NotTakenIn::TooLarge)?;
        Some(large.acquire_many(kib).await.map_err(|_| NotTakenIn::Broken)?)
    } else {
        None
    };
    // Frames are copied, not collected: each keeps the buffer of 8 KiB that it was read into, even if it is of one byte.
    let mut text = Vec::with_capacity(room);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NotTakenIn::Broken)?.into_data() else { continue };
        if data.len() > room.saturating_sub(text.len()) {
            return Err(NotTakenIn::TooLarge);
        }
        text.extend_from_slice(&data);
    }
    Ok(TakenIn { text, _share: share })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Bytes;
    use axum::http::{Method, Request};
    use futures::stream;
    use tower::ServiceExt;

    use super::*;

    async fn status(method: Method, path: &str, content: &str, body: impl Into<Body>) -> u16 {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, content);
        let answer = router().oneshot(request.body(body.into()).unwrap()).await.unwrap();
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

    /// What a frame of a body is in: all of the buffer that it was read into.
    struct Buffer(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            b" "
        }
    }

    impl Drop for Buffer {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A body that does not say its length, in frames of one byte; and how many of their buffers were there at once.
    fn in_single_bytes(length: usize) -> (Body, Arc<AtomicUsize>) {
        let (there, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let told = most.clone();
        let frames = (0..length).map(move |_| {
            most.fetch_max(there.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_owner(Buffer(there.clone())))
        });
        (Body::from_stream(stream::iter(frames)), told)
    }

    #[tokio::test]
    async fn a_body_of_single_bytes_keeps_no_buffers() {
        let (body, most) = in_single_bytes(1000);
        assert_eq!(status(Method::POST, WEBHOOK_PATH, JSON, body).await, 400);
        assert_eq!(most.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn more_than_the_largest_review_is_refused_where_its_length_was_not_said() {
        let (body, _) = in_single_bytes(LARGEST_REVIEW_BYTES + 1);
        assert_eq!(status(Method::POST, WEBHOOK_PATH, JSON, body).await, 413);
    }
}
