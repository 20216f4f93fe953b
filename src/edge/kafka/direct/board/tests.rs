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

fn led_by(board: &mut Board, broker: BrokerId, epoch: i32) -> BTreeSet<BrokerId> {
    let addresses = BTreeMap::from([(ONE, "one:1".to_owned()), (TWO, "two:2".to_owned())]);
    board.learn(addresses, BTreeMap::from([(SCANS, (broker, epoch)), (HOPS, (broker, epoch))]))
}

/// What is asked for of `place`.
fn wish(board: &mut Board, broker: BrokerId, place: Place) -> Option<Wish> {
    board.wishes(broker).into_iter().find(|wish| wish.place == place)
}

fn to(next: u64) -> Option<Reached> {
    Some(Reached { next, leader_epoch: 5 })
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
    assert!(board.reached(&first, ONE, to(15)));
    let second =
        wish(&mut board, ONE, SCANS).expect("the next request goes out before the answer is unpacked");
    assert_eq!((second.next, second.last_epoch), (15, 5));
    assert!(!board.unpacked(&first, 20), "the end is not reached");
    assert!(board.reached(&second, ONE, to(20)));
    assert!(board.unpacked(&second, 20));
    // An empty answer at the same end is no news, nor is one that only goes on.
    let third = wish(&mut board, ONE, SCANS).expect("it may grow");
    assert!(board.reached(&third, ONE, None) && !board.unpacked(&third, 20));
    assert_eq!(ends(&mut board, Lane::Scans), [20]);
}

#[test]
fn an_answer_to_an_older_question_does_not_count() {
    for what in ["a seek", "another assignment", "a revocation"] {
        let mut board = board();
        let old = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert!(board.reached(&old, ONE, to(15)));
        board.arrived(&old, Arrived::End(15));
        match what {
            "a seek" => board.seek(&Positions::from([(SCANS, 10)])),
            "another assignment" => board.assign(&Positions::from([(SCANS, 10)])),
            _ => board.clear(),
        }
        assert_eq!(ends(&mut board, Lane::Scans), [0; 0], "{what}: what had arrived is dropped");
        assert!(!board.arrived(&old, Arrived::End(15)), "{what}");
        assert!(!board.unpacked(&old, 15), "{what}");
        assert!(!board.reached(&old, ONE, to(20)), "{what}");
        assert_eq!(board.refused(&old, Refusal::Code(Code::OffsetOutOfRange)), Ok(()), "{what}");
        assert_eq!(ends(&mut board, Lane::Scans), [0; 0], "{what}");
    }
}

#[test]
fn a_new_leader_waits_for_what_the_old_one_sent() {
    let mut board = board();
    let old = wish(&mut board, ONE, SCANS).expect("it is ours");
    let slow = old;
    assert!(board.reached(&old, ONE, to(15)));
    assert_eq!(led_by(&mut board, TWO, 1), BTreeSet::new(), "both are known");
    assert_eq!(wish(&mut board, ONE, SCANS), None);
    assert_eq!(wish(&mut board, TWO, SCANS), None, "what comes of it would overtake");
    assert!(board.arrived(&old, Arrived::End(15)), "it was committed: it counts");
    board.unpacked(&old, 100);
    let new = wish(&mut board, TWO, SCANS).expect("now it is the new leader's");
    assert_eq!((new.next, new.leader_epoch), (15, 1));
    assert!(board.reached(&new, TWO, to(30)));
    assert!(!board.reached(&slow, ONE, to(15)), "the partition goes on elsewhere");
}

#[test]
fn damaged_bytes_are_asked_for_again_and_not_for_ever() {
    let mut board = board();
    for tries in 1..=DAMAGE_TRIES {
        // Pauses are real time; the test does not wait for them.
        board.parts.get_mut(&SCANS).expect("it is ours").pause = Pause::default();
        let first = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert!(board.reached(&first, ONE, to(20)));
        let on_its_way = wish(&mut board, ONE, SCANS).expect("it is ours");
        let judged = board.refused(&first, Refusal::Damaged(12, Damage::Checksum));
        assert_eq!(judged.is_err(), tries == DAMAGE_TRIES, "the {tries}. time");
        if judged.is_ok() {
            assert!(!board.reached(&on_its_way, ONE, to(30)), "it was asked for behind the damage");
            assert_eq!(board.parts[&SCANS].next, 12, "what came before it counts");
            assert!(board.wishes(ONE).iter().all(|wish| wish.place != SCANS), "after a pause");
        }
    }
    let old = wish(&mut board, ONE, HOPS).expect("it is ours");
    assert!(board.refused(&old, Refusal::Damaged(0, Damage::OldFormat(1))).is_err(), "that does not pass");
}

#[test]
fn what_is_read_soundly_forgets_damage() {
    let mut board = board();
    for _ in 0..2 * DAMAGE_TRIES {
        board.parts.get_mut(&SCANS).expect("it is ours").pause = Pause::default();
        let bad = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert_eq!(board.refused(&bad, Refusal::Damaged(0, Damage::Checksum)), Ok(()));
        board.parts.get_mut(&SCANS).expect("it is ours").pause = Pause::default();
        let good = wish(&mut board, ONE, SCANS).expect("it is ours");
        assert!(board.reached(&good, ONE, None));
        board.unpacked(&good, 100);
    }
}

#[test]
fn a_verdict_of_the_worker_is_waited_for() {
    let mut board = board();
    let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
    assert_eq!(board.refused(&wished, Refusal::Code(Code::OffsetOutOfRange)), Ok(()));
    board.parts.get_mut(&SCANS).expect("it is ours").pause = Pause::default();
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
    assert_eq!(led_by(&mut board, ONE, 0), BTreeSet::from([ONE, TWO]));
    assert!(!board.wants_map());
    let wished = wish(&mut board, ONE, SCANS).expect("it is ours");
    assert_eq!(board.refused(&wished, Refusal::Elsewhere), Ok(()));
    assert!(board.wants_map());
    assert!(!board.wants_map(), "once");
    board.is_away(ONE);
    assert!(board.wants_map());
    assert_eq!(board.wishes(ONE), [], "it gets a moment");
    board.is_back(ONE);
    board.parts.get_mut(&SCANS).expect("it is ours").pause = Pause::default();
    assert!(wish(&mut board, ONE, SCANS).is_some());
}

#[test]
fn a_full_lane_is_not_asked_for() {
    let mut board = board();
    board.bytes[Lane::Scans.index()] = LANE_BYTES;
    assert_eq!(wish(&mut board, ONE, SCANS), None);
    assert!(wish(&mut board, ONE, HOPS).is_some(), "others have room");
    board.bytes[Lane::Scans.index()] = LANE_BYTES - 1;
    assert!(wish(&mut board, ONE, SCANS).is_some());
}

#[test]
fn everybody_is_the_first_in_turn() {
    let mut board = board();
    let mut first = || board.wishes(ONE)[0].place;
    let seen = BTreeSet::from([first(), first()]);
    assert_eq!(seen, BTreeSet::from([SCANS, HOPS]));
}
