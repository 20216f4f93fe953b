//! The budgets as the binary reports them: the shape of the lines, never a figure. Without a broker.

use serde_json::Value;

use super::{Ran, dockside};

/// Small enough for a test.
const SIZE: [&str; 2] = ["--size", "2000"];

fn bench(args: &[&str]) -> Ran {
    let ran = dockside(&[&["bench"], &SIZE[..], args].concat(), "");
    assert!(ran.code == 0 || ran.code == 1, "{}: {}", ran.code, ran.stderr);
    ran
}

/// Budget, case, unit and better side of each line, in the order in which they are measured.
const MEASURED: &[(&str, &str, &str, &str)] = &[
    ("B4", "scan station", "B", "lower"),
    ("B4", "shipment station", "B", "lower"),
    ("B1", "against simd-json", "x", "higher"),
    ("B2", "against DashMap<u128, u64>", "x", "higher"),
    ("B2", "against DashMap<String, u64>", "x", "higher"),
    ("B3", "of the rate of random lines", "%", "higher"),
    ("B5", "hot world, one core", "x", "higher"),
    ("growth", "scan station, few boxes against many", "x", "lower"),
    ("B12", "state bytes for each delta byte", "x", "lower"),
    ("B12", "CPU of an idle worker", "%", "lower"),
];

#[test]
fn each_bar_has_a_line_with_its_figure() {
    let plots = tempfile::tempdir().expect("a directory");
    let dir = plots.path().to_str().expect("UTF-8");
    let ran = bench(&["--only", "b1,B2,B3,B4,B5,growth,B12", "--format", "ndjson", "--plots", dir]);
    let lines = ran.json_lines();
    assert_eq!(lines.len(), MEASURED.len(), "{}", ran.stdout);
    for (line, (budget, case, unit, better)) in lines.iter().zip(MEASURED) {
        assert_eq!((&line["budget"], &line["case"]), (&Value::from(*budget), &Value::from(*case)));
        assert_eq!((&line["unit"], &line["better"]), (&Value::from(*unit), &Value::from(*better)), "{line}");
        let (measured, bar) = (line["measured"].as_f64(), line["bar"].as_f64());
        let (measured, bar) = (measured.expect("a figure"), bar.expect("a bar"));
        let good = if *better == "higher" { measured >= bar } else { measured <= bar };
        assert_eq!(line["pass"], good, "{line}");
        assert!(line["detail"].is_object() && line.get("missing").is_none(), "{line}");
    }
    let missed = lines.iter().any(|line| line["pass"] == false);
    assert_eq!(ran.code, i32::from(missed), "a budget that is missed is a finding");
    let stages = std::fs::read_to_string(plots.path().join("stages.svg")).expect("a plot");
    assert!(stages.starts_with("<svg ") && stages.contains("decode"), "{stages}");
}

#[test]
fn what_needs_a_broker_says_so() {
    let ran = bench(&["--only", "B6,B7,B8,B9,B10,B11", "--format", "json"]);
    let lines: Vec<Value> = serde_json::from_str(&ran.stdout).expect("an array");
    let budgets: Vec<&str> = lines.iter().filter_map(|line| line["budget"].as_str()).collect();
    assert_eq!(budgets, ["B6", "B6", "B7", "B7", "B8", "B9", "B9", "B10", "B10", "B11"]);
    for line in &lines {
        let wanted = if line["budget"] == "B7" { "--peers benches/peers" } else { "--bootstrap HOST:PORT" };
        assert!(line["missing"].as_str().expect("a reason").contains(wanted), "{line}");
        assert!(line["measured"].is_null() && line["pass"].is_null(), "{line}");
    }
    assert_eq!(ran.code, 0, "what could not be measured is not missed");
}

#[test]
fn people_get_a_table() {
    let ran = bench(&["--only", "B7,B12"]);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 2 + 4, "{}", ran.stdout);
    assert!(rows[0].starts_with("| budget ") && rows[1].starts_with("|---"), "{}", ran.stdout);
    assert!(rows[2].contains("needs the peers of a checkout"), "{}", ran.stdout);
    for row in &rows[4..] {
        assert!(row.starts_with("| B12 ") && (row.contains("held") || row.contains("missed")), "{row}");
    }
}
