//! The log in one directory of this machine: `demo` and `run --local DIR` need no broker.
//!
//! Enters: a directory. Leaves: a [`Broker`](super::Broker) whose steps survive the end of the process. Always
//! true: opened again after a
//! crash at any byte, the log holds a prefix of the steps, each whole, and every step that was acknowledged (after
//! a power cut: with [`Durability::Disk`]).

use std::path::Path;

use super::LogError;
use super::store::{State, Store};
use super::wal::{self, Durability, Recovered, SEGMENT_BYTES, Wal};

/// A durable log inside this process; clones are handles to the same one.
pub type Local = Store<Wal>;

impl Store<Wal> {
    /// Opens the log in `dir`, or creates it; the number of partitions must be that of its creation.
    pub fn open(dir: &Path, partitions: u32, durability: Durability) -> Result<(Local, Recovered), LogError> {
        Local::open_in_segments(dir, partitions, durability, SEGMENT_BYTES)
    }

    /// As [`Local::open`], with segments of about this size.
    pub fn open_in_segments(
        dir: &Path,
        partitions: u32,
        durability: Durability,
        segment_bytes: u64,
    ) -> Result<(Local, Recovered), LogError> {
        assert!(partitions > 0, "a log has partitions");
        let mut state = State::new(partitions);
        let (wal, recovered) = wal::open(dir, partitions, durability, segment_bytes, &mut |place, head| {
            state.apply(place, head);
        })?;
        assert_eq!(recovered.frames, state.frames(), "every frame was taken");
        Ok((Store::new(wal, state), recovered))
    }

    /// How many partitions the log in `dir` was created with; none when there is no log.
    pub fn stored_partitions(dir: &Path) -> Result<Option<u32>, LogError> {
        wal::stored_partitions(dir)
    }
}
