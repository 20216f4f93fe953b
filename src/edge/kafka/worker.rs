//! The log on Kafka, as one worker sees it.
//!
//! Enters: polls and epochs. Leaves: records, news of the group, what became of the epochs. Always true: an epoch
//! carries the proof of our membership, and an epoch with a position of a partition that is not ours is not tried.

use std::fmt;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::message::BorrowedMessage;

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::member::{Member, name_taken};
use super::names::refused;
use super::reader::{Reader, Until, Wanted};
use super::topics;
use super::writer::{Writer, Written};
use crate::engine::log::{Committed, Epoch, Log, LogError, Polled, Positions, Record};
use crate::model::{Lane, Partition, Topic};

/// One worker's view of the log on Kafka. Dropped, it closes its clients; its name keeps its partitions for the
/// session's timeout, so that a restart moves none.
pub struct KafkaLog {
    name: String,
    partitions: u32,
    /// A younger member has our name.
    fenced: bool,
    writer: Writer,
    member: Member,
    reader: Reader,
    /// Started by the first trim.
    admin: Option<AdminClient<Quiet>>,
    config: KafkaConfig,
}

impl KafkaLog {
    /// Joins the group under a stable name (see [`KafkaConfig::member_name`]). What an older worker of that name left
    /// open is ended first, and that worker fenced.
    pub fn open(config: &KafkaConfig, name: &str) -> Result<KafkaLog, LogError> {
        config.checked()?;
        let reader = Reader::open(config, name)?;
        let partitions = topics::counts_fit(config, &reader)?;
        let writer = Writer::open(config.transactional_producer(name), config.names())?;
        let member = Member::join(config, name, partitions)?;
        Ok(KafkaLog {
            name: name.to_owned(),
            partitions,
            fenced: false,
            writer,
            member,
            reader,
            admin: None,
            config: config.clone(),
        })
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog")
            .field("name", &self.name)
            .field("partitions", &self.member.partitions())
            .field("fenced", &self.fenced)
            .finish_non_exhaustive()
    }
}

impl Log for KafkaLog {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        if self.fenced {
            return Err(name_taken(&self.name));
        }
        self.member.poll(lane, max, wait, &self.reader)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        if self.fenced {
            return Ok(Committed::Fenced);
        }
        if epoch.outputs.is_empty() && epoch.positions.is_empty() {
            return Ok(Committed::Done);
        }
        let ours = self.member.partitions();
        if epoch.positions.keys().any(|(_, partition)| !ours.contains(partition)) {
            return Ok(Committed::Fenced);
        }
        let Some(proof) = self.member.proof() else { return Ok(Committed::Fenced) };
        let positions = self.member.listed(epoch.positions);
        let positions = (!epoch.positions.is_empty()).then_some((&positions, &proof));
        match self.writer.write(epoch.outputs, positions)? {
            Written::Done => Ok(Committed::Done),
            Written::InDoubt => Ok(Committed::InDoubt),
            Written::NameTaken => {
                self.fenced = true;
                Ok(Committed::Fenced)
            }
            Written::NotMember => {
                // Nothing was committed, and the name is still ours: end the open transaction, or readers would wait
                // for its timeout. The next poll tells what was lost.
                self.writer.reopen()?;
                Ok(Committed::Fenced)
            }
        }
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        if self.fenced {
            return Err(name_taken(&self.name));
        }
        self.writer.reopen()?;
        self.member.committed(&self.member.partitions(), &self.reader)
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.member.seek(positions)
    }

    fn start(&mut self, partition: Partition) -> Result<u64, LogError> {
        Ok(self.reader.ends(Topic::State, partition)?.0)
    }

    fn end(&mut self, partition: Partition) -> Result<u64, LogError> {
        Ok(self.reader.ends(Topic::State, partition)?.1)
    }

    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let start = self.start(partition)?;
        if from < start {
            return Err(refused(
                format!("read the state log of partition {partition} from {from}"),
                format!("it begins at {start} by now: restore from there"),
            ));
        }
        if from < to {
            let each = &mut |_: &BorrowedMessage<'_>, record: Record<'_>| sink(record).map(|()| Wanted::More);
            self.reader.read(Topic::State, partition, from, Until::Offset(to), each)?;
        }
        Ok(())
    }

    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError> {
        let (start, end) = self.reader.ends(Topic::State, partition)?;
        assert!(offset <= end, "trimming the state log of {partition} at {offset}, behind its end {end}");
        if offset <= start {
            return Ok(());
        }
        let admin = match self.admin.take() {
            Some(admin) => admin,
            None => topics::admin(&self.config, &self.name)?,
        };
        topics::trim(self.admin.insert(admin), &self.config, partition, offset)
    }
}
