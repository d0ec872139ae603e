//! Histories by seed keep the safety contract, but for what is known to be open.

use acr_histories::campaign::Campaign;
use acr_histories::history::Options;

/// Enough for every happening, few enough for every build; the command `histories` runs the many.
const SEEDS: u64 = 2_000;
/// How many of them may break a rule: what is known to be open, see the README. It only ever goes down.
const TOLERATED: u64 = 300;

#[test]
fn no_more_of_the_first_seeds_break_the_contract_than_are_known() {
    let campaign =
        Campaign { first: 0, seeds: SEEDS, threads: 2, tolerated: TOLERATED, options: Options::default() };
    let summary = campaign.run(|_| ()).unwrap();
    let first = summary.violations.first_key_value();
    assert!(summary.broken() <= TOLERATED, "{} broke a rule; the first: {first:?}", summary.broken());
    assert_eq!(summary.histories, SEEDS);
}
