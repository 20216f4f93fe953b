//! What the pages promise: their examples are whole lines of tested files, their links lead somewhere.

use std::path::{Path, PathBuf};

/// Pages whose links are followed.
const PAGES: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];

/// The files that hold every example of the README.
const EXAMPLES: [&str; 2] = ["docs/examples/three-boxes.ndjson", "docs/examples/three-boxes.out.ndjson"];

/// The whole quick start.
const QUICK_START: [&str; 2] = ["cargo run --release -- demo", "./test.sh"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages at the root, then those in `docs`, by name.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    let mut below: Vec<String> = std::fs::read_dir(root().join("docs"))
        .expect("a folder")
        .map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"))
        .collect();
    below.sort();
    pages.extend(below);
    pages
}

/// A fenced block: the word behind its fence, and its lines.
struct Block<'a> {
    kind: &'a str,
    lines: Vec<&'a str>,
}

/// A page's fenced blocks, and its other lines.
fn parts(text: &str) -> (Vec<Block<'_>>, Vec<&str>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<Block<'_>> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some(Block { kind, lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => prose.push(line),
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    (blocks, prose)
}

/// The targets of `[words](target)` in a line, those in code spans left out.
fn targets(line: &str) -> Vec<&str> {
    let prose: Vec<&str> = line.split('`').step_by(2).collect();
    let mut found = Vec::new();
    for piece in prose {
        for (at, _) in piece.match_indices("](") {
            let rest = &piece[at + 2..];
            found.extend(rest.find(')').map(|end| &rest[..end]));
        }
    }
    found
}

/// The anchor of a heading, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

#[test]
fn the_readme_shows_whole_lines_of_tested_examples() {
    let examples = EXAMPLES.map(read).join("\n");
    let readme = read("README.md");
    let (blocks, _) = parts(&readme);
    let shown: Vec<&str> = blocks
        .iter()
        .filter(|block| matches!(block.kind, "json" | "ndjson"))
        .flat_map(|block| block.lines.iter().copied())
        .collect();
    assert!(!shown.is_empty(), "the README has an example");
    for line in shown {
        assert!(examples.lines().any(|known| known == line), "not a line of {EXAMPLES:?}: {line}");
    }
}

#[test]
fn every_line_of_the_examples_input_is_shown() {
    let readme = read("README.md");
    for line in read(EXAMPLES[0]).lines() {
        assert!(readme.lines().any(|shown| shown == line), "missing in the README: {line}");
    }
    let plan = read(EXAMPLES[1]);
    for line in plan.lines().filter(|line| line.starts_with(r#"{"topic":"receiving-plan""#)) {
        assert!(readme.lines().any(|shown| shown == line), "missing in the README: {line}");
    }
}

#[test]
fn examples_of_json_are_json() {
    for page in pages() {
        let text = read(&page);
        let (blocks, _) = parts(&text);
        for block in blocks.iter().filter(|block| matches!(block.kind, "json" | "ndjson")) {
            for line in &block.lines {
                let value: Result<serde_json::Value, _> = serde_json::from_str(line);
                assert!(value.is_ok(), "{page}: {value:?}: {line}");
            }
        }
    }
}

#[test]
fn the_quick_start_is_two_commands() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("\n## Quick start\n").expect("a quick start");
    let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section);
    let (blocks, _) = parts(section);
    assert_eq!(blocks.len(), 1, "one block");
    assert_eq!(blocks[0].lines, QUICK_START);
    for command in QUICK_START {
        let times = readme.lines().filter(|line| *line == command).count();
        assert_eq!(times, 1, "{command}");
    }
}

#[test]
fn links_lead_somewhere() {
    assert_eq!(targets("[a](b.md), `[no](c)` and [d](e#f)"), ["b.md", "e#f"]);
    assert_eq!(anchor("9. What is bounded, and what is not yet"), "9-what-is-bounded-and-what-is-not-yet");

    let mut findings = Vec::new();
    for page in pages() {
        let text = read(&page);
        let (_, prose) = parts(&text);
        let folder = root().join(&page).parent().map(Path::to_path_buf).expect("a page is in a folder");
        for target in prose.iter().flat_map(|line| targets(line)) {
            if target.contains("://") {
                continue;
            }
            let (file, wanted) = target.split_once('#').unwrap_or((target, ""));
            let path: PathBuf = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            if !path.exists() {
                findings.push(format!("{page}: {target} is not there"));
            } else if !wanted.is_empty() {
                let other = std::fs::read_to_string(&path).expect("only pages have anchors");
                let (_, lines) = parts(&other);
                let mut headings = lines.iter().filter(|line| line.starts_with('#'));
                if !headings.any(|line| anchor(line.trim_start_matches('#').trim()) == wanted) {
                    findings.push(format!("{page}: {target} names no heading"));
                }
            }
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// The `[`words`](target)` of a line whose words are all code.
fn named(line: &str) -> Vec<(&str, &str)> {
    let links = line.match_indices("[`").filter_map(|(at, open)| {
        let (words, rest) = line[at + open.len()..].split_once("`](")?;
        Some((words, rest.split_once(')')?.0))
    });
    links.collect()
}

/// A test that a page names is in the file that it links to, as a test.
#[test]
fn tests_that_are_named_are_there() {
    assert_eq!(named("[`a`](b.rs), [c](d.rs) and [`e`](f.md)"), [("a", "b.rs"), ("e", "f.md")]);

    let (mut findings, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        let folder = root().join(&page).parent().map(Path::to_path_buf).expect("a page is in a folder");
        let (_, prose) = parts(&text);
        let links = prose.iter().flat_map(|line| named(line));
        for (name, target) in links.filter(|(_, target)| target.ends_with(".rs")) {
            let source = std::fs::read_to_string(folder.join(target)).unwrap_or_default();
            let lines: Vec<&str> = source.lines().map(str::trim).collect();
            let is_test = lines.iter().enumerate().any(|(at, line)| {
                line.strip_prefix("fn ").is_some_and(|rest| rest.starts_with(&format!("{name}(")))
                    && lines[..at]
                        .iter()
                        .rev()
                        .take_while(|line| line.starts_with("#["))
                        .any(|line| *line == "#[test]")
            });
            if !is_test {
                findings.push(format!("{page}: {target} has no test {name}"));
            }
            count += 1;
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    assert!(count > 0, "no test is named");
}

/// The rows of docs/failures.md: each mode once, each with a test or a reason.
#[test]
fn every_way_to_fail_has_a_row() {
    let text = read("docs/failures.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let number: u32 = cells.first()?.parse().ok()?;
        Some((number, cells))
    });
    let mut numbers = Vec::new();
    for (number, cells) in rows {
        assert_eq!(cells.len(), 5, "row {number}: {cells:?}");
        let shown = cells[4];
        assert!(
            shown.contains("](") || shown.starts_with("no test") || shown == "not built",
            "row {number}: {shown}"
        );
        numbers.push(number);
    }
    assert_eq!(numbers, (1..=76).collect::<Vec<u32>>());
}
