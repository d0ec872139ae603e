//! Commands below the guard.

use std::path::Path;
use std::process::Command;

use acr_testbed::{Error, Guarded};

use crate::{eventually, kill, processes_in, tools};

/// A shell script below the guard, with its log in `folder`. The script is one of the files of the folder, so
/// that its processes are found by it.
async fn start(folder: &Path, script: &str) -> Guarded {
    let file = folder.join("script");
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new("sh");
    command.arg(file).env("GREETING", "hello");
    Guarded::start(tools().await, "script", &command, folder.join("log")).unwrap()
}

/// The state of a process as the kernel names it: `S` sleeping, `T` stopped, ...
fn state(process_id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command::new("/nowhere/program");
    let error = Guarded::start(tools().await, "nothing", &command, folder.path().join("log")).unwrap_err();
    assert!(matches!(error, Error::Start { .. }));
    let wanted = "cannot start nothing: guard: fork/exec /nowhere/program: no such file or directory";
    assert_eq!(error.to_string(), wanted);
}

#[tokio::test]
async fn output_goes_to_the_log_and_the_exit_code_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = start(folder.path(), "echo $GREETING; echo complaint >&2; exit 7").await;
    assert_eq!(script.wait().await.unwrap().code(), Some(7));
    assert_eq!(script.log_tail(), "hello\ncomplaint");
    let error = script.pause().unwrap_err();
    assert!(error.to_string().starts_with("cannot pause script: "), "{error}");
}

#[tokio::test]
async fn a_command_can_be_asked_to_end_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo tidied; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut script = start(folder.path(), script).await;
    eventually("the trap is set", async || (script.log_tail() == "ready").then_some(())).await;
    script.terminate().unwrap();
    assert_eq!(script.wait().await.unwrap().code(), Some(3));
    assert_eq!(script.log_tail(), "ready\ntidied");
}

#[tokio::test]
async fn a_paused_command_stands_still_and_can_still_be_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = start(folder.path(), "while :; do :; done").await;
    let process_id = script.process_id();
    eventually("it runs", async || (state(process_id) == Some('R')).then_some(())).await;
    script.pause().unwrap();
    assert_eq!(state(process_id), Some('T'));
    // Once more is no change, and is answered all the same.
    script.pause().unwrap();
    script.resume().unwrap();
    eventually("it runs again", async || (state(process_id) == Some('R')).then_some(())).await;
    script.pause().unwrap();
    assert_eq!(state(process_id), Some('T'));
    assert_eq!(script.kill().unwrap().code(), Some(128 + 9));
    assert_eq!(state(process_id), None);
}

#[tokio::test]
async fn what_a_command_has_started_is_killed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child");
    std::fs::write(&child, "while :; do sleep 600; done").unwrap();
    let script = start(folder.path(), &format!("sh {} & wait", child.display())).await;
    eventually("both run", async || (processes_in(&child).len() == 1).then_some(())).await;
    drop(script);
    let are_gone = async || processes_in(folder.path()).is_empty().then_some(());
    eventually("both are gone", are_gone).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_command_whose_guard_is_killed_dies_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = start(folder.path(), "exec sleep 600").await;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", script.process_id())).unwrap();
    // State, then the parent (proc_pid_stat(5)).
    let guard = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
    kill(guard);
    assert!(!script.wait().await.unwrap().success());
    let process_id = script.process_id();
    eventually("it is gone", async || matches!(state(process_id), None | Some('Z')).then_some(())).await;
}
