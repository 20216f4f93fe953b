//! Folding: what a scan does to what is known of its number, and what a box then shows.
//!
//! The scans are those of a real world, by number, in the order in which they were written. `first` folds them into nothing, so
//! that most say something new; `again` folds them a second time into what they came to, which most scans of a feed do: they
//! are repeats, or say "in transit" once more. `view` asks what a box shows. The peer keeps of each milestone and place the first
//! and the last time, in the map of the standard library, which is what one would write first; it forgets nothing, takes nothing
//! back and knows no bounds. Both must come to the same number of milestones; the counts are asserted in the measured part. At
//! the end, pass by pass in turn: the median of each and the ratio.

mod shared;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::Throughput;
use dockside::decode::{Context, Decoder, Part};
use dockside::fold::{Interval, Progress, view};
use dockside::model::{EventTime, FcId, Milestone, NumberKey, Scan, Timestamp};
use dockside::stations::Rules;
use dockside::workload::{WorldConfig, readable_scans};

use shared::{Bench, stopwatch};

/// Scans of a measured pass, and of one that only asserts.
const SCANS: [usize; 2] = [100_000, 2_000];
/// Passes in turn.
const TURNS: usize = 101;

/// The first and last time of each milestone and place.
type Naive = BTreeMap<(Milestone, Option<FcId>), (EventTime, EventTime)>;

/// A number that stands for as long as there is time.
const ALWAYS: Interval = Interval { from: Timestamp(0), to: None };

fn main() {
    let mut bench = Bench::from_args(30, 3);
    let turns = if bench.is_measured() { TURNS } else { 1 };
    let numbers = numbers(SCANS[usize::from(!bench.is_measured())]);
    let scans: usize = numbers.iter().map(Vec::len).sum();
    let fc = FcId::parse("ICT2").expect("an ID");

    let known: Vec<Progress> = numbers.iter().map(|scans| folded(scans)).collect();
    let naive: Vec<Naive> = numbers.iter().map(|scans| naively(scans)).collect();
    let changes: usize = numbers.iter().map(|scans| changes(&mut Progress::default(), scans)).sum();
    let reached: usize = naive.iter().map(|of| distinct(of.keys().map(|(milestone, _)| *milestone))).sum();
    let shown: u64 = known.iter().map(|progress| u64::from(view(progress, ALWAYS, &fc).rank())).sum();
    assert!(
        changes > scans / 10 && reached > numbers.len() && shown > 0,
        "{changes} changes, {reached} reached"
    );

    let first = || pass(|| numbers.iter().map(|scans| changes_of(scans)).sum(), changes);
    let mut copies = known.clone();
    let mut again = || {
        pass(
            || copies.iter_mut().zip(&numbers).map(|(progress, scans)| self::changes(progress, scans)).sum(),
            0,
        )
    };
    let first_naive = || {
        pass(
            || {
                let of = |scans: &Vec<Scan>| {
                    distinct(black_box(naively(scans)).keys().map(|(milestone, _)| *milestone))
                };
                numbers.iter().map(of).sum()
            },
            reached,
        )
    };
    let views = || {
        let (sum, took) = stopwatch(|| {
            known.iter().map(|progress| u64::from(view(black_box(progress), ALWAYS, &fc).rank())).sum::<u64>()
        });
        assert_eq!(sum, shown, "boxes show what they did");
        took
    };

    let elements = Throughput::Elements(scans as u64);
    bench.case("fold", "first", elements.clone(), first);
    bench.case("fold", "first_naive", elements.clone(), first_naive);
    bench.case("fold", "again", elements, &mut again);
    bench.case("fold", "view", Throughput::Elements(known.len() as u64), views);

    let mut took = [const { Vec::new() }; 4];
    for _ in 0..turns {
        took[0].push(first());
        took[1].push(first_naive());
        took[2].push(again());
        took[3].push(views());
    }
    if bench.is_measured() {
        print_medians(took, scans, known.len());
    }
    bench.finish();
}

/// The medians of `first`, `first_naive` and `again` by scan, and of `view` by number.
#[expect(clippy::print_stdout, reason = "a bench prints figures")]
fn print_medians(took: [Vec<Duration>; 4], scans: usize, numbers: usize) {
    let [ours, theirs, again, view] = took.map(|mut passes| {
        passes.sort_unstable();
        passes[passes.len() / 2].as_secs_f64() * 1e9
    });
    let (scans, numbers) = (scans as f64, numbers as f64);
    println!(
        "fold: {:.0} ns a scan, the naive one {:.0}: {:.1} x; a repeat {:.0} ns; a view {:.0} ns",
        ours / scans,
        theirs / scans,
        theirs / ours,
        again / scans,
        view / numbers,
    );
}

/// Runs one pass; what it counts is asserted while the clock runs.
fn pass(work: impl FnOnce() -> usize, expected: usize) -> Duration {
    let ((), took) =
        stopwatch(|| assert_eq!(black_box(work()), expected, "a pass comes to the same each time"));
    took
}

/// The scans of each number.
fn numbers(count: usize) -> Vec<Vec<Scan>> {
    let rules = Rules::embedded();
    let context = Context { catalogue: &rules.catalogue, fcs: &rules.fcs, settings: &rules.settings };
    let mut decoder = Decoder::new();
    let mut numbers: BTreeMap<NumberKey, usize> = BTreeMap::new();
    let mut scans: Vec<Vec<Scan>> = Vec::new();
    for (record_time, bytes) in readable_scans(WorldConfig::new(1, count as u64 * 2), count) {
        decoder.decode(&context, record_time, None, &bytes, &mut |part| {
            if let Part::Scan { scan, .. } = part {
                let at = *numbers.entry(scan.key.clone()).or_insert_with(|| {
                    scans.push(Vec::new());
                    scans.len() - 1
                });
                scans[at].push(scan);
            }
        });
    }
    scans
}

fn changes(progress: &mut Progress, scans: &[Scan]) -> usize {
    scans.iter().filter(|scan| progress.join_scan(black_box(scan)).changed).count()
}

fn changes_of(scans: &[Scan]) -> usize {
    let mut progress = Progress::default();
    let changes = changes(&mut progress, scans);
    black_box(progress);
    changes
}

fn folded(scans: &[Scan]) -> Progress {
    let mut progress = Progress::default();
    changes(&mut progress, scans);
    progress
}

fn naively(scans: &[Scan]) -> Naive {
    let mut known = Naive::new();
    for scan in scans {
        if let Some(milestone) = scan.effect.milestone {
            let at = scan.event_time;
            let times = known.entry((milestone, scan.place.clone())).or_insert((at, at));
            *times = (times.0.min(at), times.1.max(at));
        }
    }
    known
}

/// How many milestones are in a sorted list.
fn distinct(milestones: impl Iterator<Item = Milestone>) -> usize {
    let mut last = None;
    milestones.filter(|milestone| last.replace(*milestone) != Some(*milestone)).count()
}
