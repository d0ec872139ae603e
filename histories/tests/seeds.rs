//! Histories by seed keep the safety contract.

use acr_histories::campaign::Campaign;
use acr_histories::history::Options;

/// Enough for every happening, few enough for every build; the command `histories` runs the many.
const SEEDS: u64 = 2_000;

#[test]
fn the_first_seeds_keep_the_contract() {
    let campaign = Campaign { first: 0, seeds: SEEDS, threads: 2, tolerated: 0, options: Options::default() };
    let summary = campaign.run(|_| ()).unwrap();
    let first = summary.violations.first_key_value();
    assert_eq!(first, None);
    assert_eq!(summary.histories, SEEDS);
}
