//! `upload`: a table of tracking entries becomes commands, and their results come back row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::output::{Column, Format, Out, Rows, tell};
use super::{ConfigArgs, hash_secret, input, log_failure, workers_or_cores};
use crate::decode::bulk::{Attempt, BulkCommand, Row, commands, harmless, line};
use crate::edge::bulk::{self, BadTable, Upload};
use crate::edge::clock;
use crate::edge::config::Config;
use crate::edge::crew::{Crew, nobody};
use crate::edge::kafka::KafkaBroker;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::engine::log::export::Export;
use crate::engine::log::{Broker, Durability, Local, LogError, Outbox};
use crate::engine::worker::WorkerConfig;
use crate::model::{Partition, Topic, partition_of};

/// Enters tracking IDs or freight bills from a CSV file: one command per shipment, one result per row.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside upload --preview tracking.csv\n  \
    dockside upload -c dockside.toml --errors refused.csv tracking.csv\n\nColumns: shipment_id,box_id,tracking_id or \
    shipment_id,freight_bill[,bill_of_lading]; optional: carrier")]
pub(super) struct UploadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Uses the log in this directory, instead of Kafka; nobody else may have it open.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// Judges the table and sends nothing.
    #[arg(long, conflicts_with_all = ["local", "dry_run", "no_wait"])]
    preview: bool,
    /// Asks the service what it would answer; nothing changes.
    #[arg(long, conflicts_with = "no_wait")]
    dry_run: bool,
    /// What becomes of the good rows when others are bad.
    #[arg(long, value_enum, default_value_t = Mode::AcceptValid)]
    mode: Mode,
    /// Names the upload: the same ID and shipment do nothing twice. Without it, the file's content is its name.
    #[arg(long, value_name = "ID")]
    upload_id: Option<String>,
    /// Writes the refused rows to this CSV file, each with its reason.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Does not wait for results.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for results, in seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// How rows are written; text tells the bad ones only. Text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The table; `-` is stdin.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Good rows are entered.
    AcceptValid,
    /// If any row is bad, none is entered: the service is asked before.
    AllOrNothing,
}

/// What became of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    word: &'static str,
    code: Option<String>,
    message: Option<String>,
}

impl Outcome {
    fn plain(word: &'static str) -> Outcome {
        Outcome { word, ..Outcome::default() }
    }

    fn is_refused(&self) -> bool {
        self.word == REJECTED
    }
}

const ACCEPTED: &str = "ACCEPTED";
const REJECTED: &str = "REJECTED";
/// Good as far as the table tells.
const VALID: &str = "VALID";
/// Good, and left out because others are not.
const NOT_SENT: &str = "NOT_SENT";
/// On its way; nobody waited.
const SENT: &str = "SENT";
/// On its way; no result came in time.
const UNANSWERED: &str = "UNANSWERED";

/// The outcome of each row.
type Outcomes = Vec<Outcome>;

/// A command's result, as far as rows need it.
#[derive(Debug, Deserialize)]
struct Answer {
    command_id: String,
    outcome: String,
    #[serde(default)]
    errors: Vec<Remark>,
    #[serde(default)]
    warnings: Vec<Remark>,
}

#[derive(Clone, Debug, Deserialize)]
struct Remark {
    code: String,
    message: String,
    box_id: Option<String>,
}

impl Answer {
    fn is_accepted(&self) -> bool {
        self.outcome == ACCEPTED
    }
}

/// Asks commands, and gives the answers that came in time by command ID.
type Ask<'a> = dyn FnMut(&[BulkCommand]) -> Result<BTreeMap<String, Answer>, Failure> + 'a;

pub(super) fn run(args: &UploadArgs) -> Result<Exit, Failure> {
    if args.no_wait && args.mode == Mode::AllOrNothing {
        let what = "--mode all-or-nothing asks the service first, and --no-wait hears no answer";
        let problem = Problem::error("E0005", what).help("leave one of them out");
        return Err(Failure::new(Exit::Usage, problem));
    }
    let config = args.config.load_telling()?;
    let read = bulk::read(input::open(&args.file)?, &config.catalogue);
    let upload = read.map_err(|why| bad_table(&args.file, &why))?;
    let table = |line: &bulk::Line| match &line.row {
        Ok(_) => Outcome::plain(VALID),
        Err(why) => Outcome { word: REJECTED, code: None, message: Some(why.clone()) },
    };
    let mut outcomes: Outcomes = upload.rows.iter().map(table).collect();
    let is_clean = !outcomes.iter().any(Outcome::is_refused);
    if !args.preview && (is_clean || args.mode == Mode::AcceptValid) {
        send(args, config, &upload, &mut outcomes)?;
    } else if !args.preview {
        outcomes
            .iter_mut()
            .filter(|outcome| outcome.word == VALID)
            .for_each(|outcome| outcome.word = NOT_SENT);
    }
    report(args, &upload, &outcomes)
}

fn bad_table(path: &Path, why: &BadTable) -> Failure {
    let problem = Problem::error("E0005", format!("{} cannot be uploaded: {why}", path.display())).help(
        "a table has columns shipment_id,box_id,tracking_id or shipment_id,freight_bill[,bill_of_lading]",
    );
    Failure::new(Exit::Usage, problem)
}

fn send(args: &UploadArgs, config: Config, upload: &Upload, outcomes: &mut Outcomes) -> Result<(), Failure> {
    let upload_id = args.upload_id.as_deref().unwrap_or(&upload.digest);
    tell(&format!("upload {upload_id}: {} rows", upload.rows.len()));
    let failed = |error: LogError| log_failure(&error);
    let timeout_us = args.timeout * 1_000_000;
    let Some(dir) = &args.local else {
        let broker = KafkaBroker::open(&config.kafka_config()).map_err(failed)?;
        let mut ask =
            |commands: &[BulkCommand]| exchange(&broker, commands, args.no_wait, timeout_us).map_err(failed);
        return enter(args, upload_id, upload, outcomes, &mut ask);
    };
    let stored = Local::stored_partitions(dir).map_err(failed)?;
    let partitions = stored.unwrap_or(config.engine.partitions);
    let (log, _) = Local::open(dir, partitions, Durability::Disk).map_err(failed)?;
    let log = Arc::new(log);
    let mut export = Export::open(&log, &dir.join("out")).map_err(failed)?;
    let worker_config = WorkerConfig {
        clock: config.engine.clock,
        epoch_ms: config.engine.epoch_ms,
        epoch_records_max: config.engine.epoch_records_max,
        close_when_drained: true,
        secret: hash_secret(),
        ..WorkerConfig::default()
    };
    let (name, workers) =
        (config.kafka.instance.clone(), workers_or_cores(config.engine.workers).min(partitions));
    // Whoever does not wait leaves the work to the next `run`.
    let crew = (!args.no_wait)
        .then(|| Crew::start(&*log, &Arc::new(config.rules()), &worker_config, &name, workers, &nobody()))
        .transpose()
        .map_err(failed)?;
    let mut ask =
        |commands: &[BulkCommand]| exchange(&*log, commands, args.no_wait, timeout_us).map_err(failed);
    let entered = enter(args, upload_id, upload, outcomes, &mut ask);
    if let Some(crew) = crew {
        crew.stop().map_err(failed)?;
    }
    export.catch_up().map_err(failed)?;
    entered
}

/// Asks as often as the mode wants, and notes what became of each row.
fn enter(
    args: &UploadArgs,
    upload_id: &str,
    upload: &Upload,
    outcomes: &mut Outcomes,
    ask: &mut Ask<'_>,
) -> Result<(), Failure> {
    let good = |outcomes: &Outcomes, word: &str| -> Vec<(usize, Row)> {
        let rows = upload.rows.iter().zip(outcomes).enumerate();
        rows.filter(|(_, (_, outcome))| outcome.word == word)
            .filter_map(|(at, (line, _))| Some((at, line.row.as_ref().ok()?.clone())))
            .collect()
    };
    let mut round =
        |attempt: Attempt, rows: &[(usize, Row)], outcomes: &mut Outcomes| -> Result<(), Failure> {
            let asked = commands(upload_id, attempt, rows.iter().map(|(at, row)| (*at, row)));
            let answers = ask(&asked)?;
            for command in &asked {
                match answers.get(command.command_id.as_str()) {
                    Some(answer) => settle(command, answer, upload, outcomes),
                    None => {
                        let word = if args.no_wait { SENT } else { UNANSWERED };
                        command.rows.iter().for_each(|at| outcomes[*at] = Outcome::plain(word));
                    }
                }
            }
            Ok(())
        };
    let rows = good(outcomes, VALID);
    if args.dry_run || args.mode == Mode::AllOrNothing {
        round(Attempt::DryRun, &rows, outcomes)?;
        let all_good = outcomes.iter().all(|outcome| outcome.word == ACCEPTED);
        let word = if args.dry_run { VALID } else { NOT_SENT };
        for outcome in outcomes.iter_mut().filter(|outcome| matches!(outcome.word, ACCEPTED | NOT_SENT)) {
            outcome.word = word;
        }
        if args.dry_run || !all_good {
            return Ok(());
        }
    }
    round(Attempt::First, &rows, outcomes)?;
    // Rows that were refused only because others of their shipment were: they go without those.
    let rest = good(outcomes, NOT_SENT);
    if args.mode == Mode::AcceptValid && !rest.is_empty() {
        round(Attempt::Rest, &rest, outcomes)?;
    }
    Ok(())
}

/// Notes what a result says of the rows of its command.
fn settle(command: &BulkCommand, answer: &Answer, upload: &Upload, outcomes: &mut Outcomes) {
    let remarks = if answer.is_accepted() { &answer.warnings } else { &answer.errors };
    let mut by_box: BTreeMap<&str, &Remark> = BTreeMap::new();
    for remark in remarks {
        if let Some(box_id) = &remark.box_id {
            by_box.entry(box_id).or_insert(remark);
        }
    }
    // A remark that names no box is about all of them.
    let of_all = remarks.iter().find(|remark| remark.box_id.is_none());
    for at in &command.rows {
        let box_id = upload.rows[*at].row.as_ref().ok().and_then(|row| row.box_id.as_ref());
        let remark = box_id.and_then(|id| by_box.get(id.as_str()).copied()).or(of_all);
        let word = match (answer.is_accepted(), remark) {
            (true, _) => ACCEPTED,
            (false, Some(_)) => REJECTED,
            (false, None) => NOT_SENT,
        };
        let (code, message) = remark.map(|remark| (remark.code.clone(), remark.message.clone())).unzip();
        outcomes[*at] = Outcome { word, code, message };
    }
}

/// How often results are looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Results that are read at once.
const READ_MAX: usize = 10_000;
/// Commands of one append.
const APPEND_BYTES: usize = 1 << 20;

/// Appends commands and collects their results until all are there or the time is over.
fn exchange<B: Broker>(
    broker: &B,
    commands: &[BulkCommand],
    no_wait: bool,
    timeout_us: u64,
) -> Result<BTreeMap<String, Answer>, LogError> {
    let partitions = broker.partitions();
    // A result has its shipment's partition; what stood there before is of earlier uploads.
    let mut positions: BTreeMap<Partition, u64> = BTreeMap::new();
    let mut outbox = Outbox::default();
    for command in commands {
        let key = command.shipment.as_str().as_bytes();
        let partition = Partition(partition_of(key, partitions));
        if !no_wait && !positions.contains_key(&partition) {
            positions.insert(partition, broker.extent(Topic::CommandResults, partition)?.end);
        }
    }
    for command in commands {
        let key = command.shipment.as_str().as_bytes();
        let partition = Partition(partition_of(key, partitions));
        outbox.push(Topic::Commands, partition, clock::now(), Some(key), Some(&command.bytes), &[]);
        if outbox.bytes_len() >= APPEND_BYTES {
            broker.append(&outbox)?;
            outbox.clear();
        }
    }
    if !outbox.is_empty() {
        broker.append(&outbox)?;
    }
    let mut answers = BTreeMap::new();
    let mut open: BTreeSet<&str> = commands.iter().map(|command| command.command_id.as_str()).collect();
    let started_us = clock::elapsed_us();
    while !no_wait && !open.is_empty() && clock::elapsed_us() - started_us < timeout_us {
        let mut read = 0;
        for (partition, position) in &mut positions {
            *position =
                broker.read(Topic::CommandResults, *partition, *position, READ_MAX, &mut |record| {
                    read += 1;
                    // Results that cannot be read are somebody else's: ours have this form.
                    if let Ok(answer) = serde_json::from_slice::<Answer>(record.value.unwrap_or_default())
                        && open.remove(answer.command_id.as_str())
                    {
                        answers.insert(answer.command_id.clone(), answer);
                    }
                })?;
        }
        if read == 0 {
            std::thread::sleep(LOOK);
        }
    }
    Ok(answers)
}

const COLUMNS: &[Column] = &[
    ("row", 7),
    ("shipment_id", 14),
    ("box_id", 20),
    ("number", 24),
    ("outcome", 10),
    ("code", 20),
    ("message", 40),
];

fn report(args: &UploadArgs, upload: &Upload, outcomes: &Outcomes) -> Result<Exit, Failure> {
    let format = Format::or_default(args.format);
    if format == Format::Text {
        let mut out = Out::stdout();
        for (at, outcome) in outcomes.iter().enumerate() {
            if let Some(message) = &outcome.message {
                out.line(&format!("row {}: {}: {message}", line(at), outcome.word.to_lowercase()))?;
            }
        }
        out.flush()?;
    } else {
        let mut rows = Rows::start(Out::stdout(), format, COLUMNS)?;
        for (at, (written, outcome)) in upload.rows.iter().zip(outcomes).enumerate() {
            rows.row(&values(at, written.row.as_ref().ok(), outcome, format == Format::Csv))?;
        }
        rows.finish()?;
    }
    if let Some(path) = &args.errors {
        write_errors(path, upload, outcomes)?;
    }
    let count = |word| outcomes.iter().filter(|outcome| outcome.word == word).count();
    let words = [ACCEPTED, VALID, REJECTED, NOT_SENT, SENT, UNANSWERED].map(|word| (word, count(word)));
    let told: Vec<String> = words
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {}", word.to_lowercase().replace('_', " ")))
        .collect();
    tell(&format!(
        "{} rows: {}",
        outcomes.len(),
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    ));
    if count(UNANSWERED) > 0 {
        let what = format!("no result came within {} s for {} rows", args.timeout, count(UNANSWERED));
        let help = "the service may be away; the same upload again does nothing twice and tells the results";
        return Err(Failure::new(Exit::Connect, Problem::error("E0304", what).help(help)));
    }
    Ok(if count(REJECTED) > 0 { Exit::Findings } else { Exit::Ok })
}

fn values(at: usize, row: Option<&Row>, outcome: &Outcome, for_spreadsheet: bool) -> Vec<Value> {
    let text = |text: Option<&str>| match text {
        None => Value::Null,
        Some(text) if for_spreadsheet => harmless(text).into(),
        Some(text) => text.into(),
    };
    vec![
        line(at).into(),
        text(row.map(|row| row.shipment.as_str())),
        text(row.and_then(|row| row.box_id.as_ref()).map(|id| id.as_str())),
        text(row.map(|row| row.number.as_str())),
        outcome.word.into(),
        text(outcome.code.as_deref()),
        text(outcome.message.as_deref()),
    ]
}

fn write_errors(path: &Path, upload: &Upload, outcomes: &Outcomes) -> Result<(), Failure> {
    let refused = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_refused());
    let rows = refused.map(|(at, outcome)| {
        (at, &upload.rows[at].cells[..], outcome.message.as_deref().unwrap_or_default())
    });
    let written =
        File::create(path).and_then(|file| bulk::write_errors(&upload.header, rows, BufWriter::new(file)));
    written.map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        Failure::new(Exit::Usage, Problem::error("E0003", what))
    })
}
