//! The example of the README: it prints exactly what is documented, and the order of its scans does not matter.

use std::collections::BTreeMap;

use dockside::engine::log::export::render;
use dockside::engine::replay::{OutputRecord, Replay, ReplayLine};
use dockside::model::Topic;
use dockside::stations::Rules;

fn lines(text: &str) -> Vec<ReplayLine> {
    text.lines().map(|line| ReplayLine::parse(line).expect("a replay line")).collect()
}

fn told(lines: &[ReplayLine]) -> Vec<OutputRecord> {
    let mut replay = Replay::new(Rules::embedded());
    let mut out = Vec::new();
    for line in lines {
        replay.tell(line, &mut |record| out.push(record.clone()));
    }
    out
}

fn printed(records: &[OutputRecord]) -> String {
    let mut text = String::new();
    for record in records {
        let headers: Vec<(&str, &[u8])> = record.headers.iter().map(|(n, v)| (*n, v.as_slice())).collect();
        text += &render(record.topic, record.key.as_deref(), record.value.as_deref(), &headers);
        text.push('\n');
    }
    text
}

#[test]
fn the_example_prints_what_is_documented() {
    let input = include_str!("../../docs/examples/three-boxes.ndjson");
    let output = printed(&told(&lines(input)));
    if std::env::var_os("BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/three-boxes.out.ndjson");
        std::fs::write(path, &output).expect("a writable checkout");
    }
    assert_eq!(output, include_str!("../../docs/examples/three-boxes.out.ndjson"));
}

/// The latest value per key, without what may differ between orders.
fn state(records: &[OutputRecord]) -> BTreeMap<(Topic, String), serde_json::Value> {
    let mut latest = BTreeMap::new();
    for record in records.iter().filter(|record| Topic::COMPACTED.contains(&record.topic)) {
        let key =
            (record.topic, String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned());
        match &record.value {
            None => {
                latest.remove(&key);
            }
            Some(value) => {
                let mut value: serde_json::Value = serde_json::from_slice(value).expect("documents are JSON");
                for field in ["version", "cause", "caused_by"] {
                    value.as_object_mut().expect("an object").remove(field);
                }
                for shown in value.pointer_mut("/boxes").and_then(|b| b.as_array_mut()).into_iter().flatten()
                {
                    for milestone in shown["milestones"].as_object_mut().expect("an object").values_mut() {
                        milestone["source"].take();
                    }
                }
                latest.insert(key, value);
            }
        }
    }
    latest
}

#[test]
fn the_examples_scans_reversed_end_in_the_same_state() {
    let mut records = lines(include_str!("../../docs/examples/three-boxes.ndjson"));
    let straight = state(&told(&records));
    let first_scan = 3;
    let times: Vec<_> = records[first_scan..].iter().map(|line| line.timestamp).collect();
    records[first_scan..].reverse();
    // Told later, they must not look like scans of the future.
    let last = *times.last().expect("scans");
    records[first_scan..].iter_mut().for_each(|line| line.timestamp = last);
    assert_eq!(state(&told(&records)), straight);
    let topics: Vec<Topic> = straight.keys().map(|(topic, _)| *topic).collect();
    use Topic::{Accounts, Arrivals, ReceivingPlan, Shipments};
    assert_eq!(topics, [Shipments, ReceivingPlan, Arrivals, Arrivals, Accounts]);
}
