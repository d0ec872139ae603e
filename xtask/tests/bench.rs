//! `cargo xtask bench` as a user runs it, with few objects.

use acr_end_to_end::{PROGRAM_VARIABLE, Program};
use serde_json::Value;
use tokio::process::Command;

/// One run for all of it, because each starts servers: a ratio that nothing can reach is the only gate that fails.
#[tokio::test]
async fn a_figure_that_is_not_reached_is_named_and_all_others_are_printed() {
    let program = Program::ensure().await.unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["bench", "converge", "--namespaces=20", "--service-accounts=2", "--pairs=1"])
        .args(["--in-flight=8", "--idle-seconds=1", "--least-ratio=1000", "--output=json"])
        .env(PROGRAM_VARIABLE, program.path())
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let failed: Vec<&str> = stderr.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert_eq!(failed.len(), 1, "{stderr}");
    assert!(failed[0].starts_with("FAILED ratio: "), "{stderr}");

    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = [("namespaces", 20), ("service_accounts", 2), ("writes", 60), ("gets", 1), ("logins", 1)];
    for (key, number) in wanted {
        assert_eq!(figures[key], number, "{key} in {figures}");
    }
    for key in ["floor_seconds", "seconds", "ratio", "journal_writes", "peak_rss_mib", "cpu_seconds"] {
        assert!(figures[key].as_f64().is_some_and(|number| number > 0.0), "{key} in {figures}");
    }
}

/// Figures of so few requests on a busy machine are no measure of anything: what is shown is that each is there, that
/// nothing fails, and that what cannot be reached is named.
#[tokio::test]
async fn what_immediate_use_costs_is_measured_beside_the_least_that_there_can_be() {
    let program = Program::ensure().await.unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "bench",
            "webhook",
            "--creations=40",
            "--pairs=1",
            "--in-flight=4",
            "--rate=50",
            "--seconds=1",
        ])
        .args(["--rotation-seconds=1", "--least-webhook-ratio=1000", "--least-policy-ratio=0"])
        .args(["--most-latency-ratio=1000", "--output=json"])
        .env(PROGRAM_VARIABLE, program.path())
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let failed: Vec<&str> = stderr.lines().filter(|line| line.starts_with("FAILED")).collect();
    // Certificates do not change within a second.
    assert_eq!(failed.len(), 2, "{stderr}");
    assert!(failed[0].starts_with("FAILED webhook.ratio: "), "{stderr}");
    assert!(failed[1].starts_with("FAILED rotation.certificates: "), "{stderr}");

    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = [
        ("/webhook/creations", 40),
        ("/webhook/failures", 0),
        ("/policy/creations", 40),
        ("/policy/failures", 0),
        ("/direct/requests", 50),
        ("/direct/failures", 0),
        ("/rotation/requests", 50),
        ("/rotation/failures", 0),
    ];
    for (key, number) in wanted {
        assert_eq!(figures.pointer(key), Some(&Value::from(number)), "{key} in {figures}");
    }
    for key in [
        "/webhook/per_second",
        "/webhook/ratio_to_none",
        "/policy/ratio",
        "/direct/p99_ms",
        "/direct/p99_ratio",
    ] {
        let figure = figures.pointer(key).and_then(Value::as_f64);
        assert!(figure.is_some_and(|number| number > 0.0), "{key} in {figures}");
    }
}
