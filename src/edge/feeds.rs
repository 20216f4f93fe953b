//! Carriers' feeds, watched (R24): what falls silent is told once, and so is its end.
//!
//! Enters: what the desks show. Leaves: lines of the log. Always true: every few seconds at most; a feed is judged by all that
//! this process hears, and by what other processes hear it is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::clock::elapsed_us;
use super::desk::{Desk, Shown, feeds};
use crate::model::CarrierId;
use crate::stations::Rules;

/// Between two looks.
const LOOK_US: u64 = 5_000_000;

/// Which feeds were told to be silent.
#[derive(Debug, Default)]
pub struct FeedWatch {
    silent: BTreeSet<CarrierId>,
    looked_us: u64,
}

impl FeedWatch {
    /// Looks at the desks, if it is time.
    pub fn look(&mut self, desks: &[Arc<Desk>], rules: &Rules) {
        let now_us = elapsed_us();
        if now_us < self.looked_us + LOOK_US {
            return;
        }
        self.looked_us = now_us;
        let shown: Vec<Shown> = desks.iter().map(|desk| desk.shown()).collect();
        for (carrier, (feed, silent_since)) in feeds(&shown, &rules.settings) {
            let code = rules.catalogue.code(carrier);
            match silent_since {
                Some(since) if self.silent.insert(carrier) => tracing::warn!(
                    "the feed of {code} is silent: no scan since {since}, and {} boxes wait for it; \
                     is the feed still written to `scans`?",
                    feed.waiting
                ),
                None if self.silent.remove(&carrier) => {
                    tracing::warn!("the feed of {code} is no longer silent")
                }
                _ => {}
            }
        }
    }
}
