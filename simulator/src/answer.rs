//! The bodies of answers: errors and results of the API products, in JSON or in XML.

use std::borrow::Cow;

use http::StatusCode;
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
    pub(crate) denied: Option<Denied>,
}

/// Why RAM denied something.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) action: &'static str,
    pub(crate) explicit: bool,
    pub(crate) policy_type: &'static str,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { status, code, message, denied: None }
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
            fields.insert(
                "AccessDeniedDetail".to_owned(),
                json!({
                    "AuthAction": denied.action,
                    "NoPermissionType": if denied.explicit { "ExplicitDeny" } else { "ImplicitDeny" },
                    "PolicyType": denied.policy_type,
                }),
            );
        }
        body
    }
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
