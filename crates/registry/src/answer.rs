//! An HTTP answer of a registry: its content with a limit and a digest, or its refusal.

use acr_credentials::{Digest, safe_text};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::challenge::{BearerChallenge, bearer_challenge};
use crate::client::causes;
use crate::failure::Problem;

/// Error bodies have a few hundred bytes.
const ERROR_LIMIT_BYTES: u64 = 64 << 10;

/// The head of an answer, with its body still to come.
pub(crate) struct Answer {
    /// Host that was asked.
    pub host: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Incoming,
    /// Deadline of the pull.
    pub end: Instant,
}

impl Answer {
    /// The bearer challenge of a 401.
    pub(crate) fn challenge(&self) -> Option<BearerChallenge> {
        let values = self.headers.get_all(header::WWW_AUTHENTICATE).iter();
        bearer_challenge(values.filter_map(|value| value.to_str().ok()))
    }

    /// The whole body, `limit_bytes` at most, and its digest.
    pub(crate) async fn content(mut self, limit_bytes: u64) -> Result<(Vec<u8>, Digest), Problem> {
        let (mut content, mut sha256) = (Vec::new(), Context::new(&SHA256));
        while let Some(piece) = self.next_piece().await? {
            if fits(content.len(), piece.len(), limit_bytes).is_none() {
                return Err(Problem::TooLarge { host: self.host, limit_bytes });
            }
            sha256.update(&piece);
            content.extend_from_slice(&piece);
        }
        Ok((content, finish(sha256)))
    }

    /// The digest of the body, which is not kept; `limit_bytes` at most.
    pub(crate) async fn digest(mut self, limit_bytes: u64) -> Result<Digest, Problem> {
        let (mut length, mut sha256) = (0, Context::new(&SHA256));
        while let Some(piece) = self.next_piece().await? {
            length = fits(length, piece.len(), limit_bytes)
                .ok_or_else(|| Problem::TooLarge { host: self.host.clone(), limit_bytes })?;
            sha256.update(&piece);
        }
        Ok(finish(sha256))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            match timeout_at(self.end, self.body.frame()).await {
                Err(_) => return Err(Problem::TimedOut { host: self.host.clone() }),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    return Err(Problem::Cut { host: self.host.clone(), cause: causes(Some(&error)) });
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// What an answer that is no success says, without `secrets`.
    pub(crate) async fn refusal(self, secrets: &[&SecretString]) -> Problem {
        let (host, status) = (self.host.clone(), self.status.as_u16());
        // The status counts even where the explanation does not arrive.
        let body = self.content(ERROR_LIMIT_BYTES).await.map(|(body, _)| body).unwrap_or_default();
        let first = parse_error(&body);
        Problem::Refused {
            host,
            status,
            code: first.code.and_then(|code| safe_text::name(&code, secrets)),
            message: safe_text::message(&first.message.unwrap_or_default(), secrets),
        }
    }
}

/// `length` and `more` together where that is within the limit.
fn fits(length: usize, more: usize, limit_bytes: u64) -> Option<usize> {
    length.checked_add(more).filter(|sum| u64::try_from(*sum).is_ok_and(|sum| sum <= limit_bytes))
}

fn finish(sha256: Context) -> Digest {
    let digest = sha256.finish();
    // SHA-256 has 32 bytes.
    Digest::from(<[u8; 32]>::try_from(digest.as_ref()).unwrap_or_default())
}

#[derive(Default, Deserialize)]
struct RegistryError {
    code: Option<String>,
    message: Option<String>,
}

/// The first error of a body (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>).
/// Token endpoints use the same form, or OAuth's.
fn parse_error(body: &[u8]) -> RegistryError {
    #[derive(Deserialize)]
    struct Body {
        errors: Option<Vec<RegistryError>>,
        error: Option<String>,
        error_description: Option<String>,
        code: Option<String>,
        message: Option<String>,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return RegistryError::default() };
    let single =
        RegistryError { code: body.code.or(body.error), message: body.message.or(body.error_description) };
    body.errors.and_then(|errors| errors.into_iter().next()).unwrap_or(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_body_in_every_form() {
        for (body, code, message) in [
            ("", None, None),
            ("<html>", None, None),
            (r#"{"errors":[]}"#, None, None),
            (
                r#"{"errors":[{"code":"DENIED","message":"no","detail":{}},{"code":"X"}]}"#,
                Some("DENIED"),
                Some("no"),
            ),
            (r#"{"error":"invalid_grant","error_description":"no"}"#, Some("invalid_grant"), Some("no")),
            (r#"{"code":"UNAUTHORIZED","message":"no"}"#, Some("UNAUTHORIZED"), Some("no")),
        ] {
            let error = parse_error(body.as_bytes());
            assert_eq!((error.code.as_deref(), error.message.as_deref()), (code, message), "{body}");
        }
    }
}
