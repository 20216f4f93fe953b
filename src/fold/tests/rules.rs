//! Each paragraph of the rulebook's §2 and §3 as a table: scans on the left, what a box at ICT2 shows on the right.

use super::*;
use crate::fold::{Fact, View, view};

/// Reads `10 PICKED_UP; 30 DELIVERED@ICT2 #7 !3 eta=90 appt=50-60`: time, names of §6 joined by `+`, place, identity,
/// retraction, ETA, appointment. Times are seconds.
fn read(text: &str) -> Vec<Scan> {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let one = |text: &str| {
        let mut words = text.split_whitespace();
        let at = number(words.next().expect("a time"));
        let (names, place) = match words.next().expect("a name").split_once('@') {
            Some((names, place)) => (names.to_owned(), Some(place)),
            None => (text.split_whitespace().nth(1).expect("a name").to_owned(), None),
        };
        let mut effect = Effect::NONE;
        for name in names.split('+') {
            let said = Effect::from_name(name).expect("a name of §6");
            effect.milestone = effect.milestone.or(said.milestone);
            effect.flags = effect.flags.union(said.flags);
        }
        let mut scan = scan(at, effect, place);
        for word in words {
            if let Some(id) = word.strip_prefix('#') {
                scan.id = ScanId(u64::from(number(id)));
            } else if let Some(id) = word.strip_prefix('!') {
                scan.retracts.push(ScanId(u64::from(number(id))));
            } else if let Some(eta) = word.strip_prefix("eta=") {
                scan.eta = Some(EventTime(number(eta)));
            } else {
                let (start, end) =
                    word.strip_prefix("appt=").and_then(|a| a.split_once('-')).expect("a word");
                scan.appointment = Some((EventTime(number(start)), EventTime(number(end))));
            }
        }
        scan
    };
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(one).collect()
}

/// `CURRENT: MILESTONE time … [FLAGS] eta=… appt=start-end newest=…`, leaving out what is not there.
fn write(view: &View) -> String {
    let mut words = vec![format!("{}:", view.current().map_or("-", Milestone::name))];
    for milestone in Milestone::ALL {
        words.extend(view.at(milestone).map(|at| format!("{} {}", milestone.name(), at.0)));
    }
    let flags: Vec<_> = view.flags().iter().map(Flag::name).collect();
    words.extend((!flags.is_empty()).then(|| format!("[{}]", flags.join(" "))));
    words.extend(view.eta().map(|eta| format!("eta={}", eta.0)));
    words.extend(view.appointment().map(|a| format!("appt={}-{}", a.start.0, a.end.0)));
    words.extend(view.episode(Fact::Misdelivered).map(|e| format!("elsewhere={}", e.opened.0)));
    words.extend(view.newest().map(|at| format!("newest={}", at.0)));
    words.join(" ")
}

/// Folds forwards and backwards, and compares what a box at ICT2 shows.
fn check(interval: Interval, table: &[(&str, &str)]) {
    for (scans, want) in table {
        let mut scans = read(scans);
        for direction in ["forwards", "backwards"] {
            let (progress, evicted) = fold(None, &scans);
            assert_eq!(evicted, 0);
            let seen = view(&progress, interval, &fc("ICT2"));
            assert_eq!(&write(&seen), want, "{direction}");
            let rank =
                Milestone::ALL.into_iter().filter(|m| seen.at(*m).is_some()).filter_map(Milestone::rank);
            assert_eq!(seen.rank(), rank.max().unwrap_or(0));
            assert_eq!(seen.withdrawn(), seen.current().is_some_and(Milestone::is_side));
            scans.reverse();
        }
    }
}

#[test]
fn the_earliest_time_of_each_milestone_shows() {
    check(
        ALWAYS,
        &[
            ("", "-:"),
            ("10 LABEL_CREATED", "LABEL_CREATED: LABEL_CREATED 10 newest=10"),
            (
                "10 PICKED_UP; 30 IN_TRANSIT; 20 IN_TRANSIT; 25 IN_TRANSIT",
                "IN_TRANSIT: PICKED_UP 10 IN_TRANSIT 20 newest=20",
            ),
            // The highest rank counts, not the newest time.
            (
                "30 OUT_FOR_DELIVERY; 40 IN_TRANSIT",
                "OUT_FOR_DELIVERY: IN_TRANSIT 40 OUT_FOR_DELIVERY 30 newest=40",
            ),
            (
                "10 PARTIALLY_DELIVERED; 20 PARTIALLY_DELIVERED@LGB3",
                "PARTIALLY_DELIVERED: PARTIALLY_DELIVERED 10 newest=10",
            ),
            ("20 DELIVERED #1; 10 DELIVERED #2; 15 DELIVERED@ICT2 #3", "DELIVERED: DELIVERED 10 newest=10"),
        ],
    );
}

#[test]
fn placed_milestones_count_here_only() {
    check(
        ALWAYS,
        &[
            ("10 ARRIVED_AT_FC@LGB3", "-:"),
            (
                "10 OUT_FOR_DELIVERY@LGB3; 20 OUT_FOR_DELIVERY",
                "OUT_FOR_DELIVERY: OUT_FOR_DELIVERY 20 newest=20",
            ),
            ("10 ARRIVED_AT_FC@ICT2; 20 ARRIVED_AT_FC", "ARRIVED_AT_FC: ARRIVED_AT_FC 10 newest=10"),
            // R21: delivered, but elsewhere.
            (
                "10 IN_TRANSIT; 30 DELIVERED@LGB3; 25 DELIVERED@ONT8",
                "IN_TRANSIT: IN_TRANSIT 10 elsewhere=25 newest=10",
            ),
            ("30 DELIVERED@LGB3; 50 DELIVERED@ICT2", "DELIVERED: DELIVERED 50 elsewhere=30 newest=50"),
            // Other milestones do not care where.
            ("10 IN_TRANSIT@LGB3", "IN_TRANSIT: IN_TRANSIT 10 newest=10"),
        ],
    );
}

#[test]
fn the_interval_is_half_open_and_a_span_offers_its_first_then_its_last() {
    check(
        interval(20, Some(40)),
        &[
            ("20 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 20 newest=20"),
            ("19 IN_TRANSIT", "-:"),
            ("40 IN_TRANSIT", "-:"),
            ("39 IN_TRANSIT; 50 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 39 newest=39"),
            ("10 IN_TRANSIT; 25 IN_TRANSIT; 30 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 30 newest=30"),
            // What is between first and last is not kept.
            ("10 IN_TRANSIT; 30 IN_TRANSIT; 50 IN_TRANSIT", "-:"),
            ("10 DELIVERED; 30 DELIVERED; 50 DELIVERED", "DELIVERED: DELIVERED 30 newest=30"),
            // Only what is inside moves, returns and brings back.
            ("30 LOST; 50 IN_TRANSIT", "LOST: LOST 30 newest=30"),
            ("30 RETURNED; 50 DELIVERED@ICT2", "RETURNED: RETURNED 30 newest=30"),
            ("25 IN_TRANSIT; 50 RETURNED", "IN_TRANSIT: IN_TRANSIT 25 newest=25"),
            ("30 DELAYED; 40 IN_TRANSIT", "-: [DELAYED] newest=30"),
            ("10 DELAYED; 30 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 30 newest=30"),
            ("30 ETA eta=90; 35 ETA appt=70-80", "-: eta=90 appt=70-80 newest=35"),
            // The newest ETA is another life's.
            ("30 ETA eta=90; 45 ETA eta=95", "-:"),
        ],
    );
}

#[test]
fn milliseconds_of_an_interval_count() {
    let life = Interval { from: Timestamp(10_001), to: Some(Timestamp(12_001)) };
    let held: Vec<_> = (9..14).filter(|at| life.contains(EventTime(*at))).collect();
    assert_eq!(held, [11, 12]);
    for (from_ms, floor) in [(10_001, 11), (10_000, 10), (-5, 0), (0, 0), (i64::MAX, u32::MAX)] {
        assert_eq!(Interval { from: Timestamp(from_ms), to: None }.floor(), EventTime(floor), "{from_ms}");
    }
}

#[test]
fn a_reused_number_has_two_lives() {
    let scans =
        read("10 PICKED_UP; 30 DELIVERED; 110 PICKED_UP; 120 OUT_FOR_DELIVERY; 25 DELAYED; 115 DAMAGED");
    let (progress, _) = fold(None, &scans);
    for (life, want) in [
        (interval(0, Some(100)), "DELIVERED: PICKED_UP 10 DELIVERED 30 newest=30"),
        (interval(100, None), "OUT_FOR_DELIVERY: PICKED_UP 110 OUT_FOR_DELIVERY 120 [DAMAGED] newest=120"),
    ] {
        assert_eq!(write(&view(&progress, life, &fc("ICT2"))), want);
    }
    // Registering the second life sets the floor: what was before is gone and stays away.
    let mut second = progress.clone();
    assert!(second.raise_floor(EventTime(100)));
    assert_eq!(view(&second, interval(0, Some(100)), &fc("ICT2")), View::EMPTY);
    assert_eq!(
        view(&second, interval(100, None), &fc("ICT2")),
        view(&progress, interval(100, None), &fc("ICT2"))
    );
    let before = second.clone();
    for scan in &scans {
        assert!(!second.join_scan(scan).changed);
    }
    assert_eq!(second, before);
}

#[test]
fn a_return_opens_a_leg_and_only_this_fc_closes_it() {
    check(
        ALWAYS,
        &[
            // Later movement, and even a delivery, belong to the return leg.
            (
                "10 PICKED_UP; 20 RETURN_STARTED; 30 IN_TRANSIT; 40 DELIVERED; 40 RETURNED",
                "RETURNED: PICKED_UP 10 RETURN_STARTED 20 RETURNED 40 newest=40",
            ),
            (
                "10 IN_TRANSIT; 20 DELIVERED; 30 RETURN_STARTED",
                "RETURN_STARTED: IN_TRANSIT 10 DELIVERED 20 RETURN_STARTED 30 newest=30",
            ),
            // A time equal to the opening shows.
            ("20 OUT_FOR_DELIVERY; 20 RETURNED", "RETURNED: OUT_FOR_DELIVERY 20 RETURNED 20 newest=20"),
            // Delivered at another FC does not bring it back.
            (
                "20 RETURN_STARTED; 30 DELIVERED@LGB3",
                "RETURN_STARTED: RETURN_STARTED 20 elsewhere=30 newest=20",
            ),
            // This FC, by name, does.
            ("20 RETURN_STARTED; 30 ARRIVED_AT_FC@ICT2", "ARRIVED_AT_FC: ARRIVED_AT_FC 30 newest=30"),
            (
                "20 RETURNED; 30 OUT_FOR_DELIVERY@ICT2; 40 DELIVERED",
                "DELIVERED: OUT_FOR_DELIVERY 30 DELIVERED 40 newest=40",
            ),
            ("20 RETURNED; 30 DELIVERED@ICT2", "DELIVERED: DELIVERED 30 newest=30"),
            // Equal times: the return wins.
            ("30 RETURNED; 30 DELIVERED@ICT2", "RETURNED: DELIVERED 30 RETURNED 30 newest=30"),
            // A second leg opens at the first return after the bring-back.
            (
                "10 PICKED_UP; 20 RETURN_STARTED; 30 ARRIVED_AT_FC@ICT2; 40 RETURN_STARTED; 50 RETURNED; 45 IN_TRANSIT",
                "RETURNED: PICKED_UP 10 ARRIVED_AT_FC 30 RETURN_STARTED 40 RETURNED 50 newest=50",
            ),
            // A retracted bring-back brings nothing back; a retracted return opens nothing.
            ("20 RETURNED; 30 DELIVERED@ICT2 #7; 31 ETA !7", "RETURNED: RETURNED 20 newest=20"),
            ("20 RETURNED #7; 30 IN_TRANSIT !7", "IN_TRANSIT: IN_TRANSIT 30 newest=30"),
        ],
    );
}

#[test]
fn what_is_lost_can_be_found() {
    check(
        ALWAYS,
        &[
            ("10 IN_TRANSIT; 20 LOST", "LOST: IN_TRANSIT 10 LOST 20 newest=20"),
            ("10 IN_TRANSIT; 20 LOST; 30 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 10 newest=10"),
            // Found anywhere, even delivered at another FC; a label is no custody.
            ("20 LOST; 30 ARRIVED_AT_FC@LGB3", "-:"),
            ("20 DESTROYED; 30 DELIVERED@LGB3", "-: elsewhere=30"),
            ("20 LOST; 30 LABEL_CREATED", "LOST: LABEL_CREATED 30 LOST 20 newest=30"),
            // Not before means equal is enough; shown is its earliest time.
            ("20 LOST; 20 IN_TRANSIT", "LOST: IN_TRANSIT 20 LOST 20 newest=20"),
            ("20 LOST #1; 30 IN_TRANSIT; 40 LOST #2", "LOST: IN_TRANSIT 30 LOST 20 newest=40"),
            ("20 LOST #1; 20 DESTROYED #2", "DESTROYED: LOST 20 DESTROYED 20 newest=20"),
            (
                "20 LOST #1; 20 RETURNED #2; 20 RETURN_STARTED #3",
                "LOST: RETURN_STARTED 20 RETURNED 20 LOST 20 newest=20",
            ),
            (
                "20 DESTROYED #1; 30 RETURN_STARTED #2",
                "RETURN_STARTED: RETURN_STARTED 30 DESTROYED 20 newest=30",
            ),
        ],
    );
}

#[test]
fn flags_are_cleared_by_later_movement() {
    check(
        ALWAYS,
        &[
            ("10 IN_TRANSIT; 20 DELAYED", "IN_TRANSIT: IN_TRANSIT 10 [DELAYED] newest=20"),
            ("20 IN_TRANSIT+DELAYED", "IN_TRANSIT: IN_TRANSIT 20 [DELAYED] newest=20"),
            ("20 DELAYED+HELD; 30 IN_TRANSIT; 35 HELD", "IN_TRANSIT: IN_TRANSIT 30 [HELD] newest=35"),
            ("20 DELAYED; 30 LABEL_CREATED", "LABEL_CREATED: LABEL_CREATED 30 [DELAYED] newest=30"),
            ("20 DELAYED; 30 OUT_FOR_DELIVERY@LGB3", "-:"),
            // Damage stays.
            ("20 DAMAGED; 30 DELIVERED", "DELIVERED: DELIVERED 30 [DAMAGED] newest=30"),
            // A refusal stays until a later delivery here.
            ("20 REFUSED; 30 IN_TRANSIT", "IN_TRANSIT: IN_TRANSIT 30 [REFUSED] newest=30"),
            ("20 REFUSED; 30 DELIVERED@LGB3", "-: [REFUSED] elsewhere=30 newest=20"),
            ("20 REFUSED; 30 DELIVERED", "DELIVERED: DELIVERED 30 newest=30"),
            ("30 REFUSED; 30 DELIVERED", "DELIVERED: DELIVERED 30 [REFUSED] newest=30"),
            ("20 REFUSED; 30 DELIVERED #7; 40 ETA !7", "-: [REFUSED] newest=20"),
        ],
    );
}

#[test]
fn the_newest_eta_and_appointment_count() {
    check(
        ALWAYS,
        &[
            ("10 IN_TRANSIT eta=90; 20 ETA eta=80", "IN_TRANSIT: IN_TRANSIT 10 eta=80 newest=20"),
            ("20 ETA eta=80; 20 ETA eta=85", "-: eta=85 newest=20"),
            // Two independent facts.
            ("10 ETA eta=90; 20 APPOINTMENT appt=50-60", "-: eta=90 appt=50-60 newest=20"),
            (
                "20 APPOINTMENT appt=50-60; 20 APPOINTMENT appt=50-70; 10 APPOINTMENT appt=99-99",
                "-: appt=50-70 newest=20",
            ),
        ],
    );
}

#[test]
fn a_retracted_sighting_is_invisible_for_ever() {
    check(
        ALWAYS,
        &[
            ("10 IN_TRANSIT; 20 DELIVERED #7; 30 ETA !7", "IN_TRANSIT: IN_TRANSIT 10 newest=10"),
            ("20 DELIVERED #7; 30 DELIVERED #8; 31 ETA !7", "DELIVERED: DELIVERED 30 newest=30"),
            ("20 DELIVERED #7; 30 ETA !7; 40 DELIVERED #7", "-:"),
            ("20 LOST #7; 30 ETA !7", "-:"),
            // Of one scan the earlier time counts.
            ("20 DELIVERED #7; 15 DELIVERED #7", "DELIVERED: DELIVERED 15 newest=15"),
            // Only sightings can be taken back.
            ("20 OUT_FOR_DELIVERY #7; 30 ETA !7", "OUT_FOR_DELIVERY: OUT_FOR_DELIVERY 20 newest=20"),
            ("20 DELAYED #7 eta=50; 30 ETA !7", "-: [DELAYED] eta=50 newest=20"),
        ],
    );
}

#[test]
fn a_floor_drops_what_is_before_it() {
    for (scans, floor, want) in [
        ("10 IN_TRANSIT; 20 IN_TRANSIT", 30, "-:"),
        ("10 IN_TRANSIT; 40 IN_TRANSIT", 30, "IN_TRANSIT: IN_TRANSIT 40 newest=40"),
        // What was between is not known: the last is what is left.
        ("10 IN_TRANSIT; 35 IN_TRANSIT; 40 IN_TRANSIT", 30, "IN_TRANSIT: IN_TRANSIT 40 newest=40"),
        ("35 IN_TRANSIT; 40 IN_TRANSIT", 30, "IN_TRANSIT: IN_TRANSIT 35 newest=35"),
        ("10 ARRIVED_AT_FC@ICT2; 40 ARRIVED_AT_FC@ICT2", 40, "ARRIVED_AT_FC: ARRIVED_AT_FC 40 newest=40"),
        ("10 DELIVERED #1; 35 DELIVERED #2; 40 DELIVERED #3", 30, "DELIVERED: DELIVERED 35 newest=35"),
        ("10 DELIVERED@ICT2", 30, "-:"),
        ("10 ETA eta=50 appt=60-70", 30, "-:"),
        ("10 DELAYED+HELD; 40 HELD", 30, "-: [HELD] newest=40"),
        ("10 DELAYED; 30 HELD", 30, "-: [HELD] newest=30"),
    ] {
        let (mut progress, _) = fold(None, &read(scans));
        assert!(progress.raise_floor(EventTime(floor)));
        assert!(!progress.raise_floor(EventTime(floor - 1)));
        assert_eq!(write(&view(&progress, ALWAYS, &fc("ICT2"))), want, "{scans}");
        assert_eq!(progress.is_empty(), want == "-:");
        progress.clear_floor();
        assert_eq!(progress.floor(), None);
        assert!(progress.join_scan(&read("5 PICKED_UP")[0]).changed);
    }
}

#[test]
fn a_retraction_outlives_the_sighting_that_a_floor_dropped() {
    let (mut progress, _) = fold(None, &read("10 DELIVERED #7; 30 ETA !7"));
    progress.raise_floor(EventTime(20));
    progress.join_scan(&read("40 DELIVERED #7")[0]);
    assert_eq!(view(&progress, ALWAYS, &fc("ICT2")), View::EMPTY);
}

#[test]
fn the_dead_letter_of_expired_progress_says_everything() {
    let mut scans = read(
        "10 PICKED_UP; 20 ARRIVED_AT_FC@ICT2; 25 ARRIVED_AT_FC@ICT2; 30 DELIVERED@ICT2 #7; 31 HELD eta=90 appt=70-80; 40 ETA !7 !8",
    );
    let want = serde_json::json!({
        "floor": "1970-01-01T00:00:05Z",
        "milestones": [
            { "milestone": "PICKED_UP", "place": null, "first": "1970-01-01T00:00:10Z", "last": "1970-01-01T00:00:10Z" },
            { "milestone": "ARRIVED_AT_FC", "place": "ICT2", "first": "1970-01-01T00:00:20Z", "last": "1970-01-01T00:00:25Z" },
        ],
        "sightings": [
            { "milestone": "DELIVERED", "place": "ICT2", "at": "1970-01-01T00:00:30Z", "scan": "0000000000000007", "retracted": true },
        ],
        "flags": [{ "flag": "HELD", "first": "1970-01-01T00:00:31Z", "last": "1970-01-01T00:00:31Z" }],
        "eta": { "at": "1970-01-01T00:00:31Z", "eta": "1970-01-01T00:01:30Z" },
        "appointment": { "at": "1970-01-01T00:00:31Z", "start": "1970-01-01T00:01:10Z", "end": "1970-01-01T00:01:20Z" },
        "retracted": ["0000000000000007", "0000000000000008"],
    });
    for _ in 0..2 {
        let (progress, _) = fold(Some(EventTime(5)), &scans);
        assert_eq!(progress.to_json(), want);
        assert_eq!(progress.to_json().to_string(), want.to_string());
        scans.reverse();
    }
}
