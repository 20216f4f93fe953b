//! `bench`: the budgets as a table, as JSON, and as plots.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::log_failure;
use super::output::{Out, tell};
use crate::edge::bench::{Audience, Better, Budget, Line, Options, Plot, Sizes, run as measure};
use crate::edge::problem::{Exit, Failure, Problem};

/// Measures the budgets, each beside its peer in this run; exit code 1 when one is missed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  dockside bench --quick\n  \
    dockside bench --quick --only B6,B8,B9 --bootstrap localhost:9092 --plots plots",
    after_long_help = "What each needs, beside a machine at rest:\n  \
    B1, B5, B12, scaling  nothing (scaling: two cores)\n  \
    B2   8 GiB of memory (--quick: 1 GiB)\n  \
    B3   16 GiB of memory (--quick: 2 GiB)\n  \
    B4   takes as many boxes as 70 % of the available memory hold\n  \
    growth  16 GiB of memory for 100 M boxes (--quick: 1 GiB); with less, fewer\n  \
    B0, B6, B8, B9, B10, B11\n       \
    a broker for trying out (--bootstrap): topics are made under a prefix that begins with\n       \
    dockside-bench- and are left there\n  \
    B7, and the peer of B11\n       \
    the same job on Kafka Streams: benches/peers of a checkout (--peers), cargo, Java 17, Maven\n       \
    and 5 GB of memory; B7 brings a broker of its own\n\
What is missing has a line that says so, and neither passes nor fails.\n\n\
Example:\n  dockside bench --quick\n  \
    dockside bench --quick --only B6,B8,B9 --bootstrap localhost:9092 --plots plots"
)]
pub(super) struct BenchArgs {
    /// Smaller sizes: under three minutes without a broker. What is smaller than its budget says so in its detail.
    #[arg(long)]
    quick: bool,
    /// About so many of everything, one round: to see that it works, not how fast.
    #[arg(long, value_name = "N", conflicts_with = "quick")]
    size: Option<u64>,
    /// Only these, separated by commas; all if not given.
    #[arg(long, value_name = "BUDGET", value_delimiter = ',', value_enum, ignore_case = true)]
    only: Vec<BudgetArg>,
    /// The same seed makes the same scans.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// A broker for trying out, as host:port.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// benches/peers of a checkout, for B7 and the peer of B11.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Writes plots into this directory, as SVG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// How the lines are written.
    #[arg(long, value_enum, default_value_t = Written::Text)]
    format: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Written {
    /// A table.
    Text,
    /// One JSON array.
    Json,
    /// One JSON object per line, as soon as it is measured.
    Ndjson,
}

/// A budget as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BudgetArg(Budget);

impl ValueEnum for BudgetArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [BudgetArg; Budget::ALL.len()] = {
            let mut all = [BudgetArg(Budget::B1); Budget::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = BudgetArg(Budget::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()).help(self.0.what()))
    }
}

pub(super) fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let only =
        if args.only.is_empty() { Budget::ALL.to_vec() } else { args.only.iter().map(|b| b.0).collect() };
    let sizes = match args.size {
        Some(size) => Sizes::tiny(size),
        None if args.quick => Sizes::QUICK,
        None => Sizes::FULL,
    };
    // The directory first: nobody wants to measure for hours and then not have the plots.
    if let Some(dir) = &args.plots {
        std::fs::create_dir_all(dir).map_err(|error| cannot_write(dir, &error))?;
    }
    if cfg!(debug_assertions) {
        tell("this is no release build: its figures mean nothing");
    }
    let options = Options {
        only,
        sizes,
        seed: args.seed,
        bootstrap: args.bootstrap.clone(),
        peers: args.peers.clone(),
    };
    let mut telling =
        Telling { out: Out::stdout(), is_streamed: args.format == Written::Ndjson, failure: None };
    let (mut lines, plots) = measure(&options, &mut telling).map_err(|error| log_failure(&error))?;
    let Telling { mut out, failure, .. } = telling;
    failure.map_or(Ok(()), Err)?;
    // In the order in which people name them.
    lines.sort_by_key(|line| {
        line.budget.strip_prefix('B').and_then(|n| n.parse::<u32>().ok()).unwrap_or(u32::MAX)
    });
    match args.format {
        Written::Ndjson => {}
        Written::Json => out.json(&lines)?,
        Written::Text => out.bytes(table(&lines).as_bytes())?,
    }
    out.flush()?;
    for plot in &plots {
        write_plot(args, plot)?;
    }
    let is_missed = lines.iter().any(|line| line.pass == Some(false));
    Ok(if is_missed { Exit::Findings } else { Exit::Ok })
}

/// Tells what is being measured, and streams the lines if wanted.
struct Telling {
    out: Out,
    is_streamed: bool,
    failure: Option<Failure>,
}

impl Audience for Telling {
    fn begins(&mut self, budget: Budget) {
        tell(&format!("{}: {}", budget.name(), budget.what()));
    }

    fn line(&mut self, line: &Line) {
        if self.is_streamed && self.failure.is_none() {
            self.failure = self.out.json(line).and_then(|()| self.out.flush()).err();
        }
    }
}

/// The lines in columns, as Markdown.
fn table(lines: &[Line]) -> String {
    let mut rows = vec![["budget", "what", "measured", "bar", ""].map(str::to_owned)];
    for line in lines {
        let with_unit = |figure: f64| match line.unit {
            "x" => format!("{figure} ×"),
            unit => format!("{figure} {unit}"),
        };
        let than = if line.better == Better::Higher { "≥" } else { "≤" };
        let (measured, verdict) = match (&line.missing, line.measured) {
            (None, Some(figure)) if line.pass == Some(true) => (with_unit(figure), "held".to_owned()),
            (None, Some(figure)) => (with_unit(figure), "missed".to_owned()),
            (missing, _) => ("–".to_owned(), format!("needs {}", missing.as_deref().unwrap_or("more"))),
        };
        let bar = format!("{than} {}", with_unit(line.bar));
        rows.push([line.budget.to_owned(), line.case.to_owned(), measured, bar, verdict]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        if number == 0 {
            let dashes = widths.iter().map(|width| "-".repeat(*width));
            text.push_str(&format!("|-{}-|\n", dashes.collect::<Vec<_>>().join("-|-")));
        }
    }
    text
}

fn write_plot(args: &BenchArgs, plot: &Plot) -> Result<(), Failure> {
    let Some(dir) = &args.plots else { return Ok(()) };
    let path = dir.join(plot.name).with_extension("svg");
    std::fs::write(&path, plot.svg()).map_err(|error| cannot_write(&path, &error))
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, Problem::error("E0003", format!("cannot write {}: {error}", path.display())))
}
