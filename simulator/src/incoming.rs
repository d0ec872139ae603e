//! A request as the cloud sees it: which product and action it is for, and its parameters.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::answer::{ApiError, Format};
use crate::hosts::{Address, Product};
use crate::operations::{self, Operation};
use crate::parameters::Parameters;

/// A request with its parameters read and its action recognised.
pub(crate) struct Incoming {
    pub(crate) address: Address,
    pub(crate) scheme: String,
    /// The host that the request is meant for.
    pub(crate) host: String,
    /// The `Host` header as received, which ACS3 signs; without the header it is the authority of the URI.
    pub(crate) host_header: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Parameters,
    /// Query and form body together.
    pub(crate) parameters: Parameters,
    pub(crate) body: Bytes,
    /// Whether an escape in query or body was broken.
    pub(crate) malformed: bool,
    /// The action that the request names; for products without actions the path.
    pub(crate) action: String,
}

impl Incoming {
    pub(crate) fn read(request: http::Request<Bytes>, address: Address, host: String) -> Self {
        let (parts, body) = request.into_parts();
        let text =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
        let host_header = text("host").unwrap_or(authority);
        let query_text = parts.uri.query().unwrap_or_default();
        let is_form = text("content-type")
            .is_some_and(|content| content.starts_with("application/x-www-form-urlencoded"));
        let form_text = if is_form { std::str::from_utf8(&body).unwrap_or("%") } else { "" };
        let (query, parameters) =
            (Parameters::parse(&[query_text]), Parameters::parse(&[query_text, form_text]));
        let malformed = query.is_none() || parameters.is_none();
        let (query, parameters) = (query.unwrap_or_default(), parameters.unwrap_or_default());
        let action = match address.product {
            Product::Sts | Product::Cr => text("x-acs-action")
                .or_else(|| parameters.get("Action").map(str::to_owned))
                .or_else(|| operations::action_at(address.product, parts.uri.path()).map(str::to_owned))
                .unwrap_or_default(),
            Product::Metadata => parts.uri.path().trim_start_matches("/latest/").to_owned(),
            Product::Dockerauth => parts.uri.path().trim_start_matches('/').to_owned(),
        };
        Self {
            address,
            scheme: parts.uri.scheme_str().unwrap_or("https").to_owned(),
            host,
            host_header,
            method: parts.method,
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            query,
            parameters,
            body,
            malformed,
            action,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the request is signed in its headers (ACS3, ROA) and not among its parameters (RPC). Official SDKs name
    /// action and version in headers in either case.
    fn is_signed_in_headers(&self) -> bool {
        self.headers.contains_key("authorization")
    }

    /// The parameter `Format` decides, without it for requests that are signed in their headers what they accept;
    /// everything else gets XML.
    pub(crate) fn format(&self) -> Format {
        let json = match self.parameters.get("Format") {
            Some(format) => format.eq_ignore_ascii_case("JSON"),
            None => {
                (self.is_signed_in_headers() || self.headers.contains_key("x-acs-version"))
                    && self.header("accept").is_some_and(|accept| accept.contains("application/json"))
            }
        };
        if json { Format::Json } else { Format::Xml }
    }

    /// The registry instance that the request names.
    pub(crate) fn instance(&self) -> Option<&str> {
        match self.address.product {
            Product::Cr => self.parameters.get("InstanceId"),
            Product::Dockerauth => {
                self.parameters.get("service")?.split(':').find(|part| part.starts_with("cri-"))
            }
            Product::Sts | Product::Metadata => None,
        }
    }

    /// The operation that the request asks for, after the checks that come before any signature.
    pub(crate) fn operation(&self) -> Result<&'static Operation, ApiError> {
        if self.address.product == Product::Sts && self.scheme != "https" {
            return Err(ApiError::new(
                http::StatusCode::NOT_FOUND,
                "InvalidProtocol.NeedSsl",
                "Your request is denied as lack of ssl protect.",
            ));
        }
        if !matches!(self.method, Method::GET | Method::POST) {
            return Err(ApiError::bad_request("UnsupportedHTTPMethod", "This http method is not supported."));
        }
        if self.malformed {
            return Err(ApiError::bad_request("InvalidParameter", "A parameter is not well encoded."));
        }
        let content = self.header("content-type").unwrap_or_default();
        let known = ["application/json", "application/x-www-form-urlencoded"];
        if self.address.product == Product::Sts
            && !self.body.is_empty()
            && !known.iter().any(|known| content.starts_with(known))
        {
            return Err(ApiError::bad_request(
                "InvalidParameter.ContentType",
                "The Content-Type must be application/json or application/x-www-form-urlencoded.",
            ));
        }
        if self.action.is_empty() {
            return Err(ApiError::missing("Action"));
        }
        let Some(version) = self.header("x-acs-version").or_else(|| self.parameters.get("Version")) else {
            return Err(ApiError::missing("Version"));
        };
        let place = (self.method.as_str(), self.path.as_str());
        operations::find(self.address.product, version, &self.action, place).ok_or_else(|| {
            ApiError::new(
                http::StatusCode::NOT_FOUND,
                "InvalidApi.NotFound",
                "Specified api is not found, please check your url and method.",
            )
        })
    }
}
