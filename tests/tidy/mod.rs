//! What must not be in the sources, checked by reading them: the invariants of absence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders, each importing only from itself and from those before it.
const LAYERS: [&str; 9] =
    ["model", "carriers", "decode", "fold", "index", "stations", "engine", "workload", "edge"];

/// The longest line of a source file, in characters.
const LINE_CHARS_MAX: usize = 130;
/// The longest source file, in lines.
const FILE_LINES_MAX: usize = 900;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below the folders, by their path from the root.
fn sources(folders: &[&str]) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.insert(path.strip_prefix(root()).expect("below the root").to_path_buf(), text);
            }
        }
    }
    found
}

/// The code of a line: without its comment. (A `//` in a string ends it early, which forgives too much, never too little.)
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Calls `judge` for each line of code, with the file's layer.
fn each_line(folders: &[&str], mut judge: impl FnMut(&Path, &str) -> Option<String>) {
    let mut findings = Vec::new();
    for (path, text) in sources(folders) {
        for (number, line) in text.lines().enumerate() {
            if let Some(finding) = judge(&path, line) {
                findings.push(format!("{}:{}: {finding}", path.display(), number + 1));
            }
        }
    }
    report(&findings);
}

/// The position of a file's folder in [`LAYERS`]; none for `lib.rs` and `main.rs`.
fn layer(path: &Path) -> Option<usize> {
    let folder = path.strip_prefix("src").ok()?.iter().next()?.to_str()?;
    LAYERS.iter().position(|layer| *layer == folder)
}

/// The words that follow `crate::` in a line: one, or those of the braces.
fn imported(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(is_word) {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            // Only the first words of the outer list: `{a::b, c}` gives a and c.
            let mut depth = 0;
            let mut item = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => words.push(std::mem::take(&mut item)),
                    _ if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            words.push(item);
        } else {
            words.push(rest.to_owned());
        }
    }
    words.iter().map(|word| word.trim().chars().take_while(|c| is_word(*c)).collect()).collect()
}

#[test]
fn imports_go_one_way() {
    assert_eq!(imported("use crate::model::Scan;"), ["model"]);
    assert_eq!(imported("use crate::{model::{A, B}, fold};"), ["model", "fold"]);
    assert_eq!(imported("let x = crate::edge::f(crate::index::g());"), ["edge", "index"]);

    let mut findings = Vec::new();
    for (path, text) in sources(&["src"]) {
        let Some(own) = layer(&path) else { continue };
        // Statements, so that a list of imports over several lines is one.
        let code: String = text.lines().map(code).collect::<Vec<_>>().join(" ");
        for word in code.split(';').flat_map(imported) {
            if LAYERS.iter().position(|layer| *layer == word).is_some_and(|other| other > own) {
                findings.push(format!("{}: {} must not import {word}", path.display(), LAYERS[own]));
            }
        }
    }
    report(&findings);
}

#[test]
fn every_file_says_what_it_is() {
    let findings: Vec<String> = sources(&["src", "tests", "benches"])
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| format!("{}: has no module doc on its first line", path.display()))
        .collect();
    report(&findings);
}

#[test]
fn files_and_lines_have_bounds() {
    each_line(&["src"], |path, line| {
        let chars = line.chars().count();
        // A row of a test's table is as long as its case, and text that people read is not cut.
        let is_exempt = path.iter().any(|part| part == "tests" || part == "tests.rs") || line.contains('"');
        (chars > LINE_CHARS_MAX && !is_exempt)
            .then(|| format!("{chars} characters, at most {LINE_CHARS_MAX}"))
    });
    let findings: Vec<String> = sources(&["src", "tests", "benches"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines >= FILE_LINES_MAX)
        .map(|(path, lines)| {
            format!("{}: {lines} lines, fewer than {FILE_LINES_MAX} are wanted", path.display())
        })
        .collect();
    report(&findings);
}

#[test]
fn scaffolding_does_not_ship() {
    // Put together here, so that this file does not find itself.
    let words = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["d", "bg!("].concat(),
        ["FIX", "ME"].concat(),
        ["TO", "DO"].concat(),
        ["#[ig", "nore"].concat(),
        ["#[al", "low("].concat(),
        ["#![al", "low("].concat(),
    ];
    each_line(&["src", "tests", "benches"], |_, line| {
        words.iter().find(|word| line.contains(word.as_str())).map(|word| format!("`{word}`"))
    });
}

#[test]
fn only_the_named_modules_are_unsafe() {
    let named = [
        "src/edge/kafka/queue.rs",
        "src/decode/lanes.rs",
        "src/index/memory.rs",
        "benches/peers/count.rs",
        "tests/allocations.rs",
    ];
    let words = ["fn", "{", "impl", "trait", "extern"].map(|next| format!("{}{} {next}", "un", "safe"));
    each_line(&["src", "tests", "benches"], |path, line| {
        if named.iter().any(|name| path.ends_with(name)) {
            return None;
        }
        words.iter().find(|word| code(line).contains(word.as_str())).map(|word| format!("`{word}`"))
    });
}

#[test]
fn only_the_edge_knows_the_world() {
    let words = [
        "tokio",
        "rdkafka",
        "clap",
        "miette",
        "anyhow",
        "tracing",
        "indicatif",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "Instant::now",
        "SystemTime::now",
        "println!",
    ];
    // The embedded log keeps its files: that is what it is.
    let embedded_log = ["src/engine/log/local.rs", "src/engine/log/wal.rs", "src/engine/log/export.rs"];
    each_line(&["src"], |path, line| {
        let in_edge = layer(path).is_none_or(|own| LAYERS[own] == "edge");
        let exempt = in_edge || embedded_log.iter().any(|file| path == Path::new(file));
        if exempt {
            return None;
        }
        words.iter().find(|word| names(code(line), word)).map(|word| format!("names `{word}`"))
    });
}

/// Whether the line has the word, not as a part of a longer one.
fn names(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word))
}
