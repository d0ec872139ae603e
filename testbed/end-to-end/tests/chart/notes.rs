//! What helm says after an installation.

use crate::site::{RELEASE, chart, helm_alone, said};

/// The notes of an installation with these values, of which a cluster knows nothing.
async fn notes(values: &[&str]) -> String {
    let chart = chart();
    let install = ["install", RELEASE, &chart, "--namespace=kube-system", "--dry-run=client"];
    let said = said(&helm_alone(&[&install[..], values].concat()).await);
    said.split("\nNOTES:\n").last().unwrap().to_owned()
}

#[tokio::test]
async fn one_replica_without_which_service_accounts_are_refused_is_warned_of() {
    const FAIL: &str = r#"--set-json=webhook-configuration={"enable":true,"failure-policy":"Fail"}"#;
    const ONE: &str = "--set=replicas=1";
    const OUTSIDE: &str = "--set=placement=outside";
    let warns = async |values: &[&str]| notes(values).await.contains("replicas: 1 leaves nobody who answers");
    assert!(warns(&[FAIL, ONE]).await);
    assert!(warns(&[FAIL, ONE, OUTSIDE]).await);
    let ignores = r#"--set-json=webhook-configuration={"enable":true}"#;
    let policy =
        r#"--set-json=webhook-configuration={"enable":true,"mode":"policy","failure-policy":"Fail"}"#;
    let off = r#"--set-json=webhook-configuration={"enable":false,"failure-policy":"Fail"}"#;
    assert!(!warns(&[FAIL]).await);
    for configuration in [ignores, policy, off] {
        assert!(!warns(&[configuration, ONE]).await, "{configuration}");
    }
    // No pod of the chart answers there.
    assert!(!warns(&[FAIL, ONE, OUTSIDE, "--set=webhook.url=https://helper.example.com"]).await);
    assert!(!warns(&[FAIL, ONE, "--set=webhook.enabled=false"]).await);
}
