//! The transactional producer of a worker.
//!
//! Enters: the outputs of an epoch, with positions and the proof of membership. Leaves: what became of them. Always
//! true:
//! - a transaction begins and ends inside one call; after anything but plain success this producer is never used again;
//! - there is no abort: a new producer of the same name ends what the old one left open, and fences its late requests;
//! - every delivery was confirmed before the commit is asked for;
//! - no transaction begins while an end of an older one of the same producer may be on its way: a coordinator that gets it
//!   late would end the new one with it (KAFKA-17754). After a commit that was slow, or that the client had trouble with,
//!   the producer is replaced, which fences whatever it sent.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::util::Timeout;

use super::clients::ProducerNotes;
use super::config::KafkaConfig;
use super::names::{TopicNames, kafka_partition, reason, refused, unreachable};
use super::patience::{Deadline, Patience};
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
    producer: Option<BaseProducer<ProducerNotes>>,
    /// The producer was there before anything was in doubt: whoever took the name since then has fenced it.
    is_of_old: bool,
}

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
        let mut writer =
            Writer { config, names, timeout, patience, rotates, offsets, producer: None, is_of_old: false };
        writer.reopen()?;
        writer.is_of_old = true;
        Ok(writer)
    }

    /// The same, for a worker: waits until the brokers are back, however long they are away.
    pub(super) fn waiting(self) -> Writer {
        Writer { patience: Patience::Endless, ..self }
    }

    /// Replaces the producer by a new one of the same name: no transaction of that name is open afterwards.
    pub(super) fn reopen(&mut self) -> Result<(), LogError> {
        (self.producer, self.is_of_old) = (None, false);
        let what = || format!("start the producer `{}`", self.config.get("transactional.id").unwrap_or("?"));
        let failed = |error: KafkaError| unreachable(what(), reason(&error));
        let producer: BaseProducer<ProducerNotes> =
            self.config.create_with_context(ProducerNotes::default()).map_err(failed)?;
        self.patience
            .deadline()
            .retry(|| {
                let outcome = producer.init_transactions(self.timeout);
                producer.poll(Duration::ZERO);
                outcome
            })
            .map_err(failed)?;
        self.producer = Some(producer);
        Ok(())
    }

    /// Where the state records of the last committed transaction are: their numbers in its outbox, and offsets.
    pub(super) fn state_offsets(&self) -> &[(usize, u64)] {
        &self.offsets
    }

    /// Writes all of it in one transaction, or nothing.
    pub(super) fn write(
        &mut self,
        outputs: &Outbox,
        positions: Option<(&TopicPartitionList, &ConsumerGroupMetadata)>,
    ) -> Result<Written, LogError> {
        if self.producer.is_none() {
            self.reopen()?;
        }
        let producer = self.producer.take().expect("it was just opened");
        let deadline = Deadline::after(self.timeout);
        match self.transact(&producer, outputs, positions, deadline) {
            Ok(()) => {
                self.is_of_old = true;
                self.offsets = producer.context().take_offsets();
                self.offsets.sort_unstable();
                match producer.context().take_suspicion() {
                    Some(why) if self.rotates => {
                        tracing::warn!(target: "kafka", "the producer is replaced after a commit with trouble: {why}");
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
    pub(super) fn has_its_name(
        &mut self,
        (positions, proof): (&TopicPartitionList, &ConsumerGroupMetadata),
    ) -> Option<bool> {
        let producer = self.producer.take().filter(|_| self.is_of_old && positions.count() > 0)?;
        let answer = producer
            .begin_transaction()
            .and_then(|()| producer.send_offsets_to_transaction(positions, proof, self.timeout))
            .map_err(Failure::of("ask for our name"));
        let Err(Failure { code, why, .. }) = answer else { return Some(true) };
        tracing::debug!(target: "kafka", "asked whether the name is ours: {why}");
        // The coordinator takes the positions in before the group judges them.
        if is_taken(code) { Some(false) } else { is_out(code).then_some(true) }
    }

    fn transact(
        &self,
        producer: &BaseProducer<ProducerNotes>,
        outputs: &Outbox,
        positions: Option<(&TopicPartitionList, &ConsumerGroupMetadata)>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        producer.begin_transaction().map_err(Failure::of("begin"))?;
        producer.context().take_offsets();
        for (number, record) in outputs.iter().enumerate() {
            self.send(producer, &record, number, deadline)?;
        }
        if let Some((positions, proof)) = positions {
            producer
                .send_offsets_to_transaction(positions, proof, self.timeout)
                .map_err(Failure::of("write the positions"))?;
        }
        // The client's own flush would wait in slices of 100 ms.
        while producer.in_flight_count() > 0 {
            serve(producer);
            if let Some(code) = producer.context().take_failure() {
                return Err(Failure { step: "deliver", code: Some(code), why: code.to_string() });
            }
            if deadline.is_over() {
                let why = "the transaction's time is over".to_owned();
                return Err(Failure { step: "deliver", code: None, why });
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        if let Some(code) = producer.context().take_failure() {
            return Err(Failure { step: "deliver", code: Some(code), why: code.to_string() });
        }
        let slow = Deadline::after(SLOW);
        producer.commit_transaction(Timeout::Never).map_err(Failure::of("commit"))?;
        if slow.is_over() {
            producer.context().suspect("it took more than a second");
        }
        serve(producer);
        Ok(())
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
