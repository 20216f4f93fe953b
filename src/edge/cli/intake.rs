//! The intake of `run --local`: replay lines on their way into the log, read by a thread of their own.
//!
//! Always true: how far the input was read is committed in one step with what was read, so that the next run goes on
//! there; an input is known by its path and its first line, so that another one starts at its beginning. Where time passes by
//! ticks of the input, a tick goes out when all before it is done, and what follows it when the tick is: so that a run that
//! was killed and one that was not come to the same.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::output::tell;
use super::replay::{bad_line, parse_line};
use super::{input, log_failure};
use crate::edge::feeder::Feeder;
use crate::edge::problem::{Exit, Failure, Problem};
use crate::engine::log::{Broker, Local};
use crate::engine::replay::ReplayTopic;
use crate::model::{Timestamp, stable_hash};

/// Batches that wait for the log.
const BATCHES_MAX: usize = 4;
/// While so many records wait for the workers, nothing is appended.
const LAG_MAX: u64 = 500_000;

/// The log's end of the intake.
#[derive(Debug)]
pub(super) struct Intake {
    batches: Receiver<Haul>,
    mark: String,
    has_ended: bool,
    /// Whether ticks come from the input, so that phases wait for each other.
    in_phases: bool,
    /// Nothing may go out before all that is there is done.
    must_wait: bool,
    /// A batch that waits for that.
    held: Option<Batch>,
}

/// Records on their way into the log.
#[derive(Debug)]
struct Batch {
    feeder: Feeder,
    /// The input's position behind them.
    at: u64,
    /// Whether it is a tick, alone.
    is_tick: bool,
}

/// What the reading thread found.
#[derive(Debug)]
enum Haul {
    Batch(Batch),
    Failed(Failure),
}

impl Intake {
    /// Opens the input where the last run stopped, and starts to read.
    pub(super) fn open(path: &Path, log: &Local, in_phases: bool) -> Result<Intake, Failure> {
        let mut reader = input::open(path)?;
        let mut first = Vec::new();
        reader.read_until(b'\n', &mut first).map_err(|error| input::cannot_read(path, &error))?;
        let mark = format!("input:{}:{:016x}", path.display(), stable_hash(&[&first]));
        let done = log.mark(&mark).map_err(|error| log_failure(&error))?.unwrap_or(0);
        let mut lines = Lines {
            path: path.to_path_buf(),
            reader,
            first,
            at: 0,
            number: 0,
            partitions: log.partitions(),
            tick: None,
        };
        if done > 0 {
            tell(&format!("going on at byte {done} of {}", path.display()));
            lines.skip_to(done)?;
        }
        let (sender, batches) = sync_channel(BATCHES_MAX);
        std::thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || lines.send(&sender))
            .map_err(|error| input::cannot_read(path, &error))?;
        Ok(Intake { batches, mark, has_ended: false, in_phases, must_wait: in_phases, held: None })
    }

    /// Whether everything was appended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Appends what was read, if anything comes within `patience`. `drain` waits until all lanes are drained; false: it gave up.
    pub(super) fn append_some(
        &mut self,
        log: &Local,
        patience: Duration,
        drain: &dyn Fn() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        if log.lag().map_err(|error| log_failure(&error))? > LAG_MAX {
            std::thread::sleep(patience);
            return Ok(());
        }
        let batch = match self.held.take() {
            Some(batch) => batch,
            None => match self.batches.recv_timeout(patience) {
                Ok(Haul::Batch(batch)) => batch,
                Ok(Haul::Failed(failure)) => return Err(failure),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.has_ended = true;
                    return Ok(());
                }
            },
        };
        if self.in_phases && (self.must_wait || batch.is_tick) && !drain()? {
            self.held = Some(batch);
            return Ok(());
        }
        self.must_wait = self.in_phases && batch.is_tick;
        log.append_marked(batch.feeder.outbox(), &self.mark, batch.at).map_err(|error| log_failure(&error))
    }
}

/// The reading end.
struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    /// The first line, until it is used.
    first: Vec<u8>,
    at: u64,
    number: u64,
    partitions: u32,
    /// A tick that was read and comes next, with its length.
    tick: Option<(Timestamp, u64)>,
}

impl Lines {
    /// Reads over what an earlier run has appended, and counts its lines.
    fn skip_to(&mut self, position: u64) -> Result<(), Failure> {
        self.at = std::mem::take(&mut self.first).len() as u64;
        self.number = 1;
        let mut skipped = (&mut self.reader).take(position.saturating_sub(self.at));
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = skipped.read(&mut buffer).map_err(|error| input::cannot_read(&self.path, &error))?;
            if read == 0 {
                break;
            }
            self.at += read as u64;
            self.number += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
        }
        if self.at == position {
            return Ok(());
        }
        let name = self.path.display();
        let at = self.at;
        let what = format!(
            "{name} ends at byte {at}, and {position} were read from it before: it was cut off or is another file"
        );
        let problem = Problem::error("E0402", what).help("give the whole input, or start in a new directory");
        Err(Failure::new(Exit::Refused, problem))
    }

    /// Sends batches until the input ends or nobody wants them.
    fn send(mut self, to: &SyncSender<Haul>) {
        loop {
            let mut feeder = Feeder::default();
            let tick = self.tick.take();
            let outcome = match tick {
                Some((at, bytes)) => {
                    feeder.tick(at, self.partitions);
                    self.at += bytes;
                    Ok(true)
                }
                None => self.fill(&mut feeder),
            };
            let batch = Batch { feeder, at: self.at, is_tick: tick.is_some() };
            if !batch.feeder.outbox().is_empty() && to.send(Haul::Batch(batch)).is_err() {
                return;
            }
            match outcome {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    // Nobody is left to be told when the other end is gone.
                    let _ = to.send(Haul::Failed(failure));
                    return;
                }
            }
        }
    }

    /// Collects lines until there are enough, a tick comes, or none is waiting. False: the input has ended.
    fn fill(&mut self, feeder: &mut Feeder) -> Result<bool, Failure> {
        loop {
            let mut bytes = std::mem::take(&mut self.first);
            if bytes.is_empty() {
                let read = self.reader.read_until(b'\n', &mut bytes);
                read.map_err(|error| input::cannot_read(&self.path, &error))?;
            }
            if bytes.is_empty() {
                return Ok(false);
            }
            self.number += 1;
            match parse_line(&bytes) {
                Ok(Some(line)) if line.topic == ReplayTopic::Ticks => {
                    self.tick = Some((line.timestamp, bytes.len() as u64));
                    return Ok(true);
                }
                Ok(Some(line)) => feeder.line(&line, self.partitions),
                Ok(None) => {}
                Err(why) => return Err(bad_line(&self.path, self.number, &why)),
            }
            self.at += bytes.len() as u64;
            if feeder.is_full() || self.reader.buffer().is_empty() {
                return Ok(true);
            }
        }
    }
}
