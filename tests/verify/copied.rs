//! A log as a pile of records, to be broken on purpose.
//!
//! Always true: as copied, it says what the log said: records with their offsets and headers, positions, ends.

use std::collections::BTreeMap;

use dockside::engine::log::{Broker, Extent, Headers, LogError, Outbox, Positions, Record, Sim, SimMember};
use dockside::model::{Lane, Partition, Timestamp, Topic};
use serde_json::Value;

/// A record, owned.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) offset: u64,
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Copy {
    pub(crate) fn key(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().unwrap_or_default()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        self.value.as_deref().map_or(Value::Null, |value| serde_json::from_slice(value).expect("JSON"))
    }
}

/// All records of a log.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    partitions: u32,
    pub(crate) records: BTreeMap<(Topic, Partition), Vec<Copy>>,
    pub(crate) positions: Positions,
    pub(crate) extents: BTreeMap<(Topic, Partition), Extent>,
}

impl Copied {
    pub(crate) fn of(log: &Sim) -> Copied {
        let partitions = log.partitions();
        let (mut records, mut extents) = (BTreeMap::new(), BTreeMap::new());
        for topic in Topic::ALL {
            for partition in (0..partitions).map(Partition) {
                let mut copies = Vec::new();
                log.read_with_headers(topic, partition, 0, usize::MAX, &mut |record, headers| {
                    copies.push(Copy {
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect(),
                    });
                })
                .expect("in memory");
                records.insert((topic, partition), copies);
                extents.insert((topic, partition), log.extent(topic, partition).expect("in memory"));
            }
        }
        Copied { partitions, records, positions: log.committed().expect("in memory"), extents }
    }

    pub(crate) fn at(&mut self, topic: Topic, partition: u32) -> &mut Vec<Copy> {
        self.records.get_mut(&(topic, Partition(partition))).expect("a partition")
    }

    /// The first partition of a topic in which `choose` finds a place, and that place.
    pub(crate) fn choose(
        &mut self,
        topic: Topic,
        choose: impl Fn(&[Copy]) -> Option<usize>,
    ) -> (&mut Vec<Copy>, usize) {
        let mut partitions = self.records.iter_mut().filter(|((of, _), _)| *of == topic);
        let found = partitions.find_map(|(_, records)| choose(records).map(|at| (records, at)));
        found.unwrap_or_else(|| panic!("nothing to break in {}", topic.name()))
    }
}

fn refused<T>() -> Result<T, LogError> {
    Err(LogError { what: "using a copy".to_owned(), why: "it is for reading".to_owned(), refused: true })
}

impl Broker for Copied {
    type Member = SimMember;

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn join(&self, _: &str) -> Result<SimMember, LogError> {
        refused()
    }

    fn append(&self, _: &Outbox) -> Result<(), LogError> {
        refused()
    }

    fn append_marked(&self, _: &Outbox, _: &str, _: u64) -> Result<(), LogError> {
        refused()
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
        let records = self.records[&(topic, partition)].iter().filter(|record| record.offset >= from);
        let mut next = from;
        for copy in records.take(max) {
            let headers: Vec<(&str, &[u8])> = copy.headers.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            let record = Record {
                offset: copy.offset,
                timestamp: copy.timestamp,
                key: copy.key.as_deref(),
                value: copy.value.as_deref(),
                content_type: None,
                feed: None,
            };
            sink(record, &headers);
            next = copy.offset + 1;
        }
        Ok(next)
    }

    fn ends(&self) -> Result<Positions, LogError> {
        let end = |(lane, partition): &(Lane, Partition)| self.extents[&(lane.topic(), *partition)].end;
        Ok(self.positions.keys().map(|at| (*at, end(at))).collect())
    }

    fn lag(&self) -> Result<u64, LogError> {
        let ends = self.ends()?;
        Ok(self.positions.iter().map(|(at, next)| ends[at].saturating_sub(*next)).sum())
    }

    fn committed(&self) -> Result<Positions, LogError> {
        Ok(self.positions.clone())
    }

    fn extent(&self, topic: Topic, partition: Partition) -> Result<Extent, LogError> {
        Ok(self.extents[&(topic, partition)])
    }
}
