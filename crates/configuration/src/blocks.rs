//! Readers for the keys whose value is YAML of its own: `rrsa`, `webhook-configuration`, `endpoints`.

use crate::code;
use crate::configuration::{EndpointOverride, FailurePolicy, Product, Webhook, WebhookMode};
use crate::glob::Glob;
use crate::names;
use crate::reader::Fields;
use crate::sheet::Sheet;
use crate::url::callable_url;
use crate::yaml::{Node, Value};

impl Sheet<'_> {
    /// `enable: true`
    pub(crate) fn rrsa(&mut self) -> bool {
        let Some(root) = self.root() else { return false };
        let Some(fields) = self.fields(&root, &names::RRSA, "rrsa") else { return false };
        self.boolean_of(&fields, "enable").unwrap_or(false)
    }

    /// `enable`, `failure-policy`, `timeout-seconds`, `mode`.
    pub(crate) fn webhook(&mut self) -> Webhook {
        let mut webhook = Webhook::default();
        let Some(root) = self.root() else { return webhook };
        let Some(fields) = self.fields(&root, &names::WEBHOOK, "webhook-configuration") else {
            return webhook;
        };
        if let Some(enable) = self.boolean_of(&fields, "enable") {
            webhook.enable = enable;
        }
        let policies = FailurePolicy::ALL.map(|policy| (policy.as_str(), policy));
        if let Some(policy) = self.choice_of(&fields, "failure-policy", &policies) {
            webhook.failure_policy = policy;
        }
        // The API server's own limits for timeoutSeconds of an admission webhook.
        if let Some(seconds) = self.number_of(&fields, "timeout-seconds", 1..=30) {
            webhook.timeout_seconds = seconds;
        }
        let modes = [("webhook", WebhookMode::Webhook), ("policy", WebhookMode::Policy)];
        if let Some(mode) = self.choice_of(&fields, "mode", &modes) {
            webhook.mode = mode;
        }
        webhook
    }

    /// A list of `product`, `region`, `url`.
    pub(crate) fn endpoints(&mut self) -> Vec<EndpointOverride> {
        let Some(root) = self.root() else { return Vec::new() };
        let Value::Sequence(nodes) = &root.value else {
            self.wrong_type(&root, "endpoints", "a list", "one `- product: …` for each");
            return Vec::new();
        };
        nodes.iter().filter_map(|node| self.endpoint(node)).collect()
    }

    fn endpoint(&mut self, node: &Node) -> Option<EndpointOverride> {
        let fields = self.fields(node, &names::ENDPOINT, "an element of endpoints")?;
        let products = [("sts", Product::Sts), ("cr", Product::Cr), ("metadata", Product::Metadata)];
        let product =
            self.required(&fields, "product").then(|| self.choice_of(&fields, "product", &products));
        let region = match self.text_of(&fields, "region") {
            None => Some(Glob::new("*")),
            Some(scalar) => self.glob("region", scalar),
        };
        let url = self.required(&fields, "url").then(|| self.url_of(&fields));
        Some(EndpointOverride { product: product??, region: region?, url: url?? })
    }

    fn required(&mut self, fields: &Fields<'_>, name: &'static str) -> bool {
        let set = fields.is_set(name);
        if !set && fields.complete {
            self.error(
                code::INCOMPLETE_PAIR,
                Some(fields.name_span(name).unwrap_or(fields.span)),
                format!("{name} is missing"),
                format!("write `{name}: …`"),
            );
        }
        set
    }

    fn url_of(&mut self, fields: &Fields<'_>) -> Option<String> {
        let scalar = self.text_of(fields, "url")?;
        if self.is_placeholder("url", scalar) {
            return None;
        }
        if let Some(url) = callable_url(scalar.text) {
            return Some(url.to_owned());
        }
        // What stands before an @ is a user, and often a password.
        let found = if scalar.text.contains('@') {
            fields.written("url").map(|node| node.span).into_iter().for_each(|span| self.hide(span));
            format!("`{}`", crate::mask::MASK)
        } else {
            self.quote(scalar.text)
        };
        self.error(
            code::INVALID_VALUE,
            Some(scalar.span),
            format!("url {found} is not an address that can be called"),
            "write `https://host`, with a port and a path if needed, without user, query or fragment"
                .to_owned(),
        );
        None
    }

    /// The tree of a value that is set; `None` for nothing, null or a fault before anything was read.
    fn root(&mut self) -> Option<Node> {
        let root = self.parse().root?;
        match &root.value {
            Value::Null => None,
            Value::Scalar { text, .. } if crate::sheet::is_unset(text.trim()) => None,
            Value::Sequence(nodes) if nodes.is_empty() => None,
            _ => Some(root),
        }
    }
}
