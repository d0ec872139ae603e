//! Registry domains of an entry: `host`, `host:port` or `host/namespace`.

use crate::configuration::Domain;

/// A domain, and whether a scheme was written in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) domain: Domain,
    pub(crate) had_scheme: bool,
}

/// Reads one element of `domains`, or says what is wrong with it. A scheme and a slash at the end are tolerated.
pub(crate) fn parse(text: &str) -> Result<Read, &'static str> {
    let (had_scheme, rest) = match text.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, text),
    };
    let rest = rest.trim_end_matches('/');
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (rest, None),
    };
    if host.starts_with('[') || host.matches(':').count() > 1 {
        return Err("an IPv6 address is not supported here, write a host name that resolves to it");
    }
    let name = match host.split_once(':') {
        None => host,
        Some((name, port)) => {
            let number = port.parse::<u16>().ok().filter(|number| *number > 0);
            if number.is_none() || !port.chars().all(|c| c.is_ascii_digit()) {
                return Err("what follows the colon is not a port");
            }
            name
        }
    };
    let name = name.to_ascii_lowercase();
    if name.contains('*') {
        return Err("a host name cannot have a `*`");
    }
    if !crate::scope::is_dns_subdomain(&name) {
        return Err("this is not a host name");
    }
    let in_path =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '/');
    if let Some(path) = path
        && (path.split('/').any(str::is_empty) || !path.chars().all(in_path))
    {
        return Err("what follows the slash is not the beginning of a repository name");
    }
    let domain = Domain { host: host.to_ascii_lowercase(), path: path.map(str::to_owned) };
    Ok(Read { domain, had_scheme })
}

/// Whether a host belongs to the new Personal Edition (created on or after 2024-09-09).
pub(crate) fn is_new_personal(host: &str) -> bool {
    without_port(host).ends_with(".personal.cr.aliyuncs.com")
}

/// The host name alone.
pub(crate) fn without_port(host: &str) -> &str {
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_domain_is_read_with_port_and_path_and_without_scheme() {
        for (text, expected, had_scheme) in [
            ("a.example.com", "a.example.com", false),
            ("A.Example.COM", "a.example.com", false),
            ("localhost:5000", "localhost:5000", false),
            (
                "x-registry-vpc.distributed.cn-hangzhou.cr.aliyuncs.com:65001",
                "x-registry-vpc.distributed.cn-hangzhou.cr.aliyuncs.com:65001",
                false,
            ),
            ("a.example.com/team", "a.example.com/team", false),
            ("a.example.com/team/app", "a.example.com/team/app", false),
            ("a.example.com/", "a.example.com", false),
            ("https://a.example.com/", "a.example.com", true),
            ("http://a.example.com/team", "a.example.com/team", true),
        ] {
            let read = parse(text).unwrap();
            assert_eq!((read.domain.to_string().as_str(), read.had_scheme), (expected, had_scheme), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_registry_is_refused() {
        for text in [
            "",
            "https://",
            "a b",
            "a..b",
            "*.example.com",
            "a_b.com",
            "a:port",
            "a:0",
            "a:65536",
            "a:+1",
            "a//b",
            "a/B",
            "/a",
            "a/b c",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_is_told_as_one() {
        for text in ["::1", "[::1]", "[2001:db8::1]:5000/team", "https://fe80::1/"] {
            assert!(parse(text).unwrap_err().contains("IPv6"), "{text}");
        }
        for text in ["a:b", "a:65536/x"] {
            assert!(parse(text).unwrap_err().contains("port"), "{text}");
        }
    }
}
