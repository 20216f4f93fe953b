//! docs/carriers.md says what the catalogue says.

use toml::Value;

use super::super::Catalogue;
use super::super::file::EMBEDDED;
use super::formats::{ROWS, promised};
use super::{file, id};

const PAGE: &str = include_str!("../../../docs/carriers.md");

/// The lines of the page's table that begins with `header`.
fn table(header: &str) -> Vec<&'static str> {
    let lines = PAGE.lines().skip_while(|line| *line != header).skip(2);
    lines.take_while(|line| line.starts_with('|')).collect()
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A shape as a cell shows it: a long choice is cut short.
fn cell(shape: &str) -> String {
    let shape = match shape.split_once('(') {
        Some((before, words)) if words.len() > 35 => format!("{before}(country)"),
        _ => shape.to_owned(),
    };
    format!("`{}`", shape.replace('|', "\\|"))
}

/// The row of a format in its file.
fn format_row(code: &str, format: &Value) -> String {
    let name = format["name"].as_str().expect("a name");
    let mut shapes: Vec<String> = texts(format.get("shapes")).into_iter().map(cell).collect();
    shapes.dedup();
    let mut shape = shapes.join(" ");
    let prefixes: Vec<String> = texts(format.get("prefixes")).into_iter().map(cell).collect();
    if !prefixes.is_empty() {
        shape += &format!(", behind {} or nothing", prefixes.join(", "));
    }
    let check = format.get("check").map_or("–".to_owned(), |check| {
        let weights = check.get("weights").and_then(Value::as_array).map_or(String::new(), |weights| {
            let weights: Vec<String> = weights.iter().map(ToString::to_string).collect();
            format!(" {}", weights.join(" "))
        });
        let over = check.get("over").map_or(String::new(), |over| format!(" over {over}"));
        let prepend = check.get("prepend").and_then(Value::as_str);
        let behind = prepend.map_or(String::new(), |text| format!(" behind {text}"));
        format!("{}{weights}{over}{behind}", check["rule"].as_str().expect("a rule"))
    });
    let row = ROWS.iter().find(|row| (row.carrier, row.format) == (code, name)).expect("in the table");
    format!("| {code} | {name} | {shape} | {check} | {:.1} % |", promised(row) * 100.0)
}

#[test]
fn the_page_lists_every_carrier_and_format() {
    let catalogue = Catalogue::embedded();
    let (mut carriers, mut formats) = (Vec::new(), Vec::new());
    for (_, text) in EMBEDDED {
        let read: Value = toml::from_str(text).expect("a good file");
        let Some(code) = read.get("code").and_then(Value::as_str) else { continue };
        let summary = catalogue.summary(id(&catalogue, code));
        let kind = if catalogue.is_freight(id(&catalogue, code)) { "freight" } else { "parcel" };
        let aliases = summary.aliases.join(", ");
        carriers.push(format!("| {code} | {} | {} | {kind} | {aliases} |", summary.id, summary.name));
        let own = read.get("format").and_then(Value::as_array).into_iter().flatten();
        formats.extend(own.map(|format| format_row(code, format)));
    }
    for (header, want) in [
        ("| Carrier | Number in states | Name | Kind | Other names |", carriers),
        ("| Carrier | Format | Shape | Check digit | One wrong digit is caught |", formats),
    ] {
        assert_eq!(table(header), want, "it should be:\n{}", want.join("\n"));
    }
}

#[test]
fn the_pages_example_is_a_good_file() {
    let example =
        PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let catalogue = Catalogue::with_files(&file(example)).expect("a good file");
    let acme = id(&catalogue, "ACMX");
    let registered = catalogue.register(acme, "00AC1234567895", true);
    assert_eq!(
        registered.map(|ok| ok.number.as_str().to_owned()).map_err(|no| no.message),
        Ok("AC1234567895".to_owned())
    );
    for (code_set, code, known) in
        [(None, "23", true), (None, "25", false), (Some("REASON"), "R1", true), (Some("REASON"), "90", false)]
    {
        assert_eq!(catalogue.effect(acme, code_set, code).is_some(), known, "{code_set:?} {code}");
    }
}

#[test]
fn the_page_names_every_shared_code_set() {
    let named: Vec<&str> =
        table("| Shared set | What it is |").iter().filter_map(|row| row.split('`').nth(1)).collect();
    let known: Vec<String> = EMBEDDED
        .iter()
        .filter_map(|(_, text)| {
            Some(toml::from_str::<Value>(text).ok()?.get("code_set")?.as_str()?.to_owned())
        })
        .collect();
    assert_eq!(named, known);
}
