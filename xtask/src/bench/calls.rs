//! What the component asked of the API server, counted from the audit log.

use std::collections::BTreeMap;

use acr_end_to_end::PULL_SECRET;
use acr_testbed::AuditEvent;

/// The journal's Secret.
pub(super) const JOURNAL: &str = "acr-credential-helper-state";
/// Its Lease.
pub(super) const LEASE: &str = "acr-credential-helper";

/// Calls of one run. Every attempt counts, whatever came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Writes to pull secrets and ServiceAccounts.
    pub(super) writes: usize,
    /// Writes of the journal.
    pub(super) journal_writes: usize,
    /// The most GETs of any one object.
    pub(super) gets: usize,
}

impl Calls {
    pub(super) fn count(events: &[AuditEvent]) -> Self {
        let mut gets: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        let mut calls = Self::default();
        for event in events {
            if event.verb == "get" {
                // Requests without a resource are discovery.
                if !event.resource.is_empty() {
                    *gets.entry((&event.resource, &event.namespace, &event.name)).or_default() += 1;
                }
            } else if is_write(event) {
                let account = event.resource == "serviceaccounts" && event.subresource.is_empty();
                let secret = event.resource == "secrets";
                calls.writes += usize::from(account || (secret && event.name == PULL_SECRET));
                calls.journal_writes += usize::from(secret && event.name == JOURNAL);
            }
        }
        calls.gets = gets.into_values().max().unwrap_or(0);
        calls
    }
}

fn is_write(event: &AuditEvent) -> bool {
    !matches!(event.verb.as_str(), "get" | "list" | "watch")
}

/// What does not belong into an idle time, each kind of request with its number: all but watches and renewals of the
/// Lease.
pub(super) fn disturbances(events: &[AuditEvent]) -> Vec<String> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        let renewal = event.verb == "update" && event.resource == "leases" && event.name == LEASE;
        if event.verb != "watch" && !renewal {
            *found.entry(format!("{} {}", event.verb, event.uri)).or_default() += 1;
        }
    }
    found.into_iter().map(|(request, count)| format!("{count} x {request}")).collect()
}

#[cfg(test)]
mod tests {
    use acr_testbed::Stage;

    use super::*;

    fn event(verb: &str, resource: &str, namespace: &str, name: &str) -> AuditEvent {
        AuditEvent {
            user: "component".to_owned(),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uri: format!("/{resource}/{namespace}/{name}"),
            code: Some(409),
            stage: Stage::ResponseComplete,
            at: "2026-11-21T22:00:00Z".parse().unwrap(),
            user_agent: String::new(),
        }
    }

    #[test]
    fn failed_writes_count_too() {
        let events = [
            event("patch", "secrets", "team-1", PULL_SECRET),
            event("delete", "secrets", "team-1", PULL_SECRET),
            event("patch", "serviceaccounts", "team-1", "sa-0"),
        ];
        assert_eq!(Calls::count(&events), Calls { writes: 3, journal_writes: 0, gets: 0 });
    }

    #[test]
    fn other_writes_do_not_count() {
        let mut token = event("create", "serviceaccounts", "kube-system", "own");
        "token".clone_into(&mut token.subresource);
        let events = [
            token,
            event("patch", "secrets", "kube-system", JOURNAL),
            event("update", "leases", "kube-system", LEASE),
            event("watch", "secrets", "", PULL_SECRET),
            event("list", "serviceaccounts", "", ""),
        ];
        assert_eq!(Calls::count(&events), Calls { writes: 0, journal_writes: 1, gets: 0 });
    }

    #[test]
    fn gets_are_counted_by_object_and_without_discovery() {
        let events = [
            event("get", "", "", ""),
            event("get", "", "", ""),
            event("get", "", "", ""),
            event("get", "leases", "kube-system", LEASE),
            event("get", "secrets", "kube-system", JOURNAL),
            event("get", "secrets", "kube-system", JOURNAL),
            event("get", "secrets", "other", JOURNAL),
        ];
        assert_eq!(Calls::count(&events).gets, 2);
    }

    #[test]
    fn only_watches_and_renewals_are_idle() {
        let renewal = event("update", "leases", "kube-system", LEASE);
        assert!(disturbances(&[renewal, event("watch", "secrets", "", "")]).is_empty());
        for noise in [
            event("get", "leases", "kube-system", LEASE),
            event("update", "leases", "kube-system", "other"),
            event("list", "namespaces", "", ""),
            event("patch", "secrets", "kube-system", JOURNAL),
            event("get", "", "", ""),
        ] {
            let expected = format!("2 x {} {}", noise.verb, noise.uri);
            assert_eq!(disturbances(&[noise.clone(), noise]), [expected]);
        }
    }
}
