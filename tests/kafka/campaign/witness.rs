//! Somebody who reads what is committed, and notices when it stops for long.
//!
//! Enters: the committed records of `state`, of which each epoch writes at least one per partition. Leaves: how many, and
//! the longest pause of a partition. A pause also counts what the feed took its time for: it is a bound, not a measure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::plain;

pub(super) struct Witness {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Seen {
    records: u64,
    /// Per partition, when its last record came.
    last: Vec<Instant>,
    longest: Duration,
}

#[expect(clippy::disallowed_methods, reason = "figures are times of the wall")]
pub(super) fn now() -> Instant {
    Instant::now()
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness {
    pub(super) fn start(servers: &str, state: &str, partitions: u32) -> Witness {
        let consumer: BaseConsumer = plain::client(servers)
            .set("group.id", "witness")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("a consumer");
        let mut all = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).expect("few") {
            all.add_partition_offset(state, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&all).expect("an assignment by hand");
        let last = vec![now(); partitions as usize];
        let seen = Arc::new(Mutex::new(Seen { records: 0, last, longest: Duration::ZERO }));
        let over = Arc::new(AtomicBool::new(false));
        let thread = {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Ordering::Acquire) {
                    // The client goes on by itself after an error.
                    let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                    let partition = usize::try_from(message.partition()).expect("from 0");
                    let (mut seen, now) = (locked(&seen), now());
                    let pause = now - std::mem::replace(&mut seen.last[partition], now);
                    seen.longest = seen.longest.max(pause);
                    seen.records += 1;
                }
            })
        };
        Witness { seen, over, thread: Some(thread) }
    }

    /// Committed records so far.
    pub(super) fn records(&self) -> u64 {
        locked(&self.seen).records
    }

    /// The longest pause since the last call, those that still last included; begins anew.
    pub(super) fn take_longest(&self) -> Duration {
        let (mut seen, now) = (locked(&self.seen), now());
        let lasting = seen.last.iter().map(|last| now - *last).max().unwrap_or_default();
        seen.last.fill(now);
        std::mem::take(&mut seen.longest).max(lasting)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
