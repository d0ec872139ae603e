//! Nothing of a test bed outlives its owner, however the owner ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use acr_testbed::{ControlPlane, ControlPlaneOptions, Error, Part};

use crate::{eventually, kill, processes_in, tools, turn, write_script};

/// An owner in a process of its own, and the folder of its control plane.
async fn owner(order: &str) -> (Child, PathBuf) {
    // So that the owner finds everything built.
    tools().await;
    let mut owner = Command::new(env!("CARGO_BIN_EXE_acr-testbed-owner"))
        .arg(order)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = owner.stdout.take().unwrap();
    let folder = tokio::task::spawn_blocking(|| BufReader::new(stdout).lines().next().unwrap().unwrap());
    let folder = PathBuf::from(folder.await.unwrap());
    // Three servers, each below its guard.
    assert_eq!(processes_in(&folder).len(), 6, "{:?}", processes_in(&folder));
    (owner, folder)
}

#[tokio::test]
async fn a_killed_owner_leaves_no_process_and_no_folder() {
    let _turn = turn().await;
    let (mut owner, folder) = owner("hold").await;
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("all processes are gone", async || processes_in(&folder).is_empty().then_some(())).await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_panicking_owner_leaves_no_process_and_nothing_but_its_logs() {
    let _turn = turn().await;
    let (owner, folder) = owner("panic").await;
    let output = owner.wait_with_output().unwrap();
    assert_eq!(processes_in(&folder), [""; 0]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&format!("its logs are kept in {}", folder.display())), "{stderr}");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!left.is_empty() && left.iter().all(|path| path.extension().unwrap() == "log"), "{left:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn an_owner_that_stops_leaves_no_process_and_no_folder() {
    let _turn = turn().await;
    let (owner, folder) = owner("hold").await;
    // Closes standard input, which the owner waits for.
    let output = owner.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(processes_in(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_that_refuses_its_arguments_is_named_with_its_last_words() {
    let _turn = turn().await;
    let options = ControlPlaneOptions {
        api_server_arguments: vec!["--no-such-flag".to_owned()],
        ..ControlPlaneOptions::default()
    };
    let error = ControlPlane::start(tools().await, options).await.unwrap_err();
    let Error::Died { name, log, tail, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "kube-apiserver");
    assert!(tail.contains("unknown flag: --no-such-flag"), "{tail}");

    // The folder stays, so that the log can be read; the other servers do not.
    let folder = log.parent().unwrap();
    assert!(log.is_file());
    assert_eq!(processes_in(folder), [""; 0]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_server_that_dies_later_is_noticed() {
    let _turn = turn().await;
    let control_plane = ControlPlane::start(tools().await, ControlPlaneOptions::default()).await.unwrap();
    control_plane.check_alive().unwrap();
    let process_id = control_plane.process_id(Part::ControllerManager).unwrap();
    kill(&process_id.to_string());

    let died = eventually("the death is noticed", async || control_plane.check_alive().err()).await;
    let Error::Died { name, status, .. } = &died else { panic!("{died}") };
    assert_eq!(name, "kube-controller-manager");
    assert_eq!(status.code(), Some(128 + 9));

    let folder = control_plane.folder().to_owned();
    drop(control_plane);
    assert_eq!(processes_in(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_that_is_not_ready_in_time_is_named() {
    tools().await;
    let assets = tempfile::tempdir().unwrap();
    // It runs and never listens.
    write_script(&assets.path().join("etcd"), "#!/bin/sh\nexec sleep 600\n");
    let output = Command::new(env!("CARGO_BIN_EXE_acr-testbed-owner"))
        .arg("hurry")
        .env("KUBEBUILDER_ASSETS", assets.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error: etcd was not ready after 500ms (Connection refused"), "{text}");
    let log = text.split_once("its log is ").unwrap().1.split_once(", and ends with").unwrap().0;
    let folder = Path::new(log).parent().unwrap();
    assert_eq!(processes_in(folder), [""; 0]);
    std::fs::remove_dir_all(folder).unwrap();
}
