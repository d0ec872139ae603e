//! `cargo xtask node` as a user meets it. Needs a machine that can be a node.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn processes_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let command_lines = processes.filter_map(|path| std::fs::read(path).ok());
    command_lines.filter(|bytes| String::from_utf8_lossy(bytes).contains(folder)).count()
}

/// What stands in a text after these words, up to the end of the line.
fn after(text: &str, words: &str) -> PathBuf {
    let line = text.lines().find_map(|line| line.split_once(words)).unwrap();
    PathBuf::from(line.1)
}

#[test]
fn a_private_image_is_pulled_and_interrupting_leaves_nothing() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("node")
        .env_remove("ACR_TESTBED_KEEP")
        .stdout(Stdio::piped())
        // A group of its own, as a shell would give it.
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("until Ctrl-C") {
        let Some(Ok(line)) = lines.next() else { panic!("it ended by itself:\n{text}") };
        text.push_str(&line);
        text.push('\n');
    }
    assert!(text.starts_with("   A node needs root"), "{text}");
    let pulled = "the kubelet: Successfully pulled image \
                  \"acme-registry.cn-hangzhou.cr.aliyuncs.com/team/app:v1\"";
    assert!(text.contains(pulled), "{text}");
    let kubeconfig = after(&text, "export KUBECONFIG=");
    let kubectl = after(&text, "export PATH=").to_str().unwrap().replace(":$PATH", "/kubectl");
    let answer = Command::new(kubectl)
        .args([
            "--namespace=shop",
            "rollout",
            "status",
            "deployment/nginx-deployment-basic",
            "--timeout=120s",
        ])
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");

    let folders = [kubeconfig.parent().unwrap().to_owned(), after(&text, "logs of the node are in ")];
    assert!(folders.iter().all(|folder| processes_in(folder) > 0), "{text}");
    // The shell's own `kill`: the program of that name is not on every machine.
    let kill = format!("kill -INT -{}", process.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    lines.for_each(drop);
    assert!(process.wait().unwrap().success());
    for folder in &folders {
        assert_eq!((processes_in(folder), folder.exists()), (0, false), "{}", folder.display());
    }
}
