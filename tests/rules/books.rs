//! R17, R18: order does not matter, and nothing is silent.

use dockside::engine::replay::{ReplayLine, ReplayTopic};
use dockside::model::Timestamp;

use super::check;
use super::played::{Played, play};
use super::story::lines;

#[test]
fn r18_every_scan_is_somewhere_in_the_books() {
    let scan = |more: &str| format!("given shipped; 11-02T00:00 scan {more}");
    check(&[
        ("applied", &scan("#0 PICKED_UP"), "counts = read=1 applied=1"),
        (
            "duplicate",
            &scan("#0 PICKED_UP; 11-02T00:00 scan #0 PICKED_UP"),
            "counts = read=2 applied=1 duplicate=1",
        ),
        (
            "said again between first and last",
            &scan(
                "#0 IN_TRANSIT; 11-04T00:00 scan #0 IN_TRANSIT; 11-05T00:00 scan #0 IN_TRANSIT at=11-03T00:00",
            ),
            "counts = read=3 applied=2 duplicate=1",
        ),
        (
            "a repeated delivery of the same ID",
            &scan("#0 DELIVERED id=d; 11-02T01:00 scan #0 DELIVERED id=d"),
            "counts = read=2 applied=1 duplicate=1; box(B1).DELIVERED = 11-02T00:00",
        ),
        (
            "the same ID earlier",
            &scan("#0 DELIVERED id=d; 11-02T01:00 scan #0 DELIVERED id=d at=11-01T12:00"),
            "counts = read=2 applied=2; box(B1).DELIVERED = 11-01T12:00",
        ),
        ("unknown code", &scan("#0 code=QQ"), "counts = read=1 unknown_code=1; emitted = none"),
        (
            "unknown codes, each by itself",
            &scan(
                "#0 code=QQ; 11-02T01:00 scan #0 code=qq; 11-02T02:00 scan #1 code=Q2; 11-02T03:00 scan #1 code=D",
            ),
            "unknown = /Q2=1 /QQ=2; counts = read=4 applied=1 unknown_code=3",
        ),
        (
            "unknown code with an ETA",
            &scan("#0 code=QQ eta=11-06T00:00"),
            "counts = read=1 applied=1; box(B1).eta = 11-06T00:00; unknown = /QQ=1",
        ),
        (
            "unknown code with a milestone",
            &scan("#0 PICKED_UP code=QQ"),
            "counts = read=1 applied=1; box(B1).milestone = PICKED_UP",
        ),
        (
            "a known code wins over the milestone",
            &scan("#0 DELIVERED code=OR"),
            "box(B1).milestone = PICKED_UP",
        ),
        (
            "nobody's",
            &scan("#7 PICKED_UP; 11-02T00:00 scan #7 PICKED_UP"),
            "counts = read=2 parked=2; emitted = none",
        ),
        (
            "neither code nor milestone",
            &scan("#0"),
            "counts = read=1 MISSING_FIELD=1; letters = MISSING_FIELD",
        ),
        ("no such milestone", &scan("#0 TELEPORTED"), "counts = read=1 BAD_FIELD=1"),
        ("no number", &scan("␣ PICKED_UP"), "counts = read=1 BAD_TRACKING_ID=1"),
        ("no JSON", "11-02T00:00 raw scans {\"carrier\":", "counts = read=1 BAD_JSON=1"),
        ("no format", "11-02T00:00 raw scans hello", "counts = read=1 UNKNOWN_FORMAT=1"),
        ("an empty list", "11-02T00:00 raw scans []", "counts = none"),
        (
            "a bad element alone",
            r#"given shipped; 11-02T00:00 raw scans [{"carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T00:00:00Z"},7]"#,
            "counts = read=2 applied=1 BAD_FIELD=1; box(B1).milestone = PICKED_UP",
        ),
        (
            "a broken list as a whole",
            r#"given shipped; 11-02T00:00 raw scans [{"carrier":"UPS","tracking_id":"1Z5R89390357567127","milestone":"PICKED_UP","event_time":"2026-11-02T00:00:00Z"},"#,
            "counts = read=1 BAD_JSON=1; box(B1).milestone = null",
        ),
        ("spelt in another way", &scan("1z␣5r89␣3903␣5756␣7127 PICKED_UP"), "counts = read=1 applied=1"),
    ]);
}

/// Splits lines into runs of scans and single other lines.
fn runs(lines: &[ReplayLine]) -> Vec<Vec<ReplayLine>> {
    let is_scan = |line: &ReplayLine| line.topic == ReplayTopic::Scans;
    lines.chunk_by(|a, b| is_scan(a) && is_scan(b)).map(<[ReplayLine]>::to_vec).collect()
}

/// The story with each run of scans told at the run's last timestamp, after `change`.
fn retold(story: &str, change: impl Fn(&mut Vec<ReplayLine>)) -> Played {
    let mut told = Vec::new();
    for mut run in runs(&lines(story)) {
        if run[0].topic == ReplayTopic::Scans {
            let last: Timestamp = run.iter().map(|line| line.timestamp).max().expect("not empty");
            run.iter_mut().for_each(|line| line.timestamp = last);
            change(&mut run);
        }
        told.extend(run);
    }
    play(&told)
}

/// One message that holds all scans of a run.
fn batched(run: &mut Vec<ReplayLine>) {
    let values: Vec<&[u8]> = run.iter().filter_map(|line| line.value.as_deref()).collect();
    let value = [&b"["[..], &values.join(&b","[..]), b"]"].concat();
    run.truncate(1);
    run[0].value = Some(value);
}

#[test]
fn r17_the_order_of_scans_does_not_matter() {
    let stories = [
        (
            "a plain way",
            "given shipped; 11-02T00:00 scan #0 PICKED_UP; 11-02T00:00 scan #1 PICKED_UP; 11-03T00:00 scan #0 IN_TRANSIT eta=11-05T20:00
             11-04T00:00 scan #0 IN_TRANSIT eta=11-06T20:00; 11-05T12:00 scan #0 OUT_FOR_DELIVERY; 11-05T15:00 scan #0 DELIVERED; 11-05T16:00 scan #1 DELIVERED",
        ),
        (
            "returns, bring-backs and retractions",
            "given shipped; 11-02T00:00 scan #0 IN_TRANSIT; 11-03T00:00 scan #0 RETURN_STARTED id=r1; 11-04T00:00 scan #0 ARRIVED_AT_FC fc=ICT2
             11-04T12:00 scan #0 RETURNED id=r2; 11-05T00:00 scan #0 ETA retracts=r2; 11-05T06:00 scan #1 DELIVERED id=d; 11-05T07:00 scan #1 ETA retracts=d
             11-05T08:00 scan #1 LOST; 11-05T09:00 scan #1 IN_TRANSIT; 11-05T10:00 scan #1 DELAYED; 11-05T11:00 scan #0 DAMAGED",
        ),
        (
            "an edit in between",
            "given shipped; 11-02T00:00 scan #0 IN_TRANSIT; 11-02T01:00 scan #5 PICKED_UP; 11-02T02:00 scan #1 PICKED_UP; 11-03T00:00 track B1=#5
             11-03T01:00 scan #5 IN_TRANSIT; 11-03T02:00 scan #0 DELIVERED; 11-03T03:00 scan #1 DELIVERED; 11-03T04:00 scan #5 DELIVERED; 11-09T00:00 tick",
        ),
        (
            "an FC elsewhere, and a window that is missed",
            "given shipped; 11-06T00:00 scan #0 DELIVERED fc=ONT8; 11-06T01:00 scan #1 DELIVERED; 11-06T02:00 scan #0 IN_TRANSIT at=11-05T00:00; 11-09T00:00 tick
             11-09T01:00 scan #0 DELIVERED at=11-08T12:00; 11-09T02:00 scan #0 DELIVERED at=11-08T06:00",
        ),
        (
            "shared freight",
            "given hauled; 11-01T03:00 create in=T mode=LTL carrier=ABF pallets=1; 11-01T04:00 confirm in=T; 11-01T05:00 bill in=T 123456782
             11-03T00:00 scan 123456782 APPOINTMENT carrier=ABF appt=11-06T15:00..11-06T17:00; 11-04T00:00 scan 123456782 PARTIALLY_DELIVERED carrier=ABF id=p
             11-05T00:00 scan 123456782 IN_TRANSIT carrier=ABF; 11-06T00:00 scan 123456782 ETA carrier=ABF retracts=p",
        ),
    ];
    for (name, story) in stories {
        let straight = retold(story, |_| {}).state();
        let same = |how: &str, played: &Played| assert_eq!(played.state(), straight, "{name}: {how}");
        same("reversed", &retold(story, |run| run.reverse()));
        same("batched", &retold(story, batched));
        same("twice", &retold(story, |run| run.extend(run.clone())));
        same(
            "twice, reversed, batched",
            &retold(story, |run| {
                run.extend(run.clone());
                run.reverse();
                batched(run);
            }),
        );
        // Every rotation, and every neighbour swapped.
        for shift in 1..12 {
            same(
                "rotated",
                &retold(story, |run| {
                    let by = shift % run.len();
                    run.rotate_left(by);
                }),
            );
            same(
                "swapped",
                &retold(story, |run| {
                    let at = shift % run.len();
                    run.swap(0, at);
                }),
            );
        }
    }
}
