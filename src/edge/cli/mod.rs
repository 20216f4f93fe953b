//! The command line: what a person types, and which module answers.
//!
//! Enters: arguments, standard input, the environment. Leaves: data on stdout, talk on stderr, an exit code (§10).
//! Always true: everything checkable is checked before anything is touched: arguments, configuration, environment.

mod input;
mod output;

#[cfg(feature = "bench")]
mod bench;
mod carriers;
mod check;
mod decode;
mod demo;
mod generate;
mod intake;
mod probe;
mod replay;
mod run;
mod summary;
mod topics;
mod tracking;
mod upload;
mod verify;
mod world;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::config::{self, Config, Inputs, Loaded};
use super::problem::{Exit, Failure, Problem};
use super::{logs, secret};
use crate::engine::log::LogError;
use crate::model::Timestamp;

/// Tells a fulfillment center's dock what to expect, from every carrier scan.
#[derive(Debug, Parser)]
#[command(name = "dockside", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Try:\n  dockside demo\n  dockside tracking check 1Z5R89390357567127")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// In the order of a tour: try, run, look.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Generate(generate::GenerateArgs),
    Replay(replay::ReplayArgs),
    Decode(decode::DecodeArgs),
    Tracking(tracking::TrackingArgs),
    Carriers(carriers::CarriersArgs),
    Check(check::CheckArgs),
    Topics(topics::TopicsArgs),
    Run(run::RunArgs),
    Probe(probe::ProbeArgs),
    Upload(upload::UploadArgs),
    Verify(verify::VerifyArgs),
    #[cfg(feature = "bench")]
    Bench(bench::BenchArgs),
}

/// Where the configuration comes from: defaults < file < environment < `--set`.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file; without one, the defaults hold.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides one key, for example --set engine.epoch_ms=50.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Loaded, Failure> {
        config::load(&Inputs::of_process(self.config.as_deref(), &self.set))
    }
}

impl ConfigArgs {
    /// The configuration; its warnings are told.
    fn load_telling(&self) -> Result<Config, Failure> {
        let Loaded { config, warnings, .. } = self.load()?;
        warnings.iter().for_each(output::tell_problem);
        Ok(config)
    }
}

/// The failure of a log: it cannot be reached, or going on could lose data.
fn log_failure(error: &LogError) -> Failure {
    let (exit, code) = if error.refused { (Exit::Refused, "E0401") } else { (Exit::Connect, "E0301") };
    let what = format!("{} failed", error.what);
    Failure::new(exit, Problem::error(code, what).help(error.why.clone()))
}

/// The failure to hear signals.
fn cannot_listen(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Connect, Problem::error("E0201", format!("cannot listen to signals: {error}")))
}

/// A number that nobody outside knows, for the hashes of tables.
fn hash_secret() -> u64 {
    // The standard library seeds this from the operating system.
    RandomState::new().build_hasher().finish()
}

/// Worker threads: as many as asked for, else one per core.
pub(crate) fn workers_or_cores(asked: u32) -> u32 {
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    if asked > 0 { asked } else { u32::try_from(cores()).unwrap_or(1) }
}

/// Reads an instant of an argument.
fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "expected RFC 3339 with a zone, like 2026-11-05T09:12:00Z".to_owned())
}

/// Runs the binary.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with code 0, mistakes to stderr with 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    secret::guard_panics();
    let filter = std::env::var(logs::VARIABLE).ok();
    let _written_at_the_end = match logs::start(filter.as_deref()) {
        Ok(guard) => guard,
        Err(why) => {
            let what = format!("{} is no filter: {why}", logs::VARIABLE);
            output::tell_problem(
                &Problem::error("E0105", what).help("for example `warn`, or `warn,kafka=debug`"),
            );
            return Exit::Usage.into();
        }
    };
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Tracking(args) => tracking::run(args),
        Command::Carriers(args) => carriers::run(args),
        Command::Check(args) => check::run(args),
        Command::Topics(args) => topics::run(args),
        Command::Run(args) => run::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Upload(args) => upload::run(args),
        Command::Verify(args) => verify::run(args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.problems.iter().for_each(output::tell_problem);
            failure.exit.into()
        }
    }
}
