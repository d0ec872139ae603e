//! Section 9: token authentication as the registries of ACR serve it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::super::personal::tokens;
use super::*;
use crate::description::Personal;
use crate::{Cloud, CloudRequest};

/// Status and claims (or the body of a refusal) of a token request.
fn token(
    cloud: &mut Cloud,
    seconds: i64,
    service: &str,
    scope: &str,
    password: Option<&str>,
) -> (u16, Value) {
    let mut request = CloudRequest::new(Bytes::new());
    let uri =
        format!("https://dockerauth.cn-hangzhou.aliyuncs.com/auth?account=x&service={service}&scope={scope}");
    *request.uri_mut() = uri.parse().unwrap();
    if let Some(password) = password {
        let basic = format!("Basic {}", STANDARD.encode(format!("cr_temp_user:{password}")));
        request.headers_mut().insert("authorization", HeaderValue::from_str(&basic).unwrap());
    }
    let (status, body) = ask(cloud, after(seconds), request);
    let claims =
        body["token"].as_str().map(|token| URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap());
    (status, claims.map_or(body, |claims| serde_json::from_slice(&claims).unwrap()))
}

fn enterprise_password(cloud: &mut Cloud) -> String {
    let (_, body) = ask(cloud, start(), Acs3::new("GetAuthorizationToken", INSTANCE).build());
    body["AuthorizationToken"].as_str().unwrap().to_owned()
}

mod section_9 {
    use super::*;

    const SERVICE: &str = "registry.aliyuncs.com:cn-hangzhou:china:cri-acme0000000000";

    #[test]
    fn the_service_string_names_region_and_instance_or_the_region_alone() {
        assert_eq!(cloud().description().instances[0].service(), SERVICE);
        assert_eq!(Personal::service("cn-hangzhou"), "registry.aliyuncs.com:cn-hangzhou:26842");
    }

    #[test]
    fn a_login_by_basic_is_split_at_its_first_colon_and_gets_a_token_for_ten_minutes() {
        let mut cloud = cloud();
        let password = enterprise_password(&mut cloud);
        assert!(password.contains(':'));
        let (status, claims) = token(&mut cloud, 0, SERVICE, "repository:app/web:pull", Some(&password));
        let now = start().as_second();
        assert_eq!(status, 200);
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("dockerauth.aliyuncs.com"), &json!(SERVICE)));
        assert_eq!(
            (&claims["iat"], &claims["nbf"], &claims["exp"]),
            (&json!(now), &json!(now - 300), &json!(now + 600))
        );
        assert_eq!(
            claims["access"],
            json!([{ "type": "repository", "name": "app/web", "actions": ["pull"] }])
        );
    }

    #[test]
    fn nobody_gets_a_token_without_access_unless_the_repository_is_public() {
        let mut cloud = cloud();
        let (status, claims) = token(&mut cloud, 0, SERVICE, "repository:app/web:pull", None);
        assert_eq!((status, &claims["access"], &claims["sub"]), (200, &json!([]), &json!("")));
    }

    #[test]
    fn a_wrong_or_expired_password_is_401_unauthorized() {
        let mut cloud = cloud();
        let password = enterprise_password(&mut cloud);
        for (seconds, password) in [(0, "wrong"), (3600, password.as_str())] {
            let (status, body) = token(&mut cloud, seconds, SERVICE, "", Some(password));
            assert_eq!((status, &body["errors"][0]["code"]), (401, &json!("UNAUTHORIZED")));
        }
    }

    #[test]
    fn a_login_of_the_personal_edition_is_for_the_registry_of_its_region() {
        let mut cloud = cloud();
        let (_, body) = ask(&mut cloud, start(), tokens(&Key::puller(), 0));
        let password = body["data"]["authorizationToken"].as_str().unwrap().to_owned();
        let service = Personal::service("cn-hangzhou");
        let (status, claims) = token(&mut cloud, 0, &service, "repository:mine/app:pull", Some(&password));
        assert_eq!((status, &claims["access"][0]["name"]), (200, &json!("mine/app")));
        assert_eq!(token(&mut cloud, 0, SERVICE, "repository:app/web:pull", Some(&password)).0, 401);
    }
}
