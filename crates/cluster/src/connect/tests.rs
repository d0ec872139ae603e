//! Kubeconfigs that cannot be used: what is wrong is said, and nothing of their content.

use super::*;

/// A kubeconfig whose secrets are all called MARKER.
fn kubeconfig(user: &str, cluster: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {{cluster: one, user: me}}
clusters:
- name: one
  cluster: {{{cluster}}}
users:
- name: me
  user: {{{user}}}
"
    )
}

const USER: &str = "token: MARKER";
const CLUSTER: &str = "server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true";

async fn connected(text: &str, context: Option<&str>) -> Result<Client, ConnectError> {
    // An error says that an earlier test has installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, text).unwrap();
    connect(&Access { kubeconfig: Some(path), context: context.map(str::to_owned) }).await
}

/// Why it cannot be used, the name of the file aside.
async fn reason(text: &str, context: Option<&str>) -> String {
    let Err(error) = connected(text, context).await else { panic!("it can be used") };
    let (shown, all) = (error.to_string(), format!("{error:?}"));
    assert!(!shown.contains("MARKER") && !all.contains("MARKER"), "{all}");
    match error {
        ConnectError::Kubeconfig { reason, .. } | ConnectError::Client { reason } => reason,
        other => other.to_string(),
    }
}

#[tokio::test]
async fn a_kubeconfig_with_a_token_is_used() {
    connected(&kubeconfig(USER, CLUSTER), None).await.map(drop).unwrap();
}

#[tokio::test]
async fn a_fault_is_told_by_its_place_and_not_by_the_lines_around_it() {
    let broken = kubeconfig(USER, CLUSTER) + "  \\tbroken: [\n";
    assert!(reason(&broken, None).await.starts_with("it is not a kubeconfig (line "));
    let wrong_type = kubeconfig("token: [MARKER, MARKER]", CLUSTER);
    assert!(reason(&wrong_type, None).await.starts_with("it is not a kubeconfig"));
}

#[tokio::test]
async fn contexts_and_clusters_that_are_missing_are_named() {
    assert_eq!(reason(&kubeconfig(USER, CLUSTER), Some("there")).await, r#"it has no context "there""#);
    let elsewhere = kubeconfig(USER, CLUSTER).replace("cluster: one", "cluster: two");
    assert_eq!(reason(&elsewhere, None).await, r#"it has no cluster "two""#);
    let undecided = kubeconfig(USER, CLUSTER).replace("current-context: here", "");
    assert_eq!(reason(&undecided, None).await, "it has no current context: give one with --context");
    assert_eq!(reason(&kubeconfig(USER, ""), None).await, "its cluster has no address");
}

#[tokio::test]
async fn keys_and_certificates_that_are_malformed_are_not_quoted() {
    let certificate = kubeconfig("client-certificate-data: TUFSS0VS, client-key-data: '*MARKER*'", CLUSTER);
    assert_eq!(reason(&certificate, None).await, "its client key cannot be read");
    let nonsense = kubeconfig("client-certificate-data: TUFSS0VS, client-key-data: TUFSS0VS", CLUSTER);
    assert_eq!(
        reason(&nonsense, None).await,
        "a certificate or key is malformed, or no root certificates are found"
    );
}

#[tokio::test]
async fn what_a_credential_plugin_prints_is_not_shown() {
    let plugin = |script: &str| {
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ['-c', '{script}']}}"
        );
        kubeconfig(&exec, CLUSTER)
    };
    let failed = reason(&plugin("echo MARKER; echo MARKER >&2; exit 3"), None).await;
    assert!(failed.contains("failed (exit status: 3)"), "{failed}");
    assert_eq!(
        reason(&plugin("echo MARKER: {{"), None).await,
        "the credential plugin did not print credentials"
    );
    let absent = plugin("").replace("command: sh", "command: /does/not/exist");
    assert!(reason(&absent, None).await.starts_with("the credential plugin cannot be started: "));
}

#[tokio::test]
async fn a_proxy_is_refused_with_the_way_out() {
    let behind = kubeconfig(USER, &format!("{CLUSTER}, proxy-url: 'http://127.0.0.1:2'"));
    assert!(reason(&behind, None).await.contains("remove `proxy-url`"));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let access = Access { kubeconfig: Some("/does/not/exist".into()), context: None };
    let error = connect(&access).await.err().unwrap().to_string();
    assert!(
        error.starts_with("cannot use the kubeconfig /does/not/exist: /does/not/exist: No such file"),
        "{error}"
    );
}
