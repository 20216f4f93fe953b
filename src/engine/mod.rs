//! How stations run: workers, epochs, undo, positions, the state log and the [`log::Log`] that joins them.
//!
//! Enters: records of a log. Leaves: epochs, committed whole or taken back whole. Always true: what a partition knows in
//! memory is its last committed epoch plus the open one.

pub mod digest;

pub mod log;

pub mod replay;

pub mod state;

pub mod worker;
