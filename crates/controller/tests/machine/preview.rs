//! What is told of an edit beforehand is what the machine then does.

use std::collections::{BTreeMap, BTreeSet};

use crate::scenario::{ONE_ENTRY, Scenario};
use acr_configuration::{Configuration, Source};
use acr_controller::observation::{AccountSeen, NamespaceSeen, Observation, PullSecretSeen, Watch};
use acr_controller::preview::{AccountName, Changes, Preview, Setting};
use acr_credentials::UnixMillis;

const NAME: &str = "acr-credential-secret-aggregation";
/// Namespaces and their labels.
const SPACES: [(&str, &[(&str, &str)]); 4] =
    [("default", &[]), ("kube-system", &[]), ("shop", &[("team", "a")]), ("web", &[("team", "b")])];
const ACCOUNTS: [&str; 3] = ["app-one", "builder", "default"];
type Keys<'a> = &'a [(&'a str, &'a str)];

/// A cluster in which a configuration is in force.
fn settled(keys: Keys<'_>) -> Scenario {
    let mut scenario = Scenario::new();
    scenario.listing(|scenario| {
        scenario.configure(ONE_ENTRY, keys);
        for (space, labels) in SPACES {
            scenario.namespace(space, labels);
            for account in ACCOUNTS {
                scenario.account(space, account, Some(r#"[{"name":"theirs"}]"#));
            }
        }
    });
    scenario.pass(10_000);
    scenario
}

fn attached(scenario: &Scenario) -> BTreeSet<AccountName> {
    let ours =
        scenario.lists.iter().filter(|(_, list)| list.as_ref().is_some_and(|list| list.contains(NAME)));
    ours.map(|((namespace, name), _)| AccountName { namespace: namespace.clone(), name: name.clone() })
        .collect()
}

fn with_secret(scenario: &Scenario) -> BTreeSet<String> {
    scenario.secrets.keys().cloned().collect()
}

/// A cluster as it is now, as the watches of another process would show it.
fn look(scenario: &Scenario) -> Preview {
    let mut preview = Preview::of("kube-system");
    for (name, labels) in SPACES {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        preview.observe(Observation::Namespace(NamespaceSeen {
            name: name.into(),
            uid: name.into(),
            resource_version: 1,
            labels,
            terminating: false,
            created: UnixMillis(0),
        }));
    }
    for ((namespace, name), list) in &scenario.lists {
        preview.observe(Observation::Account(AccountSeen {
            namespace: namespace.clone(),
            name: name.clone(),
            resource_version: 1,
            ignored: false,
            list: list.clone(),
        }));
    }
    for (namespace, digest) in &scenario.digests {
        preview.observe(Observation::PullSecret(PullSecretSeen {
            namespace: namespace.clone(),
            uid: "secret".into(),
            resource_version: 1,
            labels: BTreeMap::from([("app.kubernetes.io/managed-by".into(), "acr-credential-helper".into())]),
            annotations: BTreeMap::from([("acr-credential-helper/payload-digest".into(), digest.clone())]),
            data_owners: vec!["acr-credential-helper".into()],
            terminating: false,
        }));
    }
    assert!(!preview.is_complete());
    assert_eq!(preview.missing().len(), 4);
    for watch in [Watch::Configuration, Watch::Namespaces, Watch::Accounts, Watch::PullSecrets] {
        preview.observe(Observation::ListCompleted { watch, version: 1 });
    }
    assert!(preview.is_complete());
    preview
}

fn configuration(entries: &str, keys: Keys<'_>) -> Configuration {
    let keys = keys.iter().copied().chain([("acr-registry-info", entries)]);
    let data = keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let loaded = acr_configuration::load(&Source::from_config_map_data(&data));
    assert!(!loaded.has_errors(), "{:?}", loaded.findings);
    loaded.configuration.unwrap()
}

/// What is told of the edit, and what it does.
fn told_and_done(former: Keys<'_>, entries: &str, wanted: Keys<'_>) -> (Changes, Changes) {
    let mut scenario = settled(former);
    let (accounts, secrets) = (attached(&scenario), with_secret(&scenario));
    let told =
        look(&scenario).changes(Some(&configuration(ONE_ENTRY, former)), &configuration(entries, wanted));
    scenario.configure(entries, wanted);
    scenario.pass(10 * 60_000);
    let (accounts_after, secrets_after) = (attached(&scenario), with_secret(&scenario));
    let done = Changes {
        attach: accounts_after.difference(&accounts).cloned().collect(),
        detach: accounts.difference(&accounts_after).cloned().collect(),
        write: secrets_after.difference(&secrets).cloned().collect(),
        delete: secrets.difference(&secrets_after).cloned().collect(),
        ..Changes::default()
    };
    (told, done)
}

#[test]
fn every_edit_of_the_scope_does_what_was_told_of_it() {
    let scopes: [Keys<'_>; 9] = [
        &[],
        &[("watch-namespace", "all")],
        &[("watch-namespace", "shop,web"), ("service-account", "*")],
        &[("watch-namespace", "all"), ("service-account", "app-*")],
        &[("watch-namespace", "all"), ("exclude-namespace", "kube-*")],
        &[("watch-namespace", "all"), ("namespace-selector", "team=a")],
        &[("watch-namespace", "all"), ("namespace-selector", "team"), ("service-account", "builder")],
        &[("watch-namespace", "nowhere")],
        &[("watch-namespace", "default,shop"), ("service-account", "default,builder")],
    ];
    let mut changed = 0;
    for former in scopes {
        for wanted in scopes {
            let (told, done) = told_and_done(former, ONE_ENTRY, wanted);
            let told = Changes { hosts_added: [].into(), hosts_removed: [].into(), ..told };
            assert_eq!(told, done, "{former:?} -> {wanted:?}");
            changed += u32::from(!told.is_empty());
        }
    }
    assert_eq!(changed, 9 * 8, "only an edit to the same changes nothing");
}

#[test]
fn an_explicit_empty_list_is_told_to_take_everything_away() {
    let all: Keys<'_> = &[("watch-namespace", "all"), ("service-account", "*")];
    let (told, done) = told_and_done(all, "[]", all);
    assert_eq!((told.detach.len(), told.delete.len()), (12, 4));
    assert_eq!(told.hosts_removed.keys().collect::<Vec<_>>(), ["all domains of cri-0123456789abcdef"]);
    assert_eq!(Changes { hosts_removed: [].into(), ..told }, done);
}

#[test]
fn what_an_entry_serves_is_told_by_host_and_namespace() {
    let scenario = settled(&[("watch-namespace", "shop,web")]);
    let former = configuration(ONE_ENTRY, &[("watch-namespace", "shop,web")]);
    let entries = "- {instanceId: cri-0123456789abcdef, regionId: cn-hangzhou, customAccessKey: LTAIexample, \
                   customAccessKeySecret: s, namespaces: [shop]}\n\
                   - {instanceId: cri-fedcba9876543210, regionId: cn-hangzhou, customAccessKey: LTAIexample, \
                   customAccessKeySecret: s, domains: 'images.example.com,images.example.com/team'}\n";
    let wanted = configuration(entries, &[("watch-namespace", "shop,web")]);
    let told = look(&scenario).changes(Some(&former), &wanted);
    let both = || vec!["shop".to_owned(), "web".to_owned()];
    let added = [("images.example.com", both()), ("images.example.com/team", both())];
    assert_eq!(told.hosts_added, added.map(|(slot, spaces)| (slot.to_owned(), spaces)).into());
    let removed = [("all domains of cri-0123456789abcdef".to_owned(), vec!["web".to_owned()])];
    assert_eq!(told.hosts_removed, removed.into());
    assert_eq!((told.attach, told.detach, told.delete), (vec![], vec![], vec![]));
}

#[test]
fn where_nothing_is_in_force_nothing_is_taken_away_and_a_foreign_secret_is_told() {
    let mut preview = look(&settled(&[("watch-namespace", "nowhere")]));
    preview.observe(Observation::PullSecret(PullSecretSeen {
        namespace: "default".into(),
        uid: "theirs".into(),
        resource_version: 1,
        labels: [].into(),
        annotations: [].into(),
        data_owners: vec!["kubectl-create".into()],
        terminating: false,
    }));
    let told = preview.changes(None, &configuration(ONE_ENTRY, &[("watch-namespace", "default,shop")]));
    assert_eq!((told.adopt, told.write), (vec!["default".to_owned()], vec!["shop".to_owned()]));
    assert_eq!((told.attach.len(), told.detach, told.delete), (2, vec![], vec![]));
}

#[test]
fn an_edit_that_only_counts_for_what_comes_is_told_too() {
    let preview = look(&settled(&[("watch-namespace", "shop")]));
    let fail = ("webhook-configuration", "enable: true\nfailure-policy: Fail\ntimeout-seconds: 5");
    let told = |former: Keys<'_>, wanted: Keys<'_>| {
        let with = |keys: Keys<'_>| {
            let shop = keys.iter().all(|(key, _)| *key != "watch-namespace");
            let shop = shop.then_some(("watch-namespace", "shop"));
            configuration(ONE_ENTRY, &keys.iter().copied().chain(shop).collect::<Vec<_>>())
        };
        let changes = preview.changes(Some(&with(former)), &with(wanted));
        let settings = changes.settings.clone();
        assert_eq!(Changes { settings: [].into(), ..changes }, Changes::default());
        settings
            .into_iter()
            .map(|(key, Setting { from, to })| format!("{key}: {from} -> {to}"))
            .collect::<Vec<_>>()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(told(&[fail], &[fail]), none);
    let on = "webhook, failure policy Fail, timeout 5 s";
    assert_eq!(told(&[fail], &[]), [format!("webhook-configuration: {on} -> off")]);
    let ignore = ("webhook-configuration", "enable: true");
    let ignored = "webhook, failure policy Ignore, timeout 10 s";
    assert_eq!(told(&[ignore], &[fail]), [format!("webhook-configuration: {ignored} -> {on}")]);
    let policy = ("webhook-configuration", "enable: true\nmode: policy");
    assert_eq!(told(&[fail], &[policy]), [format!("webhook-configuration: {on} -> policy")]);
    // Nobody is there yet whom this is about.
    let wider = ("watch-namespace", "shop,nowhere");
    assert_eq!(
        told(&[policy], &[policy, wider]),
        ["webhook-configuration: policy -> policy, for another scope"]
    );
    assert_eq!(told(&[], &[wider]), none);
    assert_eq!(
        told(&[], &[("pods", "restart"), ("takeover", "true")]),
        ["pods: none -> restart", "takeover: false -> true"]
    );
}
