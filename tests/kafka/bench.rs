//! The budgets that need a broker, measured on a real one in a small size: lines with figures, never which.

use crate::cli::dockside;

use super::shared;

/// Budget and case of each line, and a figure of its detail.
const MEASURED: &[(&str, &str, &str)] = &[
    ("B6", "hot world", "dockside_cpu_us_per_scan"),
    ("B6", "real world", "counting_cpu_us_per_message"),
    ("B0", "200 scans of a box", "direct_cpu_us_per_scan"),
    ("B0", "14 scans of a box", "client_cpu_us_per_scan"),
    ("B9", "p50", "max_ms"),
    ("B9", "p99", "scans_per_s"),
    ("B10", "state loaded", "copy_bytes"),
    ("B10", "first commit", "boxes"),
    ("B11", "boxes/s, against Kafka Streams", "dockside_boxes_per_s"),
];

#[test]
fn budgets_are_measured_on_a_broker() {
    let Some(servers) = shared::bootstrap_servers() else { return };
    let args = ["bench", "--size", "2000", "--only", "B0,B6,B9,B10,B11", "--format", "ndjson"];
    let ran = dockside(&[&args[..], &["--bootstrap", &servers]].concat(), "");
    assert!(ran.code == 0 || ran.code == 1, "{}: {}", ran.code, ran.stderr);
    let lines = ran.json_lines();
    assert_eq!(lines.len(), MEASURED.len(), "{}", ran.stdout);
    for (line, (budget, case, figure)) in lines.iter().zip(MEASURED) {
        assert_eq!((line["budget"].as_str(), line["case"].as_str()), (Some(*budget), Some(*case)));
        assert!(line["detail"][figure].as_f64().is_some_and(|figure| figure > 0.0), "{line}");
        // What a peer is missing for has our figure only.
        assert_eq!(line["measured"].is_number(), line.get("missing").is_none(), "{line}");
    }
}
