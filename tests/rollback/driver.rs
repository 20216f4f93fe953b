//! Drives one partition's stations epoch by epoch, without a log in between.
//!
//! Enters: a world's records, and how many of them each epoch reads. Leaves: documents, the state log's records, and
//! [`Snapshot`]s of everything that is known. Always true: hops of a committed epoch are read by the next one, first of all.

use std::collections::BTreeMap;
use std::convert::Infallible;

use dockside::decode::Decoder;
use dockside::engine::log::Outbox;
use dockside::engine::state::{Recovered, Restore, StateWriter};
use dockside::index::SLICES;
use dockside::model::{Lane, Partition, Timestamp, Topic};
use dockside::stations::{
    ClockSource, Counters, Documents, Gauges, HopWriter, InputRecord, Rules, StateFormat, Stations,
    StreamClock,
};
use dockside::workload::{Messages, Weather, World, WorldConfig};
use serde_json::Value;

use crate::agreement::standing;

const HERE: Partition = Partition(0);
/// Small, so that images of a few slices come often.
const RUN_BYTES: u64 = 2_000;

/// A record of `commands` or `scans`.
#[derive(Debug)]
pub(crate) struct Input {
    lane: Lane,
    timestamp: Timestamp,
    value: Vec<u8>,
}

/// All records of a world, ticks among them.
pub(crate) fn inputs(seed: u64, scans: u64, weather: Weather) -> Vec<Input> {
    let config = WorldConfig { weather, tick_minutes: 720, ..WorldConfig::new(seed, scans) };
    let mut world = World::new(config);
    let mut inputs = Vec::new();
    let mut messages = Messages::default();
    while let Some(phase) = world.next_phase(&mut messages) {
        inputs.extend(messages.iter().map(|message| Input {
            lane: if message.topic == Topic::Scans { Lane::Scans } else { Lane::Commands },
            timestamp: message.timestamp,
            value: message.value.to_vec(),
        }));
        let value = br#"{"type":"tick"}"#.to_vec();
        inputs.push(Input { lane: Lane::Commands, timestamp: phase.tick, value });
    }
    inputs
}

/// All records of a world of accounts.
pub(crate) fn accounts(seed: u64) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (written, tick) in standing::world(seed, 40, false).0 {
        inputs.extend(written.into_iter().map(|message| Input {
            lane: Lane::Commands,
            timestamp: message.timestamp,
            value: message.value,
        }));
        inputs.push(Input { lane: Lane::Commands, timestamp: tick, value: br#"{"type":"tick"}"#.to_vec() });
    }
    inputs
}

/// How far an epoch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Read,
    Settled,
    Published,
}

/// A record that went out: topic, key, value.
pub(crate) type Document = (Topic, Vec<u8>, Option<Vec<u8>>);

/// Everything that is known, in its canonical serialisation.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) image: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) counters: Counters,
    pub(crate) clock: StreamClock,
    /// Kept beside the rest, and so compared beside it.
    pub(crate) gauges: Gauges,
}

/// A partition, its inputs, and what it wrote.
#[derive(Debug)]
pub(crate) struct Driver<'a> {
    rules: &'a Rules,
    inputs: &'a [Input],
    stations: Stations,
    decoder: Decoder,
    hops: HopWriter,
    next: usize,
    /// Hops that were committed and not read yet.
    waiting: Vec<Vec<u8>>,
    writer: StateWriter,
    pub(crate) state_log: Vec<Vec<u8>>,
    /// Where the log may begin by now.
    pub(crate) trimmed: u64,
    pub(crate) documents: Vec<Document>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(rules: &'a Rules, inputs: &'a [Input]) -> Driver<'a> {
        Driver {
            rules,
            inputs,
            stations: Stations::new(HERE, 1, ClockSource::Input, 1),
            decoder: Decoder::new(),
            hops: HopWriter::new(1),
            next: 0,
            waiting: Vec::new(),
            writer: StateWriter::new(HERE, 1).with_run_bytes(RUN_BYTES),
            state_log: Vec::new(),
            trimmed: 0,
            documents: Vec::new(),
        }
    }

    /// Whether every record and every hop was read.
    pub(crate) fn is_done(&self) -> bool {
        self.next == self.inputs.len() && self.waiting.is_empty()
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.stations.counters()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        snapshot(&self.stations)
    }

    /// Reads what waits and `records` more, and goes on until `stage`.
    fn work(&mut self, records: usize, stage: Stage) -> Vec<Document> {
        let mut documents = Vec::new();
        let mut sink =
            |topic: Topic, key: Option<&[u8]>, value: Option<&[u8]>, _: &[(&'static str, &[u8])]| {
                documents.push((topic, key.unwrap_or_default().to_vec(), value.map(<[u8]>::to_vec)));
            };
        let mut out = Documents { sink: &mut sink };
        let Driver { rules, stations, decoder, hops, .. } = self;
        for message in &self.waiting {
            stations.hops(rules, message, hops);
        }
        let to = (self.next + records).min(self.inputs.len());
        for (offset, input) in (0..).zip(self.inputs).take(to).skip(self.next) {
            let Input { lane, timestamp, value } = input;
            let record = InputRecord {
                offset,
                timestamp: *timestamp,
                key: None,
                value: Some(value),
                content_type: None,
                feed: None,
            };
            match lane {
                Lane::Scans => stations.scans(rules, decoder, &record, hops, &mut out),
                _ => stations.commands(rules, &record, hops, &mut out),
            }
        }
        if stage >= Stage::Settled {
            stations.advance(rules, hops, &mut out);
        }
        if stage >= Stage::Published {
            stations.publish(rules, &mut out);
        }
        documents
    }

    /// Writes its next epochs in that format.
    pub(crate) fn writes(&mut self, format: StateFormat) {
        self.writer = self.writer.clone().with_format(format);
    }

    /// An epoch that is taken back. Returns whether anything is other than before.
    pub(crate) fn undo(&mut self, records: usize, stage: Stage) -> bool {
        let before = self.snapshot();
        self.work(records, stage);
        self.stations.rollback(self.rules);
        self.hops.clear();
        self.snapshot() != before
    }

    /// An epoch that has ended and one that is open, both taken back. Returns whether anything is other than before.
    pub(crate) fn undo_two(&mut self, ended: usize, open: usize, stage: Stage) -> bool {
        let before = self.snapshot();
        self.work(ended, Stage::Published);
        self.stations.seal();
        self.hops.clear();
        // What the ended epoch said is not heard before it is committed.
        let (next, waiting) = (self.next, std::mem::take(&mut self.waiting));
        self.next = (next + ended).min(self.inputs.len());
        self.work(open, stage);
        self.stations.rollback(self.rules);
        self.hops.clear();
        (self.next, self.waiting) = (next, waiting);
        self.snapshot() != before
    }

    /// An epoch that is committed.
    pub(crate) fn commit(&mut self, records: usize) {
        self.end(records);
        self.keep();
    }

    /// Two epochs that are committed; the second reads its records before it hears what the first said. `overlapping`: while
    /// the first is being committed.
    pub(crate) fn commit_two(&mut self, records: [usize; 2], overlapping: bool) {
        let [first, second] = records;
        self.end(first);
        if !overlapping {
            self.keep();
        }
        let said = std::mem::take(&mut self.waiting);
        let documents = self.work(second, Stage::Read);
        self.documents.extend(documents);
        self.next = (self.next + second).min(self.inputs.len());
        if overlapping {
            self.keep();
        }
        self.waiting = said;
        self.commit(0);
    }

    /// An epoch that ends.
    fn end(&mut self, records: usize) {
        let documents = self.work(records, Stage::Published);
        self.documents.extend(documents);
        let mut outbox = Outbox::default();
        let end = self.state_log.len() as u64;
        let written =
            self.writer.write(&self.stations, &[], Timestamp(0), &mut outbox, || Ok::<_, Infallible>(end));
        written.expect("the end is known");
        self.seal(&outbox);
        self.next = (self.next + records).min(self.inputs.len());
        self.waiting.clear();
        self.hops.drain(|_, bytes| self.waiting.push(bytes.to_vec()));
    }

    /// Writes a whole image as an epoch of its own.
    pub(crate) fn image(&mut self) {
        let mut outbox = Outbox::default();
        let end = self.state_log.len() as u64;
        let written = self
            .writer
            .write_whole(&self.stations, &[], Timestamp(0), &mut outbox, || Ok::<_, Infallible>(end));
        written.expect("the end is known");
        self.seal(&outbox);
        self.keep();
    }

    fn seal(&mut self, outbox: &Outbox) {
        for record in outbox.iter() {
            assert_eq!((record.topic, record.partition, record.key), (Topic::State, HERE, None));
            self.state_log.push(record.value.expect("a value").to_vec());
        }
        self.stations.seal();
    }

    fn keep(&mut self) {
        self.stations.commit();
        self.trimmed = self.writer.commit().unwrap_or(self.trimmed);
    }

    /// These stations, with what another driver has written so far.
    pub(crate) fn continued(self, before: Driver<'a>) -> Driver<'a> {
        Driver { state_log: before.state_log, documents: before.documents, trimmed: before.trimmed, ..self }
    }

    /// The same at the same place, but with stations that only know what the state log's records say.
    pub(crate) fn restored(&self, records: &[Vec<u8>]) -> Driver<'a> {
        let Recovered { stations, writer, torn, .. } =
            restore(self.rules, records).expect("a log that we wrote");
        assert_eq!((writer.epoch(), torn), (self.writer.epoch(), None));
        Driver {
            stations,
            writer: writer.with_run_bytes(RUN_BYTES),
            next: self.next,
            waiting: self.waiting.clone(),
            ..Driver::new(self.rules, self.inputs)
        }
    }
}

/// Everything that these stations know.
pub(crate) fn snapshot(stations: &Stations) -> Snapshot {
    let mut image = BTreeMap::new();
    for slice in 0..SLICES {
        stations.image(StateFormat::Newest, slice..slice + 1, |key, value| {
            assert_eq!(key.slice, slice);
            let value = value.expect("an image holds what is there").to_vec();
            assert_eq!(image.insert(key.bytes.to_vec(), value), None, "an entity is in one slice, once");
        });
    }
    let counters = stations.counters().clone();
    // Which shipments are packed is no part of what is known.
    let gauges = Gauges { boxes_open: 0, ..stations.gauges() };
    Snapshot { image, counters, clock: stations.clock().clone(), gauges }
}

/// Reads a state log back; what is wrong with it, if anything.
pub(crate) fn restore(rules: &Rules, records: &[Vec<u8>]) -> Result<Recovered, String> {
    let mut restore = Restore::new(HERE, 1, ClockSource::Input, 2);
    for (offset, record) in (0..).zip(records) {
        restore.record(rules, offset, record).map_err(|error| error.to_string())?;
    }
    restore.finish(rules).map_err(|error| error.to_string())
}

/// Without the sources of milestones: a side table of the process, not part of the state.
pub(crate) fn without_sources(documents: &[Document]) -> Vec<(Topic, String, Option<Value>)> {
    let plain = |(topic, key, value): &Document| {
        let key = String::from_utf8_lossy(key).into_owned();
        if *topic == Topic::DeadLetters {
            let text = value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned().into());
            return (*topic, key, text);
        }
        let value = value.as_deref().map(|value| {
            let mut value: Value = serde_json::from_slice(value).expect("documents are JSON");
            for shown in value.get_mut("boxes").and_then(Value::as_array_mut).into_iter().flatten() {
                let milestones = shown.get_mut("milestones").and_then(Value::as_object_mut);
                for milestone in milestones.into_iter().flat_map(|shown| shown.values_mut()) {
                    milestone["source"].take();
                }
            }
            value
        });
        (*topic, key, value)
    };
    documents.iter().map(plain).collect()
}
