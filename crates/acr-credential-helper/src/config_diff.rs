//! `config diff`: what an edit of the configuration would change in the cluster, before it is made.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use acr_configuration::{Configuration, Loaded, Source, load, load_document};
use acr_controller::preview::{AccountName, Changes, Setting};
use clap::Args;
use serde::Serialize;

use crate::config_check::{self, Output, is_stdin, render};
use crate::exit::Exit;
use crate::logging::Logs;
use crate::look::{Failure, look};
use crate::process::{self, Place, counted, failed};

/// Names in a line of text.
const SHOWN: usize = 8;

/// Tell what an edit would change in the cluster: what is attached, detached, written and deleted, and what holds for
/// whatever comes
///
/// Compares a file with the ConfigMap acr-configuration of the cluster, by the rules of the component; nothing is
/// written and no cloud is called. It needs the right to list and watch the ConfigMap, Namespaces, ServiceAccounts and the
/// Secrets of the name acr-credential-secret-aggregation.
///
/// Exit code 0 where nothing would change, 1 where something would, 2 where the file has errors: then the edit would be
/// refused whole. 66 for a file that cannot be read, 69 for a cluster that cannot be listed in time, 78 for one that
/// cannot be reached.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The configuration as it shall be, in the forms that `config check` takes; `-` reads standard input.
    file: PathBuf,
    /// What is in force, where that is not the ConfigMap of the cluster: a file that --parameters names, say
    #[arg(long, value_name = "FILE")]
    former: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    logs: Logs,
}

/// Compares.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    if let Err(error) = arguments.logs.start() {
        return failed(Exit::Usage, &format_args!("--log-level: {error}"));
    }
    let changes = match compare(arguments) {
        Ok(changes) => changes,
        Err(Failure { exit, words }) => return failed(exit, &words),
    };
    let printed = match arguments.output {
        Output::Text => print_text(&mut anstream::stdout().lock(), &changes),
        Output::Json => print_json(&mut io::stdout().lock(), &changes),
    };
    match printed {
        // A reader that has seen enough and closed the pipe changes nothing about the result.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            failed(Exit::NoOutput, &format_args!("cannot print what would change: {error}"))
        }
        _ if changes.is_empty() => Exit::Success,
        _ => Exit::Changes,
    }
}

fn compare(arguments: &Arguments) -> Result<Changes, Failure> {
    // What costs nothing comes first.
    let wanted = from_file(&arguments.file)?;
    let former = arguments.former.as_deref().map(from_file).transpose()?;
    let runtime = process::runtime()
        .map_err(|error| Failure::new(Exit::System, format_args!("cannot start: {error}")))?;
    let preview = runtime.block_on(look(&arguments.place, arguments.timeout))?.1;
    let former = match (former, preview.config_map()) {
        (Some(former), _) => Some(former),
        (None, Some(data)) => Some(in_force(data)?),
        (None, None) => {
            // Beside the answer, which may be for a program. Where nobody reads it, the answer is the same.
            let _ = writeln!(anstream::stderr(), "{}", without(&arguments.place.ourselves().namespace));
            None
        }
    };
    Ok(preview.changes(former.as_ref(), &wanted))
}

/// What is said where the cluster has no configuration.
fn without(namespace: &str) -> String {
    format!(
        "acr-credential-helper: there is no ConfigMap acr-configuration in the namespace {namespace} (--namespace): \
         compared with serving nothing"
    )
}

/// A configuration without errors.
fn from_file(path: &Path) -> Result<Configuration, Failure> {
    let name = if is_stdin(path) { "<standard input>".to_owned() } else { path.display().to_string() };
    let bytes = config_check::read(path).map_err(|error| {
        let words = format!("cannot read {name}: {error}; name a file, or - for standard input");
        Failure::new(Exit::NoInput, words)
    })?;
    let loaded = load_document(&bytes).loaded;
    let findings: Vec<String> = loaded
        .findings
        .iter()
        .filter(|finding| finding.is_error())
        .map(|finding| render(&name, finding))
        .collect();
    accepted(loaded).ok_or_else(|| {
        let words = format!("{name} has errors: it would be refused whole, and nothing would change\n\n");
        Failure::new(Exit::Errors, words + &findings.join("\n\n"))
    })
}

/// What is in force by the ConfigMap of the cluster.
pub(crate) fn in_force(data: &BTreeMap<String, String>) -> Result<Configuration, Failure> {
    accepted(load(&Source::from_config_map_data(data))).ok_or_else(|| {
        Failure::new(
            Exit::Errors,
            "the ConfigMap of the cluster has errors: what is in force is the last one without, which the component \
             alone knows; mend it first, or name what is in force by --former FILE",
        )
    })
}

fn accepted(loaded: Loaded) -> Option<Configuration> {
    if loaded.has_errors() { None } else { loaded.configuration }
}

/// What `--output json` prints.
#[derive(Serialize)]
struct ChangesJson<'a> {
    attach: Vec<AccountJson<'a>>,
    detach: Vec<AccountJson<'a>>,
    write: &'a [String],
    adopt: &'a [String],
    delete: &'a [String],
    hosts_added: &'a BTreeMap<String, Vec<String>>,
    hosts_removed: &'a BTreeMap<String, Vec<String>>,
    settings: BTreeMap<&'a str, SettingJson<'a>>,
}

#[derive(Serialize)]
struct AccountJson<'a> {
    namespace: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct SettingJson<'a> {
    from: &'a str,
    to: &'a str,
}

fn print_json(out: &mut impl Write, changes: &Changes) -> io::Result<()> {
    let report = ChangesJson {
        attach: changes.attach.iter().map(AccountJson::from).collect(),
        detach: changes.detach.iter().map(AccountJson::from).collect(),
        write: &changes.write,
        adopt: &changes.adopt,
        delete: &changes.delete,
        hosts_added: &changes.hosts_added,
        hosts_removed: &changes.hosts_removed,
        settings: changes
            .settings
            .iter()
            .map(|(key, Setting { from, to })| (*key, SettingJson { from, to }))
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)?;
    out.flush()
}

impl<'a> From<&'a AccountName> for AccountJson<'a> {
    fn from(account: &'a AccountName) -> Self {
        Self { namespace: &account.namespace, name: &account.name }
    }
}

fn print_text(out: &mut impl Write, changes: &Changes) -> io::Result<()> {
    if changes.is_empty() {
        writeln!(out, "nothing would change")?;
        return out.flush();
    }
    let accounts = |accounts: &[AccountName]| -> Vec<String> {
        accounts.iter().map(|account| format!("{}/{}", account.namespace, account.name)).collect()
    };
    let groups = [
        ("detached", "ServiceAccount", accounts(&changes.detach)),
        ("deleted", "pull secret", changes.delete.clone()),
        ("attached", "ServiceAccount", accounts(&changes.attach)),
        ("written", "pull secret", changes.write.clone()),
        ("adopted, if it has nothing but ACR hosts", "foreign Secret", changes.adopt.clone()),
    ];
    for (verb, what, names) in groups.iter().filter(|(_, _, names)| !names.is_empty()) {
        writeln!(out, "{verb}: {}", counted(names.len(), what))?;
        for line in names.chunks(SHOWN) {
            writeln!(out, "    {}", line.join(" "))?;
        }
    }
    let hosts = [("-", &changes.hosts_removed), ("+", &changes.hosts_added)];
    if hosts.iter().any(|(_, hosts)| !hosts.is_empty()) {
        writeln!(out, "hosts in pull secrets:")?;
    }
    for (sign, hosts) in hosts {
        for (slot, namespaces) in hosts {
            writeln!(out, "    {sign} {slot} ({})", counted(namespaces.len(), "namespace"))?;
        }
    }
    if !changes.settings.is_empty() {
        writeln!(out, "settings, for whatever comes:")?;
    }
    for (key, Setting { from, to }) in &changes.settings {
        writeln!(out, "    {key}: {from} -> {to}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Changes {
        let account = |name: &str| AccountName { namespace: "shop".into(), name: name.into() };
        Changes {
            attach: vec![account("web")],
            detach: vec![account("old"), account("older")],
            write: vec!["new".into()],
            adopt: vec!["theirs".into()],
            delete: vec!["gone".into()],
            hosts_added: [("images.example.com/team".to_owned(), vec!["shop".to_owned(), "new".to_owned()])]
                .into(),
            hosts_removed: [("all domains of cri-old".to_owned(), vec!["shop".to_owned()])].into(),
            settings: [("takeover", Setting { from: "false".into(), to: "true".into() })].into(),
        }
    }

    fn printed(print: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_lost_is_told_first() {
        insta::assert_snapshot!(printed(|out| print_text(out, &changes())), @r"
        detached: 2 ServiceAccounts
            shop/old shop/older
        deleted: 1 pull secret
            gone
        attached: 1 ServiceAccount
            shop/web
        written: 1 pull secret
            new
        adopted, if it has nothing but ACR hosts: 1 foreign Secret
            theirs
        hosts in pull secrets:
            - all domains of cri-old (1 namespace)
            + images.example.com/team (2 namespaces)
        settings, for whatever comes:
            takeover: false -> true
        ");
        insta::assert_snapshot!(printed(|out| print_text(out, &Changes::default())), @"nothing would change");
    }

    #[test]
    fn the_json_has_every_list_also_where_it_is_empty() {
        let empty: serde_json::Value =
            serde_json::from_str(&printed(|out| print_json(out, &Changes::default()))).unwrap();
        let keys: Vec<&String> = empty.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["adopt", "attach", "delete", "detach", "hosts_added", "hosts_removed", "settings", "write"]
        );
        let full: serde_json::Value =
            serde_json::from_str(&printed(|out| print_json(out, &changes()))).unwrap();
        assert_eq!(full["detach"][1], serde_json::json!({ "namespace": "shop", "name": "older" }));
        assert_eq!(full["settings"]["takeover"], serde_json::json!({ "from": "false", "to": "true" }));
    }

    #[test]
    fn a_file_with_errors_is_refused_with_them_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faulty.yaml");
        std::fs::write(&path, "acr-registry-info: '[]'\nexpiring-threshold: soon\n").unwrap();
        let Failure { exit, words } = from_file(&path).unwrap_err();
        assert_eq!(exit, Exit::Errors);
        assert!(words.contains("refused whole") && words.contains("expiring-threshold"), "{words}");
        let Failure { exit, .. } = from_file(&folder.path().join("absent")).unwrap_err();
        assert_eq!(exit, Exit::NoInput);
    }
}
