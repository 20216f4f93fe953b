//! A shipment as a pure function of its facts (rulebook §6): status, expectation, verdict, problems, due times.
//!
//! Enters: the facts that effective commands left, and what the units show. Leaves: everything that documents say.
//! Always true: a *unit* is a box for small parcels, and the one PRO for freight, whether it is set or not.

use std::collections::{BTreeMap, BTreeSet};

use dockside::model::{
    AccountId, BoxId, CarrierId, DAY_MS, ExpectedSource, FcId, Fcs, Flag, HOUR_MS, Milestone, Mode,
    NumberKey, ProblemKind, ProblemStatus, Settings, ShipmentId, Stage, Status, Timestamp, TrackingNumber,
    Validation, Verdict, Window,
};

use super::progress::View;

/// A number that a box or a PRO has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) number: TrackingNumber,
    pub(crate) validation: Validation,
    pub(crate) entry: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) id: BoxId,
    pub(crate) units: u32,
    pub(crate) weight_g: u32,
    pub(crate) registration: Option<Registration>,
    pub(crate) tracked_since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    pub(crate) entry: Timestamp,
    pub(crate) boxes: BTreeSet<BoxId>,
    /// When the newest of what it was about began.
    pub(crate) newest: Option<Timestamp>,
}

/// The facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    pub(crate) id: ShipmentId,
    pub(crate) account: AccountId,
    pub(crate) mode: Mode,
    pub(crate) partnered: bool,
    pub(crate) cross_border: bool,
    pub(crate) need_by: Option<Timestamp>,
    pub(crate) pallets: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) fc: FcId,
    pub(crate) carrier: CarrierId,
    pub(crate) carrier_name: Option<String>,
    pub(crate) boxes: Vec<Parcel>,
    pub(crate) pro: Option<Registration>,
    pub(crate) pro_tracked_since: Option<Timestamp>,
    pub(crate) bill_of_lading: Option<String>,
    pub(crate) window: Option<Window>,
    pub(crate) confirmed: Option<Timestamp>,
    /// In rising order of stages.
    pub(crate) reports: Vec<(Stage, Timestamp)>,
    pub(crate) cancelled: Option<Timestamp>,
    pub(crate) floor_since: Option<Timestamp>,
    pub(crate) acknowledged: BTreeMap<ProblemKind, Acknowledgement>,
    /// The problems as the cancellation left them.
    pub(crate) frozen: Vec<Problem>,
    pub(crate) newest_entry: Timestamp,
    pub(crate) as_of: Timestamp,
    /// When the numbers' life ended because the delivery is long past.
    pub(crate) life_end: Option<Timestamp>,
}

/// When one unit, or the shipment, is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) interval: Option<(Timestamp, Timestamp)>,
    pub(crate) source: ExpectedSource,
    pub(crate) confidence_milli: u16,
    pub(crate) rolled: bool,
}

impl Expectation {
    const NONE: Expectation =
        Expectation { interval: None, source: ExpectedSource::None, confidence_milli: 0, rolled: false };

    pub(crate) fn middle(&self) -> Option<Timestamp> {
        self.interval.map(|(earliest, latest)| Timestamp((earliest.0 + latest.0).div_euclid(2)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) status: ProblemStatus,
    pub(crate) boxes: Vec<BoxId>,
    pub(crate) opened_at: Timestamp,
    /// When the newest of its boxes got into it; none for what happens once.
    pub(crate) newest_opening: Option<Timestamp>,
    pub(crate) acknowledged_at: Option<Timestamp>,
    pub(crate) resolved_at: Option<Timestamp>,
}

impl Shipment {
    pub(crate) fn is_freight(&self) -> bool {
        self.mode.is_freight()
    }

    /// What a unit is registered under, and since when.
    pub(crate) fn units(&self) -> Vec<(Option<&Registration>, Option<Timestamp>)> {
        if self.is_freight() {
            vec![(self.pro.as_ref(), self.pro_tracked_since)]
        } else {
            self.boxes.iter().map(|parcel| (parcel.registration.as_ref(), parcel.tracked_since)).collect()
        }
    }

    /// The number that a unit is registered under.
    pub(crate) fn key(&self, registration: &Registration) -> NumberKey {
        NumberKey { number: registration.number.clone(), carrier: self.carrier }
    }

    pub(crate) fn first_report(&self) -> Option<Timestamp> {
        self.reports.first().map(|(_, entry)| *entry)
    }

    fn closed(&self) -> Option<Timestamp> {
        self.reports.iter().find(|(stage, _)| *stage == Stage::Closed).map(|(_, entry)| *entry)
    }

    /// §4.1: when the life of its numbers ended, for whatever reason of its own.
    pub(crate) fn own_end(&self) -> Option<Timestamp> {
        [self.cancelled, self.closed(), self.life_end].into_iter().flatten().min()
    }

    /// R1.
    fn tracking_is_complete(&self) -> bool {
        !self.partnered && !self.units().is_empty() && self.units().iter().all(|(number, _)| number.is_some())
    }
}

/// §6.9: until when a verdict of that time counts for the account.
pub(crate) fn counts_until(settings: &Settings, at: Timestamp) -> Timestamp {
    Timestamp((at.utc_day() + 1) * DAY_MS).plus_ms(settings.standing_ms)
}

/// A shipment together with what its units show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) shipment: &'a Shipment,
    pub(crate) views: &'a [View],
    pub(crate) fcs: &'a Fcs,
    pub(crate) yard_dwell_ms: i64,
}

impl Judged<'_> {
    fn is_every_unit_delivered(&self) -> bool {
        let exists =
            if self.shipment.is_freight() { self.shipment.pro.is_some() } else { !self.views.is_empty() };
        exists && self.views.iter().all(|view| view.current == Some(Milestone::Delivered))
    }

    fn newest_delivery(&self) -> Option<Timestamp> {
        self.views.iter().filter_map(View::delivered).max().map(|at| at.timestamp())
    }

    /// When the last unit was delivered, if all are.
    pub(crate) fn last_delivery(&self) -> Option<Timestamp> {
        if self.is_every_unit_delivered() { self.newest_delivery() } else { None }
    }

    fn earliest_at_rank(&self, rank: u8) -> Option<Timestamp> {
        self.views.iter().filter_map(|view| view.earliest_at_rank(rank)).min().map(|at| at.timestamp())
    }

    fn shown_appointment_said_at(&self) -> Option<Timestamp> {
        let appointment = self.views.iter().find_map(|view| view.appointment);
        appointment.filter(|_| self.shipment.is_freight()).map(|(_, _, said)| said.timestamp())
    }

    /// §6.3.
    pub(crate) fn status(&self) -> Status {
        let shipment = self.shipment;
        let has_rank = |rank| self.views.iter().any(|view| view.rank() >= rank);
        if shipment.cancelled.is_some() {
            Status::Cancelled
        } else if let Some((stage, _)) = shipment.reports.last() {
            match stage {
                Stage::CheckedIn => Status::CheckedIn,
                Stage::Receiving => Status::Receiving,
                Stage::Closed => Status::Closed,
            }
        } else if shipment.confirmed.is_none() {
            Status::Working
        } else if self.is_every_unit_delivered() {
            Status::Delivered
        } else if has_rank(30) || self.shown_appointment_said_at().is_some() {
            Status::InTransit
        } else if shipment.floor_since.is_some() || shipment.tracking_is_complete() || has_rank(20) {
            Status::Shipped
        } else {
            Status::ReadyToShip
        }
    }

    /// §6.4.
    pub(crate) fn status_since(&self) -> Timestamp {
        let shipment = self.shipment;
        let report_of = |stage: Stage| {
            shipment.reports.iter().find(|(reported, _)| *reported >= stage).map(|(_, entry)| *entry)
        };
        let since = match self.status() {
            Status::Working => Some(shipment.created_at),
            Status::ReadyToShip => shipment.confirmed,
            Status::Shipped => [self.earliest_at_rank(20), shipment.floor_since].into_iter().flatten().min(),
            Status::InTransit => self.earliest_at_rank(30).or_else(|| self.shown_appointment_said_at()),
            Status::Delivered => self.newest_delivery(),
            Status::CheckedIn => report_of(Stage::CheckedIn),
            Status::Receiving => report_of(Stage::Receiving),
            Status::Closed => report_of(Stage::Closed),
            Status::Cancelled => shipment.cancelled,
        };
        since.expect("every status has its reason")
    }

    fn roll_time(&self) -> Timestamp {
        let ends = [self.shipment.first_report(), self.shipment.cancelled];
        ends.into_iter().flatten().fold(self.shipment.as_of, Timestamp::min)
    }

    /// §6.5, one unit.
    pub(crate) fn unit_expected(&self, view: &View) -> Expectation {
        if view.withdrawn {
            return Expectation::NONE;
        }
        let fc = self.shipment.fc.as_str();
        let (source, interval) = if let Some(at) = view.delivered() {
            (ExpectedSource::Delivered, Some((at.timestamp(), at.timestamp())))
        } else if let Some((start, end, _)) = view.appointment {
            let (start, end) = (start.timestamp(), end.timestamp());
            let end = if end <= start { start.plus_ms(HOUR_MS) } else { end };
            (ExpectedSource::Appointment, Some((start, end)))
        } else if let Some(at) = view.milestones.get(&Milestone::OutForDelivery) {
            let day = self.fcs.day(fc, at.timestamp());
            (ExpectedSource::OutForDelivery, Some((at.timestamp(), day.end)))
        } else if let Some(at) = view.eta {
            (ExpectedSource::CarrierEta, Some((at.timestamp(), at.timestamp())))
        } else if let Some(window) = self.shipment.window {
            (ExpectedSource::Window, Some((window.start, window.end)))
        } else {
            (ExpectedSource::None, None)
        };
        let confidence_milli = source.confidence_milli();
        match interval {
            Some((_, latest)) if source != ExpectedSource::Delivered && latest <= self.roll_time() => {
                let day = self.fcs.day(fc, self.roll_time());
                let interval = Some((day.start, day.end));
                Expectation { interval, source, confidence_milli: confidence_milli / 2, rolled: true }
            }
            _ => Expectation { interval, source, confidence_milli, rolled: false },
        }
    }

    /// §6.5, over the units that are not withdrawn.
    pub(crate) fn expected(&self) -> Expectation {
        let units = self.views.iter().filter(|view| !view.withdrawn).map(|view| self.unit_expected(view));
        units
            .reduce(|a, b| Expectation {
                interval: match (a.interval, b.interval) {
                    (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                    (a, b) => a.or(b),
                },
                source: a.source.max(b.source),
                confidence_milli: a.confidence_milli.min(b.confidence_milli),
                rolled: a.rolled || b.rolled,
            })
            .unwrap_or(Expectation::NONE)
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        !self.views.is_empty() && self.views.iter().all(|view| view.withdrawn)
    }

    /// §6.7: what the window is judged by, once there is something.
    fn arrival(&self) -> Option<Timestamp> {
        self.last_delivery().or(self.shipment.first_report())
    }

    pub(crate) fn is_locked(&self, window: Window) -> bool {
        self.shipment.as_of >= window.start
    }

    pub(crate) fn verdict(&self, window: Window) -> Verdict {
        let expected = self.expected();
        match self.arrival() {
            Some(t) if t < window.start => Verdict::Early,
            Some(t) if t < window.end => Verdict::OnTime,
            Some(_) => Verdict::Late,
            None if self.shipment.as_of >= window.end => Verdict::Late,
            None if expected.source <= ExpectedSource::CarrierEta => match expected.middle() {
                Some(middle) if middle < window.start => Verdict::EarlyRisk,
                Some(middle) if middle >= window.end => Verdict::LateRisk,
                _ => Verdict::Pending,
            },
            None => Verdict::Pending,
        }
    }

    /// §6.8: when the tracking of a non-partnered shipment was judged.
    pub(crate) fn verdict_time(&self) -> Option<Timestamp> {
        let judged =
            !self.shipment.partnered && !matches!(self.status(), Status::Working | Status::Cancelled);
        let times = [self.last_delivery(), self.shipment.first_report()];
        times.into_iter().flatten().min().filter(|_| judged)
    }

    /// The units that were delivered before anything valid had been entered for them.
    fn units_missing(&self) -> Vec<usize> {
        let units = self.shipment.units();
        let is_missing = |index: &usize| {
            let delivered = self.views[*index].delivered().map(|at| at.timestamp());
            let judged_at = delivered.or(self.shipment.first_report());
            units[*index].1.is_none_or(|since| judged_at.is_some_and(|at| at <= since))
        };
        (0..units.len()).filter(is_missing).collect()
    }

    /// §6.8: the problems that exist.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let shipment = self.shipment;
        if shipment.cancelled.is_some() {
            return shipment.frozen.clone();
        }
        if self.status() == Status::Working {
            return Vec::new();
        }
        let mut facts: Vec<(ProblemKind, Timestamp, Vec<BoxId>)> = Vec::new();
        if let Some(at) = self.verdict_time() {
            let missing = self.units_missing();
            if !missing.is_empty() {
                let boxes = if shipment.is_freight() { Vec::new() } else { missing };
                let boxes = boxes.into_iter().map(|index| shipment.boxes[index].id.clone()).collect();
                facts.push((ProblemKind::MissingTracking, at, boxes));
            }
        }
        if let Some(window) = shipment.window {
            match self.verdict(window) {
                Verdict::Early => {
                    let at = self.arrival().expect("early is a verdict about an arrival");
                    facts.push((ProblemKind::MissedWindowEarly, at, Vec::new()));
                }
                Verdict::Late => facts.push((ProblemKind::MissedWindowLate, window.end, Vec::new())),
                _ => {}
            }
        }
        let with_acknowledgement = |(kind, opened_at, boxes): (ProblemKind, Timestamp, Vec<BoxId>)| {
            let acknowledged_at = self.acknowledged(kind, &boxes, None);
            let status =
                if acknowledged_at.is_some() { ProblemStatus::Acknowledged } else { ProblemStatus::Open };
            Problem {
                kind,
                status,
                boxes,
                opened_at,
                newest_opening: None,
                acknowledged_at,
                resolved_at: None,
            }
        };
        let mut problems: Vec<Problem> = facts.into_iter().map(with_acknowledgement).collect();
        problems.extend(ProblemKind::ALL.into_iter().filter_map(|kind| self.trouble(kind)));
        problems
    }

    /// §6.8: when these boxes were acknowledged, unless something of them began later than what was.
    fn acknowledged(
        &self,
        kind: ProblemKind,
        boxes: &[BoxId],
        newest: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let acknowledged = self.shipment.acknowledged.get(&kind)?;
        let is_covered = boxes.iter().all(|id| acknowledged.boxes.contains(id));
        let is_later = newest.is_some_and(|at| acknowledged.newest.is_none_or(|known| at > known));
        (is_covered && !is_later).then_some(acknowledged.entry)
    }

    /// §6.8: what units show of a kind: those that have it now, and if none has, those that had.
    fn trouble(&self, kind: ProblemKind) -> Option<Problem> {
        let of_unit = |(index, view): (usize, &View)| {
            let (opened, ended) = match kind {
                ProblemKind::YardDwell => self.dwell(view)?,
                ProblemKind::TrackingConflict => view.conflict?,
                _ => *view.troubles.get(&kind)?,
            };
            Some((index, opened, ended))
        };
        let all: Vec<(usize, Timestamp, Option<Timestamp>)> =
            self.views.iter().enumerate().filter_map(of_unit).collect();
        let now: Vec<_> = all.iter().copied().filter(|(_, _, ended)| ended.is_none()).collect();
        let is_over = now.is_empty();
        let told = if is_over { all } else { now };
        let boxes: Vec<BoxId> = if self.shipment.is_freight() {
            Vec::new()
        } else {
            told.iter().map(|(index, ..)| self.shipment.boxes[*index].id.clone()).collect()
        };
        let newest_opening = Some(told.iter().map(|(_, opened, _)| *opened).max()?);
        let opened_at = told.iter().map(|(_, opened, _)| *opened).min()?;
        let resolved_at = told.iter().filter_map(|(_, _, ended)| *ended).max();
        let acknowledged_at = self.acknowledged(kind, &boxes, newest_opening);
        let status = match acknowledged_at {
            _ if is_over => ProblemStatus::Resolved,
            Some(_) => ProblemStatus::Acknowledged,
            None => ProblemStatus::Open,
        };
        Some(Problem { kind, status, boxes, opened_at, newest_opening, acknowledged_at, resolved_at })
    }

    fn dwell_begins(&self, view: &View) -> Option<Timestamp> {
        let arrived = view.milestones.get(&Milestone::ArrivedAtFc)?;
        Some(arrived.timestamp().plus_ms(self.yard_dwell_ms))
    }

    /// §6.8: too long at the FC, from when to when.
    fn dwell(&self, view: &View) -> Option<(Timestamp, Option<Timestamp>)> {
        let begins = self.dwell_begins(view)?;
        let shown = view.milestones.iter();
        let mut departures: BTreeSet<Timestamp> = shown
            .filter(|(m, _)| **m == Milestone::Delivered || m.is_side())
            .map(|(_, at)| at.timestamp())
            .collect();
        departures.extend(self.shipment.first_report());
        match departures.first() {
            Some(departure) => (*departure > begins).then_some((begins, Some(*departure))),
            None => (begins <= self.shipment.as_of).then_some((begins, None)),
        }
    }

    /// §4.1: when the life of its numbers ends, or ended, by long delivery.
    pub(crate) fn life_ends(&self, life_after_delivery_ms: i64) -> Option<Timestamp> {
        let is_for_good = self.views.iter().all(|view| view.delivered_for_good);
        let since = self.last_delivery().filter(|_| self.shipment.confirmed.is_some() && is_for_good)?;
        Some(since.plus_ms(life_after_delivery_ms))
    }

    /// §6.13: when a closed or cancelled shipment is kept no longer.
    pub(crate) fn retires_at(&self, settings: &Settings) -> Option<Timestamp> {
        if self.status() < Status::Closed {
            return None;
        }
        let kept_until = self.shipment.newest_entry.plus_ms(settings.retire_ms);
        let counts_until = self.verdict_time().map(|at| counts_until(settings, at));
        Some(counts_until.map_or(kept_until, |until| until.max(kept_until)))
    }

    /// §6.12: the next due time.
    pub(crate) fn next_due(&self, settings: &Settings) -> Option<Timestamp> {
        let status = self.status();
        if status >= Status::Closed {
            return self.retires_at(settings);
        }
        let mut dues: BTreeSet<Timestamp> = BTreeSet::new();
        if let Some(window) = self.shipment.window {
            dues.insert(window.start);
            dues.extend(self.arrival().is_none().then_some(window.end));
        }
        if status < Status::CheckedIn {
            for view in self.views {
                let expected = self.unit_expected(view);
                if expected.source != ExpectedSource::Delivered {
                    dues.extend(expected.interval.map(|(_, latest)| latest));
                }
            }
        }
        if self.shipment.first_report().is_none() {
            let waiting = self.views.iter().filter(|view| !view.withdrawn && view.delivered().is_none());
            dues.extend(waiting.filter_map(|view| self.dwell_begins(view)));
        }
        dues.extend(self.life_ends(settings.life_after_delivery_ms));
        dues.into_iter().find(|due| *due > self.shipment.as_of)
    }

    /// §6.10: whether the FC's plan has a line for it.
    pub(crate) fn is_planned(&self) -> bool {
        let planned = Status::ReadyToShip..Status::Closed;
        planned.contains(&self.status()) && !self.is_withdrawn()
    }

    pub(crate) fn flags(&self) -> BTreeSet<Flag> {
        self.views.iter().flat_map(|view| view.flags.iter().copied()).collect()
    }

    /// §6.10: the newest event, entry or due time among the facts shown.
    pub(crate) fn occurred_at(&self) -> Timestamp {
        let shipment = self.shipment;
        let mut times: BTreeSet<Timestamp> = BTreeSet::from([shipment.newest_entry]);
        times.extend(self.views.iter().filter_map(|view| view.newest).map(|at| at.timestamp()));
        if let Some(window) = shipment.window {
            times.extend(self.is_locked(window).then_some(window.start));
            let is_overdue = self.arrival().is_none() && self.verdict(window) == Verdict::Late;
            times.extend(is_overdue.then_some(window.end));
        }
        if self.expected().rolled {
            times.insert(self.fcs.day(shipment.fc.as_str(), self.roll_time()).start);
        }
        *times.last().expect("creation is an entry")
    }

    /// Each box with the view that it shows: its own, or the PRO's.
    pub(crate) fn boxes(&self) -> impl Iterator<Item = (&Parcel, &View)> {
        let is_freight = self.shipment.is_freight();
        let boxes = self.shipment.boxes.iter().enumerate();
        boxes.map(move |(index, parcel)| (parcel, &self.views[if is_freight { 0 } else { index }]))
    }
}
