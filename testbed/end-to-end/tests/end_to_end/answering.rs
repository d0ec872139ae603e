//! Who answers the API server: every replica, with certificates that change, or a program without any right.

use std::net::Ipv4Addr;
use std::sync::Arc;

use acr_end_to_end::{Component, PULL_SECRET, RunOptions, failure_policy};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, PostParams};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::immediate::{counts, created_with, fails, free_address, scene_with_webhook};
use crate::scene::{ACME_BY_KEY, Scene};
use crate::{control_plane, program, tools, turn};

/// A question that is no more than begun.
struct Begun {
    connection: TlsStream<TcpStream>,
    rest: &'static [u8],
}

impl Begun {
    /// Asks the webhook, and keeps the end of the question back.
    async fn at(address: &str, authority: &[u8]) -> Self {
        const REVIEW: &str =
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}"#;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = Ipv4Addr::LOCALHOST.into();
        let mut connection = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let head = format!(
            "POST /serviceaccounts HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            REVIEW.len()
        );
        let (begin, rest) = REVIEW.as_bytes().split_at(REVIEW.len() / 2);
        connection.write_all(&[head.as_bytes(), begin].concat()).await.unwrap();
        connection.flush().await.unwrap();
        Self { connection, rest }
    }

    /// Asks to the end, and gives the answer.
    async fn answer(mut self) -> String {
        self.connection.write_all(self.rest).await.unwrap();
        let mut answer = Vec::new();
        self.connection.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn every_replica_answers_and_an_update_that_drops_our_name_is_mended_by_the_watch() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, leading) = scene_with_webhook(&control_plane, "both").await;
    let client = scene.stage.client().clone();
    let fail = [
        ("service-account", "*"),
        ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 1"),
    ];
    scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &["both-shop"], &fail).await;
    scene.run_with(&leading).await;
    let first = scene.take_component();
    let probe = async || counts(&client, "both-shop").await;
    scene.until("the API server calls the webhook", probe).await;
    assert_eq!(created_with(&client, "both-shop", "app", &[]).await, [PULL_SECRET]);

    // What `kubectl apply` of a manifest with its own list does.
    let theirs = json!({ "imagePullSecrets": [{ "name": "theirs" }] });
    scene.merge_account("both-shop", "app", &theirs).await;
    scene
        .until("our name is back, behind theirs", async || {
            (scene.list("both-shop", "app").await == ["theirs", PULL_SECRET]).then_some(())
        })
        .await;

    // The second replica serves with the certificate that the first one made, at the same address once that is free.
    // Until then it is not ready, and says why.
    scene.start(&leading).await;
    scene
        .until("the second replica has the certificate", async || {
            let status = scene.component().status().await.ok()?;
            (status["listed"] == true && status["webhook_certificate"] == true).then_some(())
        })
        .await;
    let (code, told) = scene.component().get("/readyz").await.unwrap();
    assert_eq!(code, 503, "{told}");
    assert!(told.contains("webhook: does not listen"), "{told}");
    first.kill().unwrap();
    scene.until("the second replica answers", probe).await;
    scene.component_mut().ready().await.unwrap();
    assert_eq!(scene.component().status().await.unwrap()["leading"], false);
    assert_eq!(created_with(&client, "both-shop", "later", &[]).await, [PULL_SECRET]);
    scene.end().await;
}

#[tokio::test]
async fn certificates_change_without_one_refused_service_account() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, mut options) = scene_with_webhook(&control_plane, "rotation").await;
    // Renewed after 40 s, served 3 s later, and the former authority is forgotten after 3 s more.
    options.arguments.extend(["--certificate-life", "60"].map(str::to_owned));
    let client = scene.stage.client().clone();
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let authorities = async || {
        let found = registrations.get_opt("acr-credential-helper").await.unwrap()?;
        let bundle = found.webhooks?.first()?.client_config.ca_bundle.clone()?;
        let text = String::from_utf8(bundle.0).ok()?;
        Some((text.matches("BEGIN CERTIFICATE").count(), text))
    };
    scene.create_space("shop").await;
    let fail = [
        ("service-account", "*"),
        ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 5"),
    ];
    scene.configure(ACME_BY_KEY, &["rotation-shop"], &fail).await;
    scene.run_with(&options).await;
    let (_, first) = scene.until("the webhook is registered", authorities).await;
    scene.until("the API server calls the webhook", async || counts(&client, "rotation-shop").await).await;
    scene.until("it is relied on", async || fails(&client).await).await;
    let (mut made, mut both) = (0, false);
    scene
        .until("another authority alone is trusted", async || {
            // `Fail`: each of them would be refused by a certificate that is not trusted.
            assert_eq!(
                created_with(&client, "rotation-shop", &format!("app-{made}"), &[]).await,
                [PULL_SECRET]
            );
            made += 1;
            let (count, text) = authorities().await?;
            both |= count == 2;
            (count == 1 && text != first).then_some(())
        })
        .await;
    assert!(both && made > 100, "{both} {made}");
    scene.end().await;
}

#[tokio::test]
async fn outside_of_the_cluster_a_program_without_any_right_answers() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let mut scene = Scene::begin_on(&control_plane, "apart", |_| {}).await;
    let client = scene.stage.client().clone();
    let address = free_address();
    let url = format!("https://{address}");
    scene.stage.is_reached_at(&url).await.unwrap();
    let fail = [("service-account", "*"), ("webhook-configuration", "enable: true\nfailure-policy: Fail")];
    scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &["apart-shop"], &fail).await;
    // The component itself serves nothing: it registers the URL, and keeps the certificate.
    let arguments = ["--webhook-url", &url].map(str::to_owned).to_vec();
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;

    // The pods that answer may not have the certificate for minutes: nobody is refused for that.
    let registered = async || failure_policy(&client).await;
    assert_eq!(scene.until("it is registered", registered).await, "Ignore");
    assert!(created_with(&client, "apart-shop", "early", &[]).await.is_empty());

    // What the kubelet does with the two keys of the Secret that the pod mounts.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy();
    let arguments = ["--listen", &address, "--certificate-folder", &path];
    let mut answering =
        Component::start_webhook(tools().await, program().await, &scene.stage, &arguments).unwrap();
    let members = scene
        .until("the certificate is in the journal's Secret", async || {
            let secret = scene
                .stage
                .secrets(scene.stage.namespace())
                .get_opt("acr-credential-helper-state")
                .await
                .unwrap()?;
            let mut data = secret.data?;
            Some([("tls.crt", data.remove("tls.crt")?), ("tls.key", data.remove("tls.key")?)])
        })
        .await;
    for (name, bytes) in &members {
        std::fs::write(folder.path().join(name), &bytes.0).unwrap();
    }
    scene.until("the API server is answered", async || counts(&client, "apart-shop").await).await;
    assert_eq!(created_with(&client, "apart-shop", "app", &[]).await, [PULL_SECRET]);
    answering.check_alive().unwrap();

    // Asked to end, it answers until every API server has heard that it goes, and what was asked by then to the end.
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let hooks = registrations.get("acr-credential-helper").await.unwrap().webhooks.unwrap();
    let begun = Begun::at(&address, &hooks[0].client_config.ca_bundle.as_ref().unwrap().0).await;
    let log = answering.log_path().to_owned();
    let meanwhile = async {
        scene
            .until("it is asked to end", async || {
                std::fs::read_to_string(&log).unwrap().contains("asked to end").then_some(())
            })
            .await;
        assert_eq!(created_with(&client, "apart-shop", "late", &[]).await, [PULL_SECRET]);
        scene
            .until("it takes no more", async || TcpStream::connect(&address).await.is_err().then_some(()))
            .await;
        begun.answer().await
    };
    let (ended, answer) = futures::join!(answering.terminate(), meanwhile);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(ended.unwrap().success());
    scene.end().await;
}

#[tokio::test]
async fn the_registration_of_another_installation_is_reported_and_left_alone() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let (mut scene, options) = scene_with_webhook(&control_plane, "second").await;
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(scene.stage.client().clone());
    // One at a URL tells by its mark whose it is.
    let theirs = json!({
        "metadata": {
            "name": "acr-credential-helper",
            "annotations": { "acr-credential-helper/installation": "elsewhere" },
        },
        "webhooks": [{
            "name": "serviceaccounts.acr-credential-helper.io",
            "clientConfig": { "url": "https://127.0.0.1:9/serviceaccounts" },
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore",
        }],
    });
    let theirs =
        registrations.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let space = scene.create_space("shop").await;
    scene.configure(ACME_BY_KEY, &[&space], &[("webhook-configuration", "enable: true")]).await;
    scene.run_with(&options).await;
    assert!(scene.finding("AnotherInstance").await.contains("elsewhere"));
    // The watch serves all the same.
    scene.served_with_acme(&space).await;
    scene.attached(&space, "default").await;
    // Nor is it deleted when the mode is turned off.
    scene.configure(ACME_BY_KEY, &[&space], &[("notify-email", "ops@acme.example")]).await;
    scene.mended("AnotherInstance").await;
    let found = registrations.get("acr-credential-helper").await.unwrap();
    assert_eq!(found.metadata.resource_version, theirs.metadata.resource_version);
    scene.end().await;
}
