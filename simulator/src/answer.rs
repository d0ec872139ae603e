//! The bodies of answers: errors and results of the API products, in JSON or in XML.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::hosts::Product;

/// The form of a body that the request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    /// The default of the gateway.
    Xml,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json;charset=utf-8",
            Self::Xml => "text/xml;charset=utf-8",
        }
    }
}

/// A refusal in the words of the gateway or of a product.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    /// Who was denied what; in the answer as `AccessDeniedDetail`.
    pub(crate) denied: Option<Box<Denied>>,
    /// Headers of the answer beyond the usual ones.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the fields begin with small letters, as those of the Personal Edition do.
    small_letters: bool,
}

/// Why RAM denied something.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) action: &'static str,
    pub(crate) explicit: bool,
    pub(crate) policy_type: &'static str,
    /// Absent where nobody signed.
    pub(crate) principal: Option<DeniedPrincipal>,
}

/// Who was denied something, in the words of RAM.
#[derive(Debug)]
pub(crate) struct DeniedPrincipal {
    /// `SubUser` or `AssumedRoleUser`.
    pub(crate) kind: &'static str,
    /// The id of a user, `<role>:<session>` for a session.
    pub(crate) display_name: String,
    /// The account.
    pub(crate) owner: String,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { status, code, message, denied: None, headers: Vec::new(), small_letters: false }
    }

    /// The same refusal in the form of the Personal Edition.
    pub(crate) fn in_small_letters(self) -> Self {
        Self { small_letters: true, ..self }
    }

    /// Too many calls. The wait is in both headers that official SDKs have read over time.
    pub(crate) fn throttled(code: String, limit: u32, wait_milliseconds: Option<u64>) -> Self {
        let flow = if code.ends_with(".Api") { "api" } else { "user" };
        let message = format!("Request was denied due to {flow} flow control.");
        let mut error = Self::bad_request(code, message);
        if let Some(wait) = wait_milliseconds {
            let rate = format!("Limit:{limit},Remain:0,TimeLeft:{wait},Reset:1");
            for (name, value) in [("x-ratelimit-user-api", rate), ("x-acs-retry-after", wait.to_string())] {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    error.headers.push((HeaderName::from_static(name), value));
                }
            }
        }
        error
    }

    pub(crate) fn bad_request(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// `Missing<Parameter>`: a parameter that the action cannot do without.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::bad_request(format!("Missing{parameter}"), format!("{parameter} is mandatory for this action."))
    }

    /// The body of the refusal: `RequestId`, `HostId`, `Code`, `Message`, `Recommend` and what was denied.
    pub(crate) fn body(&self, request_id: &str, host: &str, product: Product) -> Value {
        let mut body = json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": self.code,
            "Message": self.message,
            "Recommend": format!(
                "https://api.aliyun.com/troubleshoot?q={}&product={product}&requestId={request_id}",
                self.code
            ),
        });
        if let (Some(denied), Some(fields)) = (&self.denied, body.as_object_mut()) {
            fields.insert("AccessDeniedDetail".to_owned(), denied.detail());
        }
        if self.small_letters { with_small_letters(body) } else { body }
    }
}

impl Denied {
    fn detail(&self) -> Value {
        let mut detail = json!({
            "AuthAction": self.action,
            "NoPermissionType": if self.explicit { "ExplicitDeny" } else { "ImplicitDeny" },
            "PolicyType": self.policy_type,
        });
        if let (Some(principal), Some(fields)) = (&self.principal, detail.as_object_mut()) {
            for (name, value) in [
                ("AuthPrincipalType", principal.kind),
                ("AuthPrincipalDisplayName", &principal.display_name),
                ("AuthPrincipalOwnerId", &principal.owner),
            ] {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        detail
    }
}

/// The fields of an object with small first letters.
fn with_small_letters(body: Value) -> Value {
    let Value::Object(fields) = body else { return body };
    let small = |name: String| {
        let mut characters = name.chars();
        let first = characters.next().map(|first| first.to_ascii_lowercase());
        first.into_iter().chain(characters).collect::<String>()
    };
    Value::Object(fields.into_iter().map(|(name, value)| (small(name), value)).collect())
}

/// Writes a body in the form that was asked for; `root` is the XML root element.
pub(crate) fn render(root: &str, body: &Value, format: Format) -> String {
    match format {
        Format::Json => body.to_string(),
        Format::Xml => {
            let mut text = "<?xml version='1.0' encoding='UTF-8'?>".to_owned();
            push_element(&mut text, root, body);
            text
        }
    }
}

/// A list becomes as many elements of the same name.
fn push_element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        for item in items {
            push_element(text, name, item);
        }
        return;
    }
    text.extend(["<", name, ">"]);
    match value {
        Value::Object(fields) => push_fields(text, fields),
        Value::String(string) => push_escaped(text, string),
        Value::Null => {}
        other => text.push_str(&other.to_string()),
    }
    text.extend(["</", name, ">"]);
}

fn push_fields(text: &mut String, fields: &Map<String, Value>) {
    for (name, value) in fields {
        push_element(text, name, value);
    }
}

fn push_escaped(text: &mut String, string: &str) {
    for character in string.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_xml_has_the_root_error() {
        let error = ApiError::bad_request("SignatureDoesNotMatch", "text is:GET&%2F&<a>");
        let body = error.body("id", "sts.aliyuncs.com", Product::Sts);
        let text = render("Error", &body, Format::Xml);
        assert!(text.starts_with("<?xml version='1.0' encoding='UTF-8'?><Error>"), "{text}");
        assert!(text.ends_with("</Error>"), "{text}");
        assert!(text.contains("<Code>SignatureDoesNotMatch</Code>"), "{text}");
        assert!(text.contains("<Message>text is:GET&amp;%2F&amp;&lt;a&gt;</Message>"), "{text}");
    }

    #[test]
    fn a_list_in_xml_repeats_its_element() {
        let body = json!({"A": [{"B": 1}, {"B": true}], "C": null});
        let text = render("R", &body, Format::Xml);
        assert!(text.ends_with("<R><A><B>1</B></A><A><B>true</B></A><C></C></R>"), "{text}");
    }
}
