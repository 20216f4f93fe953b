//! The integration tests, in one binary.

/// What every log must do, and what the in-process ones do beyond it.
mod conformance;
/// The log on a real broker.
#[cfg(feature = "edge")]
mod kafka;
