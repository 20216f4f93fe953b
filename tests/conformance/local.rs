//! The log in a directory: the contract, and what is left after a crash at any byte.

use std::fs;
use std::path::Path;

use dockside::engine::log::{Broker, Durability, Epoch, Local, Log, LogError, Outbox, Positions};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use super::copy::{self, CopyJob, Progress};
use super::{assigned, numbers, observe, scans, suite};

fn open(dir: &Path) -> Result<Local, LogError> {
    Local::open(dir, 2, Durability::Process).map(|(log, _)| log)
}

#[test]
fn the_local_log_does_what_every_log_must_do() {
    for durability in [Durability::Process, Durability::Disk] {
        let dir = tempfile::tempdir().expect("a directory");
        suite(|name, partitions| {
            Local::open(&dir.path().join(name), partitions, durability).expect("a log").0
        });
    }
}

#[test]
fn small_segments_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    suite(|name, partitions| {
        let dir = dir.path().join(name);
        Local::open_in_segments(&dir, partitions, Durability::Process, 200).expect("a log").0
    });
}

#[test]
fn a_directory_has_one_log_and_one_process() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(Local::stored_partitions(dir.path()).expect("no log"), None);
    let log = open(dir.path()).expect("a log");
    let second = open(dir.path()).expect_err("the lock is held");
    assert!(second.refused && second.why.contains(&std::process::id().to_string()), "{second}");
    drop(log);
    let other = Local::open(dir.path(), 3, Durability::Process).expect_err("it has two partitions");
    assert!(other.refused && other.why.contains("2 partitions, not 3"), "{other}");
    assert_eq!(Local::stored_partitions(dir.path()).expect("a log"), Some(2));
    open(dir.path()).expect("the lock was given back");
}

#[test]
fn a_member_keeps_the_log_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let member = open(dir.path()).expect("a log").join("a").expect("a member");
    assert!(open(dir.path()).is_err());
    drop(member);
    open(dir.path()).expect("the lock was given back");
}

/// Steps of every kind; returns what was to be seen before and after each.
fn history(dir: &Path, segment_bytes: u64) -> Vec<String> {
    let (log, _) = Local::open_in_segments(dir, 2, Durability::Process, segment_bytes).expect("a log");
    let mut seen = vec![observe(&log)];
    let partition = Partition(1);
    let epoch = |number: u32, next: u64| {
        let mut outputs = scans([]);
        let value = number.to_string();
        outputs.push(Topic::State, partition, Timestamp(5), None, Some(value.as_bytes()), &[]);
        outputs.push(Topic::Shipments, Partition(0), Timestamp(6), Some(b"k"), None, &[("a", b"b")]);
        (outputs, Positions::from([((Lane::Scans, partition), next), ((Lane::Hops, partition), 0)]))
    };
    for number in 0..4 {
        log.append_marked(&scans([(0, number), (1, number)]), "input", u64::from(number) * 10)
            .expect("an append");
        seen.push(observe(&log));
        let mut member = log.join("a").expect("a member");
        assigned(&mut member);
        let (outputs, positions) = epoch(number, u64::from(number) + 1);
        super::commit(&mut member, &outputs, &positions);
        drop(member);
        seen.push(observe(&log));
    }
    let mut member = log.join("a").expect("a member");
    member.trim(partition, 2).expect("a trim");
    drop(member);
    seen.push(observe(&log));
    seen
}

fn copy_dir(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

fn last_segment(dir: &Path) -> std::path::PathBuf {
    let paths = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "wal")).max().expect("a segment")
}

#[test]
fn opened_again_all_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    for segment_bytes in [1, 300, 1 << 20] {
        let dir = dir.path().join(segment_bytes.to_string());
        let seen = history(&dir, segment_bytes);
        let (log, recovered) = Local::open(&dir, 2, Durability::Process).expect("a log");
        assert_eq!((recovered.frames, recovered.cut_bytes), (9, 0));
        assert_eq!(Some(&observe(&log)), seen.last());
    }
}

#[test]
fn cut_at_any_byte_a_prefix_of_whole_steps_is_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
    for segment_bytes in [500, 1 << 20] {
        let _ = fs::remove_dir_all(&whole);
        let seen = history(&whole, segment_bytes);
        let segment = last_segment(&whole);
        let length = fs::metadata(&segment).expect("a segment").len();
        let mut reached = 0;
        for bytes in 0..=length {
            copy_dir(&whole, &cut);
            let file = fs::OpenOptions::new().write(true).open(last_segment(&cut)).expect("a segment");
            file.set_len(bytes).expect("a cut");
            drop(file);
            let (log, recovered) = Local::open(&cut, 2, Durability::Process).expect("a log");
            let frames = usize::try_from(recovered.frames).expect("small");
            assert_eq!(observe(&log), seen[frames], "cut at {bytes}");
            assert!(frames >= reached, "more bytes, fewer steps");
            reached = frames;
            // It goes on from there.
            log.append(&scans([(0, 99)])).expect("an append");
            let after = observe(&log);
            drop(log);
            let (log, recovered) = Local::open(&cut, 2, Durability::Process).expect("a log");
            assert_eq!((recovered.frames, recovered.cut_bytes), (frames as u64 + 1, 0));
            assert_eq!(observe(&log), after);
        }
        assert_eq!(reached + 1, seen.len(), "uncut, all is there");
    }
}

#[test]
fn a_flipped_bit_cuts_the_last_segment_there_and_is_refused_before_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (whole, flipped) = (dir.path().join("whole"), dir.path().join("flipped"));
    let seen = history(&whole, 500);
    let last = last_segment(&whole);
    for entry in fs::read_dir(&whole).expect("a directory") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if path.extension().is_none_or(|e| e != "wal") {
            continue;
        }
        let mut fewest = usize::MAX;
        for at in (0..bytes.len()).rev() {
            copy_dir(&whole, &flipped);
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(flipped.join(path.file_name().expect("a name")), bytes).expect("a file");
            match Local::open(&flipped, 2, Durability::Process) {
                Err(error) => assert!(error.refused && (at < 32 || path != last), "{at}: {error}"),
                Ok((log, recovered)) if path == last => {
                    let frames = usize::try_from(recovered.frames).expect("small");
                    assert!(at >= 32 && recovered.cut_bytes > 0 && frames <= fewest, "{at}");
                    fewest = frames;
                    assert_eq!(observe(&log), seen[frames]);
                }
                // Records of an older segment are checked when they are read, and not before.
                Ok((log, _)) => {
                    let topics = Topic::ALL.into_iter().flat_map(|topic| [(topic, 0), (topic, 1)]);
                    let read = |(topic, partition)| log.read(topic, Partition(partition), 0, 99, &mut |_| {});
                    let errors: Vec<_> = topics.map(read).filter_map(Result::err).collect();
                    assert!(errors.iter().all(|error| error.refused), "{at}: {errors:?}");
                    // What was trimmed is not read again.
                    assert!(!errors.is_empty() || Some(&observe(&log)) == seen.last(), "{at}");
                }
            }
        }
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    history(dir.path(), 300);
    assert!(last_segment(dir.path()) > dir.path().join("0000000002.wal"));
    fs::remove_file(dir.path().join("0000000001.wal")).expect("a segment");
    let error = open(dir.path()).expect_err("a gap");
    assert!(error.refused && error.why.contains("0000000001.wal"), "{error}");
}

#[test]
fn a_segment_that_lost_its_end_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let copy = dir.path().join("copy");
    let whole = dir.path().join("whole");
    history(&whole, 500);
    let length = fs::metadata(whole.join("0000000000.wal")).expect("a segment").len();
    for bytes in 0..length {
        copy_dir(&whole, &copy);
        let file = fs::OpenOptions::new().write(true).open(copy.join("0000000000.wal")).expect("a segment");
        file.set_len(bytes).expect("a cut");
        let error = open(&copy).expect_err("steps are missing in the middle");
        assert!(error.refused, "cut at {bytes}: {error}");
    }
}

#[test]
fn workers_on_threads_copy_exactly_once_while_others_look_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, _) = Local::open_in_segments(dir.path(), 5, Durability::Process, 20_000).expect("a log");
    const COUNT: u32 = 20_000;
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let log = &log;
            scope.spawn(move || {
                let mut job = CopyJob::new(log.join(&format!("worker-{worker}")).expect("a member"), 64, 200);
                loop {
                    assert_ne!(job.step(), Progress::Stopped);
                    let all_there = (0..5).all(|partition| {
                        let (mut count, last) = (0, u64::from(COUNT / 5) - 1);
                        log.read(Topic::Shipments, Partition(partition), last, 1, &mut |_| count += 1)
                            .expect("records");
                        count == 1
                    });
                    if all_there {
                        return;
                    }
                }
            });
        }
        scope.spawn(|| {
            for first in (0..COUNT).step_by(100) {
                log.append(&scans((first..first + 100).map(|n| (n % 5, n)))).expect("an append");
            }
        });
    });
    copy::check(&log, COUNT);
    drop(log);
    let (log, _) = Local::open(dir.path(), 5, Durability::Process).expect("a log");
    copy::check(&log, COUNT);
    assert_eq!(log.lag().expect("a lag"), 0);
}

#[test]
fn an_epoch_is_visible_in_all_partitions_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path()).expect("a log");
    const EPOCHS: u32 = 2000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut member = log.join("a").expect("a member");
            assigned(&mut member);
            for epoch in 0..EPOCHS {
                let (mut outputs, value) = (Outbox::default(), epoch.to_string());
                for partition in [0, 1].map(Partition) {
                    outputs.push(
                        Topic::Shipments,
                        partition,
                        Timestamp(0),
                        None,
                        Some(value.as_bytes()),
                        &[],
                    );
                }
                member.commit(Epoch { outputs: &outputs, positions: &Positions::new() }).expect("a commit");
            }
        });
        let count = |partition: u32, from: u64| {
            log.read(Topic::Shipments, Partition(partition), from, usize::MAX, &mut |_| {}).expect("records")
        };
        let mut seen = 0;
        while seen < u64::from(EPOCHS) {
            let first = count(0, seen);
            let second = count(1, seen);
            assert!(first <= second, "the second partition was read later: {first} {second}");
            seen = count(0, second);
            assert!(second <= seen, "the first partition was read later: {second} {seen}");
        }
    });
    assert_eq!(numbers(&log, Topic::Shipments, 1, EPOCHS as usize).len(), EPOCHS as usize);
}

#[test]
fn a_wait_ends_when_something_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path()).expect("a log");
    let mut member = log.join("a").expect("a member");
    assigned(&mut member);
    let long = std::time::Duration::from_secs(3600);
    for _ in 0..2 {
        assert!(matches!(member.poll(Lane::Scans, 1, long), Ok(dockside::engine::log::Polled::Eof { .. })));
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || member.poll(Lane::Scans, 1, long).expect("a poll"));
        log.append(&scans([(1, 5)])).expect("an append");
        let polled = waiting.join().expect("no failure");
        assert!(matches!(polled, dockside::engine::log::Polled::Records { partition: Partition(1), .. }));
    });
}
