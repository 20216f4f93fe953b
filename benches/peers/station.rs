//! dockside's scan station alone: decode, index, fold, undo, state log and box events, from Kafka to Kafka.
//!
//! Enters: `commands` to their end, as always; from then on `scans` only. Leaves: the box events of the scans in `hops`, in
//! epochs with the state of what changed, which nobody reads: no shipment is derived and no document written for them. Always
//! true: the workers are dockside's own, on the same log with the same settings; all that differs is which lane they hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use dockside::edge::clock;
use dockside::edge::kafka::{KafkaBroker, KafkaConfig, KafkaLog};
use dockside::engine::log::{Begun, Broker, Committed, Log, LogError, LogLayer, Outbox, Polled, Positions};
use dockside::engine::worker::{Worker, WorkerConfig};
use dockside::model::Lane;
use dockside::stations::{ClockSource, Rules};

/// How often it is seen how far the commands are.
const LOOK: Duration = Duration::from_millis(300);
/// Many epochs fit into so many looks.
const QUIET_LOOKS: u32 = 4;

#[derive(Debug, Parser)]
struct Args {
    /// The brokers to ask first.
    #[arg(long)]
    bootstrap: String,
    /// What stands before the names of all topics; and, without its last character, the group.
    #[arg(long)]
    prefix: String,
    /// Threads with a member of the group each.
    #[arg(long, default_value_t = 2)]
    workers: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let config = KafkaConfig {
        bootstrap_servers: args.bootstrap,
        group_id: args.prefix.trim_end_matches('.').to_owned(),
        topic_prefix: args.prefix,
        instance: "station".to_owned(),
        ..KafkaConfig::default()
    };
    let broker = KafkaBroker::open(&config)?;
    let (rules, are_registered) = (Arc::new(Rules::embedded()), Arc::new(AtomicBool::new(false)));
    for number in 0..args.workers {
        let log = broker.join(&format!("station-{number}"))?;
        let alone = Alone { log, are_registered: Arc::clone(&are_registered) };
        let settings = WorkerConfig { clock: ClockSource::Input, ..WorkerConfig::default() };
        let mut worker = Worker::new(alone, Arc::clone(&rules), settings);
        std::thread::spawn(move || {
            loop {
                if let Err(error) = worker.turn(clock::now()) {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
            }
        });
    }
    wait_for_registrations(&broker)?;
    are_registered.store(true, Ordering::Release);
    // Whoever watches its group knows when it is done, and ends it.
    loop {
        std::thread::park();
    }
}

/// Until something was said of the commands, and nothing more is. Were that too soon, numbers would be unknown, and the box
/// events others than those of the other programs.
fn wait_for_registrations(broker: &KafkaBroker) -> Result<()> {
    let (mut before, mut quiet) = (0, 0);
    while quiet < QUIET_LOOKS {
        std::thread::sleep(LOOK);
        let said =
            broker.ends()?.iter().filter(|((lane, _), _)| *lane == Lane::Hops).map(|(_, end)| end).sum();
        quiet = if said > 0 && said == before { quiet + 1 } else { 0 };
        before = said;
    }
    Ok(())
}

/// A log whose reader hears commands and hops until all numbers are registered, and scans afterwards.
#[derive(Debug)]
struct Alone {
    log: KafkaLog,
    are_registered: Arc<AtomicBool>,
}

impl LogLayer for Alone {
    type Beneath = KafkaLog;

    fn beneath(&self) -> &KafkaLog {
        &self.log
    }

    fn beneath_mut(&mut self) -> &mut KafkaLog {
        &mut self.log
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        let lane = match (lane, self.are_registered.load(Ordering::Acquire)) {
            // A poll is also how a member hears of its group, so it is never left out.
            (Lane::Scans, false) | (Lane::Hops, true) => Lane::Commands,
            (lane, _) => lane,
        };
        Log::poll(&mut self.log, lane, max, wait)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        Log::begin(&mut self.log, outputs, positions)
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        Log::ended(&mut self.log, wait)
    }
}
