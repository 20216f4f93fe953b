//! Versions that roll forward and back: a state log in both formats, and one that the version before wrote.

use std::collections::BTreeSet;
use std::sync::Arc;

use dockside::engine::log::{Broker, Sim};
use dockside::engine::state::read_record;
use dockside::engine::worker::{Worker, WorkerConfig};
use dockside::model::{Partition, Timestamp, Topic};
use dockside::stations::{Rules, StateFormat};
use dockside::workload::Weather;

use super::driver::{Driver, inputs, restore, snapshot};
use crate::conformance;

/// What the last program with format 5 wrote for `inputs(31, 120, Weather::Stormy)` in epochs of 20 records: each record
/// behind its length in 4 bytes.
const WRITTEN_BEFORE: &[u8] = include_bytes!("state-5.bin");

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (record, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

/// Drives a world in epochs of 20 records, each in the format that `format` names.
fn driven<'a>(
    rules: &'a Rules,
    inputs: &'a [super::Input],
    format: impl Fn(usize) -> StateFormat,
) -> Driver<'a> {
    let mut driver = Driver::new(rules, inputs);
    for epoch in 0.. {
        if driver.is_done() {
            break;
        }
        driver.writes(format(epoch));
        driver.commit(20);
    }
    driver
}

#[test]
fn what_the_version_before_wrote_is_read_and_can_be_written() {
    let rules = Rules::embedded();
    let inputs = inputs(31, 120, Weather::Stormy);
    let before = records(WRITTEN_BEFORE);
    let ours = driven(&rules, &inputs, |_| StateFormat::Previous);
    assert!(before.len() > 10, "{} records", before.len());
    assert!(ours.state_log == before, "what we write for older processes is what they would have written");
    let read = restore(&rules, &before).expect("the version before wrote it");
    assert_eq!((read.torn, read.newest), (None, StateFormat::Previous));
    assert_eq!(snapshot(&read.stations), ours.snapshot());
    // It goes on in the newest format, from a log that has both.
    let mut on = ours.restored(&before).continued(ours);
    on.writes(StateFormat::Newest);
    on.commit(0);
    let read = restore(&rules, &on.state_log).expect("both formats are ours");
    assert_eq!((read.torn, read.newest), (None, StateFormat::Newest));
    assert_eq!(snapshot(&read.stations), on.snapshot());
}

#[test]
fn a_log_that_changes_its_format_restores_the_same() {
    let rules = Rules::embedded();
    for seed in 0..20 {
        let inputs = inputs(seed, 120, Weather::Stormy);
        let newest = driven(&rules, &inputs, |_| StateFormat::Newest);
        for period in [1, 2, 3, 7] {
            let mixed = driven(&rules, &inputs, |epoch| StateFormat::ALL[epoch / period % 2]);
            let trimmed = usize::try_from(mixed.trimmed).expect("a short log");
            for log in [&mixed.state_log[..], &mixed.state_log[trimmed..]] {
                let what = format!("seed {seed}, {period} epochs each, {} records", log.len());
                let read = restore(&rules, log).expect(&what);
                assert_eq!(snapshot(&read.stations), newest.snapshot(), "{what}");
            }
        }
    }
}

/// A version is taken back: what its processes wrote in the newest format is gone from the log once they were told that
/// older ones must be able to read it.
#[test]
fn a_log_that_older_processes_must_read_is_written_anew() {
    use StateFormat::{Newest, Previous};
    let log = Sim::new(1);
    let rules = Arc::new(Rules::embedded());
    let mut scans = 0;
    // Each time a process takes the partition over, reads ten scans, and is killed. What it writes, and the formats of the log
    // after it.
    for (writes, then) in [
        (Previous, &[Previous][..]),
        (Newest, &[Previous, Newest]),
        (Newest, &[Previous, Newest]),
        (Previous, &[Previous]),
        (Previous, &[Previous]),
        (Newest, &[Previous, Newest]),
    ] {
        let config =
            WorkerConfig { close_when_drained: true, state_format: writes, ..WorkerConfig::default() };
        let mut worker = Worker::new(log.join("a").expect("in memory"), Arc::clone(&rules), config);
        log.append(&conformance::scans((scans..scans + 10).map(|n| (0, n)))).expect("in memory");
        scans += 10;
        (0..10).for_each(|_| drop(worker.turn(Timestamp(0)).expect("in memory")));
        assert_eq!((worker.counters().read, worker.repairs()), (u64::from(scans), 0));
        // It is killed: an orderly end would leave a whole image in its own format behind.
        drop(worker);

        let mut formats = BTreeSet::new();
        let start = log.extent(Topic::State, Partition(0)).expect("in memory").start;
        log.read(Topic::State, Partition(0), start, usize::MAX, &mut |record| {
            let record = read_record(record.value.expect("a value")).expect("a record that we wrote");
            formats.insert(record.format);
        })
        .expect("in memory");
        assert_eq!(formats.into_iter().collect::<Vec<_>>(), then, "{scans} scans, written in {writes:?}");
    }
}
