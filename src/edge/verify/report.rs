//! What was found: one check per promise, with counts and with the first findings in words.
//!
//! Always true: a check that could not be made says why, and is never taken for a good one; all findings are counted, the
//! first few are kept.

use std::fmt::Write;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The promise holds.
    Ok,
    /// It does not.
    Findings,
    /// It could not be looked at.
    Unchecked,
}

/// A promise, and what was found about it.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, stable.
    pub name: &'static str,
    /// What was looked at, and how much of it.
    pub counts: Vec<(&'static str, u64)>,
    /// The first findings.
    pub findings: Vec<String>,
    /// How many findings there are.
    pub found: u64,
    /// Why it could not be looked at, or not wholly.
    pub unchecked: Option<String>,
    shown: usize,
}

impl Check {
    /// A check that found nothing yet, and keeps the words of the first `shown` findings.
    pub fn new(name: &'static str, shown: usize) -> Check {
        Check { name, counts: Vec::new(), findings: Vec::new(), found: 0, unchecked: None, shown }
    }

    /// Adds to the count of what was looked at.
    pub fn count(&mut self, what: &'static str, n: u64) {
        match self.counts.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += n,
            None => self.counts.push((what, n)),
        }
    }

    /// Takes a finding.
    pub fn find(&mut self, what: impl FnOnce() -> String) {
        self.found += 1;
        if self.findings.len() < self.shown {
            self.findings.push(what());
        }
    }

    /// Takes a finding if the two differ.
    pub fn equal(&mut self, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.find(|| format!("{what}: {expected} expected, {found} found"));
        }
    }

    /// It could not be looked at; the first reason stays.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.unchecked.get_or_insert_with(|| why.into());
    }

    /// What became of it.
    pub fn verdict(&self) -> Verdict {
        match (self.found, &self.unchecked) {
            (0, None) => Verdict::Ok,
            (0, Some(_)) => Verdict::Unchecked,
            (_, _) => Verdict::Findings,
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts: serde_json::Map<String, serde_json::Value> =
            self.counts.iter().map(|(what, n)| ((*what).to_owned(), (*n).into())).collect();
        let mut check = serializer.serialize_struct("Check", 6)?;
        check.serialize_field("name", self.name)?;
        check.serialize_field("verdict", &self.verdict())?;
        check.serialize_field("counts", &counts)?;
        check.serialize_field("found", &self.found)?;
        check.serialize_field("findings", &self.findings)?;
        check.serialize_field("unchecked", &self.unchecked)?;
        check.end()
    }
}

/// All checks of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
    /// The digest of the documents (§10).
    pub digest: String,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.found == 0)
    }

    /// A line per check, its findings below it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let verdict = match check.verdict() {
                Verdict::Ok => "ok",
                Verdict::Findings => "FINDINGS",
                Verdict::Unchecked => "unchecked",
            };
            let mut parts: Vec<String> =
                check.counts.iter().map(|(what, n)| format!("{n} {}", what.replace('_', " "))).collect();
            parts.extend(check.unchecked.clone());
            let _ = writeln!(text, "{verdict:<10} {:<10} {}", check.name, parts.join(", "));
            for finding in &check.findings {
                let _ = writeln!(text, "    {finding}");
            }
            let more = check.found - check.findings.len() as u64;
            if more > 0 {
                let _ = writeln!(text, "    and {more} more");
            }
        }
        let _ = writeln!(text, "digest {}", self.digest);
        text
    }
}
