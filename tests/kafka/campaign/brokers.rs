//! Brokers of three that die, stop for a while, or coordinate no longer.

use super::stage::{Plan, Run, Stage};
use super::{size, tell};
use crate::kafka::cluster::{Cluster, Coordinator, Listener, Setup};

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kill -9` and a new start.
    Dies,
    /// SIGSTOP and SIGCONT.
    Pauses,
    /// The group's coordinator dies.
    GroupMoves,
    /// The coordinator of a worker's transactions dies.
    TransactionsMove,
}

const FAULTS: [Fault; 4] = [Fault::TransactionsMove, Fault::Pauses, Fault::GroupMoves, Fault::Dies];

#[test]
fn a_world_does_not_notice_brokers_that_fail() {
    let Some(mut cluster) = Cluster::start(Setup { nodes: 3, is_proxied: false, is_secured: false }) else {
        return;
    };
    let faults = size("FAULTS", 4);
    let pause_ms = size("PAUSE_MS", 3_000);
    let plan = Plan { name: "brokers", partitions: 4, replication: 3, scans: 300 };
    let stage = Stage::on(&cluster, plan);
    let servers = cluster.servers(Listener::Plain);
    let mut runs = [stage.run(0, &servers), stage.run(1, &servers)];
    let mut dice = stage.dice();
    stage.play(faults, |pace, witness| {
        for fault in FAULTS.into_iter().cycle().take(usize::try_from(faults).expect("few")) {
            std::thread::sleep(dice.span(500, 3_000));
            let any = 1 + dice.roll(3);
            let worker = format!("{}-{}-{}", stage.group(), stage.instance(dice.roll(2)), dice.roll(2));
            let node = match fault {
                Fault::Dies | Fault::Pauses => any,
                Fault::GroupMoves => cluster.coordinator(Coordinator::Group(stage.group())),
                Fault::TransactionsMove => cluster.coordinator(Coordinator::Transaction(&worker)),
            };
            witness.take_longest();
            let span = dice.span(1_000, pause_ms.max(1_000));
            if matches!(fault, Fault::Pauses) {
                cluster.pause(node);
                std::thread::sleep(span);
                cluster.resume(node);
            } else {
                cluster.kill(node);
                std::thread::sleep(span);
                cluster.restart(node);
            }
            // With two of three away nothing could be written at all.
            cluster.wait_in_sync();
            let records = witness.records();
            pace.goes_on(witness, records);
            runs.iter_mut().for_each(Run::assert_lives);
            tell(&format!(
                "brokers: {fault:?}, node {node} for {span:?}: longest pause {:?}",
                witness.take_longest()
            ));
            pace.harmed();
        }
    });
    runs.into_iter().for_each(Run::end);
}
