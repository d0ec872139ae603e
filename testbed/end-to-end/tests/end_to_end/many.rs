//! Fifty entries over five identities and three regions, by the call log of the cloud: how often it is asked, how deep, and
//! in how many waves what it says is written. Entries of one identity share its sessions, and those of one instance its login
//! and its domains.

use std::collections::BTreeMap;
use std::fmt::Write;

use acr_end_to_end::{ACCOUNT, PROVIDER_ARN, PULL_SECRET, ROLE_ARN, RunOptions};
use acr_simulator::description::{Endpoint, Instance};
use acr_simulator::{CallRecord, Description, Fault, FaultEffect, Matcher, Product};
use jiff::SignedDuration;

use crate::scene::Scene;

const OTHER_ACCOUNT: &str = "1280000000009022";
const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";
const REGIONS: [&str; 3] = ["cn-hangzhou", "cn-beijing", "cn-shenzhen"];
const COUNT: usize = 50;

/// Keys, RRSA and the role of the node, and each of the latter two with a role of the other account.
fn identities() -> [String; 5] {
    let keys = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n".to_owned();
    let rrsa = format!("  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n");
    let hop = format!("  assumeRoleARN: {CROSS_ROLE}\n");
    [keys, rrsa.clone(), format!("{rrsa}{hop}"), String::new(), hop]
}

fn id(number: usize) -> String {
    format!("cri-{number:016}")
}

/// Entry N has identity N mod 5 and region N mod 3, and an instance of its own, which is of the account of its identity.
fn entries(count: usize) -> String {
    let identities = identities();
    let entry = |number: usize| {
        format!(
            "- instanceId: {}\n  regionId: {}\n{}",
            id(number),
            REGIONS[number % 3],
            identities[number % 5]
        )
    };
    (0..count).map(entry).collect()
}

fn instances(description: &mut Description) {
    let hops = identities().map(|identity| identity.contains("assumeRoleARN"));
    description.instances.extend((0..COUNT).map(|number| Instance {
        id: id(number),
        name: format!("many{number}"),
        region: REGIONS[number % 3].to_owned(),
        account: if hops[number % 5] { OTHER_ACCOUNT } else { ACCOUNT }.to_owned(),
        public_endpoint: Endpoint::default(),
        vpc_endpoint: Endpoint::default(),
        custom_domains: Vec::new(),
        auth_takeover: false,
        repositories: None,
    }));
}

fn hosts(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    let of = |number: usize| {
        ["", "-vpc"]
            .map(|kind| format!("many{number}-registry{kind}.{}.cr.aliyuncs.com", REGIONS[number % 3]))
    };
    let mut hosts: Vec<String> = numbers.flat_map(of).collect();
    hosts.sort_unstable();
    hosts
}

fn in_hangzhou() -> RunOptions {
    let arguments = vec!["--token-mode=workerRole".to_owned(), "--region=cn-hangzhou".to_owned()];
    RunOptions { arguments, ..RunOptions::default() }
}

/// The calls to a product, by action, instance and who asked.
fn counted(scene: &Scene<'_>, product: Product) -> BTreeMap<(String, Option<String>), usize> {
    let mut counted = BTreeMap::new();
    for call in scene.stage.cloud().cloud().calls().filter(|call| call.product == product) {
        assert_eq!(call.code, "OK", "{call:?}");
        *counted.entry((call.action.clone(), call.instance.clone())).or_default() += 1;
    }
    counted
}

async fn served_all(scene: &Scene<'_>, space: &str, numbers: impl Iterator<Item = usize>) {
    let hosts = hosts(numbers);
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    scene.served(space, &hosts).await;
}

#[tokio::test]
async fn each_hop_each_login_and_each_instances_domains_are_asked_once_and_written_in_one_wave() {
    let mut scene = Scene::begin_with("many", instances).await;
    let spaces = [scene.create_space("a").await, scene.create_space("b").await];
    let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
    scene.configure("[]", &names, &[("rrsa", "enable: true\n")]).await;
    scene.run_with(&in_hangzhou()).await;
    scene.configure(&entries(COUNT), &names, &[("rrsa", "enable: true\n")]).await;
    for space in &names {
        served_all(&scene, space, 0..COUNT).await;
    }
    let sts: Vec<(String, usize)> =
        counted(&scene, Product::Sts).into_iter().map(|((action, _), count)| (action, count)).collect();
    // RRSA once, and a hop from RRSA and from the role of the node.
    assert_eq!(sts, [("AssumeRole".to_owned(), 2), ("AssumeRoleWithOIDC".to_owned(), 1)]);
    let cr = counted(&scene, Product::Cr);
    for number in 0..COUNT {
        for action in ["GetAuthorizationToken", "ListInstanceEndpoint"] {
            assert_eq!(cr.get(&(action.to_owned(), Some(id(number)))), Some(&1), "{action} {number}");
        }
    }
    assert_eq!(cr.len(), 2 * COUNT);
    assert_one_wave(&scene, &names).await;
    scene.end().await;
}

/// How many pairs of an instance and an identity the entries of [`sharing`] have: each identity in each region.
const PAIRS: usize = 15;

/// Entry N is of the pair N mod 15: the first of a pair has all domains, each further one a namespace of the registry.
fn sharing() -> String {
    let identities = identities();
    let entry = |number: usize| {
        let pair = number % PAIRS;
        let mut entry = format!(
            "- instanceId: {}\n  regionId: {}\n{}",
            id(pair),
            REGIONS[pair % 3],
            identities[pair % 5]
        );
        if number >= PAIRS {
            writeln!(entry, "  domains: {}", path(number)).unwrap();
        }
        entry
    };
    (0..COUNT).map(entry).collect()
}

fn path(number: usize) -> String {
    let pair = number % PAIRS;
    format!("many{pair}-registry.{}.cr.aliyuncs.com/team{number}", REGIONS[pair % 3])
}

#[tokio::test]
async fn entries_that_share_instance_and_identity_share_one_login_and_one_list_of_domains() {
    let mut scene = Scene::begin_with("sharing", instances).await;
    let spaces = [scene.create_space("a").await, scene.create_space("b").await];
    let names: Vec<&str> = spaces.iter().map(String::as_str).collect();
    scene.configure("[]", &names, &[("rrsa", "enable: true\n")]).await;
    scene.run_with(&in_hangzhou()).await;
    scene.configure(&sharing(), &names, &[("rrsa", "enable: true\n")]).await;
    let mut keys = hosts(0..PAIRS);
    keys.extend((PAIRS..COUNT).map(path));
    keys.sort_unstable();
    for space in &names {
        scene.served(space, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let sts: Vec<(String, usize)> =
        counted(&scene, Product::Sts).into_iter().map(|((action, _), count)| (action, count)).collect();
    assert_eq!(sts, [("AssumeRole".to_owned(), 2), ("AssumeRoleWithOIDC".to_owned(), 1)]);
    let expected: BTreeMap<(String, Option<String>), usize> =
        ["GetAuthorizationToken", "ListInstanceEndpoint"]
            .into_iter()
            .flat_map(|action| (0..PAIRS).map(move |pair| ((action.to_owned(), Some(id(pair))), 1)))
            .collect();
    assert_eq!(counted(&scene, Product::Cr), expected);
    assert_one_wave(&scene, &names).await;
    scene.end().await;
}

/// One Secret for each namespace, in one write.
async fn assert_one_wave(scene: &Scene<'_>, names: &[&str]) {
    let is_write = |event: &acr_testbed::AuditEvent| {
        event.resource == "secrets" && event.verb == "patch" && names.contains(&event.namespace.as_str())
    };
    scene.audited(0, names.len(), is_write).await;
    let writes: Vec<_> = scene.stage.requests().unwrap().into_iter().filter(is_write).collect();
    assert_eq!(writes.len(), names.len(), "{PULL_SECRET} was written more than once: {writes:?}");
}

#[tokio::test]
async fn a_login_is_as_many_round_trips_deep_as_its_chain_has_sessions_and_one() {
    let mut scene = Scene::begin_with("depth", instances).await;
    let space = scene.create_space("shop").await;
    let trip = SignedDuration::from_secs(4);
    for product in [Product::Sts, Product::Cr] {
        let matcher = Matcher { product: Some(product), ..Matcher::default() };
        let effect = FaultEffect::Delay { milliseconds: 4000 };
        scene.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect });
    }
    // One entry of each identity: nobody waits for a slot.
    scene.configure(&entries(5), &[&space], &[("rrsa", "enable: true\n")]).await;
    scene.run_with(&in_hangzhou()).await;
    served_all(&scene, &space, 0..5).await;
    let calls: Vec<CallRecord> = scene
        .stage
        .cloud()
        .cloud()
        .calls()
        .filter(|call| call.product != Product::Metadata)
        .cloned()
        .collect();
    assert_eq!(calls.len(), 3 + 5 + 5, "{calls:?}");
    let first = calls.iter().map(|call| call.time).min().unwrap();
    // In which round trip a call began.
    let depth = |call: &CallRecord| call.time.duration_since(first).as_millis() / trip.as_millis();
    for call in &calls {
        let number = call.instance.as_deref().and_then(|id| id.strip_prefix("cri-")?.parse::<usize>().ok());
        let sessions = match (call.action.as_str(), number.map(|number| number % 5)) {
            // Nothing goes before keys, and the role of the node is no round trip to STS.
            ("AssumeRoleWithOIDC", None) | (_, Some(0 | 3)) => 0,
            (_, Some(1 | 4)) => 1,
            (_, Some(2)) => 2,
            // From the role of the node at once, from RRSA when its session is there.
            ("AssumeRole", None) => {
                i128::from(call.caller.as_deref().is_some_and(|who| who.contains("acr-pull")))
            }
            other => panic!("{other:?}: {call:?}"),
        };
        assert_eq!(depth(call), sessions, "{call:?}");
    }
    scene.end().await;
}

#[tokio::test]
async fn an_entry_whose_cloud_answers_in_ten_seconds_delays_none_of_the_others() {
    let mut scene = Scene::begin_with("tardy", instances).await;
    let space = scene.create_space("shop").await;
    let matcher = Matcher { instance: Some(id(0)), ..Matcher::default() };
    let effect = FaultEffect::Delay { milliseconds: 10_000 };
    scene.stage.cloud().cloud().add_fault(Fault { matcher, times: None, effect });
    scene.configure(&entries(COUNT), &[&space], &[("rrsa", "enable: true\n")]).await;
    scene.run_with(&in_hangzhou()).await;
    served_all(&scene, &space, 1..COUNT).await;
    let late = scene.stage.cloud().cloud().calls().find(|call| call.instance == Some(id(0))).unwrap().time;
    let waited = jiff::Timestamp::now().duration_since(late);
    assert!(
        waited < SignedDuration::from_secs(10),
        "the others were served {waited} after the late one was asked"
    );
    served_all(&scene, &space, 0..COUNT).await;
    scene.end().await;
}
