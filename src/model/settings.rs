//! The rules' settings: each is one that an operator may want different.
//!
//! Always true: the default is the rulebook's; units stand in the names.

use super::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// What the rulebook marks as *(default)*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// R10, R11: scans this much before a shipment's creation still belong to it.
    pub before_creation_ms: i64,
    /// R11: how long progress of an unregistered number is kept after its last scan.
    pub park_ms: i64,
    /// R11: how many bytes, about, a partition keeps of progress of unregistered numbers, and of how many numbers.
    pub park_bytes_max: u64,
    /// R11: see above.
    pub park_numbers_max: u64,
    /// How long a closed or cancelled shipment is kept after its last command.
    pub retire_ms: i64,
    /// R19: how long after `DELIVERED` a number's life in a shipment ends.
    pub life_after_delivery_ms: i64,
    /// R23: how long a box may be at the FC without delivery before that is a problem.
    pub yard_dwell_ms: i64,
    /// R20: how far ahead of its record a scan may be.
    pub future_ms: i64,
    /// R20: how old a scan may be.
    pub age_ms_max: i64,
    /// R5: outer blanks of a typed tracking ID are an error; otherwise they are cut off with a warning.
    pub strict_blanks: bool,
    /// An FC that is not configured is refused; otherwise it is taken with UTC days.
    pub strict_fcs: bool,
    /// R7: the longest window, and the longest with `cross_border`.
    pub window_ms_max: i64,
    /// R7: see above.
    pub window_cross_border_ms_max: i64,
    /// How long a change of `shipments` that is neither status nor command nor problem may wait for others.
    pub shipments_conflation_ms: i64,
    /// §3: how far timers stay behind the stream.
    pub grace_ms: i64,
    /// §4.2: the largest message.
    pub message_bytes_max: usize,
    /// §4.3: how many results of commands a shipment remembers, and for how long.
    pub command_ids_max: usize,
    /// §4.3: see above.
    pub command_ids_ms: i64,
    /// R15: the span over which an account is judged, and for which it must stay at or below the rate to be `STANDARD` again.
    pub standing_ms: i64,
    /// R15: the rate of defects that is still acceptable, in thousandths.
    pub acceptable_rate_per_mille: i64,
    /// R15: an account with fewer evaluated shipments is not above any rate.
    pub standing_shipments_min: i64,
    /// R15: an account that stays above the rate for this long goes to the next level.
    pub escalate_ms: i64,
    /// R15: how long an account that becomes `CRITICAL` may not create shipments.
    pub restriction_ms: i64,
    /// R16: an account with an open defect may not create shipments.
    pub require_acknowledgement: bool,
    /// How many accounts a partition keeps records of, and of how many it is told that they may not create shipments.
    pub accounts_max: u64,
    /// How many totals of an FC, a day and a mode a partition keeps.
    pub arrivals_max: u64,
    /// How many boxes a partition keeps unpacked, about, beside those of shipments in use.
    pub open_boxes_max: u64,
    /// R24: how long a feed may be silent while boxes wait for it.
    pub feed_gap_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            before_creation_ms: DAY_MS,
            park_ms: 120 * DAY_MS,
            park_bytes_max: 256 << 20,
            park_numbers_max: 1_000_000,
            retire_ms: 90 * DAY_MS,
            life_after_delivery_ms: 30 * DAY_MS,
            yard_dwell_ms: 26 * HOUR_MS,
            future_ms: 2 * HOUR_MS,
            age_ms_max: 400 * DAY_MS,
            strict_blanks: true,
            strict_fcs: false,
            window_ms_max: 7 * DAY_MS,
            window_cross_border_ms_max: 14 * DAY_MS,
            shipments_conflation_ms: 10 * SECOND_MS,
            grace_ms: 5 * MINUTE_MS,
            message_bytes_max: 16 << 20,
            command_ids_max: 64,
            command_ids_ms: 30 * DAY_MS,
            standing_ms: 122 * DAY_MS,
            acceptable_rate_per_mille: 100,
            standing_shipments_min: 10,
            escalate_ms: 21 * DAY_MS,
            restriction_ms: 72 * HOUR_MS,
            require_acknowledgement: false,
            accounts_max: 1_000_000,
            arrivals_max: 1_000_000,
            open_boxes_max: 100_000,
            feed_gap_ms: DAY_MS,
        }
    }
}
