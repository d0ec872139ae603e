//! Asking a token endpoint, and what it answers (<https://distribution.github.io/distribution/spec/auth/token/>).

use acr_credentials::Login;
use acr_credentials::uri_encoding::encode_into;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::challenge::BearerChallenge;

/// The URI that a token is asked from: the realm with `account` (where there is a login), `service` and one
/// `scope` for each of the challenge, else `scope`. `None` where the realm is no absolute HTTP URL.
pub fn token_uri(challenge: &BearerChallenge, scope: &str, account: Option<&str>) -> Option<Uri> {
    let realm: Uri = challenge.realm.parse().ok()?;
    if !matches!(realm.scheme_str(), Some("http" | "https")) || realm.authority()?.as_str().contains('@') {
        return None;
    }
    let scopes = challenge.scope.as_deref().unwrap_or(scope).split(' ').filter(|scope| !scope.is_empty());
    let account = account.map(|account| ("account", account));
    let service = challenge.service.as_deref().map(|service| ("service", service));
    let parameters = account.into_iter().chain(service).chain(scopes.map(|scope| ("scope", scope)));
    let mut text = challenge.realm.clone();
    let mut separator = if realm.query().is_some() { '&' } else { '?' };
    for (name, value) in parameters {
        text.push(separator);
        text.push_str(name);
        text.push('=');
        encode_into(&mut text, value);
        separator = '&';
    }
    text.parse().ok()
}

/// The bearer token of a reply: `token`, or `access_token` as OAuth calls it. `None` where neither is a text
/// that a header can carry.
pub fn parse_token(body: &[u8]) -> Option<SecretString> {
    #[derive(Deserialize)]
    struct Reply {
        token: Option<String>,
        access_token: Option<String>,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    [reply.token, reply.access_token]
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(SecretString::from)
}

/// User name and password as they travel (RFC 7617).
pub(crate) fn encoded(login: &Login) -> SecretString {
    let pair = Zeroizing::new(format!("{}:{}", login.username, login.password.expose_secret()));
    STANDARD.encode(pair.as_bytes()).into()
}

/// The `Authorization` header of an encoded login, which nothing prints.
pub(crate) fn basic(encoded: &SecretString) -> Option<HeaderValue> {
    header("Basic ", encoded.expose_secret())
}

/// The `Authorization` header of a token, which nothing prints.
pub(crate) fn bearer(token: &SecretString) -> Option<HeaderValue> {
    header("Bearer ", token.expose_secret())
}

fn header(scheme: &str, credentials: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme}{credentials}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use acr_credentials::UnixMillis;

    fn challenge(realm: &str, scope: Option<&str>) -> BearerChallenge {
        BearerChallenge {
            realm: realm.into(),
            service: Some("registry.aliyuncs.com:cn-hangzhou:china:cri-1".into()),
            scope: scope.map(str::to_owned),
            error: None,
        }
    }

    #[test]
    fn a_realm_that_is_no_http_url_is_refused() {
        for realm in
            ["", "/auth", "auth.example/auth", "ftp://auth.example/", "https://user:pass@auth.example/"]
        {
            assert_eq!(token_uri(&challenge(realm, None), "s", None), None, "{realm}");
        }
    }

    #[test]
    fn section_9_the_uri_names_account_service_and_every_scope() {
        let asked = |realm, scope, account| {
            token_uri(&challenge(realm, scope), "repository:a/b:pull", account).unwrap()
        };
        assert_eq!(
            asked("https://auth.example/auth", None, Some("cr_temp user")),
            "https://auth.example/auth?account=cr_temp%20user\
             &service=registry.aliyuncs.com%3Acn-hangzhou%3Achina%3Acri-1&scope=repository%3Aa%2Fb%3Apull"
        );
        assert_eq!(
            asked("https://auth.example/auth?x=y", Some("one two"), None),
            "https://auth.example/auth?x=y&service=registry.aliyuncs.com%3Acn-hangzhou%3Achina%3Acri-1&scope=one&scope=two"
        );
    }

    #[test]
    fn section_9_a_reply_has_its_token_under_either_name() {
        for (body, token) in [
            (r#"{"token":"a","access_token":"b"}"#, Some("a")),
            (r#"{"access_token":"b","expires_in":600}"#, Some("b")),
            (r#"{"token":"","access_token":"b"}"#, Some("b")),
            (r#"{"token":"a b"}"#, None),
            (r#"{"token":1}"#, None),
            (r#"{"errors":[]}"#, None),
            ("", None),
        ] {
            let found = parse_token(body.as_bytes());
            assert_eq!(found.as_ref().map(SecretString::expose_secret), token, "{body}");
        }
    }

    #[test]
    fn section_9_a_login_with_a_colon_in_its_password_is_one_header_that_is_not_printed() {
        let login = Login { username: "cr_temp_user".into(), password: "p:w".into(), expires: UnixMillis(0) };
        let value = basic(&encoded(&login)).unwrap();
        assert_eq!(value, "Basic Y3JfdGVtcF91c2VyOnA6dw==");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
