//! How the program is started: variables of the environment, and what leads nowhere.
#![cfg(test)]

use std::process::{Command, Output};

/// Runs the program with a kubeconfig that is not there, so that it ends as soon as its settings are read.
fn run(variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
        .args(["run", "--kubeconfig", "/nonexistent/kubeconfig"])
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(told(&output).contains("/nonexistent/kubeconfig"), "{output:?}");
}

#[test]
fn where_nothing_can_be_said_the_exit_code_is_the_same() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
        .args(["uninstall", "--kubeconfig", "/nonexistent/kubeconfig"])
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(78));
}

#[test]
fn a_variable_with_a_wrong_value_is_wrong_usage() {
    let output = run(&[("LOG_FORMAT", "xml")]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(told(&output).contains("[possible values: text, json]"), "{output:?}");
}

#[test]
fn a_misspelt_level_of_the_log_is_wrong_usage_and_not_silence() {
    let output = run(&[("RUST_LOG", "wran")]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(told(&output).contains("--log-level: wran is no level; write off, error"), "{output:?}");
}

#[test]
fn what_cannot_be_a_name_is_wrong_usage() {
    for wrong in [["--region", "cn hang"], ["--region", "../x"], ["--namespace", "A_b"], ["--namespace", ""]]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
            .args(["run", "--kubeconfig", "/nonexistent/kubeconfig"])
            .args(wrong)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{wrong:?}: {output:?}");
        assert!(told(&output).contains("a-z, 0-9"), "{output:?}");
    }
}

#[test]
fn a_variable_that_cannot_be_a_region_is_wrong_usage_unless_something_comes_before_it() {
    for variable in ["ALIBABA_CLOUD_STS_REGION", "ALIBABA_CLOUD_REGION_ID"] {
        let output = run(&[(variable, "cn hangzhou")]);
        assert_eq!(output.status.code(), Some(64), "{variable}: {output:?}");
        let told = told(&output);
        assert!(told.contains(variable) && told.contains("cn hangzhou"), "{told}");
    }
    let output =
        run(&[("ALIBABA_CLOUD_STS_REGION", "cn-beijing"), ("ALIBABA_CLOUD_REGION_ID", "cn hangzhou")]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
}

#[test]
fn what_cannot_be_the_name_of_a_secret_is_wrong_usage() {
    for flag in ["--registered-key-secret", "--add-on-token-secret"] {
        for (name, code) in [("A_b", 64), ("", 64), ("a/b", 64), ("addon.aliyuncsmanagedacrrole.token", 78)] {
            let output = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
                .args(["run", "--kubeconfig", "/nonexistent/kubeconfig", flag, name])
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(code), "{flag} {name}: {output:?}");
        }
    }
}

#[test]
fn what_cannot_be_the_name_of_a_deployment_is_wrong_usage() {
    for (name, code) in [("a/../b", 64), ("", 64), ("A b", 64), ("aliyun-acr-credential-helper", 78)] {
        let output = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
            .args(["uninstall", "--kubeconfig", "/nonexistent/kubeconfig", "--stop-deployment", name])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
}

#[test]
fn a_proxy_that_is_none_stops_the_start_and_is_not_shown() {
    // The kubeconfig, which has none, is not blamed for it.
    for (variable, value) in [("https_proxy", "http://user:MARKER@@p:1x"), ("HTTPS_PROXY", "not MARKER")] {
        let output = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
            .args(["run", "--kubeconfig"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubeconfig.yaml"))
            .env(variable, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let told = told(&output);
        assert!(told.contains(variable) && !told.contains("MARKER"), "{output:?}");
        assert!(!told.contains("kubeconfig"), "{output:?}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_called_is_wrong_usage() {
    let output = run(&[("ALIBABA_CLOUD_STS_ENDPOINT", "http://[bad")]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(told(&output).contains("write a host such as sts-vpc.cn-hangzhou.aliyuncs.com"), "{output:?}");
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    for name in [
        "POD_NAMESPACE",
        "POD_NAME",
        "LOG_FORMAT",
        "RUST_LOG",
        "ALIBABA_CLOUD_STS_REGION",
        "ALIBABA_CLOUD_STS_ENDPOINT",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
    ] {
        let output = run(&[(name, "")]);
        assert_eq!(output.status.code(), Some(78), "{name}: {output:?}");
    }
}
