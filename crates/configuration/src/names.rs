//! Names of keys and fields: which are known, and which known one an unknown one looks like.

/// Keys of the ConfigMap that have a counterpart among the add-on parameters.
pub(crate) const SHARED_KEYS: [&str; 6] =
    ["acr-registry-info", "expiring-threshold", "notify-email", "rrsa", "service-account", "watch-namespace"];

/// Every key of the ConfigMap.
pub(crate) const KEYS: [&str; 15] = [
    "acr-api-version",
    "acr-registry",
    "acr-registry-info",
    ADD_ON_PARAMETERS,
    "endpoints",
    "exclude-namespace",
    "expiring-threshold",
    "namespace-selector",
    "notify-email",
    "pods",
    "rrsa",
    "service-account",
    "takeover",
    "watch-namespace",
    "webhook-configuration",
];

/// The Secrets that the component writes: pull secrets and its journal. What it published would come back to it as what
/// somebody else wrote down, without an end.
pub(crate) const OWN_SECRETS: [&str; 2] =
    ["acr-credential-secret-aggregation", "acr-credential-helper-state"];

/// The key that holds the add-on parameters.
pub(crate) const ADD_ON_PARAMETERS: &str = "add-on-parameters";

/// Every field of an entry.
pub(crate) const ENTRY: [&str; 15] = [
    "assumeRoleARN",
    "customAccessKey",
    "customAccessKeySecret",
    "customAccessKeySecretRef",
    "domains",
    "endpoint",
    "expireDuration",
    "externalId",
    "instanceId",
    "namespaces",
    "regionId",
    "rrsaOIDCProviderRoleARN",
    "rrsaRoleARN",
    "serviceAccounts",
    "staticSecretRef",
];

/// Every field of the add-on parameters.
pub(crate) const PARAMETERS: [&str; 7] = [
    "AcrInstanceInfo",
    "enableRRSA",
    "expiringThreshold",
    "notifyEmail",
    "serviceAccount",
    "tokenMode",
    "watchNamespace",
];

/// Every field of `rrsa`.
pub(crate) const RRSA: [&str; 1] = ["enable"];

/// Every field of `webhook-configuration`.
pub(crate) const WEBHOOK: [&str; 4] = ["enable", "failure-policy", "mode", "timeout-seconds"];

/// Every field of an element of `endpoints`.
pub(crate) const ENDPOINT: [&str; 3] = ["product", "region", "url"];

/// Every field of a reference to a Secret.
pub(crate) const SECRET_REF: [&str; 2] = ["name", "namespace"];

/// Fields whose values are never shown.
pub(crate) fn is_secret(field: &str) -> bool {
    matches!(field, "customAccessKey" | "customAccessKeySecret")
}

/// Fields whose values are one text, in which commas separate what others would write as a list.
pub(crate) fn is_comma_list(field: &str) -> bool {
    matches!(field, "domains" | "instanceId" | "watchNamespace" | "serviceAccount")
}

/// What is written for a field by who takes its value for what it is: the ARN of a provider, not of a role.
const MISTAKEN: [(&str, &str); 1] = [("rrsaOIDCProviderARN", "rrsaOIDCProviderRoleARN")];

/// The documentation of the managed edition prints `InstanceId` for `instanceId`.
pub(crate) fn canonical(field: &str) -> &str {
    if field == "InstanceId" { "instanceId" } else { field }
}

/// The nearest known name, and whether the two look alike.
pub(crate) fn nearest(unknown: &str, known: &[&'static str]) -> Option<(&'static str, bool)> {
    let folded = fold(unknown);
    let mistaken = MISTAKEN.iter().find(|(written, meant)| fold(written) == folded && known.contains(meant));
    if let Some((_, meant)) = mistaken {
        return Some((*meant, true));
    }
    let distance = |name: &str| strsim::osa_distance(&folded, &fold(name));
    // A long text is no name; measuring it would only cost time.
    let (distance, name) = if folded.len() > 64 {
        (usize::MAX, *known.first()?)
    } else {
        known.iter().map(|name| (distance(name), *name)).min()?
    };
    let tolerated = (name.len() / 3).clamp(1, 3);
    Some((name, distance <= tolerated))
}

/// Case, dashes and underscores make no difference: `watchNamespace` looks like `watch-namespace`.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, KEYS, nearest};

    #[test]
    fn a_misspelled_name_looks_like_the_known_one() {
        for (unknown, known) in [
            ("watch-namespaces", "watch-namespace"),
            ("watchNamespace", "watch-namespace"),
            ("Watch-Namespace", "watch-namespace"),
            ("watch_namespace", "watch-namespace"),
            ("service-accounts", "service-account"),
            ("exclude-namespaces", "exclude-namespace"),
            ("acr-registry-infos", "acr-registry-info"),
            ("expiring-treshold", "expiring-threshold"),
            ("pod", "pods"),
        ] {
            assert_eq!(nearest(unknown, &KEYS), Some((known, true)), "{unknown}");
        }
        for (unknown, known) in [
            ("regionID", "regionId"),
            ("region", "regionId"),
            ("domain", "domains"),
            ("instanceid", "instanceId"),
            ("assumeRoleArn", "assumeRoleARN"),
            ("rrsaOIDCProviderARN", "rrsaOIDCProviderRoleARN"),
            ("rrsaOidcProviderArn", "rrsaOIDCProviderRoleARN"),
            ("customAccessKeySecrt", "customAccessKeySecret"),
        ] {
            let (name, alike) = nearest(unknown, &ENTRY).unwrap();
            assert_eq!((name, alike), (known, true), "{unknown}");
        }
    }

    #[test]
    fn a_name_of_something_else_looks_like_nothing() {
        for unknown in ["log-level", "replicas", "foo", "image", &"x".repeat(1000)] {
            assert!(!nearest(unknown, &KEYS).unwrap().1, "{unknown}");
        }
    }
}
