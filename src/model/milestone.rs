//! Milestones, flags and signals (§6): what a carrier's code means.
//!
//! Enters: names in `SCREAMING_SNAKE`. Leaves: closed enums with their rank. Always true: a rank orders the eight
//! ranked milestones; side milestones and flags have none.

use serde::{Deserialize, Serialize};

/// A step of a parcel's way, or a side track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum Milestone {
    /// 10: data received, no freight yet.
    LabelCreated,
    /// 20: the carrier has the freight; custody starts.
    PickedUp,
    /// 30: any movement or facility scan.
    InTransit,
    /// 40: the local facility.
    AtDestination,
    /// 50: on the vehicle.
    OutForDelivery,
    /// 60: gate, yard or dock; not delivered.
    ArrivedAtFc,
    /// 70: fewer handling units than expected.
    PartiallyDelivered,
    /// 80: handed over.
    Delivered,
    /// Side: on its way back.
    ReturnStarted,
    /// Side: back at the sender.
    Returned,
    /// Side: lost, unless a later custody scan finds it.
    Lost,
    /// Side: destroyed.
    Destroyed,
}

impl Milestone {
    /// All milestones, ranked ones first in the order of their rank, then the side ones.
    pub const ALL: [Milestone; 12] = [
        Milestone::LabelCreated,
        Milestone::PickedUp,
        Milestone::InTransit,
        Milestone::AtDestination,
        Milestone::OutForDelivery,
        Milestone::ArrivedAtFc,
        Milestone::PartiallyDelivered,
        Milestone::Delivered,
        Milestone::ReturnStarted,
        Milestone::Returned,
        Milestone::Lost,
        Milestone::Destroyed,
    ];

    /// The rank of a ranked milestone.
    pub fn rank(self) -> Option<u8> {
        (self <= Milestone::Delivered).then_some((self as u8 + 1) * 10)
    }

    /// Whether this is a side milestone.
    pub fn is_side(self) -> bool {
        self.rank().is_none()
    }

    /// The position in [`Milestone::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Milestone::LabelCreated => "LABEL_CREATED",
            Milestone::PickedUp => "PICKED_UP",
            Milestone::InTransit => "IN_TRANSIT",
            Milestone::AtDestination => "AT_DESTINATION",
            Milestone::OutForDelivery => "OUT_FOR_DELIVERY",
            Milestone::ArrivedAtFc => "ARRIVED_AT_FC",
            Milestone::PartiallyDelivered => "PARTIALLY_DELIVERED",
            Milestone::Delivered => "DELIVERED",
            Milestone::ReturnStarted => "RETURN_STARTED",
            Milestone::Returned => "RETURNED",
            Milestone::Lost => "LOST",
            Milestone::Destroyed => "DESTROYED",
        }
    }
}

/// A remark beside the milestone; it does not change the rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub enum Flag {
    Delayed,
    Held,
    CustomsHold,
    Damaged,
    Refused,
    AttemptFailed,
    AddressIssue,
    Misrouted,
    AppointmentNeeded,
}

impl Flag {
    /// All flags, in the order outputs list them.
    pub const ALL: [Flag; 9] = [
        Flag::Delayed,
        Flag::Held,
        Flag::CustomsHold,
        Flag::Damaged,
        Flag::Refused,
        Flag::AttemptFailed,
        Flag::AddressIssue,
        Flag::Misrouted,
        Flag::AppointmentNeeded,
    ];

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Flag::Delayed => "DELAYED",
            Flag::Held => "HELD",
            Flag::CustomsHold => "CUSTOMS_HOLD",
            Flag::Damaged => "DAMAGED",
            Flag::Refused => "REFUSED",
            Flag::AttemptFailed => "ATTEMPT_FAILED",
            Flag::AddressIssue => "ADDRESS_ISSUE",
            Flag::Misrouted => "MISROUTED",
            Flag::AppointmentNeeded => "APPOINTMENT_NEEDED",
        }
    }
}

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlagSet(u16);

impl FlagSet {
    /// No flag.
    pub const EMPTY: FlagSet = FlagSet(0);

    /// The set with a bit for each flag, as it is written.
    pub(crate) fn from_bits(bits: u16) -> FlagSet {
        FlagSet(bits)
    }

    /// The set of one flag.
    pub fn of(flag: Flag) -> FlagSet {
        FlagSet(1 << flag as u16)
    }

    /// Adds a flag.
    pub fn insert(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u16;
    }

    /// Whether the flag is in the set.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags of either set.
    #[must_use]
    pub fn union(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 | other.0)
    }

    /// The flags, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.contains(*flag))
    }
}

/// What a code does: at most one milestone, and flags. Neither: a signal (ETA, appointment) or an unknown code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Effect {
    /// The milestone that was reached.
    pub milestone: Option<Milestone>,
    /// The flags that were raised.
    pub flags: FlagSet,
}

impl Effect {
    /// A code that moves nothing.
    pub const NONE: Effect = Effect { milestone: None, flags: FlagSet::EMPTY };

    /// The effect of a name of §6: ranked, side, flag or signal.
    pub fn from_name(name: &str) -> Option<Effect> {
        if let Some(milestone) = Milestone::ALL.into_iter().find(|m| m.name() == name) {
            return Some(Effect { milestone: Some(milestone), flags: FlagSet::EMPTY });
        }
        if let Some(flag) = Flag::ALL.into_iter().find(|f| f.name() == name) {
            return Some(Effect { milestone: None, flags: FlagSet::of(flag) });
        }
        matches!(name, "ETA" | "APPOINTMENT").then_some(Effect::NONE)
    }

    /// Whether nothing moves.
    pub fn is_none(self) -> bool {
        self == Effect::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ranks_agree_with_the_rulebook() {
        let ranks: Vec<_> = Milestone::ALL.iter().filter_map(|m| m.rank().map(|r| (m.name(), r))).collect();
        assert_eq!(
            ranks,
            [
                ("LABEL_CREATED", 10),
                ("PICKED_UP", 20),
                ("IN_TRANSIT", 30),
                ("AT_DESTINATION", 40),
                ("OUT_FOR_DELIVERY", 50),
                ("ARRIVED_AT_FC", 60),
                ("PARTIALLY_DELIVERED", 70),
                ("DELIVERED", 80)
            ]
        );
        for milestone in Milestone::ALL {
            assert_eq!(Effect::from_name(milestone.name()).and_then(|e| e.milestone), Some(milestone));
        }
        for flag in Flag::ALL {
            assert_eq!(Effect::from_name(flag.name()).map(|e| e.flags), Some(FlagSet::of(flag)));
        }
        assert_eq!(Effect::from_name("ETA"), Some(Effect::NONE));
        assert_eq!(Effect::from_name("DELIVERED "), None);
    }
}
