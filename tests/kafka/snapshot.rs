//! The local copy of a state log: read instead of Kafka when it is whole and the same, and never otherwise.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dockside::edge::kafka::{KafkaBroker, KafkaConfig};
use dockside::engine::log::{Broker, Committed, Epoch, Log, Outbox, Positions, Record, Restored};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use super::{assigned, created};

const HERE: Partition = Partition(0);

fn committed(member: &mut impl Log, positions: &Positions, values: &[&str]) {
    let mut outbox = Outbox::default();
    for value in values {
        outbox.push(Topic::State, HERE, Timestamp(7), None, Some(value.as_bytes()), &[]);
    }
    let epoch = Epoch { outputs: &outbox, positions };
    assert_eq!(member.commit(epoch).expect("a commit"), Committed::Done);
}

/// What a restarted member reads back.
fn restored(config: &KafkaConfig) -> Vec<String> {
    let broker = KafkaBroker::open(config).expect("a broker with topics");
    let mut member = broker.join("a").expect("a member");
    assigned(&mut member);
    let (start, end) = (member.start(HERE).expect("an offset"), member.end(HERE).expect("an offset"));
    loop {
        let mut seen = Vec::new();
        let read = member
            .restore(HERE, start, end, &mut |record: Record<'_>| {
                seen.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into());
                Ok(())
            })
            .expect("the state log");
        if read == Restored::Whole {
            return seen;
        }
        assert_eq!(read, Restored::Spoilt, "nobody takes the partition away");
    }
}

/// The bytes of the copy's files, by name.
fn copy(dir: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<(String, u64)> = fs::read_dir(dir.join("state-0"))
        .map(|entries| {
            entries
                .map(|entry| {
                    let entry = entry.expect("an entry");
                    (entry.file_name().to_string_lossy().into(), entry.metadata().expect("a file").len())
                })
                .collect()
        })
        .unwrap_or_default();
    files.sort();
    files
}

#[test]
fn a_restart_reads_the_copy_and_what_came_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(mut config) = created("snapshot", 1) else { return };
    config.snapshot_dir = Some(dir.path().to_path_buf());
    let without = KafkaConfig { snapshot_dir: None, ..config.clone() };
    {
        let broker = KafkaBroker::open(&config).expect("a broker with topics");
        let mut member = broker.join("a").expect("a member");
        let positions = assigned(&mut member);
        let end = member.end(HERE).expect("an offset");
        member.restore(HERE, 0, end, &mut |_| Ok(())).expect("an empty log");
        committed(&mut member, &positions, &["1", "2"]);
    }
    assert_eq!(copy(dir.path()).len(), 1, "the copy of an empty log is begun, too");
    assert_eq!(restored(&config), ["1", "2"]);
    fs::remove_dir_all(dir.path().join("state-0")).expect("a copy");
    assert_eq!(restored(&config), ["1", "2"], "read from Kafka, and copied");
    assert_eq!(copy(dir.path()).len(), 1);
    {
        let broker = KafkaBroker::open(&config).expect("a broker with topics");
        let mut member = broker.join("a").expect("a member");
        let positions = assigned(&mut member);
        let end = member.end(HERE).expect("an offset");
        let mut seen = 0;
        member
            .restore(HERE, 0, end, &mut |_| {
                seen += 1;
                Ok(())
            })
            .expect("the state log");
        assert_eq!(seen, 2);
        committed(&mut member, &positions, &["3"]);
        let polled = member.poll(Lane::Scans, 1, Duration::ZERO).expect("a poll");
        drop(polled);
        committed(&mut member, &positions, &["4", "5"]);
    }
    // The copy has all five: were it not used, a change of a byte of it would not show.
    let whole = copy(dir.path());
    assert_eq!(restored(&config), ["1", "2", "3", "4", "5"]);
    // Somebody else, who copies nothing, goes on.
    {
        let broker = KafkaBroker::open(&without).expect("a broker with topics");
        let mut member = broker.join("a").expect("a member");
        let positions = assigned(&mut member);
        committed(&mut member, &positions, &["6"]);
    }
    assert_eq!(restored(&config), ["1", "2", "3", "4", "5", "6"]);
    assert!(copy(dir.path()).len() > whole.len(), "what came after it is in a segment of its own");

    // Whatever happens to the copy, the same is read.
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage, usize); 3] = [
        ("a flipped bit: it is begun anew", |bytes| *bytes.last_mut().expect("bytes") ^= 1, 1),
        ("cut off: its whole records are continued", |bytes| bytes.truncate(bytes.len() - 1), 2),
        ("nothing left: it is begun anew", Vec::clear, 1),
    ];
    for (name, damage, segments) in damages {
        let first = dir.path().join("state-0").join(&copy(dir.path())[0].0);
        let mut bytes = fs::read(&first).expect("a segment");
        damage(&mut bytes);
        fs::write(&first, bytes).expect("written");
        assert_eq!(restored(&config), ["1", "2", "3", "4", "5", "6"], "{name}");
        assert_eq!(copy(dir.path()).len(), segments, "{name}");
    }
}

/// The same offsets, other records, as when a topic was deleted and made again: the copy is whole, and not the same.
#[test]
fn a_copy_of_another_log_is_not_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(one) = created("anew-one", 1) else { return };
    let Some(other) = created("anew-two", 1) else { return };
    for (config, values) in [(&one, ["1", "2"]), (&other, ["a", "b"])] {
        let config = KafkaConfig { snapshot_dir: Some(dir.path().join(&config.group_id)), ..config.clone() };
        let broker = KafkaBroker::open(&config).expect("a broker with topics");
        let mut member = broker.join("a").expect("a member");
        let positions = assigned(&mut member);
        committed(&mut member, &positions, &values);
        drop(member);
        assert_eq!(restored(&config), values);
    }
    let [segment, foreign] = ["anew-one", "anew-two"].map(|group| {
        let dir = dir.path().join(group);
        dir.join("state-0").join(&copy(&dir)[0].0)
    });
    // The head is that of the right topic; the records are not.
    let (own, theirs) = (fs::read(&segment).expect("a segment"), fs::read(&foreign).expect("a segment"));
    let head = |bytes: &[u8]| 16 + u32::from_le_bytes(bytes[8..12].try_into().expect("four")) as usize;
    fs::write(&segment, [&own[..head(&own)], &theirs[head(&theirs)..]].concat()).expect("written");
    let config = KafkaConfig { snapshot_dir: Some(dir.path().join("anew-one")), ..one };
    assert_eq!(restored(&config), ["1", "2"]);
}
