//! Who asks, as findings and status tell it: the token mode by the age of the cluster, keys of a registered cluster, the
//! principal that the cloud names, and claims of a token that was refused.

use crate::scenario::{START, Scenario};
use acr_configuration::{SecretRef, TokenMode};
use acr_controller::observation::{Observation, Refusal};
use acr_credentials::{AccessKey, Answer, Call, CallFailure, FailureKind, Reply, SecretData, UnixMillis};

const BY_MODE: &str = "- {instanceId: cri-0123456789abcdef, regionId: cn-hangzhou}";
const HOP: &str =
    "- {instanceId: cri-0123456789abcdef, regionId: cn-hangzhou, assumeRoleARN: \"acs:ram::2:role/pull\"}";
const RRSA: &str = "- {instanceId: cri-0123456789abcdef, regionId: cn-hangzhou, rrsaRoleARN: \
                    \"acs:ram::1:role/pull\", rrsaOIDCProviderRoleARN: \"acs:ram::1:oidc-provider/ack-rrsa-c1\"}";
/// 2023-04-03T00:00:00Z.
const MANAGED_ROLE_SINCE: i64 = 1_680_480_000_000;

/// Lists a cluster whose kube-system was made at `created`, and lets it run.
fn run(scenario: &mut Scenario, entries: &str, created: i64) {
    scenario.listing(|scenario| {
        scenario.configure(entries, &[("watch-namespace", "default"), ("rrsa", "enable: true\n")]);
        scenario.namespace("default", &[]);
        scenario.namespace_of("kube-system", &[], created);
        scenario.account("default", "default", None);
    });
    scenario.pass(2_000);
}

fn chain(scenario: &Scenario) -> String {
    scenario.machine.status(scenario.now()).logins[0].chain.join(", then ")
}

fn failure(operation: &'static str, kind: FailureKind, code: &str) -> CallFailure {
    CallFailure { code: Some(code.to_owned()), ..CallFailure::new(operation, kind, "no") }
}

#[test]
fn auto_is_the_managed_role_from_the_day_on_which_it_came_and_the_worker_role_before_and_says_so() {
    let mut young = Scenario::with_mode(TokenMode::Auto);
    run(&mut young, BY_MODE, MANAGED_ROLE_SINCE);
    assert!(young.finding("TokenModeByAge").is_empty());
    assert!(young.finding("NotFound").contains("workerRole"), "{}", young.finding("NotFound"));
    assert!(chain(&young).starts_with("managed role"), "{}", chain(&young));

    let mut old = Scenario::with_mode(TokenMode::Auto);
    run(&mut old, BY_MODE, MANAGED_ROLE_SINCE - 1);
    assert_eq!(old.logins, 1);
    assert!(chain(&old).starts_with("worker role"), "{}", chain(&old));
    let finding = old.finding("TokenModeByAge");
    assert!(finding.contains("2023-04-02T23:59:59Z") && finding.contains("entry 0"), "{finding}");

    // Whoever says it himself is told nothing.
    let mut said = Scenario::with_mode(TokenMode::WorkerRole);
    run(&mut said, BY_MODE, MANAGED_ROLE_SINCE - 1);
    assert!(said.finding("TokenModeByAge").is_empty());
}

#[test]
fn the_keys_of_a_registered_cluster_are_named_where_they_ask_also_after_a_restart() {
    let mut scenario = Scenario::with_mode(TokenMode::WorkerRole);
    scenario.registered = true;
    run(&mut scenario, BY_MODE, START);
    assert_eq!(chain(&scenario), "keys of the registered cluster (mounted files)");
    scenario.restart(acr_controller::settings::Purpose::Run);
    run(&mut scenario, BY_MODE, START);
    // Until the Lease of the former process has ended.
    scenario.pass(60_000);
    assert_eq!(scenario.count("read-registered-key"), 0, "{:?}", scenario.log);
    assert_eq!(chain(&scenario), "keys of the registered cluster (mounted files)");
}

#[test]
fn a_managed_role_cannot_hop_and_the_keys_of_a_registered_cluster_can() {
    let mut managed = Scenario::with_mode(TokenMode::ManagedRole);
    run(&mut managed, HOP, START);
    assert!(managed.finding("AssumeRoleUnderManagedRole").starts_with("entry 0: "));
    let mut registered = Scenario::with_mode(TokenMode::ManagedRole);
    registered.registered = true;
    run(&mut registered, HOP, START);
    assert!(registered.finding("AssumeRoleUnderManagedRole").is_empty());
    assert_eq!(registered.logins, 1);
}

#[test]
fn a_secret_with_the_keys_of_a_registered_cluster_that_may_not_be_read_is_said_and_the_token_mode_goes_on() {
    let mut scenario = Scenario::with_mode(TokenMode::WorkerRole);
    let message = "secrets \"alibaba-addon-secret\" is forbidden".to_owned();
    scenario.refusals.push(("read-registered-key", Refusal::NoRight { message }));
    run(&mut scenario, BY_MODE, START);
    assert_eq!(scenario.logins, 1);
    let finding = scenario.finding("Denied");
    assert!(
        finding.contains("RegisteredKey") && finding.contains("create role acr-alibaba-addon-secret"),
        "{finding}"
    );
    assert!(chain(&scenario).starts_with("worker role"));
    // It is looked for again with the next renewal.
    scenario.pass(3_600_000);
    assert!(scenario.finding("Denied").is_empty(), "{}", scenario.finding("Denied"));
}

#[test]
fn what_the_cloud_refuses_is_told_with_the_principal_that_it_named_and_no_session_that_is_not_ours() {
    let mut worker = Scenario::with_mode(TokenMode::WorkerRole);
    worker.failing = Some(failure("GetAuthorizationToken", FailureKind::Denied, "NoPrivilege"));
    run(&mut worker, BY_MODE, START);
    let finding = worker.finding("Denied");
    assert!(finding.contains("by the metadata service (acs:ram::1:role/worker/i-1): "), "{finding}");

    let mut hop = Scenario::with_mode(TokenMode::WorkerRole);
    hop.failing = Some(failure("AssumeRole", FailureKind::Denied, "NoPermission"));
    run(&mut hop, HOP, START);
    let finding = hop.finding("Denied");
    assert!(
        finding.contains("(acs:ram::1:role/worker/i-1): ")
            && finding.contains(r#""RAM":["acs:ram::1:role/worker"]"#),
        "{finding}"
    );
    hop.failing = Some(failure(
        "GetAuthorizationToken",
        FailureKind::CredentialsRefused,
        "InvalidSecurityToken.Expired",
    ));
    hop.pass(600_000);
    let finding = hop.finding("CredentialsRefused");
    assert!(finding.contains("(acs:ram::2:role/pull/aliyun-acr-credential-helper): "), "{finding}");
}

#[test]
fn a_token_that_is_refused_is_told_with_its_claims_and_always_in_the_same_words() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = r#"{"iss":"https://oidc.example/c2","sub":"system:serviceaccount:kube-system:aliyun-acr-credential-helper","aud":["sts.aliyuncs.com"]}"#;
    let mut scenario = Scenario::new();
    scenario.token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
    let code = "AuthenticationFail.OIDCToken.IssuerNotMatch";
    scenario.failing = Some(failure("AssumeRoleWithOIDC", FailureKind::CredentialsRefused, code));
    run(&mut scenario, RRSA, START);
    let first = scenario.finding("CredentialsRefused");
    assert!(first.contains("the issuer does not fit (the token says iss https://oidc.example/c2"), "{first}");
    let generation = scenario.machine.findings_generation();
    for _ in 0..600 {
        scenario.pass(1_000);
        assert_eq!(scenario.finding("CredentialsRefused"), first);
    }
    assert_eq!(scenario.machine.findings_generation(), generation);
    assert!(scenario.count("read-token-file") > 2, "the token is read anew for each try: {:?}", scenario.log);
}

#[test]
fn whose_key_was_refused_is_asked_once_and_told_in_the_finding_and_in_the_trust_statement() {
    const KEYS: &str = "customAccessKey: LTAIexample, customAccessKeySecret: s";
    let mut well = Scenario::new();
    run(&mut well, &format!("- {{instanceId: cri-1, regionId: cn-hangzhou, {KEYS}}}"), START);
    well.pass(4 * 3_600_000);
    assert_eq!(well.count("GetCallerIdentity"), 0, "nothing was refused");

    let entry = |number: usize| format!("- {{instanceId: cri-{number}, regionId: cn-hangzhou, {KEYS}}}\n");
    let entries: String = (0..20).map(entry).collect();
    let mut denied = Scenario::new();
    denied.failing = Some(failure("GetAuthorizationToken", FailureKind::Denied, "NoPrivilege"));
    run(&mut denied, &entries, START);
    denied.pass(3_600_000);
    assert_eq!(denied.count("GetCallerIdentity"), 1, "one key, one question");
    let finding = denied.finding("Denied");
    assert!(finding.contains("as AccessKey in the entry (acs:ram::7:user/puller): "), "{finding}");

    let mut hop = Scenario::new();
    hop.failing = Some(failure("AssumeRole", FailureKind::Denied, "NoPermission"));
    run(
        &mut hop,
        &format!(
            "- {{instanceId: cri-1, regionId: cn-hangzhou, {KEYS}, assumeRoleARN: 'acs:ram::2:role/pull'}}"
        ),
        START,
    );
    let finding = hop.finding("Denied");
    assert!(
        finding.contains(r#""RAM":["acs:ram::7:root"]"#) && !finding.contains("<account of the asker>"),
        "{finding}"
    );
}

#[test]
fn whose_key_it_is_is_not_asked_where_it_has_a_name_or_is_unknown_to_the_cloud() {
    let mut session = Scenario::new();
    session.failing = Some(failure("GetAuthorizationToken", FailureKind::Denied, "NoPrivilege"));
    run(&mut session, RRSA, START);
    assert_eq!(session.count("GetCallerIdentity"), 0);

    let keys = "- {instanceId: cri-1, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}";
    let mut wrong = Scenario::new();
    let code = "InvalidAccessKeyId.NotFound";
    wrong.failing = Some(failure("GetAuthorizationToken", FailureKind::CredentialsRefused, code));
    run(&mut wrong, keys, START);
    assert_eq!(wrong.count("GetCallerIdentity"), 0);
}

#[test]
fn a_node_that_is_given_another_role_is_told_with_that_one() {
    let mut scenario = Scenario::with_mode(TokenMode::WorkerRole);
    scenario.failing = Some(failure("GetAuthorizationToken", FailureKind::Denied, "NoPrivilege"));
    run(&mut scenario, BY_MODE, START);
    scenario.pass(3_600_000);
    assert_eq!(scenario.count("GetCallerIdentity"), 1, "the role and the node are the same");
    scenario.answering = Some(Box::new(|call| {
        let reply = match call {
            Call::WorkerRole { .. } => Reply::Credentials {
                key: AccessKey {
                    id: "b".to_owned().into(),
                    secret: "b".to_owned().into(),
                    security_token: Some("b".to_owned().into()),
                },
                expires: UnixMillis(START + 7 * 3_600_000),
                principal: "acs:ram::1:role/another".to_owned(),
            },
            Call::CallerIdentity { .. } => Reply::Identity("acs:ram::1:assumed-role/another/i-1".to_owned()),
            _ => return None,
        };
        Some(Answer { cloud_time: None, outcome: Ok(reply) })
    }));
    scenario.pass(3_600_000);
    let finding = scenario.finding("Denied");
    assert!(finding.contains("(acs:ram::1:assumed-role/another/i-1): "), "{finding}");
    assert_eq!(scenario.count("GetCallerIdentity"), 2);
}

#[test]
fn a_cloud_that_does_not_tell_whose_key_it_is_is_asked_no_more_often_than_it_refuses() {
    let mut scenario = Scenario::new();
    scenario.cloud_fails = Some(FailureKind::Denied);
    run(
        &mut scenario,
        "- {instanceId: cri-1, regionId: cn-hangzhou, domains: a.example, customAccessKey: LTAIexample, customAccessKeySecret: s}",
        START,
    );
    scenario.pass(3_600_000);
    let (refused, asked) = (scenario.count("GetAuthorizationToken"), scenario.count("GetCallerIdentity"));
    assert!(asked > 1 && asked <= refused, "{asked} of {refused}");
    // When all is well again, nobody asks.
    scenario.cloud_fails = None;
    scenario.pass(600_000);
    let before = scenario.count("GetCallerIdentity");
    scenario.pass(24 * 3_600_000);
    assert_eq!(scenario.count("GetCallerIdentity"), before);
}

#[test]
fn the_owner_of_a_key_that_was_replaced_is_told_no_more() {
    let mut scenario = Scenario::new();
    let reference = SecretRef { namespace: "infra".to_owned(), name: "key".to_owned() };
    let key = |id: &str| {
        let member = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec().into());
        let data: SecretData =
            [member("access-key-id", id), member("access-key-secret", "s")].into_iter().collect();
        Observation::Referenced { reference: reference.clone(), seen: Ok(Some(data)) }
    };
    scenario.failing = Some(failure("GetAuthorizationToken", FailureKind::Denied, "NoPrivilege"));
    run(
        &mut scenario,
        "- {instanceId: cri-1, regionId: cn-hangzhou, customAccessKeySecretRef: {namespace: infra, name: key}}",
        START,
    );
    scenario.observe(key("LTAIone"));
    scenario.pass(2_000);
    assert!(
        scenario.finding("Denied").contains("(acs:ram::7:user/puller)"),
        "{}",
        scenario.finding("Denied")
    );
    scenario.failing =
        Some(failure("GetAuthorizationToken", FailureKind::Throttled { retry_after: None }, ""));
    scenario.observe(key("LTAItwo"));
    scenario.pass(2_000);
    let finding = scenario.finding("Throttled");
    assert!(finding.contains("as AccessKey in Secret infra/key: "), "{finding}");
    assert_eq!(scenario.count("GetCallerIdentity"), 1);
}

#[test]
fn section_6_the_token_is_read_anew_for_each_session_that_is_asked_for_with_it() {
    let mut scenario = Scenario::new();
    let entry = "- {instanceId: cri-1, regionId: cn-hangzhou, rrsaRoleARN: 'acs:ram::1:role/pull', \
                 rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/p'}";
    scenario.listing(|scenario| {
        scenario.configure(entry, &[("rrsa", "enable: true")]);
        scenario.namespace("default", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(5 * 3_600_000);
    let sessions = scenario.count("AssumeRoleWithOIDC");
    assert!(sessions > 3, "{sessions}");
    assert_eq!(scenario.count("read-token-file"), sessions, "the kubelet replaces it");
}
