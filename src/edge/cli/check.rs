//! `check`: judges the configuration, this machine and the cluster, and tells everything at once.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::output::{Out, Summary, tell_problem};
use super::topics::differences;
use super::{ConfigArgs, log_failure};
use crate::edge::config::Config;
use crate::edge::kafka::{KafkaConfig, check_topics};
use crate::edge::problem::{Exit, Failure, Place, Problem, Severity};
use crate::engine::log::LogError;

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

/// How long an address may take to answer.
const KNOCK_PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let (mut problems, mut exit) = match args.config.load() {
        Ok(loaded) => {
            let mut problems = loaded.objections();
            let mut exit = if problems.is_empty() { Exit::Ok } else { Exit::Config };
            if exit == Exit::Ok && !args.offline {
                match judge_cluster(&loaded.config) {
                    Ok(differences) => {
                        let is_wrong = |problem: &Problem| problem.severity == Severity::Error;
                        exit = if differences.iter().any(is_wrong) { Exit::Config } else { Exit::Ok };
                        problems.extend(differences);
                    }
                    Err(failure) => {
                        exit = failure.exit;
                        problems.extend(failure.problems);
                    }
                }
            }
            problems.splice(0..0, loaded.warnings);
            (problems, exit)
        }
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
            out.line(&verdict(&problems, args.offline))?;
        }
    }
    out.flush()?;
    Ok(exit)
}

/// What is otherwise than wanted with the topics, or why they cannot be used.
fn judge_cluster(config: &Config) -> Result<Vec<Problem>, Failure> {
    let kafka = config.kafka_config();
    knock(&kafka).map_err(|error| cluster_failure(&error))?;
    let differences = differences(config)?;
    check_topics(&kafka).map_err(|error| cluster_failure(&error))?;
    Ok(differences)
}

/// Whether anybody listens at one of the brokers' addresses. The client itself would wait for a minute.
pub(super) fn knock(kafka: &KafkaConfig) -> Result<(), LogError> {
    let mut answers = Vec::new();
    for server in kafka.bootstrap_servers.split(',').map(str::trim) {
        let address = if server.contains(':') { server.to_owned() } else { format!("{server}:9092") };
        let found = address.to_socket_addrs().and_then(|mut found| {
            found.next().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "no address"))
        });
        match found.and_then(|found| TcpStream::connect_timeout(&found, KNOCK_PATIENCE)) {
            Ok(_) => return Ok(()),
            Err(error) => answers.push(format!("{address}: {error}")),
        }
    }
    Err(LogError {
        what: format!("connecting to {}", kafka.bootstrap_servers),
        why: format!(
            "{}; start the broker, or set kafka.bootstrap_servers (--offline leaves it out)",
            answers.join(", ")
        ),
        refused: false,
    })
}

/// The cluster is not as it should be, or cannot be asked.
fn cluster_failure(error: &LogError) -> Failure {
    let Failure { exit, mut problems } = log_failure(error);
    if error.refused {
        // Nothing was touched: for `check` the topics are wrong like a key is wrong.
        problems.iter_mut().for_each(|problem| problem.code = "E0302");
        return Failure { exit: Exit::Config, problems };
    }
    Failure { exit, problems }
}

fn verdict(problems: &[Problem], offline: bool) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let many = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let good =
        if offline { "the configuration is good" } else { "the configuration and the topics are good" };
    match (errors, warnings) {
        (0, 0) => good.to_owned(),
        (0, _) => format!("{good}, with {}", many(warnings, "warning")),
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
