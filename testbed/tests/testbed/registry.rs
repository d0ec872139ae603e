//! What a registry does.

use acr_testbed::{Registry, RegistryOptions, push_image};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{processes_in, tools};

const REPOSITORY: &str = "team/app";

/// A token service: one key and the tokens that it signs.
struct Issuer {
    key: KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self { key: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    fn jwks(&self) -> String {
        // RSAPublicKey (RFC 8017 A.1.1) of 2048 bits: two headers and a zero byte, then the modulus.
        let modulus = &self.key.public_key().as_ref()[9..][..256];
        let key = json!({
            "kty": "RSA", "kid": "key-1", "alg": "RS256", "use": "sig", "e": "AQAB",
            "n": BASE64_URL_SAFE_NO_PAD.encode(modulus),
        });
        json!({ "keys": [key] }).to_string()
    }

    fn token(&self, service: &str, actions: &[&str]) -> SecretString {
        let now = Timestamp::now().as_second();
        let claims = json!({
            "iss": "token-service", "sub": "somebody", "aud": service,
            "nbf": now - 10, "iat": now, "exp": now + 300,
            "access": [{ "type": "repository", "name": REPOSITORY, "actions": actions }],
        });
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let header = json!({ "alg": "RS256", "kid": "key-1", "typ": "JWT" });
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into()
    }

    async fn registry(&self, service: &str) -> Registry {
        self.registry_with(service, RegistryOptions::default()).await
    }

    async fn registry_with(&self, service: &str, options: RegistryOptions) -> Registry {
        let options = RegistryOptions {
            realm: "http://127.0.0.1:1/auth".to_owned(),
            service: service.to_owned(),
            issuer: "token-service".to_owned(),
            jwks_json: self.jwks(),
            ..options
        };
        Registry::start(tools().await, options).await.unwrap()
    }
}

async fn get(url: &str, bearer: Option<&SecretString>) -> Response<Bytes> {
    let mut request = Request::get(url).header(ACCEPT, "application/vnd.oci.image.manifest.v1+json");
    if let Some(bearer) = bearer {
        request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.expose_secret()));
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_registry_gives_its_images_to_its_own_tokens_only() {
    let issuer = Issuer::new();
    let storage = tempfile::tempdir().unwrap();
    let on_disk = RegistryOptions { storage: Some(storage.path().to_owned()), ..RegistryOptions::default() };
    let (registry, other) = tokio::join!(issuer.registry("acme"), issuer.registry_with("other", on_disk));
    let manifest_url = format!("{}/v2/{REPOSITORY}/manifests/1.0", registry.url());

    // Nobody, a stranger's key, another service's token, a token that may only pull.
    let refused = push_image(&registry.url(), REPOSITORY, "1.0", None).await.unwrap_err().to_string();
    // The registry keeps the actions in a map of Go, so their order is any.
    let wanted = ["pull,push", "push,pull"].map(|actions| {
        format!(
            r#"Bearer realm="http://127.0.0.1:1/auth",service="acme",scope="repository:team/app:{actions}""#
        )
    });
    assert!(refused.contains("401") && wanted.iter().any(|wanted| refused.contains(wanted)), "{refused}");
    for (service, actions, signer) in [
        ("acme", &["pull", "push"][..], &Issuer::new()),
        ("other", &["pull", "push"][..], &issuer),
        ("acme", &["pull"][..], &issuer),
    ] {
        let token = signer.token(service, actions);
        let refused =
            push_image(&registry.url(), REPOSITORY, "1.0", Some(&token)).await.unwrap_err().to_string();
        assert!(refused.contains("401"), "{refused}");
        assert!(!refused.contains(token.expose_secret()));
    }

    let may_push = issuer.token("acme", &["pull", "push"]);
    let pushed = push_image(&registry.url(), REPOSITORY, "1.0", Some(&may_push)).await.unwrap();

    let anonymous = get(&manifest_url, None).await;
    assert_eq!(anonymous.status(), 401);
    assert!(anonymous.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains(r#"service="acme""#));

    let may_pull = issuer.token("acme", &["pull"]);
    let manifest = get(&manifest_url, Some(&may_pull)).await;
    assert_eq!(manifest.status(), 200);
    assert_eq!(manifest.headers()["docker-content-digest"], pushed.manifest_digest.as_str());
    let manifest: Value = serde_json::from_slice(manifest.body()).unwrap();
    assert_eq!(manifest["layers"][0]["digest"], pushed.layer_digest);
    let blob_url = format!("{}/v2/{REPOSITORY}/blobs/{}", registry.url(), pushed.layer_digest);
    let layer = get(&blob_url, Some(&may_pull)).await;
    assert_eq!((layer.status().as_u16(), layer.body()), (200, &pushed.layer));

    // The other registry has its own images and its own service.
    let elsewhere = issuer.token("other", &["pull", "push"]);
    let absent = get(&format!("{}/v2/{REPOSITORY}/manifests/1.0", other.url()), Some(&elsewhere)).await;
    assert_eq!(absent.status(), 404);
    push_image(&other.url(), REPOSITORY, "2.0", Some(&elsewhere)).await.unwrap();

    let folder = registry.log_path().parent().unwrap().to_owned();
    assert_eq!(processes_in(&folder).len(), 2);
    registry.stop().unwrap();
    assert_eq!(processes_in(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[tokio::test]
async fn downloads_of_blobs_are_redirected_to_a_bucket() {
    let issuer = Issuer::new();
    let storage = tempfile::tempdir().unwrap();
    let options = RegistryOptions {
        storage: Some(storage.path().to_owned()),
        bucket: Some("http://bucket.example:81".to_owned()),
        ..RegistryOptions::default()
    };
    let registry = issuer.registry_with("acme", options).await;
    let token = issuer.token("acme", &["pull", "push"]);
    let pushed = push_image(&registry.url(), REPOSITORY, "1.0", Some(&token)).await.unwrap();
    let blob_url = format!("{}/v2/{REPOSITORY}/blobs/{}", registry.url(), pushed.layer_digest);
    let refused = get(&blob_url, None).await;
    assert_eq!(refused.status(), 401);
    let answer = get(&blob_url, Some(&token)).await;
    assert_eq!(answer.status(), 307);
    let location = answer.headers()["location"].to_str().unwrap();
    let object = location.strip_prefix("http://bucket.example:81/").unwrap();
    assert_eq!(std::fs::read(storage.path().join(object)).unwrap(), pushed.layer);
    // Manifests come from the registry itself.
    let manifest = get(&format!("{}/v2/{REPOSITORY}/manifests/1.0", registry.url()), Some(&token)).await;
    assert_eq!(manifest.status(), 200);
}

#[tokio::test]
async fn the_layer_of_a_pushed_image_unpacks() {
    let issuer = Issuer::new();
    let registry = issuer.registry("acme").await;
    let token = issuer.token("acme", &["pull", "push"]);
    let pushed = push_image(&registry.url(), REPOSITORY, "1.0", Some(&token)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("layer.tar");
    std::fs::write(&archive, &pushed.layer).unwrap();
    let tar =
        std::process::Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).output();
    assert!(tar.as_ref().unwrap().status.success(), "{tar:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("image.txt")).unwrap(), "team/app:1.0\n");
}
