//! Percent-encoding of queries and forms, strict as RFC 3986 has it and as Alibaba Cloud signs it: only the
//! unreserved characters stay as they are
//! (<https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature>).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Appends `text` to `out`, percent-encoded.
pub fn encode_into(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, ENCODED));
}

/// `name=value` pairs joined by `&`, in the order given; the form of a query and of a form body.
pub fn encode_pairs(pairs: &[(&str, &str)]) -> String {
    // Reserved for the worst case, so that growing leaves no copy of a token behind in freed memory.
    let size = pairs.iter().map(|(name, value)| (name.len() + value.len()) * 3 + 2).sum();
    let mut out = String::with_capacity(size);
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode_into(&mut out, name);
        out.push('=');
        encode_into(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encode_pairs;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode_pairs(&[("a b", "~*-_.+/=&é")]), "a%20b=~%2A-_.%2B%2F%3D%26%C3%A9");
    }

    #[test]
    fn an_empty_value_keeps_its_equals_sign() {
        assert_eq!(encode_pairs(&[("empty", ""), ("test", "ok")]), "empty=&test=ok");
        assert_eq!(encode_pairs(&[]), "");
    }
}
