//! Deadlines of the edge: how long we wait for a broker.
//!
//! Enters: a span, or the will to wait out any outage. Leaves: whether it is over. Always true: whoever looks from outside
//! gives up in time; a worker does not, since giving up would not bring the broker back, and says so while it waits. What
//! waiting cannot change (a refusal, a missing right) ends both at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::names::reason;
use crate::engine::log::LogError;

/// One request.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// A request with its repetitions, before the worker gives up. Longer than a transaction of a worker that is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries of a request, at first and at the most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Pauses between tries, each twice as long as the one before, up to the longest.
#[derive(Debug)]
pub(super) struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    pub(super) const fn between((first, longest): (Duration, Duration)) -> Pauses {
        Pauses { first, longest, next: first }
    }

    /// The next pause.
    pub(super) fn take(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// Begins with the first again.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Pauses {
    /// Of requests.
    fn default() -> Pauses {
        Pauses::between(PAUSE)
    }
}

/// How often somebody who waits says so.
const REMIND: Duration = Duration::from_secs(10);

/// How long requests are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// For [`PATIENCE`].
    Limited,
    /// Until the broker is back.
    Endless,
}

impl Patience {
    /// Beginning now.
    pub(super) fn deadline(self) -> Deadline {
        match self {
            Patience::Limited => Deadline::after(PATIENCE),
            Patience::Endless => Deadline(None),
        }
    }

    /// What took [`PATIENCE`] and may still come: the end, or as much time again.
    pub(super) fn renewed(self, error: LogError) -> Result<Deadline, LogError> {
        match self {
            Patience::Limited => Err(error),
            Patience::Endless => {
                tracing::warn!(target: "kafka", "still waiting: {error}");
                Ok(Deadline::after(PATIENCE))
            }
        }
    }
}

/// How often in a while something may be done that would be harm if done for ever.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The last few, the oldest first.
    spent: VecDeque<Instant>,
}

impl Budget {
    /// In any [`Budget::WHILE`].
    const TIMES: usize = 12;
    const WHILE: Duration = Duration::from_secs(600);

    /// Spends so much, if there is anything left.
    #[expect(clippy::disallowed_methods, reason = "the edge lives in real time")]
    pub(super) fn spend(&mut self, times: usize) -> bool {
        let now = Instant::now();
        self.spent.retain(|at| now.saturating_duration_since(*at) < Budget::WHILE);
        let is_left = self.spent.len() < Budget::TIMES;
        if is_left {
            self.spent.extend(std::iter::repeat_n(now, times));
        }
        is_left
    }
}

/// An instant after which waiting ends, if it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "the edge waits for a broker in real time")]
    pub(super) fn after(span: Duration) -> Deadline {
        Deadline(Some(Instant::now() + span))
    }

    #[expect(clippy::disallowed_methods, reason = "the edge waits for a broker in real time")]
    pub(super) fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Repeats a request while repeating may help and there is time.
    pub(super) fn retry<T>(
        self,
        mut request: impl FnMut() -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let mut pauses = Pauses::default();
        let mut reminder = Deadline::after(REMIND);
        let mut unknown = None;
        loop {
            match request() {
                Err(error) if may_pass(&error) && !self.is_over() => {
                    // Brokers come back; a topic that they do not know after so long is gone.
                    if !is_unknown(&error) {
                        unknown = None;
                    } else if unknown.get_or_insert_with(|| Deadline::after(PATIENCE)).is_over() {
                        return Err(error);
                    }
                    if reminder.is_over() {
                        tracing::warn!(target: "kafka", "still waiting for the brokers: {}", reason(&error));
                        reminder = Deadline::after(REMIND);
                    } else {
                        tracing::debug!(target: "kafka", "again: {}", reason(&error));
                    }
                    std::thread::sleep(pauses.take().min(self.left()));
                }
                outcome => return outcome,
            }
        }
    }
}

/// Whether the client, or the broker that it asked, does not know of that topic or partition.
pub(super) fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::UnknownPartition | Code::UnknownTopic | Code::UnknownTopicOrPartition))
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
                | Code::DestroyBroker
                | Code::FencedLeaderEpoch
                | Code::KafkaStorageError
                | Code::LeaderNotAvailable
                | Code::NetworkException
                | Code::NotCoordinator
                | Code::NotLeaderForPartition
                | Code::OffsetNotAvailable
                | Code::OperationTimedOut
                | Code::Partial
                | Code::PreferredLeaderNotAvailable
                | Code::ReplicaNotAvailable
                | Code::RequestTimedOut
                | Code::Resolve
                | Code::TimedOutQueue
                | Code::UnknownLeaderEpoch
                | Code::UnstableOffsetCommit
                | Code::WaitCache
                | Code::WaitingForCoordinator
        )
    ) || is_unknown(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut pauses = Pauses::default();
        let mut taken = || (0..7).map(|_| pauses.take().as_millis()).collect::<Vec<_>>();
        assert_eq!(taken(), [50, 100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(taken()[0], 1_000);
        pauses.reset();
        assert_eq!(pauses.take().as_millis(), 50);
    }

    #[test]
    fn a_budget_ends() {
        let mut budget = Budget::default();
        let spent = [1, 2, 2, 2, 5, 2, 1].map(|times| budget.spend(times));
        assert_eq!(spent, [true, true, true, true, true, false, false]);
    }
}
