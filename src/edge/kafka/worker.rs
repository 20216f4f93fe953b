//! The log on Kafka, as one worker sees it.
//!
//! Enters: polls and epochs. Leaves: records, news of the group, what became of the epochs. Always true: an epoch
//! carries the proof of our membership, and an epoch with a position of a partition that is not ours is not tried.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::message::BorrowedMessage;

use super::clients::Quiet;
use super::config::KafkaConfig;
use super::member::{Happened, Member, name_taken};
use super::names::refused;
use super::reader::{Reader, Until, Wanted};
use super::restoring::Restoring;
use super::topics;
use super::writer::{Writer, Written};
use crate::engine::log::{Committed, Epoch, Log, LogError, Polled, Positions, Record, Restored};
use crate::model::{Lane, Partition, Topic};

/// One worker's view of the log on Kafka. Dropped, it closes its clients; its name keeps its partitions for the
/// session's timeout, so that a restart moves none.
pub struct KafkaLog {
    name: String,
    partitions: u32,
    standing: Standing,
    writer: Writer,
    member: Member,
    reader: Reader,
    restoring: Arc<Restoring>,
    /// Started by the first trim.
    admin: Option<AdminClient<Quiet>>,
    config: KafkaConfig,
}

/// Whether we may commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// The last epoch must be resolved first.
    InDoubt,
    /// The group went on without us. The epoch that was refused stays open, invisible, until the group gives us
    /// something again or its timeout ends it: until then the name may be somebody else's, whom a new producer of it
    /// would fence.
    Out,
    /// A younger member has our name.
    NameTaken,
}

impl KafkaLog {
    /// Joins the group under a stable name (see [`KafkaConfig::member_name`]). What an older worker of that name left
    /// open is ended first, and that worker fenced.
    pub fn open(config: &KafkaConfig, name: &str, restoring: &Arc<Restoring>) -> Result<KafkaLog, LogError> {
        config.checked()?;
        let reader = Reader::open(config, name)?;
        let partitions = topics::counts_fit(config, &reader)?;
        let writer = Writer::open(config, name)?;
        let member = Member::join(config, name)?;
        Ok(KafkaLog {
            name: name.to_owned(),
            partitions,
            standing: Standing::Good,
            writer: writer.waiting(),
            member,
            reader: reader.waiting(),
            restoring: Arc::clone(restoring),
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
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl Log for KafkaLog {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        if self.standing == Standing::NameTaken {
            return Err(name_taken(&self.name));
        }
        let listed = match self.member.poll(lane, max, wait)? {
            Happened::Polled(Polled::Revoked { partitions, lost }) => {
                return Ok(Polled::Revoked { partitions, lost: lost || self.standing == Standing::Out });
            }
            Happened::Polled(polled) => return Ok(polled),
            Happened::Given(listed) => listed,
        };
        if self.standing == Standing::Out {
            self.writer.reopen()?;
            self.standing = Standing::Good;
        }
        let positions = self.member.take_up(&listed, &self.reader)?;
        // More members than partitions: this one waits.
        Ok(if positions.is_empty() { Polled::Idle } else { Polled::Assigned(positions) })
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        match self.standing {
            Standing::Good => {}
            Standing::InDoubt => panic!("an epoch in doubt is resolved before the next one"),
            Standing::Out | Standing::NameTaken => return Ok(Committed::Fenced),
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
        let (standing, committed) = match self.writer.write(epoch.outputs, positions)? {
            Written::Done => (Standing::Good, Committed::Done),
            Written::InDoubt => (Standing::InDoubt, Committed::InDoubt),
            Written::NotMember => (Standing::Out, Committed::Fenced),
            Written::NameTaken => (Standing::NameTaken, Committed::Fenced),
        };
        self.standing = standing;
        Ok(committed)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        match self.standing {
            Standing::Good | Standing::InDoubt => {
                self.writer.reopen()?;
                self.standing = Standing::Good;
            }
            Standing::Out => {}
            Standing::NameTaken => return Err(name_taken(&self.name)),
        }
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
    ) -> Result<Restored, LogError> {
        let start = self.start(partition)?;
        if from < start {
            return Err(refused(
                format!("read the state log of partition {partition} from {from}"),
                format!("it begins at {start} by now: restore from there"),
            ));
        }
        let KafkaLog { reader, member, restoring, .. } = self;
        let mut progress = restoring.begin(partition, from, to);
        let mut restored = Restored::Whole;
        if from < to {
            let each = &mut |_: &BorrowedMessage<'_>, record: Record<'_>| {
                progress.reached(record.offset + 1);
                sink(record)?;
                // A member that does not poll for long is taken for dead, and one that does not answer holds up the group.
                if progress.is_time_to_look_up() && member.is_called_back() {
                    restored = Restored::Interrupted;
                    return Ok(Wanted::NoMore);
                }
                Ok(Wanted::More)
            };
            reader.read(Topic::State, partition, from, Until::Offset(to), each)?;
        }
        Ok(restored)
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
        // What was not trimmed now will be with the next image: no reason to stop.
        if let Err(error) = topics::trim(self.admin.insert(admin), &self.config, partition, offset) {
            tracing::warn!(target: "kafka", "{error}");
        }
        Ok(())
    }
}
