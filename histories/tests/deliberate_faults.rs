//! The contract notices mistakes: one deliberate fault at a time, made by the driver, is caught within a few seeds and
//! by a rule that names what is wrong.

use std::collections::BTreeSet;

use acr_histories::contract::{Rule, Violation};
use acr_histories::fault::Fault;
use acr_histories::history::{History, Options, SetupFailure};

/// A fault that is not seen within so many seeds would slip through.
const SEEDS: u64 = 2_000;

/// The first seed that fails because of a fault, and the rule that it breaks.
fn caught(fault: Fault) -> Result<Option<(u64, Violation)>, SetupFailure> {
    for seed in 0..SEEDS {
        let faulty = Options { fault: Some(fault), ..Options::default() };
        let Some(violation) = History::of_seed(seed, faulty)?.violation else { continue };
        // What fails without the fault as well proves nothing.
        if History::of_seed(seed, Options::default())?.violation.is_none() {
            return Ok(Some((seed, violation)));
        }
    }
    Ok(None)
}

fn assert_caught(fault: Fault, by: &[Rule]) {
    let caught = caught(fault);
    let rule = caught.as_ref().ok().and_then(|caught| caught.as_ref()).map(|(_, violation)| violation.rule);
    assert!(
        rule.is_some_and(|rule| by.contains(&rule)),
        "{fault:?} within {SEEDS} seeds: {caught:?}, not {by:?}"
    );
}

#[test]
fn a_list_patched_without_a_guard_is_caught() {
    assert_caught(Fault::NoGuard, &[Rule::S2]);
}

#[test]
fn a_sorted_list_is_caught() {
    assert_caught(Fault::ListSorted, &[Rule::S2]);
}

#[test]
fn a_failure_that_is_published_is_caught() {
    assert_caught(Fault::PublishOnFailure, &[Rule::S1]);
}

#[test]
fn seconds_taken_for_milliseconds_are_caught() {
    assert_caught(Fault::SecondsForMilliseconds, &[Rule::S4, Rule::S5]);
}

#[test]
fn a_write_over_what_was_not_observed_is_caught() {
    assert_caught(Fault::StaleObservationTrusted, &[Rule::S1, Rule::S2]);
}

#[test]
fn a_delete_without_a_uid_is_caught() {
    assert_caught(Fault::DeleteWithoutUid, &[Rule::S2]);
}

#[test]
fn a_shrink_before_the_lists_are_complete_is_caught() {
    // A list that counts as complete also frees what waits for its own last write.
    assert_caught(Fault::ListsCompleteTooSoon, &[Rule::S5, Rule::S6, Rule::S8]);
}

#[test]
fn what_a_new_list_does_not_show_but_is_believed_in_is_caught() {
    assert_caught(Fault::RelistWithoutRemoval, &[Rule::S2, Rule::S3, Rule::S5, Rule::S8]);
}

#[test]
fn a_retry_without_back_off_is_caught() {
    assert_caught(Fault::RetryWithoutBackOff, &[Rule::S4]);
}

#[test]
fn two_operations_on_one_object_are_caught() {
    assert_caught(Fault::TwoOperationsOnOneObject, &[Rule::S8]);
}

#[test]
fn a_journal_that_is_not_written_is_caught() {
    assert_caught(Fault::JournalNotWritten, &[Rule::S5, Rule::S6]);
}

#[test]
fn a_leader_that_is_none_is_caught() {
    assert_caught(Fault::LeaseAlwaysGranted, &[Rule::S3]);
}

#[test]
fn a_refusal_taken_for_a_success_is_caught() {
    assert_caught(Fault::RefusalTakenForDone, &[Rule::S5]);
}

#[test]
fn operations_that_depend_on_more_than_observations_are_caught() {
    assert_caught(Fault::UnsteadyOrder, &[Rule::S7]);
}

#[test]
fn a_pod_that_has_changed_and_is_evicted_is_caught() {
    assert_caught(Fault::StalePodTrusted, &[Rule::S9]);
}

#[test]
fn evictions_in_a_circle_are_caught() {
    assert_caught(Fault::EvictionForgotten, &[Rule::S9]);
}

#[test]
fn the_eviction_of_what_nothing_makes_anew_is_caught() {
    assert_caught(Fault::OwnerNotLookedAt, &[Rule::S9]);
}

#[test]
fn every_fault_has_its_test() {
    let text = include_str!("deliberate_faults.rs");
    let tested: BTreeSet<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| text.contains(&format!("assert_caught(Fault::{fault:?},")))
        .collect();
    assert_eq!(tested.len(), Fault::ALL.len());
}
