//! Problems that a person reads: what, where, why, and what to do next, with a code that the docs explain.
//!
//! Codes: `E00xx` usage and input, `E01xx` configuration, `E02xx` this machine, `E03xx` the broker, `E04xx` refused to
//! avoid the loss of data. A problem that has a place shows the line with a caret. No secret's value is ever part of one.

use std::fmt;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::secret::hidden;

/// The exit codes of the binary (§10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// It ran, and it found something.
    Findings = 1,
    /// The arguments or the input file make no sense.
    Usage = 2,
    /// The configuration is wrong.
    Config = 3,
    /// The broker, a port or a service cannot be reached.
    Connect = 4,
    /// Going on could lose data.
    Refused = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A text that a person wrote, and what to call it: a file, an environment variable, an argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name as the person knows it.
    pub name: String,
    /// All of it, as it may be shown: values that may be secrets are covered.
    pub text: String,
}

/// Bytes of a source, and what is said about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
    /// The remark under the caret.
    pub label: String,
}

impl Place {
    /// Line and column, from 1; columns count characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Whether a problem stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It stops.
    Error,
    /// It goes on.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable, and explained in the docs.
    pub code: &'static str,
    /// Whether it stops the program.
    pub severity: Severity,
    /// What is wrong, where and why, in one sentence.
    pub what: String,
    /// The line to point at.
    pub place: Option<Place>,
    /// What to do next.
    pub help: Option<String>,
}

impl Problem {
    /// An error.
    pub fn error(code: &'static str, what: impl Into<String>) -> Problem {
        let what = hidden(&what.into()).into_owned();
        Problem { code, severity: Severity::Error, what, place: None, help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, what: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(code, what) }
    }

    /// Points at bytes of a source.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Range<usize>, label: impl Into<String>) -> Problem {
        let end = source.text.len();
        let span = span.start.min(end)..span.end.min(end);
        self.place =
            Some(Place { source: Arc::clone(source), span, label: hidden(&label.into()).into_owned() });
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(hidden(&help.into()).into_owned());
        self
    }

    /// The problem as a person reads it, with colours only if asked for.
    pub fn render(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        let report = Report { problem: self, source: self.place.as_ref().map(named_source) };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
        if handler.render_report(&mut text, &report).is_err() {
            return format!("{}: {self}\n", self.code);
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// Why a command stops: its exit code, and all problems at once. No problem: it stops in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// What the person reads.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// A failure with one problem.
    pub fn new(exit: Exit, problem: Problem) -> Failure {
        Failure { exit, problems: vec![problem] }
    }
}

fn named_source(place: &Place) -> NamedSource<String> {
    NamedSource::new(&place.source.name, place.source.text.clone())
}

#[derive(Debug)]
struct Report<'a> {
    problem: &'a Problem,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let word = match self.problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Some(Box::new(format!("{word}[{}]", self.problem.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(place.label.clone()), place.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_points_at_its_line() {
        let source = Arc::new(Source { name: "a.toml".into(), text: "[engine]\nepoch_mz = 5\n".into() });
        let problem = Problem::error("E0103", "unknown key `epoch_mz`")
            .at(&source, 9..17, "not a key of [engine]")
            .help("did you mean `epoch_ms`?");
        assert_eq!(problem.place.as_ref().map(Place::line_column), Some((2, 1)));
        let text = problem.render(false);
        for part in
            ["error[E0103]", "unknown key `epoch_mz`", "a.toml:2:1", "not a key of [engine]", "`epoch_ms`?"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "no colours were asked for");
    }
}
