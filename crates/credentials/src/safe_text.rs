//! What of a server's text may be shown: no secret of ours, no string to sign, no control character, no novel.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::uri_encoding::encode_into;

const LONGEST_MESSAGE_CHARS: usize = 600;
const LONGEST_NAME_CHARS: usize = 128;

/// A shorter secret would blank out ordinary words; no real one is that short.
const SHORTEST_SECRET_BYTES: usize = 6;

/// A server's message, fit for a log: one line of bounded length without any of `secrets`.
///
/// The message of `SignatureDoesNotMatch` quotes the string to sign, which holds the security token in encoded
/// forms, so it ends before the quotation.
pub fn message(text: &str, secrets: &[&SecretString]) -> String {
    let mut text = Zeroizing::new(before_string_to_sign(text).to_owned());
    for secret in secrets {
        let mut form = Zeroizing::new(secret.expose_secret().trim().to_owned());
        if form.len() < SHORTEST_SECRET_BYTES {
            continue;
        }
        // As it is, as in a URL, and as in the string to sign of a URL.
        for _ in 0..3 {
            if text.contains(form.as_str()) {
                text = Zeroizing::new(text.replace(form.as_str(), "***"));
            }
            let mut encoded = Zeroizing::new(String::with_capacity(form.len() * 3));
            encode_into(&mut encoded, &form);
            form = encoded;
        }
    }
    let words = text.split(|character: char| character.is_control() || character.is_whitespace());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// An error code or a request id, where the text looks like one and holds no secret.
pub fn name(text: &str, secrets: &[&SecretString]) -> Option<String> {
    let legible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME_CHARS && text.bytes().all(legible);
    (fits && message(text, secrets) == text).then(|| text.to_owned())
}

fn before_string_to_sign(text: &str) -> &str {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let quotation = ["string to sign", "stringtosign", "canonical request", "canonicalrequest"]
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min();
    let kept = quotation.and_then(|start| text.get(..start)).unwrap_or(text);
    if quotation.is_none() {
        return kept;
    }
    let open = |character: char| character.is_whitespace() || matches!(character, '[' | '(' | ',');
    let kept = kept.trim_end_matches(open);
    kept.strip_suffix("server").or_else(|| kept.strip_suffix("Server")).unwrap_or(kept).trim_end_matches(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_string_to_sign_is_cut_off() {
        for text in [
            "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&SecurityToken%3DMARKER",
            "Specified signature is not matched with our calculation. [server string to sign is:GET MARKER]",
            "Specified signature is not matched with our calculation. (Server StringToSign MARKER)",
        ] {
            let shown = message(text, &[]);
            assert!(shown.starts_with("Specified signature is not matched with our calculation."), "{shown}");
            assert!(!shown.contains("MARKER"), "{shown}");
        }
    }

    #[test]
    fn a_secret_is_blanked_out_in_every_encoding() {
        let secret: SecretString = "MARKER+/==".into();
        for text in ["a MARKER+/== b", "a MARKER%2B%2F%3D%3D b", "a MARKER%252B%252F%253D%253D b"] {
            assert_eq!(message(text, &[&secret]), "a *** b");
        }
        assert_eq!(name("MARKERxyz", &[&"MARKERxyz".into()]), None);
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(message("a\r\n\u{1b}[31mb\u{0}  c", &[]), "a [31mb c");
        assert_eq!(message(&"é".repeat(10_000), &[]).chars().count(), LONGEST_MESSAGE_CHARS + 1);
    }

    #[test]
    fn what_does_not_look_like_a_code_is_none() {
        for text in ["", "a b", "<html>", "é", &"a".repeat(200)] {
            assert_eq!(name(text, &[]), None, "{text}");
        }
        assert_eq!(
            name("AuthenticationFail.OIDCToken.Expired", &[]).as_deref(),
            Some("AuthenticationFail.OIDCToken.Expired")
        );
    }
}
