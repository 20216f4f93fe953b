//! Tests of the fold: the laws of the join, the view against a naive one, and each paragraph of the rulebook as a table.

mod bounds;
mod laws;
mod oracle;
mod rules;

use proptest::prelude::*;
use smallvec::SmallVec;

use super::{Interval, Progress, View, view};
use crate::model::{
    CarrierId, Effect, EventTime, FcId, Flag, FlagSet, Milestone, NumberKey, Scan, ScanId, Timestamp,
    TrackingNumber, stable_hash,
};

/// A scan of the one number that these tests are about. Its identity is its content.
fn scan(at: u32, effect: Effect, place: Option<&str>) -> Scan {
    Scan {
        key: NumberKey {
            number: TrackingNumber::from_canonical("1Z5R89390357567127"),
            carrier: CarrierId(1),
        },
        effect,
        code_known: true,
        event_time: EventTime(at),
        place: place.and_then(FcId::parse),
        id: content_id(effect.milestone, place, at),
        eta: None,
        appointment: None,
        retracts: SmallVec::new(),
    }
}

fn content_id(milestone: Option<Milestone>, place: Option<&str>, at: u32) -> ScanId {
    let name = milestone.map_or("", Milestone::name);
    ScanId(stable_hash(&[name.as_bytes(), place.unwrap_or("").as_bytes(), &at.to_le_bytes()]))
}

fn fc(name: &str) -> FcId {
    FcId::parse(name).expect("an FC")
}

fn interval(from: u32, to: Option<u32>) -> Interval {
    let at = |seconds: u32| EventTime(seconds).timestamp();
    Interval { from: at(from), to: to.map(at) }
}

const ALWAYS: Interval = Interval { from: Timestamp::MIN, to: None };

/// Folds scans one after another; says how many marks went because of a bound.
fn fold(floor: Option<EventTime>, scans: &[Scan]) -> (Progress, u32) {
    let mut progress = Progress::default();
    if let Some(floor) = floor {
        progress.raise_floor(floor);
    }
    let evicted = scans.iter().map(|scan| progress.join_scan(scan).evicted).sum();
    (progress, evicted)
}

/// Four places, none among them: as many as are kept. One name is too long for the short form.
const PLACES: [Option<&str>; 4] = [None, Some("ICT2"), Some("ONT8"), Some("ONT8-ANNEX-EAST")];

/// Times close together, so that equal ones are common.
fn times() -> impl Strategy<Value = u32> {
    1_000..1_030_u32
}

fn effects() -> impl Strategy<Value = Effect> {
    let milestone = prop_oneof![
        6 => proptest::sample::select(&Milestone::ALL[..]).prop_map(Some),
        4 => Just(Some(Milestone::Delivered)),
        2 => Just(Some(Milestone::OutForDelivery)),
        2 => proptest::sample::select(&Milestone::ALL[8..]).prop_map(Some),
        3 => Just(None),
    ];
    let flags = prop_oneof![
        3 => Just(vec![]),
        1 => proptest::sample::subsequence(&Flag::ALL[..], 1..3),
    ];
    (milestone, flags).prop_map(|(milestone, raised)| {
        let mut flags = FlagSet::EMPTY;
        raised.into_iter().for_each(|flag| flags.insert(flag));
        Effect { milestone, flags }
    })
}

/// Identities: mostly the content's, sometimes one of a few that are told with several contents.
fn ids() -> impl Strategy<Value = Option<ScanId>> {
    prop_oneof![4 => Just(None), 1 => (0..4_u64).prop_map(|id| Some(ScanId(id)))]
}

fn retractions() -> impl Strategy<Value = Vec<ScanId>> {
    let content = (proptest::sample::select(&Milestone::ALL[6..]), 0..PLACES.len(), times())
        .prop_map(|(milestone, place, at)| content_id(Some(milestone), PLACES[place], at));
    let one = prop_oneof![(0..5_u64).prop_map(ScanId), content];
    prop_oneof![5 => Just(vec![]), 1 => proptest::collection::vec(one, 1..3)]
}

fn scans(most: usize) -> impl Strategy<Value = Vec<Scan>> {
    let signals =
        (proptest::option::weighted(0.2, times()), proptest::option::weighted(0.1, (times(), times())));
    let one = (times(), effects(), 0..PLACES.len(), ids(), signals, retractions()).prop_map(
        |(at, effect, place, id, (eta, appointment), retracts)| {
            let plain = scan(at, effect, PLACES[place]);
            Scan {
                id: id.unwrap_or(plain.id),
                eta: eta.map(EventTime),
                appointment: appointment.map(|(start, end)| (EventTime(start), EventTime(end))),
                retracts: retracts.into(),
                ..plain
            }
        },
    );
    proptest::collection::vec(one, 0..=most)
}

/// What up to so many scans leave.
pub(crate) fn progress(most: usize) -> impl Strategy<Value = Progress> {
    scans(most).prop_map(|scans| fold(None, &scans).0)
}

/// What a box shows of it.
pub(crate) fn views(most: usize) -> impl Strategy<Value = View> {
    progress(most).prop_map(|progress| view(&progress, ALWAYS, &fc("ICT2")))
}

fn floors() -> impl Strategy<Value = Option<EventTime>> {
    proptest::option::weighted(0.5, times().prop_map(EventTime))
}
