//! The crew: one thread per worker over a log, and how to tell when they have nothing left to do.
//!
//! Enters: a [`Broker`] and the rules. Leaves: committed epochs, and in the end the counters of all partitions. Always true:
//! a worker that fails stops the crew; stopping closes the open epochs and writes images first.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::{self, Pace, elapsed_us};
use super::desk::{Desk, Question, Shown, Watched};
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
    desks: Vec<Arc<Desk>>,
    threads: Vec<JoinHandle<Result<Counters, LogError>>>,
}

impl Crew {
    /// Starts `workers` threads; worker `i` joins as `NAME-i`, all of them at a time. `observe` hears of every committed epoch.
    pub fn start<B>(
        broker: &B,
        rules: &Arc<Rules>,
        config: &WorkerConfig,
        name: &str,
        workers: u32,
        observe: &Observer,
    ) -> Result<Crew, LogError>
    where
        B: Broker + Sync,
        B::Member: Send + 'static,
    {
        // To join takes a while, and the machine has little to do meanwhile.
        let members: Vec<B::Member> = thread::scope(|scope| {
            let join = |number| scope.spawn(move || broker.join(&format!("{name}-{number}")));
            let joining: Vec<_> = (0..workers).map(join).collect();
            let joined = joining
                .into_iter()
                .map(|joining| joining.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect::<Result<_, LogError>>()
        })?;
        let leaving = Arc::new(Barrier::new(workers as usize));
        let mut crew = Crew { stop: Arc::new(AtomicBool::new(false)), desks: vec![], threads: vec![] };
        for (number, member) in members.into_iter().enumerate() {
            let (desk, asked) = Desk::new();
            let (desk, stop) = (Arc::new(desk), Arc::clone(&crew.stop));
            let watched = Watched::new(member, Arc::clone(&desk));
            let worker = Worker::new(watched, Arc::clone(rules), config.clone());
            let rules = Arc::clone(rules);
            let leaving = Arc::clone(&leaving);
            let observe = Arc::clone(observe);
            crew.desks.push(Arc::clone(&desk));
            let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let _guard = AbortOnPanic;
                let hands = Hands { desk: &desk, asked: &asked, rules: &rules, observe: &observe };
                work(worker, &hands, &stop, &leaving)
            });
            crew.threads.push(thread.map_err(|error| LogError {
                what: format!("starting worker {number}"),
                why: format!("{error}: set engine.workers lower"),
                refused: false,
            })?);
        }
        Ok(crew)
    }

    /// The workers' desks.
    pub fn desks(&self) -> &[Arc<Desk>] {
        &self.desks
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        let sum = |read: fn(&Desk) -> &AtomicU64| -> u64 {
            self.desks.iter().map(|desk| read(desk).load(Ordering::Relaxed)).sum()
        };
        let records = self.desks.iter().flat_map(|desk| &desk.lanes);
        Done {
            records: records.map(|lane| lane.load(Ordering::Relaxed)).sum(),
            outputs: sum(|desk| &desk.outputs),
            epochs: sum(|desk| &desk.epochs),
            undone: sum(|desk| &desk.undone),
            scans: sum(|desk| &desk.scans),
        }
    }

    /// Whether a worker has ended, which before [`Crew::stop`] means that it failed.
    pub fn has_failed(&self) -> bool {
        self.desks.iter().any(|desk| desk.ended.load(Ordering::Acquire))
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
            || -> Vec<u64> { self.desks.iter().map(|desk| desk.quiet.load(Ordering::Acquire)).collect() };
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
        self.desks.iter().map(|desk| desk.busy.load(Ordering::Acquire)).collect()
    }

    /// Whether the lanes were read and committed up to these ends.
    fn have_settled(&self, ends: &Positions) -> bool {
        let mut reached = Positions::new();
        self.desks.iter().for_each(|desk| reached.extend(desk.settled().iter()));
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

/// What a worker's thread works with, beside the worker.
struct Hands<'a> {
    desk: &'a Desk,
    asked: &'a Receiver<Question>,
    rules: &'a Rules,
    observe: &'a Observer,
}

fn work<L: Log>(
    mut worker: Worker<L>,
    hands: &Hands<'_>,
    stop: &AtomicBool,
    leaving: &Barrier,
) -> Result<Counters, LogError> {
    let turned = turn_until(&mut worker, hands, stop);
    hands.desk.ended.store(true, Ordering::Release);
    // A member that leaves hands its partitions to those that still poll, so nobody leaves before all have stopped.
    leaving.wait();
    let ended = turned.and_then(|()| {
        worker.close()?;
        Ok((worker.counters(), worker.shutdown()?))
    });
    leaving.wait();
    ended.map(|(counters, _member)| counters)
}

fn turn_until<L: Log>(worker: &mut Worker<L>, hands: &Hands<'_>, stop: &AtomicBool) -> Result<(), LogError> {
    let desk = hands.desk;
    let mut rebalances = 0;
    // Seen, or asked, while the last epoch is being committed.
    let (mut seen, mut asked) = (None, None);
    let mut pace = Pace::new(clock::now(), elapsed_us());
    while !stop.load(Ordering::Acquire) {
        let wall = clock::now();
        let now = pace.follow(wall, elapsed_us(), worker.newest());
        desk.clock_off_ms.store(wall.0.abs_diff(now.0), Ordering::Relaxed);
        // Who asks is answered between two epochs: then nothing is read until the last one is committed.
        let turn = if asked.is_none() { worker.turn(now)? } else { worker.wait_for_commit()? };
        let counted = desk.rebalances.load(Ordering::Acquire);
        let goes_on = std::mem::replace(&mut rebalances, counted) == counted;
        let idle_for_long = turn == Turn::Idle && worker.settled().is_some() && desk.is_stale();
        if matches!(turn, Turn::Committed(_)) || !goes_on || idle_for_long {
            let at_its_end = seen.take().filter(|_| goes_on);
            desk.show(at_its_end.unwrap_or_else(|| Shown::of(worker, hands.rules)), goes_on);
        }
        match turn {
            Turn::Sealed => {
                seen = Some(Shown::of(worker, hands.rules));
                asked = hands.asked.try_recv().ok();
                desk.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Worked => {
                desk.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Undone => {
                seen = None;
                desk.undone.fetch_add(1, Ordering::Relaxed);
                desk.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Committed(report) => {
                (hands.observe)(&report);
                desk.committed(&report);
                desk.busy.fetch_add(1, Ordering::Release);
            }
            Turn::Idle if worker.is_drained() => {
                if let Some(settled) = worker.settled() {
                    desk.settled().clone_from(settled);
                }
                desk.quiet.fetch_add(1, Ordering::Release);
            }
            Turn::Idle => {}
            // What was ours is not any more: the next poll says how to go on, or that somebody else has our name.
            Turn::Fenced => {
                seen = None;
                desk.undone.fetch_add(1, Ordering::Relaxed);
                desk.busy.fetch_add(1, Ordering::Release);
            }
        }
        // Between two epochs nothing uncommitted can show.
        if worker.settled().is_some() {
            desk.answer(worker, hands.rules, asked.take(), hands.asked);
        }
    }
    Ok(())
}
