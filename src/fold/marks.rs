//! The rarer marks of a number: spans at named places, sightings, retractions.
//!
//! Enters: single marks, a floor. Leaves: the same marks, sorted, within their bounds. Always true: no mark appears twice;
//! adding is a union and [`Marks::bound`] a function of what is there, so the order of adding does not show.
//!
//! Bounds, by content so that they do not depend on the order either: of each placed milestone the 4 smallest places (none
//! is the smallest), of each milestone and place the 4 earliest and the 4 latest sightings, and the 8 smallest retractions
//! whose sighting is not there.

use serde::{Deserialize, Serialize};

use super::lone::LoneDelivered;
use crate::model::{EventTime, FcId, Milestone, ScanId};

/// Places that a placed milestone keeps, "no place" included.
const PLACES_MAX: usize = 4;
/// Sightings that are kept at either end, per milestone and place.
const SIGHTINGS_PER_END_MAX: usize = 4;
/// Retractions that wait for their sighting.
const WAITING_RETRACTIONS_MAX: usize = 8;

/// First and last time of something that is never taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) first: EventTime,
    pub(super) last: EventTime,
}

impl Span {
    pub(super) fn at(at: EventTime) -> Span {
        Span { first: at, last: at }
    }

    pub(super) fn union(self, other: Span) -> Span {
        Span { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// What is left of it from `floor` on. What happened between its ends is not known, so it shrinks to its last.
    pub(super) fn cut(self, floor: EventTime) -> Option<Span> {
        (self.last >= floor).then(|| if self.first >= floor { self } else { Span::at(self.last) })
    }
}

/// `OUT_FOR_DELIVERY` or `ARRIVED_AT_FC` at a named place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlacedSpan {
    pub(super) milestone: Milestone,
    pub(super) place: FcId,
    pub(super) span: Span,
}

/// One scan of a milestone that can be taken back. Only `DELIVERED` has a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Sighting {
    pub(super) milestone: Milestone,
    pub(super) place: Option<FcId>,
    pub(super) at: EventTime,
    pub(super) id: ScanId,
}

impl Sighting {
    fn group(&self) -> (Milestone, Option<&FcId>) {
        (self.milestone, self.place.as_ref())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    /// Sorted by milestone and place.
    spans: Vec<PlacedSpan>,
    /// Sorted as their fields stand.
    sightings: Vec<Sighting>,
    /// Sorted. Never forgotten but by the bound, even when the sighting goes.
    retracted: Vec<ScanId>,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.sightings.is_empty() && self.retracted.is_empty()
    }

    /// All lists, to be filled anew.
    pub(super) fn lists_mut(&mut self) -> (&mut Vec<PlacedSpan>, &mut Vec<Sighting>, &mut Vec<ScanId>) {
        (&mut self.spans, &mut self.sightings, &mut self.retracted)
    }

    pub(super) fn spans(&self) -> &[PlacedSpan] {
        &self.spans
    }

    pub(super) fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    pub(super) fn retracted(&self) -> &[ScanId] {
        &self.retracted
    }

    pub(super) fn is_retracted(&self, id: ScanId) -> bool {
        self.retracted.binary_search(&id).is_ok()
    }

    /// Whether adding one mark and `retractions` could hit a bound. Cheap; may err towards yes.
    pub(super) fn is_nearly_full(marks: Option<&Marks>, retractions: usize) -> bool {
        let (spans, sightings, retracted) =
            marks.map_or((0, 0, 0), |m| (m.spans.len(), m.sightings.len(), m.retracted.len()));
        spans + 1 >= PLACES_MAX
            || sightings >= PLACES_MAX
            || retracted + retractions > WAITING_RETRACTIONS_MAX
    }

    /// Adds a span. True: it said something new.
    pub(super) fn widen(&mut self, milestone: Milestone, place: &FcId, span: Span) -> bool {
        match self.spans.binary_search_by(|s| (s.milestone, &s.place).cmp(&(milestone, place))) {
            Ok(found) => {
                let before = self.spans[found].span;
                self.spans[found].span = before.union(span);
                self.spans[found].span != before
            }
            Err(gap) => {
                self.spans.insert(gap, PlacedSpan { milestone, place: place.clone(), span });
                true
            }
        }
    }

    /// Adds a sighting; of one scan the earlier time counts. True: it said something new.
    pub(super) fn sight(&mut self, sighting: Sighting) -> bool {
        let same = |s: &Sighting| s.id == sighting.id && s.group() == sighting.group();
        if let Some(known) = self.sightings.iter().position(same) {
            if self.sightings[known].at <= sighting.at {
                return false;
            }
            self.sightings.remove(known);
        }
        let gap = self.sightings.partition_point(|s| *s < sighting);
        self.sightings.insert(gap, sighting);
        true
    }

    /// Adds a retraction. True: it is new.
    pub(super) fn retract(&mut self, id: ScanId) -> bool {
        let gap = self.retracted.binary_search(&id);
        if let Err(gap) = gap {
            self.retracted.insert(gap, id);
        }
        gap.is_err()
    }

    /// Takes the sighting of `DELIVERED` out if it is the only one and fits the short form.
    pub(super) fn take_lone_delivered(&mut self) -> Option<LoneDelivered> {
        let (at, lone) = self.lone_delivered()?;
        self.sightings.remove(at);
        Some(lone)
    }

    fn lone_delivered(&self) -> Option<(usize, LoneDelivered)> {
        let mut delivered = self.sightings.iter().enumerate().filter(|(_, s)| is_delivered(s));
        let (Some((at, sighting)), None) = (delivered.next(), delivered.next()) else { return None };
        Some((at, LoneDelivered::of(sighting)?))
    }

    pub(super) fn has_delivered(&self) -> bool {
        self.sightings.iter().any(is_delivered)
    }

    /// Drops what is before the floor. Retractions have no time and stay.
    pub(super) fn cut(&mut self, floor: EventTime) {
        self.spans.retain_mut(|s| match s.span.cut(floor) {
            Some(rest) => {
                s.span = rest;
                true
            }
            None => false,
        });
        self.sightings.retain(|s| s.at >= floor);
    }

    /// Drops what is over the bounds, and says how many marks that were. `has_unplaced` says whether a milestone also
    /// has a span without a place, `elsewhere` names the scan of a sighting that is kept outside.
    pub(super) fn bound(
        &mut self,
        has_unplaced: impl Fn(Milestone) -> bool,
        elsewhere: Option<ScanId>,
    ) -> u32 {
        let before = self.spans.len() + self.sightings.len() + self.retracted.len();
        self.bound_spans(has_unplaced);
        self.bound_sightings();
        if self.retracted.len() > WAITING_RETRACTIONS_MAX {
            let sightings = &self.sightings;
            let is_there = |id| elsewhere == Some(id) || sightings.iter().any(|s| s.id == id);
            let mut waiting = 0;
            self.retracted.retain(|id| {
                is_there(*id) || {
                    waiting += 1;
                    waiting <= WAITING_RETRACTIONS_MAX
                }
            });
        }
        let after = self.spans.len() + self.sightings.len() + self.retracted.len();
        u32::try_from(before - after).unwrap_or(u32::MAX)
    }

    fn bound_spans(&mut self, has_unplaced: impl Fn(Milestone) -> bool) {
        if self.spans.len() < PLACES_MAX {
            return;
        }
        let mut group = None;
        let mut places = 0;
        self.spans.retain(|s| {
            if group != Some(s.milestone) {
                group = Some(s.milestone);
                places = usize::from(has_unplaced(s.milestone));
            }
            places += 1;
            places <= PLACES_MAX
        });
    }

    fn bound_sightings(&mut self) {
        if self.sightings.len() <= PLACES_MAX {
            return;
        }
        let mut kept = Vec::with_capacity(self.sightings.len());
        let mut milestone = None;
        let mut places = 0;
        for group in self.sightings.chunk_by(|a, b| a.group() == b.group()) {
            if milestone != Some(group[0].milestone) {
                milestone = Some(group[0].milestone);
                places = 0;
            }
            places += 1;
            if places > PLACES_MAX {
                continue;
            }
            let middle = SIGHTINGS_PER_END_MAX..group.len().saturating_sub(SIGHTINGS_PER_END_MAX);
            kept.extend(
                group.iter().enumerate().filter(|(i, _)| !middle.contains(i)).map(|(_, s)| s.clone()),
            );
        }
        self.sightings = kept;
    }

    /// Whether this could have been made by adding, cutting and bounding (the bounds themselves are not looked at).
    pub(super) fn is_sound(&self) -> bool {
        !self.is_empty()
            && self.spans.is_sorted_by(|a, b| (a.milestone, &a.place) < (b.milestone, &b.place))
            && self.spans.iter().all(|s| {
                matches!(s.milestone, Milestone::OutForDelivery | Milestone::ArrivedAtFc)
                    && s.span.first <= s.span.last
            })
            && self.sightings.is_sorted_by(|a, b| a < b)
            && self.sightings.iter().all(|s| {
                s.milestone >= Milestone::PartiallyDelivered && (s.place.is_none() || is_delivered(s))
            })
            && self.lone_delivered().is_none()
            && self.retracted.is_sorted_by(|a, b| a < b)
    }
}

fn is_delivered(sighting: &Sighting) -> bool {
    sighting.milestone == Milestone::Delivered
}
