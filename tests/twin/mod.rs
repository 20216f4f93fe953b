//! The slow twin: a naive model of the rulebook, against which the engine is held (design §13.5).
//!
//! Enters: records of a calm world, in the order of time. Leaves: the documents that a consumer of the compacted topics
//! holds at the end, what became of every scan, and the answer to every command. Always true: it shares the
//! vocabulary, the catalogue and the decoder with the engine and nothing else; it keeps every fact until the
//! rulebook says that it goes, and computes what is shown from all of them, every time.
//!
//! Reading order: `world`, `progress`, `shipment`, `standing`, `commands`, `documents`.

mod commands;
mod diff;
mod documents;
mod order;
mod progress;
mod script;
mod shipment;
mod standing;
mod tables_commands;
mod tables_documents;
mod tables_numbers;
mod tables_status;
mod tables_time;
mod tables_views;
mod world;
mod worlds;

use dockside::carriers::Catalogue;
use dockside::decode::{self, CommandRecord, Context, Decoder, Part};
use dockside::model::{Fcs, Settings, Timestamp};

pub(crate) use diff::first_difference;
pub(crate) use documents::Documents;
pub(crate) use world::{CommandOutcome, Counts};

use commands::Rules;
use world::World;

/// Where a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputTopic {
    Commands,
    Scans,
    /// Time passes: due timers fire. Its value does not matter.
    Tick,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) topic: InputTopic,
    pub(crate) timestamp: Timestamp,
    pub(crate) value: Vec<u8>,
}

/// What a run leaves.
#[derive(Clone, Debug)]
pub(crate) struct TwinResult {
    pub(crate) documents: Documents,
    pub(crate) counts: Counts,
    /// In the order of the commands, repeated ones included.
    pub(crate) outcomes: Vec<CommandOutcome>,
    /// How many shipments were retired.
    pub(crate) retired: u64,
    /// How many scans had waited for the registration of their number.
    pub(crate) unparked: u64,
}

/// The twin.
#[derive(Debug)]
pub(crate) struct Twin {
    settings: Settings,
    catalogue: Catalogue,
    fcs: Fcs,
}

impl Twin {
    pub(crate) fn new(settings: Settings, catalogue: Catalogue, fcs: Fcs) -> Twin {
        Twin { settings, catalogue, fcs }
    }

    pub(crate) fn run(&self, inputs: &[Input]) -> TwinResult {
        let Twin { settings, catalogue, fcs } = self;
        let mut world = World::new(Rules { settings, catalogue, fcs });
        let mut decoder = Decoder::new();
        for Input { topic, timestamp, value } in inputs {
            match topic {
                InputTopic::Tick => world.tick(*timestamp),
                InputTopic::Commands => match decode::command(value) {
                    Ok(CommandRecord::Command(command)) => world.command(&command, *timestamp),
                    Ok(CommandRecord::Tick) => world.tick(*timestamp),
                    Err(rejection) => world.dead_letter(rejection.reason),
                },
                InputTopic::Scans => {
                    let context = Context { catalogue, fcs, settings };
                    let mut sink = |part: Part<'_>| match part {
                        Part::Scan { scan, .. } => world.scan(&scan, *timestamp),
                        Part::Rejected { rejection, .. } => world.dead_letter(rejection.reason),
                        Part::Warned { .. } => {}
                    };
                    decoder.decode(&context, *timestamp, None, value, &mut sink);
                }
            }
        }
        TwinResult {
            documents: documents::documents(&world),
            counts: world.counts.clone(),
            retired: world.retired,
            unparked: world.unparked,
            outcomes: world.outcomes,
        }
    }
}
