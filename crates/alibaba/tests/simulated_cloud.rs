//! Every call against the simulated cloud, which refuses what the real one refuses: chains of identities, both editions,
//! and the sort of failure that each refusal is.

#![cfg(test)]

use acr_alibaba::{Client, ClientOptions, Conversation, Stamp, Step, TransportFailure, decode_add_on_token};
use acr_credentials::{AccessKey, Answer, Barrier, Call, CallFailure, FailureKind, Login, Reply, UnixMillis};
use acr_simulator::{
    AddOnTokenRequest, Cloud, Description, Fault, Issuer, Mutation, Options, Outcome, Simulator,
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

const DESCRIPTION: &str = r#"
accounts:
  - id: "1000000000000001"
    accessKeys: [{id: LTAImain, secret: main-secret}]
    users:
      - name: puller
        accessKeys:
          - {id: LTAIpuller, secret: puller-secret}
          - {id: LTAIdisabled, secret: disabled-secret, status: Inactive}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: ["cr:*", "sts:AssumeRole"], Resource: "*"}]}]
      - name: nobody
        accessKeys: [{id: LTAInobody, secret: nobody-secret}]
    roles:
      - name: rrsa
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Condition": {"StringEquals": {
          "oidc:aud": "sts.aliyuncs.com", "oidc:iss": "https://issuer.example",
          "oidc:sub": "system:serviceaccount:kube-system:aliyun-acr-credential-helper"}}, "Effect": "Allow",
          "Principal": {"Federated": ["acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1"]}}], "Version": "1"}
        policies: &hop [{Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}]}]
      - name: worker
        trustPolicy: {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: "ecs.aliyuncs.com"}}]}
        policies: *hop
      - name: AliyunCSManagedAcrRole
        trustPolicy: {Version: "1", Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: "cs.aliyuncs.com"}}]}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
    oidcProviders: [{name: ack-rrsa-c1, issuer: "https://issuer.example"}]
  - id: "2000000000000002"
    roles:
      - name: acr-puller
        maxSessionSeconds: 7200
        trustPolicy: {"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": [
          "acs:ram::1000000000000001:role/rrsa", "acs:ram::1000000000000001:role/worker",
          "acs:ram::1000000000000001:user/puller"]},
          "Condition": {"StringEquals": {"sts:ExternalId": "cluster=c1"}}}], "Version": "1"}
        policies: [{Version: "1", Statement: [{Effect: Allow, Action: "cr:*", Resource: "*"}]}]
metadata: {account: "1000000000000001", region: cn-hangzhou, role: worker}
instances:
  - {id: cri-acme0000000000, name: acme, region: cn-hangzhou, account: "1000000000000001"}
  - {id: cri-cross000000000, name: cross, region: cn-hangzhou, account: "2000000000000002"}
personal:
  - {account: "1000000000000001", region: cn-hangzhou, users: [puller]}
"#;

const PULLER_OF_B: &str = "acs:ram::2000000000000002:role/acr-puller";
const EXTERNAL_ID: &str = "cluster=c1";

/// A cloud at one moment, and a counter that makes every nonce new.
struct Site {
    cloud: Cloud,
    issuer: Issuer,
    now: Timestamp,
    nonce: u128,
}

impl Site {
    fn new() -> Self {
        let mut cloud = Cloud::new(Description::parse(DESCRIPTION).unwrap());
        let issuer = Issuer::new("https://issuer.example").unwrap();
        let provider = "acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1".to_owned();
        cloud.mutate(Mutation::SetIssuerKeys { provider, jwks: Some(issuer.jwks()) }).unwrap();
        Self { cloud, issuer, now: "2026-11-21T10:00:00Z".parse().unwrap(), nonce: 0 }
    }

    fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).unwrap();
    }

    fn answer(&mut self, call: Call) -> Answer {
        let mut conversation = Conversation::new(call);
        loop {
            self.nonce += 1;
            let wall = UnixMillis(self.now.as_millisecond());
            match conversation.step(Stamp { wall, nonce: self.nonce }) {
                Step::Done(answer) => return answer,
                Step::Send(request) => {
                    conversation.receive(match self.cloud.call(self.now, request).outcome {
                        Outcome::Answered(response) => Ok(response),
                        Outcome::Cut => Err(TransportFailure::Cut("reset".into())),
                        Outcome::NoSuchHost => {
                            Err(TransportFailure::NotReached(Barrier::Name, "no such host".into()))
                        }
                    });
                }
            }
        }
    }

    #[track_caller]
    fn session(&mut self, call: Call) -> (AccessKey, UnixMillis, String) {
        match self.answer(call).outcome {
            Ok(Reply::Credentials { key, expires, principal }) => (key, expires, principal),
            other => panic!("no session: {other:?}"),
        }
    }

    #[track_caller]
    fn login(&mut self, call: Call) -> Login {
        match self.answer(call).outcome {
            Ok(Reply::Login(login)) => login,
            other => panic!("no login: {other:?}"),
        }
    }

    #[track_caller]
    fn failure(&mut self, call: Call) -> CallFailure {
        self.answer(call).outcome.unwrap_err()
    }

    fn federation(&self) -> Call {
        let now = self.now.as_second();
        let subject = "system:serviceaccount:kube-system:aliyun-acr-credential-helper";
        Call::AssumeRoleWithOidc {
            endpoints: sts(),
            role_arn: "acs:ram::1000000000000001:role/rrsa".into(),
            oidc_provider_arn: "acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1".into(),
            token: self.issuer.token(subject, "sts.aliyuncs.com", now, now + 3600).unwrap().into(),
            session_name: "acr-credential-helper".into(),
            duration_seconds: 3600,
        }
    }

    fn fault(&mut self, fault: serde_json::Value) {
        let fault: Fault = serde_json::from_value(fault).unwrap();
        self.cloud.add_fault(fault);
    }
}

fn sts() -> Vec<String> {
    vec!["https://sts-vpc.cn-hangzhou.aliyuncs.com".to_owned()]
}

fn cr() -> Vec<String> {
    vec!["https://cr-vpc.cn-hangzhou.aliyuncs.com".to_owned()]
}

fn key(id: &str, secret: &str) -> AccessKey {
    AccessKey { id: id.into(), secret: secret.into(), security_token: None }
}

fn puller() -> AccessKey {
    key("LTAIpuller", "puller-secret")
}

fn hop(key: &AccessKey) -> Call {
    Call::AssumeRole {
        endpoints: sts(),
        role_arn: PULLER_OF_B.into(),
        session_name: "acr-credential-helper".into(),
        duration_seconds: 7200,
        external_id: Some(EXTERNAL_ID.into()),
        key: key.clone(),
    }
}

fn enterprise(key: &AccessKey, instance: &str) -> Call {
    Call::GetAuthorizationToken { endpoints: cr(), instance: instance.into(), key: key.clone() }
}

fn personal(key: &AccessKey) -> Call {
    Call::PersonalAuthorizationToken { endpoints: cr(), key: key.clone() }
}

fn millis(time: Timestamp) -> UnixMillis {
    UnixMillis(time.as_millisecond())
}

#[test]
fn every_refusal_of_a_hop_is_the_sort_of_failure_that_it_is() {
    use FailureKind::{CredentialsRefused, Denied, InvalidRequest, NotFound};
    let asking = |role: &str, name: &str, seconds: u32, id: Option<&str>| Call::AssumeRole {
        endpoints: sts(),
        role_arn: role.into(),
        session_name: name.into(),
        duration_seconds: seconds,
        external_id: id.map(str::to_owned),
        key: puller(),
    };
    let (role, name, id) = (PULLER_OF_B, "helper", Some(EXTERNAL_ID));
    let session = AccessKey { security_token: Some("bm8=".into()), ..key("STS.x", "x") };
    for (call, kind, code) in [
        (asking("acs:ram::x:role/y", name, 900, id), InvalidRequest, "InvalidParameter.RoleArn"),
        (asking(role, "a b", 900, id), InvalidRequest, "InvalidParameter.RoleSessionName"),
        (asking(role, name, 7201, id), InvalidRequest, "InvalidParameter.DurationSeconds"),
        (asking(role, name, 899, id), InvalidRequest, "InvalidParameter.DurationSeconds"),
        (asking(role, name, 900, Some("a b")), InvalidRequest, "InvalidParameter.ExternalId"),
        (asking(role, name, 900, None), Denied, "NoPermission"),
        (asking("acs:ram::2000000000000002:role/gone", name, 900, id), NotFound, "EntityNotExist.Role"),
        (hop(&key("LTAInobody", "nobody-secret")), Denied, "NoPermission"),
        (hop(&key("LTAImain", "main-secret")), Denied, "NoPermission"),
        (hop(&key("LTAIunknown", "x")), CredentialsRefused, "InvalidAccessKeyId.NotFound"),
        (hop(&key("LTAIdisabled", "disabled-secret")), CredentialsRefused, "InvalidAccessKeyId.Inactive"),
        (hop(&key("LTAIpuller", "wrong")), CredentialsRefused, "SignatureDoesNotMatch"),
        (hop(&session), CredentialsRefused, "InvalidSecurityToken.Malformed"),
    ] {
        let failure = Site::new().failure(call);
        assert_eq!((failure.kind, failure.code.as_deref()), (kind, Some(code)), "{failure}");
        assert_eq!(failure.operation, "AssumeRole");
        assert!(failure.request_id.is_some());
    }
}

#[test]
fn the_two_refusals_of_a_hop_with_one_text_are_told_apart() {
    let mut site = Site::new();
    let lacks = site.failure(hop(&key("LTAInobody", "nobody-secret"))).message;
    assert!(lacks.contains("PolicyType AccountLevelIdentityBasedPolicy"), "{lacks}");
    let (rrsa, _, _) = site.session(site.federation());
    let trust_policy = serde_json::from_value(json!({ "Version": "1", "Statement": [] })).unwrap();
    site.cloud.mutate(Mutation::SetTrustPolicy { role: PULLER_OF_B.into(), trust_policy }).unwrap();
    let distrusted = site.failure(hop(&rrsa)).message;
    let who = "AuthPrincipalType AssumedRoleUser, AuthPrincipalDisplayName rrsa:acr-credential-helper";
    assert!(distrusted.contains(who) && distrusted.contains("PolicyType AssumeRolePolicy"), "{distrusted}");
}

#[test]
fn clocks_that_are_apart_and_too_many_calls_are_told_apart_from_refusals() {
    let mut site = Site::new();
    site.fault(json!({ "times": 2, "effect": { "clockSkew": { "seconds": 1200 } } }));
    for call in [hop(&puller()), personal(&puller())] {
        assert_eq!(site.failure(call).kind, FailureKind::ClockSkew);
    }
    site.fault(json!({ "effect": { "throttle": { "timeLeft": 2500 } } }));
    let retry_after = Some(std::time::Duration::from_millis(2500));
    for call in [hop(&puller()), personal(&puller()), enterprise(&puller(), "cri-acme0000000000")] {
        assert_eq!(site.failure(call).kind, FailureKind::Throttled { retry_after });
    }
    let mut description = Description::parse(DESCRIPTION).unwrap();
    description.quotas.assume_role_per_minute = 1;
    let mut site = Site { cloud: Cloud::new(description), ..Site::new() };
    site.session(hop(&puller()));
    site.pass(20);
    let retry_after = Some(std::time::Duration::from_secs(40));
    assert_eq!(site.failure(hop(&puller())).kind, FailureKind::Throttled { retry_after });
}

#[test]
fn every_source_reaches_the_role_of_another_account() {
    let mut site = Site::new();
    let worker = Call::WorkerRole { endpoints: vec!["http://100.100.100.200".into()] };
    let (worker, _, _) = site.session(worker);
    let (rrsa, _, named) = site.session(site.federation());
    assert_eq!(named, "acs:ram::1000000000000001:role/rrsa/acr-credential-helper");
    for source in [puller(), worker, rrsa] {
        let (key, expires, principal) = site.session(hop(&source));
        assert_eq!(principal, format!("{PULLER_OF_B}/acr-credential-helper"));
        assert_eq!(expires, millis(site.now).plus_millis(7_200_000));
        let login = site.login(enterprise(&key, "cri-cross000000000"));
        assert_eq!(login.username, "cr_temp_user");
        assert_eq!(login.expires, millis(site.now).plus_millis(3_600_000));
        assert_eq!(site.failure(enterprise(&key, "cri-acme0000000000")).kind, FailureKind::Denied);
    }
}

#[test]
fn a_login_asked_for_late_lives_as_long_as_its_session_and_an_ended_session_asks_for_none() {
    let mut site = Site::new();
    let began = millis(site.now);
    let (key, _, _) = site.session(hop(&puller()));
    site.pass(7000);
    assert_eq!(site.login(enterprise(&key, "cri-cross000000000")).expires, began.plus_millis(7_200_000));
    site.pass(200);
    for call in [enterprise(&key, "cri-cross000000000"), hop(&key), personal(&key)] {
        let failure = site.failure(call);
        assert_eq!(failure.code.as_deref(), Some("InvalidSecurityToken.Expired"), "{failure}");
        assert_eq!(failure.kind, FailureKind::CredentialsRefused);
    }
}

#[test]
fn whose_key_it_is_is_told_to_whoever_signs_even_where_he_may_do_nothing() {
    let mut site = Site::new();
    let identity = |key: &AccessKey| Call::CallerIdentity { endpoints: sts(), key: key.clone() };
    let (session, ..) = site.session(hop(&puller()));
    for (key, expected) in [
        (key("LTAInobody", "nobody-secret"), "acs:ram::1000000000000001:user/nobody"),
        (key("LTAImain", "main-secret"), "acs:ram::1000000000000001:root"),
        (session, "acs:ram::2000000000000002:role/acr-puller/acr-credential-helper"),
    ] {
        match site.answer(identity(&key)).outcome {
            Ok(Reply::Identity(arn)) => assert_eq!(arn, expected),
            other => panic!("no identity: {other:?}"),
        }
    }
    let refused = site.failure(identity(&key("LTAIpuller", "wrong")));
    assert_eq!((refused.operation, refused.kind), ("GetCallerIdentity", FailureKind::CredentialsRefused));
}

#[test]
fn a_personal_login_for_who_has_the_edition_and_not_found_for_who_has_not() {
    let mut site = Site::new();
    let login = site.login(personal(&puller()));
    assert_eq!(login.username, "cr_temp_user");
    assert_eq!(login.expires, millis(site.now).plus_millis(3_600_000));
    let failure = site.failure(personal(&key("LTAInobody", "nobody-secret")));
    assert_eq!((failure.kind, failure.code.as_deref()), (FailureKind::NotFound, Some("USER_NOT_EXIST")));
    let edition = json!({ "account": "1000000000000001", "region": "cn-hangzhou", "kind": "new" });
    let edition = Mutation::PutPersonal(serde_json::from_value(edition).unwrap());
    site.cloud.mutate(edition).unwrap();
    let failure = site.failure(personal(&puller()));
    assert_eq!((failure.kind, failure.code.as_deref()), (FailureKind::NotFound, Some("USER_NOT_EXIST")));
    let wrong = site.failure(personal(&key("LTAIpuller", "wrong")));
    assert_eq!(wrong.kind, FailureKind::CredentialsRefused);
}

#[test]
fn an_add_on_token_of_the_managed_role_gives_logins_until_its_end() {
    let mut site = Site::new();
    let ask = |site: &mut Site, role: &str| {
        let role = format!("acs:ram::1000000000000001:role/{role}");
        let request = AddOnTokenRequest { role, duration_seconds: 1800 };
        site.cloud.add_on_token(site.now, &request).to_string()
    };
    let refused = decode_add_on_token(ask(&mut site, "unknown").as_bytes()).unwrap_err();
    assert_eq!(CallFailure::from(refused).kind, FailureKind::NotFound);
    let refused = decode_add_on_token(ask(&mut site, "worker").as_bytes()).unwrap_err();
    assert_eq!(CallFailure::from(refused).kind, FailureKind::Denied);
    let token = decode_add_on_token(ask(&mut site, "AliyunCSManagedAcrRole").as_bytes()).unwrap();
    assert_eq!(token.expires, millis(site.now).plus_millis(1_800_000));
    assert!(token.key.id.expose_secret().starts_with("STS."));
    let login = site.login(enterprise(&token.key, "cri-acme0000000000"));
    assert_eq!(login.expires, token.expires);
}

#[tokio::test]
async fn the_client_carries_the_same_calls_out_over_http() {
    let simulator =
        Simulator::start(Description::parse(DESCRIPTION).unwrap(), Options::default()).await.unwrap();
    let client = Client::new(&ClientOptions {
        user_agent: "acr-credential-helper/test".into(),
        ..ClientOptions::default()
    })
    .unwrap();
    let at = |host: &str| vec![simulator.listing().url(host).unwrap().to_owned()];
    let served = |mut call: Call| {
        match &mut call {
            Call::AssumeRole { endpoints, .. } => *endpoints = at("sts.cn-hangzhou.aliyuncs.com"),
            Call::GetAuthorizationToken { endpoints, .. }
            | Call::PersonalAuthorizationToken { endpoints, .. } => {
                *endpoints = at("cr.cn-hangzhou.aliyuncs.com");
            }
            other => unreachable!("{other:?}"),
        }
        client.carry_out(call, 0, std::time::Duration::from_secs(30))
    };
    let Ok(Reply::Credentials { key, .. }) = served(hop(&puller())).await.outcome else {
        panic!("no session")
    };
    for call in [enterprise(&key, "cri-cross000000000"), personal(&puller())] {
        let answer = served(call).await;
        assert!(matches!(answer.outcome, Ok(Reply::Login(_))), "{answer:?}");
        assert!(answer.cloud_time.is_some());
    }
    let refused = served(hop(&key)).await.outcome.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied, "{refused}");
    let callers: Vec<Option<String>> = simulator.cloud().calls().map(|call| call.caller.clone()).collect();
    let user = Some("acs:ram::1000000000000001:user/puller".to_owned());
    let session = Some(format!("{PULLER_OF_B}/acr-credential-helper"));
    assert_eq!(callers, [user.clone(), session.clone(), user, session]);
}
