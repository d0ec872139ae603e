//! scratch
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing
)]
use acr_histories::history::{History, Options};
use std::collections::BTreeMap;
#[test]
fn scratch() {
    let n: u64 = std::env::var("SEEDS").ok().and_then(|t| t.parse().ok()).unwrap_or(300);
    let mut kinds: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let mut bad = 0;
    let started = std::time::Instant::now();
    for seed in 0..n {
        let report = History::of_seed(seed, Options::default()).unwrap();
        if let Some(v) = report.violation {
            bad += 1;
            let text = v.to_string();
            let line = text.lines().next().unwrap().to_string();
            let short: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
            let key = format!(
                "{} {}",
                &line[..2],
                short.split(": ").skip(2).collect::<Vec<_>>().join(": ").chars().take(40).collect::<String>()
            );
            kinds.entry(key).or_default().push((seed, line));
        }
    }
    println!("{bad} bad of {n} in {:?}", started.elapsed());
    for (k, v) in kinds {
        println!(
            "{:5} [{k}] seeds {:?}\n       {}",
            v.len(),
            v.iter().take(6).map(|x| x.0).collect::<Vec<_>>(),
            v[0].1.chars().take(330).collect::<String>()
        );
    }
}
#[test]
fn one() {
    let Ok(seed) = std::env::var("SEED") else { return };
    for seed in seed.split(',') {
        let seed: u64 = seed.parse().unwrap();
        let plan = acr_histories::plan::Plan::of(seed);
        let report = History::run(&plan, Options::default()).unwrap();
        let v = report.violation.unwrap();
        let (plan, v) = acr_histories::shrink::shrink(&plan, &v, Options::default());
        let report = History::run(&plan, Options { trace: true, ..Options::default() }).unwrap();
        println!("=== seed {seed}");
        for line in report.trace {
            println!("{}", line.chars().take(3000).collect::<String>());
        }
        println!("{v}");
    }
}
