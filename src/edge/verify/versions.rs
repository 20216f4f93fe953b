//! The history of the documents: every change once, in order.
//!
//! Enters: the records of the compacted outputs, per partition in the order of their offsets; and what the state says was
//! told last. Leaves: findings. What is promised, and held here:
//!
//! - `shipments`: the version of a shipment counts its published documents. It begins with 1 and rises by one; changes that
//!   were conflated into one document are one version. Further pages carry the version of the first.
//! - `receiving-plan`: the version counts the plan lines of a shipment, whatever FC they are for, from 1, by one. Lines of
//!   two FCs are under two keys, which may be in two partitions: there each key rises, and both together leave no gap.
//! - all: a key is always in the partition that its hash names; no message without a change, so no record says what the one
//!   before it said; no tombstone of what was not there.
//! - the shipments and plan lines that stand last are those that the state remembers, in the same version.
//!
//! A shipment that was closed or cancelled long ago goes: its first page is tombstoned. Its ID may begin another life, whose
//! versions begin with 1 again.
//!
//! A topic that its broker has compacted has lost history: then versions need only rise.
//!
//! Kept per key: its runs of versions (one, unless something is missing), a hash of the latest value, a few numbers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::report::Check;
use crate::model::{Partition, Topic, partition_of, stable_hash};
use crate::stations::Told;

/// What is kept of a key.
#[derive(Debug, Default)]
struct Track {
    /// Of which shipment, and which page (0: no shipments document).
    shipment: String,
    page: u32,
    pages: u32,
    /// Versions that were seen, `from..=to`, ascending.
    runs: Vec<(u64, u64)>,
    /// How often the shipment was let go.
    lives: u64,
    /// Whether the latest record is no tombstone.
    is_live: bool,
    hash: u64,
    /// Whether the state knows of it.
    is_told: bool,
}

/// What a document says about itself.
#[derive(Deserialize)]
struct Said {
    shipment_id: String,
    version: u64,
    #[serde(default)]
    fc: String,
    #[serde(default)]
    page: u32,
    #[serde(default)]
    pages: u32,
}

/// The histories of all keys.
#[derive(Debug)]
pub struct Versions {
    check: Check,
    partitions: u32,
    /// Whether the broker may have compacted the topics.
    compacted: bool,
    tracks: BTreeMap<(Topic, String), Track>,
    records: u64,
}

impl Track {
    fn last(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.1)
    }

    /// Takes a version that is larger than the last.
    fn extend(&mut self, version: u64) {
        match self.runs.last_mut() {
            Some(run) if run.1 + 1 == version => run.1 = version,
            _ => self.runs.push((version, version)),
        }
    }
}

impl Versions {
    /// No history yet.
    pub fn new(check: Check, partitions: u32, compacted: bool) -> Versions {
        Versions { check, partitions, compacted, tracks: BTreeMap::new(), records: 0 }
    }

    /// Takes the next record of a partition of a compacted output.
    pub fn record(
        &mut self,
        topic: Topic,
        partition: Partition,
        offset: u64,
        key: &str,
        value: Option<&[u8]>,
    ) {
        self.records += 1;
        let Versions { check, compacted, tracks, .. } = self;
        let place = || format!("{}-{partition}@{offset}: {key}", topic.name());
        if partition_of(key.as_bytes(), self.partitions) != partition.0 {
            check.find(|| format!("{} is not in the partition of its key", place()));
        }
        let track = tracks.entry((topic, key.to_owned())).or_default();
        let Some(value) = value else {
            if !track.is_live && !*compacted {
                check.find(|| format!("{} is a tombstone of what was not there", place()));
            }
            (track.is_live, track.hash) = (false, 0);
            if topic == Topic::Shipments {
                // Its first page goes only when the shipment does: what comes after is another life.
                track.lives += u64::from(track.page == 1);
                track.runs.clear();
            }
            return;
        };
        let hash = stable_hash(&[value]).max(1);
        if hash == track.hash && !*compacted {
            check.find(|| format!("{} says again what the record before it said", place()));
        }
        let begins = !std::mem::replace(&mut track.is_live, true);
        track.hash = hash;
        if !matches!(topic, Topic::Shipments | Topic::ReceivingPlan) {
            return;
        }
        let said: Said = match serde_json::from_slice(value) {
            Ok(said) => said,
            Err(error) => return check.find(|| format!("{} can't be read: {error}", place())),
        };
        let (due, own_key) = match topic {
            Topic::Shipments if said.page <= 1 => (track.last() + 1, said.shipment_id.clone()),
            Topic::Shipments => (0, format!("{}|{}", said.shipment_id, said.page)),
            _ => (0, format!("{}|{}", said.fc, said.shipment_id)),
        };
        if own_key != key {
            check.find(|| format!("{} holds the document of {own_key}", place()));
        }
        (track.shipment, track.page, track.pages) = (said.shipment_id, said.page, said.pages);
        if topic == Topic::ReceivingPlan && begins && said.version == 1 {
            track.runs.clear();
        }
        let (version, last) = (said.version, track.last());
        if version <= last {
            check.find(|| format!("{}: version {version} comes after version {last}", place()));
            return;
        }
        if due != 0 && version != due && !*compacted {
            check.find(|| format!("{}: version {version} follows version {last}", place()));
        }
        track.extend(version);
    }

    /// What the state remembers of a shipment: consumers hold just that.
    pub fn told(&mut self, told: &Told<'_>) {
        let shipment = told.shipment.as_str();
        self.stands(Topic::Shipments, shipment.to_owned(), told.version);
        if let Some(fc) = told.plan_fc {
            self.stands(Topic::ReceivingPlan, format!("{fc}|{shipment}"), told.plan_version);
        }
    }

    fn stands(&mut self, topic: Topic, key: String, version: u64) {
        let name = topic.name();
        let place = (topic, key);
        let track = self.tracks.get_mut(&place).filter(|track| track.is_live);
        let held = track.map_or(0, |track| {
            track.is_told = true;
            track.last()
        });
        if held != version {
            let key = &place.1;
            self.check.find(|| format!("{name}: {key}: the state says version {version}, found {held}"));
        }
    }

    /// All was read. `is_whole`: all partitions have told what they remember.
    pub fn finish(mut self, is_whole: bool) -> Check {
        if is_whole {
            self.strays();
        }
        self.pages();
        if !self.compacted {
            self.plans();
        }
        let documents = self.tracks.values().filter(|track| track.is_live).count();
        self.check.count("records", self.records);
        self.check.count("keys", self.tracks.len() as u64);
        self.check.count("documents", documents as u64);
        self.check
    }

    /// What stands there is what the state remembers, and no more.
    fn strays(&mut self) {
        let remembered = |topic: Topic, track: &Track| match topic {
            Topic::Shipments => track.page == 1,
            topic => topic == Topic::ReceivingPlan,
        };
        for ((topic, key), track) in &self.tracks {
            if track.is_live && !track.is_told && remembered(*topic, track) {
                self.check.find(|| format!("{}: {key}: the state does not know of it", topic.name()));
            }
        }
    }

    /// Further pages stand with the first.
    fn pages(&mut self) {
        let Versions { check, tracks, .. } = self;
        let track = |shipment: &str, page: u32| {
            let key = if page == 1 { shipment.to_owned() } else { format!("{shipment}|{page}") };
            tracks.get(&(Topic::Shipments, key)).filter(|track| track.is_live)
        };
        for ((topic, key), own) in tracks.iter().filter(|(_, track)| track.is_live) {
            if *topic != Topic::Shipments {
                continue;
            }
            if own.page == 1 {
                for page in 2..=own.pages {
                    let found = track(&own.shipment, page).map_or(0, Track::last);
                    if found != own.last() {
                        check.find(|| {
                            format!("shipments: {key}: version {}, page {page} has {found}", own.last())
                        });
                    }
                }
            } else if track(&own.shipment, 1).is_none_or(|first| first.pages < own.page) {
                check.find(|| format!("shipments: {key}: a page that the first one does not know"));
            }
        }
    }

    /// The plan lines of a shipment, over all FCs, leave no gap and no repeat.
    fn plans(&mut self) {
        let mut runs: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
        for ((topic, _), track) in &self.tracks {
            // Of several lives the runs may overlap: what a line of another FC belongs to is not written on it.
            let page = (Topic::Shipments, track.shipment.clone());
            let lives = self.tracks.get(&page).map_or(0, |page| page.lives);
            if *topic == Topic::ReceivingPlan && lives == 0 {
                runs.entry(&track.shipment).or_default().extend(&track.runs);
            }
        }
        for (shipment, mut runs) in runs {
            runs.sort_unstable();
            let mut next = 1;
            for (from, to) in runs {
                if from > next {
                    self.check.find(|| {
                        format!("receiving-plan: {shipment}: version {from} follows version {}", next - 1)
                    });
                } else if from < next {
                    self.check.find(|| format!("receiving-plan: {shipment}: version {from} is there twice"));
                }
                next = next.max(to + 1);
            }
        }
    }
}
