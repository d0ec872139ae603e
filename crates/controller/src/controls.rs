//! What the annotations of the ConfigMap ask for beside its text: to pause, and to renew what an entry holds now.

use std::collections::BTreeMap;

use acr_configuration::{Configuration, Edition, Entry};
use aws_lc_rs::digest;

use crate::names::{PAUSE_ANNOTATION, ROTATE_ANNOTATION};

/// What the entries of the Personal Edition are called in a request to renew them: they have no instance.
pub const PERSONAL: &str = "personal";

/// The name that stands for all entries.
const ALL: &str = "";

/// Bytes that are kept of the digest of a word: two words of one user are not mistaken for each other, and an annotation
/// may hold 256 KiB, which the journal has no room for.
const WORD_BYTES: usize = 8;

/// What users ask for by annotations, as far as it was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Nothing is asked of the cloud, and nothing is written but journal and Lease.
    pub paused: bool,
    /// Which word was said last about an instance, the empty name for all of them. It is an input of logins, and
    /// of sessions where all are meant: another word makes other questions, which have no answer yet.
    pub rotations: BTreeMap<String, String>,
}

/// What is wrong with an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misunderstood {
    /// The finding's code.
    pub code: &'static str,
    /// What is wrong, and what helps.
    pub message: String,
}

impl Controls {
    /// Takes the annotations of a ConfigMap: one that is gone asks for nothing new, one that cannot be understood changes
    /// nothing.
    pub fn taking(
        &self,
        annotations: &BTreeMap<String, String>,
        configuration: Option<&Configuration>,
    ) -> (Self, Vec<Misunderstood>) {
        let mut wrong = Vec::new();
        let mut next = self.clone();
        match annotations.get(PAUSE_ANNOTATION).map(String::as_str) {
            Some("true") => next.paused = true,
            None | Some("false") => next.paused = false,
            Some(_) => wrong.push(Misunderstood {
                code: "PauseNotUnderstood",
                message: format!(
                    "the annotation {PAUSE_ANNOTATION} is neither true nor false, so it changes nothing; write true, or \
                     take it away"
                ),
            }),
        }
        let known = names(configuration);
        for (annotation, value) in annotations {
            let Some(rest) = annotation.strip_prefix(ROTATE_ANNOTATION) else { continue };
            let name = match rest.strip_prefix('.') {
                Some(name) => name,
                None if rest.is_empty() => ALL,
                None => continue,
            };
            if rest.is_empty() || known.contains(&name) {
                next.rotations.insert(name.to_owned(), word(value));
            } else {
                wrong.push(Misunderstood {
                    code: "RotateUnknown",
                    message: format!(
                        "the annotation {annotation} names no entry; {}",
                        if known.is_empty() {
                            "there is none that could be renewed".to_owned()
                        } else {
                            format!("what can be renewed is {}", known.join(", "))
                        }
                    ),
                });
            }
        }
        next.rotations.retain(|name, _| name == ALL || known.contains(&name.as_str()));
        (next, wrong)
    }

    /// What was said last about everything; `None` where nothing ever was. It is what sessions follow: entries share them.
    pub fn rotation_of_all(&self) -> Option<String> {
        self.rotations.get(ALL).cloned()
    }

    /// What was said last about an instance, or about everything: what its login follows.
    pub fn rotation_of(&self, instance: &str) -> Option<String> {
        let words: Vec<&str> = [ALL, instance]
            .into_iter()
            .filter_map(|name| self.rotations.get(name).map(String::as_str))
            .collect();
        (!words.is_empty()).then(|| words.join("/"))
    }
}

/// What can be renewed, in the order of the entries.
fn names(configuration: Option<&Configuration>) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in configuration.iter().flat_map(|configuration| &configuration.entries).flat_map(names_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn names_of(entry: &Entry) -> Vec<&str> {
    match &entry.edition {
        Edition::Enterprise { ids } => ids.iter().map(String::as_str).collect(),
        Edition::Personal => vec![PERSONAL],
        // What a Secret holds is followed, never asked for.
        Edition::Static => Vec::new(),
    }
}

fn word(value: &str) -> String {
    let digest = digest::digest(&digest::SHA256, value.as_bytes());
    let number =
        digest.as_ref().iter().take(WORD_BYTES).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use acr_configuration::Source;

    use super::*;

    const TWO: &str = "- instanceId: cri-one,cri-two\n  regionId: cn-hangzhou\n- instanceId: \"\"\n  regionId: cn-beijing\n- instanceId: cri-three\n  regionId: cn-hangzhou\n";

    fn configuration() -> Configuration {
        let data = BTreeMap::from([("acr-registry-info".to_owned(), TWO.to_owned())]);
        acr_configuration::load(&Source::from_config_map_data(&data)).configuration.unwrap()
    }

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| (format!("acr-credential-helper/{key}"), (*value).to_owned()))
            .collect()
    }

    fn taken(former: &Controls, pairs: &[(&str, &str)]) -> (Controls, Vec<String>) {
        let (controls, wrong) = former.taking(&annotations(pairs), Some(&configuration()));
        (controls, wrong.into_iter().map(|wrong| format!("{}: {}", wrong.code, wrong.message)).collect())
    }

    #[test]
    fn what_is_not_understood_changes_nothing_and_is_said() {
        let (paused, _) = taken(&Controls::default(), &[("pause", "true")]);
        let (still, wrong) = taken(&paused, &[("pause", "yes"), ("rotate.cri-four", "now")]);
        assert_eq!(still, paused);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        insta::assert_snapshot!(wrong[0], @"PauseNotUnderstood: the annotation acr-credential-helper/pause is neither true nor false, so it changes nothing; write true, or take it away");
        insta::assert_snapshot!(wrong[1], @"RotateUnknown: the annotation acr-credential-helper/rotate.cri-four names no entry; what can be renewed is cri-one, cri-two, personal, cri-three");
    }

    #[test]
    fn an_annotation_of_another_name_is_nobodys() {
        let (controls, wrong) =
            taken(&Controls::default(), &[("rotated", "x"), ("rotate-me", "x"), ("rotate.", "x")]);
        assert_eq!(controls, Controls::default());
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }

    #[test]
    fn a_pause_ends_when_its_annotation_goes_or_is_false() {
        let (paused, _) = taken(&Controls::default(), &[("pause", "true")]);
        assert!(paused.paused);
        assert!(!taken(&paused, &[]).0.paused);
        assert!(!taken(&paused, &[("pause", "false")]).0.paused);
    }

    #[test]
    fn a_word_about_one_instance_is_about_its_logins_alone() {
        let (controls, wrong) = taken(&Controls::default(), &[("rotate.cri-two", "a")]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let two = controls.rotation_of("cri-two");
        assert!(two.is_some() && controls.rotation_of("cri-one").is_none());
        assert_eq!(controls.rotation_of_all(), None, "sessions are shared with other instances");
        let (controls, _) = taken(&controls, &[("rotate.personal", "a")]);
        assert_eq!(controls.rotation_of("cri-two"), two, "what was said once stays said");
        assert!(controls.rotation_of(PERSONAL).is_some() && controls.rotation_of("cri-three").is_none());
    }

    #[test]
    fn another_word_about_all_is_news_for_each_and_the_same_word_for_none() {
        let words = |controls: &Controls| [controls.rotation_of("cri-one"), controls.rotation_of_all()];
        let (one, _) = taken(&Controls::default(), &[("rotate", "monday")]);
        let (same, _) = taken(&one, &[("rotate", "monday")]);
        let (gone, _) = taken(&one, &[]);
        let (other, _) = taken(&one, &[("rotate", "tuesday")]);
        assert_eq!(words(&one), words(&same));
        assert_eq!(words(&one), words(&gone), "whoever tidies up asks for nothing");
        assert!(words(&one).iter().zip(words(&other)).all(|(one, other)| one.is_some() && *one != other));
    }

    #[test]
    fn what_is_kept_of_a_word_is_short_however_long_the_word_is() {
        let (controls, _) = taken(&Controls::default(), &[("rotate", &"x".repeat(200_000))]);
        assert_eq!(controls.rotations[""].len(), 2 * WORD_BYTES);
    }

    #[test]
    fn an_instance_that_is_configured_no_more_is_forgotten() {
        let (controls, _) = taken(&Controls::default(), &[("rotate.cri-two", "a"), ("rotate", "b")]);
        let (left, wrong) = controls.taking(&BTreeMap::new(), None);
        assert_eq!(left.rotations.keys().map(String::as_str).collect::<Vec<_>>(), [""]);
        assert!(wrong.is_empty());
    }
}
