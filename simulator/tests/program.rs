//! The program `acr-simulator`: exit codes, what it prints, and its end.

#![cfg(test)]

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

/// What `check` says to standard error about a description.
fn refused(folder: &std::path::Path, description: &str) -> String {
    let file = folder.join("cloud.yaml");
    std::fs::write(&file, description).unwrap();
    let output = program(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    text(&output.stderr).replace(folder.to_str().unwrap(), "FOLDER")
}

#[test]
fn files_that_are_missing_or_hold_something_else_are_named_with_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    std::fs::write(folder.path().join("nonsense.json"), "[]").unwrap();
    let description = r#"
accounts:
  - id: "1"
    oidcProviders:
      - name: a
        issuer: https://a.example
        keys: {file: missing.json}
      - name: b
        issuer: https://b.example
        keys:
          file: nonsense.json
      - name: c
        issuer: https://c.example
        keys:
          url:
            address: https://c.example/keys
            caFile: missing.crt
      - name: d
        issuer: https://d.example
        keys:
          url: {address: https://d.example/keys}
      - name: e
        issuer: https://e.example
        keys:
          url: {address: http://e.example/keys, tokenFile: empty.txt}
tokenService:
  signingKeyFile: missing.pem
"#;
    insta::assert_snapshot!(refused(folder.path(), description), @r#"
    acr-simulator: FOLDER/cloud.yaml: the parts do not fit together:
      line 7: OIDC provider "a": cannot read FOLDER/missing.json: No such file or directory (os error 2): write there what `kubectl get --raw /openid/v1/jwks` prints
      line 11: OIDC provider "b": FOLDER/nonsense.json does not hold a JSON Web Key Set: invalid length 0, expected struct Jwks with 1 element at line 1 column 2: write there what `kubectl get --raw /openid/v1/jwks` prints
      line 17: OIDC provider "c": cannot read FOLDER/missing.crt: No such file or directory (os error 2): name a file that is there, relative to the description
      line 21: OIDC provider "d": https://d.example/keys is https, and no caFile says whom to trust: name a PEM file
      line 25: OIDC provider "e": FOLDER/empty.txt does not hold a bearer token: name a file that is there, relative to the description
      line 27: cannot read the signing key FOLDER/missing.pem: No such file or directory (os error 2): write a key with `openssl genpkey -algorithm RSA -out FILE`, or leave tokenService out
    "#);
}

#[test]
fn a_description_that_describes_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(refused(folder.path(), "{}"), @"acr-simulator: FOLDER/cloud.yaml describes no account, so that nobody could call; `acr-simulator example` prints a description to start from");
    insta::assert_snapshot!(refused(folder.path(), "accounts: [{id: \"1\"}]\ninstances: []\n"), @"
    acr-simulator: FOLDER/cloud.yaml: the parts do not fit together:
      line 2: instances: nothing is described: describe one, or remove `instances`
    ");
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
