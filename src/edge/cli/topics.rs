//! `topics plan|apply`: the topics as they are, and as they should be.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::check::knock;
use super::output::{Out, Summary};
use super::{ConfigArgs, log_failure};
use crate::edge::config::Config;
use crate::edge::kafka::{Blocked, Step, TopicPlan, TopicsPlan, apply_topics, plan_topics};
use crate::edge::problem::{Exit, Failure, Problem};

/// Compares the topics with what is wanted (plan), and makes them so (apply). Never deletes anything.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside topics plan -c dockside.toml")]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what `apply` would do. Exit code 1: there is a difference.
    #[command(after_help = "Example:\n  dockside topics plan -c dockside.toml --format json")]
    Plan(PlanArgs),
    /// Creates what is missing and sets what is otherwise. Exit code 1: something is left that cannot be changed here.
    #[command(after_help = "Example:\n  dockside topics apply -c dockside.toml")]
    Apply(PlanArgs),
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How the topics are written.
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    format: Summary,
}

pub(super) fn run(args: &TopicsArgs) -> Result<Exit, Failure> {
    let (Command::Plan(shared) | Command::Apply(shared)) = &args.command;
    let kafka = shared.config.load_telling()?.kafka_config();
    let failed = |error| log_failure(&error);
    knock(&kafka).map_err(failed)?;
    let plan = plan_topics(&kafka).map_err(failed)?;
    let mut out = Out::stdout();
    let left = match &args.command {
        Command::Plan(_) => {
            show(&mut out, shared.format, &plan, None)?;
            plan
        }
        Command::Apply(_) => {
            let left = apply_topics(&kafka).map_err(failed)?;
            show(&mut out, shared.format, &plan, Some(&left))?;
            left
        }
    };
    out.flush()?;
    Ok(if left.is_met() { Exit::Ok } else { Exit::Findings })
}

/// Writes a plan, and what is left of it if it was applied.
fn show(out: &mut Out, format: Summary, plan: &TopicsPlan, left: Option<&TopicsPlan>) -> Result<(), Failure> {
    if format == Summary::Json {
        let topics: Vec<_> = plan.topics.iter().map(as_json).collect();
        let is_met = left.unwrap_or(plan).is_met();
        return out.json(&json!({"as_wanted": is_met, "applied": left.is_some(), "topics": topics}));
    }
    for line in plan.topics.iter().flat_map(lines) {
        out.line(&line)?;
    }
    let count = |what: fn(&TopicPlan) -> bool| plan.topics.iter().filter(|topic| what(topic)).count();
    let created = count(|topic| matches!(topic.step, Step::Create { .. }));
    let changed = count(|topic| matches!(topic.step, Step::Change(_)));
    let blocked = count(|topic| !topic.blocked.is_empty());
    out.line(&match left {
        None => {
            format!("{created} to create, {changed} to change, {blocked} with what cannot be changed here")
        }
        Some(_) => {
            format!("{created} created, {changed} changed, {blocked} with what cannot be changed here")
        }
    })
}

/// A topic as lines of a diff.
fn lines(topic: &TopicPlan) -> Vec<String> {
    let name = &topic.name;
    let mut lines = Vec::new();
    match &topic.step {
        Step::Create { partitions, replication, settings } => {
            lines.push(format!("+ create {name}: {partitions} partitions, {replication} replicas"));
            lines.extend(settings.iter().map(|(setting, value)| format!("    {setting} = {value}")));
        }
        Step::Change(changes) => {
            lines.push(format!("~ change {name}"));
            lines.extend(
                changes
                    .iter()
                    .map(|change| format!("    {}: {} -> {}", change.setting, change.actual, change.wanted)),
            );
        }
        Step::Keep if topic.blocked.is_empty() => lines.push(format!("= as wanted {name}")),
        Step::Keep => {}
    }
    lines.extend(
        topic
            .blocked
            .iter()
            .map(|blocked| format!("! cannot be changed here: {name}: {}: {}", blocked.what, blocked.why)),
    );
    lines
}

fn as_json(topic: &TopicPlan) -> serde_json::Value {
    let blocked: Vec<_> =
        topic.blocked.iter().map(|blocked| json!({"what": blocked.what, "why": blocked.why})).collect();
    let mut value = json!({"topic": topic.name, "cannot_be_changed": blocked});
    let step = match &topic.step {
        Step::Create { partitions, replication, settings } => {
            value["partitions"] = json!(partitions);
            value["replication"] = json!(replication);
            value["settings"] = json!(settings);
            "CREATE"
        }
        Step::Change(changes) => {
            let changes = changes.iter().map(
                |change| json!({"setting": change.setting, "actual": change.actual, "wanted": change.wanted}),
            );
            value["changes"] = changes.collect();
            "CHANGE"
        }
        Step::Keep => "KEEP",
    };
    value["step"] = json!(step);
    value
}

/// What is otherwise than wanted with topics that are there: errors if the configuration is strict, else warnings.
pub(super) fn differences(config: &Config) -> Result<Vec<Problem>, Failure> {
    let plan = plan_topics(&config.kafka_config()).map_err(|error| log_failure(&error))?;
    let code = "E0303";
    let problem = |what: String| {
        if config.kafka.strict_topics { Problem::error(code, what) } else { Problem::warning(code, what) }
    };
    let mut problems = Vec::new();
    let mut alike: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for TopicPlan { name, step, blocked } in &plan.topics {
        if let Step::Change(changes) = step {
            let changes: Vec<String> = changes
                .iter()
                .map(|change| format!("{} = {}, wanted {}", change.setting, change.actual, change.wanted))
                .collect();
            problems.push(
                problem(format!("{name} is kept otherwise than wanted: {}", changes.join("; "))).help(
                    "`dockside topics apply` sets it; or change [kafka] and [retention] to what you want",
                ),
            );
        }
        for Blocked { what, why } in blocked {
            alike.entry((what, why)).or_default().push(name);
        }
    }
    // What is the same with many topics is told once.
    for ((what, why), names) in alike {
        let verb = if names.len() == 1 { "has" } else { "have" };
        problems.push(problem(format!("{} {verb} {what}", names.join(", "))).help(why));
    }
    Ok(problems)
}
