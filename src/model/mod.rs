//! The vocabulary: identifiers, times, milestones, statuses, scans, commands and what goes out.
//!
//! Enters: text that somebody else wrote (identifiers, times, names of enums). Leaves: types that cannot lie:
//! a [`FcId`] is 1–64 printable characters, a [`TrackingNumber`] is canonical, an [`EventTime`] is whole seconds.
//! Always true: nothing here knows a carrier's rules, a file, a topic's broker or a clock.
//!
//! Suggested reading order: `ids`, `time`, `milestone`, `scan`, `status`, `command`, `output`, `topic`,
//! `fc`, `settings`; `json` writes what goes out, `short` serves `topic`,
//! `hash` what is written into the state.

mod command;
mod fc;
mod hash;
mod ids;
mod json;
mod milestone;
mod output;
mod scan;
mod settings;
mod short;
mod status;
mod time;
mod topic;

pub use command::*;
pub use fc::{FcConfigError, Fcs, LocalDay};
pub use hash::{stable_hash, stable_hash_with};
pub use ids::*;
pub use json::{WriteJson, json_bytes, write_list, write_members};
pub use milestone::*;
pub use output::*;
pub use scan::*;
pub use settings::Settings;
pub use status::*;
pub use time::*;
pub use topic::*;
