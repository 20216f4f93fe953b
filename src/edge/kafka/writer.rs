//! The transactional producer of a worker.
//!
//! Enters: the outputs of an epoch, with positions and the proof of membership. Leaves: what became of them. Always
//! true:
//! - a transaction begins and ends inside one call; after anything but plain success this producer is never used again;
//! - there is no abort: a new producer of the same name ends what the old one left open, and fences its late requests;
//! - a call that does not come back in time is given up with its producer, and the transaction is in doubt;
//! - every delivery was confirmed before the commit is asked for;
//! - no transaction begins while an end of an older one of the same producer may be on its way: a coordinator that gets it
//!   late would end the new one with it (KAFKA-17754). After a commit that was slow, or that the client had trouble with,
//!   the producer is replaced, which fences whatever it sent.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::util::Timeout;

use super::clerk::Clerk;
use super::clients::ProducerNotes;
use super::config::KafkaConfig;
use super::names::{TopicNames, kafka_partition, reason, refused, unreachable};
use super::patience::{Budget, Deadline, Patience};
use super::signs::Signs;
use crate::engine::log::{LogError, OutRecord, Outbox};
use crate::model::Topic;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Committed.
    Done,
    /// Unknown, or failed: only the committed positions tell.
    InDoubt,
    /// A younger producer has our name.
    NameTaken,
    /// The group does not take us for the owner any more.
    NotMember,
}

pub(super) struct Writer {
    config: ClientConfig,
    names: TopicNames,
    timeout: Duration,
    patience: Patience,
    rotates: bool,
    /// Numbers in the outbox and offsets of the state records of the last transaction.
    offsets: Vec<(usize, u64)>,
    /// None: it was given up, and a new one starts with the next transaction.
    producer: Option<TheProducer>,
    /// The one before, after a commit with trouble: it writes nothing any more, and can still be asked whether the name is
    /// ours.
    retired: Option<TheProducer>,
    clerk: Clerk,
    /// A call was given up, and nobody has asked yet whether that may be.
    is_stuck: bool,
    /// How many more may be given up.
    given_up: Budget,
    signs: Option<Arc<Signs>>,
    /// The producer was there before anything was in doubt: whoever took the name since then has fenced it.
    is_of_old: bool,
}

type TheProducer = Arc<BaseProducer<ProducerNotes>>;

/// Where a transaction ends up for the group: the positions, and the proof of membership.
pub(super) type Claim = (TopicPartitionList, ConsumerGroupMetadata);

/// How much longer than its own timeout a call of the client may take.
const GRACE: Duration = Duration::from_secs(5);

/// A commit that takes longer may have been asked for twice.
const SLOW: Duration = Duration::from_secs(1);

/// The first thing that went wrong in a transaction.
struct Failure {
    step: &'static str,
    code: Option<Code>,
    why: String,
}

impl Failure {
    fn of(step: &'static str) -> impl Fn(KafkaError) -> Failure {
        move |error| {
            let code = match &error {
                KafkaError::Transaction(error) => Some(error.code()),
                other => other.rdkafka_error_code(),
            };
            Failure { step, code, why: reason(&error) }
        }
    }
}

impl Writer {
    /// A producer of that name. It ends what an older one left open, and fences it.
    pub(super) fn open(config: &KafkaConfig, name: &str) -> Result<Writer, LogError> {
        let (names, rotates) = (config.names(), config.rotates_producers);
        let config = config.transactional_producer(name);
        let timeout = config.get("transaction.timeout.ms").and_then(|ms| ms.parse().ok());
        let timeout = Duration::from_millis(timeout.expect("the transaction has a timeout"));
        let (patience, offsets) = (Patience::Limited, Vec::new());
        let mut writer = Writer {
            config,
            names,
            timeout,
            patience,
            rotates,
            offsets,
            producer: None,
            retired: None,
            clerk: Clerk::default(),
            is_stuck: false,
            given_up: Budget::default(),
            signs: None,
            is_of_old: false,
        };
        writer.reopen()?;
        writer.is_of_old = true;
        Ok(writer)
    }

    /// The same, for a worker: waits until the brokers are back, however long they are away.
    pub(super) fn waiting(self, signs: &Arc<Signs>) -> Writer {
        Writer { patience: Patience::Endless, signs: Some(Arc::clone(signs)), ..self }
    }

    /// Replaces the producer by a new one of the same name: no transaction of that name is open afterwards.
    pub(super) fn reopen(&mut self) -> Result<(), LogError> {
        (self.producer, self.retired, self.is_of_old) = (None, None, false);
        let name = self.config.get("transactional.id").unwrap_or("?").to_owned();
        let failed = |error: KafkaError| unreachable(format!("start the producer `{name}`"), reason(&error));
        loop {
            if std::mem::take(&mut self.is_stuck) && !self.given_up.spend(1) {
                let why =
                    "calls of the Kafka client do not come back, again and again; start the process anew";
                return Err(unreachable(format!("start the producer `{name}`"), why));
            }
            let producer: BaseProducer<ProducerNotes> =
                self.config.create_with_context(ProducerNotes::default()).map_err(failed)?;
            let producer = Arc::new(producer);
            let (timeout, deadline) = (self.timeout, self.patience.deadline());
            let is_ready = deadline
                .retry(|| {
                    let outcome = self.call("begin", &producer, move |it| it.init_transactions(timeout));
                    producer.poll(Duration::ZERO);
                    outcome.map_or(Ok(false), |outcome| outcome.map(|()| true))
                })
                .map_err(failed)?;
            if is_ready {
                self.producer = Some(producer);
                return Ok(());
            }
        }
    }

    /// Has the producer do something that it may never come back from: then nothing.
    fn call<T: Send + 'static>(
        &mut self,
        step: &'static str,
        producer: &TheProducer,
        call: impl FnOnce(&BaseProducer<ProducerNotes>) -> T + Send + 'static,
    ) -> Option<T> {
        let on = Arc::clone(producer);
        let answer = self.clerk.ask(self.timeout + GRACE, move || call(&on));
        if answer.is_none() {
            tracing::warn!(target: "kafka", step, "a call of the client does not come back; its producer is given up");
            self.is_stuck = true;
            if let Some(signs) = &self.signs {
                signs.abandon();
            }
        }
        answer
    }

    /// The same, as a step of a transaction.
    fn step<T: Send + 'static>(
        &mut self,
        step: &'static str,
        producer: &TheProducer,
        call: impl FnOnce(&BaseProducer<ProducerNotes>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, Failure> {
        let answer = self.call(step, producer, call);
        let lost = || Failure { step, code: None, why: "the client's call did not come back".to_owned() };
        answer.ok_or_else(lost)?.map_err(Failure::of(step))
    }

    /// Where the state records of the last committed transaction are: their numbers in its outbox, and offsets.
    pub(super) fn state_offsets(&self) -> &[(usize, u64)] {
        &self.offsets
    }

    /// Writes all of it in one transaction, or nothing.
    pub(super) fn write(&mut self, outputs: &Outbox, claim: Option<Claim>) -> Result<Written, LogError> {
        if self.producer.is_none() {
            self.reopen()?;
        }
        let producer = self.producer.take().expect("it was just opened");
        let deadline = Deadline::after(self.timeout);
        match self.transact(&producer, outputs, claim, deadline) {
            Ok(()) => {
                self.is_of_old = true;
                self.offsets = producer.context().take_offsets();
                self.offsets.sort_unstable();
                match producer.context().take_suspicion() {
                    Some(why) if self.rotates => {
                        tracing::warn!(target: "kafka", "the producer is replaced after a commit with trouble: {why}");
                        self.retired = Some(producer);
                    }
                    _ => self.producer = Some(producer),
                }
                Ok(Written::Done)
            }
            Err(failure) => failure.judge(deadline),
        }
    }

    /// Whether nothing was in doubt since the last commit, or since the beginning.
    pub(super) fn is_of_old(&self) -> bool {
        self.is_of_old
    }

    /// Whether the name is still ours, as the coordinator of our transactions sees it; none: there is no telling. The
    /// producer is given up for the answer: its transaction, which nobody commits, ends with the next [`Writer::reopen`].
    pub(super) fn has_its_name(&mut self, (positions, proof): Claim) -> Option<bool> {
        let producer = self.producer.take().or_else(|| self.retired.take());
        let producer = producer.filter(|_| self.is_of_old && positions.count() > 0)?;
        let timeout = self.timeout;
        let answer = self.step("ask for our name", &producer, move |producer| {
            producer.begin_transaction()?;
            producer.send_offsets_to_transaction(&positions, &proof, timeout)
        });
        let Err(Failure { code, why, .. }) = answer else { return Some(true) };
        tracing::debug!(target: "kafka", "asked whether the name is ours: {why}");
        // The coordinator takes the positions in before the group judges them.
        if is_taken(code) { Some(false) } else { is_out(code).then_some(true) }
    }

    fn transact(
        &mut self,
        producer: &TheProducer,
        outputs: &Outbox,
        claim: Option<Claim>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        producer.begin_transaction().map_err(Failure::of("begin"))?;
        producer.context().take_offsets();
        for (number, record) in outputs.iter().enumerate() {
            self.send(producer, &record, number, deadline)?;
        }
        if let Some((positions, proof)) = claim {
            let timeout = self.timeout;
            self.step("write the positions", producer, move |producer| {
                producer.send_offsets_to_transaction(&positions, &proof, timeout)
            })?;
        }
        // The client's own flush would wait in slices of 100 ms.
        while producer.in_flight_count() > 0 {
            serve(producer);
            if let Some(code) = producer.context().take_failure() {
                return Err(self.undelivered(producer, code));
            }
            if deadline.is_over() {
                let why = "the transaction's time is over".to_owned();
                return Err(Failure { step: "deliver", code: None, why });
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        if let Some(code) = producer.context().take_failure() {
            return Err(self.undelivered(producer, code));
        }
        let slow = Deadline::after(SLOW);
        self.step("commit", producer, |producer| producer.commit_transaction(Timeout::Never))?;
        if slow.is_over() {
            producer.context().suspect("it took more than a second");
        }
        serve(producer);
        Ok(())
    }

    /// Why a record was not delivered. The client throws away what waits when a step that it takes by itself fails (taking a
    /// topic into the transaction), and tells why only to who asks for the end. That is safe: the client ends no transaction
    /// that has lost a record.
    fn undelivered(&mut self, producer: &TheProducer, code: Code) -> Failure {
        let step = "deliver";
        if matches!(code, Code::PurgeQueue | Code::PurgeInflight) {
            let timeout = self.timeout;
            if let Err(failure) = self.step(step, producer, move |it| it.commit_transaction(timeout)) {
                return failure;
            }
        }
        Failure { step, code: Some(code), why: code.to_string() }
    }

    /// Hands one record to the client; when its queue is full, waits until there is room.
    fn send(
        &self,
        producer: &BaseProducer<ProducerNotes>,
        record: &OutRecord<'_>,
        number: usize,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut waiting = kafka_record(record, number, self.names.of(record.topic));
        loop {
            match producer.send(waiting) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) if !deadline.is_over() => {
                    producer.poll(Duration::from_millis(1));
                    waiting = back;
                }
                Err((error, _)) => return Err(Failure::of("write a record")(error)),
            }
        }
    }
}

/// Lets the client tell what it has to: deliveries, errors, log lines. One call serves one of them, and there is no telling
/// how many wait; a transaction brings about thirty.
fn serve(producer: &BaseProducer<ProducerNotes>) {
    for _ in 0..32 {
        producer.poll(Duration::ZERO);
    }
}

impl Failure {
    /// The single way on from here: nobody guesses whether it was committed.
    fn judge(self, deadline: Deadline) -> Result<Written, LogError> {
        let Failure { step, code, why } = self;
        tracing::warn!(target: "kafka", step, "transaction failed: {why}");
        let what = || format!("commit an epoch ({step})");
        match code {
            // The group says "fenced" also to a member that it gave up: which of both it was, the next poll tells.
            code if is_out(code) => Ok(Written::NotMember),
            // The coordinator says the same to a transaction that took too long, which is only ours to resolve.
            code if is_taken(code) && !deadline.is_over() => Ok(Written::NameTaken),
            Some(
                Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::InvalidTimestamp,
            ) => Err(refused(what(), format!("{why}: the topic does not take what must be written"))),
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::UnsupportedVersion
                | Code::UnsupportedFeature,
            ) => Err(unreachable(what(), why)),
            _ => Ok(Written::InDoubt),
        }
    }
}

/// A younger producer has the name.
fn is_taken(code: Option<Code>) -> bool {
    matches!(code, Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch))
}

/// The group does not take us for a member, at least not of this generation.
fn is_out(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::FencedInstanceId
        )
    )
}

/// A record as Kafka takes it. Kafka reads 0 as "now" and knows nothing before 1970, so that the first millisecond
/// stands for all of these.
fn kafka_record<'a>(
    record: &OutRecord<'a>,
    number: usize,
    topic: &'a str,
) -> BaseRecord<'a, [u8], [u8], usize> {
    let mut headers: Option<OwnedHeaders> = None;
    for (key, value) in record.headers() {
        headers = Some(headers.unwrap_or_default().insert(Header { key, value: Some(value) }));
    }
    BaseRecord {
        topic,
        partition: Some(kafka_partition(record.partition)),
        payload: record.value,
        key: record.key,
        timestamp: Some(record.timestamp.0.max(1)),
        headers,
        delivery_opaque: if record.topic == Topic::State { number + 1 } else { 0 },
    }
}
