//! Progress: all that scans said about one number, small enough to keep for every number there is.
//!
//! Enters: scans of the number, in any order and any number of times; a floor. Leaves: marks, for the view. Always true:
//! joining is commutative, associative and idempotent as long as no bound evicts; nothing is before the floor; equal
//! progress has equal bytes.
//!
//! One thing a rising floor cannot know: what happened between the first and the last time of a span that it cuts. So a
//! floor that rises before the scans may leave more than one that rises after them; both are what the rulebook says.
//!
//! What most parcels have stands in one row of words: the floor, spans (first and last time; the last only when it differs) of
//! milestones without a place and of flags, one `DELIVERED` sighting whose place has a short name, the ETA, the
//! appointment. Everything else is in [`Marks`], behind one pointer that most numbers never need.

use serde::{Deserialize, Serialize};

use super::layout::{self, SPAN_MILESTONES, WORDS_INLINE, span_positions};
use super::lone::{LoneDelivered, ShortName};
use super::marks::{Marks, Sighting, Span};
use super::words::Words;
use crate::model::{EventTime, FcId, Flag, Milestone, Scan, ScanId};

/// What is known about one number at one carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Progress {
    words: Words<WORDS_INLINE>,
    /// None when it would be empty.
    marks: Option<Box<Marks>>,
}

/// What joining a scan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The scan said something new that was kept.
    pub changed: bool,
    /// Marks that went because a bound was hit: from then on the order of scans may show.
    pub evicted: u32,
}

/// An appointment, with the event time of the scan that told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Appointment {
    /// When it was told.
    pub at: EventTime,
    /// Its start.
    pub start: EventTime,
    /// Its end, as told: not necessarily after its start.
    pub end: EventTime,
}

/// One sighting, wherever it is kept.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) milestone: Milestone,
    pub(super) place: Option<&'a str>,
    pub(super) at: EventTime,
    pub(super) id: ScanId,
    pub(super) retracted: bool,
}

impl Progress {
    /// What it is made of, to be written anew.
    pub(super) fn parts_mut(&mut self) -> (&mut Words<WORDS_INLINE>, &mut Option<Box<Marks>>) {
        (&mut self.words, &mut self.marks)
    }

    /// Adds what a scan says. A scan before the floor belongs to an earlier life and leaves no trace.
    pub fn join_scan(&mut self, scan: &Scan) -> Joined {
        let at = scan.event_time;
        if self.floor().is_some_and(|floor| at < floor) {
            return Joined::default();
        }
        let retractions = scan.retracts.len();
        let could_evict = Marks::is_nearly_full(self.marks.as_deref(), retractions);
        let before = could_evict.then(|| self.clone());

        let mut changed = false;
        if let Some(milestone) = scan.effect.milestone {
            changed |= self.mark(milestone, scan.place.as_ref(), at, scan.id);
        }
        if !scan.effect.flags.is_empty() {
            for flag in scan.effect.flags.iter() {
                changed |= self.widen(layout::flag_span(flag), Span::at(at));
            }
        }
        if let Some(eta) = scan.eta {
            changed |= self.raise(layout::ETA, [at, eta]);
        }
        if let Some((start, end)) = scan.appointment {
            changed |= self.raise(layout::APPOINTMENT, [at, start, end]);
        }
        for id in &scan.retracts {
            changed |= self.marks_mut().retract(*id);
        }
        let Some(before) = before else { return Joined { changed, evicted: 0 } };
        let evicted = self.bound();
        Joined { changed: changed && (evicted == 0 || before != *self), evicted }
    }

    /// Adds what other progress of the same number says; the higher floor holds for both. True: something changed.
    pub fn join(&mut self, other: &Progress) -> bool {
        let before = self.clone();
        let cut_other = match (self.floor(), other.floor()) {
            (Some(mine), theirs) if theirs.is_none_or(|theirs| theirs < mine) => {
                let mut cut = other.clone();
                cut.raise_floor(mine);
                Some(cut)
            }
            (_, Some(theirs)) => {
                self.raise_floor(theirs);
                None
            }
            (_, None) => None,
        };
        self.join_marks(cut_other.as_ref().unwrap_or(other));
        self.bound();
        *self != before
    }

    /// The union of the marks, before bounds.
    fn join_marks(&mut self, other: &Progress) {
        for from in span_positions() {
            if let Some(span) = other.span(from) {
                self.widen(from, span);
            }
        }
        if let Some(told) = other.told(layout::ETA) {
            self.raise(layout::ETA, told);
        }
        if let Some(told) = other.told(layout::APPOINTMENT) {
            self.raise(layout::APPOINTMENT, told);
        }
        if let Some(lone) = other.lone_delivered() {
            self.sight(lone.sighting());
        }
        if let Some(marks) = &other.marks {
            for placed in marks.spans() {
                self.marks_mut().widen(placed.milestone, &placed.place, placed.span);
            }
            for sighting in marks.sightings() {
                self.sight(sighting.clone());
            }
            for id in marks.retracted() {
                self.marks_mut().retract(*id);
            }
        }
    }

    /// The smallest second that still belongs to the number's lives.
    pub fn floor(&self) -> Option<EventTime> {
        self.words.get(layout::FLOOR).map(EventTime)
    }

    /// Raises the floor and drops what is before it. False: it was as high already. Lowering it needs
    /// [`Progress::clear_floor`] first; what was dropped does not come back.
    pub fn raise_floor(&mut self, floor: EventTime) -> bool {
        if self.floor().is_some_and(|now| floor <= now) {
            return false;
        }
        self.words.set(layout::FLOOR, floor.0);
        for from in span_positions() {
            if let Some(span) = self.span(from) {
                self.set_span(from, span.cut(floor));
            }
        }
        for told in [&layout::ETA[..], &layout::APPOINTMENT[..], &layout::DELIVERED[..]] {
            if self.words.get(told[0]).is_some_and(|at| at < floor.0) {
                told.iter().for_each(|position| self.words.clear(*position));
            }
        }
        if let Some(marks) = &mut self.marks {
            marks.cut(floor);
            self.bound();
        }
        true
    }

    /// Forgets the floor, when the number's last registration goes.
    pub fn clear_floor(&mut self) {
        self.words.clear(layout::FLOOR);
    }

    /// Whether no scan left a mark. A floor is none.
    pub fn is_empty(&self) -> bool {
        self.words.present() & !(1 << layout::FLOOR) == 0 && self.marks.is_none()
    }

    /// The newest ETA.
    pub(super) fn eta(&self) -> Option<(EventTime, EventTime)> {
        self.told(layout::ETA).map(|[at, eta]| (at, eta))
    }

    /// The newest appointment.
    pub(super) fn appointment(&self) -> Option<Appointment> {
        self.told(layout::APPOINTMENT).map(|[at, start, end]| Appointment { at, start, end })
    }

    /// First and last time of a flag.
    pub(super) fn flag(&self, flag: Flag) -> Option<Span> {
        self.span(layout::flag_span(flag))
    }

    /// Whether there is any flag.
    pub(super) fn has_flags(&self) -> bool {
        const FLAGS: u64 = (1 << layout::APPOINTMENT[0]) - (1 << layout::FLAG_SPANS);
        self.words.present() & FLAGS != 0
    }

    /// All spans of milestones, with their place.
    pub(super) fn each_span(&self, mut visit: impl FnMut(Milestone, Option<&str>, Span)) {
        for milestone in SPAN_MILESTONES {
            if let Some(span) = self.span(layout::milestone_span(milestone)) {
                visit(milestone, None, span);
            }
        }
        for placed in self.marks.iter().flat_map(|marks| marks.spans()) {
            visit(placed.milestone, Some(placed.place.as_str()), placed.span);
        }
    }

    /// All sightings, retracted ones included.
    pub(super) fn each_sighting(&self, mut visit: impl FnMut(Seen<'_>)) {
        let is_retracted = |id| self.marks.as_ref().is_some_and(|marks| marks.is_retracted(id));
        if let Some(lone) = self.lone_delivered() {
            let LoneDelivered { place, at, id } = lone;
            let (milestone, retracted) = (Milestone::Delivered, is_retracted(id));
            visit(Seen { milestone, place: place.name(), at, id, retracted });
        }
        for sighting in self.marks.iter().flat_map(|marks| marks.sightings()) {
            let Sighting { milestone, place, at, id } = sighting;
            let place = place.as_ref().map(FcId::as_str);
            visit(Seen { milestone: *milestone, place, at: *at, id: *id, retracted: is_retracted(*id) });
        }
    }

    /// All retractions, sorted.
    pub(super) fn retracted(&self) -> &[ScanId] {
        self.marks.as_ref().map_or(&[], |marks| marks.retracted())
    }

    fn mark(&mut self, milestone: Milestone, place: Option<&FcId>, at: EventTime, id: ScanId) -> bool {
        match milestone {
            Milestone::LabelCreated
            | Milestone::PickedUp
            | Milestone::InTransit
            | Milestone::AtDestination => self.widen(layout::milestone_span(milestone), Span::at(at)),
            Milestone::OutForDelivery | Milestone::ArrivedAtFc => match place {
                None => self.widen(layout::milestone_span(milestone), Span::at(at)),
                Some(place) => self.marks_mut().widen(milestone, place, Span::at(at)),
            },
            Milestone::Delivered => match (self.lone_delivered(), ShortName::of(place)) {
                (None, Some(place)) if !self.has_delivered_marks() => {
                    self.set_lone_delivered(Some(LoneDelivered { place, at, id }));
                    true
                }
                (Some(known), Some(place)) if known.id == id && known.place == place => {
                    self.words.set(layout::DELIVERED[0], known.at.min(at).0);
                    at < known.at
                }
                _ => self.sight(Sighting { milestone, place: place.cloned(), at, id }),
            },
            Milestone::PartiallyDelivered
            | Milestone::ReturnStarted
            | Milestone::Returned
            | Milestone::Lost
            | Milestone::Destroyed => self.marks_mut().sight(Sighting { milestone, place: None, at, id }),
        }
    }

    fn has_delivered_marks(&self) -> bool {
        self.marks.as_ref().is_some_and(|marks| marks.has_delivered())
    }

    /// Adds a sighting to the marks, where a lone one joins it; then a lone one moves back.
    fn sight(&mut self, sighting: Sighting) -> bool {
        if sighting.milestone == Milestone::Delivered
            && let Some(lone) = self.lone_delivered()
        {
            self.set_lone_delivered(None);
            self.marks_mut().sight(lone.sighting());
        }
        let changed = self.marks_mut().sight(sighting);
        self.settle();
        changed
    }

    fn marks_mut(&mut self) -> &mut Marks {
        self.marks.get_or_insert_default()
    }

    /// Drops what is over the bounds.
    fn bound(&mut self) -> u32 {
        let lone = self.lone_delivered().map(|lone| lone.id);
        let words = &self.words;
        let has_unplaced = |milestone| words.has(layout::milestone_span(milestone));
        let evicted = self.marks.as_mut().map_or(0, |marks| marks.bound(has_unplaced, lone));
        self.settle();
        evicted
    }

    /// Puts everything where it belongs, so that equal progress looks equal.
    fn settle(&mut self) {
        let Some(marks) = &mut self.marks else { return };
        let lone = marks.take_lone_delivered();
        if marks.is_empty() {
            self.marks = None;
        }
        if lone.is_some() {
            self.set_lone_delivered(lone);
        }
    }

    fn span(&self, from: u32) -> Option<Span> {
        let first = EventTime(self.words.get(from)?);
        Some(Span { first, last: self.words.get(from + 1).map_or(first, EventTime) })
    }

    fn set_span(&mut self, from: u32, span: Option<Span>) {
        match span {
            Some(Span { first, .. }) => self.words.set(from, first.0),
            None => self.words.clear(from),
        }
        match span {
            Some(Span { first, last }) if first < last => self.words.set(from + 1, last.0),
            _ => self.words.clear(from + 1),
        }
    }

    fn widen(&mut self, from: u32, span: Span) -> bool {
        let before = self.span(from);
        let after = Some(before.map_or(span, |before| before.union(span)));
        if after != before {
            self.set_span(from, after);
        }
        after != before
    }

    fn told<const K: usize>(&self, positions: [u32; K]) -> Option<[EventTime; K]> {
        self.words
            .has(positions[0])
            .then(|| positions.map(|p| EventTime(self.words.get(p).expect("set together"))))
    }

    /// Keeps the larger of what is there and what is told: the newer, and among equally new the larger.
    fn raise<const K: usize>(&mut self, positions: [u32; K], told: [EventTime; K]) -> bool {
        let newer = self.told(positions).is_none_or(|before| before < told);
        if newer {
            positions.iter().zip(told).for_each(|(position, time)| self.words.set(*position, time.0));
        }
        newer
    }

    fn lone_delivered(&self) -> Option<LoneDelivered> {
        self.words
            .has(layout::DELIVERED[0])
            .then(|| layout::DELIVERED.map(|p| self.words.get(p)))
            .and_then(LoneDelivered::of_words)
    }

    fn set_lone_delivered(&mut self, lone: Option<LoneDelivered>) {
        let words = lone.map_or([None; 5], |lone| lone.words());
        for (position, word) in layout::DELIVERED.into_iter().zip(words) {
            match word {
                Some(word) => self.words.set(position, word),
                None => self.words.clear(position),
            }
        }
    }

    /// Whether scans could have made this: it is looked at when progress is read.
    pub(super) fn is_sound(&self) -> bool {
        let all_or_none = |positions: &[u32]| {
            let some = positions.iter().filter(|p| self.words.has(**p)).count();
            some == 0 || some == positions.len()
        };
        let is_span = |from: u32| {
            let first = self.words.get(from);
            self.words.get(from + 1).is_none_or(|last| first.is_some_and(|first| first < last))
        };
        let [at, id_low, id_high, name_low, name_high] = layout::DELIVERED;
        self.words.present() >> layout::END == 0
            && span_positions().all(is_span)
            && all_or_none(&layout::ETA)
            && all_or_none(&layout::APPOINTMENT)
            && all_or_none(&[at, id_low, id_high])
            && match self.lone_delivered() {
                None => !self.words.has(name_low) && !self.words.has(name_high),
                Some(lone) => lone.place.is_sound() && !self.has_delivered_marks(),
            }
            && self.marks.as_ref().is_none_or(|marks| marks.is_sound())
    }
}

/// Progress as it was read.
#[derive(Deserialize)]
struct Unchecked {
    words: Words<WORDS_INLINE>,
    marks: Option<Box<Marks>>,
}

impl TryFrom<Unchecked> for Progress {
    type Error = &'static str;

    fn try_from(raw: Unchecked) -> Result<Progress, Self::Error> {
        let progress = Progress { words: raw.words, marks: raw.marks };
        if progress.is_sound() { Ok(progress) } else { Err("progress that no scans could have made") }
    }
}
