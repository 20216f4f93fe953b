//! R24: feeds that fall silent while boxes wait for them.

use dockside::engine::replay::Replay;
use dockside::model::{Settings, Timestamp};
use dockside::stations::Rules;

use super::check;
use super::story::{lines, long};

/// The feed of UPS after a story: boxes that wait, and since when it is silent.
fn feed(story: &str) -> String {
    let mut replay = Replay::new(Rules::embedded());
    let lines = lines(story);
    lines.iter().for_each(|line| replay.tell(line, &mut |_| {}));
    let rules = Rules::embedded();
    let ups = rules.catalogue.carrier("UPS").expect("a carrier");
    let feed = replay.stations().feeds().get(&ups).copied().unwrap_or_default();
    let now = lines.last().expect("a line").timestamp;
    let since = feed.silent_since(&Settings::default(), now);
    format!("{} {}", feed.waiting, since.map_or("heard".to_owned(), |since| since.to_string()))
}

#[test]
fn r24_a_feed_is_silent_after_24_hours_while_boxes_wait() {
    let scanned = |more: &str| format!("given shipped; 11-02T09:12:30 scan #0 PICKED_UP; {more}");
    let rows = [
        ("heard of just now", scanned("11-02T10:00 tick"), "2 heard".to_owned()),
        ("a minute before a day", scanned("11-03T09:11 tick"), "2 heard".to_owned()),
        ("a day, to the minute", scanned("11-03T09:12 tick"), format!("2 {}", long("11-02T09:12"))),
        ("heard again", scanned("11-03T09:12 tick; 11-03T10:00 scan #0 PICKED_UP"), "2 heard".to_owned()),
        (
            "a scan of nobody's is heard too",
            scanned("11-03T09:00 scan #7 PICKED_UP; 11-03T10:00 tick"),
            "2 heard".to_owned(),
        ),
        (
            "another carrier's is not",
            scanned("11-03T09:00 scan X1 PICKED_UP carrier=USPS; 11-03T10:00 tick"),
            format!("2 {}", long("11-02T09:12")),
        ),
        (
            "never heard of: since boxes wait",
            "given shipped; 11-02T02:00 tick".to_owned(),
            format!("2 {}", long("11-01T02:00")),
        ),
        ("nothing is registered", "given confirmed; 11-03T00:00 tick".to_owned(), "0 heard".to_owned()),
        (
            "one is delivered",
            scanned("11-02T10:00 scan #1 DELIVERED; 11-05T00:00 tick"),
            format!("1 {}", long("11-02T10:00")),
        ),
        ("all are", "given delivered; 11-09T00:00 tick".to_owned(), "0 heard".to_owned()),
        ("cancelled", scanned("11-02T11:00 cancel; 11-05T00:00 tick"), "0 heard".to_owned()),
        (
            "on its way back",
            scanned("11-02T10:00 scan #0 RETURNED; 11-05T00:00 tick"),
            format!("1 {}", long("11-02T10:00")),
        ),
        (
            "given to another carrier",
            scanned("11-02T10:00 carrier FEDEX; 11-05T00:00 tick"),
            "0 heard".to_owned(),
        ),
    ];
    for (name, story, want) in rows {
        assert_eq!(feed(&story), want, "{name}");
    }
}

#[test]
fn ops_3_a_silent_feed_changes_no_state() {
    check(&[(
        "three days of silence",
        "given shipped; 11-02T09:00 scan #0 IN_TRANSIT eta=11-06T00:00; 11-04T23:59 tick",
        "plan.version = 3; plan.status = IN_TRANSIT; plan.expected.source = WINDOW; emitted = none",
    )]);
}

#[test]
fn r24_what_several_partitions_hear_is_put_together() {
    use dockside::stations::Feed;
    let at = |text: &str| Timestamp::parse(&long(text));
    let mut feed = Feed { last: at("11-01T00:00"), waiting: 3 };
    feed.add(Feed { last: None, waiting: 2 });
    feed.add(Feed { last: at("11-02T00:00"), waiting: 0 });
    assert_eq!(feed, Feed { last: at("11-02T00:00"), waiting: 5 });
    let silent = |now: &str| feed.silent_since(&Settings::default(), at(now).expect("a time"));
    assert_eq!((silent("11-02T23:59"), silent("11-03T00:00")), (None, at("11-02T00:00")));
}
