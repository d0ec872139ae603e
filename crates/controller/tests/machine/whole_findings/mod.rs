//! Each refusal that users are to tell apart, as they read it: code, message and remedy, from the answer as it comes over
//! the wire.

mod handed_over;

use crate::scenario::{START, Scenario};
use acr_alibaba::{Conversation, Stamp, Step, TransportFailure};
use acr_configuration::{SecretRef, TokenMode};
use acr_controller::observation::{Answer as Handed, Observation, Refusal};
use acr_controller::operation::Operation;
use acr_credentials::{
    Answer, Barrier, Call, CallFailure, FailureKind, InstanceHost, Login, Reply, SecretData, UnixMillis,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;

const KEYS: &str =
    "- {instanceId: cri-1, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}";
const NODE: &str = "- {instanceId: cri-1, regionId: cn-hangzhou}";
const RRSA: &str = "- {instanceId: cri-1, regionId: cn-hangzhou, rrsaRoleARN: 'acs:ram::1:role/pull', \
                    rrsaOIDCProviderRoleARN: 'acs:ram::1:oidc-provider/ack-rrsa-c1'}";
const HOP: &str = "- {instanceId: cri-1, regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s, \
                   assumeRoleARN: 'acs:ram::2:role/cross', expireDuration: 7200, externalId: cluster-1}";
const PERSONAL: &str =
    "- {instanceId: '', regionId: cn-hangzhou, customAccessKey: LTAIexample, customAccessKeySecret: s}";

const LOGIN: &str = "GetAuthorizationToken";
const DOMAINS: &str = "ListInstanceEndpoint";
const HOP_CALL: &str = "AssumeRole";
const FEDERATION: &str = "AssumeRoleWithOIDC";
const PERSONAL_CALL: &str = "PersonalAuthorizationToken";

/// What comes of each request of a call.
#[derive(Clone, Copy)]
enum Wire {
    /// Status, code and message of an error, in the form of the RPC gateway.
    Error(u16, &'static str, &'static str),
    /// Status and body.
    Body(u16, &'static str),
    /// Nobody is reached.
    Barrier(Barrier, &'static str),
    /// Nothing comes back.
    Silence,
}

/// Carries a call out against one answer, which each of its requests gets.
fn carried_out(call: &Call, wire: Wire) -> Answer {
    let mut conversation = Conversation::new(call.clone());
    let stamp = Stamp { wall: acr_credentials::UnixMillis(START), nonce: 1 };
    loop {
        let request = match conversation.step(stamp) {
            Step::Done(answer) => return answer,
            Step::Send(request) => request,
        };
        let answer = |status: u16, body: String| {
            Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
        };
        conversation.receive(match wire {
            Wire::Error(status, code, message) => answer(
                status,
                serde_json::json!({ "Code": code, "Message": message, "RequestId": "R-1", "HostId": "example" })
                    .to_string(),
            ),
            Wire::Body(status, body) => answer(status, body.to_owned()),
            Wire::Barrier(at, reason) => {
                let host = request.uri().host().unwrap_or_default();
                Err(TransportFailure::NotReached(at, format!("{host} {reason}")))
            }
            Wire::Silence => Err(TransportFailure::TimedOut),
        });
    }
}

/// The findings about an entry whose calls of `operation` come to `wire`.
fn told(entry: &str, operation: &'static str, wire: Wire) -> String {
    told_by(Scenario::with_mode(TokenMode::WorkerRole), entry, operation, wire)
}

fn told_by(mut scenario: Scenario, entry: &str, operation: &'static str, wire: Wire) -> String {
    scenario.token = token();
    scenario.answering =
        Some(Box::new(move |call| (call.operation() == operation).then(|| carried_out(call, wire))));
    listed(&mut scenario, entry);
    shown(&scenario)
}

/// A ServiceAccount token that says what the documented trust policy asks for.
fn token() -> String {
    let claims = r#"{"iss":"https://oidc.example/c1","sub":"system:serviceaccount:kube-system:aliyun-acr-credential-helper","aud":["sts.aliyuncs.com"]}"#;
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))
}

fn no_right(what: &str) -> Refusal {
    Refusal::NoRight { message: format!("ServiceAccount cannot {what}") }
}

fn listed(scenario: &mut Scenario, entry: &str) {
    scenario.listing(|scenario| {
        scenario.configure(entry, &[("rrsa", "enable: true\n")]);
        scenario.namespace("default", &[]);
        scenario.namespace("kube-system", &[]);
        scenario.account("default", "default", None);
    });
    scenario.pass(3_000);
}

/// What is said about the entries at run time.
fn shown(scenario: &Scenario) -> String {
    shown_where(scenario, |finding| finding.message.starts_with("entry "))
}

fn shown_where(
    scenario: &Scenario,
    wanted: impl Fn(&acr_controller::status::ActiveFinding) -> bool,
) -> String {
    let findings = scenario.machine.status(scenario.now()).findings;
    let of_entries = findings.iter().filter(|finding| wanted(finding));
    let line = |finding: &acr_controller::status::ActiveFinding| {
        let severity = if finding.error { "error" } else { "warning" };
        format!("{severity} {}: {}", finding.code, finding.message)
    };
    of_entries.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_key_that_is_wrong_disabled_or_of_an_ended_session() {
    let login = |status, code, message| told(KEYS, LOGIN, Wire::Error(status, code, message));
    insta::assert_snapshot!(login(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the credentials were refused, InvalidAccessKeyId.NotFound: Specified access key is not found. (request id R-1); the AccessKey id is not known to Alibaba Cloud: correct it, or create a key for the RAM user");
    insta::assert_snapshot!(login(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the credentials were refused, SignatureDoesNotMatch: Specified signature is not matched with our calculation. (request id R-1); the AccessKey secret does not belong to the AccessKey id: copy both again");
    insta::assert_snapshot!(login(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the credentials were refused, InvalidAccessKeyId.Inactive: Specified access key is disabled. (request id R-1); the AccessKey is disabled: enable it in the RAM console, or use another one");
    insta::assert_snapshot!(login(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the credentials were refused, InvalidSecurityToken.Expired: Specified SecurityToken is expired. (request id R-1); the session has ended: a new one is asked for; if it stays, look at the expiry of what is handed over, or of what stands in the Secret");
    insta::assert_snapshot!(login(400, "MissingSecurityToken", "SecurityToken is mandatory for this action."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the credentials were refused, MissingSecurityToken: SecurityToken is mandatory for this action. (request id R-1); the keys of a session (STS.…) need its security token: keys and token must be of one session, in a Secret as access-key-id, access-key-secret and security-token");
}

#[test]
fn a_clock_that_is_wrong() {
    insta::assert_snapshot!(told(KEYS, LOGIN, Wire::Error(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")), @"error ClockSkew: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: this node's clock and the cloud's are too far apart, InvalidTimeStamp.Expired: Specified time stamp or date value is expired. (request id R-1); set the clock of the node (NTP): the cloud takes time stamps within 15 minutes of its own");
}

#[test]
fn a_trust_policy_or_a_provider_that_does_not_fit() {
    let rrsa = |code, message| told(RRSA, FEDERATION, Wire::Error(401, code, message));
    insta::assert_snapshot!(rrsa("AuthenticationFail.NoPermission", "There is no permission"), @r#"error Denied: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: permission denied, AuthenticationFail.NoPermission: There is no permission (request id R-1); the trust policy of acs:ram::1:role/pull does not admit the component; known: STS has codes of its own for an issuer or audience that the provider does not know, and this is none of them (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper); not told by the cloud: which of the policy's Principal, oidc:iss, oidc:aud and oidc:sub does not fit; likely: a policy that was made for another cluster (its provider in Principal, its oidc:iss) or for another ServiceAccount (oidc:sub); to find out, compare the AssumeRolePolicyDocument of `aliyun ram GetRole --RoleName pull`, which must hold {"Action":"sts:AssumeRole","Condition":{"StringEquals":{"oidc:aud":"sts.aliyuncs.com","oidc:iss":"https://oidc.example/c1","oidc:sub":"system:serviceaccount:kube-system:aliyun-acr-credential-helper"}},"Effect":"Allow","Principal":{"Federated":["acs:ram::1:oidc-provider/ack-rrsa-c1"]}}"#);
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.AudienceNotMatch", "Invalid audience."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.AudienceNotMatch: Invalid audience. (request id R-1); the audience does not fit (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): add sts.aliyuncs.com to the client ids of acs:ram::1:oidc-provider/ack-rrsa-c1");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.IssuerNotMatch", "The issuer in the OIDC Token doesn't match the OIDC Provider registered."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.IssuerNotMatch: The issuer in the OIDC Token doesn't match the OIDC Provider registered. (request id R-1); the issuer does not fit (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): acs:ram::1:oidc-provider/ack-rrsa-c1 must be the provider of this cluster, as the console shows it where RRSA is enabled");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.InvalidSignature", "OIDC token validate failed: invalid signature."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.InvalidSignature: OIDC token validate failed: invalid signature. (request id R-1); acs:ram::1:oidc-provider/ack-rrsa-c1 does not know the key that signs this cluster's tokens (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): it must be the provider of this cluster");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.HttpsUrlInvalid", "The root CA of the issuer is not in the whitelist."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.HttpsUrlInvalid: The root CA of the issuer is not in the whitelist. (request id R-1); the certificate of the issuer is not one that acs:ram::1:oidc-provider/ack-rrsa-c1 trusts (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): renew the fingerprints of the provider, or enable RRSA for the cluster again");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch", "The fingerprint does not match."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch: The fingerprint does not match. (request id R-1); the certificate of the issuer is not one that acs:ram::1:oidc-provider/ack-rrsa-c1 trusts (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): renew the fingerprints of the provider, or enable RRSA for the cluster again");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.IssuerConfigurationBroken", "Get public keys from OIDC Provider failed, the issuer is https://oidc.example/c1"), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.IssuerConfigurationBroken: Get public keys from OIDC Provider failed, the issuer is https://oidc.example/c1 (request id R-1); STS cannot get the keys of the issuer (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): its URL must answer on the internet with /.well-known/openid-configuration");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.Invalid", "Jwt must split in 3 parts by '.'"), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.Invalid: Jwt must split in 3 parts by '.' (request id R-1); what was presented is no token that STS can read (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): look at the file of --token-file, or remove it, so that the API server is asked for one");
    insta::assert_snapshot!(rrsa("AuthenticationFail.NoPermission", "Parameter OIDCProviderArn is not valid"), @"error NotFound: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: not found, AuthenticationFail.NoPermission: Parameter OIDCProviderArn is not valid (request id R-1); there is no provider acs:ram::1:oidc-provider/ack-rrsa-c1: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its console page");
    let detailed = r#"{"Code":"AuthenticationFail.NoPermission","Message":"There is no permission","RequestId":"R-1","AccessDeniedDetail":{"AuthAction":"sts:AssumeRole","NoPermissionType":"ExplicitDeny","PolicyType":"AssumeRolePolicy"}}"#;
    insta::assert_snapshot!(told(RRSA, FEDERATION, Wire::Body(401, detailed)), @"error Denied: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: permission denied, AuthenticationFail.NoPermission: There is no permission (AuthAction sts:AssumeRole, NoPermissionType ExplicitDeny, PolicyType AssumeRolePolicy) (request id R-1); the trust policy of acs:ram::1:role/pull denies sts:AssumeRole to the component in so many words (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): take the Deny out, an Allow does not outweigh it");
    insta::assert_snapshot!(told(RRSA, FEDERATION, Wire::Error(400, "InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr.")), @"error InvalidRequest: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: a parameter was refused, InvalidParameter.DurationSeconds: The Min/Max value of DurationSeconds is 15min/1hr. (request id R-1); the session is asked for 3600 s, which the role does not admit: raise the maximum session duration of acs:ram::1:role/pull");
    insta::assert_snapshot!(rrsa("AuthenticationFail.NoPermission", "No such OIDC Provider registered."), @"error NotFound: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: not found, AuthenticationFail.NoPermission: No such OIDC Provider registered. (request id R-1); there is no provider acs:ram::1:oidc-provider/ack-rrsa-c1: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its console page");
    insta::assert_snapshot!(rrsa("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.Expired: This JsonWebToken is expired. (request id R-1); the projected token has expired: the kubelet renews it, so look at the node, and at its clock");
}

#[test]
fn a_token_that_the_api_server_was_asked_for() {
    let requested = |code, message| {
        let mut scenario = Scenario::new();
        scenario.handing_over = Some(Box::new(|operation| match operation {
            Operation::ReadTokenFile => Some(Handed::Token(None)),
            Operation::RequestToken { .. } => Some(Handed::Token(Some(token().into()))),
            _ => None,
        }));
        told_by(scenario, RRSA, FEDERATION, Wire::Error(401, code, message))
    };
    insta::assert_snapshot!(requested("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.Expired: This JsonWebToken is expired. (request id R-1); the API server made the token a moment before and gave it an hour: its clock is behind by more than that, so set the clock of the control plane (NTP)");
    insta::assert_snapshot!(requested("AuthenticationFail.OIDCToken.Invalid", "algorithm HS256 unknown"), @"error CredentialsRefused: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: the credentials were refused, AuthenticationFail.OIDCToken.Invalid: algorithm HS256 unknown (request id R-1); what the API server hands out is no token that STS can read (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): look at --service-account-issuer and --service-account-signing-key-file of the API server (STS takes RS256)");
    let mut scenario = Scenario::new();
    scenario.handing_over = Some(Box::new(|operation| match operation {
        Operation::ReadTokenFile => Some(Handed::Token(None)),
        Operation::RequestToken { .. } => Some(Handed::Refused(no_right("create serviceaccounts/token"))),
        _ => None,
    }));
    insta::assert_snapshot!(told_by(scenario, RRSA, "none", Wire::Silence), @"error Denied: entry 0 (cri-1): ServiceAccountToken failed: permission denied: no right: ServiceAccount cannot create serviceaccounts/token; project a token with audience sts.aliyuncs.com into the pod, or allow `create` on serviceaccounts/token of the component's ServiceAccount; deploy/ does both");
}

#[test]
fn a_role_that_does_not_exist() {
    insta::assert_snapshot!(told(RRSA, FEDERATION, Wire::Error(404, "EntityNotExist.Role", "The role not exists: acs:ram::1:role/pull.")), @"error NotFound: entry 0 (cri-1), as ServiceAccount kube-system/aliyun-acr-credential-helper: AssumeRoleWithOIDC failed: not found, EntityNotExist.Role: The role not exists: acs:ram::1:role/pull. (request id R-1); there is no role acs:ram::1:role/pull: correct rrsaRoleARN, or create the role");
    insta::assert_snapshot!(told(HOP, HOP_CALL, Wire::Error(404, "EntityNotExist.Role", "The specified Role not exists .")), @"error NotFound: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: not found, EntityNotExist.Role: The specified Role not exists . (request id R-1); there is no role acs:ram::2:role/cross: correct assumeRoleARN, or create the role");
    insta::assert_snapshot!(told(NODE, "MetadataRole", Wire::Body(404, "not found")), @"error NotFound: entry 0 (cri-1): MetadataRole failed: not found: this node has no RAM role: /latest/meta-data/ram/security-credentials/ has HTTP status 404; the node has no RAM role: attach the worker role to its ECS instance, or give the entry RRSA or keys");
}

#[test]
fn a_duration_above_the_maximum_of_the_role_and_an_external_id_that_is_refused() {
    let hop = |code, message| told(HOP, HOP_CALL, Wire::Error(400, code, message));
    insta::assert_snapshot!(hop("InvalidParameter.DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr."), @"error InvalidRequest: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: a parameter was refused, InvalidParameter.DurationSeconds: The Min/Max value of DurationSeconds is 15min/1hr. (request id R-1); a session of 7200 s is longer than the role admits: lower `expireDuration`, or raise the maximum session duration of acs:ram::2:role/cross");
    insta::assert_snapshot!(hop("InvalidParameter.ExternalId", "The parameter ExternalId is wrongly formed."), @"error InvalidRequest: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: a parameter was refused, InvalidParameter.ExternalId: The parameter ExternalId is wrongly formed. (request id R-1); correct `externalId`: it is the one that the trust policy of acs:ram::2:role/cross asks for, 2 to 1224 characters");
}

#[test]
fn an_action_that_is_denied() {
    let denied = Wire::Error(403, "NoPrivilege", "Access denied for this user.");
    insta::assert_snapshot!(told(KEYS, LOGIN, denied), @r#"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): GetAuthorizationToken failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); grant the identity {"Statement":[{"Action":["cr:GetAuthorizationToken","cr:ListInstanceEndpoint","cr:PullRepository"],"Effect":"Allow","Resource":"*"}],"Version":"1"}; if it has that, cri-1 belongs to another account than the identity, whose policies do not reach there: set `assumeRoleARN` to a role of that account"#);
    insta::assert_snapshot!(told(KEYS, DOMAINS, denied), @r#"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); without it only the `domains` of the entry are served, and nothing compares them; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-1"}],"Version":"1"}"#);
    insta::assert_snapshot!(told(&KEYS.replace("regionId", "domains: a.example, regionId"), DOMAINS, denied), @r#"warning Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); without it only the `domains` of the entry are served, and nothing compares them; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-1"}],"Version":"1"}"#);
    let several = |domains: &str| {
        KEYS.replace("cri-1", "'cri-1,cri-2'").replace("regionId", &format!("{domains}regionId"))
    };
    insta::assert_snapshot!(told(&several("domains: 'a.example,cri-2.example', "), DOMAINS, denied), @r#"
    warning Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); a domain does not name its instance, so without it those that are not known to be another's all get the login of cri-1; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-1"}],"Version":"1"}, or give each id an entry with its own `domains`
    warning Denied: entry 0 (cri-2), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); a domain does not name its instance, so without it those that are not known to be another's all get the login of cri-1; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-2"}],"Version":"1"}, or give each id an entry with its own `domains`
    "#);
    insta::assert_snapshot!(told(&several(""), DOMAINS, denied), @r#"
    error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); without it no domain of cri-1 is known and none is served; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-1"}],"Version":"1"}, or give each id an entry with its own `domains`
    error Denied: entry 0 (cri-2), as AccessKey in the entry (acs:ram::7:user/puller): ListInstanceEndpoint failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); without it no domain of cri-2 is known and none is served; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-2"}],"Version":"1"}, or give each id an entry with its own `domains`
    "#);
    insta::assert_snapshot!(told(HOP, LOGIN, denied), @r#"error Denied: entry 0 (cri-1), as AccessKey in the entry, then role cross in account 2 (acs:ram::2:role/cross/aliyun-acr-credential-helper): GetAuthorizationToken failed: permission denied, NoPrivilege: Access denied for this user. (request id R-1); grant the identity {"Statement":[{"Action":["cr:GetAuthorizationToken","cr:ListInstanceEndpoint","cr:PullRepository"],"Effect":"Allow","Resource":"*"}],"Version":"1"}; if it has that, cri-1 belongs to another account than the identity, whose policies do not reach there: acs:ram::2:role/cross, which `assumeRoleARN` names, is not of that account: name a role that is"#);
    let message = "You are not authorized to do this action. You should be authorized by RAM.";
    insta::assert_snapshot!(told(HOP, HOP_CALL, Wire::Error(403, "NoPermission", message)), @r#"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: permission denied, NoPermission: You are not authorized to do this action. You should be authorized by RAM. (request id R-1); either the asker may not assume acs:ram::2:role/cross: attach AliyunSTSAssumeRoleAccess, or {"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"acs:ram::2:role/cross"}],"Version":"1"}; or the trust policy of acs:ram::2:role/cross does not admit the asker: it must hold {"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"cluster-1"}},"Effect":"Allow","Principal":{"RAM":["acs:ram::7:root"]}}"#);
    let detailed = r#"{"Code":"NoPermission","Message":"You are not authorized to do this action.","RequestId":"R-1","AccessDeniedDetail":{"AuthAction":"sts:AssumeRole","AuthPrincipalType":"SubUser","AuthPrincipalDisplayName":"puller","AuthPrincipalOwnerId":"7","NoPermissionType":"ImplicitDeny","PolicyType":"AssumeRolePolicy"}}"#;
    insta::assert_snapshot!(told(HOP, HOP_CALL, Wire::Body(403, detailed)), @r#"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: permission denied, NoPermission: You are not authorized to do this action. (AuthAction sts:AssumeRole, AuthPrincipalType SubUser, AuthPrincipalDisplayName puller, AuthPrincipalOwnerId 7, NoPermissionType ImplicitDeny, PolicyType AssumeRolePolicy) (request id R-1); the trust policy of acs:ram::2:role/cross does not admit the asker: it must hold {"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"cluster-1"}},"Effect":"Allow","Principal":{"RAM":["acs:ram::7:root"]}}"#);
}

#[test]
fn an_instance_that_is_unknown_or_in_another_region() {
    let absent = Wire::Error(404, "INSTANCE_NOT_EXIST", "instance is not exist.");
    insta::assert_snapshot!(told(KEYS, LOGIN, absent), @"error NotFound: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): GetAuthorizationToken failed: not found, INSTANCE_NOT_EXIST: instance is not exist. (request id R-1); Container Registry knows no instance cri-1 in cn-hangzhou (the region is by regionId): it is unknown, in another region, or of another account; its page in the console of ACR names its region, and so do its hosts, NAME-registry.REGION.cr.aliyuncs.com: correct `regionId` or `instanceId`; for an instance of another account set `assumeRoleARN`");
    let domains = "domains: acme-registry.cn-beijing.cr.aliyuncs.com, regionId";
    insta::assert_snapshot!(told(&KEYS.replace("regionId", domains), LOGIN, absent), @"
    error NotFound: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): GetAuthorizationToken failed: not found, INSTANCE_NOT_EXIST: instance is not exist. (request id R-1); Container Registry knows no instance cri-1 in cn-hangzhou (the region is by regionId): it is unknown, in another region, or of another account; acme-registry.cn-beijing.cr.aliyuncs.com is a host of cn-beijing: set `regionId: cn-beijing`; for an instance of another account set `assumeRoleARN`
    warning HostNotOfInstance: entry 0 (cri-1): the instance has no domain acme-registry.cn-beijing.cr.aliyuncs.com, it is published all the same; did you mean cri-1.example?
    ");
}

#[test]
fn the_new_personal_edition_and_the_old_one_for_who_has_not_opened_it() {
    insta::assert_snapshot!(told(KEYS, LOGIN, Wire::Error(403, "AUTHENTICATION_FAILED", "Unauthorized.")), @"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): GetAuthorizationToken failed: permission denied, AUTHENTICATION_FAILED: Unauthorized. (request id R-1); this is how an instance of the new Personal Edition (crpi-…, opened after 2024-09-08) answers: ACR hands out no logins for it; give it an entry with staticSecretRef and domains");
    let body = r#"{"code":"USER_NOT_EXIST","message":"user is not exist.","requestId":"R-1"}"#;
    insta::assert_snapshot!(told(PERSONAL, PERSONAL_CALL, Wire::Body(404, body)), @"error NotFound: entry 0 (personal/cn-hangzhou), as AccessKey in the entry (acs:ram::7:user/puller): PersonalAuthorizationToken failed: not found, USER_NOT_EXIST: user is not exist. (request id R-1); nobody of this name has opened the Personal Edition in cn-hangzhou: each RAM user opens it in the console by itself and sets a registry password, the account's owner having done so is not enough; one that was opened after 2024-09-08 is of the new kind (crpi-…), which has no logins to hand out: give it an entry with staticSecretRef and domains");
    insta::assert_snapshot!(told(PERSONAL, PERSONAL_CALL, Wire::Error(403, "NoPermission", "You are not authorized to do this operation.")), @r#"error Denied: entry 0 (personal/cn-hangzhou), as AccessKey in the entry (acs:ram::7:user/puller): PersonalAuthorizationToken failed: permission denied, NoPermission: You are not authorized to do this operation. (request id R-1); grant the identity {"Statement":[{"Action":["cr:GetAuthorizationToken","cr:PullRepository"],"Effect":"Allow","Resource":"*"}],"Version":"1"}; if it has that and is a role, give the entry the keys of a RAM user who has opened the Personal Edition: whether it hands out logins to roles is not documented"#);
}

#[test]
fn a_cloud_that_throttles_or_fails() {
    insta::assert_snapshot!(told(KEYS, LOGIN, Wire::Error(400, "Throttling.User", "Request was denied due to user flow control.")), @"error Throttled: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: throttled by the cloud, Throttling.User: Request was denied due to user flow control. (request id R-1); it is tried again more slowly; look for other users of the account's quota");
    insta::assert_snapshot!(told(KEYS, LOGIN, Wire::Error(500, "SystemError", "Unknown error.")), @"error Server: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the cloud failed, SystemError: Unknown error. (request id R-1); it is tried again; see the status page of Alibaba Cloud");
}

#[test]
fn nobody_is_reached_and_how_far_we_came() {
    let at = |at, reason| told(KEYS, LOGIN, Wire::Barrier(at, reason));
    insta::assert_snapshot!(at(Barrier::Name, "does not resolve"), @"error Unreachable: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the endpoint cannot be reached: its name does not resolve (DNS): https://cr-vpc.cn-hangzhou.aliyuncs.com: cr-vpc.cn-hangzhou.aliyuncs.com does not resolve; https://cr.cn-hangzhou.aliyuncs.com: cr.cn-hangzhou.aliyuncs.com does not resolve; check the cluster's DNS; a VPC name resolves in its region only: set `endpoint: public` for the entry where the cluster has a way out, or `endpoints`");
    insta::assert_snapshot!(at(Barrier::Connection, "refuses the connection"), @"error Unreachable: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the endpoint cannot be reached: no connection comes about (TCP): https://cr-vpc.cn-hangzhou.aliyuncs.com: cr-vpc.cn-hangzhou.aliyuncs.com refuses the connection; https://cr.cn-hangzhou.aliyuncs.com: cr.cn-hangzhou.aliyuncs.com refuses the connection; check routes, security groups and the network policy (TCP 443), or set HTTPS_PROXY, `endpoint` or `endpoints`");
    insta::assert_snapshot!(at(Barrier::Certificate, "has a certificate of an unknown authority"), @"error Unreachable: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the endpoint cannot be reached: no trusted connection comes about (TLS): https://cr-vpc.cn-hangzhou.aliyuncs.com: cr-vpc.cn-hangzhou.aliyuncs.com has a certificate of an unknown authority; https://cr.cn-hangzhou.aliyuncs.com: cr.cn-hangzhou.aliyuncs.com has a certificate of an unknown authority; something between here and Alibaba Cloud answers with a certificate of its own: give its authority with --extra-ca, or let the component through");
    insta::assert_snapshot!(at(Barrier::Proxy, "is behind a proxy that answers 407"), @"error Unreachable: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: the endpoint cannot be reached: the proxy does not reach it: https://cr-vpc.cn-hangzhou.aliyuncs.com: cr-vpc.cn-hangzhou.aliyuncs.com is behind a proxy that answers 407; https://cr.cn-hangzhou.aliyuncs.com: cr.cn-hangzhou.aliyuncs.com is behind a proxy that answers 407; check HTTPS_PROXY and NO_PROXY, the credential in them, and what the proxy lets through");
    insta::assert_snapshot!(told(KEYS, LOGIN, Wire::Silence), @"error NoAnswer: entry 0 (cri-1), as AccessKey in the entry: GetAuthorizationToken failed: no answer in time: https://cr-vpc.cn-hangzhou.aliyuncs.com gave no complete answer in time; it is tried again; see the status page of Alibaba Cloud");
    insta::assert_snapshot!(told("- instanceId: cri-1", "MetadataRegion", Wire::Barrier(Barrier::Connection, "does not answer")), @"error Unreachable: entry 0 (cri-1): MetadataRegion failed: the endpoint cannot be reached: no connection comes about (TCP): http://100.100.100.200: 100.100.100.200 does not answer; the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use hostNetwork, or give `regionId` (or --region)");
    insta::assert_snapshot!(told(NODE, "MetadataRole", Wire::Body(403, "forbidden")), @"error Denied: entry 0 (cri-1): MetadataRole failed: permission denied: the metadata service answers /latest/meta-data/ram/security-credentials/ with HTTP status 403; the instance refuses access to its metadata: allow it in the ECS console, or give the entry RRSA or keys");
    insta::assert_snapshot!(told(NODE, "MetadataRole", Wire::Barrier(Barrier::Connection, "does not answer")), @"error Unreachable: entry 0 (cri-1): MetadataRole failed: the endpoint cannot be reached: no connection comes about (TCP): http://100.100.100.200: 100.100.100.200 does not answer; the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use hostNetwork, or give the entry RRSA or keys");
}

#[test]
fn a_managed_role_that_is_to_assume_another_and_a_mode_that_follows_from_the_age_of_the_cluster() {
    const HOP_BY_MODE: &str =
        "- {instanceId: cri-1, regionId: cn-hangzhou, assumeRoleARN: 'acs:ram::2:role/cross'}";
    let mut managed = Scenario::with_mode(TokenMode::ManagedRole);
    listed(&mut managed, HOP_BY_MODE);
    insta::assert_snapshot!(shown_where(&managed, |finding| finding.code == "AssumeRoleUnderManagedRole"), @"warning AssumeRoleUnderManagedRole: entry 0: tokenMode resolves to managedRole, whose role AliyunCSManagedAcrRole cannot assume the role of assumeRoleARN; use --token-mode workerRole, or RRSA (rrsaRoleARN, rrsaOIDCProviderRoleARN, rrsa: enable: true), and attach AliyunSTSAssumeRoleAccess to that role");
    let mut old = Scenario::with_mode(TokenMode::Auto);
    old.listing(|scenario| {
        scenario.configure(NODE, &[]);
        scenario.namespace_of("kube-system", &[], 1_600_000_000_000);
    });
    old.pass(3_000);
    insta::assert_snapshot!(shown_where(&old, |finding| finding.code == "TokenModeByAge"), @"warning TokenModeByAge: tokenMode auto is workerRole here, because the namespace kube-system was made 2020-09-13T12:26:40Z, before 2023-04-03: the role of the node asks for entry 0; set --token-mode workerRole to keep it so, or managedRole");
}

#[test]
fn a_login_that_lives_shorter_than_the_threshold_and_an_endpoint_that_is_switched_off() {
    let mut scenario = Scenario::new();
    scenario.answering = Some(Box::new(|call| {
        let outcome = match call.operation() {
            LOGIN => Ok(Reply::Login(Login {
                username: "u".to_owned(),
                password: "p".to_owned().into(),
                expires: UnixMillis(START + 600_000),
            })),
            DOMAINS => {
                Ok(Reply::Endpoints(vec![InstanceHost { host: "a.example".to_owned(), enabled: false }]))
            }
            _ => return None,
        };
        Some(Answer { cloud_time: Some(UnixMillis(START)), outcome })
    }));
    listed(&mut scenario, KEYS);
    insta::assert_snapshot!(shown(&scenario), @"
    warning ThresholdTooLong: entry 0 (cri-1): expiring-threshold 900s is not shorter than the life of its logins, 600s; they are renewed 300s before they end; set a shorter threshold
    warning EndpointDisabled: entry 0 (cri-1): the endpoint of a.example is disabled; enable it where images are pulled by it
    ");
}

#[test]
fn a_file_of_parameters_that_cannot_be_read_any_more() {
    let mut scenario = Scenario::new();
    listed(&mut scenario, KEYS);
    let unreadable = Some("parameters.json: No such file or directory (os error 2)".to_owned());
    scenario.observe(Observation::ParametersFile { unreadable });
    insta::assert_snapshot!(shown_where(&scenario, |finding| finding.code == "ParametersUnreadable"), @"error ParametersUnreadable: --parameters parameters.json: No such file or directory (os error 2); what it held stays in force, and a restart needs it: put the file back, or correct its permissions");
}

#[test]
fn hosts_that_two_entries_turn_out_to_have() {
    let mut scenario = Scenario::new();
    scenario.answering = Some(Box::new(|call| {
        let endpoints = vec![InstanceHost { host: "a.example".to_owned(), enabled: true }];
        (call.operation() == DOMAINS)
            .then(|| Answer { cloud_time: Some(UnixMillis(START)), outcome: Ok(Reply::Endpoints(endpoints)) })
    }));
    listed(&mut scenario, &format!("{KEYS}\n{}", KEYS.replace("cri-1", "cri-2")));
    insta::assert_snapshot!(shown_where(&scenario, |finding| finding.code == "DuplicateHost"), @"warning DuplicateHost: entry 1 (cri-2) has a.example in common with entry 0 (cri-1), which comes first: its login is the one in the pull secrets, as long as it has a living one; remove what is common from one entry with `domains`, narrow the entries by `namespaces`, or write `host/namespace`");
}

#[test]
fn what_an_entry_that_assumes_a_role_is_told_names_that_role() {
    let absent = Wire::Error(404, "INSTANCE_NOT_EXIST", "instance is not exist.");
    insta::assert_snapshot!(told(HOP, LOGIN, absent), @"error NotFound: entry 0 (cri-1), as AccessKey in the entry, then role cross in account 2 (acs:ram::2:role/cross/aliyun-acr-credential-helper): GetAuthorizationToken failed: not found, INSTANCE_NOT_EXIST: instance is not exist. (request id R-1); Container Registry knows no instance cri-1 in cn-hangzhou (the region is by regionId): it is unknown, in another region, or of another account; its page in the console of ACR names its region, and so do its hosts, NAME-registry.REGION.cr.aliyuncs.com: correct `regionId` or `instanceId`; `assumeRoleARN` must name a role of the instance's account, and names acs:ram::2:role/cross");
    insta::assert_snapshot!(told(HOP, LOGIN, Wire::Error(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in the entry, then role cross in account 2 (acs:ram::2:role/cross/aliyun-acr-credential-helper): GetAuthorizationToken failed: the credentials were refused, InvalidAccessKeyId.NotFound: Specified access key is not found. (request id R-1); it is the key of a session, which Alibaba Cloud does not know (any more): a session that the cloud hands out is asked for anew; one that stands in a Secret is replaced there, all three values");
    insta::assert_snapshot!(told(HOP, HOP_CALL, Wire::Error(403, "NoPermission", "Roles may not be assumed by root accounts.")), @"error Denied: entry 0 (cri-1), as AccessKey in the entry (acs:ram::7:user/puller): AssumeRole failed: permission denied, NoPermission: Roles may not be assumed by root accounts. (request id R-1); the key of an account's owner can assume no role: use the key of a RAM user");
}
