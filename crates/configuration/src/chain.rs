//! The identity chain of an entry in words: the source credential, then the hops.

use crate::arn::{self, Kind};
use crate::configuration::{Entry, Identity, TokenMode};
use crate::mask;

/// Who asks, from the source credential to the last hop, as far as it is known without the cloud. Under
/// [`TokenMode::Auto`] both branches are in the first element, because the age of the cluster decides.
pub fn identity_chain(entry: &Entry, token_mode: TokenMode) -> Vec<String> {
    const MANAGED: &str = "managed role AliyunCSManagedAcrRole by the add-on token";
    const WORKER: &str = "worker role of the node by the metadata service";
    let source = match &entry.identity {
        Identity::StaticSecretRef(reference) => format!("user name and password in Secret {reference}"),
        Identity::AccessKeySecretRef(reference) => format!("AccessKey in Secret {reference}"),
        Identity::AccessKey { .. } => "AccessKey in the entry".to_owned(),
        Identity::Rrsa { role_arn, .. } => format!("RRSA {}", role(role_arn)),
        Identity::TokenMode => match token_mode {
            TokenMode::ManagedRole => MANAGED.to_owned(),
            TokenMode::WorkerRole => WORKER.to_owned(),
            TokenMode::Auto => {
                format!("{WORKER} if the cluster is older than 2023-04-03, else {MANAGED}")
            }
        },
    };
    // Nobody is asked for what stands in a Secret.
    let is_asked = !matches!(entry.identity, Identity::StaticSecretRef(_));
    let hop = entry.assume_role.as_ref().filter(|_| is_asked).map(|hop| role(&hop.role_arn));
    [source].into_iter().chain(hop).collect()
}

/// What is no ARN is a placeholder.
fn role(text: &str) -> String {
    match arn::parse(text, Kind::Role) {
        Ok(arn) => format!("role {} in account {}", arn.name, arn.account),
        Err(_) => format!("role {}", mask::quote(text)),
    }
}
