//! The client against servers of a few lines that answer, stall, cut and overflow.

use std::time::Instant;

use acr_credentials::{AccessKey, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

const AMPLE: Duration = Duration::from_secs(30);

fn client() -> Client {
    Client::new(&ClientOptions {
        user_agent: "acr-credential-helper/test".into(),
        ..ClientOptions::default()
    })
    .unwrap()
}

fn login(endpoints: &[&str]) -> Call {
    Call::GetAuthorizationToken {
        endpoints: endpoints.iter().map(|url| (*url).to_owned()).collect(),
        instance: "cri-1".into(),
        key: AccessKey {
            id: "MARKER-id".into(),
            secret: "MARKER-secret".into(),
            security_token: Some("MARKER-token".into()),
        },
    }
}

fn now_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn login_answer() -> String {
    let expires = now_millis() + 3_600_000;
    ok(&format!(
        r#"{{"IsSuccess":true,"Code":"success","TempUsername":"cr_temp_user","AuthorizationToken":"p:w","ExpireTime":{expires}}}"#
    ))
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads requests and writes `answers`, one each, over as few connections as the client opens. Gives back the
/// requests and the number of connections.
async fn serve(answers: Vec<String>) -> (String, JoinHandle<(Vec<String>, usize)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut requests, mut connections) = (Vec::new(), 0);
        while requests.len() < answers.len() {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections += 1;
            while let Some(answer) = answers.get(requests.len()) {
                let Some(request) = read_request(&mut stream).await else { break };
                requests.push(request);
                // The client may hang up on an answer that is too long.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
        (requests, connections)
    });
    (url, server)
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(text).unwrap())
}

/// The URL of a port on which nothing listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[track_caller]
fn failure(answer: Answer) -> (FailureKind, String) {
    let failure = answer.outcome.expect_err("a failure");
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains("MARKER"), "{shown}");
    (failure.kind, failure.message)
}

#[tokio::test]
async fn a_user_agent_that_is_no_header_value_is_refused() {
    let refusal =
        Client::new(&ClientOptions { user_agent: "a\nb".into(), ..ClientOptions::default() }).unwrap_err();
    assert_eq!(refusal.to_string(), "the user agent \"a\\nb\" is no header value: use printable ASCII");
}

#[tokio::test]
async fn where_nobody_listens_the_endpoint_is_unreachable() {
    let url = nobody().await;
    let (kind, message) = failure(client().carry_out(login(&[&url]), 0, AMPLE).await);
    assert_eq!(kind, FailureKind::Unreachable { at: Barrier::Connection });
    assert!(message.starts_with(&format!("{url}: ")) && message.contains("onnection refused"), "{message}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let broken = format!("https://127.0.0.1:{port}");
    let (kind, message) = failure(client().carry_out(login(&[&broken]), 0, AMPLE).await);
    assert_eq!(kind, FailureKind::Unreachable { at: Barrier::Certificate }, "{message}");
}

#[tokio::test]
async fn the_second_endpoint_answers_where_the_first_cannot_be_reached() {
    let (url, server) = serve(vec![login_answer()]).await;
    let answer = client().carry_out(login(&[&nobody().await, &url]), 0, AMPLE).await;
    assert!(matches!(answer.outcome, Ok(Reply::Login(_))), "{answer:?}");
    let (requests, _) = server.await.unwrap();
    let authority = url.strip_prefix("http://").unwrap();
    assert!(requests[0].contains(&format!("\r\nhost: {authority}\r\n")), "{}", requests[0]);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_no_answer_and_not_tried_elsewhere() {
    let whole = login_answer();
    for cut_at in [0, 5, whole.find("\r\n\r\n").unwrap(), whole.len() - 1] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let part = whole.get(..cut_at).unwrap().to_owned();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(part.as_bytes()).await.unwrap();
            drop(stream);
            listener
        });
        let (second, untouched) = serve(vec![login_answer()]).await;
        let (kind, message) = failure(client().carry_out(login(&[&url, &second]), 0, AMPLE).await);
        assert_eq!(kind, FailureKind::NoAnswer, "cut at {cut_at}: {message}");
        assert!(!untouched.is_finished());
        server.await.unwrap();
    }
}

#[tokio::test]
async fn the_deadline_bounds_the_whole_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Half of a head, and then nothing until the client goes away.
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await.unwrap();
        read_request(&mut stream).await
    });
    let started = Instant::now();
    let answer = client().carry_out(login(&[&url]), 0, Duration::from_millis(100)).await;
    assert!(started.elapsed() >= Duration::from_millis(100));
    let (kind, message) = failure(answer);
    assert_eq!((kind, message), (FailureKind::NoAnswer, format!("{url} gave no complete answer in time")));
    assert_eq!(server.await.unwrap(), None, "the connection is given up, not kept");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_malformed() {
    let long = "x".repeat(BODY_LIMIT_BYTES + 1);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    for answer in [ok(&long), chunked] {
        let (url, _server) = serve(vec![answer]).await;
        let (kind, message) = failure(client().carry_out(login(&[&url]), 0, AMPLE).await);
        assert_eq!(kind, FailureKind::Malformed);
        assert_eq!(message, format!("{url} answers more than 1048576 bytes"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (target, untouched) = serve(vec![login_answer()]).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {target}/\r\nContent-Length: 0\r\n\r\n");
    let (url, _server) = serve(vec![redirect]).await;
    let (kind, message) = failure(client().carry_out(login(&[&url]), 0, AMPLE).await);
    assert_eq!(kind, FailureKind::Malformed, "{message}");
    assert!(!untouched.is_finished());
}

#[tokio::test]
async fn calls_share_a_connection_and_no_nonce() {
    let (url, server) = serve(vec![login_answer(), login_answer()]).await;
    let client = client();
    for _ in 0..2 {
        let (client, call) = (client.clone(), login(&[&url]));
        let answer = tokio::spawn(async move { client.carry_out(call, 0, AMPLE).await }).await.unwrap();
        assert!(answer.outcome.is_ok(), "{answer:?}");
    }
    let (requests, connections) = server.await.unwrap();
    assert_eq!(connections, 1);
    let nonce = |request: &str| {
        let line = request.lines().find(|line| line.starts_with("x-acs-signature-nonce: ")).unwrap();
        line.rsplit_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(nonce(&requests[0]).len(), 32);
    assert_ne!(nonce(&requests[0]), nonce(&requests[1]));
    assert!(requests[0].contains("user-agent: acr-credential-helper/test\r\n"), "{}", requests[0]);
    assert!(requests[0].starts_with("POST /?InstanceId=cri-1 HTTP/1.1\r\n"), "{}", requests[0]);
}

#[tokio::test]
async fn time_stamps_carry_the_offset_of_the_cloud_clock() {
    let (url, server) = serve(vec![login_answer()]).await;
    let offset = -86_400_000;
    client().carry_out(login(&[&url]), offset, AMPLE).await;
    let (requests, _) = server.await.unwrap();
    let yesterday = UnixMillis(now_millis() + offset);
    let day = |time: UnixMillis| time.to_string().split_once('T').unwrap().0.to_owned();
    let days = [day(yesterday), day(yesterday.plus_millis(-60_000))];
    let date = requests[0].lines().find_map(|line| line.strip_prefix("x-acs-date: ")).unwrap();
    assert!(days.iter().any(|day| date.starts_with(day)), "{date}");
}

#[tokio::test]
async fn the_exchanges_of_the_metadata_service_follow_one_another() {
    let answers = [
        "token",
        "role",
        r#"{"Code":"Success","AccessKeyId":"STS.1","AccessKeySecret":"s","SecurityToken":"t","Expiration":"EXPIRATION"}"#,
        "1280000000009011",
    ];
    let expiration = UnixMillis(now_millis() + 3_600_000).to_string();
    let answers = answers.map(|body| ok(&body.replace("EXPIRATION", &expiration)));
    let (url, server) = serve(answers.to_vec()).await;
    let answer = client().carry_out(Call::WorkerRole { endpoints: vec![url] }, 0, AMPLE).await;
    assert!(matches!(answer.outcome, Ok(Reply::Credentials { .. })), "{answer:?}");
    let (requests, connections) = server.await.unwrap();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "PUT /latest/api/token HTTP/1.1",
            "GET /latest/meta-data/ram/security-credentials/ HTTP/1.1",
            "GET /latest/meta-data/ram/security-credentials/role HTTP/1.1",
            "GET /latest/meta-data/owner-account-id HTTP/1.1",
        ]
    );
    assert_eq!(connections, 1);
}
