//! Names of members: who has the name, and what becomes of the other one.

use std::time::Duration;

use dockside::engine::log::{Broker, Committed, Epoch, Log, LogError, Polled};
use dockside::model::Lane;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{assigned, created, next, opened, outputs, plain, shipments_soon};
use crate::conformance;

/// Polls until the member fails.
fn failure(member: &mut impl Log) -> LogError {
    for _ in 0..3_000 {
        if let Err(error) = member.poll(Lane::Scans, 100, Duration::from_millis(10)) {
            return error;
        }
    }
    panic!("it goes on");
}

#[test]
fn an_heir_keeps_the_name_and_the_older_one_ends() {
    let Some(config) = created("heir", 2) else { return };
    let broker = opened(&config);
    let mut older = broker.join("a").expect("a member");
    let positions = assigned(&mut older);
    let first = outputs(&["older"]);
    let done = older.commit(Epoch { outputs: &first, positions: &positions }).expect("a commit");
    assert_eq!(done, Committed::Done);

    let mut heir = broker.join("a").expect("a member");
    let positions = assigned(&mut heir);
    let error = failure(&mut older);
    assert!(error.refused && error.why.contains("same name"), "{error}");
    // The older one asked, and took nothing.
    let second = outputs(&["heir"]);
    let done = heir.commit(Epoch { outputs: &second, positions: &positions }).expect("a commit");
    assert_eq!(done, Committed::Done);
    assert_eq!(shipments_soon(&broker, 2), ["older", "heir"]);
}

#[test]
fn a_name_that_nobody_works_under_is_taken_back() {
    let Some(config) = created("nobody", 2) else { return };
    let broker = opened(&config);
    broker.append(&conformance::scans((0..4).map(|n| (n % 2, n)))).expect("an append");
    let mut member = broker.join("a").expect("a member");
    let positions = assigned(&mut member);
    assert!(matches!(next(&mut member, Lane::Scans), Polled::Records { .. }));

    // In the group somebody has the name; transactions of it are begun by nobody else.
    let intruder: BaseConsumer = plain::client(&config.bootstrap_servers)
        .set("group.id", &config.group_id)
        .set("group.instance.id", "a")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "6000")
        .create()
        .expect("a consumer");
    let topics = Lane::ALL.map(|lane| format!("{}{}", config.topic_prefix, lane.topic().name()));
    intruder.subscribe(&topics.each_ref().map(String::as_str)).expect("a subscription");
    let is_in = (0..3_000).any(|_| {
        drop(intruder.poll(Duration::from_millis(10)));
        intruder.assignment().is_ok_and(|assignment| assignment.count() > 0)
    });
    assert!(is_in, "the intruder has our partitions");
    drop(intruder);

    // Reading anew from where it was does not wait for partitions that are gone.
    member.seek(&positions).expect("the next poll says what became of them");
    let mut lost = false;
    let again = (0..3_000).find_map(|_| {
        match member.poll(Lane::Scans, 100, Duration::from_millis(20)).expect("it goes on") {
            Polled::Revoked { lost: is_lost, .. } => lost |= is_lost,
            Polled::Assigned { positions, .. } => return Some(positions),
            _ => {}
        }
        None
    });
    assert!(lost, "what was open is taken back");
    let positions = again.expect("its partitions again");
    let whole = outputs(&["again"]);
    let done = member.commit(Epoch { outputs: &whole, positions: &positions }).expect("a commit");
    assert_eq!(done, Committed::Done);
    assert_eq!(shipments_soon(&broker, 1), ["again"]);
}
