//! `cargo xtask test`: every check of the project, in order, with a log for each.

mod binaries;
mod failures;
mod step;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use acr_testbed::{Helm, NodeTools, Progress, Tools, cache_folder};

use crate::Outcome;
use crate::output::output;
use crate::workspace::{cargo, workspace_folder};
use binaries::{Built, Kind};
use step::{Step, Verdict};

/// Seeds of histories that every run of the tests replays.
const SEEDS: &str = "20000";
/// How many end-to-end tests run at once.
const END_TO_END_THREADS: &str = "4";
/// How many tests with a node run at once: each has a cluster of its own.
const REAL_PULL_THREADS: &str = "2";
/// The steps with the tests of the image.
const IMAGE: &str = "image";
const IMAGE_ON_A_NODE: &str = "image on a node";
/// The step with the tests of the chart, of its rights and of the policy.
const CHART: &str = "chart and rights";
/// The version of cargo-deny that checks dependencies, built into the cache.
const CARGO_DENY: &str = "0.20.2";
/// Where the logs of the steps go, below the target folder.
const LOG_FOLDER: &str = "xtask-test";
/// What `go vet` is told, the same as the builds of the test bed, whose compiled packages it then finds.
const GO_FLAGS: [&str; 2] = ["-trimpath", "-mod=readonly"];

/// Run all checks: formatting, lints, unit, property, history and end-to-end tests, documentation
///
/// The end-to-end tests build the test bed when it is missing, which takes some minutes once and needs Go.
/// A failed step does not keep the others from running; what failed and its log is named at the end.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out what needs the test bed
    #[arg(long)]
    fast: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let started = Instant::now();
    let mut checks = Checks::begin()?;
    checks.sources();
    let built = checks.build();
    checks.unit_tests(built.as_ref());
    checks.official_sdks(built.as_ref());
    checks.histories(built.as_ref());
    if !arguments.fast {
        let ready = checks.test_bed().await;
        checks.go(ready);
        let name = "end-to-end tests";
        checks.end_to_end_tests(name, Kind::OnTheTestBed, built.as_ref().filter(|_| ready));
        checks.end_to_end_tests(CHART, Kind::OfTheChart, built.as_ref().filter(|_| ready));
        let name = "real pulls";
        checks.on_a_node(name, Kind::OnANode, built.as_ref().filter(|_| ready)).await;
        // Last of those that run the component: cargo puts the program of the image where the others have theirs.
        checks.image(built.as_ref().filter(|_| ready));
        let name = IMAGE_ON_A_NODE;
        checks.on_a_node(name, Kind::OfTheImageOnANode, built.as_ref().filter(|_| ready)).await;
    }
    checks.documentation();
    checks.dependencies(arguments.fast);
    if arguments.fast {
        checks.leave_out("end-to-end tests", "--fast was given");
        checks.leave_out(CHART, "--fast was given");
        checks.leave_out("real pulls", "--fast was given");
        checks.leave_out(IMAGE, "--fast was given");
        checks.leave_out(IMAGE_ON_A_NODE, "--fast was given");
    }
    Ok(checks.report(started))
}

/// The steps so far.
struct Checks {
    logs: PathBuf,
    done: Vec<Step>,
}

impl Checks {
    fn begin() -> std::io::Result<Self> {
        let logs = crate::workspace::target_folder().join(LOG_FOLDER);
        // Logs of an earlier run would be taken for those of this one.
        if logs.exists() {
            std::fs::remove_dir_all(&logs)?;
        }
        std::fs::create_dir_all(&logs)?;
        Ok(Self { logs, done: Vec::new() })
    }

    /// Runs one step of commands. The first that fails ends it, unless `all` are to be run.
    fn step(&mut self, name: &'static str, commands: Vec<Command>) -> bool {
        let mut step = Step::begin(name, &self.logs);
        for mut command in commands {
            if !step.run(&mut command, None) {
                break;
            }
        }
        self.finish(step)
    }

    fn finish(&mut self, mut step: Step) -> bool {
        step.end();
        let passed = step.verdict == Verdict::Passed;
        self.done.push(step);
        passed
    }

    fn leave_out(&mut self, name: &'static str, reason: &str) {
        self.done.push(Step::left_out(name, &self.logs, reason));
    }

    fn sources(&mut self) {
        self.step("formatting", vec![cargo(&["fmt", "--all", "--check"])]);
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
        self.step("lints", vec![cargo(&arguments)]);
    }

    /// One build for all tests: one set of features, so that nothing is compiled twice.
    fn build(&mut self) -> Option<Built> {
        let mut step = Step::begin("build of the tests", &self.logs);
        let mut built = Built::default();
        let arguments =
            ["test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"];
        step.run(&mut cargo(&arguments), Some(&mut |line| built.learn(line)));
        self.finish(step).then_some(built)
    }

    fn unit_tests(&mut self, built: Option<&Built>) {
        let name = "unit and property tests";
        let Some(built) = built else { return self.leave_out(name, "the tests were not built") };
        let mut step = Step::begin(name, &self.logs);
        for binary in built.tests(Kind::Alone) {
            step.test(&binary.title(), &mut binary.command());
        }
        step.test("examples in the documentation", &mut cargo(&["test", "--workspace", "--locked", "--doc"]));
        self.finish(step);
    }

    /// The only tests that need more than Rust, Go and a C compiler.
    fn official_sdks(&mut self, built: Option<&Built>) {
        let name = "official SDKs";
        let Some(built) = built else { return self.leave_out(name, "the tests were not built") };
        let mut venv = Command::new("python3");
        let has_python = venv.args(["-c", "import ensurepip, venv"]).output();
        if !has_python.is_ok_and(|output| output.status.success()) {
            return self
                .leave_out(name, "python3 with its module venv is missing: apt-get install python3-venv");
        }
        let mut step = Step::begin(name, &self.logs);
        for binary in built.tests(Kind::WithPython) {
            step.test(&binary.title(), &mut binary.command());
        }
        self.finish(step);
    }

    fn histories(&mut self, built: Option<&Built>) {
        let name = "histories";
        let Some(xtask) = built.and_then(|built| built.program("xtask")) else {
            return self.leave_out(name, "the tests were not built");
        };
        let mut command = Command::new(xtask);
        command.args(["histories", "--seeds", SEEDS]).current_dir(workspace_folder());
        self.step(name, vec![command]);
    }

    /// Builds the servers of the test bed where they are missing, with progress of its own.
    async fn test_bed(&mut self) -> bool {
        let mut step = Step::begin("test bed", &self.logs);
        let built = async {
            let tools = Tools::ensure_oldest(Progress::Stderr).await?;
            Helm::ensure(&tools, Progress::Stderr).await
        };
        if let Err(error) = built.await {
            step.fail(&error.to_string());
        }
        self.finish(step)
    }

    fn go(&mut self, ready: bool) {
        let name = "Go sources";
        if !ready {
            return self.leave_out(name, "the test bed was not built");
        }
        let sources = workspace_folder().join("testbed").join("go");
        let mut step = Step::begin(name, &self.logs);
        let mut gofmt = Command::new("gofmt");
        gofmt.arg("-l").arg(&sources);
        let mut misformatted = Vec::new();
        step.run(&mut gofmt, Some(&mut |line| misformatted.push(line.to_owned())));
        if !misformatted.is_empty() {
            step.fail(&format!("not as gofmt writes it: {}", misformatted.join(" ")));
        }
        for module in ["guard", "registry", "control-plane", "control-plane-1.30", "node", "kubelet", "helm"]
        {
            let mut vet = Command::new("go");
            vet.arg("vet").args(GO_FLAGS).arg(".").current_dir(sources.join(module));
            vet.envs([("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")]);
            step.run(&mut vet, None);
        }
        self.finish(step);
    }

    fn end_to_end_tests(&mut self, name: &'static str, kind: Kind, built: Option<&Built>) {
        let program = built.and_then(|built| built.program("acr-credential-helper"));
        let (Some(built), Some(program)) = (built, program) else {
            return self.leave_out(name, "the tests or the test bed were not built");
        };
        let mut step = Step::begin(name, &self.logs);
        for binary in built.tests(kind) {
            let mut command = binary.command();
            command.env(acr_end_to_end::PROGRAM_VARIABLE, program);
            // They wait for servers most of the time.
            command.env("RUST_TEST_THREADS", END_TO_END_THREADS);
            step.test(&binary.title(), &mut command);
        }
        self.finish(step);
    }

    /// The image of the program as the tests build it, in an empty root file system.
    fn image(&mut self, built: Option<&Built>) {
        let entered = Command::new("chroot").args(["/", "true"]).output();
        if !entered.is_ok_and(|output| output.status.success()) {
            return self.leave_out(IMAGE, "an empty root file system needs root: run it as root");
        }
        self.end_to_end_tests(IMAGE, Kind::OfTheImage, built);
    }

    /// What runs pods, on machines that can be a node.
    async fn on_a_node(&mut self, name: &'static str, kind: Kind, built: Option<&Built>) {
        let program = built.and_then(|built| built.program("acr-credential-helper"));
        let (Some(built), Some(program)) = (built, program) else {
            return self.leave_out(name, "the tests or the test bed were not built");
        };
        let tools = match Tools::ensure(Progress::Stderr).await {
            Ok(tools) => NodeTools::ensure(&tools, Progress::Stderr).await,
            Err(error) => Err(error),
        };
        if let Err(acr_testbed::Error::NoNode { reason }) = &tools {
            return self.leave_out(name, reason);
        }
        let mut step = Step::begin(name, &self.logs);
        match tools {
            Ok(_) => {
                for binary in built.tests(kind) {
                    let mut command = binary.command();
                    command.env(acr_end_to_end::PROGRAM_VARIABLE, program);
                    command.env("RUST_TEST_THREADS", REAL_PULL_THREADS);
                    step.test(&binary.title(), &mut command);
                }
            }
            Err(error) => step.fail(&error.to_string()),
        }
        self.finish(step);
    }

    fn documentation(&mut self) {
        let mut command = cargo(&["doc", "--no-deps", "--workspace", "--locked"]);
        command.env("RUSTDOCFLAGS", "--deny warnings");
        self.step("documentation", vec![command]);
    }

    /// Licences, sources and banned crates, by the rules of `deny.toml`.
    fn dependencies(&mut self, fast: bool) {
        let name = "dependencies";
        let root = match cache_folder() {
            Ok(cache) => cache.join(format!("cargo-deny-{CARGO_DENY}")),
            Err(error) => return self.leave_out(name, &error.to_string()),
        };
        let folder = root.join("bin");
        if !folder.join("cargo-deny").exists() {
            if fast {
                return self.leave_out(name, "--fast was given, and cargo-deny is not built yet");
            }
            let mut install =
                cargo(&["install", "--quiet", "--locked", "--version", CARGO_DENY, "cargo-deny"]);
            install.arg("--root").arg(&root);
            if !self.step("build of cargo-deny", vec![install]) {
                return self.leave_out(name, "cargo-deny was not built");
            }
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let Ok(paths) = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&paths)))
        else {
            return self.leave_out(name, "the cache folder cannot stand in PATH");
        };
        // Advisories come from the network and change by themselves: no matter of a test.
        let mut deny = cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]);
        deny.env("PATH", paths);
        self.step(name, vec![deny]);
    }

    fn report(&self, started: Instant) -> ExitCode {
        output!("");
        for step in &self.done {
            output!("{}", step.summary());
        }
        let failed: Vec<&Step> = self.done.iter().filter(|step| step.verdict == Verdict::Failed).collect();
        let seconds = started.elapsed().as_secs();
        if failed.is_empty() {
            let left_out =
                self.done.iter().filter(|step| matches!(step.verdict, Verdict::LeftOut(_))).count();
            let but = if left_out == 0 { String::new() } else { format!(", {left_out} not run") };
            output!("\nall passed in {} min {} s{but}", seconds / 60, seconds % 60);
            return ExitCode::SUCCESS;
        }
        let mut room = failures::ALL_LINES;
        for step in &failed {
            let tests = step.failures();
            if tests.is_empty() {
                output!("\n{} failed; its log is {}, and ends with:", step.name, step.log.display());
                output!("{}", step.tail());
            } else {
                output!("\n{} failed; its log is {}, and in it:", step.name, step.log.display());
                output!("{}", failures::words(tests, &step.log, &mut room).join("\n"));
            }
        }
        // Once more at the very end, where a reader looks first.
        output!("");
        for name in failed.iter().flat_map(|step| failures::names(step.failures())) {
            output!("FAILED {name}");
        }
        let names: Vec<&str> = failed.iter().map(|step| step.name).collect();
        output!("FAILED: {} ({})", names.join(", "), shown(&self.logs));
        ExitCode::FAILURE
    }
}

/// A path below the workspace is shown as seen from there.
fn shown(path: &Path) -> String {
    path.strip_prefix(workspace_folder()).unwrap_or(path).display().to_string()
}
