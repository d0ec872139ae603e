//! Section 5: the metadata service of an ECS instance.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::description::MetadataTokens;
use crate::{Cloud, CloudRequest, Mutation};

fn call(
    cloud: &mut Cloud,
    seconds: i64,
    method: &str,
    path: &str,
    header: Option<(&'static str, &str)>,
) -> (u16, String) {
    let mut request = CloudRequest::new(Bytes::new());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = format!("http://100.100.100.200/latest/{path}").parse().unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    let response = cloud.call(after(seconds), request).answered().unwrap();
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn with(tokens: MetadataTokens) -> Cloud {
    let mut description = cloud().description().clone();
    description.metadata.as_mut().unwrap().tokens = tokens;
    Cloud::new(description)
}

mod section_5 {
    use super::*;

    const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
    const REGION: &str = "meta-data/region-id";

    #[test]
    fn normal_mode_is_a_plain_get() {
        let (status, region) = call(&mut cloud(), 0, "GET", REGION, None);
        assert_eq!((status, region.as_str()), (200, "cn-hangzhou"));
    }

    #[test]
    fn hardened_mode_is_a_put_with_1_to_21600_seconds_and_a_get_with_its_token() {
        for (seconds, status) in [("0", 400), ("1", 200), ("21600", 200), ("21601", 400)] {
            assert_eq!(
                call(&mut cloud(), 0, "PUT", "api/token", Some((TTL, seconds))).0,
                status,
                "{seconds}"
            );
        }
        let mut cloud = with(MetadataTokens::Required);
        assert_eq!(call(&mut cloud, 0, "GET", REGION, None).0, 403, "normal mode is refused");
        let (_, token) = call(&mut cloud, 0, "PUT", "api/token", Some((TTL, "60")));
        let with_token = Some(("x-aliyun-ecs-metadata-token", token.as_str()));
        assert_eq!(call(&mut cloud, 59, "GET", REGION, with_token).0, 200);
        assert_eq!(call(&mut cloud, 60, "GET", REGION, with_token).0, 403);
    }

    #[test]
    fn the_listed_paths_answer() {
        for path in ["region-id", "zone-id", "instance-id", "owner-account-id", "ram/security-credentials/"] {
            assert_eq!(call(&mut cloud(), 0, "GET", &format!("meta-data/{path}"), None).0, 200, "{path}");
        }
    }

    #[test]
    fn a_role_document_has_the_documented_members_and_lives_six_hours() {
        let (_, text) = call(&mut cloud(), 0, "GET", "meta-data/ram/security-credentials/worker", None);
        let document: Value = serde_json::from_str(&text).unwrap();
        let names = ["AccessKeyId", "AccessKeySecret", "Code", "Expiration", "LastUpdated", "SecurityToken"];
        assert_eq!(fields(&document), names);
        assert_eq!(document["Code"], "Success");
        let time =
            |name: &str| document[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        assert_eq!(time("Expiration") - time("LastUpdated"), 6 * 3600);
    }

    #[test]
    fn a_machine_without_a_role_is_404_on_the_list() {
        let mut cloud = cloud();
        cloud.mutate(Mutation::SetMachineRole { role: None }).unwrap();
        assert_eq!(call(&mut cloud, 0, "GET", "meta-data/ram/security-credentials/", None).0, 404);
    }

    #[test]
    fn a_platform_without_hardened_mode_is_404_on_the_token_and_answers_without() {
        let mut cloud = with(MetadataTokens::Unsupported);
        assert_eq!(call(&mut cloud, 0, "PUT", "api/token", Some((TTL, "60"))).0, 404);
        assert_eq!(call(&mut cloud, 0, "GET", REGION, None).0, 200);
    }

    #[test]
    fn the_role_of_the_machine_may_go_on_to_another_account() {
        let mut cloud = cloud();
        let worker = worker(&mut cloud);
        let (status, body) = ask(&mut cloud, start(), hop(&worker, 0, &[]));
        assert_eq!((status, &body["AssumedRoleUser"]["Arn"]), (200, &json!(format!("{PULLER_OF_B}/helper"))));
    }
}
