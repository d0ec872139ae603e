//! Where it is measured: servers, the component in one mode or the other, and what stands beside it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use acr_end_to_end::{ACME, Component, Program, RunOptions, Stage, eventually};
use acr_testbed::{ControlPlane, Guarded, Part, Tools};
use serde_json::{Value, json};

use super::creations::{Made, Wave};
use super::stand_in::Answer;
use crate::bench::Error;
use crate::bench::calls::{JOURNAL, LEASE};
use crate::bench::exchange::{Write, read};
use crate::bench::population::secret_path;
use crate::bench::process::Usage;

/// The component's own namespace.
const NAMESPACE: &str = "kube-system";
/// The namespace in scope.
pub(super) const SERVED: &str = "bench-served";
/// What is not in scope, and has nothing beside its creations.
pub(super) const ALONE: &str = "bench-alone";
/// What is not in scope, and has the stand-in for our webhook that gives the same patch.
pub(super) const CONSTANT: &str = "bench-constant";
/// What is not in scope, and has the one that gives none.
pub(super) const LEAVE: &str = "bench-leave";
/// What is not in scope, and has the policy of one line.
pub(super) const ONE_LINE: &str = "bench-one-line";
const REGISTRATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";
const OURS: &str = "acr-credential-helper";
/// The ConfigMap with the parameters of our policy.
const PARAMETERS: &str = "acr-credential-helper-scope";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Servers, and the component as it was started last.
pub(super) struct Site<'a> {
    tools: &'a Tools,
    pub(super) stage: Stage<'a>,
    program: Program,
    component: Option<Component>,
    /// Where the component answers.
    pub(super) address: String,
}

/// A stand-in that runs. Dropping it ends it.
pub(super) struct StandIn {
    _process: Guarded,
    /// Where it answers.
    pub(super) address: String,
    /// The authority of its certificate.
    pub(super) authority: PathBuf,
}

impl<'a> Site<'a> {
    pub(super) async fn prepare(tools: &'a Tools, control_plane: &'a ControlPlane) -> Result<Self, Error> {
        let program = Program::ensure().await?;
        let stage = Stage::set(control_plane, NAMESPACE).await?;
        stage.create_namespace(SERVED, &[]).await?;
        for apart in [ALONE, CONSTANT, LEAVE, ONE_LINE] {
            stage.create_namespace(apart, &[("acr-credential-helper/ignore", "true")]).await?;
        }
        let address = free_address()?;
        stage.is_reached_at(&url(&address)).await?;
        Ok(Self { tools, stage, program, component: None, address })
    }

    /// Starts the component from nothing, in a mode, and waits until the API server goes by it.
    pub(super) async fn start(&mut self, webhook: &str, more: &[&str]) -> Result<(), Error> {
        if let Some(component) = self.component.take() {
            component.terminate().await?;
        }
        self.configure(webhook).await?;
        // With another journal there are other certificates.
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}");
        // Nor may what the other mode has left make it look as if this one counted.
        let parameters = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{PARAMETERS}");
        let journal = secret_path(NAMESPACE, JOURNAL);
        for path in [journal, leases, format!("{REGISTRATIONS}/{OURS}"), parameters.clone()] {
            Write::delete(path).send(self.stage.client()).await?;
        }
        let url = url(&self.address);
        let arguments = ["--webhook-listen", &self.address, "--webhook-url", &url];
        let arguments = arguments.iter().chain(more).map(|argument| (*argument).to_owned()).collect();
        let options = RunOptions { arguments, ..RunOptions::default() };
        self.component = Some(Component::start(self.tools, &self.program, &self.stage, &options)?);
        let client = self.stage.client();
        eventually("the component has told the API server what it is to do", PATIENCE, async || {
            for path in [&parameters, &format!("{REGISTRATIONS}/{OURS}")] {
                // It relies on the webhook when whoever answers has the certificate; until then no failure would be seen.
                let relies = |told: &Value| {
                    told.pointer("/webhooks/0/failurePolicy").is_none_or(|policy| policy == "Fail")
                };
                if read::<Value>(client, path).await.is_ok_and(|told| relies(&told)) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
        .await?;
        self.until_named(SERVED).await
    }

    /// Sends a wave, and says what the servers and the component have used for it.
    pub(super) async fn measure(&self, wave: &Wave<'_>) -> Result<Made, Error> {
        let control_plane = self.stage.control_plane();
        let used = || -> Result<[f64; 2], Error> {
            let servers =
                [Part::Etcd, Part::ApiServer].into_iter().filter_map(|part| control_plane.process_id(part));
            let seconds = |process| Usage::of(process).map(|usage| usage.cpu_seconds);
            let component = self.component.iter().map(Component::process_id);
            Ok([servers.map(seconds).sum::<Result<_, _>>()?, component.map(seconds).sum::<Result<_, _>>()?])
        };
        let [servers, component] = used()?;
        let made = wave.send(self.stage.client()).await;
        let [servers_after, component_after] = used()?;
        let each =
            |seconds: f64| seconds * 1000.0 / f64::from(u32::try_from(wave.creations).unwrap_or(u32::MAX));
        Ok(Made {
            servers_cpu_ms: each(servers_after - servers),
            component_cpu_ms: each(component_after - component),
            ..made
        })
    }

    /// Binds the component to a processor.
    pub(super) async fn pin(&self, processor: &str) -> Result<(), Error> {
        let Some(component) = &self.component else { return Ok(()) };
        let mut taskset = tokio::process::Command::new("taskset");
        taskset.args(["-a", "-c", "-p", processor, &component.process_id().to_string()]);
        let output = taskset.output().await;
        let output =
            output.map_err(|source| Error::File { action: "run", path: "taskset".into(), source })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Process { who: "taskset", reason: String::from_utf8_lossy(&output.stderr).into_owned() })
    }

    /// Waits until ServiceAccounts of a namespace come out with the name of the pull secret.
    pub(super) async fn until_named(&self, namespace: &str) -> Result<(), Error> {
        let probe = Wave { namespace, named: true, creations: 1, in_flight: 1, prefix: String::new() };
        let what = format!("ServiceAccounts of {namespace} are created with the name of the pull secret");
        let client = self.stage.client();
        Ok(eventually(&what, PATIENCE, async || Ok(probe.is_as_it_should_be(client).await.ok())).await?)
    }

    async fn configure(&self, webhook: &str) -> Result<(), Error> {
        let entry = format!(
            "- instanceId: {}\n  regionId: {}\n  customAccessKey: LTAI5tPuller\n  \
             customAccessKeySecret: marker-puller-secret\n",
            ACME.id, ACME.region
        );
        // Everything but some: what has to be matched is a pattern.
        let keys = [
            ("acr-registry-info", &*entry),
            ("watch-namespace", "all"),
            ("exclude-namespace", "kube-*,*-sandbox"),
            ("service-account", "*"),
            ("webhook-configuration", webhook),
        ];
        Ok(self.stage.configure(&keys).await?)
    }

    /// What the API server was told of the component's webhook.
    async fn registration(&self) -> Result<Value, Error> {
        read(self.stage.client(), &format!("{REGISTRATIONS}/{OURS}")).await
    }

    /// The authorities that the API server trusts for it, PEM.
    pub(super) async fn authorities(&self) -> Result<String, Error> {
        use base64::Engine;
        let registration = self.registration().await?;
        let bundle = registration.pointer("/webhooks/0/clientConfig/caBundle").and_then(Value::as_str);
        let text = base64::engine::general_purpose::STANDARD.decode(bundle.unwrap_or_default()).ok();
        text.and_then(|text| String::from_utf8(text).ok())
            .ok_or_else(|| Error::WrongObjects("the registration names no authority".to_owned()))
    }

    /// Starts a stand-in, on one processor where one is given.
    pub(super) async fn stand_in(&self, answer: Answer, processor: Option<&str>) -> Result<StandIn, Error> {
        let address = free_address()?;
        let folder = self.stage.control_plane().folder();
        let authority = folder.join(format!("authority-{}.pem", answer.argument()));
        let mut command = ourselves(processor)?;
        command.args(["bench", "stand-in", "--answer", answer.argument(), "--listen", &address]);
        command.arg("--authority").arg(&authority);
        let log = folder.join(format!("stand-in-{}.log", answer.argument()));
        let mut process = Guarded::start(self.tools, "the stand-in", &command, &log)?;
        eventually("the stand-in answers", PATIENCE, async || {
            if process.try_wait()?.is_some() {
                return Err(acr_end_to_end::Error::Unanswered {
                    path: "the stand-in".to_owned(),
                    reason: process.log_tail(),
                });
            }
            Ok(authority.exists().then_some(()))
        })
        .await?;
        Ok(StandIn { _process: process, address, authority })
    }

    /// Registers a stand-in as the component has registered itself, for a namespace of its own.
    pub(super) async fn register(&self, stand_in: &StandIn, namespace: &str) -> Result<(), Error> {
        use base64::Engine;
        let failed = |source| Error::File { action: "read", path: stand_in.authority.clone(), source };
        let authority = std::fs::read(&stand_in.authority).map_err(failed)?;
        let name = stand_in_of(namespace);
        let mut webhook = self.registration().await?.pointer("/webhooks/0").cloned().unwrap_or_default();
        let changes = json!({
            "name": name,
            "clientConfig": {
                "url": format!("{}/serviceaccounts", url(&stand_in.address)),
                "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
            },
            // As many requirements as ours has.
            "namespaceSelector": { "matchExpressions": [
                { "key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace] },
                { "key": "bench.example.com/ignore", "operator": "NotIn", "values": ["true"] },
            ] },
        });
        if let (Some(webhook), Value::Object(changes)) = (webhook.as_object_mut(), changes) {
            webhook.extend(changes);
        }
        let registration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": name },
            "webhooks": [webhook],
        });
        Write::create(REGISTRATIONS.to_owned(), &registration).send(self.stage.client()).await?;
        let probe = Wave { namespace, named: false, creations: 1, in_flight: 1, prefix: String::new() };
        let client = self.stage.client();
        eventually("the API server asks the stand-in", PATIENCE, async || {
            let _not_yet = probe.is_as_it_should_be(client).await;
            Ok(self.asked(&name).await.ok().filter(|asked| *asked > 0).map(drop))
        })
        .await?;
        Ok(())
    }

    /// Takes the registration of a stand-in away.
    pub(super) async fn unregister(&self, namespace: &str) -> Result<(), Error> {
        Write::delete(format!("{REGISTRATIONS}/{}", stand_in_of(namespace))).send(self.stage.client()).await
    }

    /// How often the API server has asked a webhook, as its own metrics tell.
    pub(super) async fn asked(&self, webhook: &str) -> Result<usize, Error> {
        let failed = |reason: String| Error::Request { what: "GET /metrics".to_owned(), reason };
        let request =
            http::Request::get("/metrics").body(Vec::new()).map_err(|error| failed(error.to_string()))?;
        let text =
            self.stage.client().request_text(request).await.map_err(|error| failed(error.to_string()))?;
        Ok(asked(&text, webhook))
    }

    /// Installs our policy, and a policy of one line for a namespace of its own.
    pub(super) async fn install_policies(&self) -> Result<(), Error> {
        self.stage.has_mutating_policy().await?;
        let client = self.stage.client();
        let metadata = json!({ "name": "one-line" });
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Ignore",
                "reinvocationPolicy": "IfNeeded",
                "matchConstraints": {
                    "resourceRules": [{
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["serviceaccounts"],
                    }],
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": ONE_LINE } },
                },
                "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression":
                    "[JSONPatch{op: 'add', path: '/imagePullSecrets', value: [{'name': 'acr-credential-secret-aggregation'}]}]"
                } }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": { "policyName": "one-line" },
        });
        Write::create(POLICIES.to_owned(), &policy).send(client).await?;
        Write::create(BINDINGS.to_owned(), &binding).send(client).await?;
        self.until_named(ONE_LINE).await
    }

    /// Ends the component.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        match self.component.take() {
            Some(component) => Ok(component.terminate().await.map(drop)?),
            None => Ok(()),
        }
    }
}

/// The name of a stand-in's registration, and of its webhook.
pub(super) fn stand_in_of(namespace: &str) -> String {
    format!("{namespace}.example.com")
}

/// This program, to be given the arguments of a hidden command.
pub(super) fn ourselves(processors: Option<&str>) -> Result<Command, Error> {
    let path = "/proc/self/exe".into();
    let ourselves = std::env::current_exe().map_err(|source| Error::File { action: "find", path, source })?;
    Ok(match processors {
        None => Command::new(ourselves),
        Some(processors) => {
            let mut command = Command::new("taskset");
            command.args(["-c", processors]).arg(ourselves);
            command
        }
    })
}

fn url(address: &str) -> String {
    format!("https://{address}")
}

/// An address of its own on loopback.
fn free_address() -> Result<String, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = bound.map_err(|reason| Error::Process { who: "the kernel", reason: reason.to_string() })?;
    Ok(address.to_string())
}

/// Requests to a webhook in the metrics of an API server.
fn asked(metrics: &str, webhook: &str) -> usize {
    let name = format!("name=\"{webhook}\"");
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_admission_webhook_request_total{") && line.contains(&name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_requests_to_that_webhook_count() {
        let metrics = "\
            # TYPE apiserver_admission_webhook_request_total counter\n\
            apiserver_admission_webhook_request_total{code=\"200\",name=\"a.b\",operation=\"CREATE\"} 7\n\
            apiserver_admission_webhook_request_total{code=\"500\",name=\"a.b\",operation=\"CREATE\"} 2\n\
            apiserver_admission_webhook_request_total{code=\"200\",name=\"c.a.b\",operation=\"CREATE\"} 100\n\
            apiserver_admission_webhook_rejection_count{name=\"a.b\"} 100\n";
        assert_eq!(asked(metrics, "a.b"), 9);
        assert_eq!(asked("", "a.b"), 0);
    }
}
