//! Section 2: Container Registry Enterprise Edition, version 2018-12-01.

use serde_json::json;

use super::*;
use crate::{Mutation, Outcome};

fn login() -> Acs3 {
    Acs3::new("GetAuthorizationToken", INSTANCE)
}

/// Lets the user `puller` do what one statement of a policy says.
fn allow(cloud: &mut crate::Cloud, action: &str, resource: &str) {
    let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let policy = json!({ "Version": "1", "Statement": [statement] });
    let policies = vec![serde_json::from_value(policy).unwrap()];
    let (account, user) = (ACCOUNT.to_owned(), "puller".to_owned());
    cloud.mutate(Mutation::SetUserPolicies { account, user, policies }).unwrap();
}

mod section_2_1 {
    use super::*;

    #[test]
    fn an_acs3_post_with_its_parameters_in_the_query_and_an_empty_body() {
        let request = login().build();
        assert!(request.body().is_empty() && request.uri().query().unwrap().starts_with("InstanceId="));
        assert_eq!(ask(&mut cloud(), start(), request).0, 200);
        let get = Acs3 { method: "GET", ..login() }.build();
        assert_eq!(ask(&mut cloud(), start(), get).0, 200);
    }

    #[test]
    fn rpc_hmac_sha1_works_by_get_and_post() {
        for method in ["GET", "POST"] {
            let pairs = [("Action", "GetAuthorizationToken"), ("InstanceId", INSTANCE)];
            let request = rpc_request(method, CR, &Key::puller(), start(), &pairs);
            assert_eq!(ask(&mut cloud(), start(), request).0, 200, "{method}");
        }
    }
}

mod section_2_2 {
    use super::*;

    #[test]
    fn a_login_has_the_documented_fields_and_its_end_in_milliseconds() {
        let (_, body) = ask(&mut cloud(), start(), login().build());
        let names = ["AuthorizationToken", "Code", "ExpireTime", "IsSuccess", "RequestId", "TempUsername"];
        assert_eq!(fields(&body), names);
        assert_eq!((&body["Code"], &body["IsSuccess"]), (&json!("success"), &json!(true)));
        assert_eq!(body["ExpireTime"], json!(start().as_millisecond() + 3_600_000), "an hour");
    }

    #[test]
    fn expires_in_hours_is_1_to_24() {
        for (hours, status) in [("0", 400), ("1", 200), ("24", 200), ("25", 400)] {
            let mut request = login();
            request.query.push(("ExpiresInHours", hours.to_owned()));
            assert_eq!(ask(&mut cloud(), start(), request.build()).0, status, "{hours}");
        }
    }

    #[test]
    fn a_login_of_a_session_lives_as_long_as_its_security_token() {
        let mut cloud = cloud();
        let request = hop(&hopper(), 0, &[("DurationSeconds", "1800")]);
        let (_, body) = ask(&mut cloud, start(), request);
        let key = Key::of(&body["Credentials"]);
        let login = Acs3::new("GetAuthorizationToken", CROSS_INSTANCE).by(&key).at(after(600));
        let (_, body) = ask(&mut cloud, after(600), login.build());
        assert_eq!(body["ExpireTime"], json!(after(1800).as_millisecond()));
    }

    #[test]
    fn the_password_is_unpadded_base64_a_colon_and_40_hexadecimal_digits() {
        let (_, body) = ask(&mut cloud(), start(), login().build());
        let (content, digits) = body["AuthorizationToken"].as_str().unwrap().split_once(':').unwrap();
        assert!(
            !content.contains('=') && digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit())
        );
    }

    #[test]
    fn endpoints_have_the_known_fields_and_their_domains_a_type() {
        let (_, body) = ask(&mut cloud(), start(), Acs3::new("ListInstanceEndpoint", INSTANCE).build());
        assert_eq!(fields(&body), ["Code", "Endpoints", "IsSuccess", "RequestId"]);
        let names = ["AclEnable", "AclEntries", "Domains", "Enable", "EndpointType", "LinkedVpcs", "Status"];
        assert_eq!(fields(&body["Endpoints"][0]), names);
        assert_eq!(body["Endpoints"][0]["EndpointType"], "internet");
        assert_eq!(body["Endpoints"][0]["Status"], "RUNNING");
        assert_eq!(body["Endpoints"][0]["Domains"][0]["Type"], "SYSTEM");
        assert_eq!(body["Endpoints"][0]["Domains"][1]["Type"], "USER");
    }

    #[test]
    fn get_authorization_token_cannot_be_granted_per_instance_and_list_instance_endpoint_can() {
        let mut cloud = cloud();
        let instance = format!("acs:cr:cn-hangzhou:{ACCOUNT}:instance/{INSTANCE}");
        let mut status = |seconds, action, granted: &str, resource: &str| {
            allow(&mut cloud, granted, resource);
            ask(&mut cloud, after(seconds), Acs3::new(action, INSTANCE).at(after(seconds)).build()).0
        };
        let (login, list) = ("GetAuthorizationToken", "ListInstanceEndpoint");
        assert_eq!(status(0, login, "cr:GetAuthorizationToken", &instance), 403);
        assert_eq!(status(1, login, "cr:GetAuthorizationToken", "*"), 200);
        assert_eq!(status(2, login, "cr:ListInstanceEndpoint", "*"), 403);
        assert_eq!(status(3, list, "cr:ListInstanceEndpoint", &instance), 200);
        assert_eq!(status(4, list, "cr:ListInstanceEndpoint", &instance.replace("acme", "xxxx")), 403);
        assert_eq!(status(5, list, "cr:GetAuthorizationToken", "*"), 403);
    }

    #[test]
    fn the_three_actions_of_the_seed_pages_are_all_that_a_pull_needs() {
        let mut cloud = cloud();
        let actions = ["cr:GetAuthorizationToken", "cr:ListInstanceEndpoint", "cr:PullRepository"];
        let policy = json!({ "Version": "1", "Statement": [{ "Action": actions, "Resource": "*", "Effect": "Allow" }] });
        let policies = vec![serde_json::from_value(policy).unwrap()];
        let (account, user) = (ACCOUNT.to_owned(), "puller".to_owned());
        cloud.mutate(Mutation::SetUserPolicies { account, user, policies }).unwrap();
        assert_eq!(ask(&mut cloud, start(), Acs3::new("ListInstanceEndpoint", INSTANCE).build()).0, 200);
        assert_eq!(ask(&mut cloud, start(), login().build()).0, 200);
    }
}

mod section_2_3 {
    use super::*;

    #[test]
    fn who_lacks_the_permission_gets_no_privilege() {
        let nobody = Key::new("LTAInobody", "nobody-secret");
        let (status, body) = ask(&mut cloud(), start(), login().by(&nobody).build());
        assert_eq!((status, &body["Code"]), (403, &json!("NoPrivilege")));
        assert_eq!(body["Message"], "Access denied for this user.");
    }

    #[test]
    fn a_failure_may_come_as_500_or_behind_200_and_a_throttle_as_400_with_its_header() {
        let with = |effect: Value| {
            let mut cloud = cloud();
            cloud.add_fault(serde_json::from_value(json!({ "effect": effect })).unwrap());
            cloud.call(start(), login().build()).answered().unwrap()
        };
        let error =
            with(json!({ "error": { "status": 500, "code": "SystemError", "message": "Unknown error." } }));
        assert_eq!(error.status(), 500);
        assert_eq!(with(json!({ "isSuccessFalse": { "code": "SystemError" } })).status(), 200);
        for code in ["Throttling", "Throttling.User", "Throttling.Api"] {
            let throttled = with(json!({ "throttle": { "code": code, "timeLeft": 2000 } }));
            assert_eq!(throttled.status(), 400);
            let header = throttled.headers()["x-ratelimit-user-api"].to_str().unwrap();
            assert!(header.contains("TimeLeft:2000"), "{header}");
        }
    }
}

mod section_2_4 {
    use super::*;

    #[test]
    fn hosts_are_regional_only_and_an_instance_exists_in_its_region_alone() {
        for host in ["cr.aliyuncs.com", "cr-vpc.cn-wulanchabu.aliyuncs.com"] {
            let request = Acs3 { host, ..login() }.build();
            assert!(matches!(cloud().call(start(), request).outcome, Outcome::NoSuchHost), "{host}");
        }
        for (host, status) in [("cr.cn-hangzhou", 200), ("cr-vpc.cn-hangzhou", 200), ("cr.cn-beijing", 404)] {
            let host: &'static str = format!("{host}.aliyuncs.com").leak();
            assert_eq!(ask(&mut cloud(), start(), Acs3 { host, ..login() }.build()).0, status, "{host}");
        }
    }
}

mod section_2_5 {
    use super::*;

    #[test]
    fn the_domains_of_an_instance_follow_from_its_name_and_region() {
        let description = cloud().description().clone();
        let instance = &description.instances[0];
        assert_eq!(instance.public_domain(), "acme-registry.cn-hangzhou.cr.aliyuncs.com");
        assert_eq!(instance.vpc_domain(), "acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com");
    }

    #[test]
    fn the_personal_registry_has_public_vpc_and_internal_names() {
        let hosts = crate::hosts::personal_registry_hosts("cn-hangzhou");
        assert_eq!(
            hosts,
            ["registry", "registry-vpc", "registry-internal"]
                .map(|name| format!("{name}.cn-hangzhou.aliyuncs.com"))
        );
        let hosts = crate::hosts::personal_registry_hosts("ap-southeast-1");
        assert!(hosts.contains(&"registry-intl-vpc.ap-southeast-1.aliyuncs.com".to_owned()), "{hosts:?}");
    }
}
