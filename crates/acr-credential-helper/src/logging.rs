//! Logs: text for people, JSON for collectors, on standard error.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::{EnvFilter, fmt};

/// What the libraries say is of use only to who works on them. A directive of the user for the same target
/// comes later and wins.
const LIBRARIES: &str = "kube_client=warn,hyper=warn,hyper_util=warn,rustls=warn,tower=warn,h2=warn";

/// How and how much to log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
pub(crate) struct Logs {
    /// How to write the log.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,
    /// What to log: off, error, warn, info, debug or trace, or directives such as `info,acr_cluster=debug`
    ///
    /// `debug` adds a line for every write and every call to the cloud. Secrets are in no level.
    #[arg(long, env = "RUST_LOG", value_name = "LEVEL", default_value = "info")]
    log_level: String,
}

/// Why a level is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LevelError {
    /// A word that stands alone and is no level: it would be taken for a target, and silence all others.
    #[error(
        "{word} is no level; write off, error, warn, info, debug or trace, and for one target alone \
         TARGET=LEVEL, such as info,acr_cluster=debug"
    )]
    Word {
        /// The word.
        word: String,
    },
    /// It is no list of directives.
    #[error(transparent)]
    Directive(#[from] ParseError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line per event, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// A JSON object per event.
    Json,
}

impl Logs {
    /// Starts logging, for the life of the process.
    pub(crate) fn start(&self) -> Result<(), LevelError> {
        let filter = filter(&self.log_level)?;
        // Where a log cannot be written (a full disk) there is nobody to tell, and no reason to end.
        let log = fmt().with_env_filter(filter).with_writer(stderr).log_internal_errors(false);
        match self.log_format {
            Format::Json => {
                log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            }
            Format::Text => log.with_ansi(colours()).init(),
        }
        Ok(())
    }
}

fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    let level = if level.is_empty() { "info" } else { level };
    if let Some(word) = level.split(',').map(str::trim).find(|word| is_bare(word) && !is_level(word)) {
        return Err(LevelError::Word { word: word.to_owned() });
    }
    Ok(EnvFilter::builder().parse(format!("{LIBRARIES},{level}"))?)
}

/// Whether a directive is nothing but a word: no `TARGET=LEVEL`, and nothing of a span or its fields.
fn is_bare(directive: &str) -> bool {
    !directive.is_empty() && !directive.contains(['=', '[', ']', '{', '}'])
}

fn is_level(word: &str) -> bool {
    word.parse::<LevelFilter>().is_ok()
}

/// <https://no-color.org>
fn colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use super::*;

    /// Says to the test below that it runs in a process of its own.
    const TOLD_TO_LOG: &str = "ACR_TEST_TOLD_TO_LOG";

    #[test]
    fn a_log_that_cannot_be_written_does_not_end_the_process() {
        const NAME: &str = "logging::tests::a_log_that_cannot_be_written_does_not_end_the_process";
        if std::env::var_os(TOLD_TO_LOG).is_some() {
            crate::process::end_on_panic();
            Logs { log_format: Format::Text, log_level: "info".to_owned() }.start().unwrap();
            tracing::info!("nobody reads this");
            return;
        }
        let status = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(TOLD_TO_LOG, "yes")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().write(true).open("/dev/full").unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0));
    }

    #[test]
    fn a_level_leaves_the_libraries_quiet_and_a_directive_does_not() {
        assert!(filter("debug").unwrap().to_string().contains("kube_client=warn"));
        assert!(!filter("info,kube_client=trace").unwrap().to_string().contains("kube_client=warn"));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert!(filter("").unwrap().to_string().contains("info"));
    }

    #[test]
    fn what_is_no_directive_is_refused() {
        assert!(filter("acr_cluster=loud").is_err());
    }

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        for (level, word) in [("loud", "loud"), ("info, wran", "wran"), ("acr_cluster", "acr_cluster")] {
            let told = filter(level).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{word} is no level")), "{level}: {told}");
        }
        for level in ["off", "WARN", "debug,", "info,acr_cluster=debug,[turn{a=1}]=trace"] {
            assert!(filter(level).is_ok(), "{level}");
        }
    }
}
