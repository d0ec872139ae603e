//! Images on real registries of the simulated cloud's instances: pushed, and pulled as a container runtime does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use acr_credentials::{AccessKey, Call, ImageReference, Login, Reply, UnixMillis};
use acr_registry::{Client, ClientOptions, PullFailure, Pulled, pull};
use acr_simulator::{Listing, Outcome};
use acr_testbed::{Node, PushedImage, Registry, RegistryOptions, SmallImage, Tools, push_image};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::cloud::Instance;
use crate::error::Error;
use crate::stage::Stage;

/// The only key of the data of a pull secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// How long a call of the cloud or a pull may take.
const DEADLINE: Duration = Duration::from_mins(1);
const USER_AGENT: &str = "acr-end-to-end/0";

/// The registry of one instance.
#[derive(Debug)]
pub struct Images {
    instance: Instance,
    registry: Registry,
    client: Client,
}

impl Images {
    /// Starts a registry that takes the tokens of the cloud's token service for this instance.
    pub async fn serve(tools: &Tools, stage: &Stage<'_>, instance: Instance) -> Result<Self, Error> {
        let listing = stage.cloud().listing();
        let auth = Auth::of(listing, instance)?;
        let folder = if instance.id.is_empty() { instance.public_host } else { instance.id };
        // Another name for loopback than the registry's own: to another port of the same host, clients in newer Go
        // would pass the registry's token on.
        let bucket = listing.bucket.as_ref().map(|url| url.replace("127.0.0.1", "localhost"));
        let options = RegistryOptions {
            storage: Some(stage.storage().join(folder)),
            bucket: bucket.map(|url| format!("{url}/{folder}")),
            realm: auth.realm.to_owned(),
            service: auth.service.to_owned(),
            issuer: auth.issuer.to_owned(),
            jwks_json: serde_json::to_string(&listing.jwks)
                .map_err(|error| Error::Cloud(error.to_string()))?,
            ..RegistryOptions::default()
        };
        let registry = Registry::start(tools, options).await?;
        // Public names lead to loopback, as hosts.toml of containerd would have it.
        let hosts = instance.hosts.iter().map(|host| ((*host).to_owned(), registry.url()));
        let client = Client::new(&ClientOptions {
            user_agent: USER_AGENT.to_owned(),
            hosts: hosts.collect(),
            deadline: DEADLINE,
            blob_limit_bytes: 1 << 20,
        })?;
        Ok(Self { instance, registry, client })
    }

    /// Where the registry really is.
    pub fn address(&self) -> &str {
        self.registry.address()
    }

    /// Leads all domains of the instance to this registry, on a node.
    pub fn lead(&self, node: &Node) -> Result<(), Error> {
        let url = self.registry.url();
        Ok(self.instance.hosts.iter().try_for_each(|host| node.lead(host, &url))?)
    }

    /// The log of the registry, with a line for each request.
    pub fn log_path(&self) -> PathBuf {
        self.registry.log_path()
    }

    /// Pushes an image that runs, and waits until it is told to end, as the user of the cloud who may.
    pub async fn push_program(
        &self,
        stage: &Stage<'_>,
        node: &Node,
        repository: &str,
        tag: &str,
    ) -> Result<PushedImage, Error> {
        let image = SmallImage::of_program(&node.program()?, &["wait"], &format!("{repository}:{tag}\n"));
        let login = builders_login(stage, self.instance).await?;
        let token = self.push_token(stage, repository, &login)?;
        Ok(image.push(&self.registry.url(), repository, tag, Some(&token)).await?)
    }

    /// A new login of the user of the cloud who may push, with a call that [`Stage::cloud_calls`] does not count.
    pub async fn builders_login(&self, stage: &Stage<'_>) -> Result<Login, Error> {
        builders_login(stage, self.instance).await
    }

    /// Pushes an image as the user of the cloud who may.
    pub async fn push(&self, stage: &Stage<'_>, repository: &str, tag: &str) -> Result<PushedImage, Error> {
        let login = builders_login(stage, self.instance).await?;
        let token = self.push_token(stage, repository, &login)?;
        Ok(push_image(&self.registry.url(), repository, tag, Some(&token)).await?)
    }

    /// Pulls manifest and blobs of `repository:tag` by a public name of the instance.
    pub async fn pull(
        &self,
        host: &str,
        repository: &str,
        tag: &str,
        login: Option<&Login>,
    ) -> Result<Result<Pulled, PullFailure>, Error> {
        let text = format!("{host}/{repository}:{tag}");
        let image: ImageReference =
            text.parse().map_err(|source| Error::Image { text: text.clone(), source })?;
        Ok(pull(&self.client, &image, login).await)
    }

    /// A token of the token service to push with.
    fn push_token(&self, stage: &Stage<'_>, repository: &str, login: &Login) -> Result<SecretString, Error> {
        let cloud_error = |reason: String| Error::Cloud(format!("no token to push with: {reason}"));
        let listing = stage.cloud().listing();
        let auth = Auth::of(listing, self.instance)?;
        let service = auth.service;
        let realm = listing.hosts.iter().find(|host| auth.realm == format!("{}/auth", host.url));
        let host = realm.map(|host| host.host.as_str()).unwrap_or_default();
        let basic = STANDARD.encode(format!("{}:{}", login.username, login.password.expose_secret()));
        let request = http::Request::get(format!(
            "https://{host}/auth?service={service}&scope=repository:{repository}:pull,push"
        ))
        .header("authorization", format!("Basic {basic}"))
        .body(Bytes::new())
        .map_err(|error| cloud_error(error.to_string()))?;
        let outcome = stage.cloud().cloud().call(Timestamp::now(), request).outcome;
        let Outcome::Answered(response) = outcome else {
            return Err(cloud_error(format!("{outcome:?}")));
        };
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let token = body.get("token").and_then(Value::as_str);
        token.map(SecretString::from).ok_or_else(|| cloud_error(response.status().to_string()))
    }
}

/// What the registry of an instance is told of its token service.
struct Auth<'a> {
    realm: &'a str,
    service: &'a str,
    issuer: &'a str,
}

impl<'a> Auth<'a> {
    fn of(listing: &'a Listing, instance: Instance) -> Result<Self, Error> {
        let none = || Error::Cloud(format!("no registry of {}", instance.public_host));
        if instance.id.is_empty() {
            let personal = listing.personal_registries.iter().find(|auth| auth.region == instance.region);
            let auth = personal.ok_or_else(none)?;
            return Ok(Self { realm: &auth.realm, service: &auth.service, issuer: &auth.issuer });
        }
        let auth = listing.registry(instance.id).ok_or_else(none)?;
        Ok(Self { realm: &auth.realm, service: &auth.service, issuer: &auth.issuer })
    }
}

/// A login of the user who may push.
async fn builders_login(stage: &Stage<'_>, instance: Instance) -> Result<Login, Error> {
    let host = format!("cr.{}.aliyuncs.com", instance.region);
    let url = stage.cloud().listing().url(&host).map(str::to_owned);
    let endpoint = url.ok_or_else(|| Error::Cloud(format!("{host} is not served")))?;
    let options = acr_alibaba::ClientOptions { user_agent: USER_AGENT.to_owned(), ..Default::default() };
    let client = acr_alibaba::Client::new(&options).map_err(|error| Error::Cloud(error.to_string()))?;
    let (id, secret) = instance.builder;
    let key = AccessKey { id: id.into(), secret: secret.into(), security_token: None };
    let endpoints = vec![endpoint];
    let call = if instance.id.is_empty() {
        Call::PersonalAuthorizationToken { endpoints, key }
    } else {
        Call::GetAuthorizationToken { endpoints, instance: instance.id.to_owned(), key }
    };
    match client.carry_out(call, 0, DEADLINE).await.outcome {
        Ok(Reply::Login(login)) => Ok(login),
        Ok(other) => Err(Error::Cloud(format!("no login but {other:?}"))),
        Err(failure) => Err(Error::Cloud(failure.to_string())),
    }
}

/// The docker config document of a pull secret.
pub(crate) fn document(namespace: &str, secret: &Secret) -> Result<Value, Error> {
    let broken = |reason: String| Error::PullSecret { namespace: namespace.to_owned(), reason };
    let kind = secret.type_.as_deref().unwrap_or_default();
    if kind != "kubernetes.io/dockerconfigjson" {
        return Err(broken(format!("its type is {kind:?}")));
    }
    let data = secret.data.as_ref().and_then(|data| data.get(DOCKER_CONFIG));
    let data = data.ok_or_else(|| broken(format!("no key {DOCKER_CONFIG}")))?;
    serde_json::from_slice(&data.0).map_err(|error| broken(error.to_string()))
}

/// The login that a container runtime takes from a pull secret for a host; `None` where it has none.
///
/// All four fields are checked against each other: a runtime may read any of them.
pub fn secret_login(namespace: &str, secret: &Secret, host: &str) -> Result<Option<Login>, Error> {
    let broken =
        |reason: &str| Error::PullSecret { namespace: namespace.to_owned(), reason: reason.to_owned() };
    let document = document(namespace, secret)?;
    let entries: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_value(document.get("auths").cloned().unwrap_or_default())
            .map_err(|_| broken("its `auths` is no mapping of texts"))?;
    let Some(entry) = entries.get(host) else { return Ok(None) };
    let field = |name: &str| entry.get(name).ok_or_else(|| broken(&format!("{host} has no {name}")));
    let (username, password) = (field("username")?, field("password")?);
    if *field("auth")? != STANDARD.encode(format!("{username}:{password}")) {
        return Err(broken(&format!("{host}: `auth` is not user name and password")));
    }
    Ok(Some(Login {
        username: username.clone(),
        password: password.clone().into(),
        expires: UnixMillis(i64::MAX),
    }))
}
