//! Little worlds as tables: a script of records in, single fields of the documents out.
//!
//! Enters: lines made by [`command`], [`scan`] and [`tick`], with times such as `11-05T09:12` (of 2026, UTC). Leaves: a [`Played`]
//! world that answers what a document says at a path. Always true: `absent()` is what a tombstoned document says.

use std::sync::LazyLock;

use dockside::carriers::Catalogue;
use dockside::model::{CommandErrorCode, Fcs, Outcome, Settings, Timestamp, Topic};
use serde_json::{Value, json};

use super::{Input, InputTopic, Twin, TwinResult};

/// UPS numbers with good check digits.
pub(crate) const N: [&str; 4] =
    ["1Z5R89390357567127", "1Z5R89390357567136", "1Z12345E6605272234", "1Z999AA10123456784"];

pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(&long(text)).unwrap_or_else(|| panic!("no time: {text}"))
}

/// `11-05T09:12` in full.
pub(crate) fn long(text: &str) -> String {
    if text.starts_with("20") { text.to_owned() } else { format!("2026-{text}:00Z") }
}

fn merge(base: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    base.as_object_mut().expect("a base is an object").extend(fields);
}

fn record(topic: InputTopic, at: &str, value: &Value) -> Input {
    Input { topic, timestamp: time(at), value: value.to_string().into_bytes() }
}

/// A command for shipment `S` unless `fields` say otherwise; its ID is its type and time.
pub(crate) fn command(at: &str, kind: &str, fields: Value) -> Input {
    let mut value = json!({"command_id": format!("{kind}@{at}"), "type": kind, "shipment_id": "S"});
    merge(&mut value, fields);
    record(InputTopic::Commands, at, &value)
}

/// `create_shipment`: SPD, UPS, two boxes of 10 units, no penalty for omissions.
pub(crate) fn create(at: &str, fields: Value) -> Input {
    let mut all = json!({"account": "A", "fc": "ICT2", "mode": "SPD", "carrier": "UPS", "partnered": false,
        "boxes": [parcel("B1"), parcel("B2")], "pallets": 0,
        "delivery_window": {"start": long("11-05T00:00"), "end": long("11-08T00:00")}});
    merge(&mut all, fields);
    command(at, "create_shipment", all)
}

pub(crate) fn parcel(id: &str) -> Value {
    json!({"box_id": id, "units": 10, "weight_g": 500})
}

/// `set_tracking` of (box, number) pairs.
pub(crate) fn track(at: &str, items: &[(&str, Value)]) -> Input {
    let items: Vec<Value> =
        items.iter().map(|(id, number)| json!({"box_id": id, "tracking_id": number})).collect();
    command(at, "set_tracking", json!({"items": items}))
}

pub(crate) fn confirm(at: &str) -> Input {
    command(at, "confirm_ready", json!({}))
}

/// Created, confirmed and tracked with `N[0]` and `N[1]`: shipped.
pub(crate) fn shipped() -> Vec<Input> {
    vec![
        create("11-01T00:00", json!({})),
        confirm("11-01T01:00"),
        track("11-01T02:00", &[("B1", N[0].into()), ("B2", N[1].into())]),
    ]
}

/// A UPS scan that arrives an hour after it happened.
pub(crate) fn scan(event_at: &str, number: &str, milestone: &str, fields: Value) -> Input {
    let mut value = json!({"carrier": "UPS", "tracking_id": number, "milestone": milestone,
        "event_time": long(event_at)});
    merge(&mut value, fields);
    let timestamp = time(event_at).plus_ms(3_600_000);
    Input { timestamp, ..record(InputTopic::Scans, event_at, &value) }
}

/// A scan that arrives at `at`.
pub(crate) fn late(at: &str, scan: Input) -> Input {
    Input { timestamp: time(at), ..scan }
}

pub(crate) fn tick(at: &str) -> Input {
    record(InputTopic::Tick, at, &json!({"type": "tick"}))
}

/// What stands where nothing is.
pub(crate) fn absent() -> Value {
    "<absent>".into()
}

pub(crate) struct Played {
    pub(crate) result: TwinResult,
}

pub(crate) fn play(script: impl IntoIterator<Item = Input>) -> Played {
    play_with(Settings { grace_ms: 0, ..Settings::default() }, script)
}

pub(crate) fn play_with(settings: Settings, script: impl IntoIterator<Item = Input>) -> Played {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::embedded);
    let inputs: Vec<Input> = script.into_iter().collect();
    let twin = Twin::new(settings, CATALOGUE.clone(), Fcs::embedded());
    Played { result: twin.run(&inputs) }
}

impl Played {
    /// What the document says at a JSON pointer; an empty one is the whole document.
    pub(crate) fn says(&self, topic: Topic, key: &str, pointer: &str) -> Value {
        let document = self.result.documents.get(&(topic, key.to_owned()));
        document.and_then(|document| document.pointer(pointer)).cloned().unwrap_or_else(absent)
    }

    pub(crate) fn shipment(&self, pointer: &str) -> Value {
        self.says(Topic::Shipments, "S", pointer)
    }

    pub(crate) fn plan(&self, pointer: &str) -> Value {
        self.says(Topic::ReceivingPlan, "ICT2|S", pointer)
    }

    pub(crate) fn arrivals(&self, day: &str, pointer: &str) -> Value {
        self.says(Topic::Arrivals, &format!("ICT2|{day}|SPD"), pointer)
    }

    pub(crate) fn problem(&self, kind: &str, pointer: &str) -> Value {
        self.says(Topic::Problems, &format!("S:{kind}"), pointer)
    }

    /// The answer to the last command: `ok`, or its errors; then its warnings, with boxes.
    pub(crate) fn answer(&self) -> String {
        let last = self.result.outcomes.last().expect("a command");
        let name = |code: &CommandErrorCode| {
            serde_json::to_value(code).expect("a name").as_str().expect("a name").to_owned()
        };
        let outcome = if last.outcome == Outcome::Accepted { "ok" } else { "" };
        let remarks = last.errors.iter().chain(&last.warnings);
        let remarks = remarks.map(|remark| match &remark.box_id {
            Some(id) => format!("{}({id})", name(&remark.code)),
            None => name(&remark.code),
        });
        std::iter::once(outcome.to_owned())
            .chain(remarks)
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A world's name, its script, and (pointer into the shipment's document, value) pairs.
pub(crate) type Row = (&'static str, Vec<Input>, Vec<(&'static str, Value)>);

pub(crate) fn check(rows: Vec<Row>) {
    for (name, script, wants) in rows {
        let played = play(script);
        for (pointer, want) in wants {
            let said = match pointer.strip_prefix("plan:") {
                Some(pointer) => played.plan(pointer),
                None => played.shipment(pointer),
            };
            assert_eq!(said, want, "{name}: {pointer}");
        }
    }
}

pub(crate) fn s(event_at: &str, number: usize, milestone: &str) -> Input {
    scan(event_at, N[number], milestone, json!({}))
}

pub(crate) fn at_fc(event_at: &str, milestone: &str, fc: &str) -> Input {
    scan(event_at, N[0], milestone, json!({"location": {"fc": fc}}))
}

/// Shipped, and then these.
pub(crate) fn then(more: impl IntoIterator<Item = Input>) -> Vec<Input> {
    let mut script = shipped();
    script.extend(more);
    script
}

pub(crate) fn both(event_at: &str, milestone: &str) -> [Input; 2] {
    [s(event_at, 0, milestone), s(event_at, 1, milestone)]
}

pub(crate) fn t(text: &str) -> Value {
    long(text).into()
}
