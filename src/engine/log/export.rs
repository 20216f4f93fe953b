//! Committed outputs as text lines.
