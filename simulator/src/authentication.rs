//! Who signed a request: the three schemes, time window, nonces, key pairing, in the order and words of the gateway.

use std::collections::{HashSet, VecDeque};

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::answer::ApiError;
use crate::description::Description;
use crate::incoming::Incoming;
use crate::operations::Style;
use crate::ram::Caller;
use crate::sealed::Sealer;
use crate::signature::acs3::{self, Authorization, Signed};
use crate::signature::{self, roa, rpc};

/// How far the time of a request may be off in either direction.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// The nonces that were used within the time in which their requests could be replayed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces {
    seen: HashSet<(String, String)>,
    order: VecDeque<(Timestamp, (String, String))>,
}

impl Nonces {
    /// Remembers a nonce of an access key; `false` when it was used already.
    fn use_once(&mut self, now: Timestamp, access_key_id: &str, nonce: &str) -> bool {
        // A request dated 15 minutes ahead can be replayed for 30 minutes.
        while let Some((at, _)) = self.order.front()
            && now.duration_since(*at) > WINDOW.saturating_mul(2)
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.seen.remove(&key);
            }
        }
        let key = (access_key_id.to_owned(), nonce.to_owned());
        let fresh = self.seen.insert(key.clone());
        if fresh {
            self.order.push_back((now, key));
        }
        fresh
    }
}

/// The caller of a signed request.
pub(crate) fn authenticate(
    description: &Description,
    sealer: &Sealer,
    nonces: &mut Nonces,
    now: Timestamp,
    request: &Incoming,
    style: Style,
) -> Result<Caller, ApiError> {
    let signer = match (request.header("authorization"), style) {
        (None, Style::Rpc) => rpc_signer(description, sealer, now, request)?,
        (None, Style::Roa { .. }) => return Err(ApiError::missing("AccessKeyId")),
        (Some(header), Style::Roa { .. }) if header.starts_with(roa::SCHEME) => {
            roa_signer(description, sealer, now, request, header)?
        }
        (Some(header), _) => acs3_signer(description, sealer, now, request, header)?,
    };
    if !nonces.use_once(now, &signer.access_key_id, &signer.nonce) {
        return Err(ApiError::bad_request(
            "SignatureNonceUsed",
            "Specified signature nonce was used already.",
        ));
    }
    Ok(signer.caller)
}

/// A caller whose signature is right and whose nonce has not been looked at.
struct Signer {
    caller: Caller,
    access_key_id: String,
    nonce: String,
}

fn acs3_signer(
    description: &Description,
    sealer: &Sealer,
    now: Timestamp,
    request: &Incoming,
    header: &str,
) -> Result<Signer, ApiError> {
    let Some(authorization) = Authorization::parse(header) else {
        return Err(if header.starts_with(acs3::ALGORITHM) { incomplete() } else { invalid_method() });
    };
    check_time(now, request.header("x-acs-date"), "x-acs-date", iso_8601)?;
    let (nonce, access_key_id) = (header_nonce(request)?, authorization.access_key_id);
    let (caller, secret) = header_credential(description, sealer, now, request, access_key_id)?;
    let payload_hash = acs3::sha256(&request.body);
    let headers =
        acs3::canonical_headers(&request.headers, &request.host_header, authorization.signed_headers);
    let signed = Signed {
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: &headers,
        payload_hash: &payload_hash,
    };
    let right = request.header("x-acs-content-sha256") == Some(payload_hash.as_str())
        && signed.header_names() == authorization.signed_headers
        && signature::same(&signed.signature(secret.expose_secret()), authorization.signature);
    if !right {
        return Err(mismatch(&signed.string_to_sign()));
    }
    Ok(Signer { caller, access_key_id: access_key_id.to_owned(), nonce: nonce.to_owned() })
}

fn roa_signer(
    description: &Description,
    sealer: &Sealer,
    now: Timestamp,
    request: &Incoming,
    header: &str,
) -> Result<Signer, ApiError> {
    let pair = header.strip_prefix(roa::SCHEME).and_then(|rest| rest.split_once(':'));
    let Some((access_key_id, presented)) =
        pair.filter(|(id, signature)| !id.is_empty() && !signature.is_empty())
    else {
        return Err(incomplete());
    };
    let is = |name: &str, wanted| request.header(name).is_none_or(|sent| sent == wanted);
    if !is("x-acs-signature-method", "HMAC-SHA1") || !is("x-acs-signature-version", "1.0") {
        return Err(invalid_method());
    }
    check_time(now, request.header("date"), "Date", |text| {
        DateTimeParser::new().parse_timestamp(text).ok().filter(|_| text.ends_with(" GMT"))
    })?;
    let nonce = header_nonce(request)?;
    let (caller, secret) = header_credential(description, sealer, now, request, access_key_id)?;
    let text = roa::string_to_sign(request.method.as_str(), &request.headers, &request.path, &request.query);
    if !signature::same(&roa::signature(&text, secret.expose_secret()), presented) {
        return Err(mismatch(&text));
    }
    Ok(Signer { caller, access_key_id: access_key_id.to_owned(), nonce: nonce.to_owned() })
}

/// The nonce of a request that is signed in its headers.
fn header_nonce(request: &Incoming) -> Result<&str, ApiError> {
    let nonce = request.header("x-acs-signature-nonce").filter(|nonce| !nonce.is_empty());
    nonce.ok_or_else(|| ApiError::missing("SignatureNonce"))
}

/// The caller of a request that is signed in its headers, and the secret to verify with.
fn header_credential(
    description: &Description,
    sealer: &Sealer,
    now: Timestamp,
    request: &Incoming,
    access_key_id: &str,
) -> Result<(Caller, SecretString), ApiError> {
    let token = request.header("x-acs-security-token").filter(|token| !token.is_empty());
    if request.header("x-acs-accesskey-id").is_some_and(|sent| sent != access_key_id) {
        return Err(ApiError::bad_request(
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with the AccessKey.",
        ));
    }
    description.credential(sealer, now, access_key_id, token)
}

fn rpc_signer(
    description: &Description,
    sealer: &Sealer,
    now: Timestamp,
    request: &Incoming,
) -> Result<Signer, ApiError> {
    let parameters = &request.parameters;
    let demand = |name: &str| parameters.get(name).ok_or_else(|| ApiError::missing(name));
    let access_key_id = demand("AccessKeyId")?;
    let presented = demand("Signature")?;
    if demand("SignatureMethod")? != "HMAC-SHA1" || demand("SignatureVersion")? != "1.0" {
        return Err(invalid_method());
    }
    check_time(now, parameters.get("Timestamp"), "Timestamp", iso_8601)?;
    let nonce = demand("SignatureNonce")?;
    let (caller, secret): (Caller, SecretString) =
        description.credential(sealer, now, access_key_id, parameters.get("SecurityToken"))?;
    let signed = parameters.without("Signature");
    let expected = rpc::signature(request.method.as_str(), &signed, secret.expose_secret());
    if !signature::same(&expected, presented) {
        return Err(mismatch(&rpc::string_to_sign(request.method.as_str(), &signed)));
    }
    Ok(Signer { caller, access_key_id: access_key_id.to_owned(), nonce: nonce.to_owned() })
}

/// A time of the form `yyyy-MM-ddTHH:mm:ssZ`.
fn iso_8601(text: &str) -> Option<Timestamp> {
    // The length excludes fractions and offsets, which the parser would take.
    (text.len() == "2006-01-02T15:04:05Z".len() && text.ends_with('Z')).then(|| text.parse().ok())?
}

/// The time of a request must be of the form that its scheme has, and within the window.
fn check_time(
    now: Timestamp,
    sent: Option<&str>,
    name: &str,
    parse: impl Fn(&str) -> Option<Timestamp>,
) -> Result<(), ApiError> {
    let sent = sent.filter(|sent| !sent.is_empty()).ok_or_else(|| ApiError::missing(name))?;
    let Some(time) = parse(sent) else {
        return Err(ApiError::bad_request(
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        ));
    };
    if now.duration_since(time).abs() > WINDOW {
        return Err(ApiError::bad_request(
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        ));
    }
    Ok(())
}

fn incomplete() -> ApiError {
    ApiError::bad_request(
        "IncompleteSignature",
        "The request signature does not conform to Aliyun standards.",
    )
}

fn invalid_method() -> ApiError {
    ApiError::bad_request("InvalidSignatureMethod", "Specified signature method is not valid.")
}

fn mismatch(string_to_sign: &str) -> ApiError {
    ApiError::bad_request(
        "SignatureDoesNotMatch",
        format!(
            "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
        ),
    )
}
