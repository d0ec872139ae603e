//! Calls through a proxy of a few lines: which of them take it, what it is told, and what its refusals come to.

use std::net::SocketAddr;

use acr_credentials::{AccessKey, Barrier, Call, CallFailure, FailureKind, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::{Client, ClientOptions};

/// A server that answers every request with a login, until the test ends.
async fn registry_api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if head(&mut stream).await.is_some() {
                let expires = jiff::Timestamp::now().as_millisecond() + 3_600_000;
                let body = format!(
                    r#"{{"IsSuccess":true,"TempUsername":"u","AuthorizationToken":"p:w","ExpireTime":{expires}}}"#
                );
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                // The client may be gone already.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    address
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(text).ok()
}

/// A proxy that answers every CONNECT with `status` and, where that is a success, leads to `target` whatever was asked
/// for. Gives its address and what it was told.
async fn proxy(status: &'static str, target: SocketAddr) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(head) = head(&mut stream).await else { continue };
            let _ = tell.send(head);
            let answer = format!("HTTP/1.1 {status}\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() || !status.starts_with("200") {
                continue;
            }
            let mut onward = TcpStream::connect(target).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut onward).await });
        }
    });
    (address, told)
}

async fn ask(rules: ProxyRules, endpoints: &[&str]) -> Result<Reply, CallFailure> {
    let options = ClientOptions { user_agent: "test/1".into(), proxy: rules, ..ClientOptions::default() };
    let call = Call::GetAuthorizationToken {
        endpoints: endpoints.iter().map(|url| (*url).to_owned()).collect(),
        instance: "cri-1".into(),
        key: AccessKey { id: "MARKER-id".into(), secret: "MARKER-secret".into(), security_token: None },
    };
    let client = Client::new(&options).unwrap();
    client.carry_out(call, 0, Duration::from_secs(20)).await.outcome
}

#[tokio::test]
async fn a_proxy_that_refuses_is_an_endpoint_that_cannot_be_reached_and_tells_no_password() {
    let api = registry_api().await;
    for (status, told) in
        [("407 Proxy Authentication Required", "authorization required"), ("502 Bad Gateway", "unsuccessful")]
    {
        let (proxy, _) = proxy(status, api).await;
        let rules = ProxyRules::new("", &format!("http://user:MARKER@{proxy}"), "");
        assert!(!format!("{rules:?}").contains("MARKER"));
        let failure = ask(rules, &["http://cr.example"]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable { at: Barrier::Proxy }, "{failure}");
        assert!(failure.message.contains("the proxy gave no connection"), "{failure}");
        assert!(failure.message.contains(told) && !failure.to_string().contains("MARKER"), "{failure}");
    }
    let rules = ProxyRules::new("", "socks5://127.0.0.1:1080", "");
    let failure = ask(rules, &["http://cr.example"]).await.unwrap_err();
    assert!(failure.message.contains("no http:// URL"), "{failure}");
}

#[tokio::test]
async fn the_next_endpoint_is_tried_where_the_proxy_does_not_reach_the_first() {
    let api = registry_api().await;
    let (proxy, mut told) = proxy("502 Bad Gateway", api).await;
    let rules = ProxyRules::new("", &format!("http://{proxy}"), "127.0.0.1");
    let straight = format!("http://{api}");
    assert!(matches!(ask(rules, &["http://cr-vpc.example", &straight]).await, Ok(Reply::Login(_))));
    assert!(told.recv().await.unwrap().starts_with("CONNECT cr-vpc.example:80 "));
    assert!(told.try_recv().is_err(), "the second endpoint is excepted from the proxy");
}

#[tokio::test]
async fn a_proxy_that_hangs_on_one_endpoint_leaves_time_for_the_next() {
    let api = registry_api().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rules = ProxyRules::new("", &format!("http://{}", listener.local_addr().unwrap()), "127.0.0.1");
    // Connections are accepted by the kernel, and nobody answers.
    let begun = tokio::time::Instant::now();
    let straight = format!("http://{api}");
    assert!(matches!(ask(rules, &["http://cr-vpc.example", &straight]).await, Ok(Reply::Login(_))));
    assert!(begun.elapsed() >= REACH_TIMEOUT);
}

#[tokio::test]
async fn a_proxy_is_asked_by_name_with_its_credential_and_hosts_that_are_excepted_are_not() {
    let api = registry_api().await;
    let (proxy, mut told) = proxy("200 Connection established", api).await;
    let rules = |no: &str| ProxyRules::new("", &format!("http://user:pass@{proxy}"), no);
    // The name does not resolve here: only the proxy knows it.
    let url = format!("http://cr.example:{}", api.port());
    assert!(matches!(ask(rules("other.example"), &[&url]).await, Ok(Reply::Login(_))));
    let head = told.recv().await.unwrap();
    assert!(head.starts_with(&format!("CONNECT cr.example:{} HTTP/1.1\r\n", api.port())), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
    assert!(!head.contains("MARKER"), "{head}");
    let failure = ask(rules("example"), &[&url]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable { at: Barrier::Name });
    assert!(told.try_recv().is_err(), "an excepted domain is not asked of the proxy");
}

#[test]
fn https_and_http_have_a_proxy_each_and_the_metadata_service_may_be_excepted_by_network() {
    let rules = ProxyRules::new("http://secure:3128", "http://plain:3128", "100.100.100.0/24,.internal");
    let proxy = |url: &'static str| {
        rules.proxy_for(&Uri::from_static(url)).map(|proxy| proxy.uri().host().unwrap().to_owned())
    };
    assert_eq!(proxy("https://sts.aliyuncs.com").as_deref(), Some("secure"));
    assert_eq!(proxy("http://sts.aliyuncs.com").as_deref(), Some("plain"));
    assert_eq!(proxy("http://100.100.100.200"), None);
    assert_eq!(proxy("https://sts.corp.internal"), None);
    assert!(ProxyRules::default().proxy_for(&Uri::from_static("https://sts.aliyuncs.com")).is_none());
    assert!(ProxyRules::new("", "", "").proxy_for(&Uri::from_static("https://sts.aliyuncs.com")).is_none());
}

#[test]
fn a_tunnel_names_the_port_that_the_scheme_implies() {
    for (url, port) in
        [("https://a.example", 443), ("http://a.example", 80), ("https://a.example:8443", 8443)]
    {
        assert_eq!(with_port(Uri::from_static(url)).unwrap().port_u16(), Some(port), "{url}");
    }
    assert_eq!(with_port(Uri::from_static("https://[::1]")).unwrap().authority().unwrap(), "[::1]:443");
}

#[test]
fn what_is_no_proxy_is_told_from_one() {
    for good in ["http://127.0.0.1:3128", "proxy.example:3128", "http://user:MARKER@proxy.example"] {
        assert!(is_proxy(good), "{good}");
    }
    for bad in [
        "http://user:MARKER@@p:1x",
        "ftp://proxy.example",
        "http://",
        "http://a b",
        "https://proxy.example",
        "socks5://127.0.0.1:1080",
    ] {
        assert!(!is_proxy(bad), "{bad}");
    }
}
