//! The log on Kafka, as one worker sees it.
//!
//! Enters: polls and epochs. Leaves: records, news of the group, what became of the epochs. Always true: an epoch
//! carries the proof of our membership as of its end, and an epoch with a position of a partition that is not ours is not
//! tried; while one is being written, beside us, nothing else is asked of the writer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rdkafka::admin::AdminClient;

use super::clerk::Clerk;
use super::clients::Quiet;
use super::config::KafkaConfig;
use super::member::{Happened, Member, name_taken};
use super::mirror::{Copied, Mirror, Original};
use super::names::refused;
use super::patience::Budget;
use super::queue::AllHeaders;
use super::reader::{Reader, Until, Wanted};
use super::signs::Signs;
use super::topics;
use super::writer::{Writer, Written};
use crate::engine::log::{
    Begun, Committed, Epoch, Log, LogError, Outbox, Polled, Positions, Record, Restored,
};
use crate::model::{Lane, Partition, Timestamp, Topic};

/// One worker's view of the log on Kafka. Dropped, it closes its clients; its name keeps its partitions for the
/// session's timeout, so that a restart moves none.
pub struct KafkaLog {
    name: String,
    partitions: u32,
    standing: Standing,
    pen: Pen,
    /// Has the epochs written.
    scribe: Clerk,
    member: Member,
    reader: Reader,
    signs: Arc<Signs>,
    /// Local copies of the state logs of our partitions.
    mirror: Option<Mirror>,
    /// Partitions that are given back by the next poll.
    returned: Vec<Partition>,
    /// How often we take our name back from somebody who may be nobody.
    comebacks: Budget,
    /// Started by the first trim.
    admin: Option<AdminClient<Quiet>>,
    config: KafkaConfig,
}

/// Where the writer is.
enum Pen {
    Here(Box<Writer>),
    /// It writes an epoch, and comes back.
    Writing(Receiver<Outcome>),
    /// It is being handed over.
    Nowhere,
}

/// The writer with an epoch that it has written, or has not.
struct Outcome {
    writer: Box<Writer>,
    outputs: Outbox,
    written: Result<Written, LogError>,
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
    /// A younger producer has our name.
    NameTaken,
}

impl KafkaLog {
    /// Joins the group under a stable name (see [`KafkaConfig::member_name`]). What an older worker of that name left
    /// open is ended first, and that worker fenced.
    pub fn open(config: &KafkaConfig, name: &str, signs: &Arc<Signs>) -> Result<KafkaLog, LogError> {
        config.checked()?;
        let reader = Reader::open(config, name)?;
        let partitions = topics::counts_fit(config, &reader)?;
        let writer = Writer::open(config, name)?;
        let member = Member::join(config, name, signs)?;
        let mirror = config.snapshot_dir.as_ref().and_then(|dir| {
            let topic = config.names().of(Topic::State).to_owned();
            Some(Mirror::new(
                dir,
                Original { cluster: reader.cluster()?, topic, partitions },
                Arc::clone(signs),
            ))
        });
        Ok(KafkaLog {
            name: name.to_owned(),
            partitions,
            standing: Standing::Good,
            pen: Pen::Here(Box::new(writer.waiting(signs))),
            scribe: Clerk::default(),
            member,
            reader: reader.waiting(),
            signs: Arc::clone(signs),
            mirror,
            returned: Vec::new(),
            comebacks: Budget::default(),
            admin: None,
            config: config.clone(),
        })
    }
}

impl KafkaLog {
    fn writer(&mut self) -> &mut Writer {
        match &mut self.pen {
            Pen::Here(writer) => writer,
            Pen::Writing(_) | Pen::Nowhere => {
                panic!("the end of an epoch is heard of before anything else is asked")
            }
        }
    }

    /// The last record of a partition's local copy, if the log has the same one.
    fn copied(&mut self, partition: Partition, from: u64) -> Result<Option<Copied>, LogError> {
        let Some(mirror) = &mut self.mirror else { return Ok(None) };
        let Some(last) = mirror.last(partition, from) else { return Ok(None) };
        if self.reader.ends(Topic::State, partition)?.1 <= last.offset {
            return Ok(None);
        }
        let mut is_same = false;
        let probe = &mut |record: Record<'_>, _: AllHeaders<'_>| {
            is_same = record.offset == last.offset && record.value == Some(&last.value);
            Ok(Wanted::NoMore)
        };
        self.reader.read(Topic::State, partition, last.offset, Until::Offset(last.offset + 1), probe)?;
        Ok(is_same.then_some(last))
    }

    /// Joins anew under our name, unless somebody else has it. After a broker's restart the group may fence a member that
    /// nobody has replaced; a producer of the name that was there before knows better. Where there is none, both we and
    /// whoever has the name may take it from each other: each only so often, and who came first gives up first. (Who had an
    /// epoch in doubt has taken the name once already when it was resolved.)
    fn come_back(&mut self) -> Result<(), LogError> {
        let still_ours = match self.standing {
            Standing::Good => {
                let claim = self.member.last_known();
                self.writer().has_its_name(claim)
            }
            Standing::InDoubt | Standing::Out | Standing::NameTaken => None,
        };
        let times = if self.writer().is_of_old() { 1 } else { 2 };
        if !still_ours.unwrap_or_else(|| self.comebacks.spend(times)) {
            return Err(name_taken(&self.name));
        }
        let sure = if still_ours.is_some() { "nobody has it" } else { "somebody may have it" };
        tracing::warn!(target: "kafka", member = self.name, "fenced under our own name; joining again: {sure}");
        self.member = Member::join(&self.config, &self.name, &self.signs)?;
        self.renew_writer()
    }

    /// A new producer takes the name: whatever the old one left open is decided, and writing may go on.
    fn renew_writer(&mut self) -> Result<(), LogError> {
        self.signs.rebuilt();
        self.writer().reopen()?;
        self.standing = Standing::Good;
        Ok(())
    }

    /// What follows in the log of a partition is not ours to copy.
    fn forget(&mut self, partition: Partition) {
        if let Some(mirror) = &mut self.mirror {
            mirror.leave(partition);
        }
    }
}

/// Why reading a copy ended early.
enum Ended {
    CalledBack,
    Failed(LogError),
}

/// Reads a copy up to its last record; none if it is damaged.
fn from_copy(
    mirror: &mut Mirror,
    partition: Partition,
    from: u64,
    last: u64,
    each: &mut dyn FnMut(Record<'_>) -> Result<Wanted, LogError>,
) -> Result<Option<Wanted>, LogError> {
    let outcome = mirror.read(partition, from, last, &mut |offset, value| {
        let record = Record {
            offset,
            timestamp: Timestamp(0),
            key: None,
            value: Some(value),
            content_type: None,
            feed: None,
        };
        match each(record) {
            Ok(Wanted::More) => Ok(()),
            Ok(Wanted::NoMore) => Err(Ended::CalledBack),
            Err(error) => Err(Ended::Failed(error)),
        }
    });
    match outcome {
        Ok(is_whole) => Ok(is_whole.then_some(Wanted::More)),
        Err(Ended::CalledBack) => Ok(Some(Wanted::NoMore)),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// Copies what an epoch wrote to the state logs; after anything but success, the copies end before it.
fn mirrored(mirror: &mut Mirror, writer: &Writer, outputs: &Outbox, committed: Committed) {
    let mut offsets = writer.state_offsets().iter().peekable();
    for (number, record) in outputs.iter().enumerate().filter(|(_, record)| record.topic == Topic::State) {
        match offsets.next_if(|(of, _)| *of == number) {
            Some((_, offset)) if committed == Committed::Done => {
                mirror.append(record.partition, *offset, record.value.unwrap_or_default());
            }
            _ => mirror.close(record.partition),
        }
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
            self.standing = Standing::Out;
            self.member.displace();
        }
        // Only now: the last epoch of partitions that are given back comes between the news and the next poll.
        for partition in std::mem::take(&mut self.returned) {
            self.forget(partition);
        }
        let listed = match self.member.poll(lane, max, wait)? {
            Happened::Polled(Polled::Revoked { partitions, lost }) => {
                self.returned.clone_from(&partitions);
                return Ok(Polled::Revoked { partitions, lost: lost || self.standing == Standing::Out });
            }
            Happened::Polled(polled) => return Ok(polled),
            Happened::Displaced => {
                self.come_back()?;
                return Ok(Polled::Idle);
            }
            Happened::Given(listed) => listed,
        };
        if self.standing == Standing::Out {
            self.renew_writer()?;
        }
        let (positions, unread) = self.member.take_up(&listed, &self.reader)?;
        // More members than partitions: this one waits.
        Ok(if positions.is_empty() { Polled::Idle } else { Polled::Assigned { positions, unread } })
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        let committed = match self.begin(epoch.outputs.clone(), epoch.positions)? {
            Begun::Ended(committed, _) => committed,
            Begun::Open => self.ended(true)?.expect("it was waited for").0,
        };
        Ok(committed)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        match self.standing {
            Standing::Good => {}
            Standing::InDoubt => panic!("an epoch in doubt is resolved before the next one"),
            Standing::Out | Standing::NameTaken => return Ok(Begun::Ended(Committed::Fenced, outputs)),
        }
        if outputs.is_empty() && positions.is_empty() {
            return Ok(Begun::Ended(Committed::Done, outputs));
        }
        let ours = self.member.partitions();
        if positions.keys().any(|(_, partition)| !ours.contains(partition)) {
            return Ok(Begun::Ended(Committed::Fenced, outputs));
        }
        let Some(proof) = self.member.proof() else { return Ok(Begun::Ended(Committed::Fenced, outputs)) };
        let claim = (!positions.is_empty()).then(|| (self.member.listed(positions), proof));
        let Pen::Here(mut writer) = std::mem::replace(&mut self.pen, Pen::Nowhere) else {
            panic!("the end of an epoch is heard of before the next one is begun")
        };
        self.pen = Pen::Writing(self.scribe.begin(move || {
            let written = writer.write(&outputs, claim);
            Outcome { writer, outputs, written }
        }));
        Ok(Begun::Open)
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        let Pen::Writing(outcome) = &self.pen else { panic!("no epoch is being written") };
        let outcome = if wait {
            outcome.recv().ok()
        } else {
            match outcome.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => None,
            }
        };
        let Outcome { writer, outputs, written } = outcome.expect("writing an epoch does not panic");
        self.pen = Pen::Here(writer);
        let (standing, committed) = match written? {
            Written::Done => (Standing::Good, Committed::Done),
            Written::InDoubt => (Standing::InDoubt, Committed::InDoubt),
            Written::NotMember => (Standing::Out, Committed::Fenced),
            Written::NameTaken => (Standing::NameTaken, Committed::Fenced),
        };
        self.standing = standing;
        if let (Some(mirror), Pen::Here(writer)) = (&mut self.mirror, &self.pen) {
            mirrored(mirror, writer, &outputs, committed);
        }
        Ok(Some((committed, outputs)))
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        match self.standing {
            Standing::Good | Standing::InDoubt => self.renew_writer()?,
            Standing::Out => {}
            Standing::NameTaken => return Err(name_taken(&self.name)),
        }
        // An output that is gone would fail one epoch after the other.
        self.reader.all_are_there()?;
        let mut positions = Positions::new();
        for ((lane, partition), committed) in self.member.committed(&self.member.partitions())? {
            let next = match committed {
                Some(next) => next,
                None => self.reader.ends(lane.topic(), partition)?.0,
            };
            positions.insert((lane, partition), next);
        }
        Ok(positions)
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.member.seek(positions)
    }

    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        self.member.readable(lane, partition, wanted, &self.reader)
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
        if from >= to {
            // Nothing to read; what follows is copied from the first record on, or further.
            match self.mirror.as_mut() {
                Some(mirror) if from == start => mirror.restart(partition, from),
                Some(mirror) => mirror.come_back(partition, from),
                None => {}
            }
            return Ok(Restored::Whole);
        }
        // A look at the end only is no reading back.
        let mut copied = if from == start { self.copied(partition, from)? } else { None };
        let KafkaLog { reader, member, signs, mirror, .. } = self;
        let mut progress = signs.restoring().begin(partition, from, to);
        let mut each = |record: Record<'_>| {
            progress.reached(record.offset + 1);
            sink(record)?;
            // A member that does not poll for long is taken for dead, and one that does not answer holds up the group.
            let called_back = progress.is_time_to_look_up() && member.is_called_back()?;
            Ok(if called_back { Wanted::NoMore } else { Wanted::More })
        };
        let mut next = from;
        if let (Some(last), Some(mirror)) = (copied.take(), mirror.as_mut()) {
            match from_copy(mirror, partition, from, last.offset, &mut each)? {
                Some(Wanted::NoMore) => return Ok(Restored::Interrupted),
                Some(Wanted::More) => next = last.offset + 1,
                None => return Ok(Restored::Spoilt),
            }
            mirror.resume(partition, next);
        } else if let Some(mirror) = mirror.as_mut()
            && from == start
        {
            mirror.restart(partition, from);
        }
        let mut wanted = Wanted::More;
        let mut is_empty = true;
        if next < to {
            let each = &mut |record: Record<'_>, _: AllHeaders<'_>| {
                is_empty = false;
                if let Some(mirror) = mirror.as_mut() {
                    mirror.append(partition, record.offset, record.value.unwrap_or_default());
                }
                wanted = each(record)?;
                Ok(wanted)
            };
            reader.read(Topic::State, partition, next, Until::Offset(to), each)?;
        }
        if wanted == Wanted::NoMore {
            if let Some(mirror) = mirror {
                mirror.close(partition);
            }
            return Ok(Restored::Interrupted);
        }
        if let Some(mirror) = mirror
            && is_empty
            && from > start
        {
            mirror.come_back(partition, to);
        }
        Ok(Restored::Whole)
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
        if let Some(mirror) = &self.mirror {
            mirror.trim(partition, offset);
        }
        // What was not trimmed now will be with the next image: no reason to stop.
        if let Err(error) = topics::trim(self.admin.insert(admin), &self.config, partition, offset) {
            tracing::warn!(target: "kafka", "{error}");
        }
        Ok(())
    }
}
