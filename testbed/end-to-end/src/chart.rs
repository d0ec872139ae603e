//! The Helm chart, and the manifests of `deploy/` that are rendered from it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use acr_testbed::Helm;

use crate::error::Error;

/// The version of Kubernetes that the manifests are for: the oldest with everything that they hold.
const KUBERNETES: &str = "1.30.0";
/// Said on top of every rendered file.
const ORIGIN: &str =
    "# Rendered from charts/acr-credential-helper by `cargo xtask manifests`: change it there.\n#\n";

/// A file of `deploy/` that is rendered.
struct Manifest {
    file: &'static str,
    /// What it is, as comment lines.
    heading: &'static str,
    templates: &'static [&'static str],
    values: &'static [&'static str],
}

const MANIFESTS: [Manifest; 7] = [
    Manifest {
        file: "rbac.yaml",
        heading: "\
# What the component may do, and the ServiceAccount that may do it. Apply this before anything else:
#
#     kubectl apply -f deploy/rbac.yaml -f deploy/policy.yaml
#
# The list is closed. Rules by `resourceNames` cover objects of these names and no other: the component
# cannot read, list or create any Secret of another name.
",
        templates: &["rbac"],
        values: &[],
    },
    Manifest {
        file: "policy.yaml",
        heading: "# The admission policy. Servers from 1.30 have what it needs; leave it out on older ones.\n",
        templates: &["policy"],
        values: &[],
    },
    Manifest {
        file: "mutating-policy.yaml",
        heading: "\
# The policy behind `mode: policy` of webhook-configuration. Servers from 1.36 have what it needs; leave it out on older ones.
",
        templates: &["mutating-policy"],
        values: &["--set=mutatingPolicy=true", "--kube-version=1.36.0"],
    },
    Manifest {
        file: "in-cluster.yaml",
        heading: "\
# The component in a cluster. Apply deploy/rbac.yaml first, and create a ConfigMap acr-configuration (an example is
# in deploy/acr-configuration.example.yaml; one that you have is left alone):
#
#     kubectl apply -f deploy/rbac.yaml -f deploy/policy.yaml -f deploy/in-cluster.yaml
",
        templates: &["deployment", "webhook", "networkpolicy", "poddisruptionbudget"],
        values: &[],
    },
    Manifest {
        file: "outside.yaml",
        heading: "# What the program needs to run outside of the cluster, besides deploy/rbac.yaml.\n",
        templates: &["outside", "token", "webhook"],
        values: &["--set=placement=outside"],
    },
    Manifest {
        file: "pod-help.example.yaml",
        heading: "\
# The rights that the key `pods` needs for its widest value, restart, and the admission policy that lets the webhook be
# registered for pods. Apply it after deploy/policy.yaml, which it replaces.
",
        templates: &["pod-help", "policy"],
        values: &["--set=podHelp=restart"],
    },
    Manifest {
        file: "secret-references.example.yaml",
        heading: "\
# The right to read one Secret that the configuration names. Copy it for each that you name, and change both names
# marked here.
",
        templates: &["secret-references"],
        values: &[r#"--set-json=secretReferences=[{"namespace":"kube-system","name":"my-acr-keys"}]"#],
    },
];

/// A rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedManifest {
    /// Where it belongs.
    pub path: PathBuf,
    /// What is to stand there.
    pub text: String,
}

/// The folder of the chart.
pub fn chart_folder() -> PathBuf {
    workspace_folder().join("charts").join("acr-credential-helper")
}

fn workspace_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Renders the manifests of `deploy/`.
pub async fn render_manifests(helm: &Helm) -> Result<Vec<RenderedManifest>, Error> {
    let mut rendered = Vec::new();
    for manifest in &MANIFESTS {
        let mut arguments = vec!["template", "acr-credential-helper"];
        let chart = chart_folder();
        let chart = chart.to_string_lossy();
        arguments.extend([&*chart, "--namespace", "kube-system", "--kube-version", KUBERNETES]);
        let templates: Vec<String> =
            manifest.templates.iter().map(|name| format!("--show-only=templates/{name}.yaml")).collect();
        arguments.extend(templates.iter().map(String::as_str));
        arguments.extend(manifest.values);
        let output = run_helm(helm, &arguments, &[]).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Chart { action: format!("render {}", manifest.file), said });
        }
        let path = workspace_folder().join("deploy").join(manifest.file);
        let documents = tidied(&String::from_utf8_lossy(&output.stdout));
        rendered.push(RenderedManifest { path, text: format!("{ORIGIN}{}\n{documents}", manifest.heading) });
    }
    Ok(rendered)
}

/// Runs helm to its end, with nothing of the user's settings and these environment variables.
pub async fn run_helm(
    helm: &Helm,
    arguments: &[&str],
    environment: &[(&str, &Path)],
) -> Result<Output, Error> {
    let mut command = tokio::process::Command::new(helm.program());
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        if variable != "PATH" {
            command.env_remove(variable);
        }
    }
    command.envs(environment.iter().copied());
    let output = command.output().await;
    output.map_err(|source| Error::File { action: "run", path: helm.program().to_owned(), source })
}

/// Documents without the names of their templates, which helm adds, and without empty lines at their ends.
fn tidied(output: &str) -> String {
    let documents = output.split("---\n").map(|document| {
        let lines = document.lines().filter(|line| !line.starts_with("# Source: "));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    });
    let documents: Vec<String> = documents.filter(|document| !document.is_empty()).collect();
    documents.join("\n---\n") + "\n"
}
