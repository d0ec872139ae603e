//! Entries with several ids in one `instanceId`: each domain has the login of the instance that owns it, shown by pulls, and
//! what becomes of it where the cloud does not tell who owns what. And entries that want the same host.

use acr_end_to_end::{ACME, Images, Instance, PROVIDER_ARN, ROLE_ARN, secret_login};
use acr_simulator::Description;
use acr_simulator::description::OneOrMany;
use secrecy::ExposeSecret;

use crate::scene::Scene;

/// An instance of the account and region of [`ACME`].
const SECOND: Instance = Instance {
    id: "cri-second0000000",
    public_host: "second-registry.cn-hangzhou.cr.aliyuncs.com",
    hosts: &[
        "second-registry-vpc.cn-hangzhou.cr.aliyuncs.com",
        "second-registry.cn-hangzhou.cr.aliyuncs.com",
    ],
    ..ACME
};

const KEYS: &str = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";

fn second_instance(description: &mut Description) {
    let acme = description.instances.iter().find(|instance| instance.id == ACME.id).unwrap();
    let mut second = acme.clone();
    SECOND.id.clone_into(&mut second.id);
    "second".clone_into(&mut second.name);
    second.custom_domains.clear();
    description.instances.push(second);
}

/// The user may ask for logins and pull; `ListInstanceEndpoint` he may call for these instances only.
fn listing_only(description: &mut Description, instances: &[Instance]) {
    let statements = &mut description.accounts[0].users[0].policies[0].statement;
    let only = |actions: &[&str]| OneOrMany(actions.iter().map(|action| (*action).to_owned()).collect());
    let mut list = statements[0].clone();
    statements[0].action = only(&["cr:GetAuthorizationToken", "cr:PullRepository"]);
    list.action = only(&["cr:ListInstanceEndpoint"]);
    for instance in instances {
        list.resource = OneOrMany(vec![format!("acs:cr:*:*:instance/{}", instance.id)]);
        statements.push(list.clone());
    }
}

fn entry(ids: &[Instance], domains: &[&str]) -> String {
    let ids: Vec<&str> = ids.iter().map(|instance| instance.id).collect();
    let domains = match domains {
        [] => String::new(),
        some => format!("  domains: {}\n", some.join(",")),
    };
    format!("- instanceId: \"{}\"\n  regionId: cn-hangzhou\n{domains}{KEYS}", ids.join(", "))
}

/// The registries of both instances, each with an image of the same name.
async fn registries(scene: &Scene<'_>) -> [Images; 2] {
    let both = [scene.images(ACME).await, scene.images(SECOND).await];
    for images in &both {
        images.push(&scene.stage, "team/web", "1.0").await.unwrap();
    }
    both
}

/// Whether an image can be pulled from `host` of a registry with the login that a pull secret has for `of`.
async fn pulls(scene: &Scene<'_>, space: &str, images: &Images, host: &str, of: &str) -> bool {
    let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
    let login = secret_login(space, &secret, of).unwrap().unwrap();
    images.pull(host, "team/web", "1.0", Some(&login)).await.unwrap().is_ok()
}

async fn password(scene: &Scene<'_>, space: &str, host: &str) -> String {
    let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
    secret_login(space, &secret, host).unwrap().unwrap().password.expose_secret().to_owned()
}

#[tokio::test]
async fn each_domain_of_an_entry_with_several_ids_is_pulled_from_with_the_login_of_its_own_instance() {
    let mut scene = Scene::begin_with("severalids", second_instance).await;
    let space = scene.create_space("shop").await;
    let [acme, second] = registries(&scene).await;
    let mut all: Vec<&str> = ACME.hosts.iter().chain(SECOND.hosts).copied().collect();
    all.sort_unstable();
    // By the domains of the cloud, and by those of the entry, in another order than the ids.
    scene.configure(&entry(&[SECOND, ACME], &[]), &[&space], &[]).await;
    scene.run().await;
    scene.attached(&space, "default").await;
    for named in [&[][..], &["images.acme.example", SECOND.public_host, ACME.public_host]] {
        scene.configure(&entry(&[SECOND, ACME], named), &[&space], &[]).await;
        let mut hosts = if named.is_empty() { all.clone() } else { named.to_vec() };
        hosts.sort_unstable();
        scene.served(&space, &hosts).await;
        for host in &hosts {
            let images = if SECOND.hosts.contains(host) { &second } else { &acme };
            assert!(pulls(&scene, &space, images, host, host).await, "{host} of {named:?}");
        }
        // The login of the one is of no use at the other.
        for (images, host, of) in
            [(&acme, ACME.public_host, SECOND.public_host), (&second, SECOND.public_host, ACME.public_host)]
        {
            assert!(!pulls(&scene, &space, images, host, of).await, "{host} with the login of {of}");
        }
    }
    assert_eq!(scene.logins(), 2, "one for each instance");
    assert_eq!(scene.cloud_calls(acr_simulator::Product::Cr, "ListInstanceEndpoint"), 2);
    scene.end().await;
}

#[tokio::test]
async fn where_no_domains_may_be_listed_those_of_several_ids_get_the_first_login_and_the_way_out_is_said() {
    let blind = |description: &mut Description| {
        second_instance(description);
        listing_only(description, &[]);
    };
    let mut scene = Scene::begin_with("severalblind", blind).await;
    let space = scene.create_space("shop").await;
    let [acme, second] = registries(&scene).await;
    let domains = [ACME.public_host, SECOND.public_host];
    scene.configure(&entry(&[SECOND, ACME], &domains), &[&space], &[]).await;
    scene.run().await;
    scene.served(&space, &domains).await;
    // Nobody can know better: a domain does not name its instance.
    assert!(pulls(&scene, &space, &second, SECOND.public_host, SECOND.public_host).await);
    assert!(!pulls(&scene, &space, &acme, ACME.public_host, ACME.public_host).await);
    let finding = scene.finding("Denied").await;
    for words in
        ["a domain does not name its instance", SECOND.id, "give each id an entry with its own `domains`"]
    {
        assert!(finding.contains(words), "{finding}");
    }
    // What it says is enough, without the right.
    let before = password(&scene, &space, ACME.public_host).await;
    let each = format!("{}{}", entry(&[SECOND], &[SECOND.public_host]), entry(&[ACME], &[ACME.public_host]));
    scene.configure(&each, &[&space], &[]).await;
    scene
        .until("the domain has the login of its own instance", async || {
            (password(&scene, &space, ACME.public_host).await != before).then_some(())
        })
        .await;
    for (images, host) in [(&acme, ACME.public_host), (&second, SECOND.public_host)] {
        assert!(pulls(&scene, &space, images, host, host).await, "{host}");
    }
    assert_eq!(scene.logins(), 2);
    scene.end().await;
}

#[tokio::test]
async fn a_domain_that_none_is_known_to_own_goes_to_the_instance_whose_domains_may_not_be_listed() {
    let half = |description: &mut Description| {
        second_instance(description);
        listing_only(description, &[ACME]);
    };
    let mut scene = Scene::begin_with("severalhalf", half).await;
    let space = scene.create_space("shop").await;
    let [acme, second] = registries(&scene).await;
    let domains = [ACME.public_host, SECOND.public_host];
    scene.configure(&entry(&[ACME, SECOND], &domains), &[&space], &[]).await;
    scene.run().await;
    scene.served(&space, &domains).await;
    for (images, host) in [(&acme, ACME.public_host), (&second, SECOND.public_host)] {
        assert!(pulls(&scene, &space, images, host, host).await, "{host}");
    }
    let finding = scene.finding("Denied").await;
    assert!(finding.contains(&format!("all get the login of {}", SECOND.id)), "{finding}");
    scene.end().await;
}

#[tokio::test]
async fn of_two_entries_with_the_same_host_the_first_wins_it_and_that_is_said() {
    let mut scene = Scene::begin("samehost").await;
    let space = scene.create_space("shop").await;
    let by_rrsa = format!(
        "- instanceId: {}\n  regionId: cn-hangzhou\n  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n",
        ACME.id
    );
    let by_key = entry(&[ACME], &[ACME.public_host]);
    let rrsa_on = [("rrsa", "enable: true\n")];
    // The entry with all domains comes second, then first.
    scene.configure(&format!("{by_key}{by_rrsa}"), &[&space], &rrsa_on).await;
    scene.run().await;
    scene.served_with_acme(&space).await;
    let shared = async || password(&scene, &space, ACME.public_host).await;
    let other = async || password(&scene, &space, "images.acme.example").await;
    let of_key = shared().await;
    assert_ne!(of_key, other().await);
    let finding = scene.finding("DuplicateHost").await;
    assert!(finding.contains("the first entry wins") && finding.contains(ACME.public_host), "{finding}");
    scene.configure(&format!("{by_rrsa}{by_key}"), &[&space], &rrsa_on).await;
    scene.until("the first has the host", async || (shared().await == other().await).then_some(())).await;
    assert_ne!(shared().await, of_key);
    scene.end().await;
}
