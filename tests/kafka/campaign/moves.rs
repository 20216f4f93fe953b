//! From one process to three and back while the world flows, and the only broker away for a while in between: the processes
//! stay, and go on by themselves.

use std::time::Duration;

use super::stage::{Plan, Run, Stage};
use super::{size, tell};
use crate::kafka::cluster::{Cluster, Listener, lent};

/// What a process may grow by while its broker is away. It reads nothing then, and its open epoch is bounded.
const GROWTH_KIB: u64 = 200 * 1024;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many processes.
    Processes(usize),
    /// The broker is away.
    Away,
}

const STEPS: [Step; 4] = [Step::Processes(1), Step::Processes(3), Step::Away, Step::Processes(1)];

#[test]
fn a_world_does_not_notice_processes_that_come_and_go_and_a_broker_that_is_away() {
    let Some(mut cluster) = lent() else { return };
    let plan = Plan { name: "moves", partitions: 6, replication: 1, scans: 300 };
    let stage = Stage::on(&cluster, plan);
    let servers = cluster.servers(Listener::Plain);
    let mut runs = Vec::new();
    stage.play(STEPS.len() as u64, |pace, witness| {
        for step in STEPS {
            witness.take_longest();
            let records = witness.records();
            match step {
                Step::Processes(wanted) => {
                    while runs.len() < wanted {
                        runs.push(stage.run(u32::try_from(runs.len()).expect("few"), &servers));
                    }
                    while runs.len() > wanted {
                        runs.pop().map(Run::end).expect("one too many");
                    }
                }
                Step::Away => leave(&mut cluster, &mut runs),
            }
            // Longer than the session of a member that is gone.
            std::thread::sleep(Duration::from_secs(8));
            pace.goes_on(witness, records);
            runs.iter_mut().for_each(Run::assert_lives);
            tell(&format!("moves: {step:?}: longest pause {:?}", witness.take_longest()));
            pace.harmed();
        }
    });
    runs.into_iter().for_each(Run::end);
}

fn leave(cluster: &mut Cluster, runs: &mut [Run]) {
    let away = Duration::from_millis(size("OUTAGE_MS", 5_000));
    let memory = |runs: &[Run]| -> Vec<u64> { runs.iter().map(Run::resident_kib).collect() };
    let before = memory(runs);
    cluster.kill(1);
    std::thread::sleep(away);
    runs.iter_mut().for_each(Run::assert_lives);
    let after = memory(runs);
    cluster.restart(1);
    tell(&format!("moves: the broker was away for {away:?}, KiB before {before:?} and after {after:?}"));
    for (before, after) in before.iter().zip(&after) {
        assert!(*after < before + GROWTH_KIB, "grew from {before} to {after} KiB");
    }
}
