//! The model of the API server and a real one: the same random steps on both give the same answers and objects.
//!
//! The component's operations go to the real server through its real edge, so that the closed enum of answers is
//! compared too. Everything else is done by users. The controllers stand still: what they would do, the steps do.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, also outside its own function, a panic is how a failure is reported"
)]

mod both;
mod evictions;
mod objects;
mod real;
mod shown;
mod step;
mod users;

use std::collections::BTreeMap;

use acr_histories::random::Random;
use acr_testbed::{ControlPlane, ControlPlaneOptions, Part, Progress, Tools};

use both::Both;
use real::Real;
use step::Step;

/// How many steps are taken at least, and how many more at most until every answer that is wanted was given.
const STEPS: usize = 300;
const MORE_STEPS: usize = 1200;
const SEED: u64 = 20_261_122;

async fn control_plane() -> ControlPlane {
    let tools = Tools::ensure(Progress::Stderr).await.unwrap();
    ControlPlane::start(&tools, ControlPlaneOptions::default()).await.unwrap()
}

#[tokio::test]
async fn the_same_random_steps_on_the_model_and_on_a_real_server_agree() {
    let control_plane = control_plane().await;
    let real = Real::with_rights(&control_plane).await;
    control_plane.pause(Part::ControllerManager).unwrap();
    let mut both = Both::begin(real).await;
    let mut random = Random::new(SEED);
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let missing = |answers: &BTreeMap<String, usize>| {
        step::WANTED.into_iter().find(|wanted| !answers.keys().any(|answer| answer.starts_with(wanted)))
    };
    let mut taken = 0;
    while taken < STEPS || (missing(&answers).is_some() && taken < STEPS + MORE_STEPS) {
        taken += 1;
        let step = Step::choose(&mut random, &both);
        if let Some(answer) = both.take(step).await {
            *answers.entry(answer).or_default() += 1;
        }
    }
    both.watches_agree().await;
    // Every refusal that both can give was given, and every operation was carried out, or this shows little.
    assert_eq!(missing(&answers), None, "{answers:#?}");
    control_plane.stop().unwrap();
}

#[tokio::test]
async fn both_refuse_everything_to_a_component_without_rights() {
    let control_plane = control_plane().await;
    let real = Real::without_rights(&control_plane).await;
    control_plane.pause(Part::ControllerManager).unwrap();
    let mut both = Both::begin(real).await;
    both.forbid_everything();
    let mut random = Random::new(SEED);
    let mut asked = 0;
    while asked < 40 {
        let step = Step::choose(&mut random, &both);
        if let Some(answer) = both.take(step).await {
            assert!(answer.ends_with("NoRight"), "{answer}");
            asked += 1;
        }
    }
    control_plane.stop().unwrap();
}
