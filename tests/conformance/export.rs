//! Committed outputs as files, whenever the process ended.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use dockside::engine::log::export::Export;
use dockside::engine::log::{Broker, Durability, Epoch, Local, Log, Outbox, Positions};
use dockside::model::{Partition, Timestamp, Topic};

use super::assigned;

fn commit(log: &Local, numbers: std::ops::Range<u32>) {
    let mut member = log.join("a").expect("a member");
    assigned(&mut member);
    let mut outputs = Outbox::default();
    for number in numbers {
        let (partition, value) = (Partition(number / 3 % 3), number.to_string());
        outputs.push(Topic::Problems, partition, Timestamp(0), Some(b"p"), Some(value.as_bytes()), &[]);
        outputs.push(Topic::Hops, partition, Timestamp(0), None, Some(b"internal"), &[]);
    }
    outputs.push(Topic::DeadLetters, Partition(1), Timestamp(0), None, Some(b"?"), &[("why", b"no scan")]);
    super::commit(&mut member, &outputs, &Positions::new());
    let nothing = Epoch { outputs: &Outbox::default(), positions: &Positions::new() };
    member.commit(nothing).expect("a commit");
}

fn numbers(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join("problems.ndjson")).expect("a file");
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!((&line["topic"], &line["key"]), (&"problems".into(), &"p".into()));
            line["value"].as_u64().and_then(|number| u32::try_from(number).ok()).expect("a number")
        })
        .collect()
}

#[test]
fn files_follow_the_commits() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("out");
    let log = Local::open_in_segments(dir.path(), 3, Durability::Process, 400).expect("a log").0;
    let mut export = Export::open(&log, &out).expect("an export");
    assert_eq!(export.catch_up().expect("lines"), 0);
    for first in [0, 9, 18] {
        commit(&log, first..first + 9);
        assert_eq!(export.catch_up().expect("lines"), 10);
        assert_eq!(export.catch_up().expect("lines"), 0);
    }
    assert_eq!(
        numbers(&out),
        (0..27).collect::<Vec<_>>(),
        "in the order of the commits, over all partitions"
    );
    let letters = fs::read_to_string(out.join("dead-letters.ndjson")).expect("a file");
    let letter = r#"{"topic":"dead-letters","key":null,"value":"?","headers":{"why":"no scan"}}"#;
    assert_eq!(letters.lines().collect::<Vec<_>>(), [letter; 3]);
    let mut names: Vec<_> =
        fs::read_dir(&out).expect("a directory").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    let mut want = Topic::OUTPUTS.map(|topic| OsString::from(format!("{}.ndjson", topic.name())));
    want.sort();
    assert_eq!(names, want);
}

#[test]
fn cut_at_any_byte_the_file_is_completed() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("out");
    let log = Local::open(dir.path(), 3, Durability::Process).expect("a log").0;
    commit(&log, 0..9);
    commit(&log, 9..18);
    Export::open(&log, &out).expect("an export").catch_up().expect("lines");
    let whole = fs::read(out.join("problems.ndjson")).expect("a file");
    for length in 0..=whole.len() {
        fs::write(out.join("problems.ndjson"), &whole[..length]).expect("a file");
        Export::open(&log, &out).expect("an export").catch_up().expect("lines");
        assert_eq!(fs::read(out.join("problems.ndjson")).expect("a file"), whole, "cut at {length}");
    }
}

#[test]
fn a_file_that_is_ahead_of_the_log_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("out");
    let log = Local::open(&dir.path().join("one"), 3, Durability::Process).expect("a log").0;
    commit(&log, 0..9);
    Export::open(&log, &out).expect("an export").catch_up().expect("lines");
    let other = Local::open(&dir.path().join("other"), 3, Durability::Process).expect("a log").0;
    commit(&other, 0..5);
    let error = Export::open(&other, &out).expect_err("another log");
    assert!(error.refused && error.why.contains("9 lines") && error.why.contains("5 records"), "{error}");
}
