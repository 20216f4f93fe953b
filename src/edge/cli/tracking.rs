//! `tracking check`: whether a number is a number of its carrier, and which carriers it could be of.

use std::io::BufRead;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::output::{Column, Format, Out, Rows};
use super::{ConfigArgs, input};
use crate::carriers::{Catalogue, CheckVerdict, NumberCheck};
use crate::edge::config::nearest;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::model::CarrierId;

/// Tracking numbers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside tracking check 1Z5R89390357567127")]
pub(super) struct TrackingArgs {
    #[command(subcommand)]
    command: TrackingCommand,
}

#[derive(Debug, Subcommand)]
enum TrackingCommand {
    Check(CheckArgs),
}

/// Judges numbers: shape, check digit, and the carriers they could be of; exit code 1 if any is invalid.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside tracking check --carrier UPS 1Z5R89390357567127\n  \
    printf 'UPS\\t1Z5R89390357567127\\n' | dockside tracking check -")]
struct CheckArgs {
    /// The carrier that was selected; without one, every carrier is tried.
    #[arg(long, value_name = "CARRIER")]
    carrier: Option<String>,
    /// How results are written; text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Numbers; `-` or none reads stdin: one number or CARRIER<TAB>NUMBER per line, one line out for each line in.
    #[arg(value_name = "NUMBER|-")]
    numbers: Vec<String>,
}

const COLUMNS: &[Column] = &[
    ("input", 24),
    ("canonical", 24),
    ("carrier", 14),
    ("verdict", 13),
    ("format", 18),
    ("reason", 40),
    ("candidates", 10),
];

pub(super) fn run(args: &TrackingArgs) -> Result<Exit, Failure> {
    let TrackingCommand::Check(args) = &args.command;
    let config = args.config.load_telling()?;
    let mut checker = Checker {
        catalogue: &config.catalogue,
        carrier: args.carrier.as_deref().map(|name| named(&config.catalogue, name)).transpose()?,
        rows: Rows::start(Out::stdout(), Format::or_default(args.format), COLUMNS)?,
        exit: Exit::Ok,
    };
    if args.numbers.is_empty() {
        checker.lines()?;
    }
    for number in &args.numbers {
        match number.as_str() {
            "-" => checker.lines()?,
            number => checker.number(checker.carrier, number)?,
        }
    }
    checker.rows.finish()?;
    Ok(checker.exit)
}

fn named(catalogue: &Catalogue, name: &str) -> Result<CarrierId, Failure> {
    catalogue.carrier(name).ok_or_else(|| {
        let problem = Problem::error("E0004", unknown_carrier(catalogue, name));
        Failure::new(Exit::Usage, problem.help("`dockside carriers` lists their codes and other names"))
    })
}

fn unknown_carrier(catalogue: &Catalogue, name: &str) -> String {
    let codes: Vec<&str> = catalogue.ids().map(|id| catalogue.code(id)).collect();
    match nearest(&name.to_uppercase(), codes.into_iter()) {
        Some(near) => format!("unknown carrier \"{name}\": did you mean {near}?"),
        None => format!("unknown carrier \"{name}\""),
    }
}

struct Checker<'a> {
    catalogue: &'a Catalogue,
    carrier: Option<CarrierId>,
    rows: Rows,
    exit: Exit,
}

impl Checker<'_> {
    /// Judges the lines of stdin as they come: an answer is not held back once no further line is there.
    fn lines(&mut self) -> Result<(), Failure> {
        let stdin = Path::new("-");
        let mut reader = std::io::BufReader::with_capacity(1 << 16, std::io::stdin());
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line);
            if read.map_err(|error| input::cannot_read(stdin, &error))? == 0 {
                return Ok(());
            }
            self.line(&String::from_utf8_lossy(&line))?;
            if reader.buffer().is_empty() {
                self.rows.flush()?;
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        // A scanner may end a number with a TAB: then nothing follows it.
        match line.split_once('\t').filter(|(_, number)| !number.trim().is_empty()) {
            None => self.number(self.carrier, line),
            Some((name, number)) => match self.catalogue.carrier(name) {
                Some(carrier) => self.number(Some(carrier), number),
                None => self.row(NumberCheck {
                    input: number.to_owned(),
                    canonical: None,
                    carrier: None,
                    verdict: CheckVerdict::Invalid,
                    format: None,
                    reason: Some(unknown_carrier(self.catalogue, name)),
                    candidates: Vec::new(),
                }),
            },
        }
    }

    fn number(&mut self, carrier: Option<CarrierId>, number: &str) -> Result<(), Failure> {
        self.row(self.catalogue.check(carrier, number))
    }

    fn row(&mut self, check: NumberCheck) -> Result<(), Failure> {
        if check.verdict == CheckVerdict::Invalid {
            self.exit = Exit::Findings;
        }
        let Ok(Value::Object(fields)) = serde_json::to_value(&check) else {
            unreachable!("a check is an object");
        };
        let values: Vec<Value> =
            COLUMNS.iter().map(|(name, _)| fields.get(*name).cloned().unwrap_or_default()).collect();
        self.rows.row(&values)
    }
}
