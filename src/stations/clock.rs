//! A partition's stream time: what timers run on.
//!
//! Enters: record timestamps, ticks, and which lanes are drained. Leaves: one time that never goes back. Always true: it
//! stays the grace behind the last tick; under the wall clock, also behind what an undrained lane has shown.

use serde::{Deserialize, Serialize};

use crate::model::{HOUR_MS, Lane, Timestamp};

/// Who says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockSource {
    /// Ticks are records of `commands`: a run can be repeated exactly.
    Input,
    /// The worker passes the wall clock on; a lane with a backlog holds timers back.
    Wall,
}

/// The clock of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamClock {
    source: ClockSource,
    tick: Timestamp,
    stream_time: Timestamp,
    /// The largest timestamp of each input, and whether it is drained (of this process only).
    commands: (Timestamp, bool),
    scans: (Timestamp, bool),
    /// What the wall clock said last, to this process.
    #[serde(skip)]
    wall: Option<Timestamp>,
}

/// How far ahead of the wall clock a record may be.
const AHEAD_MS_MAX: i64 = HOUR_MS;

impl StreamClock {
    /// A clock that has seen nothing.
    pub fn new(source: ClockSource) -> StreamClock {
        StreamClock {
            source,
            tick: Timestamp::MIN,
            stream_time: Timestamp::MIN,
            commands: (Timestamp::MIN, false),
            scans: (Timestamp::MIN, false),
            wall: None,
        }
    }

    /// Another process takes over: nobody knows yet whether the lanes are drained.
    pub fn taken_over(mut self, source: ClockSource) -> StreamClock {
        self.source = source;
        self.wall = None;
        self.commands.1 = false;
        self.scans.1 = false;
        self
    }

    /// Who says what time it is.
    pub fn source(&self) -> ClockSource {
        self.source
    }

    /// The time that timers run on.
    pub fn stream_time(&self) -> Timestamp {
        self.stream_time
    }

    fn lane(&mut self, lane: Lane) -> Option<&mut (Timestamp, bool)> {
        match lane {
            Lane::Hops => None,
            Lane::Commands => Some(&mut self.commands),
            Lane::Scans => Some(&mut self.scans),
        }
    }

    /// The timestamp that a record counts with: a producer whose clock is wrong must not move timers. Under the wall clock, one
    /// that is more than an hour ahead is taken back to that hour.
    pub fn clamped(&self, at: Timestamp) -> Timestamp {
        self.wall.map_or(at, |wall| at.min(wall.plus_ms(AHEAD_MS_MAX)))
    }

    /// A record of the lane was read.
    pub fn see(&mut self, lane: Lane, at: Timestamp) {
        if let Some(seen) = self.lane(lane) {
            *seen = (seen.0.max(at), false);
        }
    }

    /// The lane's end was reached.
    pub fn drained(&mut self, lane: Lane) {
        if let Some(seen) = self.lane(lane) {
            seen.1 = true;
        }
    }

    /// A tick among the commands says it is this late. Only where time comes from the input: under the wall clock nobody may
    /// let timers fire by writing to a topic.
    pub fn tick_of_input(&mut self, at: Timestamp) {
        if self.source == ClockSource::Input {
            self.tick(at);
        }
    }

    /// It is this late.
    pub fn tick(&mut self, at: Timestamp) {
        self.tick = self.tick.max(at);
        if self.source == ClockSource::Wall {
            self.wall = Some(self.tick);
        }
    }

    /// Moves stream time as far as it may go, and returns it.
    pub fn advance(&mut self, grace_ms: i64) -> Timestamp {
        let mut reached = self.tick;
        if self.source == ClockSource::Wall {
            for (seen, drained) in [self.commands, self.scans] {
                if !drained {
                    reached = reached.min(seen);
                }
            }
        }
        self.stream_time = self.stream_time.max(reached.plus_ms(-grace_ms));
        self.stream_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_ahead_of_the_wall_clock_are_taken_back() {
        let hour = Timestamp(HOUR_MS);
        for (source, at, wanted) in [
            (ClockSource::Wall, hour.plus_ms(100), hour.plus_ms(100)),
            (ClockSource::Wall, hour.plus_ms(101), hour.plus_ms(100)),
            (ClockSource::Wall, Timestamp(-5), Timestamp(-5)),
            (ClockSource::Input, Timestamp(9 * HOUR_MS), Timestamp(9 * HOUR_MS)),
        ] {
            let mut clock = StreamClock::new(source);
            assert_eq!(clock.clamped(at), at, "nobody knows how late it is");
            clock.tick(Timestamp(100));
            assert_eq!(clock.clamped(at), wanted, "{source:?} {at:?}");
            // What the owner before us knew is old.
            assert_eq!(clock.taken_over(source).clamped(at), at);
        }
    }

    #[test]
    fn a_backlog_holds_the_wall_clock_back_but_not_ticks_of_the_input() {
        for (source, before, after) in [(ClockSource::Wall, 40, 95), (ClockSource::Input, 95, 95)] {
            let mut clock = StreamClock::new(source);
            clock.see(Lane::Commands, Timestamp(90));
            clock.drained(Lane::Commands);
            clock.see(Lane::Scans, Timestamp(45));
            clock.tick(Timestamp(100));
            assert_eq!(clock.advance(5), Timestamp(before), "{source:?}");
            clock.drained(Lane::Scans);
            assert_eq!(clock.advance(5), Timestamp(after), "{source:?}");
            clock.tick(Timestamp(50));
            assert_eq!(clock.advance(5), Timestamp(after), "it never goes back");
        }
    }
}
