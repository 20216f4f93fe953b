//! What a story came to: the latest documents, the answers and the books, as short texts.
//!
//! Enters: replay lines. Leaves: a [`Played`] world that answers `plan.window.verdict` and the like. Always true, of every
//! story: the laws of [`Played::obeys_the_laws`].

use std::collections::BTreeMap;

use dockside::engine::digest::comparable;
use dockside::engine::replay::{OutputRecord, Replay, ReplayLine};
use dockside::model::{DeadLetterReason, Ignored, Topic};
use dockside::stations::{Counters, Gauges, Rules};
use serde_json::Value;

/// A world after a story.
#[derive(Debug)]
pub(crate) struct Played {
    documents: BTreeMap<(Topic, String), Value>,
    answers: Vec<Value>,
    letters: Vec<String>,
    counters: Counters,
    gauges: Gauges,
    /// What the last line emitted.
    last: Vec<OutputRecord>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Plays the lines under the embedded rules.
pub(crate) fn play(lines: &[ReplayLine]) -> Played {
    play_under(Rules::embedded(), lines)
}

/// Plays the lines.
pub(crate) fn play_under(rules: Rules, lines: &[ReplayLine]) -> Played {
    let mut replay = Replay::new(rules);
    let mut played = Played {
        documents: BTreeMap::new(),
        answers: Vec::new(),
        letters: Vec::new(),
        counters: Counters::default(),
        gauges: Gauges::default(),
        last: Vec::new(),
    };
    for line in lines {
        played.last.clear();
        replay.tell(line, &mut |record| played.last.push(record.clone()));
        played.take();
    }
    played.counters = replay.stations().counters().clone();
    played.gauges = replay.stations().gauges();
    played.obeys_the_laws();
    played
}

impl Played {
    /// Takes over what the last line emitted.
    fn take(&mut self) {
        for record in &self.last {
            match (record.topic, &record.value) {
                (Topic::CommandResults, Some(value)) => {
                    self.answers.push(serde_json::from_slice(value).expect("JSON"));
                }
                (Topic::DeadLetters, _) => self.letters.push(text(&record.headers[0].1)),
                (topic, value) => {
                    let key = (topic, text(record.key.as_deref().expect("documents have keys")));
                    let value = value.as_deref().map(|value| serde_json::from_slice(value).expect("JSON"));
                    follows(&key, self.documents.get(&key), value.as_ref());
                    match value {
                        Some(value) => drop(self.documents.insert(key, value)),
                        None => drop(self.documents.remove(&key)),
                    }
                }
            }
        }
    }

    fn of(&self, topic: Topic) -> impl Iterator<Item = (&str, &Value)> {
        self.documents.iter().filter(move |((t, _), _)| *t == topic).map(|((_, key), value)| (&**key, value))
    }

    /// What must hold after any story.
    fn obeys_the_laws(&self) {
        assert_eq!(self.counters.read, self.counters.accounted(), "R18");
        for (key, line) in self.of(Topic::ReceivingPlan) {
            let counts = line["boxes"]["by_milestone"].as_object().expect("counts");
            let sum: u64 = counts.values().map(|n| n.as_u64().expect("a count")).sum();
            assert_eq!(line["boxes"]["total"], sum, "{key}: boxes by milestone");
            let shipment =
                &self.documents[&(Topic::Shipments, key.split('|').next_back().expect("a key").to_owned())];
            for field in ["status", "fc", "window", "expected", "milestone", "carrier"] {
                assert_eq!(line[field], shipment[field], "{key}: plan and shipment agree on {field}");
            }
        }
        let listed = self.of(Topic::Shipments).filter(|(_, shipment)| shipment["page"] == 1);
        let listed = listed.flat_map(|(_, shipment)| shipment["problems"].as_array().expect("a list"));
        let listed: Vec<&str> = listed.map(|id| id.as_str().expect("an ID")).collect();
        let present: Vec<&str> = self.of(Topic::Problems).map(|(key, _)| key).collect();
        assert_eq!(listed, present, "problems");
        for (key, total) in self.of(Topic::Arrivals) {
            let bands = total["by_band"].as_object().expect("bands").values();
            let sum: u64 = bands.map(|n| n.as_u64().expect("a count")).sum();
            assert_eq!(total["boxes"], sum, "{key}: boxes by band");
        }
    }

    /// The documents without what may differ between orders of the same scans.
    pub(crate) fn state(&self) -> BTreeMap<(Topic, String), Value> {
        self.documents.iter().map(|(key, value)| (key.clone(), comparable(value))).collect()
    }

    /// The answers to the commands, as they went out.
    pub(crate) fn answers(&self) -> &[Value] {
        &self.answers
    }

    /// What stands at a path such as `box(B1).milestone` or `counts`.
    pub(crate) fn says(&self, path: &str) -> String {
        let (head, fields) = match path.find(['.', '(']) {
            Some(at) if path[at..].starts_with('(') => {
                let end = path.find(')').expect("a closing parenthesis");
                ((&path[..at], &path[at + 1..end]), path[end + 1..].trim_start_matches('.'))
            }
            Some(at) => ((&path[..at], ""), &path[at + 1..]),
            None => ((path, ""), ""),
        };
        let or =
            |name: &str, default: &str| if name.is_empty() { default.to_owned() } else { name.to_owned() };
        let document = |topic, key: String| self.documents.get(&(topic, key));
        let found = match head {
            ("answer", _) => return self.answers.last().map(answer).expect("a command"),
            ("answers", _) => return joined(self.answers.iter().map(answer), " / "),
            ("counts", _) => return counts(&self.counters),
            ("unknown", _) => {
                let codes = self.counters.unknown.iter();
                return joined(codes.map(|(of, scans)| format!("{}/{}={scans}", of.code_set, of.code)), " ");
            }
            ("held", _) => return held(&self.gauges),
            ("refused", _) => return self.counters.registrations_refused.to_string(),
            ("letters", _) => return joined(self.letters.iter().cloned(), " "),
            ("emitted", _) => return self.emitted(),
            ("shipment", name) => document(Topic::Shipments, or(name, "S")),
            ("plan", name) if name.contains('|') => document(Topic::ReceivingPlan, name.to_owned()),
            ("plan", name) => document(Topic::ReceivingPlan, format!("ICT2|{}", or(name, "S"))),
            ("arrivals", name) if name.contains('|') => document(Topic::Arrivals, name.to_owned()),
            ("arrivals", "") => document(Topic::Arrivals, "ICT2|UNSCHEDULED|SPD".to_owned()),
            ("arrivals", day) => document(Topic::Arrivals, format!("ICT2|2026-{day}|SPD")),
            ("problem", kind) if kind.contains(':') => document(Topic::Problems, kind.to_owned()),
            ("problem", kind) => document(Topic::Problems, format!("S:{kind}")),
            ("account", name) => document(Topic::Accounts, or(name, "A")),
            ("box", name) => {
                let (shipment, id) = name.split_once('/').unwrap_or(("S", name));
                let pages =
                    self.of(Topic::Shipments).filter(|(key, _)| key.split('|').next() == Some(shipment));
                let boxes = pages.flat_map(|(_, page)| page["boxes"].as_array().expect("boxes"));
                boxes.into_iter().find(|shown| shown["box_id"] == id)
            }
            _ => panic!("no such document: {path}"),
        };
        let Some(mut value) = found else { return "absent".to_owned() };
        if head.0 == "box" && fields.starts_with(|c: char| c.is_ascii_uppercase()) {
            return value["milestones"].get(fields).map_or("absent".to_owned(), |shown| show(&shown["at"]));
        }
        for field in fields.split('.').filter(|field| !field.is_empty()) {
            value = value.get(field).unwrap_or_else(|| panic!("{path}: no field {field}"));
        }
        show(value)
    }

    fn emitted(&self) -> String {
        let one = |record: &OutputRecord| {
            let gone = if record.value.is_none() { "-" } else { "" };
            format!("{}:{gone}{}", record.topic.name(), text(record.key.as_deref().unwrap_or_default()))
        };
        joined(self.last.iter().map(one), " ")
    }
}

/// All of them; `none` when there is none.
fn joined(items: impl Iterator<Item = String>, separator: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(separator) }
}

/// No message without a visible change, no tombstone of nothing, and contiguous versions.
fn follows(key: &(Topic, String), before: Option<&Value>, now: Option<&Value>) {
    let Some(now) = now else {
        assert!(before.is_some(), "{key:?}: a tombstone of nothing");
        return;
    };
    if let Some(before) = before {
        assert_ne!(comparable(before), comparable(now), "{key:?}: nothing changed");
        // Page 2 and on appear and go with the boxes.
        if matches!(key.0, Topic::Shipments | Topic::ReceivingPlan) {
            let version = |document: &Value| document["version"].as_u64().expect("a version");
            assert_eq!(version(now), version(before) + 1, "{key:?}");
        }
    }
}

/// A value in few characters: times of 2026 without what is plain, lists with commas.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => short(text),
        Value::Array(items) => joined(items.iter().map(show), ","),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{name}:{}", show(field))).collect();
            fields.join(" ")
        }
        plain => plain.to_string(),
    }
}

fn short(text: &str) -> String {
    let Some(rest) = text.strip_prefix("2026-").filter(|_| text.ends_with('Z')) else {
        return text.to_owned();
    };
    let rest = rest.trim_end_matches('Z');
    rest.strip_suffix(":00").unwrap_or(rest).to_owned()
}

/// `ok`, or the errors; then the warnings, with boxes.
fn answer(result: &Value) -> String {
    let remarks = |list: &str| {
        let remarks = result[list].as_array().expect("a list").iter();
        let one = |remark: &Value| match remark["box_id"].as_str() {
            Some(id) => format!("{}({id})", show(&remark["code"])),
            None => show(&remark["code"]),
        };
        remarks.map(one).collect::<Vec<_>>()
    };
    let accepted = result["outcome"] == "ACCEPTED";
    assert_eq!(accepted, remarks("errors").is_empty(), "{result}");
    let words = accepted.then(|| "ok".to_owned()).into_iter().chain(remarks("errors"));
    words.chain(remarks("warnings")).collect::<Vec<_>>().join(" ")
}

/// What was counted at all, in the order of R18.
fn counts(counters: &Counters) -> String {
    let mut all =
        vec![("read", counters.read), ("applied", counters.applied), ("duplicate", counters.duplicate)];
    all.extend(Ignored::ALL.iter().map(|reason| (reason.name(), counters.ignored[*reason as usize])));
    all.push(("parked", counters.parked));
    let dead = DeadLetterReason::ALL.iter();
    all.extend(dead.map(|reason| (reason.code(), counters.dead_lettered[*reason as usize])));
    numbered(all)
}

/// What is kept at all.
fn held(gauges: &Gauges) -> String {
    let Gauges { shipments, boxes, numbers, parked_numbers, .. } = *gauges;
    numbered(vec![
        ("shipments", shipments),
        ("boxes", boxes),
        ("numbers", numbers),
        ("parked_numbers", parked_numbers),
    ])
}

/// Those that are not zero.
fn numbered(all: Vec<(&'static str, u64)>) -> String {
    let counted = all.into_iter().filter(|(_, count)| *count > 0);
    joined(counted.map(|(name, count)| format!("{name}={count}")), " ")
}
