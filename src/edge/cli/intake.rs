//! The intake of `run --local`: replay lines on their way into the log, read by a thread of their own.
//!
//! Always true: how far the input was read is committed in one step with what was read, so that the next run goes on
//! there; an input is known by its path and its first line, so that another one starts at its beginning.

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
use crate::model::stable_hash;

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
}

/// What the reading thread found.
#[derive(Debug)]
enum Haul {
    /// Records, and the input's position behind them.
    Batch(Feeder, u64),
    Failed(Failure),
}

impl Intake {
    /// Opens the input where the last run stopped, and starts to read.
    pub(super) fn open(path: &Path, log: &Local) -> Result<Intake, Failure> {
        let mut reader = input::open(path)?;
        let mut first = Vec::new();
        reader.read_until(b'\n', &mut first).map_err(|error| input::cannot_read(path, &error))?;
        let mark = format!("input:{}:{:016x}", path.display(), stable_hash(&[&first]));
        let done = log.mark(&mark).map_err(|error| log_failure(&error))?.unwrap_or(0);
        let mut lines =
            Lines { path: path.to_path_buf(), reader, first, at: 0, number: 0, partitions: log.partitions() };
        if done > 0 {
            tell(&format!("going on at byte {done} of {}", path.display()));
            lines.skip_to(done)?;
        }
        let (sender, batches) = sync_channel(BATCHES_MAX);
        std::thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || lines.send(&sender))
            .map_err(|error| input::cannot_read(path, &error))?;
        Ok(Intake { batches, mark, has_ended: false })
    }

    /// Whether everything was appended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Appends what was read, if anything comes within `patience`.
    pub(super) fn append_some(&mut self, log: &Local, patience: Duration) -> Result<(), Failure> {
        if log.lag().map_err(|error| log_failure(&error))? > LAG_MAX {
            std::thread::sleep(patience);
            return Ok(());
        }
        match self.batches.recv_timeout(patience) {
            Ok(Haul::Batch(feeder, at)) => {
                log.append_marked(feeder.outbox(), &self.mark, at).map_err(|error| log_failure(&error))
            }
            Ok(Haul::Failed(failure)) => Err(failure),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                self.has_ended = true;
                Ok(())
            }
        }
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
            let outcome = self.fill(&mut feeder);
            if !feeder.outbox().is_empty() && to.send(Haul::Batch(feeder, self.at)).is_err() {
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

    /// Collects lines until there are enough or none is waiting. False: the input has ended.
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
