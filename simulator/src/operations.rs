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
use crate::{container_registry, sts};

/// An API operation.
pub(crate) struct Operation {
    product: Product,
    version: &'static str,
    action: &'static str,
    pub(crate) access: Access,
    /// Answers with the fields of the result; the envelope (`RequestId`, `IsSuccess`) is added by the caller.
    pub(crate) answer: fn(&mut World, &Call<'_>) -> Result<Value, ApiError>,
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
        access: Access::Anonymous,
        answer: sts::assume_role_with_oidc,
    },
    Operation {
        product: Product::Cr,
        version: "2018-12-01",
        action: "GetAuthorizationToken",
        access: Access::Signed,
        answer: container_registry::get_authorization_token,
    },
    Operation {
        product: Product::Cr,
        version: "2018-12-01",
        action: "ListInstanceEndpoint",
        access: Access::Signed,
        answer: container_registry::list_instance_endpoint,
    },
];

/// The operation of a product by version and action.
pub(crate) fn find(product: Product, version: &str, action: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| {
        operation.product == product && operation.version == version && operation.action == action
    })
}
