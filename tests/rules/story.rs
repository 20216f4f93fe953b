//! The stories of the rules: a line per record, in few words.
//!
//! Enters: text such as `11-02T18:05 scan #0 PICKED_UP at=11-02T17:40`, statements apart by `;` or line ends. Leaves: replay
//! lines. Always true: times are of 2026 and UTC unless they begin with a year, `#n` is the n-th good UPS number and `fx#n`
//! the n-th good FedEx number, `␣` stands for a blank, `␍` for a scanner's line end, `-` for nothing, and the shipment is `S` unless `in=` says otherwise.
//!
//! | statement | fields besides `in= id= dry` |
//! |---|---|
//! | `given created\|confirmed\|shipped\|delivered\|freight\|hauled` | what most stories begin with, see [`given`] |
//! | `create` | `mode= carrier= name= fc= account= boxes=B1,B2 window=a..b pallets= partnered= cross_border= created_at= items=B1:#0` |
//! | `confirm`, `cancel` | |
//! | `track B1=#0 B2=-` | `system=true` |
//! | `bill PRO` | `bol=` |
//! | `carrier USPS` | `name=` |
//! | `window a..b`, `boxes +B3 -B1`, `fc ONT8`, `report CLOSED`, `ack MISSING_TRACKING` | |
//! | `scan #0 PICKED_UP` | `at= local= carrier= code= fc= zip= eta= appt=a..b retracts= id=` |
//! | `tick` | |
//! | `raw scans {…}`, `raw commands {…}` | |

use dockside::engine::replay::{ReplayLine, ReplayTopic};
use dockside::model::Timestamp;
use serde_json::{Map, Value, json};

/// `11-05T09:12`, `11-05T09:12:30` or `2027-01-05T09:12` in full.
pub(crate) fn long(text: &str) -> String {
    let text = if text.starts_with("20") { text.to_owned() } else { format!("2026-{text}") };
    match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text,
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(&long(text)).unwrap_or_else(|| panic!("no time: {text}"))
}

/// The sum of the digits (letters as UPS counts them), weighted in turn from the left.
fn weighted(body: &str, weights: &[u32]) -> u32 {
    let value = |c: u8| u32::from(if c.is_ascii_digit() { c - b'0' } else { (c - 3) % 10 });
    body.bytes().zip(weights.iter().cycle()).map(|(c, weight)| value(c) * weight).sum()
}

/// A number with a good check digit, blanks or a scanner's line end around it included; another text as it is.
pub(crate) fn number(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('␣') {
        return format!(" {}", number(rest));
    }
    if let Some(rest) = text.strip_suffix('␣') {
        return format!("{} ", number(rest));
    }
    if let Some(rest) = text.strip_suffix('␍') {
        return format!("{}\r\n", number(rest));
    }
    let nth = |prefix: &str| text.strip_prefix(prefix)?.parse::<u32>().ok();
    if let Some(n) = nth("#") {
        let body = format!("5R893903{:07}", 5_756_712 + n);
        return format!("1Z{body}{}", (10 - weighted(&body, &[1, 2]) % 10) % 10);
    }
    if let Some(n) = nth("fx#") {
        let body = format!("{:011}", 9_876_543_210 + u64::from(n));
        return format!("{body}{}", weighted(&body, &[3, 1, 7]) % 11 % 10);
    }
    text.replace('␣', " ")
}

fn numbered(text: &str) -> Value {
    if text == "-" { Value::Null } else { number(text).into() }
}

fn span(text: &str) -> Value {
    match text.split_once("..") {
        Some((start, end)) => json!({"start": long(start), "end": long(end)}),
        None => Value::Null,
    }
}

/// A box of 10 units and 500 g.
fn parcel(id: &str) -> Value {
    json!({"box_id": id, "units": 10, "weight_g": 500})
}

/// What most stories begin with.
fn given(name: &str) -> &'static str {
    match name {
        "created" => "11-01T00:00 create",
        "confirmed" => "given created; 11-01T01:00 confirm",
        "shipped" => "given confirmed; 11-01T02:00 track B1=#0 B2=#1",
        "delivered" => "given shipped; 11-06T09:00 scan #0 DELIVERED; 11-06T09:30 scan #1 DELIVERED",
        // Less than a truckload, two boxes on two pallets, and no PRO yet.
        "freight" => "11-01T00:00 create mode=LTL carrier=ABF pallets=2; 11-01T01:00 confirm",
        "hauled" => "given freight; 11-01T02:00 bill 123456782",
        _ => panic!("given what? {name}"),
    }
}

/// The replay lines of a story.
pub(crate) fn lines(story: &str) -> Vec<ReplayLine> {
    let mut lines = Vec::new();
    for statement in story.split(['\n', ';']).map(str::trim).filter(|statement| !statement.is_empty()) {
        match statement.strip_prefix("given ") {
            Some(name) => lines.extend(self::lines(given(name))),
            None => {
                let serial = lines.len();
                lines.push(line(statement, serial));
            }
        }
    }
    lines
}

/// A statement's words: the plain ones, and the `name=value` ones.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let mut words = Words { plain: Vec::new(), named: Vec::new() };
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(pair) => words.named.push(pair),
                None => words.plain.push(word),
            }
        }
        words
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.named.iter().position(|(n, _)| *n == name)?;
        Some(self.named.remove(at).1)
    }

    fn first(&self) -> &'a str {
        self.plain.first().expect("one more word")
    }
}

fn line(statement: &str, serial: usize) -> ReplayLine {
    let (at, rest) = statement.split_once(' ').unwrap_or_else(|| panic!("a time and a verb: {statement}"));
    let (verb, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let record = |topic, key: Option<String>, value: Option<Vec<u8>>| ReplayLine {
        topic,
        timestamp: time(at),
        key: key.map(String::into_bytes),
        value,
        content_type: None,
        feed: None,
    };
    match verb {
        "tick" => record(ReplayTopic::Ticks, None, None),
        "raw" => {
            let (topic, value) = rest.trim().split_once(' ').expect("a topic and a value");
            let topic = if topic == "scans" { ReplayTopic::Scans } else { ReplayTopic::Commands };
            record(topic, None, Some(value.as_bytes().to_vec()))
        }
        "scan" => {
            let value = scan(at, Words::of(rest));
            let key = value["tracking_id"].as_str().map(str::to_owned);
            record(ReplayTopic::Scans, key, Some(value.to_string().into_bytes()))
        }
        _ => {
            let value = command(at, verb, Words::of(rest), serial);
            let key = value["shipment_id"].as_str().map(str::to_owned);
            record(ReplayTopic::Commands, key, Some(value.to_string().into_bytes()))
        }
    }
}

fn scan(record_time: &str, mut words: Words<'_>) -> Value {
    let mut value = json!({"carrier": words.take("carrier").unwrap_or("UPS"), "tracking_id": number(words.first()),
        "event_time": long(words.take("at").unwrap_or(record_time))});
    let fields = value.as_object_mut().expect("an object");
    if let Some(milestone) = words.plain.get(1) {
        fields.insert("milestone".to_owned(), (*milestone).into());
    }
    for (name, text) in words.named {
        let (name, found) = match name {
            "fc" => ("location", json!({"fc": text})),
            "zip" => ("location", json!({"postal_code": text})),
            "id" => ("scan_id", text.into()),
            "eta" => ("eta", long(text).into()),
            "appt" => ("appointment", span(text)),
            "local" => ("event_time", text.into()),
            "retracts" => ("retracts", text.split(',').collect()),
            "code" => ("code", text.into()),
            _ => panic!("a scan has no {name}"),
        };
        fields.insert(name.to_owned(), found);
    }
    value
}

fn command(at: &str, verb: &str, mut words: Words<'_>, serial: usize) -> Value {
    let shipment = words.take("in").unwrap_or("S");
    let id = words.take("id").map_or_else(|| format!("{verb}-{serial}@{at}"), str::to_owned);
    let dry = words.take("dry").is_some();
    let (kind, fields) = match verb {
        "create" => ("create_shipment", creation(words)),
        "confirm" => ("confirm_ready", json!({})),
        "cancel" => ("cancel_shipment", json!({})),
        "track" => {
            let source = words.take("system").map(|_| "SYSTEM");
            let item = |(id, text): &(&str, &str)| json!({"box_id": id, "tracking_id": numbered(text)});
            let items: Vec<Value> = words.named.iter().map(item).collect();
            ("set_tracking", json!({"items": items, "source": source}))
        }
        "bill" => {
            let fields = json!({"freight_bill": number(words.first()), "bill_of_lading": words.take("bol")});
            ("set_freight_bill", fields)
        }
        "carrier" => {
            ("change_carrier", json!({"carrier": words.first(), "carrier_name": words.take("name")}))
        }
        "window" => ("set_delivery_window", span(words.first())),
        "boxes" => {
            let signed = |sign: char| words.plain.iter().filter_map(move |word| word.strip_prefix(sign));
            let add: Vec<Value> = signed('+').map(parcel).collect();
            let remove: Vec<&str> = signed('-').collect();
            ("update_boxes", json!({"add": add, "remove": remove}))
        }
        "fc" => ("change_destination", json!({"fc": words.first()})),
        "report" => ("report_receiving", json!({"stage": words.first()})),
        "ack" => ("acknowledge_problem", json!({"problem_id": format!("{shipment}:{}", words.first())})),
        _ => panic!("no such statement: {verb}"),
    };
    let mut value = json!({"command_id": id, "type": kind, "shipment_id": shipment, "dry_run": dry});
    let Value::Object(fields) = fields else { panic!("fields of {verb}") };
    value.as_object_mut().expect("an object").extend(fields);
    value
}

/// `create`: SPD, UPS, two boxes, a window of three days, no penalty for omissions.
fn creation(words: Words<'_>) -> Value {
    let mut fields: Map<String, Value> = match json!({
        "account": "A", "fc": "ICT2", "mode": "SPD", "carrier": "UPS", "partnered": false, "pallets": 0,
        "boxes": [parcel("B1"), parcel("B2")], "delivery_window": span("11-05..11-08"),
    }) {
        Value::Object(fields) => fields,
        _ => unreachable!("an object"),
    };
    for (name, text) in words.named {
        let (name, value) = match name {
            "boxes" => {
                ("boxes", text.split(',').filter(|id| !id.is_empty()).map(parcel).collect::<Vec<_>>().into())
            }
            "window" => ("delivery_window", span(text)),
            "pallets" => ("pallets", text.parse::<u32>().expect("a count").into()),
            "partnered" | "cross_border" => (name, (text == "true").into()),
            "created_at" | "need_by" => (name, long(text).into()),
            "name" => ("carrier_name", text.into()),
            "items" => {
                let item = |item: &str| {
                    let (id, text) = item.split_once(':').expect("box:number");
                    json!({"box_id": id, "tracking_id": numbered(text)})
                };
                ("tracking", json!({"items": text.split(',').map(item).collect::<Vec<_>>()}))
            }
            "bill" => ("tracking", json!({"freight_bill": text})),
            "mode" | "carrier" | "fc" | "account" => (name, text.into()),
            _ => panic!("create has no {name}"),
        };
        fields.insert(name.to_owned(), value);
    }
    Value::Object(fields)
}
