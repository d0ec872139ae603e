//! Percent-encoding as Alibaba Cloud signs it: RFC 3986 with only the unreserved characters left as they are
//! (<https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature>).

/// Appends `text` to `out`, percent-encoded.
pub(crate) fn encode_into(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte & 0xf));
        }
    }
}

/// `name=value` pairs joined by `&`, in the order given; the form of a query and of a form body.
pub(crate) fn encode_pairs(pairs: &[(&str, &str)]) -> String {
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
