//! Kafka seen from outside the workers: who feeds inputs, reads outputs and starts members.
//!
//! Enters: records to append, offsets to read from. Leaves: committed records, members, the lag. Always true: an
//! append is one transaction, so that a reader sees all of it or nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::greeting::greet;
use super::names::{kafka_partition, offset_of, reason, refused, unreachable};
use super::owners;
use super::patience::{Deadline, PATIENCE, REQUEST};
use super::queue::AllHeaders;
use super::reader::{Reader, Until, Wanted};
use super::signs::Signs;
use super::topics;
use super::worker::KafkaLog;
use super::writer::{Writer, Written};
use crate::edge::process::locked;
use crate::engine::log::{Broker, Extent, Headers, LogError, Outbox, Positions, Record};
use crate::model::{Lane, Partition, Topic};

/// A lag of up to so many offsets is counted record by record.
const COUNTED: u64 = 10_000;

/// The whole log on Kafka.
pub struct KafkaBroker {
    config: KafkaConfig,
    partitions: u32,
    reader: Reader,
    /// Asks for the group's positions; never joins it.
    group: BaseConsumer<Quiet>,
    signs: Arc<Signs>,
    /// Started by the first append.
    writer: Mutex<Option<Writer>>,
}

impl KafkaBroker {
    /// Looks at the topics, which must be there (see [`super::create_topics`]).
    pub fn open(config: &KafkaConfig) -> Result<KafkaBroker, LogError> {
        config.checked()?;
        let name = format!("{}-outside", config.instance);
        greet(config, &name)?;
        let reader = Reader::open(config, &name)?;
        let partitions = topics::counts_fit(config, &reader)?;
        let group = config
            .reader(&name)
            .create_with_context(Quiet)
            .map_err(|error| unreachable("create a client", reason(&error)))?;
        Ok(KafkaBroker {
            config: config.clone(),
            partitions,
            reader,
            group,
            signs: Arc::default(),
            writer: Mutex::new(None),
        })
    }

    /// How far the members of this handle are with reading their states back.
    pub fn signs(&self) -> &Arc<Signs> {
        &self.signs
    }

    /// Where the owners of partitions answer, as far as the group's members tell it.
    pub fn owners(&self) -> Result<BTreeMap<Partition, String>, LogError> {
        let groups = self
            .group
            .fetch_group_list(Some(&self.config.group_id), REQUEST)
            .map_err(|error| unreachable("ask for the group's members", reason(&error)))?;
        let names = self.config.names();
        let topic = names.of(Topic::Scans);
        Ok(groups.groups().first().map(|group| owners::addresses(group, topic)).unwrap_or_default())
    }

    /// Whether everything that is there was read. The lanes are looked at one after the other, and what is read of one
    /// writes to another: only if nobody committed meanwhile, none was missed.
    pub fn is_caught_up(&self) -> Result<bool, LogError> {
        let before = self.committed()?;
        Ok(self.lag()? == 0 && self.committed()? == before)
    }

    /// A name that no other process and no other handle uses: appends of one never end those of another.
    fn feed_name(&self) -> String {
        static HANDLES: AtomicU64 = AtomicU64::new(0);
        #[expect(clippy::disallowed_methods, reason = "a name of the edge, not a time of the stations")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_millis());
        let handle = HANDLES.fetch_add(1, Ordering::Relaxed);
        format!("{}-feed-{}-{since}-{handle}", self.config.instance, std::process::id())
    }

    /// The group's next offsets of a lane's partitions; none where nothing was committed.
    fn group_offsets(&self, lane: Lane) -> Result<Vec<Option<u64>>, LogError> {
        let names = self.config.names();
        let topic = names.of(lane.topic());
        let wanted = || {
            let mut list = TopicPartitionList::new();
            for partition in (0..self.partitions).map(Partition) {
                list.add_partition(topic, kafka_partition(partition));
            }
            list
        };
        let committed =
            Deadline::after(PATIENCE)
                .retry(|| self.group.committed_offsets(wanted(), REQUEST))
                .map_err(|error| unreachable("read the group's committed positions", reason(&error)))?;
        let offset = |p| match committed.find_partition(topic, kafka_partition(Partition(p)))?.offset() {
            Offset::Offset(next) => Some(offset_of(next)),
            _ => None,
        };
        Ok((0..self.partitions).map(offset).collect())
    }
}

impl fmt::Debug for KafkaBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaBroker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Broker for KafkaBroker {
    type Member = KafkaLog;

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn join(&self, name: &str) -> Result<KafkaLog, LogError> {
        KafkaLog::open(&self.config, name, &self.signs)
    }

    fn append(&self, records: &Outbox) -> Result<(), LogError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut held = locked(&self.writer);
        let mut writer = match held.take() {
            Some(writer) => writer,
            None => Writer::open(&self.config, &self.feed_name())?,
        };
        match writer.write(records, None)? {
            Written::Done => {
                *held = Some(writer);
                Ok(())
            }
            other => Err(unreachable("append records", format!("{other:?}: they may or may not be there"))),
        }
    }

    fn append_marked(&self, _: &Outbox, name: &str, _: u64) -> Result<(), LogError> {
        Err(refused(
            format!("append with the mark `{name}`"),
            "Kafka keeps no marks beside records; read files into `run --local DIR`",
        ))
    }

    fn mark(&self, _: &str) -> Result<Option<u64>, LogError> {
        Ok(None)
    }

    fn read_with_headers(
        &self,
        topic: Topic,
        partition: Partition,
        from: u64,
        max: usize,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>),
    ) -> Result<u64, LogError> {
        let (start, _) = self.reader.ends(topic, partition)?;
        let mut left = max;
        let each = &mut |record: Record<'_>, headers: AllHeaders<'_>| {
            let mut owned: Vec<(String, Vec<u8>)> = Vec::new();
            headers.each(|name, value| {
                owned.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
            });
            let headers: Vec<_> =
                owned.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            sink(record, &headers);
            left -= 1;
            Ok(if left == 0 { Wanted::NoMore } else { Wanted::More })
        };
        if max == 0 {
            return Ok(from);
        }
        self.reader.read(topic, partition, from.max(start), Until::StableEnd, each)
    }

    fn ends(&self) -> Result<Positions, LogError> {
        let mut ends = Positions::new();
        for lane in Lane::ALL {
            for partition in (0..self.partitions).map(Partition) {
                ends.insert((lane, partition), self.reader.ends(lane.topic(), partition)?.1);
            }
        }
        Ok(ends)
    }

    fn lag(&self) -> Result<u64, LogError> {
        let mut lag = 0;
        for lane in Lane::ALL {
            for (partition, committed) in (0..).map(Partition).zip(self.group_offsets(lane)?) {
                let (start, end) = self.reader.ends(lane.topic(), partition)?;
                let from = committed.unwrap_or(start).max(start);
                if from >= end {
                    continue;
                }
                // Control records and aborted ones take offsets too, so that the distance says only how many there
                // may be. Far behind, that is near enough; near the end each counts.
                if end - from > COUNTED {
                    lag += end - from;
                    continue;
                }
                let count = &mut |_: Record<'_>, _: AllHeaders<'_>| {
                    lag += 1;
                    Ok(Wanted::More)
                };
                let stable = self.reader.read(lane.topic(), partition, from, Until::StableEnd, count)?;
                // What is in an open transaction, or in one whose marker is on its way, will be a record or nothing.
                lag += end.saturating_sub(stable);
            }
        }
        Ok(lag)
    }

    fn committed(&self) -> Result<Positions, LogError> {
        let mut positions = Positions::new();
        for lane in Lane::ALL {
            for (partition, committed) in (0..).map(Partition).zip(self.group_offsets(lane)?) {
                let next = match committed {
                    Some(next) => next,
                    None => self.reader.ends(lane.topic(), partition)?.0,
                };
                positions.insert((lane, partition), next);
            }
        }
        Ok(positions)
    }

    fn extent(&self, topic: Topic, partition: Partition) -> Result<Extent, LogError> {
        // The stable end last: what was open at the end and is not any more, is not taken for open.
        let (start, end) = self.reader.ends(topic, partition)?;
        let (_, stable) = self.reader.watermarks(&self.group, topic, partition)?;
        Ok(Extent { start, stable: stable.min(end), end })
    }
}
