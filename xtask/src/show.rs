//! What `demo` and `node` have in common: they show something, step by step, until it is shown or Ctrl-C.

use std::io::{self, Write};
use std::process::ExitCode;

use acr_testbed::{ControlPlane, Tools};

use crate::Outcome;
use crate::interrupt::interrupted;
use crate::output::output;

/// Whatever fails ends the show.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Shows until the show ends, or somebody ends it. With `once`, one that is ended early has not shown what it should.
pub(crate) async fn until_interrupted(show: impl Future<Output = Result>, once: bool) -> Outcome {
    // Dropping what runs ends it: every server and the component sit below guards.
    tokio::select! {
        outcome = show => outcome.map(|()| ExitCode::SUCCESS),
        stopped = interrupted() => {
            stopped?;
            output!("\nstopping");
            Ok(if once { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

/// The lines that make kubectl of another terminal reach the cluster.
pub(crate) fn print_environment(control_plane: &ControlPlane, tools: &Tools) -> io::Result<()> {
    let mut output = anstream::stdout();
    writeln!(output, "export KUBECONFIG={}", control_plane.admin_kubeconfig().display())?;
    if let Some(bin) = tools.kubectl().parent() {
        writeln!(output, "export PATH={}:$PATH", bin.display())?;
    }
    output.flush()
}

pub(crate) fn headline(text: &str) {
    output!("\n== {text}");
}

pub(crate) fn say(text: &str) {
    output!("   {text}");
}
