//! Campaigns: a world goes through the real program while somebody harms processes, brokers or requests, and `verify` then
//! proves that nothing of it shows.
//!
//! Enters: a cluster of the test's own. Leaves: a clean proof, and figures in the test's output (`--nocapture`). Always true:
//! the feed keeps pace with the harm, so that harm is done from the first scan to the last; nobody repairs anything by hand;
//! a process that ends by itself is a failure.
//!
//! Half of the processes fetch their records directly; with `DOCKSIDE_KAFKA_FETCH=direct` all do, with `client` none.
//!
//! By default these are samples of some seconds. The long forms take their sizes from the environment:
//!
//! ```sh
//! DOCKSIDE_CAMPAIGN_SCANS=2000000 DOCKSIDE_CAMPAIGN_KILLS=50 DOCKSIDE_CAMPAIGN_FAULTS=20 DOCKSIDE_CAMPAIGN_PAUSE_MS=20000 \
//! DOCKSIDE_CAMPAIGN_OUTAGE_MS=60000 DOCKSIDE_CAMPAIGN_TRIES=50 \
//!     cargo test --release --test main -- kafka::campaign --nocapture --test-threads 1
//! ```
//!
//! `DOCKSIDE_CAMPAIGN_SEED` makes another world and other points of harm; with `DOCKSIDE_CAMPAIGN_KEEP=1` what the processes
//! said stays on the disk, and `DOCKSIDE_CAMPAIGN_DEBUG=cgrp,topic` (debug contexts of the Kafka client) makes them say more.

mod brokers;
mod kills;
mod late;
mod moves;
mod stage;
mod witness;

use std::time::Duration;

/// A size of the long form, or the sample's.
fn size(name: &str, sample: u64) -> u64 {
    match std::env::var(format!("DOCKSIDE_CAMPAIGN_{name}")) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("DOCKSIDE_CAMPAIGN_{name}={text} is no number")),
        Err(_) => sample,
    }
}

#[expect(clippy::print_stderr, reason = "figures stand beside the test's outcome")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// Points of harm: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u32) -> u32 {
        u32::try_from(self.next() % u64::from(sides)).expect("below a number of 32 bits")
    }

    /// One of these.
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let count = u32::try_from(of.len()).expect("few");
        of[self.roll(count) as usize]
    }

    /// Milliseconds between these.
    fn span(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(least_ms + self.next() % (most_ms - least_ms + 1))
    }
}
