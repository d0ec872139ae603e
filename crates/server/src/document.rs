//! The JSON of `/status`: a summary for scripts, one line per login, and what a user must mend.

use acr_controller::status::{LoginStatus, Status};
use acr_credentials::UnixMillis;
use serde::Serialize;

/// The whole document. Numbers instead of lists of namespaces: there may be ten thousand.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    leading: bool,
    holder: Option<&'a str>,
    listed: bool,
    configured: bool,
    /// Where the webhook is on and this process serves it: whether its certificate is there.
    webhook_certificate: Option<bool>,
    logins: Vec<Login<'a>>,
    service_accounts: ServiceAccounts,
    namespaces: Namespaces,
    retiring: usize,
    pods: Pods,
    fights: u64,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Login<'a> {
    entry: usize,
    instance: &'a str,
    region: Option<&'a str>,
    region_source: Option<&'static str>,
    chain: &'a [String],
    hosts: &'a [String],
    /// RFC 3339.
    expires: Option<String>,
    expires_in_seconds: Option<i64>,
    failure: Option<&'a str>,
}

#[derive(Serialize)]
struct ServiceAccounts {
    attached: usize,
    pending: usize,
}

#[derive(Serialize)]
struct Namespaces {
    current: usize,
    pending: usize,
}

/// Those that cannot pull what the pull secret is for.
#[derive(Serialize)]
struct Pods {
    own_list: usize,
    older_than_attach: usize,
    made_anew_in_vain: usize,
    evicted: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    code: &'a str,
    /// `null` for the configuration.
    namespace: Option<&'a str>,
    message: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn of(status: &'a Status, now: UnixMillis) -> Self {
        Self {
            leading: status.leading,
            holder: status.holder.as_deref(),
            listed: status.listed,
            configured: status.configured,
            webhook_certificate: status.certificate,
            logins: status.logins.iter().map(|login| Login::of(login, now)).collect(),
            service_accounts: ServiceAccounts {
                attached: status.accounts.done,
                pending: status.accounts.pending,
            },
            namespaces: Namespaces { current: status.namespaces.done, pending: status.namespaces.pending },
            retiring: status.retiring,
            pods: Pods {
                own_list: status.pods.own_list,
                older_than_attach: status.pods.older,
                made_anew_in_vain: status.pods.in_vain,
                evicted: status.pods.evicted,
            },
            fights: status.fights,
            findings: status
                .findings
                .iter()
                .map(|finding| Finding {
                    severity: severity(finding.error),
                    code: &finding.code,
                    namespace: finding.subject.namespace(),
                    message: &finding.message,
                })
                .collect(),
        }
    }
}

impl<'a> Login<'a> {
    fn of(login: &'a LoginStatus, now: UnixMillis) -> Self {
        Self {
            entry: login.entry,
            instance: &login.instance,
            region: login.region.as_deref(),
            region_source: login.region_source,
            chain: &login.chain,
            hosts: &login.hosts,
            expires: login.expires.map(|expires| expires.to_string()),
            expires_in_seconds: login.expires.and_then(|expires| seconds_left(expires, now)),
            failure: login.failure.as_deref(),
        }
    }
}

/// Whole seconds until `expires`, negative when it is past; `None` where it never comes.
pub(crate) fn seconds_left(expires: UnixMillis, now: UnixMillis) -> Option<i64> {
    (expires != UnixMillis::NEVER).then(|| expires.millis_since(now).div_euclid(1000))
}

/// The word for how bad a finding is.
pub(crate) fn severity(error: bool) -> &'static str {
    if error { "error" } else { "warning" }
}
