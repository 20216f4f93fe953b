//! B7, and the peer of B11: the same on Kafka Streams, which is a Java program beside this one.
//!
//! Enters: the directory `benches/peers` of a checkout, whose scripts build the peer and run it. Leaves: what they measured.
//! Always true: CPU and time are each program's own, broker excluded; both came to the same box transitions, or the script
//! failed.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::super::measure::{figure, machine, rounded};
use super::super::{Bar, Budget, Line, Options};
use super::PARTITIONS;
use super::restart::failed;
use crate::engine::log::LogError;

const SCAN_STATION: Bar = Bar::at_least(Budget::B7, "scan station, against Kafka Streams", 20.0, "x");
const WHOLE_JOB: Bar = Bar::at_least(Budget::B7, "whole job, against Kafka Streams", 20.0, "x");

pub(super) const NO_PEERS: &str = "the peers of a checkout, Java 17 and Maven: --peers benches/peers";

/// Scans of a box, about.
const SCANS_EACH: u64 = 14;

pub(super) fn cpu_per_scan(options: &Options) -> Result<Vec<Line>, LogError> {
    let Some(peers) = &options.peers else {
        return Ok([SCAN_STATION, WHOLE_JOB].map(|bar| bar.missing(NO_PEERS)).into());
    };
    let scans = options.sizes.kafka_scans;
    let boxes = (scans / SCANS_EACH).max(1);
    let figures = tempfile::NamedTempFile::new().map_err(|error| failed("making a temporary file", error))?;
    let mut script = Command::new(peers.join("run.sh"));
    script
        .args(["--only", "dockside,streams-memory,station,streams-station"])
        .args(["--scans", &scans.to_string(), "--boxes", &boxes.to_string()])
        .args(["--seed", &options.seed.to_string(), "--figures"])
        .arg(figures.path());
    run(&mut script)?;
    let told = std::fs::read_to_string(figures.path()).map_err(|error| failed("reading figures", error))?;
    let compared = |bar: Bar, names: [&str; 2], are: [&str; 2]| {
        let [ours, theirs] = [Figures::of(&told, names[0])?, Figures::of(&told, names[1])?];
        let detail = json!({
            "dockside_scans_per_cpu_s": (figure(scans) / ours.cpu_s).round(),
            "streams_scans_per_cpu_s": (figure(scans) / theirs.cpu_s).round(),
            "dockside": ours.json(),
            "streams": theirs.json(),
            "scans": scans,
            "boxes": boxes,
            "ours_is": are[0],
            "theirs_is": are[1],
            "machine": machine(),
        });
        Ok(bar.measured(theirs.cpu_s / ours.cpu_s, detail))
    };
    let station = [
        "commands to their end, then the scan station alone: its state log and its packed box events",
        "registrations and scans joined in one store, box events; exactly_once_v2, in memory, start of the JVM included",
    ];
    let whole_job = [
        "dockside run, its whole job",
        "the small job: registrations, box events, plan lines; exactly_once_v2, in-memory stores, start of the JVM included",
    ];
    Ok(vec![
        compared(SCAN_STATION, ["station", "streams-station"], station)?,
        compared(WHOLE_JOB, ["dockside", "streams-memory"], whole_job)?,
    ])
}

/// What the peer reads back of boxes that commands below this prefix have registered: entries, and the seconds for all.
pub(super) fn restored(peers: &Path, bootstrap: &str, prefix: &str) -> Result<(u64, f64), LogError> {
    let mut script = Command::new(peers.join("restore.sh"));
    script
        .args(["--bootstrap", bootstrap, "--inputs", prefix])
        .args(["--partitions", &PARTITIONS.to_string()]);
    let said = run(&mut script)?;
    let figures = said.trim().split_once('\t');
    let parsed = figures.and_then(|(entries, seconds)| Some((entries.parse().ok()?, seconds.parse().ok()?)));
    parsed.ok_or_else(|| failed("reading the peer's figures", format!("it said {said:?}")))
}

/// What the referee measured of a program.
struct Figures {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
}

impl Figures {
    /// Those of a program, from lines of name, wall seconds, CPU seconds and peak MiB.
    fn of(told: &str, name: &str) -> Result<Figures, LogError> {
        let columns = told.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let parsed = columns.into_iter().find(|columns| columns[0] == name).and_then(|columns| {
            let figure = |at: usize| columns.get(at)?.parse().ok();
            Some(Figures { wall_s: figure(1)?, cpu_s: figure(2)?, peak_mib: figure(3)? })
        });
        parsed.ok_or_else(|| failed("reading figures", format!("there are none of {name} in {told:?}")))
    }

    fn json(&self) -> serde_json::Value {
        json!({ "wall_s": rounded(self.wall_s), "cpu_s": rounded(self.cpu_s), "peak_mib": rounded(self.peak_mib) })
    }
}

/// Runs a script to its end; what it printed. What it tells goes where ours does.
fn run(script: &mut Command) -> Result<String, LogError> {
    let name = script.get_program().to_string_lossy().into_owned();
    let what = format!("running {name}");
    let ran = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let ran = ran.map_err(|error| failed(&what, error))?;
    if !ran.status.success() {
        return Err(failed(&what, format!("it ended with {}, and told why above", ran.status)));
    }
    String::from_utf8(ran.stdout).map_err(|error| failed(&what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name() {
        let told = "dockside\t2.1\t1.50\t200\nstreams-memory\t9.0\t12.25\t900.5\n";
        let theirs = Figures::of(told, "streams-memory").expect("they are there");
        assert_eq!((theirs.wall_s, theirs.cpu_s, theirs.peak_mib), (9.0, 12.25, 900.5));
        for (told, name) in [(told, "obvious"), ("dockside\t2.1\tx\t3", "dockside"), ("", "dockside")] {
            assert!(Figures::of(told, name).is_err(), "{told:?}");
        }
    }
}
