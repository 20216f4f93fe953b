//! The rules as tables: commands and scans on the left, the expected plan and state on the right.
//!
//! Enters: rows of (name, story, what it must say in the end). Leaves: nothing, or the first difference. Always true: what is
//! expected comes from the rulebook, never from a run; every row also obeys the laws that hold for all stories.

mod books;
mod bounds;
mod commands;
mod edge_journeys;
mod edge_numbers;
mod feeds;
mod numbers;
mod plan;
mod played;
mod problems;
mod standing;
mod status;
pub(crate) mod story;
mod tracking;
mod windows;

use dockside::model::Settings;
use dockside::stations::Rules;

use self::played::play_under;
use self::story::lines;

/// A name, a story, and what is said in the end: `path = value`, apart by `;` or line ends.
type Row<'a> = (&'a str, &'a str, &'a str);

/// A test per row: its name, a story, and what is said in the end.
macro_rules! cases {
    ($($name:ident: $story:expr => $wants:expr;)*) => {
        $(#[test]
        fn $name() {
            check(&[(stringify!($name), $story, $wants)]);
        })*
    };
}
use cases;

/// Plays each story and compares what it says; all differences are told at once.
fn check(rows: &[Row<'_>]) {
    check_under(&Settings::default(), rows);
}

/// The same under these settings.
fn check_under(settings: &Settings, rows: &[Row<'_>]) {
    let mut differences = Vec::new();
    for (name, story, wants) in rows {
        let rules = Rules { settings: settings.clone(), ..Rules::embedded() };
        let played = play_under(rules, &lines(story));
        for want in wants.split(['\n', ';']).map(str::trim).filter(|want| !want.is_empty()) {
            let (path, value) = want.split_once(" = ").unwrap_or_else(|| panic!("{name}: {want}"));
            let said = played.says(path.trim());
            if said != value.trim() {
                differences.push(format!("{name}: {} is {said}, expected {}", path.trim(), value.trim()));
            }
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
