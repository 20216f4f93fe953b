//! Bytes to scans and commands.
