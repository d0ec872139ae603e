//! Histories by seed keep the safety contract.

use acr_histories::history::{History, Options};

#[test]
fn the_first_seeds_keep_the_contract() {
    for seed in 0..200 {
        let report = History::of_seed(seed, Options::default()).unwrap();
        assert!(report.violation.is_none(), "seed {seed}: {}", report.violation.unwrap());
    }
}
