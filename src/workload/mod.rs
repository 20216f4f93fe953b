//! A seeded world that looks like the real thing, shared by `demo`, `generate`, tests and benches.
//!
//! Enters: a [`WorldConfig`], above all a seed. Leaves: [`Phase`]s of [`Messages`]: commands of sellers and FCs, scans
//! of carriers, and the tick that closes each phase; beside them what the world knows about each message.
//!
//! ```text
//!   seed ─▶ cohorts ─▶ lives: commands by step, scans by step ─▶ phases ─▶ messages in one arena
//!           (rng)      (parcels, freight; numbers, agenda)      (world)   (scans, commands)
//! ```
//!
//! A *cohort* is what is planned at once: a shipment, two that share a number or a PRO, a parcel of somebody else. The
//! world launches cohorts step by step, so that memory follows the shipments under way and not the scans.
//!
//! Always true:
//! - Everything follows from the seed, with integer arithmetic only. Keying, batching and partitions change the
//!   packaging, never an event: the multiset of scans stays the same. The weather changes record timestamps only.
//! - There are exactly `scans` scans, duplicates, foreign and unreadable ones included.
//! - Calm: a phase has commands or scans, at most one command per shipment, and all its timestamps before its tick;
//!   later phases are later. Nothing in a phase depends on the order of its messages.
//! - Plain: all commands before all scans, each number's scans in the order of its milestones, nothing unreadable.
//! - Stormy: the same events without phases: commands and scans by timestamp, a tick every few minutes.
//! - Intents claim what is certain for the bytes; what a shipment shows in the end is for the engine and its slow
//!   twin to say.
//!
//! It does not know the carriers' catalogue: check digits are computed here once more, which makes it a second opinion.

mod commands;
mod expected;
mod feed;
mod feeds;
mod freight;
mod messages;
mod numbers;
mod parcels;
mod places;
mod plain;
mod plan;
mod replay_lines;
mod rng;
mod scans;
#[cfg(test)]
mod tests;
mod world;

pub use expected::{CommandIntent, Expected, Kind, ScanIntent};
pub use feed::{Feed, Lone, PARTITION, readable_scans};
pub use messages::{Meaning, Message, Messages};
pub use replay_lines::{write_replay_line, write_tick_line};
pub use world::{Phase, PhaseKind, World};

use crate::model::Timestamp;

/// How much of the traffic changes what a box shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// About 15 scans a box; about 40 % of them change something.
    Real,
    /// Many more facility scans and repeats: about 10 % change something.
    Hot,
}

/// Whether order can matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Written in phases.
    Calm,
    /// Commands and scans by timestamp.
    Stormy,
}

/// What happens to shipments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stories {
    /// Everything that happens: see [`Kind`].
    All,
    /// Nothing that two programs could tell differently: parcels that are registered before their first scan, travel
    /// straight to the dock and are scanned in order, and readable scans only. Repeats and strangers' parcels remain.
    Plain {
        /// About how many parcels. The scans are divided among them, at least 6 each.
        boxes: u64,
    },
}

/// How messages find their partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keying {
    /// By canonical number or shipment ID; a batch holds numbers of one partition.
    Keyed,
    /// No key, scattered by the seed; a batch holds any numbers.
    Unkeyed,
}

/// What a world is made from.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The same seed makes the same events.
    pub seed: u64,
    /// How many scans, all kinds together.
    pub scans: u64,
    /// How much of them changes something.
    pub activity: Activity,
    /// What happens to shipments.
    pub stories: Stories,
    /// Whether order can matter.
    pub weather: Weather,
    /// How messages find their partition.
    pub keying: Keying,
    /// Scans per message: 1 is one object, more are arrays.
    pub batch: u32,
    /// How many partitions every topic has.
    pub partitions: u32,
    /// When the world begins. Times before it occur in event times only.
    pub start: Timestamp,
    /// Stormy: minutes between ticks.
    pub tick_minutes: u32,
    /// Days between the last event and the last tick.
    pub settle_days: u32,
}

impl WorldConfig {
    /// A real, calm, keyed world of one scan per message and one partition.
    pub fn new(seed: u64, scans: u64) -> WorldConfig {
        WorldConfig {
            seed,
            scans,
            activity: Activity::Real,
            stories: Stories::All,
            weather: Weather::Calm,
            keying: Keying::Keyed,
            batch: 1,
            partitions: 1,
            // 2026-11-02, after the clocks went back.
            start: Timestamp(1_793_577_600_000),
            tick_minutes: 60,
            settle_days: 10,
        }
    }
}
