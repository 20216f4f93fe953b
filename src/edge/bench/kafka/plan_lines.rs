//! B9: how long it takes until a reader of committed records sees the plan line that a scan changed.
//!
//! Enters: shipments of one box, each with one scan that moves its plan line. Leaves: the distribution of the time from handing
//! the scan to the client until its line is there, at half the rate that the same scans reached flat out. Always true: each
//! shipment is measured once; what was never seen is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

use super::super::measure::{figure, machine, rounded, timed};
use super::super::memory::{BOXES_EACH, commands, shipment_id, tracking_id};
use super::super::plot::Plot;
use super::super::{Bar, Budget, Line, Options};
use super::{PARTITIONS, own_topics};
use crate::edge::clock::{self, elapsed_us};
use crate::edge::crew::{Crew, nobody};
use crate::edge::kafka::{KafkaBroker, KafkaConfig, Sender, Watcher};
use crate::engine::log::{Broker, LogError, Outbox};
use crate::engine::worker::WorkerConfig;
use crate::model::{Partition, Topic, partition_of};
use crate::stations::Rules;

pub(super) const HALF: Bar = Bar::at_most(Budget::B9, "p50", 250.0, "ms");
pub(super) const MOST: Bar = Bar::at_most(Budget::B9, "p99", 500.0, "ms");

/// How long a line is waited for after the last scan.
const LAST_LINES: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// What was never sent has no time.
const NEVER: u64 = u64::MAX;

pub(super) fn lines(
    bootstrap: &str,
    options: &Options,
    plots: &mut Vec<Plot>,
) -> Result<Vec<Line>, LogError> {
    let (config, broker) = own_topics(bootstrap)?;
    let shipments = options.sizes.plan_lines;
    let rules = Arc::new(Rules::embedded());
    let crew = Crew::start(&broker, &rules, &WorkerConfig::default(), "bench", 1, &nobody())?;
    let drained = || crew.wait_until_drained(&broker, LOOK, &|| false);
    enter(&broker, (0..shipments).map(|n| n * BOXES_EACH..n * BOXES_EACH + 1))?;
    drained()?;

    let sender = Sender::open(&config)?;
    let flat_out = 0..shipments / 5;
    let (outcome, took) = timed(|| -> Result<(), LogError> {
        for n in flat_out.clone() {
            send_scan(&sender, n)?;
        }
        sender.flush()?;
        drained()?;
        Ok(())
    });
    outcome?;
    let rate = figure(flat_out.end) / took / 2.0;
    let paced = flat_out.end..shipments;
    let (histogram, unseen) = pace(&config, &sender, paced, rate)?;
    crew.stop()?;

    let at = |quantile: f64| rounded(figure(histogram.value_at_quantile(quantile)) / 1e3);
    let points = (0..=1_000).map(|part| (f64::from(part) / 10.0, at(f64::from(part) / 1_000.0))).collect();
    plots.push(
        Plot::lines("latency", "From a scan to its plan line, at half load", "percentile", "ms")
            .with("dockside, one worker", points),
    );
    let detail = json!({
        "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1.0),
        "scans": histogram.len(),
        "never_seen": unseen,
        "scans_per_s": rate.round(),
        "every_scan": "changes a plan line",
        "epoch_ms": WorkerConfig::default().epoch_ms,
        "partitions": PARTITIONS,
        "machine": machine(),
    });
    assert_eq!(unseen, 0, "every scan moves its plan line");
    Ok(vec![HALF.measured(at(0.5), detail.clone()), MOST.measured(at(0.99), detail)])
}

/// Enters shipments with these boxes.
pub(super) fn enter(
    broker: &KafkaBroker,
    shipments: impl Iterator<Item = std::ops::Range<u64>>,
) -> Result<(), LogError> {
    let mut outbox = Outbox::default();
    for boxes in shipments {
        let (id, now) = (shipment_id(boxes.start), clock::now());
        let partition = Partition(partition_of(id.as_bytes(), PARTITIONS));
        for command in commands(boxes, now) {
            let (key, value) = (Some(id.as_bytes()), Some(command.as_bytes()));
            outbox.push(Topic::Commands, partition, now, key, value, &[]);
        }
        if outbox.len() >= 3_000 || outbox.bytes_len() > 1 << 20 {
            broker.append(&outbox)?;
            outbox.clear();
        }
    }
    broker.append(&outbox)
}

/// Sends the scan of shipment `n`.
pub(super) fn send_scan(sender: &Sender, n: u64) -> Result<(), LogError> {
    let number = tracking_id(n * BOXES_EACH);
    let partition = Partition(partition_of(number.as_bytes(), PARTITIONS));
    let now = clock::now();
    let scan = json!({"carrier": "UPS", "tracking_id": number, "code": "I", "event_time": now.to_string(),
        "location": {"city": "Wichita", "state": "KS", "postal_code": "67202", "country": "US"}});
    sender.send(Topic::Scans, partition, now, number.as_bytes(), scan.to_string().as_bytes())
}

/// Sends the scans of these shipments at that rate; how long each took, and how many were never seen.
fn pace(
    config: &KafkaConfig,
    sender: &Sender,
    shipments: std::ops::Range<u64>,
    rate: f64,
) -> Result<(Histogram<u64>, u64), LogError> {
    let watcher = Watcher::open(config, Topic::ReceivingPlan)?;
    let sent: Vec<AtomicU64> = shipments.clone().map(|_| AtomicU64::new(NEVER)).collect();
    let last_sent = AtomicU64::new(NEVER);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&watcher, &sent, shipments.start, &last_sent));
        let begun = elapsed_us();
        let sending = (|| {
            for (nth, n) in (0..).zip(shipments.clone()) {
                let due = figure(nth) / rate;
                while super::super::measure::seconds(elapsed_us() - begun) < due {
                    std::thread::sleep(Duration::from_micros(500));
                }
                sent[usize::try_from(nth).expect("64-bit")].store(elapsed_us(), Ordering::Release);
                send_scan(sender, n)?;
            }
            sender.flush()
        })();
        last_sent.store(elapsed_us(), Ordering::Release);
        let watched = watching.join().expect("the watcher does not panic");
        sending.and(watched)
    })
}

/// Notes when the lines of the shipments from `first` on come, until all have, or the last is long overdue.
fn watch(
    watcher: &Watcher,
    sent: &[AtomicU64],
    first: u64,
    last_sent: &AtomicU64,
) -> Result<(Histogram<u64>, u64), LogError> {
    let mut histogram =
        Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds and 3 digits are allowed");
    let mut waiting = sent.len() as u64;
    let late_us = u64::try_from(LAST_LINES.as_micros()).expect("seconds");
    while waiting > 0 {
        watcher.next(LOOK, |key| {
            let nth = shipment_number(key).and_then(|n| usize::try_from(n.checked_sub(first)?).ok());
            let Some(sent) = nth.and_then(|nth| sent.get(nth)) else { return };
            // Swapped: only its first line counts.
            let at = sent.swap(NEVER, Ordering::AcqRel);
            if at != NEVER {
                histogram.saturating_record(elapsed_us() - at);
                waiting -= 1;
            }
        })?;
        let last = last_sent.load(Ordering::Acquire);
        if last != NEVER && elapsed_us().saturating_sub(last) > late_us {
            break;
        }
    }
    Ok((histogram, waiting))
}

/// The number of a shipment, from the key of its plan line: `fc|FBA000000123`.
fn shipment_number(key: &[u8]) -> Option<u64> {
    let key = std::str::from_utf8(key).ok()?;
    key.split_once("|FBA")?.1.parse().ok()
}
