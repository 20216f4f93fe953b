//! `verify`: holds everything that a run left behind against what it promised, and against the world it was fed.
//!
//! Enters: a log that is at rest (nothing waits to be read, nothing is open), the rules, and if it is known the world that
//! was fed. Leaves: a [`Report`] of named checks. Always true: nothing is written, and every topic is read once, from its
//! first record that is still there, committed records only. The checks, each told in its own module:
//!
//! | name | promise |
//! |---|---|
//! | `drained` | all inputs were read, and no transaction is open |
//! | `versions` | every change of a document once, in order |
//! | `epochs` | the state logs hold every epoch once, whole, in order, and can be restored |
//! | `positions` | the group stands where the last epochs stopped |
//! | `counts` | every input counted once, every answer and dead letter there once |
//! | `documents` | the documents are those of the world |
//!
//! In memory at once: the latest value of each document, small facts per key, and the state of one partition.

pub mod counts;
pub mod documents;
pub mod epochs;
pub mod expected;
pub mod report;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::counts::Counts;
use self::epochs::StateLog;
use self::expected::Expected;
use self::report::{Check, Report};
use self::versions::Versions;
use crate::engine::digest::Latest;
use crate::engine::log::{Broker, Extent, Headers, LogError, Positions, Record};
use crate::engine::state::{Recovered, Restore};
use crate::model::{Lane, Partition, Topic};
use crate::stations::{ClockSource, Counters, Rules};

/// How a log is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many findings of a check are put in words.
    pub shown: usize,
    /// The broker may have compacted the documents' topics: their history has gaps.
    pub compacted: bool,
    /// Keys the hashes of the tables; differs per process, never shows.
    pub secret: u64,
}

/// Reads the whole log and makes all checks.
pub fn verify<B: Broker>(
    broker: &B,
    rules: &Arc<Rules>,
    options: Options,
    expected: Option<&Expected>,
) -> Result<Report, LogError> {
    let reading = Reading {
        broker,
        rules,
        options,
        committed: broker.committed()?,
        extents: extents(broker)?,
        versions: Versions::new(
            Check::new("versions", options.shown),
            broker.partitions(),
            options.compacted,
        ),
        counts: Counts::new(Check::new("counts", options.shown)),
        latest: Latest::default(),
        epochs: Check::new("epochs", options.shown),
        positions: Check::new("positions", options.shown),
        books: Some(Counters::default()),
        by_wall_clock: false,
    };
    reading.run(expected)
}

/// Why some checks are not made before all inputs were read.
const WAITING: &str = "records wait to be read";

type Extents = BTreeMap<(Topic, Partition), Extent>;

fn extents<B: Broker>(broker: &B) -> Result<Extents, LogError> {
    let mut extents = Extents::new();
    for topic in Topic::ALL {
        for partition in (0..broker.partitions()).map(Partition) {
            extents.insert((topic, partition), broker.extent(topic, partition)?);
        }
    }
    Ok(extents)
}

/// Hands all committed records of a partition to `sink`.
fn read<B: Broker>(
    broker: &B,
    extents: &Extents,
    topic: Topic,
    partition: Partition,
    sink: &mut dyn FnMut(Record<'_>, Headers<'_>),
) -> Result<(), LogError> {
    let Extent { start, end, .. } = extents[&(topic, partition)];
    if start < end {
        broker.read_with_headers(topic, partition, start, usize::MAX, sink)?;
    }
    Ok(())
}

/// All checks on their way through the log.
struct Reading<'a, B> {
    broker: &'a B,
    rules: &'a Arc<Rules>,
    options: Options,
    committed: Positions,
    extents: Extents,
    versions: Versions,
    counts: Counts,
    latest: Latest,
    epochs: Check,
    positions: Check,
    /// None: a partition cannot be restored.
    books: Option<Counters>,
    by_wall_clock: bool,
}

impl<B: Broker> Reading<'_, B> {
    fn run(mut self, expected: Option<&Expected>) -> Result<Report, LogError> {
        let lag = self.broker.lag()?;
        let drained = self.drained(lag);
        for partition in (0..self.broker.partitions()).map(Partition) {
            self.inputs(partition)?;
        }
        for partition in (0..self.broker.partitions()).map(Partition) {
            self.outputs(partition)?;
        }
        for partition in (0..self.broker.partitions()).map(Partition) {
            self.state(partition)?;
        }
        self.positions.count("positions", self.committed.len() as u64);

        let documents = self.documents(expected, lag);
        if let Some(expected) = expected {
            let books = self.books.as_ref().filter(|_| !self.by_wall_clock);
            self.counts.world(expected, books);
        }
        let counts = match self.uncountable(lag) {
            Some(why) => {
                let mut check = Check::new("counts", self.options.shown);
                check.skip(why);
                check
            }
            None => self.counts.finish(self.books.as_ref()),
        };
        let digest = documents::digest_of(&self.latest);
        let checks = vec![
            drained,
            self.versions.finish(self.books.is_some()),
            self.epochs,
            self.positions,
            counts,
            documents,
        ];
        Ok(Report { checks, digest })
    }

    /// Nothing waits to be read, nothing is open.
    fn drained(&self, lag: u64) -> Check {
        let mut check = Check::new("drained", self.options.shown);
        if lag > 0 {
            check.find(|| format!("{lag} records wait to be read: let the service go on until none does"));
        }
        let open = |extent: &Extent| extent.stable < extent.end;
        for ((topic, partition), extent) in self.extents.iter().filter(|(_, extent)| open(extent)) {
            check.find(|| {
                let Extent { stable, end, .. } = extent;
                format!("{}-{partition}: a transaction is open: stable up to {stable} of {end}", topic.name())
            });
        }
        check.count("partitions", self.extents.len() as u64);
        check.count("waiting", lag);
        check
    }

    /// Why counting would lead nowhere.
    fn uncountable(&self, lag: u64) -> Option<String> {
        if lag > 0 {
            return Some(WAITING.to_owned());
        }
        let counted = [Topic::Scans, Topic::Commands, Topic::CommandResults, Topic::DeadLetters];
        let mut cut =
            self.extents.iter().filter(|((topic, _), extent)| extent.start > 0 && counted.contains(topic));
        let ((topic, partition), Extent { start, .. }) = cut.next()?;
        Some(format!("{}-{partition} begins at {start}: older records are gone", topic.name()))
    }

    fn inputs(&mut self, partition: Partition) -> Result<(), LogError> {
        let Reading { broker, rules, counts, extents, .. } = self;
        read(*broker, extents, Topic::Scans, partition, &mut |record, _| {
            counts.scans(rules, partition, &record);
        })?;
        read(*broker, extents, Topic::Commands, partition, &mut |record, _| {
            counts.command(partition, &record);
        })
    }

    fn outputs(&mut self, partition: Partition) -> Result<(), LogError> {
        let Reading { broker, counts, versions, latest, extents, .. } = self;
        for topic in Topic::COMPACTED {
            read(*broker, extents, topic, partition, &mut |record, _| {
                let key = String::from_utf8_lossy(record.key.unwrap_or_default());
                versions.record(topic, partition, record.offset, &key, record.value);
                latest.feed(topic, &key, record.value);
            })?;
        }
        read(*broker, extents, Topic::CommandResults, partition, &mut |record, _| {
            counts.result(partition, &record);
        })?;
        read(*broker, extents, Topic::DeadLetters, partition, &mut |record, headers| {
            counts.dead_letter(partition, &record, headers);
        })
    }

    /// Looks at every epoch of a partition, and restores it as a starting worker would.
    fn state(&mut self, partition: Partition) -> Result<(), LogError> {
        let Reading { broker, rules, options, epochs, extents, .. } = self;
        let partitions = broker.partitions();
        let starts: BTreeMap<Lane, u64> =
            Lane::ALL.into_iter().map(|lane| (lane, extents[&(lane.topic(), partition)].start)).collect();
        let mut log = StateLog::new(partition, partitions);
        let mut restore = Ok(Restore::new(partition, partitions, ClockSource::Input, options.secret));
        let found_before = epochs.found;
        read(*broker, extents, Topic::State, partition, &mut |record, _| {
            let value = record.value.unwrap_or_default();
            log.record(record.offset, value, &starts, epochs);
            if let Ok(open) = &mut restore
                && let Err(error) = open.record(rules, record.offset, value)
            {
                restore = Err(error);
            }
        })?;
        log.finish(epochs);
        epochs.count("epochs", log.epochs);
        let stations = restore.and_then(|restore| restore.finish(rules));
        match stations {
            // The epochs have named it, and what the state says is of before it.
            Ok(Recovered { torn: Some(_), .. }) => self.books = None,
            Ok(Recovered { stations, torn: None, .. }) => {
                if let Some(books) = &mut self.books {
                    books.add(stations.counters());
                }
                stations.shipments().told(|told| self.versions.told(told));
            }
            Err(error) => {
                self.books = None;
                if epochs.found == found_before {
                    epochs.find(|| error.to_string());
                }
            }
        }
        for lane in Lane::ALL {
            let committed = self.committed.get(&(lane, partition)).copied().unwrap_or_default();
            log.position(lane, committed, starts[&lane], &mut self.positions);
        }
        self.by_wall_clock |= log.clock() == Some(ClockSource::Wall);
        Ok(())
    }

    fn documents(&self, expected: Option<&Expected>, lag: u64) -> Check {
        let mut check = Check::new("documents", self.options.shown);
        match expected {
            None => check.skip("no world was named"),
            Some(_) if lag > 0 => check.skip(WAITING),
            Some(expected) if expected.is_stormy => {
                check.skip("in a stormy world the order of commands and scans may show");
            }
            Some(_) if self.by_wall_clock => {
                check.skip("time came from the wall clock: set engine.clock = \"input\" to compare");
            }
            Some(expected) => documents::compare(&self.latest, &expected.latest, &mut check),
        }
        check
    }
}
