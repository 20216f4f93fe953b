//! Topics, lanes, partitions, offsets and source coordinates.
//!
//! Always true: names here have no prefix; the edge puts the configured one in front.

use serde::{Deserialize, Serialize, Serializer};

use super::json::{WriteJson, write_plain};
use super::short::ShortText;

/// A topic, by its name without the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the contract's own (§3)")]
pub enum Topic {
    Scans,
    Commands,
    Hops,
    State,
    CommandResults,
    Shipments,
    ReceivingPlan,
    Problems,
    Arrivals,
    Accounts,
    DeadLetters,
}

impl Topic {
    /// All topics; outputs in the order in which `replay` prints them.
    pub const ALL: [Topic; 11] = [
        Topic::Scans,
        Topic::Commands,
        Topic::Hops,
        Topic::State,
        Topic::CommandResults,
        Topic::Shipments,
        Topic::ReceivingPlan,
        Topic::Problems,
        Topic::Arrivals,
        Topic::Accounts,
        Topic::DeadLetters,
    ];

    /// The output topics, in the order in which `replay` prints them.
    pub const OUTPUTS: [Topic; 7] = [
        Topic::CommandResults,
        Topic::Shipments,
        Topic::ReceivingPlan,
        Topic::Problems,
        Topic::Arrivals,
        Topic::Accounts,
        Topic::DeadLetters,
    ];

    /// The compacted outputs: the latest value per key is the state a consumer sees.
    pub const COMPACTED: [Topic; 5] =
        [Topic::Shipments, Topic::ReceivingPlan, Topic::Arrivals, Topic::Problems, Topic::Accounts];

    /// The name without prefix.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Scans => "scans",
            Topic::Commands => "commands",
            Topic::Hops => "hops",
            Topic::State => "state",
            Topic::CommandResults => "command-results",
            Topic::Shipments => "shipments",
            Topic::ReceivingPlan => "receiving-plan",
            Topic::Problems => "problems",
            Topic::Arrivals => "arrivals",
            Topic::Accounts => "accounts",
            Topic::DeadLetters => "dead-letters",
        }
    }

    /// The topic of a name without prefix.
    pub fn from_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// The position in [`Topic::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// An input of a worker. Order is the order in which lanes are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the topics")]
pub enum Lane {
    Hops,
    Commands,
    Scans,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Lane; 3] = [Lane::Hops, Lane::Commands, Lane::Scans];

    /// The topic behind the lane.
    pub fn topic(self) -> Topic {
        match self {
            Lane::Hops => Topic::Hops,
            Lane::Commands => Topic::Commands,
            Lane::Scans => Topic::Scans,
        }
    }

    /// The position in [`Lane::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A partition number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u32);

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record is: its own offset, not the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The lane it came through; `hops` never shows.
    pub lane: Lane,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: u64,
}

impl Source {
    fn text(&self) -> ShortText {
        let mut text = ShortText::EMPTY;
        text.push(self.lane.topic().name());
        text.push("-");
        text.push_number(u64::from(self.partition.0));
        text.push("@");
        text.push_number(self.offset);
        text
    }

    /// As its text.
    pub(super) fn serialize_text<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl WriteJson for Source {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_plain(self.text().as_bytes(), out);
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text().as_str())
    }
}
