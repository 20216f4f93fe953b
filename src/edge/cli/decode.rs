//! `decode`: bytes to canonical scans, or the reason why not. What the service would do with a message, for people.

use std::borrow::Cow;
use std::path::PathBuf;

use base64::Engine;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::output::Out;
use super::{ConfigArgs, input, instant};
use crate::carriers::Catalogue;
use crate::decode::{Context, Decoder, Part, RawLocation, RawScan, Rejection};
use crate::edge::clock;
use crate::edge::problem::{Exit, Failure};
use crate::model::{EventTime, Flag, Milestone, Scan, Timestamp};

/// Turns one message of a feed into canonical scans, one JSON object per line; exit code 1 if anything is rejected.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside decode feed.json\n  \
    echo '{\"carrier\":\"UPS\",\"tracking_id\":\"1Z5R89390357567127\",\"code\":\"D\",\
\"event_time\":\"2026-11-05T09:12:00-06:00\"}' |\n    dockside decode --at 2026-11-05T16:00:00Z -")]
pub(super) struct DecodeArgs {
    /// What the bytes are; `auto` looks at the first of them.
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    format: Form,
    /// The record's time, which event times are judged by; now, if it is not given.
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    at: Option<Timestamp>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The message; `-` is stdin.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Auto,
    Json,
    X12,
    Edifact,
}

impl Form {
    fn content_type(self) -> Option<&'static [u8]> {
        match self {
            Form::Auto => None,
            Form::Json => Some(b"application/json"),
            Form::X12 => Some(b"application/edi-x12"),
            Form::Edifact => Some(b"application/edifact"),
        }
    }
}

/// A scan as `decode` prints it: the fields of §4.2, resolved, and what they mean.
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

pub(super) fn run(args: &DecodeArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let bytes = input::read(&args.file)?;
    let at = args.at.unwrap_or_else(clock::now);
    let context = Context { catalogue: &config.catalogue, fcs: &config.fcs, settings: &config.settings };
    let mut out = Out::stdout();
    let mut exit = Exit::Ok;
    let mut written = Ok(());
    Decoder::new().decode(&context, at, args.format.content_type(), &bytes, &mut |part| {
        if written.is_err() {
            return;
        }
        written = match part {
            Part::Scan { scan, raw, .. } => out.json(&decoded(&config.catalogue, &scan, &raw)),
            Part::Rejected { rejection, bytes, .. } => {
                exit = Exit::Findings;
                out.json(&rejected(&rejection, bytes))
            }
        };
    });
    written?;
    out.flush()?;
    Ok(exit)
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
