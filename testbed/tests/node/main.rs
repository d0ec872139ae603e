//! Nodes on this machine: pods run on them, side by side, and nothing of them outlives its owner.
//!
//! These tests need root and a machine that can be a node; elsewhere they fail and say what is missing. `cargo xtask
//! test` finds that out before, and leaves them out.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use acr_testbed::{PAUSE_IMAGE, Progress, Tools};
use serde_json::json;

/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn eventually(what: &str, question: impl Fn() -> bool) {
    let started = Instant::now();
    while !question() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A node whose owner is a process of its own.
struct Owned {
    owner: Child,
    kubeconfig: PathBuf,
    folder: PathBuf,
    kubectl: PathBuf,
}

impl Owned {
    async fn start(order: &str) -> Self {
        let tools = Tools::ensure(Progress::Stderr).await.unwrap();
        let mut owner = Command::new(env!("CARGO_BIN_EXE_acr-testbed-owner"))
            .arg(order)
            .env("RUST_BACKTRACE", "0")
            .env_remove("ACR_TESTBED_KEEP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
        let mut line = || PathBuf::from(lines.next().unwrap().unwrap());
        let (kubeconfig, folder) = (line(), line());
        Self { owner, kubeconfig, folder, kubectl: tools.kubectl().to_owned() }
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut kubectl = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        kubectl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        kubectl.wait_with_output().unwrap()
    }

    /// Runs two pods of a Deployment, as a user would, and waits for them.
    fn run_pods(&self) {
        let labels = json!({ "app": "waiting" });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "waiting" },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "waiting", "image": PAUSE_IMAGE }] },
                },
            },
        });
        let applied = self.kubectl(&["apply", "--filename=-"], &deployment.to_string());
        assert!(applied.status.success(), "{applied:?}");
        let available = self.kubectl(&["rollout", "status", "deployment/waiting", "--timeout=120s"], "");
        let events = || String::from_utf8(self.kubectl(&["get", "events"], "").stdout).unwrap();
        assert!(available.status.success(), "{available:?}\n{}", events());
    }

    /// The process namespace that the node's processes are in, those of its containers further below not counted.
    fn namespace(&self) -> PathBuf {
        let first = format!("first\0containerd\0--config\0{}", self.folder.display());
        let is_first = |process: &PathBuf| {
            // Its guard has the same words, after its own.
            let command_line = std::fs::read(process.join("cmdline")).unwrap_or_default();
            let command_line = String::from_utf8_lossy(&command_line).into_owned();
            command_line.contains(&first) && !command_line.contains("-isolate")
        };
        let first = processes().into_iter().find(is_first).unwrap();
        std::fs::read_link(first.join("ns/pid")).unwrap()
    }

    /// Mounts of the node in the namespace of this process.
    fn mounts_seen_outside(&self) -> usize {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains(self.folder.to_str().unwrap())).count()
    }

    /// The control groups of the node, in all hierarchies.
    fn control_groups(&self) -> usize {
        let name = self.folder.file_name().unwrap();
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join(name));
        hierarchies.chain([root.join(name)]).filter(|group| group.is_dir()).count()
    }

    /// Waits until nothing of the node is left but perhaps its folder.
    fn has_ended(&self, namespace: &Path) {
        eventually("all processes are gone", || processes_in(namespace) == 0 && words(&self.folder) == 0);
        eventually("all control groups are gone", || self.control_groups() == 0);
        assert_eq!(self.mounts_seen_outside(), 0);
    }

    /// Waits until nothing of the node is left at all.
    fn is_gone(&self, namespace: &Path) {
        self.has_ended(namespace);
        eventually("the folder is gone", || !self.folder.exists());
    }
}

fn processes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("cmdline").exists()).collect()
}

/// How many processes are in a namespace, or in one below it.
fn processes_in(namespace: &Path) -> usize {
    let within =
        |process: &PathBuf| std::fs::read_link(process.join("ns/pid")).is_ok_and(|its| its == namespace);
    processes().iter().filter(|process| within(process)).count()
}

/// How many processes name a folder in their command lines.
fn words(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let names = |process: &PathBuf| {
        let command_line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command_line).contains(folder)
    };
    processes().iter().filter(|process| names(process)).count()
}

/// How many containers of our image run on this machine.
fn waiting_programs(namespace: &Path) -> usize {
    // A container has a process namespace of its own, below that of its node.
    let is_ours = |process: &PathBuf| {
        let command_line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        command_line == b"/program\0wait\0" && parent_is_in(process, namespace)
    };
    processes().iter().filter(|process| is_ours(process)).count()
}

fn parent_is_in(process: &Path, namespace: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    // State, then the parent (proc_pid_stat(5)).
    let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1).map(str::to_owned));
    let parent = parent.map(|parent| Path::new("/proc").join(parent).join("ns/pid"));
    parent.is_some_and(|link| std::fs::read_link(link).is_ok_and(|its| its == namespace))
}

/// What the owner says when it is run by these words.
async fn refused(by: &[&str]) -> String {
    // So that the owner finds everything built.
    Tools::ensure(Progress::Stderr).await.unwrap();
    let (program, arguments) = by.split_first().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .args([env!("CARGO_BIN_EXE_acr-testbed-owner"), "node"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn without_root_it_is_said_before_anything_is_done() {
    // A user namespace without a mapping: nobody at all.
    let text = refused(&["unshare", "--user"]).await;
    assert_eq!(
        text,
        "error: this machine cannot be a node: it needs root, for namespaces, mounts and control groups; \
         run it with sudo\n"
    );
}

#[tokio::test]
async fn root_without_its_rights_is_told_what_was_refused() {
    // As root has it in a container that was not given more.
    let cases = [
        ("sys_admin", "namespaces with mounts and control groups cannot be made: "),
        ("net_admin", "no container can be run: "),
    ];
    for (right, what) in cases {
        let text = refused(&["setpriv", &format!("--bounding-set=-{right}")]).await;
        let last = text.lines().last().unwrap();
        let wanted = format!("error: this machine cannot be a node: {what}");
        assert!(last.starts_with(&wanted) && last.contains("operation not permitted"), "{text}");
    }
}

#[tokio::test]
async fn nodes_side_by_side_run_pods_and_leave_nothing_when_their_owner_stops_or_is_killed() {
    let (mut killed, mut stopped) = tokio::join!(Owned::start("node"), Owned::start("node"));
    let namespaces = [killed.namespace(), stopped.namespace()];
    assert_ne!(namespaces[0], namespaces[1]);
    for (node, namespace) in [&killed, &stopped].into_iter().zip(&namespaces) {
        node.run_pods();
        // Two of two pods, and what holds the namespaces of each.
        assert_eq!(waiting_programs(namespace), 4);
        assert!(node.control_groups() > 0);
        assert_eq!(node.mounts_seen_outside(), 0);
    }

    killed.owner.kill().unwrap();
    killed.owner.wait().unwrap();
    killed.is_gone(&namespaces[0]);
    assert_eq!(waiting_programs(&namespaces[1]), 4);
    let pods =
        stopped.kubectl(&["get", "pods", "--field-selector=status.phase=Running", "--output=name"], "");
    assert_eq!(String::from_utf8(pods.stdout).unwrap().lines().count(), 2);

    drop(stopped.owner.stdin.take());
    assert!(stopped.owner.wait().unwrap().success());
    stopped.is_gone(&namespaces[1]);
}

#[tokio::test]
async fn a_panicking_owner_leaves_nothing_but_the_folders_with_the_logs() {
    let mut owned = Owned::start("node-panic").await;
    let namespace = owned.namespace();
    owned.run_pods();
    drop(owned.owner.stdin.take());
    assert!(!owned.owner.wait().unwrap().success());
    owned.has_ended(&namespace);
    assert!(owned.folder.join("kubelet.log").is_file());
    // Nothing is mounted there that would be in the way.
    std::fs::remove_dir_all(&owned.folder).unwrap();
    std::fs::remove_dir_all(owned.kubeconfig.parent().unwrap()).unwrap();
}
