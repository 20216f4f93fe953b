//! Drives workers over the in-memory log, phase by phase, on one thread.
//!
//! Always true: a phase begins only when every lane is drained; within a phase the order, the grouping and (if told so) the
//! repetition of its records are the packing's, drawn from its seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockside::engine::digest::Latest;
use dockside::engine::log::{Broker, Outbox};
use dockside::engine::log::{Faults, Sim, SimMember};
use dockside::engine::worker::{Turn, Worker, WorkerConfig};
use dockside::model::{CarrierId, Partition, Settings, Timestamp, Topic, partition_of};
use dockside::stations::{ClockSource, Counters, Feed, Rules};
use dockside::workload::{Messages, World};

use crate::twin::{Input, InputTopic};

/// One message of a phase.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) topic: Topic,
    pub(crate) timestamp: Timestamp,
    pub(crate) partition: u32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// A world, phase by phase, each with the tick that closes it.
#[derive(Clone, Debug)]
pub(crate) struct Phases(pub(crate) Vec<(Vec<Written>, Timestamp)>);

impl Phases {
    pub(crate) fn of(mut world: World) -> Phases {
        let mut phases = Vec::new();
        let mut messages = Messages::default();
        while let Some(phase) = world.next_phase(&mut messages) {
            let written = messages.iter().map(|message| Written {
                topic: message.topic,
                timestamp: message.timestamp,
                partition: message.partition,
                key: message.key.map(<[u8]>::to_vec),
                value: message.value.to_vec(),
            });
            phases.push((written.collect(), phase.tick));
            messages.clear();
        }
        Phases(phases)
    }

    /// The same as the twin takes it.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (messages, tick) in &self.0 {
            inputs.extend(messages.iter().map(|message| Input {
                topic: if message.topic == Topic::Scans { InputTopic::Scans } else { InputTopic::Commands },
                timestamp: message.timestamp,
                value: message.value.clone(),
            }));
            inputs.push(Input { topic: InputTopic::Tick, timestamp: *tick, value: Vec::new() });
        }
        inputs
    }
}

/// How a world's records are written and read.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    pub(crate) seed: u64,
    pub(crate) partitions: u32,
    pub(crate) workers: u32,
    pub(crate) epoch_records_max: usize,
    pub(crate) poll_records_max: usize,
    /// Some scans are written twice.
    pub(crate) repeat: bool,
}

/// splitmix64.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// From 0 on and below `most`, which itself may be 0.
    pub(super) fn up_to(&mut self, most: i64) -> i64 {
        let bound = usize::try_from(most.max(1)).expect("64-bit");
        i64::try_from(self.below(bound)).expect("below the bound")
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).expect("64-bit") % bound
    }
}

impl Packing {
    pub(crate) fn random(seed: u64, partitions: u32) -> Packing {
        let mut dice = Dice(seed ^ u64::from(partitions) << 40);
        Packing {
            seed,
            partitions,
            workers: if partitions == 1 { 1 } else { 1 + u32::try_from(dice.below(3)).expect("small") },
            epoch_records_max: 1 + dice.below(200),
            poll_records_max: 1 + dice.below(100),
            repeat: dice.below(3) == 0,
        }
    }
}

/// A tick for every partition.
pub(crate) fn tick_outbox(tick: Timestamp, partitions: u32) -> Outbox {
    let mut outbox = Outbox::default();
    for partition in 0..partitions {
        let value = br#"{"type":"tick"}"#;
        outbox.push(Topic::Commands, Partition(partition), tick, None, Some(value), &[]);
    }
    outbox
}

struct Cluster {
    log: Sim,
    rules: Arc<Rules>,
    config: WorkerConfig,
    workers: Vec<Worker<SimMember>>,
    now: Timestamp,
}

impl Cluster {
    fn join(&self, number: usize) -> Worker<SimMember> {
        let member = self.log.join(&format!("worker-{number}")).expect("the log is in memory");
        Worker::new(member, Arc::clone(&self.rules), self.config.clone())
    }

    fn write(&self, outbox: &Outbox) {
        self.log.append(outbox).expect("the log is in memory");
    }

    /// Turns until every lane is drained and nobody has anything left to do.
    fn drain(&mut self, dice: &mut Dice, crashes: bool, watch: &mut dyn FnMut(&Sim)) {
        let mut quiet = 0;
        for turn in 0.. {
            assert!(turn < 200_000, "the lanes never drain: lag {:?}", self.log.lag());
            let number = turn % self.workers.len();
            if crashes && dice.below(400) == 0 {
                self.workers.remove(number);
                self.workers.insert(number, self.join(number));
            }
            self.now = self.now.plus_ms(1);
            match self.workers[number].turn(self.now).expect("faults of the log are not errors") {
                Turn::Idle => quiet += 1,
                Turn::Fenced => {
                    // Who lost its partitions only goes on; whose name is taken begins anew.
                    if self.workers[number].turn(self.now).is_err() {
                        self.workers.remove(number);
                        self.workers.insert(number, self.join(number));
                    }
                    quiet = 0;
                }
                Turn::Committed(_) => {
                    watch(&self.log);
                    quiet = 0;
                }
                Turn::Worked | Turn::Sealed | Turn::Undone => quiet = 0,
            }
            if quiet >= 2 * self.workers.len() && self.log.lag().expect("in memory") == 0 {
                return;
            }
        }
    }
}

/// Runs the world under the usual settings.
#[cfg(feature = "edge")]
pub(crate) fn run(phases: &Phases, packing: &Packing, faults: Faults) -> (Latest, Counters) {
    run_under(super::settings(), phases, packing, faults)
}

/// Runs the world and returns the latest documents and the books.
pub(crate) fn run_under(
    settings: Settings,
    phases: &Phases,
    packing: &Packing,
    faults: Faults,
) -> (Latest, Counters) {
    let ran = run_watched(settings, phases, packing, faults, &mut |_| {});
    (ran.latest, ran.counters)
}

/// What a run leaves.
pub(crate) struct Ran {
    pub(crate) latest: Latest,
    pub(crate) counters: Counters,
    /// The log, with all that was written.
    pub(crate) log: Sim,
    /// R24: how many carriers' feeds are silent at the end.
    pub(crate) silent_feeds: usize,
}

/// Runs the world; `watch` sees the log after each commit.
pub(crate) fn run_watched(
    settings: Settings,
    phases: &Phases,
    packing: &Packing,
    faults: Faults,
    watch: &mut dyn FnMut(&Sim),
) -> Ran {
    let mut dice = Dice(packing.seed.wrapping_mul(31) ^ 7);
    let log = Sim::with_faults(packing.partitions, packing.seed, faults);
    let config = WorkerConfig {
        clock: ClockSource::Input,
        epoch_records_max: packing.epoch_records_max,
        poll_records_max: packing.poll_records_max,
        close_when_drained: true,
        // Small worlds: images of a few slices come all the time.
        image_run_bytes: 4_000,
        secret: packing.seed,
        ..WorkerConfig::default()
    };
    let rules = Arc::new(Rules { settings, ..Rules::embedded() });
    let mut cluster = Cluster { log, rules, config, workers: Vec::new(), now: Timestamp(0) };
    for number in 0..packing.workers as usize {
        cluster.workers.push(cluster.join(number));
    }
    let crashes = faults != Faults::default();
    for (messages, tick) in &phases.0 {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        if packing.repeat {
            for (at, message) in messages.iter().enumerate() {
                if message.topic == Topic::Scans && dice.below(10) == 0 {
                    order.push(at);
                }
            }
        }
        for last in (1..order.len()).rev() {
            order.swap(last, dice.below(last + 1));
        }
        let mut outbox = Outbox::default();
        for at in order {
            let message = &messages[at];
            let partition = match &message.key {
                Some(key) => partition_of(key, packing.partitions),
                None => message.partition % packing.partitions,
            };
            outbox.push(
                message.topic,
                Partition(partition),
                message.timestamp,
                message.key.as_deref(),
                Some(&message.value),
                &[],
            );
        }
        if !outbox.is_empty() {
            cluster.write(&outbox);
            cluster.drain(&mut dice, crashes, watch);
        }
        cluster.write(&tick_outbox(*tick, packing.partitions));
        cluster.drain(&mut dice, crashes, watch);
    }
    // The books are with the owners: each partition has exactly one again, once everybody has heard of it.
    cluster.log.set_faults(Faults::default());
    let owned =
        |cluster: &Cluster| cluster.workers.iter().map(|worker| worker.stations().count()).sum::<usize>();
    while owned(&cluster) != packing.partitions as usize {
        cluster.drain(&mut dice, false, watch);
    }
    let mut latest = Latest::default();
    for topic in Topic::COMPACTED {
        for partition in 0..packing.partitions {
            let read = cluster.log.read(topic, Partition(partition), 0, usize::MAX, &mut |record| {
                let key = std::str::from_utf8(record.key.expect("documents have keys")).expect("UTF-8");
                latest.feed(topic, key, record.value);
            });
            read.expect("the log is in memory");
        }
    }
    let mut counters = Counters::default();
    cluster.workers.iter().for_each(|worker| counters.add(&worker.counters()));
    let repairs: u64 = cluster.workers.iter().map(Worker::repairs).sum();
    assert_eq!(repairs, 0, "a log whose epochs are atomic needs no repair");
    let silent_feeds = silent_feeds(&cluster);
    Ran { latest, counters, log: cluster.log, silent_feeds }
}

/// R24, as the console sees it: the partitions' views of each feed, put together.
fn silent_feeds(cluster: &Cluster) -> usize {
    let mut feeds: BTreeMap<CarrierId, Feed> = BTreeMap::new();
    let mut now = Timestamp::MAX;
    for (_, stations) in cluster.workers.iter().flat_map(Worker::stations) {
        now = now.min(stations.reached(&cluster.rules));
        for (carrier, feed) in stations.feeds() {
            feeds.entry(carrier).or_default().add(feed);
        }
    }
    feeds.values().filter(|feed| feed.silent_since(&cluster.rules.settings, now).is_some()).count()
}
