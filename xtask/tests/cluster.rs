//! `cargo xtask cluster` as a user meets it.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running `xtask cluster` and the values of the two lines that it prints.
struct Cluster {
    process: Child,
    kubeconfig: PathBuf,
    path: String,
}

impl Cluster {
    fn start(arguments: &[&str]) -> Self {
        // A group of its own, as a shell would give it.
        let mut process = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("cluster")
            .args(arguments)
            .env_remove("ACR_TESTBED_KEEP")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut export = |variable: &str| {
            let line = lines.next().unwrap();
            line.strip_prefix(&format!("export {variable}=")).unwrap().to_owned()
        };
        let (kubeconfig, path) = (PathBuf::from(export("KUBECONFIG")), export("PATH"));
        Self { process, kubeconfig, path }
    }

    fn folder(&self) -> PathBuf {
        self.kubeconfig.parent().unwrap().to_owned()
    }

    /// Sends a signal to the whole group, as a terminal does.
    fn signal(self, signal: &str) -> Output {
        // The shell's own `kill`: the program of that name is not on every machine.
        let kill = format!("kill {signal} -{}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.process.wait_with_output().unwrap()
    }
}

fn processes_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let command_lines = processes.filter_map(|path| std::fs::read(path).ok());
    command_lines.filter(|bytes| String::from_utf8_lossy(bytes).contains(folder)).count()
}

#[test]
fn the_printed_lines_lead_to_a_cluster_and_interrupting_it_leaves_nothing() {
    let cluster = Cluster::start(&[]);
    let bin = cluster.path.strip_suffix(":$PATH").unwrap();
    let answer = Command::new(format!("{bin}/kubectl"))
        .args(["get", "namespaces", "--output=name"])
        .env("KUBECONFIG", &cluster.kubeconfig)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&answer.stdout).contains("namespace/kube-system\n"), "{answer:?}");

    let folder = cluster.folder();
    let output = cluster.signal("-INT");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(processes_in(&folder), 0);
    assert!(!folder.exists());
}

#[test]
fn a_folder_that_is_to_be_kept_is_kept_and_named() {
    let cluster = Cluster::start(&["--keep"]);
    let folder = cluster.folder();
    let output = cluster.signal("-TERM");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(processes_in(&folder), 0);
    assert!(folder.join("kube-apiserver.log").is_file());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(folder.to_str().unwrap()), "{stderr}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn lines_that_nobody_can_read_are_an_error_and_nothing_is_left() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("cluster")
        .env_remove("ACR_TESTBED_KEEP")
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.ends_with("error: No space left on device (os error 28)\n"), "{stderr}");
}
