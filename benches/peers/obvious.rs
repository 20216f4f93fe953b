//! The obvious program: rdkafka, serde_json, `DashMap`s with `String` keys, and a transactional producer.
//!
//! Enters: `commands` to their end, then `scans` to theirs, split among threads. Leaves: a box event and a plan line for
//! every box transition, each batch of scans with its positions in one transaction. Its state is in memory only: what it
//! wrote is exactly once, but a restart knows no milestones. `README.md` beside it says what else it leaves out.

#[path = "client.rs"]
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use dashmap::DashMap;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use client::{REQUEST, all_partitions, consumer_config};

/// How long a transaction stays open, as long as dockside's epochs.
const BATCH: Duration = Duration::from_millis(100);
/// And how many scans it holds at most.
const BATCH_SCANS: u64 = 65_536;

#[derive(Debug, Parser)]
struct Args {
    /// The brokers to ask first.
    #[arg(long)]
    bootstrap: String,
    /// What stands before the names of the inputs.
    #[arg(long)]
    inputs: String,
    /// What stands before the names of the outputs, and names the group.
    #[arg(long)]
    outputs: String,
    /// Threads with a consumer and a producer each.
    #[arg(long, default_value_t = 2)]
    workers: u32,
}

/// In the order in which one replaces another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Milestone {
    LabelCreated,
    PickedUp,
    InTransit,
    AtDestination,
    OutForDelivery,
    ArrivedAtFc,
    PartiallyDelivered,
    Delivered,
}

#[derive(Deserialize)]
struct Scan {
    carrier: String,
    tracking_id: String,
    code: Option<String>,
    milestone: Option<Milestone>,
    event_time: String,
}

impl Scan {
    /// What the carrier's code means, or our own name for it.
    fn meaning(&self) -> Option<Milestone> {
        let Some(code) = &self.code else { return self.milestone };
        match (self.carrier.as_str(), code.as_str()) {
            ("UPS", "M") | ("FEDEX", "OC") => Some(Milestone::LabelCreated),
            ("UPS", "OR") | ("FEDEX", "PU") => Some(Milestone::PickedUp),
            ("UPS", "I" | "DP" | "AR") | ("FEDEX", "IT" | "AR") => Some(Milestone::InTransit),
            ("UPS", "OT") | ("FEDEX", "OD" | "AD") => Some(Milestone::OutForDelivery),
            ("UPS", "D") | ("FEDEX", "DL") => Some(Milestone::Delivered),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Command {
    /// Ticks have none.
    #[serde(default)]
    shipment_id: String,
    #[serde(flatten)]
    body: CommandBody,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CommandBody {
    CreateShipment { fc: String, boxes: Vec<serde::de::IgnoredAny> },
    SetTracking { items: Vec<Item> },
    ConfirmReady,
    Tick,
}

#[derive(Deserialize)]
struct Item {
    box_id: String,
    tracking_id: String,
}

struct Parcel {
    shipment_id: String,
    box_id: String,
    milestone: Option<Milestone>,
}

#[derive(Default)]
struct Shipment {
    fc: String,
    total: usize,
    is_ready: bool,
    by_milestone: BTreeMap<Milestone, u32>,
    version: u64,
}

#[derive(Serialize)]
struct BoxEvent<'a> {
    shipment_id: &'a str,
    box_id: &'a str,
    tracking_id: &'a str,
    milestone: Milestone,
    occurred_at: &'a str,
}

#[derive(Serialize)]
struct PlanLine<'a> {
    fc: &'a str,
    shipment_id: &'a str,
    version: u64,
    total: usize,
    by_milestone: &'a BTreeMap<Milestone, u32>,
    occurred_at: &'a str,
}

/// What it knows.
#[derive(Default)]
struct Program {
    parcels: DashMap<String, Parcel>,
    shipments: DashMap<String, Shipment>,
}

impl Program {
    fn command(&self, bytes: &[u8]) -> Result<()> {
        let Command { shipment_id, body } = serde_json::from_slice(bytes)?;
        match body {
            CommandBody::CreateShipment { fc, boxes } => {
                let shipment = Shipment { fc, total: boxes.len(), ..Shipment::default() };
                self.shipments.entry(shipment_id).or_insert(shipment);
            }
            CommandBody::SetTracking { items } => {
                for Item { box_id, tracking_id } in items {
                    let parcel = Parcel { shipment_id: shipment_id.clone(), box_id, milestone: None };
                    self.parcels.insert(tracking_id, parcel);
                }
            }
            CommandBody::ConfirmReady => {
                self.shipments.get_mut(&shipment_id).context("not created")?.is_ready = true;
            }
            CommandBody::Tick => {}
        }
        Ok(())
    }

    /// Takes a scan. Hands on the key and the value of a box event and of a plan line, if the box rises.
    fn scan(&self, bytes: &[u8], mut write: impl FnMut(Output, &str, &[u8]) -> Result<()>) -> Result<()> {
        let scan: Scan = serde_json::from_slice(bytes)?;
        let Some(milestone) = scan.meaning() else { return Ok(()) };
        let Some(mut parcel) = self.parcels.get_mut(&scan.tracking_id) else { return Ok(()) };
        if parcel.milestone >= Some(milestone) {
            return Ok(());
        }
        let before = parcel.milestone.replace(milestone);
        let Parcel { shipment_id, box_id, .. } = &*parcel;
        let occurred_at = &scan.event_time;
        let event = BoxEvent { shipment_id, box_id, tracking_id: &scan.tracking_id, milestone, occurred_at };
        write(Output::BoxEvents, shipment_id, &serde_json::to_vec(&event)?)?;

        let mut shipment = self.shipments.get_mut(shipment_id).context("not created")?;
        if let Some(count) = before.and_then(|before| shipment.by_milestone.get_mut(&before)) {
            *count -= 1;
        }
        *shipment.by_milestone.entry(milestone).or_default() += 1;
        if !shipment.is_ready {
            return Ok(());
        }
        shipment.version += 1;
        let Shipment { fc, total, version, by_milestone, .. } = &*shipment;
        let line = PlanLine { fc, shipment_id, version: *version, total: *total, by_milestone, occurred_at };
        write(Output::Plan, &format!("{fc}|{shipment_id}"), &serde_json::to_vec(&line)?)
    }
}

#[derive(Clone, Copy)]
enum Output {
    BoxEvents,
    Plan,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let program = Program::default();
    read_commands(&args, &program)?;

    let scans = AtomicU64::new(0);
    let ended = Mutex::new(BTreeSet::new());
    let (args, program, ended, scans) = (&args, &program, &ended, &scans);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.workers)
            .map(|worker| scope.spawn(move || Worker::new(args, worker)?.run(program, ended, scans)))
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    writeln!(std::io::stdout(), "{}", scans.load(Ordering::Relaxed)).context("stdout is closed")
}

/// All commands that there are.
fn read_commands(args: &Args, program: &Program) -> Result<()> {
    let consumer: BaseConsumer = consumer_config(&args.bootstrap, &args.outputs).create()?;
    let partitions = all_partitions(&consumer, &format!("{}commands", args.inputs))?;
    consumer.assign(&partitions)?;
    let mut open = partitions.count();
    while open > 0 {
        match consumer.poll(REQUEST) {
            Some(Ok(message)) => program.command(message.payload().unwrap_or_default())?,
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(anyhow!("no command came")),
        }
    }
    Ok(())
}

/// A thread's share of the partitions, and where its outputs go.
struct Worker {
    topic: String,
    partitions: usize,
    box_events: String,
    plan: String,
    consumer: BaseConsumer,
    producer: BaseProducer,
}

impl Worker {
    fn new(args: &Args, worker: u32) -> Result<Worker> {
        let consumer: BaseConsumer = consumer_config(&args.bootstrap, &args.outputs).create()?;
        let topic = format!("{}scans", args.inputs);
        let all = all_partitions(&consumer, &topic)?;
        let mut own = TopicPartitionList::new();
        for element in all.elements() {
            if u32::try_from(element.partition())? % args.workers == worker {
                own.add_partition_offset(&topic, element.partition(), Offset::Stored)?;
            }
        }
        consumer.assign(&own)?;
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &args.bootstrap)
            .set("transactional.id", format!("{}{worker}", args.outputs))
            .set("batch.num.messages", "100000")
            .set("compression.codec", "lz4")
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "262144")
            .set("queue.buffering.max.messages", "1000000")
            .set("retry.backoff.ms", "10")
            .create()?;
        producer.init_transactions(REQUEST)?;
        let (box_events, plan) =
            (format!("{}box-events", args.outputs), format!("{}receiving-plan", args.outputs));
        Ok(Worker { topic, partitions: all.count(), box_events, plan, consumer, producer })
    }

    /// Works until all partitions, of all threads, have ended.
    fn run(&self, program: &Program, ended: &Mutex<BTreeSet<i32>>, scans: &AtomicU64) -> Result<()> {
        let lock = || ended.lock().map_err(|_| anyhow!("another worker panicked"));
        while lock()?.len() < self.partitions {
            let (read, ends) = self.batch(program)?;
            scans.fetch_add(read, Ordering::Relaxed);
            lock()?.extend(ends);
        }
        Ok(())
    }

    /// One transaction. Returns how many scans it took, and which partitions ended.
    fn batch(&self, program: &Program) -> Result<(u64, Vec<i32>)> {
        let closes = now() + BATCH;
        let (mut read, mut ends, mut positions) = (0, Vec::new(), BTreeMap::new());
        self.producer.begin_transaction()?;
        while read < BATCH_SCANS {
            let left = closes.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            match self.consumer.poll(left) {
                Some(Ok(message)) => {
                    self.scan(program, &message)?;
                    positions.insert(message.partition(), message.offset() + 1);
                    read += 1;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => ends.push(partition),
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
        }
        if !positions.is_empty() {
            let mut list = TopicPartitionList::new();
            for (partition, next) in positions {
                list.add_partition_offset(&self.topic, partition, Offset::Offset(next))?;
            }
            let group = self.consumer.group_metadata().context("a consumer has a group")?;
            self.producer.send_offsets_to_transaction(&list, &group, REQUEST)?;
        }
        self.producer.commit_transaction(REQUEST)?;
        Ok((read, ends))
    }

    fn scan(&self, program: &Program, message: &BorrowedMessage<'_>) -> Result<()> {
        let timestamp = message.timestamp().to_millis().unwrap_or(0);
        program.scan(message.payload().unwrap_or_default(), |output, key, value| {
            let topic = match output {
                Output::BoxEvents => &self.box_events,
                Output::Plan => &self.plan,
            };
            let mut record = BaseRecord::to(topic).key(key).payload(value).timestamp(timestamp);
            while let Err((error, back)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                self.producer.poll(Duration::from_millis(10));
                record = back;
            }
            Ok(())
        })?;
        self.producer.poll(Duration::ZERO);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer reads a clock, as anybody would")]
fn now() -> Instant {
    Instant::now()
}
