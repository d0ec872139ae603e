//! Pulls that work: every way to prove who the cluster is, by the public domain and by the one inside VPCs.

use acr_end_to_end::{ACME, BRANCH, Instance, PERSONAL, PROVIDER_ARN, ROLE_ARN};
use acr_simulator::Description;

use crate::play::{BASIC, BY_COMPONENT, BY_KEY, Cluster, Play, WITH_ACCOUNT, Workload};

const WORKER_ROLE: &[&str] = &["--token-mode=workerRole"];
const RRSA: &[(&str, &str)] = &[("rrsa", "enable: true\n")];
/// The role of the other account, and how long its sessions are to live.
const ASSUMED: &str = "  assumeRoleARN: acs:ram::1280000000009022:role/acr-cross\n  expireDuration: 3600\n";

/// One way to prove who the cluster is.
struct Way {
    /// Where the images are.
    instance: Instance,
    repository: &'static str,
    /// By the public domain, and by the one inside VPCs.
    workloads: [Workload; 2],
    change: fn(&mut Description),
    entries: String,
    keys: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    /// The codes of what the component has to say about it.
    told: &'static [&'static str],
}

impl Way {
    /// The Deployments as they are, with an instance of the cluster's own account.
    fn same_account(entries: impl Into<String>) -> Self {
        Self {
            instance: ACME,
            repository: "team/app",
            workloads: [BASIC, WITH_ACCOUNT],
            change: |_| {},
            entries: entries.into(),
            keys: &[],
            arguments: &[],
            told: &[],
        }
    }

    /// The same with the instance in the other account, which its builder pushes to.
    fn other_account(entries: impl Into<String>) -> Self {
        Self {
            instance: Instance { builder: BRANCH.builder, ..ACME },
            change: |description| description.instances[0].account = description.accounts[1].id.clone(),
            ..Self::same_account(entries)
        }
    }

    /// Applies the Deployments in fresh namespaces with fresh ServiceAccounts, and waits for the kubelet's word.
    async fn pulls(self) {
        let cluster = Cluster::start().await;
        let mut play = Play::begin_at(&cluster, self.instance, self.repository, self.change).await;
        let spaces = ["shop", "web"];
        let mut keys = vec![("service-account", "default,my-service-account")];
        keys.extend(self.keys);
        play.run(&self.entries, &spaces, &keys, self.arguments).await;
        for (space, workload) in spaces.into_iter().zip(&self.workloads) {
            play.create_space(space).await;
            play.apply_when_attached(space, workload).await;
        }
        for (space, workload) in spaces.into_iter().zip(&self.workloads) {
            play.pulled(space, workload).await;
        }
        // The blobs came from the bucket, where the registry's token is refused.
        let log = std::fs::read_to_string(play.images.log_path()).unwrap();
        let redirected =
            |line: &str| line.contains("http.response.status=307") && line.contains("/blobs/sha256:");
        assert!(log.lines().any(redirected), "{log}");
        assert_eq!(play.findings().await, self.told);
        play.end().await;
    }
}

/// The roles of the cluster's own account.
fn by_rrsa() -> String {
    format!("{BY_COMPONENT}  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n")
}

#[tokio::test]
async fn with_the_keys_of_an_entry() {
    Way::same_account(BY_KEY).pulls().await;
}

#[tokio::test]
async fn with_the_role_of_the_node() {
    Way { arguments: WORKER_ROLE, ..Way::same_account(BY_COMPONENT) }.pulls().await;
}

#[tokio::test]
async fn with_rrsa() {
    Way { keys: RRSA, ..Way::same_account(by_rrsa()) }.pulls().await;
}

#[tokio::test]
async fn across_accounts_with_the_keys_of_a_user_of_the_other_account() {
    let keys =
        "  customAccessKey: LTAI5tBranchPuller\n  customAccessKeySecret: marker-branch-puller-secret\n";
    Way::other_account(format!("{BY_COMPONENT}{keys}")).pulls().await;
}

#[tokio::test]
async fn across_accounts_with_the_role_of_the_node_and_then_one_of_the_other_account() {
    let way = Way::other_account(format!("{BY_COMPONENT}{ASSUMED}"));
    Way { arguments: WORKER_ROLE, ..way }.pulls().await;
}

#[tokio::test]
async fn across_accounts_with_rrsa_and_then_a_role_of_the_other_account() {
    let way = Way::other_account(format!("{}{ASSUMED}", by_rrsa()));
    Way { keys: RRSA, ..way }.pulls().await;
}

/// The Personal Edition of cn-hangzhou, by its public host and by the one inside VPCs.
fn personal(entries: &str) -> Way {
    let images = [
        "registry.cn-hangzhou.aliyuncs.com/acme/app:v1",
        "registry-vpc.cn-hangzhou.aliyuncs.com/acme/app:v1",
    ];
    Way {
        instance: PERSONAL,
        repository: "acme/app",
        workloads: [BASIC.with_image(images[0]), WITH_ACCOUNT.with_image(images[1])],
        ..Way::same_account(entries)
    }
}

#[tokio::test]
async fn of_the_personal_edition() {
    let way = personal("- instanceId: \"\"\n  regionId: cn-hangzhou\n");
    Way { arguments: WORKER_ROLE, ..way }.pulls().await;
}

#[tokio::test]
async fn of_the_personal_edition_with_the_keys_of_a_user_who_has_opened_it() {
    let keys = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";
    // Only he and who pushes have, and the region is that of the node.
    let opened = |description: &mut Description| {
        description.personal[0].users = Some(vec!["builder".to_owned(), "image-puller".to_owned()]);
    };
    let way = personal(&format!("- instanceId: \"\"\n{keys}"));
    Way { change: opened, told: &["EmptyInstanceId"], ..way }.pulls().await;
}
