//! `dockside bench`: the budgets, measured side by side with their peers in one run.
//!
//! Enters: which budgets, in what size, a seed, and perhaps a broker. Leaves: a [`Line`] per bar, and plots. Always true:
//! - what is compared is measured in turn in the same process, and the figure is the median over the rounds;
//! - a budget that cannot be measured here has a line that says what is missing;
//! - what both sides read is checked: a side that missed something ends the run.
//!
//! Timings depend on the machine and on what else it does; ratios less so.

mod decode;
mod engine;
mod growth;
mod kafka;
mod lookup;
mod measure;
mod memory;
mod plot;
mod state;
mod station;

#[path = "../../../benches/parsers/mod.rs"]
mod parsers;
#[path = "../../../benches/simplest/mod.rs"]
mod simplest;
#[path = "../../../benches/tables/mod.rs"]
mod tables;

use serde::Serialize;
use serde_json::{Value, json};

pub use self::plot::Plot;
use crate::engine::log::LogError;
// The peers name the crate through this module.
use crate::{index, model};

/// What is measured. In the order in which it is done: memory first, before anything that was freed hides growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described by `Budget::what`")]
pub enum Budget {
    B4,
    B1,
    B2,
    B3,
    B5,
    Growth,
    Scaling,
    B12,
    B6,
    B0,
    B7,
    B8,
    B9,
    B10,
    B11,
}

impl Budget {
    /// All of them.
    pub const ALL: [Budget; 15] = [
        Budget::B4,
        Budget::B1,
        Budget::B2,
        Budget::B3,
        Budget::B5,
        Budget::Growth,
        Budget::Scaling,
        Budget::B12,
        Budget::B6,
        Budget::B0,
        Budget::B7,
        Budget::B8,
        Budget::B9,
        Budget::B10,
        Budget::B11,
    ];

    /// The name of its lines.
    pub fn name(self) -> &'static str {
        match self {
            Budget::B0 => "B0",
            Budget::B1 => "B1",
            Budget::B2 => "B2",
            Budget::B3 => "B3",
            Budget::B4 => "B4",
            Budget::B5 => "B5",
            Budget::B6 => "B6",
            Budget::B7 => "B7",
            Budget::B8 => "B8",
            Budget::B9 => "B9",
            Budget::B10 => "B10",
            Budget::B11 => "B11",
            Budget::B12 => "B12",
            Budget::Growth => "growth",
            Budget::Scaling => "scaling",
        }
    }

    /// What it is about, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Budget::B0 => {
                "CPU per scan from Kafka to Kafka with records fetched directly, against a client that counts"
            }
            Budget::B1 => "decoding, against simd-json",
            Budget::B2 => "lookups, against DashMap",
            Budget::B3 => "lookups, against what the memory allows",
            Budget::B4 => "memory per box",
            Budget::B5 => "from a scan's bytes to the event of its box, against the obvious program",
            Budget::B6 => "CPU per scan from Kafka to Kafka, against a client that counts",
            Budget::B7 => "scans per CPU second, against Kafka Streams",
            Budget::B8 => "64 scans in a message, against one",
            Budget::B9 => "from a scan to its plan line",
            Budget::B10 => "a restart from the local copy",
            Budget::B11 => "reading the state back from Kafka",
            Budget::B12 => "bytes of state written, CPU of an idle worker",
            Budget::Growth => "scans/s with few boxes, against many",
            Budget::Scaling => "two workers, against one",
        }
    }
}

/// Which side of the bar is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// At least the bar.
    Higher,
    /// At most the bar.
    Lower,
}

/// One bar, and what was measured against it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The budget's name.
    pub budget: &'static str,
    /// Which of its bars.
    pub case: &'static str,
    /// The figure; none: it could not be measured here.
    pub measured: Option<f64>,
    /// What it is held against.
    pub bar: f64,
    /// Which side of the bar is good.
    pub better: Better,
    /// Whether it is on the good side; none: unknown.
    pub pass: Option<bool>,
    /// The unit of figure and bar; `x` is a ratio.
    pub unit: &'static str,
    /// What is missing, if the figure is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// What the figure was made from.
    pub detail: Value,
}

/// A bar of a budget.
#[derive(Clone, Copy, Debug)]
struct Bar {
    budget: Budget,
    case: &'static str,
    better: Better,
    bar: f64,
    unit: &'static str,
}

impl Bar {
    const fn at_least(budget: Budget, case: &'static str, bar: f64, unit: &'static str) -> Bar {
        Bar { budget, case, better: Better::Higher, bar, unit }
    }

    const fn at_most(budget: Budget, case: &'static str, bar: f64, unit: &'static str) -> Bar {
        Bar { budget, case, better: Better::Lower, bar, unit }
    }

    /// The line of a figure.
    fn measured(self, figure: f64, detail: Value) -> Line {
        let good = match self.better {
            Better::Higher => figure >= self.bar,
            Better::Lower => figure <= self.bar,
        };
        Line { measured: Some(measure::rounded(figure)), pass: Some(good), detail, ..self.line() }
    }

    /// The line of a figure that could not be had.
    fn missing(self, what: impl Into<String>) -> Line {
        Line { missing: Some(what.into()), ..self.line() }
    }

    /// A line without the figure that is missing, but with others.
    fn missing_with(self, what: impl Into<String>, detail: Value) -> Line {
        Line { detail, ..self.missing(what) }
    }

    fn line(self) -> Line {
        Line {
            budget: self.budget.name(),
            case: self.case,
            measured: None,
            bar: self.bar,
            better: self.better,
            pass: None,
            unit: self.unit,
            missing: None,
            detail: json!({}),
        }
    }
}

/// What to measure, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which budgets.
    pub only: Vec<Budget>,
    /// How much of everything.
    pub sizes: Sizes,
    /// Everything generated follows from it.
    pub seed: u64,
    /// A broker, as `host:port`.
    pub bootstrap: Option<String>,
    /// `benches/peers` of a checkout.
    pub peers: Option<std::path::PathBuf>,
}

/// How much of everything is measured.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rounds of each comparison; the figure is their median.
    pub rounds: usize,
    /// B1: scans in a pass.
    pub decoded: usize,
    /// B2: entries of a table.
    pub entries: u64,
    /// B3: the same.
    pub entries_of_lines: u64,
    /// B2, B3: queries of a round.
    pub queries: u64,
    /// B4: boxes in the scan station.
    pub numbers: u64,
    /// B4: boxes in the shipment station.
    pub boxes: u64,
    /// B5: boxes that are registered.
    pub station_boxes: u64,
    /// B5, B12: scans of a world.
    pub scans: u64,
    /// Growth: boxes that are registered, from few to many.
    pub growth_boxes: &'static [u64],
    /// Growth: scans of a round.
    pub growth_scans: u64,
    /// Scaling: scans of a world. With few, beginning and ending are most of it.
    pub scaling_scans: u64,
    /// B12: how long an idle worker is watched, in seconds.
    pub idle_s: u64,
    /// B0, B6, B8: scans of a world on Kafka.
    pub kafka_scans: u64,
    /// B0, B6, B8: rounds on Kafka.
    pub kafka_rounds: usize,
    /// B8: scans per message, beside 1 and 64.
    pub batches: &'static [u32],
    /// B9: shipments, each with one scan that changes its plan line.
    pub plan_lines: u64,
    /// B10, B11: boxes in the state.
    pub restored: u64,
    /// The index is also measured at these sizes, for the plot.
    pub index_plot: &'static [u64],
}

impl Sizes {
    /// The sizes of the budgets, as far as the memory allows.
    pub const FULL: Sizes = Sizes {
        rounds: 9,
        decoded: 8_192,
        entries: 50_000_000,
        entries_of_lines: 100_000_000,
        queries: 1 << 21,
        numbers: 100_000_000,
        boxes: 25_000_000,
        station_boxes: 10_000_000,
        scans: 2_000_000,
        growth_boxes: &[1_000_000, 10_000_000, 100_000_000],
        growth_scans: 500_000,
        scaling_scans: 2_000_000,
        idle_s: 20,
        kafka_scans: 1_000_000,
        kafka_rounds: 5,
        batches: &[4, 16, 256],
        plan_lines: 200_000,
        restored: 10_000_000,
        index_plot: &[1_000_000, 10_000_000, 100_000_000],
    };

    /// What takes less than three minutes.
    pub const QUICK: Sizes = Sizes {
        rounds: 5,
        decoded: 8_192,
        entries: 4_000_000,
        entries_of_lines: 10_000_000,
        queries: 1 << 20,
        numbers: 1_000_000,
        boxes: 250_000,
        station_boxes: 1_000_000,
        scans: 200_000,
        growth_boxes: &[100_000, 1_000_000, 4_000_000],
        growth_scans: 100_000,
        scaling_scans: 1_000_000,
        idle_s: 4,
        kafka_scans: 100_000,
        kafka_rounds: 3,
        batches: &[],
        plan_lines: 20_000,
        restored: 200_000,
        index_plot: &[1_000_000],
    };

    /// About `n` of everything: to see that it works, not how fast.
    pub fn tiny(n: u64) -> Sizes {
        let n = n.clamp(1_000, 1_000_000);
        Sizes {
            rounds: 1,
            decoded: usize::try_from(n / 10).expect("64-bit"),
            entries: n,
            entries_of_lines: n,
            queries: n,
            numbers: n,
            boxes: n,
            station_boxes: n,
            scans: n,
            growth_boxes: &[1_000, 10_000],
            growth_scans: n.min(10_000),
            scaling_scans: n,
            idle_s: 1,
            kafka_scans: n,
            kafka_rounds: 1,
            batches: &[],
            plan_lines: n / 10,
            restored: n,
            index_plot: &[],
        }
    }
}

/// Hears of what was measured.
pub trait Audience {
    /// The budget begins.
    fn begins(&mut self, budget: Budget);
    /// A line is there.
    fn line(&mut self, line: &Line);
}

/// Measures; the lines, in order, and the plots that they make.
pub fn run(options: &Options, audience: &mut dyn Audience) -> Result<(Vec<Line>, Vec<Plot>), LogError> {
    let mut lines = Vec::new();
    let mut plots = Vec::new();
    for budget in Budget::ALL.into_iter().filter(|budget| options.only.contains(budget)) {
        audience.begins(budget);
        let measured = match budget {
            Budget::B4 => memory::lines(options),
            Budget::B1 => decode::lines(options),
            Budget::B2 => lookup::against_dashmap(options, &mut plots),
            Budget::B3 => lookup::against_memory(options),
            Budget::B5 => station::lines(options, engine::against_simplest(options, &mut plots)),
            Budget::Growth => growth::lines(options, &mut plots),
            Budget::Scaling => engine::scaling(options, &mut plots)?,
            Budget::B12 => state::lines(options)?,
            Budget::B0 | Budget::B6 | Budget::B7 | Budget::B8 | Budget::B9 | Budget::B10 | Budget::B11 => {
                kafka::lines(budget, options, &mut plots)?
            }
        };
        for line in measured {
            audience.line(&line);
            lines.push(line);
        }
    }
    Ok((lines, plots))
}
