//! How the programs of the test bed come about: with a `go` command that pretends, where a real build would
//! take minutes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{eventually, processes_in, tools, write_script};

/// A `go` command of our own and an empty cache.
struct Pretence {
    folder: tempfile::TempDir,
}

impl Pretence {
    /// `build` is what `go build` does after it has noted the build, as a shell script that finds the wanted
    /// program in `$out` and a program that can serve as the guard in `$guard`.
    async fn new(version: &str, build: &str) -> Self {
        let guard = tools().await.guard();
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let script = format!(
            "#!/bin/sh\n\
            if [ \"$1\" = env ]; then echo go{version}; exit; fi\n\
            while [ \"$1\" != -o ]; do shift; done\n\
            out=$2 guard={guard}\n\
            echo \"$out\" >> {here}/builds\n\
            {build}\n",
            guard = guard.display(),
        );
        write_script(&folder.path().join("go"), &script);
        Self { folder }
    }

    /// Adds to what `go build` does, for scripts that name our folder.
    fn build_with(&self, more: &str) {
        let go = self.folder.path().join("go");
        let script = std::fs::read_to_string(&go).unwrap();
        write_script(&go, &(script + more + "\n"));
    }

    fn owner(&self) -> Command {
        let mut owner = Command::new(env!("CARGO_BIN_EXE_acr-testbed-owner"));
        owner
            .arg("tools")
            .env("PATH", format!("{}:/bin:/usr/bin", self.folder.path().display()))
            .env("XDG_CACHE_HOME", self.cache())
            .env_remove("KUBEBUILDER_ASSETS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        owner
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The names of the programs that were built, in order.
    fn builds(&self) -> Vec<String> {
        let builds = std::fs::read_to_string(self.folder.path().join("builds")).unwrap_or_default();
        builds.lines().map(|path| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const COPY: &str = "cp \"$guard\" \"$out\"";

#[tokio::test]
async fn without_go_the_user_is_told_what_to_install() {
    let pretence = Pretence::new("1.99.0", COPY).await;
    let output = pretence.owner().env("PATH", "/nowhere").output().unwrap();
    assert!(!output.status.success());
    insta::assert_snapshot!(stderr(&output), @"error: the servers of the test bed are built with Go, and there is no `go` command on PATH: install Go 1.26.0 or newer from https://go.dev/dl/ and put its `bin` folder on PATH");
}

#[tokio::test]
async fn an_old_go_is_not_tried() {
    let pretence = Pretence::new("1.25.9", COPY).await;
    let output = pretence.owner().output().unwrap();
    assert!(!output.status.success());
    insta::assert_snapshot!(stderr(&output), @"error: the servers of the test bed need Go 1.26.0 or newer, and the `go` command on PATH is 1.25.9: install a newer one from https://go.dev/dl/, or let it fetch one itself (GOTOOLCHAIN=auto)");
    assert_eq!(pretence.builds(), [""; 0]);
}

#[tokio::test]
async fn a_failed_build_shows_the_end_of_its_log_and_is_tried_again() {
    let build = "case $out in */registry) echo 'main.go:7: nonsense' >&2; exit 1;; esac\n".to_owned() + COPY;
    let pretence = Pretence::new("1.99.0", &build).await;
    for attempt in 1..=2 {
        let output = pretence.owner().output().unwrap();
        assert!(!output.status.success());
        let text = stderr(&output);
        assert!(text.contains("error: building the registry failed (exit status: 1); its log is "), "{text}");
        assert!(text.ends_with("build.log, and ends with:\nmain.go:7: nonsense\n"), "{text}");
        assert_eq!(pretence.builds().iter().filter(|name| *name == "registry").count(), attempt);
    }
}

#[tokio::test]
async fn processes_that_want_the_same_programs_share_one_build() {
    let pretence = Pretence::new("1.99.0", "").await;
    let go_on = pretence.folder.path().join("go-on");
    pretence.build_with(&format!("until [ -e {} ]; do sleep 0.05; done\n{COPY}", go_on.display()));
    let mut owners = vec![pretence.owner().spawn().unwrap()];
    let begun = async || (pretence.builds() == ["guard"]).then_some(());
    eventually("the first process builds", begun).await;
    for _ in 0..2 {
        let mut owner = pretence.owner().spawn().unwrap();
        let mut line = String::new();
        BufReader::new(owner.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "another process builds the guard of the test bed ...\n");
        owners.push(owner);
    }
    std::fs::write(go_on, "").unwrap();
    let outputs: Vec<_> = owners.into_iter().map(|owner| owner.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    assert_eq!(pretence.builds(), ["guard", "registry", "control-plane"]);

    // Another version of Go would build other programs.
    let newer = Pretence::new("1.99.1", COPY).await;
    let output = newer.owner().env("XDG_CACHE_HOME", pretence.cache()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(newer.builds().len(), 3);
}

#[tokio::test]
async fn a_build_that_was_cut_off_leaves_nothing_that_counts_and_nobody_who_goes_on() {
    let pretence = Pretence::new("1.99.0", "").await;
    let second = pretence.folder.path().join("second");
    pretence.build_with(&format!(
        "case $out in */registry) echo half > \"$out\"; [ -e {} ] || sleep 600;; esac\n{COPY}",
        second.display(),
    ));

    let mut owner = pretence.owner().spawn().unwrap();
    let begun = async || pretence.builds().contains(&"registry".to_owned()).then_some(());
    eventually("the registry is being built", begun).await;
    assert_ne!(processes_in(pretence.folder.path()), [""; 0]);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let is_over = async || processes_in(pretence.folder.path()).is_empty().then_some(());
    eventually("the build is over", is_over).await;

    std::fs::write(second, "").unwrap();
    let output = pretence.owner().output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(pretence.builds(), ["guard", "registry", "registry", "control-plane"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let registry = stdout.lines().find_map(|line| line.trim().strip_prefix("registry: ")).unwrap();
    let registry = std::fs::read(registry.trim_matches([',', '"'])).unwrap();
    assert!(registry.starts_with(b"\x7fELF"), "the half-written program was kept");
}

#[tokio::test]
async fn a_folder_of_assets_that_is_not_there_is_named() {
    let pretence = Pretence::new("1.99.0", COPY).await;
    let output = pretence.owner().env("KUBEBUILDER_ASSETS", "/does/not/exist").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(stderr.contains("KUBEBUILDER_ASSETS, /does/not/exist: No such file"), "{stderr}");
}

#[tokio::test]
async fn assets_of_the_user_are_taken_and_what_they_lack_is_built() {
    let pretence = Pretence::new("1.99.0", COPY).await;
    let assets = tempfile::tempdir().unwrap();
    for name in ["etcd", "kube-apiserver"] {
        symlink("/bin/true", assets.path().join(name)).unwrap();
    }
    let output = pretence.owner().env("KUBEBUILDER_ASSETS", assets.path()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let folder_of = |field: &str| {
        let line = stdout.lines().find(|line| line.trim().starts_with(field)).unwrap();
        if line.contains(assets.path().to_str().unwrap()) { "assets" } else { "cache" }
    };
    assert_eq!(
        ["etcd:", "kube_apiserver:", "kube_controller_manager:", "kubectl:", "registry:"].map(folder_of),
        ["assets", "assets", "cache", "cache", "cache"]
    );
}

#[tokio::test]
async fn a_build_tells_what_it_does() {
    let pretence = Pretence::new("1.99.0", COPY).await;
    let mut owner = pretence.owner().spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(owner.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    // Seconds depend on the machine.
    let lines: Vec<&str> =
        lines.iter().map(|line| line.split_once(" in ").map_or(&**line, |(text, _)| text)).collect();
    assert!(owner.wait().unwrap().success());
    insta::assert_snapshot!(lines.join("\n"), @r"
    building the guard of the test bed (a few seconds) ...
    building the guard of the test bed (a few seconds): done
    building the registry (about a minute the first time) ...
    building the registry (about a minute the first time): done
    building the control plane (6 minutes on 2 cores the first time) ...
    building the control plane (6 minutes on 2 cores the first time): done
    ");
}
