//! The files that a description names, looked at before anything is served.

use std::path::Path;

use super::keys;
use crate::description::{Description, DescriptionError, KeySource, KeyUrl, Misfit, Places};
use crate::signing_key::SigningKey;

/// Checks that every file that a description names is there and holds what it must. `text` is what the description was read
/// from, for the lines; relative paths are those of `folder`.
pub async fn check_files(
    description: &Description,
    text: &str,
    folder: &Path,
) -> Result<(), DescriptionError> {
    let mut faults = Vec::new();
    for (account, of) in (0_usize..).zip(&description.accounts) {
        for (at, provider) in (0_usize..).zip(&of.oidc_providers) {
            let path = format!("accounts[{account}].oidcProviders[{at}].keys");
            if let Err((member, text)) = check_source(&provider.keys, folder).await {
                let text = format!("OIDC provider {:?}: {text}", provider.name);
                faults.push(Misfit { path: format!("{path}.{member}"), text });
            }
        }
    }
    if let Some(file) = &description.token_service.signing_key_file
        && let Err(text) = check_signing_key(&folder.join(file)).await
    {
        faults.push(Misfit { path: "tokenService.signingKeyFile".to_owned(), text });
    }
    if faults.is_empty() { Ok(()) } else { Err(DescriptionError::at(faults, &Places::of(text))) }
}

/// The member of `keys` that cannot be used, and why.
async fn check_source(source: &KeySource, folder: &Path) -> Result<(), (&'static str, String)> {
    const REMEDY: &str = "name a file that is there, relative to the description";
    match source {
        KeySource::Given | KeySource::Jwks(_) => Ok(()),
        KeySource::File(file) => keys::read(&folder.join(file)).await.map(drop).map_err(|error| {
            let remedy = "write there what `kubectl get --raw /openid/v1/jwks` prints";
            ("file", format!("{error}: {remedy}"))
        }),
        KeySource::Url(KeyUrl { address, ca_file, token_file }) => {
            let url: Option<http::Uri> = address.parse().ok();
            let scheme = url.as_ref().and_then(http::Uri::scheme_str);
            if !matches!(scheme, Some("http" | "https")) {
                return Err(("url.address", format!("{address:?} is not an http or https URL: write one")));
            }
            if scheme == Some("https") && ca_file.is_none() {
                let text = format!("{address} is https, and no caFile says whom to trust: name a PEM file");
                return Err(("url.address", text));
            }
            if let Some(file) = ca_file {
                let trusted = keys::authorities(&folder.join(file)).await;
                trusted.map_err(|error| ("url.caFile", format!("{error}: {REMEDY}")))?;
            }
            if let Some(file) = token_file {
                let token = keys::bearer(&folder.join(file)).await;
                token.map_err(|error| ("url.tokenFile", format!("{error}: {REMEDY}")))?;
            }
            Ok(())
        }
    }
}

async fn check_signing_key(path: &Path) -> Result<(), String> {
    const REMEDY: &str =
        "write a key with `openssl genpkey -algorithm RSA -out FILE`, or leave tokenService out";
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| format!("cannot read the signing key {}: {error}: {REMEDY}", path.display()))?;
    SigningKey::from_pem(&text).map(drop).map_err(|error| format!("{}: {error}: {REMEDY}", path.display()))
}
