//! B12: how much the state log writes beside its deltas, and what an idle worker costs.
//!
//! Enters: a real world through a worker in memory; then nothing at all through one on a directory. Leaves: bytes of state
//! for each byte of delta, and the CPU time of a worker that waits. Always true: bytes are counted at the commit, so that
//! trimming hides none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::measure::{cpu_seconds, figure, machine, timed};
use super::{Bar, Budget, Line, Options};
use crate::edge::crew::{Crew, nobody};
use crate::edge::process::locked;
use crate::engine::log::{Broker, Committed, Durability, Epoch, Local, Log, LogError, LogLayer, Sim};
use crate::engine::state::{StateKind, read_record};
use crate::engine::worker::WorkerConfig;
use crate::model::Topic;
use crate::stations::Rules;
use crate::workload::{Feed, Lone, WorldConfig};

const WRITTEN: Bar = Bar::at_most(Budget::B12, "state bytes for each delta byte", 2.0, "x");
const IDLE: Bar = Bar::at_most(Budget::B12, "CPU of an idle worker", 1.0, "%");

pub(super) fn lines(options: &Options) -> Result<Vec<Line>, LogError> {
    Ok(vec![written(options), idle(options)?])
}

fn written(options: &Options) -> Line {
    let feed = Feed::new(WorldConfig::new(options.seed, options.sizes.scans));
    let log = Sim::new(1);
    let bytes = Arc::new(Mutex::new(StateBytes::default()));
    let member =
        Counted { log: log.join("worker").expect("the log is in memory"), bytes: Arc::clone(&bytes) };
    let mut lone = Lone::over(log, member);
    for records in feed.appends() {
        lone.append(records);
        lone.drain();
    }
    lone.assert_complete(&feed);
    let StateBytes { deltas, images } = *locked(&bytes);
    let detail = json!({
        "delta_bytes": deltas,
        "image_bytes": images,
        "delta_bytes_per_scan": super::measure::rounded(figure(deltas) / figure(feed.scans)),
        "scans": feed.scans,
        "world": "real",
    });
    WRITTEN.measured(figure(deltas + images) / figure(deltas.max(1)), detail)
}

/// Bytes of the state log, by kind of record.
#[derive(Clone, Copy, Debug, Default)]
struct StateBytes {
    deltas: u64,
    images: u64,
}

/// A worker's log whose commits are counted.
struct Counted<L> {
    log: L,
    bytes: Arc<Mutex<StateBytes>>,
}

impl<L: Log> LogLayer for Counted<L> {
    type Beneath = L;

    fn beneath(&self) -> &L {
        &self.log
    }

    fn beneath_mut(&mut self) -> &mut L {
        &mut self.log
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        let mut bytes = locked(&self.bytes);
        for record in epoch.outputs.iter().filter(|record| record.topic == Topic::State) {
            let value = record.value.unwrap_or_default();
            let header =
                read_record(value).map(|record| record.header).expect("a worker writes what it can read");
            match header.kind {
                StateKind::Delta => bytes.deltas += value.len() as u64,
                StateKind::Image { .. } => bytes.images += value.len() as u64,
            }
        }
        drop(bytes);
        self.log.commit(epoch)
    }
}

/// Time that a worker gets to take up its partitions before it counts as idle.
const SETTLING: Duration = Duration::from_millis(500);

fn idle(options: &Options) -> Result<Line, LogError> {
    if cpu_seconds().is_none() {
        return Ok(IDLE.missing("a system that tells the CPU time of a process (/proc)"));
    }
    let home = tempfile::Builder::new().prefix("dockside-bench-").tempdir().map_err(|error| LogError {
        what: "making a temporary directory".to_owned(),
        why: error.to_string(),
        refused: false,
    })?;
    let (log, _) = Local::open(home.path(), 4, Durability::Process)?;
    let rules = Arc::new(Rules::embedded());
    let crew = Crew::start(&log, &rules, &WorkerConfig::default(), "bench", 1, &nobody())?;
    std::thread::sleep(SETTLING);
    let before = cpu_seconds().expect("looked at above");
    let ((), took) = timed(|| std::thread::sleep(Duration::from_secs(options.sizes.idle_s)));
    let used = cpu_seconds().expect("looked at above") - before;
    crew.stop()?;
    let detail = json!({
        "seconds": took,
        "cpu_seconds": used,
        "partitions": 4,
        "clock": "wall, a tick every second",
        "log": "a directory",
        "machine": machine(),
    });
    Ok(IDLE.measured(used / took * 100.0, detail))
}
