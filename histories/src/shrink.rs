//! Making a failing plan small: actions are left out as long as the same rule is broken in the same way.

use crate::contract::Violation;
use crate::history::{History, Options};
use crate::plan::Plan;

/// How often a plan is run at most while it is made small.
const RUNS: usize = 1_500;

/// The smallest plan found that breaks the same rule as `plan` does, and what it breaks.
pub fn shrink(plan: &Plan, violation: &Violation, options: Options) -> (Plan, Violation) {
    let mut search = Search {
        plan: plan.clone(),
        violation: violation.clone(),
        wanted: kind(violation),
        options: Options { trace: false, ..options },
        runs: 0,
    };
    while search.one_pass() {}
    (search.plan, search.violation)
}

struct Search {
    plan: Plan,
    violation: Violation,
    wanted: String,
    options: Options,
    runs: usize,
}

impl Search {
    /// Tries to leave out whole rounds, then runs of actions, long ones first. Whether anything could be left out.
    fn one_pass(&mut self) -> bool {
        let before = size(&self.plan);
        if !self.plan.smooth {
            let mut plan = self.plan.clone();
            plan.smooth = true;
            self.try_plan(plan);
        }
        if self.plan.uninstall {
            let mut plan = self.plan.clone();
            plan.uninstall = false;
            self.try_plan(plan);
        }
        for round in (0..self.plan.rounds.len()).rev() {
            if self.plan.rounds.len() > 1 {
                let mut plan = self.plan.clone();
                plan.rounds.remove(round);
                self.try_plan(plan);
            }
        }
        for round in (0..self.plan.rounds.len()).rev() {
            let mut length = self.actions_in(round);
            while length > 0 {
                let mut start = self.actions_in(round).saturating_sub(length);
                loop {
                    self.try_without(round, start, length);
                    if start == 0 || self.runs >= RUNS {
                        break;
                    }
                    start = start.saturating_sub(length);
                }
                length /= 2;
            }
            self.shorten_waits(round);
        }
        size(&self.plan) < before && self.runs < RUNS
    }

    fn actions_in(&self, round: usize) -> usize {
        self.plan.rounds.get(round).map_or(0, |round| round.actions.len())
    }

    /// What is left out leaves its time behind, so that the rest happens when it did.
    fn try_without(&mut self, round: usize, start: usize, length: usize) {
        let mut plan = self.plan.clone();
        let Some(round) = plan.rounds.get_mut(round) else { return };
        let end = (start + length).min(round.actions.len());
        if start >= end {
            return;
        }
        let waited: u64 = round.actions.drain(start..end).map(|(wait, _)| wait).sum();
        if let Some((wait, _)) = round.actions.get_mut(start) {
            *wait += waited;
        }
        self.try_plan(plan);
    }

    /// Ages between two actions become seconds, where that is enough.
    fn shorten_waits(&mut self, round: usize) {
        for place in 0..self.actions_in(round) {
            let mut plan = self.plan.clone();
            let action = plan.rounds.get_mut(round).and_then(|round| round.actions.get_mut(place));
            if let Some((wait, _)) = action.filter(|(wait, _)| *wait > 3_000) {
                *wait = 2_000;
                self.try_plan(plan);
            }
        }
    }

    fn try_plan(&mut self, plan: Plan) {
        self.runs += 1;
        let Ok(report) = History::run(&plan, self.options) else { return };
        if let Some(violation) = report.violation
            && kind(&violation) == self.wanted
        {
            self.plan = plan;
            self.violation = violation;
        }
    }
}

fn size(plan: &Plan) -> usize {
    plan.rounds.iter().map(|round| round.actions.len() + 1).sum::<usize>()
        + usize::from(plan.uninstall)
        + usize::from(!plan.smooth)
}

/// The rule, and what happened without names and numbers.
fn kind(violation: &Violation) -> String {
    let plain =
        |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase() || ",;`".contains(letter));
    let words: Vec<&str> = violation.what.split_whitespace().filter(plain).collect();
    format!("{:?} {}", violation.rule, words.join(" "))
}
