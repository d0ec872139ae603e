//! RRSA that is refused: which of issuer, audience and subject does not fit, told in the same words as long as it lasts;
//! and what the injected environment counts for.

use acr_end_to_end::{ACME, PARTNER, PROVIDER_ARN, ROLE_ARN, RunOptions, SERVICE_ACCOUNT};
use acr_simulator::description::{OidcProvider, OneOrMany};
use acr_simulator::{Description, Jwks, Mutation, Product};

use crate::scene::Scene;

const RRSA_ON: [(&str, &str); 1] = [("rrsa", "enable: true\n")];

fn entry(role: &str, provider: &str) -> String {
    let provider = PROVIDER_ARN.replace("ack-rrsa-demo", provider);
    format!(
        "- instanceId: {}\n  regionId: cn-hangzhou\n  rrsaRoleARN: {role}\n  rrsaOIDCProviderRoleARN: {provider}\n",
        ACME.id
    )
}

/// Roles whose trust policies ask for another claim than the token has, by the condition.
const MISFITS: [(&str, &str, &str); 3] = [
    ("oidc:iss", "acr-other-issuer", "https://oidc.example/another-cluster"),
    ("oidc:aud", "acr-other-audience", "another.example"),
    ("oidc:sub", "acr-other-subject", "system:serviceaccount:shop:app"),
];

/// Providers of another issuer and for another audience, and roles for another issuer, audience and subject.
fn misfits(description: &mut Description) {
    let account = &mut description.accounts[0];
    let named =
        |name: &str, provider: &OidcProvider| OidcProvider { name: name.to_owned(), ..provider.clone() };
    let ours = account.oidc_providers[0].clone();
    account.oidc_providers.push(OidcProvider {
        issuer: "https://oidc.example/another-cluster".to_owned(),
        ..named("ack-rrsa-another", &ours)
    });
    account.oidc_providers.push(OidcProvider {
        client_ids: vec!["another.example".to_owned()],
        ..named("ack-rrsa-audience", &ours)
    });
    for (claim, name, value) in MISFITS {
        let mut role = account.roles[0].clone();
        name.clone_into(&mut role.name);
        let condition = role.trust_policy.statement[0].condition.values_mut().next().unwrap();
        let former = condition.insert(claim.to_owned(), OneOrMany(vec![value.to_owned()]));
        assert!(former.is_some(), "the policy of the documentation fixes {claim}");
        account.roles.push(role);
    }
}

/// Plays an entry that is refused with this code and verdict, and waits until it was tried again with the same words.
async fn refused(scene: &Scene<'_>, space: &str, entry: &str, code: &str, verdict: &str) -> String {
    scene.configure(entry, &[space], &RRSA_ON).await;
    let told = async || {
        let findings = scene.findings().await;
        findings.into_iter().find(|(_, found, message)| found == code && message.contains(verdict))
    };
    let (_, _, first) = scene.until(verdict, told).await;
    // Each try says the same, whatever else comes of the last one: the token is read anew for each.
    let asked = || scene.cloud_calls(Product::Sts, "AssumeRoleWithOIDC");
    let before = asked();
    let without_id = acr_credentials::without_request_ids(&first);
    scene
        .until("it was tried again, and said the same all the time", async || {
            let findings = scene.findings().await;
            let ours: Vec<String> = findings
                .iter()
                .filter(|(_, _, message)| message.starts_with("entry 0"))
                .map(|(_, _, message)| acr_credentials::without_request_ids(message))
                .collect();
            assert_eq!(ours, std::slice::from_ref(&without_id));
            (asked() >= before + 2).then_some(())
        })
        .await;
    first
}

#[tokio::test]
async fn which_of_issuer_audience_and_subject_does_not_fit_is_told_and_stays_told_in_the_same_words() {
    let mut scene = Scene::begin_with("misfit", misfits).await;
    let space = scene.create_space("shop").await;
    let jwks: Jwks = serde_json::from_str(&scene.stage.control_plane().jwks().await.unwrap()).unwrap();
    let provider = PROVIDER_ARN.replace("ack-rrsa-demo", "ack-rrsa-audience");
    scene.stage.cloud().cloud().mutate(Mutation::SetIssuerKeys { provider, jwks: Some(jwks) }).unwrap();
    scene.configure("[]", &[&space], &[]).await;
    scene.run().await;
    let subject = format!("sub system:serviceaccount:{}:{SERVICE_ACCOUNT}", scene.stage.namespace());
    let issuer = format!("iss {}", scene.stage.control_plane().issuer());
    let says_the_token = |finding: &str| {
        assert!(
            finding.contains(&subject)
                && finding.contains(&issuer)
                && finding.contains("aud sts.aliyuncs.com"),
            "{finding}"
        );
    };
    // The provider tells which it is.
    for (provider, verdict) in
        [("ack-rrsa-another", "the issuer does not fit"), ("ack-rrsa-audience", "the audience does not fit")]
    {
        let entry = entry(ROLE_ARN, provider);
        says_the_token(&refused(&scene, &space, &entry, "CredentialsRefused", verdict).await);
    }
    // A trust policy does not: its three conditions are refused alike, with what the policy must hold.
    for (_, role, _) in MISFITS {
        let role = ROLE_ARN.replace("acr-pull", role);
        assert_ne!(role, ROLE_ARN);
        let verdict = format!("the trust policy of {role} does not admit the component");
        let finding = refused(&scene, &space, &entry(&role, "ack-rrsa-demo"), "Denied", &verdict).await;
        says_the_token(&finding);
        assert!(finding.contains("not told by the cloud: which of"), "{finding}");
        let (_, statement) = finding.split_once("which must hold ").unwrap();
        let statement: serde_json::Value = serde_json::from_str(statement).unwrap();
        let equals = &statement["Condition"]["StringEquals"];
        assert_eq!(equals["oidc:iss"], scene.stage.control_plane().issuer());
        assert_eq!(equals["oidc:aud"], "sts.aliyuncs.com");
        assert_eq!(Some(equals["oidc:sub"].as_str().unwrap()), subject.strip_prefix("sub "));
    }
    scene.configure(&entry(ROLE_ARN, "ack-rrsa-demo"), &[&space], &RRSA_ON).await;
    scene.served_with_acme(&space).await;
    scene.mended("Denied").await;
    scene.end().await;
}

#[tokio::test]
async fn each_entry_has_the_rrsa_role_of_its_own() {
    let second = ROLE_ARN.replace("acr-pull", "acr-pull-second");
    let second_role = |description: &mut Description| {
        let roles = &mut description.accounts[0].roles;
        let mut role = roles.iter().find(|role| role.name == "acr-pull").unwrap().clone();
        "acr-pull-second".clone_into(&mut role.name);
        roles.push(role);
    };
    let mut scene = Scene::begin_with("tworoles", second_role).await;
    let space = scene.create_space("shop").await;
    let of_partner =
        entry(&second, "ack-rrsa-demo").replace(ACME.id, PARTNER.id).replace("hangzhou", "beijing");
    let entries = format!("{}{of_partner}", entry(ROLE_ARN, "ack-rrsa-demo"));
    scene.configure(&entries, &[&space], &RRSA_ON).await;
    scene.run().await;
    let mut hosts = [ACME.hosts, PARTNER.hosts].concat();
    hosts.sort_unstable();
    scene.served(&space, &hosts).await;
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRoleWithOIDC"), 2);
    for (instance, role) in [(ACME.id, ROLE_ARN), (PARTNER.id, &second)] {
        let cloud = scene.stage.cloud().cloud();
        let callers: Vec<String> = cloud
            .calls()
            .filter(|call| call.instance.as_deref() == Some(instance))
            .filter_map(|call| call.caller.clone())
            .collect();
        let by_role = |caller: &String| caller.starts_with(&format!("{role}/"));
        assert!(!callers.is_empty() && callers.iter().all(by_role), "{instance}: {callers:?}");
    }
    scene.end().await;
}

#[tokio::test]
async fn section_6_the_injected_environment_gives_token_file_region_and_endpoint_and_never_the_arns() {
    let mut scene = Scene::begin("injected").await;
    let space = scene.create_space("shop").await;
    let folder = scene.project_token().await;
    let file = folder.path().join("token");
    let url = |host: &str| scene.stage.cloud().listing().url(host).unwrap().to_owned();
    let (sts, cr) = (url("sts.cn-hangzhou.aliyuncs.com"), url("cr.cn-hangzhou.aliyuncs.com"));
    // As ack-pod-identity-webhook has it, with roles of somebody else.
    let environment = [
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.display().to_string()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", sts),
        ("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou".to_owned()),
        ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true".to_owned()),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1280000000009011:role/nobody".to_owned()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1280000000009011:oidc-provider/nobody".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let entries = entry(ROLE_ARN, "ack-rrsa-demo").replace("  regionId: cn-hangzhou\n", "");
    let data = serde_json::json!({ "acr-registry-info": entries, "watch-namespace": space, "rrsa": "enable: true",
        "endpoints": format!("- {{product: cr, url: \"{cr}\"}}\n") });
    scene.stage.configure_exactly(&data).await.unwrap();
    scene.run_with(&RunOptions { environment, ..RunOptions::default() }).await;
    scene.served_with_acme(&space).await;
    assert_eq!(scene.cloud_calls(Product::Sts, "AssumeRoleWithOIDC"), 1);
    assert_eq!(scene.stage.cloud_calls(Product::Metadata), Vec::<String>::new());
    let status = scene.component().status().await.unwrap();
    assert_eq!(status["logins"][0]["region_source"], "ALIBABA_CLOUD_STS_REGION", "{status}");
    let minted = scene.stage.requests().unwrap().iter().any(|event| event.subresource == "token");
    assert!(!minted, "a token was asked of the API server");
    scene.end().await;
}
