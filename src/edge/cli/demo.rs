//! `demo`: a seeded world through the embedded log and the real workers, with nothing else installed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::output::{Out, Progress, Summary, tell};
use super::summary::{Books, Documents, grouped, row};
use super::world::WorldArgs;
use super::{ConfigArgs, hash_secret, log_failure, workers_or_cores};
use crate::edge::clock;
use crate::edge::crew::{Crew, Observer};
use crate::edge::feeder::Feeder;
use crate::edge::latency::Latency;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::edge::process::resident_bytes;
use crate::edge::signals;
use crate::engine::log::{Broker, Durability, Local, LogError, Outbox};
use crate::engine::worker::WorkerConfig;
use crate::model::{Partition, Topic};
use crate::stations::ClockSource;
use crate::workload::{Messages, Weather, World};

/// Shows a generated world going through the whole engine: no Kafka, no configuration.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  dockside demo\n  dockside demo --headless --scans 1000000 --seed 7 --partitions 4 --format json"
)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    world: WorldArgs,
    /// Partitions of every topic.
    #[arg(long, value_name = "P", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
    partitions: u32,
    /// Worker threads; one per core if not given.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    /// Without a progress line, for scripts.
    #[arg(long)]
    headless: bool,
    /// Keeps the log in this directory, which must not hold one; without it, the log goes when the demo ends.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How the summary is written.
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    format: Summary,
    #[command(flatten)]
    config: ConfigArgs,
}

/// How often the demo looks whether its workers are done.
const PATIENCE: Duration = Duration::from_micros(200);

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let workers =
        args.workers.unwrap_or_else(|| workers_or_cores(config.engine.workers)).min(args.partitions);
    let worker_config = WorkerConfig {
        clock: ClockSource::Input,
        epoch_ms: config.engine.epoch_ms,
        epoch_records_max: config.engine.epoch_records_max,
        close_when_drained: true,
        // Phases wait for each other: an idle worker looks again soon.
        poll_wait: PATIENCE,
        secret: hash_secret(),
        ..WorkerConfig::default()
    };
    let ending =
        signals::listen(config.engine.shutdown, tell).map_err(|error| super::cannot_listen(&error))?;
    let home = Home::new(args.dir.as_deref())?;
    let (log, _) =
        Local::open(home.path(), args.partitions, Durability::Process).map_err(|e| log_failure(&e))?;
    let rules = Arc::new(config.rules());
    let started = clock::now();
    let latency = Arc::new(Latency::new(args.partitions));
    let observe: Observer = {
        let latency = Arc::clone(&latency);
        Arc::new(move |report| latency.committed(&report.positions, clock::elapsed_us()))
    };
    let crew =
        Crew::start(&log, &rules, &worker_config, "demo", workers, &observe).map_err(|e| log_failure(&e))?;

    let world_config = args.world.config(args.partitions);
    let is_calm = world_config.weather == Weather::Calm;
    let progress = Progress::start(args.world.scans, !args.headless);
    let cancelled = || {
        progress.show(crew.done().scans);
        ending.is_asked_for()
    };
    let mut appends = Appends { latency: &latency, next: vec![0; args.partitions as usize] };
    let mut feeder = Feeder::default();
    let mut world = World::new(world_config);
    // One phase is made while the one before it goes through the workers.
    let (mut messages, mut following) = (Messages::default(), Messages::default());
    let mut phase = world.next_phase(&mut messages);
    let mut fed = Ok(());
    while let Some(present) = phase {
        // A phase of a calm world, and the tick that ends it, begin when everything before them is done.
        let drained = |crew: &Crew| match is_calm {
            true => crew.wait_until_drained(&log, PATIENCE, &cancelled).map_err(|e| log_failure(&e)),
            false => wait_for_room(&log, crew, &cancelled).map_err(|e| log_failure(&e)),
        };
        fed = feeder.phase(&log, &messages, |outbox| appends.note(outbox));
        following.clear();
        phase = world.next_phase(&mut following);
        if fed.is_err() || !drained(&crew)? {
            break;
        }
        fed = feeder.close(&log, present.tick);
        if fed.is_err() || !drained(&crew)? {
            break;
        }
        std::mem::swap(&mut messages, &mut following);
    }
    let drained = crew.wait_until_drained(&log, PATIENCE, &cancelled).map_err(|e| log_failure(&e))?;
    let elapsed_ms = u64::try_from(clock::now().0 - started.0).unwrap_or(0).max(1);
    let done = crew.done();
    progress.finish();
    let counters = crew.stop().map_err(|e| log_failure(&e))?;
    fed.map_err(|e| log_failure(&e))?;

    let documents = Documents::read(&log).map_err(|e| log_failure(&e))?;
    let books = Books::new(&counters);
    let rate = counters.read * 1000 / elapsed_ms;
    let exit = if books.balanced && drained { Exit::Ok } else { Exit::Findings };
    let mut out = Out::stdout();
    match args.format {
        Summary::Json => out.json(&json!({
            "seed": args.world.seed,
            "partitions": args.partitions,
            "workers": workers,
            "complete": drained,
            "elapsed_ms": elapsed_ms,
            "scans_per_second": rate,
            "latency": latency.summary(),
            "resident_bytes": resident_bytes().unwrap_or(0),
            "epochs": done.epochs,
            "scans": books,
            "documents": documents,
            "digest": documents.digest,
        }))?,
        Summary::Text => {
            let mut text = String::new();
            books.text(&mut text);
            documents.text(&mut text);
            row(&mut text, "epochs", done.epochs, "");
            let seconds = (elapsed_ms / 1000, elapsed_ms % 1000 / 100);
            let _ = write!(
                text,
                "{} scans in {}.{} s, {} a second, generating them included; ",
                grouped(counters.read),
                seconds.0,
                seconds.1,
                grouped(rate)
            );
            let waited = latency.summary();
            let _ = writeln!(
                text,
                "from append to commit: p50 {} ms, p99 {} ms; resident memory {} MiB",
                waited.p50_us / 1000,
                waited.p99_us / 1000,
                resident_bytes().unwrap_or(0) >> 20
            );
            let _ = write!(
                text,
                "{workers} worker{}, {} partitions",
                if workers == 1 { "" } else { "s" },
                args.partitions
            );
            out.line(&text)?;
        }
    }
    out.flush()?;
    Ok(exit)
}

/// While so many records wait for the workers, a stormy world writes no more.
const LAG_MAX: u64 = 500_000;

/// False: the demo is to end.
fn wait_for_room(log: &Local, crew: &Crew, cancelled: &dyn Fn() -> bool) -> Result<bool, LogError> {
    while log.lag()? > LAG_MAX && !crew.has_failed() && !cancelled() {
        std::thread::sleep(PATIENCE);
    }
    Ok(!crew.has_failed() && !cancelled())
}

/// Tells the measurement what went out. The embedded log has no gaps, so offsets can be counted.
struct Appends<'a> {
    latency: &'a Latency,
    next: Vec<u64>,
}

impl Appends<'_> {
    fn note(&mut self, outbox: &Outbox) {
        let at_us = clock::elapsed_us();
        let mut added = vec![0; self.next.len()];
        for record in outbox.iter().filter(|record| record.topic == Topic::Scans) {
            added[record.partition.0 as usize] += 1;
        }
        for (partition, records) in (0..).zip(added).filter(|(_, records)| *records > 0) {
            self.next[partition as usize] += records;
            self.latency.appended(Partition(partition), self.next[partition as usize], records, at_us);
        }
    }
}

/// Where the demo's log lives.
enum Home {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Home {
    fn new(dir: Option<&Path>) -> Result<Home, Failure> {
        let problem = |what: String| Failure::new(Exit::Usage, Problem::error("E0202", what));
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("dockside-demo-").tempdir();
            return made
                .map(Home::Temporary)
                .map_err(|error| problem(format!("no temporary directory: {error}")));
        };
        match Local::stored_partitions(dir) {
            Ok(None) => Ok(Home::Kept(dir.to_path_buf())),
            Ok(Some(_)) => {
                Err(problem(format!("{} holds a log already: a demo needs a new one", dir.display())))
            }
            Err(error) => Err(log_failure(&error)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Home::Kept(path) => path,
            Home::Temporary(dir) => dir.path(),
        }
    }
}
