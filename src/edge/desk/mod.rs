//! A worker's desk: how the worker is, and where questions to it are put.
//!
//! Enters: what happens to a worker, and questions of other threads. Leaves: counts, gauges and answers. Always true: a
//! question is answered between two epochs, so that nothing uncommitted shows; the queue of questions is bounded, and
//! each has a deadline; reading a desk never waits for its worker.

mod buckets;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::oneshot;

pub use self::buckets::{BOUNDS_S, Buckets};
pub use self::watched::Watched;
use super::clock::elapsed_us;
use super::process::locked;
use crate::decode::LearnedCounts;
use crate::engine::log::{Log, Positions};
use crate::engine::worker::{EpochReport, Worker};
use crate::model::{CarrierId, Lane, NumberKey, Partition, Settings, ShipmentId, Timestamp};
use crate::stations::{Counters, Feed, FeedCounts, Gauges, Rules};

/// An idle worker shows itself this often.
const STALE_US: u64 = 2_000_000;

/// Questions that wait for one worker.
const QUESTIONS_MAX: usize = 64;

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It has no partitions.
    Joining,
    /// It reads back what it was given.
    Restoring,
    /// It works.
    Working,
}

/// What a worker showed last.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The partitions that are its own.
    pub partitions: BTreeSet<Partition>,
    /// The committed positions of their lanes.
    pub committed: Positions,
    /// What their states count.
    pub counters: Counters,
    /// By how much those counts grew in this process, partitions that come and go left out.
    pub grown: Counters,
    /// How much they hold.
    pub gauges: Gauges,
    /// Lines of their indexes beyond the first of each that finding every number once would read.
    pub index_extra_lines: u64,
    /// What the decoder's learned reader did: for feeds in the contract's own form, and for those with a profile.
    pub learned: [LearnedCounts; 2],
    /// R24: what they heard of carriers' feeds.
    pub feeds: BTreeMap<CarrierId, Feed>,
    /// The stream time of the one that is furthest behind; none: there is none.
    pub stream_time: Option<Timestamp>,
    /// How often positions and state log did not agree.
    pub repairs: u64,
    /// How many offsets were left behind because their records were deleted before they were read.
    pub lost: u64,
}

/// A worker's desk.
#[derive(Debug)]
pub struct Desk {
    /// Records that were read in committed epochs, by lane.
    pub lanes: [AtomicU64; Lane::ALL.len()],
    /// Records that were written.
    pub outputs: AtomicU64,
    /// Committed epochs.
    pub epochs: AtomicU64,
    /// Epochs that were taken back.
    pub undone: AtomicU64,
    /// Assignments and revocations.
    pub rebalances: AtomicU64,
    /// How far the system's clock is from the time that timers follow.
    pub clock_off_ms: AtomicU64,
    /// How long commits took.
    pub commit: Buckets,
    /// How long epochs took, from their first record to their commit.
    pub epoch: Buckets,
    pub(super) scans: AtomicU64,
    /// Turns that did something.
    pub(super) busy: AtomicU64,
    /// Turns that found every lane drained.
    pub(super) quiet: AtomicU64,
    pub(super) ended: AtomicBool,
    /// Up to where the lanes were read and committed, as of the last quiet turn.
    settled: Mutex<Positions>,
    phase: AtomicU8,
    beat_us: AtomicU64,
    /// When the log last answered.
    heard_us: AtomicU64,
    shown: Mutex<Shown>,
    shown_us: AtomicU64,
    questions: SyncSender<Question>,
}

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A number, at each of these carriers.
    Numbers(Vec<NumberKey>),
    /// A shipment.
    Shipment(ShipmentId),
}

/// What a worker says.
#[derive(Debug)]
pub enum Answer {
    /// The partition is somebody else's by now.
    Elsewhere,
    /// Nothing is known of it.
    Unknown,
    /// What is known: one value per number or page.
    Known(Vec<Value>),
}

/// A question on its way.
#[derive(Debug)]
pub struct Question {
    partition: Partition,
    subject: Subject,
    until_us: u64,
    reply: oneshot::Sender<Answer>,
}

impl Desk {
    /// A desk, and the worker's end of its questions.
    pub fn new() -> (Desk, Receiver<Question>) {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let desk = Desk {
            lanes: Default::default(),
            outputs: AtomicU64::default(),
            epochs: AtomicU64::default(),
            undone: AtomicU64::default(),
            rebalances: AtomicU64::default(),
            clock_off_ms: AtomicU64::default(),
            commit: Buckets::default(),
            epoch: Buckets::default(),
            scans: AtomicU64::default(),
            busy: AtomicU64::default(),
            quiet: AtomicU64::default(),
            ended: AtomicBool::default(),
            settled: Mutex::default(),
            phase: AtomicU8::new(Phase::Joining as u8),
            beat_us: AtomicU64::new(elapsed_us()),
            heard_us: AtomicU64::new(elapsed_us()),
            shown: Mutex::default(),
            shown_us: AtomicU64::default(),
            questions,
        };
        (desk, asked)
    }

    /// Puts a question, to be answered within `patience_us`. None: too many wait already.
    pub fn ask(
        &self,
        partition: Partition,
        subject: Subject,
        patience_us: u64,
    ) -> Option<oneshot::Receiver<Answer>> {
        let (reply, answer) = oneshot::channel();
        let question = Question { partition, subject, until_us: elapsed_us() + patience_us, reply };
        match self.questions.try_send(question) {
            // A worker that has ended drops the reply, and whoever waits hears of it.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Some(answer),
            Err(TrySendError::Full(_)) => None,
        }
    }

    /// Answers what was asked, `first` of all; the worker calls it between two epochs.
    pub(super) fn answer<L: Log>(
        &self,
        worker: &Worker<L>,
        rules: &Rules,
        first: Option<Question>,
        asked: &Receiver<Question>,
    ) {
        for question in first.into_iter().chain(asked.try_iter()).take(QUESTIONS_MAX) {
            // Nobody waits for it any more.
            if question.until_us < elapsed_us() || question.reply.is_closed() {
                continue;
            }
            let stations = worker.stations().find(|(partition, _)| *partition == question.partition);
            let values = stations.map(|(_, stations)| match &question.subject {
                Subject::Numbers(keys) => {
                    keys.iter().filter_map(|key| stations.numbers().describe(rules, key)).collect::<Vec<_>>()
                }
                Subject::Shipment(id) => stations.shipments().describe(rules, id),
            });
            let answer = match values {
                None => Answer::Elsewhere,
                Some(values) if values.is_empty() => Answer::Unknown,
                Some(values) => Answer::Known(values),
            };
            // Whoever asked may be gone by now.
            let _ = question.reply.send(answer);
        }
    }

    /// What the worker showed last.
    pub fn shown(&self) -> Shown {
        locked(&self.shown).clone()
    }

    /// Whether the partition was the worker's, when it showed last.
    pub fn owns(&self, partition: Partition) -> bool {
        locked(&self.shown).partitions.contains(&partition)
    }

    /// How far the worker is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Working as u8 => Phase::Working,
            phase if phase == Phase::Restoring as u8 => Phase::Restoring,
            _ => Phase::Joining,
        }
    }

    /// For how long the worker has not turned.
    pub fn still_us(&self) -> u64 {
        elapsed_us().saturating_sub(self.beat_us.load(Ordering::Relaxed))
    }

    /// For how long the log has not answered this worker.
    pub fn silent_us(&self) -> u64 {
        elapsed_us().saturating_sub(self.heard_us.load(Ordering::Relaxed))
    }

    /// Whether the worker has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The log answered.
    pub fn heard(&self) {
        self.heard_us.store(elapsed_us(), Ordering::Relaxed);
    }

    pub(super) fn settled(&self) -> MutexGuard<'_, Positions> {
        locked(&self.settled)
    }

    /// Up to where a lane of a partition was read and committed.
    pub fn reached(&self, place: (Lane, Partition)) -> Option<u64> {
        let settled = self.settled().get(&place).copied();
        settled.max(locked(&self.shown).committed.get(&place).copied())
    }

    fn beat(&self) {
        self.beat_us.store(elapsed_us(), Ordering::Relaxed);
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// An epoch was committed.
    pub(super) fn committed(&self, report: &EpochReport) {
        for (sum, records) in self.lanes.iter().zip(report.lanes) {
            sum.fetch_add(records as u64, Ordering::Relaxed);
        }
        self.outputs.fetch_add(report.outputs as u64, Ordering::Relaxed);
        self.epochs.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the worker showed nothing for a while: without records only time passes, and that is to be seen too.
    pub(super) fn is_stale(&self) -> bool {
        elapsed_us().saturating_sub(self.shown_us.load(Ordering::Relaxed)) > STALE_US
    }

    /// Shows what was seen of the worker between two epochs, now that the first of them is committed. `goes_on`: with the
    /// partitions that it showed last.
    pub(super) fn show(&self, seen: Shown, goes_on: bool) {
        self.scans.store(seen.counters.read, Ordering::Relaxed);
        let mut shown = locked(&self.shown);
        let mut grown = std::mem::take(&mut shown.grown);
        if goes_on {
            grown.add(&growth(&shown.counters, &seen.counters));
        }
        let committed = std::mem::take(&mut shown.committed);
        *shown = Shown { grown, committed, ..seen };
        self.shown_us.store(elapsed_us(), Ordering::Relaxed);
        self.enter(if shown.partitions.is_empty() { Phase::Joining } else { Phase::Working });
    }
}

impl Shown {
    /// What is to be seen of a worker between two epochs: all but what its desk knows itself.
    pub(super) fn of<L: Log>(worker: &Worker<L>, rules: &Rules) -> Shown {
        let mut seen = Shown {
            partitions: worker.stations().map(|(partition, _)| partition).collect(),
            counters: worker.counters(),
            learned: [worker.decoder().learned_counts(), worker.decoder().learned_feeds_counts()],
            repairs: worker.repairs(),
            lost: worker.lost(),
            ..Shown::default()
        };
        for (_, stations) in worker.stations() {
            seen.gauges.add(&stations.gauges());
            seen.index_extra_lines += stations.index_extra_lines();
            put_together(&mut seen.feeds, &stations.feeds());
            let reached = stations.reached(rules);
            seen.stream_time = Some(seen.stream_time.map_or(reached, |time| time.min(reached)));
        }
        seen
    }
}

/// What others hear and wait for, added.
fn put_together(feeds: &mut BTreeMap<CarrierId, Feed>, others: &BTreeMap<CarrierId, Feed>) {
    others.iter().for_each(|(carrier, feed)| feeds.entry(*carrier).or_default().add(*feed));
}

/// R24: the carriers' feeds over several workers, each with the time since when it is silent, if that is for too long.
pub fn feeds(shown: &[Shown], settings: &Settings) -> BTreeMap<CarrierId, (Feed, Option<Timestamp>)> {
    let mut feeds = BTreeMap::new();
    shown.iter().for_each(|shown| put_together(&mut feeds, &shown.feeds));
    let now = shown.iter().filter_map(|shown| shown.stream_time).min().unwrap_or(Timestamp::MIN);
    feeds.into_iter().map(|(carrier, feed)| (carrier, (feed, feed.silent_since(settings, now)))).collect()
}

/// By how much each scan count grew; a gauge that fell did not.
fn growth(before: &Counters, now: &Counters) -> Counters {
    let mut grown = Counters {
        read: now.read.saturating_sub(before.read),
        applied: now.applied.saturating_sub(before.applied),
        duplicate: now.duplicate.saturating_sub(before.duplicate),
        parked: now.parked.saturating_sub(before.parked),
        unknown: now.unknown.since(&before.unknown),
        ..Counters::default()
    };
    for (grown, (now, before)) in grown.ignored.iter_mut().zip(now.ignored.iter().zip(&before.ignored)) {
        *grown = now.saturating_sub(*before);
    }
    let letters = now.dead_lettered.iter().zip(&before.dead_lettered);
    for (grown, (now, before)) in grown.dead_lettered.iter_mut().zip(letters) {
        *grown = now.saturating_sub(*before);
    }
    for (name, now) in &now.feeds {
        let before = before.feeds.get(name).copied().unwrap_or_default();
        let counts = FeedCounts {
            scans: now.scans.saturating_sub(before.scans),
            unknown_codes: now.unknown_codes.saturating_sub(before.unknown_codes),
            dead_lettered: now.dead_lettered.saturating_sub(before.dead_lettered),
        };
        grown.add_feed(name, counts);
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_takes_so_many_questions_and_no_more() {
        let (desk, asked) = Desk::new();
        let id = ShipmentId::parse("FBA15DJ9SVVD").expect("an ID");
        let ask = || desk.ask(Partition(0), Subject::Shipment(id.clone()), 1);
        let waiting: Vec<_> = (0..QUESTIONS_MAX).map(|_| ask().is_some()).collect();
        assert_eq!((waiting, ask().is_some()), (vec![true; QUESTIONS_MAX], false));
        // One that was taken makes room for one.
        drop(asked.recv().expect("a question"));
        assert_eq!([ask().is_some(), ask().is_some()], [true, false]);
        // A worker that has ended answers nobody.
        drop(asked);
        assert!(ask().is_some_and(|mut answer| answer.try_recv().is_err()));
    }
}
