//! `webhook`: answers the API server about new ServiceAccounts, for a component that runs outside of the cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use acr_controller::Serving;
use acr_controller::names::{CERTIFICATE_KEY, PRIVATE_KEY_KEY};
use acr_server::{Listening, ServedCertificate};
use clap::Args;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use crate::exit::Exit;
use crate::front::{self, WIND_DOWN};
use crate::handed_over::read_if_there;
use crate::logging::Logs;
use crate::process;

/// How often the certificate is read. The kubelet takes up to two minutes to bring a changed Secret; this adds little.
const EVERY: Duration = Duration::from_secs(5);
/// How long a request that is under way at the end may take: an API server waits at most 30 s for its answer, and a pod has
/// no more than that to end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Answer the API server about new ServiceAccounts, next to a component that runs outside of the cluster
///
/// Appends acr-credential-secret-aggregation to the imagePullSecrets of the ServiceAccounts about which it is asked. Which
/// these are is what the registration says, which `run` writes; so this needs no right at all, and knows no secret but
/// its certificate, which `run` keeps in the Secret acr-credential-helper-state: mount its keys tls.crt and tls.key.
///
/// The chart installs it with placement: outside and webhook.enabled: true. Where the component itself runs in the
/// cluster this is not needed: `run` answers there.
///
/// It waits for the certificate to come, and takes a changed one without a pause. On SIGTERM or SIGINT it answers for
/// 5 seconds more, until every API server has heard that it goes, and then ends.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The folder with the files tls.crt and tls.key
    #[arg(long, value_name = "FOLDER", default_value = "/var/run/secrets/acr-credential-helper/webhook")]
    certificate_folder: PathBuf,
    /// Where to serve /serviceaccounts and /healthz, with TLS
    ///
    /// Default: port 8443 of all addresses, IPv6 and IPv4.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    logs: Logs,
}

/// Serves.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    process::run(&arguments.logs, serve(arguments))
}

async fn serve(arguments: &Arguments) -> Exit {
    let certificate = ServedCertificate::default();
    let (stop, told_to_stop) = oneshot::channel();
    let address = arguments.listen.unwrap_or_else(front::everywhere);
    let mut serving = pin!(async {
        tokio::select! {
            () = front::serve(address, certificate.clone(), Listening::default(), told_to_stop) => {}
            () = follow(&arguments.certificate_folder, &certificate) => {}
        }
    });
    tokio::select! {
        () = &mut serving => return Exit::Success,
        ended = process::asked_to_end() => match ended {
            Ok(()) => info!("asked to end: answering for {} s more", WIND_DOWN.as_secs()),
            Err(error) => error!("cannot listen for signals: {error}"),
        }
    }
    if timeout(WIND_DOWN, &mut serving).await.is_err() {
        drop(stop);
        if timeout(LAST_ANSWERS, serving).await.is_err() {
            warn!("ended before all requests under way were answered");
        }
    }
    Exit::Success
}

/// Serves whatever certificate the folder holds.
async fn follow(folder: &Path, certificate: &ServedCertificate) {
    let mut known = None;
    let (mut missing, mut served) = (false, false);
    let mut reading = interval(EVERY);
    reading.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        reading.tick().await;
        let Some(serving) = read(folder).await else {
            if !std::mem::replace(&mut missing, true) {
                warn!("{}", without(folder, served));
            }
            continue;
        };
        missing = false;
        if known.as_ref() == Some(&serving) {
            continue;
        }
        match certificate.replace(&serving.chain, &serving.key) {
            Ok(()) => {
                served = true;
                info!("serving the certificate in {}", folder.display());
            }
            // Half of a change: the other half comes.
            Err(error) => warn!("the certificate in {} cannot be served: {error}", folder.display()),
        }
        known = Some(serving);
    }
}

async fn read(folder: &Path) -> Option<Serving> {
    let member = async |name| read_if_there(&folder.join(name)).await.ok().flatten();
    Some(Serving { chain: member(CERTIFICATE_KEY).await?, key: member(PRIVATE_KEY_KEY).await? })
}

/// What it means that there is no certificate now.
fn without(folder: &Path, served: bool) -> String {
    let folder = folder.display();
    if served {
        format!("there is no certificate in {folder} any more: the one from there is served on")
    } else {
        format!("there is no certificate in {folder} yet: nothing is answered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_goes_is_served_on_and_that_is_said() {
        let told = |served| without(Path::new("/certificate"), served);
        assert_eq!(told(false), "there is no certificate in /certificate yet: nothing is answered");
        assert_eq!(
            told(true),
            "there is no certificate in /certificate any more: the one from there is served on"
        );
    }
}
