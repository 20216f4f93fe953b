//! The crew: one thread per worker over a log, and how to tell when they have nothing left to do.
//!
//! Enters: a [`Broker`] and the rules. Leaves: committed epochs, and in the end the counters of all partitions. Always true:
//! a worker that fails stops the crew; stopping closes the open epochs and writes images first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock;
use crate::engine::log::{Broker, Log, LogError, Positions};
use crate::engine::worker::{EpochReport, Turn, Worker, WorkerConfig};
use crate::stations::{Counters, Rules};

/// What the crew has done so far, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Records of all lanes that were read in committed epochs.
    pub records: u64,
    /// Records that were written.
    pub outputs: u64,
    /// Committed epochs.
    pub epochs: u64,
    /// Epochs that were taken back.
    pub undone: u64,
    /// Scans of the partitions held now, as their states count them.
    pub scans: u64,
}

/// What a worker shows while it works.
#[derive(Debug, Default)]
struct Gauge {
    records: AtomicU64,
    outputs: AtomicU64,
    epochs: AtomicU64,
    undone: AtomicU64,
    scans: AtomicU64,
    /// Turns that did something.
    busy: AtomicU64,
    /// Turns that found every lane drained.
    quiet: AtomicU64,
    /// Up to where the lanes were read and committed, as of the last quiet turn.
    settled: Mutex<Positions>,
    ended: AtomicBool,
}

impl Gauge {
    fn settled(&self) -> MutexGuard<'_, Positions> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears of committed epochs, on the worker's thread.
pub type Observer = Arc<dyn Fn(&EpochReport) + Send + Sync>;

/// An observer that does not listen.
pub fn nobody() -> Observer {
    Arc::new(|_| {})
}

/// Worker threads.
#[derive(Debug)]
pub struct Crew {
    stop: Arc<AtomicBool>,
    gauges: Vec<Arc<Gauge>>,
    threads: Vec<JoinHandle<Result<Counters, LogError>>>,
}

impl Crew {
    /// Starts `workers` threads; worker `i` joins as `NAME-i`. `observe` hears of every committed epoch.
    pub fn start<B>(
        broker: &B,
        rules: &Arc<Rules>,
        config: &WorkerConfig,
        name: &str,
        workers: u32,
        observe: &Observer,
    ) -> Result<Crew, LogError>
    where
        B: Broker,
        B::Member: Send + 'static,
    {
        let leaving = Arc::new(Barrier::new(workers as usize));
        let mut crew = Crew { stop: Arc::new(AtomicBool::new(false)), gauges: vec![], threads: vec![] };
        for number in 0..workers {
            let member = broker.join(&format!("{name}-{number}"))?;
            let worker = Worker::new(member, Arc::clone(rules), config.clone());
            let (gauge, stop) = (Arc::new(Gauge::default()), Arc::clone(&crew.stop));
            let leaving = Arc::clone(&leaving);
            let observe = Arc::clone(observe);
            crew.gauges.push(Arc::clone(&gauge));
            let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let _guard = AbortOnPanic;
                work(worker, &gauge, &stop, &leaving, &observe)
            });
            crew.threads.push(thread.map_err(|error| LogError {
                what: format!("starting worker {number}"),
                why: format!("{error}: set engine.workers lower"),
                refused: false,
            })?);
        }
        Ok(crew)
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        let sum = |read: fn(&Gauge) -> &AtomicU64| {
            self.gauges.iter().map(|gauge| read(gauge).load(Ordering::Relaxed)).sum()
        };
        Done {
            records: sum(|gauge| &gauge.records),
            outputs: sum(|gauge| &gauge.outputs),
            epochs: sum(|gauge| &gauge.epochs),
            undone: sum(|gauge| &gauge.undone),
            scans: sum(|gauge| &gauge.scans),
        }
    }

    /// Whether a worker has ended, which before [`Crew::stop`] means that it failed.
    pub fn has_failed(&self) -> bool {
        self.gauges.iter().any(|gauge| gauge.ended.load(Ordering::Acquire))
    }

    /// Waits until every record is read, every due timer has fired, and what came of it is committed. False: it gave
    /// up, because a worker failed or `cancelled` says so.
    pub fn wait_until_drained<B: Broker>(
        &self,
        broker: &B,
        patience: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<bool, LogError> {
        while !self.has_failed() && !cancelled() {
            // Between two looks at idle workers nothing can be on its way: what they wrote is before these ends.
            if let Some(busy) = self.quiet_since(patience)
                && self.have_settled(&broker.ends()?)
                && self.busy() == busy
            {
                return Ok(true);
            }
            thread::sleep(patience);
        }
        Ok(false)
    }

    /// Waits until each worker has looked around once more and found nothing to do; how busy they had been by then, or
    /// none if one found something.
    fn quiet_since(&self, patience: Duration) -> Option<Vec<u64>> {
        let quiet =
            || -> Vec<u64> { self.gauges.iter().map(|gauge| gauge.quiet.load(Ordering::Acquire)).collect() };
        let (busy, before) = (self.busy(), quiet());
        loop {
            let now = quiet();
            if self.has_failed() || self.busy() != busy {
                return None;
            }
            // The first quiet turn may have begun before the last append; the second has not.
            if now.iter().zip(&before).all(|(now, before)| *now >= before + 2) {
                return Some(busy);
            }
            thread::sleep(patience);
        }
    }

    fn busy(&self) -> Vec<u64> {
        self.gauges.iter().map(|gauge| gauge.busy.load(Ordering::Acquire)).collect()
    }

    /// Whether the lanes were read and committed up to these ends.
    fn have_settled(&self, ends: &Positions) -> bool {
        let mut reached = Positions::new();
        self.gauges.iter().for_each(|gauge| reached.extend(gauge.settled().iter()));
        ends.iter().all(|(place, end)| reached.get(place).is_some_and(|reached| reached >= end))
    }

    /// Lets every worker close its epoch, write its images and leave; the counters of all partitions, or why one failed.
    pub fn stop(self) -> Result<Counters, LogError> {
        self.stop.store(true, Ordering::Release);
        let mut sum = Counters::default();
        let mut failure = None;
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(counters)) => sum.add(&counters),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        failure.map_or(Ok(sum), Err)
    }
}

/// A broken invariant ends the process: what was not committed is read again by the next one.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

fn work<L: Log>(
    mut worker: Worker<L>,
    gauge: &Gauge,
    stop: &AtomicBool,
    leaving: &Barrier,
    observe: &Observer,
) -> Result<Counters, LogError> {
    let turned = turn_until(&mut worker, gauge, stop, observe);
    gauge.ended.store(true, Ordering::Release);
    // A member that leaves hands its partitions to those that still poll, so nobody leaves before all have stopped.
    leaving.wait();
    let ended = turned.and_then(|()| {
        worker.close()?;
        Ok((worker.counters(), worker.shutdown()?))
    });
    leaving.wait();
    ended.map(|(counters, _member)| counters)
}

fn turn_until<L: Log>(
    worker: &mut Worker<L>,
    gauge: &Gauge,
    stop: &AtomicBool,
    observe: &Observer,
) -> Result<(), LogError> {
    while !stop.load(Ordering::Acquire) {
        match worker.turn(clock::now())? {
            Turn::Worked => {
                gauge.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Undone => {
                gauge.undone.fetch_add(1, Ordering::Relaxed);
                gauge.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Committed(report) => {
                observe(&report);
                gauge.records.fetch_add(report.records as u64, Ordering::Relaxed);
                gauge.outputs.fetch_add(report.outputs as u64, Ordering::Relaxed);
                gauge.epochs.fetch_add(1, Ordering::Relaxed);
                gauge.scans.store(worker.counters().read, Ordering::Relaxed);
                gauge.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Idle if worker.is_drained() => {
                if let Some(settled) = worker.settled() {
                    gauge.settled().clone_from(settled);
                }
                gauge.quiet.fetch_add(1, Ordering::Release);
            }
            Turn::Idle => {}
            Turn::Fenced => {
                return Err(LogError {
                    what: "going on as a member of the group".to_owned(),
                    why: "another process has the same name: give each its own (kafka.instance)".to_owned(),
                    refused: true,
                });
            }
        }
    }
    Ok(())
}
