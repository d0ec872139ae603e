//! `try-policy`: whether the mutating policy of `mode: policy` counts, asked of the API server.

use std::time::Duration;

use acr_cluster::Cluster;
use acr_configuration::WebhookMode;
use acr_controller::Area;
use acr_controller::admission::{parameters, unsupported, verdict};
use acr_controller::names::{FINGERPRINT_KEY, SCOPE_CONFIG_MAP};
use acr_controller::observation::Answer;
use acr_controller::operation::Operation;
use acr_controller::preview::AccountName;
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::config_diff::in_force;
use crate::exit::Exit;
use crate::logging::Logs;
use crate::look::{Failure, look};
use crate::process::{self, Place, failed};

/// Between two tries: an API server goes by a changed policy after a moment.
const PAUSE: Duration = Duration::from_secs(1);

/// Try whether new ServiceAccounts are served by the policy of `mode: policy`
///
/// Lets the API server create a ServiceAccount of the scope without storing it, and looks whether it names the pull secret, and
/// whether the policy went by the scope that the component has written: an API server may go by a former one for good.
/// `helm install` does that by a hook where the configuration has `mode: policy`, and `run` at its start and after each
/// change of the scope. It needs the rights that the chart gives to the component.
///
/// Exit code 0 where the policy counts, and where there is nothing to try: another mode, no ConfigMap, nobody in scope. 1
/// where it does not count, with what is wrong and what mends it. 2 where the ConfigMap has errors, 69 for a cluster that
/// cannot be listed in time, 78 for one that cannot be reached.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Try again for so many seconds: the component may have to write the scope first
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    logs: Logs,
}

/// Tries.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    process::run(&arguments.logs, async {
        match try_policy(arguments).await {
            Ok(words) => {
                anstream::println!("{words}");
                Exit::Success
            }
            Err(Failure { exit, words }) => failed(exit, &words),
        }
    })
}

async fn try_policy(arguments: &Arguments) -> Result<String, Failure> {
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout.into());
    let (cluster, preview) = look(&arguments.place, arguments.timeout).await?;
    let Some(data) = preview.config_map() else {
        return Ok("nothing to try: there is no ConfigMap acr-configuration".to_owned());
    };
    let configuration = in_force(data).map_err(|_| {
        let words = "the ConfigMap acr-configuration has errors: `config check` tells them; mend it first";
        Failure::new(Exit::Errors, words)
    })?;
    let webhook = &configuration.webhook;
    if !webhook.enable || webhook.mode != WebhookMode::Policy {
        return Ok("nothing to try: webhook-configuration does not ask for mode: policy".to_owned());
    }
    let Some(AccountName { namespace, name }) = preview.somebody_served(&configuration) else {
        return Ok("nothing to try: no ServiceAccount is in scope yet".to_owned());
    };
    if let Answer::Server(server) = cluster.carry_out(Operation::ReadServer).await
        && !server.has_policies()
    {
        return Err(Failure::new(Exit::Ineffective, unsupported(&server)));
    }
    let own = arguments.place.ourselves().namespace;
    let wanted = parameters(&Area::whole(&configuration));
    let fingerprint = wanted.and_then(|mut wanted| wanted.remove(FINGERPRINT_KEY)).unwrap_or_default();
    loop {
        let operation = Operation::TryPolicy {
            namespace: namespace.clone(),
            service_account: name.clone(),
            fingerprint: fingerprint.clone(),
        };
        let wrong = match unwritten(&cluster, &own, &fingerprint).await {
            Some(words) => Some(("PolicyUntried", words)),
            None => verdict(&own, &cluster.carry_out(operation).await),
        };
        let Some((code, wrong)) = wrong else {
            return Ok(format!(
                "the policy counts: a ServiceAccount {name} in {namespace} would name the pull secret"
            ));
        };
        if Instant::now() >= deadline {
            return Err(Failure::new(Exit::Ineffective, format_args!("{code}: {wrong}")));
        }
        sleep(PAUSE).await;
    }
}

/// Why the policy cannot have the scope of the configuration yet, in words; `None` where that is written.
async fn unwritten(cluster: &Cluster, own: &str, fingerprint: &str) -> Option<String> {
    let found = match cluster.written_fingerprint().await {
        Ok(Some(written)) if written == fingerprint => return None,
        Ok(Some(_)) => "has another scope than the configuration".to_owned(),
        Ok(None) => "does not exist".to_owned(),
        Err(refusal) => format!("cannot be read: {refusal}"),
    };
    Some(format!(
        "the ConfigMap {own}/{SCOPE_CONFIG_MAP}, which the component writes, {found}: the component does not run yet, is paused, or \
         cannot write it, and its log and its Events tell why"
    ))
}
