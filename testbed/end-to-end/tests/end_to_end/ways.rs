//! The ways to the cloud: a proxy, names that lead nowhere, certificates of a company, IPv6.

use std::net::SocketAddr;

use acr_end_to_end::{ACME, BRANCH, RunOptions};

use crate::front::{Front, on_ipv6};
use crate::scene::{ACME_BY_KEY, Scene};

const VPC: &str = "cr-vpc.cn-hangzhou.aliyuncs.com";
const PUBLIC: &str = "cr.cn-hangzhou.aliyuncs.com";

/// Where the simulated cloud serves a host.
fn way(scene: &Scene<'_>, host: &str) -> SocketAddr {
    let url = scene.stage.cloud().listing().url(host).unwrap();
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// [`ACME_BY_KEY`] with a region, a choice of endpoints, and no `endpoints` but these.
async fn configure(scene: &Scene<'_>, space: &str, choice: &str, endpoints: &str) {
    let entries = format!("{ACME_BY_KEY}  regionId: cn-hangzhou\n  endpoint: {choice}\n");
    let data =
        serde_json::json!({ "acr-registry-info": entries, "watch-namespace": space, "endpoints": endpoints });
    scene.stage.configure_exactly(&data).await.unwrap();
}

fn by_proxy(front: &Front, straight: &str, more: &[String]) -> RunOptions {
    let environment = [("HTTPS_PROXY", front.proxy.as_str()), ("NO_PROXY", straight)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    RunOptions { arguments: more.to_vec(), environment: environment.to_vec(), ..RunOptions::default() }
}

/// The file of `--extra-ca`, as an argument.
fn trusting(folder: &tempfile::TempDir, authority: &str) -> String {
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, authority).unwrap();
    format!("--extra-ca={}", path.display())
}

#[tokio::test]
async fn through_a_proxy_the_vpc_name_gives_way_to_the_public_one_and_a_choice_is_kept_to() {
    let mut scene = Scene::begin("tunnel").await;
    let space = scene.create_space("shop").await;
    // What only resolves in a VPC, the proxy does not reach.
    let front = Front::before([(PUBLIC.to_owned(), way(&scene, PUBLIC))].into()).await;
    let folder = tempfile::tempdir().unwrap();
    configure(&scene, &space, "vpc", "").await;
    scene.run_with(&by_proxy(&front, "", &[trusting(&folder, &front.authority)])).await;
    let finding = scene.finding("Unreachable").await;
    assert!(
        finding.contains(VPC) && finding.contains("HTTPS_PROXY") && !finding.contains(PUBLIC),
        "{finding}"
    );
    let asked = front.asked();
    assert!(!asked.is_empty() && asked.iter().all(|target| *target == format!("{VPC}:443")), "{asked:?}");

    configure(&scene, &space, "auto", "").await;
    scene.served_with_acme(&space).await;
    let asked = front.asked();
    assert!(asked.contains(&format!("{VPC}:443")) && asked.contains(&format!("{PUBLIC}:443")), "{asked:?}");
    scene.mended("Unreachable").await;
    let logins = scene.logins();
    assert_eq!(logins, 1);

    configure(&scene, &space, "public", "").await;
    scene.until("a login by the public name", async || (scene.logins() > logins).then_some(())).await;
    let asked = front.asked();
    assert!(asked.iter().all(|target| *target == format!("{PUBLIC}:443")), "{asked:?}");
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn an_injected_sts_endpoint_that_cannot_be_reached_gives_way_to_those_of_the_region() {
    const STS: &str = "sts.cn-hangzhou.aliyuncs.com";
    const INJECTED: &str = "sts-vpc.cn-beijing.aliyuncs.com";
    let mut scene = Scene::begin("stsfallback").await;
    let space = scene.create_space("shop").await;
    let ways = [STS, PUBLIC].map(|host| (host.to_owned(), way(&scene, host)));
    let front = Front::before(ways.into()).await;
    let folder = tempfile::tempdir().unwrap();
    let entry = |choice: &str| {
        let entry = format!(
            "- instanceId: {}\n  regionId: cn-hangzhou\n  endpoint: {choice}\n  customAccessKey: LTAI5tPuller\n  \
             customAccessKeySecret: marker-puller-secret\n  assumeRoleARN: acs:ram::1280000000009022:role/acr-cross\n",
            BRANCH.id
        );
        serde_json::json!({ "acr-registry-info": entry, "watch-namespace": space })
    };
    scene.stage.configure_exactly(&entry("vpc")).await.unwrap();
    let mut options = by_proxy(&front, "", &[trusting(&folder, &front.authority)]);
    options.environment.push(("ALIBABA_CLOUD_STS_ENDPOINT".to_owned(), INJECTED.to_owned()));
    scene.run_with(&options).await;
    // Who chooses is asked there, and nowhere else.
    let finding = scene.finding("Unreachable").await;
    assert!(finding.contains("sts-vpc.cn-hangzhou") && !finding.contains(INJECTED), "{finding}");
    front.asked();
    scene.stage.configure_exactly(&entry("auto")).await.unwrap();
    scene.served(&space, BRANCH.hosts).await;
    let asked: Vec<String> = front.asked().into_iter().filter(|target| target.starts_with("sts")).collect();
    let place = |host: &str| asked.iter().position(|target| *target == format!("{host}:443"));
    assert!(place(INJECTED).is_some() && place(INJECTED) < place(STS), "{asked:?}");
    scene.end().await;
}

#[tokio::test]
async fn what_no_proxy_names_is_called_straight_and_a_certificate_of_a_company_only_by_its_authority() {
    let mut scene = Scene::begin("company").await;
    let space = scene.create_space("shop").await;
    let mut front = Front::before([].into()).await;
    let url = front.straight(way(&scene, PUBLIC)).await;
    let endpoints = format!("- {{product: cr, url: \"{url}\"}}\n");
    configure(&scene, &space, "auto", &endpoints).await;
    // Through the proxy it cannot be reached, because that one knows nobody.
    scene.run_with(&by_proxy(&front, "", &[])).await;
    let finding = scene.finding("Unreachable").await;
    assert!(finding.contains("the proxy"), "{finding}");
    assert!(!front.asked().is_empty());
    scene.stop().await;
    scene.run_with(&by_proxy(&front, "127.0.0.1", &[])).await;
    let finding = scene.finding("Unreachable").await;
    assert!(finding.contains("(TLS)") && finding.contains("--extra-ca"), "{finding}");
    scene.stop().await;
    let folder = tempfile::tempdir().unwrap();
    scene.run_with(&by_proxy(&front, "127.0.0.1", &[trusting(&folder, &front.authority)])).await;
    scene.served_with_acme(&space).await;
    assert_eq!(front.asked(), Vec::<String>::new());
    scene.end().await;
}

#[tokio::test]
async fn a_cloud_that_answers_on_ipv6_is_called() {
    let mut scene = Scene::begin("ipv6").await;
    let space = scene.create_space("shop").await;
    let (url, task) = on_ipv6(way(&scene, PUBLIC)).await;
    configure(&scene, &space, "auto", &format!("- {{product: cr, url: \"{url}\"}}\n")).await;
    scene.run().await;
    scene.served(&space, ACME.hosts).await;
    scene.end().await;
    task.abort();
}
