//! The referee: runs a program until it has done its work, measures it, and counts what it came to.
//!
//! `watch` starts a program and waits until its group has read everything that is there, its own intermediate topics
//! included, and has written everything that follows (or, without a group, until it ends by itself). Leaves: name, seconds, CPU seconds and peak memory in MiB, as a
//! line of tab-separated values. CPU is user and system time of the whole process from its start, as the system counts it.
//!
//! `transitions` reads what a program wrote. Leaves: how many box transitions it told, how many different ones, and a
//! digest of these, in a line: programs that did the same work show the same. From box events each record is one; from
//! `shipments` they are what its documents, the last of each shipment, list as reached; from `hops`, what the last box event of
//! each box shows.

#[path = "client.rs"]
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use dockside::model::Milestone;
use dockside::stations::{Hop, read_hops};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use client::{REQUEST, all_partitions, consumer_config};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// The work is done if nothing happens for so long after the last record was read: timers may still write.
const QUIET: Duration = Duration::from_secs(2);
const DAY_MS: i64 = 24 * 3600 * 1000;
/// Clock ticks in a second: what Linux counts a process's time in.
const TICKS_PER_S: f64 = 100.0;
/// A distance of up to so many offsets may be control records only, and is looked at.
const LOOKED_AT: i64 = 1_000;
/// The milestones that a box reaches one after the other.
const RANKED: [&str; 8] = [
    "LABEL_CREATED",
    "PICKED_UP",
    "IN_TRANSIT",
    "AT_DESTINATION",
    "OUT_FOR_DELIVERY",
    "ARRIVED_AT_FC",
    "PARTIALLY_DELIVERED",
    "DELIVERED",
];

#[derive(Debug, Parser)]
struct Args {
    /// The brokers to ask first.
    #[arg(long)]
    bootstrap: String,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs a program and measures it.
    Watch {
        /// How it is called in the table.
        #[arg(long)]
        name: String,
        /// Its consumer group.
        #[arg(long)]
        group: Option<String>,
        /// What the group reads, inputs first, each behind those that it is made from.
        #[arg(long, value_delimiter = ',')]
        topics: Vec<String>,
        /// Where it writes.
        #[arg(long, value_delimiter = ',')]
        outputs: Vec<String>,
        /// Commands that take ticks. When the work is done, and measured, a later tick makes the program write what it
        /// holds back for some seconds of stream time.
        #[arg(long)]
        ticks: Option<String>,
        /// After so many seconds it has failed.
        #[arg(long, default_value_t = 1800)]
        patience_s: u64,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Counts box transitions.
    Transitions {
        /// A topic of box events.
        #[arg(long, required_unless_present_any = ["shipments", "hops"])]
        box_events: Option<String>,
        /// Or the topic of dockside's shipments.
        #[arg(long)]
        shipments: Option<String>,
        /// Or that of its hops, whose boxes are those of the commands.
        #[arg(long, requires = "commands")]
        hops: Option<String>,
        #[arg(long)]
        commands: Option<String>,
        /// A file for the different ones, a line each, sorted.
        #[arg(long)]
        list: PathBuf,
    },
}

fn main() -> Result<()> {
    let Args { bootstrap, task } = Args::parse();
    let line = match task {
        Task::Watch { name, group, topics, outputs, ticks, patience_s, command } => {
            let lag = group.map(|group| Lag::of(&bootstrap, &group, topics, outputs)).transpose()?;
            let Measured { wall_s, cpu_s, peak_mib } = {
                let tick = || ticks.as_ref().map_or(Ok(()), |topic| tick(&bootstrap, topic));
                watch(&command, lag.as_ref(), &tick, Duration::from_secs(patience_s))?
            };
            format!("{name}\t{wall_s:.2}\t{cpu_s:.2}\t{peak_mib}")
        }
        Task::Transitions { box_events, shipments, hops, commands, list } => {
            let transitions = match (box_events, shipments, hops.zip(commands)) {
                (Some(topic), ..) => Transitions::of_box_events(&bootstrap, &topic)?,
                (_, Some(topic), _) => Transitions::of_shipments(&bootstrap, &topic)?,
                (.., topics) => {
                    let (hops, commands) = topics.context("a topic")?;
                    Transitions::of_hops(&bootstrap, &hops, &commands)?
                }
            };
            transitions.list(&list)?;
            transitions.line()
        }
    };
    writeln!(std::io::stdout(), "{line}").context("stdout is closed")
}

struct Measured {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: u64,
}

#[expect(clippy::disallowed_methods, reason = "the referee holds the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Runs a program until nothing is left to do, or until it ends if there is no lag to watch.
fn watch(
    command: &[String],
    lag: Option<&Lag>,
    tick: &dyn Fn() -> Result<()>,
    patience: Duration,
) -> Result<Measured> {
    let start = now();
    // Its words go where ours go: stdout is for the figures.
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::from(std::io::stderr()))
        .spawn()
        .with_context(|| command[0].clone())?;
    let mut measured = until_done(&child, start, lag, patience);
    if measured.is_ok() && lag.is_some() {
        let held_back = tick().and_then(|()| until_done(&child, start, lag, patience));
        measured = measured.and_then(|measured| held_back.map(|_| measured));
    }
    if lag.is_some() || measured.is_err() {
        end(&mut child)?;
    }
    let status = child.wait()?;
    let measured = measured?;
    if lag.is_none() && !status.success() {
        bail!("{}: {status}", command[0]);
    }
    Ok(measured)
}

/// Writes a tick to every partition, a day after the last record.
fn tick(bootstrap: &str, topic: &str) -> Result<()> {
    let mut last = 0;
    each_record(bootstrap, topic, |message| {
        last = last.max(message.timestamp().to_millis().unwrap_or(0));
        Ok(())
    })?;
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let partitions = all_partitions(&consumer_config(bootstrap, "peer-referee").create()?, topic)?;
    for element in partitions.elements() {
        let record = BaseRecord::<(), _>::to(topic).payload(r#"{"type":"tick"}"#);
        let record = record.partition(element.partition()).timestamp(last + DAY_MS);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(REQUEST)?)
}

/// Asks it to end, as an operator would.
fn end(child: &mut Child) -> Result<()> {
    let asked = Command::new("kill").arg(child.id().to_string()).status()?;
    if !asked.success() && child.try_wait()?.is_none() {
        child.kill()?;
    }
    Ok(())
}

fn until_done(child: &Child, start: Instant, lag: Option<&Lag>, patience: Duration) -> Result<Measured> {
    let mut peak_mib = 0;
    let mut before: Option<(Positions, Measured)> = None;
    loop {
        let wall_s = (now() - start).as_secs_f64();
        let (is_over, cpu_s) = stat(child.id())?;
        peak_mib = peak(child.id()).unwrap_or(peak_mib);
        let measured = Measured { wall_s, cpu_s, peak_mib };
        match lag {
            None if is_over => return Ok(measured),
            None => {}
            Some(_) if is_over => bail!("the program ended before its work was done"),
            // The first look after which nothing happens is the end.
            Some(lag) => {
                before = match (lag.positions_if_drained()?, before) {
                    (Some(positions), Some((same, first))) if positions == same => {
                        if wall_s - first.wall_s > QUIET.as_secs_f64() {
                            return Ok(first);
                        }
                        Some((same, first))
                    }
                    (positions, _) => positions.map(|positions| (positions, measured)),
                };
            }
        }
        if wall_s > patience.as_secs_f64() {
            bail!("after {wall_s:.0} s there is still work to do");
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether a process of ours has ended (it is kept until somebody waits for it), and its CPU time so far.
fn stat(id: u32) -> Result<(bool, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in brackets, may hold anything.
    let (_, rest) = text.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok((fields[0] == "Z", ticks / TICKS_PER_S))
}

/// The most memory that it had; none once it has ended.
fn peak(id: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

/// The next offset of each partition of each topic: to read, or where outputs end.
type Positions = BTreeMap<(usize, i32), i64>;

/// What a group has still to read.
struct Lag {
    topics: Vec<String>,
    outputs: Vec<String>,
    group: BaseConsumer,
    /// Reads what lies between a position and the end.
    reader: BaseConsumer,
}

impl Lag {
    fn of(bootstrap: &str, group: &str, topics: Vec<String>, outputs: Vec<String>) -> Result<Lag> {
        let reader = consumer_config(bootstrap, "peer-referee").create()?;
        Ok(Lag { topics, outputs, group: consumer_config(bootstrap, group).create()?, reader })
    }

    /// The group's positions, if there is no record behind any of them, and the ends of what it writes.
    fn positions_if_drained(&self) -> Result<Option<Positions>> {
        let mut positions = BTreeMap::new();
        for (nth, topic) in self.topics.iter().enumerate() {
            let committed = self.group.committed_offsets(all_partitions(&self.group, topic)?, REQUEST)?;
            for element in committed.elements() {
                let partition = element.partition();
                let (low, high) = self.group.fetch_watermarks(topic, partition, REQUEST)?;
                let next = match element.offset() {
                    Offset::Offset(next) => next.max(low),
                    _ => low,
                };
                if high - next > LOOKED_AT || (high > next && self.has_records(topic, partition, next)?) {
                    return Ok(None);
                }
                positions.insert((nth, partition), next);
            }
        }
        for (nth, topic) in (self.topics.len()..).zip(&self.outputs) {
            for element in all_partitions(&self.group, topic)?.elements() {
                let (_, high) = self.group.fetch_watermarks(topic, element.partition(), REQUEST)?;
                positions.insert((nth, element.partition()), high);
            }
        }
        Ok(Some(positions))
    }

    /// Whether there is more than control records.
    fn has_records(&self, topic: &str, partition: i32, from: i64) -> Result<bool> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(from))?;
        self.reader.assign(&list)?;
        let answer = match self.reader.poll(REQUEST) {
            Some(Ok(_)) => true,
            Some(Err(KafkaError::PartitionEOF(_))) => false,
            Some(Err(error)) => return Err(error.into()),
            None => bail!("{topic}-{partition} does not answer"),
        };
        self.reader.unassign()?;
        Ok(answer)
    }
}

/// Shipment, box and milestone, each with how often it was told.
#[derive(Default)]
struct Transitions {
    told: u64,
    different: BTreeSet<(String, String, String)>,
}

#[derive(Deserialize)]
struct BoxEvent {
    shipment_id: String,
    box_id: String,
    milestone: String,
}

/// Of a command no more than that.
#[derive(Deserialize)]
struct CreateShipment {
    #[serde(rename = "type")]
    kind: String,
    shipment_id: Option<String>,
    #[serde(default)]
    boxes: Vec<NewBox>,
}

#[derive(Deserialize)]
struct NewBox {
    box_id: String,
}

#[derive(Deserialize)]
struct ShipmentDocument {
    shipment_id: String,
    boxes: Vec<BoxDocument>,
}

#[derive(Deserialize)]
struct BoxDocument {
    box_id: String,
    milestones: BTreeMap<String, serde::de::IgnoredAny>,
}

impl Transitions {
    fn of_box_events(bootstrap: &str, topic: &str) -> Result<Transitions> {
        let mut transitions = Transitions::default();
        each_record(bootstrap, topic, |message| {
            let value = message.payload().unwrap_or_default();
            let BoxEvent { shipment_id, box_id, milestone } = serde_json::from_slice(value)?;
            transitions.add(shipment_id, box_id, milestone);
            Ok(())
        })?;
        Ok(transitions)
    }

    fn of_shipments(bootstrap: &str, topic: &str) -> Result<Transitions> {
        let mut last = BTreeMap::new();
        each_record(bootstrap, topic, |message| {
            let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            last.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        let mut transitions = Transitions::default();
        for document in last.values().filter(|document| !document.is_empty()) {
            let ShipmentDocument { shipment_id, boxes } = serde_json::from_slice(document)?;
            for BoxDocument { box_id, milestones } in boxes {
                for milestone in milestones.into_keys().filter(|name| RANKED.contains(&name.as_str())) {
                    transitions.add(shipment_id.clone(), box_id.clone(), milestone);
                }
            }
        }
        Ok(transitions)
    }

    fn of_hops(bootstrap: &str, hops: &str, commands: &str) -> Result<Transitions> {
        let mut boxes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        each_record(bootstrap, commands, |message| {
            let command: CreateShipment = serde_json::from_slice(message.payload().unwrap_or_default())?;
            if let (Some(id), "create_shipment") = (command.shipment_id, command.kind.as_str()) {
                boxes.insert(id, command.boxes.into_iter().map(|new| new.box_id).collect());
            }
            Ok(())
        })?;
        let mut last = BTreeMap::new();
        each_record(bootstrap, hops, |message| {
            read_hops(message.payload().unwrap_or_default(), |hop| {
                if let Hop::BoxEvent { shipment, unit, view, .. } = hop {
                    last.insert((shipment.as_str().to_owned(), unit.0 as usize), view);
                }
            });
            Ok(())
        })?;
        let mut transitions = Transitions::default();
        for ((shipment_id, unit), view) in last {
            let box_id = boxes.get(&shipment_id).and_then(|boxes| boxes.get(unit));
            let box_id = box_id.with_context(|| format!("no command creates box {unit} of {shipment_id}"))?;
            for milestone in Milestone::ALL.into_iter().filter(|milestone| view.at(*milestone).is_some()) {
                if RANKED.contains(&milestone.name()) {
                    transitions.add(shipment_id.clone(), box_id.clone(), milestone.name().to_owned());
                }
            }
        }
        Ok(transitions)
    }

    fn add(&mut self, shipment_id: String, box_id: String, milestone: String) {
        self.told += 1;
        self.different.insert((shipment_id, box_id, milestone));
    }

    fn list(&self, path: &Path) -> Result<()> {
        let mut out = BufWriter::new(fs::File::create(path)?);
        for (shipment_id, box_id, milestone) in &self.different {
            writeln!(out, "{shipment_id} {box_id} {milestone}")?;
        }
        Ok(out.flush()?)
    }

    fn line(&self) -> String {
        let mut hasher = Sha256::new();
        for (shipment_id, box_id, milestone) in &self.different {
            hasher.update(format!("{shipment_id} {box_id} {milestone}\n"));
        }
        let digest: String = hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}\t{}\t{digest}", self.told, self.different.len())
    }
}

/// Hands on every committed record, partition by partition in order.
fn each_record(
    bootstrap: &str,
    topic: &str,
    mut sink: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    let consumer: BaseConsumer = consumer_config(bootstrap, "peer-referee").create()?;
    let mut partitions = all_partitions(&consumer, topic)?;
    partitions.set_all_offsets(Offset::Beginning)?;
    consumer.assign(&partitions)?;
    let mut open = partitions.count();
    while open > 0 {
        match consumer.poll(REQUEST) {
            Some(Ok(message)) => sink(&message)?,
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => bail!("{topic} does not answer"),
        }
    }
    Ok(())
}
