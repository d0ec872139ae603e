//! What a history, or many, have seen happen: so that we know that the interesting things do.

use std::collections::BTreeMap;
use std::fmt;

/// Something worth knowing that it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Happening {
    Attached,
    Detached,
    SecretCreated,
    SecretRewritten,
    SecretDeleted,
    JournalWritten,
    LeaseTaken,
    LoginAnswered,
    LoginReplaced,
    DeadLoginRemoved,
    HostRemoved,
    Adopted,
    ForeignSecretRead,
    ForeignSecretLeft,
    LostRace,
    RefusedByPolicy,
    NoRight,
    Quota,
    Terminating,
    Gone,
    Throttled,
    Unknown,
    RequestLost,
    ReplyLost,
    LandedLate,
    LandedAfterDeath,
    CloudUnreachable,
    CloudSilent,
    CloudThrottled,
    CloudRefusedCredentials,
    CloudClockSkew,
    CloudDenied,
    CloudNotFound,
    CloudFailed,
    CloudMalformed,
    TokenFileMissing,
    TokenMinted,
    Crashed,
    Stopped,
    Restarted,
    Froze,
    CutOff,
    ThreeAtOnce,
    Overlapped,
    TookOver,
    ClockJumped,
    ServerAway,
    ListFight,
    SecretFight,
    WatchStalled,
    WatchCut,
    Relisted,
    ListBroken,
    ConfigurationEdited,
    ConfigurationSpoiled,
    ConfigurationRemoved,
    ConfigurationEmptied,
    RestartedWithSpoiledConfiguration,
    Paused,
    RenewalAsked,
    JournalSpoiled,
    AdmissionSpoiled,
    WebhookRegistered,
    ParametersWritten,
    CertificateMade,
    PodAppendedTo,
    PodEvicted,
    PodHelped,
    PodMadeAnewInVain,
    PodReported,
    PodLeftAlone,
    PodsUnseen,
    EvictionAgainstBudget,
    EvictionOfChangedPod,
    EvictionOfGonePod,
    EvictionForbidden,
    EvictionUnanswered,
    CameToRest,
    Uninstalled,
    UninstallRefused,
    UninstallInterrupted,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 81] = [
        Self::Attached,
        Self::Detached,
        Self::SecretCreated,
        Self::SecretRewritten,
        Self::SecretDeleted,
        Self::JournalWritten,
        Self::LeaseTaken,
        Self::LoginAnswered,
        Self::LoginReplaced,
        Self::DeadLoginRemoved,
        Self::HostRemoved,
        Self::Adopted,
        Self::ForeignSecretRead,
        Self::ForeignSecretLeft,
        Self::LostRace,
        Self::RefusedByPolicy,
        Self::NoRight,
        Self::Quota,
        Self::Terminating,
        Self::Gone,
        Self::Throttled,
        Self::Unknown,
        Self::RequestLost,
        Self::ReplyLost,
        Self::LandedLate,
        Self::LandedAfterDeath,
        Self::CloudUnreachable,
        Self::CloudSilent,
        Self::CloudThrottled,
        Self::CloudRefusedCredentials,
        Self::CloudClockSkew,
        Self::CloudDenied,
        Self::CloudNotFound,
        Self::CloudFailed,
        Self::CloudMalformed,
        Self::TokenFileMissing,
        Self::TokenMinted,
        Self::Crashed,
        Self::Stopped,
        Self::Restarted,
        Self::Froze,
        Self::CutOff,
        Self::ThreeAtOnce,
        Self::Overlapped,
        Self::TookOver,
        Self::ClockJumped,
        Self::ServerAway,
        Self::ListFight,
        Self::SecretFight,
        Self::WatchStalled,
        Self::WatchCut,
        Self::Relisted,
        Self::ListBroken,
        Self::ConfigurationEdited,
        Self::ConfigurationSpoiled,
        Self::ConfigurationRemoved,
        Self::ConfigurationEmptied,
        Self::RestartedWithSpoiledConfiguration,
        Self::Paused,
        Self::RenewalAsked,
        Self::JournalSpoiled,
        Self::AdmissionSpoiled,
        Self::WebhookRegistered,
        Self::ParametersWritten,
        Self::CertificateMade,
        Self::PodAppendedTo,
        Self::PodEvicted,
        Self::PodHelped,
        Self::PodMadeAnewInVain,
        Self::PodReported,
        Self::PodLeftAlone,
        Self::PodsUnseen,
        Self::EvictionAgainstBudget,
        Self::EvictionOfChangedPod,
        Self::EvictionOfGonePod,
        Self::EvictionForbidden,
        Self::EvictionUnanswered,
        Self::CameToRest,
        Self::Uninstalled,
        Self::UninstallRefused,
        Self::UninstallInterrupted,
    ];
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<Happening, u64>,
}

impl Coverage {
    /// Counts one.
    pub fn note(&mut self, happening: Happening) {
        *self.counts.entry(happening).or_default() += 1;
    }

    /// How often it happened.
    pub fn of(&self, happening: Happening) -> u64 {
        self.counts.get(&happening).copied().unwrap_or_default()
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<Happening> {
        Happening::ALL.into_iter().filter(|happening| self.of(*happening) == 0).collect()
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        for (happening, count) in &other.counts {
            *self.counts.entry(*happening).or_default() += count;
        }
    }
}

impl fmt::Display for Coverage {
    /// Four to a line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, happening) in Happening::ALL.into_iter().enumerate() {
            let end = if place % 4 == 3 { "\n" } else { "  " };
            write!(formatter, "{:>33} {:<8}{end}", format!("{happening:?}"), self.of(happening))?;
        }
        Ok(())
    }
}
