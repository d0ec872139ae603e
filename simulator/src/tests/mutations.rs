//! Changes of the running cloud.

use serde_json::{Value, json};

use super::support::*;
use crate::{Mutation, MutationError};

fn mutation(text: Value) -> Mutation {
    serde_json::from_value(text).unwrap()
}

#[test]
fn what_does_not_exist_cannot_be_changed() {
    let unknown_role = "acs:ram::1000000000000001:role/unknown";
    let unknown_provider = "acs:ram::1000000000000001:oidc-provider/unknown";
    let trust = json!({ "Version": "1", "Statement": [] });
    for text in [
        json!({ "setKeyStatus": { "accessKeyId": "unknown", "status": "Inactive" } }),
        json!({ "setUserPolicies": { "account": "9", "user": "puller", "policies": [] } }),
        json!({ "setUserPolicies": { "account": ACCOUNT, "user": "unknown", "policies": [] } }),
        json!({ "setRolePolicies": { "role": unknown_role, "policies": [] } }),
        json!({ "setRolePolicies": { "role": "nonsense", "policies": [] } }),
        json!({ "setTrustPolicy": { "role": unknown_role, "trustPolicy": trust } }),
        json!({ "removeRole": { "role": unknown_role } }),
        json!({ "setIssuerKeys": { "provider": unknown_provider, "jwks": null } }),
        json!({ "removeInstance": { "instance": "cri-unknown" } }),
        json!({ "setEndpoints": { "instance": "cri-unknown", "public": true } }),
    ] {
        let MutationError::NotFound { kind, name } = cloud().mutate(mutation(text.clone())).unwrap_err();
        assert!(!kind.is_empty() && !name.is_empty(), "{text}");
    }
}

#[test]
fn a_misspelt_change_is_not_taken() {
    for text in [
        json!({ "setKeyStatus": { "accessKeyId": "LTAIpuller", "status": "Off" } }),
        json!({ "setKeyStatus": { "accessKey": "LTAIpuller", "status": "Inactive" } }),
        json!({ "unknown": {} }),
    ] {
        assert!(serde_json::from_value::<Mutation>(text.clone()).is_err(), "{text}");
    }
}

#[test]
fn a_clone_is_not_changed_with_its_original() {
    let original = cloud();
    let mut changed = original.clone();
    changed.mutate(mutation(json!({ "removeInstance": { "instance": INSTANCE } }))).unwrap();
    let request = || Acs3::new("GetAuthorizationToken", INSTANCE).build();
    let refused = refusal(&mut changed, start(), request());
    assert_eq!(refused, (404, "INSTANCE_NOT_EXIST".to_owned()));
    assert_eq!(ask(&mut original.clone(), start(), request()).0, 200);
}

#[test]
fn endpoints_and_custom_domains_change() {
    let mut cloud = cloud();
    cloud
        .mutate(mutation(json!({ "setEndpoints": {
            "instance": INSTANCE, "public": false, "customDomains": [{ "domain": "new.acme.example" }],
        } })))
        .unwrap();
    let (_, body) = ask(&mut cloud, start(), Acs3::new("ListInstanceEndpoint", INSTANCE).build());
    let internet = &body["Endpoints"][0];
    assert_eq!(internet["Enable"], false);
    assert_eq!(internet["Domains"][1], json!({ "Domain": "new.acme.example", "Type": "USER" }));
    assert_eq!(body["Endpoints"][1]["Enable"], true, "what is absent stays");
}

#[test]
fn a_changed_trust_policy_counts_at_once() {
    let mut cloud = cloud();
    let trust_policy = json!({ "Version": "1", "Statement": [] });
    cloud
        .mutate(mutation(json!({ "setTrustPolicy": { "role": ROLE, "trustPolicy": trust_policy } })))
        .unwrap();
    let refused = refusal(&mut cloud, start(), assume_role(&good_token(), &[]));
    assert_eq!(refused, (401, "AuthenticationFail.NoPermission".to_owned()));
}

#[test]
fn changed_issuer_keys_refuse_tokens_of_the_old_ones() {
    let mut cloud = cloud();
    let jwks = crate::Issuer::new("https://issuer.example").unwrap().jwks();
    let jwks = serde_json::to_value(jwks).unwrap();
    cloud.mutate(mutation(json!({ "setIssuerKeys": { "provider": PROVIDER, "jwks": jwks } }))).unwrap();
    let refused = refusal(&mut cloud, start(), assume_role(&good_token(), &[]));
    assert_eq!(refused, (401, "AuthenticationFail.OIDCToken.InvalidSignature".to_owned()));
}
