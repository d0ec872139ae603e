//! Readiness as text and status as JSON.

use acr_controller::operation::Subject;
use acr_controller::status::{Progress, Status};
use serde::Serialize;

/// Whether the process is ready, and why not. Ready means that all watches have completed a list: from then on every
/// new namespace and ServiceAccount is seen. A replica that does not lead is ready, too.
pub fn readiness(status: &Status) -> (bool, String) {
    let mark = |met: bool| if met { "[+]" } else { "[-]" };
    let text = format!(
        "{} watches have listed\n{} configuration in force (informative)\n{} leading (informative)\n",
        mark(status.listed),
        mark(status.configured),
        mark(status.leading)
    );
    (status.listed, text)
}

/// The body of `/status`. Holds no secret.
#[derive(Debug, Serialize)]
pub struct StatusPage<'a> {
    leading: bool,
    holder: Option<&'a str>,
    listed: bool,
    configured: bool,
    service_accounts: Counts,
    namespaces: Counts,
    retiring: usize,
    fights: u64,
    logins: Vec<LoginPage<'a>>,
    findings: Vec<FindingPage<'a>>,
}

#[derive(Debug, Serialize)]
struct Counts {
    done: usize,
    pending: usize,
}

#[derive(Debug, Serialize)]
struct LoginPage<'a> {
    entry: usize,
    instance: &'a str,
    region: Option<&'a str>,
    /// RFC 3339.
    expires: Option<String>,
    hosts: &'a [String],
    failure: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct FindingPage<'a> {
    severity: &'static str,
    code: &'a str,
    namespace: Option<&'a str>,
    message: &'a str,
}

impl<'a> StatusPage<'a> {
    /// The page of a snapshot.
    pub fn of(status: &'a Status) -> Self {
        let counts = |Progress { done, pending }: Progress| Counts { done, pending };
        Self {
            leading: status.leading,
            holder: status.holder.as_deref(),
            listed: status.listed,
            configured: status.configured,
            service_accounts: counts(status.accounts),
            namespaces: counts(status.namespaces),
            retiring: status.retiring,
            fights: status.fights,
            logins: status
                .logins
                .iter()
                .map(|login| LoginPage {
                    entry: login.entry,
                    instance: &login.instance,
                    region: login.region.as_deref(),
                    expires: login.expires.map(|expires| expires.to_string()),
                    hosts: &login.hosts,
                    failure: login.failure.as_deref(),
                })
                .collect(),
            findings: status
                .findings
                .iter()
                .map(|finding| FindingPage {
                    severity: if finding.error { "error" } else { "warning" },
                    code: &finding.code,
                    namespace: match &finding.subject {
                        Subject::Configuration => None,
                        Subject::Namespace(name) => Some(name),
                    },
                    message: &finding.message,
                })
                .collect(),
        }
    }
}
