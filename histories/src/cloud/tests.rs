//! The simulated cloud of a history, asked directly.

use acr_credentials::AccessKey;

use super::*;
use crate::estate::{HOME_REGION, INSTANCES, RRSA_ROLE};

const NOW: UnixMillis = UnixMillis(1_795_219_200_000);

fn key(pair: KeyPair) -> AccessKey {
    AccessKey { id: pair.id().into(), secret: pair.secret().into(), security_token: None }
}

const DEADLINE: Duration = Duration::from_secs(10);

fn login_call(key: AccessKey) -> Call {
    let endpoints =
        ["cr-vpc", "cr"].map(|product| format!("https://{product}.{HOME_REGION}.aliyuncs.com")).to_vec();
    Call::GetAuthorizationToken { endpoints, instance: INSTANCES[0].id.into(), key }
}

fn assume_call(cloud: &CloudSide, projected: bool) -> Call {
    Call::AssumeRoleWithOidc {
        endpoints: vec!["https://sts.aliyuncs.com".into()],
        role_arn: RRSA_ROLE.into(),
        oidc_provider_arn: estate::PROVIDER.into(),
        token: cloud.token(projected).unwrap(),
        session_name: "histories".into(),
        duration_seconds: 3600,
    }
}

fn failure(asked: &Asked) -> FailureKind {
    asked.answer.outcome.as_ref().unwrap_err().kind
}

#[test]
fn a_wrong_secret_and_a_lost_instance_are_refused() {
    let mut cloud = CloudSide::new(1).unwrap();
    let wrong = cloud.ask(NOW, NOW, &login_call(key(KeyPair::WrongSecret)), DEADLINE);
    assert_eq!(failure(&wrong), FailureKind::CredentialsRefused);
    let nobody = cloud.ask(NOW, NOW, &login_call(key(KeyPair::Nobody)), DEADLINE);
    assert_eq!(failure(&nobody), FailureKind::Denied);
}

#[test]
fn a_login_is_registered_with_its_fact_and_expiry() {
    let mut cloud = CloudSide::new(1).unwrap();
    let asked = cloud.ask(NOW, NOW, &login_call(key(KeyPair::PullerA)), DEADLINE);
    let Ok(Reply::Login(login)) = asked.answer.outcome else { panic!("{:?}", asked.answer) };
    let record = cloud.login(login.password.expose_secret()).unwrap();
    assert_eq!(record.fact, Fact { instance: INSTANCES[0].id, identity: Identity::Keys(KeyPair::PullerA) });
    assert_eq!(record.expires, NOW.plus(Duration::from_hours(1)));
    assert!(cloud.login("something else").is_none());
}

#[test]
fn a_session_is_traced_back_to_the_role_that_was_assumed() {
    let mut cloud = CloudSide::new(1).unwrap();
    let asked = cloud.ask(NOW, NOW, &assume_call(&cloud, false), DEADLINE);
    let Ok(Reply::Credentials { key, .. }) = asked.answer.outcome else { panic!("{:?}", asked.answer) };
    let call = login_call(key);
    let asked = cloud.ask(NOW, NOW, &call, DEADLINE);
    assert!(matches!(asked.answer.outcome, Ok(Reply::Login(_))));
    assert_eq!(cloud.fact(&call), Some(Fact { instance: INSTANCES[0].id, identity: Identity::Rrsa }));
}

#[test]
fn troubles_show_as_the_failures_they_are_and_end() {
    let mut cloud = CloudSide::new(1).unwrap();
    let good = key(KeyPair::PullerA);
    for (trouble, expected) in [
        (
            Trouble::Unreachable(acr_simulator::Product::Cr),
            FailureKind::Unreachable { at: acr_credentials::Barrier::Connection },
        ),
        (Trouble::Silent(acr_simulator::Product::Cr), FailureKind::NoAnswer),
        (Trouble::KeyDisabled(KeyPair::PullerA), FailureKind::CredentialsRefused),
        (Trouble::NoPermission, FailureKind::Denied),
        (Trouble::ExpireIn(-5), FailureKind::Malformed),
        (Trouble::ExpireIn(90_001), FailureKind::Malformed),
    ] {
        let number = cloud.start(trouble.clone());
        assert_eq!(
            failure(&cloud.ask(NOW, NOW, &login_call(good.clone()), DEADLINE)),
            expected,
            "{trouble:?}"
        );
        cloud.end(number);
        let asked = cloud.ask(NOW, NOW, &login_call(good.clone()), DEADLINE);
        assert!(asked.answer.outcome.is_ok(), "after {trouble:?}: {asked:?}");
    }
    assert!(!cloud.in_trouble());
}

#[test]
fn a_name_that_does_not_resolve_leads_to_the_next_endpoint() {
    let mut cloud = CloudSide::new(1).unwrap();
    cloud.start(Trouble::NoVpcNames);
    assert!(cloud.ask(NOW, NOW, &login_call(key(KeyPair::PullerA)), DEADLINE).answer.outcome.is_ok());
}

#[test]
fn a_call_is_given_up_at_its_deadline_and_no_other_endpoint_is_tried_then() {
    let mut cloud = CloudSide::new(1).unwrap();
    let slow = acr_simulator::FaultEffect::Delay { milliseconds: 9_000 };
    let number = cloud.start(Trouble::Fault(acr_simulator::Product::Cr, slow));
    let asked = cloud.ask(NOW, NOW, &login_call(key(KeyPair::PullerA)), DEADLINE);
    assert!(asked.answer.outcome.is_ok());
    assert_eq!(asked.delay, Duration::from_secs(9));
    let asked = cloud.ask(NOW, NOW, &login_call(key(KeyPair::PullerA)), Duration::from_secs(9));
    assert_eq!((failure(&asked), asked.delay), (FailureKind::NoAnswer, Duration::from_secs(9)));
    cloud.end(number);
}

#[test]
fn a_stale_token_is_refused_and_a_minted_one_is_not() {
    let mut cloud = CloudSide::new(1).unwrap();
    cloud.start(Trouble::StaleToken);
    assert_eq!(
        failure(&cloud.ask(NOW, NOW, &assume_call(&cloud, true), DEADLINE)),
        FailureKind::CredentialsRefused
    );
    assert!(cloud.ask(NOW, NOW, &assume_call(&cloud, false), DEADLINE).answer.outcome.is_ok());
}

#[test]
fn a_clock_that_is_too_far_off_is_told_apart() {
    let mut cloud = CloudSide::new(1).unwrap();
    let asked =
        cloud.ask(NOW, NOW.plus(Duration::from_hours(1)), &login_call(key(KeyPair::PullerA)), DEADLINE);
    assert_eq!(failure(&asked), FailureKind::ClockSkew);
    assert_eq!(asked.answer.cloud_time, Some(NOW));
}
