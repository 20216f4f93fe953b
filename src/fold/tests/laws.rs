//! The laws of the join (R17): order, repetition and batching of scans do not show.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::fold::{Reader, Spare, view};

/// An order in which every scan comes at least once, cut into batches.
fn deliveries(scans: Vec<Scan>) -> impl Strategy<Value = (Vec<Scan>, Vec<Vec<Scan>>)> {
    let repeated = proptest::collection::vec(any::<proptest::sample::Index>(), 0..6);
    let all = (Just(scans.clone()), repeated).prop_map(|(scans, repeated)| {
        let again: Vec<Scan> = match scans.len() {
            0 => Vec::new(),
            n => repeated.into_iter().map(|i| scans[i.index(n)].clone()).collect(),
        };
        [scans, again].concat()
    });
    let batches = (all.prop_shuffle(), 1..5_usize)
        .prop_map(|(order, size)| order.chunks(size).map(<[Scan]>::to_vec).collect());
    (Just(scans), batches)
}

/// Whether no part of the scans, in no order, hits a bound.
fn fits(floor: Option<EventTime>, scans: &[Scan]) -> bool {
    let retracted: BTreeSet<ScanId> = scans.iter().flat_map(|s| s.retracts.iter().copied()).collect();
    retracted.len() <= 8 && fold(floor, scans).1 == 0
}

fn joined(mut one: Progress, other: &Progress) -> Progress {
    one.join(other);
    one
}

fn bytes(progress: &Progress) -> Vec<u8> {
    postcard::to_stdvec(progress).expect("serialises")
}

/// Whether cutting at `floor` keeps all that first and last of a span, and the earliest time of a scan, could tell, and
/// no scan before it retracts anything (a retraction has no time, and stays once it was heard): the cases in which
/// it does not matter when the floor rises.
fn cuts_cleanly(floor: EventTime, scans: &[Scan]) -> bool {
    if scans.iter().any(|s| s.event_time < floor && !s.retracts.is_empty()) {
        return false;
    }
    // Per span, and per scan of a milestone that can be taken back: how many may be left by the cut.
    let mut times: BTreeMap<(String, usize), BTreeSet<EventTime>> = BTreeMap::new();
    for s in scans {
        let at = s.event_time;
        for flag in s.effect.flags.iter() {
            times.entry((flag.name().to_owned(), 1)).or_default().insert(at);
        }
        let Some(milestone) = s.effect.milestone else { continue };
        let placed =
            matches!(milestone, Milestone::OutForDelivery | Milestone::ArrivedAtFc | Milestone::Delivered);
        let place = s.place.as_ref().filter(|_| placed);
        let key = if milestone >= Milestone::PartiallyDelivered {
            (format!("{milestone:?} {place:?} {:?}", s.id), 0)
        } else {
            (format!("{milestone:?} {place:?}"), 1)
        };
        times.entry(key).or_default().insert(at);
    }
    times.iter().all(|((_, left), times)| {
        times.first().is_none_or(|first| *first >= floor) || times.range(floor..).count() <= *left
    })
}

/// The scans that are cut cleanly at all of the floors, in two or three parts.
fn cut_cleanly<const PARTS: usize>(floors: &[EventTime], scans: Vec<Scan>) -> [Vec<Scan>; PARTS] {
    let mut kept: Vec<Scan> = Vec::new();
    for scan in scans {
        kept.push(scan);
        if !floors.iter().all(|floor| cuts_cleanly(*floor, &kept)) {
            kept.pop();
        }
    }
    let size = kept.len().div_ceil(PARTS).max(1);
    std::array::from_fn(|part| kept.iter().skip(part * size).take(size).cloned().collect())
}

proptest! {
    #[test]
    fn packed_progress_is_read_as_serde_reads_it(all in proptest::collection::vec((floors(), scans(24)), 1..6)) {
        let mut spare = Spare::default();
        let mut read = Progress::default();
        for (floor, scans) in all {
            let (progress, _) = fold(floor, &scans);
            let packed = [&bytes(&progress)[..], b"rest"].concat();
            let mut reader = Reader::new(&packed);
            spare.read(&mut read, &mut reader);
            prop_assert_eq!((&read, reader.rest()), (&progress, &b"rest"[..]));
            prop_assert_eq!(bytes(&read), bytes(&progress));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn order_repetition_and_batching_do_not_show(
        (scans, batches) in scans(14).prop_flat_map(deliveries),
        floor in floors(),
    ) {
        prop_assume!(fits(floor, &scans));
        let (want, _) = fold(floor, &scans);
        let in_order = fold(floor, &batches.concat());
        prop_assert_eq!(&in_order, &(want.clone(), 0));
        let batched = batches.iter().fold(fold(floor, &[]).0, |sum, batch| joined(sum, &fold(floor, batch).0));
        prop_assert_eq!(&batched, &want);
        prop_assert_eq!(bytes(&batched), bytes(&want));
        for home in ["ICT2", "ONT8"] {
            prop_assert_eq!(view(&batched, ALWAYS, &fc(home)), view(&want, ALWAYS, &fc(home)));
        }
    }

    #[test]
    fn the_join_is_commutative_and_idempotent(
        (a, b) in (scans(20), scans(20)),
        (floor_a, floor_b) in (floors(), floors()),
    ) {
        let (a, b) = (fold(floor_a, &a).0, fold(floor_b, &b).0);
        let sum = joined(a.clone(), &b);
        prop_assert_eq!(&joined(b.clone(), &a), &sum);
        prop_assert_eq!(&joined(a.clone(), &a), &a);
        prop_assert_eq!(&joined(sum.clone(), &sum), &sum);
        let mut again = sum.clone();
        prop_assert!(!again.join(&sum));
        let mut grown = a.clone();
        prop_assert_eq!(grown.join(&b), sum != a);
    }

    #[test]
    fn the_join_is_associative(
        scans in scans(18),
        floors in [floors(), floors(), floors()],
    ) {
        let [floor_a, floor_b, floor_c] = floors;
        let cuts: Vec<_> = floors.into_iter().flatten().collect();
        let [a, b, c] = cut_cleanly(&cuts, scans);
        prop_assume!(fits(None, &[&a[..], &b, &c].concat()));
        let (a, b, c) = (fold(floor_a, &a).0, fold(floor_b, &b).0, fold(floor_c, &c).0);
        let left = joined(joined(a.clone(), &b), &c);
        let right = joined(a, &joined(b, &c));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(left.floor(), cuts.into_iter().max());
    }

    #[test]
    fn a_floor_may_rise_before_or_after_the_scans(
        scans in scans(20),
        floor in times().prop_map(EventTime),
    ) {
        let [before, after] = cut_cleanly(&[floor], scans);
        let all = [&before[..], &after].concat();
        prop_assume!(fits(None, &all));
        let (first, _) = fold(Some(floor), &all);
        let (mut last, _) = fold(None, &all);
        last.raise_floor(floor);
        prop_assert_eq!(&last, &first);
        let (mut between, _) = fold(None, &before);
        between.raise_floor(floor);
        for scan in &after {
            between.join_scan(scan);
        }
        prop_assert_eq!(&between, &first);
    }

    #[test]
    fn a_join_with_progress_is_a_join_with_its_scans(
        (a, b) in (scans(8), scans(8)),
        floor in floors(),
    ) {
        let all = [a.clone(), b.clone()].concat();
        prop_assume!(fits(floor, &all));
        let (want, _) = fold(floor, &all);
        prop_assert_eq!(joined(fold(floor, &a).0, &fold(floor, &b).0), want);
    }

    #[test]
    fn changed_says_whether_it_changed(scans in scans(60), floor in floors()) {
        let mut progress = fold(floor, &[]).0;
        for scan in &scans {
            let before = progress.clone();
            let joined = progress.join_scan(scan);
            prop_assert_eq!(joined.changed, progress != before, "{:?}", scan);
            prop_assert!(!progress.join_scan(scan).changed);
        }
    }

    #[test]
    fn progress_survives_the_log(scans in scans(30), (low, high) in (floors(), floors())) {
        let (mut progress, _) = fold(low, &scans);
        if let Some(high) = high {
            prop_assert_eq!(progress.raise_floor(high), low.is_none_or(|low| high > low));
        }
        let read: Progress = postcard::from_bytes(&bytes(&progress)).expect("what was written can be read");
        prop_assert_eq!(&read, &progress);
        prop_assert_eq!(bytes(&read), bytes(&progress));
        // What its marks say is all there is, and has one form.
        let floor = fold(progress.floor(), &[]).0;
        prop_assert_eq!(joined(floor, &progress), progress);
    }
}
