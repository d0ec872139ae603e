//! Makes certificates for the webhook: an authority, and the one certificate that it signs.

use std::time::Duration;

use acr_controller::admission::certificates::Generation;
use acr_credentials::UnixMillis;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Makes a certificate for `host`, a DNS name or an address, and its authority, whose key is not kept. Both are valid from
/// `begins` to `ends`.
pub fn make_certificate(
    host: &str,
    begins: UnixMillis,
    ends: UnixMillis,
) -> Result<Generation, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = params(&[], "acr-credential-helper", begins, ends)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_certificate = authority.self_signed(&authority_key)?;

    let key = KeyPair::generate()?;
    let mut serving = params(&[host.to_owned()], host, begins, ends)?;
    serving.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    serving.use_authority_key_identifier_extension = true;
    let certificate = serving.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    Ok(Generation {
        host: host.to_owned(),
        authority: authority_certificate.pem(),
        chain: certificate.pem(),
        key: key.serialize_pem().into(),
        begins,
        ends,
    })
}

fn params(
    hosts: &[String],
    name: &str,
    begins: UnixMillis,
    ends: UnixMillis,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, shortened(name));
    // The API of rcgen takes points of a time library that this project does not use otherwise.
    let point = |time: UnixMillis| {
        let millis = u64::try_from(time.0.clamp(0, LATEST_MILLIS)).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + Duration::from_millis(millis)
    };
    (params.not_before, params.not_after) = (point(begins), point(ends));
    Ok(params)
}

/// The last second that a certificate can name, 9999-12-31T23:59:59Z (RFC 5280 §4.1.2.5).
const LATEST_MILLIS: i64 = 253_402_300_799_000;

/// A common name has at most 64 characters (RFC 5280, ub-common-name); the host is in the alternative names in full.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
