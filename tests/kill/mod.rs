//! `kill -9` in the middle of `run --local DIR --input FILE`, then again, at more than twenty points: the run ends as if
//! nothing had happened.
//!
//! The points are sizes of the log on disk, spread over what an undisturbed run writes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dockside::engine::digest::Latest;
use dockside::model::Topic;
use dockside::workload::{Messages, World, WorldConfig, write_replay_line, write_tick_line};

const KILLS: u64 = 24;

fn world() -> Vec<u8> {
    let mut world = World::new(WorldConfig::new(77, 1_500));
    let (mut lines, mut messages) = (Vec::new(), Messages::default());
    while let Some(phase) = world.next_phase(&mut messages) {
        for message in messages.iter() {
            write_replay_line(&message, &mut lines);
        }
        write_tick_line(phase.tick, &mut lines);
        messages.clear();
    }
    lines
}

fn start(dir: &Path, input: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dockside"))
        .args(["run", "--local"])
        .arg(dir)
        .arg("--input")
        .arg(input)
        .args(["--workers", "2", "--format", "json"])
        .args(["--set", "engine.clock=input", "--set", "engine.partitions=4"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs")
}

fn bytes_written(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum()
}

/// The digest of `DIR/out`, and the number of its lines per topic that only grows.
fn outcome(dir: &Path) -> String {
    let mut latest = Latest::default();
    for topic in Topic::COMPACTED {
        let path = dir.join("out").join(format!("{}.ndjson", topic.name()));
        for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("a whole line");
            let value = match &record["value"] {
                serde_json::Value::Null => None,
                value => Some(value.to_string()),
            };
            latest.feed(topic, record["key"].as_str().expect("a key"), value.as_deref().map(str::as_bytes));
        }
    }
    assert!(latest.len() > 20, "a world leaves documents");
    latest.digest()
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_it_was_not() {
    let home = tempfile::tempdir().expect("a directory");
    let input = home.path().join("world.ndjson");
    std::fs::write(&input, world()).expect("written");

    let calm = home.path().join("calm");
    assert!(start(&calm, &input).wait().expect("it ends").success());
    let wanted = outcome(&calm);
    let whole = bytes_written(&calm);

    let stormy = home.path().join("stormy");
    let mut killed = 0;
    for point in 1..=KILLS {
        let mut child = start(&stormy, &input);
        let until = whole * point / (KILLS + 1);
        let ended = loop {
            if let Some(status) = child.try_wait().expect("a child") {
                break Some(status);
            }
            if bytes_written(&stormy) >= until {
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        match ended {
            Some(status) => assert!(status.success(), "it ended by itself: {status}"),
            None => {
                child.kill().expect("kill -9");
                child.wait().expect("it is gone");
                killed += 1;
            }
        }
    }
    assert!(killed >= 20, "only {killed} of {KILLS} runs were killed in the middle");
    assert!(start(&stormy, &input).wait().expect("it ends").success());
    assert_eq!(outcome(&stormy), wanted);
}
