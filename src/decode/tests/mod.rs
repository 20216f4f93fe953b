//! Tests of the decoder: tables of messages and what becomes of them.
//!
//! `scans` is about one object, `messages` about the shapes of a message, `commands` about commands, `edi` about
//! interchanges, `learned` about the learned reader and that nobody notices it; `storm` throws random and damaged bytes at all
//! of it and holds it against a naive reader.

mod commands;
mod edi;
mod learned;
mod messages;
mod scans;
mod storm;

use super::{Context, Decoder, Part};
use crate::carriers::Catalogue;
use crate::model::{Fcs, Scan, Settings, Timestamp};

/// The record time of every message in the tables.
const RECORD_TIME: &str = "2026-11-05T16:00:00Z";

/// What the tests read against.
struct World {
    catalogue: Catalogue,
    fcs: Fcs,
    settings: Settings,
}

impl World {
    fn new() -> World {
        World { catalogue: Catalogue::embedded(), fcs: Fcs::embedded(), settings: Settings::default() }
    }

    fn context(&self) -> Context<'_> {
        Context { catalogue: &self.catalogue, fcs: &self.fcs, settings: &self.settings }
    }
}

fn record_time() -> Timestamp {
    Timestamp::parse(RECORD_TIME).expect("a time")
}

/// The outcome of a message, one line per part: `0 NUMBER MILESTONE` for a scan, `REASON 0 @12 bytes` for a
/// rejected element, `REASON whole @12` for a rejected message.
fn outcome(world: &World, content_type: Option<&str>, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let content_type = content_type.map(str::as_bytes);
    Decoder::new().decode(&world.context(), record_time(), content_type, bytes, &mut |part| {
        lines.push(match part {
            Part::Warned { position, .. } => format!("warned @{position}"),
            Part::Scan { index, scan, .. } => {
                let milestone = scan.effect.milestone.map_or("-", |milestone| milestone.name());
                format!("{index} {} {milestone}", scan.key.number)
            }
            Part::Rejected { index, rejection, bytes: part } => {
                let at = rejection.position.map_or("-".to_owned(), |at| format!("@{at}"));
                match index {
                    None => {
                        assert_eq!(part, bytes, "a whole is given back whole");
                        format!("{} whole {at}", rejection.reason.code())
                    }
                    Some(index) => {
                        let part = String::from_utf8_lossy(part);
                        format!("{} {index} {at} {part}", rejection.reason.code())
                    }
                }
            }
        });
    });
    lines
}

/// The only scan of a message; panics when it is anything else.
fn scan(world: &World, text: &str) -> Scan {
    let mut scans = Vec::new();
    Decoder::new().decode(&world.context(), record_time(), None, text.as_bytes(), &mut |part| match part {
        Part::Scan { scan, .. } => scans.push(scan),
        Part::Rejected { rejection, .. } => panic!("{text}: {rejection:?}"),
        Part::Warned { detail, .. } => panic!("{text}: {detail}"),
    });
    assert_eq!(scans.len(), 1, "{text}");
    scans.remove(0)
}

/// The detail of the only rejection of a message.
fn detail(world: &World, text: &str) -> String {
    let mut details = Vec::new();
    Decoder::new().decode(&world.context(), record_time(), None, text.as_bytes(), &mut |part| match part {
        Part::Scan { .. } => panic!("{text} is a scan"),
        Part::Rejected { rejection, .. } => details.push(rejection.detail),
        Part::Warned { detail, .. } => panic!("{text}: {detail}"),
    });
    assert_eq!(details.len(), 1, "{text}");
    details.remove(0)
}
