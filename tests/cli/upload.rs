//! `upload`: a table through the embedded log, row by row, once and again.

use std::path::Path;

use serde_json::Value;

use super::{Ran, dockside, file, path};
use crate::rules::story::number;

const UPS: [&str; 3] = ["1Z5R89390357567127", "1Z999AA10123456784", "1Z12345E0205271688"];

fn command(shipment: &str, value: &Value) -> String {
    format!(
        "{{\"topic\":\"commands\",\"timestamp\":\"2026-11-05T09:00:00Z\",\"key\":\"{shipment}\",\"value\":{value}}}\n"
    )
}

fn creation(shipment: &str, mode: &str, carrier: &str, boxes: &[&str]) -> String {
    let boxes: Vec<Value> =
        boxes.iter().map(|id| serde_json::json!({"box_id": id, "units": 1, "weight_g": 1})).collect();
    let value = serde_json::json!({
        "command_id": format!("create-{shipment}"), "type": "create_shipment", "shipment_id": shipment,
        "account": "A", "fc": "ICT2", "mode": mode, "carrier": carrier, "boxes": boxes,
    });
    command(shipment, &value)
}

/// A log with three shipments: two boxes, one box, and freight.
fn world() -> tempfile::TempDir {
    log_of(&[
        creation("FBA1", "SPD", "UPS", &["B1", "B2"]),
        creation("FBA2", "SPD", "UPS", &["B1"]),
        creation("FBA3", "LTL", "XPO", &[]),
    ])
}

/// A log that has read these lines.
fn log_of(lines: &[String]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let ran = dockside(
        &[
            "run",
            "--local",
            dir.path().to_str().expect("UTF-8"),
            "--input",
            "-",
            "--workers",
            "1",
            "--set",
            "engine.partitions=2",
            "--set",
            "http.listen=",
        ],
        lines.concat(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    dir
}

fn upload(dir: &Path, more: &[&str], table: &str) -> Ran {
    let dir = dir.to_str().expect("UTF-8");
    dockside(&[&["upload", "--local", dir, "--format", "ndjson"], more, &["-"]].concat(), table)
}

/// Row, outcome, and code or the beginning of the message.
fn outcomes(ran: &Ran) -> Vec<String> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let told = ran.json_lines().into_iter().map(|row| {
        let why = if row["code"].is_null() { word(&row, "message") } else { word(&row, "code") };
        format!("{} {} {}", row["row"], word(&row, "outcome"), why.chars().take(24).collect::<String>())
    });
    told.map(|text| text.trim_end().to_owned()).collect()
}

/// How many lines a topic has, and its last values by key.
fn topic(dir: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("out").join(format!("{name}.ndjson"))).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn good_rows_are_entered_and_the_same_upload_again_changes_nothing() {
    let dir = world();
    let table = format!(
        "shipment_id,box_id,tracking_id\nFBA1,B1,{}\nFBA1,B9,{}\nFBA2,B1,nonsense\nFBA9,B1,{}\nFBA1,,x\n",
        UPS[0], UPS[1], UPS[2]
    );
    let want = [
        "2 ACCEPTED",
        "3 REJECTED UNKNOWN_BOX",
        "4 REJECTED INVALID_TRACKING_ID",
        "5 REJECTED UNKNOWN_SHIPMENT",
        "6 REJECTED `box_id`: 1-64 printable",
    ];
    let errors = tempfile::NamedTempFile::new().expect("a file");
    let first = upload(dir.path(), &["--errors", path(&errors)], &table);
    assert_eq!((first.code, outcomes(&first)), (1, want.map(str::to_owned).to_vec()), "{}", first.stderr);
    let (shipments, results) = (topic(dir.path(), "shipments"), topic(dir.path(), "command-results").len());
    let refused = std::fs::read_to_string(errors.path()).expect("written");
    assert_eq!(refused.lines().count(), 5, "{refused}");

    let second = upload(dir.path(), &[], &table);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(topic(dir.path(), "shipments"), shipments, "nothing changed");
    let again = topic(dir.path(), "command-results").len();
    // One command for each of three shipments, and one more for the row that was good beside a bad one.
    assert_eq!((results, again), (3 + 4, 3 + 8), "every result is told again");
}

/// Each table and its arguments: the exit code and the outcomes.
#[test]
fn modes_say_what_becomes_of_the_good_rows() {
    let dir = world();
    let boxes = "shipment_id;box_id;tracking_id\r\n";
    let unknown = format!("{boxes}FBA1;B1;{}\r\nFBA2;B7;{}\r\n", UPS[0], UPS[1]);
    let bad = format!("{boxes}FBA1;B1;{}\r\nFBA2;;{}\r\n", UPS[0], UPS[1]);
    let good = format!("\u{feff}{boxes}FBA1;B1;{}\r\nFBA2;B1;{}\r\n", UPS[0], UPS[1]);
    let freight = "shipment,pro,bol\nFBA3,123456782,BOL-1\n".to_owned();
    let all: &[&str] = &["--mode", "all-or-nothing"];
    for (what, more, table, code, want) in [
        (
            "a box that only the service knows to be wrong",
            all,
            &unknown,
            1,
            &["2 NOT_SENT", "3 REJECTED UNKNOWN_BOX"][..],
        ),
        (
            "a row that is wrong by itself",
            all,
            &bad,
            1,
            &["2 NOT_SENT", "3 REJECTED `box_id`: 1-64 printable"],
        ),
        ("asking only", &["--dry-run"], &good, 0, &["2 VALID", "3 VALID"]),
        ("asking only, with a bad row", &["--dry-run"], &unknown, 1, &["2 VALID", "3 REJECTED UNKNOWN_BOX"]),
    ] {
        let ran = upload(dir.path(), more, table);
        assert_eq!(
            (ran.code, outcomes(&ran)),
            (code, want.iter().map(|w| (*w).to_owned()).collect()),
            "{what}: {}",
            ran.stderr
        );
        assert_eq!(topic(dir.path(), "shipments").len(), 3, "{what}: nothing was entered");
    }
    let ran = upload(dir.path(), all, &good);
    assert_eq!((ran.code, outcomes(&ran)), (0, vec!["2 ACCEPTED".to_owned(), "3 ACCEPTED".to_owned()]));
    let ran = upload(dir.path(), &[], &freight);
    assert!(ran.stdout.contains("\"ACCEPTED\""), "{}{}", ran.stdout, ran.stderr);
    let entered: Vec<Value> = topic(dir.path(), "shipments").into_iter().skip(3).collect();
    let numbers: Vec<String> = entered.iter().map(Value::to_string).collect();
    for number in [UPS[0], UPS[1], "123456782"] {
        assert!(numbers.iter().any(|document| document.contains(number)), "{number}");
    }
}

#[test]
fn reg_7_a_table_names_seven_of_twelve_boxes() {
    let names: Vec<String> = (0..12).map(|n| format!("B{n}")).collect();
    let ids: Vec<&str> = names.iter().map(String::as_str).collect();
    let window = serde_json::json!({
        "command_id": "window", "type": "set_delivery_window", "shipment_id": "FBA1",
        "start": "2026-11-10T06:00:00Z", "end": "2026-11-13T06:00:00Z",
    });
    let ready = serde_json::json!({"command_id": "ready", "type": "confirm_ready", "shipment_id": "FBA1"});
    let told = [window, ready].map(|value| command("FBA1", &value));
    let dir = log_of(&[creation("FBA1", "SPD", "UPS", &ids), told.concat()]);
    let row = |n: usize| format!("FBA1,B{n},{}\n", number(&format!("#{n}")));
    let table = |rows: std::ops::Range<usize>| {
        "shipment_id,box_id,tracking_id\n".to_owned() + &rows.map(row).collect::<String>()
    };
    for (rows, tracked, status) in [(0..7, 7, "READY_TO_SHIP"), (7..12, 12, "SHIPPED")] {
        let ran = upload(dir.path(), &[], &table(rows));
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let shipment = topic(dir.path(), "shipments").pop().expect("a document")["value"].take();
        assert_eq!(shipment["status"], status, "{shipment}");
        let boxes = shipment["boxes"].as_array().expect("boxes");
        let with_number = boxes.iter().filter(|unit| !unit["tracking_id"].is_null()).count();
        assert_eq!((boxes.len(), with_number), (12, tracked), "{shipment}");
    }
}

#[test]
fn who_does_not_wait_leaves_the_work_to_the_next_run() {
    let dir = world();
    let table = format!("shipment_id\tbox_id\ttracking_id\nFBA2\tB1\t{}\n", UPS[0]);
    let sent = upload(dir.path(), &["--no-wait", "--upload-id", "u1"], &table);
    assert_eq!((sent.code, outcomes(&sent)), (0, vec!["2 SENT".to_owned()]), "{}", sent.stderr);
    assert_eq!(topic(dir.path(), "command-results").len(), 3);
    let asked = upload(dir.path(), &["--upload-id", "u1"], &table);
    assert_eq!((asked.code, outcomes(&asked)), (0, vec!["2 ACCEPTED".to_owned()]), "{}", asked.stderr);
    assert_eq!(topic(dir.path(), "shipments").len(), 4, "entered once");
}

#[test]
fn a_preview_needs_no_service_and_csv_is_safe_to_open() {
    let table = file("shipment_id,box_id,tracking_id\n=1+1,B1,@x\nFBA1,B1,\n");
    let text = dockside(&["upload", "--preview", "--format", "text", path(&table)], "");
    assert_eq!(text.code, 1);
    assert_eq!(
        text.stdout,
        "row 3: rejected: `tracking_id`: it is missing; a table enters, and removes nothing\n"
    );
    let csv = dockside(&["upload", "--preview", "--format", "csv", path(&table)], "");
    assert!(csv.stdout.contains("\n2,'=1+1,B1,'@x,VALID,"), "{}", csv.stdout);
    for (what, table, word) in
        [("no header", "", "there is no header"), ("no column", "a,b\n", "no column is")]
    {
        let ran = dockside(&["upload", "--preview", "-"], table);
        assert_eq!(ran.code, 2, "{what}");
        assert!(ran.stderr.contains("error[E0005]") && ran.stderr.contains(word), "{what}: {}", ran.stderr);
    }
}

#[test]
fn a_hundred_thousand_rows_go_through() {
    let mut table = "shipment_id,box_id,tracking_id\n".to_owned();
    for at in 0..100_000 {
        table.push_str(&format!("FBA{:05},B{:03},T{at:08}\n", at / 400, at % 400));
    }
    let dir = world();
    let ran = upload(dir.path(), &[], &table);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lines = ran.stdout.lines().count();
    let unknown = ran.stdout.lines().filter(|line| line.contains("\"UNKNOWN_SHIPMENT\"")).count();
    assert_eq!((lines, unknown), (100_000, 100_000), "each row has the answer of its shipment");
}
