//! Calls of the client that may never come back.
//!
//! Enters: a call, and how long to wait for it. Leaves: its answer, or nothing. Always true: calls run one after the other on
//! a thread of their own; one that was given up keeps what it works on alive for as long as it lasts, and nobody waits for it
//! again: the next call has a new thread.
//!
//! The client promises to keep its timeouts. It does not when a broker leaves its list while a request to it waits for an
//! answer: `rd_kafka_send_offsets_to_transaction` then waits for ever; nor when a membership ends while its consumer is closed:
//! `rd_kafka_assign` does then (both seen with 2.12.1).

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

type Call = Box<dyn FnOnce() + Send>;

/// A thread that makes calls.
#[derive(Debug, Default)]
pub(super) struct Clerk {
    /// None: it begins with the next call.
    calls: Option<SyncSender<Call>>,
}

impl Clerk {
    /// Has the call made, and does not wait: the answer comes when it is ready.
    pub(super) fn begin<T: Send + 'static>(
        &mut self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Receiver<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let calls = self.calls.get_or_insert_with(begun);
        calls.send(Box::new(move || drop(answer.send(call())))).expect("it takes calls until it is let go");
        answered
    }

    /// Has the call made; nothing if it lasts longer.
    pub(super) fn ask<T: Send + 'static>(
        &mut self,
        wait: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answered = self.begin(call);
        match answered.recv_timeout(wait) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => {
                self.calls = None;
                None
            }
            Err(RecvTimeoutError::Disconnected) => panic!("a call of the Kafka client panicked"),
        }
    }
}

fn begun() -> SyncSender<Call> {
    let (calls, asked) = mpsc::sync_channel::<Call>(1);
    let thread = std::thread::Builder::new().name("kafka-calls".to_owned());
    thread.spawn(move || asked.iter().for_each(|call| call())).expect("a thread begins or the process ends");
    calls
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::edge::process::locked;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn calls_are_answered_in_order_by_one_thread() {
        let mut clerk = Clerk::default();
        let threads: Vec<_> =
            (0..3).map(|_| clerk.ask(LONG, || std::thread::current().id()).expect("an answer")).collect();
        assert!(threads.iter().all(|thread| *thread == threads[0]));
        assert_ne!(threads[0], std::thread::current().id());
    }

    #[test]
    fn a_call_that_lasts_is_given_up_and_keeps_what_it_has() {
        let mut clerk = Clerk::default();
        let (go_on, told) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(0));
        let in_call = Arc::clone(&held);
        let given_up = clerk.ask(Duration::ZERO, move || {
            let _ = told.recv();
            *locked(&in_call) = 1;
        });
        assert_eq!(given_up, None);
        assert_eq!(Arc::strong_count(&held), 2, "the call has it");
        assert_eq!(clerk.ask(LONG, || 7), Some(7), "the next one does not wait for it");
        drop(go_on);
        while Arc::strong_count(&held) > 1 {
            std::thread::yield_now();
        }
        assert_eq!(*locked(&held), 1, "it came to its end");
    }
}
