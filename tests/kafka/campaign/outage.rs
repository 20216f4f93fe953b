//! The only broker is away for a while: the processes stay, and go on by themselves.

use std::time::Duration;

use super::stage::{Plan, Run, Stage};
use super::{size, tell};
use crate::kafka::cluster::{Listener, lent};

/// What a process may grow by while its broker is away. It reads nothing then, and its open epoch is bounded.
const GROWTH_KIB: u64 = 200 * 1024;

#[test]
fn processes_outlast_a_broker_that_is_away() {
    let Some(mut cluster) = lent() else { return };
    let away = Duration::from_millis(size("OUTAGE_MS", 5_000));
    let plan = Plan { name: "outage", partitions: 4, replication: 1, scans: 2_000 };
    let stage = Stage::on(&cluster, plan);
    let servers = cluster.servers(Listener::Plain);
    let mut runs = [stage.run(0, &servers), stage.run(1, &servers)];
    stage.play(2, |pace, witness| {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_secs(2));
            let before = runs.each_ref().map(Run::resident_kib);
            witness.take_longest();
            cluster.kill(1);
            std::thread::sleep(away);
            runs.iter_mut().for_each(Run::assert_lives);
            let after = runs.each_ref().map(Run::resident_kib);
            cluster.restart(1);
            let records = witness.records();
            let resumed = (0..6_000).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                witness.records() > records
            });
            runs.iter_mut().for_each(Run::assert_lives);
            assert!(resumed, "no epoch within a minute of the broker's return");
            let pause = witness.take_longest();
            tell(&format!(
                "outage: away for {away:?}, pause {pause:?}, KiB before {before:?} and after {after:?}"
            ));
            for (before, after) in before.iter().zip(&after) {
                assert!(*after < before + GROWTH_KIB, "grew from {before} to {after} KiB");
            }
            pace.harmed();
        }
    });
    runs.into_iter().for_each(Run::end);
}
