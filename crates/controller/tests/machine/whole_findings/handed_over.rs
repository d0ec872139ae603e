//! What the cluster does not hand over, or hands over in pieces: the add-on token, keys of a registered cluster, Secrets that
//! the configuration names.

use super::*;

#[test]
fn an_add_on_token_that_is_not_handed_over() {
    let scenario = Scenario::with_mode(TokenMode::ManagedRole);
    insta::assert_snapshot!(told_by(scenario, NODE, "none", Wire::Silence), @"error NotFound: entry 0 (cri-1): AddOnToken failed: not found: there is no file; ACK hands no add-on token to this component, so tokenMode managedRole cannot work; give the entry RRSA (rrsaRoleARN, rrsaOIDCProviderRoleARN and `rrsa: enable: true`), or run with --token-mode workerRole and grant the worker role cr:GetAuthorizationToken, cr:ListInstanceEndpoint and cr:PullRepository");
}

/// The findings about an entry that names the Secret infra/logins, which holds this; `None` where it does not exist.
fn of_secret(entry: &str, members: Option<&[(&str, &str)]>) -> String {
    let member = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec().into());
    let data = members.map(|members| members.iter().map(member).collect::<SecretData>());
    of_seen(Scenario::new(), entry, Ok(data))
}

fn of_seen(mut scenario: Scenario, entry: &str, seen: Result<Option<SecretData>, Refusal>) -> String {
    listed(&mut scenario, entry);
    let reference = SecretRef { namespace: "infra".to_owned(), name: "logins".to_owned() };
    scenario.observe(Observation::Referenced { reference, seen });
    scenario.pass(3_000);
    shown(&scenario)
}

#[test]
fn a_secret_with_logins_that_does_not_go_together_with_its_entry() {
    const ENTRY: &str = "- {staticSecretRef: {namespace: infra, name: logins}}";
    const WITH: &str =
        "- {staticSecretRef: {namespace: infra, name: logins}, domains: 'a.example,b.example'}";
    let pair = [("username", "u"), ("password", "p")];
    insta::assert_snapshot!(of_secret(ENTRY, Some(&pair)), @"warning DomainsMissing: entry 0: the Secret infra/logins holds username and password, and the entry names no domains for them; add `domains`");
    let config = [(".dockerconfigjson", r#"{"auths":{"a.example":{"username":"u","password":"p"}}}"#)];
    insta::assert_snapshot!(of_secret(WITH, Some(&config)), @"warning HostNotInSecret: entry 0: the docker config of Secret infra/logins has no login for b.example; correct `domains`, or add the login to the Secret");
    insta::assert_snapshot!(of_secret(WITH, Some(&[("password", "p")])), @"error Malformed: entry 0 (secret/infra/logins): StaticSecret failed: the answer makes no sense: the Secret infra/logins cannot be used: it has no username; each host needs `username` and `password`, or `auth`: kubectl -n infra create secret docker-registry logins --docker-server=… --docker-username=… --docker-password=… --dry-run=client -o yaml | kubectl apply -f -");
    insta::assert_snapshot!(of_seen(Scenario::new(), WITH, Err(no_right("list secrets"))), @"error Denied: entry 0 (secret/infra/logins): StaticSecret failed: permission denied: the Secret infra/logins may not be read: no right: ServiceAccount cannot list secrets; allow it, by the chart's `secretReferences: [{namespace: infra, name: logins}]` or: kubectl -n infra create role acr-logins --verb=get,list,watch --resource=secrets --resource-name=logins && kubectl -n infra create rolebinding acr-logins --role=acr-logins --serviceaccount=kube-system:aliyun-acr-credential-helper");
    insta::assert_snapshot!(of_secret(WITH, None), @"error NotFound: entry 0 (secret/infra/logins): StaticSecret failed: not found: there is no Secret infra/logins; kubectl -n infra create secret docker-registry logins --docker-server=… --docker-username=… --docker-password=…");
}

#[test]
fn a_secret_with_a_key_that_is_missing_or_incomplete() {
    const ENTRY: &str = "- {instanceId: cri-1, regionId: cn-hangzhou, customAccessKeySecretRef: {namespace: infra, name: logins}}";
    insta::assert_snapshot!(of_secret(ENTRY, None), @"error NotFound: entry 0 (cri-1): AccessKeySecret failed: not found: there is no Secret infra/logins; kubectl -n infra create secret generic logins --from-file=access-key-id --from-file=access-key-secret");
    insta::assert_snapshot!(of_secret(ENTRY, Some(&[("access-key-id", "LTAIexample")])), @"error Malformed: entry 0 (cri-1): AccessKeySecret failed: the answer makes no sense: the Secret infra/logins cannot be used: it has no access-key-secret; kubectl -n infra create secret generic logins --from-file=access-key-id --from-file=access-key-secret --dry-run=client -o yaml | kubectl apply -f -");
    insta::assert_snapshot!(of_seen(Scenario::new(), ENTRY, Err(no_right("list secrets"))), @"error Denied: entry 0 (cri-1): AccessKeySecret failed: permission denied: the Secret infra/logins may not be read: no right: ServiceAccount cannot list secrets; allow it, by the chart's `secretReferences: [{namespace: infra, name: logins}]` or: kubectl -n infra create role acr-logins --verb=get,list,watch --resource=secrets --resource-name=logins && kubectl -n infra create rolebinding acr-logins --role=acr-logins --serviceaccount=kube-system:aliyun-acr-credential-helper");
    insta::assert_snapshot!(of_secret(ENTRY, Some(&[("access-key-id", "STS.example"), ("access-key-secret", "s")])), @"error Malformed: entry 0 (cri-1): AccessKeySecret failed: the answer makes no sense: the Secret infra/logins cannot be used: it has no security-token; kubectl -n infra create secret generic logins --from-file=access-key-id --from-file=access-key-secret --from-file=security-token --dry-run=client -o yaml | kubectl apply -f -");
    let session = [("access-key-id", "STS.example"), ("access-key-secret", "s"), ("security-token", "t")];
    let member = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec().into());
    let ended = |code, message| {
        let mut scenario = Scenario::new();
        scenario.answering = Some(Box::new(move |call| {
            (call.operation() == LOGIN).then(|| carried_out(call, Wire::Error(404, code, message)))
        }));
        of_seen(scenario, ENTRY, Ok(Some(session.iter().map(member).collect())))
    };
    insta::assert_snapshot!(ended("InvalidAccessKeyId.NotFound", "Specified access key is not found."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in Secret infra/logins: GetAuthorizationToken failed: the credentials were refused, InvalidAccessKeyId.NotFound: Specified access key is not found. (request id R-1); it is the key of a session, which Alibaba Cloud does not know (any more): a session that the cloud hands out is asked for anew; one that stands in a Secret is replaced there, all three values");
    insta::assert_snapshot!(ended("InvalidSecurityToken.Expired", "Specified SecurityToken is expired."), @"error CredentialsRefused: entry 0 (cri-1), as AccessKey in Secret infra/logins: GetAuthorizationToken failed: the credentials were refused, InvalidSecurityToken.Expired: Specified SecurityToken is expired. (request id R-1); the session has ended: a new one is asked for; if it stays, look at the expiry of what is handed over, or of what stands in the Secret");
}

/// The findings where ACK hands over this document, or the API server refuses to.
fn handed(answer: impl Fn() -> Handed + 'static) -> String {
    let mut scenario = Scenario::with_flags(|settings| {
        settings.token_mode = TokenMode::ManagedRole;
        settings.add_on_token_secret = Some("addon.aliyuncsmanagedacrrole.token".to_owned());
    });
    scenario.handing_over =
        Some(Box::new(move |operation| matches!(operation, Operation::ReadAddOnToken).then(&answer)));
    told_by(scenario, NODE, "none", Wire::Silence)
}

fn handed_document(change: impl FnOnce(&mut serde_json::Value)) -> String {
    // Published with the tests of the CSI driver of Alibaba Cloud.
    let mut document = serde_json::json!({
        "access.key.id": "Ik032ULdaqWth2fvyigEcJHGMNNMnATo04/d+c5Jxz+bJN0Jh8fKd8A5MlNnYRwf",
        "access.key.secret": "IDjwuQU+hced63SeMrRVBkVLQBvJu4M4KvWnYq5ysmCSZJh11xKkvUcCca6ekQnE",
        "security.token": "PMz8KVai+0zGFRKQgtxMzU45UWkTryLO7KHmYA5nMCCITptCT/WNx+DDYAvrYugMSorxfEAj635cr94qopN0Ehft/wfnfb0jQ+7rgSzu27aiv5I8MFptekbt4fc8vygI",
        "expiration": "2026-01-01T06:00:00Z",
        "keyring": "fake-keyring1234",
    });
    change(&mut document);
    let outcome = acr_alibaba::decode_add_on_token(document.to_string().as_bytes())
        .map_err(CallFailure::from)
        .map(|token| Reply::Credentials { key: token.key, expires: token.expires, principal: String::new() });
    handed(move || Handed::Cloud(Answer { cloud_time: None, outcome: outcome.clone() }))
}

#[test]
fn an_add_on_token_that_is_no_token() {
    assert_eq!(handed_document(|_| {}), "", "the published one is good");
    insta::assert_snapshot!(handed_document(|document| document["error"] = serde_json::json!({ "roleName": "AliyunCSManagedAcrRole", "code": "EntityNotExist.Role", "message": "The role not exists: acs:ram::1:role/aliyuncsmanagedacrrole." })), @r#"error NotFound: entry 0 (cri-1): AddOnToken failed: not found, EntityNotExist.Role: ACK could not get a session of the role "AliyunCSManagedAcrRole" for the add-on: EntityNotExist.Role: The role not exists: acs:ram::1:role/aliyuncsmanagedacrrole.; authorize ACK to use AliyunCSManagedAcrRole in the RAM console; its trust policy must name cs.aliyuncs.com"#);
    insta::assert_snapshot!(handed_document(|document| document["error"] = serde_json::json!({ "roleName": "AliyunCSManagedAcrRole", "code": "NoPermission", "message": "You are not authorized to do this action." })), @r#"error Denied: entry 0 (cri-1): AddOnToken failed: permission denied, NoPermission: ACK could not get a session of the role "AliyunCSManagedAcrRole" for the add-on: NoPermission: You are not authorized to do this action.; authorize ACK to use AliyunCSManagedAcrRole in the RAM console; its trust policy must name cs.aliyuncs.com"#);
    insta::assert_snapshot!(handed_document(|document| document["keyring"] = "fifteen-bytes-0".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: the keyring of the add-on token has 15 bytes, which is no AES key (16, 24 or 32); the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["keyring"] = "another-keyring0".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: access.key.id of the add-on token cannot be decrypted with its keyring; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["access.key.id"] = "Ik032ULdaqWth2fvyigEcJHGMNNMnATo".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: access.key.id of the add-on token has 24 bytes, which is not one block of 16 and whole blocks after it; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["access.key.id"] = "no base64!".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: access.key.id of the add-on token is not base64; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["security.token"] = "".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: the add-on token lacks security.token; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["expiration"] = "tomorrow".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: expiration of the add-on token is no time such as 2026-01-02T03:04:05Z; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| document["expiration"] = "2025-12-31T23:00:00Z".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: it ended at 2025-12-31T23:00:00Z already: by the cloud's clock it is 2026-01-01T00:00:01Z; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed_document(|document| *document = "text".into()), @"error Malformed: entry 0 (cri-1): AddOnToken failed: the answer makes no sense: the add-on token is not the JSON document that ACK writes; the document is written by ACK: if it stays like this, RRSA or workerRole is the way out");
    insta::assert_snapshot!(handed(|| Handed::Refused(no_right("get secrets"))), @"error Denied: entry 0 (cri-1): AddOnToken failed: permission denied: no right: ServiceAccount cannot get secrets; allow it, by the chart's `credentials.addOnToken: read` or: kubectl -n kube-system create role acr-addon.aliyuncsmanagedacrrole.token --verb=get,list,watch --resource=secrets --resource-name=addon.aliyuncsmanagedacrrole.token && kubectl -n kube-system create rolebinding acr-addon.aliyuncsmanagedacrrole.token --role=acr-addon.aliyuncsmanagedacrrole.token --serviceaccount=kube-system:aliyun-acr-credential-helper");
}

#[test]
fn the_keys_of_a_registered_cluster_that_may_not_be_read_or_are_incomplete() {
    let with = |answer: fn() -> Handed| {
        let mut scenario = Scenario::with_mode(TokenMode::WorkerRole);
        scenario.handing_over =
            Some(Box::new(move |operation| matches!(operation, Operation::ReadRegisteredKey).then(answer)));
        listed(&mut scenario, NODE);
        shown_where(&scenario, |_| true)
    };
    insta::assert_snapshot!(with(|| Handed::Refused(no_right("get secrets"))), @"
    warning RrsaWithoutArns: acr-registry-info, line 1, column 3: RRSA is enabled, but the entry has no rrsaRoleARN and rrsaOIDCProviderRoleARN; add both ARNs; without them the entry uses the identity of tokenMode
    warning Denied: RegisteredKey failed: permission denied: no right: ServiceAccount cannot get secrets; the token mode goes on without it; allow it, by the chart's `credentials.registeredKey: read` or: kubectl -n kube-system create role acr-alibaba-addon-secret --verb=get,list,watch --resource=secrets --resource-name=alibaba-addon-secret && kubectl -n kube-system create rolebinding acr-alibaba-addon-secret --role=acr-alibaba-addon-secret --serviceaccount=kube-system:aliyun-acr-credential-helper
    ");
    insta::assert_snapshot!(with(|| Handed::Cloud(Answer { cloud_time: None, outcome: Err(CallFailure::new("RegisteredKey", FailureKind::Malformed, "the keys of the registered cluster cannot be used: it has no access-key-secret")) })), @"
    warning RrsaWithoutArns: acr-registry-info, line 1, column 3: RRSA is enabled, but the entry has no rrsaRoleARN and rrsaOIDCProviderRoleARN; add both ARNs; without them the entry uses the identity of tokenMode
    error Malformed: entry 0 (cri-1): RegisteredKey failed: the answer makes no sense: the keys of the registered cluster cannot be used: it has no access-key-secret; kubectl -n kube-system create secret generic alibaba-addon-secret --from-file=access-key-id --from-file=access-key-secret --dry-run=client -o yaml | kubectl apply -f -
    ");
}

/// What is told of a Secret that may be read and not be followed, and whether it is told as soon as it may be.
fn unfollowed(name: &str, flags: fn(&mut acr_controller::settings::Settings)) -> String {
    let mut scenario = Scenario::with_flags(flags);
    scenario.handing_over = Some(Box::new(|operation| {
        let key = || acr_credentials::AccessKey {
            id: "STS.x".into(),
            secret: "s".into(),
            security_token: Some("t".into()),
        };
        let expires = acr_credentials::UnixMillis(START).plus_millis(6 * 3_600_000);
        let reply = || Reply::Credentials { key: key(), expires, principal: String::new() };
        matches!(operation, Operation::ReadAddOnToken)
            .then(|| Handed::Cloud(Answer { cloud_time: None, outcome: Ok(reply()) }))
    }));
    listed(&mut scenario, NODE);
    let reference = SecretRef { namespace: "kube-system".to_owned(), name: name.to_owned() };
    assert!(scenario.machine.references().contains(&reference), "{:?}", scenario.machine.references());
    let seen = |seen| Observation::Referenced { reference: reference.clone(), seen };
    scenario.observe(seen(Err(no_right("watch secrets"))));
    scenario.pass(1_000);
    let told = shown_where(&scenario, |finding| finding.code == "Denied");
    assert_eq!(scenario.logins, 1);
    scenario.observe(seen(Ok(None)));
    scenario.pass(1_000);
    assert_eq!(shown_where(&scenario, |finding| finding.code == "Denied"), "");
    told
}

#[test]
fn a_secret_that_is_handed_over_and_may_not_be_followed() {
    insta::assert_snapshot!(unfollowed("addon.token", |settings| {
        settings.token_mode = TokenMode::ManagedRole;
        settings.add_on_token_secret = Some("addon.token".to_owned());
    }), @"warning Denied: AddOnToken failed: permission denied: the Secret kube-system/addon.token cannot be followed: no right: ServiceAccount cannot watch secrets; a change of it counts from the next renewal on; allow it, by the chart's `credentials.addOnToken: read` or: kubectl -n kube-system create role acr-addon.token --verb=get,list,watch --resource=secrets --resource-name=addon.token && kubectl -n kube-system create rolebinding acr-addon.token --role=acr-addon.token --serviceaccount=kube-system:aliyun-acr-credential-helper");
    insta::assert_snapshot!(unfollowed("cluster-keys", |settings| {
        settings.token_mode = TokenMode::WorkerRole;
        settings.registered_key_secret = Some("cluster-keys".to_owned());
    }), @"warning Denied: RegisteredKey failed: permission denied: the Secret kube-system/cluster-keys cannot be followed: no right: ServiceAccount cannot watch secrets; a change of it counts from the next renewal on; allow it, by the chart's `credentials.registeredKey: read` or: kubectl -n kube-system create role acr-cluster-keys --verb=get,list,watch --resource=secrets --resource-name=cluster-keys && kubectl -n kube-system create rolebinding acr-cluster-keys --role=acr-cluster-keys --serviceaccount=kube-system:aliyun-acr-credential-helper");
}

#[test]
fn a_secret_whose_hosts_the_journal_does_not_know_yet_is_not_said_to_have_no_login() {
    const ENTRY: &str = "- {staticSecretRef: {namespace: infra, name: logins}}";
    let config = br#"{"auths":{"a.example":{"username":"u","password":"p"}}}"#;
    let mut scenario = Scenario::new();
    listed(&mut scenario, ENTRY);
    let reference = SecretRef { namespace: "infra".to_owned(), name: "logins".to_owned() };
    let data = [(".dockerconfigjson".to_owned(), config.to_vec().into())].into_iter().collect();
    scenario.machine.observe(scenario.now(), Observation::Referenced { reference, seen: Ok(Some(data)) });
    assert_eq!(shown(&scenario), "", "an Event would tell it in the moment of each start");
    scenario.pass(3_000);
    assert_eq!(shown(&scenario), "");
}
