//! Edge cases of running: crashes, rebalances, reading again, and what is not to hold up others.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockside::engine::log::{Broker, Headers, Log, Outbox, Record, Sim};
use dockside::engine::replay::ReplayTopic;
use dockside::engine::worker::{Worker, WorkerConfig};
use dockside::model::{Partition, Timestamp, Topic};
use dockside::stations::{ClockSource, Rules};
use serde_json::Value;

use super::Slow;
use crate::rules::story::lines;

/// Appends a story to a log of one partition.
fn append(log: &Sim, story: &str) {
    let mut outbox = Outbox::default();
    for line in lines(story) {
        let topic = if line.topic == ReplayTopic::Scans { Topic::Scans } else { Topic::Commands };
        let value = line.value.as_deref().unwrap_or(br#"{"type":"tick"}"#);
        outbox.push(topic, Partition(0), line.timestamp, line.key.as_deref(), Some(value), &[]);
    }
    log.append(&outbox).expect("in memory");
}

fn worker<L: Log>(member: L) -> Worker<L> {
    let config =
        WorkerConfig { clock: ClockSource::Input, close_when_drained: true, ..WorkerConfig::default() };
    Worker::new(member, Arc::new(Rules::embedded()), config)
}

fn turn<L: Log>(worker: &mut Worker<L>) {
    (0..10).for_each(|_| drop(worker.turn(Timestamp(0)).expect("in memory")));
}

/// Everything that a topic holds, in order: key, value, and the reason of a dead letter.
fn read(log: &Sim, topic: Topic) -> Vec<(String, Value, String)> {
    let mut all = Vec::new();
    let mut sink = |record: Record<'_>, headers: Headers<'_>| {
        let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        let value = serde_json::from_slice(record.value.unwrap_or_default()).unwrap_or_default();
        let reason = headers.iter().find(|(name, _)| *name == "dockside.reason");
        let reason = reason.map_or(String::new(), |(_, value)| String::from_utf8_lossy(value).into_owned());
        all.push((key, value, reason));
    };
    log.read_with_headers(topic, Partition(0), 0, 1_000_000, &mut sink).expect("in memory");
    all
}

/// The versions that were told of each plan line.
fn versions(log: &Sim) -> BTreeMap<String, Vec<u64>> {
    let mut versions = BTreeMap::<String, Vec<u64>>::new();
    for (key, value, _) in read(log, Topic::ReceivingPlan) {
        versions.entry(key).or_default().push(value["version"].as_u64().expect("a version"));
    }
    versions
}

fn outputs(log: &Sim) -> Vec<Vec<(String, Value, String)>> {
    Topic::OUTPUTS.iter().map(|topic| read(log, *topic)).collect()
}

const SHIPPED: &str = "given shipped";
const ON_ITS_WAY: &str = "11-02T10:00 scan #0 PICKED_UP; 11-03T10:00 scan #0 IN_TRANSIT eta=11-06T00:00";

#[test]
fn ops_1_a_crash_before_the_commit_is_not_seen() {
    let calm = Sim::new(1);
    let mut hand = worker(calm.join("a").expect("in memory"));
    for story in [SHIPPED, ON_ITS_WAY] {
        append(&calm, story);
        turn(&mut hand);
    }

    let log = Sim::new(1);
    append(&log, SHIPPED);
    let mut hand = worker(log.join("a").expect("in memory"));
    turn(&mut hand);
    drop(hand);
    // It has computed the epoch, and its state with it, when it ends.
    append(&log, ON_ITS_WAY);
    let mut hand = worker(Slow {
        member: log.join("a").expect("in memory"),
        records_max: 0,
        committed: 0,
        tried: vec![],
    });
    turn(&mut hand);
    assert_eq!(versions(&log)["ICT2|S"], [1], "nothing of it was committed");
    drop(hand);
    let mut hand = worker(log.join("a").expect("in memory"));
    turn(&mut hand);
    assert_eq!(versions(&log)["ICT2|S"], [1, 2], "one visible version each");
    assert_eq!(outputs(&log), outputs(&calm));
}

#[test]
fn ops_1_after_a_rebalance_the_version_goes_on() {
    let log = Sim::new(1);
    append(&log, SHIPPED);
    let mut hand = worker(log.join("a").expect("in memory"));
    turn(&mut hand);
    drop(hand.shutdown().expect("in memory"));
    append(&log, ON_ITS_WAY);
    let mut hand = worker(log.join("b").expect("in memory"));
    turn(&mut hand);
    assert_eq!(versions(&log)["ICT2|S"], [1, 2]);
}

#[test]
fn ops_1_read_again_from_the_beginning_it_is_the_same() {
    let [first, again] = [(); 2].map(|()| {
        let log = Sim::new(1);
        append(&log, &format!("{SHIPPED}; {ON_ITS_WAY}; 11-06T09:00 scan #0 DELIVERED; 11-07T09:00 tick"));
        let mut hand = worker(log.join("a").expect("in memory"));
        turn(&mut hand);
        outputs(&log)
    });
    assert_eq!(first, again);
    assert!(first.iter().map(Vec::len).sum::<usize>() > 8, "something was written");
}

#[test]
fn ops_2_poison_is_told_at_once_and_holds_up_nobody() {
    let log = Sim::new(1);
    let poison = "11-02T10:00 raw scans {broken";
    append(&log, &format!("{SHIPPED}; {poison}; {ON_ITS_WAY}; {poison}"));
    let mut hand = worker(log.join("a").expect("in memory"));
    turn(&mut hand);
    let reasons: Vec<String> =
        read(&log, Topic::DeadLetters).into_iter().map(|(_, _, reason)| reason).collect();
    assert_eq!(reasons, ["BAD_JSON", "BAD_JSON"], "once for each record");
    let (_, plan, _) = read(&log, Topic::ReceivingPlan).pop().expect("a plan line");
    assert_eq!(plan["status"], "IN_TRANSIT");
    turn(&mut hand);
    assert_eq!(read(&log, Topic::DeadLetters).len(), 2, "nobody tries again");
}

#[test]
fn ops_2_a_pro_that_is_scanned_all_the_time_holds_up_no_other() {
    let log = Sim::new(1);
    let hot: Vec<String> = (0..5_000)
        .map(|n| {
            format!(
                "11-02T10:00 scan 123456782 IN_TRANSIT carrier=ABF at=11-02T09:{:02}:{:02}",
                n / 60 % 60,
                n % 60
            )
        })
        .collect();
    append(
        &log,
        "given hauled; 11-01T03:00 create in=T; 11-01T04:00 confirm in=T; 11-01T05:00 track in=T B1=#0 B2=#1",
    );
    append(&log, &format!("{}; 11-02T10:01 scan #0 PICKED_UP", hot.join("; ")));
    let mut hand = worker(log.join("a").expect("in memory"));
    while log.lag().expect("in memory") > 0 {
        hand.turn(Timestamp(0)).expect("in memory");
    }
    // A document of a shipment waits ten seconds for more.
    append(&log, "11-02T10:20 tick");
    turn(&mut hand);
    let versions = versions(&log);
    assert_eq!(versions["ICT2|T"], versions["ICT2|S"], "both are told with the epochs that read them");
    let (_, shipment, _) =
        read(&log, Topic::Shipments).into_iter().rfind(|(key, _, _)| key == "T").expect("a document");
    assert_eq!(shipment["boxes"][0]["milestone"], "PICKED_UP");
}

#[test]
fn ops_2_five_thousand_boxes_in_ten_shipments_are_one_epoch_like_any_other() {
    let log = Sim::new(1);
    for shipment in 0..10 {
        let ids: Vec<String> = (0..500).map(|n| format!("X{n}")).collect();
        let items: Vec<String> = (0..500).map(|n| format!("X{n}=#{}", shipment * 500 + n)).collect();
        append(
            &log,
            &format!(
                "11-01T00:00 create in=S{shipment} boxes={}; 11-01T01:00 confirm in=S{shipment}; 11-01T02:00 track in=S{shipment} {}",
                ids.join(","),
                items.join(" ")
            ),
        );
    }
    append(&log, "given shipped");
    let mut hand = worker(log.join("a").expect("in memory"));
    turn(&mut hand);
    let versions = versions(&log);
    assert_eq!(versions.len(), 11, "{versions:?}");
    assert!(versions.values().all(|told| told == &[1]), "{versions:?}");
}
