//! The table of API operations: product, version and action to the code that answers.
//!
//! A new operation is a line here and a function; nothing else has to change.

use jiff::Timestamp;
use serde_json::Value;

use crate::answer::ApiError;
use crate::faults::ExpiryFault;
use crate::hosts::Product;
use crate::parameters::Parameters;
use crate::ram::Caller;
use crate::world::World;
use crate::{container_registry, personal, sts};

/// An API operation.
pub(crate) struct Operation {
    product: Product,
    version: &'static str,
    action: &'static str,
    pub(crate) style: Style,
    pub(crate) access: Access,
    /// Answers with the fields of the result; the envelope (`RequestId`, `IsSuccess`) is added by the caller.
    pub(crate) answer: fn(&mut World, &Call<'_>) -> Result<Value, ApiError>,
}

/// How an operation is asked for and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// By its action at `/`, GET or POST.
    Rpc,
    /// By method and path.
    Roa { method: &'static str, path: &'static str },
}

/// Whether an operation wants a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Signed,
    /// Something in the parameters proves the caller.
    Anonymous,
}

/// What an operation is given.
pub(crate) struct Call<'a> {
    /// The cloud's clock.
    pub(crate) now: Timestamp,
    /// `None` on the central host.
    pub(crate) region: Option<&'a str>,
    pub(crate) parameters: &'a Parameters,
    /// `None` for an anonymous operation.
    pub(crate) caller: Option<&'a Caller>,
    /// A false `ExpireTime` to answer with.
    pub(crate) expiry: Option<ExpiryFault>,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        product: Product::Sts,
        version: "2015-04-01",
        action: "AssumeRoleWithOIDC",
        style: Style::Rpc,
        access: Access::Anonymous,
        answer: sts::assume_role_with_oidc,
    },
    Operation {
        product: Product::Sts,
        version: "2015-04-01",
        action: "AssumeRole",
        style: Style::Rpc,
        access: Access::Signed,
        answer: sts::assume_role,
    },
    Operation {
        product: Product::Sts,
        version: "2015-04-01",
        action: "GetCallerIdentity",
        style: Style::Rpc,
        access: Access::Signed,
        answer: sts::get_caller_identity,
    },
    Operation {
        product: Product::Cr,
        version: "2016-06-07",
        action: "GetAuthorizationToken",
        style: Style::Roa { method: "GET", path: "/tokens" },
        access: Access::Signed,
        answer: personal::get_authorization_token,
    },
    Operation {
        product: Product::Cr,
        version: "2018-12-01",
        action: "GetAuthorizationToken",
        style: Style::Rpc,
        access: Access::Signed,
        answer: container_registry::get_authorization_token,
    },
    Operation {
        product: Product::Cr,
        version: "2018-12-01",
        action: "ListInstanceEndpoint",
        style: Style::Rpc,
        access: Access::Signed,
        answer: container_registry::list_instance_endpoint,
    },
];

/// The operation of a product by version, action, method and path.
pub(crate) fn find(
    product: Product,
    version: &str,
    action: &str,
    (method, path): (&str, &str),
) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| {
        operation.product == product
            && operation.version == version
            && operation.action == action
            && match operation.style {
                Style::Rpc => matches!(path, "" | "/"),
                Style::Roa { method: wanted, path: at } => method == wanted && path == at,
            }
    })
}

/// The action that a path of the ROA style stands for.
pub(crate) fn action_at(product: Product, path: &str) -> Option<&'static str> {
    let at = |operation: &&Operation| matches!(operation.style, Style::Roa { path: at, .. } if at == path);
    OPERATIONS.iter().filter(|operation| operation.product == product).find(at).map(|found| found.action)
}
