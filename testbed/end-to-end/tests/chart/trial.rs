//! `mode: policy` at `helm install`: the policy is tried, and what is wrong is said.

use crate::jobs::play;
use crate::site::{OWN, Site, complaint, program, said, tools};
use acr_end_to_end::{Component, RunOptions, Stage};

const JOB: &str = "acr-credential-helper-try-policy";
const VALUES: [&str; 7] = [
    "--set=credentials.rrsaToken=requested",
    "--set-json=acr-registry-info=[{\"instanceId\":\"cri-acme0000000000\",\"customAccessKeySecretRef\":{\"namespace\":\"kube-system\",\"name\":\"keys\"}}]",
    "--set=watch-namespace=shop",
    "--set-json=webhook-configuration={\"enable\":true,\"mode\":\"policy\"}",
    // The mode needs none of it.
    "--set=webhook.enabled=false",
    "--set=uninstall.enabled=false",
    "--timeout=100s",
];

#[tokio::test]
async fn an_installation_fails_with_the_reason_where_the_policy_does_not_count_and_an_upgrade_that_mends_it_passes()
 {
    let site = Site::begin().await;
    let shop = serde_json::from_value(serde_json::json!({ "metadata": { "name": "shop" } })).unwrap();
    let namespaces = site.api("v1", "Namespace", "").await;
    namespaces.create(&kube::api::PostParams::default(), &shop).await.unwrap();
    site.until("the ServiceAccount of the namespace is made", async || {
        site.object("v1", "ServiceAccount", "shop", "default").await.map(drop)
    })
    .await;
    // Nobody has written the scope, so the policy attaches nobody.
    let (installed, tried) = tokio::join!(site.install(&VALUES), play(&site, JOB, &["--timeout=3"]));
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    let words = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(
        words.contains("PolicyUntried: the ConfigMap kube-system/acr-credential-helper-scope"),
        "{words}"
    );
    assert!(words.contains("does not exist"), "{words}");
    assert!(complaint(&installed).contains("post-install"), "{installed:?}");
    assert_eq!(site.object("batch/v1", "Job", OWN, JOB).await, None, "it would outlive the release");

    let mended = async {
        let stage = Stage::join(&site.control_plane, OWN).await.unwrap();
        let component =
            Component::start(tools().await, program().await, &stage, &RunOptions::default()).unwrap();
        let tried = play(&site, JOB, &[]).await;
        (tried, component)
    };
    let (upgraded, (tried, component)) = tokio::join!(site.upgrade(&VALUES), mended);
    let words = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert_eq!(
        words, "the policy counts: a ServiceAccount default in shop would name the pull secret\n",
        "{tried:?}"
    );
    said(&upgraded);
    let status = component.status().await.unwrap();
    assert!(!status["findings"].to_string().contains("MutatingWebhookConfiguration"), "{status}");
    assert!(component.terminate().await.unwrap().success());

    // Nobody carries it out, so helm's patience ends.
    complaint(&site.upgrade(&[&VALUES[..], &["--timeout=5s"]].concat()).await);
    assert_eq!(site.object("batch/v1", "Job", OWN, JOB).await, None, "it would outlive the release");

    // Turned off, the policy stays until somebody says that it may go.
    let policy = async || {
        let version = "admissionregistration.k8s.io/v1";
        site.object(version, "MutatingAdmissionPolicy", "", "acr-credential-helper").await.is_some()
    };
    let off = [&VALUES[..], &["--set-json=webhook-configuration={\"enable\":false}"]].concat();
    said(&site.upgrade(&off).await);
    assert!(policy().await);
    said(&site.upgrade(&[&off[..], &["--set=mutatingPolicy=false"]].concat()).await);
    assert!(!policy().await);
}
