//! The engine in memory, end to end, against the simplest program that does the same: scans/s over a whole world.
//!
//! One partition, one worker, one thread, a calm world written phase by phase. Ours is all of it: decoding, stations, epochs,
//! state log and documents, over the log in memory. Measured is what the worker does between two phases; making the world
//! and appending it are not. The peer gets the same bytes in the same order. Before anything is measured both runs are
//! checked: the same number of scans, books that balance, and nearly the same boxes delivered.

mod shared;
mod simplest;

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::Throughput;
use dockside::engine::digest::Latest;
use dockside::engine::log::{Broker, Record, Sim};
use dockside::model::{self, Topic};
use dockside::stations::Counters;
use dockside::workload::{Activity, Feed, Lone, PARTITION, WorldConfig};

use shared::{Bench, stopwatch};
use simplest::Program;

/// What is measured.
struct Settings {
    seed: u64,
    /// Scans in a world.
    scans: u64,
    /// By how many in 1,000 the peer's count of delivered boxes may differ: it cannot take back, find again or park.
    delivered_per_mille: u64,
}

const FULL: Settings = Settings { seed: 1, scans: 400_000, delivered_per_mille: 100 };
const SMALL: Settings = Settings { seed: 1, scans: 5_000, delivered_per_mille: 100 };

fn main() {
    let mut bench = Bench::from_args(10, 10);
    let settings = if bench.is_measured() { FULL } else { SMALL };
    let mut rows = Vec::new();
    for (name, activity) in [("hot", Activity::Hot), ("real", Activity::Real)] {
        let feed = Feed::new(WorldConfig { activity, ..WorldConfig::new(settings.seed, settings.scans) });
        let outputs = check(&settings, &feed);
        let throughput = || Throughput::ElementsAndBytes { elements: feed.scans, bytes: feed.bytes };
        let group = format!("engine/{name}");
        let (mut ours, mut simplest) = (Vec::new(), Vec::new());
        bench.case(&group, "dockside", throughput(), || {
            let took = with_engine(&feed).took;
            ours.push(took);
            took
        });
        bench.case(&group, "simplest", throughput(), || {
            let took = with_simplest(&feed).1;
            simplest.push(took);
            took
        });
        let (ours, simplest) = (per_second(feed.scans, ours), per_second(feed.scans, simplest));
        rows.push(Row { name, feed, outputs, ours, simplest });
    }
    if bench.is_measured() {
        show(&rows);
    }
    bench.finish();
}

/// A run of the engine.
struct Ran {
    log: Sim,
    counters: Counters,
    took: Duration,
}

fn with_engine(feed: &Feed) -> Ran {
    let mut lone = Lone::new();
    let mut took = Duration::ZERO;
    for records in feed.appends() {
        lone.append(records);
        took += stopwatch(|| lone.drain()).1;
    }
    lone.assert_complete(feed);
    let counters = lone.worker.counters();
    Ran { log: lone.log, counters, took }
}

fn with_simplest(feed: &Feed) -> (Program, Duration) {
    let mut program = Program::default();
    let ((), took) = stopwatch(|| {
        for record in feed.phases.iter().flat_map(|(written, _)| written.iter()) {
            let value = record.value.expect("a message has a value");
            match record.topic {
                Topic::Scans => program.scan(value),
                _ => program.command(value),
            }
        }
        assert_eq!(program.read, feed.scans, "every scan was read");
    });
    (program, took)
}

/// What one of the two wrote.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    records: usize,
    /// Bytes of values.
    bytes: usize,
}

impl Written {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }
}

/// What both wrote.
struct Outputs {
    /// By topic, the state log included.
    ours: Vec<(Topic, Written)>,
    /// Plan lines.
    simplest: Written,
}

/// Runs both and compares what must be alike.
fn check(settings: &Settings, feed: &Feed) -> Outputs {
    let Ran { log, counters, .. } = with_engine(feed);
    let (program, _) = with_simplest(feed);
    assert_eq!(counters.commands + counters.bad_commands, feed.commands, "every command was read");
    assert_eq!(counters.read, program.read, "both saw the same scans");
    assert!(program.bad + program.unknown < program.read / 4, "most scans are of numbers that it knows");
    let (ours, simplest) = (delivered(&log), program.delivered());
    let sum = |by_mode: &BTreeMap<&str, u64>| by_mode.values().sum::<u64>();
    let differ = sum(&ours).abs_diff(sum(&simplest));
    assert!(
        sum(&ours) > 0 && differ * 1000 <= sum(&ours) * settings.delivered_per_mille,
        "delivered, dockside {ours:?}, the simplest program {simplest:?}"
    );
    let mut simplest = Written::default();
    program.plan.iter().for_each(|line| simplest.add(line.len()));
    let topics = Topic::ALL.into_iter().filter(|topic| !matches!(topic, Topic::Scans | Topic::Commands));
    Outputs { ours: topics.map(|topic| (topic, written(&log, topic))).collect(), simplest }
}

fn written(log: &Sim, topic: Topic) -> Written {
    let mut written = Written::default();
    let mut count = |record: Record<'_>| written.add(record.value.map_or(0, <[u8]>::len));
    log.read(topic, PARTITION, 0, usize::MAX, &mut count).expect("the log is in memory");
    written
}

/// Boxes that are delivered, by mode: a PRO counts as one.
fn delivered(log: &Sim) -> BTreeMap<&'static str, u64> {
    let mut latest = Latest::default();
    let read = log.read(Topic::Shipments, PARTITION, 0, usize::MAX, &mut |record| {
        let key = std::str::from_utf8(record.key.expect("documents have keys")).expect("UTF-8");
        latest.feed(Topic::Shipments, key, record.value);
    });
    read.expect("the log is in memory");
    let mut delivered = BTreeMap::new();
    for (_, _, document) in latest.documents() {
        let (mode, boxes) = match document["mode"].as_str() {
            Some("SPD") => {
                let boxes = document["boxes"].as_array().expect("a shipment has boxes");
                ("SPD", boxes.iter().filter(|b| b["milestone"] == "DELIVERED").count() as u64)
            }
            Some("LTL") => ("LTL", u64::from(document["milestone"] == "DELIVERED")),
            _ => ("FTL", u64::from(document["milestone"] == "DELIVERED")),
        };
        *delivered.entry(mode).or_default() += boxes;
    }
    delivered
}

struct Row {
    name: &'static str,
    feed: Feed,
    outputs: Outputs,
    ours: Option<f64>,
    simplest: Option<f64>,
}

/// Scans per second of the median run.
#[expect(clippy::cast_precision_loss, reason = "for show")]
fn per_second(scans: u64, mut runs: Vec<Duration>) -> Option<f64> {
    runs.sort_unstable();
    runs.get(runs.len() / 2).map(|median| scans as f64 / median.as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "a bench reports to whoever ran it")]
fn show(rows: &[Row]) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("scans/s of one thread, medians; the machine has {cores} cores");
    println!("| world | scans | commands | dockside | simplest | ratio |");
    println!("|---|---|---|---|---|---|");
    for Row { name, feed: Feed { scans, commands, .. }, ours, simplest, .. } in rows {
        let number = |value: &Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.0}"));
        let ratio =
            ours.zip(*simplest).map_or("–".to_owned(), |(ours, theirs)| format!("{:.2}", ours / theirs));
        println!("| {name} | {scans} | {commands} | {} | {} | {ratio} |", number(ours), number(simplest));
    }
    println!("what they wrote");
    println!("| world | by | topic | records | bytes |");
    println!("|---|---|---|---|---|");
    for Row { name, outputs, .. } in rows {
        let ours = outputs.ours.iter().map(|(topic, written)| ("dockside", *topic, *written));
        for (by, topic, Written { records, bytes }) in
            ours.chain([("simplest", Topic::ReceivingPlan, outputs.simplest)])
        {
            println!("| {name} | {by} | {} | {records} | {bytes} |", topic.name());
        }
    }
}
