//! The rules of the board, as small stories.

use super::*;
use crate::engine::log::Positions;

const SCANS: Place = (Lane::Scans, Partition(0));
const HOPS: Place = (Lane::Hops, Partition(0));
const ONE: BrokerId = 1;
const TWO: BrokerId = 2;

/// Two partitions that begin at 10, led by the first broker.
fn board() -> Board {
    let mut board = Board::default();
    board.assign(&Positions::from([(SCANS, 10), (HOPS, 10)]));
    led_by(&mut board, ONE, 0);
    board
}

fn led_by(board: &mut Board, broker: BrokerId, epoch: i32) -> (bool, BTreeSet<BrokerId>) {
    let addresses = BTreeMap::from([(ONE, "one:1".to_owned()), (TWO, "two:2".to_owned())]);
    board.learn(addresses, BTreeMap::from([(SCANS, (broker, epoch)), (HOPS, (broker, epoch))]))
}

/// What is asked for of `place`.
fn wish(board: &mut Board, broker: BrokerId, place: Place) -> Option<Wish> {
    board.wishes(broker)?.list.into_iter().find(|wish| wish.place == place)
}

fn to(next: u64) -> Option<Reached> {
    Some(Reached { next, leader_epoch: 5 })
}

/// Pauses are real time; tests do not wait for them.
fn without_pause(board: &mut Board) {
    board.parts.values_mut().for_each(|part| part.pause = Pause::default());
}

/// The offsets of the ends that arrived.
fn ends(board: &mut Board, lane: Lane) -> Vec<u64> {
    std::iter::from_fn(|| board.take(lane).expect("no failure"))
        .map(|(_, arrived)| match arrived {
            Arrived::End(next) => next,
            other => panic!("an end was expected: {other:?}"),
        })
        .collect()
}

#[test]
fn reading_goes_on_where_an_answer_ends() {
    let mut board = board();
    let first = wish(&mut board, ONE, SCANS).expect("it is ours");
    assert_eq!((first.next, first.leader_epoch, first.last_epoch), (10, 0, -1));
    let onward = board.reached(&first, ONE, to(15), 20).expect("it counts");
    let second =
        wish(&mut board, ONE, SCANS).expect("the next request goes out before the answer is unpacked");
    assert_eq!((second.next, second.last_epoch), (15, 5));
    assert!(!board.unpacked(&first, onward), "the end is not reached");
    let onward = board.reached(&second, ONE, to(20), 20).expect("it counts");
    assert!(board.unpacked(&second, onward));
    // An empty answer at the same end is no news.
    let third = wish(&mut board, ONE, SCANS).expect("it may grow");
    let onward = board.reached(&third, ONE, None, 20).expect("it counts");
    assert!(!board.unpacked(&third, onward));
    assert_eq!(ends(&mut board, Lane::Scans), [20]);
}

#[test]
fn an_end_is_one_of_now() {
    for (what, reached, end, wanted) in [
        ("nothing is there", None, 10, &[10][..]),
        ("a new leader does not know yet how far it is committed", None, 8, &[]),
        ("there is more", to(15), 20, &[]),
        ("all was read", to(15), 15, &[15]),
        ("more came while it was read", to(15), 12, &[15]),
    ] {
        let mut board = board();
        let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
        let onward = board.reached(&wished, ONE, reached, end).expect("it counts");
        board.unpacked(&wished, onward);
        assert_eq!(ends(&mut board, Lane::Scans), wanted, "{what}");
    }
}

#[test]
fn an_answer_to_an_older_question_does_not_count() {
    for what in ["a seek", "another assignment", "a revocation"] {
        let mut board = board();
        let old = wish(&mut board, ONE, SCANS).expect("it is ours");
        let onward = board.reached(&old, ONE, to(15), 15).expect("it counts");
        board.arrived(&old, Arrived::End(15));
        match what {
            "a seek" => board.seek(&Positions::from([(SCANS, 10)])),
            "another assignment" => board.assign(&Positions::from([(SCANS, 10)])),
            _ => board.clear(),
        }
        assert_eq!(ends(&mut board, Lane::Scans), [0; 0], "{what}: what had arrived is dropped");
        assert!(!board.arrived(&old, Arrived::End(15)), "{what}");
        assert!(!board.unpacked(&old, onward), "{what}");
        assert_eq!(board.reached(&old, ONE, to(20), 20), None, "{what}");
        assert_eq!(board.damaged(&old, 10, Damage::Checksum), Ok(()), "{what}");
        assert_eq!(board.refused(&old, ONE, Refusal::Code(Code::LogTruncation)), Ok(()), "{what}");
        assert_eq!(ends(&mut board, Lane::Scans), [0; 0], "{what}");
    }
}

#[test]
fn a_new_leader_waits_for_what_the_old_one_sent() {
    // Whether or not the old one sent anything.
    for sent in [to(15), None] {
        let mut board = board();
        let next = sent.map_or(10, |sent| sent.next);
        let old = wish(&mut board, ONE, SCANS).expect("it is ours");
        led_by(&mut board, TWO, 1);
        let early = wish(&mut board, TWO, SCANS).expect("nothing has come of the old leader yet");
        let onward = board.reached(&old, ONE, sent, next).expect("it was committed: it counts");
        assert_eq!(wish(&mut board, ONE, SCANS), None);
        assert_eq!(wish(&mut board, TWO, SCANS), None, "what comes of it would overtake");
        assert_eq!(board.reached(&early, TWO, to(30), 30), None, "it is too early");
        assert_eq!(board.refused(&early, TWO, Refusal::Code(Code::LogTruncation)), Ok(()), "so is a verdict");
        assert!(board.unpacked(&old, onward));
        let new = wish(&mut board, TWO, SCANS).expect("now it is the new leader's");
        assert_eq!((new.next, new.leader_epoch), (next, 1));
        let onward = board.reached(&new, TWO, to(30), 30).expect("it counts");
        assert_eq!(board.reached(&old, ONE, to(20), 20), None, "the partition goes on elsewhere");
        assert_eq!(board.refused(&old, ONE, Refusal::Elsewhere), Ok(()));
        assert!(board.unpacked(&new, onward));
        assert_eq!(ends(&mut board, Lane::Scans), [next, 30]);
    }
}

#[test]
fn damaged_bytes_are_asked_for_again_and_not_for_ever() {
    let mut board = board();
    for tries in 1..=DAMAGE_TRIES {
        without_pause(&mut board);
        let first = wish(&mut board, ONE, SCANS).expect("it is ours");
        board.reached(&first, ONE, to(20), 30).expect("it counts");
        let on_its_way = wish(&mut board, ONE, SCANS).expect("it is ours");
        let judged = board.damaged(&first, 12, Damage::Checksum);
        assert_eq!(judged.is_err(), tries == DAMAGE_TRIES, "the {tries}. time");
        if judged.is_ok() {
            assert_eq!(
                board.reached(&on_its_way, ONE, to(30), 30),
                None,
                "it was asked for behind the damage"
            );
            let part = &board.parts[&SCANS];
            assert_eq!((part.next, part.last_epoch), (12, -1), "what came before it counts");
            assert_eq!(wish(&mut board, ONE, SCANS), None, "after a pause");
        }
    }
    let old = wish(&mut board, ONE, HOPS).expect("it is ours");
    assert!(board.refused(&old, ONE, Refusal::Damaged(Damage::OldFormat(1))).is_err(), "that does not pass");
}

#[test]
fn what_is_read_soundly_forgets_damage() {
    let mut board = board();
    for _ in 0..2 * DAMAGE_TRIES {
        without_pause(&mut board);
        let bad = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert_eq!(board.refused(&bad, ONE, Refusal::Damaged(Damage::Checksum)), Ok(()));
        without_pause(&mut board);
        let good = wish(&mut board, ONE, SCANS).expect("it is ours");
        let onward = board.reached(&good, ONE, None, 100).expect("it counts");
        board.unpacked(&good, onward);
    }
}

#[test]
fn a_verdict_of_the_worker_is_waited_for() {
    let mut board = board();
    let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
    let onward = board.reached(&wished, ONE, to(15), 20).expect("it counts");
    board.unpacked(&wished, onward);
    let out_of_range = Refusal::Code(Code::OffsetOutOfRange);
    for epoch in [5, -1] {
        without_pause(&mut board);
        assert!(board.take(Lane::Scans).expect("no failure").is_none(), "a broker may not know the epoch");
        let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert_eq!(wished.last_epoch, epoch);
        assert_eq!(board.refused(&wished, ONE, out_of_range), Ok(()));
    }
    without_pause(&mut board);
    assert_eq!(wish(&mut board, ONE, SCANS), None);
    let told = board.take(Lane::Scans).expect("no failure");
    assert!(matches!(told, Some((Partition(0), Arrived::Failed(Code::OffsetOutOfRange)))), "{told:?}");
    board.assign(&Positions::from([(SCANS, 3)]));
    assert_eq!(wish(&mut board, ONE, SCANS).map(|wish| wish.next), Some(3));
}

#[test]
fn who_leads_is_asked_when_it_is_in_doubt() {
    let mut board = Board::default();
    assert!(!board.wants_map(), "nothing is ours");
    board.assign(&Positions::from([(SCANS, 10)]));
    assert!(board.wants_map() && board.wants_map(), "as long as nobody leads it");
    assert_eq!(led_by(&mut board, ONE, 0), (true, BTreeSet::from([ONE, TWO])));
    assert_eq!(led_by(&mut board, ONE, 0), (false, BTreeSet::new()));
    assert!(!board.wants_map());
    let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
    assert_eq!(board.refused(&wished, ONE, Refusal::Elsewhere), Ok(()));
    assert!(board.wants_map());
    assert!(!board.wants_map(), "once");
    board.is_away(ONE);
    assert!(board.wants_map());
    without_pause(&mut board);
    assert_eq!(board.wishes(ONE), None, "it gets a moment");
    board.is_back(ONE);
    assert!(wish(&mut board, ONE, SCANS).is_some());
}

#[test]
fn a_full_lane_is_not_asked_for() {
    let mut board = board();
    board.bytes[Lane::Scans.index()] = LANE_BYTES;
    assert_eq!(wish(&mut board, ONE, SCANS), None);
    let others = board.wishes(ONE).expect("others have room");
    assert_eq!((others.list[0].place, others.is_short), (HOPS, true), "room may come soon");
    board.bytes[Lane::Scans.index()] = LANE_BYTES - 1;
    let both = board.wishes(ONE).expect("all have room");
    assert_eq!((both.list.len(), both.is_short), (2, false));
}

#[test]
fn everybody_is_the_first_in_turn() {
    let mut board = board();
    let mut first = || board.wishes(ONE).expect("both are ours").list[0].place;
    let seen = BTreeSet::from([first(), first()]);
    assert_eq!(seen, BTreeSet::from([SCANS, HOPS]));
}
