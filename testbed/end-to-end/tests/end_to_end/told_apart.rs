//! What keeps an entry from its login, told apart as far as the cloud tells it: each with the operation, with who asked, and
//! with what mends it. What `identities`, `claims`, `sessions`, `editions`, `cloud` and `ways` tell is not here again.

use acr_end_to_end::{ACME, BRANCH, PROVIDER_ARN, ROLE_ARN, RunOptions};
use acr_simulator::{AddOnTokenRequest, FaultEffect, Product};

use crate::scene::{ACME_BY_KEY, Scene};

const MANAGED_ROLE: &str = "acs:ram::1280000000009011:role/AliyunCSManagedAcrRole";
const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";
const KEYS: &str = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";

/// Waits for a finding of the code with all of these words.
async fn told(scene: &Scene<'_>, case: &str, code: &str, words: &[&str]) {
    scene
        .until(case, async || {
            let findings = scene.findings().await;
            let told = |(_, found, text): &(String, String, String)| {
                found == code && words.iter().all(|word| text.contains(word))
            };
            findings.iter().any(told).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_provider_a_role_and_a_right_that_are_missing_are_told_apart() {
    let mut scene = Scene::begin("lacking").await;
    let space = scene.create_space("shop").await;
    scene.configure("[]", &[&space], &[]).await;
    scene.run().await;
    let provider = PROVIDER_ARN.replace("ack-rrsa-demo", "ack-rrsa-nowhere");
    let of_acme = format!("- instanceId: {}\n  regionId: cn-hangzhou\n", ACME.id);
    let of_branch = |role: &str, keys: &str| {
        format!("- instanceId: {}\n  regionId: cn-hangzhou\n  assumeRoleARN: {role}\n{keys}", BRANCH.id)
    };
    let nobody = "acs:ram::1280000000009022:role/nobody";
    let intern = "  customAccessKey: LTAI5tIntern\n  customAccessKeySecret: marker-intern-secret\n";
    let cases: [(&str, String, &str, &[&str]); 3] = [
        (
            "the OIDC provider is missing",
            format!("{of_acme}  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {provider}\n"),
            "NotFound",
            &["AssumeRoleWithOIDC", "as ServiceAccount", &provider, "enable RRSA for the cluster"],
        ),
        (
            "the role of the hop is missing",
            of_branch(nobody, KEYS),
            "NotFound",
            &["AssumeRole failed", ":user/image-puller", nobody, "correct assumeRoleARN"],
        ),
        (
            "the right to assume it is missing",
            of_branch(CROSS_ROLE, intern),
            "Denied",
            &["AssumeRole failed", ":user/intern", "AliyunSTSAssumeRoleAccess", "\"sts:AssumeRole\""],
        ),
    ];
    for (case, entry, code, words) in cases {
        scene.configure(&entry, &[&space], &[("rrsa", "enable: true\n")]).await;
        told(&scene, case, code, words).await;
    }
    scene.configure(&of_branch(CROSS_ROLE, KEYS), &[&space], &[]).await;
    scene.served(&space, BRANCH.hosts).await;
    scene.end().await;
}

#[tokio::test]
async fn a_clock_that_the_cloud_does_not_take_and_a_name_that_does_not_resolve_are_told() {
    let mut scene = Scene::begin("unheard").await;
    let space = scene.create_space("shop").await;
    let entry = format!("{ACME_BY_KEY}  regionId: cn-hangzhou\n");
    let nowhere = "- {product: cr, url: \"http://cr.nowhere.invalid\"}\n";
    scene.configure(&entry, &[&space], &[("endpoints", nowhere)]).await;
    scene.run().await;
    told(&scene, "no such name", "Unreachable", &["cr.nowhere.invalid", "check the cluster's DNS"]).await;
    // Whatever time stamp it is sent.
    scene.disturb(
        "GetAuthorizationToken",
        FaultEffect::Error {
            status: 400,
            code: "InvalidTimeStamp.Expired".to_owned(),
            message: Some("Specified time stamp or date value is expired.".to_owned()),
            headers: [].into(),
        },
    );
    scene.configure(&entry, &[&space], &[]).await;
    told(&scene, "the clock is off", "ClockSkew", &["InvalidTimeStamp.Expired", "clock of the node (NTP)"])
        .await;
    // That keys stand in the entry is said as long as they do.
    told(&scene, "inline keys", "InlineAccessKey", &["customAccessKeySecretRef"]).await;
    scene.calm();
    scene.served_with_acme(&space).await;
    scene.mended("ClockSkew").await;
    scene.end().await;
}

#[tokio::test]
async fn the_managed_role_that_is_to_assume_another_is_told_with_the_ways_that_can() {
    let mut scene = Scene::begin("managedhop").await;
    let space = scene.create_space("shop").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token-config");
    let request = AddOnTokenRequest { role: MANAGED_ROLE.to_owned(), duration_seconds: 3600 };
    let token = scene.stage.cloud().cloud().add_on_token(jiff::Timestamp::now(), &request);
    std::fs::write(&file, token.to_string()).unwrap();
    let entry = format!("- instanceId: {}\n  assumeRoleARN: {CROSS_ROLE}\n", BRANCH.id);
    scene.configure(&entry, &[&space], &[]).await;
    let arguments =
        vec!["--token-mode=managedRole".to_owned(), format!("--add-on-token-file={}", file.display())];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    let words = ["workerRole", "rrsaRoleARN", "AliyunSTSAssumeRoleAccess"];
    told(&scene, "it cannot hop", "AssumeRoleUnderManagedRole", &words).await;
    told(&scene, "and the cloud refuses it", "Denied", &["AssumeRole failed", "AliyunCSManagedAcrRole/"])
        .await;
    scene.end().await;
}

#[tokio::test]
async fn what_belongs_to_the_new_personal_edition_is_left_out_with_its_date_and_the_rest_is_served() {
    let mut scene = Scene::begin("crpi").await;
    let space = scene.create_space("shop").await;
    let entries = format!(
        "- instanceId: {},crpi-0123456789abcdef\n  regionId: cn-hangzhou\n  domains: \
         {},crpi-0123456789abcdef.cn-hangzhou.personal.cr.aliyuncs.com\n{KEYS}",
        ACME.id, ACME.public_host
    );
    scene.configure(&entries, &[&space], &[]).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    scene.served(&space, &[ACME.public_host]).await;
    let words = ["2024-09-08", "staticSecretRef"];
    for belongs in ["is an instance of the new Personal Edition", "belongs to the new Personal Edition"] {
        told(&scene, belongs, "NewPersonalEdition", &[&words[..], &[belongs]].concat()).await;
    }
    let asked = scene
        .stage
        .cloud()
        .cloud()
        .calls()
        .filter(|call| call.product == Product::Cr)
        .all(|call| call.instance.as_deref() == Some(ACME.id));
    assert!(asked, "nobody asks for a login that there is not");
    scene.end().await;
}
