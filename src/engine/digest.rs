//! The digest of a run: one line that says whether two runs left the same documents.
//!
//! Enters: records of the compacted output topics, in the order in which they were committed. Leaves: SHA-256, in
//! hex, over the latest value per key of `shipments`, `receiving-plan`, `arrivals`, `problems` and `accounts`, sorted
//! by topic and key. Always true: what depends on batches and partitions is left out (`version`, `cause`, `caused_by`,
//! and the `source` of a milestone; the `source` of an expectation stays), and so is everything about the spelling of JSON:
//! the order of keys and white space.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::Topic;

/// The digest over the latest value per key. `documents` are `(topic, key, value)`; of several values of one key the
/// last counts, `null` deletes, and other topics do not count.
pub fn digest<'a, V: Borrow<Value>>(documents: impl Iterator<Item = (&'a str, &'a str, V)>) -> String {
    let mut latest = BTreeMap::new();
    for (topic, key, value) in documents {
        if Topic::COMPACTED.iter().all(|compacted| compacted.name() != topic) {
            continue;
        }
        match value.borrow() {
            Value::Null => drop(latest.remove(&(topic, key))),
            value => drop(latest.insert((topic, key), canonical(&comparable(value)))),
        }
    }
    let mut hash = Sha256::new();
    for ((topic, key), value) in latest {
        // Neither keys nor canonical JSON hold a control character, so the parts cannot run into each other.
        for part in [topic, "\t", key, "\t", &value, "\n"] {
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

/// A document without what depends on batches and partitions.
pub fn comparable(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(fields) = document.as_object_mut() {
        for name in ["version", "cause", "caused_by"] {
            fields.remove(name);
        }
    }
    remove_milestone_sources(&mut document);
    document
}

fn remove_milestone_sources(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Object(milestones) if name == "milestones" => {
                        for milestone in milestones.values_mut().filter_map(Value::as_object_mut) {
                            milestone.remove("source");
                        }
                    }
                    _ => remove_milestone_sources(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(remove_milestone_sources),
        _ => {}
    }
}

/// JSON with sorted keys and no white space.
pub fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
                out.push('{');
                for (i, (name, field)) in sorted.into_iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push(':');
                    write(field, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    write(item, out);
                }
                out.push(']');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// What a consumer of the compacted topics holds after reading them: the latest value per key.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    values: BTreeMap<(&'static str, String), Box<[u8]>>,
}

impl Latest {
    /// Takes a committed record, in the order of commits. Records of topics that are not compacted are passed over.
    pub fn feed(&mut self, topic: Topic, key: &str, value: Option<&[u8]>) {
        if !Topic::COMPACTED.contains(&topic) {
            return;
        }
        match value {
            Some(bytes) => self.values.insert((topic.name(), key.to_owned()), bytes.into()),
            None => self.values.remove(&(topic.name(), key.to_owned())),
        };
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The documents as bytes, sorted by topic and key.
    pub fn bytes(&self) -> impl Iterator<Item = (&str, &str, &[u8])> {
        self.values.iter().map(|((topic, key), bytes)| (*topic, key.as_str(), &**bytes))
    }

    /// The documents, sorted by topic and key. Panics on a document that is no JSON: none of ours is.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &str, Value)> {
        self.bytes().map(|(topic, key, bytes)| {
            let value = serde_json::from_slice(bytes)
                .unwrap_or_else(|error| panic!("{topic} {key} holds no JSON: {error}"));
            (topic, key, value)
        })
    }

    /// The digest of what was fed so far.
    pub fn digest(&self) -> String {
        digest(self.documents())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest_of(documents: &[(&str, &str, Value)]) -> String {
        digest(documents.iter().map(|(topic, key, value)| (*topic, *key, value)))
    }

    #[test]
    fn only_what_a_consumer_sees_counts() {
        let shipment = |version: u64, source: Value, at: &str, confidence: &str| {
            json!({"shipment_id": "S", "version": version, "boxes": [{"milestones": {"DELIVERED": {"at": at, "source": source}}}],
                   "expected": {"source": confidence}})
        };
        let base = digest_of(&[("shipments", "S", shipment(1, json!("scans-0@1"), "t", "WINDOW"))]);
        assert_eq!(base.len(), 64);
        for (name, same, documents) in [
            ("version and source", true, vec![("shipments", "S", shipment(7, json!(null), "t", "WINDOW"))]),
            (
                "the last value counts",
                true,
                vec![
                    ("shipments", "S", shipment(1, json!(null), "u", "NONE")),
                    ("shipments", "S", shipment(2, json!(null), "t", "WINDOW")),
                ],
            ),
            (
                "results and tombstones",
                true,
                vec![
                    ("shipments", "S", shipment(1, json!(null), "t", "WINDOW")),
                    ("command-results", "S", json!({"outcome": "ACCEPTED"})),
                    ("problems", "S:X", json!({})),
                    ("problems", "S:X", Value::Null),
                ],
            ),
            ("time", false, vec![("shipments", "S", shipment(1, json!(null), "u", "WINDOW"))]),
            ("expected.source", false, vec![("shipments", "S", shipment(1, json!(null), "t", "NONE"))]),
            ("key", false, vec![("shipments", "T", shipment(1, json!(null), "t", "WINDOW"))]),
            ("topic", false, vec![("problems", "S", shipment(1, json!(null), "t", "WINDOW"))]),
            ("nothing", false, vec![]),
        ] {
            assert_eq!(digest_of(&documents) == base, same, "{name}");
        }
    }

    #[test]
    fn the_collector_agrees_with_the_list() {
        let mut latest = Latest::default();
        latest.feed(Topic::Accounts, "A", Some(br#"{"b": 1, "a": [true, null, "x\n"]}"#));
        latest.feed(Topic::Accounts, "B", Some(b"{}"));
        latest.feed(Topic::Accounts, "B", None);
        latest.feed(Topic::DeadLetters, "A", Some(b"no JSON"));
        assert_eq!(latest.len(), 1);
        let document = json!({"a": [true, null, "x\n"], "b": 1});
        assert_eq!(latest.digest(), digest_of(&[("accounts", "A", document.clone())]));
        assert_eq!(canonical(&document), r#"{"a":[true,null,"x\n"],"b":1}"#);
    }
}
