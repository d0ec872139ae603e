//! Making configurations up.

use super::{
    ACCOUNTS, Immediate, NAMESPACES, Pattern, PodHelp, Requirement, Unserved, Wanted, WantedDomain,
    WantedEntry, Watched,
};
use crate::estate::{HOME_REGION, INSTANCES, Identity, Instance, KeyPair, PERSONAL};
use crate::random::Random;

impl Wanted {
    /// A configuration. Most serve something in most of the namespaces, so that histories have work to do.
    pub fn generate(random: &mut Random) -> Self {
        let entries = if random.chance(10) { 0 } else { random.weighted([(5, 1), (4, 2), (1, 3)]) };
        let mut entries: Vec<WantedEntry> = (0..entries).map(|_| WantedEntry::generate(random)).collect();
        // An entry that is not supported stands beside one that is: what a configuration means whose entries are all
        // unserved is nobody's business here.
        if !entries.is_empty() && random.chance(8) {
            for entry in &mut entries {
                entry.namespaces = None;
                entry.accounts = None;
            }
            let unserved = WantedEntry::unserved();
            let place = random.index(entries.len() + 1);
            entries.insert(place, unserved);
        }
        Self {
            watched: watched(random),
            excluded: excluded(random),
            selector: selector(random),
            accounts: accounts(random),
            threshold_seconds: random.weighted([
                (8, 900),
                (2, 300),
                (2, 1800),
                (1, 60),
                (1, 3600),
                (1, 7200),
            ]),
            email: random.chance(15).then_some("ops@acme.example"),
            rrsa: entries.iter().any(is_rrsa),
            takeover: random.chance(25),
            immediate: immediate(random),
            pods: PodHelp::None,
            entries,
        }
    }

    /// The configuration after an edit: mostly one thing changes.
    pub fn edited(&self, random: &mut Random) -> Self {
        let mut edited = self.clone();
        match random.below(13) {
            0 | 1 => edited.watched = watched(random),
            2 => edited.excluded = excluded(random),
            3 => edited.selector = selector(random),
            4 | 5 => edited.accounts = accounts(random),
            6 => edited.entries.push(WantedEntry::generate(random)),
            7 => {
                let place = random.index(edited.entries.len());
                if place < edited.entries.len() {
                    edited.entries.remove(place);
                }
            }
            8 => {
                let place = random.index(edited.entries.len());
                if let Some(entry) = edited.entries.get_mut(place) {
                    *entry = WantedEntry::generate(random);
                }
            }
            9 => edited.takeover = !edited.takeover,
            10 | 11 => edited.immediate = immediate(random),
            _ => return Self::generate(random),
        }
        if edited.entries.len() > 3 || edited.entries.iter().all(|entry| entry.unserved.is_some()) {
            return Self::generate(random);
        }
        if edited.entries.iter().any(|entry| entry.unserved.is_some()) {
            for entry in &mut edited.entries {
                entry.namespaces = None;
                entry.accounts = None;
            }
        }
        edited.rrsa = edited.entries.iter().any(is_rrsa);
        edited
    }
}

fn immediate(random: &mut Random) -> Immediate {
    random.weighted([(6, Immediate::Off), (2, Immediate::Webhook), (1, Immediate::Policy)])
}

fn is_rrsa(entry: &WantedEntry) -> bool {
    entry.identity.is_rrsa()
}

fn watched(random: &mut Random) -> Watched {
    if random.chance(45) {
        return Watched::All;
    }
    let mut names: Vec<&'static str> = NAMESPACES.into_iter().filter(|_| random.chance(60)).collect();
    if random.chance(10) {
        names.push("not-there-yet");
    }
    if names.is_empty() {
        names.push("default");
    }
    random.shuffle(&mut names);
    Watched::Named(names)
}

fn excluded(random: &mut Random) -> Vec<Pattern> {
    random
        .weighted([
            (6, &[][..]),
            (2, &[Pattern::Prefix("kube-")]),
            (1, &[Pattern::Exact("build")]),
            (1, &[Pattern::Suffix("-b"), Pattern::Exact("kube-system")]),
        ])
        .to_vec()
}

fn selector(random: &mut Random) -> Vec<Requirement> {
    if random.chance(70) {
        return Vec::new();
    }
    let mut requirements = vec![match random.below(6) {
        0 => Requirement::Equals("team", "a"),
        1 => Requirement::Differs("team", "b"),
        2 => Requirement::In("team", vec!["a", "b"]),
        3 => Requirement::NotIn("team", vec!["b"]),
        4 => Requirement::Exists("team"),
        _ => Requirement::Absent("stage"),
    }];
    if random.chance(20) {
        requirements.push(Requirement::Differs("stage", "test"));
    }
    requirements
}

fn accounts(random: &mut Random) -> Vec<Pattern> {
    match random.below(10) {
        0..=3 => vec![Pattern::Any],
        4 => vec![Pattern::Exact("default")],
        5 => vec![Pattern::Prefix("app")],
        6 => vec![Pattern::Suffix("-ci"), Pattern::Exact("default")],
        _ => {
            let mut names: Vec<Pattern> =
                ACCOUNTS.into_iter().filter(|_| random.chance(60)).map(Pattern::Exact).collect();
            if names.is_empty() {
                names.push(Pattern::Exact("app"));
            }
            names
        }
    }
}

impl WantedEntry {
    fn generate(random: &mut Random) -> Self {
        let [acme, shanghai, tools, lost] = INSTANCES;
        let instances = if random.chance(12) {
            vec![acme, tools]
        } else {
            vec![random.weighted([(6, acme), (3, shanghai), (3, tools), (1, lost), (2, PERSONAL)])]
        };
        let identity = random.weighted([
            (6, Identity::Keys(KeyPair::PullerA)),
            (3, Identity::Keys(KeyPair::PullerB)),
            (1, Identity::Keys(KeyPair::LoginOnly)),
            (1, Identity::Keys(KeyPair::Nobody)),
            (1, Identity::Keys(KeyPair::WrongSecret)),
            (1, Identity::Keys(KeyPair::Unknown)),
            (4, Identity::Rrsa),
            (1, Identity::RrsaMissingRole),
            (5, Identity::Worker),
            (3, Identity::Keys(KeyPair::Referenced)),
            (1, Identity::KeysHop(KeyPair::PullerA)),
            (1, Identity::KeysHop(KeyPair::PullerB)),
            (2, Identity::RrsaHop),
            (2, Identity::WorkerHop),
        ]);
        let elsewhere = instances.iter().any(|instance| instance.region != HOME_REGION);
        let namespaces = random.weighted([
            (8, None),
            (1, Some(&[Pattern::Prefix("team-")][..])),
            (1, Some(&[Pattern::Exact("default"), Pattern::Exact("team-a")][..])),
        ]);
        let accounts = random.weighted([
            (8, None),
            (1, Some(&[Pattern::Prefix("app")][..])),
            (1, Some(&[Pattern::Exact("default")][..])),
        ]);
        Self {
            domains: domains(&instances, random),
            instances,
            region_written: elsewhere || random.chance(50),
            identity,
            namespaces: namespaces.map(<[Pattern]>::to_vec),
            accounts: accounts.map(<[Pattern]>::to_vec),
            unserved: None,
        }
    }

    fn unserved() -> Self {
        let [acme, ..] = INSTANCES;
        Self {
            instances: vec![acme],
            region_written: true,
            domains: None,
            identity: Identity::Worker,
            namespaces: None,
            accounts: None,
            unserved: Some(Unserved::NewPersonal),
        }
    }
}

/// Explicit domains are those that every instance always has, so that it is never in doubt whose they are; with one
/// instance also names that it does not list, which are published with a warning.
fn domains(instances: &[Instance], random: &mut Random) -> Option<Vec<WantedDomain>> {
    if random.chance(55) {
        return None;
    }
    let mut domains = Vec::new();
    for instance in instances {
        for host in [instance.public_host(), instance.vpc_host()] {
            if random.chance(60) {
                let path = random.weighted([(5, None), (1, Some("team-a")), (1, Some("shared/base"))]);
                domains.push(WantedDomain { host, path, instance: instance.id });
            }
        }
    }
    if let ([only], true) = (instances, random.chance(20)) {
        let host = only.custom.first().copied().unwrap_or("mirror.acme.example");
        domains.push(WantedDomain { host: host.to_owned(), path: None, instance: only.id });
    }
    if domains.is_empty() {
        domains.extend(instances.first().map(|instance| WantedDomain {
            host: instance.public_host(),
            path: None,
            instance: instance.id,
        }));
    }
    random.shuffle(&mut domains);
    Some(domains)
}
