//! `verify`: proves that what a run left is what it promised.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::output::{Out, Summary, tell};
use super::world::WorldArgs;
use super::{ConfigArgs, hash_secret, log_failure};
use crate::edge::kafka::KafkaBroker;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::edge::verify::report::Report;
use crate::edge::verify::{Options, expected, verify};
use crate::engine::log::{Durability, Local};

/// Proves a run: nothing lost, nothing twice, everything in order; with a world's arguments, also what it must come to.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside verify --local ./data\n  \
    dockside verify -c dockside.toml --scans 10000 --seed 7")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Looks at the log in this directory, instead of Kafka; nobody else may have it open.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// The broker has compacted topics: versions may have gaps.
    #[arg(long)]
    compacted: bool,
    /// How many findings of a check are shown.
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    format: Summary,
    /// The world that was fed; without any of these, only what the run says about itself is checked.
    #[command(flatten)]
    world: Option<WorldArgs>,
}

pub(super) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let kafka = config.kafka_config();
    let rules = Arc::new(config.rules());
    let options = Options { shown: args.show, compacted: args.compacted, secret: hash_secret() };
    // The log first: a world takes its time, and a log that is not there is told at once.
    let with_world = || args.world.as_ref().map(|world| expected::run(world.config(1), &rules)).transpose();
    let report = match &args.local {
        Some(dir) => {
            let log = open(dir)?;
            with_world().and_then(|expected| verify(&log, &rules, options, expected.as_ref()))
        }
        None => KafkaBroker::open(&kafka).and_then(|broker| {
            with_world().and_then(|expected| verify(&broker, &rules, options, expected.as_ref()))
        }),
    };
    let report = report.map_err(|error| log_failure(&error))?;
    write(&report, args.format)?;
    Ok(if report.is_clean() { Exit::Ok } else { Exit::Findings })
}

fn open(dir: &Path) -> Result<Local, Failure> {
    let stored = Local::stored_partitions(dir).map_err(|error| log_failure(&error))?;
    let Some(partitions) = stored else {
        let problem = Problem::error("E0202", format!("{} holds no log", dir.display()))
            .help("name the directory of `dockside run --local DIR` or `dockside demo --dir DIR`");
        return Err(Failure::new(Exit::Usage, problem));
    };
    let (log, recovered) =
        Local::open(dir, partitions, Durability::Process).map_err(|error| log_failure(&error))?;
    if recovered.cut_bytes > 0 {
        tell(&format!("a step that a crash interrupted was taken back ({} bytes)", recovered.cut_bytes));
    }
    Ok(log)
}

fn write(report: &Report, format: Summary) -> Result<(), Failure> {
    let mut out = Out::stdout();
    match format {
        Summary::Json => out.json(&json!({
            "clean": report.is_clean(),
            "checks": report.checks,
            "digest": report.digest,
        }))?,
        Summary::Text => out.line(report.text().trim_end())?,
    }
    out.flush()
}
