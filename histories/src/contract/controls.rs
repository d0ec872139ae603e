//! What users ask for by annotations: nothing moves while everything is held still, and what shall be renewed is.

use std::collections::{BTreeMap, BTreeSet};

use acr_controller::names::{PAUSE_ANNOTATION, ROTATE_ANNOTATION};
use acr_controller::operation::Operation;

use super::{Checked, Delivery, ProcessId, Rule, ensure};
use crate::api_server::{ConfigMap, Sight};
use crate::plan::Moment;

/// What each process was shown of it.
#[derive(Debug, Default)]
pub(super) struct Controls {
    paused: BTreeSet<ProcessId>,
    words: BTreeMap<ProcessId, BTreeMap<String, String>>,
    /// When a process was shown words that no journal of its own holds for sure.
    unwritten: BTreeMap<ProcessId, Moment>,
    /// How many answers the cloud had given when a word was first said.
    said: BTreeMap<String, u64>,
}

impl Controls {
    pub(super) fn ended(&mut self, process: ProcessId) {
        self.paused.remove(&process);
        self.words.remove(&process);
        self.unwritten.remove(&process);
    }

    pub(super) fn renewal_asked(&mut self, word: String, answers: u64) {
        self.said.insert(word, answers);
    }

    /// Takes what a process is shown. Whether it is asked to renew something.
    pub(super) fn shown(&mut self, process: ProcessId, delivery: &Delivery, now: Moment) -> bool {
        if let Delivery::Sight(Sight::ConfigurationGone) = delivery {
            // Who leads remembers; who takes over later may never have known.
            self.paused.remove(&process);
        }
        let Delivery::Sight(Sight::Configuration(seen)) = delivery else { return false };
        if seen.annotations.get(PAUSE_ANNOTATION).is_some_and(|value| value == "true") {
            self.paused.insert(process);
        } else {
            self.paused.remove(&process);
        }
        let words = seen.annotations.iter().filter(|(name, _)| name.starts_with(ROTATE_ANNOTATION));
        let words: BTreeMap<String, String> =
            words.map(|(name, word)| (name.clone(), word.clone())).collect();
        let renewed = self.words.get(&process).is_none_or(|known| *known != words) && !words.is_empty();
        self.words.insert(process, words);
        if renewed {
            self.unwritten.insert(process, now);
        }
        renewed
    }

    /// A journal that a process began to write at `at` is written. Whether what it holds makes other questions.
    pub(super) fn journal_written(&mut self, process: ProcessId, at: Moment) -> bool {
        let Some(shown) = self.unwritten.get(&process).copied() else { return false };
        // In the same millisecond it may have begun before.
        if at > shown {
            self.unwritten.remove(&process);
        }
        true
    }

    /// A process reads the journal, which may tell it that an earlier write of its own has landed. Whether that makes other
    /// questions.
    pub(super) fn journal_read(&self, process: ProcessId) -> bool {
        self.unwritten.contains_key(&process)
    }

    /// How many answers the cloud must have given before the one that is published for an instance.
    pub(super) fn renewed_after(&self, configuration: &ConfigMap, instance: &str) -> u64 {
        let instance = if instance.starts_with("personal/") { "personal" } else { instance };
        let names = [ROTATE_ANNOTATION.to_owned(), format!("{ROTATE_ANNOTATION}.{instance}")];
        let words = names.iter().filter_map(|name| configuration.annotations.get(name));
        words.filter_map(|word| self.said.get(word)).copied().max().unwrap_or_default()
    }

    /// S6: whoever was told to hold still asks nobody and writes no object.
    pub(super) fn s6_nothing_moves_while_paused(&self, process: ProcessId, operation: &Operation) -> Checked {
        let goes_on = matches!(
            operation,
            Operation::ReadJournal
                | Operation::WriteJournal { .. }
                | Operation::DeleteJournal
                | Operation::ReadLease
                | Operation::WriteLease(_)
                | Operation::DeleteLease { .. }
                | Operation::Report(_)
        );
        ensure(Rule::S6, goes_on || !self.paused.contains(&process), || {
            format!("{} although everything is held still", operation.label())
        })
    }
}
