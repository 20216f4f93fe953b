//! Feeds: who reads whose messages how.
//!
//! Enters: the names and profiles of the configuration. Leaves: for a record, by its header `dockside-feed`, the feed it
//! belongs to. Always true: records without the header belong to the topic's own feed, if it has one, else to none: they are
//! in the contract's own form, as those of the feed `canonical` are.

use std::sync::Arc;

use super::Profile;

/// The feed of messages in the contract's own form, whatever the topic's own feed is.
const CANONICAL: &[u8] = b"canonical";

/// A feed with a profile.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The name in the header, and in metrics.
    pub name: String,
    /// How it is read.
    pub profile: Arc<Profile>,
}

/// All feeds that have a profile.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    feeds: Vec<Feed>,
    /// The one of records without a header.
    of_topic: Option<usize>,
}

/// A record names a feed that is not configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `dockside-feed` names {}, and no [[feeds]] of the configuration does", crate::decode::scan::quoted(.0))]
pub struct UnknownFeed(pub String);

impl Feeds {
    /// The most feeds: each is a label in metrics.
    pub const MAX: usize = 256;

    /// These feeds; `of_topic` is the one of records without a header.
    pub fn new(feeds: Vec<Feed>, of_topic: Option<usize>) -> Feeds {
        assert!(feeds.len() <= Feeds::MAX && of_topic.is_none_or(|at| at < feeds.len()));
        Feeds { feeds, of_topic }
    }

    /// Whether a feed may have this name.
    pub fn is_name(name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        (1..=64).contains(&name.len()) && name.bytes().all(plain) && name.as_bytes() != CANONICAL
    }

    /// The feed of a record with this header. None: the contract's own form.
    pub fn of(&self, header: Option<&[u8]>) -> Result<Option<&Feed>, UnknownFeed> {
        match header {
            None => Ok(self.of_topic.map(|at| &self.feeds[at])),
            Some(CANONICAL) => Ok(None),
            Some(name) => {
                let found = self.feeds.iter().find(|feed| feed.name.as_bytes() == name);
                found.map(Some).ok_or_else(|| UnknownFeed(String::from_utf8_lossy(name).into_owned()))
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.iter()
    }
}
