//! The shapes of a message: object, array, lines, and what is none of them.

use super::{World, outcome};
use crate::model::Settings;

const A: &str =
    r#"{"carrier":"ACME","tracking_id":"A","milestone":"PICKED_UP","event_time":"2026-11-05T15:12:00Z"}"#;
const B: &str =
    r#"{"carrier":"ACME","tracking_id":"B","milestone":"IN_TRANSIT","event_time":"2026-11-05T15:12:00Z"}"#;
/// Good JSON, but no scan.
const X: &str = r#"{"carrier":"ACME"}"#;

fn check(world: &World, content_type: Option<&str>, text: &[u8], want: &[&str]) {
    let got = outcome(world, content_type, text);
    let shown = String::from_utf8_lossy(text);
    assert_eq!(got.len(), want.len(), "{shown}: {got:?}");
    for (got, want) in got.iter().zip(want) {
        assert!(got.starts_with(want), "{shown}: {got}, expected {want}");
    }
}

#[test]
fn first_bytes_tell_the_shape() {
    let world = World::new();
    let pretty = A.replace(',', ",\n  ").replace('{', "{\n  ").replace('}', "\n}");
    let cases: Vec<(String, Vec<&str>)> = vec![
        (A.to_owned(), vec!["0 A PICKED_UP"]),
        (format!("\u{feff} \r\n\t{A}\r\n\r\n"), vec!["0 A PICKED_UP"]),
        (pretty.clone(), vec!["0 A PICKED_UP"]),
        (format!("{pretty}\n\n"), vec!["0 A PICKED_UP"]),
        // Arrays.
        ("[]".to_owned(), vec![]),
        (" [ \n ] ".to_owned(), vec![]),
        (format!("[{A}]"), vec!["0 A PICKED_UP"]),
        (format!("\n[\n{A} ,\n{B}\n]\n"), vec!["0 A PICKED_UP", "1 B IN_TRANSIT"]),
        (format!("[{pretty},{A}]"), vec!["0 A PICKED_UP", "1 A PICKED_UP"]),
        // Lines.
        (format!("{A}\n{B}"), vec!["0 A PICKED_UP", "1 B IN_TRANSIT"]),
        (format!("{A}\r\n\r\n  \n{B}\r\n"), vec!["0 A PICKED_UP", "1 B IN_TRANSIT"]),
        // Neither.
        (String::new(), vec!["UNKNOWN_FORMAT whole @0"]),
        ("\n \n".to_owned(), vec![]),
        ("\u{feff}".to_owned(), vec![]),
        ("null".to_owned(), vec!["UNKNOWN_FORMAT whole @0"]),
        ("  12".to_owned(), vec!["UNKNOWN_FORMAT whole @2"]),
        ("ISA*00*          *00*".to_owned(), vec!["BAD_EDI whole @0"]),
        ("UNA:+.? 'UNB+UNOA:1".to_owned(), vec!["BAD_EDI whole @0"]),
        ("UNB+UNOA:1".to_owned(), vec!["BAD_EDI whole @0"]),
        ("<scan/>".to_owned(), vec!["UNKNOWN_FORMAT whole @0"]),
        ("\0".to_owned(), vec!["UNKNOWN_FORMAT whole @0"]),
    ];
    for (text, want) in cases {
        check(&world, None, text.as_bytes(), &want);
    }
}

#[test]
fn content_type_goes_before_the_first_bytes() {
    let world = World::new();
    let pretty = A.replace(',', ",\n");
    for (content_type, text, want) in [
        ("application/json", A, &["0 A PICKED_UP"][..]),
        ("Application/JSON; charset=utf-8", A, &["0 A PICKED_UP"]),
        ("application/x-ndjson", A, &["0 A PICKED_UP"]),
        ("application/x-ndjson", &pretty, &["BAD_JSON 0", "BAD_JSON 1", "BAD_JSON 2", "BAD_JSON 3"]),
        ("application/x-ndjson", "12", &["BAD_FIELD 0 @0 12"]),
        ("application/x-ndjson", "\n\n", &[]),
        ("application/json", "12", &["BAD_FIELD whole @0"]),
        ("application/json", "ISA*00*", &["BAD_JSON whole @0"]),
        ("application/edi-x12", A, &["BAD_EDI whole @0"]),
        ("application/edifact; charset=iso-8859-1", A, &["BAD_EDI whole @0"]),
        ("application/edi-x12", "UNB+UNOA:1'", &["BAD_EDI whole @0"]),
        ("application/octet-stream", A, &["0 A PICKED_UP"]),
        ("", A, &["0 A PICKED_UP"]),
    ] {
        check(&world, Some(content_type), text.as_bytes(), want);
    }
}

#[test]
fn a_bad_element_is_rejected_alone_and_given_back_exactly() {
    let world = World::new();
    let spaced = r#"{ "carrier" : "\u0041" }"#;
    let twice = r#"{"code":"a","code":"b"}"#;
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(32), "]".repeat(32));
    let deepest = A.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(31), "]".repeat(31)), 1);
    let surrogate = r#"{"carrier":"\ud800"}"#;
    let huge = A.replacen('{', "{\"x\":123456789012345678901234567890,", 1);
    for (text, want) in [
        (format!("[{X}]"), vec![format!("MISSING_FIELD 0 @1 {X}")]),
        (
            format!("[{A}, {spaced} ,{B},{X}]"),
            vec![
                "0 A PICKED_UP".to_owned(),
                format!("MISSING_FIELD 1 @{} {spaced}", A.len() + 3),
                "2 B IN_TRANSIT".to_owned(),
                format!("MISSING_FIELD 3 @{} {X}", A.len() + spaced.len() + B.len() + 6),
            ],
        ),
        (format!("[{twice},{A}]"), vec![format!("BAD_JSON 0 @20 {twice}"), "1 A PICKED_UP".to_owned()]),
        (
            format!("[1,null,\"],\",[{A}],{A}]"),
            vec![
                "BAD_FIELD 0 @1 1".to_owned(),
                "BAD_FIELD 1 @3 null".to_owned(),
                "BAD_FIELD 2 @8 \"],\"".to_owned(),
                format!("BAD_FIELD 3 @13 [{A}]"),
                "4 A PICKED_UP".to_owned(),
            ],
        ),
        (format!("[{deep},{A}]"), vec![format!("TOO_DEEP 0 @37 {deep}"), "1 A PICKED_UP".to_owned()]),
        (format!("[{deepest}]"), vec!["0 A PICKED_UP".to_owned()]),
        (format!("[{A},{surrogate}]"), vec!["0 A PICKED_UP".to_owned(), "BAD_JSON 1".to_owned()]),
        (format!("[{huge},{B}]"), vec!["0 A PICKED_UP".to_owned(), "1 B IN_TRANSIT".to_owned()]),
        // Lines.
        (
            format!("{A}\n {X}\r\n{B}"),
            vec![
                "0 A PICKED_UP".to_owned(),
                format!("MISSING_FIELD 1 @{} {X}", A.len() + 2),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
        (
            format!("{A}\nrubbish\n{B}"),
            vec![
                "0 A PICKED_UP".to_owned(),
                format!("BAD_JSON 1 @{} rubbish", A.len() + 1),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
        (
            format!("{A}\n{}\n{B}", &B[..40]),
            vec![
                "0 A PICKED_UP".to_owned(),
                format!("BAD_JSON 1 @{} {}", A.len() + 41, &B[..40]),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
        (
            format!("{{\"carrier\":\"AC\n{A}\n{B}"),
            vec![
                "BAD_JSON 0 @14 {\"carrier\":\"AC".to_owned(),
                "1 A PICKED_UP".to_owned(),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
        (
            format!("{{\"x\":[\n{A}\n{B}"),
            vec![
                "BAD_JSON 0 @6 {\"x\":[".to_owned(),
                "1 A PICKED_UP".to_owned(),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
        (
            format!("{A} {A}\n{B}"),
            vec![format!("BAD_JSON 0 @{} {A} {A}", A.len() + 1), "1 B IN_TRANSIT".to_owned()],
        ),
        (
            format!("{A}\n{deep}\n{B}"),
            vec![
                "0 A PICKED_UP".to_owned(),
                format!("TOO_DEEP 1 @{} {deep}", A.len() + 37),
                "2 B IN_TRANSIT".to_owned(),
            ],
        ),
    ] {
        let want: Vec<_> = want.iter().map(String::as_str).collect();
        check(&world, None, text.as_bytes(), &want);
    }
}

#[test]
fn a_broken_whole_is_rejected_whole() {
    let world = World::new();
    let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    for (text, want) in [
        (format!("[{A},{B}"), format!("BAD_JSON whole @{}", A.len() + B.len() + 2)),
        (format!("[{A},]"), format!("BAD_JSON whole @{}", A.len() + 2)),
        (format!("[{A}{B}]"), format!("BAD_JSON whole @{}", A.len() + 1)),
        (format!("[{A}]]"), format!("BAD_JSON whole @{}", A.len() + 2)),
        (format!("[{A},rubbish]"), format!("BAD_JSON whole @{}", A.len() + 2)),
        (format!("\n\n [{A}"), format!("BAD_JSON whole @{}", A.len() + 4)),
        ("[".to_owned(), "BAD_JSON whole @1".to_owned()),
        ("[".repeat(100_000), "BAD_JSON whole @100000".to_owned()),
        ("{".to_owned(), "BAD_JSON whole @1".to_owned()),
        ("{\"a\":".repeat(100_000), "TOO_DEEP whole @160".to_owned()),
        (format!("{A}{B}"), format!("BAD_JSON whole @{}", A.len())),
        (format!("{A} rubbish"), format!("BAD_JSON whole @{}", A.len() + 1)),
        (A[..A.len() - 1].to_owned(), format!("BAD_JSON whole @{}", A.len() - 1)),
        (deep(32), "MISSING_FIELD whole @0".to_owned()),
        (deep(33), "TOO_DEEP whole @36".to_owned()),
    ] {
        check(&world, None, text.as_bytes(), &[&want]);
    }
}

#[test]
fn bytes_that_are_no_text_are_rejected_where_they_stand() {
    let world = World::new();
    let bad = b"{\"carrier\":\"\xff\"}";
    let join = |parts: &[&[u8]]| parts.concat();
    check(&world, None, bad, &["BAD_UTF8 whole @12"]);
    check(
        &world,
        None,
        &join(&[b"[", A.as_bytes(), b",", bad, b"]"]),
        &[&format!("BAD_UTF8 whole @{}", A.len() + 14)],
    );
    check(
        &world,
        None,
        &join(&[A.as_bytes(), b"\n", bad, b"\n", B.as_bytes()]),
        &["0 A PICKED_UP", &format!("BAD_UTF8 1 @{}", A.len() + 13), "2 B IN_TRANSIT"],
    );
    // An overlong form, a surrogate, and a sequence that is cut off by the end.
    for tail in [&b"\xc0\x80"[..], b"\xed\xa0\x80", b"\xe2\x82"] {
        check(&world, None, &join(&[b"{\"x\":\"", tail, b"\"}"]), &["BAD_UTF8 whole @6"]);
        check(&world, None, &join(&[b"{\"x\":\"", tail]), &["BAD_UTF8 whole @6"]);
    }
}

#[test]
fn a_message_has_a_largest_size() {
    let settings = Settings { message_bytes_max: A.len(), ..Settings::default() };
    let world = World { settings, ..World::new() };
    check(&world, None, A.as_bytes(), &["0 A PICKED_UP"]);
    check(&world, None, format!("{A} ").as_bytes(), &["TOO_LARGE whole -"]);
}

#[test]
fn large_messages_are_read_like_small_ones() {
    let world = World::new();
    let padding = " ".repeat(2 << 20);
    let text = format!("[{A},{padding}{X},{B}]");
    let at = A.len() + 2 + padding.len();
    check(&world, None, text.as_bytes(), &["0 A", &format!("MISSING_FIELD 1 @{at} {X}"), "2 B"]);
    check(&world, None, &text.as_bytes()[..text.len() - 1], &["BAD_JSON whole"]);
    let object = A.replacen('{', &format!("{{{padding}"), 1);
    check(&world, None, object.as_bytes(), &["0 A PICKED_UP"]);
}
