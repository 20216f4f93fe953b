//! `replay`: records in, outputs out, deterministic, no broker.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Out;
use super::{ConfigArgs, input};
use crate::edge::problem::{Exit, Failure, Problem};
use crate::engine::log::export;
use crate::engine::replay::{OutputRecord, Replay, ReplayLine};
use crate::model::Topic;

/// Tells recorded lines to the stations and prints every output record, in order; the same lines, the same output.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside replay day.ndjson\n  \
    dockside generate --scans 1000 | dockside replay --state -")]
pub(super) struct ReplayArgs {
    /// Prints the latest value per key of the compacted topics instead.
    #[arg(long)]
    state: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// Lines {"topic":"commands"|"scans"|"ticks","timestamp","key","value"}; `-` is stdin.
    #[arg(value_name = "FILE|-", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let mut replay = Replay::new(config.rules());
    let mut printer = Printer { out: Out::stdout(), latest: args.state.then(BTreeMap::new), written: Ok(()) };
    for file in &args.files {
        each_line(file, |line| {
            replay.tell(&line, &mut |record| printer.take(record));
            std::mem::replace(&mut printer.written, Ok(()))
        })
        .or_else(|failure| printer.out.flush().and(Err(failure)))?;
    }
    printer.finish()?;
    Ok(Exit::Ok)
}

/// Reads a file's lines; blank ones are passed over.
fn each_line(path: &Path, mut tell: impl FnMut(ReplayLine) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut reader = input::open(path)?;
    let mut bytes = Vec::new();
    let mut number = 0_u64;
    loop {
        bytes.clear();
        number += 1;
        if reader.read_until(b'\n', &mut bytes).map_err(|error| input::cannot_read(path, &error))? == 0 {
            return Ok(());
        }
        if let Some(line) = parse_line(&bytes).map_err(|why| bad_line(path, number, &why))? {
            tell(line)?;
        }
    }
}

/// Reads a line with its end; a blank one holds nothing.
pub(super) fn parse_line(bytes: &[u8]) -> Result<Option<ReplayLine>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is no UTF-8: {error}"))?.trim();
    if text.is_empty() { Ok(None) } else { ReplayLine::parse(text).map(Some) }
}

/// The failure of a line that is no record.
pub(super) fn bad_line(path: &Path, number: u64, why: &str) -> Failure {
    let problem = Problem::error("E0002", format!("line {number} of {}: {why}", path.display())).help(
        "a line is {\"topic\":\"commands\"|\"scans\"|\"ticks\",\"timestamp\":\"2026-11-05T09:12:00Z\",\
         \"key\":null,\"value\":{…}}",
    );
    Failure::new(Exit::Usage, problem)
}

/// Prints records as they come, or keeps the latest.
struct Printer {
    out: Out,
    latest: Option<BTreeMap<(&'static str, Vec<u8>), String>>,
    written: Result<(), Failure>,
}

impl Printer {
    fn take(&mut self, record: &OutputRecord) {
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().map(|(name, value)| (*name, &value[..])).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let line = || export::render(record.topic, key, value, &headers);
        match &mut self.latest {
            None if self.written.is_ok() => self.written = self.out.line(&line()),
            None => {}
            Some(latest) if Topic::COMPACTED.contains(&record.topic) => {
                let at = (record.topic.name(), key.unwrap_or_default().to_vec());
                match value {
                    Some(_) => drop(latest.insert(at, line())),
                    None => drop(latest.remove(&at)),
                }
            }
            Some(_) => {}
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        for line in self.latest.take().unwrap_or_default().values() {
            self.out.line(line)?;
        }
        self.out.flush()
    }
}
