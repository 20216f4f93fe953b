//! `verify` over what `run --local` left.

use std::path::Path;

use super::{Ran, dockside};

const CLOCK: [&str; 4] = ["--set", "engine.clock=input", "--set", "engine.partitions=3"];

fn verified(dir: &Path, args: &[&str]) -> Ran {
    let dir = dir.to_str().expect("UTF-8");
    dockside(&[&["verify", "--local", dir][..], args, &CLOCK].concat(), "")
}

#[test]
fn a_good_run_is_proven_and_another_world_is_not() {
    let feed = dockside(&["generate", "--scans", "500", "--seed", "4"], "").stdout;
    let dir = tempfile::tempdir().expect("a directory");
    let local = dir.path().to_str().expect("UTF-8");
    let run = || dockside(&[&["run", "--local", local, "--input", "-"][..], &CLOCK].concat(), feed.as_str());
    assert_eq!(run().code, 0);

    let ran = verified(dir.path(), &["--scans", "500", "--seed", "4", "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let report = ran.json_lines().remove(0);
    assert_eq!(report["clean"], true);
    let verdicts: Vec<(&str, &str)> = report["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| (check["name"].as_str().expect("a name"), check["verdict"].as_str().expect("a verdict")))
        .collect();
    let ok = ["drained", "versions", "epochs", "positions", "counts", "documents"].map(|name| (name, "OK"));
    assert_eq!(verdicts, ok, "{}", ran.stdout);

    let ran = verified(dir.path(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for words in ["ok         drained", "unchecked  documents  no world was named", "500 scans", "digest "] {
        assert!(ran.stdout.contains(words), "{words} is not in\n{}", ran.stdout);
    }

    let ran = verified(dir.path(), &["--scans", "500", "--seed", "5", "--show", "2"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for words in ["FINDINGS   documents", "    commands of the world: ", " expected, ", " more\n"] {
        assert!(ran.stdout.contains(words), "{words} is not in\n{}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_looked_at_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let ran = verified(dir.path(), &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("E0202") && ran.stderr.contains("holds no log"), "{}", ran.stderr);
    let none_left = std::fs::read_dir(dir.path()).expect("a directory").next().is_none();
    assert!(none_left, "nothing was made");
}
