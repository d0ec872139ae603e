//! Sessions and what they stand on, while they are used: one that somebody wrote into a Secret, a hop from a key in a Secret,
//! an add-on token that ACK replaces, a hop that takes its time, a key that is disabled.

use std::time::{Duration, Instant};

use acr_alibaba::decode_add_on_token;
use acr_end_to_end::{ACME, BRANCH, RunOptions};
use acr_simulator::description::{KeyStatus, Role};
use acr_simulator::{AddOnTokenRequest, Description, Fault, FaultEffect, Matcher, Mutation, Product};
use jiff::Timestamp;
use kube::api::DeleteParams;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::chains::{allow_secret, put_secret};
use crate::scene::{ACME_BY_KEY, Scene};

const MANAGED_ROLE: &str = "acs:ram::1280000000009011:role/AliyunCSManagedAcrRole";
const SECOND_ROLE: &str = "acs:ram::1280000000009011:role/AliyunCSManagedAcrRoleSecond";
const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";

const TOKEN: &str = "addon.aliyuncsmanagedacrrole.token";
const KEYS: &str = "alibaba-addon-secret";

/// What ACK writes for a role.
fn document(scene: &Scene<'_>, role: &str, duration_seconds: u32) -> String {
    let request = AddOnTokenRequest { role: role.to_owned(), duration_seconds };
    scene.stage.cloud().cloud().add_on_token(Timestamp::now(), &request).to_string()
}

/// The keys of a session, as the members of a Secret.
fn session(scene: &Scene<'_>, duration_seconds: u32) -> Value {
    let document = document(scene, MANAGED_ROLE, duration_seconds);
    let key = decode_add_on_token(document.as_bytes()).unwrap().key;
    let token = key.security_token.unwrap();
    json!({ "access-key-id": key.id.expose_secret(), "access-key-secret": key.secret.expose_secret(),
        "security-token": token.expose_secret() })
}

/// Whether a role has asked for a login.
fn asked_by(scene: &Scene<'_>, role: &str) -> bool {
    let cloud = scene.stage.cloud().cloud();
    let is_by = |caller: &String| caller.starts_with(&format!("{role}/"));
    cloud
        .calls()
        .any(|call| call.action == "GetAuthorizationToken" && call.caller.as_ref().is_some_and(is_by))
}

#[tokio::test]
async fn a_session_in_a_secret_asks_with_its_token_and_is_told_when_it_lacks_it_or_has_ended() {
    let mut scene = Scene::begin("wsession").await;
    let space = scene.create_space("shop").await;
    let home = scene.stage.namespace().to_owned();
    allow_secret(&scene, "session").await;
    let entry = format!(
        "- instanceId: {}\n  customAccessKeySecretRef: {{namespace: {home}, name: session}}\n",
        ACME.id
    );
    scene.configure(&entry, &[&space], &[]).await;
    let good = session(&scene, 3600);
    let mut without = good.clone();
    without["security-token"] = json!("");
    put_secret(&scene, "session", "Opaque", &without).await;
    scene.run().await;
    let finding = scene.finding("Malformed").await;
    assert!(
        finding.contains("has no security-token") && finding.contains("--from-file=security-token"),
        "{finding}"
    );
    assert_eq!(scene.logins(), 0, "nobody asks with half of a session");

    // One that has ended, as it is when nobody renews what he wrote down.
    put_secret(&scene, "session", "Opaque", &session(&scene, 0)).await;
    let finding = scene.finding("CredentialsRefused").await;
    assert!(
        finding.contains("InvalidSecurityToken.Expired") && finding.contains("AccessKey in Secret"),
        "{finding}"
    );

    put_secret(&scene, "session", "Opaque", &good).await;
    scene.served_with_acme(&space).await;
    scene.mended("CredentialsRefused").await;
    assert!(asked_by(&scene, MANAGED_ROLE));
    scene.end().await;
}

#[tokio::test]
async fn a_role_of_another_account_is_assumed_by_a_key_in_a_secret_and_again_by_its_successor() {
    let mut scene = Scene::begin("xkeyref").await;
    let space = scene.create_space("shop").await;
    let home = scene.stage.namespace().to_owned();
    allow_secret(&scene, "hop").await;
    let key = |id: &str, secret: &str| json!({ "access-key-id": id, "access-key-secret": secret });
    put_secret(&scene, "hop", "Opaque", &key("LTAI5tPuller", "marker-puller-secret")).await;
    let entry = format!(
        "- instanceId: {}\n  assumeRoleARN: {CROSS_ROLE}\n  customAccessKeySecretRef: {{namespace: {home}, name: hop}}\n",
        BRANCH.id
    );
    scene.configure(&entry, &[&space], &[]).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    scene.served(&space, BRANCH.hosts).await;
    assert_eq!((scene.cloud_calls(Product::Sts, "AssumeRole"), scene.logins()), (1, 1));
    assert!(asked_by(&scene, CROSS_ROLE));

    // A key that may assume nothing takes its place at once, and what was published stays.
    put_secret(&scene, "hop", "Opaque", &key("LTAI5tIntern", "marker-intern-secret")).await;
    // Whose key it is, is asked after the refusal.
    let words = ["as AccessKey in Secret", ":user/intern", CROSS_ROLE];
    scene
        .until("who may not assume the role is told", async || {
            let findings = scene.findings().await;
            let told = |(_, code, text): &(String, String, String)| {
                code == "Denied" && words.iter().all(|word| text.contains(word))
            };
            findings.iter().any(told).then_some(())
        })
        .await;
    scene.served(&space, BRANCH.hosts).await;
    put_secret(&scene, "hop", "Opaque", &key("LTAI5tPuller", "marker-puller-secret")).await;
    scene.mended("Denied").await;
    scene.end().await;
}

/// Another role that an add-on may have, with the same rights.
fn second_role(description: &mut Description) {
    let roles = &mut description.accounts[0].roles;
    let managed = roles.iter().find(|role| MANAGED_ROLE.ends_with(&format!("/{}", role.name))).unwrap();
    let second = Role { name: "AliyunCSManagedAcrRoleSecond".to_owned(), ..managed.clone() };
    roles.push(second);
}

#[tokio::test]
async fn an_add_on_token_that_is_replaced_while_it_is_good_asks_for_new_logins_at_once() {
    let mut scene = Scene::begin_with("rotated", second_role).await;
    let space = scene.create_space("shop").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token-config");
    std::fs::write(&file, document(&scene, MANAGED_ROLE, 6 * 3600)).unwrap();
    let entry = format!("- instanceId: {}\n", ACME.id);
    scene.configure(&entry, &[&space], &[]).await;
    let arguments =
        vec!["--token-mode=managedRole".to_owned(), format!("--add-on-token-file={}", file.display())];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    assert!(asked_by(&scene, MANAGED_ROLE) && !asked_by(&scene, SECOND_ROLE));

    std::fs::write(&file, document(&scene, SECOND_ROLE, 6 * 3600)).unwrap();
    let minute = Duration::from_mins(1);
    scene.within(minute, "the new token asks", async || asked_by(&scene, SECOND_ROLE).then_some(())).await;
    assert_eq!(scene.logins(), 2, "not one of them was due by time");

    // Every login is renewed three seconds after it was handed out.
    scene.configure(&entry, &[&space], &[("expiring-threshold", "59m57s")]).await;
    // What is written badly takes nothing away: what it was before is good to its end, and it is said.
    std::fs::write(&file, "{").unwrap();
    scene.finding("Malformed").await;
    let before = scene.logins();
    scene.within(minute, "logins go on", async || (scene.logins() > before).then_some(())).await;
    scene.served(&space, ACME.hosts).await;
    std::fs::write(&file, document(&scene, MANAGED_ROLE, 6 * 3600)).unwrap();
    scene.mended("Malformed").await;
    scene.end().await;
}

#[tokio::test]
async fn add_on_token_and_registered_keys_in_secrets_count_as_soon_as_they_are_replaced() {
    let mut scene = Scene::begin_with("followed", second_role).await;
    let space = scene.create_space("shop").await;
    allow_secret(&scene, TOKEN).await;
    allow_secret(&scene, KEYS).await;
    put_token(&scene, MANAGED_ROLE).await;
    scene.configure(&format!("- instanceId: {}\n", ACME.id), &[&space], &[]).await;
    let arguments = [
        "--token-mode=managedRole".to_owned(),
        format!("--add-on-token-secret={TOKEN}"),
        format!("--registered-key-secret={KEYS}"),
    ];
    scene.run_with(&RunOptions { arguments: arguments.to_vec(), ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    assert!(asked_by(&scene, MANAGED_ROLE));

    // Each is good for hours, as are the logins: nothing is due by time.
    let asks = async |who: &str, logins: usize| {
        let callers = || -> Vec<String> {
            let cloud = scene.stage.cloud().cloud();
            let logins = cloud.calls().filter(|call| call.action == "GetAuthorizationToken");
            logins.filter_map(|call| call.caller.clone()).collect()
        };
        let what = format!("{who} asks for the login {logins}");
        scene
            .until(&what, async || callers().last().is_some_and(|last| last.contains(who)).then_some(()))
            .await;
        assert_eq!(callers().len(), logins, "{who}");
    };
    put_token(&scene, SECOND_ROLE).await;
    asks(&format!("{SECOND_ROLE}/"), 2).await;
    put_registered_key(&scene, "LTAI5tPuller", "marker-puller-secret").await;
    asks(":user/image-puller", 3).await;
    let status = scene.component().status().await.unwrap();
    let named = format!("keys of the registered cluster (Secret {KEYS})");
    assert_eq!(status["logins"][0]["chain"][0], json!(named), "{status}");
    put_registered_key(&scene, "LTAI5tBuilder", "marker-builder-secret").await;
    asks(":user/builder", 4).await;
    // Blank ones are not set.
    put_registered_key(&scene, "", "").await;
    asks(&format!("{SECOND_ROLE}/"), 5).await;
    // One that is gone takes nothing away, and is said.
    scene.stage.secrets(scene.stage.namespace()).delete(TOKEN, &DeleteParams::default()).await.unwrap();
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains(TOKEN), "{finding}");
    scene.served(&space, ACME.hosts).await;
    put_token(&scene, MANAGED_ROLE).await;
    scene.mended("NotFound").await;
    asks(&format!("{MANAGED_ROLE}/"), 6).await;
    scene.end().await;
}

async fn put_token(scene: &Scene<'_>, role: &str) {
    let data = json!({ "addon.token.config": document(scene, role, 6 * 3600) });
    put_secret(scene, TOKEN, "Opaque", &data).await;
}

async fn put_registered_key(scene: &Scene<'_>, id: &str, secret: &str) {
    put_secret(scene, KEYS, "Opaque", &json!({ "access-key-id": id, "access-key-secret": secret })).await;
}

#[tokio::test]
async fn a_session_is_renewed_before_each_login_so_that_none_is_born_nearly_dead() {
    let mut scene = Scene::begin("renewed").await;
    let space = scene.create_space("shop").await;
    let keys = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";
    let hop = format!("  assumeRoleARN: {CROSS_ROLE}\n  expireDuration: 900\n");
    // The least that a session may live, and both are renewed three seconds after they were handed out.
    let soon = [("expiring-threshold", "14m57s")];
    scene.configure(&format!("- instanceId: {}\n{hop}{keys}", BRANCH.id), &[&space], &soon).await;
    scene.run().await;
    let asked = || -> Vec<String> {
        let cloud = scene.stage.cloud().cloud();
        let actions = cloud.calls().map(|call| call.action.clone());
        actions.filter(|action| action == "AssumeRole" || action == "GetAuthorizationToken").collect()
    };
    scene.until("the third login", async || (asked().len() >= 6).then_some(())).await;
    for pair in asked().chunks_exact(2) {
        assert_eq!(pair, ["AssumeRole", "GetAuthorizationToken"]);
    }
    let served = scene.served(&space, BRANCH.hosts).await;
    let left = served.expires.unwrap().duration_since(Timestamp::now());
    assert!(left.as_secs() > 800, "{left}");
    scene.end().await;
}

#[tokio::test]
async fn a_hop_that_answers_in_ten_seconds_delays_no_entry_of_another_identity() {
    let mut scene = Scene::begin("slowhop").await;
    let space = scene.create_space("shop").await;
    let matcher = Matcher { action: Some("AssumeRole".to_owned()), ..Matcher::default() };
    let effect = FaultEffect::Delay { milliseconds: 10_000 };
    scene.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect });
    let keys = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";
    let slow = format!("- instanceId: {}\n  assumeRoleARN: {CROSS_ROLE}\n{keys}", BRANCH.id);
    // The slow one comes first.
    scene.configure("[]", &[&space], &[]).await;
    scene.run().await;
    let began = Instant::now();
    scene.configure(&format!("{slow}{ACME_BY_KEY}"), &[&space], &[]).await;
    scene.served(&space, ACME.hosts).await;
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(10), "the entry with keys was served after {waited:?}");
    let both: Vec<&str> = {
        let mut both: Vec<&str> = ACME.hosts.iter().chain(BRANCH.hosts).copied().collect();
        both.sort_unstable();
        both
    };
    scene.served(&space, &both).await;
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRole"), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_key_that_is_disabled_while_it_is_used_is_told_and_takes_nothing_away() {
    let mut scene = Scene::begin("disabledkey").await;
    let space = scene.create_space("shop").await;
    let soon = [("expiring-threshold", "59m57s")];
    scene.configure(ACME_BY_KEY, &[&space], &soon).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let set = |status| {
        let access_key_id = "LTAI5tPuller".to_owned();
        scene.stage.cloud().cloud().mutate(Mutation::SetKeyStatus { access_key_id, status }).unwrap();
    };
    set(KeyStatus::Inactive);
    let finding = scene.finding("CredentialsRefused").await;
    assert!(
        finding.contains("InvalidAccessKeyId.Inactive") && finding.contains("enable it in the RAM console"),
        "{finding}"
    );
    scene.served(&space, ACME.hosts).await;
    set(KeyStatus::Active);
    scene.mended("CredentialsRefused").await;
    scene.end().await;
}

#[tokio::test]
async fn the_role_of_the_node_is_told_with_its_session_when_it_is_refused() {
    let mut scene = Scene::begin("nodesession").await;
    let space = scene.create_space("shop").await;
    let role = "acs:ram::1280000000009011:role/KubernetesWorkerRole-demo".to_owned();
    let nothing = Mutation::SetRolePolicies { role: role.clone(), policies: Vec::new() };
    scene.stage.cloud().cloud().mutate(nothing).unwrap();
    scene.configure(&format!("- instanceId: {}\n", ACME.id), &[&space], &[]).await;
    let arguments = vec!["--token-mode=workerRole".to_owned()];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    let named = format!("({role}/i-bp1simulated): ");
    scene
        .until("who asks is told down to the session", async || {
            let findings = scene.findings().await;
            findings.iter().any(|(_, code, text)| code == "Denied" && text.contains(&named)).then_some(())
        })
        .await;
    scene.end().await;
}
