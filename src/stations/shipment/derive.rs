//! What a shipment is: a pure function of its facts (rulebook §6).
//!
//! Enters: a [`Shipment`]. Leaves: status, expectation, verdict, problems, the ledger's share and the next due time. Always true:
//! the order in which scans arrived between two commands cannot show here, since only views, entries and `as_of` are read.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::facts::{Acknowledgement, Shipment, Unit};
use crate::fold::{Fact, View};
use crate::model::{
    BandCounts, DAY_MS, EventTime, Expected, ExpectedSource, FcId, Fcs, HOUR_MS, LocalDay, Milestone, Milli,
    ProblemKind, ProblemStatus, Settings, Stage, Status, Timestamp, Verdict, WindowView,
};
use crate::stations::hop::{ArrivalKey, Subtotal, UnitNo};
use crate::stations::ledger::forgotten_at;

/// Remembers FC-local days, so that most boxes need no calendar.
#[derive(Debug, Default)]
pub(crate) struct Days {
    by_fc: BTreeMap<FcId, Vec<LocalDay>>,
}

/// How many days of an FC are remembered.
const DAYS_MAX: usize = 32;

impl Days {
    pub(crate) fn day(&mut self, fcs: &Fcs, fc: &FcId, at: Timestamp) -> LocalDay {
        if !self.by_fc.contains_key(fc) {
            self.by_fc.insert(fc.clone(), Vec::new());
        }
        let days = self.by_fc.get_mut(fc).expect("just inserted");
        if let Some(day) = days.iter().rev().find(|day| day.start <= at && at < day.end) {
            return *day;
        }
        let day = fcs.day(fc.as_str(), at);
        if days.len() == DAYS_MAX {
            days.remove(0);
        }
        days.push(day);
        day
    }
}

/// A problem that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) status: ProblemStatus,
    pub(crate) boxes: Vec<UnitNo>,
    pub(crate) opened_at: Timestamp,
    /// When the newest of its boxes came in; the earliest time for kinds that never reopen.
    pub(crate) newest_opening: Timestamp,
    pub(crate) acknowledged_at: Option<Timestamp>,
    pub(crate) resolved_at: Option<Timestamp>,
}

/// Everything that follows from a shipment's facts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Derived {
    pub(crate) status: Status,
    pub(crate) status_since: Timestamp,
    pub(crate) expected: Expected,
    pub(crate) window: Option<WindowView>,
    pub(crate) problems: SmallVec<[Problem; 1]>,
    /// Whether a line stands on the FC's plan.
    pub(crate) on_plan: bool,
    pub(crate) occurred_at: Timestamp,
    pub(crate) contributions: SmallVec<[(ArrivalKey, Subtotal); 1]>,
    pub(crate) verdict: Option<(i64, bool)>,
    pub(crate) life_end: Option<Timestamp>,
    /// When time alone changes something next.
    pub(crate) due: Timestamp,
    /// Whether its time is over: nothing of it is kept.
    pub(crate) retired: bool,
}

/// `opened ≤ t < ended`.
#[derive(Clone, Copy)]
struct Span {
    opened: Timestamp,
    ended: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct UnitExpectation {
    interval: Option<(Timestamp, Timestamp)>,
    source: ExpectedSource,
    confidence: u16,
    /// The day it rolled to, if it did.
    rolled: Option<Timestamp>,
}

struct Deriver<'a> {
    shipment: &'a Shipment,
    settings: &'a Settings,
    fcs: &'a Fcs,
    days: &'a mut Days,
    first_report: Option<Timestamp>,
    roll_time: Timestamp,
}

fn instant(at: EventTime) -> Timestamp {
    at.timestamp()
}

/// The smallest shown time of ranked milestones from `rank` on.
fn earliest_from(view: &View, rank: u8) -> Option<Timestamp> {
    let ranked = Milestone::ALL.into_iter().filter(|m| m.rank().is_some_and(|r| r >= rank));
    ranked.filter_map(|m| view.at(m)).min().map(instant)
}

/// Derives all of it.
pub(crate) fn derive(shipment: &Shipment, settings: &Settings, fcs: &Fcs, days: &mut Days) -> Derived {
    let head = &shipment.head;
    let first_report = head.reports.first().map(|(_, at)| *at);
    let roll_time =
        [Some(head.as_of), first_report, head.cancelled_at].into_iter().flatten().min().expect("as_of");
    Deriver { shipment, settings, fcs, days, first_report, roll_time }.run()
}

impl Deriver<'_> {
    fn run(&mut self) -> Derived {
        let shipment = self.shipment;
        let head = &shipment.head;
        let units = shipment.deciding();
        let all_delivered =
            !units.is_empty() && units.iter().all(|u| u.view.current() == Some(Milestone::Delivered));
        let delivered_at = all_delivered
            .then(|| units.iter().filter_map(|u| u.view.at(Milestone::Delivered)).max().map(instant))
            .flatten();
        let (status, status_since) = self.status(delivered_at);
        let ended = status >= Status::Closed;
        let arrived = delivered_at.or(self.first_report);

        let mut due = Timestamp::MAX;
        let mut soonest = |at: Timestamp| {
            if at > head.as_of && at < due {
                due = at;
            }
        };
        let mut occurred_at = head.entered_until;
        for unit in units {
            if let Some(newest) = unit.view.newest() {
                occurred_at = occurred_at.max(instant(newest));
            }
        }

        let mut expected =
            Expected { earliest: None, latest: None, source: ExpectedSource::None, confidence: Milli(0) };
        let mut any = false;
        let mut rolled = None;
        let per_unit: SmallVec<[UnitExpectation; 24]> =
            units.iter().map(|unit| self.expectation(&unit.view)).collect();
        for (unit, expectation) in units.iter().zip(&per_unit) {
            if unit.view.withdrawn() {
                continue;
            }
            if !any {
                any = true;
                (expected.source, expected.confidence) = (expectation.source, Milli(expectation.confidence));
            }
            expected.source = expected.source.max(expectation.source);
            expected.confidence = expected.confidence.min(Milli(expectation.confidence));
            if let Some((earliest, latest)) = expectation.interval {
                expected.earliest = Some(expected.earliest.map_or(earliest, |e| e.min(earliest)));
                expected.latest = Some(expected.latest.map_or(latest, |l| l.max(latest)));
                if expectation.source != ExpectedSource::Delivered && status < Status::CheckedIn {
                    soonest(latest);
                }
            }
            rolled = rolled.max(expectation.rolled);
            if self.first_report.is_none() && unit.view.at(Milestone::Delivered).is_none() {
                self.dwell_due(&unit.view).into_iter().for_each(&mut soonest);
            }
        }
        if let Some(at) = rolled {
            occurred_at = occurred_at.max(at);
        }
        let window = head.window.map(|window| {
            let locked = head.as_of >= window.start;
            if locked {
                occurred_at = occurred_at.max(window.start);
            } else {
                soonest(window.start);
            }
            let verdict = match arrived {
                Some(t) if t < window.start => Verdict::Early,
                Some(t) if t < window.end => Verdict::OnTime,
                Some(_) => Verdict::Late,
                None if head.as_of >= window.end => {
                    occurred_at = occurred_at.max(window.end);
                    Verdict::Late
                }
                None => {
                    soonest(window.end);
                    risk(&expected, window.start, window.end)
                }
            };
            WindowView { start: window.start, end: window.end, locked, verdict }
        });
        let is_for_good =
            head.confirmed_at.is_some() && units.iter().all(|unit| unit.view.delivered_for_good());
        let delivered_for_good = delivered_at.filter(|_| is_for_good);
        let after_delivery = delivered_for_good.map(|at| at.plus_ms(self.settings.life_after_delivery_ms));
        after_delivery.into_iter().filter(|end| head.as_of < *end).for_each(&mut soonest);
        let after_delivery = after_delivery.filter(|end| head.as_of >= *end);
        let life_end = [head.cancelled_at, closed_at(shipment), after_delivery].into_iter().flatten().min();
        let withdrawn = !units.is_empty() && units.iter().all(|u| u.view.withdrawn());
        let on_plan = status >= Status::ReadyToShip && !ended && !withdrawn;
        let (problems, verdict) = self.problems(status, window.as_ref(), arrived, delivered_at);
        let contributions = if on_plan && status < Status::CheckedIn {
            let late_risk = window.is_some_and(|w| w.verdict == Verdict::LateRisk);
            self.contributions(&per_unit, late_risk)
        } else {
            SmallVec::new()
        };
        let retires_at = if ended { self.retires_at(verdict) } else { Timestamp::MAX };
        let retired = head.as_of >= retires_at;
        Derived {
            status,
            status_since,
            expected,
            window,
            problems,
            on_plan,
            occurred_at,
            contributions,
            verdict,
            life_end,
            due: match (ended, retired) {
                (false, _) => due,
                (true, false) => retires_at,
                (true, true) => Timestamp::MAX,
            },
            retired,
        }
    }

    /// When a closed or cancelled shipment is kept no longer: its account's record must be able to count it until then.
    fn retires_at(&self, verdict: Option<(i64, bool)>) -> Timestamp {
        let kept_until = self.shipment.head.entered_until.plus_ms(self.settings.retire_ms);
        verdict.map_or(kept_until, |(day, _)| kept_until.max(forgotten_at(self.settings, day)))
    }

    fn status(&self, delivered_at: Option<Timestamp>) -> (Status, Timestamp) {
        let shipment = self.shipment;
        let head = &shipment.head;
        if let Some(at) = head.cancelled_at {
            return (Status::Cancelled, at);
        }
        if let Some((stage, at)) = head.reports.last() {
            let status = match stage {
                Stage::CheckedIn => Status::CheckedIn,
                Stage::Receiving => Status::Receiving,
                Stage::Closed => Status::Closed,
            };
            return (status, *at);
        }
        let Some(confirmed_at) = head.confirmed_at else { return (Status::Working, head.created_at) };
        if let Some(at) = delivered_at {
            return (Status::Delivered, at);
        }
        let units = shipment.deciding();
        let earliest = |rank| units.iter().filter_map(|u| earliest_from(&u.view, rank)).min();
        if units.iter().any(|u| u.view.rank() >= 30) {
            return (Status::InTransit, earliest(30).expect("a rank has a time"));
        }
        if let Some(appointment) = shipment.freight.as_ref().and_then(|pro| pro.view.appointment()) {
            return (Status::InTransit, instant(appointment.at));
        }
        let custody = earliest(20);
        match (custody, head.floor_since) {
            (None, None) => (Status::ReadyToShip, confirmed_at),
            (custody, floor) => {
                (Status::Shipped, custody.into_iter().chain(floor).min().expect("one of them is there"))
            }
        }
    }

    fn expectation(&mut self, view: &View) -> UnitExpectation {
        let fc = &self.shipment.head.fc;
        let (source, earliest, latest) = if let Some(at) = view.at(Milestone::Delivered) {
            (ExpectedSource::Delivered, instant(at), instant(at))
        } else if let Some(appointment) = view.appointment() {
            let (start, end) = (instant(appointment.start), instant(appointment.end));
            (ExpectedSource::Appointment, start, if end <= start { start.plus_ms(HOUR_MS) } else { end })
        } else if let Some(at) = view.at(Milestone::OutForDelivery) {
            (ExpectedSource::OutForDelivery, instant(at), self.days.day(self.fcs, fc, instant(at)).end)
        } else if let Some(eta) = view.eta() {
            (ExpectedSource::CarrierEta, instant(eta), instant(eta))
        } else if let Some(window) = self.shipment.head.window {
            (ExpectedSource::Window, window.start, window.end)
        } else {
            let source = ExpectedSource::None;
            return UnitExpectation { interval: None, source, confidence: 0, rolled: None };
        };
        let confidence = source.confidence_milli();
        if source != ExpectedSource::Delivered && latest <= self.roll_time {
            let day = self.days.day(self.fcs, fc, self.roll_time);
            let interval = Some((day.start, day.end));
            return UnitExpectation { interval, source, confidence: confidence / 2, rolled: Some(day.start) };
        }
        UnitExpectation { interval: Some((earliest, latest)), source, confidence, rolled: None }
    }

    fn problems(
        &self,
        status: Status,
        window: Option<&WindowView>,
        arrived: Option<Timestamp>,
        delivered_at: Option<Timestamp>,
    ) -> (SmallVec<[Problem; 1]>, Option<(i64, bool)>) {
        let shipment = self.shipment;
        let head = &shipment.head;
        let mut problems = SmallVec::new();
        if status == Status::Cancelled {
            problems.extend(head.frozen.iter().map(|frozen| Problem {
                kind: frozen.kind,
                status: ProblemStatus::Resolved,
                boxes: frozen.boxes.clone(),
                opened_at: frozen.opened_at,
                newest_opening: Timestamp::MIN,
                acknowledged_at: frozen.acknowledged_at,
                resolved_at: Some(frozen.resolved_at),
            }));
            return (problems, None);
        }
        if status == Status::Working {
            return (problems, None);
        }
        let mut open = |kind, boxes: Vec<UnitNo>, opened_at| {
            problems.push(self.stated(kind, boxes, opened_at, Timestamp::MIN, None));
        };
        let mut verdict = None;
        let judged_at = delivered_at.into_iter().chain(self.first_report).min();
        if let Some(judged_at) = judged_at.filter(|_| !head.partnered) {
            let is_missing = |unit: &&Unit| {
                let happened = unit.view.at(Milestone::Delivered).map(instant).or(self.first_report);
                match (&unit.tracking, happened) {
                    (Some(tracking), Some(happened)) => happened <= tracking.tracked_since,
                    (Some(_), None) => false,
                    (None, _) => true,
                }
            };
            let missing: Vec<UnitNo> = shipment.deciding().iter().filter(is_missing).map(|u| u.no).collect();
            let defect = !missing.is_empty();
            if defect {
                let boxes = if shipment.freight.is_some() { Vec::new() } else { missing };
                open(ProblemKind::MissingTracking, boxes, judged_at);
            }
            verdict = Some((judged_at.utc_day(), defect));
        }
        match window.map(|w| (w.verdict, w.end)) {
            Some((Verdict::Early, _)) => {
                open(ProblemKind::MissedWindowEarly, Vec::new(), arrived.expect("early means arrived"));
            }
            Some((Verdict::Late, end)) => open(ProblemKind::MissedWindowLate, Vec::new(), end),
            _ => {}
        }
        problems.extend(ProblemKind::ALL.into_iter().filter_map(|kind| self.of_units(kind)));
        (problems, verdict)
    }

    /// A problem that exists, with what was acknowledged of it: those boxes, as far as nothing of it began later.
    fn stated(
        &self,
        kind: ProblemKind,
        boxes: Vec<UnitNo>,
        opened_at: Timestamp,
        newest_opening: Timestamp,
        resolved_at: Option<Timestamp>,
    ) -> Problem {
        let acknowledged = self.shipment.head.acknowledged.iter().find(|ack| ack.kind == kind);
        let covers = |ack: &&Acknowledgement| {
            newest_opening <= ack.began_until && boxes.iter().all(|no| ack.boxes.contains(no))
        };
        let acknowledged_at = acknowledged.filter(covers).map(|ack| ack.at);
        let status = match (resolved_at, acknowledged_at) {
            (Some(_), _) => ProblemStatus::Resolved,
            (None, Some(_)) => ProblemStatus::Acknowledged,
            (None, None) => ProblemStatus::Open,
        };
        Problem { kind, status, boxes, opened_at, newest_opening, acknowledged_at, resolved_at }
    }

    /// The problem of a kind that units have: those that have it now, else those that had it last.
    fn of_units(&self, kind: ProblemKind) -> Option<Problem> {
        let units = self.shipment.deciding().iter();
        let spans: SmallVec<[(UnitNo, Span); 4]> =
            units.filter_map(|unit| Some((unit.no, self.trouble(kind, unit)?))).collect();
        let resolved_at =
            spans.iter().map(|(_, span)| span.ended).max_by_key(|ended| ended.unwrap_or(Timestamp::MAX))?;
        let told = spans.iter().filter(|(_, span)| resolved_at.is_some() || span.ended.is_none());
        let openings = told.clone().map(|(_, span)| span.opened);
        let (opened_at, newest_opening) = (openings.clone().min()?, openings.max()?);
        let boxes = told.map(|(no, _)| *no).filter(|no| *no != UnitNo::FREIGHT).collect();
        Some(self.stated(kind, boxes, opened_at, newest_opening, resolved_at))
    }

    /// The last time that a unit had such a problem.
    fn trouble(&self, kind: ProblemKind, unit: &Unit) -> Option<Span> {
        let fact = match kind {
            ProblemKind::MissingTracking | ProblemKind::MissedWindowEarly | ProblemKind::MissedWindowLate => {
                return None;
            }
            ProblemKind::TrackingConflict => {
                return unit.conflict.as_ref().map(|c| Span { opened: c.opened, ended: c.ended });
            }
            ProblemKind::YardDwell => return self.dwell(&unit.view),
            ProblemKind::Returned => Fact::Returned,
            ProblemKind::Lost => Fact::Lost,
            ProblemKind::Damaged => Fact::Damaged,
            ProblemKind::Refused => Fact::Refused,
            ProblemKind::Misdelivered => Fact::Misdelivered,
        };
        let episode = unit.view.episode(fact)?;
        Some(Span { opened: instant(episode.opened), ended: episode.ended.map(instant) })
    }

    /// When a unit has been at the FC for too long, delivered or not.
    fn dwell_due(&self, view: &View) -> Option<Timestamp> {
        Some(instant(view.at(Milestone::ArrivedAtFc)?).plus_ms(self.settings.yard_dwell_ms))
    }

    /// The time that a unit spent at the FC beyond what is usual: until it was delivered, was withdrawn, or the FC reported.
    fn dwell(&self, view: &View) -> Option<Span> {
        let opened = self.dwell_due(view)?;
        let left = Milestone::ALL.into_iter().filter(|m| *m >= Milestone::Delivered);
        let left = left.filter_map(|m| view.at(m)).map(instant);
        let ended = left.chain(self.first_report).min();
        let held = ended.map_or(self.shipment.head.as_of >= opened, |ended| ended > opened);
        held.then_some(Span { opened, ended })
    }

    fn contributions(
        &mut self,
        per_unit: &[UnitExpectation],
        late_risk: bool,
    ) -> SmallVec<[(ArrivalKey, Subtotal); 1]> {
        let shipment = self.shipment;
        let head = &shipment.head;
        let mut found: SmallVec<[(Option<i32>, Subtotal); 2]> = SmallVec::new();
        let mut at_day = |day: Option<i32>, add: &Subtotal| match found.iter_mut().find(|(d, _)| *d == day) {
            Some((_, total)) => total.add(add, 1),
            None => found.push((day, *add)),
        };
        let mut of_box = |deriver: &mut Self, unit: &Unit, view: &View, expectation: &UnitExpectation| {
            let day = deriver.day_of(&head.fc, expectation);
            let add = Subtotal {
                boxes: 1,
                units: i64::from(unit.units),
                weight_g: i64::from(unit.weight_g),
                bands: band(view.rank()),
                ..Subtotal::default()
            };
            at_day(day, &add);
        };
        match &shipment.freight {
            None => {
                for (unit, expectation) in shipment.boxes.iter().zip(per_unit) {
                    if !unit.view.withdrawn() {
                        of_box(self, unit, &unit.view, expectation);
                    }
                }
            }
            Some(pro) => {
                for unit in &shipment.boxes {
                    of_box(self, unit, &pro.view, &per_unit[0]);
                }
                if shipment.boxes.is_empty() {
                    let day = self.day_of(&head.fc, &per_unit[0]);
                    at_day(day, &Subtotal::default());
                }
            }
        }
        let pallets = if shipment.freight.is_some() { i64::from(head.pallets) } else { 0 };
        let shipment_adds =
            Subtotal { shipments: 1, pallets, late_risk: i64::from(late_risk), ..Subtotal::default() };
        found.sort_by_key(|(day, _)| *day);
        let keyed = found.into_iter().map(|(day, mut total)| {
            total.add(&shipment_adds, 1);
            (ArrivalKey { fc: head.fc.clone(), day, mode: head.mode }, total)
        });
        keyed.collect()
    }

    /// The FC's day in the middle of what is expected of a unit; none: nothing is.
    fn day_of(&mut self, fc: &FcId, expectation: &UnitExpectation) -> Option<i32> {
        let (earliest, latest) = expectation.interval?;
        Some(day_number(self.days.day(self.fcs, fc, middle(earliest, latest))))
    }
}

fn middle(earliest: Timestamp, latest: Timestamp) -> Timestamp {
    Timestamp((earliest.0 + latest.0).div_euclid(2))
}

fn closed_at(shipment: &Shipment) -> Option<Timestamp> {
    shipment.head.reports.iter().find(|(stage, _)| *stage == Stage::Closed).map(|(_, at)| *at)
}

fn risk(expected: &Expected, start: Timestamp, end: Timestamp) -> Verdict {
    let (Some(earliest), Some(latest)) = (expected.earliest, expected.latest) else {
        return Verdict::Pending;
    };
    if expected.source >= ExpectedSource::Window {
        return Verdict::Pending;
    }
    let middle = middle(earliest, latest);
    if middle < start {
        Verdict::EarlyRisk
    } else if middle >= end {
        Verdict::LateRisk
    } else {
        Verdict::Pending
    }
}

fn band(rank: u8) -> BandCounts {
    let mut bands = BandCounts::default();
    let slot = match rank {
        0..20 => &mut bands.registered,
        20..40 => &mut bands.in_transit,
        40..60 => &mut bands.near,
        60..80 => &mut bands.at_fc,
        _ => &mut bands.delivered,
    };
    *slot = 1;
    bands
}

/// The days since 1970-01-01 of an FC-local date.
fn day_number(day: LocalDay) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = day.date.since(epoch).expect("dates of this era").get_days();
    debug_assert!(i64::from(days) * DAY_MS - day.start.0 < 2 * DAY_MS);
    days
}
