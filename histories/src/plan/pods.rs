//! What users do about pods, put into plans that are made without.

use std::rc::Rc;

use acr_controller::observation::Watch;

use super::{Action, Moment, Round};
use crate::api_server::{OwnerKind, Right, Template};
use crate::estate::{INSTANCES, Instance, PERSONAL};
use crate::random::Random;
use crate::wanted::{ACCOUNTS, Immediate, NAMESPACES, PodHelp, Wanted};

const SECOND: Moment = 1_000;
const MINUTE: Moment = 60 * SECOND;
/// Names of what makes pods.
const OWNERS: [&str; 5] = ["api", "batch", "db", "web", "worker"];

/// One thing that happens to pods.
#[derive(Clone, Debug)]
pub enum PodAction {
    /// What makes pods is created.
    Create(&'static str, &'static str, Template),
    /// The list is taken out of its template.
    Mend(&'static str, &'static str),
    /// What makes pods is deleted, and its pods with it.
    Delete(&'static str, &'static str),
    /// All pods of a namespace are deleted.
    DeletePods(&'static str),
    /// All pods of a namespace start: somebody has brought the images to the nodes.
    Start(&'static str),
    /// A policy refuses evictions in a namespace, for so long.
    Guard(&'static str, Moment),
    /// A budget lets no pod of a namespace go that has started, for so long.
    Budget(&'static str, Moment),
}

/// Who might be served, so that most pods are somebody's who is.
struct Served {
    namespace: &'static str,
    account: &'static str,
    image: String,
}

/// Has a quarter of all histories ask for help for pods, and have some. All of it is drawn from a stream of its own: the
/// other histories are the same as ever.
pub(super) fn put_into(seed: u64, rounds: &mut [Round]) {
    let mut random = Random::stream(seed, 5);
    if !random.chance(25) {
        return;
    }
    let usual = random.weighted([(1, PodHelp::Report), (1, PodHelp::Append), (5, PodHelp::Restart)]);
    let by_webhook = random.chance(40);
    let mut served = Vec::new();
    for round in &mut *rounds {
        for (_, action) in &mut round.actions {
            let Action::Configure(wanted, data) = action else { continue };
            let help = if random.chance(80) {
                usual
            } else {
                random.one_of([PodHelp::None, PodHelp::Report, PodHelp::Append, PodHelp::Restart])
            };
            let changed = Rc::make_mut(wanted);
            changed.pods = help;
            if help != PodHelp::None || random.chance(50) {
                data.insert("pods".to_owned(), help.text().to_owned());
            } else {
                data.remove("pods");
            }
            if by_webhook && changed.immediate == Immediate::Off {
                changed.immediate = Immediate::Webhook;
                data.insert(
                    "webhook-configuration".to_owned(),
                    "enable: true\nfailure-policy: Fail".to_owned(),
                );
            }
            who_is_served(changed, &mut random, &mut served);
        }
    }
    for (place, round) in rounds.iter_mut().enumerate() {
        let owners = if place == 0 { random.between(3, 6) } else { random.between(0, 2) };
        for _ in 0..owners {
            let at = random.index(round.actions.len() / 2 + 1);
            round.actions.insert(at, (0, create(&served, &mut random)));
        }
        for _ in 0..random.between(2, 8) {
            let at = random.index(round.actions.len() + 1);
            let scene = something(&served, &mut random);
            round.actions.splice(at..at, scene);
        }
    }
}

fn who_is_served(wanted: &Wanted, random: &mut Random, served: &mut Vec<Served>) {
    for namespace in NAMESPACES {
        for account in ACCOUNTS {
            if !wanted.names_account(namespace, account) {
                continue;
            }
            for instance in wanted.entries.iter().flat_map(|entry| &entry.instances) {
                let image = private_image(*instance, random);
                served.push(Served { namespace, account, image });
            }
        }
    }
}

fn private_image(instance: Instance, random: &mut Random) -> String {
    let host = if random.chance(75) { instance.public_host() } else { instance.vpc_host() };
    format!("{host}/{}", random.one_of(["team-a/app:1", "team-a/app:1", "shared/base/app:1"]))
}

fn create(served: &[Served], random: &mut Random) -> Action {
    let of_the_served = random.chance(90);
    let one = random.pick(served).filter(|_| of_the_served);
    let [acme, shanghai, tools, lost] = INSTANCES;
    let elsewhere = random.one_of([acme, shanghai, tools, lost, PERSONAL]);
    let (namespace, account, image) = match one {
        Some(one) => (one.namespace, one.account, one.image.clone()),
        None => (
            random.one_of(NAMESPACES),
            random.one_of(ACCOUNTS),
            if random.chance(30) {
                "docker.io/library/nginx:1".to_owned()
            } else {
                private_image(elsewhere, random)
            },
        ),
    };
    let template = Template {
        kind: random.weighted([
            (6, OwnerKind::ReplicaSet),
            (2, OwnerKind::StatefulSet),
            (1, OwnerKind::CloneSet),
            (2, OwnerKind::Job),
            (1, OwnerKind::Unknown),
            (2, OwnerKind::Nobody),
        ]),
        account,
        // Some look as if they were from the list of a ServiceAccount.
        list: random.weighted([
            (8, &[][..]),
            (2, &["mine"]),
            (1, &["mine", "yours"]),
            (2, &["quay"]),
            (1, &["quay", "hub"]),
            (1, &["zeta", "alpha"]),
        ]),
        image,
        sidecar: random.chance(15),
        replicas: random.index(4) + 1,
    };
    Action::Pods(PodAction::Create(namespace, random.one_of(OWNERS), template))
}

fn something(served: &[Served], random: &mut Random) -> Vec<(Moment, Action)> {
    let of_the_served = random.chance(80);
    let one = random.pick(served).filter(|_| of_the_served);
    let namespace = one.map_or_else(|| random.one_of(NAMESPACES), |one| one.namespace);
    let owner = random.one_of(OWNERS);
    let duration = random.spread(SECOND, 10 * MINUTE);
    let at_once = |action| vec![(0, action)];
    match random.below(16) {
        0..=3 => at_once(create(served, random)),
        4 => at_once(Action::Pods(PodAction::Mend(namespace, owner))),
        5 => at_once(Action::Pods(PodAction::Delete(namespace, owner))),
        6 => at_once(Action::Pods(PodAction::DeletePods(namespace))),
        7 => at_once(Action::Pods(PodAction::Start(namespace))),
        8 => at_once(Action::Pods(PodAction::Guard(namespace, duration))),
        9 => at_once(Action::MissRight(Right::Evictions, duration)),
        10 => at_once(Action::MissRight(Right::Pods, duration)),
        11 => at_once(Action::Stall(Watch::Pods, random.spread(500, 2 * MINUTE))),
        12 => at_once(match random.below(3) {
            0 => Action::CutWatch(Watch::Pods),
            1 => Action::Expire(Watch::Pods),
            _ => Action::BreakList(Watch::Pods),
        }),
        _ => behind_a_stalled_watch(served, random),
    }
}

/// Pods that cannot pull, and that start or are deleted before they are evicted, behind a watch that does not show it.
fn behind_a_stalled_watch(served: &[Served], random: &mut Random) -> Vec<(Moment, Action)> {
    let create = create(served, random);
    let Action::Pods(PodAction::Create(namespace, ..)) = create else { return Vec::new() };
    let stall = Action::Stall(Watch::Pods, random.between(10 * SECOND, MINUTE));
    let mut scene = vec![(0, create), (random.between(4 * SECOND, 12 * SECOND), stall)];
    let wait = random.below(8 * SECOND);
    if random.chance(50) {
        scene.push((0, Action::Pods(PodAction::Budget(namespace, 10 * MINUTE))));
        scene.push((wait, Action::Pods(PodAction::Start(namespace))));
    } else {
        scene.push((wait, Action::Pods(PodAction::DeletePods(namespace))));
    }
    scene
}
