//! Random and damaged bytes, and a naive reader as a second opinion.
//!
//! Three things must hold whatever comes in: no panic; every message is accounted for, part by part, in order and with
//! its own bytes; and a single object means what a reader without any cleverness says it means.

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use super::{World, record_time};
use crate::decode::{Decoder, Part, command};
use crate::model::{
    CarrierId, DeadLetterReason, Effect, EventTime, FcId, NumberKey, Scan, ScanId, Timestamp, parse_time,
};

/// Whole fields, right and wrong, from which the storms are brewed.
pub(super) const FIELDS: &[&str] = &[
    r#""carrier":"UPS""#,
    r#""carrier":"ACME""#,
    r#""carrier":null"#,
    r#""tracking_id":"1Z5R89390357567127""#,
    r#""tracking_id":794644790138"#,
    r#""tracking_id":9007199254740993"#,
    r#""tracking_id":-0"#,
    r#""tracking_id":"a\u0062-\"c""#,
    r#""code":"D""#,
    r#""code":"??""#,
    r#""c\u006fde":"I""#,
    r#""milestone":"OUT_FOR_DELIVERY""#,
    r#""milestone":"HELD""#,
    r#""milestone":"ETA""#,
    r#""milestone":"out""#,
    r#""event_time":"2026-11-05T15:12:00Z""#,
    r#""event_time":"2026-11-05T09:12:00""#,
    r#""event_time":"2026-11-06T09:12:00""#,
    r#""event_time":"2026-11-09T15:12:00Z""#,
    r#""event_time":"noon""#,
    r#""scan_id":"s-1""#,
    r#""scan_id":"""#,
    r#""location":{"city":"Wichita","fc":"ICT2"}"#,
    r#""location":{"postal_code":"92551","country":"US"}"#,
    r#""location":{"fc":7}"#,
    r#""location":null"#,
    r#""reason":"weather \ud83c\udf27""#,
    r#""eta":"2026-11-07T12:00:00-05:00""#,
    r#""eta":"2026-11-07T12:00:00""#,
    r#""eta":"1950-01-01T00:00:00Z""#,
    r#""appointment":{"start":"2026-11-07T12:00:00Z"}"#,
    r#""appointment":{"start":"2026-11-07T12:00:00Z","end":"2026-11-07T14:00:00"}"#,
    r#""appointment":{"end":"2026-11-07T14:00:00Z"}"#,
    r#""retracts":["a","b"]"#,
    r#""retracts":[1]"#,
    r#""retracts":"a""#,
    r#""location":"Wichita""#,
    r#""appointment":["x"]"#,
    r#""description":"Delivered, dock""#,
    r#""description":["x"]"#,
    r#""x":[1,{"carrier":"no"},[],"}"],"y":1.5e3"#,
    r#""z":123456789012345678901234567890"#,
];

/// Fields that make a scan; the storms add to them and replace them.
pub(super) const GOOD: [usize; 4] = [0, 3, 8, 15];

/// Mostly what a feed would send: each key once, nothing required left out.
fn fields() -> impl Strategy<Value = Vec<usize>> {
    let mostly = || prop::bool::weighted(0.9);
    let keep = [mostly(), mostly(), mostly(), mostly()];
    let extra = proptest::collection::vec(0..FIELDS.len(), 0..6);
    (keep, extra, mostly()).prop_map(|(keep, extra, tidy)| {
        let kept = GOOD.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(field, _)| field);
        let mut fields: Vec<_> = extra.into_iter().chain(kept).collect();
        if tidy {
            let key = |field: usize| FIELDS[field].split(':').next();
            fields = (0..fields.len())
                .filter(|i| fields[..*i].iter().all(|before| key(*before) != key(fields[*i])))
                .map(|i| fields[i])
                .collect();
        }
        fields
    })
}

pub(super) fn object_of(fields: &[usize]) -> String {
    let fields: Vec<_> = fields.iter().map(|field| FIELDS[*field]).collect();
    format!("{{{}}}", fields.join(","))
}

/// One object, an array or lines.
fn message() -> impl Strategy<Value = String> {
    let objects = proptest::collection::vec(fields().prop_map(|fields| object_of(&fields)), 1..4);
    (objects, 0..4).prop_map(|(objects, shape)| match shape {
        0 => objects.join("\n"),
        1 => format!("[{}]", objects.join(" ,\n")),
        2 => format!("\u{feff}\n{}\r\n", objects.join("\r\n\r\n")),
        _ => objects.into_iter().next().unwrap_or_default(),
    })
}

/// The bytes that hurt a JSON reader most.
pub(super) const EVIL: &[u8] = b"{}[]\",:\\\n\r\t \0\x1f\x7f\x80\xc0\xe2\xed\xff-+.eE09ntfuISAUNB/";

/// Cuts, repeats and overwrites.
pub(super) fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let wound = (any::<prop::sample::Index>(), 0..4_u8, prop::sample::select(EVIL), 1..20_usize);
    (text, proptest::collection::vec(wound, 0..5)).prop_map(|(text, wounds)| {
        let mut bytes = text.into_bytes();
        for (place, kind, evil, length) in wounds {
            let at = place.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match kind {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, evil),
                2 => bytes.truncate(at),
                _ => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
            }
        }
        bytes
    })
}

pub(super) fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

/// Whether the message holds nothing: blank, or an empty array.
fn holds_nothing(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let solid: Vec<u8> = text.iter().copied().filter(|b| !b" \t\r\n".contains(b)).collect();
    !bytes.is_empty() && (solid.is_empty() || solid == b"[]")
}

/// Decodes with a decoder that has seen other messages, and checks what holds for every message.
pub(super) fn account(world: &World, decoder: &mut Decoder, content_type: Option<&[u8]>, bytes: &[u8]) {
    let mut parts = 0_u32;
    let mut whole = false;
    decoder.decode(&world.context(), record_time(), content_type, bytes, &mut |part| {
        match part {
            Part::Warned { position, .. } => {
                assert!(position <= bytes.len());
                return;
            }
            Part::Scan { index, scan, raw } => {
                assert_eq!(index, parts, "in order");
                assert!(raw.carrier.is_some() && raw.tracking_id.is_some() && raw.event_time.is_some());
                assert!(scan.code_known || raw.code.is_some());
            }
            Part::Rejected { index: None, rejection, bytes: part } => {
                assert_eq!(part, bytes, "a whole is given back whole");
                assert!(rejection.position.is_none_or(|at| at <= bytes.len()), "{rejection:?}");
                whole = true;
            }
            Part::Rejected { index: Some(index), rejection, bytes: part } => {
                assert_eq!(index, parts, "in order");
                assert!(!part.is_empty());
                let start = part.as_ptr().addr() - bytes.as_ptr().addr();
                assert_eq!(&bytes[start..start + part.len()], part, "an element's own bytes");
                let at = rejection.position.expect("an element's fault has a place");
                assert!((start..=start + part.len()).contains(&at), "{rejection:?}");
            }
        }
        parts += 1;
    });
    assert!(!whole || parts == 1, "a whole is rejected alone");
    let none = parts == 0;
    assert!(!none || holds_nothing(bytes) || (content_type.is_some() && bytes.trim_ascii().is_empty()));
}

#[test]
fn any_bytes_are_accounted_for() {
    let world = World::new();
    let decoder = RefCell::new(Decoder::new());
    let content_types =
        [None, None, None, Some(&b"application/json"[..]), Some(b"application/x-ndjson"), Some(b"\xff")];
    let random = proptest::collection::vec(any::<u8>(), 0..64);
    let input = prop_oneof![1 => random, 5 => damaged(message())];
    let strategy = (input, prop::sample::select(content_types.to_vec()));
    let result = runner(110_000, 1).run(&strategy, |(bytes, content_type)| {
        account(&world, &mut decoder.borrow_mut(), content_type, &bytes);
        let _ = command(&bytes);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_prefix_and_every_byte_of_a_message_may_be_wrong() {
    let world = World::new();
    let mut decoder = Decoder::new();
    let all: Vec<_> = (0..FIELDS.len()).collect();
    for text in [object_of(&GOOD), format!("[{},{}]", object_of(&GOOD), object_of(&all))] {
        for end in 0..text.len() {
            account(&world, &mut decoder, None, &text.as_bytes()[..end]);
        }
        let mut bytes = text.into_bytes();
        for at in 0..bytes.len() {
            let good = bytes[at];
            for wrong in [0, b'"', b'\\', b'{', b']', b'\n', 0x80, 0xff] {
                bytes[at] = wrong;
                account(&world, &mut decoder, None, &bytes);
            }
            bytes[at] = good;
        }
    }
}

#[test]
fn damaged_commands_do_no_harm() {
    const COMMAND: &str = r#"{"command_id":"c","type":"create_shipment","shipment_id":"S","dry_run":false,"account":"A",
        "fc":"ICT2","mode":"SPD","carrier":"UPS","boxes":[{"box_id":"B1","units":24,"weight_g":9000}],"pallets":0,
        "delivery_window":{"start":"2026-11-10T00:00:00Z","end":"2026-11-12T00:00:00Z"},"tracking":{"items":[]}}"#;
    let strategy = damaged(Just(COMMAND.to_owned()));
    let result = runner(30_000, 2).run(&strategy, |bytes| {
        if let Err(rejection) = command(&bytes) {
            prop_assert_eq!(rejection.reason, DeadLetterReason::BadCommand);
            prop_assert!(rejection.position.is_some_and(|at| at <= bytes.len()));
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_naive_reader_agrees() {
    let world = World::new();
    let decoder = RefCell::new(Decoder::new());
    let undamaged = fields().prop_map(|fields| object_of(&fields).into_bytes());
    // No line breaks: what is one object to both must be one object.
    let hurt = damaged(fields().prop_map(|fields| object_of(&fields)))
        .prop_filter("one object", |bytes| bytes.starts_with(b"{") && !bytes.contains(&b'\n'));
    let scans = Cell::new(0);
    let result = runner(40_000, 3).run(&prop_oneof![3 => undamaged, 1 => hurt], |bytes| {
        let mut got = Vec::new();
        decoder.borrow_mut().decode(&world.context(), record_time(), None, &bytes, &mut |part| {
            got.push(match part {
                Part::Scan { scan, .. } => Some(scan),
                Part::Rejected { .. } | Part::Warned { .. } => None,
            });
        });
        let want = naive(&world, &bytes);
        scans.set(scans.get() + u32::from(want.is_some()));
        prop_assert_eq!(got, vec![want], "{}", String::from_utf8_lossy(&bytes));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(scans.get() > 5_000, "only {} scans: the storm is too wild to say anything", scans.get());
}

/// Reads one object with `serde_json::Value` and the rules as they are written.
fn naive(world: &World, bytes: &[u8]) -> Option<Scan> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object()?;
    if naive_repeats(text) {
        return None;
    }
    let text_of = |value: &Value| -> Option<Option<String>> {
        match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        }
    };
    let null = Value::Null;
    let field = |name: &str| object.get(name).unwrap_or(&null);
    let location = field("location");
    let place = |name: &str| text_of(location.get(name).unwrap_or(&null));
    if !location.is_null() && !location.is_object() {
        return None;
    }
    let (carrier, code, code_set) =
        (text_of(field("carrier"))?, text_of(field("code"))?, text_of(field("code_set"))?);
    let (milestone, event_time) = (text_of(field("milestone"))?, text_of(field("event_time"))?);
    let (scan_id, reason, eta) =
        (text_of(field("scan_id"))?, text_of(field("reason"))?, text_of(field("eta"))?);
    text_of(field("description"))?;
    let tracking_id = match field("tracking_id") {
        Value::Number(number) => number.as_u64().filter(|n| (1..=1 << 53).contains(n))?.to_string(),
        other => text_of(other)??,
    };

    let carrier = world.catalogue.carrier(&carrier?).unwrap_or(CarrierId::OTHER);
    let key = NumberKey { number: world.catalogue.canonical(carrier, &tracking_id)?, carrier };
    if code.is_none() && milestone.is_none() {
        return None;
    }
    let known = code.as_ref().and_then(|code| world.catalogue.effect(carrier, code_set.as_deref(), code));
    let (effect, code_known) = match (known, &milestone) {
        (Some(effect), _) => (effect, true),
        (None, Some(name)) => (Effect::from_name(name)?, true),
        (None, None) => (Effect::NONE, false),
    };

    let fc = match place("fc")? {
        Some(text) => Some(FcId::parse(&text)?),
        None => None,
    };
    let mapped = place("postal_code")?.and_then(|code| world.fcs.by_postal_code(&code).cloned());
    let instant = |text: &str| -> Option<(Timestamp, bool)> {
        let parsed = parse_time(text)?;
        if let Some(offset_s) = parsed.offset_s {
            return Some((parsed.at_offset(offset_s), true));
        }
        let local = |fc: &FcId| world.fcs.local_to_instant(fc, parsed.local_ms);
        let at = fc.as_ref().and_then(local).or_else(|| mapped.as_ref().and_then(local))?;
        Some((at, false))
    };
    let (mut at, zoned) = instant(&event_time?)?;
    let hour = 3_600_000;
    let ahead = |at: Timestamp| at.0 - record_time().0;
    if !zoned && (20 * hour..=26 * hour).contains(&ahead(at)) {
        at = Timestamp(at.0 - 24 * hour);
    }
    if ahead(at) > 2 * hour || ahead(at) < -400 * 24 * hour {
        return None;
    }
    let event_time = EventTime::from_timestamp(at)?;
    let payload = |text: String| instant(&text).and_then(|(at, _)| EventTime::from_timestamp(at));
    let optional = |text: Option<String>| match text {
        None => Some(None),
        Some(text) => payload(text).map(Some),
    };
    let appointment = match field("appointment") {
        Value::Null => None,
        Value::Object(times) => {
            let start = optional(text_of(times.get("start").unwrap_or(&null))?)?;
            let end = optional(text_of(times.get("end").unwrap_or(&null))?)?;
            match (start, end) {
                (None, None) => None,
                (start, end) => Some((start?, end.unwrap_or(start?))),
            }
        }
        _ => return None,
    };
    let identity = |text: &str| (1..=64).contains(&text.chars().count()).then(|| ScanId::of_text(text));
    let retracts = match field("retracts") {
        Value::Null => vec![],
        Value::Array(ids) if ids.len() <= 64 => {
            ids.iter().map(|id| identity(id.as_str()?)).collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    let parts = ["facility", "city", "state", "postal_code", "country", "fc"];
    let parts =
        parts.into_iter().map(|name| Some(place(name)?.unwrap_or_default())).collect::<Option<Vec<_>>>()?;
    let id = match scan_id {
        Some(text) => identity(&text)?,
        None => {
            let parts: Vec<_> = parts.iter().map(String::as_str).collect();
            let code = code.or(milestone).unwrap_or_default();
            ScanId::of_content(&key, &code, &reason.unwrap_or_default(), event_time, &parts)
        }
    };
    Some(Scan {
        key,
        effect,
        code_known,
        event_time,
        place: fc.clone().or_else(|| mapped.clone()),
        id,
        eta: optional(eta)?,
        appointment,
        retracts: retracts.into(),
    })
}

/// Whether a known key appears twice in the object, or in its `location` or `appointment`.
fn naive_repeats(text: &str) -> bool {
    const KEYS: [&[&str]; 3] = [
        &[
            "scan_id",
            "carrier",
            "tracking_id",
            "code",
            "code_set",
            "milestone",
            "event_time",
            "location",
            "reason",
            "eta",
            "appointment",
            "retracts",
            "description",
        ],
        &["facility", "city", "state", "postal_code", "country", "fc"],
        &["start", "end"],
    ];
    let repeats = |text: &str, known: &[&str]| {
        let Ok(Pairs(pairs)) = serde_json::from_str::<Pairs>(text) else { return false };
        known.iter().any(|name| pairs.iter().filter(|(key, _)| key == name).count() > 1)
    };
    let Ok(Pairs(pairs)) = serde_json::from_str::<Pairs>(text) else { return false };
    let inner = |name: &str, known: &[&str]| {
        pairs.iter().any(|(key, value)| key == name && repeats(&value.to_string(), known))
    };
    repeats(text, KEYS[0]) || inner("location", KEYS[1]) || inner("appointment", KEYS[2])
}

/// The members of an object as they were written.
struct Pairs(Vec<(String, Box<serde_json::value::RawValue>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> serde::de::Visitor<'de> for All {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(All)
    }
}
