//! What is known of one number at one carrier, and what a box shows of it (rulebook §2 and §3).
//!
//! Enters: scans, floors. Leaves: a [`View`], computed from all marks every time. Always true: nothing is bounded and
//! nothing is forgotten, except what a floor cuts off.

use std::collections::{BTreeMap, BTreeSet};

use dockside::model::{EventTime, FcId, Flag, Milestone, ProblemKind, Scan, ScanId, Timestamp};

/// Everything that scans said about a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// All times of a ranked milestone below `PARTIALLY_DELIVERED`, per place where places matter.
    spans: BTreeMap<(Milestone, Option<FcId>), BTreeSet<EventTime>>,
    flags: BTreeMap<Flag, BTreeSet<EventTime>>,
    /// The retractable milestones; the same ID keeps the earlier time.
    sightings: BTreeMap<(Milestone, Option<FcId>), BTreeMap<ScanId, EventTime>>,
    retracted: BTreeSet<ScanId>,
    /// (event time, value): the largest is the one that counts.
    etas: BTreeSet<(EventTime, EventTime)>,
    appointments: BTreeSet<(EventTime, (EventTime, EventTime))>,
}

/// What a box shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The shown time of every shown milestone, active side ones included.
    pub(crate) milestones: BTreeMap<Milestone, EventTime>,
    pub(crate) current: Option<Milestone>,
    pub(crate) withdrawn: bool,
    pub(crate) flags: BTreeSet<Flag>,
    pub(crate) eta: Option<EventTime>,
    /// Its start, its end, and when it was said.
    pub(crate) appointment: Option<(EventTime, EventTime, EventTime)>,
    pub(crate) newest: Option<EventTime>,
    /// What is or was wrong with the box: since when, and until when.
    pub(crate) troubles: BTreeMap<ProblemKind, (Timestamp, Option<Timestamp>)>,
    /// Whether it is delivered at every end that its life could have after the delivery. The world adds it.
    pub(crate) delivered_for_good: bool,
    /// Since when, and until when, another shipment has its number too. Scans do not tell; the world adds it.
    pub(crate) conflict: Option<(Timestamp, Option<Timestamp>)>,
}

impl View {
    /// The highest rank shown, 0 when there is none.
    pub(crate) fn rank(&self) -> u8 {
        self.milestones.keys().filter_map(|m| m.rank()).max().unwrap_or(0)
    }

    /// The smallest shown time of ranked milestones of at least this rank.
    pub(crate) fn earliest_at_rank(&self, rank: u8) -> Option<EventTime> {
        let at_rank = self.milestones.iter().filter(|(m, _)| m.rank().is_some_and(|r| r >= rank));
        at_rank.map(|(_, at)| *at).min()
    }

    pub(crate) fn delivered(&self) -> Option<EventTime> {
        self.milestones.get(&Milestone::Delivered).copied()
    }
}

fn has_places(milestone: Milestone) -> bool {
    matches!(milestone, Milestone::OutForDelivery | Milestone::ArrivedAtFc | Milestone::Delivered)
}

fn is_retractable(milestone: Milestone) -> bool {
    milestone >= Milestone::PartiallyDelivered
}

/// §3.10: walks through time, remembering when the last trouble began and when it was over.
fn last_episode(
    signs: &BTreeSet<EventTime>,
    ends: &BTreeSet<EventTime>,
) -> Option<(Timestamp, Option<Timestamp>)> {
    let mut episode = None;
    // What would end it at the very instant of a sign does not.
    for at in signs.union(ends) {
        let at_once = at.timestamp();
        if signs.contains(at) {
            episode = match episode {
                Some((_, Some(_))) | None => Some((at_once, None)),
                goes_on => goes_on,
            };
        } else if let Some((_, ended @ None)) = &mut episode {
            *ended = Some(at_once);
        }
    }
    episode
}

impl Progress {
    /// §2.1 to §2.3. Scans before the floor do not come here.
    pub(crate) fn join(&mut self, scan: &Scan) {
        let at = scan.event_time;
        if let Some(milestone) = scan.effect.milestone {
            let place = if has_places(milestone) { scan.place.clone() } else { None };
            if is_retractable(milestone) {
                let sightings = self.sightings.entry((milestone, place)).or_default();
                sightings.entry(scan.id).and_modify(|known| *known = at.min(*known)).or_insert(at);
            } else {
                self.spans.entry((milestone, place)).or_default().insert(at);
            }
        }
        for flag in scan.effect.flags.iter() {
            self.flags.entry(flag).or_default().insert(at);
        }
        self.retracted.extend(&scan.retracts);
        self.etas.extend(scan.eta.map(|eta| (at, eta)));
        self.appointments.extend(scan.appointment.map(|appointment| (at, appointment)));
    }

    /// §2.4: a span that begins before the floor keeps its last time only.
    pub(crate) fn cut(&mut self, floor: Timestamp) {
        let before = |at: EventTime| at.timestamp() < floor;
        let cut = |times: &mut BTreeSet<EventTime>| {
            let last = times.last().copied();
            if times.first().is_some_and(|first| before(*first)) {
                times.clear();
                times.extend(last.filter(|last| !before(*last)));
            }
        };
        self.spans.values_mut().for_each(cut);
        self.flags.values_mut().for_each(cut);
        for sightings in self.sightings.values_mut() {
            sightings.retain(|_, at| !before(*at));
        }
        self.etas.retain(|(at, _)| !before(*at));
        self.appointments.retain(|(at, _)| !before(*at));
    }

    /// §3.11: found by ending the life after each thing that was ever said to have happened.
    pub(crate) fn is_delivered_for_good(
        &self,
        from: Timestamp,
        to: Option<Timestamp>,
        fc: &FcId,
        delivered: EventTime,
    ) -> bool {
        let spans = self.spans.values().flatten().copied();
        let sightings = self.sightings.values().flat_map(|seen| seen.values().copied());
        let later = spans.chain(sightings).filter(|at| *at >= delivered);
        let mut ends: BTreeSet<Timestamp> = later.map(|at| at.timestamp().plus_ms(1)).collect();
        ends.retain(|end| to.is_none_or(|to| *end < to));
        ends.iter().all(|end| self.view(from, Some(*end), fc).current == Some(Milestone::Delivered))
    }

    /// §3.
    pub(crate) fn view(&self, from: Timestamp, to: Option<Timestamp>, fc: &FcId) -> View {
        let inside = |at: EventTime| from <= at.timestamp() && to.is_none_or(|to| at.timestamp() < to);
        let here = |place: &Option<FcId>| place.as_ref().is_none_or(|place| place == fc);
        let named_here = |place: &Option<FcId>| place.as_ref() == Some(fc);

        // A span is only its first and its last time.
        let ends = |times: &BTreeSet<EventTime>| [times.first().copied(), times.last().copied()];
        let offered = |times: &BTreeSet<EventTime>| ends(times).into_iter().flatten().find(|at| inside(*at));
        let newest_of =
            |times: &BTreeSet<EventTime>| ends(times).into_iter().rev().flatten().find(|at| inside(*at));
        let visible = |milestone: Milestone| {
            let of_milestone = self.sightings.iter().filter(move |((m, _), _)| *m == milestone);
            let seen =
                of_milestone.flat_map(|((_, place), seen)| seen.iter().map(move |(id, at)| (place, id, *at)));
            seen.filter(|(_, id, at)| !self.retracted.contains(id) && inside(*at))
                .map(|(place, _, at)| (place, at))
        };

        // 2: every ranked milestone's earliest time here.
        let mut ranked: BTreeMap<Milestone, EventTime> = BTreeMap::new();
        let mut offer = |milestone, at: EventTime| {
            ranked.entry(milestone).and_modify(|known| *known = at.min(*known)).or_insert(at);
        };
        for ((milestone, place), times) in &self.spans {
            if let (true, Some(at)) = (here(place), offered(times)) {
                offer(*milestone, at);
            }
        }
        for milestone in [Milestone::PartiallyDelivered, Milestone::Delivered] {
            for (place, at) in visible(milestone) {
                if here(place) {
                    offer(milestone, at);
                }
            }
        }

        // 3: the newest movement, at any place.
        let custody = |milestone: Milestone| milestone.rank().is_some_and(|rank| rank >= 20);
        let custody_spans = || self.spans.iter().filter(|((m, _), _)| custody(*m)).map(|(_, times)| times);
        let span_movement = custody_spans().filter_map(newest_of);
        let sighted = visible(Milestone::PartiallyDelivered).chain(visible(Milestone::Delivered));
        let movement = span_movement.chain(sighted.map(|(_, at)| at)).max();

        // 4: the return leg and when it opened.
        let mut bring_backs: BTreeSet<EventTime> = BTreeSet::new();
        for ((milestone, place), times) in &self.spans {
            if has_places(*milestone) && named_here(place) {
                bring_backs.extend(ends(times).into_iter().flatten().filter(|at| inside(*at)));
            }
        }
        bring_backs.extend(visible(Milestone::Delivered).filter(|(p, _)| named_here(p)).map(|(_, at)| at));
        let returns: BTreeSet<EventTime> =
            visible(Milestone::ReturnStarted).chain(visible(Milestone::Returned)).map(|(_, at)| at).collect();
        let opening =
            returns.last().filter(|newest| bring_backs.iter().all(|back| back <= newest)).map(|newest| {
                let back = bring_backs.iter().rev().find(|back| *back < newest);
                *returns
                    .iter()
                    .find(|at| back.is_none_or(|back| *at > back))
                    .expect("the newest return is later")
            });
        let mut milestones = ranked;
        if let Some(opening) = opening {
            milestones.retain(|_, at| *at <= opening);
        }

        // 5 and 6: side milestones.
        let mut sides: Vec<(EventTime, Milestone)> = Vec::new();
        for milestone in
            [Milestone::ReturnStarted, Milestone::Returned, Milestone::Lost, Milestone::Destroyed]
        {
            let is_return = milestone < Milestone::Lost;
            let times: BTreeSet<EventTime> = visible(milestone)
                .map(|(_, at)| at)
                .filter(|at| !is_return || opening.is_some_and(|opening| *at >= opening))
                .collect();
            let (Some(first), Some(newest)) = (times.first(), times.last()) else { continue };
            if is_return || movement.is_none_or(|movement| *newest >= movement) {
                milestones.insert(milestone, *first);
                sides.push((*newest, milestone));
            }
        }
        // The order of the enum is the order of the ties.
        let newest_side = sides.iter().max().map(|(_, milestone)| *milestone);
        let highest = milestones.keys().copied().filter(|m| !m.is_side()).max();

        // 7: flags.
        let delivered_here = visible(Milestone::Delivered).filter(|(p, _)| here(p)).map(|(_, at)| at).max();
        let flags: BTreeMap<Flag, EventTime> = self
            .flags
            .iter()
            .filter_map(|(flag, times)| Some((*flag, newest_of(times)?)))
            .filter(|(flag, newest)| match flag {
                Flag::Damaged => true,
                Flag::Refused => delivered_here.is_none_or(|delivered| delivered <= *newest),
                _ => movement.is_none_or(|movement| *newest >= movement),
            })
            .collect();

        // 8: the newest word, if it is ours.
        let eta = self.etas.last().filter(|(at, _)| inside(*at));
        let appointment = self.appointments.last().filter(|(at, _)| inside(*at));

        // 10: what is or was wrong.
        let both_ends = |times: &BTreeSet<EventTime>| -> BTreeSet<EventTime> {
            ends(times).into_iter().flatten().filter(|at| inside(*at)).collect()
        };
        let flagged = |flag: Flag| self.flags.get(&flag).map(both_ends).unwrap_or_default();
        let sighted_at =
            |milestone: Milestone| -> BTreeSet<EventTime> { visible(milestone).map(|(_, at)| at).collect() };
        let deliveries = |wanted_here: bool| -> BTreeSet<EventTime> {
            let of_place = visible(Milestone::Delivered).filter(|(place, _)| here(place) == wanted_here);
            of_place.map(|(_, at)| at).collect()
        };
        let mut moves: BTreeSet<EventTime> = custody_spans().flat_map(both_ends).collect();
        moves.extend(sighted_at(Milestone::PartiallyDelivered));
        moves.extend(deliveries(true));
        let every_move: BTreeSet<EventTime> = moves.union(&deliveries(false)).copied().collect();
        let troubles = [
            (ProblemKind::Returned, last_episode(&returns, &bring_backs)),
            (ProblemKind::Lost, last_episode(&sighted_at(Milestone::Lost), &every_move)),
            (ProblemKind::Damaged, last_episode(&flagged(Flag::Damaged), &BTreeSet::new())),
            (ProblemKind::Refused, last_episode(&flagged(Flag::Refused), &deliveries(true))),
            (ProblemKind::Misdelivered, last_episode(&deliveries(false), &moves)),
        ];

        // 9.
        let newest = milestones
            .values()
            .copied()
            .chain(sides.iter().map(|(newest, _)| *newest))
            .chain(flags.values().copied())
            .chain(eta.map(|(at, _)| *at))
            .chain(appointment.map(|(at, _)| *at))
            .max();
        View {
            current: newest_side.or(highest),
            withdrawn: !sides.is_empty(),
            flags: flags.into_keys().collect(),
            eta: eta.map(|(_, eta)| *eta),
            appointment: appointment.map(|(at, (start, end))| (*start, *end, *at)),
            newest,
            troubles: troubles.into_iter().filter_map(|(kind, trouble)| Some((kind, trouble?))).collect(),
            milestones,
            delivered_for_good: false,
            conflict: None,
        }
    }
}
