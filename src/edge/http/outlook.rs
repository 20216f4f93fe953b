//! The log seen from outside the workers: whether it answers, where its lanes end, who owns what.
//!
//! Enters: a look at the broker every few seconds, by a thread of its own. Leaves: what the last look saw. Always true:
//! reading never waits for the broker; an unreachable one leaves the last picture, and the time since it was taken; who waits
//! for it is told from who is stuck by how long it has been there without a break.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::edge::clock::elapsed_us;
use crate::edge::process::locked;
use crate::engine::log::{Broker, LogError, Positions};
use crate::model::{Lane, Partition};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// A log that has not answered for so long is not reachable.
pub(super) const UNREACHABLE_US: u64 = 15_000_000;

/// Addresses of partitions' owners.
pub type Owners = BTreeMap<Partition, String>;

/// When the log answered: last, and first without a break.
#[derive(Debug, Default)]
struct Contact {
    heard_us: AtomicU64,
    since_us: AtomicU64,
}

impl Contact {
    fn heard(&self, now_us: u64) {
        if self.silent_us(now_us) > UNREACHABLE_US {
            self.since_us.store(now_us, Ordering::Relaxed);
        }
        self.heard_us.store(now_us, Ordering::Relaxed);
    }

    fn silent_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.heard_us.load(Ordering::Relaxed))
    }

    fn lasts_us(&self, now_us: u64) -> u64 {
        if self.silent_us(now_us) > UNREACHABLE_US {
            return 0;
        }
        now_us.saturating_sub(self.since_us.load(Ordering::Relaxed))
    }
}

/// What the last look saw.
#[derive(Debug, Default)]
pub struct Outlook {
    contact: Contact,
    ends: Mutex<Positions>,
    owners: Mutex<Owners>,
}

impl Outlook {
    /// Looks from now on, until the process ends. `owners` asks who answers for which partition.
    pub fn watch<B>(
        broker: Arc<B>,
        owners: fn(&B) -> Result<Owners, LogError>,
    ) -> std::io::Result<Arc<Outlook>>
    where
        B: Broker + Send + Sync + 'static,
    {
        let outlook = Arc::new(Outlook::default());
        outlook.contact.heard(elapsed_us());
        let seen = Arc::clone(&outlook);
        std::thread::Builder::new().name("outlook".to_owned()).spawn(move || {
            loop {
                match owners(&broker).and_then(|owners| Ok((owners, broker.ends()?))) {
                    Ok((owners, ends)) => {
                        *locked(&seen.owners) = owners;
                        *locked(&seen.ends) = ends;
                        seen.contact.heard(elapsed_us());
                    }
                    Err(error) => tracing::warn!("cannot look at the log: {error}"),
                }
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(outlook)
    }

    /// For how long the log has not answered.
    pub fn silent_us(&self) -> u64 {
        self.contact.silent_us(elapsed_us())
    }

    /// For how long it has answered without a break; 0 while it does not.
    pub fn contact_us(&self) -> u64 {
        self.contact.lasts_us(elapsed_us())
    }

    /// Where a lane of a partition ended.
    pub fn end(&self, place: (Lane, Partition)) -> Option<u64> {
        locked(&self.ends).get(&place).copied()
    }

    /// Where the partition's owner answers.
    pub fn owner(&self, partition: Partition) -> Option<String> {
        locked(&self.owners).get(&partition).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_lasts_until_the_log_is_silent_and_begins_anew_with_an_answer() {
        let contact = Contact::default();
        let seconds = |seconds: u64| seconds * 1_000_000;
        for (heard, now, lasts) in [
            (Some(2), 3, 3),
            (Some(4), 4, 4),
            (None, 19, 19),
            (None, 20, 0),
            (None, 500, 0),
            (Some(501), 501, 0),
            (Some(503), 510, 9),
        ] {
            heard.into_iter().for_each(|heard| contact.heard(seconds(heard)));
            assert_eq!(contact.lasts_us(seconds(now)), seconds(lasts), "at {now} s");
        }
    }
}
