//! The integration tests, in one binary.

/// What every log must do, and what the in-process ones do beyond it.
mod conformance;

/// The binary as a person or a script meets it.
#[cfg(feature = "edge")]
mod cli;

/// The service as probes, scrapers and people ask it.
#[cfg(feature = "edge")]
mod http;

/// Carriers' own JSON through the shipped profiles.
#[cfg(feature = "edge")]
mod profiles;

/// What a scan costs in allocations.
mod allocations;

/// What must not be in the sources.
mod tidy;

/// The README's example through `replay`.
mod replay;

/// X12 and EDIFACT: fixtures with what comes out, and a naive reader beside ours.
mod edi;

/// What the pages promise: examples, links, the quick start.
mod docs;

/// The naive model of the rulebook, against which the engine is held.
mod twin;

/// Engine and twin, side by side over seeded worlds; crashes and faults in between.
mod agreement;

/// The log on a real broker.
#[cfg(feature = "edge")]
mod kafka;

/// `kill -9` at more than twenty points of a run.
#[cfg(feature = "edge")]
mod kill;

/// `verify` names what was broken on purpose.
#[cfg(feature = "edge")]
mod verify;

/// The rules, as tables of little stories.
mod rules;

/// A story per rule, as the page of stories tells them.
mod stories;

/// An epoch taken back leaves no trace, and the state log tells all.
mod rollback;

/// A worker whose clock is set back, and one whose topics grow under it.
mod worker;
