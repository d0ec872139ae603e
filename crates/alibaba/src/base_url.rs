//! The base URL of an endpoint: a real one, a proxy's, or that of a local simulation.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// `http` or `https`, a host with or without a port, and a path prefix that is often empty.
#[derive(Debug)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl BaseUrl {
    /// Takes a base URL apart, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let parts = text.parse::<Uri>().map_err(|_| "it is no URL")?.into_parts();
        let scheme = parts.scheme.ok_or("it lacks http:// or https://")?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err("its scheme is neither http nor https");
        }
        let authority = parts.authority.ok_or("it lacks a host")?;
        if authority.as_str().contains('@') {
            return Err("it holds a user name, which no endpoint takes");
        }
        if authority.host().is_empty() {
            return Err("it lacks a host");
        }
        let path_and_query = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path_and_query.query().is_some() {
            return Err("it holds a query");
        }
        let prefix = path_and_query.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, prefix })
    }

    /// The `Host` header: without the scheme's own port, as HTTP clients send it.
    pub(crate) fn host(&self) -> &str {
        let authority = self.authority.as_str();
        let default_port = if self.scheme == Scheme::HTTPS { ":443" } else { ":80" };
        authority.strip_suffix(default_port).unwrap_or(authority)
    }

    /// The path on the wire for `path`, which starts with `/`.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The absolute URI for a path made by [`Self::path`] and an encoded query.
    pub(crate) fn uri(&self, path: &str, query: &str) -> Result<Uri, http::Error> {
        let path_and_query = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.host())
            .path_and_query(path_and_query)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::BaseUrl;

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no URL"),
            ("cr.cn-hangzhou.aliyuncs.com", "lacks http:// or https://"),
            ("/path", "lacks http:// or https://"),
            ("ftp://cr.example", "neither http nor https"),
            ("https://user:pass@cr.example", "user name"),
            ("https://cr.example/?a=b", "query"),
            ("https://:443", ""),
            ("https://cr example", "no URL"),
        ] {
            let refusal = BaseUrl::parse(text).unwrap_err();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn host_path_and_uri_are_those_of_the_wire() {
        for (text, host, uri) in [
            ("https://cr.example", "cr.example", "https://cr.example/x?a=b"),
            ("https://cr.example:443/", "cr.example", "https://cr.example/x?a=b"),
            ("https://cr.example:80", "cr.example:80", "https://cr.example:80/x?a=b"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080/x?a=b"),
            ("http://[::1]:80/cloud/cr/", "[::1]", "http://[::1]/cloud/cr/x?a=b"),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(base.host(), host, "{text}");
            assert_eq!(base.uri(&base.path("/x"), "a=b").unwrap().to_string(), uri, "{text}");
        }
    }
}
