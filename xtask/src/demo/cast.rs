//! Who and what appears in the demo: namespaces, ServiceAccounts, an image and the configuration.

use acr_credentials::Login;
use acr_end_to_end::{ACME, Instance, PARTNER, PROVIDER_ARN, ROLE_ARN, Stage, secret_login};
use secrecy::ExposeSecret;

use crate::output::output;
use crate::show::Result;

/// The namespace whose Secret is tried in detail.
pub(super) const SHOP: &str = "shop";
/// Namespaces that the demo makes.
pub(super) const NAMESPACES: [&str; 3] = [SHOP, "team-blue", "team-green"];
/// ServiceAccounts that the demo makes in each, beside `default`.
pub(super) const ACCOUNTS: [&str; 2] = ["builder", "web"];
/// A namespace for whoever tries it.
pub(super) const SPARE: &str = "yours";
/// Namespaces with this in front of their name are not served.
pub(super) const NOT_SERVED: [&str; 2] = ["kube-", "default"];

/// The repository of the private image.
pub(super) const REPOSITORY: &str = "shop/web";
/// Its tag.
pub(super) const TAG: &str = "1.0";

/// A threshold that makes every login due five seconds after it was handed out.
pub(super) const SOON: &str = "59m55s";

/// The name of the image in an instance.
pub(super) fn reference(instance: &Instance) -> String {
    format!("{}/{REPOSITORY}:{TAG}", instance.public_host)
}

/// The keys of the ConfigMap.
pub(super) fn configuration(threshold: Option<&str>) -> Vec<(&'static str, String)> {
    let entries = format!(
        "- instanceId: {}\n  rrsaRoleARN: {ROLE_ARN}\n  rrsaOIDCProviderRoleARN: {PROVIDER_ARN}\n\
         - instanceId: {}\n  regionId: {}\n  customAccessKey: LTAI5tPuller\n  \
         customAccessKeySecret: marker-puller-secret\n",
        ACME.id, PARTNER.id, PARTNER.region,
    );
    let mut keys = vec![
        ("acr-registry-info", entries),
        ("rrsa", "enable: true\n".to_owned()),
        ("watch-namespace", "all".to_owned()),
        ("exclude-namespace", "kube-*, default".to_owned()),
        ("service-account", "*".to_owned()),
    ];
    keys.extend(threshold.map(|threshold| ("expiring-threshold", threshold.to_owned())));
    keys
}

/// Writes the ConfigMap.
pub(super) async fn configure(stage: &Stage<'_>, threshold: Option<&str>) -> Result {
    let keys = configuration(threshold);
    let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Ok(stage.configure(&keys).await?)
}

/// Shows the ConfigMap as somebody would write it, without the secret in it.
pub(super) fn print_configuration() {
    output!("     # ConfigMap kube-system/acr-configuration");
    for (key, value) in configuration(None) {
        if value.contains('\n') {
            output!("     {key}: |");
            for line in value.lines() {
                let shown = line
                    .split_once("Secret: ")
                    .map_or(line.to_owned(), |(field, _)| format!("{field}Secret: ..."));
                output!("       {shown}");
            }
        } else {
            output!("     {key}: {value:?}");
        }
    }
    output!("     endpoints: |");
    output!("       # where the simulated cloud listens");
}

/// The login that a container runtime finds in a namespace for an instance.
pub(super) async fn login(stage: &Stage<'_>, namespace: &str, instance: &Instance) -> Result<Login> {
    let secret =
        stage.pull_secret(namespace).await?.ok_or_else(|| format!("namespace {namespace} has no Secret"))?;
    let login = secret_login(namespace, &secret, instance.public_host)?;
    Ok(login.ok_or_else(|| format!("the Secret of {namespace} has no login for {}", instance.public_host))?)
}

/// Whether two logins are one.
pub(super) fn is_same(one: &Login, other: &Login) -> bool {
    one.password.expose_secret() == other.password.expose_secret()
}
