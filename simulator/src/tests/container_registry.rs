//! Container Registry: who is refused, what a login lives for, which endpoints an instance has.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use super::support::*;
use crate::{Mutation, Outcome};

fn login(instance: &str) -> Acs3 {
    Acs3::new("GetAuthorizationToken", instance)
}

fn endpoints(instance: &str) -> Acs3 {
    Acs3::new("ListInstanceEndpoint", instance)
}

#[test]
fn who_may_not_is_refused_in_the_documented_words() {
    let nobody = Key::new("LTAInobody", "nobody-secret");
    let other_account = Key::new("LTAIother", "other-secret");
    for action in ["GetAuthorizationToken", "ListInstanceEndpoint"] {
        for (key, instance, expected) in [
            (&nobody, INSTANCE, (403, "NoPrivilege")),
            (&other_account, INSTANCE, (403, "NoPrivilege")),
            (&Key::puller(), "cri-unknown", (404, "INSTANCE_NOT_EXIST")),
            (&Key::puller(), "cri-beijing0000000", (404, "INSTANCE_NOT_EXIST")),
            (&Key::puller(), "crpi-personal00000", (401, "AUTHENTICATION_FAILED")),
            (&Key::puller(), "", (400, "MissingInstanceId")),
        ] {
            let request = Acs3::new(action, instance).by(key).build();
            let (status, code) = refusal(&mut cloud(), start(), request);
            assert_eq!((status, code.as_str()), expected, "{action} {instance} {}", key.id);
        }
    }
}

#[test]
fn a_role_that_lost_its_permission_is_refused_and_a_session_policy_narrows_it() {
    let mut cloud = cloud();
    let key = Key::of(&session(&mut cloud, &[]));
    assert_eq!(ask(&mut cloud, start(), login(INSTANCE).by(&key).build()).0, 200);
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:List*","Resource":"*"}]}"#;
    let narrowed = Key::of(&session(&mut cloud, &[("Policy", policy)]));
    let mut ask_both = |key: &Key| {
        let login = refusal(&mut cloud, start(), login(INSTANCE).by(key).build());
        (login.0, ask(&mut cloud, start(), endpoints(INSTANCE).by(key).build()).0)
    };
    assert_eq!(ask_both(&narrowed), (403, 200));
    cloud.mutate(Mutation::SetRolePolicies { role: ROLE.to_owned(), policies: Vec::new() }).unwrap();
    let refused = refusal(&mut cloud, after(1), login(INSTANCE).by(&key).at(after(1)).build());
    assert_eq!(refused, (403, "NoPrivilege".to_owned()));
}

#[test]
fn a_permission_on_one_instance_alone_gives_no_login() {
    let mut cloud = cloud();
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"cr:*",
        "Resource":"acs:cr:*:*:instance/cri-acme0000000000"}]}"#;
    let policies = vec![serde_json::from_str(policy).unwrap()];
    let (account, user) = (ACCOUNT.to_owned(), "puller".to_owned());
    cloud.mutate(Mutation::SetUserPolicies { account, user, policies }).unwrap();
    let refused = refusal(&mut cloud, start(), login(INSTANCE).build());
    assert_eq!(refused, (403, "NoPrivilege".to_owned()));
    assert_eq!(ask(&mut cloud, start(), endpoints(INSTANCE).build()).0, 200);
    let refused = refusal(&mut cloud, start(), endpoints("cri-other000000000").build());
    assert_eq!(refused, (403, "NoPrivilege".to_owned()));
}

#[test]
fn hosts_that_do_not_exist_are_not_found() {
    for host in ["cr-vpc.cn-heyuan.aliyuncs.com", "cr.cn-nowhere.aliyuncs.com", "registry.example"] {
        let request = Acs3 { host, ..login(INSTANCE) }.build();
        assert!(matches!(cloud().call(start(), request).outcome, Outcome::NoSuchHost), "{host}");
    }
}

#[test]
fn the_vpc_host_answers_as_the_public_one() {
    let request = Acs3 { host: "cr-vpc.cn-hangzhou.aliyuncs.com", ..login(INSTANCE) }.build();
    assert_eq!(ask(&mut cloud(), start(), request).0, 200);
}

#[test]
fn a_login_of_a_user_lives_an_hour_in_milliseconds_and_has_the_known_shape() {
    let (status, body) = ask(&mut cloud(), start(), login(INSTANCE).build());
    assert_eq!(status, 200);
    assert_eq!((&body["Code"], &body["IsSuccess"]), (&json!("success"), &json!(true)));
    assert_eq!(body["TempUsername"], "cr_temp_user");
    assert_eq!(body["ExpireTime"], json!(start().as_millisecond() + 3_600_000));
    let (content, digits) = body["AuthorizationToken"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!(digits.len(), 40);
    let content: Value = serde_json::from_slice(&STANDARD_NO_PAD.decode(content).unwrap()).unwrap();
    assert_eq!(content["instanceId"], INSTANCE);
    assert_eq!(content["time"], body["ExpireTime"].to_string());
    assert_eq!(content["type"], "sub");
    assert_eq!(content["userId"].as_str().map(str::len), Some(18));
}

#[test]
fn a_login_never_outlives_the_session_that_asked() {
    let mut cloud = cloud();
    let key = Key::of(&session(&mut cloud, &[("DurationSeconds", "900")]));
    let (_, body) = ask(&mut cloud, after(60), login(INSTANCE).by(&key).at(after(60)).build());
    assert_eq!(body["ExpireTime"], json!(after(900).as_millisecond()));
    let key = Key::of(&session(&mut cloud, &[("DurationSeconds", "7200")]));
    let (_, body) = ask(&mut cloud, after(60), login(INSTANCE).by(&key).at(after(60)).build());
    assert_eq!(body["ExpireTime"], json!(after(3660).as_millisecond()));
}

#[test]
fn a_login_may_be_asked_for_up_to_24_hours() {
    for (hours, expected) in [("24", Ok(24)), ("25", Err(400)), ("0", Err(400)), ("x", Err(400))] {
        let mut request = login(INSTANCE);
        request.query.push(("ExpiresInHours", hours.to_owned()));
        let (status, body) = ask(&mut cloud(), start(), request.build());
        let expected = expected.map_or_else(
            |status| (status, Value::Null),
            |hours: i64| (200, json!(start().as_millisecond() + hours * 3_600_000)),
        );
        assert_eq!((status, body["ExpireTime"].clone()), expected, "{hours}");
    }
}

#[test]
fn endpoints_list_system_and_custom_domains_that_are_enabled() {
    let (status, body) = ask(&mut cloud(), start(), endpoints(INSTANCE).build());
    assert_eq!(status, 200);
    assert_eq!(
        body["Endpoints"],
        json!([
            {
                "EndpointType": "internet", "Enable": true, "Status": "RUNNING",
                "AclEnable": false, "AclEntries": [], "LinkedVpcs": [],
                "Domains": [
                    {"Domain": "acme-registry.cn-hangzhou.cr.aliyuncs.com", "Type": "SYSTEM"},
                    {"Domain": "images.acme.example", "Type": "USER"},
                ],
            },
            {
                "EndpointType": "vpc", "Enable": true, "Status": "RUNNING",
                "AclEnable": false, "AclEntries": [], "LinkedVpcs": [{"VpcId": "vpc-1"}],
                "Domains": [
                    {"Domain": "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com", "Type": "SYSTEM"},
                    {"Domain": "inner.acme.example", "Type": "USER"},
                ],
            },
        ])
    );
    let (_, body) = ask(&mut cloud(), start(), endpoints("cri-other000000000").build());
    assert_eq!(body["Endpoints"][0]["Enable"], false);
}

#[test]
fn section_2_2_a_summary_leaves_out_the_access_lists() {
    let mut request = endpoints(INSTANCE);
    request.query.push(("Summary", "true".to_owned()));
    let (_, body) = ask(&mut cloud(), start(), request.build());
    assert_eq!(body["Endpoints"][0].get("AclEntries"), None);
    assert_eq!(body["Endpoints"][0].get("AclEnable"), None);
}

#[test]
fn an_answer_is_xml_unless_json_is_accepted() {
    let request = Acs3 { more: Vec::new(), ..login(INSTANCE) }.build();
    let (status, body) = ask(&mut cloud(), start(), request);
    assert_eq!(status, 200);
    assert!(body.as_str().unwrap().contains("<GetAuthorizationTokenResponse>"), "{body}");
}

#[test]
fn the_main_account_may_do_everything_of_its_own() {
    let main = Key::new("LTAImain", "main-secret");
    assert_eq!(ask(&mut cloud(), start(), login(INSTANCE).by(&main).build()).0, 200);
}
