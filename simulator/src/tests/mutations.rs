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
        json!({ "setIssuerCertificate": { "provider": unknown_provider, "certificate": "trusted" } }),
        json!({ "removeInstance": { "instance": "cri-unknown" } }),
        json!({ "setEndpoints": { "instance": "cri-unknown", "public": true } }),
    ] {
        let Err(MutationError::NotFound { kind, name }) = cloud().mutate(mutation(text.clone())) else {
            panic!("{text} is taken");
        };
        assert!(!kind.is_empty() && !name.is_empty(), "{text}");
    }
}

#[test]
fn what_a_description_may_not_say_is_refused_in_the_same_words_and_changes_nothing() {
    let instance = |id: &str, name: &str, region: &str, account: &str| json!({ "putInstance": { "id": id, "name": name, "region": region, "account": account } });
    let refused = |change: Value| {
        let mut cloud = cloud();
        let former = format!("{:?}", cloud.description());
        let told = cloud.mutate(mutation(change.clone())).expect_err(&change.to_string()).to_string();
        assert_eq!(format!("{:?}", cloud.description()), former, "{change}");
        told
    };
    for (change, text) in [
        (
            json!({ "setMachineRole": { "role": "gone" } }),
            r#"metadata: account 1000000000000001 has no role "gone""#,
        ),
        (
            json!({ "setMachineRole": { "role": "rrsa-puller" } }),
            "does not name the service ecs.aliyuncs.com",
        ),
        (
            json!({ "setMaxSession": { "role": ROLE, "seconds": 60 } }),
            "maxSessionSeconds must lie between 3600 and 43200",
        ),
        (
            instance("cri-new", "new", "cn-nowhere", ACCOUNT),
            r#"there is no Container Registry in region "cn-nowhere""#,
        ),
        (instance("cri-new", "new", "cn-hangzhou", "9"), r#"there is no account "9""#),
        (instance("new", "new", "cn-hangzhou", ACCOUNT), "starts with cri-"),
        (instance("cri-new", "acme", "cn-hangzhou", ACCOUNT), "is given twice"),
        (
            json!({ "setEndpoints": { "instance": INSTANCE, "customDomains": [{ "domain": "https://x" }] } }),
            r#""https://x" is no domain"#,
        ),
        (
            json!({ "putPersonal": { "account": ACCOUNT, "region": "cn-hangzhou", "users": ["gone"] } }),
            r#"the account has no user "gone""#,
        ),
    ] {
        let told = refused(change);
        assert!(told.starts_with("the parts do not fit together:\n  ") && told.contains(text), "{told}");
    }
    // The words of a description that has the same fault.
    let mut description = cloud().description().clone();
    description.metadata.as_mut().unwrap().role = Some("gone".to_owned());
    let told = refused(json!({ "setMachineRole": { "role": "gone" } }));
    assert_eq!(told, description.check().unwrap_err().to_string());
}

#[test]
fn a_role_that_a_machine_has_may_be_removed_and_is_then_gone() {
    let mut cloud = cloud();
    let worker = "acs:ram::1000000000000001:role/worker";
    cloud.mutate(mutation(json!({ "removeRole": { "role": worker } }))).unwrap();
    // A change of something else is not refused for that.
    cloud.mutate(mutation(json!({ "setMaxSession": { "role": ROLE, "seconds": 3600 } }))).unwrap();
}

#[test]
fn a_cloud_without_a_machine_has_none_to_give_a_role() {
    let mut cloud = crate::Cloud::new(crate::Description::default());
    let told = cloud.mutate(mutation(json!({ "setMachineRole": { "role": null } }))).unwrap_err();
    assert_eq!(told.to_string(), "there is no machine: describe one under `metadata`");
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
