//! The command lines and configuration files of the servers.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::keys::Tokens;
use super::{ControlPlaneOptions, NODE_NAME, Site};
use crate::error::Error;

/// The API server's certificate and the one that signed it, made by the API server at its first start.
pub(super) const CERTIFICATE: &str = "certificates/apiserver.crt";
/// The audit log of the API server.
pub(super) const AUDIT_LOG: &str = "audit.log";
/// How the controller manager reaches the API server.
pub(super) const CONTROLLER_MANAGER_KUBECONFIG: &str = "controller-manager.kubeconfig";

/// The controllers that the tests need. They are named in full: short names are refused.
const CONTROLLERS: &str = "serviceaccount-controller,serviceaccount-token-controller,namespace-controller,\
    garbage-collector-controller,root-ca-certificate-publisher-controller";

/// What workloads on nodes need beside: pods of Deployments, and a node that is ready loses its taint. What comes with
/// them, admission policies among it, has its types checked.
const CONTROLLERS_FOR_NODES: &str = "deployment-controller,replicaset-controller,node-lifecycle-controller,\
    validatingadmissionpolicy-status-controller";

/// One event for each request, when its answer is complete, or begun for a watch.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ['system:apiserver']
- level: Metadata
";

pub(super) fn write_audit_policy(path: &Path) -> Result<(), Error> {
    std::fs::write(path, AUDIT_POLICY).map_err(Error::file("write", path))
}

/// The static token file: token, user, uid, groups. The controller manager has all rights too, but a name of
/// its own, so that the audit log tells its requests from those of a test. Scheduler and kubelet have the rights that
/// Kubernetes gives to their names and groups.
pub(super) fn tokens(tokens: &Tokens) -> SecretString {
    let kubelet = format!("system:node:{NODE_NAME}");
    let lines = [
        (&tokens.admin, "admin", "system:masters"),
        (&tokens.controller_manager, "controller-manager", "system:masters"),
        (&tokens.scheduler, "system:kube-scheduler", ""),
        (&tokens.kubelet, &kubelet, "system:nodes"),
    ];
    let lines =
        lines.map(|(token, user, groups)| format!("{},{user},{user},{groups}\n", token.expose_secret()));
    lines.concat().into()
}

pub(super) fn etcd(site: &Site) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{}", site.etcd.number());
    let peers = format!("http://127.0.0.1:{}", site.etcd_peers.number());
    vec![
        flag("data-dir", site.path("etcd").display()),
        flag("listen-client-urls", &clients),
        flag("advertise-client-urls", &clients),
        flag("listen-peer-urls", &peers),
        flag("initial-advertise-peer-urls", &peers),
        flag("initial-cluster", format_args!("default={peers}")),
        flag("quota-backend-bytes", 8_u64 << 30),
        flag("log-level", "warn"),
        // The data need not survive the machine, only the process.
        "--unsafe-no-fsync".to_owned(),
    ]
}

pub(super) fn api_server(site: &Site, options: &ControlPlaneOptions) -> Vec<String> {
    let signing_key = site.path("signing.key");
    let mut arguments = vec![
        flag("etcd-servers", format_args!("http://127.0.0.1:{}", site.etcd.number())),
        flag("bind-address", "127.0.0.1"),
        flag("advertise-address", "127.0.0.1"),
        flag("secure-port", site.api_server.number()),
        flag("cert-dir", site.path("certificates").display()),
        flag("endpoint-reconciler-type", "none"),
        flag("service-cluster-ip-range", "10.96.0.0/16"),
        // The authorizer of nodes lets a kubelet read the Secrets of its own pods, and no others.
        flag("authorization-mode", if options.nodes { "Node,RBAC" } else { "RBAC" }),
        flag("token-auth-file", site.path("tokens.csv").display()),
        flag("service-account-issuer", &options.issuer),
        flag("service-account-key-file", signing_key.display()),
        flag("service-account-signing-key-file", signing_key.display()),
        flag("api-audiences", &options.issuer),
    ];
    if let Some(longest) = options.longest_token {
        arguments.push(flag("service-account-max-token-expiration", format_args!("{}s", longest.as_secs())));
    }
    if options.audit_log {
        arguments.push(flag("audit-policy-file", site.path("audit-policy.yaml").display()));
        arguments.push(flag("audit-log-path", site.path(AUDIT_LOG).display()));
        // In MiB: never begin a second file.
        arguments.push(flag("audit-log-maxsize", 100_000));
    }
    arguments.extend(options.api_server_arguments.iter().cloned());
    arguments
}

pub(super) fn controller_manager(site: &Site, options: &ControlPlaneOptions) -> Vec<String> {
    let controllers = [CONTROLLERS].into_iter().chain(options.nodes.then_some(CONTROLLERS_FOR_NODES));
    let controllers: Vec<&str> = controllers.chain(options.controllers.iter().map(String::as_str)).collect();
    vec![
        flag("kubeconfig", site.path(CONTROLLER_MANAGER_KUBECONFIG).display()),
        flag("controllers", controllers.join(",")),
        flag("leader-elect", false),
        flag("secure-port", 0),
        flag("root-ca-file", site.path(CERTIFICATE).display()),
        flag("service-account-private-key-file", site.path("signing.key").display()),
        // The default of 20 requests a second would make a thousand namespaces wait for a minute.
        flag("kube-api-qps", 500),
        flag("kube-api-burst", 1000),
    ]
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
