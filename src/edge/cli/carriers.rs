//! `carriers`: the catalogue, as a table.

use clap::Args;
use serde_json::Value;

use super::ConfigArgs;
use super::output::{Column, Format, Out, Rows};
use crate::edge::problem::{Exit, Failure};

/// Lists the carriers: codes, other names, formats.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside carriers --format json")]
pub(super) struct CarriersArgs {
    /// How the list is written; text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    config: ConfigArgs,
}

const COLUMNS: &[Column] =
    &[("code", 14), ("id", 3), ("name", 26), ("kind", 7), ("aliases", 24), ("formats", 20)];

pub(super) fn run(args: &CarriersArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let mut rows = Rows::start(Out::stdout(), Format::or_default(args.format), COLUMNS)?;
    for carrier in config.catalogue.ids() {
        let Ok(Value::Object(fields)) = serde_json::to_value(config.catalogue.summary(carrier)) else {
            unreachable!("a summary is an object");
        };
        let values: Vec<Value> =
            COLUMNS.iter().map(|(name, _)| fields.get(*name).cloned().unwrap_or_default()).collect();
        rows.row(&values)?;
    }
    rows.finish()?;
    Ok(Exit::Ok)
}
