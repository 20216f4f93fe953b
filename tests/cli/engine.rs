//! `generate`, `replay`, `demo` and `run --local`: worlds through the whole engine.

use std::path::Path;

use serde_json::Value;

use super::{Ran, dockside, file, path};

fn generated(args: &[&str]) -> String {
    let ran = dockside(&[&["generate", "--scans", "600"], args].concat(), "");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    ran.stdout
}

/// The scans in it, however they are packed.
fn scans(lines: &str) -> usize {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    let values =
        lines.lines().map(parse).filter(|line| line["topic"] == "scans").map(|line| line["value"].clone());
    values
        .map(|value| match value.as_str().map(serde_json::from_str::<Value>) {
            Some(Ok(Value::Array(elements))) => elements.len(),
            _ => 1,
        })
        .sum()
}

#[test]
fn a_seed_makes_the_same_feed() {
    let feed = generated(&["--seed", "7"]);
    assert_eq!(feed, generated(&["--seed", "7"]));
    assert_ne!(feed, generated(&["--seed", "8"]));
    assert_eq!(scans(&feed), 600);
    let out = tempfile::NamedTempFile::new().expect("a file");
    assert_eq!(generated(&["--seed", "7", "--out", path(&out)]), "");
    assert_eq!(std::fs::read_to_string(out.path()).expect("written"), feed);
    for other in [&["--stormy"][..], &["--unkeyed"], &["--activity", "hot"], &["--batch", "8"]] {
        let lines = generated(&[&["--seed", "7"], other].concat());
        assert!(lines.lines().all(|line| line.starts_with("{\"topic\":\"")), "{other:?}");
        assert_ne!(lines, feed, "{other:?}");
    }
}

#[test]
fn replay_is_deterministic_and_its_state_is_the_latest_of_its_outputs() {
    let feed = file(&generated(&["--seed", "3"]));
    let first = dockside(&["replay", path(&feed)], "");
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    assert_eq!(first.stdout, dockside(&["replay", path(&feed)], "").stdout);
    let mut latest = std::collections::BTreeMap::new();
    for line in first.json_lines() {
        let at = (line["topic"].to_string(), line["key"].to_string());
        if line["topic"] == "dead-letters" || line["topic"] == "command-results" {
            continue;
        }
        match line["value"] {
            Value::Null => drop(latest.remove(&at)),
            _ => drop(latest.insert(at, line)),
        }
    }
    let state = dockside(&["replay", "--state", path(&feed)], "").json_lines();
    assert_eq!(state, latest.into_values().collect::<Vec<_>>());
    assert!(!state.is_empty());
}

#[test]
fn a_line_that_is_no_record_is_told_with_its_number() {
    let tick = "{\"topic\":\"ticks\",\"timestamp\":\"2026-11-05T16:00:00Z\"}\n";
    for (lines, word) in [
        (format!("{tick}nonsense\n"), "line 2 of -"),
        (
            format!("{tick}\n{{\"topic\":\"shipments\",\"timestamp\":\"2026-11-05T16:00:00Z\"}}"),
            "line 3 of -",
        ),
        ("{\"topic\":\"scans\"}".to_owned(), "timestamp"),
    ] {
        let ran = dockside(&["replay", "-"], lines.as_str());
        assert_eq!(ran.code, 2, "{lines}");
        assert!(ran.stderr.contains("E0002") && ran.stderr.contains(word), "{lines}: {}", ran.stderr);
    }
    assert_eq!(dockside(&["replay", "-"], tick).code, 0);
    assert_eq!(dockside(&["replay", "/does/not/exist"], "").code, 2);
}

fn demo(args: &[&str]) -> Value {
    let all = [&["demo", "--headless", "--scans", "2000", "--format", "json"], args].concat();
    let ran = dockside(&all, "");
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stderr, ran.stdout);
    ran.json_lines().remove(0)
}

#[test]
fn a_demo_comes_to_the_same_however_it_is_divided() {
    let one = demo(&["--partitions", "1", "--workers", "1"]);
    assert_eq!((&one["scans"]["read"], &one["scans"]["balanced"]), (&Value::from(2000), &Value::from(true)));
    assert_eq!(one["digest"].as_str().map(str::len), Some(64));
    for args in [
        &["--partitions", "5", "--workers", "2"][..],
        &["--partitions", "3", "--batch", "20"],
        &["--partitions", "3", "--unkeyed"],
        &["--partitions", "2", "--unkeyed", "--batch", "7"],
    ] {
        let other = demo(args);
        assert_eq!(other["digest"], one["digest"], "{args:?}");
        // Which of two equal scans is the repeat depends on their order; that one of them is does not.
        let of = |demo: &Value| demo["scans"]["applied"].as_u64().zip(demo["scans"]["duplicate"].as_u64());
        assert_eq!(of(&other).map(|(a, d)| a + d), of(&one).map(|(a, d)| a + d), "{args:?}");
        for field in ["read", "ignored", "parked", "dead_lettered", "commands", "commands_rejected"] {
            assert_eq!(other["scans"][field], one["scans"][field], "{field} {args:?}");
        }
    }
    assert_ne!(demo(&["--seed", "2"])["digest"], one["digest"]);
    assert_eq!(demo(&["--stormy"])["scans"]["read"], 2000);
}

#[test]
fn a_demo_ends_with_a_summary() {
    let ran = dockside(&["demo", "--headless", "--scans", "500"], "");
    assert_eq!(ran.code, 0);
    for word in ["scans read", "500", "shipments", "receiving-plan", "digest ", "a second"] {
        assert!(ran.stdout.contains(word), "{word} is not in\n{}", ran.stdout);
    }
}

fn run_local(dir: &Path, input: &str, stdin: &str) -> Ran {
    let dir = dir.to_str().expect("UTF-8");
    let clock = ["--set", "engine.clock=input", "--set", "engine.partitions=3"];
    dockside(&[&["run", "--local", dir, "--input", input, "--format", "json"][..], &clock].concat(), stdin)
}

fn lines_of(dir: &Path, topic: &str) -> Vec<String> {
    let text =
        std::fs::read_to_string(dir.join("out").join(format!("{topic}.ndjson"))).expect("an output file");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_local_run_goes_on_where_it_stopped() {
    let feed = generated(&["--seed", "5"]);
    let half =
        feed.lines().take(feed.lines().count() / 2).fold(String::new(), |text, line| text + line + "\n");
    let (stopped, whole) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));

    let input = file(&half);
    let ran = run_local(stopped.path(), path(&input), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    std::fs::write(input.path(), &feed).expect("written");
    let ran = run_local(stopped.path(), path(&input), "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("going on at byte"), "{}", ran.stderr);
    assert_eq!(ran.json_lines()[0]["scans"]["read"], 600);

    let ran = run_local(whole.path(), "-", &feed);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json_lines()[0]["scans"]["read"], 600);
    for topic in ["command-results", "dead-letters"] {
        let sorted = |dir: &Path| {
            let mut lines: Vec<Value> =
                lines_of(dir, topic).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            for line in &mut lines {
                line["value"].as_object_mut().map(|value| value.remove("version"));
                if let Some(headers) = line["headers"].as_object_mut() {
                    headers.retain(|name, _| name == "dockside.reason");
                }
            }
            let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(stopped.path()), sorted(whole.path()), "{topic}");
    }

    // A third time there is nothing left to do, and an input that shrank is refused.
    let before = lines_of(stopped.path(), "shipments");
    assert_eq!(run_local(stopped.path(), path(&input), "").code, 0);
    assert_eq!(lines_of(stopped.path(), "shipments"), before);
    std::fs::write(input.path(), &half).expect("written");
    let ran = run_local(stopped.path(), path(&input), "");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("E0402"), "{}", ran.stderr);
}

#[test]
fn a_bad_line_of_an_input_ends_a_local_run_with_its_number() {
    let dir = tempfile::tempdir().expect("a directory");
    let ran = run_local(
        dir.path(),
        "-",
        "{\"topic\":\"ticks\",\"timestamp\":\"2026-11-05T16:00:00Z\"}\nnonsense\n",
    );
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("line 2 of -"), "{}", ran.stderr);
}

#[test]
fn a_broker_that_is_not_there_cannot_be_connected_to() {
    let ran = dockside(&["check", "--set", "kafka.bootstrap_servers=127.0.0.1:1"], "");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("E0301") && ran.stderr.contains("127.0.0.1:1"), "{}", ran.stderr);
}
