use std::sync::atomic::{AtomicUsize, Ordering};

use acr_controller::admission::WEBHOOK_PATH;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::webhook::router;

const REVIEW: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}"#;
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n";
/// What a pipe holds, in place of the kernel.
const PIPE_BYTES: usize = 4 << 10;
/// With the time paused it passes as soon as everybody waits.
const A_WHILE: Duration = Duration::from_secs(1);
/// Longer than any limit: who waits for that waits in vain.
const TOO_LONG: Duration = Duration::from_secs(1000);

struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A webhook without TLS.
struct Webhook {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Webhook {
    fn of(connections: usize) -> Self {
        let (pipes, listener) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(Pipes(listener), router(), connections, stopped).await;
        });
        Self { pipes, stop, serving }
    }

    fn connect(&self) -> Client {
        let (ours, theirs) = duplex(PIPE_BYTES);
        self.pipes.send(theirs).unwrap();
        Client(ours)
    }
}

struct Client(DuplexStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a review of so many bytes but for the last one, and counts those that somebody took.
    async fn all_but_one(mut self, head: String, bytes: usize, taken: Arc<AtomicUsize>) {
        self.send(&head).await;
        let piece = [b' '; 1 << 10];
        for _ in 0..(bytes - 1) / piece.len() {
            self.0.write_all(&piece).await.unwrap();
            taken.fetch_add(piece.len(), Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    }

    /// The status of the next answer, which must be all that is there.
    async fn status(&mut self) -> u16 {
        let mut answer = vec![0; 4 << 10];
        let length = timeout(TOO_LONG, self.0.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
    }

    async fn asked(&mut self, text: &str) -> u16 {
        self.send(text).await;
        self.status().await
    }

    /// Completes when the other side has closed the connection.
    async fn closed(&mut self) {
        let closed = async { while self.0.read(&mut [0; 4 << 10]).await.unwrap_or(0) > 0 {} };
        timeout(TOO_LONG, closed).await.unwrap();
    }
}

fn head(length: usize) -> String {
    format!(
        "POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn small_review() -> String {
    head(REVIEW.len()) + REVIEW
}

/// One whose room has to be asked for.
fn large_review() -> String {
    let length = 1 << 20;
    head(length) + REVIEW + &" ".repeat(length - REVIEW.len())
}

/// Begins reviews of 7 MiB, of which half do not say their length, and does not end them.
fn besiege(webhook: &Webhook, connections: usize) -> Arc<AtomicUsize> {
    let taken = Arc::new(AtomicUsize::new(0));
    for number in 0..connections {
        let bytes = 7 << 20;
        let head = if number % 2 == 0 {
            head(bytes)
        } else {
            let chunked =
                head(bytes).replace(&format!("Content-Length: {bytes}"), "Transfer-Encoding: chunked");
            format!("{chunked}{bytes:x}\r\n")
        };
        tokio::spawn(webhook.connect().all_but_one(head, bytes, taken.clone()));
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn of_large_reviews_that_do_not_end_no_more_is_taken_in_than_their_share() {
    let webhook = Webhook::of(40);
    let taken = besiege(&webhook, 20);
    sleep(A_WHILE).await;
    let share = 21 << 20;
    // A pipe is full, and so are the buffers of a connection, of two frames at most.
    let under_way = 20 * (PIPE_BYTES + 3 * BUFFER_BYTES);
    let taken = taken.load(Ordering::Relaxed);
    assert!((share - under_way..=share + under_way).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn while_large_reviews_do_not_end_small_ones_are_answered_at_once_and_large_ones_when_their_time_is_over()
 {
    let webhook = Webhook::of(40);
    besiege(&webhook, 3);
    sleep(A_WHILE).await;
    let begun = Instant::now();
    assert_eq!(webhook.connect().asked(&small_review()).await, 200);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let mut large = webhook.connect();
    assert_eq!(large.asked(&large_review()).await, 200);
    assert_eq!(begun.elapsed(), Duration::from_secs(29));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_a_review_is_told_so_after_30_seconds_and_the_connection_closed() {
    let webhook = Webhook::of(1);
    for begun in [head(REVIEW.len()), head(7 << 20)] {
        let begin = Instant::now();
        let mut client = webhook.connect();
        assert_eq!(client.asked(&begun).await, 408);
        client.closed().await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_above_the_bound_waits_and_is_served_when_another_one_ends() {
    let webhook = Webhook::of(2);
    let (mut first, mut second) = (webhook.connect(), webhook.connect());
    assert_eq!((first.asked(HEALTH).await, second.asked(HEALTH).await), (200, 200));
    let mut third = webhook.connect();
    third.send(HEALTH).await;
    assert!(timeout(A_WHILE, third.status()).await.is_err());
    assert_eq!(second.asked(HEALTH).await, 200, "those that are open go on");
    drop(first);
    assert_eq!(third.status().await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_whole_head_is_closed_after_100_seconds() {
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost:"] {
        let webhook = Webhook::of(1);
        let mut client = webhook.connect();
        assert_eq!(client.asked(HEALTH).await, 200);
        sleep(Duration::from_secs(99)).await;
        assert_eq!(client.asked(HEALTH).await, 200, "API servers close theirs after 90 s");
        let begin = Instant::now();
        client.send(begun).await;
        client.closed().await;
        assert_eq!(begin.elapsed().as_secs(), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_answers_is_let_go_after_30_seconds() {
    let webhook = Webhook::of(1);
    let mut client = webhook.connect();
    let begin = Instant::now();
    let asking = async { while client.0.write_all(HEALTH.as_bytes()).await.is_ok() {} };
    timeout(TOO_LONG, asking).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_answers_what_is_under_way_and_ends() {
    let webhook = Webhook::of(10);
    let (mut idle, mut unused, mut under_way) = (webhook.connect(), webhook.connect(), webhook.connect());
    assert_eq!(idle.asked(HEALTH).await, 200);
    let review = small_review();
    let (begin, rest) = review.split_at(review.len() - 20);
    under_way.send(begin).await;
    sleep(A_WHILE).await;
    let told = Instant::now();
    webhook.stop.send(()).unwrap();
    idle.closed().await;
    unused.closed().await;
    timeout(TOO_LONG, webhook.pipes.closed()).await.unwrap();
    assert_eq!(told.elapsed(), Duration::ZERO, "nobody is taken on");
    assert!(!webhook.serving.is_finished());
    assert_eq!(under_way.asked(rest).await, 200);
    under_way.closed().await;
    webhook.serving.await.unwrap();
    assert_eq!(told.elapsed(), Duration::ZERO);
}
