//! The samples of the seed pages, applied as they are: each is served, or said to be what it is, by the table here.

use std::collections::BTreeMap;
use std::path::Path;

use acr_end_to_end::{ACME, BRANCH, PARTNER, PERSONAL, PROVIDER_ARN, ROLE_ARN, RunOptions};
use acr_simulator::Description;
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::{control_plane, turn};

/// The id that the samples have for an instance.
const ID: &str = "cri-0123456789abcdef";
const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";

/// What becomes of a sample.
enum Fate {
    /// With these texts in place of its placeholders, these hosts are served.
    Served(&'static [(&'static str, &'static str)], Vec<&'static str>),
    /// It is refused with this finding, and what was served before stays.
    Refused(&'static str),
    /// It is no configuration: another test applies it.
    Elsewhere,
}

macro_rules! sample {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../crates/configuration/fixtures/", $name)))
    };
}

fn table() -> Vec<((&'static str, &'static str), Fate)> {
    let branch = || vec![BRANCH.public_host];
    let personal = || {
        let mut hosts = PERSONAL.hosts.to_vec();
        hosts
            .extend(["registry-intl-vpc.cn-hangzhou.aliyuncs.com", "registry-intl.cn-hangzhou.aliyuncs.com"]);
        hosts
    };
    vec![
        (sample!("enterprise-fragment.yaml"), Fate::Served(&[], ACME.hosts[..2].to_vec())),
        (sample!("shell-configmap.yaml"), Fate::Refused("RegistryInfoMissing")),
        (
            sample!("two-regions-list.yaml"),
            Fate::Served(
                &[
                    (
                        "\"cri-instanceId\"\n    regionId: \"cn-beijing\"",
                        "\"cri-partner0000000\"\n    regionId: \"cn-beijing\"",
                    ),
                    ("cri-instanceId", ID),
                ],
                [ACME.hosts, PARTNER.hosts].concat(),
            ),
        ),
        (sample!("domains-two-strings.yaml"), Fate::Refused("SyntaxError")),
        (sample!("managed.json"), Fate::Served(&[], ACME.hosts.to_vec())),
        (sample!("keys-slash-comment.yaml"), Fate::Refused("SyntaxError")),
        (sample!("personal-configmap.yaml"), Fate::Served(&[], personal())),
        (sample!("personal-broken-indent.yaml"), Fate::Refused("SyntaxError")),
        (
            sample!("access-key-fragment.yaml"),
            Fate::Served(
                &[("\"xxxxxx\"", "marker-puller-secret"), ("\"xxxxx\"", "LTAI5tPuller")],
                personal(),
            ),
        ),
        (
            sample!("worker-role-fragment.yaml"),
            Fate::Served(
                &[
                    ("cri-xxx", "cri-branch0000000"),
                    ("xxxxx-registry", "branch-registry"),
                    ("<ARN of the role in account B>", CROSS_ROLE),
                ],
                branch(),
            ),
        ),
        (sample!("webhook-configmap.yaml"), Fate::Served(&[], ACME.hosts.to_vec())),
        (
            sample!("rrsa-fragment.yaml"),
            Fate::Served(
                &[
                    ("cri-xxx", "cri-branch0000000"),
                    ("xxxxx-registry", "branch-registry"),
                    ("<ARN of the role in account A>", ROLE_ARN),
                    ("<ARN of the cluster's OIDC provider in account A>", PROVIDER_ARN),
                    ("<ARN of the role in account B>", CROSS_ROLE),
                ],
                branch(),
            ),
        ),
        // The kubelet pulls their images: testbed/end-to-end/tests/node.
        (sample!("deployment-basic.yaml"), Fate::Elsewhere),
        (sample!("deployment-service-account.yaml"), Fate::Elsewhere),
    ]
}

/// The keys of a sample, whatever its form, with those that lead to the simulated cloud.
fn keys(name: &str, text: &str) -> BTreeMap<String, String> {
    if Path::new(name).extension().is_some_and(|extension| extension == "json") {
        return [("add-on-parameters".to_owned(), text.to_owned())].into();
    }
    let document: Value = serde_saphyr::from_str(text).unwrap();
    let data = document.get("data").unwrap_or(&document).as_object().unwrap();
    data.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_table_has_every_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/configuration/fixtures");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut listed: Vec<String> = table().iter().map(|((name, _), _)| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(listed, found);
}

#[tokio::test]
async fn every_sample_is_served_as_its_page_says_or_refused_for_what_is_wrong_with_it() {
    let _turn = turn().await;
    let control_plane = control_plane(&[]).await;
    let change = |description: &mut Description| {
        description.instances[0].id = ID.to_owned();
    };
    let mut scene = Scene::begin_on(&control_plane, "samples", change).await;
    scene
        .until("the default ServiceAccount exists", async || {
            scene.stage.list("default", "default").await.unwrap()
        })
        .await;
    let endpoints = scene.stage.cloud().listing().endpoints_yaml();
    scene.configure("[]", &["default"], &[]).await;
    let arguments = vec!["--token-mode=workerRole".to_owned()];
    scene.run_with(&RunOptions { arguments, ..RunOptions::default() }).await;
    let mut last = None;
    for ((name, text), fate) in table() {
        match fate {
            Fate::Served(replaced, mut hosts) => {
                let text = replaced.iter().fold(text.to_owned(), |text, (from, to)| {
                    assert!(text.contains(from), "{name} has no {from}");
                    text.replace(from, to)
                });
                let mut data = keys(name, &text);
                data.insert("endpoints".to_owned(), endpoints.clone());
                scene.stage.configure_exactly(&json!(data)).await.unwrap();
                hosts.sort_unstable();
                let what = format!("{name} serves {hosts:?}");
                let served = scene.until(&what, async || {
                    scene.served_now("default").await.filter(|served| served.hosts == hosts)
                });
                last = Some(served.await);
                scene.attached("default", "default").await;
            }
            Fate::Refused(code) => {
                let mut data = keys(name, text);
                data.insert("endpoints".to_owned(), endpoints.clone());
                scene.stage.configure_exactly(&json!(data)).await.unwrap();
                scene.finding(code).await;
                assert_eq!(scene.served_now("default").await, last, "{name} changed something");
            }
            Fate::Elsewhere => {}
        }
    }
    scene.end().await;
}
