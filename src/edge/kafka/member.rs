//! A member of the group: which partitions are ours, and the records of their lanes.
//!
//! Enters: polls, seeks. Leaves: [`Polled`] values. Always true:
//! - every lane has a queue of its own, which all its partitions' queues are forwarded to; the client stops fetching for
//!   a lane when its queue is full: no lane can fill another's memory, and none is read before it is polled;
//! - a rebalance is noted by the callback and carried out here: what is given is taken up at the group's stable
//!   positions, a revocation is reported first and completed by the next poll;
//! - queues are let go before the consumer is closed, else closing would wait for ever; nobody waits longer than
//!   [`CLOSING`] for it;
//! - a record is handed on once: what was fetched before a seek, or for an assignment that ended, is dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::clerk::Clerk;
use super::clients::{Bell, MemberNotes, Rebalanced};
use super::config::{Fetch, KafkaConfig};
use super::direct::{Direct, Got};
use super::names::{
    GONE, TopicNames, kafka_offset, kafka_partition, offset_of, partition_of, reason, refused, unreachable,
};
use super::patience::{Deadline, PATIENCE, Patience, REQUEST};
use super::queue::{self, DataQueue, Enough, Fetched};
use super::reader::Reader;
use super::signs::Signs;
use crate::engine::log::{LogError, Polled, Positions, RecordBatch};
use crate::model::{Lane, Partition};

/// A batch takes no further record once it has this many bytes.
const BATCH_BYTES: usize = 1024 * 1024;
/// How long we sleep at most without looking at the queues: a missed ring costs no more.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Member {
    name: String,
    names: TopicNames,
    consumer: GroupClient,
    bell: Arc<Bell>,
    source: Source,
    places: BTreeMap<(Lane, Partition), Place>,
    /// What was fetched and not handed on yet: at most what one poll takes.
    fetched: [VecDeque<Polled>; Lane::ALL.len()],
    tenure: Tenure,
    /// The positions that the last assignment began at.
    taken_up: Positions,
}

/// Where records come from.
enum Source {
    /// The client's queues: one per lane while partitions are ours.
    Client(Vec<DataQueue>),
    /// The brokers themselves. The client's consumer has our partitions paused; what it fetched before it was told so is in
    /// a queue that is emptied.
    Direct(Box<Direct>, Option<DataQueue>),
}

/// How we stand to our partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    /// What we have is ours, as far as we know.
    Holding,
    /// Something is wrong: the next look reports all of it as lost.
    Upset(Upset),
    /// They go: it was reported, the worker ends its epoch, and the next poll lets go. Then comes what upset us, if
    /// anything did.
    Draining(Option<Upset>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upset {
    /// The client says that a position is gone. It also says so when a broker that came back could not answer at once, so
    /// that we look for ourselves, and begin anew if it is still there.
    Astray,
    /// The client says that another member has our name, and is of no use any more. It also says so when a coordinator that
    /// came back answers two of its own requests to join.
    Displaced,
}

/// What a poll of the member brought.
#[derive(Debug)]
pub(super) enum Happened {
    Polled(Polled),
    /// The group gave us these topics' partitions.
    Given(Vec<(String, i32)>),
    /// This member is finished: somebody has its name, or the client believes so.
    Displaced,
}

/// How far a partition of a lane was fetched.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The least offset that is still wanted.
    next: u64,
    /// Its end was reached, and was handed on or waits for it.
    ended: bool,
}

impl Member {
    /// Subscribes; assignments come with the polls.
    pub(super) fn join(config: &KafkaConfig, name: &str, signs: &Arc<Signs>) -> Result<Member, LogError> {
        let failed = |error: &KafkaError| unreachable(format!("join the group as `{name}`"), reason(error));
        let names = config.names();
        let bell = Arc::new(Bell::default());
        let mut consumer: BaseConsumer<MemberNotes> = config
            .member(name)
            .create_with_context(MemberNotes::default())
            .map_err(|error| failed(&error))?;
        consumer.set_nonempty_callback({
            let bell = Arc::clone(&bell);
            move || bell.ring()
        });
        consumer.subscribe(&Lane::ALL.map(|lane| names.of(lane.topic()))).map_err(|error| failed(&error))?;
        let source = match config.fetch {
            Fetch::Client => Source::Client(Vec::new()),
            Fetch::Direct => Source::Direct(Box::new(Direct::new(config, name, &bell, signs)), None),
        };
        Ok(Member {
            name: name.to_owned(),
            names,
            consumer: GroupClient(Some(consumer)),
            bell,
            source,
            places: BTreeMap::new(),
            fetched: Default::default(),
            tenure: Tenure::Holding,
            taken_up: Positions::new(),
        })
    }

    /// The next thing that happened. What was given must be taken up before the next poll.
    pub(super) fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Happened, LogError> {
        assert!(max > 0, "a poll for no record");
        if let Tenure::Draining(upset) = self.tenure {
            let ours = self.partitions();
            self.tenure = Tenure::Holding;
            self.let_go()?;
            match upset {
                Some(Upset::Displaced) => return Ok(Happened::Displaced),
                // Where the group did not take them, they are still ours.
                Some(Upset::Astray) if !self.consumer.context().is_called_back() => {
                    let each = |lane: Lane| {
                        let topic = self.names.of(lane.topic());
                        ours.iter().map(move |partition| (topic.to_owned(), kafka_partition(*partition)))
                    };
                    return Ok(Happened::Given(Lane::ALL.into_iter().flat_map(each).collect()));
                }
                Some(Upset::Astray) | None => {}
            }
        }
        let deadline = Deadline::after(wait);
        loop {
            self.bell.silence();
            if let Some(happened) = self.membership()? {
                return Ok(happened);
            }
            if let Some(polled) = self.fetch(lane, max)? {
                return Ok(Happened::Polled(polled));
            }
            let left = deadline.left();
            if left.is_zero() {
                return Ok(Happened::Polled(Polled::Idle));
            }
            self.bell.wait(left.min(LOOK_AGAIN));
        }
    }

    /// Serves the client while its owner is busy elsewhere; whether our partitions are about to go.
    pub(super) fn is_called_back(&mut self) -> Result<bool, LogError> {
        self.serve()?;
        Ok(self.consumer.context().is_called_back() || self.tenure != Tenure::Holding)
    }

    /// Lets the client tell what it has to.
    fn serve(&mut self) -> Result<(), LogError> {
        // A look serves one event, and `None` does not say whether it did. All that wait are served, since a rebalance may
        // stand behind thousands of lines of log.
        for _ in 0..queue::events(&self.consumer).max(1) {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => panic!(
                    "a record of {} came past its own queue",
                    rdkafka::message::Message::topic(&message)
                ),
                Some(Err(error)) => self.judge(&error)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Serves the client's own events, and carries out one rebalance.
    fn membership(&mut self) -> Result<Option<Happened>, LogError> {
        self.serve()?;
        if let Tenure::Upset(upset) = self.tenure {
            match upset {
                Upset::Displaced if self.places.is_empty() => return Ok(Some(Happened::Displaced)),
                Upset::Astray if self.places.is_empty() => self.tenure = Tenure::Holding,
                // What the group wants back comes first.
                Upset::Astray if self.consumer.context().is_called_back() => {}
                Upset::Astray | Upset::Displaced => return Ok(self.drain(Some(upset), true)),
            }
        }
        match self.consumer.context().next() {
            None => Ok(None),
            Some(Rebalanced::Assign(listed)) => Ok(Some(Happened::Given(listed))),
            Some(Rebalanced::Revoke { lost }) => {
                if self.places.is_empty() {
                    self.let_go()?;
                    return Ok(None);
                }
                Ok(self.drain(None, lost))
            }
            Some(Rebalanced::Failed(code)) => {
                Err(unreachable(format!("stay in the group as `{}`", self.name), code.to_string()))
            }
        }
    }

    /// Our partitions go.
    fn drain(&mut self, upset: Option<Upset>, lost: bool) -> Option<Happened> {
        self.tenure = Tenure::Draining(upset);
        let partitions = self.partitions().into_iter().collect();
        Some(Happened::Polled(Polled::Revoked { partitions, lost }))
    }

    /// Somebody else has our name, as others say.
    pub(super) fn displace(&mut self) {
        self.tenure = Tenure::Upset(Upset::Displaced);
    }

    /// Starts reading what the group gave us, at its stable positions; where there is none, or what it points to is gone, at
    /// the first offset that is still there. Says also which partitions have no position at all.
    pub(super) fn take_up(
        &mut self,
        listed: &[(String, i32)],
        reader: &Reader,
    ) -> Result<(Positions, Vec<Partition>), LogError> {
        let mut given: BTreeMap<Partition, BTreeSet<Lane>> = BTreeMap::new();
        for (topic, partition) in listed {
            let lane = Lane::ALL.into_iter().find(|lane| self.names.of(lane.topic()) == topic);
            given.entry(partition_of(*partition)).or_default().extend(lane);
        }
        if let Some((partition, lanes)) = given.iter().find(|(_, lanes)| lanes.len() < Lane::ALL.len()) {
            return Err(refused(
                format!("take up partition {partition}"),
                format!(
                    "the group gave it for {lanes:?} only: the topics of all lanes need equal partition counts and \
                     every member must subscribe to all of them"
                ),
            ));
        }
        let partitions: BTreeSet<Partition> = given.into_keys().collect();
        let mut unread = partitions.clone();
        let mut positions = Positions::new();
        for (&(lane, partition), &committed) in &self.committed(&partitions)? {
            let there = self.readable(lane, partition, committed.unwrap_or_default(), reader)?;
            if committed.is_some() {
                unread.remove(&partition);
            }
            let next = committed.unwrap_or(there.start).max(there.start);
            if next > there.end {
                return Err(refused(
                    format!("read {lane:?} of partition {partition} as `{}`", self.name),
                    format!(
                        "the group has read up to {next}, and only {} to {} is there: the topic was made anew. Delete \
                         the group's positions and the state log to begin anew, or bring the records back",
                        there.start, there.end
                    ),
                ));
            }
            positions.insert((lane, partition), next);
        }

        // The queues come first: from the first record on, all of a partition is in its lane's queue. They are new, so
        // that nothing of an older assignment can be in them.
        self.forget();
        let queue = || DataQueue::of(&self.consumer, &self.bell);
        match &mut self.source {
            Source::Client(queues) => *queues = Lane::ALL.map(|_| queue()).into(),
            Source::Direct(_, strays) => *strays = Some(queue()),
        }
        for (&(lane, partition), &next) in &positions {
            let queue = match &self.source {
                Source::Client(queues) => Some(&queues[lane.index()]),
                Source::Direct(_, strays) => strays.as_ref(),
            };
            queue.expect("it was made above").forward(&self.consumer, self.names.of(lane.topic()), partition);
            self.places.insert((lane, partition), Place { next, ended: false });
        }
        let assignment = self.listed(&positions);
        self.taken_up.clone_from(&positions);
        let failed = |error: KafkaError| unreachable("take up the assigned partitions", reason(&error));
        self.consumer.assign(&assignment).map_err(failed)?;
        if let Source::Direct(direct, _) = &mut self.source {
            self.consumer.pause(&assignment).map_err(failed)?;
            direct.assign(&positions);
        }
        Ok((positions, unread.into_iter().collect()))
    }

    /// The offsets that can be read. A leader of a moment ago may not know yet how far its log is committed: if it tells
    /// less than `wanted`, it is asked again for a while.
    pub(super) fn readable(
        &self,
        lane: Lane,
        partition: Partition,
        wanted: u64,
        reader: &Reader,
    ) -> Result<Range<u64>, LogError> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let (start, end) = reader.ends(lane.topic(), partition)?;
            if wanted <= end || deadline.is_over() {
                return Ok(start..end);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn let_go(&mut self) -> Result<(), LogError> {
        self.forget();
        self.consumer.unassign().map_err(|error| unreachable("return the revoked partitions", reason(&error)))
    }

    /// Drops whatever was fetched, and the queues.
    fn forget(&mut self) {
        match &mut self.source {
            Source::Client(queues) => queues.clear(),
            Source::Direct(direct, strays) => {
                direct.clear();
                *strays = None;
            }
        }
        self.places.clear();
        self.fetched.iter_mut().for_each(VecDeque::clear);
    }

    /// The next batch, or end, of a partition of the lane.
    fn fetch(&mut self, lane: Lane, max: usize) -> Result<Option<Polled>, LogError> {
        let (places, fetched) = (&mut self.places, &mut self.fetched[lane.index()]);
        if let Source::Direct(direct, strays) = &mut self.source
            && fetched.is_empty()
        {
            let wanted = |partition| places.get(&(lane, partition)).map_or(u64::MAX, |place| place.next);
            match direct.take(lane, max, wanted)? {
                Some(Got::Records(partition, batch)) => {
                    let next = batch.last_offset().expect("a batch that was handed on has records") + 1;
                    places.insert((lane, partition), Place { next, ended: false });
                    return Ok(Some(Polled::Records { lane, partition, batch }));
                }
                Some(Got::End(partition, next)) => ended(places, fetched, (lane, partition), next),
                Some(Got::Failed(code)) => self.judge(&KafkaError::MessageConsumption(code))?,
                None => {
                    // What the client says of paused partitions; their positions are not its business.
                    let mut failure = None;
                    if let Some(strays) = strays {
                        strays.take(usize::MAX, |stray| {
                            if let Fetched::Failed(code) = stray
                                && !matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange)
                            {
                                failure = Some(code);
                            }
                            Enough::No
                        });
                    }
                    if let Some(code) = failure {
                        self.judge(&KafkaError::MessageConsumption(code))?;
                    }
                }
            }
        } else if let Source::Client(queues) = &mut self.source
            && fetched.is_empty()
            && let Some(queue) = queues.get_mut(lane.index())
        {
            let (mut bytes, mut failure) = (0, None);
            queue.take(max, |item| {
                match item {
                    Fetched::Record(partition, record, _) => {
                        let Some(place) = places.get_mut(&(lane, partition)) else { return Enough::No };
                        if record.offset < place.next {
                            return Enough::No;
                        }
                        *place = Place { next: record.offset + 1, ended: false };
                        bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                        batch_of(fetched, lane, partition).push(record);
                    }
                    Fetched::End(partition, next) => ended(places, fetched, (lane, partition), next),
                    Fetched::Failed(code) => failure = failure.or(Some(code)),
                }
                if bytes >= BATCH_BYTES { Enough::Yes } else { Enough::No }
            });
            if let Some(code) = failure {
                self.judge(&KafkaError::MessageConsumption(code))?;
            }
        }
        Ok(self.fetched[lane.index()].pop_front())
    }

    /// Reads on from these positions. What is no longer ours is on its way to somebody else: the next poll says so.
    pub(super) fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.fetched.iter_mut().for_each(VecDeque::clear);
        let mut moves = Positions::new();
        for (&(lane, partition), &next) in positions {
            let Some(place) = self.places.get(&(lane, partition)) else { continue };
            if place.next != next {
                moves.insert((lane, partition), next);
            }
        }
        for (&(lane, partition), place) in self.places.iter().filter(|(_, place)| place.ended) {
            if !moves.contains_key(&(lane, partition)) {
                let next = place.next;
                self.fetched[lane.index()].push_back(Polled::Eof { lane, partition, next });
            }
        }
        if let Source::Direct(direct, _) = &mut self.source {
            direct.seek(&moves);
            self.places.extend(moves.into_iter().map(|(place, next)| (place, Place { next, ended: false })));
            return Ok(());
        }
        let deadline = Deadline::after(PATIENCE);
        while !moves.is_empty() {
            let failed = |error: &KafkaError| unreachable("seek to the committed positions", reason(error));
            let outcome = self
                .consumer
                .seek_partitions(self.listed(&moves), REQUEST)
                .map_err(|error| failed(&error))?;
            for element in outcome.elements() {
                let lane = Lane::ALL.into_iter().find(|lane| self.names.of(lane.topic()) == element.topic());
                let place = (lane.expect("we listed lanes only"), partition_of(element.partition()));
                match element.error() {
                    Ok(()) => {
                        let next = moves.remove(&place).expect("we listed it once");
                        self.places.insert(place, Place { next, ended: false });
                    }
                    // A partition that was assigned a moment ago has not started yet.
                    Err(error) if deadline.is_over() => return Err(failed(&error)),
                    Err(_) => {}
                }
            }
            if !moves.is_empty() {
                // Nor does one start that is about to go: the next poll says so.
                if self.is_called_back()? {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// The group's stable committed positions of these partitions, as far as it has any.
    pub(super) fn committed(
        &self,
        partitions: &BTreeSet<Partition>,
    ) -> Result<BTreeMap<(Lane, Partition), Option<u64>>, LogError> {
        let wanted = Lane::ALL.iter().flat_map(|&lane| partitions.iter().map(move |&p| ((lane, p), 0)));
        let wanted: Positions = wanted.collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        // Reading committed records only, the client asks for stable offsets: it waits for open transactions.
        let committed = Patience::Endless
            .deadline()
            .retry(|| self.consumer.committed_offsets(self.listed(&wanted), REQUEST))
            .map_err(|error| unreachable("read the group's committed positions", reason(&error)))?;
        let mut positions = BTreeMap::new();
        for &(lane, partition) in wanted.keys() {
            let element = committed
                .find_partition(self.names.of(lane.topic()), kafka_partition(partition))
                .expect("the answer lists what was asked for");
            element
                .error()
                .map_err(|error| unreachable("read the group's committed positions", reason(&error)))?;
            let next = match element.offset() {
                Offset::Offset(next) => Some(offset_of(next)),
                _ => None,
            };
            positions.insert((lane, partition), next);
        }
        Ok(positions)
    }

    /// Our partitions, until a revocation is completed.
    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        self.places.keys().map(|&(_, partition)| partition).collect()
    }

    /// What proves our membership of this generation; none when our partitions belong to somebody else already.
    pub(super) fn proof(&self) -> Option<ConsumerGroupMetadata> {
        // In this order: a membership that ended before the proof was taken is seen as lost.
        let proof = self.consumer.group_metadata().expect("a member has a group");
        (!self.consumer.assignment_lost()).then_some(proof)
    }

    /// Positions of the last assignment, and what proved our membership then, for whoever asks whether our name is ours.
    pub(super) fn last_known(&self) -> (TopicPartitionList, ConsumerGroupMetadata) {
        (self.listed(&self.taken_up), self.consumer.group_metadata().expect("a member has a group"))
    }

    /// Kafka's list of these positions.
    pub(super) fn listed(&self, positions: &Positions) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (&(lane, partition), &next) in positions {
            list.add_partition_offset(
                self.names.of(lane.topic()),
                kafka_partition(partition),
                Offset::Offset(kafka_offset(next)),
            )
            .expect("an offset that Kafka holds");
        }
        list
    }

    /// The topics of our lanes that nobody knows any more.
    fn gone(&self) -> Option<String> {
        let metadata = self.consumer.fetch_metadata(None, REQUEST).ok()?;
        let topics = Lane::ALL.map(|lane| self.names.of(lane.topic()));
        let gone: Vec<String> = topics
            .into_iter()
            .filter(|name| metadata.topics().iter().all(|topic| topic.name() != *name))
            .map(|name| format!("topic `{name}`"))
            .collect();
        (!gone.is_empty()).then(|| gone.join(", "))
    }

    /// What the client's error means: nothing that it does not repair itself, or the end of this worker.
    fn judge(&mut self, error: &KafkaError) -> Result<(), LogError> {
        let what = || format!("read as `{}`", self.name);
        let Some(code) = error.rdkafka_error_code() else {
            return Err(unreachable(what(), reason(error)));
        };
        match code {
            Code::FencedInstanceId => {
                self.displace();
                Ok(())
            }
            Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => {
                tracing::warn!(target: "kafka", member = self.name, "looking for our positions: {}", reason(error));
                if self.tenure == Tenure::Holding {
                    self.tenure = Tenure::Upset(Upset::Astray);
                }
                Ok(())
            }
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
                let gone = self.gone().unwrap_or_else(|| "a topic or partition".to_owned());
                Err(refused(what(), format!("{gone}: {GONE}")))
            }
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedVersion => Err(unreachable(what(), reason(error))),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(unreachable(what(), reason(error)))
            }
            // The client reconnects and joins again by itself, and has said so in its own words.
            _ => {
                tracing::debug!(target: "kafka", member = self.name, "{}", reason(error));
                Ok(())
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.forget();
    }
}

/// How long leaving the group may take.
const CLOSING: Duration = Duration::from_secs(10);

/// The client of a member. To close it is to ask the client's own thread to let go, and that does not answer when the
/// membership has ended meanwhile, for example because a topic is gone: it waits for ever (seen with 2.12.1). So it is
/// closed beside us, and given up when it lasts.
struct GroupClient(Option<BaseConsumer<MemberNotes>>);

impl Deref for GroupClient {
    type Target = BaseConsumer<MemberNotes>;

    fn deref(&self) -> &BaseConsumer<MemberNotes> {
        self.0.as_ref().expect("it is there until it is closed")
    }
}

impl Drop for GroupClient {
    fn drop(&mut self) {
        let Some(consumer) = self.0.take() else { return };
        consumer.context().close();
        let closed = Clerk::default().ask(CLOSING, move || {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(target: "kafka", "cannot let go of the partitions: {}", reason(&error));
            }
            drop(consumer);
        });
        if closed.is_none() {
            let after_s = CLOSING.as_secs();
            tracing::warn!(target: "kafka", "leaving the group takes more than {after_s} s: the client is given up");
        }
    }
}

/// The end of a partition was reached, unless it is one of before a seek or was told already.
fn ended(
    places: &mut BTreeMap<(Lane, Partition), Place>,
    fetched: &mut VecDeque<Polled>,
    at: (Lane, Partition),
    next: u64,
) {
    let Some(place) = places.get_mut(&at) else { return };
    if next > place.next || (next == place.next && !place.ended) {
        *place = Place { next, ended: true };
        let (lane, partition) = at;
        fetched.push_back(Polled::Eof { lane, partition, next });
    }
}

/// The batch that the next record of that partition goes to: the last one, if nothing else of it came since.
fn batch_of(fetched: &mut VecDeque<Polled>, wanted: Lane, partition: Partition) -> &mut RecordBatch {
    let last = fetched.iter().rposition(|polled| match polled {
        Polled::Records { partition: of, .. } | Polled::Eof { partition: of, .. } => *of == partition,
        _ => false,
    });
    let at = match last {
        Some(at) if matches!(fetched[at], Polled::Records { .. }) => at,
        _ => {
            fetched.push_back(Polled::Records { lane: wanted, partition, batch: RecordBatch::default() });
            fetched.len() - 1
        }
    };
    match &mut fetched[at] {
        Polled::Records { batch, .. } => batch,
        other => unreachable!("{other:?} is no batch"),
    }
}

pub(super) fn name_taken(name: &str) -> LogError {
    refused(
        format!("work as `{name}`"),
        "another member joined under the same name; give every worker its own name",
    )
}
