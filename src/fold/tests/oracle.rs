//! The view, naively: all scans are kept in a list, and §3 of the rulebook is computed from them, paragraph by paragraph.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::fold::{View, view};

/// Everything a view says.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    at: BTreeMap<Milestone, u32>,
    current: Option<Milestone>,
    rank: u8,
    flags: Vec<Flag>,
    withdrawn: bool,
    eta: Option<u32>,
    appointment: Option<(u32, u32, u32)>,
    newest: Option<u32>,
}

impl Shown {
    fn of(view: &View) -> Shown {
        let at = Milestone::ALL.into_iter().filter_map(|m| view.at(m).map(|at| (m, at.0)));
        Shown {
            at: at.collect(),
            current: view.current(),
            rank: view.rank(),
            flags: view.flags().iter().collect(),
            withdrawn: view.withdrawn(),
            eta: view.eta().map(|eta| eta.0),
            appointment: view.appointment().map(|a| (a.at.0, a.start.0, a.end.0)),
            newest: view.newest().map(|at| at.0),
        }
    }
}

/// How much of a span's times is known.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// All times.
    All,
    /// The first and the last: what progress keeps.
    Ends,
}

struct Oracle<'a> {
    scans: Vec<&'a Scan>,
    interval: Interval,
    fc: &'a FcId,
    known: Known,
}

impl Oracle<'_> {
    fn holds(&self, at: u32) -> bool {
        self.interval.contains(EventTime(at))
    }

    /// The times of a span that can be seen.
    fn span(&self, belongs: impl Fn(&Scan) -> bool) -> BTreeSet<u32> {
        let all: BTreeSet<u32> = self.scans.iter().filter(|s| belongs(s)).map(|s| s.event_time.0).collect();
        let ends = [all.first(), all.last()].into_iter().flatten().copied();
        let known = if self.known == Known::All { all.clone() } else { ends.collect() };
        known.into_iter().filter(|at| self.holds(*at)).collect()
    }

    fn milestone_span(&self, milestone: Milestone, place: Option<&FcId>) -> BTreeSet<u32> {
        let placed = matches!(milestone, Milestone::OutForDelivery | Milestone::ArrivedAtFc);
        if !placed && place.is_some() {
            return BTreeSet::new();
        }
        self.span(|s| s.effect.milestone == Some(milestone) && (!placed || s.place.as_ref() == place))
    }

    /// The times of sightings that can be seen, with the scans' places.
    fn sightings(&self, milestone: Milestone) -> Vec<(u32, Option<&FcId>)> {
        let mut earliest: BTreeMap<(Option<&FcId>, ScanId), u32> = BTreeMap::new();
        for s in self.scans.iter().filter(|s| s.effect.milestone == Some(milestone)) {
            let place = s.place.as_ref().filter(|_| milestone == Milestone::Delivered);
            let at = earliest.entry((place, s.id)).or_insert(s.event_time.0);
            *at = (*at).min(s.event_time.0);
        }
        let retracted = |id| self.scans.iter().any(|s| s.retracts.contains(&id));
        let visible = earliest.into_iter().filter(|((_, id), at)| !retracted(*id) && self.holds(*at));
        visible.map(|((place, _), at)| (at, place)).collect()
    }

    fn times(&self, milestone: Milestone) -> BTreeSet<u32> {
        self.sightings(milestone).into_iter().map(|(at, _)| at).collect()
    }

    fn places(&self) -> BTreeSet<Option<&FcId>> {
        self.scans.iter().map(|s| s.place.as_ref()).chain([None]).collect()
    }

    fn shown(&self) -> Shown {
        use Milestone::*;
        let here = |place: &Option<&FcId>| place.is_none_or(|place| place == self.fc);

        // 2: the earliest per ranked milestone.
        let mut ranked: BTreeMap<Milestone, u32> = BTreeMap::new();
        for milestone in [LabelCreated, PickedUp, InTransit, AtDestination, OutForDelivery, ArrivedAtFc] {
            let times = self.places().into_iter().filter(here);
            let earliest = times.flat_map(|place| self.milestone_span(milestone, place)).min();
            ranked.extend(earliest.map(|at| (milestone, at)));
        }
        ranked.extend(self.times(PartiallyDelivered).first().map(|at| (PartiallyDelivered, *at)));
        let delivered = self.sightings(Delivered);
        let delivered_here: BTreeSet<u32> =
            delivered.iter().filter(|(_, place)| here(place)).map(|(at, _)| *at).collect();
        ranked.extend(delivered_here.first().map(|at| (Delivered, *at)));

        // 3: movement.
        let spans = [PickedUp, InTransit, AtDestination, OutForDelivery, ArrivedAtFc];
        let moved = spans.into_iter().flat_map(|milestone| {
            self.places().into_iter().flat_map(move |place| self.milestone_span(milestone, place))
        });
        let movement =
            moved.chain(self.times(PartiallyDelivered)).chain(delivered.iter().map(|(at, _)| *at)).max();

        // 4: the return leg.
        let returns: BTreeSet<u32> = &self.times(ReturnStarted) | &self.times(Returned);
        let named = Some(self.fc);
        let mut bring_backs =
            &self.milestone_span(OutForDelivery, named) | &self.milestone_span(ArrivedAtFc, named);
        bring_backs.extend(delivered.iter().filter(|(_, place)| *place == named).map(|(at, _)| *at));
        let opening = returns.last().filter(|r| bring_backs.iter().all(|b| b <= r)).map(|newest| {
            match bring_backs.range(..newest).next_back() {
                None => *returns.first().expect("there is one"),
                Some(b) => *returns.range(b + 1..).next().expect("at least the newest"),
            }
        });
        let mut shown = Shown::default();
        shown.at.extend(ranked.into_iter().filter(|(_, at)| opening.is_none_or(|opening| *at <= opening)));
        shown.rank = shown.at.keys().filter_map(|m| m.rank()).max().unwrap_or(0);
        shown.current = shown.at.keys().max_by_key(|m| m.rank()).copied();
        let mut newest: BTreeSet<u32> = shown.at.values().copied().collect();

        // 5, 6: side milestones.
        let mut active: Vec<(u32, Milestone)> = Vec::new();
        for side in [ReturnStarted, Returned, Lost, Destroyed] {
            let times = self.times(side);
            let Some(last) = times.last() else { continue };
            let first = if matches!(side, Lost | Destroyed) {
                times.first().filter(|_| movement.is_none_or(|movement| *last >= movement))
            } else {
                opening.and_then(|opening| times.range(opening..).next())
            };
            if let Some(first) = first {
                shown.at.insert(side, *first);
                active.push((*last, side));
                newest.extend([*first, *last]);
            }
        }
        active.sort();
        shown.withdrawn = opening.is_some() || active.iter().any(|(_, s)| matches!(s, Lost | Destroyed));
        shown.current = active.last().map(|(_, side)| *side).or(shown.current);

        // 7: flags.
        for flag in Flag::ALL {
            let times = self.span(|s| s.effect.flags.contains(flag));
            let Some(last) = times.last() else { continue };
            let stands = match flag {
                Flag::Damaged => true,
                Flag::Refused => !delivered_here.iter().any(|at| at > last),
                _ => movement.is_none_or(|movement| *last >= movement),
            };
            if stands {
                shown.flags.push(flag);
                newest.insert(*last);
            }
        }

        // 8: the newest ETA and appointment, if they can be seen.
        let eta = self.scans.iter().filter_map(|s| s.eta.map(|eta| (s.event_time.0, eta.0))).max();
        shown.eta = eta.filter(|(at, _)| self.holds(*at)).map(|(_, eta)| eta);
        newest.extend(eta.map(|(at, _)| at).filter(|at| self.holds(*at)));
        let told = self.scans.iter().filter_map(|s| s.appointment.map(|a| (s.event_time.0, a.0.0, a.1.0)));
        shown.appointment = told.max().filter(|(at, _, _)| self.holds(*at));
        newest.extend(shown.appointment.map(|(at, _, _)| at));

        // 9 and R21.
        shown.newest = newest.last().copied();
        shown
    }
}

/// The scans from the floor on, with what they say. (A scan told again with a time before the floor is out; the
/// strategy keeps such pairs, because then the scan is what its later telling says.)
fn living(floor: Option<EventTime>, scans: &[Scan]) -> Vec<&Scan> {
    scans.iter().filter(|s| floor.is_none_or(|floor| s.event_time >= floor)).collect()
}

/// Whether first and last tell as much as all times do, for every span.
fn ends_say_all(oracle: &Oracle<'_>) -> bool {
    let both = |belongs: &dyn Fn(&Scan) -> bool| {
        let all: BTreeSet<u32> = oracle.scans.iter().filter(|s| belongs(s)).map(|s| s.event_time.0).collect();
        let inside: Vec<&u32> = all.iter().filter(|at| oracle.holds(**at)).collect();
        inside.iter().all(|at| Some(**at) == all.first().copied() || Some(**at) == all.last().copied())
    };
    let placed = |m| matches!(m, Milestone::OutForDelivery | Milestone::ArrivedAtFc);
    Milestone::ALL[..6].iter().all(|m| {
        oracle.places().into_iter().all(|place| {
            both(&|s: &Scan| s.effect.milestone == Some(*m) && (!placed(*m) || s.place.as_ref() == place))
        })
    }) && Flag::ALL.iter().all(|flag| both(&|s: &Scan| s.effect.flags.contains(*flag)))
}

fn intervals() -> impl Strategy<Value = Interval> {
    prop_oneof![
        2 => Just(ALWAYS),
        3 => (times(), proptest::option::of(times())).prop_map(|(from, to)| interval(from, to)),
        // Milliseconds count: a second belongs if its start does.
        1 => (1_000_000..1_030_000_i64, 0..20_000_i64).prop_map(|(from, length)| Interval {
            from: Timestamp(from),
            to: Some(Timestamp(from + length)),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_view_is_what_the_rulebook_says(
        scans in scans(14),
        floor in floors(),
        interval in intervals(),
        home in proptest::sample::select(vec!["ICT2", "ONT8", "ONT8-ANNEX-EAST", "LGB3"]),
    ) {
        let (progress, evicted) = fold(floor, &scans);
        prop_assume!(evicted == 0);
        let home = fc(home);
        let seen = Shown::of(&view(&progress, interval, &home));
        let mut oracle = Oracle { scans: living(floor, &scans), interval, fc: &home, known: Known::Ends };
        prop_assert_eq!(&seen, &oracle.shown());
        if ends_say_all(&oracle) {
            oracle.known = Known::All;
            prop_assert_eq!(&seen, &oracle.shown());
        }
    }

    #[test]
    fn a_short_history_is_seen_exactly(scans in scans(5), interval in intervals()) {
        let (progress, evicted) = fold(None, &scans);
        prop_assert_eq!(evicted, 0);
        let home = fc("ICT2");
        let oracle = Oracle { scans: living(None, &scans), interval, fc: &home, known: Known::All };
        prop_assume!(ends_say_all(&oracle));
        prop_assert_eq!(Shown::of(&view(&progress, interval, &home)), oracle.shown());
    }
}
