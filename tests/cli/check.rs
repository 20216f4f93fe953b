//! `check`: every mistake at once, each with its line and a fix.

use super::{dockside, dockside_with, file, path};

#[test]
fn a_good_configuration_is_told_so() {
    for text in ["", "[engine]\nepoch_ms = 50\n", include_str!("../../config/dockside.toml")] {
        let config = file(text);
        let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{text}");
        assert!(ran.stdout.contains("good"), "{}", ran.stdout);
    }
}

#[test]
fn mistakes_are_told_at_once_with_line_caret_and_fix() {
    let config =
        file("[engine]\nepoch_record_max = 4096\nclock = \"imput\"\n\n[rules]\npark_days = \"120\"\n");
    let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
    assert_eq!(ran.code, 3);
    for word in [
        "E0103",
        ":2:1]",
        "epoch_record_max = 4096",
        "did you mean `epoch_records_max`?",
        "E0105",
        ":3:9]",
        "did you mean \"input\"?",
        "E0104",
        ":6:13]",
        "expected a whole number",
    ] {
        assert!(ran.stderr.contains(word), "{word} is not in\n{}", ran.stderr);
    }
    assert!(ran.stdout.contains("3 errors"), "{}", ran.stdout);
    assert!(!ran.stderr.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn findings_can_be_read_by_a_machine() {
    let config = file("[kafka]\nboostrap_servers = \"a:9092\"\n");
    let ran = dockside(&["check", "--offline", "--format", "json", "-c", path(&config)], "");
    assert_eq!(ran.code, 3);
    let found = &ran.json_lines()[0];
    assert_eq!(found["ok"], false);
    let problem = &found["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["line"], &problem["column"]),
        (&"E0103".into(), &2.into(), &1.into())
    );
    assert_eq!(problem["help"], "did you mean `bootstrap_servers`?");
}

#[test]
fn the_environment_and_arguments_are_judged_too() {
    let ran = dockside_with(
        &[("DOCKSIDE_ENGINE_EPOCH_MS", "soon")],
        &["check", "--offline", "--set", "engine.partitons=4"],
        "",
    );
    assert_eq!(ran.code, 3);
    for word in ["$DOCKSIDE_ENGINE_EPOCH_MS", "did you mean `engine.partitions`?"] {
        assert!(ran.stderr.contains(word), "{word} is not in\n{}", ran.stderr);
    }
}

#[test]
fn carrier_and_fc_files_are_judged_too() {
    let fcs = file("[ICT2]\ntime_zone = \"America/Wichita\"\n");
    let carriers = tempfile::tempdir().expect("a directory");
    std::fs::write(carriers.path().join("mine.toml"), "code = \"MINE\"\nid = 205\n").expect("written");
    let config = file(&format!("[fcs]\nfile = {:?}\n[carriers]\ndir = {:?}\n", fcs.path(), carriers.path()));
    let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
    assert_eq!(ran.code, 3);
    for word in ["E0110", "America/Wichita", "IANA", "E0109", "mine.toml"] {
        assert!(ran.stderr.contains(word), "{word} is not in\n{}", ran.stderr);
    }
}

#[test]
fn a_mistake_in_a_carrier_file_is_told_with_its_line() {
    let good = include_str!("../../docs/carriers.md")
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let good = good.expect("the page's example");
    for (right, wrong, words) in [
        ("", "", &[][..]),
        ("\"ACd{9}c\"", "\"ACd{9}k\"", &["mine.toml:9:18]", "no shape has this character"]),
        ("id = 200", "id = 5", &["mine.toml:2:6]", "a number from 200 to 255"]),
        (
            "rule = \"mod10\"",
            "rule = \"mod9\"",
            &["mine.toml:11:9]", "no check digit rule is called \"mod9\""],
        ),
        ("DELIVERED = [\"90\"]", "ARRIVED = [\"90\"]", &["mine.toml:16:1]", "not a milestone"]),
        ("[\"R1\"]", "[\"R1\", \"r1\"]", &["mine.toml:20:25]", "this code has an effect already"]),
    ] {
        assert!(good.contains(right), "{right}");
        let carriers = tempfile::tempdir().expect("a directory");
        std::fs::write(carriers.path().join("mine.toml"), good.replacen(right, wrong, 1)).expect("written");
        let config = file(&format!("[carriers]\ndir = {:?}\n", carriers.path()));
        let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
        assert_eq!(ran.code, if words.is_empty() { 0 } else { 3 }, "{wrong}: {}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{word} is not in\n{}", ran.stderr);
        }
    }
}

#[test]
fn secrets_never_show() {
    let config = file(
        "[kafka.properties]\n\"sasl.password\" = \"${HUSH}\"\n\"ssl.key.password\" = \"file:/nowhere\"\n\"acks\" = \"clear-hush\"\n",
    );
    let ran = dockside_with(&[("HUSH", "env-hush")], &["check", "--offline", "-c", path(&config)], "");
    assert_eq!(ran.code, 3);
    assert!(!ran.stderr.contains("env-hush") && !ran.stdout.contains("env-hush"), "{}", ran.stderr);
    assert!(ran.stderr.contains("E0106"), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let ran = dockside(&["check", "-c", "/does/not/exist.toml"], "");
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("/does/not/exist.toml"), "{}", ran.stderr);
}
