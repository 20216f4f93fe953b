//! The checker, checked: after a good run nothing is found; whatever is broken, the right check names it.

mod copied;
mod epochs;
mod versions;

use std::sync::{Arc, LazyLock};

use dockside::edge::feeder::Feeder;
use dockside::edge::verify::expected::{self, Expected};
use dockside::edge::verify::report::{Report, Verdict};
use dockside::edge::verify::{Options, verify};
use dockside::engine::log::{Broker, Faults, Sim};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::{Lane, Partition, Timestamp, Topic};
use dockside::stations::{ClockSource, Rules};
use dockside::workload::{Messages, World, WorldConfig};
use serde_json::Value;

use self::copied::{Copied, Copy};

const PARTITIONS: u32 = 3;
const OPTIONS: Options = Options { shown: 5, compacted: false, secret: 1 };

fn world(seed: u64) -> WorldConfig {
    WorldConfig { partitions: PARTITIONS, ..WorldConfig::new(seed, 1_200) }
}

/// A run with faults of the log and a new worker now and then, copied, and what it had to come to.
struct Run {
    rules: Arc<Rules>,
    log: Copied,
    expected: Expected,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let rules = Arc::new(Rules::embedded());
    let log = Sim::with_faults(PARTITIONS, 5, Faults { undone: 50, in_doubt: 50, ..Faults::default() });
    let config = WorkerConfig {
        clock: ClockSource::Input,
        epoch_records_max: 40,
        poll_records_max: 16,
        close_when_drained: true,
        ..WorkerConfig::default()
    };
    let join = || Worker::new(log.join("one").expect("in memory"), Arc::clone(&rules), config.clone());
    let (mut worker, mut turns) = (join(), 0);
    let mut drain = || {
        let mut quiet = 0;
        while quiet < 2 {
            turns += 1;
            assert!(turns < 1_000_000, "it never drains");
            if turns % 700 == 0 {
                worker = join();
            }
            match worker.turn(Timestamp(0)).expect("faults are no errors") {
                Turn::Idle if log.lag().expect("in memory") == 0 => quiet += 1,
                Turn::Fenced => worker = join(),
                _ => quiet = 0,
            }
        }
    };
    let (mut world, mut messages, mut feeder) =
        (World::new(world(7)), Messages::default(), Feeder::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        feeder.phase(&log, &messages, |_| {}).expect("in memory");
        messages.clear();
        drain();
        feeder.close(&log, phase.tick).expect("in memory");
        drain();
    }
    let expected = expected::run(self::world(7), &rules).expect("in memory");
    Run { log: Copied::of(&log), rules, expected }
});

/// Which checks found something.
fn named(report: &Report) -> Vec<&'static str> {
    let found = report.checks.iter().filter(|check| check.verdict() == Verdict::Findings);
    found.map(|check| check.name).collect()
}

fn looked_at(log: &Copied, expected: Option<&Expected>) -> Report {
    verify(log, &RUN.rules, OPTIONS, expected).expect("in memory")
}

fn version(record: &Copy) -> u64 {
    record.json()["version"].as_u64().expect("a version")
}

/// The places of a document's records, where it has at least `n` of them and no tombstone.
fn history(records: &[Copy], n: usize) -> Option<Vec<usize>> {
    let of = |key: &str| {
        let own = records.iter().enumerate().filter(|(_, record)| record.key() == key);
        own.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let mut histories = records.iter().map(|record| of(record.key()));
    histories.find(|places| places.len() >= n && places.iter().all(|at| records[*at].value.is_some()))
}

fn duplicate((records, at): (&mut Vec<Copy>, usize)) {
    records.insert(at, records[at].clone());
}

fn lose((records, at): (&mut Vec<Copy>, usize)) {
    records.remove(at);
}

fn any(records: &[Copy]) -> Option<usize> {
    (!records.is_empty()).then_some(records.len() / 2)
}

#[test]
fn after_a_good_run_nothing_is_found() {
    for expected in [None, Some(&RUN.expected)] {
        let report = looked_at(&RUN.log, expected);
        assert!(report.is_clean(), "{}", report.text());
        let verdict =
            |name: &str| report.checks.iter().find(|check| check.name == name).map(|check| check.verdict());
        for name in ["drained", "versions", "epochs", "positions", "counts"] {
            assert_eq!(verdict(name), Some(Verdict::Ok), "{name}\n{}", report.text());
        }
        let documents = if expected.is_some() { Verdict::Ok } else { Verdict::Unchecked };
        assert_eq!(verdict("documents"), Some(documents));
        assert_eq!(report.digest, RUN.expected.latest.digest());
    }
}

#[test]
fn what_is_broken_is_named() {
    type Break = fn(&mut Copied);
    let table: &[(&str, Break, &[&str])] = &[
        ("a plan line twice", |log| duplicate(log.choose(Topic::ReceivingPlan, any)), &["versions"]),
        ("a shipment twice", |log| duplicate(log.choose(Topic::Shipments, any)), &["versions"]),
        ("an arrival twice", |log| duplicate(log.choose(Topic::Arrivals, any)), &["versions"]),
        ("a problem twice", |log| duplicate(log.choose(Topic::Problems, any)), &["versions"]),
        ("a result twice", |log| duplicate(log.choose(Topic::CommandResults, any)), &["counts"]),
        ("a dead letter twice", |log| duplicate(log.choose(Topic::DeadLetters, any)), &["counts"]),
        ("a scan twice", |log| duplicate(log.choose(Topic::Scans, any)), &["counts"]),
        (
            "a shipment's second document lost",
            |log| lose(log.choose(Topic::Shipments, |records| Some(history(records, 3)?[1]))),
            &["versions"],
        ),
        (
            "a shipment's last document lost",
            |log| lose(log.choose(Topic::Shipments, |records| history(records, 3)?.pop())),
            &["versions", "documents"],
        ),
        (
            "a plan line lost",
            |log| lose(log.choose(Topic::ReceivingPlan, |records| Some(history(records, 3)?[1]))),
            &["versions"],
        ),
        (
            "an account's last document lost",
            |log| lose(log.choose(Topic::Accounts, |records| history(records, 1)?.pop())),
            &["documents"],
        ),
        (
            "a tombstone lost",
            |log| {
                lose(log.choose(Topic::ReceivingPlan, |records| {
                    let last = |key: &str| records.iter().rposition(|record| record.key() == key);
                    (0..records.len())
                        .find(|at| records[*at].value.is_none() && last(records[*at].key()) == Some(*at))
                }));
            },
            &["versions", "documents"],
        ),
        ("a result lost", |log| lose(log.choose(Topic::CommandResults, any)), &["counts"]),
        ("a dead letter lost", |log| lose(log.choose(Topic::DeadLetters, any)), &["counts"]),
        ("a scan lost", |log| lose(log.choose(Topic::Scans, any)), &["counts"]),
        (
            "two documents of a shipment swapped",
            |log| {
                let (records, second) = log.choose(Topic::Shipments, |records| Some(history(records, 3)?[1]));
                let first = records.iter().position(|record| record.key() == records[second].key());
                records.swap(first.expect("there are three"), second);
            },
            &["versions"],
        ),
        (
            "two plan lines swapped",
            |log| {
                let (records, second) =
                    log.choose(Topic::ReceivingPlan, |records| Some(history(records, 3)?[1]));
                let first = records.iter().position(|record| record.key() == records[second].key());
                records.swap(first.expect("there are three"), second);
            },
            &["versions"],
        ),
        (
            "a shipment of an aborted epoch visible",
            |log| {
                // It was taken back, read again, and came to something else under the same version.
                let (records, at) = log.choose(Topic::Shipments, |records| Some(history(records, 3)?[1]));
                let mut aborted = records[at].clone();
                let mut document = aborted.json();
                document["status_since"] = Value::from("2026-11-05T09:12:00Z");
                aborted.value = Some(document.to_string().into_bytes());
                records.insert(at, aborted);
            },
            &["versions"],
        ),
        (
            "the last plan line of an aborted epoch visible",
            |log| {
                let (records, at) = log.choose(Topic::ReceivingPlan, |records| history(records, 2)?.pop());
                let mut aborted = records[at].clone();
                let mut document = aborted.json();
                document["version"] = Value::from(version(&aborted) + 1);
                document["cause"] = Value::from("TIMER");
                aborted.value = Some(document.to_string().into_bytes());
                records.push(aborted);
            },
            &["versions"],
        ),
        (
            "a document in another partition",
            |log| {
                let (records, at) = log.choose(Topic::Problems, |records| history(records, 1)?.pop());
                let stray = records.remove(at);
                let home = dockside::model::partition_of(stray.key().as_bytes(), PARTITIONS);
                log.at(Topic::Problems, (home + 1) % PARTITIONS).push(stray);
            },
            &["versions"],
        ),
        ("an epoch lost", |log| lose(log.choose(Topic::State, any)), &["epochs"]),
        ("the first epoch lost", |log| lose(log.choose(Topic::State, |_| Some(0))), &["epochs"]),
        ("an epoch twice", |log| duplicate(log.choose(Topic::State, any)), &["epochs"]),
        (
            "two epochs swapped",
            |log| {
                let (records, at) = log.choose(Topic::State, any);
                records.swap(at, at - 1);
            },
            &["epochs"],
        ),
        (
            "a bit of the state flipped",
            |log| {
                let (records, at) = log.choose(Topic::State, any);
                *records[at].value.as_mut().expect("bytes").last_mut().expect("bytes") ^= 1;
            },
            &["epochs"],
        ),
        (
            "a last epoch lost, which only read a tick",
            |log| lose(log.choose(Topic::State, |records| records.len().checked_sub(1))),
            &["positions"],
        ),
        (
            "a position one back",
            |log| *log.positions.get_mut(&(Lane::Scans, Partition(1))).expect("a position") -= 1,
            &["drained", "positions"],
        ),
        (
            "a position one ahead",
            |log| *log.positions.get_mut(&(Lane::Hops, Partition(2))).expect("a position") += 1,
            &["positions"],
        ),
        (
            "an open transaction",
            |log| {
                log.extents.get_mut(&(Topic::Accounts, Partition(0))).expect("a partition").end += 2;
            },
            &["drained"],
        ),
    ];
    for (what, change, wanted) in table {
        let mut log = RUN.log.clone();
        change(&mut log);
        let report = looked_at(&log, Some(&RUN.expected));
        assert_eq!(named(&report), *wanted, "{what}:\n{}", report.text());
    }
}

#[test]
fn another_world_is_not_this_one() {
    let other = expected::run(world(8), &RUN.rules).expect("in memory");
    let report = looked_at(&RUN.log, Some(&other));
    assert_eq!(named(&report), ["counts", "documents"], "{}", report.text());
    let documents = report.checks.last().expect("checks");
    assert_eq!(documents.findings.len(), OPTIONS.shown);
    assert!(documents.found > OPTIONS.shown as u64);
}

#[test]
fn what_is_gone_is_not_counted() {
    let mut log = RUN.log.clone();
    log.at(Topic::Scans, 0).drain(..5);
    log.extents.get_mut(&(Topic::Scans, Partition(0))).expect("a partition").start = 5;
    let report = looked_at(&log, None);
    assert!(report.is_clean(), "{}", report.text());
    let counts = report.checks.iter().find(|check| check.name == "counts").expect("a check");
    assert_eq!(counts.verdict(), Verdict::Unchecked);
    assert!(report.text().contains("scans-0 begins at 5"), "{}", report.text());
}
