//! Hosts that two entries publish: told at the second where the text alone tells it, and never of an entry that is not
//! served.

#![cfg(test)]

mod support;

use support::entries;

#[test]
fn a_host_of_two_entries_is_told_at_the_second() {
    for (what, list, duplicates) in [
        (
            "same domain",
            "- {instanceId: cri-1, domains: 'a.com,b.com'}\n- {instanceId: cri-2, domains: b.com}",
            1,
        ),
        ("other path", "- {instanceId: cri-1, domains: b.com/x}\n- {instanceId: cri-2, domains: b.com}", 0),
        ("same instance", "- {instanceId: cri-1}\n- {instanceId: cri-1}", 1),
        (
            "same id in another region",
            "- {instanceId: cri-1, regionId: cn-beijing}\n- {instanceId: cri-1, regionId: cn-qingdao}",
            0,
        ),
        (
            "Personal twice",
            "- {instanceId: '', regionId: cn-beijing}\n- {instanceId: '', regionId: cn-beijing}",
            1,
        ),
        (
            "Personal per region",
            "- {instanceId: '', regionId: cn-beijing}\n- {instanceId: '', regionId: cn-qingdao}",
            0,
        ),
        (
            "other namespaces",
            "- {instanceId: cri-1, domains: a.com, namespaces: x}\n- {instanceId: cri-2, domains: a.com, namespaces: y}",
            0,
        ),
        (
            "namespaces that meet",
            "- {instanceId: cri-1, domains: a.com, namespaces: x-*}\n- {instanceId: cri-2, domains: a.com, namespaces: x-1}",
            1,
        ),
        (
            "namespaces that may meet",
            "- {instanceId: cri-1, domains: a.com, namespaces: x-*}\n- {instanceId: cri-2, domains: a.com, namespaces: '*-y'}",
            1,
        ),
        (
            "one for all",
            "- {instanceId: cri-1, domains: a.com}\n- {instanceId: cri-2, domains: a.com, namespaces: y}",
            1,
        ),
    ] {
        let found = entries(list).findings;
        let found: Vec<_> = found.iter().filter(|finding| finding.code == "DuplicateHost").collect();
        assert_eq!(found.len(), duplicates, "{what}");
        assert!(found.iter().all(|finding| finding.entry == Some(1) && finding.line == Some(2)), "{what}");
    }
}

#[test]
fn a_host_is_also_told_where_one_of_the_two_does_not_name_it() {
    for (what, list, duplicates) in [
        (
            "a whole instance, and a domain of it",
            "- {instanceId: cri-1}\n- {instanceId: cri-1, domains: 'a.com,b.com'}",
            2,
        ),
        (
            "a domain, and the whole instance",
            "- {instanceId: cri-1, domains: 'a.com,b.com'}\n- {instanceId: cri-1}",
            1,
        ),
        (
            "a whole instance, and a domain of one of several: only the cloud knows which",
            "- {instanceId: cri-1}\n- {instanceId: 'cri-2,cri-1', domains: a.com}",
            0,
        ),
        (
            "a domain of one of several, and one of these: only the cloud knows which",
            "- {instanceId: 'cri-2,cri-1', domains: a.com}\n- {instanceId: cri-1}",
            0,
        ),
        (
            "a whole instance, and a path of a domain of it",
            "- {instanceId: cri-1}\n- {instanceId: cri-1, domains: a.com/team}",
            0,
        ),
        (
            "same instance with and without its region",
            "- {instanceId: cri-1, regionId: cn-beijing}\n- {instanceId: cri-1}",
            1,
        ),
        ("several ids twice", "- {instanceId: 'cri-1,cri-2'}\n- {instanceId: 'cri-2,cri-1'}", 1),
        (
            "Personal, and a domain that is one of its hosts",
            "- {instanceId: '', regionId: cn-beijing}\n- {instanceId: cri-1, domains: registry-vpc.cn-beijing.aliyuncs.com}",
            1,
        ),
        (
            "a domain that is one of the hosts of a later Personal",
            "- {instanceId: cri-1, domains: registry.cn-beijing.aliyuncs.com}\n- {instanceId: '', regionId: cn-beijing}",
            1,
        ),
        ("Personal twice without a region", "- {instanceId: ''}\n- {instanceId: ''}", 1),
        (
            "Personal with and without a region: only the cluster knows",
            "- {instanceId: '', regionId: cn-beijing}\n- {instanceId: ''}",
            0,
        ),
        (
            "one Secret with logins twice",
            "- {staticSecretRef: {namespace: n, name: s}}\n- {staticSecretRef: {namespace: n, name: s}}",
            1,
        ),
        (
            "two Secrets with logins: only they know their hosts",
            "- {staticSecretRef: {namespace: n, name: s}}\n- {staticSecretRef: {namespace: n, name: t}}",
            0,
        ),
    ] {
        let found = entries(list).findings;
        let found: Vec<_> = found.iter().filter(|finding| finding.code == "DuplicateHost").collect();
        assert_eq!(found.len(), duplicates, "{what}");
        assert!(found.iter().all(|finding| finding.entry == Some(1) && finding.line == Some(2)), "{what}");
    }
}

#[test]
fn an_entry_that_is_not_served_wins_no_host_and_loses_none() {
    for (what, list) in [
        (
            "the first is not served",
            "- {instanceId: cri-1, regionId: 'cn.beijing', domains: a.com}\n- {instanceId: cri-1, domains: a.com}",
        ),
        (
            "the second is not served",
            "- {instanceId: cri-1, domains: a.com}\n- {instanceId: crpi-1, domains: a.com}",
        ),
    ] {
        let found = entries(list).findings;
        assert!(found.iter().all(|finding| finding.code != "DuplicateHost"), "{what}: {found:?}");
    }
}

#[test]
fn what_is_published_twice_is_named_with_the_entry_that_wins() {
    let told = |list: &str| {
        let found = entries(list).findings.into_iter();
        found
            .filter(|finding| finding.code == "DuplicateHost")
            .map(|finding| finding.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told("- {instanceId: 'cri-1,cri-2'}\n- {instanceId: cri-3}\n- {instanceId: 'cri-2,cri-1'}"),
        ["entry 0 publishes `every host of cri-2`, `every host of cri-1` already, and the first entry wins"]
    );
    assert_eq!(
        told("- {instanceId: cri-1, domains: 'a.com,b.com'}\n- {instanceId: cri-1}"),
        ["entry 0 publishes `a.com`, `b.com` already, and the first entry wins"]
    );
    assert_eq!(
        told(
            "- {instanceId: cri-1}\n- {instanceId: cri-1, domains: a.com}\n- {instanceId: cri-1, domains: a.com}"
        ),
        [
            "entry 0 publishes `every host of cri-1` already, and the first entry wins",
            "entry 0 publishes `every host of cri-1` already, and the first entry wins"
        ]
    );
    // The first serves one namespace, the second all the others: against the third it is the second that wins.
    let narrowed =
        "- {instanceId: cri-1, domains: a.com, namespaces: x}\n- {instanceId: cri-2, domains: a.com}\n";
    assert_eq!(
        told(&format!("{narrowed}- {{instanceId: cri-3, domains: a.com}}")),
        [
            "entry 0 publishes `a.com` already, and the first entry wins",
            "entry 1 publishes `a.com` already, and the first entry wins"
        ]
    );
    assert_eq!(
        told(&format!("{narrowed}- {{instanceId: cri-3, domains: a.com, namespaces: x}}"))[1],
        "entry 0 publishes `a.com` already, and the first entry wins"
    );
    let globs = "- {instanceId: cri-1, domains: a.com, namespaces: x}\n- {instanceId: cri-2, domains: a.com, namespaces: 'x,y-*'}\n";
    assert_eq!(
        told(&format!("{globs}- {{instanceId: cri-3, domains: a.com, namespaces: 'x,y-1'}}"))[1],
        "entry 1 publishes `a.com` already, and the first entry wins"
    );
    assert_eq!(
        told("- {instanceId: '', regionId: cn-beijing}\n- {instanceId: '', regionId: cn-beijing}"),
        [
            "entry 0 publishes `every host of the Personal Edition in cn-beijing` already, and the first entry wins"
        ]
    );
}
