//! `replay`: records in, outputs out, deterministic, without a log.
//!
//! Enters: lines of `commands`, `scans` and `ticks` in the order in which they should be told. Leaves: every output record, in
//! order of emission. Always true: one partition, no grace; for each line the due timers fire first, instant by instant, then the
//! stations are stepped, hops included, until quiet; outputs are conflated over the line (over the instant for timers).

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::Decoder;
use crate::model::{Lane, Partition, Timestamp, Topic};
use crate::stations::{ClockSource, Documents, HopWriter, InputRecord, Rules, Stations};

/// A topic that a line may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of the topics")]
pub enum ReplayTopic {
    Commands,
    Scans,
    Ticks,
}

/// One line of a replay file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the contract's own (§10)")]
pub struct ReplayLine {
    pub topic: ReplayTopic,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// The header `content-type`.
    pub content_type: Option<String>,
    /// The header `dockside-feed`.
    pub feed: Option<String>,
}

/// The headers that a line may have; others mean nothing to the stations.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Headers {
    #[serde(rename = "content-type")]
    content_type: Option<String>,
    #[serde(rename = "dockside-feed")]
    feed: Option<String>,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    topic: ReplayTopic,
    timestamp: Timestamp,
    #[serde(default)]
    key: Option<String>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    headers: Headers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    base64: String,
}

impl ReplayLine {
    /// Reads a line: `{"topic","timestamp","key","value","headers"}`; a value is JSON, raw text in a string, or `{"base64":…}`.
    pub fn parse(line: &str) -> Result<ReplayLine, String> {
        let raw: RawLine<'_> =
            serde_json::from_str(line).map_err(|e| format!("it is no replay record: {e}"))?;
        let value = match raw.value.map(RawValue::get) {
            None | Some("null") => None,
            Some(text) if text.starts_with('"') => {
                Some(serde_json::from_str::<String>(text).map_err(|e| e.to_string())?.into_bytes())
            }
            Some(text) => match serde_json::from_str::<Base64>(text) {
                Ok(Base64 { base64 }) => {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
                    Some(bytes.map_err(|e| format!("its value is no base64: {e}"))?)
                }
                Err(_) => Some(text.as_bytes().to_vec()),
            },
        };
        Ok(ReplayLine {
            topic: raw.topic,
            timestamp: raw.timestamp,
            key: raw.key.map(String::into_bytes),
            value,
            content_type: raw.headers.content_type,
            feed: raw.headers.feed,
        })
    }
}

/// A record that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of a record")]
pub struct OutputRecord {
    pub topic: Topic,
    pub key: Option<Vec<u8>>,
    /// None: a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// A world of one partition that is told its records line by line.
#[derive(Debug)]
pub struct Replay {
    rules: Rules,
    stations: Stations,
    decoder: Decoder,
    hops: HopWriter,
    offsets: BTreeMap<Lane, u64>,
    reached: Timestamp,
}

impl Replay {
    /// An empty world under these rules; grace and conflation do not apply.
    pub fn new(mut rules: Rules) -> Replay {
        rules.settings.grace_ms = 0;
        rules.settings.shipments_conflation_ms = 0;
        Replay {
            rules,
            stations: Stations::new(Partition(0), 1, ClockSource::Input, 0),
            decoder: Decoder::new(),
            hops: HopWriter::new(1),
            offsets: BTreeMap::new(),
            reached: Timestamp::MIN,
        }
    }

    /// The stations as they are.
    pub fn stations(&self) -> &Stations {
        &self.stations
    }

    /// Tells one line, and hands every output record to `sink`.
    pub fn tell(&mut self, line: &ReplayLine, sink: &mut dyn FnMut(&OutputRecord)) {
        let target = self.reached.max(line.timestamp);
        while let Some(due) = self.stations.next_due().filter(|due| *due <= target) {
            self.stations.tick(due);
            let mut out = Vec::new();
            self.run(&mut out, |_, _, _, _, _| {});
            emit(out, sink);
        }
        self.reached = target;
        self.stations.tick(target);
        let lane = match line.topic {
            ReplayTopic::Ticks => return,
            ReplayTopic::Commands => Lane::Commands,
            ReplayTopic::Scans => Lane::Scans,
        };
        let next = self.offsets.entry(lane).or_default();
        let offset = *next;
        *next += 1;
        let record = InputRecord {
            offset,
            timestamp: line.timestamp,
            key: line.key.as_deref(),
            value: line.value.as_deref(),
            content_type: line.content_type.as_deref().map(str::as_bytes),
            feed: line.feed.as_deref().map(str::as_bytes),
        };
        let mut out = Vec::new();
        self.run(&mut out, |stations, rules, decoder, hops, documents| match lane {
            Lane::Commands => stations.commands(rules, &record, hops, documents),
            _ => stations.scans(rules, decoder, &record, hops, documents),
        });
        emit(out, sink);
    }

    /// Steps, settles and hops until quiet, then publishes once and commits.
    fn run(
        &mut self,
        out: &mut Vec<OutputRecord>,
        step: impl FnOnce(&mut Stations, &Rules, &mut Decoder, &mut HopWriter, &mut Documents<'_>),
    ) {
        let Replay { rules, stations, decoder, hops, .. } = self;
        let mut sink =
            |topic: Topic, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&'static str, &[u8])]| {
                out.push(OutputRecord {
                    topic,
                    key: key.map(<[u8]>::to_vec),
                    value: value.map(<[u8]>::to_vec),
                    headers: headers.iter().map(|(name, value)| (*name, value.to_vec())).collect(),
                });
            };
        let mut documents = Documents { sink: &mut sink };
        step(stations, rules, decoder, hops, &mut documents);
        stations.advance(rules, hops, &mut documents);
        while !hops.is_empty() {
            let mut messages = Vec::new();
            hops.drain(|_, bytes| messages.push(bytes.to_vec()));
            for message in messages {
                stations.hops(rules, &message, hops);
            }
            stations.advance(rules, hops, &mut documents);
        }
        stations.publish(rules, &mut documents);
        stations.seal();
        stations.commit();
    }
}

/// Within a line, by topic, then key; equal ones in the order of emission.
fn emit(mut out: Vec<OutputRecord>, sink: &mut dyn FnMut(&OutputRecord)) {
    out.sort_by(|a, b| (a.topic, &a.key).cmp(&(b.topic, &b.key)));
    out.iter().for_each(sink);
}
