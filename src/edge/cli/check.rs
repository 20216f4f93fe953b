//! `check`: judges the configuration, this machine and the cluster, and tells everything at once.

use clap::Args;
use serde_json::json;

use super::ConfigArgs;
use super::output::{Out, Summary, tell_problem};
use crate::edge::problem::{Exit, Failure, Place, Problem, Severity};

/// Judges the configuration, this machine and the topics: all errors at once, with the line and a fix.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside check -c dockside.toml --offline")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Leaves the cluster out.
    #[arg(long)]
    offline: bool,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// How the findings are written.
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    format: Summary,
}

pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let (mut problems, mut exit) = match args.config.load() {
        Ok(loaded) => (loaded.warnings, Exit::Ok),
        Err(failure) => (failure.problems, failure.exit),
    };
    if args.strict && exit == Exit::Ok && !problems.is_empty() {
        exit = Exit::Config;
        problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
    }
    let mut out = Out::stdout();
    match args.format {
        Summary::Json => {
            let found: Vec<_> = problems.iter().map(as_json).collect();
            out.json(&json!({"ok": exit == Exit::Ok, "problems": found}))?;
        }
        Summary::Text => {
            problems.iter().for_each(tell_problem);
            out.line(&verdict(&problems))?;
        }
    }
    out.flush()?;
    Ok(exit)
}

fn verdict(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let many = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "the configuration is good".to_owned(),
        (0, _) => format!("the configuration is good, with {}", many(warnings, "warning")),
        (_, 0) => many(errors, "error"),
        (_, _) => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    }
}

fn as_json(problem: &Problem) -> serde_json::Value {
    let (line, column) = problem.place.as_ref().map(Place::line_column).unzip();
    json!({
        "code": problem.code,
        "severity": match problem.severity { Severity::Error => "ERROR", Severity::Warning => "WARNING" },
        "message": problem.what,
        "file": problem.place.as_ref().map(|place| &place.source.name),
        "line": line,
        "column": column,
        "help": problem.help,
    })
}
