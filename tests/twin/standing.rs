//! How an account stands (R15, R16): every judgement is kept, and what follows is computed from all of them, every time.
//!
//! Enters: what was evaluated at the end of each UTC day, and which defects are open. Leaves: the level, the restriction, and
//! what holds the account back. Always true: judgements are in the order of days.

use std::collections::BTreeMap;

use dockside::model::{CommandErrorCode, DAY_MS, Level, MINUTE_MS, Settings, ShipmentId, Timestamp};

/// An account's history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// At the end of each day: whether the rate was above the acceptable one.
    judgements: Vec<(Timestamp, bool)>,
    /// Shipments whose defect is open.
    open: BTreeMap<ShipmentId, ()>,
    /// From when on they count, while there are any.
    open_counts_from: Option<Timestamp>,
}

/// What the judgements come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) level: Level,
    pub(crate) level_since: Option<Timestamp>,
    /// From when until when.
    pub(crate) restricted: Option<(Timestamp, Timestamp)>,
}

/// The ends of the UTC days after `before` and up to `now`, from that of `first` on.
pub(crate) fn day_ends(
    before: Timestamp,
    now: Timestamp,
    first: Option<Timestamp>,
) -> impl Iterator<Item = Timestamp> {
    let from = first.map_or(now, |first| first.max(before));
    (from.utc_day() + 1..=now.utc_day()).map(|day| Timestamp(day * DAY_MS))
}

fn counts_from(settings: &Settings, cause: Timestamp) -> Timestamp {
    cause.plus_ms(settings.grace_ms + 15 * MINUTE_MS)
}

impl Account {
    pub(crate) fn first_judgement(&self) -> Option<Timestamp> {
        self.judgements.first().map(|(at, _)| *at)
    }

    pub(crate) fn unacknowledged(&self) -> i64 {
        i64::try_from(self.open.len()).expect("few")
    }

    pub(crate) fn opened(&mut self, id: &ShipmentId, settings: &Settings, now: Timestamp) {
        self.open.insert(id.clone(), ());
        self.open_counts_from.get_or_insert(counts_from(settings, now));
    }

    pub(crate) fn ended(&mut self, id: &ShipmentId) {
        self.open.remove(id);
        if self.open.is_empty() {
            self.open_counts_from = None;
        }
    }

    pub(crate) fn judge(&mut self, settings: &Settings, day_end: Timestamp, counts: (i64, i64)) {
        let (evaluated, defective) = counts;
        let allowed = evaluated * settings.acceptable_rate_per_mille;
        let is_above = evaluated >= settings.standing_shipments_min && 1000 * defective > allowed;
        self.judgements.push((day_end, is_above));
        let Standing { level, restricted, .. } = self.standing(settings);
        if evaluated == 0 && level == Level::Standard && restricted.is_none() && !is_above {
            self.judgements.clear();
        }
    }

    /// The judgement that began the run of like ones that the `n`-th is in.
    fn run_began(&self, n: usize) -> Timestamp {
        let like = self.judgements[..=n].iter().rev().take_while(|(_, above)| *above == self.judgements[n].1);
        like.last().expect("itself at least").0
    }

    pub(crate) fn standing(&self, settings: &Settings) -> Standing {
        let mut standing = Standing::default();
        for (n, (at, is_above)) in self.judgements.iter().enumerate() {
            standing.restricted = standing.restricted.filter(|(_, until)| until > at);
            let since = standing.level_since.map_or(self.run_began(n), |since| since.max(self.run_began(n)));
            let for_long = |ms: i64| at.0 - since.0 >= ms;
            let next = match (standing.level, is_above) {
                (Level::Standard, true) if for_long(settings.escalate_ms) => Level::Elevated,
                (Level::Elevated, true) if for_long(settings.escalate_ms) => Level::Critical,
                (Level::Elevated | Level::Critical, false) if for_long(settings.standing_ms) => {
                    Level::Standard
                }
                (level, _) => level,
            };
            if next != standing.level {
                (standing.level, standing.level_since) = (next, Some(*at));
                if next == Level::Critical {
                    let from = counts_from(settings, *at);
                    standing.restricted = Some((from, from.plus_ms(settings.restriction_ms)));
                }
            }
        }
        standing
    }

    /// Why it may not create a shipment at this entry.
    pub(crate) fn holds_back(&self, settings: &Settings, entry: Timestamp) -> Vec<CommandErrorCode> {
        let mut codes = Vec::new();
        if self.standing(settings).restricted.is_some_and(|(from, until)| from <= entry && entry < until) {
            codes.push(CommandErrorCode::AccountRestricted);
        }
        let counts = self.open_counts_from.is_some_and(|from| from <= entry);
        if settings.require_acknowledgement && counts {
            codes.push(CommandErrorCode::UnacknowledgedProblems);
        }
        codes
    }
}
