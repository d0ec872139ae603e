//! What goes wrong on the cloud's side, and what changes there.

use std::collections::BTreeMap;

use acr_credentials::Barrier;
use acr_simulator::description::{CustomDomain, EndpointKind, KeyStatus, PolicyVersion, TrustPolicy};
use acr_simulator::{CutMoment, Fault, FaultEffect, Matcher, Mutation, Product};

use super::CloudSide;
use crate::estate::{ACCOUNT, Instance, KeyPair, RRSA_ROLE};

/// A fault of the cloud or of the way to it, until it is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection to a product comes about.
    Unreachable(Product),
    /// The names of VPC endpoints do not resolve.
    NoVpcNames,
    /// A product does not answer.
    Silent(Product),
    /// A product answers with what the simulator can do wrong.
    Fault(Product, FaultEffect),
    /// `GetAuthorizationToken` tells a false `ExpireTime`, in seconds from now.
    ExpireIn(i64),
    /// A key is disabled.
    KeyDisabled(KeyPair),
    /// A RAM user has lost its permissions.
    NoPermission,
    /// The machine has no role.
    NoMachineRole,
    /// The trust policy of the RRSA role admits nobody.
    NoTrust,
    /// The projected token has expired and nobody renews it.
    StaleToken,
}

/// The transports and keys that are in trouble now.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    last: u64,
    active: BTreeMap<u64, (Trouble, Option<u64>)>,
}

impl Troubles {
    /// What the way to a host makes of a request.
    pub(super) fn on_the_way(&self, host: &str) -> Option<acr_alibaba::TransportFailure> {
        let product = product(host);
        self.active.values().find_map(|(trouble, _)| match trouble {
            Trouble::Unreachable(away) if Some(*away) == product => {
                Some(acr_alibaba::TransportFailure::NotReached(
                    Barrier::Connection,
                    "connection refused".to_owned(),
                ))
            }
            Trouble::NoVpcNames if host.contains("-vpc.") => {
                Some(acr_alibaba::TransportFailure::NotReached(Barrier::Name, "no such host".to_owned()))
            }
            Trouble::Silent(silent) if Some(*silent) == product => {
                Some(acr_alibaba::TransportFailure::TimedOut)
            }
            _ => None,
        })
    }

    pub(super) fn any(&self, wanted: &Trouble) -> bool {
        self.active.values().any(|(trouble, _)| trouble == wanted)
    }
}

fn product(host: &str) -> Option<Product> {
    match host.split(['.', '-']).next() {
        Some("sts") => Some(Product::Sts),
        Some("cr") => Some(Product::Cr),
        Some("100") => Some(Product::Metadata),
        _ => None,
    }
}

impl CloudSide {
    /// Starts a trouble; the number ends it.
    pub fn start(&mut self, trouble: Trouble) -> u64 {
        let fault = |product, action: Option<&str>, effect: &FaultEffect| Fault {
            matcher: Matcher {
                product: Some(product),
                action: action.map(str::to_owned),
                ..Matcher::default()
            },
            times: None,
            effect: effect.clone(),
        };
        let fault = match &trouble {
            Trouble::Fault(product, effect) => Some(fault(*product, None, effect)),
            Trouble::ExpireIn(seconds) => {
                let effect = FaultEffect::ExpireIn { seconds: *seconds };
                Some(fault(Product::Cr, Some("GetAuthorizationToken"), &effect))
            }
            _ => None,
        };
        let fault = fault.map(|fault| self.cloud.add_fault(fault));
        self.change(&trouble, true);
        self.troubles.last += 1;
        self.troubles.active.insert(self.troubles.last, (trouble, fault));
        self.troubles.last
    }

    /// Ends a trouble.
    pub fn end(&mut self, number: u64) {
        let Some((trouble, fault)) = self.troubles.active.remove(&number) else { return };
        if let Some(fault) = fault {
            self.cloud.clear_fault(fault);
        }
        if !self.troubles.any(&trouble) {
            self.change(&trouble, false);
        }
    }

    /// Ends all troubles.
    pub fn end_all(&mut self) {
        for number in self.troubles.active.keys().copied().collect::<Vec<_>>() {
            self.end(number);
        }
    }

    /// Whether anything is wrong.
    pub fn in_trouble(&self) -> bool {
        !self.troubles.active.is_empty()
    }

    fn change(&mut self, trouble: &Trouble, starts: bool) {
        let mutation = match trouble {
            Trouble::KeyDisabled(pair) => Mutation::SetKeyStatus {
                access_key_id: pair.id().to_owned(),
                status: if starts { KeyStatus::Inactive } else { KeyStatus::Active },
            },
            Trouble::NoPermission => Mutation::SetUserPolicies {
                account: ACCOUNT.to_owned(),
                user: "puller-a".to_owned(),
                policies: if starts { Vec::new() } else { self.original_policies("puller-a") },
            },
            Trouble::NoMachineRole => {
                Mutation::SetMachineRole { role: (!starts).then(|| "worker".to_owned()) }
            }
            Trouble::NoTrust => {
                let nobody = TrustPolicy { version: PolicyVersion::default(), statement: Vec::new() };
                let trust_policy =
                    if starts { nobody } else { self.original_trust("rrsa-puller").unwrap_or(nobody) };
                Mutation::SetTrustPolicy { role: RRSA_ROLE.to_owned(), trust_policy }
            }
            _ => return,
        };
        let changed = self.cloud.mutate(mutation);
        debug_assert!(changed.is_ok(), "the estate has what troubles change");
    }

    fn original_policies(&self, user: &str) -> Vec<acr_simulator::description::Policy> {
        let users = self.original.accounts.iter().flat_map(|account| &account.users);
        users.filter(|candidate| candidate.name == user).flat_map(|user| user.policies.clone()).collect()
    }

    fn original_trust(&self, role: &str) -> Option<TrustPolicy> {
        let mut roles = self.original.accounts.iter().flat_map(|account| &account.roles);
        roles.find(|candidate| candidate.name == role).map(|role| role.trust_policy.clone())
    }

    /// Somebody changes the domains of an instance for good.
    pub fn set_domains(&mut self, instance: Instance, custom: &[&str], public: bool) {
        let domains = custom.iter().map(|domain| CustomDomain {
            domain: (*domain).to_owned(),
            endpoint: EndpointKind::default(),
            enabled: true,
        });
        let changed = self.cloud.mutate(Mutation::SetEndpoints {
            instance: instance.id.to_owned(),
            public: Some(public),
            vpc: None,
            custom_domains: Some(domains.collect()),
        });
        debug_assert!(changed.is_ok(), "the estate has the instance");
    }
}

/// A few things that a product can do wrong.
pub fn effects() -> [FaultEffect; 8] {
    [
        FaultEffect::Error {
            status: 500,
            code: "SystemError".to_owned(),
            message: None,
            headers: BTreeMap::new(),
        },
        FaultEffect::Throttle {
            code: "Throttling.User".to_owned(),
            time_left: Some(2_000),
            headers: BTreeMap::new(),
        },
        FaultEffect::Throttle {
            code: "Throttling.Api".to_owned(),
            time_left: None,
            headers: BTreeMap::from([("Retry-After".to_owned(), "20".to_owned())]),
        },
        FaultEffect::Cut(CutMoment::Before),
        FaultEffect::Cut(CutMoment::After),
        FaultEffect::IsSuccessFalse { code: "UNKNOWN_ERROR".to_owned() },
        FaultEffect::Garbage { status: 200, body: "<html>".to_owned() },
        FaultEffect::Delay { milliseconds: 4_000 },
    ]
}
