//! `probe`: asks the service of this machine how it is, for health checks where no HTTP client is at hand.

use clap::{Args, ValueEnum};

use super::ConfigArgs;
use super::output::Out;
use crate::edge::http::ask_here;
use crate::edge::problem::{Exit, Failure, Problem};

/// Asks the service on this machine how it is; exit code 0 if well, 1 if not, 4 without an answer.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dockside probe -c dockside.toml")]
pub(super) struct ProbeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to ask.
    #[arg(value_enum, default_value_t = Question::Ready)]
    question: Question,
}

/// The probes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Question {
    /// May it be updated past: is its state restored, and does its log answer?
    Ready,
    /// Is it alive: should it be left to run?
    Live,
    /// Has it begun?
    Started,
}

pub(super) fn run(args: &ProbeArgs) -> Result<Exit, Failure> {
    let config = args.config.load_telling()?;
    let Some(listen) = config.http.listen else {
        let problem = Problem::error("E0105", "`http.listen` is empty: the service answers nowhere");
        return Err(Failure::new(Exit::Config, problem.help("set it to an address and a port")));
    };
    let path = match args.question {
        Question::Ready => "/readyz",
        Question::Live => "/livez",
        Question::Started => "/startupz",
    };
    let (status, body) = ask_here(listen, path).map_err(|why| {
        let problem = Problem::error("E0204", format!("nobody answers on {listen}: {why}"));
        Failure::new(Exit::Connect, problem.help("is `dockside run` running, with the same `http.listen`?"))
    })?;
    let mut out = Out::stdout();
    out.line(&body)?;
    out.flush()?;
    Ok(if status == 200 { Exit::Ok } else { Exit::Findings })
}
