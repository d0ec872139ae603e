//! The rules of the Lease, the refusals first.

use super::*;

fn seen(holder: Option<&str>, version: u64) -> LeaseSeen {
    LeaseSeen {
        uid: "u".into(),
        resource_version: version,
        holder: holder.map(str::to_owned),
        duration_seconds: 15,
        transitions: 1,
    }
}

fn lease() -> Lease {
    Lease::new("me".into(), Purpose::Run)
}

/// Reads a Lease held by `holder` at `at`.
fn read(lease: &mut Lease, at: u64, record: Option<LeaseSeen>) {
    assert!(matches!(lease.next(Mono(at)), Some(Operation::ReadLease)), "a read is due at {at}");
    lease.answered(Mono(at), false, Ok(record));
}

/// Expects a write at `at`, and answers it with what was written.
fn write(lease: &mut Lease, at: u64, version: u64) -> LeaseWrite {
    let Some(Operation::WriteLease(write)) = lease.next(Mono(at)) else { panic!("a write is due at {at}") };
    lease.answered(Mono(at), true, Ok(Some(seen(write.holder.as_deref(), version))));
    write
}

#[test]
fn nobody_leads_before_a_write_succeeded() {
    let mut lease = lease();
    assert!(!lease.leading(Mono(0)));
    read(&mut lease, 0, None);
    assert!(!lease.leading(Mono(0)));
    assert!(lease.next(Mono(0)).is_some());
    assert!(!lease.leading(Mono(0)), "a write in flight leads nobody");
}

#[test]
fn a_lease_that_another_holds_is_left_alone_until_it_was_silent_for_its_whole_duration() {
    let mut lease = lease();
    read(&mut lease, 0, Some(seen(Some("other"), 1)));
    for at in [2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000] {
        assert!(lease.next(Mono(at - 1)).is_none());
        read(&mut lease, at, Some(seen(Some("other"), 1)));
    }
    let taken = write(&mut lease, 15_000, 2);
    assert_eq!((taken.holder.as_deref(), taken.transitions, taken.acquired), (Some("me"), 2, true));
    assert_eq!(taken.replaces, Some(("u".into(), 1)));
    assert!(lease.leading(Mono(15_000)));
}

#[test]
fn every_sign_of_life_starts_the_wait_anew() {
    let mut lease = lease();
    for (at, version) in [(0, 1), (2_000, 2), (4_000, 3), (6_000, 4)] {
        read(&mut lease, at, Some(seen(Some("other"), version)));
    }
    for at in (8_000..21_000).step_by(2_000) {
        read(&mut lease, at, Some(seen(Some("other"), 4)));
    }
    assert!(matches!(lease.next(Mono(21_000)), Some(Operation::WriteLease(_))));
}

#[test]
fn a_lease_that_was_given_back_is_taken_at_once() {
    let mut lease = lease();
    read(&mut lease, 0, Some(seen(None, 1)));
    write(&mut lease, 0, 2);
    assert!(lease.leading(Mono(9_999)));
    assert!(!lease.leading(Mono(10_000)), "the deadline is counted from the start of the write");
}

#[test]
fn whatever_is_started_ends_before_another_can_take_the_lease() {
    let mut lease = lease();
    assert_eq!(lease.time_left(Mono(0)), Duration::ZERO);
    read(&mut lease, 0, Some(seen(None, 1)));
    write(&mut lease, 0, 2);
    for at in [0, 3_000, 9_999] {
        assert!(lease.leading(Mono(at)));
        assert_eq!(Mono(at).plus(lease.time_left(Mono(at))), Mono(0).plus(DURATION));
    }
}

#[test]
fn a_renewal_extends_from_its_start_and_a_failed_one_extends_nothing() {
    let mut lease = lease();
    read(&mut lease, 0, None);
    write(&mut lease, 0, 1);
    assert!(lease.next(Mono(2_999)).is_none());
    assert!(lease.next(Mono(3_000)).is_some());
    lease.answered(Mono(8_000), true, Err(Refusal::Unknown { message: String::new() }));
    assert!(!lease.leading(Mono(10_000)));
    // What became of it is read, and a record with our name is renewed before it counts.
    read(&mut lease, 10_000, Some(seen(Some("me"), 2)));
    assert!(!lease.leading(Mono(10_000)));
    write(&mut lease, 10_000, 3);
    assert!(lease.leading(Mono(19_999)));
}

#[test]
fn whoever_loses_the_lease_to_another_stops_at_once() {
    let mut lease = lease();
    read(&mut lease, 0, None);
    write(&mut lease, 0, 1);
    assert!(lease.next(Mono(3_000)).is_some());
    lease.answered(Mono(3_010), true, Err(Refusal::LostRace));
    read(&mut lease, 3_010, Some(seen(Some("other"), 7)));
    assert!(!lease.leading(Mono(3_010)));
    assert!(!lease.held());
}

#[test]
fn giving_back_writes_an_empty_holder_once_and_leads_no_more() {
    let mut lease = lease();
    read(&mut lease, 0, None);
    write(&mut lease, 0, 1);
    lease.give_back();
    assert!(!lease.leading(Mono(1)));
    assert!(!lease.given_back());
    assert_eq!(write(&mut lease, 1, 2).holder, None);
    assert!(lease.given_back());
    assert!(lease.next(Mono(60_000)).is_none());
}

#[test]
fn giving_back_while_the_first_write_is_out_waits_for_it() {
    let mut lease = lease();
    read(&mut lease, 0, None);
    assert!(lease.next(Mono(0)).is_some());
    lease.give_back();
    assert!(!lease.given_back(), "the write may yet make it ours");
    lease.answered(Mono(1), true, Ok(Some(seen(Some("me"), 1))));
    assert_eq!(write(&mut lease, 1, 2).holder, None);
    assert!(lease.given_back());
}

#[test]
fn an_uninstall_takes_a_silent_lease_and_refuses_a_live_one() {
    let mut silent = Lease::new("me".into(), Purpose::Uninstall);
    for at in (0..15_000).step_by(2_000) {
        read(&mut silent, at, Some(seen(Some("other"), 1)));
    }
    assert!(matches!(silent.next(Mono(15_000)), Some(Operation::WriteLease(_))));

    let mut live = Lease::new("me".into(), Purpose::Uninstall);
    read(&mut live, 0, Some(seen(Some("other"), 1)));
    read(&mut live, 2_000, Some(seen(Some("other"), 2)));
    assert_eq!(live.refused(), Some("other"));
    assert!(live.next(Mono(60_000)).is_none());
}
