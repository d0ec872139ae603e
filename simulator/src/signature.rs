//! The three request signatures of Alibaba Cloud, computed here from the documentation alone.
//!
//! Nothing is shared with the client under test: a mistake in one of the two cannot hide in the other.

pub(crate) mod acs3;
pub(crate) mod roa;
pub(crate) mod rpc;

use subtle::ConstantTimeEq;

/// Compares two signatures without telling by time where they differ.
pub(crate) fn same(expected: &str, presented: &str) -> bool {
    expected.as_bytes().ct_eq(presented.as_bytes()).into()
}

#[cfg(test)]
mod tests;
