//! The text of the ConfigMap, the add-on parameters and the flags, turned into a configuration and findings.
//!
//! Pure: text in, values out. No I/O, no clock, no randomness. [`load`] reads a [`Source`] and reports every
//! fault at once; [`load_document`] finds a source in the bytes of a file first.

mod arn;
mod blocks;
mod chain;
pub mod code;
mod configuration;
mod correction;
mod document;
mod domain;
mod duplicates;
mod duration;
mod entries;
mod finding;
mod glob;
mod identity;
mod keyed_parameters;
mod load;
mod mask;
mod names;
mod parameters;
mod placeholder;
mod reader;
mod region;
mod scope;
mod secret;
mod selector;
mod settings;
mod sheet;
mod source;
mod summary;
mod url;
mod yaml;

pub use chain::identity_chain;
pub use configuration::{
    AssumeRole, Configuration, DEFAULT_DURATION_SECONDS, DEFAULT_EXPIRING_THRESHOLD, Domain, Edition,
    EndpointChoice, EndpointOverride, Entry, FailurePolicy, Identity, PodHelp, Product, SecretRef, TokenMode,
    Unsupported, Webhook, WebhookMode,
};
pub use document::{Document, MAX_DOCUMENT_BYTES, load_document};
pub use duplicates::{Overlap, overlaps};
pub use finding::{Finding, Severity, Snippet};
pub use glob::Glob;
pub use load::{Loaded, load};
pub use region::personal_hosts;
pub use scope::{
    NamespaceSet, OPT_OUT_LABEL, SYSTEM_NAMESPACES, Scope, is_dns_label, is_dns_subdomain, is_opted_out,
};
pub use secret::SecretText;
pub use selector::{LabelSelector, Operator, Requirement, SelectorError};
pub use source::{PARAMETERS_FILE, Source};
pub use summary::{Assumptions, EntrySummary};
pub use url::callable_url;
