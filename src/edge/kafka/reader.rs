//! Reading without being a member: the ends of partitions, and the committed records between two offsets.
//!
//! Enters: a partition and offsets. Leaves: offsets, and records in order. Always true: an end counts open
//! transactions, and a read gives committed records only, all of them up to where it was told to read.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::names::{GONE, kafka_offset, kafka_partition, offset_of, reason, refused, unreachable};
use super::patience::{Deadline, PATIENCE, Patience, REQUEST, is_unknown};
use super::queue::{self, AllHeaders, DataQueue, Enough, Fetched};
use crate::engine::log::{LogError, Record};
use crate::model::{Partition, Topic};

/// Records that are taken from the client at once.
const BATCH: usize = 4_096;
/// How long we sleep at most without looking at the queue.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How far to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// To this offset, even if transactions before it must end first.
    Offset(u64),
    /// To where no open transaction is before it, now.
    StableEnd,
}

/// Whether the reader wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    NoMore,
}

/// A topic that exists.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) name: String,
    pub(super) partitions: u32,
    /// Every partition has a leader.
    pub(super) ready: bool,
}

/// Looks at topics from outside of the group.
pub(super) struct Reader {
    config: KafkaConfig,
    committed: ClientConfig,
    observer: BaseConsumer<Quiet>,
    patience: Patience,
}

impl Reader {
    pub(super) fn open(config: &KafkaConfig, name: &str) -> Result<Reader, LogError> {
        let observer = config
            .observer(name)
            .create_with_context(Quiet)
            .map_err(|error| unreachable("create a client", reason(&error)))?;
        let patience = Patience::Limited;
        Ok(Reader { config: config.clone(), committed: config.reader(name), observer, patience })
    }

    /// The same, for a worker: waits until the brokers are back, however long they are away.
    pub(super) fn waiting(self) -> Reader {
        Reader { patience: Patience::Endless, ..self }
    }

    /// What tells this cluster from others.
    pub(super) fn cluster(&self) -> Option<String> {
        self.observer.client().fetch_cluster_id(REQUEST)
    }

    /// All topics that exist.
    pub(super) fn topics(&self) -> Result<Vec<Present>, LogError> {
        let metadata = self
            .patience
            .deadline()
            .retry(|| self.observer.fetch_metadata(None, REQUEST))
            .map_err(|error| {
                unreachable(format!("list the topics of {}", self.config.bootstrap_servers), reason(&error))
            })?;
        let present = |topic: &MetadataTopic| Present {
            name: topic.name().to_owned(),
            partitions: u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX),
            ready: topic.error().is_none()
                && topic.partitions().iter().all(|partition| partition.leader() >= 0),
        };
        Ok(metadata.topics().iter().map(present).collect())
    }

    /// The first offset that is still there, and the one that the next record gets.
    pub(super) fn ends(&self, topic: Topic, partition: Partition) -> Result<(u64, u64), LogError> {
        self.watermarks(&self.observer, topic, partition)
    }

    /// The same, as this client sees it: one of committed records takes the first open transaction for the end.
    pub(super) fn watermarks(
        &self,
        client: &BaseConsumer<Quiet>,
        topic: Topic,
        partition: Partition,
    ) -> Result<(u64, u64), LogError> {
        let names = self.config.names();
        let (low, high) = self
            .patience
            .deadline()
            .retry(|| {
                let ends = client.fetch_watermarks(names.of(topic), kafka_partition(partition), REQUEST);
                if ends.as_ref().is_err_and(is_unknown) {
                    // A broker that has just begun may not know all partitions yet. The client keeps its answer for
                    // minutes, unless it is asked to ask again.
                    drop(client.fetch_metadata(Some(names.of(topic)), REQUEST));
                }
                ends
            })
            .map_err(|error| {
                let what = format!("find the ends of {}", self.config.place(topic, partition));
                if is_unknown(&error) { refused(what, GONE) } else { unreachable(what, reason(&error)) }
            })?;
        Ok((offset_of(low), offset_of(high)))
    }

    /// Refuses to go on without a topic. A broker that has just begun may not know all of them yet.
    pub(super) fn all_are_there(&self) -> Result<(), LogError> {
        let names = self.config.names();
        let deadline = Deadline::after(PATIENCE);
        loop {
            let present = self.topics()?;
            let is_gone = |topic: &Topic| present.iter().all(|present| present.name != names.of(*topic));
            let Some(gone) = Topic::ALL.into_iter().find(is_gone) else { return Ok(()) };
            if deadline.is_over() {
                return Err(refused(format!("find the topic `{}`", names.of(gone)), GONE));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Hands committed records from `from` on to `sink`, in order, until it wants no more or `until` is reached; returns
    /// the offset to go on from.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        until: Until,
        sink: &mut dyn FnMut(Record<'_>, AllHeaders<'_>) -> Result<Wanted, LogError>,
    ) -> Result<u64, LogError> {
        let what = || format!("read {} from {from}", self.config.place(topic, partition));
        let mut next = from;
        loop {
            // A new consumer for each read: an end of the partition cannot be one of an earlier read.
            let consumer = self
                .committed
                .create_with_context(Quiet)
                .map_err(|error| unreachable(what(), reason(&error)))?;
            let to = self.readable(&consumer, topic, partition, until, &what)?;
            let mut stretch = Stretch { next, to, outcome: None };
            if next < to {
                self.read_with(&consumer, topic, partition, &mut stretch, sink, &what)?;
            }
            next = stretch.next;
            match stretch.outcome {
                Some(Outcome::Astray) => {
                    let (start, _) = self.watermarks(&consumer, topic, partition)?;
                    if start > next {
                        return Err(refused(what(), "its start is no longer there"));
                    }
                    tracing::warn!(target: "kafka", "{}: {next} was not found, but is there; looking again", what());
                    std::thread::sleep(LOOK_AGAIN);
                }
                Some(Outcome::Failed(error)) => return Err(error),
                Some(Outcome::Enough) | None => return Ok(next),
            }
        }
    }

    /// Up to where a client of committed records may read: it sees the stable end. A transaction that holds it back ends
    /// at the latest with its timeout.
    fn readable(
        &self,
        consumer: &BaseConsumer<Quiet>,
        topic: Topic,
        partition: Partition,
        until: Until,
        what: &dyn Fn() -> String,
    ) -> Result<u64, LogError> {
        let mut deadline = Deadline::after(PATIENCE);
        loop {
            let (_, stable) = self.watermarks(consumer, topic, partition)?;
            match until {
                Until::StableEnd => return Ok(stable),
                Until::Offset(to) if to <= stable => return Ok(to),
                Until::Offset(_) if deadline.is_over() => {
                    let why = "an older transaction stays open: `kafka-transactions.sh find-hanging` tells which, and \
                               its `abort` ends it";
                    deadline = self.patience.renewed(unreachable(what(), why))?;
                }
                Until::Offset(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Reads the stretch, until something ends it early.
    fn read_with(
        &self,
        consumer: &BaseConsumer<Quiet>,
        topic: Topic,
        partition: Partition,
        stretch: &mut Stretch,
        sink: &mut dyn FnMut(Record<'_>, AllHeaders<'_>) -> Result<Wanted, LogError>,
        what: &dyn Fn() -> String,
    ) -> Result<(), LogError> {
        let failed = |error: KafkaError| unreachable(what(), reason(&error));
        let names = self.config.names();
        let bell = Arc::default();
        // Gone before its consumer, which would wait for it.
        let mut data = DataQueue::of(consumer, &bell);
        data.forward(consumer, names.of(topic), partition);
        let mut assignment = TopicPartitionList::new();
        let (number, from) = (kafka_partition(partition), Offset::Offset(kafka_offset(stretch.next)));
        assignment.add_partition_offset(names.of(topic), number, from).map_err(failed)?;
        consumer.assign(&assignment).map_err(failed)?;
        let mut silent = Deadline::after(PATIENCE);
        while stretch.outcome.is_none() && stretch.next < stretch.to {
            bell.silence();
            let (before, mut troubles) = (stretch.next, None);
            for _ in 0..queue::events(consumer).max(1) {
                if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
                    troubles = error.rdkafka_error_code().or(troubles);
                }
            }
            data.take(BATCH, |fetched| {
                match fetched {
                    Fetched::Record(_, record, headers) => stretch.record(record, headers, sink),
                    Fetched::End(_, end) => stretch.ends(end),
                    Fetched::Failed(code) => troubles = Some(code),
                }
                if stretch.outcome.is_some() { Enough::Yes } else { Enough::No }
            });
            match troubles {
                _ if stretch.outcome.is_some() => {}
                Some(RDKafkaErrorCode::AutoOffsetReset) => stretch.outcome = Some(Outcome::Astray),
                Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => {
                    let error = failed(KafkaError::MessageConsumption(code));
                    stretch.outcome = Some(Outcome::Failed(error));
                }
                Some(code) => tracing::warn!(target: "kafka", "{}: {code}", what()),
                None => {}
            }
            if stretch.next > before {
                silent = Deadline::after(PATIENCE);
            } else if silent.is_over() {
                silent = self.patience.renewed(unreachable(what(), "nothing came for too long"))?;
            } else {
                bell.wait(LOOK_AGAIN);
            }
        }
        drop(data);
        consumer.unassign().map_err(failed)
    }
}

/// What is read of a partition.
struct Stretch {
    /// The offset that is read next, and the one before which reading ends.
    next: u64,
    to: u64,
    /// Why it ended early.
    outcome: Option<Outcome>,
}

enum Outcome {
    /// The sink wants no more.
    Enough,
    /// The client says that the offset is not there.
    Astray,
    Failed(LogError),
}

impl Stretch {
    fn record(
        &mut self,
        record: Record<'_>,
        headers: AllHeaders<'_>,
        sink: &mut dyn FnMut(Record<'_>, AllHeaders<'_>) -> Result<Wanted, LogError>,
    ) {
        if self.outcome.is_some() || record.offset < self.next {
            return;
        }
        if record.offset >= self.to {
            self.next = self.to;
            return;
        }
        self.next = record.offset + 1;
        match sink(record, headers) {
            Ok(Wanted::More) => {}
            Ok(Wanted::NoMore) => self.outcome = Some(Outcome::Enough),
            Err(error) => self.outcome = Some(Outcome::Failed(error)),
        }
    }

    /// Nothing is left before that offset. An end that comes before ours is one of a new leader, which does not know yet
    /// how far its log is committed: more will come.
    fn ends(&mut self, end: u64) {
        if self.outcome.is_none() {
            self.next = self.next.max(end.min(self.to));
        }
    }
}
