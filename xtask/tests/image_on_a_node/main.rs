//! The image as a pod: a container runtime imports the layout and runs it, alone and as the chart has it.
//!
//! These tests need root and a machine that can be a node; elsewhere they fail and say what is missing. `cargo xtask
//! test` finds that out before, and leaves them out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod installed;
mod managed;
mod restricted;
mod site;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::sync::OnceCell;

const REPOSITORY: &str = "registry.example.com/acr-credential-helper";
const TAG: &str = "test";
/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The image, as a runtime imports it.
async fn archive() -> &'static Path {
    static MADE: OnceCell<(tempfile::TempDir, PathBuf)> = OnceCell::const_new();
    let make = async || {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["image", "--profile", "dev", "--tag", TAG, "--output"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let archive = folder.path().join("image.tar");
        let mut layout = tar::Builder::new(std::fs::File::create(&archive).unwrap());
        layout.append_dir_all(".", folder.path().join("oci")).unwrap();
        layout.finish().unwrap();
        (folder, archive)
    };
    &MADE.get_or_init(make).await.1
}
