//! What every implementation of the log must do.
//!
//! Enters: a way to make an empty log. Leaves: nothing, or a failed assertion. Nothing here assumes that offsets have no
//! gaps, that a commit is visible at once, or that a poll brings all there is: a log may be slow, not wrong.

mod copy;
mod export;
mod local;
mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dockside::engine::log::{Broker, Committed, Epoch, Extent, Log, Outbox, Polled, Positions};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use copy::{CopyJob, Progress};

/// One poll waits this long, where the log waits at all.
const WAIT: Duration = Duration::from_millis(20);
/// So many polls may bring nothing before that is a failure: longer than a session of a group member.
const PATIENCE: usize = 3000;

/// Runs every check, each on an empty log of its own: `make(name, partitions)`.
pub(crate) fn suite<B: Broker>(make: impl Fn(&str, u32) -> B) {
    records_come_back_as_written(&make("records", 3));
    nothing_is_there_before_the_commit_and_all_of_it_after(&make("atomic", 3));
    positions_survive_a_crash_and_an_open_epoch_does_not(&make("crash", 2));
    hops_come_back_on_their_lane(&make("hops", 2));
    the_end_is_reported_once(&make("end", 2));
    seek_forgets_what_was_fetched(&make("seek", 1));
    an_older_member_of_the_same_name_is_fenced(&make("name", 2));
    a_lost_partition_cannot_be_committed(&make("zombie", 4));
    members_come_and_go(&make("members", 4));
    the_state_log_is_restored_and_trimmed(&make("state", 2));
    marks_move_with_their_records(&make("marks", 1));
    positions_and_ends_show_from_outside(&make("outside", 2));
}

/// A scan whose value is its number.
pub(crate) fn scans(numbers: impl IntoIterator<Item = (u32, u32)>) -> Outbox {
    let mut outbox = Outbox::default();
    for (partition, number) in numbers {
        let value = number.to_string();
        outbox.push(Topic::Scans, Partition(partition), Timestamp(0), None, Some(value.as_bytes()), &[]);
    }
    outbox
}

/// Numbers of the records of a partition, once there are `count`, with their offsets.
pub(crate) fn numbers<B: Broker>(broker: &B, topic: Topic, partition: u32, count: usize) -> Vec<(u64, u32)> {
    let mut seen = Vec::new();
    let mut from = 0;
    for _ in 0..PATIENCE {
        let mut push = |record: dockside::engine::log::Record<'_>| {
            seen.push((record.offset, number(record.value)));
        };
        from = broker.read(topic, Partition(partition), from, 7, &mut push).expect("a log that can be read");
        if seen.len() >= count {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "offsets rise: {seen:?}");
    seen
}

fn number(value: Option<&[u8]>) -> u32 {
    std::str::from_utf8(value.expect("a value")).expect("text").parse().expect("a number")
}

fn only_numbers(records: Vec<(u64, u32)>) -> Vec<u32> {
    records.into_iter().map(|(_, number)| number).collect()
}

/// The next thing that happens; a log may be idle for a while.
fn next<M: Log>(member: &mut M, lane: Lane, max: usize) -> Polled {
    for _ in 0..PATIENCE {
        match member.poll(lane, max, WAIT).expect("a log that can be polled") {
            Polled::Idle => {}
            polled => return polled,
        }
    }
    panic!("nothing happened on {lane:?}");
}

fn assigned<M: Log>(member: &mut M) -> Positions {
    match next(member, Lane::Scans, 1) {
        Polled::Assigned { positions, .. } => positions,
        other => panic!("an assignment was expected: {other:?}"),
    }
}

/// Reads `count` records of a lane: partition, offset, number.
fn take<M: Log>(member: &mut M, lane: Lane, count: usize, max: usize) -> Vec<(u32, u64, u32)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(member, lane, max) {
            Polled::Records { lane: of, partition, batch } => {
                assert_eq!(of, lane);
                assert!(!batch.is_empty() && batch.len() <= max, "{} records of at most {max}", batch.len());
                taken.extend(batch.iter().map(|record| (partition.0, record.offset, number(record.value))));
            }
            Polled::Eof { .. } => {}
            other => panic!("records were expected: {other:?}"),
        }
    }
    taken
}

fn drained<B: Broker>(broker: &B, lag: u64) {
    let mut last = None;
    for _ in 0..PATIENCE {
        last = Some(broker.lag().expect("a log that can be read"));
        if last == Some(lag) {
            return;
        }
    }
    panic!("lag is {last:?}, not {lag}");
}

fn commit<M: Log>(member: &mut M, outputs: &Outbox, positions: &Positions) {
    assert_eq!(member.commit(Epoch { outputs, positions }).expect("a commit"), Committed::Done);
}

fn records_come_back_as_written<B: Broker>(broker: &B) {
    assert_eq!(broker.partitions(), 3);
    let long = vec![b'x'; 300_000];
    let parts: [&[u8]; 4] = [b"", b"short", b"\0\xff\n", &long];
    let mut written = Vec::new();
    let mut outbox = Outbox::default();
    for (i, (key, value)) in
        parts.iter().flat_map(|key| parts.iter().map(move |value| (*key, *value))).enumerate()
    {
        let timestamp = Timestamp(1_700_000_000_000 + i64::try_from(i).expect("small"));
        let headers: &[(&'static str, &[u8])] = match i % 3 {
            0 => &[],
            1 => &[("content-type", b"application/json"), ("a", b"")],
            _ => &[("b", b"1"), ("b", b"2")],
        };
        let (key, value) = ((i % 4 != 1).then_some(key), (i % 5 != 4).then_some(value));
        outbox.push(Topic::Commands, Partition(1), timestamp, key, value, headers);
        written.push((timestamp, key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec), headers));
    }
    broker.append(&outbox).expect("an append");
    broker.append(&Outbox::default()).expect("an append of nothing");

    let mut member = broker.join("reader").expect("a member");
    assert_eq!(assigned(&mut member).len(), 9, "all lanes of three partitions");
    let mut polled = Vec::new();
    while polled.len() < written.len() {
        if let Polled::Records { partition, batch, .. } = next(&mut member, Lane::Commands, 5) {
            assert_eq!(partition, Partition(1));
            polled.extend(batch.iter().map(|record| {
                let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
                (record.offset, record.timestamp, key, value, record.content_type.map(<[u8]>::to_vec))
            }));
        }
    }
    let mut read = Vec::new();
    let mut from = 0;
    for _ in 0..PATIENCE {
        let sink = &mut |record: dockside::engine::log::Record<'_>, headers: &[(&str, &[u8])]| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
            read.push((record.offset, headers));
        };
        from = broker.read_with_headers(Topic::Commands, Partition(1), from, 4, sink).expect("records");
        if read.len() >= written.len() {
            break;
        }
    }
    assert_eq!((polled.len(), read.len()), (written.len(), written.len()));
    for ((written, polled), (offset, read_headers)) in written.iter().zip(&polled).zip(&read) {
        let (timestamp, key, value, headers) = written;
        assert_eq!((offset, timestamp, key, value), (&polled.0, &polled.1, &polled.2, &polled.3));
        let content_type = headers.iter().find(|(name, _)| *name == "content-type").map(|(_, v)| v.to_vec());
        assert_eq!(polled.4, content_type);
        let headers: Vec<_> = headers.iter().map(|(name, v)| ((*name).to_owned(), v.to_vec())).collect();
        assert_eq!(read_headers, &headers);
    }
}

fn nothing_is_there_before_the_commit_and_all_of_it_after<B: Broker>(broker: &B) {
    broker.append(&scans((0..30).map(|n| (n % 3, n)))).expect("an append");
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let taken = take(&mut member, Lane::Scans, 30, 4);
    let (mut outputs, mut positions) = (Outbox::default(), Positions::new());
    for &(partition, offset, number) in &taken {
        let value = number.to_string();
        // Every output goes to another partition than its input.
        let to = Partition((partition + 1) % 3);
        outputs.push(Topic::Shipments, to, Timestamp(0), None, Some(value.as_bytes()), &[]);
        positions.insert((Lane::Scans, Partition(partition)), offset + 1);
    }
    drained(broker, 30);
    for partition in 0..3 {
        let mut count = 0;
        broker
            .read(Topic::Shipments, Partition(partition), 0, 99, &mut |_| count += 1)
            .expect("a log that can be read");
        assert_eq!(count, 0, "nothing is committed yet");
    }
    commit(&mut member, &outputs, &positions);
    drained(broker, 0);
    for partition in 0..3 {
        let want: Vec<_> = (0..30).filter(|n| (n + 1) % 3 == partition).collect();
        assert_eq!(only_numbers(numbers(broker, Topic::Shipments, partition, 10)), want);
    }
}

fn positions_survive_a_crash_and_an_open_epoch_does_not<B: Broker>(broker: &B) {
    broker.append(&scans((0..10).map(|n| (0, n)))).expect("an append");
    let mut member = broker.join("a").expect("a member");
    let begun = assigned(&mut member);
    assert!(begun.values().all(|&next| next == 0), "nothing was committed: {begun:?}");
    let first = take(&mut member, Lane::Scans, 4, 4);
    let after_first = Positions::from([((Lane::Scans, Partition(0)), first[3].1 + 1)]);
    commit(&mut member, &Outbox::default(), &after_first);
    // Read on, and crash with the epoch open.
    assert_eq!(take(&mut member, Lane::Scans, 3, 3).last().expect("three").2, 6);
    drop(member);

    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    for lane in Lane::ALL {
        for partition in [0, 1].map(Partition) {
            let want = after_first.get(&(lane, partition)).copied().unwrap_or(0);
            assert_eq!(positions.get(&(lane, partition)), Some(&want), "{lane:?} {partition}");
        }
    }
    let rest = take(&mut member, Lane::Scans, 6, 100);
    assert_eq!(rest.iter().map(|record| record.2).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
    assert_eq!(member.resolve().expect("positions"), positions, "reading on commits nothing");
}

fn hops_come_back_on_their_lane<B: Broker>(broker: &B) {
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let mut outputs = Outbox::default();
    for number in 0..6_u32 {
        let value = number.to_string();
        outputs.push(Topic::Hops, Partition(number % 2), Timestamp(9), None, Some(value.as_bytes()), &[]);
    }
    commit(&mut member, &outputs, &positions);
    let mut taken = take(&mut member, Lane::Hops, 6, 2);
    taken.sort();
    let seen: Vec<_> = taken.iter().map(|&(partition, _, number)| (partition, number)).collect();
    assert_eq!(seen, [(0, 0), (0, 2), (0, 4), (1, 1), (1, 3), (1, 5)]);
}

fn the_end_is_reported_once<B: Broker>(broker: &B) {
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let mut ended = BTreeSet::new();
    for lane in [Lane::Hops, Lane::Commands] {
        for _ in 0..2 {
            match next(&mut member, lane, 10) {
                Polled::Eof { lane: of, partition, next } => {
                    assert!(ended.insert((of, partition)), "{of:?} {partition} twice");
                    assert_eq!(broker.ends().expect("the ends")[&(of, partition)], next);
                }
                other => panic!("an end was expected: {other:?}"),
            }
        }
    }
    assert_eq!(ended.len(), 4);
    for lane in [Lane::Hops, Lane::Commands] {
        let polled = member.poll(lane, 10, Duration::ZERO).expect("a poll");
        assert!(matches!(polled, Polled::Idle), "{polled:?}");
    }
    // New records end again, once, and only where they are.
    let mut outbox = Outbox::default();
    outbox.push(Topic::Commands, Partition(1), Timestamp(0), None, Some(b"1"), &[]);
    broker.append(&outbox).expect("an append");
    assert!(matches!(next(&mut member, Lane::Commands, 10), Polled::Records { partition: Partition(1), .. }));
    assert!(matches!(next(&mut member, Lane::Commands, 10), Polled::Eof { partition: Partition(1), .. }));
    let polled = member.poll(Lane::Commands, 10, Duration::ZERO).expect("a poll");
    assert!(matches!(polled, Polled::Idle), "{polled:?}");
}

fn seek_forgets_what_was_fetched<B: Broker>(broker: &B) {
    broker.append(&scans((0..10).map(|n| (0, n)))).expect("an append");
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let all = take(&mut member, Lane::Scans, 10, 3);
    let mut seek = |offset: u64, first: u32| {
        member.seek(&Positions::from([((Lane::Scans, Partition(0)), offset)])).expect("a seek");
        let taken = take(&mut member, Lane::Scans, 2, 2);
        assert_eq!(taken.iter().map(|record| record.2).collect::<Vec<_>>(), [first, first + 1]);
    };
    for number in [0, 7, 2, 3, 8] {
        seek(all[number as usize].1, number);
    }
    // An end that was reported is reported again after a seek.
    for _ in 0..2 {
        member.seek(&Positions::from([((Lane::Scans, Partition(0)), all[9].1 + 1)])).expect("a seek");
        assert!(matches!(next(&mut member, Lane::Scans, 1), Polled::Eof { .. }));
    }
}

fn an_older_member_of_the_same_name_is_fenced<B: Broker>(broker: &B) {
    broker.append(&scans((0..8).map(|n| (n % 2, n)))).expect("an append");
    let mut older = broker.join("a").expect("a member");
    assigned(&mut older);
    let taken = take(&mut older, Lane::Scans, 8, 8);
    let positions: Positions = taken
        .iter()
        .map(|&(partition, offset, _)| ((Lane::Scans, Partition(partition)), offset + 1))
        .collect();

    let mut newer = broker.join("a").expect("a member");
    assert_eq!(assigned(&mut newer).len(), 6);
    let mut outputs = Outbox::default();
    outputs.push(Topic::Shipments, Partition(0), Timestamp(0), None, Some(b"1"), &[]);
    let fenced = older.commit(Epoch { outputs: &outputs, positions: &positions }).expect("an answer");
    assert_eq!(fenced, Committed::Fenced);
    match older.poll(Lane::Scans, 1, Duration::ZERO) {
        Err(error) => assert!(error.refused, "{error}"),
        Ok(Polled::Revoked { lost: true, .. } | Polled::Idle) => {}
        Ok(other) => panic!("a fenced member got {other:?}"),
    }
    drop(older);

    assert_eq!(take(&mut newer, Lane::Scans, 8, 8).len(), 8, "nothing was committed");
    commit(&mut newer, &outputs, &positions);
    drained(broker, 0);
    assert_eq!(only_numbers(numbers(broker, Topic::Shipments, 0, 1)), [1]);
}

fn a_lost_partition_cannot_be_committed<B: Broker>(broker: &B) {
    broker.append(&scans((0..8).map(|n| (n % 4, n)))).expect("an append");
    let mut zombie = broker.join("a").expect("a member");
    assigned(&mut zombie);
    let taken = take(&mut zombie, Lane::Scans, 8, 8);
    let mut heir = broker.join("b").expect("a member");
    // The zombie gives its partitions back without committing, and gets some of them again.
    let mut lost: BTreeSet<_> = (0..4).map(Partition).collect();
    let mut heirs = None;
    let mut kept = None;
    for _ in 0..PATIENCE {
        match zombie.poll(Lane::Scans, 8, WAIT).expect("a poll") {
            Polled::Assigned { positions, .. } => kept = Some(positions),
            Polled::Revoked { .. } => kept = None,
            _ => {}
        }
        match heir.poll(Lane::Scans, 8, WAIT).expect("a poll") {
            Polled::Assigned { positions, .. } => heirs = Some(positions),
            Polled::Revoked { .. } => heirs = None,
            _ => {}
        }
        if kept.is_some() && heirs.is_some() {
            break;
        }
    }
    for (_, partition) in kept.expect("a part for the first").keys() {
        lost.remove(partition);
    }
    assert_eq!(lost.len(), 2);
    assert!(heirs.expect("a part for the second").values().all(|&next| next == 0), "nothing was committed");
    let mut outputs = Outbox::default();
    outputs.push(Topic::Shipments, Partition(0), Timestamp(0), None, Some(b"1"), &[]);
    for partition in lost {
        let next = taken.iter().filter(|record| record.0 == partition.0).map(|record| record.1 + 1).max();
        let positions = Positions::from([((Lane::Scans, partition), next.expect("records"))]);
        let fenced = zombie.commit(Epoch { outputs: &outputs, positions: &positions }).expect("an answer");
        assert_eq!(fenced, Committed::Fenced, "{partition}");
    }
    let mut count = 0;
    broker.read(Topic::Shipments, Partition(0), 0, 9, &mut |_| count += 1).expect("a log that can be read");
    assert_eq!((count, broker.lag().expect("a lag")), (0, 8));
}

fn members_come_and_go<B: Broker>(broker: &B) {
    let mut appended = 0;
    let mut append = |count: u32| {
        broker.append(&scans((appended..appended + count).map(|n| (n % 4, n)))).expect("an append");
        appended += count;
    };
    let owned = |job: &CopyJob<B::Member>| job.owned().into_iter().collect::<BTreeSet<_>>();
    let everything: BTreeSet<_> = (0..4).map(Partition).collect();

    append(40);
    let mut a = CopyJob::new(broker.join("a").expect("a member"), 3, 5);
    copy::run(broker, &mut [&mut a]);
    assert_eq!(owned(&a), everything);

    append(40);
    let mut b = CopyJob::new(broker.join("b").expect("a member"), 4, 6);
    for _ in 0..PATIENCE {
        append(1);
        a.step();
        b.step();
        if owned(&a).len() == 2 && owned(&b).len() == 2 {
            break;
        }
    }
    copy::run(broker, &mut [&mut a, &mut b]);
    assert_eq!((owned(&a).len(), owned(&b).len()), (2, 2));
    assert!(owned(&a).is_disjoint(&owned(&b)));

    append(40);
    b.step();
    drop(b);
    copy::run(broker, &mut [&mut a]);
    assert_eq!(owned(&a), everything);
    assert_ne!(a.step(), Progress::Stopped);
    copy::check(broker, appended);
}

fn the_state_log_is_restored_and_trimmed<B: Broker>(broker: &B) {
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    let partition = Partition(1);
    assert_eq!((member.start(partition).expect("a start"), member.end(partition).expect("an end")), (0, 0));
    let mut ends = vec![0];
    for number in 0..6_u32 {
        let mut outputs = Outbox::default();
        let value = number.to_string();
        outputs.push(Topic::State, partition, Timestamp(0), None, Some(value.as_bytes()), &[]);
        commit(&mut member, &outputs, &positions);
        ends.push(member.end(partition).expect("an end"));
    }
    assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
    let restored = |member: &mut B::Member, from: u64, to: u64| {
        let mut seen = Vec::new();
        member
            .restore(partition, from, to, &mut |record| {
                seen.push((record.offset, number(record.value)));
                Ok(())
            })
            .expect("a state log");
        seen
    };
    let all = restored(&mut member, 0, ends[6]);
    assert_eq!(only_numbers(all.clone()), [0, 1, 2, 3, 4, 5]);
    assert_eq!(only_numbers(restored(&mut member, all[2].0, all[4].0)), [2, 3]);
    assert_eq!(only_numbers(restored(&mut member, all[5].0 + 1, ends[6])), [0_u32; 0]);

    member.trim(partition, all[3].0).expect("a trim");
    let start = member.start(partition).expect("a start");
    assert_eq!(start, all[3].0);
    assert_eq!(restored(&mut member, start, ends[6]), all[3..]);
    member.trim(partition, all[1].0).expect("a trim that is behind the start does nothing");
    assert_eq!(member.start(partition).expect("a start"), start);
    assert_eq!(member.start(Partition(0)).expect("a start"), 0);

    // The state is there for whoever comes next.
    drop(member);
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let (start, end) = (member.start(partition).expect("a start"), member.end(partition).expect("an end"));
    assert_eq!(only_numbers(restored(&mut member, start, end)), [3, 4, 5]);
    // A refusal of the reader ends the restore.
    let refusal = dockside::engine::log::LogError { what: "x".into(), why: "y".into(), refused: true };
    let mut refusal = Some(refusal);
    let mut calls = 0;
    let stopped = member.restore(partition, start, end, &mut |_| {
        calls += 1;
        Err(refusal.take().expect("called once"))
    });
    assert_eq!((calls, stopped.expect_err("a refusal").what), (1, "x".to_owned()));
}

fn positions_and_ends_show_from_outside<B: Broker>(broker: &B) {
    let every = |lane| (0..2).map(move |partition| (lane, Partition(partition)));
    let start: Positions = Lane::ALL.into_iter().flat_map(every).map(|at| (at, 0)).collect();
    assert_eq!(broker.committed().expect("positions"), start);
    let extent = |topic| broker.extent(topic, Partition(1)).expect("an extent");
    assert_eq!(extent(Topic::Scans), Extent { start: 0, stable: 0, end: 0 });

    broker.append(&scans([(1, 7), (1, 8)])).expect("an append");
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let taken = take(&mut member, Lane::Scans, 2, 10);
    let place = (Lane::Scans, Partition(1));
    let positions = Positions::from([(place, taken[1].1 + 1)]);
    commit(&mut member, &Outbox::default(), &positions);
    let after: Positions = start.into_iter().chain(positions).collect();
    assert_eq!(broker.committed().expect("positions"), after);
    // The end counts transactions that are open; soon after a commit there is none.
    let ended = (0..PATIENCE).map(|_| extent(Topic::Scans)).find(|extent| extent.stable == extent.end);
    let ended = ended.expect("an append ends");
    assert!(ended.start == 0 && ended.end > taken[1].1, "{ended:?}");
}

fn marks_move_with_their_records<B: Broker>(broker: &B) {
    match broker.append_marked(&scans([(0, 0)]), "input", 17) {
        // A log that cannot keep marks says so and writes nothing.
        Err(error) => assert!(error.refused, "{error}"),
        Ok(()) => {
            assert_eq!(broker.mark("input").expect("a mark"), Some(17));
            assert_eq!(broker.mark("other").expect("a mark"), None);
            broker.append_marked(&Outbox::default(), "input", 20).expect("a mark alone");
            broker.append_marked(&scans([(0, 1)]), "other", 5).expect("an append");
            assert_eq!(broker.mark("input").expect("a mark"), Some(20));
            assert_eq!(only_numbers(numbers(broker, Topic::Scans, 0, 2)), [0, 1]);
        }
    }
}

/// Everything that can be seen of a log, as text.
pub(crate) fn observe<B: Broker>(broker: &B) -> String {
    let mut lines = Vec::new();
    for topic in Topic::ALL {
        for partition in (0..broker.partitions()).map(Partition) {
            let mut sink = |record: dockside::engine::log::Record<'_>, headers: &[(&str, &[u8])]| {
                let value = record.value.map(String::from_utf8_lossy);
                lines.push(format!(
                    "{}-{partition}@{} {:?} {:?} {value:?} {headers:?}",
                    topic.name(),
                    record.offset,
                    record.timestamp,
                    record.key
                ));
            };
            broker.read_with_headers(topic, partition, 0, usize::MAX, &mut sink).expect("records");
        }
    }
    let mut member = broker.join("observer").expect("a member");
    let positions: BTreeMap<_, _> = assigned(&mut member);
    lines.push(format!("{positions:?} {:?}", broker.mark("input").expect("a mark")));
    lines.join("\n")
}
