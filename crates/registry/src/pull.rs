//! Pulling an image as a container runtime does, to know whether it works.

use acr_credentials::{Digest, ImageReference, Login};
use http::{HeaderValue, StatusCode, Uri};
use secrecy::SecretString;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::answer::Answer;
use crate::challenge::BearerChallenge;
use crate::client::{Client, host};
use crate::failure::{Problem, PullFailure};
use crate::manifest::{ACCEPT, Descriptor, Manifest, parse_manifest};
use crate::token;

/// Registries refuse longer manifests when they are pushed.
const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;
const TOKEN_LIMIT_BYTES: u64 = 1 << 20;

/// What was pulled and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Digest of the manifest, or of the index, that the reference names.
    pub digest: Digest,
    /// Configuration and layers, each once.
    pub blobs: Vec<Descriptor>,
    /// Bytes of all blobs.
    pub blob_bytes: u64,
    /// Who gave the token; `None` where the registry asked for none.
    pub challenge: Option<BearerChallenge>,
}

/// Pulls manifest and blobs of `image` with `login`, or without one, verifies each by its digest, and keeps
/// nothing.
pub async fn pull(
    client: &Client,
    image: &ImageReference,
    login: Option<&Login>,
) -> Result<Pulled, PullFailure> {
    let now = Instant::now();
    let end = now.checked_add(client.deadline).unwrap_or(now);
    let pull = Pull { client, image, login, end };
    let (answer, access) = pull.authorized().await?;
    let (digest, manifest) = pull.manifest(answer, image.digest(), &access).await?;
    let blobs = match manifest {
        Manifest::Image(blobs) => blobs,
        Manifest::Index(chosen) => pull.image_of_index(&chosen, &access).await?,
    };
    let mut blob_bytes: u64 = 0;
    for blob in &blobs {
        pull.blob(blob, &access).await?;
        blob_bytes = blob_bytes.saturating_add(blob.size);
    }
    Ok(Pulled { digest, blobs, blob_bytes, challenge: access.challenge })
}

struct Pull<'a> {
    client: &'a Client,
    image: &'a ImageReference,
    login: Option<&'a Login>,
    end: Instant,
}

/// What the requests of a registry carry, once it has said what it wants.
#[derive(Default)]
struct Access {
    challenge: Option<BearerChallenge>,
    bearer: Option<SecretString>,
    authorization: Option<HeaderValue>,
}

impl Pull<'_> {
    /// The answer to the first request for the manifest that the registry does not challenge.
    async fn authorized(&self) -> Result<(Answer, Access), PullFailure> {
        let challenge_failed =
            |problem| PullFailure::Challenge { registry: self.image.registry().to_owned(), problem };
        let path = format!("manifests/{}", self.image.manifest());
        let uri = self.uri(&path).map_err(challenge_failed)?;
        let first = self.client.get(uri.clone(), Some(ACCEPT), None, self.end).await;
        let first = first.map_err(challenge_failed)?;
        if first.status != StatusCode::UNAUTHORIZED {
            return Ok((first, Access::default()));
        }
        let Some(challenge) = first.challenge() else {
            return Err(challenge_failed(first.refusal(&[]).await));
        };
        let bearer = self.token(&challenge, self.client.is_plain(&uri)).await?;
        let authorization = token::bearer(&bearer);
        let access = Access { challenge: Some(challenge), bearer: Some(bearer), authorization };
        let answer = self.client.get(uri, Some(ACCEPT), access.authorization.clone(), self.end).await;
        Ok((answer.map_err(|problem| self.manifest_failed(problem))?, access))
    }

    async fn token(
        &self,
        challenge: &BearerChallenge,
        is_plain_allowed: bool,
    ) -> Result<SecretString, PullFailure> {
        let failed = |problem| PullFailure::Token {
            // The query of a realm is the registry's own affair.
            realm: challenge.realm.split('?').next().unwrap_or_default().to_owned(),
            image: self.image.clone(),
            anonymous: self.login.is_none(),
            problem,
        };
        let malformed =
            |host: String, reason: &str| failed(Problem::Malformed { host, reason: reason.to_owned() });
        let scope = format!("repository:{}:pull", self.image.repository());
        let account = self.login.map(|login| login.username.as_str());
        let registry = || self.image.registry().to_owned();
        let uri = token::token_uri(challenge, &scope, account)
            .ok_or_else(|| malformed(registry(), "its realm is no URL of a token endpoint"))?;
        if self.login.is_some() && self.client.is_plain(&uri) && !is_plain_allowed {
            return Err(failed(Problem::Plaintext { host: host(&uri) }));
        }
        let encoded = self.login.map(token::encoded);
        let basic = encoded.as_ref().and_then(token::basic);
        let answer = self.client.get(uri, Some("application/json"), basic, self.end).await.map_err(failed)?;
        if answer.status != StatusCode::OK {
            let password = self.login.map(|login| &login.password);
            let secrets: Vec<&SecretString> = password.into_iter().chain(&encoded).collect();
            return Err(failed(answer.refusal(&secrets).await));
        }
        let asked = answer.host.clone();
        let (body, _) = answer.content(TOKEN_LIMIT_BYTES).await.map_err(failed)?;
        let body = Zeroizing::new(body);
        token::parse_token(&body).ok_or_else(|| malformed(asked, "it holds no token"))
    }

    async fn manifest(
        &self,
        answer: Answer,
        expected: Option<&Digest>,
        access: &Access,
    ) -> Result<(Digest, Manifest), PullFailure> {
        let failed = |problem| self.manifest_failed(problem);
        if answer.status != StatusCode::OK {
            return Err(failed(answer.refusal(&self.secrets(access)).await));
        }
        let asked = answer.host.clone();
        let (body, found) = answer.content(MANIFEST_LIMIT_BYTES).await.map_err(failed)?;
        if expected.is_some_and(|expected| *expected != found) {
            return Err(failed(Problem::WrongContent { host: asked, found }));
        }
        let manifest = parse_manifest(&body)
            .map_err(|reason| failed(Problem::Malformed { host: asked, reason: reason.to_owned() }))?;
        Ok((found, manifest))
    }

    async fn image_of_index(
        &self,
        chosen: &Descriptor,
        access: &Access,
    ) -> Result<Vec<Descriptor>, PullFailure> {
        let failed = |problem| self.manifest_failed(problem);
        let uri = self.uri(&format!("manifests/{}", chosen.digest)).map_err(failed)?;
        let answer = self.client.get(uri, Some(ACCEPT), access.authorization.clone(), self.end).await;
        let answer = answer.map_err(failed)?;
        let asked = answer.host.clone();
        match self.manifest(answer, Some(&chosen.digest), access).await? {
            (_, Manifest::Image(blobs)) => Ok(blobs),
            (_, Manifest::Index(_)) => {
                let reason = "its index names another index".to_owned();
                Err(failed(Problem::Malformed { host: asked, reason }))
            }
        }
    }

    async fn blob(&self, blob: &Descriptor, access: &Access) -> Result<(), PullFailure> {
        let failed =
            |problem| PullFailure::Blob { image: self.image.clone(), digest: blob.digest.clone(), problem };
        let limit_bytes = self.client.blob_limit_bytes;
        if blob.size > limit_bytes {
            return Err(failed(Problem::TooLarge { host: self.image.registry().to_owned(), limit_bytes }));
        }
        let uri = self.uri(&format!("blobs/{}", blob.digest)).map_err(failed)?;
        let answer =
            self.client.get(uri, None, access.authorization.clone(), self.end).await.map_err(failed)?;
        if answer.status != StatusCode::OK {
            return Err(failed(answer.refusal(&self.secrets(access)).await));
        }
        let asked = answer.host.clone();
        let found = answer.digest(blob.size).await.map_err(|problem| match problem {
            Problem::TooLarge { host, limit_bytes } => {
                let reason = format!("it is longer than the {limit_bytes} bytes that the manifest names");
                failed(Problem::Malformed { host, reason })
            }
            other => failed(other),
        })?;
        if found != blob.digest {
            return Err(failed(Problem::WrongContent { host: asked, found }));
        }
        Ok(())
    }

    fn manifest_failed(&self, problem: Problem) -> PullFailure {
        PullFailure::Manifest { image: self.image.clone(), anonymous: self.login.is_none(), problem }
    }

    fn uri(&self, path: &str) -> Result<Uri, Problem> {
        let (registry, repository) = (self.image.registry(), self.image.repository());
        format!("https://{registry}/v2/{repository}/{path}").parse().map_err(|_| Problem::Malformed {
            host: registry.to_owned(),
            reason: "the reference makes no URL".to_owned(),
        })
    }

    /// What a server could echo.
    fn secrets<'b>(&'b self, access: &'b Access) -> Vec<&'b SecretString> {
        self.login.iter().map(|login| &login.password).chain(&access.bearer).collect()
    }
}

#[cfg(test)]
mod tests;
