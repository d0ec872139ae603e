//! The pauses between attempts of a watch: doubling, with jitter, short enough to find a server that is back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// Counts attempts in a row that came to nothing.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next attempt: between half of its length and all of it, so that the watches of
    /// many processes do not come back in the same instant.
    pub(crate) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full / 2 + (full / 2).mul_f64(random_fraction())
    }

    /// How many attempts in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number from 0 to 1 that differs from call to call and from process to process; good enough for jitter.
pub(crate) fn random_fraction() -> f64 {
    // A new hasher has keys of its own, seeded by the operating system.
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_never_leave_their_bounds_and_grow_until_the_longest() {
        let mut backoff = Backoff::default();
        for attempt in 0..40 {
            let pause = backoff.next();
            assert!(pause >= FIRST / 2 && pause <= LONGEST, "attempt {attempt}: {pause:?}");
            if attempt > 6 {
                assert!(pause >= LONGEST / 2, "attempt {attempt}: {pause:?}");
            }
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn two_pauses_of_the_same_step_differ() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..20).map(|_| Backoff { failures: 20 }.next()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
