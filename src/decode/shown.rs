//! The parts of a message as people see them: what `dockside decode` prints.
//!
//! Enters: a [`Part`]. Leaves: a line of JSON for a scan or a rejection, a line of text for a warning. Always true: a scan
//! has every field of §4.2, resolved, and what they mean; a rejection has its own bytes.

use std::borrow::Cow;

use base64::Engine;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Part, RawLocation, RawScan, Rejection};
use crate::carriers::Catalogue;
use crate::model::{EventTime, Flag, Milestone, Scan};

/// A part as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A line of data, in JSON.
    Part(String),
    /// A line of talk.
    Warning(String),
}

impl Shown {
    /// How `part` is shown.
    pub fn of(catalogue: &Catalogue, part: &Part<'_>) -> Shown {
        match part {
            Part::Scan { scan, raw, .. } => {
                let line = serde_json::to_string(&decoded(catalogue, scan, raw));
                Shown::Part(line.expect("texts, flags and times are JSON"))
            }
            Part::Rejected { rejection, bytes, .. } => Shown::Part(rejected(rejection, bytes).to_string()),
            Part::Warned { detail, position } => {
                Shown::Warning(format!("warning: byte {position}: {detail}"))
            }
        }
    }
}

/// A scan: the fields of §4.2, resolved, and what they mean.
#[derive(Serialize)]
struct Decoded<'a> {
    scan_id: Option<&'a str>,
    /// What makes the same scan the same, in hex.
    identity: String,
    carrier: &'a str,
    tracking_id: &'a str,
    code: Option<&'a str>,
    code_set: Option<&'a str>,
    /// False: the code is unknown, and the scan is history only.
    code_known: bool,
    milestone: Option<Milestone>,
    flags: Vec<Flag>,
    event_time: EventTimeText,
    location: RawLocation<'a>,
    reason: Option<&'a str>,
    eta: Option<EventTimeText>,
    appointment: Option<Value>,
    retracts: &'a [Cow<'a, str>],
    description: Option<&'a str>,
}

/// An event time in RFC 3339.
struct EventTimeText(EventTime);

impl Serialize for EventTimeText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn decoded<'a>(catalogue: &'a Catalogue, scan: &'a Scan, raw: &'a RawScan<'a>) -> Decoded<'a> {
    let fc = scan.place.as_ref().map(|place| Cow::Borrowed(place.as_str()));
    Decoded {
        scan_id: raw.scan_id.as_deref(),
        identity: format!("{:016x}", scan.id.0),
        carrier: catalogue.code(scan.key.carrier),
        tracking_id: scan.key.number.as_str(),
        code: raw.code.as_deref(),
        code_set: raw.code_set.as_deref(),
        code_known: scan.code_known,
        milestone: scan.effect.milestone,
        flags: scan.effect.flags.iter().collect(),
        event_time: EventTimeText(scan.event_time),
        location: RawLocation { fc, ..raw.location.clone() },
        reason: raw.reason.as_deref(),
        eta: scan.eta.map(EventTimeText),
        appointment: scan
            .appointment
            .map(|(start, end)| json!({"start": start.to_string(), "end": end.to_string()})),
        retracts: &raw.retracts,
        description: raw.description.as_deref(),
    }
}

fn rejected(rejection: &Rejection, bytes: &[u8]) -> Value {
    let raw = match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}),
    };
    json!({
        "error": {
            "code": rejection.reason.code(),
            "message": rejection.detail,
            "position": rejection.position,
        },
        "raw": raw,
    })
}
