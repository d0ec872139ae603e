//! Addresses that can be called: `https://host`, with a port and a path if needed.

use std::net::{Ipv6Addr, SocketAddrV6};

/// The address without slashes at its end; `None` where nothing can be called there.
///
/// A user, a query and a fragment have no place in it. A host may be a name, an IPv4 or a bracketed IPv6 address.
pub fn callable_url(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split('/').next().unwrap_or_default();
    let good = !host.is_empty()
        && (is_ipv6(host) || crate::domain::parse(host).is_ok())
        && !text.contains(['@', '?', '#', ' '])
        && !text.chars().any(char::is_control);
    good.then(|| text.trim_end_matches('/'))
}

/// `[address]` or `[address]:port`.
fn is_ipv6(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || host.starts_with('[') && host.parse::<SocketAddrV6>().is_ok_and(|address| address.port() > 0)
}

#[cfg(test)]
mod tests {
    use super::callable_url;

    #[test]
    fn what_cannot_be_called_is_no_url() {
        for text in [
            "",
            "sts.aliyuncs.com",
            "ftp://sts.aliyuncs.com",
            "https://",
            "http://[bad",
            "http://[bad]",
            "http://[::1]:0",
            "http://[::1]:port",
            "http://[::1]x",
            "https://host:99999",
            "https://user:password@host",
            "https://host/?query",
            "https://host/#fragment",
            "https://two words",
            "https://host/\n",
        ] {
            assert_eq!(callable_url(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_addresses_ports_and_paths_can_be_called() {
        for (text, expected) in [
            ("https://sts.aliyuncs.com", "https://sts.aliyuncs.com"),
            ("http://127.0.0.1:8080/sts/", "http://127.0.0.1:8080/sts"),
            ("https://[::1]", "https://[::1]"),
            ("https://[2001:db8::1]:8443/a/b", "https://[2001:db8::1]:8443/a/b"),
        ] {
            assert_eq!(callable_url(text), Some(expected), "{text:?}");
        }
    }
}
