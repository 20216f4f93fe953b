//! The view: what a box shows, given its number's progress, its life and its fulfillment center.
//!
//! Enters: progress, an interval, an FC. Leaves: [`View`], complete and absolute, so that repeating or reordering box
//! events is harmless. Always true: only times within the interval are seen; a box is withdrawn exactly when its
//! current milestone is a side one.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::marks::Span;
use super::packed::{Reader, milestone, read_words};
use super::progress::{Appointment, Progress};
use super::words::Words;
use crate::model::{EventTime, FcId, Flag, FlagSet, Milestone, SECOND_MS, Timestamp};

/// The life of a number in a shipment: `from ≤ t < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it; none while the registration stands.
    pub to: Option<Timestamp>,
}

impl Interval {
    /// Whether an event belongs to it.
    pub fn contains(&self, at: EventTime) -> bool {
        let at = at.timestamp();
        self.from <= at && self.to.is_none_or(|to| at < to)
    }

    /// The smallest second that is not before `from`: what the number's floor is raised to.
    pub fn floor(&self) -> EventTime {
        let seconds = self.from.0.div_euclid(SECOND_MS) + i64::from(self.from.0.rem_euclid(SECOND_MS) > 0);
        EventTime(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
    }

    /// What a span offers first: its first, else its last.
    fn earliest(&self, span: Span) -> Option<EventTime> {
        [span.first, span.last].into_iter().find(|at| self.contains(*at))
    }

    /// Both times of a span, as far as they belong to it.
    fn ends(&self, span: Span) -> impl Iterator<Item = EventTime> {
        [span.first, span.last].into_iter().filter(|at| self.contains(*at))
    }

    /// What a span offers last: its last, else its first.
    fn newest(&self, span: Span) -> Option<EventTime> {
        [span.last, span.first].into_iter().find(|at| self.contains(*at))
    }
}

/// Words that a view holds before it needs an allocation: six milestones, the newest time, an ETA.
const WORDS_INLINE: usize = 8;

/// Where things stand in the row, after the milestones.
mod layout {
    pub(super) const NEWEST: u32 = 12;
    pub(super) const ETA: u32 = 13;
    pub(super) const APPOINTMENT: [u32; 3] = [14, 15, 16];
    /// Opening and end of each fact, in the order of their kinds.
    pub(super) const FACTS: u32 = 17;
    /// A delivery that rests on something later; most have nothing here.
    pub(super) const UNSETTLED: u32 = 27;
}

/// What may be wrong with a box (R23), as far as its scans tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fact {
    /// On its way back: from a return until it is brought back.
    Returned,
    /// Lost, until it moves again.
    Lost,
    /// Damaged, for good.
    Damaged,
    /// Refused, until it is delivered here.
    Refused,
    /// Delivered at another fulfillment center, until it moves again.
    Misdelivered,
}

/// The last time that a fact held: `opened ≤ t < ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When it began.
    pub opened: EventTime,
    /// When it was over; none: it holds.
    pub ended: Option<EventTime>,
}

impl Episode {
    /// The last episode of what `signs` say and `ends` end: since the earliest sign after the end before. What would end it
    /// at the very time of a sign does not.
    fn last(signs: &[EventTime], ends: &[EventTime]) -> Option<Episode> {
        let newest = *signs.iter().max()?;
        let before = ends.iter().filter(|end| **end < newest && !signs.contains(end)).max();
        let opened = *signs.iter().filter(|at| before.is_none_or(|before| *at > before)).min()?;
        let ended = ends.iter().copied().filter(|end| *end > newest).min();
        Some(Episode { opened, ended })
    }
}

/// What a box shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    times: Words<WORDS_INLINE>,
    flags: FlagSet,
    current: Option<Milestone>,
}

impl View {
    /// What a box shows that was never scanned.
    pub const EMPTY: View = View { times: Words::EMPTY, flags: FlagSet::EMPTY, current: None };

    /// Reads a view from a state log; the reader says whether it is one.
    pub fn read(reader: &mut Reader<'_>) -> View {
        let mut view = View::EMPTY;
        read_words(&mut view.times, reader);
        view.flags = FlagSet::from_bits(reader.half());
        view.current = if reader.is_set() { milestone(reader) } else { None };
        view
    }

    /// The time of a shown milestone; of the side ones only active ones are shown.
    pub fn at(&self, milestone: Milestone) -> Option<EventTime> {
        self.get(milestone as u32)
    }

    /// The active side milestone with the newest sighting, else the highest ranked one shown.
    pub fn current(&self) -> Option<Milestone> {
        self.current
    }

    /// Whether it is delivered, and would be if the number's life had ended any time after the delivery: no return, loss or
    /// destruction is as late, and what brought it back from an earlier return is not later. Only such a delivery can end
    /// a life; the end of another would hide what it rests on.
    pub fn delivered_for_good(&self) -> bool {
        self.current == Some(Milestone::Delivered) && !self.times.has(layout::UNSETTLED)
    }

    /// The rank of the highest ranked milestone shown; 0 without one.
    pub fn rank(&self) -> u8 {
        let ranked = Milestone::ALL.into_iter().rev().filter(|m| self.times.has(*m as u32));
        ranked.filter_map(Milestone::rank).next().unwrap_or(0)
    }

    /// The active flags.
    pub fn flags(&self) -> FlagSet {
        self.flags
    }

    /// Whether the box left the plan: on its way back, lost or destroyed.
    pub fn withdrawn(&self) -> bool {
        self.current.is_some_and(Milestone::is_side)
    }

    /// When the carrier means to deliver.
    pub fn eta(&self) -> Option<EventTime> {
        self.get(layout::ETA)
    }

    /// The delivery appointment.
    pub fn appointment(&self) -> Option<Appointment> {
        let [at, start, end] = layout::APPOINTMENT.map(|p| self.get(p));
        Some(Appointment { at: at?, start: start?, end: end? })
    }

    /// The newest event among what is shown.
    pub fn newest(&self) -> Option<EventTime> {
        self.get(layout::NEWEST)
    }

    /// The last episode of a fact.
    pub fn episode(&self, fact: Fact) -> Option<Episode> {
        let position = layout::FACTS + 2 * fact as u32;
        Some(Episode { opened: self.get(position)?, ended: self.get(position + 1) })
    }

    fn get(&self, position: u32) -> Option<EventTime> {
        self.times.get(position).map(EventTime)
    }

    fn show(&mut self, position: u32, at: EventTime) {
        self.times.set(position, at.0);
    }

    fn tell(&mut self, fact: Fact, episode: Option<Episode>) {
        let Some(Episode { opened, ended }) = episode else { return };
        let position = layout::FACTS + 2 * fact as u32;
        self.show(position, opened);
        if let Some(ended) = ended {
            self.show(position + 1, ended);
        }
    }
}

/// What a box at `fc` shows of its number's progress during `interval`.
pub fn view(progress: &Progress, interval: Interval, fc: &FcId) -> View {
    if progress.is_empty() {
        return View::EMPTY;
    }
    let visible = Visible::of(progress, interval, fc);
    let leg = visible.return_leg();
    let mut view = View::EMPTY;
    let mut newest = None;

    for milestone in Milestone::ALL.into_iter().filter(|m| !m.is_side()) {
        if let Some(at) = visible.earliest[milestone.index()]
            && leg.is_none_or(|opening| at <= opening)
        {
            view.show(milestone as u32, at);
            view.current = Some(milestone);
            newest = newest.max(Some(at));
        }
    }

    // In the order of their precedence: a later one with an equally new sighting wins.
    let mut newest_side = None;
    for side in Milestone::ALL.into_iter().filter(|m| m.is_side()) {
        if let Some((first, last)) = visible.side(side, leg) {
            view.show(side as u32, first);
            if newest_side <= Some(last) {
                newest_side = Some(last);
                view.current = Some(side);
            }
        }
    }
    newest = newest.max(newest_side);
    if view.current == Some(Milestone::Delivered)
        && let Some(at) = view.at(Milestone::Delivered)
        && !visible.settles(at)
    {
        view.show(layout::UNSETTLED, at);
    }

    if progress.has_flags() {
        for flag in Flag::ALL {
            let Some(at) = progress.flag(flag).and_then(|span| interval.newest(span)) else { continue };
            let stands = match flag {
                Flag::Damaged => true,
                Flag::Refused => visible.delivered_here.iter().all(|delivered| *delivered <= at),
                _ => visible.movement <= Some(at),
            };
            if stands {
                view.flags.insert(flag);
                newest = newest.max(Some(at));
            }
        }
    }
    if let Some((at, eta)) = progress.eta().filter(|(at, _)| interval.contains(*at)) {
        view.show(layout::ETA, eta);
        newest = newest.max(Some(at));
    }
    if let Some(told) = progress.appointment().filter(|told| interval.contains(told.at)) {
        for (position, at) in layout::APPOINTMENT.into_iter().zip([told.at, told.start, told.end]) {
            view.show(position, at);
        }
        newest = newest.max(Some(told.at));
    }
    if let Some(at) = newest {
        view.show(layout::NEWEST, at);
    }
    tell_facts(&mut view, progress, interval, &visible);
    view
}

/// What is or was wrong with the box. Most boxes have nothing, and cost nothing here.
fn tell_facts(view: &mut View, progress: &Progress, interval: Interval, visible: &Visible) {
    let returns: Times = visible.returns.iter().map(|(_, at)| *at).collect();
    view.tell(Fact::Returned, Episode::last(&returns, &visible.bring_backs));
    if visible.newest_side[Milestone::Lost.index()].is_some() || !visible.elsewhere.is_empty() {
        let (mut moved, mut lost) = (Times::new(), Times::new());
        progress.each_span(|milestone, _, span| {
            if milestone >= Milestone::PickedUp {
                moved.extend(interval.ends(span));
            }
        });
        progress.each_sighting(|seen| match seen.milestone {
            _ if seen.retracted || !interval.contains(seen.at) => {}
            Milestone::Lost => lost.push(seen.at),
            Milestone::PartiallyDelivered => moved.push(seen.at),
            _ => {}
        });
        moved.extend_from_slice(&visible.delivered_here);
        view.tell(Fact::Misdelivered, Episode::last(&visible.elsewhere, &moved));
        moved.extend_from_slice(&visible.elsewhere);
        view.tell(Fact::Lost, Episode::last(&lost, &moved));
    }
    if progress.has_flags() {
        let refused: Times =
            progress.flag(Flag::Refused).into_iter().flat_map(|span| interval.ends(span)).collect();
        view.tell(Fact::Refused, Episode::last(&refused, &visible.delivered_here));
        let damaged = progress.flag(Flag::Damaged).and_then(|span| interval.earliest(span));
        view.tell(Fact::Damaged, damaged.map(|opened| Episode { opened, ended: None }));
    }
}

type Times = SmallVec<[EventTime; 8]>;

/// What of the progress can be seen: in the interval, and not retracted.
#[derive(Default)]
struct Visible {
    /// The earliest time per ranked milestone here, and per side milestone.
    earliest: [Option<EventTime>; 12],
    /// The newest sighting per side milestone (other places stay empty).
    newest_side: [Option<EventTime>; 12],
    delivered_here: Times,
    /// Deliveries that name another FC.
    elsewhere: Times,
    /// The newest time at rank 20 or more, at any place.
    movement: Option<EventTime>,
    /// When a scan named this FC as the place of its last mile, arrival or delivery.
    bring_backs: Times,
    /// Sightings of `RETURN_STARTED` and `RETURNED`.
    returns: SmallVec<[(Milestone, EventTime); 8]>,
}

impl Visible {
    fn of(progress: &Progress, interval: Interval, fc: &FcId) -> Visible {
        let mut visible = Visible::default();
        let fc = fc.as_str();
        progress.each_span(|milestone, place, span| {
            if place.is_none_or(|place| place == fc) {
                visible.seen_at(milestone, interval.earliest(span));
            }
            if milestone >= Milestone::PickedUp {
                visible.movement = visible.movement.max(interval.newest(span));
            }
            if place == Some(fc) {
                visible.bring_backs.extend(interval.ends(span));
            }
        });
        progress.each_sighting(|seen| {
            let (milestone, at) = (seen.milestone, seen.at);
            if seen.retracted || !interval.contains(at) {
                return;
            }
            match milestone {
                Milestone::Delivered => match seen.place {
                    Some(place) if place != fc => visible.elsewhere.push(at),
                    here => {
                        visible.seen_at(milestone, Some(at));
                        visible.delivered_here.push(at);
                        visible.bring_backs.extend(here.map(|_| at));
                    }
                },
                Milestone::ReturnStarted | Milestone::Returned => visible.returns.push((milestone, at)),
                _ => visible.seen_at(milestone, Some(at)),
            }
            if milestone.is_side() {
                let newest = &mut visible.newest_side[milestone.index()];
                *newest = (*newest).max(Some(at));
            } else {
                visible.movement = visible.movement.max(Some(at));
            }
        });
        visible
    }

    fn seen_at(&mut self, milestone: Milestone, at: Option<EventTime>) {
        let earliest = &mut self.earliest[milestone.index()];
        *earliest = earliest.iter().copied().chain(at).min();
    }

    /// When the active return leg opened.
    fn return_leg(&self) -> Option<EventTime> {
        let newest_return = self.returns.iter().map(|(_, at)| *at).max()?;
        if self.bring_backs.iter().any(|at| *at > newest_return) {
            return None;
        }
        let brought_back = self.bring_backs.iter().filter(|at| **at < newest_return).max();
        let after = |at: &EventTime| brought_back.is_none_or(|brought_back| at > brought_back);
        self.returns.iter().map(|(_, at)| *at).filter(after).min()
    }

    /// Whether a delivery would be shown whatever is not seen of the time after it.
    fn settles(&self, delivered: EventTime) -> bool {
        let newest_return = self.returns.iter().map(|(_, at)| *at).max();
        let is_back = |returned| self.bring_backs.iter().any(|at| *at > returned && *at <= delivered);
        self.newest_side.iter().flatten().all(|at| *at < delivered) && newest_return.is_none_or(is_back)
    }

    /// The shown time and the newest sighting of a side milestone, if it is active.
    fn side(&self, milestone: Milestone, leg: Option<EventTime>) -> Option<(EventTime, EventTime)> {
        let newest = self.newest_side[milestone.index()]?;
        let first = match milestone {
            Milestone::Lost | Milestone::Destroyed => {
                self.earliest[milestone.index()].filter(|_| self.movement <= Some(newest))?
            }
            _ => {
                let opening = leg?;
                let mine = self.returns.iter().filter(|(m, at)| *m == milestone && *at >= opening);
                mine.map(|(_, at)| *at).min()?
            }
        };
        Some((first, newest))
    }
}
