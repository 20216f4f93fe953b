//! B10 and B11: how soon a worker that was killed works again, from its local copy and from Kafka alone.
//!
//! Enters: boxes that a service of this very binary took up. Leaves: seconds until a restarted one has its state and has
//! committed something new, and boxes a second when the state is read from Kafka. Always true: the service is ended with
//! `kill -9` once everything was committed, and nothing but its directory and Kafka is left of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::measure::{figure, machine, median, per_second, rounded, seconds, timed};
use super::super::memory::BOXES_EACH;
use super::super::{Bar, Budget, Line, Options};
use super::plan_lines::{enter, send_scan};
use super::streams::{self, NO_PEERS};
use super::{PARTITIONS, own_topics};
use crate::edge::cli::workers_or_cores;
use crate::edge::clock::{self, elapsed_us};
use crate::edge::crew::{Crew, nobody};
use crate::edge::kafka::{KafkaBroker, KafkaConfig, Sender};
use crate::engine::log::{Broker, LogError};
use crate::engine::worker::{Turn, Worker, WorkerConfig};
use crate::stations::Rules;

pub(super) const LOADED: Bar = Bar::at_most(Budget::B10, "state loaded", 3.0, "s");
pub(super) const COMMITTED: Bar = Bar::at_most(Budget::B10, "first commit", 5.0, "s");
pub(super) const RESTORED: Bar = Bar::at_least(Budget::B11, "boxes/s, against Kafka Streams", 10.0, "x");

/// Shipments between two looks at whether the service is done with them.
const STEP_SHIPMENTS: u64 = 20_000;
const LOOK: Duration = Duration::from_millis(5);
/// A service that has not answered for so long never will.
const PATIENCE_US: u64 = 600_000_000;

pub(super) fn failed(what: &str, error: impl std::fmt::Display) -> LogError {
    LogError { what: what.to_owned(), why: error.to_string(), refused: false }
}

pub(super) fn from_the_copy(bootstrap: &str, options: &Options) -> Result<Vec<Line>, LogError> {
    let home = tempfile::Builder::new().prefix("dockside-bench-").tempdir();
    let home = home.map_err(|error| failed("making a temporary directory", error))?;
    let (config, broker) = own_topics(bootstrap)?;
    let boxes = whole_shipments(options);
    let sender = Sender::open(&config)?;

    let mut service = Service::start(&config, home.path())?;
    take_up(&broker, boxes)?;
    let (mut loaded, mut committed, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        service.kill()?;
        // Something new to commit, for when it is back.
        send_scan(&sender, round)?;
        sender.flush()?;
        let begun = elapsed_us();
        service = Service::start(&config, home.path())?;
        service.wait_until("/startupz", |answer| answer.starts_with("HTTP/1.1 200"))?;
        loaded.push(seconds(elapsed_us() - begun));
        service.wait_until("/metrics", |answer| metric(answer, "dockside_epochs_total") > 0.0)?;
        committed.push(seconds(elapsed_us() - begun));
        while !broker.is_caught_up()? {
            std::thread::sleep(LOOK);
        }
        let page = service.get("/metrics")?;
        assert_eq!(metric(&page, "dockside_boxes").round(), figure(boxes), "all boxes are back");
        resident.push(metric(&page, "dockside_resident_bytes"));
    }
    service.kill()?;
    let mut detail = json!({
        "boxes": boxes,
        "from": "the start of the process, joining the group included",
        "copy_bytes": folder_bytes(home.path()),
        "resident_bytes": median(&resident),
        "partitions": PARTITIONS,
        "workers": workers_or_cores(0),
        "rounds": ROUNDS,
        "machine": machine(),
    });
    if boxes < 10_000_000 {
        detail["smaller_than_the_budget"] = json!({ "boxes": 10_000_000 });
    }
    Ok(vec![LOADED.measured(median(&loaded), detail.clone()), COMMITTED.measured(median(&committed), detail)])
}

/// How often the service is killed.
const ROUNDS: u64 = 3;

/// Boxes of the state, in whole shipments.
fn whole_shipments(options: &Options) -> u64 {
    options.sizes.restored.next_multiple_of(BOXES_EACH)
}

/// Enters all shipments and waits until they were taken up.
fn take_up(broker: &KafkaBroker, boxes: u64) -> Result<(), LogError> {
    let shipments = boxes / BOXES_EACH;
    for first in (0..shipments).step_by(usize::try_from(STEP_SHIPMENTS).expect("64-bit")) {
        let step = first..shipments.min(first + STEP_SHIPMENTS);
        enter(broker, step.map(|n| n * BOXES_EACH..(n + 1) * BOXES_EACH))?;
        let begun = elapsed_us();
        while !broker.is_caught_up()? {
            if elapsed_us() - begun > PATIENCE_US {
                return Err(failed("taking up shipments", "the service makes no headway"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

pub(super) fn from_kafka(bootstrap: &str, options: &Options) -> Result<Vec<Line>, LogError> {
    let (config, broker) = own_topics(bootstrap)?;
    let boxes = whole_shipments(options);
    let rules = Arc::new(Rules::embedded());
    let crew = Crew::start(&broker, &rules, &WorkerConfig::default(), "bench", 1, &nobody())?;
    take_up(&broker, boxes)?;
    crew.stop()?;
    drop(broker);
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        // Another group each time: its members need not wait for those before. The state says where to go on.
        let group = format!("{}-{round}", config.group_id);
        let broker = KafkaBroker::open(&KafkaConfig { group_id: group, ..config.clone() })?;
        took.push(restored(&broker, &rules, boxes)?);
    }
    let mut detail = json!({
        "dockside_boxes_per_s": per_second(boxes, median(&took)),
        "seconds": rounded(median(&took)),
        "boxes": boxes,
        "partitions": PARTITIONS,
        "workers": 1,
        "rounds": ROUNDS,
        "machine": machine(),
    });
    if boxes < 10_000_000 {
        detail["smaller_than_the_budget"] = json!({ "boxes": 10_000_000 });
    }
    let Some(peers) = &options.peers else { return Ok(vec![RESTORED.missing_with(NO_PEERS, detail)]) };
    let (entries, seconds) = streams::restored(peers, bootstrap, &config.topic_prefix)?;
    detail["streams_boxes_per_s"] = json!(per_second(boxes, seconds));
    detail["streams_seconds"] = json!(rounded(seconds));
    detail["streams_entries"] = json!(entries);
    Ok(vec![RESTORED.measured(seconds / median(&took), detail)])
}

/// The seconds of the turn in which a new worker takes up all partitions.
fn restored(broker: &KafkaBroker, rules: &Arc<Rules>, boxes: u64) -> Result<f64, LogError> {
    let member = broker.join("bench-restored")?;
    let mut worker = Worker::new(member, Arc::clone(rules), WorkerConfig::default());
    loop {
        let (turn, took) = timed(|| worker.turn(clock::now()));
        assert_ne!(turn?, Turn::Fenced, "nobody else has the name");
        let held: u64 = worker.stations().map(|(_, stations)| stations.gauges().boxes).sum();
        if held == boxes {
            return Ok(took);
        }
        assert_eq!(held, 0, "all partitions come at once");
    }
}

/// A service of this binary, in a process of its own.
struct Service {
    process: Child,
    address: String,
}

impl Service {
    fn start(config: &KafkaConfig, home: &Path) -> Result<Service, LogError> {
        let failed = |error: std::io::Error| failed("starting a service of this program", error);
        let file = home.join("dockside.toml");
        std::fs::write(&file, settings(config, home)).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut process = Command::new(program)
            .args(["run", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut said = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut told = String::new();
        let address = loop {
            let mut line = String::new();
            if said.read_line(&mut line).map_err(failed)? == 0 {
                let _ = process.wait();
                return Err(self::failed("starting a service of this program", told.trim()));
            }
            if let Some(address) = line.trim().strip_prefix("answering on http://") {
                break address.to_owned();
            }
            told.push_str(&line);
        };
        // What else it says is read to its end, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Ok(Service { process, address })
    }

    /// `kill -9`.
    fn kill(&mut self) -> Result<(), LogError> {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        ended.map(drop).map_err(|error| failed("ending a service of this program", error))
    }

    fn get(&self, path: &str) -> Result<String, LogError> {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().map_err(|error| failed("asking a service of this program", error))
    }

    fn wait_until(&self, path: &str, is_good: impl Fn(&str) -> bool) -> Result<(), LogError> {
        let begun = elapsed_us();
        while !is_good(&self.get(path)?) {
            if elapsed_us() - begun > PATIENCE_US {
                return Err(failed("waiting for a service of this program", format!("{path} is not good")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(config: &KafkaConfig, home: &Path) -> String {
    let KafkaConfig { bootstrap_servers, topic_prefix, group_id, instance, partitions, .. } = config;
    let copies = home.join("copies");
    format!(
        "[kafka]\nbootstrap_servers = {bootstrap_servers:?}\ntopic_prefix = {topic_prefix:?}\ngroup_id = {group_id:?}\n\
         instance = {instance:?}\nreplication = 1\n\
         [engine]\npartitions = {partitions}\nsnapshot_dir = {copies:?}\n\
         [retention]\nscans_days = 0\ncommands_days = 0\nhops_days = 0\ncommand_results_days = 0\ndead_letters_days = 0\n\
         [http]\nlisten = \"127.0.0.1:0\"\n"
    )
}

/// The value of a metric without labels; 0 where it is not told.
fn metric(page: &str, name: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    value.unwrap_or(0.0)
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
