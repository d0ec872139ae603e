//! The image: made twice alike, and run where nothing is but what it brings.
//!
//! These tests need root, for an empty root file system and for the port of a name server; elsewhere they fail and say
//! so. `cargo xtask test` finds that out before, and leaves them out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod names;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use acr_end_to_end::{ACME, Component, Program, RunOptions, Stage, eventually};
use acr_testbed::{ControlPlane, ControlPlaneOptions, Progress, Tools};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use names::{NAME, Names, SERVER};

/// How long anything that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// The user of the image.
const USER: &str = "65532:65532";
/// Where the program is.
const PROGRAM: &str = "/usr/bin/acr-credential-helper";
/// What a user may write who has an instance and a key, for the simulated cloud.
const ENTRIES: &str = "- instanceId: cri-acme0000000000\n  regionId: cn-hangzhou\n  \
                       customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";

/// Makes the image in a folder, of the program as the tests build it: what is shipped differs by optimisation only.
fn make(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["image", "--profile", "dev", "--output"]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A folder that is removed at the end, with the image in it.
async fn image() -> &'static Path {
    static IMAGE: OnceCell<tempfile::TempDir> = OnceCell::const_new();
    let folder = IMAGE
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            make(folder.path());
            folder
        })
        .await;
    folder.path()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn blob(image: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    std::fs::read(image.join("oci/blobs").join(digest.replace(':', "/"))).unwrap()
}

/// The manifest of the image, as a container runtime finds it.
fn manifest(image: &Path) -> Value {
    let index = json(&std::fs::read(image.join("oci/index.json")).unwrap());
    let image_index = json(&blob(image, &index["manifests"][0]));
    json(&blob(image, &image_index["manifests"][0]))
}

/// The root file system of a container of the image, and nothing else: no device, no process file system.
fn unpack(image: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for layer in manifest(image)["layers"].as_array().unwrap() {
        let archive = flate2::read::GzDecoder::new(std::io::Cursor::new(blob(image, layer)));
        tar::Archive::new(archive).unpack(root.path()).unwrap();
    }
    // Its own user has to get in.
    set_mode(root.path(), 0o755);
    root
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs the program in its root, as the image's user, with nothing else in its environment than PATH.
fn run(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("chroot");
    command.arg(format!("--userspec={USER}")).arg(root).arg(PROGRAM).args(arguments);
    // chroot itself is looked for on this machine.
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).output().unwrap()
}

#[tokio::test]
async fn equal_sources_make_equal_images() {
    let again = tempfile::tempdir().unwrap();
    let first = image().await;
    make(again.path());
    let index = |folder: &Path| json(&std::fs::read(folder.join("oci/index.json")).unwrap());
    assert_eq!(index(first), index(again.path()));
}

#[tokio::test]
async fn it_says_what_is_in_it_and_how_it_is_run() {
    let image = image().await;
    let config = json(&blob(image, &manifest(image)["config"]));
    assert_eq!(config["config"]["User"], USER);
    assert_eq!(config["config"]["Entrypoint"], json!([PROGRAM]));
    let bill = std::fs::read_dir(image).unwrap().map(|entry| entry.unwrap().path());
    let bill: Vec<PathBuf> = bill.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    let bill = json(&std::fs::read(&bill[0]).unwrap());
    let names: Vec<&str> =
        bill["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    for linked in ["kube-client", "rustls", "aws-lc-sys", "acr-controller", "rust-std"] {
        assert!(names.contains(&linked), "{linked} is not in {names:?}");
    }
    // Of tests, of build scripts, of macros.
    for other in ["insta", "acr-simulator", "cc", "serde_derive", "clap_derive"] {
        assert!(!names.contains(&other), "{other} is in {names:?}");
    }
    let root = unpack(image);
    let licences = root.path().join("usr/share/doc/acr-credential-helper/LICENSES");
    let licences = std::fs::read_to_string(licences).unwrap();
    assert!(licences.contains("Apache License") && licences.contains("rustls 0."), "{licences:.200}");
}

#[tokio::test]
async fn the_program_runs_in_an_empty_root_as_nobody_in_particular() {
    let root = unpack(image().await);
    let output = run(root.path(), &["--version"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && told.starts_with("acr-credential-helper "),
        "{told} {:?}",
        output.stderr
    );
    let configuration = root.path().join("configuration.yaml");
    std::fs::write(&configuration, "acr-registry-info: |\n  - instanceId: \"\"\n").unwrap();
    let output = run(root.path(), &["config", "check", "/configuration.yaml"]);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn in_an_empty_root_names_are_resolved_and_certificates_judged_by_the_images_authorities() {
    let tools = Tools::ensure(Progress::Stderr).await.unwrap();
    let program = Program::ensure().await.unwrap();
    let control_plane = ControlPlane::start(&tools, ControlPlaneOptions::default()).await.unwrap();
    let stage = Stage::set(&control_plane, "kube-system").await.unwrap();
    let names = Names::serve().await;
    let cloud = stage.cloud().listing().url("cr.cn-hangzhou.aliyuncs.com").unwrap();
    let (port, authority) = names::front(cloud.strip_prefix("http://").unwrap().parse().unwrap()).await;
    let root = unpack(image().await);
    std::fs::write(root.path().join("etc/resolv.conf"), format!("nameserver {SERVER}\n")).unwrap();
    let endpoints = format!("- {{product: cr, url: \"https://{NAME}:{port}\"}}\n");
    let data = json!({ "acr-registry-info": ENTRIES, "watch-namespace": "default", "endpoints": endpoints });
    stage.configure_exactly(&data).await.unwrap();
    let options =
        RunOptions { root: Some((root.path().to_owned(), PROGRAM.into())), ..RunOptions::default() };

    // The authorities of the image do not know the one of this test.
    let mut component = Component::start(&tools, &program, &stage, &options).unwrap();
    component.ready().await.unwrap();
    let message = eventually("it says that it does not trust", PATIENCE, async || {
        let status = component.status().await?;
        let findings = status["findings"].as_array().cloned().unwrap_or_default();
        let found = findings.iter().find(|finding| finding["code"] == "Unreachable");
        Ok(found.map(|finding| finding["message"].as_str().unwrap_or_default().to_owned()))
    });
    let message = message.await.unwrap();
    assert!(message.contains("(TLS)") && message.contains(NAME), "{message}");
    assert!(names.asked().iter().any(|name| name == NAME), "{:?}", names.asked());
    component.terminate().await.unwrap();

    // In the file that the image has them in.
    let bundle = root.path().join("etc/ssl/certs/ca-certificates.crt");
    let shipped = std::fs::read_to_string(&bundle).unwrap();
    std::fs::write(&bundle, shipped + &authority).unwrap();
    let mut component = Component::start(&tools, &program, &stage, &options).unwrap();
    component.ready().await.unwrap();
    let served = eventually("the pull secret is written", PATIENCE, async || {
        Ok(stage.served("default").await?.filter(|served| !served.hosts.is_empty()))
    });
    assert_eq!(served.await.unwrap().hosts, ACME.hosts);
    component.terminate().await.unwrap();
}
