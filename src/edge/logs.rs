//! The program's log: lines for whoever looks for a fault, on stderr.
//!
//! Enters: `DOCKSIDE_LOG`, for example `kafka=debug`; `warn` if it is not set. Leaves: lines. Always true: every line
//! goes through [`hidden`], whoever wrote it; nobody waits for who reads them. Of a reader that does not read, lines are lost
//! once so many wait.

use std::io::{self, IsTerminal, Write};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::secret::hidden;

/// The variable that says what is logged.
pub const VARIABLE: &str = "DOCKSIDE_LOG";

/// So many lines wait to be written.
const LINES_MAX: usize = 10_000;

/// Starts the log, or says why its filter makes no sense. What it gives back writes what still waits when it goes, if somebody
/// reads it.
pub fn start(filter: Option<&str>) -> Result<WorkerGuard, String> {
    let filter = EnvFilter::try_new(filter.unwrap_or("warn")).map_err(|error| error.to_string())?;
    let (lines, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(Guarded);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    // A second start, as in tests, leaves the first log in place.
    let _ = log.with_ansi(io::stderr().is_terminal()).try_init();
    Ok(guard)
}

/// stderr, without secrets.
struct Guarded;

impl Write for Guarded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        // A closed stderr leaves nobody to tell, and must not end anything: told of it, the log itself would panic.
        let _ = io::stderr().write_all(hidden(&text).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
