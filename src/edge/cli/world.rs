//! The arguments that make a seeded world, shared by `demo`, `generate` and `verify`.

use clap::{Args, ValueEnum};

use crate::workload::{Activity, Keying, Stories, Weather, WorldConfig};

/// What the world is like.
#[derive(Debug, Args)]
#[command(next_help_heading = "World")]
pub(super) struct WorldArgs {
    /// How many scans, all kinds together.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) scans: u64,
    /// The same seed makes the same events.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,
    /// How much of the traffic changes something: about 40 % (real) or 10 % (hot).
    #[arg(long, value_enum, default_value_t = ActivityArg::Real)]
    activity: ActivityArg,
    /// Short for --activity hot.
    #[arg(long, conflicts_with = "activity")]
    hot: bool,
    /// About so many parcels that nothing happens to, all registered before the first scan, scanned in order.
    #[arg(long, value_name = "BOXES", value_parser = clap::value_parser!(u64).range(1..))]
    plain: Option<u64>,
    /// Commands and scans by timestamp, instead of in phases.
    #[arg(long)]
    stormy: bool,
    /// Records without keys, scattered over the partitions.
    #[arg(long)]
    unkeyed: bool,
    /// Scans per message.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ActivityArg {
    Real,
    Hot,
}

impl WorldArgs {
    /// The world's configuration over so many partitions.
    pub(super) fn config(&self, partitions: u32) -> WorldConfig {
        let is_hot = self.hot || self.activity == ActivityArg::Hot;
        WorldConfig {
            activity: if is_hot { Activity::Hot } else { Activity::Real },
            stories: self.plain.map_or(Stories::All, |boxes| Stories::Plain { boxes }),
            weather: if self.stormy { Weather::Stormy } else { Weather::Calm },
            keying: if self.unkeyed { Keying::Unkeyed } else { Keying::Keyed },
            batch: self.batch,
            partitions,
            ..WorldConfig::new(self.seed, self.scans)
        }
    }
}
