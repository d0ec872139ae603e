//! What went wrong with a fact since its last success, for its back-off.

use acr_credentials::FailureKind;

/// Failures since the last success.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    in_a_row: u32,
    /// Whether the cloud has said that clock or credentials are the matter.
    told: bool,
}

impl Failures {
    /// Takes another one. The first time that the cloud says what is wrong with a call, the next is another call, which
    /// nobody has tried in vain: it does not wait as long as those before.
    pub(super) fn take(&mut self, kind: FailureKind) {
        let tells = matches!(kind, FailureKind::CredentialsRefused | FailureKind::ClockSkew);
        let before = if tells && !self.told { 0 } else { self.in_a_row };
        self.told |= tells;
        self.in_a_row = before.saturating_add(1);
    }

    /// How many count for the back-off.
    pub(super) fn in_a_row(self) -> u32 {
        self.in_a_row
    }

    /// Whether the last try failed.
    pub(super) fn any(self) -> bool {
        self.in_a_row > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(kinds: &[FailureKind]) -> u32 {
        let mut failures = Failures::default();
        for kind in kinds {
            failures.take(*kind);
        }
        failures.in_a_row()
    }

    #[test]
    fn what_says_nothing_adds_up() {
        assert_eq!(after(&[FailureKind::NoAnswer; 7]), 7);
    }

    #[test]
    fn the_first_answer_after_an_outage_is_not_made_to_wait_for_the_outage() {
        let mut kinds = vec![FailureKind::NoAnswer; 7];
        kinds.push(FailureKind::ClockSkew);
        assert_eq!(after(&kinds), 1);
    }

    #[test]
    fn nor_does_a_cloud_that_says_it_again_and_again_keep_calls_frequent() {
        let kinds = [FailureKind::NoAnswer, FailureKind::CredentialsRefused].repeat(4);
        assert_eq!(after(&kinds), 7);
    }
}
