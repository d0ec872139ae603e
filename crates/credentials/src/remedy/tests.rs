//! What is said about each refusal that users are to tell apart.

use super::*;

const ROLE: &str = "acs:ram::1:role/pull";

fn token() -> TokenClaims {
    TokenClaims {
        issuer: "https://oidc.example/c1".to_owned(),
        subject: "system:serviceaccount:kube-system:aliyun-acr-credential-helper".to_owned(),
        audiences: vec!["sts.aliyuncs.com".to_owned()],
    }
}

fn about() -> Circumstances {
    Circumstances {
        region: "cn-hangzhou".to_owned(),
        instance: Some("cri-1".to_owned()),
        role_arn: Some(ROLE.to_owned()),
        provider_arn: Some("acs:ram::1:oidc-provider/ack-rrsa-c1".to_owned()),
        external_id: None,
        duration_seconds: Some(43_200),
        token: Some(token()),
        token_is_requested: false,
        is_session: false,
        hop: None,
        account: Some("2".to_owned()),
        region_source: Some("regionId"),
        domains: Vec::new(),
        taker: None,
        principal: None,
        secret: Some(("infra".to_owned(), "keys".to_owned())),
        namespace: "kube-system".to_owned(),
    }
}

fn said(operation: &'static str, kind: FailureKind, code: &str) -> String {
    told(operation, kind, code, "", &about())
}

fn told(
    operation: &'static str,
    kind: FailureKind,
    code: &str,
    message: &str,
    about: &Circumstances,
) -> String {
    let code = Some(code.to_owned()).filter(|code| !code.is_empty());
    let failure = CallFailure { operation, kind, code, message: message.to_owned(), request_id: None };
    remedy(&failure, about)
}

use FailureKind::{ClockSkew, CredentialsRefused, Denied, InvalidRequest, Malformed, NoAnswer, NotFound};

#[test]
fn keys_that_are_wrong_disabled_or_expired_are_told_apart() {
    let login = |code| said("GetAuthorizationToken", CredentialsRefused, code);
    insta::assert_snapshot!(login("InvalidAccessKeyId.NotFound"), @"the AccessKey id is not known to Alibaba Cloud: correct it, or create a key for the RAM user");
    insta::assert_snapshot!(login("InvalidAccessKeyId.Inactive"), @"the AccessKey is disabled: enable it in the RAM console, or use another one");
    insta::assert_snapshot!(login("SignatureDoesNotMatch"), @"the AccessKey secret does not belong to the AccessKey id: copy both again");
    insta::assert_snapshot!(login("InvalidSecurityToken.Expired"), @"the session has ended: a new one is asked for; if it stays, look at the expiry of what is handed over, or of what stands in the Secret");
    insta::assert_snapshot!(said("AssumeRole", CredentialsRefused, "InvalidAccessKeyId.Inactive"), @"the AccessKey is disabled: enable it in the RAM console, or use another one");
    insta::assert_snapshot!(said("GetAuthorizationToken", ClockSkew, "InvalidTimeStamp.Expired"), @"set the clock of the node (NTP): the cloud takes time stamps within 15 minutes of its own");
}

#[test]
fn a_trust_policy_a_provider_and_a_role_that_do_not_fit_are_told_apart() {
    let rrsa = |kind, code| said("AssumeRoleWithOIDC", kind, code);
    insta::assert_snapshot!(rrsa(CredentialsRefused, "AuthenticationFail.OIDCToken.AudienceNotMatch"), @"the audience does not fit (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): add sts.aliyuncs.com to the client ids of acs:ram::1:oidc-provider/ack-rrsa-c1");
    insta::assert_snapshot!(rrsa(CredentialsRefused, "AuthenticationFail.OIDCToken.IssuerNotMatch"), @"the issuer does not fit (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): acs:ram::1:oidc-provider/ack-rrsa-c1 must be the provider of this cluster, as the console shows it where RRSA is enabled");
    insta::assert_snapshot!(rrsa(CredentialsRefused, "AuthenticationFail.OIDCToken.InvalidSignature"), @"acs:ram::1:oidc-provider/ack-rrsa-c1 does not know the key that signs this cluster's tokens (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): it must be the provider of this cluster");
    insta::assert_snapshot!(rrsa(CredentialsRefused, "AuthenticationFail.OIDCToken.Expired"), @"the projected token has expired: the kubelet renews it, so look at the node, and at its clock");
    insta::assert_snapshot!(rrsa(Denied, "AuthenticationFail.NoPermission"), @r#"the trust policy of acs:ram::1:role/pull does not admit the component; known: STS has codes of its own for an issuer or audience that the provider does not know, and this is none of them (the token says iss https://oidc.example/c1, aud sts.aliyuncs.com, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper); not told by the cloud: which of the policy's Principal, oidc:iss, oidc:aud and oidc:sub does not fit; likely: a policy that was made for another cluster (its provider in Principal, its oidc:iss) or for another ServiceAccount (oidc:sub); to find out, compare the AssumeRolePolicyDocument of `aliyun ram GetRole --RoleName pull`, which must hold {"Action":"sts:AssumeRole","Condition":{"StringEquals":{"oidc:aud":"sts.aliyuncs.com","oidc:iss":"https://oidc.example/c1","oidc:sub":"system:serviceaccount:kube-system:aliyun-acr-credential-helper"}},"Effect":"Allow","Principal":{"Federated":["acs:ram::1:oidc-provider/ack-rrsa-c1"]}}"#);
    insta::assert_snapshot!(rrsa(NotFound, "AuthenticationFail.NoPermission"), @"there is no provider acs:ram::1:oidc-provider/ack-rrsa-c1: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its console page");
    insta::assert_snapshot!(rrsa(NotFound, "EntityNotExist.Role"), @"there is no role acs:ram::1:role/pull: correct rrsaRoleARN, or create the role");
}

/// What is said where the trust policy does not admit a token with these claims.
fn distrusted(change: impl FnOnce(&mut TokenClaims)) -> String {
    let mut token = token();
    change(&mut token);
    let about = Circumstances { token: Some(token), ..about() };
    told("AssumeRoleWithOIDC", Denied, "AuthenticationFail.NoPermission", "There is no permission", &about)
}

#[test]
fn which_claim_a_trust_policy_does_not_admit_is_said_as_far_as_it_can_be_known() {
    let verdict = |text: String| {
        let likely = text.split_once("; likely: ").map_or("", |(_, rest)| rest);
        likely.split("; to find out").next().unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(verdict(distrusted(|_| {})), @"a policy that was made for another cluster (its provider in Principal, its oidc:iss) or for another ServiceAccount (oidc:sub)");
    let subject = "system:serviceaccount:acr:helper";
    insta::assert_snapshot!(verdict(distrusted(|token| token.subject = subject.to_owned())), @"oidc:sub, for the documented policy names system:serviceaccount:kube-system:aliyun-acr-credential-helper, and the token another ServiceAccount");
    let audience = || vec!["kubernetes".to_owned()];
    insta::assert_snapshot!(verdict(distrusted(|token| token.audiences = audience())), @"oidc:aud, for the documented policy asks for sts.aliyuncs.com, which the token has not");
    let unknown = Circumstances { token: None, ..about() };
    let text = told("AssumeRoleWithOIDC", Denied, "AuthenticationFail.NoPermission", "", &unknown);
    insta::assert_snapshot!(text, @r#"the trust policy of acs:ram::1:role/pull does not admit the component; known: STS has codes of its own for an issuer or audience that the provider does not know, and this is none of them; not told by the cloud: which of the policy's Principal, oidc:iss, oidc:aud and oidc:sub does not fit; likely: oidc:sub, or the provider in Principal; to find out, compare the AssumeRolePolicyDocument of `aliyun ram GetRole --RoleName pull`, which must hold {"Action":"sts:AssumeRole","Condition":{"StringEquals":{"oidc:aud":"sts.aliyuncs.com","oidc:iss":"<issuer of the cluster>","oidc:sub":"system:serviceaccount:kube-system:aliyun-acr-credential-helper"}},"Effect":"Allow","Principal":{"Federated":["acs:ram::1:oidc-provider/ack-rrsa-c1"]}}"#);
    // Where the cloud names another policy, it is not the trust policy.
    let message = "There is no permission (NoPermissionType ImplicitDeny, PolicyType ControlPolicy)";
    insta::assert_snapshot!(told("AssumeRoleWithOIDC", Denied, "AuthenticationFail.NoPermission", message, &about()), @"a policy of the type ControlPolicy does not let the component become acs:ram::1:role/pull: it is not the trust policy of the role; look at what the resource directory and the account allow for sts:AssumeRole");
    // The provider looks at the audience before any policy does.
    let about = Circumstances { token: Some(TokenClaims { audiences: audience(), ..token() }), ..about() };
    let code = "AuthenticationFail.OIDCToken.AudienceNotMatch";
    insta::assert_snapshot!(told("AssumeRoleWithOIDC", CredentialsRefused, code, "", &about), @"the audience does not fit (the token says iss https://oidc.example/c1, aud kubernetes, sub system:serviceaccount:kube-system:aliyun-acr-credential-helper): the token must be projected with audience sts.aliyuncs.com, as deploy/ does");
}

#[test]
fn what_is_wrong_with_the_provider_or_the_token_itself_is_told_apart() {
    let rrsa = |code: &str| {
        let code = format!("AuthenticationFail.OIDCToken.{code}");
        let about = Circumstances { token: None, ..about() };
        told("AssumeRoleWithOIDC", CredentialsRefused, &code, "", &about)
    };
    insta::assert_snapshot!(rrsa("PublicKeyFingerprintMismatch"), @"the certificate of the issuer is not one that acs:ram::1:oidc-provider/ack-rrsa-c1 trusts: renew the fingerprints of the provider, or enable RRSA for the cluster again");
    insta::assert_snapshot!(rrsa("HttpsUrlInvalid"), @"the certificate of the issuer is not one that acs:ram::1:oidc-provider/ack-rrsa-c1 trusts: renew the fingerprints of the provider, or enable RRSA for the cluster again");
    insta::assert_snapshot!(rrsa("IssuerConfigurationBroken"), @"STS cannot get the keys of the issuer: its URL must answer on the internet with /.well-known/openid-configuration");
    insta::assert_snapshot!(rrsa("Invalid"), @"what was presented is no token that STS can read: look at the file of --token-file, or remove it, so that the API server is asked for one");
    let message = "Parameter OIDCProviderArn is not valid";
    insta::assert_snapshot!(told("AssumeRoleWithOIDC", NotFound, "AuthenticationFail.NoPermission", message, &about()), @"there is no provider acs:ram::1:oidc-provider/ack-rrsa-c1: enable RRSA for the cluster, and copy rrsaOIDCProviderRoleARN from its console page");
    insta::assert_snapshot!(said("AssumeRoleWithOIDC", InvalidRequest, "InvalidParameter.DurationSeconds"), @"the session is asked for 43200 s, which the role does not admit: raise the maximum session duration of acs:ram::1:role/pull");
}

#[test]
fn a_token_of_the_api_server_is_not_blamed_on_the_kubelet_or_a_file() {
    let requested = Circumstances { token_is_requested: true, ..about() };
    for (reason, projected, of_api_server) in [
        ("Expired", "the kubelet renews it", "the clock of the control plane"),
        ("Invalid", "the file of --token-file", "--service-account-issuer"),
    ] {
        let code = format!("AuthenticationFail.OIDCToken.{reason}");
        let text = |about: &Circumstances| told("AssumeRoleWithOIDC", CredentialsRefused, &code, "", about);
        let (by_file, by_request) = (text(&about()), text(&requested));
        assert!(by_file.contains(projected) && !by_file.contains(of_api_server), "{by_file}");
        assert!(by_request.contains(of_api_server) && !by_request.contains(projected), "{by_request}");
    }
}

#[test]
fn the_key_of_a_session_is_not_one_of_a_ram_user() {
    let session = Circumstances { is_session: true, ..about() };
    for operation in ["GetAuthorizationToken", "AssumeRole", "PersonalAuthorizationToken"] {
        let text = told(operation, CredentialsRefused, "InvalidAccessKeyId.NotFound", "", &session);
        assert!(text.starts_with("it is the key of a session") && !text.contains("RAM user"), "{text}");
    }
}

#[test]
fn who_has_a_role_in_another_account_is_not_told_to_name_one() {
    let hop = Circumstances { hop: Some("acs:ram::9:role/cross".to_owned()), ..about() };
    for (kind, code) in [(Denied, "NoPrivilege"), (NotFound, "INSTANCE_NOT_EXIST")] {
        let text = told("GetAuthorizationToken", kind, code, "", &hop);
        assert!(!text.contains("set `assumeRoleARN`") && text.contains("acs:ram::9:role/cross"), "{text}");
    }
}

#[test]
fn a_role_that_is_known_to_ask_is_the_one_that_the_other_role_must_admit() {
    let by = |principal: &str| {
        let about = Circumstances { principal: Some(principal.to_owned()), ..about() };
        let text = told("AssumeRole", Denied, "NoPermission", "", &about);
        let statement = text.rsplit("\"Principal\":").next().and_then(|rest| rest.split(';').next());
        statement.unwrap_or_default().to_owned()
    };
    assert_eq!(by("acs:ram::3:role/worker/i-1"), r#"{"RAM":["acs:ram::3:role/worker"]}}"#);
    assert_eq!(by("acs:ram::3:assumed-role/worker/i-1"), r#"{"RAM":["acs:ram::3:role/worker"]}}"#);
    assert_eq!(by("acs:ram::3:user/puller"), r#"{"RAM":["acs:ram::3:root"]}}"#);
    // Without the account of the role, that of the entry has to do.
    assert_eq!(by("worker"), r#"{"RAM":["acs:ram::2:root"]}}"#);
}

#[test]
fn an_instance_that_is_not_there_is_looked_for_where_its_hosts_say() {
    let about = Circumstances {
        domains: vec![
            "images.acme.example".to_owned(),
            "acme-registry.cn-beijing.cr.aliyuncs.com".to_owned(),
        ],
        ..about()
    };
    insta::assert_snapshot!(told("GetAuthorizationToken", NotFound, "INSTANCE_NOT_EXIST", "", &about), @"Container Registry knows no instance cri-1 in cn-hangzhou (the region is by regionId): it is unknown, in another region, or of another account; acme-registry.cn-beijing.cr.aliyuncs.com is a host of cn-beijing: set `regionId: cn-beijing`; for an instance of another account set `assumeRoleARN`");
}

#[test]
fn what_is_not_an_answer_of_the_cloud_gets_no_remedy_for_the_cloud() {
    insta::assert_snapshot!(said("MetadataRegion", NotFound, ""), @"what answers at 100.100.100.200 does not answer as a metadata service: look at the node, or give `regionId` (or --region)");
    insta::assert_snapshot!(said("MetadataRegion", Denied, ""), @"the instance refuses access to its metadata: allow it in the ECS console, or give `regionId` (or --region)");
    insta::assert_snapshot!(said("MetadataRole", Denied, ""), @"the instance refuses access to its metadata: allow it in the ECS console, or give the entry RRSA or keys");
    insta::assert_snapshot!(said("MetadataRole", FailureKind::Unreachable { at: Barrier::Connection }, ""), @"the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use hostNetwork, or give the entry RRSA or keys");
    insta::assert_snapshot!(said("AddOnToken", Denied, ""), @"allow it, by the chart's `credentials.addOnToken: read` or: kubectl -n infra create role acr-keys --verb=get,list,watch --resource=secrets --resource-name=keys && kubectl -n infra create rolebinding acr-keys --role=acr-keys --serviceaccount=kube-system:aliyun-acr-credential-helper");
    insta::assert_snapshot!(said("RegisteredKey", Malformed, ""), @"kubectl -n infra create secret generic keys --from-file=access-key-id --from-file=access-key-secret --dry-run=client -o yaml | kubectl apply -f -");
    insta::assert_snapshot!(said("RegisteredKey", Denied, ""), @"allow it, by the chart's `credentials.registeredKey: read` or: kubectl -n infra create role acr-keys --verb=get,list,watch --resource=secrets --resource-name=keys && kubectl -n infra create rolebinding acr-keys --role=acr-keys --serviceaccount=kube-system:aliyun-acr-credential-helper");
    for operation in ["AddOnToken", "RegisteredKey", "ServiceAccountToken", "StaticSecret", "AccessKeySecret"]
    {
        let text = said(operation, NoAnswer, "");
        assert!(
            text.contains("component's user may read it") && !text.contains("Alibaba"),
            "{operation}: {text}"
        );
    }
}

#[test]
fn a_hop_that_is_refused_names_both_policies_and_the_external_id() {
    insta::assert_snapshot!(said("AssumeRole", Denied, "NoPermission"), @r#"either the asker may not assume acs:ram::1:role/pull: attach AliyunSTSAssumeRoleAccess, or {"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"acs:ram::1:role/pull"}],"Version":"1"}; or the trust policy of acs:ram::1:role/pull does not admit the asker: it must hold {"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"RAM":["acs:ram::2:root"]}}; if that asks for an sts:ExternalId, give the entry `externalId`"#);
    let detail = |kind: &str| {
        let message = format!(
            "You are not authorized to do this action. (AuthAction sts:AssumeRole, AuthPrincipalOwnerId 4, PolicyType {kind})"
        );
        told("AssumeRole", Denied, "NoPermission", &message, &about())
    };
    insta::assert_snapshot!(detail("AssumeRolePolicy"), @r#"the trust policy of acs:ram::1:role/pull does not admit the asker: it must hold {"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"RAM":["acs:ram::4:root"]}}; if that asks for an sts:ExternalId, give the entry `externalId`"#);
    insta::assert_snapshot!(detail("AccountLevelIdentityBasedPolicy"), @r#"the asker may not assume acs:ram::1:role/pull: attach AliyunSTSAssumeRoleAccess, or {"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Resource":"acs:ram::1:role/pull"}],"Version":"1"}"#);
    insta::assert_snapshot!(detail("AssumeRolePolicy, NoPermissionType ExplicitDeny"), @"the trust policy of acs:ram::1:role/pull denies sts:AssumeRole in so many words: take the Deny out, an Allow does not outweigh it");
    insta::assert_snapshot!(detail("AccountLevelIdentityBasedPolicy, NoPermissionType ExplicitDeny"), @"a policy of the asker, or a control policy of its resource directory, denies sts:AssumeRole in so many words: take the Deny out, an Allow does not outweigh it");
    // The same for what is asked of Container Registry, and for RRSA.
    for operation in ["GetAuthorizationToken", "ListInstanceEndpoint", "PersonalAuthorizationToken"] {
        let message = "denied (AuthAction cr:x, NoPermissionType ExplicitDeny, PolicyType AccountLevelIdentityBasedPolicy)";
        let text = told(operation, Denied, "NoPermission", message, &about());
        assert!(text.contains("take the Deny out") && !text.contains("grant"), "{text}");
    }
    let message = "There is no permission (NoPermissionType ExplicitDeny, PolicyType AssumeRolePolicy)";
    let text = told("AssumeRoleWithOIDC", Denied, "AuthenticationFail.NoPermission", message, &about());
    assert!(text.contains("take the Deny out") && !text.contains("must hold"), "{text}");
    let external = Circumstances { external_id: Some("id-1".to_owned()), account: None, ..about() };
    let text = told("AssumeRole", Denied, "NoPermission", "", &external);
    assert!(text.contains(r#""sts:ExternalId":"id-1""#) && text.contains("<account of the asker>"), "{text}");
    insta::assert_snapshot!(said("AssumeRole", NotFound, "EntityNotExist.Role"), @"there is no role acs:ram::1:role/pull: correct assumeRoleARN, or create the role");
    insta::assert_snapshot!(said("AssumeRole", InvalidRequest, "InvalidParameter.DurationSeconds"), @"a session of 43200 s is longer than the role admits: lower `expireDuration`, or raise the maximum session duration of acs:ram::1:role/pull");
    let root = "Roles may not be assumed by root accounts.";
    insta::assert_snapshot!(told("AssumeRole", Denied, "NoPermission", root, &about()), @"the key of an account's owner can assume no role: use the key of a RAM user");
}

#[test]
fn what_the_registry_refuses_names_the_policy_the_instance_or_the_new_edition() {
    insta::assert_snapshot!(said("GetAuthorizationToken", Denied, "NoPrivilege"), @r#"grant the identity {"Statement":[{"Action":["cr:GetAuthorizationToken","cr:ListInstanceEndpoint","cr:PullRepository"],"Effect":"Allow","Resource":"*"}],"Version":"1"}; if it has that, cri-1 belongs to another account than the identity, whose policies do not reach there: set `assumeRoleARN` to a role of that account"#);
    insta::assert_snapshot!(said("ListInstanceEndpoint", Denied, "NoPrivilege"), @r#"without it only the `domains` of the entry are served, and nothing compares them; grant {"Statement":[{"Action":"cr:ListInstanceEndpoint","Effect":"Allow","Resource":"acs:cr:cn-hangzhou:*:instance/cri-1"}],"Version":"1"}"#);
    insta::assert_snapshot!(said("GetAuthorizationToken", NotFound, "INSTANCE_NOT_EXIST"), @"Container Registry knows no instance cri-1 in cn-hangzhou (the region is by regionId): it is unknown, in another region, or of another account; its page in the console of ACR names its region, and so do its hosts, NAME-registry.REGION.cr.aliyuncs.com: correct `regionId` or `instanceId`; for an instance of another account set `assumeRoleARN`");
    insta::assert_snapshot!(said("GetAuthorizationToken", Denied, "AUTHENTICATION_FAILED"), @"this is how an instance of the new Personal Edition (crpi-…, opened after 2024-09-08) answers: ACR hands out no logins for it; give it an entry with staticSecretRef and domains");
    insta::assert_snapshot!(said("PersonalAuthorizationToken", NotFound, "USER_NOT_EXIST"), @"nobody of this name has opened the Personal Edition in cn-hangzhou: each RAM user opens it in the console by itself and sets a registry password, the account's owner having done so is not enough; one that was opened after 2024-09-08 is of the new kind (crpi-…), which has no logins to hand out: give it an entry with staticSecretRef and domains");
}

#[test]
fn the_ways_in_which_nothing_is_reached_are_told_apart() {
    let at = |at| said("GetAuthorizationToken", FailureKind::Unreachable { at }, "");
    insta::assert_snapshot!(at(Barrier::Name), @"check the cluster's DNS; a VPC name resolves in its region only: set `endpoint: public` for the entry where the cluster has a way out, or `endpoints`");
    insta::assert_snapshot!(at(Barrier::Connection), @"check routes, security groups and the network policy (TCP 443), or set HTTPS_PROXY, `endpoint` or `endpoints`");
    insta::assert_snapshot!(at(Barrier::Certificate), @"something between here and Alibaba Cloud answers with a certificate of its own: give its authority with --extra-ca, or let the component through");
    insta::assert_snapshot!(at(Barrier::Proxy), @"check HTTPS_PROXY and NO_PROXY, the credential in them, and what the proxy lets through");
    insta::assert_snapshot!(at(Barrier::NoEndpoint), @"no endpoint follows from this region: correct what names it, `regionId`, --region, ALIBABA_CLOUD_STS_REGION or ALIBABA_CLOUD_REGION_ID, or set `endpoints`");
    insta::assert_snapshot!(said("MetadataRegion", FailureKind::Unreachable { at: Barrier::Connection }, ""), @"the metadata service answers on ECS instances only, and pods may have no route to 100.100.100.200: use hostNetwork, or give `regionId` (or --region)");
    insta::assert_snapshot!(said("GetAuthorizationToken", FailureKind::Throttled { retry_after: None }, ""), @"it is tried again more slowly; look for other users of the account's quota");
}

#[test]
fn what_the_cluster_does_not_hand_over_is_said_with_the_ways_out() {
    insta::assert_snapshot!(said("AddOnToken", NotFound, ""), @"ACK hands no add-on token to this component, so tokenMode managedRole cannot work; give the entry RRSA (rrsaRoleARN, rrsaOIDCProviderRoleARN and `rrsa: enable: true`), or run with --token-mode workerRole and grant the worker role cr:GetAuthorizationToken, cr:ListInstanceEndpoint and cr:PullRepository");
    insta::assert_snapshot!(said("AddOnToken", Denied, "NoPermission"), @"authorize ACK to use AliyunCSManagedAcrRole in the RAM console; its trust policy must name cs.aliyuncs.com");
    insta::assert_snapshot!(said("MetadataRole", NotFound, ""), @"the node has no RAM role: attach the worker role to its ECS instance, or give the entry RRSA or keys");
    insta::assert_snapshot!(said("AccessKeySecret", Denied, ""), @"allow it, by the chart's `secretReferences: [{namespace: infra, name: keys}]` or: kubectl -n infra create role acr-keys --verb=get,list,watch --resource=secrets --resource-name=keys && kubectl -n infra create rolebinding acr-keys --role=acr-keys --serviceaccount=kube-system:aliyun-acr-credential-helper");
    insta::assert_snapshot!(said("AccessKeySecret", NotFound, ""), @"kubectl -n infra create secret generic keys --from-file=access-key-id --from-file=access-key-secret");
    insta::assert_snapshot!(said("StaticSecret", Malformed, ""), @"each host needs `username` and `password`, or `auth`: kubectl -n infra create secret docker-registry keys --docker-server=… --docker-username=… --docker-password=… --dry-run=client -o yaml | kubectl apply -f -");
    insta::assert_snapshot!(said("ServiceAccountToken", Denied, ""), @"project a token with audience sts.aliyuncs.com into the pod, or allow `create` on serviceaccounts/token of the component's ServiceAccount; deploy/ does both");
}

#[test]
fn claims_are_read_without_the_signature_and_nonsense_is_none() {
    // {"aud":["sts.aliyuncs.com"],"iss":"i","sub":"s"}
    let payload = "eyJhdWQiOlsic3RzLmFsaXl1bmNzLmNvbSJdLCJpc3MiOiJpIiwic3ViIjoicyJ9";
    let claims = |text: &str| TokenClaims::of(&text.to_owned().into());
    let expected = TokenClaims {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        audiences: vec!["sts.aliyuncs.com".to_owned()],
    };
    assert_eq!(claims(&format!("e30.{payload}.signature")), Some(expected));
    for text in ["", "a.b.c", "e30.e30.e30", "one"] {
        assert_eq!(claims(text), None, "{text}");
    }
}
