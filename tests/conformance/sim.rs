//! The log in memory: the contract without faults, and exactly once with them.

use std::collections::BTreeSet;
use std::time::Duration;

use dockside::engine::log::{Broker, Committed, Epoch, Faults, Log, Outbox, Polled, Positions, Sim};
use dockside::model::{Lane, Partition, Timestamp, Topic};

use super::copy::{self, CopyJob, Progress};
use super::{scans, suite};

/// One seed instead of all of them, to repeat a failure.
const SEED_VARIABLE: &str = "DOCKSIDE_SEED";

const STORM: Faults =
    Faults { undone: 60, in_doubt: 60, fenced: 20, short: 200, idle: 50, rebalance: 20, lost: 15, late: 0 };

/// Says which seed failed.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with {SEED_VARIABLE}={}", self.0);
        }
    }
}

#[test]
fn the_simulated_log_does_what_every_log_must_do() {
    suite(|_, partitions| Sim::new(partitions));
}

#[test]
fn the_copy_job_is_exactly_once_whatever_happens() {
    let one = std::env::var(SEED_VARIABLE).ok().map(|seed| seed.parse::<u64>().expect("a number"));
    for seed in one.map_or(0..1000, |seed| seed..seed + 1) {
        let announce = Announce(seed);
        storm(seed);
        drop(announce);
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [1, 77] {
        assert_eq!(storm(seed), storm(seed));
    }
    assert_ne!(storm(1), storm(2));
}

/// Runs the job under faults, crashes included, then heals the world; returns what happened.
fn storm(seed: u64) -> Vec<(usize, Progress)> {
    let partitions = 1 + u32::try_from(seed % 5).expect("small");
    let workers = 1 + usize::try_from(seed / 5 % 4).expect("small");
    let sim = Sim::with_faults(partitions, seed, STORM);
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        // xorshift64
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        usize::try_from(draw % bound).expect("small")
    };
    let start = |worker: usize| {
        CopyJob::new(sim.join(&format!("worker-{worker}")).expect("a member"), 5 + worker, 10 * worker)
    };
    let mut jobs: Vec<Option<_>> = (0..workers).map(|_| None).collect();
    let (mut appended, mut history) = (0, Vec::new());
    for _ in 0..400 {
        if below(4) == 0 {
            let count = u32::try_from(below(20)).expect("small");
            sim.append(&scans((appended..appended + count).map(|n| (n % partitions, n)))).expect("an append");
            appended += count;
        }
        let worker = below(workers as u64);
        if below(50) == 0 {
            jobs[worker] = None;
            continue;
        }
        let progress = jobs[worker].get_or_insert_with(|| start(worker)).step();
        history.push((worker, progress));
        if progress == Progress::Stopped {
            jobs[worker] = None;
        }
    }
    sim.set_faults(Faults::default());
    for _ in 0..1000 {
        for (worker, job) in jobs.iter_mut().enumerate() {
            let progress = job.get_or_insert_with(|| start(worker)).step();
            history.push((worker, progress));
            if progress == Progress::Stopped {
                *job = None;
            }
        }
        if sim.lag().expect("a lag") == 0 {
            break;
        }
    }
    assert_eq!(sim.lag().expect("a lag"), 0, "everything is read once the faults are over");
    copy::check(&sim, appended);
    history
}

#[test]
fn every_fault_of_a_poll_does_happen() {
    type Seen = fn(&[String]) -> bool;
    let contains = |all: &[String], what: &str| all.iter().any(|polled| polled.contains(what));
    let rows: [(&str, Faults, Seen); 4] = [
        ("idle", Faults { idle: 1000, ..Faults::default() }, |all| all.iter().all(|polled| polled == "Idle")),
        ("rebalance", Faults { rebalance: 500, ..Faults::default() }, |all| {
            all.iter().any(|polled| polled.contains("lost: false"))
        }),
        ("lost", Faults { lost: 500, ..Faults::default() }, |all| {
            all.iter().any(|polled| polled.contains("lost: true"))
        }),
        ("short", Faults { short: 1000, ..Faults::default() }, |all| {
            all.iter().filter(|polled| polled.starts_with("Records")).count() > 1
        }),
    ];
    for (name, faults, happened) in rows {
        let sim = Sim::with_faults(1, 7, faults);
        sim.append(&scans((0..50).map(|n| (0, n)))).expect("an append");
        let mut member = sim.join("a").expect("a member");
        let all: Vec<_> = (0..40)
            .map(|_| match member.poll(Lane::Scans, 50, Duration::ZERO).expect("a poll") {
                Polled::Records { batch, .. } => format!("Records {}", batch.len()),
                other => format!("{other:?}"),
            })
            .collect();
        assert!(happened(&all), "{name}: {all:?}");
        assert_eq!(contains(&all, "Assigned"), name != "idle");
    }
}

#[test]
fn every_fault_of_a_commit_does_happen() {
    for (faults, want) in [
        (Faults { undone: 1000, ..Faults::default() }, [(Committed::Undone, 0)].as_slice()),
        (Faults { fenced: 1000, ..Faults::default() }, &[(Committed::Fenced, 0)]),
        (Faults { in_doubt: 1000, ..Faults::default() }, &[(Committed::InDoubt, 0), (Committed::InDoubt, 1)]),
    ] {
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            let sim = Sim::with_faults(1, seed, faults);
            let mut member = sim.join("a").expect("a member");
            super::assigned(&mut member);
            let mut outputs = Outbox::default();
            outputs.push(Topic::Shipments, Partition(0), Timestamp(0), None, Some(b"1"), &[]);
            let positions = Positions::from([((Lane::Scans, Partition(0)), 0)]);
            let committed =
                member.commit(Epoch { outputs: &outputs, positions: &positions }).expect("an answer");
            let mut count = 0;
            sim.read(Topic::Shipments, Partition(0), 0, 9, &mut |_| count += 1).expect("records");
            seen.insert((format!("{committed:?}"), count));
        }
        let want: BTreeSet<_> =
            want.iter().map(|(committed, count)| (format!("{committed:?}"), *count)).collect();
        assert_eq!(seen, want);
    }
}
