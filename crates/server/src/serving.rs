//! Connections of strangers: how many are open at once, how much each may buffer, and how long it may take.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;
use tracing::debug;

/// How long a connection may go without a whole head of a request. API servers close theirs after 90 s without one, and
/// must be the first to: what they send on one that is just being closed is lost.
const IDLE_LIMIT: Duration = Duration::from_secs(100);
/// How long a peer may take nothing of its answers. An API server waits at most 30 s for one.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// What of a connection is buffered: room for a record of TLS, and for a head many times.
const BUFFER_BYTES: usize = 16 << 10;

/// Serves up to `connections` at once, of HTTP 1, until `stop` completes and the requests under way are answered.
/// Further connections wait until one ends.
pub(crate) async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
) {
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT).max_buf_size(BUFFER_BYTES);
    let slots = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepting = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await.0)
        };
        let (slot, stream) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepting => accepted,
        };
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(WRITE_LIMIT));
        let stream = TokioIo::new(Box::pin(stream));
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(protocol.serve_connection(stream, service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("a connection ended: {error}");
            }
            drop(slot);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

#[cfg(test)]
mod tests;
