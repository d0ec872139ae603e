//! The Lease: created by PUT, and only ever replaced where it is exactly the one that was seen.

use acr_controller::observation::{Answer, LeaseSeen, Refusal};
use acr_controller::operation::{LeaseWrite, Operation};

use crate::{cluster, done, refusal, shared_control_plane};

fn write(replaces: Option<&LeaseSeen>, holder: Option<&str>, acquired: bool) -> Operation {
    Operation::WriteLease(LeaseWrite {
        replaces: replaces.map(|lease| (lease.uid.clone(), lease.resource_version)),
        holder: holder.map(str::to_owned),
        duration_seconds: if holder.is_some() { 15 } else { 1 },
        transitions: 3,
        acquired,
    })
}

fn held(answer: Answer) -> LeaseSeen {
    match answer {
        Answer::Lease(Some(lease)) => lease,
        other => panic!("no Lease: {other:?}"),
    }
}

#[tokio::test]
async fn a_lease_lives_through_taking_renewing_giving_back_and_deletion() {
    let control_plane = shared_control_plane().await;
    let cluster = cluster(control_plane).await;
    let read = cluster.carry_out(Operation::ReadLease).await;
    assert!(matches!(read, Answer::Lease(None)), "{read:?}");

    let taken = held(cluster.carry_out(write(None, Some("one"), true)).await);
    assert_eq!((taken.holder.as_deref(), taken.duration_seconds, taken.transitions), (Some("one"), 15, 3));
    assert_eq!(held(cluster.carry_out(Operation::ReadLease).await), taken);

    // Somebody else who believed that there is none, and somebody who saw an older one.
    assert_eq!(refusal(cluster.carry_out(write(None, Some("two"), true)).await), Refusal::LostRace);
    let renewed = held(cluster.carry_out(write(Some(&taken), Some("one"), false)).await);
    assert!(renewed.resource_version > taken.resource_version);
    assert_eq!(refusal(cluster.carry_out(write(Some(&taken), Some("two"), true)).await), Refusal::LostRace);

    let given_back = held(cluster.carry_out(write(Some(&renewed), None, false)).await);
    assert_eq!((given_back.holder.as_deref(), given_back.duration_seconds), (None, 1));

    let delete = |lease: &LeaseSeen| Operation::DeleteLease {
        uid: lease.uid.clone(),
        resource_version: lease.resource_version,
    };
    assert_eq!(refusal(cluster.carry_out(delete(&renewed)).await), Refusal::LostRace);
    done(cluster.carry_out(delete(&given_back)).await);
    assert_eq!(refusal(cluster.carry_out(delete(&given_back)).await), Refusal::Gone);

    // A late renewal does not bring it back.
    assert_eq!(
        refusal(cluster.carry_out(write(Some(&given_back), Some("one"), false)).await),
        Refusal::LostRace
    );
    assert!(matches!(cluster.carry_out(Operation::ReadLease).await, Answer::Lease(None)));
}
