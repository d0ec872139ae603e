//! Tests of what is trusted: the system's authorities, and those that are given besides.

use std::sync::Arc;
use std::time::Duration;

use acr_credentials::{AccessKey, Barrier, Call, FailureKind};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const AMPLE: Duration = Duration::from_secs(20);

fn trusting(pem: &str) -> Result<Client, ClientSetupFailure> {
    Client::new(&ClientOptions {
        user_agent: "test/1".into(),
        extra_authorities: pem.as_bytes().to_vec(),
        ..ClientOptions::default()
    })
}

async fn ask(client: &Client, url: &str) -> FailureKind {
    let key = || AccessKey { id: "a".into(), secret: "b".into(), security_token: None };
    let call = Call::GetAuthorizationToken { endpoints: vec![url.into()], instance: "i".into(), key: key() };
    client.carry_out(call, 0, AMPLE).await.outcome.unwrap_err().kind
}

/// A server that says 403 over TLS, its URL, and its certificate as PEM.
async fn serve() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (url, cert.pem())
}

#[tokio::test]
async fn a_certificate_of_nobody_that_is_known_is_refused_until_its_authority_is_given() {
    let (url, pem) = serve().await;
    let refused = FailureKind::Unreachable { at: Barrier::Certificate };
    assert_eq!(ask(&trusting("").unwrap(), &url).await, refused);
    let (_, other) = serve().await;
    assert_eq!(ask(&trusting(&other).unwrap(), &url).await, refused);
    assert_eq!(ask(&trusting(&pem).unwrap(), &url).await, FailureKind::Denied);
    assert_eq!(ask(&trusting(&format!("{other}{pem}")).unwrap(), &url).await, FailureKind::Denied);
}

#[test]
fn extra_authorities_that_are_none_are_refused_without_quoting_them() {
    for pem in ["MARKER", "-----BEGIN CERTIFICATE-----\nMARKER!\n-----END CERTIFICATE-----\n"] {
        let refusal = trusting(pem).unwrap_err();
        assert!(matches!(refusal, ClientSetupFailure::Authorities(_)), "{refusal}");
        assert!(!format!("{refusal} {refusal:?}").contains("MARKER"), "{refusal}");
    }
}
