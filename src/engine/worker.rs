//! A worker: one thread, one member of the group, the stations of its partitions.
//!
//! Enters: records from the [`Log`], and the wall clock's time as an argument. Leaves: epochs. Always true:
//! - everything an epoch did (outputs, hops, state, positions) is committed together or taken back together;
//! - every epoch names a position of each partition that it writes for;
//! - a partition's epochs are contiguous, and its state in memory is that of its last committed epoch plus the open one.
//!
//! A turn polls the lanes, hops first, each with its floor of one batch; an epoch closes by age, by size, or (when told so)
//! because all lanes are drained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::log::{Committed, Epoch, Log, LogError, Outbox, Polled, Positions, RecordBatch};
use super::state::{InputRange, Restore, StateCursor, read_header, write_delta, write_image};
use crate::decode::Decoder;
use crate::model::{Lane, Partition, Timestamp, Topic, partition_of};
use crate::stations::{ClockSource, Counters, Documents, HopWriter, InputRecord, Rules, Stations};

/// How a worker goes about its epochs.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Who says what time it is.
    pub clock: ClockSource,
    /// An epoch closes this long after its first record.
    pub epoch_ms: i64,
    /// An epoch closes at this many records.
    pub epoch_records_max: usize,
    /// An epoch closes when its outputs reach this size.
    pub epoch_bytes_max: usize,
    /// An epoch closes as soon as all lanes are drained, without waiting for its age.
    pub close_when_drained: bool,
    /// The most records of one poll.
    pub poll_records_max: usize,
    /// How long an idle worker waits for records.
    pub poll_wait: Duration,
    /// Keys the hashes of the tables; differs per process, never shows.
    pub secret: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            clock: ClockSource::Wall,
            epoch_ms: 100,
            epoch_records_max: 50_000,
            epoch_bytes_max: 64 << 20,
            close_when_drained: false,
            poll_records_max: 8_192,
            poll_wait: Duration::from_millis(20),
            secret: 0,
        }
    }
}

/// What a turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Records were read, the epoch stays open.
    Worked,
    /// An epoch was committed.
    Committed(EpochReport),
    /// An epoch was taken back and will be read again.
    Undone,
    /// Nothing to do.
    Idle,
    /// Somebody else has our name or our partitions: stop.
    Fenced,
}

/// What a committed epoch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochReport {
    /// Input records it read.
    pub records: usize,
    /// Records it wrote.
    pub outputs: usize,
    /// Bytes it wrote.
    pub output_bytes: usize,
    /// The positions after it.
    pub positions: Positions,
}

#[derive(Debug)]
struct Owned {
    stations: Stations,
    cursor: StateCursor,
    /// Whether the open epoch read anything of it.
    touched: bool,
}

/// A worker over a log.
#[derive(Debug)]
pub struct Worker<L> {
    log: L,
    rules: Arc<Rules>,
    config: WorkerConfig,
    partitions: u32,
    owned: BTreeMap<Partition, Owned>,
    decoder: Decoder,
    hops: HopWriter,
    outbox: Outbox,
    committed: Positions,
    positions: Positions,
    opened_at: Option<Timestamp>,
    records: usize,
    newest: Timestamp,
    last_tick: Timestamp,
    /// Up to where each lane was read; beyond the last record, where nothing but an end followed.
    reached: Positions,
    drained: BTreeSet<(Lane, Partition)>,
}

impl<L: Log> Worker<L> {
    /// A worker that has no partitions yet.
    pub fn new(log: L, rules: Arc<Rules>, config: WorkerConfig) -> Worker<L> {
        let partitions = log.partitions();
        Worker {
            log,
            rules,
            config,
            partitions,
            owned: BTreeMap::new(),
            decoder: Decoder::new(),
            hops: HopWriter::new(partitions),
            outbox: Outbox::default(),
            committed: Positions::new(),
            positions: Positions::new(),
            opened_at: None,
            records: 0,
            newest: Timestamp(0),
            last_tick: Timestamp::MIN,
            reached: Positions::new(),
            drained: BTreeSet::new(),
        }
    }

    /// The partitions that are ours, with their stations.
    pub fn stations(&self) -> impl Iterator<Item = (Partition, &Stations)> {
        self.owned.iter().map(|(partition, owned)| (*partition, &owned.stations))
    }

    /// What became of the scans of our partitions.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.owned.values().for_each(|owned| sum.add(owned.stations.counters()));
        sum
    }

    /// Polls every lane once around, and closes the epoch if it is time. `now` is the wall clock's.
    pub fn turn(&mut self, now: Timestamp) -> Result<Turn, LogError> {
        if self.config.clock == ClockSource::Wall && now.0 >= self.last_tick.0.saturating_add(1_000) {
            self.last_tick = now;
            for owned in self.owned.values_mut() {
                owned.stations.tick(now);
            }
        }
        let mut worked = false;
        for lane in Lane::ALL {
            for _ in 0..self.owned.len().max(1) {
                match self.log.poll(lane, self.config.poll_records_max, Duration::ZERO)? {
                    Polled::Idle => break,
                    polled => worked |= self.take(polled, now)?,
                }
                if self.is_full() {
                    return self.close();
                }
            }
        }
        if !worked {
            match self.log.poll(Lane::Scans, self.config.poll_records_max, self.wait(now))? {
                Polled::Idle => {}
                polled => worked = self.take(polled, now)?,
            }
        }
        let old = self.opened_at.is_some_and(|opened| now.0 - opened.0 >= self.config.epoch_ms);
        let drained = self.config.close_when_drained && !worked && self.records > 0;
        if old || drained || self.is_full() {
            return self.close();
        }
        if self.records == 0 && self.timers_may_be_due() {
            return self.close();
        }
        Ok(if worked { Turn::Worked } else { Turn::Idle })
    }

    /// How long an idle poll may wait: never past the epoch's age.
    fn wait(&self, now: Timestamp) -> Duration {
        match self.opened_at {
            _ if self.config.close_when_drained && self.records > 0 => Duration::ZERO,
            Some(opened) => {
                let left_ms = u64::try_from(opened.0 + self.config.epoch_ms - now.0).unwrap_or(0);
                self.config.poll_wait.min(Duration::from_millis(left_ms))
            }
            None => self.config.poll_wait,
        }
    }

    fn is_full(&self) -> bool {
        self.records >= self.config.epoch_records_max
            || self.outbox.bytes_len() >= self.config.epoch_bytes_max
    }

    fn timers_may_be_due(&self) -> bool {
        self.owned.values().any(|owned| {
            let reached = owned.stations.clock().clone().advance(self.rules.settings.grace_ms);
            owned.stations.next_due().is_some_and(|due| due <= reached)
        })
    }

    /// Returns whether records came in.
    fn take(&mut self, polled: Polled, now: Timestamp) -> Result<bool, LogError> {
        match polled {
            Polled::Records { lane, partition, batch } => {
                self.drained.remove(&(lane, partition));
                self.opened_at.get_or_insert(now);
                self.records(lane, partition, &batch);
                return Ok(true);
            }
            Polled::Eof { lane, partition, next } => {
                if let Some(owned) = self.owned.get_mut(&partition) {
                    self.drained.insert((lane, partition));
                    self.reached.insert((lane, partition), next);
                    owned.stations.drained(lane);
                }
            }
            Polled::Assigned(positions) => self.assigned(&positions)?,
            Polled::Revoked { partitions, lost } => {
                if lost {
                    self.rollback();
                } else {
                    self.close()?;
                }
                for partition in partitions {
                    self.owned.remove(&partition);
                    self.committed.retain(|(_, p), _| *p != partition);
                    self.reached.retain(|(_, p), _| *p != partition);
                    self.drained.retain(|(_, p)| *p != partition);
                }
            }
            Polled::Idle => {}
        }
        Ok(false)
    }

    fn assigned(&mut self, positions: &Positions) -> Result<(), LogError> {
        let partitions: BTreeSet<Partition> = positions.keys().map(|(_, partition)| *partition).collect();
        for partition in partitions {
            let mut restore = Restore::new(partition, self.partitions, self.config.clock, self.config.secret);
            let (from, to) = (self.log.start(partition)?, self.log.end(partition)?);
            let rules = &self.rules;
            self.log.restore(partition, from, to, &mut |record| {
                restore.record(rules, record.offset, record.value.unwrap_or_default())
            })?;
            let (stations, cursor) = restore.finish(&self.rules)?;
            self.owned.insert(partition, Owned { stations, cursor, touched: false });
        }
        self.committed.extend(positions);
        self.reached.extend(positions);
        Ok(())
    }

    fn records(&mut self, lane: Lane, partition: Partition, batch: &RecordBatch) {
        let Worker { owned, rules, decoder, hops, outbox, reached, records, newest, partitions, .. } = self;
        let Some(owned) = owned.get_mut(&partition) else { return };
        owned.touched = true;
        for record in batch.iter() {
            *newest = (*newest).max(record.timestamp);
            let input = InputRecord {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                content_type: record.content_type,
            };
            let mut sink = into_outbox(outbox, *partitions, *newest);
            let mut out = Documents { sink: &mut sink };
            match lane {
                Lane::Hops => owned.stations.hops(rules, record.value.unwrap_or_default(), hops),
                Lane::Commands => owned.stations.commands(rules, &input, hops, &mut out),
                Lane::Scans => owned.stations.scans(rules, decoder, &input, hops, &mut out),
            }
            reached.insert((lane, partition), record.offset + 1);
        }
        *records += batch.len();
    }

    /// Ends the epoch: timers, settling, documents, state, and one commit for all.
    pub fn close(&mut self) -> Result<Turn, LogError> {
        let Worker { owned, rules, hops, outbox, positions, reached, committed, newest, partitions, .. } =
            self;
        let mut written = Vec::new();
        for (partition, owned) in owned.iter_mut() {
            {
                let mut sink = into_outbox(outbox, *partitions, *newest);
                let mut out = Documents { sink: &mut sink };
                owned.stations.advance(rules, hops, &mut out);
                owned.stations.publish(rules, &mut out);
            }
            if !owned.touched && !owned.stations.is_touched() {
                owned.stations.commit();
                continue;
            }
            owned.touched = true;
            let mut inputs = Vec::new();
            for lane in Lane::ALL {
                let from = committed.get(&(lane, *partition)).copied().unwrap_or_default();
                let to = reached.get(&(lane, *partition)).copied().unwrap_or(from);
                positions.insert((lane, *partition), to);
                inputs.push(InputRange { lane, from, to });
            }
            write_delta(&owned.stations, *partition, *partitions, &owned.cursor, inputs, *newest, outbox);
            written.push(*partition);
        }
        hops.drain(|partition, bytes| {
            outbox.push(Topic::Hops, partition, *newest, None, Some(bytes), &[]);
        });
        if written.is_empty() {
            self.reset();
            return Ok(Turn::Idle);
        }
        self.commit(&written)
    }

    fn commit(&mut self, written: &[Partition]) -> Result<Turn, LogError> {
        // An epoch of timers alone moves no position: only its marker can tell whether it was committed.
        let mut ends = BTreeMap::new();
        if self.positions.iter().all(|(at, next)| self.committed.get(at) == Some(next)) {
            for partition in written {
                ends.insert(*partition, self.log.end(*partition)?);
            }
        }
        let epoch = Epoch { outputs: &self.outbox, positions: &self.positions };
        match self.log.commit(epoch)? {
            Committed::Done => Ok(self.promote()),
            Committed::Undone => {
                self.rollback();
                let committed = self.committed.clone();
                self.log.seek(&committed)?;
                Ok(Turn::Undone)
            }
            Committed::InDoubt => self.settle_doubt(&ends),
            Committed::Fenced => {
                self.rollback();
                self.owned.clear();
                Ok(Turn::Fenced)
            }
        }
    }

    fn settle_doubt(&mut self, ends: &BTreeMap<Partition, u64>) -> Result<Turn, LogError> {
        let resolved = self.log.resolve()?;
        if self.positions.keys().any(|key| !resolved.contains_key(key)) {
            // Partitions went to somebody else meanwhile: what the epoch came to is theirs to find out.
            self.rollback();
            self.owned.clear();
            return Ok(Turn::Fenced);
        }
        let at = |positions: &Positions| positions.iter().all(|(at, next)| resolved.get(at) == Some(next));
        let kept = if ends.is_empty() {
            let kept = at(&self.positions);
            let before: Positions = self
                .positions
                .keys()
                .map(|key| (*key, self.committed.get(key).copied().unwrap_or_default()))
                .collect();
            if !kept && !at(&before) {
                return Err(LogError {
                    what: "settling an epoch whose commit was in doubt".to_owned(),
                    why: "its positions are neither those before nor those after it: a torn transaction; \
                          restart to rebuild from the last intact epoch"
                        .to_owned(),
                    refused: true,
                });
            }
            kept
        } else {
            let (partition, from) = ends.iter().next().expect("not empty");
            let to = self.log.end(*partition)?;
            let wanted = self.owned[partition].cursor.epoch + 1;
            let mut found = false;
            self.log.restore(*partition, *from, to, &mut |record| {
                let header = read_header(record.value.unwrap_or_default());
                found |= header.is_ok_and(|(header, _)| header.epoch == wanted);
                Ok(())
            })?;
            found
        };
        if kept {
            return Ok(self.promote());
        }
        self.rollback();
        let committed = self.committed.clone();
        self.log.seek(&committed)?;
        Ok(Turn::Undone)
    }

    fn promote(&mut self) -> Turn {
        for owned in self.owned.values_mut().filter(|owned| owned.touched) {
            owned.stations.commit();
            owned.cursor.epoch += 1;
            owned.touched = false;
        }
        let report = EpochReport {
            records: self.records,
            outputs: self.outbox.len(),
            output_bytes: self.outbox.bytes_len(),
            positions: std::mem::take(&mut self.positions),
        };
        self.committed.extend(&report.positions);
        self.reset();
        Turn::Committed(report)
    }

    /// Takes back the open epoch.
    fn rollback(&mut self) {
        self.reached.clone_from(&self.committed);
        self.drained.clear();
        for owned in self.owned.values_mut() {
            owned.stations.rollback(&self.rules);
            owned.touched = false;
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.hops.clear();
        self.outbox.clear();
        self.positions.clear();
        self.opened_at = None;
        self.records = 0;
    }

    /// Up to where each lane was read, once everything before is committed; none while an epoch is open.
    pub fn settled(&self) -> Option<&Positions> {
        (self.records == 0).then_some(&self.reached)
    }

    /// Whether every lane of every partition is drained and nothing is open.
    pub fn is_drained(&self) -> bool {
        self.records == 0
            && self.owned.keys().all(|p| Lane::ALL.iter().all(|lane| self.drained.contains(&(*lane, *p))))
    }

    /// Commits what is open, then writes a whole image of each partition and lets its state log begin there.
    pub fn shutdown(mut self) -> Result<L, LogError> {
        self.close()?;
        let mut starts = BTreeMap::new();
        let Worker { owned, outbox, positions, committed, newest, partitions, log, .. } = &mut self;
        for (partition, owned) in owned.iter_mut() {
            starts.insert(*partition, log.end(*partition)?);
            let mut inputs = Vec::new();
            for lane in Lane::ALL {
                let at = committed.get(&(lane, *partition)).copied().unwrap_or_default();
                positions.insert((lane, *partition), at);
                inputs.push(InputRange { lane, from: at, to: at });
            }
            write_image(&owned.stations, *partition, *partitions, &owned.cursor, inputs, *newest, outbox);
            owned.touched = true;
        }
        if !starts.is_empty() {
            let written: Vec<Partition> = starts.keys().copied().collect();
            if let Turn::Committed(_) = self.commit(&written)? {
                for (partition, start) in starts {
                    self.log.trim(partition, start)?;
                }
            }
        }
        Ok(self.log)
    }
}

/// Puts records into the outbox: each on the partition of its key.
#[expect(clippy::type_complexity, reason = "the shape of `RecordSink`, which a return type can't name")]
fn into_outbox(
    outbox: &mut Outbox,
    partitions: u32,
    timestamp: Timestamp,
) -> impl FnMut(Topic, Option<&[u8]>, Option<&[u8]>, &[(&'static str, &[u8])]) {
    move |topic, key, value, headers| {
        let partition = Partition(key.map_or(0, |key| partition_of(key, partitions)));
        outbox.push(topic, partition, timestamp, key, value, headers);
    }
}
