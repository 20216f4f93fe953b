//! Where the words of progress stand in their row.
//!
//! Always true: what is common stands first, which keeps the bit set short in the log. The positions are part of the state's
//! format.

use crate::model::{Flag, Milestone};

/// Words that a row holds before it needs an allocation: a delivered parcel with floor and ETA has 12 to 14.
pub(super) const WORDS_INLINE: usize = 14;

/// The floor.
pub(super) const FLOOR: u32 = 0;
/// First and last of each milestone below `PARTIALLY_DELIVERED`.
pub(super) const MILESTONE_SPANS: u32 = 1;
/// The lone `DELIVERED` sighting: its time, the halves of its scan ID, the halves of its place's name.
pub(super) const DELIVERED: [u32; 5] = [13, 14, 15, 16, 17];
/// The ETA: event time of its scan, value.
pub(super) const ETA: [u32; 2] = [18, 19];
/// First and last of each flag.
pub(super) const FLAG_SPANS: u32 = 20;
/// The appointment: event time of its scan, start, end.
pub(super) const APPOINTMENT: [u32; 3] = [38, 39, 40];
/// One past the last.
pub(super) const END: u32 = 41;

/// The first of a milestone's span; its last is next to it.
pub(super) fn milestone_span(milestone: Milestone) -> u32 {
    MILESTONE_SPANS + 2 * milestone as u32
}

/// The first of a flag's span; its last is next to it.
pub(super) fn flag_span(flag: Flag) -> u32 {
    FLAG_SPANS + 2 * flag as u32
}

/// Milestones that are spans, and of which those without a place stand in the row.
pub(super) const SPAN_MILESTONES: [Milestone; 6] = [
    Milestone::LabelCreated,
    Milestone::PickedUp,
    Milestone::InTransit,
    Milestone::AtDestination,
    Milestone::OutForDelivery,
    Milestone::ArrivedAtFc,
];

/// Where the spans begin.
pub(super) fn span_positions() -> impl Iterator<Item = u32> {
    let milestones = SPAN_MILESTONES.into_iter().map(milestone_span);
    milestones.chain(Flag::ALL.into_iter().map(flag_span))
}
