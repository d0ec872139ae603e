//! Pulls from a registry, a token endpoint and a store of blobs that live in one small server.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acr_credentials::UnixMillis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{ClientOptions, PullStep};

const REGISTRY: &str = "acme-registry.cn-hangzhou.cr.aliyuncs.com";
const REALM: &str = "dockerauth.cn-hangzhou.aliyuncs.com";
const STORE: &str = "oss.example";
/// `cr_temp_user:MARKER-password`.
const BASIC: &str = "Basic Y3JfdGVtcF91c2VyOk1BUktFUi1wYXNzd29yZA==";
const BEARER: &str = "Bearer MARKER-bearer";

#[derive(Clone, Debug)]
struct Asked {
    host: String,
    path: String,
    authorization: Option<String>,
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: Vec::new(), body: body.into() }
}

fn with(mut reply: Reply, name: &'static str, value: impl Into<String>) -> Reply {
    reply.headers.push((name, value.into()));
    reply
}

type Handler = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// A client whose hosts all live in one server, which answers by `special` and else as a registry with one
/// private image does.
async fn site(
    special: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> (Client, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::new()));
    let (seen, special): (_, Arc<Handler>) = (Arc::clone(&log), Arc::new(special));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, Arc::clone(&seen), Arc::clone(&special)));
        }
    });
    let hosts = [REGISTRY, REALM, STORE].map(|host| (host.to_owned(), url.clone()));
    let options = ClientOptions {
        user_agent: "test/1".into(),
        hosts: hosts.into(),
        deadline: Duration::from_secs(30),
        blob_limit_bytes: 100,
    };
    (Client::new(&options).unwrap(), log)
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<Asked>>>, special: Arc<Handler>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        text.push(byte);
    }
    let text = String::from_utf8(text).unwrap();
    let header = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
    };
    let asked = Asked {
        host: header("host").unwrap(),
        path: text.split(' ').nth(1).unwrap().to_owned(),
        authorization: header("authorization"),
    };
    let reply = special(&asked).unwrap_or_else(|| ordinary(&asked));
    seen.lock().unwrap().push(asked);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !reply.headers.iter().any(|(name, _)| *name == "Content-Length") {
        write!(head, "Content-Length: {}\r\n", reply.body.len()).unwrap();
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let _ = stream.write_all(&reply.body).await;
}

fn ordinary(asked: &Asked) -> Reply {
    let authorized = asked.authorization.as_deref() == Some(BEARER);
    match (asked.host.as_str(), asked.path.as_str()) {
        (REALM, _) if asked.authorization.as_deref() == Some(BASIC) => {
            reply(200, r#"{"token":"MARKER-bearer"}"#)
        }
        // As ACR does: a token of no use.
        (REALM, _) if asked.authorization.is_none() => reply(200, r#"{"token":"anonymous"}"#),
        (REALM, _) => {
            reply(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)
        }
        (REGISTRY, _) if !authorized => {
            let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            with(
                reply(401, body),
                "WWW-Authenticate",
                format!(
                    "Bearer realm=\"https://{REALM}/auth\",service=\"registry.aliyuncs.com:cn-hangzhou:china:cri-1\",\
                     scope=\"repository:team/app:pull\""
                ),
            )
        }
        (REGISTRY, "/v2/team/app/manifests/1.0") => reply(200, index()),
        (REGISTRY, path) if path == format!("/v2/team/app/manifests/{}", digest(&image())) => {
            reply(200, image())
        }
        (REGISTRY, path) if path == format!("/v2/team/app/blobs/{}", digest(b"config")) => {
            reply(200, "config")
        }
        (REGISTRY, path) if path == format!("/v2/team/app/blobs/{}", digest(b"layer")) => {
            with(reply(307, ""), "Location", format!("https://{STORE}/layer?Signature=MARKER-signature"))
        }
        (STORE, "/layer?Signature=MARKER-signature") => reply(200, "layer"),
        _ => reply(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
    }
}

fn digest(content: &[u8]) -> Digest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    Digest::from(<[u8; 32]>::try_from(digest.as_ref()).unwrap())
}

fn part(content: &[u8]) -> String {
    format!(r#""digest":"{}","size":{}"#, digest(content), content.len())
}

fn image() -> Vec<u8> {
    format!(r#"{{"config":{{{}}},"layers":[{{{}}}]}}"#, part(b"config"), part(b"layer")).into()
}

fn index() -> Vec<u8> {
    let part = part(&image());
    format!(r#"{{"manifests":[{{{part},"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#).into()
}

fn reference() -> ImageReference {
    format!("{REGISTRY}/team/app:1.0").parse().unwrap()
}

fn login(password: &str) -> Login {
    Login { username: "cr_temp_user".into(), password: password.into(), expires: UnixMillis(0) }
}

async fn pull_from(
    special: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> Result<Pulled, PullFailure> {
    let (client, _) = site(special).await;
    let pull = async move { pull(&client, &reference(), Some(&login("MARKER-password"))).await };
    tokio::spawn(pull).await.unwrap()
}

#[track_caller]
fn failure(outcome: Result<Pulled, PullFailure>) -> PullFailure {
    let failure = outcome.expect_err("a failure");
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains("MARKER"), "{shown}");
    failure
}

#[tokio::test]
async fn a_pull_without_a_login_fails_at_the_manifest() {
    let (client, _) = site(|_| None).await;
    let failure = failure(pull(&client, &reference(), None).await);
    assert_eq!(
        (failure.step(), failure.status(), failure.code()),
        (PullStep::Manifest, Some(401), Some("UNAUTHORIZED"))
    );
    assert_eq!(failure.remedy(), "give a login: this repository is private");
}

#[tokio::test]
async fn a_pull_with_a_stale_password_fails_at_the_token() {
    let (client, log) = site(|_| None).await;
    let failure = failure(pull(&client, &reference(), Some(&login("stale"))).await);
    insta::assert_snapshot!(
        failure,
        @"https://dockerauth.cn-hangzhou.aliyuncs.com/auth gives no token for acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:1.0: dockerauth.cn-hangzhou.aliyuncs.com answers with HTTP status 401, UNAUTHORIZED: authentication required"
    );
    assert_eq!(failure.step(), PullStep::Token);
    assert!(failure.remedy().starts_with("renew the login"));
    assert_eq!(log.lock().unwrap().len(), 2, "nothing is asked after a refusal");
}

#[tokio::test]
async fn section_9_a_pull_with_a_login_verifies_index_manifest_and_every_blob() {
    let (client, log) = site(|_| None).await;
    let pulled = pull(&client, &reference(), Some(&login("MARKER-password"))).await.unwrap();
    assert_eq!(pulled.digest, digest(&index()));
    assert_eq!((pulled.blobs.len(), pulled.blob_bytes), (2, 11));
    let service = pulled.challenge.unwrap().service;
    assert_eq!(service.as_deref(), Some("registry.aliyuncs.com:cn-hangzhou:china:cri-1"));

    let log = log.lock().unwrap();
    let token = &log[1];
    assert_eq!(
        token.path,
        "/auth?account=cr_temp_user&service=registry.aliyuncs.com%3Acn-hangzhou%3Achina%3Acri-1\
         &scope=repository%3Ateam%2Fapp%3Apull"
    );
    let seen: Vec<_> =
        log.iter().map(|asked| (asked.host.as_str(), asked.authorization.as_deref())).collect();
    assert_eq!(
        seen,
        [
            (REGISTRY, None),
            (REALM, Some(BASIC)),
            (REGISTRY, Some(BEARER)),
            (REGISTRY, Some(BEARER)),
            (REGISTRY, Some(BEARER)),
            (REGISTRY, Some(BEARER)),
            // The redirect to another host carries no authorization.
            (STORE, None),
        ]
    );
}

#[tokio::test]
async fn a_registry_that_asks_for_no_token_gets_none() {
    let (client, log) =
        site(|asked| Some(ordinary(&Asked { authorization: Some(BEARER.into()), ..asked.clone() }))).await;
    let pulled = pull(&client, &reference(), Some(&login("MARKER-password"))).await.unwrap();
    assert_eq!(pulled.challenge, None);
    assert!(log.lock().unwrap().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn a_challenge_of_another_scheme_is_no_challenge() {
    let outcome = pull_from(|_| Some(with(reply(401, ""), "WWW-Authenticate", "Basic realm=\"r\""))).await;
    let failure = failure(outcome);
    assert_eq!((failure.step(), failure.status()), (PullStep::Challenge, Some(401)));
}

#[tokio::test]
async fn a_registry_where_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = ClientOptions {
        user_agent: "test/1".into(),
        hosts: [(REGISTRY.to_owned(), url)].into(),
        deadline: Duration::from_secs(30),
        blob_limit_bytes: 1,
    };
    let failure = failure(pull(&Client::new(&options).unwrap(), &reference(), None).await);
    assert_eq!(failure.step(), PullStep::Challenge);
    assert!(matches!(failure.problem(), Problem::Unreachable { host, .. } if host == REGISTRY), "{failure}");
}

#[tokio::test]
async fn a_login_is_not_sent_in_clear_where_the_registry_is_not() {
    let (client, log) = site(|_| None).await;
    let (image, login) = (reference(), login("MARKER-password"));
    let pull =
        Pull { client: &client, image: &image, login: Some(&login), end: Instant::now() + client.deadline };
    let challenge =
        BearerChallenge { realm: format!("http://{REALM}/auth"), service: None, scope: None, error: None };
    let failure = pull.token(&challenge, false).await.unwrap_err();
    assert_eq!(failure.problem(), &Problem::Plaintext { host: REALM.into() });
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_at_the_manifest() {
    let (client, _) = site(|_| None).await;
    let image = format!("{REGISTRY}/team/other:1.0").parse().unwrap();
    let failure = failure(pull(&client, &image, Some(&login("MARKER-password"))).await);
    assert_eq!((failure.step(), failure.code()), (PullStep::Manifest, Some("MANIFEST_UNKNOWN")));
    assert!(failure.remedy().contains("no such image"));
}

#[tokio::test]
async fn content_that_is_not_what_was_asked_for_is_refused() {
    let image = format!("{REGISTRY}/team/app@{}", digest(b"other")).parse().unwrap();
    let special = |asked: &Asked| {
        (asked.host == REGISTRY && asked.path.contains("manifests") && asked.authorization.is_some())
            .then(|| reply(200, image_with_nothing()))
    };
    let (client, _) = site(special).await;
    let login = login("MARKER-password");
    let failure_of_manifest = failure(pull(&client, &image, Some(&login)).await);
    assert!(matches!(failure_of_manifest.problem(), Problem::WrongContent { .. }), "{failure_of_manifest}");

    for (content, is_wrong_content) in [("LAYER", true), ("lay", true), ("layer and more", false)] {
        let outcome = pull_from(move |asked| (asked.host == STORE).then(|| reply(200, content))).await;
        let failure = failure(outcome);
        assert_eq!(failure.step(), PullStep::Blob);
        let found = matches!(failure.problem(), Problem::WrongContent { host, .. } if host == STORE);
        assert_eq!(found, is_wrong_content, "{content}: {failure}");
    }
}

fn image_with_nothing() -> Vec<u8> {
    format!(r#"{{"config":{{{}}},"layers":[]}}"#, part(b"config")).into()
}

#[tokio::test]
async fn a_blob_beyond_the_limit_is_not_asked_for() {
    let big = format!(r#"{{"config":{{"digest":"{}","size":101}},"layers":[]}}"#, digest(b"big"));
    let (client, log) = site(move |asked| {
        (asked.path.contains("manifests") && asked.authorization.is_some()).then(|| reply(200, big.clone()))
    })
    .await;
    let failure = failure(pull(&client, &reference(), Some(&login("MARKER-password"))).await);
    assert_eq!(failure.problem(), &Problem::TooLarge { host: REGISTRY.into(), limit_bytes: 100 });
    assert!(!log.lock().unwrap().iter().any(|asked| asked.path.contains("blobs")));
}

#[tokio::test]
async fn a_blob_that_is_cut_refused_or_redirected_for_ever_fails_at_the_blob() {
    for (kind, expected) in
        [("cut", "gave no complete answer"), ("refused", "HTTP status 403"), ("loop", "redirects")]
    {
        let outcome = pull_from(move |asked| {
            (asked.host == STORE).then(|| match kind {
                "cut" => with(reply(200, "lay"), "Content-Length", "5"),
                "refused" => reply(403, "<Error><Code>MARKER</Code></Error>"),
                _ => with(reply(307, ""), "Location", format!("https://{STORE}/layer")),
            })
        })
        .await;
        let failure = failure(outcome);
        assert_eq!(failure.step(), PullStep::Blob, "{kind}");
        assert!(failure.to_string().contains(expected), "{kind}: {failure}");
    }
}

#[tokio::test]
async fn what_a_server_repeats_of_a_login_is_not_shown() {
    for host in [REALM, REGISTRY] {
        let outcome = pull_from(move |asked| {
            let secret = asked.authorization.clone().filter(|_| asked.host == host)?;
            let body = format!(
                r#"{{"errors":[{{"code":"MARKER-password","message":"x {secret} MARKER-password"}}]}}"#
            );
            Some(reply(403, body))
        });
        let failure = failure(outcome.await);
        assert_eq!(failure.code(), None);
        assert!(!failure.to_string().contains(BASIC.strip_prefix("Basic ").unwrap()), "{failure}");
    }
}

#[tokio::test]
async fn the_deadline_bounds_the_whole_pull() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ClientOptions {
        user_agent: "test/1".into(),
        hosts: [(REGISTRY.to_owned(), format!("http://{}", listener.local_addr().unwrap()))].into(),
        deadline: Duration::from_millis(100),
        blob_limit_bytes: 1,
    };
    // Connections are taken by the kernel, and nobody answers.
    let failure = failure(pull(&Client::new(&options).unwrap(), &reference(), None).await);
    assert_eq!(failure.problem(), &Problem::TimedOut { host: REGISTRY.into() });
    drop(listener);
}
