//! What leaves: data to stdout, talk to stderr. This module alone writes to stdout.
//!
//! Always true: a reader that closes stdout (`| head`) ends the command in silence; colours and progress appear only
//! on a terminal, and never with `NO_COLOR`.

use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use crate::edge::problem::{Exit, Failure, Problem};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for a person.
    Text,
    /// One JSON array.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// RFC 4180, with a header line.
    Csv,
}

impl Format {
    /// The format that was asked for, else what suits the reader of stdout.
    pub(crate) fn or_default(asked: Option<Format>) -> Format {
        let natural = if std::io::stdout().is_terminal() { Format::Text } else { Format::Ndjson };
        asked.unwrap_or(natural)
    }
}

/// How one document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Summary {
    /// Lines for a person.
    Text,
    /// One JSON object.
    Json,
}

/// The handle of stdout.
#[derive(Debug)]
pub(crate) struct Out(BufWriter<StdoutLock<'static>>);

impl Out {
    /// Takes stdout for the rest of the command.
    pub(crate) fn stdout() -> Out {
        Out(BufWriter::with_capacity(1 << 16, std::io::stdout().lock()))
    }

    /// Writes bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).map_err(|e| cannot_write(&e))
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, value).map_err(|e| cannot_write(&e.into()))?;
        self.bytes(b"\n")
    }

    /// Hands over what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|e| cannot_write(&e))
    }
}

fn cannot_write(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure { exit: Exit::Ok, problems: Vec::new() };
    }
    Failure::new(Exit::Connect, Problem::error("E0003", format!("cannot write to stdout: {error}")))
}

/// A column of a table: its name, and its width as text.
pub(crate) type Column = (&'static str, usize);

/// Rows in any format, one at a time.
#[derive(Debug)]
pub(crate) struct Rows {
    out: Out,
    format: Format,
    columns: &'static [Column],
    count: usize,
}

impl Rows {
    /// Starts a table.
    pub(crate) fn start(out: Out, format: Format, columns: &'static [Column]) -> Result<Rows, Failure> {
        let mut rows = Rows { out, format, columns, count: 0 };
        match format {
            Format::Text => {
                let names: Vec<Value> =
                    columns.iter().map(|(name, _)| Value::from(name.to_uppercase())).collect();
                rows.text(&names)?;
            }
            Format::Csv => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                rows.out.line(&names.join(","))?;
            }
            Format::Json => rows.out.bytes(b"[")?,
            Format::Ndjson => {}
        }
        Ok(rows)
    }

    /// Writes a row: one value per column.
    pub(crate) fn row(&mut self, values: &[Value]) -> Result<(), Failure> {
        assert_eq!(values.len(), self.columns.len(), "one value per column");
        match self.format {
            Format::Text => self.text(values)?,
            Format::Csv => {
                let cells: Vec<String> = values.iter().map(|value| csv_cell(&cell(value, "", ";"))).collect();
                self.out.line(&cells.join(","))?;
            }
            Format::Json | Format::Ndjson => {
                let mut line = String::new();
                if self.format == Format::Json {
                    line.push_str(if self.count == 0 { "\n" } else { ",\n" });
                }
                for (i, ((name, _), value)) in self.columns.iter().zip(values).enumerate() {
                    line.push(if i == 0 { '{' } else { ',' });
                    line.push_str(&format!("\"{name}\":{value}"));
                }
                line.push('}');
                if self.format == Format::Ndjson {
                    line.push('\n');
                }
                self.out.bytes(line.as_bytes())?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Hands over what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }

    /// Ends the table.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if self.format == Format::Json {
            self.out.bytes(if self.count == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }

    fn text(&mut self, values: &[Value]) -> Result<(), Failure> {
        let mut line = String::new();
        for ((_, width), value) in self.columns.iter().zip(values) {
            let text = cell(value, "-", ", ");
            line.push_str(&text);
            let blanks = width.saturating_sub(text.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        self.out.line(line.trim_end())
    }
}

/// A value as text: lists are joined, control characters are shown and not obeyed.
fn cell(value: &Value, nothing: &str, between: &str) -> String {
    match value {
        Value::Null => nothing.to_owned(),
        Value::String(text) => {
            text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
        }
        Value::Array(values) if values.is_empty() => nothing.to_owned(),
        Value::Array(values) => {
            values.iter().map(|value| cell(value, nothing, between)).collect::<Vec<_>>().join(between)
        }
        other => other.to_string(),
    }
}

/// A cell of RFC 4180. What a spreadsheet would take for a formula is quoted as text for it.
fn csv_cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) {
        return csv_cell(&format!("'{text}"));
    }
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Whether talk may have colours: a terminal, and no `NO_COLOR`.
pub(crate) fn colours() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && std::io::stderr().is_terminal()
}

/// Tells a person something, on stderr.
pub(crate) fn tell(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Tells a problem, on stderr.
pub(crate) fn tell_problem(problem: &Problem) {
    tell(problem.render(colours()).trim_end_matches('\n'));
}

/// A line that shows how far it is, on a terminal only.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Counts scans up to a total.
    pub(crate) fn start(total: u64, is_shown: bool) -> Progress {
        let style = "{bar:30} {human_pos} of {human_len} scans  {per_sec}  {elapsed}";
        Progress::styled(ProgressBar::with_draw_target(Some(total), target(is_shown)), style)
    }

    /// Counts scans without an end.
    pub(crate) fn service() -> Progress {
        let style = "{spinner} {human_pos} scans  {per_sec}  {elapsed}";
        Progress::styled(ProgressBar::with_draw_target(None, target(true)), style)
    }

    fn styled(bar: ProgressBar, style: &str) -> Progress {
        bar.set_style(ProgressStyle::with_template(style).expect("the template is tested by every run"));
        Progress { bar }
    }

    /// Shows how many there are.
    pub(crate) fn show(&self, count: u64) {
        self.bar.set_position(count);
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Hidden unless stderr is a terminal.
fn target(is_shown: bool) -> ProgressDrawTarget {
    if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_safe_to_show() {
        for (value, text, csv) in [
            (Value::Null, "-", "'-"),
            (Value::from("1Z"), "1Z", "1Z"),
            (Value::from("=1+1"), "=1+1", "'=1+1"),
            (Value::from("@a,b"), "@a,b", "\"'@a,b\""),
            (Value::from("a=b"), "a=b", "a=b"),
            (Value::from("a\u{1b}[31m"), "a\u{fffd}[31m", "a\u{fffd}[31m"),
            (Value::from(vec!["UPS", "DHL"]), "UPS, DHL", "\"UPS, DHL\""),
            (Value::from("a,\"b\""), "a,\"b\"", "\"a,\"\"b\"\"\""),
            (Value::from(true), "true", "true"),
        ] {
            assert_eq!(cell(&value, "-", ", "), text);
            assert_eq!(csv_cell(&cell(&value, "-", ", ")), csv);
        }
    }
}
