//! Deadlines of the edge: how long we wait for a broker.
//!
//! Enters: a span. Leaves: whether it is over. Always true: nothing waits for ever.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// One request.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// A request with its repetitions, before the worker gives up. Longer than a transaction of a worker that is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// An instant after which waiting ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "the edge waits for a broker in real time")]
    pub(super) fn after(span: Duration) -> Deadline {
        Deadline(Instant::now() + span)
    }

    #[expect(clippy::disallowed_methods, reason = "the edge waits for a broker in real time")]
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Repeats a request while repeating may help and there is time.
    pub(super) fn retry<T>(
        self,
        mut request: impl FnMut() -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        loop {
            match request() {
                Err(error) if may_pass(&error) && !self.is_over() => {
                    tracing::debug!(target: "kafka", "again: {error}");
                    std::thread::sleep(Duration::from_millis(50));
                }
                outcome => return outcome,
            }
        }
    }
}

/// Whether the same request may succeed later.
fn may_pass(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    if let KafkaError::Transaction(error) = error {
        return error.is_retriable();
    }
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerNotAvailable
                | Code::BrokerTransportFailure
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::LeaderNotAvailable
                | Code::NetworkException
                | Code::NotCoordinator
                | Code::NotLeaderForPartition
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::Resolve
                | Code::UnstableOffsetCommit
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::WaitingForCoordinator
        )
    )
}
