//! `decode`: bytes to canonical scans, or the reason why not. What the service would do with a message, for people.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::output::{Out, tell};
use super::{ConfigArgs, input, instant};
use crate::decode::{Context, Decoder, Part, Profile, Shown};
use crate::edge::clock;
use crate::edge::config::{Config, read_profile};
use crate::edge::problem::{Exit, Failure, Problem};
use crate::model::Timestamp;

/// Turns one message of a feed into canonical scans, one JSON object per line; exit code 1 if anything is rejected.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside decode feed.json\n  \
    echo '{\"carrier\":\"UPS\",\"tracking_id\":\"1Z5R89390357567127\",\"code\":\"D\",\
\"event_time\":\"2026-11-05T09:12:00-06:00\"}' |\n    dockside decode --at 2026-11-05T16:00:00Z -")]
pub(super) struct DecodeArgs {
    /// What the bytes are; `auto` looks at the first of them.
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    format: Form,
    /// Reads it by this feed profile: the name of one, or a file of one (*.toml).
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// The record's time, which event times are judged by; now, if it is not given.
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    at: Option<Timestamp>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The message; `-` is stdin.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Auto,
    Json,
    X12,
    Edifact,
}

impl Form {
    fn content_type(self) -> Option<&'static [u8]> {
        match self {
            Form::Auto => None,
            Form::Json => Some(b"application/json"),
            Form::X12 => Some(b"application/edi-x12"),
            Form::Edifact => Some(b"application/edifact"),
        }
    }
}

pub(super) fn run(args: &DecodeArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let profile = args.profile.as_deref().map(|name| profile(name, &config)).transpose()?;
    let bytes = input::read(&args.file)?;
    let at = args.at.unwrap_or_else(clock::now);
    let context = Context { catalogue: &config.catalogue, fcs: &config.fcs, settings: &config.settings };
    let mut out = Out::stdout();
    let mut exit = Exit::Ok;
    let mut written = Ok(());
    let content_type = args.format.content_type();
    Decoder::new().decode_feed(&context, profile.as_deref(), at, content_type, &bytes, &mut |part| {
        if written.is_err() {
            return;
        }
        if matches!(part, Part::Rejected { .. }) {
            exit = Exit::Findings;
        }
        match Shown::of(&config.catalogue, &part) {
            Shown::Part(line) => written = out.line(&line),
            Shown::Warning(line) => tell(&line),
        }
    });
    written?;
    out.flush()?;
    Ok(exit)
}

/// A profile by its name, or from its file.
fn profile(name: &str, config: &Config) -> Result<Arc<Profile>, Failure> {
    if let Some(profile) = config.profiles.get(name) {
        return Ok(Arc::clone(profile));
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let known: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
        let help = format!("there are {}; a file of your own ends in .toml", known.join(", "));
        let problem = Problem::error("E0113", format!("there is no profile `{name}`")).help(help);
        return Err(Failure::new(Exit::Usage, problem));
    }
    let text = std::fs::read_to_string(path).map_err(|error| input::cannot_read(path, &error))?;
    let read = read_profile(name, &text);
    read.map(Arc::new).map_err(|problems| Failure { exit: Exit::Config, problems })
}
