//! The secrets and files that a control plane starts from.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::prelude::{BASE64_STANDARD, Engine};
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;
use crate::hexadecimal::hexadecimal;

/// Columns of a line of base64 in PEM (RFC 7468 §2).
const PEM_COLUMNS: usize = 64;

/// A new private key for signing ServiceAccount tokens, RSA like the ones of managed clusters, as PEM.
pub(super) fn signing_key() -> Result<SecretString, Error> {
    let generate = || {
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        key.as_der()
    };
    let der = generate().map_err(|_| Error::Generate { what: "the key that signs ServiceAccount tokens" })?;
    let encoded = BASE64_STANDARD.encode(der.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = encoded.as_str();
    while let Some((line, more)) = rest.split_at_checked(PEM_COLUMNS.min(rest.len())) {
        if line.is_empty() {
            break;
        }
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem.into())
}

/// The bearer tokens of whoever runs a cluster.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) admin: SecretString,
    pub(super) controller_manager: SecretString,
    pub(super) scheduler: SecretString,
    pub(super) kubelet: SecretString,
}

impl Tokens {
    pub(super) fn generate() -> Result<Self, Error> {
        Ok(Self {
            admin: bearer_token()?,
            controller_manager: bearer_token()?,
            scheduler: bearer_token()?,
            kubelet: bearer_token()?,
        })
    }
}

/// A new bearer token.
fn bearer_token() -> Result<SecretString, Error> {
    let mut bytes = [0_u8; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Generate { what: "a token" })?;
    Ok(hexadecimal(&bytes).into())
}

/// A kubeconfig for one user of one cluster.
pub(super) fn kubeconfig(url: &str, ca: &[u8], user: &str, token: &SecretString) -> Kubeconfig {
    let name = "testbed".to_owned();
    let cluster = Cluster {
        server: Some(url.to_owned()),
        certificate_authority_data: Some(BASE64_STANDARD.encode(ca)),
        ..Cluster::default()
    };
    let context = Context { cluster: name.clone(), user: Some(user.to_owned()), ..Context::default() };
    let auth_info = AuthInfo { token: Some(token.clone()), ..AuthInfo::default() };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..Default::default() }],
        auth_infos: vec![NamedAuthInfo {
            name: user.to_owned(),
            auth_info: Some(auth_info),
            ..Default::default()
        }],
        contexts: vec![NamedContext { name: name.clone(), context: Some(context), ..Default::default() }],
        current_context: Some(name),
        ..Kubeconfig::default()
    }
}

/// Writes a kubeconfig as JSON, which is YAML.
pub(super) fn write_kubeconfig(path: &Path, kubeconfig: &Kubeconfig) -> Result<(), Error> {
    let text =
        serde_json::to_string_pretty(kubeconfig).map_err(|error| Error::file("write", path)(error.into()))?;
    write_secret(path, &text.into())
}

/// Writes a file that only this user can read.
pub(super) fn write_secret(path: &Path, content: &SecretString) -> Result<(), Error> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.expose_secret().as_bytes()))
        .map_err(Error::file("write", path))
}
