//! `kill -9` of processes, at random and right when a request of an epoch passes.

use std::time::Duration;

use super::stage::{Plan, Stage};
use super::{size, tell};
use crate::kafka::cluster::{Listener, lent};
use crate::kafka::proxy::{Api, On};

/// Moments of a process's life, as the proxy before its broker sees them.
const POINTS: [(On, Api); 9] = [
    (On::Request, Api::AddPartitionsToTxn),
    (On::Request, Api::Produce),
    (On::Response, Api::Produce),
    (On::Request, Api::AddOffsetsToTxn),
    (On::Request, Api::TxnOffsetCommit),
    (On::Request, Api::EndTxn),
    (On::Response, Api::EndTxn),
    (On::Request, Api::InitProducerId),
    (On::Request, Api::JoinGroup),
];

#[test]
fn a_world_does_not_notice_processes_that_are_killed() {
    let Some(cluster) = lent() else { return };
    let kills = size("KILLS", 16);
    let plan = Plan { name: "kills", partitions: 4, replication: 1, scans: 300 };
    let stage = Stage::on(&cluster, plan);
    let (servers, proxy) = (cluster.servers(Listener::Plain), cluster.proxy(1));
    // What the proxy sees is the first one's.
    let mut runs = [stage.run(0, &cluster.servers(Listener::Proxied)), stage.run(1, &servers)];
    let mut dice = stage.dice();
    let mut at_points = 0;
    stage.play(kills, |pace, witness| {
        for kill in 0..kills {
            let victim = if kill % 3 == 0 {
                std::thread::sleep(dice.span(100, 2_000));
                1
            } else {
                let (on, api) = dice.pick(&POINTS);
                let skipped = u64::from(dice.roll(5));
                proxy.set(&[]);
                // It need not come: between two phases nobody has anything to commit.
                let come = (0..3_000).any(|_| {
                    std::thread::sleep(Duration::from_millis(1));
                    proxy.count(on, api).seen > skipped
                });
                at_points += u64::from(come);
                0
            };
            runs[victim].kill_and_restart();
            if dice.roll(5) == 0 {
                runs[1 - victim].kill_and_restart();
            }
            pace.harmed();
        }
        tell(&format!(
            "kills: {at_points} of {kills} at a request; longest pause {:?}",
            witness.take_longest()
        ));
    });
    runs.into_iter().for_each(super::stage::Run::end);
}
