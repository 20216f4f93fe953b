//! Who reads what: the members of the in-process group and their partitions.
//!
//! Enters: joins, leaves, polls. Leaves: what a member must be told. Always true: a partition has at most one owner;
//! nobody is given a partition before its last owner gave it back or was taken for dead.
//!
//! As in Kafka's classic protocol every change of membership takes all partitions back, waits until every living
//! member has returned its own, and deals them out anew, in ranges over the members' sorted names. A member that joins
//! under a name already there takes its seat, and the older one is fenced; when no rebalance is under way, nobody
//! else notices. A seat goes through these phases:
//!
//! | phase | the member | next |
//! |---|---|---|
//! | `Given` | holds partitions and has not been told | told at its next poll → `Steady` |
//! | `Steady` | works | a rebalance begins → `Asked` (with partitions) or `Waiting` |
//! | `Asked` | still holds all and has not been told | told at its next poll → `Returning` |
//! | `Returning` | may commit its open epoch | its next poll → `Waiting` |
//! | `Waiting` | holds nothing | all the others wait too → `Given` (or `Steady` with nothing) |
//! | `Dead` | was taken for dead, its partitions are free | told at its next poll → `Waiting`, it joins again |

use std::collections::BTreeMap;

use crate::model::Partition;

/// Tells apart the members that used a name one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incarnation(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Given,
    Steady,
    Asked,
    Returning,
    Waiting,
    Dead,
}

#[derive(Debug)]
struct Seat {
    incarnation: Incarnation,
    phase: Phase,
    /// What it owns; of a dead member, what it does not yet know to be lost.
    partitions: Vec<Partition>,
}

/// What a member must be told before it reads on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    Assigned(Vec<Partition>),
    Revoked { partitions: Vec<Partition>, lost: bool },
    Fenced,
}

/// The members of the group.
#[derive(Debug)]
pub(crate) struct Group {
    partitions: u32,
    seats: BTreeMap<String, Seat>,
    joined: u64,
}

impl Group {
    pub(crate) fn new(partitions: u32) -> Group {
        Group { partitions, seats: BTreeMap::new(), joined: 0 }
    }

    pub(crate) fn join(&mut self, name: &str) -> Incarnation {
        self.joined += 1;
        let incarnation = Incarnation(self.joined);
        if let Some(seat) = self.seats.get_mut(name) {
            seat.incarnation = incarnation;
            match seat.phase {
                Phase::Given | Phase::Steady if !seat.partitions.is_empty() => seat.phase = Phase::Given,
                Phase::Given | Phase::Steady | Phase::Waiting => {}
                Phase::Asked | Phase::Returning => {
                    seat.give_back();
                    self.deal();
                }
                Phase::Dead => {
                    seat.give_back();
                    self.rebalance();
                }
            }
        } else {
            let seat = Seat { incarnation, phase: Phase::Waiting, partitions: Vec::new() };
            self.seats.insert(name.to_owned(), seat);
            self.rebalance();
        }
        incarnation
    }

    pub(crate) fn leave(&mut self, name: &str, incarnation: Incarnation) {
        if self.seat(name, incarnation).is_some() {
            self.seats.remove(name);
            self.rebalance();
        }
    }

    /// Takes back all partitions and deals them out anew.
    pub(crate) fn rebalance(&mut self) {
        for seat in self.seats.values_mut() {
            match seat.phase {
                Phase::Steady if !seat.partitions.is_empty() => seat.phase = Phase::Asked,
                Phase::Given | Phase::Steady => drop(seat.give_back()),
                Phase::Asked | Phase::Returning | Phase::Waiting | Phase::Dead => {}
            }
        }
        self.deal();
    }

    /// Takes a member for dead: its partitions go to others without asking it.
    pub(crate) fn bury(&mut self, name: &str, incarnation: Incarnation) {
        let Some(seat) = self.seat_mut(name, incarnation) else { return };
        match seat.phase {
            Phase::Steady | Phase::Asked => {}
            // These were never told that they have them, or know already that they go.
            Phase::Given | Phase::Returning => seat.partitions.clear(),
            Phase::Waiting | Phase::Dead => return,
        }
        seat.phase = Phase::Dead;
        self.rebalance();
    }

    /// What the member must be told now; asking again is the sign that it has acted on it.
    pub(crate) fn news(&mut self, name: &str, incarnation: Incarnation) -> News {
        let Some(seat) = self.seat_mut(name, incarnation) else { return News::Fenced };
        match seat.phase {
            Phase::Asked => {
                seat.phase = Phase::Returning;
                return News::Revoked { partitions: seat.partitions.clone(), lost: false };
            }
            Phase::Dead => {
                let partitions = seat.give_back();
                self.rebalance();
                if !partitions.is_empty() {
                    return News::Revoked { partitions, lost: true };
                }
            }
            Phase::Returning => {
                seat.give_back();
                self.deal();
            }
            Phase::Given | Phase::Steady | Phase::Waiting => {}
        }
        let seat = self.seat_mut(name, incarnation).expect("the seat is still there");
        if seat.phase != Phase::Given {
            return News::Nothing;
        }
        seat.phase = Phase::Steady;
        News::Assigned(seat.partitions.clone())
    }

    /// Whether [`Group::news`] would say or do anything.
    pub(crate) fn has_news(&self, name: &str, incarnation: Incarnation) -> bool {
        self.seat(name, incarnation).is_none_or(|seat| !matches!(seat.phase, Phase::Steady | Phase::Waiting))
    }

    /// The partitions that the member may commit for; none when its name has been taken over.
    pub(crate) fn owned(&self, name: &str, incarnation: Incarnation) -> Option<&[Partition]> {
        self.seat(name, incarnation).map(|seat| match seat.phase {
            Phase::Steady | Phase::Asked | Phase::Returning => &seat.partitions[..],
            Phase::Given | Phase::Waiting | Phase::Dead => &[],
        })
    }

    /// Deals out the partitions once every living member waits.
    fn deal(&mut self) {
        let living = || self.seats.values().filter(|seat| seat.phase != Phase::Dead);
        if !living().all(|seat| seat.phase == Phase::Waiting) {
            return;
        }
        let members = u32::try_from(living().count()).expect("few members");
        let mut next = 0;
        let living = self.seats.values_mut().filter(|seat| seat.phase != Phase::Dead);
        for (member, seat) in (0..).zip(living) {
            let count = self.partitions / members + u32::from(member < self.partitions % members);
            seat.partitions = (next..next + count).map(Partition).collect();
            seat.phase = if count == 0 { Phase::Steady } else { Phase::Given };
            next += count;
        }
    }

    fn seat(&self, name: &str, incarnation: Incarnation) -> Option<&Seat> {
        self.seats.get(name).filter(|seat| seat.incarnation == incarnation)
    }

    fn seat_mut(&mut self, name: &str, incarnation: Incarnation) -> Option<&mut Seat> {
        self.seats.get_mut(name).filter(|seat| seat.incarnation == incarnation)
    }
}

impl Seat {
    fn give_back(&mut self) -> Vec<Partition> {
        self.phase = Phase::Waiting;
        std::mem::take(&mut self.partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(range: std::ops::Range<u32>) -> Vec<Partition> {
        range.map(Partition).collect()
    }

    fn assigned(range: std::ops::Range<u32>) -> News {
        News::Assigned(parts(range))
    }

    fn revoked(range: std::ops::Range<u32>, lost: bool) -> News {
        News::Revoked { partitions: parts(range), lost }
    }

    #[test]
    fn ranges_are_dealt_over_sorted_names() {
        for (members, want) in [
            (&["a"][..], &[(0, 5)][..]),
            (&["b", "a"], &[(3, 5), (0, 3)]),
            (&["c", "a", "b"], &[(4, 5), (0, 2), (2, 4)]),
            (&["1", "2", "3", "4", "5", "6"], &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 5)]),
        ] {
            let mut group = Group::new(5);
            let seats: Vec<_> = members.iter().map(|name| (*name, group.join(name))).collect();
            for ((name, seat), &(first, end)) in seats.iter().zip(want) {
                let news = if first == end { News::Nothing } else { assigned(first..end) };
                assert_eq!(group.news(name, *seat), news, "{name} of {members:?}");
                assert_eq!(group.news(name, *seat), News::Nothing);
            }
        }
    }

    #[test]
    fn a_newcomer_waits_until_everybody_gave_back() {
        let mut group = Group::new(4);
        let a = group.join("a");
        assert_eq!(group.news("a", a), assigned(0..4));
        let b = group.join("b");
        assert_eq!(group.news("b", b), News::Nothing);
        assert_eq!(group.news("a", a), revoked(0..4, false));
        assert_eq!(group.owned("a", a), Some(&parts(0..4)[..]), "it may commit its open epoch");
        assert_eq!(group.news("b", b), News::Nothing);
        assert_eq!(group.news("a", a), assigned(0..2));
        assert_eq!(group.news("b", b), assigned(2..4));
        group.leave("a", a);
        assert_eq!(group.news("b", b), revoked(2..4, false));
        assert_eq!(group.news("b", b), assigned(0..4));
        assert_eq!(group.owned("a", a), None);
    }

    #[test]
    fn a_name_taken_over_fences_the_older_member_and_nobody_else() {
        let mut group = Group::new(4);
        let (a, b) = (group.join("a"), group.join("b"));
        assert_eq!((group.news("a", a), group.news("b", b)), (assigned(0..2), assigned(2..4)));
        let second = group.join("a");
        assert_eq!(group.news("a", a), News::Fenced);
        assert_eq!(group.news("b", b), News::Nothing);
        assert_eq!(group.news("a", second), assigned(0..2));
        group.leave("a", a);
        assert_eq!(group.news("a", second), News::Nothing, "a fenced member cannot leave for the other");
    }

    #[test]
    fn a_name_taken_over_in_a_rebalance_counts_as_given_back() {
        let mut group = Group::new(2);
        let a = group.join("a");
        assert_eq!(group.news("a", a), assigned(0..2));
        let b = group.join("b");
        let second = group.join("a");
        assert_eq!((group.news("a", second), group.news("b", b)), (assigned(0..1), assigned(1..2)));
        assert_eq!(group.owned("a", a), None);
    }

    #[test]
    fn a_member_taken_for_dead_loses_all_and_joins_again() {
        let mut group = Group::new(2);
        let (a, b) = (group.join("a"), group.join("b"));
        assert_eq!((group.news("a", a), group.news("b", b)), (assigned(0..1), assigned(1..2)));
        group.bury("a", a);
        assert_eq!(group.owned("a", a), Some(&[][..]));
        assert_eq!(group.news("b", b), revoked(1..2, false));
        assert_eq!(group.news("b", b), assigned(0..2));
        assert_eq!(group.news("a", a), revoked(0..1, true));
        assert_eq!(group.news("a", a), News::Nothing);
        assert_eq!(group.news("b", b), revoked(0..2, false));
        assert_eq!(group.news("b", b), assigned(1..2));
        assert_eq!(group.news("a", a), assigned(0..1));
    }

    #[test]
    fn a_member_that_dies_while_it_gives_back_is_not_told_twice() {
        let mut group = Group::new(2);
        let a = group.join("a");
        assert_eq!(group.news("a", a), assigned(0..2));
        group.rebalance();
        assert_eq!(group.news("a", a), revoked(0..2, false));
        group.bury("a", a);
        assert_eq!(group.owned("a", a), Some(&[][..]));
        assert_eq!(group.news("a", a), assigned(0..2));
    }
}
