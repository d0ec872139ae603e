//! Other accounts, the Personal Edition, the managed role, and keys and logins that stand in Secrets.

use acr_end_to_end::{ACME, BRANCH, PROVIDER_ARN, ROLE_ARN, RunOptions, SERVICE_ACCOUNT, secret_login};
use acr_simulator::{AddOnTokenRequest, Mutation, Product};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene};

const MANAGED_ROLE: &str = "acs:ram::1280000000009011:role/AliyunCSManagedAcrRole";
const CROSS_ROLE: &str = "acs:ram::1280000000009022:role/acr-cross";
const RRSA_ON: [(&str, &str); 1] = [("rrsa", "enable: true\n")];
const PERSONAL_HOSTS: [&str; 5] = [
    "registry-internal.cn-hangzhou.aliyuncs.com",
    "registry-intl-vpc.cn-hangzhou.aliyuncs.com",
    "registry-intl.cn-hangzhou.aliyuncs.com",
    "registry-vpc.cn-hangzhou.aliyuncs.com",
    "registry.cn-hangzhou.aliyuncs.com",
];

fn with(arguments: &[&str]) -> RunOptions {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    RunOptions { arguments, ..RunOptions::default() }
}

/// An entry of the other account's instance, with this identity before the hop.
fn branch(identity: &str) -> String {
    format!("- instanceId: {}\n  assumeRoleARN: {CROSS_ROLE}\n{identity}", BRANCH.id)
}

const BY_KEY: &str = "  customAccessKey: LTAI5tPuller\n  customAccessKeySecret: marker-puller-secret\n";

fn by_rrsa() -> String {
    format!("  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n")
}

pub(crate) async fn put_secret(scene: &Scene<'_>, name: &str, kind: &str, data: &Value) {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": kind,
        "stringData": data });
    let force = PatchParams::apply("somebody").force();
    let secrets = scene.stage.secrets(scene.stage.namespace());
    secrets.patch(name, &force, &Patch::Apply(&secret)).await.unwrap();
}

/// What the finding of a missing right tells the user to do.
pub(crate) async fn allow_secret(scene: &Scene<'_>, name: &str) {
    let namespace = scene.stage.namespace();
    let role: Role =
        serde_json::from_value(json!({ "metadata": { "name": name }, "rules": [{ "apiGroups": [""],
        "resources": ["secrets"], "resourceNames": [name], "verbs": ["get", "list", "watch"] }] }))
        .unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({ "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": namespace }] }))
    .unwrap();
    let client = scene.stage.client();
    Api::<Role>::namespaced(client.clone(), namespace).create(&PostParams::default(), &role).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    bindings.create(&PostParams::default(), &binding).await.unwrap();
}

/// The password that a pull secret holds for a host.
async fn password(scene: &Scene<'_>, space: &str, host: &str) -> Option<String> {
    let secret = scene.stage.pull_secret(space).await.unwrap().unwrap();
    let login = secret_login(space, &secret, host).unwrap()?;
    Some(login.password.expose_secret().to_owned())
}

fn add_on_token(scene: &Scene<'_>, role: &str) -> String {
    let request = AddOnTokenRequest { role: role.to_owned(), duration_seconds: 3600 };
    scene.stage.cloud().cloud().add_on_token(Timestamp::now(), &request).to_string()
}

#[tokio::test]
async fn an_instance_of_another_account_is_served_by_each_of_the_three_ways() {
    for (name, entry, keys, options) in [
        ("xkey", branch(BY_KEY), &[][..], with(&[])),
        ("xrrsa", branch(&by_rrsa()), &RRSA_ON[..], with(&[])),
        ("xworker", branch(""), &[], with(&["--token-mode=workerRole"])),
    ] {
        let mut scene = Scene::begin(name).await;
        let space = scene.create_space("shop").await;
        let images = scene.images(BRANCH).await;
        images.push(&scene.stage, "team/web", "1.0").await.unwrap();
        scene.configure(&entry, &[&space], keys).await;
        scene.run_with(&options).await;
        scene.attached(&space, "default").await;
        scene.served(&space, BRANCH.hosts).await;
        assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRole"), 1, "{name}");
        assert_eq!(scene.logins(), 1, "{name}");
        let secret = scene.stage.pull_secret(&space).await.unwrap().unwrap();
        let login = secret_login(&space, &secret, BRANCH.public_host).unwrap().unwrap();
        images.pull(BRANCH.public_host, "team/web", "1.0", Some(&login)).await.unwrap().unwrap();
        scene.end().await;
    }
}

#[tokio::test]
async fn a_source_that_may_not_assume_roles_is_told_to_get_the_policy_and_is_served_with_it() {
    let mut scene = Scene::begin("nopolicy").await;
    let space = scene.create_space("shop").await;
    let set = |scene: &Scene<'_>, action: &str| {
        let action = format!("sts:{action}");
        let policy = json!({ "Version": "1", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] });
        let policies = vec![serde_json::from_value(policy).unwrap()];
        let change = Mutation::SetRolePolicies { role: ROLE_ARN.to_owned(), policies };
        scene.stage.cloud().cloud().mutate(change).unwrap();
    };
    set(&scene, "GetCallerIdentity");
    scene.configure(&branch(&by_rrsa()), &[&space], &RRSA_ON).await;
    scene.run().await;
    let finding = scene.finding("Denied").await;
    assert!(
        finding.contains(&format!("may not assume {CROSS_ROLE}: attach AliyunSTSAssumeRoleAccess")),
        "{finding}"
    );
    // What the system policy holds.
    set(&scene, "AssumeRole");
    scene.served(&space, BRANCH.hosts).await;
    scene.mended("Denied").await;
    scene.end().await;
}

#[tokio::test]
async fn a_role_that_asks_for_an_external_id_is_assumed_with_it_and_refuses_without() {
    let mut scene = Scene::begin("external").await;
    let space = scene.create_space("shop").await;
    let entry = branch(BY_KEY).replace("acr-cross", "acr-external");
    scene.configure(&entry, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Denied").await;
    assert!(finding.contains("as AccessKey in the entry"), "{finding}");
    assert!(finding.contains("the trust policy of") && finding.contains("acr-external"), "{finding}");
    assert!(finding.contains("give the entry `externalId`"), "{finding}");
    assert!(!finding.contains("AliyunSTSAssumeRoleAccess"), "the permission is there: {finding}");
    scene.configure(&format!("{entry}  externalId: demo-cluster\n"), &[&space], &[]).await;
    scene.served(&space, BRANCH.hosts).await;
    scene.mended("Denied").await;
    scene.end().await;
}

#[tokio::test]
async fn the_old_personal_edition_is_served_on_all_its_hosts_and_the_new_one_is_explained() {
    let mut scene = Scene::begin("personal").await;
    let space = scene.create_space("shop").await;
    let old = format!("- instanceId: \"\"\n  regionId: cn-hangzhou\n{BY_KEY}");
    scene.configure(&old, &[&space], &[]).await;
    scene.run().await;
    scene.served(&space, &PERSONAL_HOSTS).await;
    scene.attached(&space, "default").await;
    let new = format!("{old}- instanceId: \"\"\n  regionId: cn-shanghai\n{BY_KEY}");
    scene.configure(&new, &[&space], &[]).await;
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("2024-09-08") && finding.contains("staticSecretRef"), "{finding}");
    scene.served(&space, &PERSONAL_HOSTS).await;
    scene.end().await;
}

#[tokio::test]
async fn the_managed_role_is_taken_from_the_file_or_from_the_secret_that_is_named() {
    let entry = format!("- instanceId: {}\n", ACME.id);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token-config");
    let file_argument = format!("--add-on-token-file={}", file.display());

    let mut scene = Scene::begin("addon").await;
    let space = scene.create_space("shop").await;
    scene.configure(&entry, &[&space], &[]).await;
    scene.run_with(&with(&[&file_argument])).await;
    // `auto` in a cluster that is younger than the managed role.
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("rrsaRoleARN") && finding.contains("workerRole"), "{finding}");
    std::fs::write(&file, add_on_token(&scene, CROSS_ROLE)).unwrap();
    let finding = scene.finding("Denied").await;
    assert!(finding.contains("NoPermission") && finding.contains("AliyunCSManagedAcrRole"), "{finding}");
    let mut cut = add_on_token(&scene, MANAGED_ROLE);
    cut.truncate(100);
    std::fs::write(&file, cut).unwrap();
    scene.finding("Malformed").await;
    std::fs::write(&file, add_on_token(&scene, MANAGED_ROLE)).unwrap();
    scene.served_with_acme(&space).await;
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRole"), 0);
    scene.end().await;

    let mut scene = Scene::begin("addonsecret").await;
    let space = scene.create_space("shop").await;
    let name = "addon.aliyuncsmanagedacrrole.token";
    let token = add_on_token(&scene, MANAGED_ROLE);
    put_secret(&scene, name, "Opaque", &json!({ "addon.token.config": token })).await;
    allow_secret(&scene, name).await;
    scene.configure(&entry, &[&space], &[]).await;
    let secret_argument = format!("--add-on-token-secret={name}");
    scene.run_with(&with(&["--token-mode=managedRole", &secret_argument])).await;
    scene.served_with_acme(&space).await;
    scene.end().await;
}

#[tokio::test]
async fn the_keys_of_a_registered_cluster_come_before_the_token_mode_and_blank_ones_are_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let put = |id: &str, secret: &str| {
        std::fs::write(folder.path().join("access-key-id"), id).unwrap();
        std::fs::write(folder.path().join("access-key-secret"), secret).unwrap();
    };
    put("", " \n");
    let argument = format!("--registered-key-folder={}", folder.path().display());
    let mut scene = Scene::begin("registered").await;
    let space = scene.create_space("shop").await;
    scene.configure(&format!("- instanceId: {}\n  regionId: cn-hangzhou\n", ACME.id), &[&space], &[]).await;
    scene.run_with(&with(&["--token-mode=managedRole", &argument])).await;
    scene.finding("NotFound").await;
    put("LTAI5tPuller", "");
    let finding = scene.finding("Malformed").await;
    assert!(finding.contains("access-key-secret"), "{finding}");
    put("LTAI5tPuller\n", "marker-puller-secret\n");
    scene.served_with_acme(&space).await;
    // Others count at once, long before a login has to be renewed.
    put("LTAI5tBuilder", "marker-builder-secret\n");
    scene
        .until("the other key asks", async || {
            let caller = scene.stage.cloud().cloud().calls().last().and_then(|call| call.caller.clone());
            caller.is_some_and(|caller| caller.ends_with(":user/builder")).then_some(())
        })
        .await;
    put("LTAI5tPuller\n", "marker-puller-secret\n");
    // They may assume roles, which the managed role in whose place they are may not.
    scene.configure(&format!("{}  regionId: cn-hangzhou\n", branch("")), &[&space], &[]).await;
    scene.served(&space, BRANCH.hosts).await;
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRole"), 1);
    assert_eq!(scene.findings().await, []);
    scene.end().await;
}

#[tokio::test]
async fn a_key_in_a_secret_is_granted_by_name_and_a_change_of_it_counts_at_once() {
    let mut scene = Scene::begin("keyref-ungranted").await;
    let space = scene.create_space("shop").await;
    let home = scene.stage.namespace().to_owned();
    let entry = format!(
        "- instanceId: {}\n  customAccessKeySecretRef: {{namespace: {home}, name: registry-key}}\n",
        ACME.id
    );
    scene.configure(&entry, &[&space], &[]).await;
    scene.run().await;
    let finding = scene.finding("Denied").await;
    assert!(finding.contains("create role acr-registry-key") && finding.contains(&home), "{finding}");
    allow_secret(&scene, "registry-key").await;
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("create secret generic registry-key"), "{finding}");
    let key = |id: &str, secret: &str| json!({ "access-key-id": id, "access-key-secret": secret });
    put_secret(&scene, "registry-key", "Opaque", &key("LTAI5tPuller", "marker-wrong")).await;
    let finding = scene.finding("CredentialsRefused").await;
    assert!(finding.contains("AccessKey in Secret"), "{finding}");
    put_secret(&scene, "registry-key", "Opaque", &key("LTAI5tPuller", "marker-puller-secret")).await;
    scene.served_with_acme(&space).await;
    // Another key is used at once, long before the login has to be renewed.
    let first = password(&scene, &space, ACME.public_host).await;
    put_secret(&scene, "registry-key", "Opaque", &key("LTAI5tBuilder", "marker-builder-secret")).await;
    scene
        .until("a login by the new key", async || {
            (password(&scene, &space, ACME.public_host).await != first).then_some(())
        })
        .await;
    scene.end().await;
}

#[tokio::test]
async fn logins_that_somebody_wrote_down_are_published_for_any_registry_and_follow_their_secret() {
    let mut scene = Scene::begin("static").await;
    let space = scene.create_space("shop").await;
    let home = scene.stage.namespace().to_owned();
    allow_secret(&scene, "quay").await;
    allow_secret(&scene, "pair").await;
    let auth = |password: &str| json!({ "username": "robot", "password": password });
    let config = |password: &str| {
        let auths =
            json!({ "quay.example": auth(password), "https://ghcr.example/v1/": auth("marker-other") });
        json!({ ".dockerconfigjson": json!({ "auths": auths }).to_string() })
    };
    put_secret(&scene, "quay", "kubernetes.io/dockerconfigjson", &config("marker-first")).await;
    put_secret(&scene, "pair", "Opaque", &json!({ "username": "u", "password": "marker-pair" })).await;
    let entries = format!(
        "- staticSecretRef: {{namespace: {home}, name: quay}}\n\
         - staticSecretRef: {{namespace: {home}, name: pair}}\n  domains: crpi-1.cn-hangzhou.personal.cr.aliyuncs.com\n"
    );
    scene.configure(&entries, &[&space], &[]).await;
    scene.run().await;
    let hosts = ["crpi-1.cn-hangzhou.personal.cr.aliyuncs.com", "ghcr.example", "quay.example"];
    scene.served(&space, &hosts).await;
    let published = async || password(&scene, &space, "quay.example").await;
    assert_eq!(published().await.as_deref(), Some("marker-first"));
    put_secret(&scene, "quay", "kubernetes.io/dockerconfigjson", &config("marker-second")).await;
    scene
        .within(PATIENCE, "the new password is published", async || {
            (published().await.as_deref() == Some("marker-second")).then_some(())
        })
        .await;
    // One host without a login stops no other, and is named; what was published for it stays.
    let broken = json!({ ".dockerconfigjson": json!({ "auths": { "quay.example": auth("marker-third"),
        "https://ghcr.example/v1/": { "username": "robot" }, "broken.example": {} } }).to_string() });
    put_secret(&scene, "quay", "kubernetes.io/dockerconfigjson", &broken).await;
    scene
        .within(PATIENCE, "the third password is published", async || {
            (published().await.as_deref() == Some("marker-third")).then_some(())
        })
        .await;
    for host in ["broken.example", "ghcr.example"] {
        scene
            .until(&format!("the finding of {host}"), async || {
                let findings = scene.findings().await;
                let told = |(_, code, text): &(String, String, String)| {
                    code == "Malformed"
                        && text.contains("no user name and password for")
                        && text.contains(host)
                };
                findings.iter().any(told).then_some(())
            })
            .await;
    }
    scene.served(&space, &hosts).await;
    put_secret(&scene, "quay", "kubernetes.io/dockerconfigjson", &config("marker-second")).await;
    scene.mended("Malformed").await;
    // A Secret that is gone takes nothing away, and is reported.
    let secrets = scene.stage.secrets(&home);
    secrets.delete("quay", &DeleteParams::default()).await.unwrap();
    let finding = scene.finding("NotFound").await;
    assert!(finding.contains("docker-registry quay"), "{finding}");
    scene.served(&space, &hosts).await;
    assert_eq!(scene.logins(), 0);
    scene.end().await;
}
