//! The log in memory whose readers wait for records: what several workers are measured on.
//!
//! Nothing fails here, and nothing is drawn from a seed: that is `sim`, whose readers never wait, so that a worker without
//! records would hold up the others by asking again and again.

use super::LogError;
use super::sim::Memory;
use super::store::{Medium, Place, State, Store};

/// Frames in memory.
#[derive(Debug, Default)]
pub struct Ram(Memory);

impl Ram {
    /// An empty log.
    pub fn log(partitions: u32) -> Store<Ram> {
        assert!(partitions > 0, "a log has partitions");
        Store::new(Ram::default(), State::new(partitions))
    }
}

impl Medium for Ram {
    const WAITS: bool = true;

    fn append(&self, frame: &[u8]) -> Result<Place, LogError> {
        self.0.append(frame)
    }

    fn read(&self, place: Place, into: &mut [u8]) -> Result<(), LogError> {
        self.0.read(place, into)
    }
}
