//! The served cloud: what a client on loopback meets.

use std::sync::Mutex as StdMutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::description::KeyUrl;
use crate::hosts::Product;
use crate::tests::support::{
    Acs3, CR, INSTANCE, ISSUER, Key, PROVIDER, SIGNING_KEY, SUBJECT, assume_role, cloud as prepared_cloud,
};

const REALM: &str = "dockerauth-ee.cn-hangzhou.aliyuncs.com";

/// A served cloud with the description of the other tests, and what it told of.
struct Served {
    simulator: Simulator,
    told: Arc<StdMutex<Vec<String>>>,
}

async fn serve_with(change: impl FnOnce(&mut Description, &mut Options)) -> Served {
    let told = Arc::new(StdMutex::new(Vec::new()));
    let heard = told.clone();
    let observer: Observer = Arc::new(move |event: Event<'_>| {
        let text = match event {
            Event::Call(record) => format!("{} {}", record.action, record.code),
            Event::KeysFailed { provider, error } => format!("{provider}: {error}"),
        };
        heard.lock().unwrap().push(text);
    });
    let mut description = prepared_cloud().description().clone();
    let signing_key = Some(SIGNING_KEY.clone());
    let mut options = Options { observer: Some(observer), signing_key, ..Options::default() };
    change(&mut description, &mut options);
    Served { simulator: Simulator::start(description, options).await.unwrap(), told }
}

async fn serve() -> Served {
    serve_with(|_, _| {}).await
}

/// A request of the pure tests, sent to where its host is served.
async fn send(served: &Served, mut request: http::Request<Bytes>) -> Option<(u16, Value)> {
    let host = request.uri().host().unwrap().to_owned();
    let path = request.uri().path_and_query().unwrap().to_string();
    let url = served.simulator.listing().url(&host).unwrap();
    *request.uri_mut() = format!("{url}{path}").parse().unwrap();
    fetch(request).await
}

async fn fetch(request: http::Request<Bytes>) -> Option<(u16, Value)> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.map(Full::new)).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Some((status, serde_json::from_slice(&body).unwrap_or_else(|_| text())))
}

async fn admin(served: &Served, method: &str, path: &str, body: &str) -> (u16, Value) {
    let uri = format!("{}{path}", served.simulator.listing().admin);
    let request = http::Request::builder().method(method).uri(uri);
    fetch(request.body(Bytes::from(body.to_owned())).unwrap()).await.unwrap()
}

/// A request for a login that is signed for the loopback address, as a configured endpoint makes it.
fn login(served: &Served, nonce: &str) -> http::Request<Bytes> {
    let url = served.simulator.listing().url(CR).unwrap();
    let authority = url.trim_start_matches("http://").to_owned().leak();
    let acs3 = Acs3::new("GetAuthorizationToken", INSTANCE);
    let mut request =
        Acs3 { host: authority, nonce: nonce.to_owned(), time: Timestamp::now(), ..acs3 }.build();
    *request.uri_mut() = format!("https://{CR}/?InstanceId={INSTANCE}").parse().unwrap();
    request
}

fn token() -> String {
    let now = Timestamp::now().as_second();
    ISSUER.token(SUBJECT, "sts.aliyuncs.com", now, now + 600).unwrap()
}

fn provider_keys(description: &mut Description, keys: KeySource) {
    description.accounts[0].oidc_providers[0].keys = keys;
}

#[tokio::test]
async fn a_host_that_is_not_of_the_cloud_is_not_served() {
    let start = |host: &str| {
        let listen = BTreeMap::from([(host.to_owned(), "127.0.0.1:0".parse().unwrap())]);
        let signing_key = Some(SIGNING_KEY.clone());
        let options = Options { listen, signing_key, ..Options::default() };
        Simulator::start(prepared_cloud().description().clone(), options)
    };
    for host in ["example.com", "acme-registry.cn-hangzhou.cr.aliyuncs.com", "cr-vpc.cn-heyuan.aliyuncs.com"]
    {
        assert!(matches!(start(host).await, Err(StartError::UnknownHost { .. })), "{host}");
    }
    let simulator = start("CR-vpc.cn-hangzhou.aliyuncs.com").await.unwrap();
    assert!(simulator.listing().url("cr-vpc.cn-hangzhou.aliyuncs.com").is_some());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_its_purpose() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = Some(taken.local_addr().unwrap());
    let options = Options { admin, signing_key: Some(SIGNING_KEY.clone()), ..Options::default() };
    let error = Simulator::start(Description::default(), options).await.unwrap_err();
    assert!(error.to_string().ends_with("for the admin API; is something else running there?"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = |change: fn(&mut Description)| {
        let mut description = prepared_cloud().description().clone();
        change(&mut description);
        Simulator::start(description, Options { folder: folder.path().to_owned(), ..Options::default() })
    };
    let keys =
        |description: &mut Description| provider_keys(description, KeySource::File("jwks.json".into()));
    let missing = start(keys).await.unwrap_err();
    assert!(matches!(&missing, StartError::Keys { source: KeyError::Read { .. }, .. }), "{missing}");
    std::fs::write(folder.path().join("jwks.json"), "[]").unwrap();
    let wrong = start(keys).await.unwrap_err();
    assert!(matches!(&wrong, StartError::Keys { source: KeyError::NotAKeySet { .. }, .. }), "{wrong}");

    let key = |description: &mut Description| {
        description.token_service.signing_key_file = Some("key.pem".into());
    };
    assert!(matches!(start(key).await.unwrap_err(), StartError::ReadSigningKey { .. }));
    for text in ["nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        std::fs::write(folder.path().join("key.pem"), text).unwrap();
        assert!(matches!(start(key).await.unwrap_err(), StartError::SigningKey(_)), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let served = serve().await;
    let mut request = login(&served, "n");
    *request.body_mut() = Bytes::from(vec![b'x'; (1 << 20) + 1]);
    assert_eq!(send(&served, request).await.unwrap().0, 413);
}

#[tokio::test]
async fn a_request_signed_for_the_local_address_is_answered_and_one_for_another_is_not() {
    let served = serve().await;
    let (status, body) = send(&served, login(&served, "n1")).await.unwrap();
    assert_eq!((status, &body["TempUsername"]), (200, &json!("cr_temp_user")));
    let elsewhere = Acs3 { time: Timestamp::now(), ..Acs3::new("GetAuthorizationToken", INSTANCE) }.build();
    let mut elsewhere = elsewhere;
    elsewhere.headers_mut().remove("host");
    let (status, body) = send(&served, elsewhere).await.unwrap();
    assert_eq!((status, &body["Code"]), (400, &json!("SignatureDoesNotMatch")));
    let told = served.told.lock().unwrap().clone();
    assert_eq!(told, ["GetAuthorizationToken OK", "GetAuthorizationToken SignatureDoesNotMatch"]);
}

#[tokio::test]
async fn the_metadata_service_and_the_token_service_answer() {
    let served = serve().await;
    let get = |host: &str, path: &str| {
        http::Request::get(format!("http://{host}{path}")).body(Bytes::new()).unwrap()
    };
    let (status, region) =
        send(&served, get("100.100.100.200", "/latest/meta-data/region-id")).await.unwrap();
    assert_eq!((status, region), (200, json!("cn-hangzhou")));
    let registry = served.simulator.listing().registry(INSTANCE).unwrap().clone();
    assert_eq!(registry.service, format!("registry.aliyuncs.com:cn-hangzhou:china:{INSTANCE}"));
    let path = format!("/auth?service={}", registry.service);
    let (status, body) = send(&served, get(REALM, &path)).await.unwrap();
    assert!(status == 200 && body["token"].is_string(), "{body}");
    let taken_over = served.simulator.listing().registry("cri-other000000000").unwrap();
    let host = served.simulator.listing().url("other-registry.cn-hangzhou.cr.aliyuncs.com").unwrap();
    assert_eq!(taken_over.realm, format!("{host}/auth"));
}

#[tokio::test]
async fn a_cut_connection_gives_no_answer_and_a_delay_holds_it_back() {
    let served = serve().await;
    let id = admin(&served, "POST", "/faults", r#"{"effect": {"cut": "after"}}"#).await.1["id"].clone();
    assert_eq!(send(&served, login(&served, "n1")).await, None);
    assert_eq!(admin(&served, "DELETE", &format!("/faults/{id}"), "").await.0, 204);
    let delay = r#"{"times": 1, "effect": {"delay": {"milliseconds": 150}}}"#;
    admin(&served, "POST", "/faults", delay).await;
    let begin = Instant::now();
    assert_eq!(send(&served, login(&served, "n2")).await.unwrap().0, 200);
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn the_admin_api_refuses_what_it_does_not_understand() {
    let served = serve().await;
    for (method, path, body, status) in [
        ("POST", "/faults", "", 400),
        ("POST", "/faults", r#"{"effect": {"explode": {}}}"#, 400),
        ("POST", "/mutate", r#"{"removeInstance": {}}"#, 400),
        ("POST", "/add-on-token", "{}", 400),
        ("POST", "/mutate", r#"{"removeInstance": {"instance": "cri-unknown"}}"#, 404),
        (
            "POST",
            "/mutate",
            r#"{"setMaxSession": {"role": "acs:ram::1000000000000001:role/rrsa-puller", "seconds": 1}}"#,
            422,
        ),
        ("DELETE", "/faults/7", "", 404),
        ("DELETE", "/faults/x", "", 400),
        ("GET", "/unknown", "", 404),
        ("PUT", "/calls", "", 405),
    ] {
        let (found, answer) = admin(&served, method, path, body).await;
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
    }
    let (_, answer) = admin(&served, "POST", "/mutate", r#"{"removeInstance": {"instance": "cri-x"}}"#).await;
    assert_eq!(answer, json!({ "error": "there is no instance \"cri-x\": name one that is described" }));
    let (_, answer) = admin(&served, "POST", "/mutate", "{}").await;
    assert!(
        answer["error"].as_str().unwrap().ends_with("`acr-simulator --help` lists what is taken"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_admin_api_lists_calls_faults_and_addresses_and_changes_the_cloud() {
    let served = serve().await;
    send(&served, login(&served, "n1")).await.unwrap();
    let (_, calls) = admin(&served, "GET", "/calls", "").await;
    assert_eq!(calls[0]["caller"], "acs:ram::1000000000000001:user/puller");
    assert_eq!(admin(&served, "DELETE", "/calls", "").await.0, 204);
    assert_eq!(admin(&served, "GET", "/calls", "").await.1, json!([]));

    let fault = json!({ "match": { "product": "sts" }, "times": 3, "effect": { "cut": "before" } });
    assert_eq!(admin(&served, "POST", "/faults", &fault.to_string()).await.1, json!({ "id": 1 }));
    let mut listed = fault;
    listed["id"] = json!(1);
    assert_eq!(admin(&served, "GET", "/faults", "").await.1, json!([listed]));
    assert_eq!(admin(&served, "DELETE", "/faults", "").await.0, 204);
    assert_eq!(admin(&served, "GET", "/faults", "").await.1, json!([]));

    let disable = r#"{"setKeyStatus": {"accessKeyId": "LTAIpuller", "status": "Inactive"}}"#;
    assert_eq!(admin(&served, "POST", "/mutate", disable).await.0, 204);
    let (_, body) = send(&served, login(&served, "n2")).await.unwrap();
    assert_eq!(body["Code"], "InvalidAccessKeyId.Inactive");

    let role = r#"{"role": "acs:ram::1000000000000001:role/AliyunCSManagedAcrRole"}"#;
    let (status, document) = admin(&served, "POST", "/add-on-token", role).await;
    assert!(status == 200 && document["security.token"].is_string(), "{document}");

    let (_, listing) = admin(&served, "GET", "/listing", "").await;
    assert_eq!(listing, serde_json::to_value(served.simulator.listing()).unwrap());
    assert_eq!(listing["jwks"]["keys"][0]["alg"], "RS256");
}

#[tokio::test]
async fn the_endpoints_for_the_config_map_name_every_product_once() {
    let listen =
        BTreeMap::from([("cr-vpc.cn-hangzhou.aliyuncs.com".to_owned(), "127.0.0.1:0".parse().unwrap())]);
    let served = serve_with(|_, options| options.listen = listen).await;
    let mut text = served.simulator.listing().endpoints_yaml();
    for host in &served.simulator.listing().hosts {
        text = text.replace(&host.url, &host.host);
    }
    insta::assert_snapshot!(text, @r"
    - product: sts
      region: cn-beijing
      url: sts.cn-beijing.aliyuncs.com
    - product: sts
      region: cn-hangzhou
      url: sts.cn-hangzhou.aliyuncs.com
    - product: cr
      region: cn-beijing
      url: cr.cn-beijing.aliyuncs.com
    - product: cr
      region: cn-hangzhou
      url: cr.cn-hangzhou.aliyuncs.com
    - product: sts
      url: sts.aliyuncs.com
    - product: metadata
      url: 100.100.100.200
    ");
}

#[tokio::test]
async fn section_9_a_bucket_serves_blobs_to_who_sends_no_credential() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("docker/blobs")).unwrap();
    std::fs::write(folder.path().join("docker/blobs/data"), "bytes of a layer").unwrap();
    let bucket = Some(folder.path().to_owned());
    let served = serve_with(|_, options| options.bucket = bucket).await;
    let url = served.simulator.listing().bucket.clone().unwrap();
    let get = |method: &str, path: &str, credential: Option<&str>| {
        let request = http::Request::builder().method(method).uri(format!("{url}{path}"));
        let request =
            credential.into_iter().fold(request, |request, value| request.header("authorization", value));
        fetch(request.body(Bytes::new()).unwrap())
    };
    assert_eq!(get("GET", "/docker/blobs/data", Some("Bearer x")).await.unwrap().0, 400);
    assert_eq!(get("PUT", "/docker/blobs/data", None).await.unwrap().0, 405);
    for path in ["/docker/blobs/other", "/docker/blobs", "/../data", "/"] {
        let (status, body) = get("GET", path, None).await.unwrap();
        assert!(status == 404 && body.as_str().unwrap().contains("<Code>NoSuchKey</Code>"), "{path}: {body}");
    }
    assert_eq!(get("GET", "//docker/blobs/data", None).await, Some((200, json!("bytes of a layer"))));
    assert_eq!(get("HEAD", "/docker/blobs/data", None).await, Some((200, json!(""))));
    assert_eq!(serve().await.simulator.listing().bucket, None);
}

#[tokio::test]
async fn keys_of_an_issuer_are_fetched_when_a_token_needs_them() {
    // The issuer: a key set on a port that can be closed, behind a bearer token.
    let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks", issuer.local_addr().unwrap());
    let router = axum::Router::new().route(
        "/jwks",
        axum::routing::get(|headers: http::HeaderMap| async move {
            match headers.get("authorization") {
                Some(header) if *header == "Bearer opensesame" => Ok(axum::Json(ISSUER.jwks())),
                _ => Err(http::StatusCode::UNAUTHORIZED),
            }
        }),
    );
    let serving = tokio::spawn(async move { axum::serve(issuer, router).await });
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "wrong\n").unwrap();
    let url = KeyUrl { address: address.clone(), ca_file: None, token_file: Some(token_file.clone()) };
    let served = serve_with(|description, _| provider_keys(description, KeySource::Url(url))).await;

    let (_, body) = send(&served, assume_role(&token(), &[])).await.unwrap();
    assert_eq!(body["Code"], "AuthenticationFail.OIDCToken.IssuerConfigurationBroken");
    let told = served.told.lock().unwrap()[0].clone();
    let expected = format!("{PROVIDER}: {address} answered 401 Unauthorized; is a token needed (tokenFile)?");
    assert_eq!(told, expected);

    std::fs::write(&token_file, "opensesame\n").unwrap();
    assert_eq!(send(&served, assume_role(&token(), &[])).await.unwrap().0, 200);
    serving.abort();
    assert!(serving.await.is_err());
    assert_eq!(send(&served, assume_role(&token(), &[])).await.unwrap().0, 200, "known keys stay");
}

#[tokio::test]
async fn an_issuer_that_cannot_be_trusted_or_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("no-certificate"), "nothing").unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let https = format!("https://{}/jwks", silent.local_addr().unwrap());
    drop(silent);
    let fetch = |address: &str, ca_file: Option<&str>, token_file: Option<&str>| {
        let (ca_file, token_file) = (ca_file.map(PathBuf::from), token_file.map(PathBuf::from));
        let url = KeyUrl { address: address.to_owned(), ca_file, token_file };
        let folder = folder.path().to_owned();
        async move { keys::fetch(&url, &folder).await.unwrap_err() }
    };
    assert!(matches!(fetch("not a url", None, None).await, KeyError::Address { .. }));
    assert!(matches!(fetch(&https, Some("missing"), None).await, KeyError::Read { .. }));
    assert!(matches!(fetch(&https, Some("no-certificate"), None).await, KeyError::Content { .. }));
    assert!(matches!(fetch(&https, None, Some("missing")).await, KeyError::Read { .. }));
    assert!(matches!(fetch(&https, None, None).await, KeyError::NoAnswer { .. }));
}

#[tokio::test]
async fn keys_of_an_issuer_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let set = serde_json::to_string(&ISSUER.jwks()).unwrap();
    std::fs::write(folder.path().join("jwks.json"), set).unwrap();
    let served = serve_with(|description, options| {
        options.folder = folder.path().to_owned();
        provider_keys(description, KeySource::File("jwks.json".into()));
    })
    .await;
    let (status, body) = send(&served, assume_role(&token(), &[])).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let key = Key::of(&body["Credentials"]);
    let _: HeaderValue = key.token.unwrap().parse().unwrap();
}

#[tokio::test]
async fn several_simulators_run_side_by_side_and_close_their_ports_when_stopped() {
    let (one, two) = (serve().await, serve().await);
    assert_ne!(one.simulator.listing().admin, two.simulator.listing().admin);
    let request = login(&one, "n1");
    assert_eq!(send(&one, request.clone()).await.unwrap().0, 200);
    let url = one.simulator.listing().url(CR).unwrap().to_owned();
    one.simulator.stop().await;
    let mut request = request;
    *request.uri_mut() = format!("{url}/").parse().unwrap();
    assert_eq!(fetch(request).await, None);
    assert_eq!(send(&two, login(&two, "n1")).await.unwrap().0, 200);
}

#[tokio::test]
async fn the_cloud_behind_can_be_asked_and_changed_directly() {
    let served = serve().await;
    served.simulator.cloud().clear_calls();
    send(&served, login(&served, "n1")).await.unwrap();
    let products: Vec<Product> = served.simulator.cloud().calls().map(|call| call.product).collect();
    assert_eq!(products, [Product::Cr]);
}
