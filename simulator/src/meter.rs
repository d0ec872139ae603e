//! How often accounts have called, against the quotas of the description.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::answer::ApiError;
use crate::description::Quotas;
use crate::hosts::Product;

/// The calls of every account in the running window of each product.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(BTreeMap<(Product, String), Window>);

/// A stretch of time of fixed length and the calls within it.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// How many windows went before it since 1970.
    number: i64,
    calls: u32,
}

impl Meters {
    /// Counts a call of an account, or refuses it when the account has used up its quota.
    pub(crate) fn count(
        &mut self,
        quotas: &Quotas,
        now: Timestamp,
        product: Product,
        account: &str,
    ) -> Result<(), ApiError> {
        let (limit, milliseconds) = match product {
            Product::Sts => (Some(quotas.assume_role_per_minute), 60_000),
            Product::Cr => (quotas.registry_per_second, 1_000),
            Product::Metadata | Product::Dockerauth => return Ok(()),
        };
        let Some(limit) = limit else { return Ok(()) };
        let now = now.as_millisecond();
        let number = now.div_euclid(milliseconds);
        let window = self.0.entry((product, account.to_owned())).or_default();
        if window.number != number {
            *window = Window { number, calls: 0 };
        }
        if window.calls >= limit {
            let wait = milliseconds.saturating_sub(now.rem_euclid(milliseconds));
            return Err(ApiError::throttled("Throttling.User".to_owned(), limit, u64::try_from(wait).ok()));
        }
        window.calls = window.calls.saturating_add(1);
        Ok(())
    }
}
