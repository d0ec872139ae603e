//! The test bed on real servers: what a control plane and a registry do, and that nothing outlives its owner.
//!
//! The tests share one control plane; those that stop servers have one of their own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod api;
mod building;
mod endings;
mod guarding;
mod registry;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

async fn tools() -> &'static Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    TOOLS.get_or_init(async || Tools::ensure(Progress::Stderr).await.unwrap()).await
}

/// Never dropped: the end of this process ends it, which is what the guard is for.
async fn shared_control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            let options = ControlPlaneOptions { audit_log: true, ..ControlPlaneOptions::default() };
            ControlPlane::start(tools().await, options).await.unwrap()
        })
        .await
}

/// A turn to have a control plane of its own. Each takes half a GiB, and a core while it starts: without turns small
/// machines run out of both.
async fn turn() -> SemaphorePermit<'static> {
    static TURNS: Semaphore = Semaphore::const_new(2);
    TURNS.acquire().await.unwrap()
}

/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Asks `question` until it has an answer. Only what hangs takes as long as that is given.
async fn eventually<T>(what: &str, question: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Kills a process. By the shell's own `kill`: the program of that name is not on every machine.
fn kill(process_id: &str) {
    let killed = Command::new("sh").args(["-c", "kill -9 \"$0\"", process_id]).status().unwrap();
    assert!(killed.success(), "{process_id}");
}

/// Writes a program. By another process: a child that this one starts for another test at the same moment would
/// inherit the open file, and a file that is open for writing cannot be executed.
fn write_script(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

/// The command lines of all processes that work in `folder`.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    processes
        .filter_map(|path| std::fs::read(path).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|command_line| command_line.contains(folder))
        .collect()
}
