//! From one process to three and back while the world flows.

use std::time::Duration;

use super::stage::{Plan, Run, Stage};
use super::tell;
use crate::kafka::cluster::{Listener, lent};

/// Longer than a member's session.
const SETTLING: Duration = Duration::from_secs(6);

#[test]
fn a_world_does_not_notice_processes_that_come_and_go() {
    let Some(cluster) = lent() else { return };
    let plan = Plan { name: "moves", partitions: 6, replication: 1, scans: 3_000 };
    let stage = Stage::on(&cluster, plan);
    let servers = cluster.servers(Listener::Plain);
    let mut runs = vec![stage.run(0, &servers)];
    stage.play(5, |pace, witness| {
        for (step, wanted) in [1, 2, 3, 2, 1].into_iter().enumerate() {
            witness.take_longest();
            if runs.len() < wanted {
                let number = u32::try_from(runs.len()).expect("few");
                runs.push(stage.run(number, &servers));
            }
            if runs.len() > wanted {
                runs.pop().expect("one too many").end();
            }
            std::thread::sleep(SETTLING);
            runs.iter_mut().for_each(Run::assert_lives);
            tell(&format!(
                "moves: step {step}, {wanted} processes: longest pause {:?}",
                witness.take_longest()
            ));
            pace.harmed();
        }
    });
    runs.into_iter().for_each(Run::end);
}
