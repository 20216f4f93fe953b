//! `decode`: canonical scans out, rejected parts told, exit code 1 if there is any.

use serde_json::{Value, json};

use super::{dockside, file, path};

const AT: &str = "2026-11-05T16:00:00Z";
const UPS: &str = r#"{"scan_id":"s1","carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"D","event_time":"2026-11-05T09:12:00-06:00","location":{"city":"Wichita","postal_code":"67219"},"description":"Delivered, dock"}"#;

#[test]
fn a_scan_is_resolved() {
    let ran = dockside(&["decode", "--at", AT, "-"], UPS);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let scans = ran.json_lines();
    assert_eq!(scans.len(), 1);
    for (field, want) in [
        ("scan_id", json!("s1")),
        ("carrier", json!("UPS")),
        ("tracking_id", json!("1Z5R89390357567127")),
        ("code", json!("D")),
        ("code_set", Value::Null),
        ("code_known", json!(true)),
        ("milestone", json!("DELIVERED")),
        ("flags", json!([])),
        ("event_time", json!("2026-11-05T15:12:00Z")),
        (
            "location",
            json!({"facility":null,"city":"Wichita","state":null,"postal_code":"67219","country":null,"fc":"ICT2"}),
        ),
        ("reason", Value::Null),
        ("eta", Value::Null),
        ("appointment", Value::Null),
        ("retracts", json!([])),
        ("description", json!("Delivered, dock")),
    ] {
        assert_eq!(scans[0][field], want, "{field}");
    }
    let identity = scans[0]["identity"].as_str().expect("text");
    assert!(identity.len() == 16 && identity.bytes().all(|b| b.is_ascii_hexdigit()), "{identity}");
}

#[test]
fn what_was_decoded_decodes_to_itself() {
    let once = dockside(&["decode", "--at", AT, "-"], UPS);
    let twice = dockside(&["decode", "--at", AT, "-"], once.stdout.as_str());
    assert_eq!(once.stdout, twice.stdout);
}

/// Each input: what comes out, by carrier or error code.
#[test]
fn parts_are_accepted_or_rejected_alone() {
    let bad_line = r#"{"carrier":"UPS","tracking_id":"1Z5R89390357567127","code":"D"}"#;
    #[rustfmt::skip]
    let cases: &[(&str, String, &[&str], i32)] = &[
        ("an object", UPS.to_owned(), &["UPS"], 0),
        ("an array", format!("[{UPS},{UPS}]"), &["UPS", "UPS"], 0),
        ("lines", format!("{UPS}\n\n{bad_line}\n{UPS}\n"), &["UPS", "MISSING_FIELD", "UPS"], 1),
        ("a bad element", format!("[{UPS},{bad_line}]"), &["UPS", "MISSING_FIELD"], 1),
        ("a broken array", format!("[{UPS},{UPS}"), &["BAD_JSON"], 1),
        ("nothing", String::new(), &["UNKNOWN_FORMAT"], 1),
        ("an empty array", "[]".to_owned(), &[], 0),
        ("prose", "hello".to_owned(), &["UNKNOWN_FORMAT"], 1),
        ("a name", UPS.replace("\"UPS\"", "\"UPSN\""), &["UPS"], 0),
        ("a stranger", UPS.replace("\"UPS\"", "\"ACME\""), &["OTHER"], 0),
        ("the future", UPS.replace("2026-11-05T09", "2026-12-05T09"), &["IMPLAUSIBLE_TIME"], 1),
        ("a key twice", UPS.replace("\"code\":\"D\"", "\"code\":\"D\",\"code\":\"I\""), &["BAD_JSON"], 1),
    ];
    for (name, input, want, code) in cases {
        let ran = dockside(&["decode", "--at", AT, "-"], input.as_str());
        let out = ran.json_lines();
        let got: Vec<&str> = out
            .iter()
            .map(|part| {
                part["carrier"].as_str().or(part["error"]["code"].as_str()).expect("a scan or an error")
            })
            .collect();
        assert_eq!((&got[..], ran.code), (*want, *code), "{name}: {}", ran.stdout);
    }
}

#[test]
fn a_rejection_says_why_and_where_and_keeps_the_bytes() {
    let ran = dockside(&["decode", "--at", AT, "-"], &b"\xff\xfe{"[..]);
    assert_eq!(ran.code, 1);
    let part = &ran.json_lines()[0];
    assert_eq!(part["raw"], json!({"base64": "//57"}));
    let ran = dockside(&["decode", "--at", AT, "-"], "{\"carrier\":5 5}");
    let part = &ran.json_lines()[0];
    assert_eq!(part["raw"], "{\"carrier\":5 5}");
    assert_eq!(part["error"]["code"], "BAD_JSON");
    assert!(part["error"]["message"].is_string() && part["error"]["position"].is_number(), "{part}");
}

#[test]
fn files_are_read_and_missing_ones_told() {
    let message = file(UPS);
    assert_eq!(dockside(&["decode", "--at", AT, path(&message)], "").code, 0);
    let ran = dockside(&["decode", "/does/not/exist"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("E0001") && ran.stderr.contains("/does/not/exist"), "{}", ran.stderr);
}
