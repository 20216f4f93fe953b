//! A worker: one thread, one member of the group, the stations of its partitions.
//!
//! Enters: records from the [`Log`], and the wall clock's time as an argument. Leaves: epochs. Always true:
//! - everything an epoch did (outputs, hops, state, positions) is committed together or taken back together;
//! - every epoch names a position of each partition that it writes for;
//! - a partition's epochs are contiguous, and its state in memory is that of its last committed epoch plus the open one, and
//!   between them the sealed one: it has ended and is being committed, while the open one already reads on;
//! - an epoch ends only when the one before it is committed, and if that was not, both are taken back;
//! - what can't be read any more is told: the worker is refused, or the epoch that leaves the gap behind has a dead letter.
//!
//! A turn polls the lanes, hops first, each with its floor of one batch; an epoch closes by age, by size, or (when told so)
//! because all lanes are drained. While one is being committed the next one may grow beyond its age. After an epoch that was
//! not committed the next ones are smaller: perhaps it took longer than the log lets a transaction last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::log::{Begun, Committed, Log, LogError, Outbox, Polled, Positions, RecordBatch, Restored};
use super::state::{InputRange, RUN_BYTES, Restore, StateWriter, read_record};
use crate::decode::Decoder;
use crate::model::{Lane, Partition, Timestamp, Topic, partition_of};
use crate::stations::{
    ClockSource, Counters, Documents, HopWriter, InputRecord, Rules, StateFormat, Stations,
};

/// What to do where the records to be read next were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// The worker is refused: somebody has to decide.
    Fail,
    /// Go on behind the gap, and tell of it by a dead letter. Lost hops are refused all the same: without them the books of
    /// two partitions contradict each other.
    Skip,
}

/// How a worker goes about its epochs.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Who says what time it is.
    pub clock: ClockSource,
    /// An epoch closes this long after its first record.
    pub epoch_ms: i64,
    /// An epoch closes at this many records, or fewer after one that was not committed.
    pub epoch_records_max: usize,
    /// An epoch closes when its outputs reach this size.
    pub epoch_bytes_max: usize,
    /// An epoch closes as soon as all lanes are drained, without waiting for its age.
    pub close_when_drained: bool,
    /// The most records of one poll.
    pub poll_records_max: usize,
    /// How long an idle worker waits for records.
    pub poll_wait: Duration,
    /// The state log's images are written in runs, one for so many bytes of deltas.
    pub image_run_bytes: u64,
    /// The format of the state log.
    pub state_format: StateFormat,
    /// What to do where records were deleted before they were read.
    pub on_gap: OnGap,
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
            image_run_bytes: RUN_BYTES,
            state_format: StateFormat::Newest,
            on_gap: OnGap::Fail,
            secret: 0,
        }
    }
}

/// Epochs do not shrink below this many records.
const EPOCH_RECORDS_MIN: usize = 500;

/// What a turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Records were read and the epoch stays open, or another is still being committed.
    Worked,
    /// An epoch has ended, and is being committed; the next one is not open yet.
    Sealed,
    /// An epoch was committed.
    Committed(EpochReport),
    /// An epoch was taken back and will be read again.
    Undone,
    /// Nothing to do.
    Idle,
    /// Somebody else has our name or our partitions; ours are forgotten. The next turn says how it goes on, or fails.
    Fenced,
}

/// What a committed epoch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochReport {
    /// Input records it read.
    pub records: usize,
    /// The same by lane, in the order of [`Lane::ALL`].
    pub lanes: [usize; Lane::ALL.len()],
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
    writer: StateWriter,
    /// Whether the open epoch read anything of it.
    touched: bool,
    /// Its next epoch writes a whole image: the log before it can't be continued, or is not wanted any more.
    rewrite: bool,
}

/// The state of a partition that was given back in good order: if nobody has written since, it is as good as restored.
#[derive(Debug)]
struct Warm {
    stations: Stations,
    writer: StateWriter,
    positions: Positions,
    /// Where its state log ended, at the latest.
    end: u64,
}

/// An epoch that is being committed.
#[derive(Debug)]
struct Sealed {
    /// What it will be told as.
    report: EpochReport,
    /// The partitions that it writes the state of.
    written: Vec<Partition>,
    /// Where their state logs ended, if only its marker there can tell whether it was committed.
    ends: BTreeMap<Partition, u64>,
    /// The gaps that it leaves behind.
    gaps: BTreeMap<(Lane, Partition), Range<u64>>,
}

/// A worker over a log.
#[derive(Debug)]
pub struct Worker<L> {
    log: L,
    rules: Arc<Rules>,
    config: WorkerConfig,
    partitions: u32,
    owned: BTreeMap<Partition, Owned>,
    warm: BTreeMap<Partition, Warm>,
    repairs: u64,
    decoder: Decoder,
    hops: HopWriter,
    outbox: Outbox,
    /// The outbox of an epoch that has ended, for the next one.
    spare: Outbox,
    committed: Positions,
    sealed: Option<Sealed>,
    /// What ended while something else was waited for.
    untold: VecDeque<Turn>,
    opened_at: Option<Timestamp>,
    records: usize,
    /// How many records an epoch has at the most, for now.
    records_max: usize,
    lanes: [usize; Lane::ALL.len()],
    newest: Timestamp,
    last_tick: Timestamp,
    /// Up to where each lane was read; beyond the last record, where nothing but an end followed.
    reached: Positions,
    drained: BTreeSet<(Lane, Partition)>,
    /// Offsets that were deleted before they were read, and that no committed epoch has left behind yet.
    gaps: BTreeMap<(Lane, Partition), Range<u64>>,
    lost: u64,
}

impl<L: Log> Worker<L> {
    /// A worker that has no partitions yet.
    pub fn new(log: L, rules: Arc<Rules>, config: WorkerConfig) -> Worker<L> {
        let partitions = log.partitions();
        let records_max = config.epoch_records_max;
        Worker {
            log,
            rules,
            config,
            partitions,
            owned: BTreeMap::new(),
            warm: BTreeMap::new(),
            repairs: 0,
            decoder: Decoder::new(),
            hops: HopWriter::new(partitions),
            outbox: Outbox::default(),
            spare: Outbox::default(),
            committed: Positions::new(),
            sealed: None,
            untold: VecDeque::new(),
            opened_at: None,
            records: 0,
            records_max,
            lanes: [0; Lane::ALL.len()],
            newest: Timestamp(0),
            last_tick: Timestamp::MIN,
            reached: Positions::new(),
            drained: BTreeSet::new(),
            gaps: BTreeMap::new(),
            lost: 0,
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

    /// Polls every lane once around, and ends the epoch if it is time. `now` is the wall clock's.
    pub fn turn(&mut self, now: Timestamp) -> Result<Turn, LogError> {
        if let Some(turn) = self.untold.pop_front() {
            return Ok(turn);
        }
        if self.config.clock == ClockSource::Wall && now.0 >= self.last_tick.0.saturating_add(1_000) {
            self.last_tick = now;
            for owned in self.owned.values_mut() {
                owned.stations.tick(now);
            }
        }
        if let Some(turn) = self.look(false)? {
            return Ok(turn);
        }
        if self.is_full() {
            return self.seal();
        }
        let mut worked = false;
        for lane in Lane::ALL {
            for _ in 0..self.owned.len().max(1) {
                match self.log.poll(lane, self.poll_max(), Duration::ZERO)? {
                    Polled::Idle => break,
                    polled => worked |= self.take(polled, now)?,
                }
                if self.is_full() {
                    return self.seal();
                }
            }
        }
        if !worked {
            match self.log.poll(Lane::Scans, self.poll_max(), self.wait(now))? {
                Polled::Idle => {}
                polled => worked = self.take(polled, now)?,
            }
        }
        // Of an epoch that was opened in what is the future by now, the clock that was set back tells no age.
        let old = self
            .opened_at
            .is_some_and(|opened| now < opened || now.0.saturating_sub(opened.0) >= self.config.epoch_ms);
        let drained = self.config.close_when_drained && !worked && self.records > 0;
        // While an epoch is being committed the next one reads on until it is full.
        let may_end = self.sealed.is_none();
        if self.is_full() || (may_end && (old || drained)) {
            return self.seal();
        }
        if may_end
            && self.records == 0
            && (self.timers_may_be_due()
                || !self.gaps.is_empty()
                || self.owned.values().any(|owned| owned.rewrite))
        {
            return self.seal();
        }
        Ok(if worked || !may_end { Turn::Worked } else { Turn::Idle })
    }

    /// The most records of the next poll: an epoch takes no more than it may have.
    fn poll_max(&self) -> usize {
        self.config.poll_records_max.min(self.records_max.saturating_sub(self.records)).max(1)
    }

    /// An epoch was not committed: the next ones are half its size.
    fn shrink(&mut self, records: usize) {
        let least = EPOCH_RECORDS_MIN.min(self.config.epoch_records_max);
        self.records_max = (records.min(self.records_max) / 2).max(least);
    }

    /// An epoch was committed: the next one may be a little larger.
    fn grow(&mut self) {
        self.records_max = (self.records_max + self.records_max / 64 + 1).min(self.config.epoch_records_max);
    }

    /// How long an idle poll may wait: never past the epoch's age, at which it ends if no other is being committed.
    fn wait(&self, now: Timestamp) -> Duration {
        match self.opened_at {
            _ if self.sealed.is_some() => self.config.poll_wait,
            _ if self.config.close_when_drained && self.records > 0 => Duration::ZERO,
            Some(opened) => {
                let left_ms = u64::try_from(opened.0 + self.config.epoch_ms - now.0).unwrap_or(0);
                self.config.poll_wait.min(Duration::from_millis(left_ms))
            }
            None => self.config.poll_wait,
        }
    }

    fn is_full(&self) -> bool {
        self.records >= self.records_max || self.outbox.bytes_len() >= self.config.epoch_bytes_max
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
            Polled::Assigned { positions, unread } => {
                self.finish()?;
                self.assigned(&positions, &unread)?;
            }
            Polled::Revoked { partitions, lost } => {
                self.finish()?;
                if lost {
                    self.rollback();
                } else {
                    let turn = self.close()?;
                    self.untold.extend((turn != Turn::Idle).then_some(turn));
                }
                for partition in partitions {
                    self.give_back(partition, lost)?;
                }
            }
            Polled::Idle => {}
        }
        Ok(false)
    }

    fn give_back(&mut self, partition: Partition, lost: bool) -> Result<(), LogError> {
        let owned = self.owned.remove(&partition);
        let ours = |at: &(Lane, Partition)| at.1 == partition;
        let positions =
            self.committed.iter().filter(|(at, _)| ours(at)).map(|(at, next)| (*at, *next)).collect();
        self.committed.retain(|at, _| !ours(at));
        self.reached.retain(|at, _| !ours(at));
        self.drained.retain(|at| !ours(at));
        self.gaps.retain(|at, _| !ours(at));
        if let Some(Owned { stations, writer, rewrite: false, .. }) = owned
            && !lost
        {
            let end = self.log.end(partition)?;
            self.warm.insert(partition, Warm { stations, writer, positions, end });
        }
        Ok(())
    }

    fn assigned(&mut self, positions: &Positions, unread: &[Partition]) -> Result<(), LogError> {
        let partitions: BTreeSet<Partition> = positions.keys().map(|(_, partition)| *partition).collect();
        if let Some(last) = partitions.last().filter(|last| last.0 >= self.partitions) {
            return Err(LogError {
                what: format!("taking up partition {last}"),
                why: format!(
                    "there were {} partitions when this worker began, and keys are spread over these: the topics need \
                     that number again",
                    self.partitions
                ),
                refused: true,
            });
        }
        let mut warm = std::mem::take(&mut self.warm);
        let mut behind = Positions::new();
        for partition in partitions {
            let given: Positions =
                Lane::ALL.iter().map(|&lane| ((lane, partition), positions[&(lane, partition)])).collect();
            let warm = warm.remove(&partition).filter(|warm| warm.positions == given);
            let Some((owned, resumed)) = self.taken_over(partition, warm)? else { return Ok(()) };
            self.owned.insert(partition, owned);
            // The state log says what its owner had read. Positions that say otherwise belong to a torn transaction,
            // or were changed or forgotten by others; or what they point to is gone.
            let from = match resumed {
                Some(resumed) => given.clone().into_iter().chain(resumed).collect(),
                None if unread.contains(&partition) => given.clone(),
                None => self.the_beginning(partition)?,
            };
            self.committed.extend(&from);
            self.reached.extend(&from);
            if from != given {
                self.repairs += 1;
                for (&(lane, partition), &next) in
                    from.iter().filter(|(at, next)| given.get(at) != Some(next))
                {
                    self.find_gap(lane, partition, next)?;
                }
                behind.extend(self.reached.iter().filter(|((_, at), _)| *at == partition));
            }
        }
        if !behind.is_empty() {
            self.log.seek(&behind)?;
        }
        Ok(())
    }

    /// Where to read from when a group has read a partition, and its state log has no committed epoch. If that log is as it
    /// was made, its first epoch was torn, and all is read again; otherwise the state is lost.
    fn the_beginning(&mut self, partition: Partition) -> Result<Positions, LogError> {
        let (start, end) = (self.log.start(partition)?, self.log.end(partition)?);
        if start > 0 || end == 0 {
            return Err(LogError {
                what: format!("taking up partition {partition}"),
                why: format!(
                    "its `state` log is empty ({start} to {end}) though the group has read the partition: the topic was \
                     made anew, or its records were deleted. Bring the records back; or, to begin anew from all that is \
                     still in the input topics, delete the group's positions"
                ),
                refused: true,
            });
        }
        let mut positions = Positions::new();
        for lane in Lane::ALL {
            positions.insert((lane, partition), self.log.readable(lane, partition, 0)?.start);
        }
        Ok(positions)
    }

    /// Takes note of a gap, if what is to be read from `next` on is gone.
    fn find_gap(&mut self, lane: Lane, partition: Partition, next: u64) -> Result<(), LogError> {
        let there = self.log.readable(lane, partition, next)?;
        let topic = lane.topic().name();
        let refused = |why: String| LogError {
            what: format!(
                "reading `{topic}` of partition {partition} from offset {next} on, as its state log says"
            ),
            why,
            refused: true,
        };
        if next > there.end {
            return Err(refused(format!(
                "only {} to {} is there: the topic was made anew, or lost its end. Bring the records back; or, to begin \
                 anew, empty the `state` topic and delete the group's positions",
                there.start, there.end
            )));
        }
        if next >= there.start {
            return Ok(());
        }
        if lane == Lane::Hops {
            return Err(refused(format!(
                "only {} to {} is there, and without what partitions told each other their books contradict each other. \
                 Begin anew: empty the `state` topic and delete the group's positions; and let `hops` keep its records \
                 longer than a worker may be away",
                there.start, there.end
            )));
        }
        if self.config.on_gap == OnGap::Fail {
            return Err(refused(format!(
                "only {} to {} is there: records were deleted before they were read. To go on without them, and have a \
                 dead letter say so, set `engine.on_gap = \"skip\"`; and let `{topic}` keep its records longer than a \
                 worker may be away",
                there.start, there.end
            )));
        }
        self.reached.insert((lane, partition), there.start);
        self.gaps.insert((lane, partition), next..there.start);
        self.owned.get_mut(&partition).expect("taken up before").touched = true;
        Ok(())
    }

    /// A partition with its state, from memory or from its log, and the positions to go on from, if its log has an epoch.
    /// None when the partition is about to be taken away again.
    fn taken_over(
        &mut self,
        partition: Partition,
        warm: Option<Warm>,
    ) -> Result<Option<(Owned, Option<Positions>)>, LogError> {
        let end = self.log.end(partition)?;
        if let Some(Warm { stations, writer, positions, end: ours }) = warm {
            let mut written = 0;
            let read = self.log.restore(partition, ours, end, &mut |_| {
                written += 1;
                Ok(())
            })?;
            if read == Restored::Whole && written == 0 {
                let owned = Owned { stations, writer, touched: false, rewrite: false };
                return Ok(Some((owned, Some(positions))));
            }
        }
        let from = self.log.start(partition)?;
        let rules = &self.rules;
        let restore = loop {
            let mut restore = Restore::new(partition, self.partitions, self.config.clock, self.config.secret);
            let read = self.log.restore(partition, from, end, &mut |record| {
                restore.record(rules, record.offset, record.value.unwrap_or_default())
            })?;
            match read {
                Restored::Whole => break restore,
                Restored::Interrupted => return Ok(None),
                Restored::Spoilt => {}
            }
        };
        let image = restore.finish(&self.rules)?;
        let positions = image
            .positions
            .map(|positions| positions.iter().map(|range| ((range.lane, partition), range.to)).collect());
        self.repairs += u64::from(image.torn.is_some());
        // Older processes must be able to read all of the log.
        let rewrite = image.torn.is_some() || image.newest > self.config.state_format;
        let writer =
            image.writer.with_run_bytes(self.config.image_run_bytes).with_format(self.config.state_format);
        let owned = Owned { stations: image.stations, writer, touched: rewrite, rewrite };
        Ok(Some((owned, positions)))
    }

    fn records(&mut self, lane: Lane, partition: Partition, batch: &RecordBatch) {
        let Worker {
            owned, rules, decoder, hops, outbox, reached, records, lanes, newest, partitions, ..
        } = self;
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
                feed: record.feed,
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
        lanes[lane.index()] += batch.len();
    }

    /// Ends the epoch, and waits until it is committed, or is not.
    pub fn close(&mut self) -> Result<Turn, LogError> {
        self.finish()?;
        match self.seal()? {
            Turn::Sealed => self.wait_for_commit(),
            turn => Ok(turn),
        }
    }

    /// Waits until the epoch that was sealed is committed, or is not. Without one there is nothing to do.
    pub fn wait_for_commit(&mut self) -> Result<Turn, LogError> {
        Ok(self.look(true)?.unwrap_or(Turn::Idle))
    }

    /// The same, to be told by a later turn.
    fn finish(&mut self) -> Result<(), LogError> {
        let turn = self.look(true)?;
        self.untold.extend(turn);
        Ok(())
    }

    /// What became of the sealed epoch; none: there is none, or it is still being committed, unless that is waited for.
    fn look(&mut self, wait: bool) -> Result<Option<Turn>, LogError> {
        if self.sealed.is_none() {
            return Ok(None);
        }
        let Some((committed, outputs)) = self.log.ended(wait)? else { return Ok(None) };
        self.ended(committed, outputs).map(Some)
    }

    /// Ends the epoch: timers, settling, documents, state, and one commit for all, which may go on meanwhile. If the epoch
    /// before is still being committed, its end comes first, and this one stays open.
    fn seal(&mut self) -> Result<Turn, LogError> {
        if let Some(turn) = self.look(true)? {
            return Ok(turn);
        }
        let Worker { log, owned, rules, hops, outbox, reached, committed, newest, partitions, gaps, .. } =
            self;
        let mut written = Vec::new();
        let mut positions = Positions::new();
        for (partition, owned) in owned.iter_mut() {
            {
                let mut sink = into_outbox(outbox, *partitions, *newest);
                let mut out = Documents { sink: &mut sink };
                for (&(lane, _), lost) in gaps.iter().filter(|((_, at), _)| at == partition) {
                    owned.stations.records_lost(lane, lost, &mut out);
                }
                owned.stations.advance(rules, hops, &mut out);
                owned.stations.publish(rules, &mut out);
            }
            if !owned.touched && !owned.stations.is_touched() {
                owned.stations.seal();
                owned.stations.commit();
                continue;
            }
            owned.touched = false;
            let mut inputs = Vec::new();
            for lane in Lane::ALL {
                let from = committed.get(&(lane, *partition)).copied().unwrap_or_default();
                let to = reached.get(&(lane, *partition)).copied().unwrap_or(from);
                positions.insert((lane, *partition), to);
                inputs.push(InputRange { lane, from, to });
            }
            let Owned { stations, writer, rewrite, .. } = owned;
            let end = || log.end(*partition);
            if *rewrite {
                writer.write_whole(stations, &inputs, *newest, outbox, end)?;
            } else {
                writer.write(stations, &inputs, *newest, outbox, end)?;
            }
            stations.seal();
            written.push(*partition);
        }
        hops.drain(|partition, bytes| {
            outbox.push(Topic::Hops, partition, *newest, None, Some(bytes), &[]);
        });
        if written.is_empty() {
            self.reset();
            return Ok(Turn::Idle);
        }
        self.commit(written, positions)
    }

    fn commit(&mut self, written: Vec<Partition>, positions: Positions) -> Result<Turn, LogError> {
        // An epoch of timers alone moves no position: only its marker can tell whether it was committed.
        let mut ends = BTreeMap::new();
        if positions.iter().all(|(at, next)| self.committed.get(at) == Some(next)) {
            for partition in &written {
                ends.insert(*partition, self.log.end(*partition)?);
            }
        }
        let outputs = std::mem::replace(&mut self.outbox, std::mem::take(&mut self.spare));
        let report = EpochReport {
            records: self.records,
            lanes: self.lanes,
            outputs: outputs.len(),
            output_bytes: outputs.bytes_len(),
            positions,
        };
        let gaps = std::mem::take(&mut self.gaps);
        self.reset();
        let Sealed { report, .. } = self.sealed.insert(Sealed { report, written, ends, gaps });
        match self.log.begin(outputs, &report.positions)? {
            Begun::Ended(committed, outputs) => self.ended(committed, outputs),
            Begun::Open => Ok(Turn::Sealed),
        }
    }

    /// The sealed epoch is committed, or is not.
    fn ended(&mut self, committed: Committed, mut outputs: Outbox) -> Result<Turn, LogError> {
        outputs.clear();
        self.spare = outputs;
        match committed {
            Committed::Done => self.promote(),
            Committed::Undone => self.read_again(),
            Committed::InDoubt => self.settle_doubt(),
            Committed::Fenced => {
                self.rollback();
                self.owned.clear();
                Ok(Turn::Fenced)
            }
        }
    }

    fn settle_doubt(&mut self) -> Result<Turn, LogError> {
        let resolved = self.log.resolve()?;
        let Sealed { report: EpochReport { records, positions, .. }, ends, .. } =
            self.sealed.as_ref().expect("an epoch in doubt is sealed");
        if positions.keys().any(|key| !resolved.contains_key(key)) {
            // Partitions went to somebody else meanwhile: what the epoch came to is theirs to find out.
            self.rollback();
            self.owned.clear();
            return Ok(Turn::Fenced);
        }
        let at = |positions: &Positions| positions.iter().all(|(at, next)| resolved.get(at) == Some(next));
        let kept = if ends.is_empty() {
            let kept = at(positions);
            let before: Positions = positions
                .keys()
                .map(|key| (*key, self.committed.get(key).copied().unwrap_or_default()))
                .collect();
            if !kept && !at(&before) {
                // A torn transaction: what the logs say is all that is known.
                let untold = |(partition, owned): (&Partition, &Owned)| {
                    let is_new = owned.writer.epoch() == 0;
                    let is_torn = positions.keys().any(|(_, at)| at == partition);
                    (is_new && !is_torn).then_some(*partition)
                };
                let unread: Vec<Partition> = self.owned.iter().filter_map(untold).collect();
                self.shrink(*records);
                self.rollback();
                self.owned.clear();
                self.gaps.clear();
                self.assigned(&resolved, &unread)?;
                self.log.seek(&self.reached)?;
                return Ok(Turn::Undone);
            }
            kept
        } else {
            let (partition, from) = ends.iter().next().expect("not empty");
            let to = self.log.end(*partition)?;
            let wanted = self.owned[partition].writer.epoch() + 1;
            loop {
                let mut found = false;
                let read = self.log.restore(*partition, *from, to, &mut |record| {
                    let record = read_record(record.value.unwrap_or_default());
                    found |= record.is_ok_and(|record| record.header.epoch == wanted);
                    Ok(())
                })?;
                if read != Restored::Spoilt {
                    break found;
                }
            }
        };
        if kept { self.promote() } else { self.read_again() }
    }

    /// Takes back the sealed epoch and the open one, to read them again.
    fn read_again(&mut self) -> Result<Turn, LogError> {
        let records = self.sealed.as_ref().expect("it was not committed").report.records;
        self.shrink(records);
        self.rollback();
        self.log.seek(&self.reached)?;
        Ok(Turn::Undone)
    }

    fn promote(&mut self) -> Result<Turn, LogError> {
        let Sealed { report, written, gaps, .. } = self.sealed.take().expect("it was committed");
        let mut starts = Vec::new();
        for partition in written {
            let owned = self.owned.get_mut(&partition).expect("nothing is given back before");
            owned.stations.commit();
            starts.extend(owned.writer.commit().map(|start| (partition, start)));
            owned.rewrite = false;
        }
        self.committed.extend(&report.positions);
        self.lost += gaps.values().map(|gap| gap.end - gap.start).sum::<u64>();
        self.grow();
        for (partition, start) in starts {
            self.log.trim(partition, start)?;
        }
        Ok(Turn::Committed(report))
    }

    /// Takes back what is not committed.
    fn rollback(&mut self) {
        self.gaps.extend(self.sealed.take().into_iter().flat_map(|sealed| sealed.gaps));
        self.reached.clone_from(&self.committed);
        self.reached.extend(self.gaps.iter().map(|(at, gap)| (*at, gap.end)));
        self.drained.clear();
        for (partition, owned) in &mut self.owned {
            owned.stations.rollback(&self.rules);
            owned.writer.rollback();
            owned.touched = owned.rewrite || self.gaps.keys().any(|(_, at)| at == partition);
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.hops.clear();
        self.outbox.clear();
        self.opened_at = None;
        self.records = 0;
        self.lanes = [0; Lane::ALL.len()];
    }

    /// Up to where each lane was read, once everything before is committed; none while an epoch is open or being committed.
    pub fn settled(&self) -> Option<&Positions> {
        (self.records == 0 && self.sealed.is_none()).then_some(&self.reached)
    }

    /// Whether every lane of every partition is drained and nothing is open.
    pub fn is_drained(&self) -> bool {
        self.settled().is_some()
            && self.owned.keys().all(|p| Lane::ALL.iter().all(|lane| self.drained.contains(&(*lane, *p))))
    }

    /// How often the state log and the positions did not agree, and the state log was followed.
    pub fn repairs(&self) -> u64 {
        self.repairs
    }

    /// The worker's decoder, to see what it has learned.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The latest timestamp of a record that was read.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// How many offsets were left behind because their records were deleted before they were read.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Commits what is open, then writes a whole image of each partition and lets its state log begin there. What is still
    /// untold stays so.
    pub fn shutdown(mut self) -> Result<L, LogError> {
        self.close()?;
        for owned in self.owned.values_mut() {
            (owned.touched, owned.rewrite) = (true, true);
        }
        self.close()?;
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
