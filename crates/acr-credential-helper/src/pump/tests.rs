//! The pump with a real machine and edges made of closures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use acr_controller::observation::{LeaseSeen, Refusal, Watch};
use acr_controller::settings::{GivenRegion, Purpose, Settings};
use acr_server::{Counters, Snapshots, snapshots};
use tokio::sync::oneshot;

use super::*;

fn machine(purpose: Purpose) -> Machine {
    let ourselves = acr_cluster::Ourselves { namespace: "kube-system".into(), identity: "me_1".into() };
    Machine::new(Settings {
        region: Some(GivenRegion { name: "cn-hangzhou".to_owned(), by: "--region" }),
        ..crate::process::settings(&ourselves, purpose)
    })
}

/// What was carried out, by label, and how many of one kind at once at most.
#[derive(Default)]
struct Noted {
    carried_out: Vec<&'static str>,
    at_once: BTreeMap<&'static str, (usize, usize)>,
}

/// A cluster with nothing but a Lease that we get, and ServiceAccounts whose patches take a while.
async fn answer(noted: Rc<RefCell<Noted>>, operation: Operation) -> Answer {
    let label = operation.label();
    {
        let mut noted = noted.borrow_mut();
        noted.carried_out.push(label);
        let (now, most) = noted.at_once.entry(label).or_default();
        *now += 1;
        *most = (*most).max(*now);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    noted.borrow_mut().at_once.entry(label).or_default().0 -= 1;
    match operation {
        Operation::ReadLease => Answer::Lease(None),
        Operation::WriteLease(write) => Answer::Lease(Some(LeaseSeen {
            uid: "lease".into(),
            resource_version: 5,
            holder: write.holder,
            duration_seconds: write.duration_seconds,
            transitions: write.transitions,
        })),
        Operation::ReadJournal => Answer::Journal(None),
        Operation::ApplyPullSecret { .. } | Operation::WriteJournal { .. } | Operation::PatchList { .. } => {
            Answer::Done { resource_version: 1000, uid: Some("uid".into()) }
        }
        _ => Answer::Refused(Refusal::Gone),
    }
}

struct Running {
    observe: mpsc::Sender<Observation>,
    _snapshots: Snapshots,
    noted: Rc<RefCell<Noted>>,
    statuses: Rc<RefCell<Vec<Status>>>,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<Option<Outcome>>,
}

fn start<F: Future<Output = Answer> + 'static>(
    machine: Machine,
    edge: impl Fn(Rc<RefCell<Noted>>, Operation) -> F + 'static,
) -> Running {
    let (observe, observations) = mpsc::channel(1024);
    let (snapshots, status) = snapshots();
    let (stop, stopped) = oneshot::channel::<()>();
    let noted = Rc::new(RefCell::new(Noted::default()));
    let statuses = Rc::new(RefCell::new(Vec::new()));
    let (inner, shown) = (noted.clone(), statuses.clone());
    let ended = tokio::task::spawn_local(async move {
        let stop = async {
            let _ = stopped.await;
        };
        let sources = Sources { observations, status, follow: |_: &_| {}, stop };
        let carry_out = |operation| edge(inner.clone(), operation);
        turn(machine, carry_out, sources, Notes::new(Counters::default(), true), |status| {
            shown.borrow_mut().push(status.clone());
        })
        .await
    });
    Running { observe, _snapshots: snapshots, noted, statuses, stop: Some(stop), ended }
}

async fn local<T>(test: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(test).await
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_told_to_stop_gives_the_lease_back_and_ends() {
    local(async {
        let mut running = start(machine(Purpose::Run), answer);
        tokio::time::sleep(Duration::from_secs(10)).await;
        running.stop.take().unwrap().send(()).unwrap();
        assert_eq!(running.ended.await.unwrap(), Some(Outcome::Stopped));
        let noted = running.noted.borrow();
        // Taken once, renewed every 3 s, given back.
        assert_eq!(
            noted.carried_out.iter().filter(|label| **label == "write-lease").count(),
            5,
            "{:?}",
            noted.carried_out
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_never_answers_does_not_keep_a_process_that_shall_end() {
    local(async {
        let mut running = start(machine(Purpose::Run), |_, _| std::future::pending());
        running.stop.take().unwrap().send(()).unwrap();
        let began = Instant::now();
        assert_eq!(running.ended.await.unwrap(), None);
        assert!(began.elapsed() <= Duration::from_secs(13), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_renews_ends_an_uninstall() {
    local(async {
        let version = std::cell::Cell::new(5);
        let running = start(machine(Purpose::Uninstall), move |_, operation| {
            version.set(version.get() + 1);
            let seen = LeaseSeen {
                uid: "lease".into(),
                resource_version: version.get(),
                holder: Some("other".into()),
                duration_seconds: 15,
                transitions: 0,
            };
            async move {
                match operation {
                    Operation::ReadLease => Answer::Lease(Some(seen)),
                    other => panic!("{}", other.label()),
                }
            }
        });
        assert_eq!(running.ended.await.unwrap(), Some(Outcome::LeaseHeld { holder: "other".into() }));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_class_ever_has_more_in_flight_than_its_slots_and_work_fills_them() {
    local(async {
        let running = start(machine(Purpose::Run), answer);
        let observe = |observation| running.observe.send(observation);
        for watch in [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets] {
            observe(Observation::ListStarted(watch)).await.unwrap();
            match watch {
                Watch::Configuration => observe(configuration()).await.unwrap(),
                Watch::Namespaces => observe(namespace()).await.unwrap(),
                Watch::Accounts => {
                    for place in 0..300 {
                        observe(account(place)).await.unwrap();
                    }
                }
                Watch::PullSecrets | Watch::Pods => {}
            }
            observe(Observation::ListCompleted { watch, version: 1 }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let noted = running.noted.borrow();
        assert_eq!(noted.at_once.get("attach").map(|(_, most)| *most), Some(32), "{:?}", noted.at_once);
        assert_eq!(noted.carried_out.iter().filter(|label| **label == "attach").count(), 300);
        let statuses = running.statuses.borrow();
        assert!(statuses.last().unwrap().listed);
        // Looked at while something happens, not for every answer.
        assert!(statuses.len() < 15, "{}", statuses.len());
    })
    .await;
}

fn configuration() -> Observation {
    let entries = "- instanceId: cri-abcdefgh12345678\n  regionId: cn-hangzhou\n  customAccessKey: LTAIxample0000\n  customAccessKeySecret: s3cr3ts3cr3t\n";
    let data = [("acr-registry-info", entries), ("watch-namespace", "all"), ("service-account", "*")];
    Observation::Configuration(acr_controller::observation::ConfigMapSeen {
        uid: "cm".into(),
        resource_version: 3,
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        annotations: BTreeMap::new(),
    })
}

fn namespace() -> Observation {
    Observation::Namespace(acr_controller::observation::NamespaceSeen {
        name: "team".into(),
        uid: "ns".into(),
        resource_version: 4,
        labels: BTreeMap::new(),
        terminating: false,
        created: UnixMillis(0),
    })
}

fn account(place: u64) -> Observation {
    Observation::Account(acr_controller::observation::AccountSeen {
        namespace: "team".into(),
        name: format!("sa-{place}"),
        resource_version: 10 + place,
        ignored: false,
        list: None,
    })
}
