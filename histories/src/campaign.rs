//! Many seeds, in several threads, until more break a rule than are tolerated.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{panic, thread};

use crate::contract::Violation;
use crate::coverage::Coverage;
use crate::history::{History, Options, Report, SetupFailure};

/// Seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// In how many threads.
    pub threads: usize,
    /// How many histories may break a rule before the search ends.
    pub tolerated: u64,
    /// How each is run.
    pub options: Options,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many histories have ended.
    pub histories: u64,
    /// How many steps they took together.
    pub steps: u64,
    /// What happened in all of them.
    pub coverage: Coverage,
    /// What broke a rule, by seed. The search ends when more have failed than are tolerated, so that there may be
    /// smaller seeds among those that were not run.
    pub violations: BTreeMap<u64, Violation>,
}

impl Summary {
    /// How many histories broke a rule.
    pub fn broken(&self) -> u64 {
        u64::try_from(self.violations.len()).unwrap_or(u64::MAX)
    }
}

impl Campaign {
    /// Runs the seeds; `progress` is told now and then how many have ended, by any of the threads.
    pub fn run(&self, progress: impl Fn(u64) + Sync) -> Result<Summary, SetupFailure> {
        let next = AtomicU64::new(self.first);
        let stop = AtomicBool::new(false);
        let summary = Mutex::new(Summary::default());
        let trouble = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    if let Err(failure) = self.work(&next, &stop, &summary, &progress) {
                        stop.store(true, Ordering::Relaxed);
                        *lock(&trouble) = Some(failure);
                    }
                });
            }
        });
        let trouble = lock(&trouble).take();
        match trouble {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut *lock(&summary))),
        }
    }

    fn work(
        &self,
        next: &AtomicU64,
        stop: &AtomicBool,
        summary: &Mutex<Summary>,
        progress: &(impl Fn(u64) + Sync),
    ) -> Result<(), SetupFailure> {
        let end = self.first.saturating_add(self.seeds);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            // A panic is the end of the process, which no rule allows; its message is printed by the panic itself.
            let ended = panic::catch_unwind(|| History::of_seed(seed, self.options));
            let report = ended.unwrap_or_else(|_| Ok(Report::of_panic()))?;
            let mut summary = lock(summary);
            summary.histories += 1;
            summary.steps += report.steps;
            summary.coverage.add(&report.coverage);
            if let Some(violation) = report.violation {
                summary.violations.insert(seed, violation);
                if summary.broken() > self.tolerated {
                    // Whatever is under way ends; nothing new starts.
                    stop.store(true, Ordering::Relaxed);
                }
            }
            progress(summary.histories);
        }
    }
}

/// A panic of another thread has left nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
