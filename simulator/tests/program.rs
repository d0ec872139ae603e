//! The program `acr-simulator`: exit codes, what it prints, and its end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acr-simulator"));
    command.args(arguments).stdin(Stdio::null());
    match command.output() {
        Ok(output) => output,
        Err(error) => unreachable!("the program was built for this test: {error}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_way_to_fail_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, "accounts:\n  - id: \"1\"\n    secrets: [hidden]\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let example = folder.path().join("example.yaml");
    std::fs::write(&example, acr_simulator::EXAMPLE).unwrap();
    let example = example.to_str().unwrap();
    for (arguments, code) in [
        (["check"].as_slice(), 64),
        (&["explode"], 64),
        (&["run", "-", "--listen", "cr.cn-hangzhou.aliyuncs.com"], 64),
        (&["check", "/does/not/exist"], 66),
        (&["run", "/does/not/exist"], 66),
        (&["check", wrong], 2),
        (&["run", wrong], 2),
        (&["check", "/dev/null"], 2),
        (&["check", "/dev/zero"], 66),
        (&["run", example, "--bucket", "/does/not/exist"], 1),
        (&["run", example, "--listen", "example.com=127.0.0.1:0"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = program(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = program(&["check", wrong]);
    let message = text(&output.stderr);
    assert!(message.contains("unknown field `secrets`") && message.contains("line 3, column 5"), "{message}");
    assert!(!message.contains("hidden"), "{message}");
}

#[test]
fn the_example_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cloud.yaml");
    std::fs::write(&file, program(&["example"]).stdout).unwrap();
    let output = program(&["check", file.to_str().unwrap()]);
    assert!(text(&output.stdout).ends_with("cloud.yaml: good (2 accounts, 1 instances)\n"));
}

#[test]
fn it_announces_itself_and_ends_cleanly_when_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cloud.yaml"), acr_simulator::EXAMPLE).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_acr-simulator"))
        .args(["run", "cloud.yaml", "--print-endpoints", "--output", "listing.json", "--jwks", "jwks.json"])
        .args(["--bucket", "."])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut endpoints = Vec::new();
    // The last endpoint is that of the central STS host or of the metadata service: four in all.
    while endpoints.iter().filter(|line: &&String| line.contains("url:")).count() < 4 {
        endpoints.push(lines.next().unwrap().unwrap());
    }
    assert_eq!(endpoints[0], "endpoints: |");
    let listing: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path("listing.json")).unwrap()).unwrap();
    let central = listing["hosts"].as_array().unwrap().iter().find(|host| host["host"] == "sts.aliyuncs.com");
    let url = central.unwrap()["url"].as_str().unwrap();
    assert!(endpoints.contains(&format!("    url: {url}")), "{endpoints:?}");
    assert!(listing["bucket"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{listing}");
    assert_eq!(listing["personalRegistries"][0]["service"], "registry.aliyuncs.com:cn-hangzhou:26842");
    let jwks: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path("jwks.json")).unwrap()).unwrap();
    assert_eq!(jwks, listing["jwks"]);

    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
