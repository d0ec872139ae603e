//! Values that render well, and that the program would refuse or that do not go together: refused before anything is installed.

use crate::site::{RELEASE, chart, complaint, helm_alone, said};

async fn rendered(values: &[&str]) -> std::process::Output {
    let chart = chart();
    helm_alone(&[&["template", RELEASE, &chart, "--kube-version=1.36.3"], values].concat()).await
}

#[tokio::test]
async fn wrong_values_are_refused_with_a_sentence() {
    let cases: [(&[&str], &str); 13] = [
        (&["--set=watchNamespac=shop"], "additional properties 'watchNamespac' not allowed"),
        (&["--set=tokenMode=worker"], "tokenMode: \"worker\" is none of auto, managedRole, workerRole."),
        (&["--set=enableRRSA=maybe"], "enableRRSA: \"maybe\" is neither true nor false."),
        (
            &["--set=expiringThreshold=15 min"],
            "expiringThreshold: \"15 min\" is no duration. Write it as 15m or 1h30m.",
        ),
        (&["--set=expiring-threshold=15"], "expiring-threshold: \"15\" is no duration."),
        (&["--set=AcrInstanceInfo[0].regionId=cn-hangzhou"], "AcrInstanceInfo[0] has no instanceId."),
        (
            &["--set=AcrInstanceInfo[0].instanceId=cri-1,AcrInstanceInfo[0].customAccessKey=LTAI"],
            "Put them into a Secret and name it in customAccessKeySecretRef",
        ),
        (
            &["--set=watchNamespace=shop", "--set=watch-namespace=shop"],
            "The configuration is given twice: as parameters of the console (watchNamespace) and as keys of the \
             ConfigMap (watch-namespace).",
        ),
        (&["--set=image.digest=sha256:12"], "at '/image/digest'"),
        (&["--set=podHelp=evict"], "at '/podHelp': value must be one of"),
        (&["--set=placement=outside", "--set=hostNetwork=true"], "hostNetwork is for a pod"),
        (&["--set=proxy.url=proxy:3128"], "at '/proxy/url'"),
        // The program speaks plain HTTP to a proxy.
        (&["--set=proxy.url=https://proxy"], "at '/proxy/url'"),
    ];
    for (values, wanted) in cases {
        let words = complaint(&rendered(values).await);
        assert!(words.contains(wanted), "{values:?}: {words}");
    }
}

#[tokio::test]
async fn what_the_program_would_not_take_is_refused_with_the_place_and_what_is_allowed() {
    let cases: [(&[&str], &str); 20] = [
        (&["--set=regionId=cn hangzhou"], "at '/regionId'"),
        (&["--set=logLevel=loud"], "at '/logLevel'"),
        (&["--set=logLevel=info\\,acr_cluster"], "at '/logLevel'"),
        // It would give the right to see all pods.
        (&["--set=pods=restrat"], "at '/pods': value must be one of"),
        (
            &["--set=webhook-configuration.timeout-seconds=99"],
            "webhook-configuration.timeout-seconds: \"99\" is no number from 1 to 30.",
        ),
        (&["--set=webhook-configuration.timeout-seconds=31"], "\"31\" is no number from 1 to 30."),
        (
            &[r#"--set-json=AcrInstanceInfo=[{"instanceId":"","staticSecretRef":"keys"}]"#],
            "staticSecretRef': 'keys' does not match",
        ),
        (
            &[r#"--set-json=AcrInstanceInfo=[{"instanceId":"","endpoint":"intranet"}]"#],
            "AcrInstanceInfo[0].endpoint: \"intranet\" is none of auto, vpc, public.",
        ),
        (
            &[r#"--set-json=AcrInstanceInfo=[{"staticSecretRef":null}]"#],
            "AcrInstanceInfo[0] has no instanceId.",
        ),
        (
            &["--set=webhook-configuration.mode=polcy"],
            "webhook-configuration.mode: \"polcy\" is none of webhook, policy.",
        ),
        (&["--set=webhook-configuration=enable: true\nmode: polcy"], "\"polcy\" is none of"),
        (&["--set=webhook-configuration.failure-policy=fial"], "\"fial\" is none of ignore, fail."),
        (&["--set=webhook-configuration.enable=maybe"], "webhook-configuration.enable: \"maybe\""),
        (&["--set=webhook-configuration.modes=policy"], "webhook-configuration has no \"modes\""),
        (
            &["--set=AcrInstanceInfo[0].instanceId=cri-1,AcrInstanceInfo[0].expireDuration=1"],
            "AcrInstanceInfo[0].expireDuration: \"1\" is no number of seconds from 900 to 43200.",
        ),
        (
            &["--set=podHelp=append", "--set=webhook.enabled=false"],
            "is done by the webhook, and webhook.enabled is false",
        ),
        (&["--set=pods=append", "--set=webhook.enabled=false"], "Turn it on, or write report."),
        (&["--set=webhook.url=https://a"], "webhook.url is for a program outside of the cluster"),
        (&["--set=uninstall.timeoutSeconds=600"], "at '/uninstall/timeoutSeconds'"),
        (&["--set=port=8443"], "port and webhook.port are both 8443"),
    ];
    for (values, wanted) in cases {
        let words = complaint(&rendered(values).await);
        assert!(words.contains(wanted), "{values:?}: {words}");
    }
}

#[tokio::test]
async fn what_the_program_takes_is_not_refused() {
    let cases: [&[&str]; 15] = [
        &["--set=regionId=cn-hangzhou-finance", "--set=logLevel=debug"],
        &["--set=logLevel=info\\,acr_cluster=debug"],
        &["--set=webhook-configuration.timeout-seconds=30", "--set=webhook-configuration.enable=true"],
        &["--set=webhook-configuration=enable: yes\nmode: Policy\nfailure-policy: \"\"\ntimeout-seconds:"],
        &["--set=webhook-configuration=", "--set=pods="],
        &["--set=AcrInstanceInfo[0].instanceId=cri-1,AcrInstanceInfo[0].expireDuration=43200"],
        &["--set=podHelp=restart", "--set=webhook.enabled=false"],
        &["--set=webhook.url=https://a", "--set=placement=outside", "--set=port=8443"],
        &["--set=port=8443", "--set=webhook.enabled=false"],
        &["--set=webhook-configuration.timeout-seconds=0", "--set=expiring-threshold=0"],
        &["--set-string=enableRRSA=false", "--set=tokenMode=", "--set=expiringThreshold=0"],
        &["--set-string=enableRRSA=Yes", "--set=tokenMode=WorkerRole", "--set-json=expiringThreshold=null"],
        &[
            r#"--set-json=AcrInstanceInfo=[{"instanceId":"cri-1","endpoint":null,"expireDuration":0,"staticSecretRef":null}]"#,
        ],
        &[
            r#"--set-json=AcrInstanceInfo=[{"instanceId":"","endpoint":"","customAccessKey":"","namespaces":0}]"#,
        ],
        &[r#"--set-json=AcrInstanceInfo=[{"staticSecretRef":{"namespace":"shop","name":"keys"}}]"#],
    ];
    for values in cases {
        said(&rendered(values).await);
    }
}
