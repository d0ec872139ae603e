//! Which endpoints of the Security Token Service an entry asks.

use acr_configuration::Source;

use super::*;
use crate::admission::Front;
use crate::settings::{GivenRegion, Purpose};

const INJECTED: &str = "https://sts-vpc.cn-beijing.aliyuncs.com";

/// The endpoints of the one session that is wanted.
fn sts(fields: &str, injected: Option<&str>, region: Option<&str>, overrides: &str) -> Vec<String> {
    let entry = format!(
        "- {{instanceId: cri-0123456789abcdef, regionId: eu-central-1, rrsaRoleARN: 'acs:ram::1:role/pull', \
         rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'{fields}}}"
    );
    let data = [("acr-registry-info", entry.as_str()), ("rrsa", "enable: true"), ("endpoints", overrides)];
    let data = data.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    let loaded = acr_configuration::load(&Source::from_config_map_data(&data));
    let settings = Settings {
        namespace: "kube-system".into(),
        identity: "pod".into(),
        purpose: Purpose::Run,
        token_mode: TokenMode::Auto,
        region: region.map(|region| GivenRegion { name: region.to_owned(), by: "--region" }),
        sts_endpoint: injected.map(str::to_owned),
        registered_key_secret: None,
        add_on_token_secret: None,
        service_account: "aliyun-acr-credential-helper".into(),
        front: Some(Front::Service { name: "front".to_owned() }),
        answers: true,
        certificate_life: std::time::Duration::from_hours(90 * 24),
    };
    let surroundings = Surroundings {
        settings: &settings,
        local_region: None,
        older_than_managed_role: None,
        static_secrets: &BTreeMap::new(),
        controls: &Controls::default(),
    };
    let lines = Lines::of(&loaded.configuration.unwrap(), surroundings);
    let mut asked = lines.wanted.iter().filter_map(|wanted| match &wanted.question {
        Question::AssumeRoleWithOidc { endpoints, .. } => Some(endpoints.clone()),
        _ => None,
    });
    asked.next().unwrap()
}

#[test]
fn what_is_injected_gives_way_to_the_choice_of_an_entry_and_to_the_key_endpoints() {
    let public = "https://sts.eu-central-1.aliyuncs.com";
    assert_eq!(sts(", endpoint: public", Some(INJECTED), None, ""), [public]);
    let other = "- {product: sts, url: 'https://sts.example'}";
    assert_eq!(sts("", Some(INJECTED), None, other), ["https://sts.example"]);
}

#[test]
fn what_is_injected_is_asked_first_and_falls_back_to_the_endpoints_of_the_region_but_where_those_are_chosen()
{
    let [vpc, public] =
        ["https://sts-vpc.eu-central-1.aliyuncs.com", "https://sts.eu-central-1.aliyuncs.com"];
    assert_eq!(sts("", Some(INJECTED), None, ""), [INJECTED, vpc, public]);
    assert_eq!(sts(", endpoint: vpc", Some(INJECTED), None, ""), [vpc]);
    // As it is injected: the VPC endpoint of the region that is injected with it.
    assert_eq!(
        sts("", Some(INJECTED), Some("cn-beijing"), ""),
        [INJECTED, "https://sts.cn-beijing.aliyuncs.com"]
    );
}

#[test]
fn where_nobody_says_the_own_region_all_entries_share_the_first_two_but_those_that_choose_vpc_endpoints() {
    let further = "}\n- {instanceId: cri-1, regionId: cn-beijing, customAccessKey: LTAIexample, customAccessKeySecret: s}\n\
                   - {instanceId: cri-2, regionId: cn-shanghai, customAccessKey: LTAIexample, customAccessKeySecret: s";
    let hosts = |region: &str| {
        [format!("https://sts-vpc.{region}.aliyuncs.com"), format!("https://sts.{region}.aliyuncs.com")]
    };
    assert_eq!(sts(further, None, None, ""), [hosts("eu-central-1"), hosts("cn-beijing")].concat());
    let vpc = format!(", endpoint: vpc{further}");
    assert_eq!(sts(&vpc, None, None, ""), ["https://sts-vpc.eu-central-1.aliyuncs.com"]);
}

#[test]
fn the_own_region_comes_before_the_one_of_the_registry() {
    let hosts = |region: &str| {
        [format!("https://sts-vpc.{region}.aliyuncs.com"), format!("https://sts.{region}.aliyuncs.com")]
    };
    assert_eq!(sts("", None, None, ""), hosts("eu-central-1"));
    assert_eq!(sts("", None, Some("cn-beijing"), ""), hosts("cn-beijing"));
}
