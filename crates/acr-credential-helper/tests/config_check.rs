//! `config check` as a user runs it: forms of input, output, exit codes.
#![cfg(test)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configuration/fixtures");

/// The program with these arguments, an empty environment for colours, and this standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    run_with(arguments, input, &[])
}

fn run_with(arguments: &[&str], input: &[u8], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command.args(["config", "check"]).args(arguments).envs(environment.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that does not read its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fixture(name: &str) -> String {
    PathBuf::from(FIXTURES).join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_exit_code_of_every_sample_is_its_worst_finding() {
    for (name, plain, strict) in [
        ("access-key-fragment.yaml", 0, 1),
        ("deployment-basic.yaml", 2, 2),
        ("deployment-service-account.yaml", 2, 2),
        ("domains-two-strings.yaml", 2, 2),
        ("enterprise-fragment.yaml", 0, 1),
        ("keys-slash-comment.yaml", 2, 2),
        ("managed.json", 0, 1),
        ("personal-broken-indent.yaml", 2, 2),
        ("personal-configmap.yaml", 0, 0),
        ("rrsa-fragment.yaml", 0, 1),
        ("shell-configmap.yaml", 2, 2),
        ("two-regions-list.yaml", 0, 1),
        ("webhook-configmap.yaml", 0, 1),
        ("worker-role-fragment.yaml", 0, 1),
    ] {
        for form in ["text", "json"] {
            assert_eq!(code(&run(&[&fixture(name), "--output", form], b"")), plain, "{name}");
            assert_eq!(code(&run(&[&fixture(name), "--output", form, "--strict"], b"")), strict, "{name}");
        }
    }
    assert_eq!(std::fs::read_dir(FIXTURES).unwrap().count(), 14, "every sample is in the table");
}

#[test]
fn a_clean_configuration_passes_strictly() {
    let output = run(&["-", "--strict"], b"- instanceId: cri-1\n  regionId: cn-hangzhou\n");
    assert_eq!(code(&output), 0, "{}", text(&output));
    insta::assert_snapshot!(text(&output), @"
    entry 0: enterprise, cn-hangzhou
      hosts: known to the cloud only
      identity: worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token
    <standard input>: 0 errors, 0 warnings
    ");
}

#[test]
fn wrong_usage_is_64_and_asking_for_help_is_not() {
    for arguments in [
        &[][..],
        &["a", "b"],
        &["-", "--outptu", "json"],
        &["-", "--output", "yaml"],
        &["-", "--token-mode", "manager"],
        &["-", "--region"],
        &["-", "--region", "xx yy"],
        &["-", "--region", "CN-Hangzhou"],
        &["-", "--region", "cn-hangzhou.evil.example"],
    ] {
        let output = run(arguments, b"[]");
        assert_eq!((code(&output), text(&output)), (64, String::new()), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let shape = run(&["-", "--region", "xx yy"], b"[]").stderr;
    assert!(String::from_utf8_lossy(&shape).contains("write a region such as cn-hangzhou"), "{shape:?}");
    assert_eq!(code(&run(&["-", "--region", ""], b"[]")), 0, "empty is not set");
    assert_eq!(code(&run(&["--help"], b"")), 0);
    let bare = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper")).output().unwrap();
    assert_eq!(code(&bare), 64);
    let version =
        Command::new(env!("CARGO_BIN_EXE_acr-credential-helper")).arg("--version").output().unwrap();
    assert_eq!(code(&version), 0);
}

#[test]
fn an_unreadable_file_is_66() {
    for path in [fixture("absent.yaml"), FIXTURES.to_owned()] {
        let output = run(&[&path, "--output", "json"], b"");
        assert_eq!((code(&output), text(&output)), (66, String::new()));
        assert!(String::from_utf8_lossy(&output.stderr).contains(&path));
    }
}

#[test]
fn what_is_no_configuration_is_2_with_a_finding_without_a_key() {
    for (input, expected) in [
        (&b"\xff\xfe"[..], "NotUtf8"),
        (b"", "UnknownForm"),
        (b"hello", "UnknownForm"),
        (b"[]\n---\n- a\n", "SeveralDocuments"),
        (&vec![b'a'; 3 * 1024 * 1024], "TooLarge"),
    ] {
        let output = run(&["-", "--output", "json"], input);
        let report = json(&output);
        assert_eq!(code(&output), 2);
        assert_eq!(report["findings"][0]["code"], expected);
        assert_eq!(report["findings"][0]["key"], serde_json::Value::Null);
        assert_eq!(report["entries"], serde_json::json!([]));
    }
}

#[test]
fn json_has_exactly_the_documented_shape() {
    let input = b"data:\n  watch-namespaces: a\n  acr-registry-info: |\n    - instanceId: cri-1\n      domains: a.example.com/x\n      \
                  expireDuration: 3600\n    - instanceId: ''\n      regionId: cn-beijing\n";
    let output = run(&["-", "--output", "json"], input);
    assert_eq!(code(&output), 2);
    assert!(output.stderr.is_empty());
    insta::assert_snapshot!(text(&output), @r#"
    {
      "findings": [
        {
          "severity": "error",
          "code": "MisspelledKey",
          "key": "watch-namespaces",
          "line": null,
          "column": null,
          "file_line": 2,
          "message": "unknown key `watch-namespaces`; the nearest known one is `watch-namespace`",
          "remedy": "write `watch-namespace`, or remove the key"
        },
        {
          "severity": "warning",
          "code": "UnknownRegion",
          "key": "acr-registry-info",
          "line": 1,
          "column": 3,
          "file_line": 4,
          "message": "the region is unknown: the entry has no regionId",
          "remedy": "add `regionId`, or check with --region; in a cluster the component finds its own region"
        },
        {
          "severity": "warning",
          "code": "NoEffect",
          "key": "acr-registry-info",
          "line": 3,
          "column": 3,
          "file_line": 6,
          "message": "expireDuration has no effect without assumeRoleARN",
          "remedy": "remove expireDuration, or add assumeRoleARN"
        }
      ],
      "entries": [
        {
          "index": 0,
          "edition": "enterprise",
          "region": null,
          "hosts": [
            "a.example.com/x"
          ],
          "chain": [
            "worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token"
          ]
        },
        {
          "index": 1,
          "edition": "personal",
          "region": "cn-beijing",
          "hosts": [
            "registry.cn-beijing.aliyuncs.com",
            "registry-vpc.cn-beijing.aliyuncs.com",
            "registry-internal.cn-beijing.aliyuncs.com",
            "registry-intl.cn-beijing.aliyuncs.com",
            "registry-intl-vpc.cn-beijing.aliyuncs.com"
          ],
          "chain": [
            "worker role of the node by the metadata service if the cluster is older than 2023-04-03, else managed role AliyunCSManagedAcrRole by the add-on token"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn an_entry_that_is_not_served_has_no_chain_and_no_hosts_and_a_secret_with_logins_no_region() {
    let input = b"- {instanceId: crpi-abcdefghij, domains: a.example.com}\n\
                  - {instanceId: cri-abcdefghij, regionId: 'cn.hangzhou'}\n\
                  - {instanceId: cri-abcdefghij, regionId: cn-hangzhou, assumeRoleARN: 'acs:ram::<uid>:role/b'}\n\
                  - {staticSecretRef: {namespace: infra, name: logins}}\n\
                  - {instanceId: 'cri-abcdefghij,crpi-abcdefghij', regionId: cn-hangzhou}\n";
    let output = run(&["-", "--token-mode", "managedRole"], input);
    let text = text(&output);
    let entries = text.split_once("entry 0: ").unwrap().1;
    insta::assert_snapshot!(entries, @"
    personal, region unknown
      not served: ACR hands out no temporary login for the new Personal Edition (crpi-…, opened after 2024-09-08)
    entry 1: enterprise, region unknown
      not served: regionId cannot be a region
    entry 2: enterprise, cn-hangzhou
      not served: assumeRoleARN still holds a placeholder
    entry 3: static
      hosts: known to the Secret only
      identity: user name and password in Secret infra/logins
    entry 4: enterprise, cn-hangzhou
      hosts: known to the cloud only
      identity: managed role AliyunCSManagedAcrRole by the add-on token
    <standard input>: 0 errors, 4 warnings
    ");
    let report = json(&run(&["-", "--output", "json", "--region", "cn-hangzhou"], input));
    let entries = report["entries"].as_array().unwrap();
    let shown = |field: &str| entries.iter().map(|entry| entry[field].to_string()).collect::<Vec<_>>();
    assert_eq!(
        shown("edition"),
        ["\"personal\"", "\"enterprise\"", "\"enterprise\"", "\"static\"", "\"enterprise\""]
    );
    assert_eq!(shown("region"), ["\"cn-hangzhou\"", "null", "\"cn-hangzhou\"", "null", "\"cn-hangzhou\""]);
    assert_eq!(shown("hosts"), ["[]"; 5]);
    let chained: Vec<bool> = entries.iter().map(|entry| entry["chain"].is_array()).collect();
    assert_eq!(chained, [false, false, false, true, true]);
    assert!(entries.iter().take(3).all(|entry| entry["chain"].is_null()), "{report}");
}

#[test]
fn region_and_token_mode_fill_what_a_cluster_would_say() {
    let input = b"- instanceId: cri-1\n- instanceId: ''\n";
    let chain = |arguments: &[&str]| {
        let report = json(&run(&[&["-", "--output", "json"], arguments].concat(), input));
        (report["entries"][0]["region"].clone(), report["entries"][0]["chain"].clone(), report)
    };
    let (region, both, report) = chain(&[]);
    assert_eq!(region, serde_json::Value::Null);
    assert!(
        both[0].as_str().unwrap().contains("worker role")
            && both[0].as_str().unwrap().contains("managed role")
    );
    assert_eq!(report["entries"][1]["hosts"], serde_json::json!([]));
    let unknown =
        report["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "UnknownRegion").count();
    assert_eq!(unknown, 2);
    let (region, worker, report) = chain(&["--region", "cn-beijing", "--token-mode", "workerRole"]);
    assert_eq!(region, "cn-beijing");
    assert!(!worker[0].as_str().unwrap().contains("managed role"));
    assert_eq!(report["entries"][1]["hosts"][0], "registry.cn-beijing.aliyuncs.com");
    let codes = |report: &serde_json::Value| {
        report["findings"].as_array().unwrap().iter().map(|f| f["code"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&report), Vec::<String>::new());
    let (_, managed, report) = chain(&["--region", "mars", "--token-mode", "managedRole"]);
    assert!(!managed[0].as_str().unwrap().contains("worker role"));
    assert_eq!(codes(&report).iter().filter(|code| *code == "\"UnknownRegion\"").count(), 1);
}

#[test]
fn the_managed_role_cannot_assume_a_role() {
    const ENTRIES: &str = r#""AcrInstanceInfo":[{"instanceId":"cri-1","regionId":"cn-beijing","assumeRoleARN":"acs:ram::1:role/b"}]}"#;
    let find_in = |input: &str, arguments: &[&str]| {
        let report = json(&run(&[&["-", "--output", "json"], arguments].concat(), input.as_bytes()));
        let found = report["findings"].as_array().unwrap().clone();
        found.into_iter().find(|finding| finding["code"] == "AssumeRoleUnderManagedRole")
    };
    let find = |arguments: &[&str]| find_in(&format!(r#"{{"tokenMode":"managedRole",{ENTRIES}"#), arguments);
    let finding = find(&[]).unwrap();
    for word in ["workerRole", "RRSA", "AliyunSTSAssumeRoleAccess"] {
        assert!(finding["remedy"].as_str().unwrap().contains(word), "{finding}");
    }
    assert_eq!((&finding["key"], &finding["line"]), (&"add-on-parameters".into(), &1.into()));
    assert!(find(&["--token-mode", "workerRole"]).is_some(), "as in `run`, the parameter wins over the flag");
    let open = |arguments: &[&str]| find_in(&format!("{{{ENTRIES}"), arguments);
    assert!(open(&[]).unwrap()["message"].as_str().unwrap().contains("2023-04-03"));
    assert_eq!(open(&["--token-mode", "workerRole"]), None);
}

#[test]
fn text_shows_each_fault_with_line_caret_place_and_remedy() {
    let input = b"# checked\ndata:\n  expiring-threshold: 15min\n  acr-registry-info: |\n    - {instanceId: cri-1, regionId: cn-hangzhuo, customAccessKey: MARKERONE, \
                  customAccessKeySecret: MARKERTWO}\n";
    let output = run(&["-"], input);
    assert_eq!(code(&output), 2);
    insta::assert_snapshot!(text(&output), @r#"
    error[InvalidDuration]: expiring-threshold `15min` is not a duration: this is no unit
      |
    3 | 15min
      |   ^^^
      |
      = note: <standard input>:3, key expiring-threshold, line 1, column 3
      = help: write numbers with one of the units h, m, s, ms, us, ns, without spaces: `15m`, `1h30m`

    warning[UnknownRegion]: `cn-hangzhuo` is no known region
      |
    5 | - {instanceId: cri-1, regionId: cn-hangzhuo, customAccessKey: ***, customAccessKeySecret: ***}
      |                                 ^^^^^^^^^^^
      |
      = note: <standard input>:5, key acr-registry-info, entry 0, line 1, column 33
      = help: write `cn-hangzhou`, if that is what is meant

    warning[InlineAccessKey]: an AccessKey stands in plain text in the ConfigMap
      |
    5 | - {instanceId: cri-1, regionId: cn-hangzhuo, customAccessKey: ***, customAccessKeySecret: ***}
      |                                              ^^^^^^^^^^^^^^^
      |
      = note: <standard input>:5, key acr-registry-info, entry 0, line 1, column 46
      = help: put it into a Secret and name that with customAccessKeySecretRef

    entry 0: enterprise, cn-hangzhuo
      hosts: known to the cloud only
      identity: AccessKey in the entry
    <standard input>: 1 error, 2 warnings
    "#);
}

#[test]
fn no_output_holds_a_key() {
    let input = "data:\n  color: MARKER\n  acr-registry-info: |\n    - instanceId: cri-1\n      customAccessKey: MARKER\n      \
                 customAccessKeySecret: [MARKER]\n      secret: MARKER\n    - instanceId: cri-2\n      customAccessKey: MARKER\n      customAccessKeySecret: MARKER\n";
    let broken = format!("{input}      regionId: \"MARKER\n");
    for input in [input, &broken] {
        for form in ["text", "json"] {
            let output = run(&["-", "--output", form], input.as_bytes());
            assert_eq!(code(&output), 2);
            assert!(!text(&output).contains("MARKER"), "{}", text(&output));
            assert!(output.stderr.is_empty());
        }
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_force_them() {
    let input = b"- instanceId: acme\n  regionId: cn-hangzhou\n";
    let colours =
        |environment: &[(&str, &str)]| text(&run_with(&["-"], input, environment)).contains('\u{1b}');
    assert!(!colours(&[]), "the output is a pipe");
    assert!(colours(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colours(&[("NO_COLOR", "1"), ("CLICOLOR", "1"), ("TERM", "xterm-256color")]));
    let json = run_with(&["-", "--output", "json"], input, &[("CLICOLOR_FORCE", "1")]);
    assert!(!text(&json).contains('\u{1b}'));
}

#[test]
fn a_reader_that_closes_the_pipe_changes_nothing_about_the_result() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"))
        .args(["config", "check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all("- regionId: a\n".repeat(2000).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let check = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_acr-credential-helper"));
        command.args(["config", "check"]).arg(file.path()).stdout(full).output().unwrap()
    };
    let fine = check("acr-registry-info: '[]'\n");
    assert_eq!(code(&fine), 74, "{fine:?}");
    assert!(String::from_utf8_lossy(&fine.stderr).contains("cannot print the findings"), "{fine:?}");
    assert_eq!(code(&check("acr-registry-info: ''\n")), 2);
}

#[test]
fn an_empty_region_is_none() {
    let output = run(&["--output", "json", "--region", "", "-"], b"- instanceId: cri-abcdefghij\n");
    assert_eq!(json(&output)["entries"][0]["region"], serde_json::Value::Null);
}
