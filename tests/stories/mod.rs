//! A story per rule: replay lines, what comes of them, and a page that tells why ([docs/stories.md](../../docs/stories.md)).
//!
//! Enters: `tests/data/stories/NAME.ndjson`, as `dockside replay` takes it. Leaves: nothing, or the first difference from
//! `NAME.state.ndjson`, which is what `dockside replay --state` prints. Always true: every story file is run, and the page links it.
//!
//! `BLESS=1` writes what comes of them; then read it before it is committed: the rulebook decides, not the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use dockside::engine::log::export::render;
use dockside::engine::replay::{Replay, ReplayLine};
use dockside::model::Topic;
use dockside::stations::Rules;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stories"))
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all stories, such as `r19-one-number-two-shipments`.
fn names() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of the stories");
    let files = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    files.filter_map(|file| Some(file.split_once('.')?.0.to_owned())).collect()
}

/// The answers and dead letters in order, then the latest document per key.
fn told(input: &str) -> String {
    let mut replay = Replay::new(Rules::embedded());
    let (mut said, mut latest) = (String::new(), BTreeMap::new());
    for line in input.lines() {
        let line = ReplayLine::parse(line).expect("a replay line");
        replay.tell(&line, &mut |record| {
            let headers: Vec<(&str, &[u8])> =
                record.headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            let line = render(record.topic, record.key.as_deref(), record.value.as_deref(), &headers) + "\n";
            if !Topic::COMPACTED.contains(&record.topic) {
                said += &line;
            } else if record.value.is_some() {
                latest.insert((record.topic, record.key.clone()), line);
            } else {
                latest.remove(&(record.topic, record.key.clone()));
            }
        });
    }
    said + &latest.into_values().collect::<String>()
}

#[test]
fn every_story_ends_as_it_is_written() {
    let mut differences = Vec::new();
    for name in names() {
        let path = |kind: &str| folder().join(format!("{name}.{kind}"));
        let state = told(&read(&path("ndjson")));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path("state.ndjson"), &state).expect("a writable checkout");
        }
        let want = read(&path("state.ndjson"));
        let different = state.lines().zip(want.lines()).find(|(said, want)| said != want);
        if state != want {
            differences.push(format!("{name}: {different:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_rule_has_a_story_that_the_page_links() {
    let page = read(&PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/stories.md")));
    let names = names();
    for name in &names {
        let link = format!("(../tests/data/stories/{name}.ndjson)");
        assert!(page.contains(&link), "docs/stories.md does not link {name}");
    }
    for rule in 1..=25 {
        let of_rule = format!("r{rule:02}-");
        assert!(names.iter().any(|name| name.starts_with(&of_rule)), "R{rule} has no story");
    }
}
