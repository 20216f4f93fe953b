//! B5: the whole engine in memory, against the simplest program that does the job; and two workers against one.
//!
//! Enters: a hot, calm world of one partition. Leaves: the ratio of their scans/s, and what each stage of ours takes.
//! Always true: both read the same bytes in the same order on one thread; making the world and appending it are not
//! measured; every scan is read and the books balance.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::measure::{Duel, machine, ns_each, per_second, rounded, timed};
use super::plot::Plot;
use super::simplest::Program;
use super::{Bar, Budget, Line, Options};
use crate::decode::Decoder;
use crate::edge::crew::{Crew, nobody};
use crate::edge::feeder::Feeder;
use crate::engine::log::{Broker, LogError, Outbox, Ram};
use crate::engine::worker::WorkerConfig;
use crate::model::{Lane, Topic};
use crate::stations::{
    ClockSource, Documents, HopWriter, InputRecord, RecordSink, Rules, StateFormat, Stations,
};
use crate::workload::{Activity, Feed, Lone, Messages, PARTITION, Weather, World, WorldConfig};

const SCALING: Bar = Bar::at_least(Budget::Scaling, "two workers against one, in memory", 1.7, "x");

/// For the detail of B5, whose bar is about the scan station.
pub(super) fn against_simplest(options: &Options, plots: &mut Vec<Plot>) -> Value {
    let config =
        WorldConfig { activity: Activity::Hot, ..WorldConfig::new(options.seed, options.sizes.scans) };
    let feed = Feed::new(config);
    let (mut numbers, mut delivered) = (0, 0);
    let rounds = options.sizes.rounds.min(5);
    let duel = Duel::run(
        rounds,
        || {
            let (lone, took) = with_engine(&feed);
            numbers = lone.worker.stations().map(|(_, stations)| stations.gauges().numbers).sum();
            took
        },
        || {
            let (program, took) = with_simplest(&feed);
            delivered = program.delivered().values().sum::<u64>();
            took
        },
    );
    let stages = stages(&feed);
    let whole = ns_each(duel.ours(), feed.scans);
    let known: f64 = stages.iter().map(|(_, ns)| ns).sum();
    let mut bars = stages.to_vec();
    bars.push(("epochs, log, hops", rounded((whole - known).max(0.0))));
    let named: serde_json::Map<String, Value> =
        bars.iter().map(|(name, ns)| ((*name).to_owned(), json!(ns))).collect();
    plots.push(Plot::bars("stages", "What a scan costs, by stage (hot world)", "ns per scan", bars));
    json!({
        "ratio": rounded(duel.ratio()),
        "dockside_scans_per_s": per_second(feed.scans, duel.ours()),
        "simplest_scans_per_s": per_second(feed.scans, duel.theirs()),
        "simplest_is": "serde_json into a struct and a HashMap; no state log, no transactions, no shipments documents",
        "ns_per_scan": named,
        "scans": feed.scans,
        "commands": feed.commands,
        "numbers": numbers,
        "simplest_delivered_boxes": delivered,
        "rounds": rounds,
    })
}

fn with_engine(feed: &Feed) -> (Lone, f64) {
    let mut lone = Lone::new();
    let mut took = 0.0;
    for records in feed.appends() {
        lone.append(records);
        took += timed(|| lone.drain()).1;
    }
    lone.assert_complete(feed);
    (lone, took)
}

fn with_simplest(feed: &Feed) -> (Program, f64) {
    let (program, took) = timed(|| {
        let mut program = Program::default();
        for record in feed.phases.iter().flat_map(|(written, _)| written.iter()) {
            let value = record.value.expect("a message has a value");
            match record.topic {
                Topic::Scans => program.scan(value),
                _ => program.command(value),
            }
        }
        program
    });
    assert_eq!(program.read, feed.scans, "every scan was read");
    assert!(program.bad + program.unknown < program.read / 4, "most scans are of numbers that it knows");
    (program, took)
}

/// The stations alone, stage by stage, over the same records: nanoseconds per scan.
fn stages(feed: &Feed) -> [(&'static str, f64); 5] {
    let rules = Rules::embedded();
    let mut stations = Stations::new(PARTITION, 1, ClockSource::Input, 0);
    let (mut decoder, mut hops) = (Decoder::new(), HopWriter::new(1));
    let [mut decode, mut fold, mut settle, mut publish, mut delta] = [0.0; 5];
    let mut offset = 0;
    for outbox in feed.appends() {
        decode += timed(|| each_scan(outbox, &mut 0, |record| drop_parts(&rules, &mut decoder, record))).1;
        let sink: &mut RecordSink<'_> = &mut |_, _, _, _| {};
        let mut out = Documents { sink };
        for command in outbox.iter().filter(|record| record.topic == Topic::Commands) {
            let record = input(offset, command.timestamp, command.value);
            stations.commands(&rules, &record, &mut hops, &mut out);
            offset += 1;
        }
        fold += timed(|| {
            each_scan(outbox, &mut offset, |record| {
                stations.scans(&rules, &mut decoder, record, &mut hops, &mut out);
            });
        })
        .1;
        // What the stations tell each other comes back in the next epoch, until nobody says anything more.
        loop {
            Lane::ALL.iter().for_each(|lane| stations.drained(*lane));
            settle += timed(|| stations.advance(&rules, &mut hops, &mut out)).1;
            publish += timed(|| stations.publish(&rules, &mut out)).1;
            delta += timed(|| {
                stations.delta(StateFormat::Newest, |_, bytes| {
                    assert!(std::hint::black_box(bytes).is_none_or(|b| !b.is_empty()))
                })
            })
            .1;
            stations.seal();
            stations.commit();
            if hops.is_empty() {
                break;
            }
            let mut told = Vec::new();
            hops.drain(|_, bytes| told.push(bytes.to_vec()));
            settle += timed(|| told.iter().for_each(|bytes| stations.hops(&rules, bytes, &mut hops))).1;
        }
    }
    let each = |seconds: f64| ns_each(seconds.max(0.0), feed.scans);
    [
        ("decode", each(decode)),
        ("lookup and fold", each(fold - decode)),
        ("derive", each(settle)),
        ("documents", each(publish)),
        ("state", each(delta)),
    ]
}

fn input(offset: u64, timestamp: crate::model::Timestamp, value: Option<&[u8]>) -> InputRecord<'_> {
    InputRecord { offset, timestamp, key: None, value, content_type: None, feed: None }
}

fn each_scan(outbox: &Outbox, offset: &mut u64, mut take: impl FnMut(&InputRecord<'_>)) {
    for record in outbox.iter().filter(|record| record.topic == Topic::Scans) {
        take(&input(*offset, record.timestamp, record.value));
        *offset += 1;
    }
}

fn drop_parts(rules: &Rules, decoder: &mut Decoder, record: &InputRecord<'_>) {
    rules.decode(decoder, record.timestamp, record, &mut |part| drop(std::hint::black_box(part)));
}

pub(super) fn scaling(options: &Options, plots: &mut Vec<Plot>) -> Result<Vec<Line>, LogError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return Ok(vec![SCALING.missing("a second core")]);
    }
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for round in 0..options.sizes.rounds.min(3) {
        for workers in if round % 2 == 0 { [1, 2] } else { [2, 1] } {
            let took = with_crew(options, workers)?;
            if workers == 1 { one.push(took) } else { two.push(took) }
        }
    }
    let (one, two) = (super::measure::median(&one), super::measure::median(&two));
    let scans = options.sizes.scaling_scans;
    plots.push(
        Plot::lines("workers", "Scans by the number of workers (hot world, in memory)", "workers", "scans/s")
            .with("dockside", vec![(1.0, per_second(scans, one)), (2.0, per_second(scans, two))]),
    );
    let detail = json!({
        "one_worker_scans_per_s": per_second(scans, one),
        "two_workers_scans_per_s": per_second(scans, two),
        "scans": scans,
        "partitions": PARTITIONS,
        "machine": machine(),
    });
    Ok(vec![SCALING.measured(one / two, detail)])
}

/// Partitions that the workers share.
const PARTITIONS: u32 = 4;

/// The seconds that so many workers take for a stormy world that is all there when they begin.
fn with_crew(options: &Options, workers: u32) -> Result<f64, LogError> {
    let log = Ram::log(PARTITIONS);
    let config = WorldConfig {
        activity: Activity::Hot,
        weather: Weather::Stormy,
        partitions: PARTITIONS,
        ..WorldConfig::new(options.seed, options.sizes.scaling_scans)
    };
    append_all(&log, config)?;
    // All is there when they begin: what is drained need not wait for its epoch to grow old.
    let worker_config =
        WorkerConfig { clock: ClockSource::Input, close_when_drained: true, ..WorkerConfig::default() };
    let rules = Arc::new(Rules::embedded());
    let (crew, took) = timed(|| -> Result<Crew, LogError> {
        let crew = Crew::start(&log, &rules, &worker_config, "bench", workers, &nobody())?;
        crew.wait_until_drained(&log, Duration::from_millis(1), &|| false)?;
        Ok(crew)
    });
    let counters = crew?.stop()?;
    assert_eq!(counters.read, options.sizes.scaling_scans, "every scan was read");
    Ok(took)
}

/// Writes a whole world, each message on its partition and ticks on all, in few large appends; how many scans.
pub(super) fn append_all<B: Broker>(broker: &B, config: WorldConfig) -> Result<u64, LogError> {
    let mut world = World::new(config);
    let mut feeder = Feeder::default();
    let mut messages = Messages::default();
    while let Some(phase) = world.next_phase(&mut messages) {
        for message in messages.iter() {
            feeder.message(&message);
            if feeder.is_full() {
                broker.append(feeder.outbox())?;
                feeder.clear();
            }
        }
        feeder.tick(phase.tick, broker.partitions());
    }
    broker.append(feeder.outbox())?;
    Ok(world.expected().scans)
}
