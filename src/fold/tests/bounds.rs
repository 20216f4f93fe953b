//! The bounds: what is kept, what goes, and that it is said. Also how large progress is.

use proptest::prelude::*;

use super::*;
use crate::fold::{Joined, View, view};

fn delivered(at: u32, place: Option<&str>) -> Scan {
    scan(at, effect(Milestone::Delivered), place)
}

fn effect(milestone: Milestone) -> Effect {
    Effect { milestone: Some(milestone), flags: FlagSet::EMPTY }
}

fn kept_times(progress: &Progress) -> Vec<u32> {
    let mut times = Vec::new();
    progress.each_sighting(|seen| times.push(seen.at.0));
    times
}

#[test]
fn of_many_sightings_the_four_earliest_and_the_four_latest_stay() {
    let mut progress = Progress::default();
    let times = [50, 10, 90, 20, 80, 30, 70, 40];
    for at in times {
        assert_eq!(progress.join_scan(&delivered(at, None)), Joined { changed: true, evicted: 0 });
    }
    for (at, joined, kept) in [
        (45, Joined { changed: false, evicted: 1 }, [10, 20, 30, 40, 50, 70, 80, 90]),
        (45, Joined { changed: false, evicted: 1 }, [10, 20, 30, 40, 50, 70, 80, 90]),
        (10, Joined { changed: false, evicted: 0 }, [10, 20, 30, 40, 50, 70, 80, 90]),
        (60, Joined { changed: true, evicted: 1 }, [10, 20, 30, 40, 60, 70, 80, 90]),
        (5, Joined { changed: true, evicted: 1 }, [5, 10, 20, 30, 60, 70, 80, 90]),
    ] {
        assert_eq!(progress.join_scan(&delivered(at, None)), joined, "{at}");
        assert_eq!(kept_times(&progress), kept, "{at}");
    }
}

#[test]
fn of_many_places_the_four_smallest_stay() {
    for milestone in [Milestone::OutForDelivery, Milestone::ArrivedAtFc, Milestone::Delivered] {
        let mut progress = Progress::default();
        let mut evicted = 0;
        for place in [Some("D1"), Some("B1"), Some("E1"), Some("C1"), None, Some("A1"), Some("F1")] {
            evicted += progress.join_scan(&scan(10, effect(milestone), place)).evicted;
        }
        let mut places = Vec::new();
        progress.each_span(|_, place, _| places.push(place.map(str::to_owned)));
        progress.each_sighting(|seen| places.push(seen.place.map(str::to_owned)));
        let kept = [None, Some("A1".to_owned()), Some("B1".to_owned()), Some("C1".to_owned())];
        assert_eq!(places, kept, "{milestone:?}");
        assert_eq!(evicted, 3, "{milestone:?}");
    }
}

#[test]
fn eight_retractions_wait_and_those_with_a_sighting_do_not_count() {
    let mut progress = Progress::default();
    let retract = |ids: std::ops::Range<u64>| Scan {
        retracts: ids.map(ScanId).collect(),
        ..scan(10, Effect::NONE, None)
    };
    for (at, id) in [(10, 100), (11, 101)] {
        progress.join_scan(&Scan { id: ScanId(id), ..delivered(at, None) });
    }
    assert_eq!(progress.join_scan(&retract(100..102)), Joined { changed: true, evicted: 0 });
    assert_eq!(progress.join_scan(&retract(0..8)), Joined { changed: true, evicted: 0 });
    assert_eq!(progress.join_scan(&retract(8..10)), Joined { changed: false, evicted: 2 });
    assert_eq!(progress.retracted().len(), 10);
    // Its sighting comes: one more may wait.
    progress.join_scan(&Scan { id: ScanId(7), ..delivered(12, Some("ICT2")) });
    assert_eq!(progress.join_scan(&retract(8..9)), Joined { changed: true, evicted: 0 });
    assert_eq!(view(&progress, ALWAYS, &fc("ICT2")), View::EMPTY);
    // Many at once, on a number that has nothing else.
    assert_eq!(fold(None, &[retract(0..12)]).1, 4);
}

proptest! {
    /// Without shared identities and retractions the bounds choose by content alone.
    #[test]
    fn even_bounds_do_not_show_the_order(
        (order, other_order) in proptest::collection::vec(
            (times(), proptest::sample::select(&Milestone::ALL[4..]), 0..7_usize),
            0..150,
        )
        .prop_map(|parts| {
            let places = [None, Some("A1"), Some("B1"), Some("C1"), Some("D1"), Some("E1"), Some("F1")];
            let scans = parts.into_iter().map(|(at, milestone, p)| scan(at, effect(milestone), places[p]));
            scans.collect::<Vec<_>>()
        })
        .prop_flat_map(|scans| (Just(scans.clone()), Just(scans).prop_shuffle())),
    ) {
        let (want, _) = fold(None, &order);
        prop_assert_eq!(&fold(None, &other_order).0, &want);
        let (left, right) = other_order.split_at(other_order.len() / 2);
        let mut sum = fold(None, left).0;
        sum.join(&fold(None, right).0);
        prop_assert_eq!(&sum, &want);
        let mut sightings = 0;
        want.each_sighting(|_| sightings += 1);
        prop_assert!(sightings <= (4 + 5) * 8);
    }
}

#[test]
fn progress_is_small() {
    assert_eq!(size_of::<Progress>(), 80);
    assert_eq!(size_of::<View>(), 56);
    let mut progress = Progress::default();
    progress.raise_floor(EventTime(1_790_000_000));
    for (i, milestone) in [0, 1, 2, 2, 2, 3, 4].into_iter().zip(0_u32..).map(|(m, i)| (i, Milestone::ALL[m]))
    {
        let plain = scan(1_790_100_000 + i * 40_000, effect(milestone), None);
        progress.join_scan(&Scan { eta: Some(EventTime(1_790_400_000)), ..plain });
    }
    progress.join_scan(&delivered(1_790_390_000, Some("ICT2")));
    let bytes = postcard::to_stdvec(&progress).expect("serialises").len();
    assert!(bytes <= 60, "a delivered parcel takes {bytes} bytes in the log");
    let bytes = postcard::to_stdvec(&view(&progress, ALWAYS, &fc("ICT2"))).expect("serialises").len();
    assert!(bytes <= 40, "its view takes {bytes} bytes in a hop");
}
