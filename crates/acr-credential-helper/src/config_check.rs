//! `config check`: every finding of a configuration file, without a cluster and without the cloud.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use acr_configuration::{
    Assumptions, Edition, EntrySummary, Finding, Loaded, MAX_DOCUMENT_BYTES, Severity, TokenMode,
    load_document,
};
use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::exit::Exit;
use crate::run::region_name;

/// Check a configuration and print every finding at once; nothing is called.
///
/// Takes the manifest of the ConfigMap acr-configuration (YAML or JSON), its `data:`, a mapping of its keys, a
/// bare list of registry entries, or the JSON of the add-on parameters. Exit code 0 without errors, 1 with
/// warnings under --strict, 2 with errors, 64 for wrong usage, 66 for a file that cannot be read.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The file to check; `-` reads standard input.
    file: PathBuf,
    /// The region of entries without `regionId`.
    #[arg(long, value_name = "REGION", value_parser = region_name)]
    region: Option<String>,
    /// The identity of entries without one of their own; without it both branches of `auto` are shown.
    #[arg(long, value_name = "MODE", value_parser = token_mode())]
    token_mode: Option<TokenMode>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Exit with code 1 if there are warnings.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One object with `findings` and `entries`.
    Json,
}

/// Takes the spellings of [`TokenMode`].
pub(crate) fn token_mode() -> impl TypedValueParser<Value = TokenMode> {
    PossibleValuesParser::new(TokenMode::ALL.map(TokenMode::as_str))
        .map(|word| TokenMode::ALL.into_iter().find(|mode| mode.as_str() == word).unwrap_or(TokenMode::Auto))
}

/// Runs the check.
pub(crate) fn run(arguments: &Arguments) -> Exit {
    let name = if is_stdin(&arguments.file) {
        "<standard input>".to_owned()
    } else {
        arguments.file.display().to_string()
    };
    let bytes = match read(&arguments.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = writeln!(
                anstream::stderr(),
                "cannot read {name}: {error}; name a file, or - for standard input"
            );
            return Exit::NoInput;
        }
    };
    let mut document = load_document(&bytes);
    let region = arguments.region.clone().filter(|region| !region.is_empty());
    let assumptions = Assumptions { region, token_mode: arguments.token_mode };
    let entries = document.summarize(&assumptions);
    let loaded = document.loaded;
    let printed = match arguments.output {
        Output::Text => print_text(&mut anstream::stdout().lock(), &name, &loaded, &entries),
        Output::Json => print_json(&mut io::stdout().lock(), &loaded, &entries),
    };
    // A reader that has seen enough and closed the pipe changes nothing about the result.
    let unprinted = printed.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    if let Some(error) = &unprinted {
        let _ = writeln!(anstream::stderr(), "cannot print the findings: {error}");
    }
    let warnings = loaded.findings.iter().any(|finding| finding.severity == Severity::Warning);
    if loaded.has_errors() {
        Exit::Errors
    } else if unprinted.is_some() {
        Exit::NoOutput
    } else if warnings && arguments.strict {
        Exit::Warnings
    } else {
        Exit::Success
    }
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads one byte more than allowed at most: enough to tell that it is too much.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if is_stdin(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// One finding as `--output json` prints it; `null` where there is no value.
#[derive(Serialize)]
struct FindingJson<'a> {
    severity: &'static str,
    code: &'static str,
    key: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    file_line: Option<u32>,
    message: &'a str,
    remedy: &'a str,
}

/// One entry as `--output json` prints it; `null` where there is no value: an entry that is not served has no chain.
#[derive(Serialize)]
struct EntryJson<'a> {
    index: usize,
    edition: &'static str,
    region: Option<&'a str>,
    hosts: &'a [String],
    chain: Option<&'a [String]>,
}

/// Everything that `--output json` prints.
#[derive(Serialize)]
struct ReportJson<'a> {
    findings: Vec<FindingJson<'a>>,
    entries: Vec<EntryJson<'a>>,
}

fn print_json(out: &mut impl Write, loaded: &Loaded, entries: &[EntrySummary]) -> io::Result<()> {
    let findings = loaded.findings.iter().map(|finding| FindingJson {
        severity: finding.severity.as_str(),
        code: finding.code,
        key: Some(finding.key.as_str()).filter(|key| !key.is_empty()),
        line: finding.line,
        column: finding.column,
        file_line: finding.file_line,
        message: &finding.message,
        remedy: &finding.remedy,
    });
    let entries = entries.iter().map(|entry| EntryJson {
        index: entry.index,
        edition: entry.edition,
        region: entry.region.as_deref(),
        hosts: &entry.hosts,
        chain: entry.unsupported.is_none().then_some(entry.chain.as_slice()),
    });
    let report = ReportJson { findings: findings.collect(), entries: entries.collect() };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)?;
    out.flush()
}

fn print_text(out: &mut impl Write, name: &str, loaded: &Loaded, entries: &[EntrySummary]) -> io::Result<()> {
    for finding in &loaded.findings {
        writeln!(out, "{}\n", render(name, finding))?;
    }
    for entry in entries {
        let is_static = entry.edition == Edition::Static.as_str();
        let region = match entry.region.as_deref() {
            Some(region) => format!(", {region}"),
            None if is_static => String::new(),
            None => ", region unknown".to_owned(),
        };
        writeln!(out, "entry {}: {}{region}", entry.index, entry.edition)?;
        if let Some(unsupported) = &entry.unsupported {
            writeln!(out, "  not served: {unsupported}")?;
            continue;
        }
        let hosts = match (entry.hosts.is_empty(), is_static) {
            (false, _) => entry.hosts.join(", "),
            (true, true) => "known to the Secret only".to_owned(),
            (true, false) => "known to the cloud only".to_owned(),
        };
        writeln!(out, "  hosts: {hosts}")?;
        writeln!(out, "  identity: {}", entry.chain.join(", then "))?;
    }
    let count = |severity: Severity| {
        let count = loaded.findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{count} {}{}", severity.as_str(), if count == 1 { "" } else { "s" })
    };
    writeln!(out, "{name}: {}, {}", count(Severity::Error), count(Severity::Warning))?;
    out.flush()
}

/// A finding in the manner of a compiler: title, line with caret, place, what to do.
pub(crate) fn render(name: &str, finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements = Vec::<Element<'_>>::new();
    if let Some(snippet) = &finding.snippet {
        let bytes = |chars: usize| snippet.text.chars().take(chars).map(char::len_utf8).sum::<usize>();
        let (start, end) = (bytes(snippet.start), bytes(snippet.start.saturating_add(snippet.length)));
        let line = finding.file_line.or(finding.line).and_then(|line| usize::try_from(line).ok());
        elements.push(
            Snippet::source(snippet.text.as_str())
                .line_start(line.unwrap_or(1))
                .annotation(AnnotationKind::Primary.span(start..end))
                .into(),
        );
    }
    elements.push(Level::NOTE.message(place(name, finding)).into());
    elements.push(Level::HELP.message(finding.remedy.as_str()).into());
    let group = level.primary_title(finding.message.as_str()).id(finding.code).elements(elements);
    Renderer::styled().render(&[group])
}

/// `file.yaml:9, key acr-registry-info, entry 0, line 2, column 13`: the line of the file, then the place within
/// the value of the key.
fn place(name: &str, finding: &Finding) -> String {
    let mut parts = vec![match finding.file_line {
        Some(line) => format!("{name}:{line}"),
        None => name.to_owned(),
    }];
    if !finding.key.is_empty() {
        parts.push(format!("key {}", finding.key));
    }
    parts.extend(finding.entry.map(|entry| format!("entry {entry}")));
    parts.extend(finding.line.map(|line| format!("line {line}")));
    parts.extend(finding.column.map(|column| format!("column {column}")));
    parts.join(", ")
}
