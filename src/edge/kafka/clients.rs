//! What the clients tell us while they are polled: log lines, errors, rebalances, deliveries.
//!
//! Enters: callbacks. Leaves: notes that the worker reads afterwards. Always true: a callback only takes a note (and
//! lets go when the member is closing); nothing in here blocks.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;

use super::names::offset_of;
use super::valve::Valve;
use crate::edge::clock::elapsed_us;
use crate::edge::process::locked;
use crate::edge::secret::hidden;

/// Waiting for any of many queues.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    ringing: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *locked(&self.rung) = true;
        self.ringing.notify_one();
    }

    /// Forgets what rang so far; call it before looking at the queues.
    pub(super) fn silence(&self) {
        *locked(&self.rung) = false;
    }

    /// Returns when it rings, or has rung since the last silence, or after `wait`.
    pub(super) fn wait(&self, wait: Duration) {
        let rung = locked(&self.rung);
        drop(
            self.ringing
                .wait_timeout_while(rung, wait, |rung| !*rung)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Log lines and errors of every client go to the program's own log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, why: &str) {
        log_error(&error, why);
    }
}

impl ConsumerContext for Quiet {}

static VALVE: Mutex<Valve> = Mutex::new(Valve::new());

/// The line without secrets, if it is not one of many; with how many there were.
fn heard(line: &str) -> Option<String> {
    let line = hidden(line);
    match locked(&VALVE).admit(&line, elapsed_us())? {
        0 => Some(line.into_owned()),
        times => Some(format!("{line} (and {times} times before)")),
    }
}

/// A warning of our own about brokers, without its repetitions.
pub(super) fn tell(line: &str) {
    if let Some(line) = heard(line) {
        tracing::warn!(target: "kafka", "{line}");
    }
}

pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    // What failed comes as an error, too, and there without the repetitions.
    if facility == "FAIL" || matches!(level, RDKafkaLogLevel::Debug) {
        tracing::debug!(target: "kafka", facility, "{}", hidden(line));
        return;
    }
    let Some(line) = heard(line) else { return };
    if matches!(level, RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info) {
        tracing::info!(target: "kafka", facility, "{line}");
    } else {
        tracing::warn!(target: "kafka", facility, "{line}");
    }
}

fn log_error(error: &KafkaError, why: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tell(why);
    }
}

/// What happened to the membership, in order. Every one but an error must be answered by (un)assigning.
#[derive(Clone, Debug)]
pub(super) enum Rebalanced {
    Assign(Vec<(String, i32)>),
    Revoke { lost: bool },
    Failed(RDKafkaErrorCode),
}

/// The notes of a group's member.
#[derive(Debug, Default)]
pub(super) struct MemberNotes {
    rebalanced: Mutex<VecDeque<Rebalanced>>,
    closing: AtomicBool,
}

impl MemberNotes {
    pub(super) fn next(&self) -> Option<Rebalanced> {
        locked(&self.rebalanced).pop_front()
    }

    /// Whether a revocation waits to be answered.
    pub(super) fn is_called_back(&self) -> bool {
        locked(&self.rebalanced).iter().any(|note| matches!(note, Rebalanced::Revoke { .. }))
    }

    /// From now on every rebalance is answered at once by letting go.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for MemberNotes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, why: &str) {
        log_error(&error, why);
    }
}

impl ConsumerContext for MemberNotes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Acquire) {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(target: "kafka", "cannot let go while closing: {error}");
            }
            return;
        }
        let note = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalanced::Assign(
                partitions.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect(),
            ),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                Rebalanced::Revoke { lost: consumer.assignment_lost() }
            }
            other => Rebalanced::Failed(other.into()),
        };
        locked(&self.rebalanced).push_back(note);
    }
}

/// The notes of a producer: the first delivery that failed, and the first sign that a request of it may still be on its
/// way.
#[derive(Debug, Default)]
pub(super) struct ProducerNotes {
    failed: Mutex<Option<RDKafkaErrorCode>>,
    suspicion: Mutex<Option<String>>,
    offsets: Mutex<Vec<(usize, u64)>>,
}

impl ProducerNotes {
    /// The numbers and offsets of the delivered records whose offsets were wanted, since the last call.
    pub(super) fn take_offsets(&self) -> Vec<(usize, u64)> {
        std::mem::take(&mut locked(&self.offsets))
    }

    /// The first failure since the last call.
    pub(super) fn take_failure(&self) -> Option<RDKafkaErrorCode> {
        locked(&self.failed).take()
    }

    /// The first suspicion since the last call.
    pub(super) fn take_suspicion(&self) -> Option<String> {
        locked(&self.suspicion).take()
    }

    /// The next transaction needs a new producer.
    pub(super) fn suspect(&self, why: &str) {
        locked(&self.suspicion).get_or_insert_with(|| hidden(why).into_owned());
    }
}

impl ClientContext for ProducerNotes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if is_repeated_end(facility, line) {
            self.suspect(line);
        }
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, why: &str) {
        if error.rdkafka_error_code().is_some_and(leaves_requests_behind) {
            self.suspect(why);
        }
        log_error(&error, why);
    }
}

/// Whether a log line says that the end of a transaction was answered with an error: the client asks again, and tells
/// nobody.
fn is_repeated_end(facility: &str, line: &str) -> bool {
    facility == "ENDTXN" && line.contains("EndTxn returned") && !line.contains("NO_ERROR")
}

/// Whether requests may be on their way that the client has given up.
fn leaves_requests_behind(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::MessageTimedOut
    )
}

impl ProducerContext for ProducerNotes {
    /// One more than the record's number in its outbox if its offset is wanted, else 0.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, wanted: usize) {
        match result {
            Err((error, _)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                locked(&self.failed).get_or_insert(code);
            }
            Ok(message) if wanted > 0 => {
                locked(&self.offsets).push((wanted - 1, offset_of(message.offset())));
            }
            Ok(_) => {}
        }
    }
}

/// Waits on this thread for an answer that another thread of the client brings.
pub(super) fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_was_asked_for_twice_is_suspicious() {
        let (suspect, fine) = (true, false);
        for (facility, line, wanted) in [
            ("ENDTXN", "EndTxn returned NO_ERROR in state CommittingTransaction (may_retry=false)", fine),
            ("ENDTXN", "EndTxn returned _TIMED_OUT in state CommittingTransaction (may_retry=true)", suspect),
            ("ENDTXN", "EndTxn returned _TRANSPORT in state CommittingTransaction (may_retry=true)", suspect),
            ("TXNSTATE", "Transaction state change InTransaction -> BeginCommit", fine),
        ] {
            let notes = ProducerNotes::default();
            notes.log(RDKafkaLogLevel::Debug, facility, &format!("[thrd:main]: {line}"));
            assert_eq!(notes.take_suspicion().is_some(), wanted, "{line}");
            assert_eq!(notes.take_suspicion(), None, "told once");
        }
        for (code, wanted) in [
            (RDKafkaErrorCode::BrokerTransportFailure, suspect),
            (RDKafkaErrorCode::OperationTimedOut, suspect),
            (RDKafkaErrorCode::TopicAuthorizationFailed, fine),
        ] {
            let notes = ProducerNotes::default();
            notes.error(KafkaError::Global(code), "why");
            assert_eq!(notes.take_suspicion().is_some(), wanted, "{code}");
        }
    }
}
