//! A log over another one.
//!
//! Enters: the calls of a [`Log`]. Leaves: the same calls to the log beneath. Always true: a layer names only the calls in
//! which it differs; all others pass unchanged. Only an epoch that is begun is committed at once, unless the layer says
//! otherwise: so a layer over commits sees all of them.

use std::ops::Range;
use std::time::Duration;

use super::{Begun, Committed, Epoch, Log, LogError, Outbox, Polled, Positions, Record, Restored};
use crate::model::{Lane, Partition};

/// A log that is another one but for what it does itself. Its methods are those of [`Log`].
#[expect(missing_docs, reason = "the methods are those of `Log`, and mean the same")]
pub trait LogLayer {
    /// The log beneath.
    type Beneath: Log;

    /// The log beneath.
    fn beneath(&self) -> &Self::Beneath;

    /// The log beneath, to call it.
    fn beneath_mut(&mut self) -> &mut Self::Beneath;

    fn partitions(&self) -> u32 {
        self.beneath().partitions()
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        self.beneath_mut().poll(lane, max, wait)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        self.beneath_mut().commit(epoch)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        let committed = self.commit(Epoch { outputs: &outputs, positions })?;
        Ok(Begun::Ended(committed, outputs))
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        self.beneath_mut().ended(wait)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        self.beneath_mut().resolve()
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        self.beneath_mut().seek(positions)
    }

    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        self.beneath_mut().readable(lane, partition, wanted)
    }
}

impl<L: LogLayer> Log for L {
    fn partitions(&self) -> u32 {
        LogLayer::partitions(self)
    }

    fn poll(&mut self, lane: Lane, max: usize, wait: Duration) -> Result<Polled, LogError> {
        LogLayer::poll(self, lane, max, wait)
    }

    fn commit(&mut self, epoch: Epoch<'_>) -> Result<Committed, LogError> {
        LogLayer::commit(self, epoch)
    }

    fn begin(&mut self, outputs: Outbox, positions: &Positions) -> Result<Begun, LogError> {
        LogLayer::begin(self, outputs, positions)
    }

    fn ended(&mut self, wait: bool) -> Result<Option<(Committed, Outbox)>, LogError> {
        LogLayer::ended(self, wait)
    }

    fn resolve(&mut self) -> Result<Positions, LogError> {
        LogLayer::resolve(self)
    }

    fn seek(&mut self, positions: &Positions) -> Result<(), LogError> {
        LogLayer::seek(self, positions)
    }

    fn readable(&mut self, lane: Lane, partition: Partition, wanted: u64) -> Result<Range<u64>, LogError> {
        LogLayer::readable(self, lane, partition, wanted)
    }

    fn start(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.beneath_mut().start(partition)
    }

    fn end(&mut self, partition: Partition) -> Result<u64, LogError> {
        self.beneath_mut().end(partition)
    }

    fn restore(
        &mut self,
        partition: Partition,
        from: u64,
        to: u64,
        sink: &mut dyn FnMut(Record<'_>) -> Result<(), LogError>,
    ) -> Result<Restored, LogError> {
        self.beneath_mut().restore(partition, from, to, sink)
    }

    fn trim(&mut self, partition: Partition, offset: u64) -> Result<(), LogError> {
        self.beneath_mut().trim(partition, offset)
    }
}
