//! The learned reader: what it reads, what it leaves to the general reader, and that nobody can tell which of them it was.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use super::storm::{EVIL, FIELDS, GOOD, object_of};
use super::{World, record_time};
use crate::decode::field::Field;
use crate::decode::{Decoder, LearnedCounts, Part, RawScan};

const SCAN: &str = r#"{"carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"D","event_time":"2026-11-05T15:12:00Z","location":{"city":"Wichita","fc":"ICT2"},"reason":null,"retracts":["a","b"],"appointment":{},"weight":12.5,"tags":[{"k":"v"},true],"description":"Delivered, dock"}"#;

/// How many elements of `message` the learned reader reads after it has seen `before` (twice: the lessons rest).
fn hits(before: &[&str], message: &str) -> u64 {
    let mut decoder = Decoder::new();
    for text in before.iter().chain(before) {
        decoder.read_raw(None, text.as_bytes(), &mut |_| ());
    }
    let known = decoder.learned_counts().hits;
    decoder.read_raw(None, message.as_bytes(), &mut |_| ());
    decoder.learned_counts().hits - known
}

#[test]
fn what_was_seen_is_known_whatever_its_values_are() {
    let changed = |from: &str, to: &str| {
        assert!(SCAN.contains(from), "{from}");
        SCAN.replace(from, to)
    };
    for (what, message, want) in [
        ("the same", SCAN.to_owned(), 1),
        ("another value", changed("1Z5R89390357567127", "1Z999AA10123456784"), 1),
        ("an empty value", changed("Wichita", ""), 1),
        ("a longer value", changed("Wichita", &"Wichita ".repeat(20)), 1),
        ("another number", changed("12.5", "-7"), 1),
        ("blanks around", format!(" \r\n{SCAN}\t"), 1),
        ("more retracts", changed(r#"["a","b"]"#, r#"["a","b","c","d"]"#), 1),
        ("an array", format!("[ {SCAN} ,\n{SCAN}]"), 2),
        ("lines", format!("{SCAN}\n\n{SCAN} \r\n{SCAN}"), 3),
        ("an array with a stranger", format!(r#"[{SCAN},{{"x":"\n"}},{SCAN}]"#), 2),
        ("another text in a step", changed("true", "null"), 0),
        ("another key", changed("reason", "reasons"), 0),
        ("a key that stands twice", changed("tags", "code"), 0),
        ("a blank more", changed(":12.5", ": 12.5"), 0),
        ("an escape", changed("Delivered, dock", r"Delivered\u002c dock"), 0),
        ("a control byte", changed("Delivered, dock", "Delivered,\tdock"), 0),
        ("beyond ASCII", changed("Delivered, dock", "Livré"), 0),
        ("an exponent", changed("12.5", "12e5"), 0),
        ("a long number", changed("12.5", "1234567890123456"), 0),
        ("a number with a zero", changed("12.5", "012"), 0),
        ("a number in the place of a text", changed("\"D\"", "7"), 0),
        ("a cut", SCAN[..SCAN.len() - 1].to_owned(), 0),
        ("something behind", format!("{SCAN}}}"), 0),
        ("a broken array", format!("[{SCAN},{SCAN}"), 0),
        ("an array with a comma more", format!("[{SCAN},{SCAN},]"), 0),
        ("a line with two objects", format!("{SCAN}{SCAN}\n{SCAN}"), 1),
    ] {
        assert_eq!(hits(&[SCAN], &message), want, "{what}: {message}");
    }
}

#[test]
fn optional_fields_are_learned_one_by_one() {
    let of = |eta: &str, place: &str| {
        format!(
            r#"{{"carrier":"UPS","tracking_id":"1Z"{place},"event_time":"2026-11-05T15:12:00Z"{eta},"description":"x"}}"#
        )
    };
    let (eta, place) = (r#","eta":"2026-11-07T12:00:00Z""#, r#","location":{"fc":"ICT2"}"#);
    let both = of(eta, place);
    assert_eq!(hits(&[&of("", ""), &of(eta, ""), &of("", place)], &both), 1);
    assert_eq!(hits(&[&of("", ""), &of(eta, "")], &both), 0, "never saw a place");
}

#[test]
fn a_known_object_on_several_lines_is_no_line() {
    let spread = "{\n\"carrier\":\"UPS\",\n\"tracking_id\":\"1Z\"\n}";
    assert_eq!(hits(&[spread], spread), 1);
    let mut decoder = Decoder::new();
    let mut elements = 0;
    for content_type in [None, None, None, Some(&b"application/x-ndjson"[..])] {
        elements = 0;
        decoder.read_raw(content_type, spread.as_bytes(), &mut |_| elements += 1);
    }
    assert_eq!(elements, 4, "four bad lines");
}

#[test]
fn a_parcels_number_may_be_written_as_one() {
    let of = |number: &str| format!(r#"{{"tracking_id":{number},"code":"D"}}"#);
    for (number, want) in [
        ("794644790138", 1),
        ("1", 1),
        ("0", 0),
        ("-1", 0),
        ("9007199254740993", 0),
        ("1.0", 0),
        ("\"794644790138\"", 0),
    ] {
        assert_eq!(hits(&[&of("794644790139")], &of(number)), want, "{number}");
    }
    // Both ways of writing it lead to the same key, and only one of them ends in a quote.
    let broken = r#"{"tracking_id":794644790138","code":"D"}"#;
    assert_eq!(hits(&[&of("794644790139"), &of("\"1\"")], broken), 0);
    assert_eq!(hits(&[&of("794644790139"), &of("\"1\"")], &of("\"2\"")), 1);
}

#[test]
fn fields_are_borrowed_from_the_message() {
    let mut decoder = Decoder::new();
    decoder.read_raw(None, SCAN.as_bytes(), &mut |_| ());
    let mut borrowed = 0;
    decoder.read_raw(None, SCAN.as_bytes(), &mut |raw| {
        for text in texts(raw.expect("a scan")).into_iter().flatten() {
            let Cow::Borrowed(text) = text else { panic!("{text} is owned") };
            assert!(SCAN.as_bytes().as_ptr_range().contains(&text.as_ptr()));
            borrowed += 1;
        }
    });
    assert_eq!(borrowed, 9);
}

/// A feed that never says the same twice: memory stays, lessons become rare, and a calm feed after it is learned again.
#[test]
fn what_is_learned_is_bounded() {
    let mut decoder = Decoder::new();
    let mut text = String::new();
    for number in 0..20_000 {
        text.clear();
        write!(text, r#"{{"k{}":"a","k{}":"b","k{number}":"c"}}"#, number % 7, number % 300).expect("memory");
        decoder.read_raw(None, text.as_bytes(), &mut |_| ());
    }
    let LearnedCounts { hits, misses, learned, evicted } = decoder.learned_counts();
    assert_eq!(hits + misses, 20_000);
    assert!(learned - evicted <= 128 * 16, "{learned} learned, {evicted} evicted");
    assert!(evicted > 0);
    for _ in 0..200 {
        decoder.read_raw(None, SCAN.as_bytes(), &mut |_| ());
    }
    assert!(decoder.learned_counts().hits >= hits + 100);
}

#[test]
fn a_general_decoder_learns_nothing() {
    let mut decoder = Decoder::general();
    for _ in 0..3 {
        decoder.read_raw(None, SCAN.as_bytes(), &mut |_| ());
    }
    assert_eq!(decoder.learned_counts(), LearnedCounts::default());
}

#[test]
fn a_field_of_a_wrong_kind_is_judged_alike_whoever_reads_it() {
    let kinds =
        ["null", "true", "7", "-0", r#""x""#, "[]", r#"["x"]"#, "[7]", r#"[["x"]]"#, "{}", r#"{"x":"y"}"#];
    // Every field by its path, the objects that some of them are in, and keys that nobody asks for.
    let paths = Field::ALL.map(Field::name).into_iter().chain(["location", "appointment", "x", "x.carrier"]);
    for path in paths {
        for kind in kinds {
            let field = match path.split_once('.') {
                Some((object, key)) => format!(r#""{object}":{{"{key}":{kind}}}"#),
                None => format!(r#""{path}":{kind}"#),
            };
            let message = format!(r#"{{{field},"y":"z"}}"#);
            let (mut learned, mut general) = (Decoder::new(), Decoder::general());
            let (mut one, mut other) = (Vec::new(), Vec::new());
            for round in 0..3 {
                shown(&mut learned, message.as_bytes(), &mut one);
                shown(&mut general, message.as_bytes(), &mut other);
                assert_eq!(one, other, "{message}, round {round}");
            }
        }
    }
}

/// SplitMix64: a million cases want a quick one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) >> 33).expect("31 bits") % sides
    }

    fn object(&mut self) -> String {
        let mut fields: Vec<usize> = GOOD.into_iter().filter(|_| self.below(12) > 0).collect();
        for _ in 0..self.below(4) {
            let at = self.below(fields.len() + 1);
            fields.insert(at, self.below(FIELDS.len()));
        }
        // Mostly tidy: a key stands once.
        if self.below(8) > 0 {
            let key = |field: usize| FIELDS[field].split(':').next();
            let mut at = 0;
            while at < fields.len() {
                if fields[..at].iter().any(|before| key(*before) == key(fields[at])) {
                    fields.remove(at);
                } else {
                    at += 1;
                }
            }
        }
        match self.below(16) {
            0 => object_of(&fields).replace(':', " : "),
            1 => object_of(&fields).replace("\",\"", "\",\n\""),
            _ => object_of(&fields),
        }
    }

    fn message(&mut self) -> Vec<u8> {
        let objects: Vec<String> = match self.below(8) {
            0 | 1 => (0..self.below(6)).map(|_| self.object()).collect(),
            _ => vec![self.object()],
        };
        let text = match self.below(if objects.len() == 1 { 12 } else { 2 }) {
            0 => format!("[{}]", objects.join(", ")),
            1 => objects.join("\n"),
            _ => objects.concat(),
        };
        let mut bytes = text.into_bytes();
        for _ in 0..[0, 0, 1, 1, 1, 2, 3][self.below(7)] {
            self.wound(&mut bytes);
        }
        bytes
    }

    fn wound(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(24)).min(bytes.len());
        let byte = EVIL[self.below(EVIL.len())];
        match self.below(8) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            5 if at < bytes.len() => bytes[at] = byte,
            // Another letter or digit: mostly another value of the same shape.
            _ if at < bytes.len() => bytes[at] = b"0123456789abcXYZ"[self.below(16)],
            _ => {}
        }
    }
}

/// All texts of a scan, with those of its lists.
fn texts<'r, 'm>(raw: &'r RawScan<'m>) -> Vec<Option<&'r Cow<'m, str>>> {
    let RawScan { scan_id, carrier, tracking_id, code, code_set, milestone, event_time, .. } = raw;
    let RawScan { location, reason, eta, appointment, retracts, description, .. } = raw;
    let times = appointment.as_ref().map(|times| [times.start.as_ref(), times.end.as_ref()]);
    let named =
        [scan_id, carrier, tracking_id, code, code_set, milestone, event_time, reason, eta, description];
    let place = [&location.facility, &location.city, &location.state, &location.postal_code];
    let place = place.into_iter().chain([&location.country, &location.fc]);
    let texts = named.into_iter().chain(place).map(Option::as_ref);
    texts.chain(times.into_iter().flatten()).chain(retracts.iter().map(Some)).collect()
}

/// What `read_raw` shows, as bytes that are equal only if all of it is.
fn shown(decoder: &mut Decoder, bytes: &[u8], into: &mut Vec<u8>) {
    into.clear();
    decoder.read_raw(None, bytes, &mut |raw| {
        into.push(b'#');
        let Some(raw) = raw else { return };
        into.push(u8::from(raw.appointment.is_some()));
        for text in texts(raw) {
            into.extend_from_slice(text.map_or("\0", |text| text).as_bytes());
            into.push(b'|');
        }
    });
}

/// What serde_json makes of one object. Its own opinion of repeated keys is another: the last one counts.
fn agrees(raw: &RawScan<'_>, bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return false };
    let field = |path: &str| match value.pointer(path) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let paths = [
        "/scan_id",
        "/carrier",
        "/tracking_id",
        "/code",
        "/code_set",
        "/milestone",
        "/event_time",
        "/reason",
        "/eta",
        "/description",
        "/location/facility",
        "/location/city",
        "/location/state",
        "/location/postal_code",
        "/location/country",
        "/location/fc",
    ];
    let mut want: Vec<Option<String>> = paths.into_iter().map(field).collect();
    if value["appointment"].is_object() {
        want.extend([field("/appointment/start"), field("/appointment/end")]);
    }
    let retracts = value["retracts"].as_array();
    want.extend(retracts.into_iter().flatten().map(|id| id.as_str().map(str::to_owned)));
    texts(raw).into_iter().map(|text| text.map(|text| text.to_string())).eq(want)
        && raw.appointment.is_some() == value["appointment"].is_object()
}

#[test]
fn a_million_damaged_messages_are_read_alike() {
    let mut dice = Dice(1);
    let mut general = Decoder::general();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let (mut hits, mut opinions) = (0, 0);
    for round in 0..20 {
        // Each round learns from other messages.
        let mut learned = Decoder::new();
        for _ in 0..50_000 {
            let bytes = dice.message();
            let before = learned.learned_counts();
            shown(&mut learned, &bytes, &mut one);
            shown(&mut general, &bytes, &mut other);
            assert_eq!(one, other, "round {round}: {}", String::from_utf8_lossy(&bytes));
            let after = learned.learned_counts();
            // Read by the learned reader alone, and an object: a third opinion.
            let is_single = after == LearnedCounts { hits: before.hits + 1, ..before };
            if is_single && bytes[0] == b'{' && opinions < 100_000 {
                learned.read_raw(None, &bytes, &mut |raw| {
                    assert!(
                        raw.is_some_and(|raw| agrees(raw, &bytes)),
                        "{}",
                        String::from_utf8_lossy(&bytes)
                    );
                });
                opinions += 1;
            }
        }
        hits += learned.learned_counts().hits;
    }
    assert!(
        hits > 150_000 && opinions > 50_000,
        "{hits} hits, {opinions} opinions: too wild to say anything"
    );
}

#[test]
fn a_part_is_the_same_whoever_has_read_it() {
    let world = World::new();
    let mut dice = Dice(2);
    let (mut learned, mut general) = (Decoder::new(), Decoder::general());
    let types = [None, None, Some(&b"application/json"[..]), Some(b"application/x-ndjson")];
    for _ in 0..60_000 {
        let bytes = dice.message();
        let content_type = types[dice.below(types.len())];
        let told = |decoder: &mut Decoder| {
            let mut parts = String::new();
            decoder.decode(&world.context(), record_time(), content_type, &bytes, &mut |part| {
                let place = match part {
                    Part::Rejected { bytes: part, .. } => part.as_ptr().addr() - bytes.as_ptr().addr(),
                    Part::Scan { .. } | Part::Warned { .. } => 0,
                };
                writeln!(parts, "{part:?} at {place}").expect("memory");
            });
            parts
        };
        assert_eq!(told(&mut learned), told(&mut general), "{}", String::from_utf8_lossy(&bytes));
    }
    assert!(learned.learned_counts().hits > 10_000, "{:?}", learned.learned_counts());
}
