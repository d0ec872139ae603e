//! `cargo xtask demo` as a user meets it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a demo in a group of its own, as a shell would.
fn demo(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("demo")
        .args(arguments)
        .env_remove("ACR_TESTBED_KEEP")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// The folder of the control plane, which its kubeconfig is in.
fn folder(output: &str) -> &Path {
    let line = output.lines().find_map(|line| line.strip_prefix("export KUBECONFIG=")).unwrap();
    Path::new(line).parent().unwrap()
}

fn processes_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let command_lines = processes.filter_map(|path| std::fs::read(path).ok());
    command_lines.filter(|bytes| String::from_utf8_lossy(bytes).contains(folder)).count()
}

#[test]
fn once_proves_a_refusal_pulls_and_a_rotation_and_leaves_nothing() {
    let output = demo(&["--once"]).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for wanted in [
        "without a login: ",
        "HTTP status 401",
        "with the Secret of namespace shop: manifest sha256:",
        "New logins stand in every namespace, and they pull.",
        "kubectl --namespace shop get secret acr-credential-secret-aggregation",
        "== Everything held true",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in:\n{text}");
    }
    assert!(!text.contains("marker-"), "{text}");
    assert_eq!(processes_in(folder(&text)), 0);
    assert!(!folder(&text).exists());
}

#[test]
fn a_demo_stays_until_it_is_interrupted_and_leaves_nothing() {
    let mut process = demo(&[]);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut text = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("it ended by itself:\n{text}") };
        text.push_str(&line);
        text.push('\n');
        if line.contains("until Ctrl-C") {
            break;
        }
    }
    assert!(processes_in(folder(&text)) > 0);
    // The shell's own `kill`: the program of that name is not on every machine.
    let kill = format!("kill -INT -{}", process.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    // The rest is read, or the demo would wait for its reader.
    lines.for_each(drop);
    assert!(process.wait().unwrap().success());
    assert_eq!(processes_in(folder(&text)), 0);
    assert!(!folder(&text).exists());
}
