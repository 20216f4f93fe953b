//! One object: which fields make a scan, and what each wrong field is called.

use super::{World, detail, outcome, record_time, scan};
use crate::model::{
    CarrierId, DAY_MS, Effect, EventTime, Flag, FlagSet, HOUR_MS, Milestone, SECOND_MS, ScanId, Timestamp,
};

/// A good scan with some fields replaced or added; an empty value leaves the field out.
fn object(changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("carrier", r#""ACME""#),
        ("tracking_id", r#""N1""#),
        ("milestone", r#""DELIVERED""#),
        ("event_time", r#""2026-11-05T15:12:00Z""#),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn event_time(text: &str) -> EventTime {
    Timestamp::parse(text).and_then(EventTime::from_timestamp).expect("an event time")
}

#[test]
fn the_example_of_the_contract_is_read() {
    let text = r#"{"scan_id":"optional","carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"D",
        "event_time":"2026-11-05T09:12:00-06:00",
        "location":{"facility":null,"city":"Wichita","state":"KS","postal_code":"67202","country":"US","fc":"ICT2"},
        "reason":null,"eta":null,"appointment":null,"retracts":[],"description":"Delivered, dock"}"#;
    let world = World::new();
    let scan = scan(&world, text);
    assert_eq!(world.catalogue.code(scan.key.carrier), "UPS");
    assert_eq!(scan.key.number.as_str(), "1Z5R89390357567127");
    assert_eq!(scan.effect.milestone, Some(Milestone::Delivered));
    assert!(scan.code_known);
    assert_eq!(scan.event_time, event_time("2026-11-05T15:12:00Z"));
    assert_eq!(scan.place.expect("a place").as_str(), "ICT2");
    assert_eq!(scan.id, ScanId::of_text("optional"));
    assert_eq!((scan.eta, scan.appointment, scan.retracts.len()), (None, None, 0));
}

#[test]
fn fields_decide_between_scan_and_rejection() {
    let world = World::new();
    let long = format!("\"{}\"", "x".repeat(65));
    let longest = format!("\"{}\"", "ü".repeat(64));
    let scan_ids = |n: usize| format!("[{}]", vec![r#""s""#; n].join(","));
    let (many, too_many) = (scan_ids(64), scan_ids(65));
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "0 N1 DELIVERED"),
        (&[("unknown", "[{\"carrier\":1,\"a\":{}},null]"), ("more", "{\"carrier\":2}")], "0 N1 DELIVERED"),
        (&[("unknown", "123456789012345678901234567890")], "0 N1 DELIVERED"),
        (&[("unknown", "1e999")], "0 N1 DELIVERED"),
        (&[("unknown", "\"\\ud800\"")], "0 N1 DELIVERED"),
        // Required fields; missing equals null.
        (&[("carrier", "")], "MISSING_FIELD"),
        (&[("carrier", "null")], "MISSING_FIELD"),
        (&[("tracking_id", "null")], "MISSING_FIELD"),
        (&[("event_time", "")], "MISSING_FIELD"),
        (&[("milestone", "null"), ("code", "null")], "MISSING_FIELD"),
        // Types.
        (&[("carrier", "7")], "BAD_FIELD"),
        (&[("carrier", "{\"a\":1}")], "BAD_FIELD"),
        (&[("event_time", "1762355520")], "BAD_FIELD"),
        (&[("code", "[]")], "BAD_FIELD"),
        (&[("location", "\"Wichita\"")], "BAD_FIELD"),
        (&[("location", "{\"city\":true}")], "BAD_FIELD"),
        (&[("location", "null")], "0 N1 DELIVERED"),
        (&[("location", "{\"x\":[1,{}]}")], "0 N1 DELIVERED"),
        (&[("description", "false")], "BAD_FIELD"),
        (&[("retracts", "\"s\"")], "BAD_FIELD"),
        (&[("retracts", "[null]")], "BAD_FIELD"),
        (&[("retracts", "[\"\"]")], "BAD_FIELD"),
        (&[("retracts", &many)], "0 N1 DELIVERED"),
        (&[("retracts", &too_many)], "BAD_FIELD"),
        (&[("appointment", "[]")], "BAD_FIELD"),
        (&[("appointment", "{}")], "0 N1 DELIVERED"),
        (&[("appointment", "{\"end\":\"2026-11-05T15:12:00Z\"}")], "BAD_FIELD"),
        // Numbers.
        (&[("tracking_id", "794644790138")], "0 794644790138 DELIVERED"),
        (&[("tracking_id", "9007199254740992")], "0 9007199254740992 DELIVERED"),
        (&[("tracking_id", "9007199254740993")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "123456789012345678901234567890")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "0")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "-0")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "-5")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "1.0")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "1e3")], "BAD_TRACKING_ID"),
        (&[("tracking_id", "012")], "BAD_JSON"),
        (&[("tracking_id", "\"\"")], "BAD_TRACKING_ID"),
        (&[("tracking_id", &long)], "BAD_TRACKING_ID"),
        (&[("tracking_id", "true")], "BAD_FIELD"),
        // Codes and milestones.
        (&[("code", "\"no such code\"")], "0 N1 DELIVERED"),
        (&[("code", "\"no such code\""), ("milestone", "")], "0 N1 -"),
        (&[("code", "\"no such code\""), ("milestone", "\"delivered\"")], "BAD_FIELD"),
        (&[("milestone", "\"NO_SUCH\"")], "BAD_FIELD"),
        (&[("milestone", "\"DELAYED\"")], "0 N1 -"),
        (
            &[
                ("carrier", "\"UPS\""),
                ("tracking_id", "\"1Z5R89390357567127\""),
                ("code", "\"D\""),
                ("milestone", "\"NO_SUCH\""),
            ],
            "0 1Z5R89390357567127 DELIVERED",
        ),
        // Identifiers.
        (&[("scan_id", "\"\"")], "BAD_FIELD"),
        (&[("scan_id", &long)], "BAD_FIELD"),
        (&[("scan_id", &longest)], "0 N1 DELIVERED"),
        (&[("location", "{\"fc\":\"\"}")], "BAD_FIELD"),
        // Times.
        (&[("event_time", "\"yesterday\"")], "BAD_FIELD"),
        (&[("event_time", "\"2026-11-05\"")], "BAD_FIELD"),
        (&[("event_time", "\"2026-11-05T09:12:00\"")], "NO_TIME_ZONE"),
        (&[("event_time", "\"2026-11-05T09:12:00\""), ("location", "{\"fc\":\"NOWHERE\"}")], "NO_TIME_ZONE"),
        (&[("event_time", "\"2026-11-05T09:12:00\""), ("location", "{\"fc\":\"ICT2\"}")], "0 N1 DELIVERED"),
        (&[("eta", "\"soon\"")], "BAD_FIELD"),
        (&[("eta", "\"2026-11-06T09:12:00\"")], "NO_TIME_ZONE"),
        (&[("eta", "\"2100-01-01T00:00:00Z\"")], "0 N1 DELIVERED"),
        (&[("eta", "\"1980-01-01T00:00:00Z\"")], "0 N1 DELIVERED"),
        (&[("eta", "\"2110-01-01T00:00:00Z\"")], "BAD_FIELD"),
        (&[("eta", "\"1969-12-31T23:59:59Z\"")], "BAD_FIELD"),
        (&[("appointment", "{\"start\":\"2110-01-01T00:00:00Z\"}")], "BAD_FIELD"),
        // Keys.
        (&[("c\\u006fde", "\"x\""), ("milestone", "")], "0 N1 -"),
    ];
    for (changes, want) in cases {
        let text = object(changes);
        let got = outcome(&world, None, text.as_bytes());
        assert_eq!(got.len(), 1, "{text}");
        assert!(got[0].starts_with(want), "{text}: {got:?}, expected {want}");
    }
}

#[test]
fn a_rejection_points_at_its_field() {
    let world = World::new();
    for (text, want, at) in [
        (object(&[("milestone", "\"X\"")]), "BAD_FIELD whole", "\"X\""),
        (object(&[("tracking_id", "1.5")]), "BAD_TRACKING_ID whole", "1.5"),
        (object(&[("location", "{\"fc\": \"\"}")]), "BAD_FIELD whole", "\"\""),
        (object(&[("event_time", "\"1999-01-01T00:00:00Z\"")]), "IMPLAUSIBLE_TIME whole", "\"1999"),
        (format!("  {}", object(&[("carrier", "")])), "MISSING_FIELD whole", "{"),
        (object(&[("reason", "\"a\",\"reason\":\"b\"")]), "BAD_JSON whole", "\"b\""),
        (object(&[("code", "\"a\",\"code\":null")]), "BAD_JSON whole", "null"),
        (object(&[("location", "{\"city\":\"a\",\"city\":\"b\"}")]), "BAD_JSON whole", "\""),
        (object(&[("appointment", "{\"start\":null,\"start\":null}")]), "BAD_JSON whole", "null}"),
        (object(&[("reason", "nil")]), "BAD_JSON whole", "il"),
        (object(&[("reason", "\"a\nb\"")]), "BAD_JSON whole", "\n"),
    ] {
        let got = outcome(&world, None, text.as_bytes());
        assert_eq!(got.len(), 1, "{text}");
        let (reason, position) = got[0].rsplit_once(" @").expect("a position");
        assert_eq!(reason, want, "{text}");
        let position: usize = position.parse().expect("a number");
        assert!(text[position..].starts_with(at), "{text}: at {position}, {}", &text[position..]);
    }
}

#[test]
fn a_rejection_says_what_was_expected_and_what_was_found() {
    let world = World::new();
    for (changes, want) in [
        (&[("carrier", ""), ("event_time", "null")][..], "`carrier`, `event_time` missing"),
        (&[("milestone", "")], "`code` or `milestone` missing"),
        (&[("carrier", "7")], "`carrier`: a string is expected, found 7"),
        (&[("event_time", "\"noon\"")], "`event_time`: an RFC 3339 time is expected, found \"noon\""),
        (&[("reason", "\"a\",\"reason\":\"b\"")], "`reason` appears twice"),
        (
            &[("event_time", "\"2026-11-05T18:30:00Z\"")],
            "`event_time`: \"2026-11-05T18:30:00Z\" is too far ahead of the record's own time 2026-11-05T16:00:00Z",
        ),
    ] {
        assert_eq!(detail(&world, &object(changes)), want);
    }
}

#[test]
fn r20_plausible_times() {
    let world = World::new();
    let zoned = |ahead_ms: i64| record_time().plus_ms(ahead_ms).to_string();
    // ICT2 is six hours behind UTC on that day.
    let local = |ahead_ms: i64| record_time().plus_ms(ahead_ms - 6 * HOUR_MS).to_string().replace('Z', "");
    for (time, want_ahead_ms) in [
        (zoned(0), Some(0)),
        (zoned(2 * HOUR_MS), Some(2 * HOUR_MS)),
        (zoned(2 * HOUR_MS + SECOND_MS), None),
        (zoned(24 * HOUR_MS), None),
        (zoned(-400 * DAY_MS), Some(-400 * DAY_MS)),
        (zoned(-400 * DAY_MS - SECOND_MS), None),
        (local(0), Some(0)),
        (local(2 * HOUR_MS), Some(2 * HOUR_MS)),
        (local(20 * HOUR_MS - SECOND_MS), None),
        (local(20 * HOUR_MS), Some(-4 * HOUR_MS)),
        (local(24 * HOUR_MS), Some(0)),
        (local(26 * HOUR_MS), Some(2 * HOUR_MS)),
        (local(26 * HOUR_MS + SECOND_MS), None),
        ("0001-01-01T00:00:00Z".to_owned(), None),
        ("9999-12-31T23:59:59Z".to_owned(), None),
    ] {
        let text = object(&[("event_time", &format!("\"{time}\"")), ("location", "{\"fc\":\"ICT2\"}")]);
        match want_ahead_ms {
            Some(ahead_ms) => {
                let want = EventTime::from_timestamp(record_time().plus_ms(ahead_ms)).expect("an event time");
                assert_eq!(scan(&world, &text).event_time, want, "{time}");
            }
            None => assert_eq!(
                outcome(&world, None, text.as_bytes())[0].split(' ').next(),
                Some("IMPLAUSIBLE_TIME"),
                "{time}"
            ),
        }
    }
}

#[test]
fn a_place_is_the_fc_or_its_postal_code_and_lends_its_zone() {
    let world = World::new();
    for (location, place, utc) in [
        ("{\"fc\":\"ICT2\"}", Some("ICT2"), Some("15:00")),
        ("{\"postal_code\":\"67219\"}", Some("ICT2"), Some("15:00")),
        ("{\"fc\":\"ABE8\",\"postal_code\":\"67219\"}", Some("ABE8"), Some("14:00")),
        ("{\"fc\":\"NOWHERE\",\"postal_code\":\"67219\"}", Some("NOWHERE"), Some("15:00")),
        ("{\"postal_code\":\"l6y 0b2\"}", Some("YYZ4"), Some("14:00")),
        ("{\"postal_code\":\"00000\"}", None, None),
    ] {
        let zoned = object(&[("location", location)]);
        assert_eq!(scan(&world, &zoned).place.as_ref().map(|fc| fc.as_str()), place, "{location}");
        let Some(utc) = utc else { continue };
        let local = object(&[("location", location), ("event_time", "\"2026-11-05T09:00:00\"")]);
        assert_eq!(
            scan(&world, &local).event_time,
            event_time(&format!("2026-11-05T{utc}:00Z")),
            "{location}"
        );
    }
}

#[test]
fn payload_is_read() {
    let world = World::new();
    let text = object(&[
        ("milestone", "\"HELD\""),
        ("location", "{\"fc\":\"ICT2\"}"),
        ("eta", "\"2026-12-01T08:00:00\""),
        (
            "appointment",
            "{\"start\":\"2026-12-01T09:00:00-06:00\",\"end\":\"2026-12-01T11:00:00\",\"dock\":7}",
        ),
        ("retracts", "[\"a\",\"b\",\"c\"]"),
    ]);
    let read = scan(&world, &text);
    assert_eq!(read.key.carrier, CarrierId::OTHER);
    assert_eq!(read.effect, Effect { milestone: None, flags: FlagSet::of(Flag::Held) });
    assert_eq!(read.eta, Some(event_time("2026-12-01T14:00:00Z")));
    let appointment = (event_time("2026-12-01T15:00:00Z"), event_time("2026-12-01T17:00:00Z"));
    assert_eq!(read.appointment, Some(appointment));
    assert_eq!(read.retracts.to_vec(), ["a", "b", "c"].map(ScanId::of_text));

    let open = object(&[("appointment", "{\"start\":\"2026-12-01T15:00:00Z\"}")]);
    assert_eq!(scan(&world, &open).appointment, Some((appointment.0, appointment.0)));
    let nothing = object(&[("appointment", "{\"start\":null,\"end\":null}")]);
    assert_eq!(scan(&world, &nothing).appointment, None);
}

#[test]
fn identity_is_content_without_a_scan_id() {
    let world = World::new();
    let id = |changes: &[(&str, &str)]| scan(&world, &object(changes)).id;
    let base = id(&[]);
    for (changes, same) in [
        (&[("description", "\"other words\"")][..], true),
        (&[("location", "{\"city\":null}")], true),
        (&[("event_time", "\"2026-11-05T15:12:59Z\"")], true),
        (&[("event_time", "\"2026-11-05T09:12:30-06:00\"")], true),
        (&[("eta", "\"2026-11-06T15:12:59Z\"")], true),
        (&[("event_time", "\"2026-11-05T15:13:00Z\"")], false),
        (&[("carrier", "\"UPS\""), ("tracking_id", "\"1Z5R89390357567127\"")], false),
        (&[("tracking_id", "\"N2\"")], false),
        (&[("milestone", "\"RETURNED\"")], false),
        (&[("code", "\"X\"")], false),
        (&[("reason", "\"X\"")], false),
        (&[("location", "{\"city\":\"X\"}")], false),
        (&[("location", "{\"facility\":\"X\"}")], false),
        (&[("scan_id", "\"X\"")], false),
    ] {
        assert_eq!(id(changes) == base, same, "{changes:?}");
    }
    assert_ne!(id(&[("location", "{\"city\":\"X\"}")]), id(&[("location", "{\"state\":\"X\"}")]));
}
