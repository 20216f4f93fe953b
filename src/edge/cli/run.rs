//! `run`: the service, on Kafka or on a directory of this machine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::intake::Intake;
use super::output::{Out, Progress, Summary, tell, tell_problem};
use super::summary::Books;
use super::topics::differences;
use super::{ConfigArgs, hash_secret, log_failure, workers_or_cores};
use crate::edge::config::{Config, HttpSettings};
use crate::edge::crew::{Crew, nobody};
use crate::edge::feeds::FeedWatch;
use crate::edge::http::{Bound, Outlook, Owners, Told};
use crate::edge::kafka::{KafkaBroker, KafkaConfig, Signs, create_topics};
use crate::edge::problem::{Exit, Failure, Problem, Severity};
use crate::edge::signals::{self, Ending};
use crate::edge::watchdog;
use crate::engine::log::export::Export;
use crate::engine::log::{Broker, Durability, Local, LogError, Recovered};
use crate::engine::worker::WorkerConfig;
use crate::stations::{ClockSource, Rules};

/// Runs the service: on Kafka, or on a directory of this machine (--local) without a broker.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside run -c dockside.toml --create-topics\n  \
    dockside run --local ./data --input day.ndjson --set engine.clock=input")]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Creates the topics that are missing.
    #[arg(long, conflicts_with = "local")]
    create_topics: bool,
    /// Keeps the log in this directory; committed outputs go to DIR/out/TOPIC.ndjson.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// With --local: reads replay lines, from where the last run stopped; ends when they end.
    #[arg(long, value_name = "FILE|-", requires = "local")]
    input: Option<PathBuf>,
    /// Worker threads; engine.workers if not given.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: Option<u32>,
    /// How the summary at the end is written.
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    format: Summary,
}

/// How often a running service looks around.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often somebody who waits for the lanes to drain looks again.
const LOOK: Duration = Duration::from_millis(1);

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let ending =
        signals::listen(config.engine.shutdown, tell).map_err(|error| super::cannot_listen(&error))?;
    let service = Service {
        workers: args.workers.unwrap_or_else(|| workers_or_cores(config.engine.workers)),
        worker_config: WorkerConfig {
            clock: config.engine.clock,
            epoch_ms: config.engine.epoch_ms,
            epoch_records_max: config.engine.epoch_records_max,
            // A commit to a directory costs little: what is done need not wait for its epoch to grow old.
            close_when_drained: args.local.is_some(),
            on_gap: config.engine.on_gap,
            state_format: config.engine.state_format,
            secret: hash_secret(),
            ..WorkerConfig::default()
        },
        name: config.kafka.instance.clone(),
        format: args.format,
        bound: bound(&config.http)?,
        ending,
    };
    match &args.local {
        Some(dir) => service.on_directory(dir, args.input.as_deref(), config),
        None => service.on_kafka(args.create_topics, config),
    }
}

/// The address of the HTTP side, taken.
fn bound(settings: &HttpSettings) -> Result<Option<Bound>, Failure> {
    let taken = match Bound::take(settings) {
        Err(error) if settings.is_default && error.kind() == ErrorKind::AddrInUse => {
            let what = "the default address of `http.listen` is taken: running without HTTP";
            let help = "set http.listen to another address, or to \"\" if none is wanted";
            tell_problem(&Problem::warning("E0203", what).help(help));
            return Ok(None);
        }
        taken => taken.map_err(|error| cannot_serve(&error))?,
    };
    if let Some(bound) = &taken {
        tell(&format!("answering on http://{}", bound.address()));
    }
    Ok(taken)
}

fn cannot_serve(error: &std::io::Error) -> Failure {
    let problem = Problem::error("E0203", format!("cannot answer HTTP: {error}"));
    Failure::new(
        Exit::Connect,
        problem.help("set http.listen to a free address, or to \"\" if none is wanted"),
    )
}

struct Service {
    workers: u32,
    worker_config: WorkerConfig,
    name: String,
    format: Summary,
    bound: Option<Bound>,
    ending: Ending,
}

impl Service {
    fn on_kafka(mut self, create: bool, config: Config) -> Result<Exit, Failure> {
        let bound = self.bound.take();
        let advertise = bound.as_ref().and_then(Bound::advertised);
        let kafka = KafkaConfig { advertise, ..config.kafka_config() };
        if create || config.kafka.create_topics {
            for name in create_topics(&kafka).map_err(|error| log_failure(&error))? {
                tell(&format!("created topic {name}"));
            }
        }
        let differences = differences(&config)?;
        if differences.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(Failure { exit: Exit::Config, problems: differences });
        }
        differences.iter().for_each(tell_problem);
        let broker = Arc::new(KafkaBroker::open(&kafka).map_err(|error| log_failure(&error))?);
        tell(&format!(
            "running on {}: {} partitions, {} workers, group {}",
            kafka.bootstrap_servers,
            broker.partitions(),
            self.workers,
            kafka.group_id
        ));
        let rules = Arc::new(config.rules());
        let crew = self.crew(&*broker, &rules)?;
        let signs = Some(Arc::clone(broker.signs()));
        self.answer(bound, broker, KafkaBroker::owners, &crew, Arc::clone(&rules), signs)?;
        let progress = Progress::service();
        let mut feeds = FeedWatch::default();
        while !self.ending.is_asked_for() && !crew.has_failed() {
            progress.show(crew.done().scans);
            feeds.look(crew.desks(), &rules);
            std::thread::sleep(PATIENCE);
        }
        progress.finish();
        self.end(crew)
    }

    fn on_directory(mut self, dir: &Path, input: Option<&Path>, config: Config) -> Result<Exit, Failure> {
        let stored = Local::stored_partitions(dir).map_err(|error| log_failure(&error))?;
        let partitions = stored.unwrap_or(config.engine.partitions);
        let (log, recovered) =
            Local::open(dir, partitions, Durability::Disk).map_err(|error| log_failure(&error))?;
        let log = Arc::new(log);
        self.tell_start(dir, partitions, config.engine.partitions, recovered);
        let mut export = Export::open(&log, &dir.join("out")).map_err(|error| log_failure(&error))?;
        let rules = Arc::new(config.rules());
        let crew = self.crew(&*log, &rules)?;
        // All partitions are here: nobody else is asked.
        let alone = |_: &Local| Ok(Owners::new());
        let bound = self.bound.take();
        self.answer(bound, Arc::clone(&log), alone, &crew, Arc::clone(&rules), None)?;
        let progress = Progress::service();
        let mut feeds = FeedWatch::default();
        // What goes wrong with the input or the files still lets the workers end in order.
        let mut outcome = Ok(true);
        let mut intake = None;
        if let Some(path) = input {
            match Intake::open(path, &log, self.worker_config.clock == ClockSource::Input) {
                Ok(opened) => intake = Some(opened),
                Err(failure) => outcome = Err(failure),
            }
        }
        while matches!(outcome, Ok(true)) && !self.ending.is_asked_for() && !crew.has_failed() {
            progress.show(crew.done().scans);
            feeds.look(crew.desks(), &rules);
            outcome = self.look_around(&log, &crew, intake.as_mut(), &mut export);
        }
        progress.finish();
        let ended = self.end(crew);
        export.catch_up().map_err(|error| log_failure(&error))?;
        outcome.and(ended)
    }

    /// Feeds some lines and writes what was committed. False: the input has ended, and all of it is processed.
    fn look_around(
        &self,
        log: &Local,
        crew: &Crew,
        intake: Option<&mut Intake>,
        export: &mut Export,
    ) -> Result<bool, Failure> {
        let mut goes_on = true;
        let cancelled = || self.ending.is_asked_for();
        let drain = || crew.wait_until_drained(log, LOOK, &cancelled).map_err(|error| log_failure(&error));
        match intake {
            None => std::thread::sleep(PATIENCE),
            Some(intake) if !intake.has_ended() => intake.append_some(log, PATIENCE, &drain)?,
            Some(_) => goes_on = !drain()?,
        }
        export.catch_up().map_err(|error| log_failure(&error))?;
        Ok(goes_on)
    }

    fn tell_start(&self, dir: &Path, partitions: u32, wanted: u32, recovered: Recovered) {
        tell(&format!("running in {}: {partitions} partitions, {} workers", dir.display(), self.workers));
        if partitions != wanted {
            tell(&format!(
                "the log was made with {partitions} partitions; engine.partitions = {wanted} is for new ones"
            ));
        }
        if recovered.cut_bytes > 0 {
            tell(&format!("a step that a crash interrupted was taken back ({} bytes)", recovered.cut_bytes));
        }
        if self.worker_config.clock == ClockSource::Wall {
            return;
        }
        tell("engine.clock = \"input\": time passes only by ticks of the input");
    }

    fn crew<B>(&self, broker: &B, rules: &Arc<Rules>) -> Result<Crew, Failure>
    where
        B: Broker + Sync,
        B::Member: Send + 'static,
    {
        let workers = self.workers.min(broker.partitions());
        Crew::start(broker, rules, &self.worker_config, &self.name, workers, &nobody())
            .map_err(|error| log_failure(&error))
    }

    /// Has somebody look after the workers, and lets the HTTP side answer, if there is one.
    fn answer<B>(
        &self,
        bound: Option<Bound>,
        broker: Arc<B>,
        owners: fn(&B) -> Result<Owners, LogError>,
        crew: &Crew,
        rules: Arc<Rules>,
        signs: Option<Arc<Signs>>,
    ) -> Result<(), Failure>
    where
        B: Broker + Send + Sync + 'static,
    {
        let partitions = broker.partitions();
        let cannot_watch = |error: std::io::Error| {
            let problem = Problem::error("E0204", format!("cannot start a thread: {error}"));
            Failure::new(
                Exit::Connect,
                problem.help("raise the limit of processes, or set engine.workers lower"),
            )
        };
        let outlook = Outlook::watch(broker, owners).map_err(cannot_watch)?;
        let (desks, ending) = (crew.desks().to_vec(), self.ending.clone());
        watchdog::watch(desks.clone(), Arc::clone(&outlook), ending.clone()).map_err(cannot_watch)?;
        let Some(bound) = bound else { return Ok(()) };
        let told = Told { desks, outlook, rules, partitions, signs, ending };
        bound.serve(told).map_err(|error| cannot_serve(&error))
    }

    fn end(&self, crew: Crew) -> Result<Exit, Failure> {
        let done = crew.done();
        let counters = crew.stop().map_err(|error| log_failure(&error))?;
        let books = Books::new(&counters);
        let mut out = Out::stdout();
        match self.format {
            Summary::Json => out.json(&json!({
                "epochs": done.epochs,
                "records": done.records,
                "outputs": done.outputs,
                "undone": done.undone,
                "scans": books,
            }))?,
            Summary::Text => {
                let mut text = String::new();
                books.text(&mut text);
                out.line(text.trim_end())?;
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}
