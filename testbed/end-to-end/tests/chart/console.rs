//! The configuration in the values: the parameters of the console as its API takes them, and the keys of the ConfigMap.

use serde_json::{Value, json};

use crate::rendering::rendered;
use crate::site::{program, said};

/// What `config check` says of a file: the entries, without their places, and the errors.
async fn checked(content: &Value) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("configuration.json");
    std::fs::write(&file, content.to_string()).unwrap();
    let mut check = tokio::process::Command::new(program().await.path());
    let output = check.args(["config", "check", "--output=json"]).arg(&file).output().await.unwrap();
    let checked: Value = serde_json::from_str(&said(&output)).unwrap();
    let findings = checked["findings"].as_array().unwrap().iter();
    let errors = findings.filter(|found| found["severity"] == "error").cloned().collect();
    (checked["entries"].clone(), errors)
}

/// The ConfigMap that these values make.
async fn config_map(values: &[&str]) -> Value {
    rendered(values).await.remove("ConfigMap kube-system acr-configuration").unwrap()
}

#[tokio::test]
async fn parameters_of_the_console_and_keys_of_the_config_map_become_a_configuration_that_loads() {
    let entries = r#"[{"instanceId":"cri-acme0000000000","regionId":"cn-hangzhou"}]"#;
    let console = [
        &*format!("--set-json=AcrInstanceInfo={entries}"),
        "--set=enableRRSA=false",
        "--set=watchNamespace=all",
    ];
    let keys = [
        &*format!("--set-json=acr-registry-info={entries}"),
        "--set-json=rrsa={\"enable\":false}",
        "--set=watch-namespace=all",
    ];
    for values in [&console, &keys] {
        let (entries, errors) = checked(&config_map(values).await).await;
        assert_eq!(entries[0]["edition"], "enterprise", "{entries}");
        assert_eq!(errors, [json!(null); 0]);
    }
}

#[tokio::test]
async fn parameters_that_the_console_leaves_empty_are_taken_and_left_out() {
    let parameters = json!({
        "enableRRSA": "True", "tokenMode": "", "expiringThreshold": 0, "notifyEmail": null, "serviceAccount": " ",
        "watchNamespace": "shop",
        "AcrInstanceInfo": [
            { "instanceId": "cri-acme0000000000", "regionId": "cn-hangzhou", "endpoint": null, "expireDuration": 0,
                "staticSecretRef": null, "customAccessKeySecretRef": "", "customAccessKey": "", "domains": "0",
                "assumeRoleARN": 0, "namespaces": 0 },
            { "instanceId": "", "endpoint": "VPC", "expireDuration": "" },
            { "staticSecretRef": { "namespace": "kube-system", "name": "login" }, "domains": "registry.example.com" },
        ],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parameters.json");
    std::fs::write(&file, parameters.to_string()).unwrap();
    let map = config_map(&[&format!("--values={}", file.display())]).await;
    let text = map["data"]["add-on-parameters"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({
            "enableRRSA": "True", "watchNamespace": "shop",
            "AcrInstanceInfo": [
                { "instanceId": "cri-acme0000000000", "regionId": "cn-hangzhou" },
                { "instanceId": "", "endpoint": "VPC" },
                { "staticSecretRef": { "namespace": "kube-system", "name": "login" }, "domains": "registry.example.com" },
            ],
        })
    );
    let (straight, errors) = checked(&parameters).await;
    assert_eq!(errors, [json!(null); 0]);
    assert_eq!(checked(&map).await, (straight, errors));
    // Nothing is set, so nothing is written.
    let none = rendered(&["--set-json=enableRRSA=null", "--set=expiringThreshold=0"]).await;
    assert!(!none.contains_key("ConfigMap kube-system acr-configuration"));
}

#[tokio::test]
async fn the_token_mode_of_the_console_becomes_the_flag_of_the_program() {
    for (given, flag) in [
        ("tokenMode=", None),
        ("tokenMode=0", None),
        ("tokenMode=null", None),
        ("tokenMode=Auto", None),
        ("tokenMode=workerrole", Some("--token-mode=workerRole")),
    ] {
        let objects = rendered(&[&format!("--set={given}")]).await;
        let deployment = &objects["Deployment kube-system aliyun-acr-credential-helper"];
        let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().unwrap().iter().filter_map(Value::as_str);
        let flags: Vec<&str> = arguments.filter(|argument| argument.starts_with("--token-mode")).collect();
        assert_eq!(flags, Vec::from_iter(flag), "{given}");
    }
}
