//! How fast a product of the cloud is asked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::operation::Class;
use crate::time::Mono;

/// Calls to one product within a [`SPAN`]. STS gives an account 6 000 calls a minute, which is 100 a second, for all its
/// users and roles together
/// (<https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole>): this component takes half
/// of them at most. What Container Registry allows is not published.
const CALLS: usize = 50;
const SPAN: Duration = Duration::from_secs(1);

/// When the latest calls to each product were started.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<Class, VecDeque<Mono>>);

impl Pace {
    pub(super) fn started(&mut self, now: Mono, class: Class) {
        let latest = self.0.entry(class).or_default();
        if latest.len() >= CALLS {
            latest.pop_front();
        }
        latest.push_back(now);
    }

    /// From when on a call may be started that is wanted at `at`.
    pub(super) fn free_from(&self, at: Mono, class: Class) -> Mono {
        // The metadata service and files are on this machine.
        if class == Class::Metadata {
            return at;
        }
        let latest = self.0.get(&class).filter(|latest| latest.len() >= CALLS);
        latest.and_then(VecDeque::front).map_or(at, |first| first.plus(SPAN).max(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_has_more_calls_than_are_allowed_and_products_do_not_count_together() {
        let mut pace = Pace::default();
        let mut at = Mono(0);
        let mut starts = Vec::new();
        for _ in 0..CALLS * 3 {
            at = pace.free_from(at, Class::Sts);
            pace.started(at, Class::Sts);
            starts.push(at);
        }
        for (first, later) in starts.iter().zip(starts.iter().skip(CALLS)) {
            assert!(later.since(*first) >= SPAN, "{first:?} and {later:?}");
        }
        assert_eq!(at, Mono(2_000));
        assert_eq!(pace.free_from(Mono(0), Class::ContainerRegistry), Mono(0));
    }

    #[test]
    fn the_metadata_service_is_asked_at_any_pace() {
        let mut pace = Pace::default();
        for _ in 0..CALLS * 3 {
            pace.started(Mono(0), Class::Metadata);
        }
        assert_eq!(pace.free_from(Mono(0), Class::Metadata), Mono(0));
    }
}
