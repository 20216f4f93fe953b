//! Ends a process whose worker is stuck: what hangs by a mistake is begun anew, and tells.
//!
//! Enters: for how long each worker has not turned, and for how long the log has answered. Leaves: nothing, or a report and
//! SIGABRT, for a core dump where the system wants one. Always true: a log that does not answer never ends a process, since
//! its workers wait for it; whoever probes `/livez` has time to end it first, in order.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::desk::{Desk, Phase};
use super::http::Outlook;
use super::signals::Ending;

/// A worker that has not turned for so long, while the log was there, is stuck. Who waits for the log waits as long as it
/// takes, and this long is more than enough to go on when it is back.
const STUCK_US: u64 = 150_000_000;
/// Nobody has ended it.
const HOPELESS_US: u64 = 300_000_000;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// How a worker seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pulse {
    /// It turns, or waits for a log that is away.
    Alive,
    /// It should be ended.
    Stuck,
    /// Nobody ended it.
    Hopeless,
}

impl Pulse {
    /// Of a worker that has not turned for that long, while the log has answered for that long without a break.
    pub fn of(still_us: u64, contact_us: u64) -> Pulse {
        match still_us.min(contact_us) {
            us if us > HOPELESS_US => Pulse::Hopeless,
            us if us > STUCK_US => Pulse::Stuck,
            _ => Pulse::Alive,
        }
    }
}

/// Looks after the workers from now on, until the end is asked for.
pub fn watch(desks: Vec<Arc<Desk>>, outlook: Arc<Outlook>, ending: Ending) -> std::io::Result<()> {
    let watch = move || {
        while !ending.is_asked_for() {
            std::thread::sleep(LOOK);
            let contact_us = outlook.contact_us();
            let hopeless = desks
                .iter()
                .any(|desk| !desk.has_ended() && Pulse::of(desk.still_us(), contact_us) == Pulse::Hopeless);
            if hopeless && !ending.is_asked_for() {
                // A closed stderr leaves nobody to tell.
                let _ = std::io::stderr().write_all(report(&desks, contact_us).as_bytes());
                std::process::abort();
            }
        }
    };
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
}

/// What is known about workers of which one is stuck.
fn report(desks: &[Arc<Desk>], contact_us: u64) -> String {
    let mut report = format!(
        "error: a worker is stuck, which is a mistake in dockside: the process ends, and what was not committed is read again \
         by the next one. The log has answered for {} s. Please report this, with the log and a core dump:\n",
        contact_us / 1_000_000
    );
    for (number, desk) in desks.iter().enumerate() {
        let doing = match (desk.has_ended(), desk.phase()) {
            (true, _) => "has ended",
            (_, Phase::Joining) => "is joining",
            (_, Phase::Restoring) => "is restoring",
            (_, Phase::Working) => "is working",
        };
        let partitions = desk.shown().partitions.len();
        let still_s = desk.still_us() / 1_000_000;
        report.push_str(&format!(
            "  worker {number} {doing}, {partitions} partitions, last turn {still_s} s ago\n"
        ));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_still_while_the_log_answers_is_stuck() {
        use Pulse::{Alive, Hopeless, Stuck};
        for (still_s, contact_s, pulse) in [
            (0, 1_000, Alive),
            (150, 1_000, Alive),
            (151, 1_000, Stuck),
            (1_000, 0, Alive),
            (1_000, 150, Alive),
            (1_000, 151, Stuck),
            (300, 1_000, Stuck),
            (301, 301, Hopeless),
        ] {
            assert_eq!(
                Pulse::of(still_s * 1_000_000, contact_s * 1_000_000),
                pulse,
                "{still_s} s, {contact_s} s"
            );
        }
    }

    #[test]
    fn the_report_names_every_worker() {
        let desks = [Arc::new(Desk::new().0), Arc::new(Desk::new().0)];
        let report = report(&desks, 400_000_000);
        for part in ["answered for 400 s", "worker 0 is joining, 0 partitions", "worker 1 is joining"] {
            assert!(report.contains(part), "{part} in {report}");
        }
    }
}
