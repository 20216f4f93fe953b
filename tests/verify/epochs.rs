//! State logs, header by header.

use std::collections::BTreeMap;

use dockside::edge::verify::epochs::StateLog;
use dockside::edge::verify::report::Check;
use dockside::engine::state::{InputRange, StateHeader, StateKind};
use dockside::model::{Lane, Partition, stable_hash};
use dockside::stations::{ClockSource, StateFormat, StreamClock};

/// A record without entries.
fn record(header: &StateHeader) -> Vec<u8> {
    postcard::to_extend(header, vec![b'S', StateFormat::Newest.number()]).expect("in memory")
}

/// The first part of an epoch that read scans in this range.
fn epoch(epoch: u64, (from, to): (u64, u64)) -> StateHeader {
    StateHeader {
        kind: StateKind::Delta,
        partition: Partition(1),
        partitions: 4,
        epoch,
        part: 0,
        parts: 1,
        owner: 3,
        inputs: vec![InputRange { lane: Lane::Scans, from, to }],
        clock: StreamClock::new(ClockSource::Input),
        entries: 0,
        digest: stable_hash(&[&[]]),
    }
}

fn image(number: u64) -> StateHeader {
    StateHeader { kind: StateKind::Image { from: 0, to: 256 }, ..epoch(number, (0, 0)) }
}

#[test]
fn each_fault_of_a_state_log_is_named() {
    let part = |header: StateHeader, part, parts| StateHeader { part, parts, ..header };
    let one = || epoch(1, (0, 5));
    let table: Vec<(&str, Vec<StateHeader>, u64, &[&str])> = vec![
        ("nothing", vec![], 0, &[]),
        ("two epochs", vec![one(), epoch(2, (5, 9))], 9, &[]),
        ("trimmed", vec![epoch(7, (40, 41)), image(7), epoch(8, (41, 42))], 42, &[]),
        ("an image beside a delta", vec![one(), image(1), epoch(2, (5, 6))], 6, &[]),
        (
            "an image alone",
            vec![one(), image(2), epoch(2, (5, 6))],
            6,
            &["an image of epoch 2 stands in epoch 1"],
        ),
        ("parts", vec![part(one(), 0, 2), part(one(), 1, 2), epoch(2, (5, 9))], 9, &[]),
        ("a gap", vec![one(), epoch(3, (5, 9))], 9, &["epoch 3 follows epoch 1"]),
        ("a repeat", vec![one(), one()], 5, &["epoch 1 comes after epoch 1"]),
        ("a part lost", vec![part(one(), 0, 2), epoch(2, (5, 9))], 9, &["epoch 1 has 1 of its 2 parts"]),
        ("torn at the end", vec![part(one(), 0, 2)], 5, &["epoch 1 has 1 of its 2 parts"]),
        ("a first part lost", vec![one(), part(epoch(2, (5, 9)), 1, 2)], 5, &["part 1 of 2 of epoch 2"]),
        ("inputs lost", vec![one(), epoch(2, (6, 9))], 9, &["reads scans from 6, epoch 1 stopped at 5"]),
        ("inputs twice", vec![one(), epoch(2, (4, 9))], 9, &["reads scans from 4, epoch 1 stopped at 5"]),
        ("a late start", vec![epoch(1, (2, 5))], 5, &["the first epoch reads scans from 2"]),
        ("backwards", vec![one(), epoch(2, (5, 4))], 4, &["from 5 back to 4"]),
        (
            "an older owner",
            vec![one(), StateHeader { owner: 2, ..epoch(2, (5, 9)) }],
            9,
            &["of owner 2, after owner 3"],
        ),
        (
            "another partition",
            vec![one(), StateHeader { partition: Partition(2), ..epoch(2, (5, 9)) }],
            5,
            &["of partition 2 of 4"],
        ),
        ("a wrong digest", vec![one(), StateHeader { digest: 1, ..epoch(2, (5, 9)) }], 5, &["digest"]),
        ("a position ahead", vec![one()], 6, &["epoch 1 stopped at 5, the group is at 6"]),
        ("a position without an epoch", vec![], 3, &["the group is at 3, but there is no epoch"]),
    ];
    for (what, headers, committed, wanted) in table {
        let mut check = Check::new("epochs", 9);
        let mut log = StateLog::new(Partition(1), 4);
        let starts = BTreeMap::from([(Lane::Scans, 0)]);
        for (offset, header) in (0..).zip(&headers) {
            log.record(offset, &record(header), &starts, &mut check);
        }
        log.finish(&mut check);
        log.position(Lane::Scans, committed, 0, &mut check);
        let fits = check.findings.len() == wanted.len()
            && check.findings.iter().zip(wanted).all(|(found, word)| found.contains(word));
        assert!(fits, "{what}: {wanted:?} wanted, found {:#?}", check.findings);
    }
}
