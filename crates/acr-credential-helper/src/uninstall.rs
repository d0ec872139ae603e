//! `uninstall`: takes back everything that was made.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acr_cluster::{Cluster, Ourselves};
use acr_controller::Machine;
use acr_controller::names::{LEASE, PULL_SECRET, SERVICE_ACCOUNT};
use acr_controller::observation::Refusal;
use acr_controller::operation::Subject;
use acr_controller::settings::Purpose;
use acr_controller::status::{ActiveFinding, Outcome, Status};
use acr_server::{Counters, snapshots};
use clap::Args;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::edges::Edges;
use crate::exit::Exit;
use crate::handed_over::HandedOver;
use crate::logging::Logs;
use crate::operations::Notes;
use crate::process::{self, CloudError, Place, TOKEN_FILE, counted, dns_subdomain, failed};
use crate::pump::{Sources, turn};

/// Observations that may wait for the machine.
const WAITING: usize = 1024;
/// Time between two looks at a Deployment that stops, or at a Lease that is about to be free.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Findings about what RBAC or an admission policy forbids.
const DENIED: [&str; 2] = ["NoRight", "RefusedByPolicy"];
/// The longest time that can be given.
const LONGEST_RUN: Duration = Duration::from_hours(24 * 365);

/// Take back everything that was made: list entries, pull secrets, the journal and the Lease
///
/// Takes the name of the pull secret out of the imagePullSecrets of every ServiceAccount that was served, then
/// deletes the pull secrets, then the journal and the Lease. The ConfigMap and what deploy/ has made stay.
///
/// Refuses while another process holds the Lease. Stop it first, or give --stop-deployment:
/// kubectl -n kube-system scale deployment/aliyun-acr-credential-helper --replicas 0
///
/// Exit codes: 0 everything is taken back; 75 the Lease is held, nothing was touched; 69 not finished in time,
/// run it again; 78 the cluster cannot be reached with these settings.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// First scale this Deployment of the namespace to 0, and wait until none of its pods is at work
    ///
    /// This is how `helm uninstall` does it. It needs the right to patch deployments/scale of this name, which the
    /// component itself does not have.
    #[arg(long, value_name = "NAME", value_parser = dns_subdomain)]
    stop_deployment: Option<String>,
    /// Give up after so many seconds; what is taken back by then stays taken back
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    #[command(flatten)]
    logs: Logs,
}

/// Takes everything back.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    process::run(&arguments.logs, take_back(arguments))
}

async fn take_back(arguments: &Arguments) -> Exit {
    let ourselves = arguments.place.ourselves();
    let cluster = match arguments.place.cluster(&ourselves).await {
        Ok(cluster) => cluster,
        Err(error) => return failed(Exit::Unusable, &error),
    };
    let end = Instant::now() + Duration::from_secs(arguments.timeout).min(LONGEST_RUN);
    if let Some(deployment) = &arguments.stop_deployment
        && let Err(reason) = stopped(&cluster, deployment, end).await
    {
        return failed(Exit::Unfinished, &reason);
    }
    let mut progress = Progress::default();
    let mut held = None;
    let outcome = loop {
        let outcome = match attempt(&cluster, &ourselves, end, &mut progress).await {
            Ok(outcome) => outcome,
            Err(error) => return failed(Exit::Unusable, &error),
        };
        match outcome {
            // A pod of the Deployment that is ending gives the Lease back, and one that was killed lets it run out.
            Some(Outcome::LeaseHeld { .. })
                if arguments.stop_deployment.is_some() && Instant::now() + RETRY_INTERVAL < end =>
            {
                held = outcome;
                if !paused().await {
                    break held;
                }
            }
            // The time was over while it still looked for who holds the Lease.
            Some(Outcome::Stopped) | None if !progress.led => break held.or(outcome),
            outcome => break outcome,
        }
    };
    let namespace = &ourselves.namespace;
    match outcome {
        Some(Outcome::Removed) => {
            say(&format!(
                "Everything of the installation in the namespace {namespace} is taken back: no ServiceAccount that it \
                 served names {PULL_SECRET} any more."
            ));
            Exit::Success
        }
        Some(Outcome::LeaseHeld { holder }) => failed(
            Exit::Held,
            &format_args!(
                "nothing was touched: {holder} is at work and holds the Lease {namespace}/{LEASE}. Stop it first:\n\
                 kubectl -n {namespace} scale deployment/{SERVICE_ACCOUNT} --replicas 0"
            ),
        ),
        Some(Outcome::Stopped) | None => {
            failed(Exit::Unfinished, &format_args!("not finished: {}. Run it again.", progress.rest()))
        }
    }
}

/// One run of the machine, at most until `end`.
async fn attempt(
    cluster: &Cluster,
    ourselves: &Ourselves,
    end: Instant,
    progress: &mut Progress,
) -> Result<Option<Outcome>, CloudError> {
    let cloud = process::cloud(None)?;
    // Nobody asks for a status here.
    let (_snapshots, status) = snapshots();
    let (observe, observations) = mpsc::channel(WAITING);
    let watches = cluster.watch(&observe);
    let mut references = cluster.references(&observe);
    let edges = Arc::new(Edges {
        cluster: cluster.clone(),
        cloud,
        token_file: PathBuf::from(TOKEN_FILE),
        handed_over: HandedOver::default(),
        observer: None,
    });
    let stop = async {
        tokio::select! {
            Ok(()) = process::asked_to_end() => {}
            () = sleep_until(end) => {}
        }
    };
    let outcome = turn(
        Machine::new(process::settings(ourselves, Purpose::Uninstall)),
        |operation| {
            let edges = edges.clone();
            async move { edges.carry_out(operation).await }
        },
        Sources {
            observations,
            status,
            follow: |machine: &Machine| {
                references.follow(machine.references(), machine.admission_objects(), false);
            },
            stop,
        },
        Notes::new(Counters::default(), true),
        |status| progress.tell(status),
    )
    .await;
    drop(watches);
    Ok(outcome)
}

/// Scales a Deployment to 0 and waits until it has no pods. What stands in the way at `end` is told.
async fn stopped(cluster: &Cluster, deployment: &str, end: Instant) -> Result<(), String> {
    let mut told = None;
    loop {
        let answer = cluster.scale_to_zero(deployment).await;
        let rest = match standing(deployment, &answer) {
            Ok(stopped) => {
                say(&stopped);
                return Ok(());
            }
            Err(rest) => rest,
        };
        if matches!(answer, Err(Refusal::NoRight { .. })) {
            return Err(rest);
        }
        if Instant::now() + RETRY_INTERVAL >= end {
            return Err(format!("nothing was touched: {rest}"));
        }
        if told.as_ref() != Some(&rest) {
            say(&rest);
            told = Some(rest);
        }
        if !paused().await {
            return Err("stopped before anything was touched".to_owned());
        }
    }
}

/// In words: that a Deployment has no pods, or what stands in the way of that.
fn standing(deployment: &str, answer: &Result<Option<usize>, Refusal>) -> Result<String, String> {
    match answer {
        Ok(None) => Ok(format!("There is no Deployment {deployment}, and so none to stop.")),
        Ok(Some(0)) => Ok(format!("The Deployment {deployment} is stopped.")),
        Ok(Some(replicas)) => {
            let replicas = counted(*replicas, "replica");
            Err(format!("the Deployment {deployment} still has {replicas}"))
        }
        Err(refusal) => Err(format!("the Deployment {deployment} cannot be stopped: {refusal}")),
    }
}

/// Waits a little. `false` where the process is asked to end meanwhile.
async fn paused() -> bool {
    tokio::select! {
        Ok(()) = process::asked_to_end() => false,
        () = tokio::time::sleep(RETRY_INTERVAL) => true,
    }
}

/// Tells the user. Work that was begun goes on where nobody reads: a closed pipe is no reason to stop half-way.
fn say(line: &str) {
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// Says how far it is, in lines that people read.
#[derive(Debug, Default)]
struct Progress {
    listed: bool,
    leading: bool,
    /// Whether the Lease was ever ours.
    led: bool,
    /// As last told. None before anything was found.
    left: Option<usize>,
    findings: Vec<String>,
    /// Those of what this process has no right to: another run of the same user changes nothing about them.
    denied: Vec<String>,
}

impl Progress {
    fn tell(&mut self, status: &Status) {
        for line in self.news(status) {
            say(&line);
        }
    }

    fn news(&mut self, status: &Status) -> Vec<String> {
        let mut lines = Vec::new();
        if status.listed && !self.listed {
            lines.push("The cluster is listed.".to_owned());
        }
        if status.leading && !self.leading {
            lines.push("The Lease is ours.".to_owned());
        }
        (self.listed, self.leading) = (status.listed, status.leading);
        self.led |= self.leading;
        // Nothing is counted before the journal says what was served, and nobody who waits takes that for the end.
        let counts = self.left.is_some() || status.retiring > 0;
        if self.leading && counts && self.left != Some(status.retiring) {
            self.left = Some(status.retiring);
            lines.push(format!("{}.", left(status.retiring)));
        }
        let findings: Vec<String> = status.findings.iter().map(|finding| finding.message.clone()).collect();
        lines.extend(findings.iter().filter(|finding| !self.findings.contains(finding)).cloned());
        self.findings = findings;
        let denied = |finding: &&ActiveFinding| {
            finding.subject == Subject::Configuration && DENIED.contains(&finding.code.as_str())
        };
        self.denied = status.findings.iter().filter(denied).map(|finding| finding.message.clone()).collect();
        lines
    }

    /// What stands in the way.
    fn rest(&self) -> String {
        match self.left {
            None if !self.listed => "the cluster could not be listed in time".to_owned(),
            None if !self.led => "the Lease did not become free in time".to_owned(),
            None | Some(0) if !self.denied.is_empty() => self.denied.join("; "),
            None => "what is left was not known in time".to_owned(),
            Some(0) => "the journal and the Lease are left".to_owned(),
            Some(count) => {
                let first = std::iter::once(left(count));
                first.chain(self.denied.iter().cloned()).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

fn left(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb} left", counted(count, "object"))
}

#[cfg(test)]
mod tests {
    use acr_controller::status::{Histogram, PodsStatus};

    use super::*;

    fn status(listed: bool, leading: bool, retiring: usize) -> Status {
        Status {
            leading,
            holder: None,
            listed,
            configured: false,
            certificate: None,
            certificate_ends: None,
            logins: Vec::new(),
            accounts: acr_controller::status::Progress::default(),
            namespaces: acr_controller::status::Progress::default(),
            retiring,
            pods: PodsStatus::default(),
            fights: 0,
            attach_lag: Histogram::default(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn of_a_deployment_that_is_not_there_it_is_not_said_that_it_is_stopped() {
        let told = |answer| standing("helper", &answer);
        assert_eq!(told(Ok(None)).unwrap(), "There is no Deployment helper, and so none to stop.");
        assert_eq!(told(Ok(Some(0))).unwrap(), "The Deployment helper is stopped.");
        assert_eq!(told(Ok(Some(1))).unwrap_err(), "the Deployment helper still has 1 replica");
        assert!(told(Err(Refusal::Terminating)).unwrap_err().contains("cannot be stopped"));
    }

    #[test]
    fn each_step_is_told_once() {
        let mut progress = Progress::default();
        assert_eq!(progress.news(&status(false, false, 0)), Vec::<String>::new());
        assert_eq!(progress.rest(), "the cluster could not be listed in time");
        assert_eq!(progress.news(&status(true, false, 3)), ["The cluster is listed."]);
        assert_eq!(progress.rest(), "the Lease did not become free in time");
        assert_eq!(progress.news(&status(true, true, 0)), ["The Lease is ours."]);
        assert_eq!(progress.rest(), "what is left was not known in time");
        assert_eq!(progress.news(&status(true, true, 3)), ["3 objects are left."]);
        assert_eq!(progress.news(&status(true, true, 3)), Vec::<String>::new());
        assert_eq!(progress.news(&status(true, true, 1)), ["1 object is left."]);
        assert_eq!(progress.rest(), "1 object is left");
        assert_eq!(progress.news(&status(true, true, 0)), ["0 objects are left."]);
    }

    #[test]
    fn the_last_words_name_what_is_left_and_may_not_be_deleted_and_no_other_finding() {
        let finding = |subject, code: &str, message: &str| ActiveFinding {
            subject,
            error: true,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let mut status = status(true, true, 0);
        status.findings = vec![
            finding(
                Subject::Configuration,
                "NoRight",
                "the registration is left: no right; delete it: kubectl",
            ),
            finding(Subject::Configuration, "ConfigurationMissing", "there is no ConfigMap"),
            finding(Subject::Namespace("shop".into()), "RefusedByPolicy", "refused"),
        ];
        let mut progress = Progress::default();
        progress.tell(&status);
        assert_eq!(progress.rest(), "the registration is left: no right; delete it: kubectl");
        status.retiring = 2;
        progress.tell(&status);
        let rest = "2 objects are left; the registration is left: no right; delete it: kubectl";
        assert_eq!(progress.rest(), rest);
        (status.retiring, status.findings) = (0, Vec::new());
        progress.tell(&status);
        assert_eq!(progress.rest(), "the journal and the Lease are left");
    }
}
