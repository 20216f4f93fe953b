//! B0, B6 and B8: whole worlds from Kafka to Kafka, exactly once.
//!
//! Enters: a stormy world that is all there when the worker begins. Leaves: CPU seconds per scan beside those of a client that
//! only counts the same messages, and scans/s by how many there are in a message. Always true: every scan was read and its
//! outputs are committed when the clock stops; ours counts commands, outputs, state and commits too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::super::engine::append_all;
use super::super::measure::{Duel, cpu_seconds, figure, machine, median, per_second, rounded, seconds};
use super::super::plot::Plot;
use super::super::{Bar, Budget, Line, Options};
use super::{PARTITIONS, own_topics};
use crate::edge::clock::elapsed_us;
use crate::edge::crew::{Crew, Observer};
use crate::edge::kafka::{Fetch, KafkaBroker, KafkaConfig, count_scans};
use crate::engine::log::LogError;
use crate::engine::worker::WorkerConfig;
use crate::stations::{ClockSource, Rules};
use crate::workload::{Activity, Keying, Stories, Weather, WorldConfig};

pub(super) const HOT: Bar = Bar::at_most(Budget::B6, "hot world", 2.0, "x");
pub(super) const REAL: Bar = Bar::at_most(Budget::B6, "real world", 4.0, "x");
pub(super) const DIRECT: [Bar; 2] = [
    Bar::at_most(Budget::B0, "200 scans of a box", 1.0, "x"),
    Bar::at_most(Budget::B0, "14 scans of a box", 1.0, "x"),
];
pub(super) const BATCHED: Bar = Bar::at_least(Budget::B8, "64 scans in a message, grouped", 1.5, "x");

fn world(options: &Options, activity: Activity) -> WorldConfig {
    WorldConfig {
        activity,
        weather: Weather::Stormy,
        partitions: PARTITIONS,
        ..WorldConfig::new(options.seed, options.sizes.kafka_scans)
    }
}

/// What a worker took for a world.
struct Ran {
    cpu_s: f64,
    scans_per_s: f64,
}

fn through_a_worker(broker: &KafkaBroker, scans: u64) -> Result<Ran, LogError> {
    let last_commit_us = Arc::new(AtomicU64::new(0));
    let observe: Observer = {
        let last_commit_us = Arc::clone(&last_commit_us);
        Arc::new(move |report| {
            if report.records > 0 {
                last_commit_us.store(elapsed_us(), Ordering::Release);
            }
        })
    };
    let config = WorkerConfig { clock: ClockSource::Input, ..WorkerConfig::default() };
    let cpu_before = cpu_seconds().unwrap_or(0.0);
    let crew = Crew::start(broker, &Arc::new(Rules::embedded()), &config, "bench", 1, &observe)?;
    // Joining the group takes its time, and is over when partitions are given.
    while crew.desks().iter().all(|desk| desk.rebalances.load(Ordering::Acquire) == 0) && !crew.has_failed() {
        std::thread::sleep(LOOK);
    }
    let begun_us = elapsed_us();
    crew.wait_until_drained(broker, 10 * LOOK, &|| false)?;
    let cpu_s = cpu_seconds().unwrap_or(0.0) - cpu_before;
    let counters = crew.stop()?;
    assert_eq!(counters.read, scans, "every scan was read");
    let took_us = last_commit_us.load(Ordering::Acquire).saturating_sub(begun_us);
    Ok(Ran { cpu_s, scans_per_s: figure(scans) / seconds(took_us) })
}

/// How soon it is seen that a worker has its partitions.
const LOOK: Duration = Duration::from_millis(5);

const NO_CPU_TIME: &str = "a system that tells the CPU time of a process (/proc)";

/// A client counts so many messages at least, so that its CPU time can be read.
const COUNTED: u64 = 300_000;

/// CPU seconds that a message costs whom only counts.
fn counting_cpu_s(config: &KafkaConfig, scans: u64) -> Result<f64, LogError> {
    let times = COUNTED.div_ceil(scans).min(5);
    let before = cpu_seconds().expect("looked at by the caller");
    for _ in 0..times {
        assert_eq!(count_scans(config)?, scans, "every message was counted");
    }
    Ok((cpu_seconds().expect("looked at by the caller") - before) / figure(scans * times))
}

/// What the first of these took, round by round, against a client that counted; all of them are in the detail.
fn beside_counting(bar: Bar, options: &Options, runs: &[(&str, &[Ran])], counted: &[f64]) -> Line {
    let scans = options.sizes.kafka_scans;
    let cpu_s = |ran: &Ran| ran.cpu_s / figure(scans);
    let ratios = runs[0].1.iter().zip(counted).map(|(ran, counting)| cpu_s(ran) / counting.max(1e-9));
    let mut detail = json!({
        "counting_cpu_us_per_message": rounded(median(counted) * 1e6),
        "counting_is": "the bulk read of a worker, read_committed, and nothing else",
        "scans": scans,
        "partitions": PARTITIONS,
        "workers": 1,
        "rounds": options.sizes.kafka_rounds,
        "machine": machine(),
    });
    for (name, runs) in runs {
        let of = |of: &dyn Fn(&Ran) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        detail[format!("{name}_cpu_us_per_scan")] = rounded(of(&cpu_s) * 1e6).into();
        detail[format!("{name}_scans_per_s")] = of(&|ran| ran.scans_per_s).round().into();
    }
    bar.measured(median(&ratios.collect::<Vec<_>>()), detail)
}

pub(super) fn cpu_per_scan(bootstrap: &str, options: &Options) -> Result<Vec<Line>, LogError> {
    if cpu_seconds().is_none() {
        return Ok([HOT, REAL].map(|bar| bar.missing(NO_CPU_TIME)).into());
    }
    let mut lines = Vec::new();
    for (bar, activity) in [(HOT, Activity::Hot), (REAL, Activity::Real)] {
        let scans = options.sizes.kafka_scans;
        let (mut ours, mut counted) = (vec![], vec![]);
        for _ in 0..options.sizes.kafka_rounds {
            let (config, broker) = own_topics(bootstrap)?;
            append_all(&broker, world(options, activity))?;
            counted.push(counting_cpu_s(&config, scans)?);
            ours.push(through_a_worker(&broker, scans)?);
        }
        let figures = [("dockside", ours.as_slice())];
        lines.push(beside_counting(bar, options, &figures, &counted));
    }
    Ok(lines)
}

/// The same with records that are fetched directly, beside the client's fetching. In a stormy world what there is to do depends
/// on how far commands are read ahead of scans, hence a plain one: all boxes are registered before the first scan.
pub(super) fn cpu_directly(bootstrap: &str, options: &Options) -> Result<Vec<Line>, LogError> {
    if cpu_seconds().is_none() {
        return Ok(DIRECT.map(|bar| bar.missing(NO_CPU_TIME)).into());
    }
    let mut lines = Vec::new();
    for (bar, scans_each) in DIRECT.into_iter().zip([200, 14]) {
        let scans = options.sizes.kafka_scans;
        let (mut direct, mut client, mut counted) = (vec![], vec![], vec![]);
        for _ in 0..options.sizes.kafka_rounds {
            let stories = Stories::Plain { boxes: (scans / scans_each).max(1) };
            let written = || {
                let (config, broker) = own_topics(bootstrap)?;
                append_all(&broker, WorldConfig { stories, ..world(options, Activity::Real) })?;
                Ok(config)
            };
            let read = |config: KafkaConfig, fetch| {
                through_a_worker(&KafkaBroker::open(&KafkaConfig { fetch, ..config })?, scans)
            };
            let config = written()?;
            counted.push(counting_cpu_s(&config, scans)?);
            client.push(read(config, Fetch::Client)?);
            direct.push(read(written()?, Fetch::Direct)?);
        }
        let figures = [("direct", direct.as_slice()), ("client", client.as_slice())];
        lines.push(beside_counting(bar, options, &figures, &counted));
    }
    Ok(lines)
}

/// How a feed is packed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packing {
    batch: u32,
    keying: Keying,
}

pub(super) fn batches(
    bootstrap: &str,
    options: &Options,
    plots: &mut Vec<Plot>,
) -> Result<Vec<Line>, LogError> {
    let grouped = |batch| Packing { batch, keying: Keying::Keyed };
    let mut packings = vec![grouped(1), grouped(64), Packing { batch: 64, keying: Keying::Unkeyed }];
    packings.extend(options.sizes.batches.iter().map(|batch| grouped(*batch)));
    let mut rates = vec![Vec::new(); packings.len()];
    for _ in 0..options.sizes.kafka_rounds {
        for (packing, rates) in packings.iter().zip(&mut rates) {
            let (_, broker) = own_topics(bootstrap)?;
            let world =
                WorldConfig { batch: packing.batch, keying: packing.keying, ..world(options, Activity::Hot) };
            append_all(&broker, world)?;
            rates.push(through_a_worker(&broker, options.sizes.kafka_scans)?.scans_per_s);
        }
    }
    // As many scans a second are as many seconds less.
    let inverse = |rates: &[f64]| rates.iter().map(|rate| 1.0 / rate).collect::<Vec<f64>>();
    let (mut ours, mut theirs) = (inverse(&rates[1]).into_iter(), inverse(&rates[0]).into_iter());
    let duel = Duel::run(
        options.sizes.kafka_rounds,
        || ours.next().expect("one a round"),
        || theirs.next().expect("one a round"),
    );
    let mut points: Vec<(f64, f64)> = packings
        .iter()
        .zip(&rates)
        .filter(|(packing, _)| packing.keying == Keying::Keyed)
        .map(|(packing, rates)| (f64::from(packing.batch), median(rates)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    plots.push(
        Plot::lines(
            "batch-size",
            "Scans by message (hot world, Kafka to Kafka)",
            "scans in a message",
            "scans/s",
        )
        .with("dockside, one worker", points.clone()),
    );
    let detail = json!({
        "one_in_a_message_scans_per_s": per_second(1, duel.theirs()),
        "grouped_scans_per_s": per_second(1, duel.ours()),
        "ungrouped_scans_per_s": median(&rates[2]).round(),
        "by_batch": points,
        "scans": options.sizes.kafka_scans,
        "partitions": PARTITIONS,
        "rounds": options.sizes.kafka_rounds,
        "machine": machine(),
    });
    Ok(vec![BATCHED.measured(duel.ratio(), detail)])
}
