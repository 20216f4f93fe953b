//! Feed profiles: a carrier's own JSON, read by field paths; and what codes and times of a feed mean, whatever it writes.
//!
//! Enters: the text of a profile, once; then messages of its feed. Leaves: the same parts as the contract's own form gives.
//! Always true: a profile only says where a field's text stands; what the text means, and whether it is good, is judged as for
//! every other scan, and all limits of the general decoder hold: nesting, size, repeated keys on the way of a path.
//!
//! Reading order: `file` (what a profile looks like), `path`, `rule` and `layout` (how a field gets its text), `walk` (finding
//! values in one pass), `read`, `feeds` (who is read how).

mod feeds;
mod file;
mod layout;
mod path;
mod read;
mod rule;
mod walk;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

pub use feeds::{Feed, Feeds, UnknownFeed};
pub use file::ProfileError;
pub(crate) use read::FeedReader;
use rule::{Rule, Wrong};
use walk::Node;

use super::field::Field;
use super::scan::{Refusal, quoted};
use crate::carriers::CodeOverlay;
use crate::model::{DeadLetterReason, Timestamp};

/// How a feed writes its scans.
#[derive(Clone, Debug)]
pub struct Profile {
    name: String,
    /// The element first, then the items of each list that leads to scans.
    levels: Vec<Level>,
    slots: usize,
    fields: Vec<(Field, Vec<Rule>)>,
    codes: CodeOverlay,
    time_zone: Option<TimeZone>,
}

/// What is found in an element, or in an item of a list.
#[derive(Clone, Debug)]
struct Level {
    node: Node,
    /// All slots that are filled here.
    slots: Vec<usize>,
    /// The list whose items are the next level: its slot, and its path for messages.
    list: Option<(usize, String)>,
}

/// The files that are built in.
const EMBEDDED: [&str; 7] = [
    include_str!("../../../config/profiles/ups-track.toml"),
    include_str!("../../../config/profiles/ups-alert.toml"),
    include_str!("../../../config/profiles/fedex-track.toml"),
    include_str!("../../../config/profiles/easypost.toml"),
    include_str!("../../../config/profiles/shippo.toml"),
    include_str!("../../../config/profiles/aftership.toml"),
    include_str!("../../../config/profiles/17track.toml"),
];

impl Profile {
    /// The profiles that come with the program.
    pub fn embedded() -> impl Iterator<Item = Profile> {
        EMBEDDED
            .iter()
            .map(|text| Profile::parse(text).expect("the profiles that are built in are tested to parse"))
    }

    /// Reads a profile file, or says everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Profile, Vec<ProfileError>> {
        file::read(text)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it says where fields stand; otherwise its feed writes the contract's own form, or EDI.
    pub(crate) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// What its codes mean.
    pub(crate) fn codes(&self) -> &CodeOverlay {
        &self.codes
    }

    /// Local fields in the feed's own time zone, read as an instant: a gap moves forward, an overlap takes the earlier one.
    pub(crate) fn local_to_instant(&self, local_ms: i64) -> Option<Timestamp> {
        let naive = jiff::Timestamp::from_millisecond(local_ms).ok()?;
        let civil = TimeZone::UTC.to_datetime(naive);
        let instant = self.time_zone.as_ref()?.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp(instant.as_millisecond()))
    }

    /// The slots that a field's rules read, in order.
    fn slots_of(&self, field: &str) -> Vec<usize> {
        let rules = self.fields.iter().find(|(known, _)| known.name() == field).map(|(_, rules)| rules);
        rules.into_iter().flatten().flat_map(|rule| rule.slots()).copied().collect()
    }

    /// The refusal of a value that gives no text.
    #[cold]
    fn refusal(&self, field: Field, wrong: &Wrong) -> Refusal {
        let name = field.name();
        let (reason, detail) = match wrong {
            Wrong::Kind(_, found) => {
                (DeadLetterReason::BadField, format!("`{name}`: text or a number is expected, found {found}"))
            }
            Wrong::Number(_) => {
                let detail = format!("`{name}`: a number must be a positive integer up to 2^53");
                (DeadLetterReason::BadTrackingId, detail)
            }
            Wrong::Layout(_, text) => {
                let detail =
                    format!("`{name}`: a time of the profile's layout is expected, found {}", quoted(text));
                (DeadLetterReason::BadField, detail)
            }
        };
        Refusal { reason, field: name, nth: 0, detail }
    }
}
