//! How an account stands (R15): a level that follows from one judgement per UTC day.
//!
//! Enters: at the end of each UTC day, whether the account's rate of defects is above the acceptable one. Leaves: its level,
//! and for how long it may not create shipments. Always true: a judgement is never revised; judging the same day again
//! changes nothing.

use serde::{Deserialize, Serialize};

use super::hop::Restriction;
use crate::model::{Level, MINUTE_MS, Settings, Timestamp};

/// R16: a gate acts so long after its cause, so that every partition has heard of it by then.
const GATE_DELAY_MS: i64 = 15 * MINUTE_MS;

/// From when on a gate acts whose cause stream time has just reached: its grace is behind the records' time.
pub(super) fn acts_from(settings: &Settings, cause: Timestamp) -> Timestamp {
    cause.plus_ms(settings.grace_ms).plus_ms(GATE_DELAY_MS)
}

/// What the judgements so far have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) level: Level,
    /// The judgement that changed the level last.
    pub(super) level_since: Option<Timestamp>,
    /// The first judgement of the present run of those above the rate.
    above_since: Option<Timestamp>,
    /// The same of those that are not; only while the level is not `STANDARD`.
    below_since: Option<Timestamp>,
    /// The last restriction, until a judgement finds it over.
    pub(super) restricted: Option<Restriction>,
}

impl Standing {
    /// Whether nothing is said against the account.
    pub(super) fn is_plain(&self) -> bool {
        self.level == Level::Standard && self.above_since.is_none() && self.restricted.is_none()
    }

    /// What it is after the judgement at the end of a day.
    #[must_use]
    pub(super) fn judged(mut self, settings: &Settings, at: Timestamp, is_above: bool) -> Standing {
        if self.restricted.is_some_and(|restricted| restricted.until <= at) {
            self.restricted = None;
        }
        let for_long = |since: Timestamp, ms: i64| since.plus_ms(ms) <= at;
        if is_above {
            self.below_since = None;
            let above_since = *self.above_since.get_or_insert(at);
            // The time to the next level begins with the level, and anew after a dip.
            let counted_from =
                self.level_since.map_or(above_since, |level_since| above_since.max(level_since));
            if self.level != Level::Critical && for_long(counted_from, settings.escalate_ms) {
                self.escalate(settings, at);
            }
        } else {
            self.above_since = None;
            if self.level != Level::Standard
                && for_long(*self.below_since.get_or_insert(at), settings.standing_ms)
            {
                (self.level, self.level_since, self.below_since) = (Level::Standard, Some(at), None);
            }
        }
        self
    }

    fn escalate(&mut self, settings: &Settings, at: Timestamp) {
        self.level_since = Some(at);
        if self.level == Level::Standard {
            self.level = Level::Elevated;
        } else {
            let from = acts_from(settings, at);
            self.level = Level::Critical;
            self.restricted = Some(Restriction { from, until: from.plus_ms(settings.restriction_ms) });
        }
    }
}

/// R15: whether so many defects are too many; equal to the acceptable rate is not above it.
pub(super) fn is_above(settings: &Settings, evaluated: i64, defective: i64) -> bool {
    evaluated >= settings.standing_shipments_min
        && defective * 1000 > evaluated * settings.acceptable_rate_per_mille
}
