//! What a run came to: the books of the scans, the documents and their digest.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::engine::digest::Latest;
use crate::engine::log::{Broker, LogError};
use crate::model::{DeadLetterReason, Ignored, Partition, Topic};
use crate::stations::Counters;

/// The books: everything that was read, by what became of it (R18).
#[derive(Debug, Serialize)]
pub(super) struct Books {
    read: u64,
    applied: u64,
    duplicate: u64,
    ignored: BTreeMap<&'static str, u64>,
    parked: u64,
    dead_lettered: BTreeMap<&'static str, u64>,
    commands: u64,
    commands_rejected: u64,
    bad_commands: u64,
    unknown_codes: u64,
    bounds_hit: u64,
    interchange_warnings: u64,
    registrations_refused: u64,
    ledger_refused: u64,
    gates_refused: u64,
    timestamps_clamped: u64,
    /// Whether nothing is missing.
    pub(super) balanced: bool,
}

impl Books {
    pub(super) fn new(counters: &Counters) -> Books {
        let reasons = DeadLetterReason::ALL.iter().zip(&counters.dead_lettered);
        Books {
            read: counters.read,
            applied: counters.applied,
            duplicate: counters.duplicate,
            ignored: Ignored::ALL.iter().zip(&counters.ignored).map(|(why, n)| (why.name(), *n)).collect(),
            parked: counters.parked,
            dead_lettered: reasons.filter(|(_, n)| **n > 0).map(|(why, n)| (why.code(), *n)).collect(),
            commands: counters.commands,
            commands_rejected: counters.commands_rejected,
            bad_commands: counters.bad_commands,
            unknown_codes: counters.unknown_codes,
            bounds_hit: counters.bounds_hit,
            interchange_warnings: counters.interchange_warnings,
            registrations_refused: counters.registrations_refused,
            ledger_refused: counters.ledger_refused,
            gates_refused: counters.gates_refused,
            timestamps_clamped: counters.timestamps_clamped,
            balanced: counters.read == counters.accounted(),
        }
    }

    pub(super) fn text(&self, out: &mut String) {
        let sum = |parts: &BTreeMap<&str, u64>| parts.values().sum::<u64>();
        let list = |parts: &BTreeMap<&str, u64>| {
            let parts: Vec<String> = parts
                .iter()
                .filter(|(_, n)| **n > 0)
                .map(|(why, n)| format!("{why} {}", grouped(*n)))
                .collect();
            if parts.is_empty() { String::new() } else { format!("  ({})", parts.join(", ")) }
        };
        row(out, "scans read", self.read, "");
        row(out, "  applied", self.applied, "");
        row(out, "  duplicate", self.duplicate, "");
        row(out, "  ignored", sum(&self.ignored), &list(&self.ignored));
        row(out, "  parked", self.parked, "");
        row(out, "  dead-lettered", sum(&self.dead_lettered), &list(&self.dead_lettered));
        row(out, "commands", self.commands, &format!("  ({} rejected)", grouped(self.commands_rejected)));
        if !self.balanced {
            out.push_str("the books do not balance: this is a defect, please report it\n");
        }
    }
}

/// What stands in the output topics.
#[derive(Debug, Serialize)]
pub(super) struct Documents {
    /// Records per output topic.
    outputs: BTreeMap<&'static str, u64>,
    /// Shipments by status.
    shipments: BTreeMap<String, u64>,
    /// Problems by kind.
    problems: BTreeMap<String, u64>,
    /// §10: the same for any partitions, batches and order.
    pub(super) digest: String,
}

impl Documents {
    /// Reads all committed outputs.
    pub(super) fn read<B: Broker>(broker: &B) -> Result<Documents, LogError> {
        let mut latest = Latest::default();
        let mut outputs = BTreeMap::new();
        for topic in Topic::OUTPUTS {
            let mut count = 0;
            for partition in 0..broker.partitions() {
                let mut from = 0;
                loop {
                    let mut batch = 0_u64;
                    let next = broker.read(topic, Partition(partition), from, 10_000, &mut |record| {
                        batch += 1;
                        let key = String::from_utf8_lossy(record.key.unwrap_or_default());
                        latest.feed(topic, &key, record.value);
                    })?;
                    count += batch;
                    if next == from {
                        break;
                    }
                    from = next;
                }
            }
            outputs.insert(topic.name(), count);
        }
        let mut documents = Documents {
            outputs,
            shipments: BTreeMap::new(),
            problems: BTreeMap::new(),
            digest: latest.digest(),
        };
        for (topic, _, document) in latest.documents() {
            let is_first_page = document.get("page").is_none_or(|page| *page == 1);
            let (field, counts) = match topic {
                "shipments" if is_first_page => ("status", &mut documents.shipments),
                "problems" => ("kind", &mut documents.problems),
                _ => continue,
            };
            let name = document.get(field).and_then(Value::as_str).unwrap_or("?").to_owned();
            *counts.entry(name).or_insert(0) += 1;
        }
        Ok(documents)
    }

    pub(super) fn text(&self, out: &mut String) {
        for (title, counts) in [("shipments", &self.shipments), ("problems", &self.problems)] {
            row(out, title, counts.values().sum(), "");
            for (name, n) in counts {
                row(out, &format!("  {name}"), *n, "");
            }
        }
        row(out, "records written", self.outputs.values().sum(), "");
        for (name, n) in &self.outputs {
            row(out, &format!("  {name}"), *n, "");
        }
        let _ = writeln!(out, "digest {}", self.digest);
    }
}

/// A line of a name and a number.
pub(super) fn row(out: &mut String, name: &str, n: u64, rest: &str) {
    let _ = writeln!(out, "{name:<28}{:>14}{rest}", grouped(n));
}

/// A number with its thousands apart.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        for (n, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), want);
        }
    }
}
