//! The log seen from outside the workers: whether it answers, where its lanes end, who owns what.
//!
//! Enters: a look at the broker every few seconds, by a thread of its own. Leaves: what the last look saw. Always true:
//! reading never waits for the broker; an unreachable one leaves the last picture, and the time since it was taken.

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

/// Addresses of partitions' owners.
pub type Owners = BTreeMap<Partition, String>;

/// What the last look saw.
#[derive(Debug, Default)]
pub struct Outlook {
    heard_us: AtomicU64,
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
        outlook.heard_us.store(elapsed_us(), Ordering::Relaxed);
        let seen = Arc::clone(&outlook);
        std::thread::Builder::new().name("outlook".to_owned()).spawn(move || {
            loop {
                match owners(&broker).and_then(|owners| Ok((owners, broker.ends()?))) {
                    Ok((owners, ends)) => {
                        *locked(&seen.owners) = owners;
                        *locked(&seen.ends) = ends;
                        seen.heard_us.store(elapsed_us(), Ordering::Relaxed);
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
        elapsed_us().saturating_sub(self.heard_us.load(Ordering::Relaxed))
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
