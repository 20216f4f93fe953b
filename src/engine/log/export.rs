//! Committed outputs of a [`Local`] log as text files: `out/<topic>.ndjson`.
//!
//! Enters: what epochs wrote to the output topics. Leaves: one line per record, in the order of the commits (within one,
//! partition by partition), in the form that `replay` prints. Always true: line `n` of a file is record `n` of
//! its topic, once, whenever the process
//! ended: the number of whole lines is how far it got, so nothing else has to be remembered.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::model::{Partition, Topic};

use super::frame::Records;
use super::store::{Medium, RunAt, Store};
use super::wal::failed;
use super::{Broker, Headers, Local, LogError, Record};

/// Lines are handed to the file in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;

/// The line of an output record, without its end.
///
/// A value is JSON already and is shown as it is; that of a dead letter is whatever came in, shown as a string, or as
/// `{"base64": …}` when it is no text; a dead letter shows its headers too. No value is `null`.
pub fn render(topic: Topic, key: Option<&[u8]>, value: Option<&[u8]>, headers: Headers<'_>) -> String {
    let mut line = String::with_capacity(value.map_or(0, <[u8]>::len) + 96);
    let key = key.map_or(Value::Null, text);
    line.push_str(&format!(r#"{{"topic":"{}","key":{key},"value":"#, topic.name()));
    match value {
        None => line.push_str("null"),
        Some(value) if topic == Topic::DeadLetters => line.push_str(&text(value).to_string()),
        Some(value) => {
            // An end of line inside JSON is white space: it must not end this line.
            let json = String::from_utf8_lossy(value);
            if json.contains(['\n', '\r']) {
                line.push_str(&json.replace(['\n', '\r'], " "));
            } else {
                line.push_str(&json);
            }
        }
    }
    if topic == Topic::DeadLetters {
        let mut separator = r#","headers":{"#;
        for (name, value) in headers {
            let value = json!(String::from_utf8_lossy(value));
            line.push_str(&format!("{separator}{}:{value}", json!(name)));
            separator = ",";
        }
        line.push_str(if headers.is_empty() { r#","headers":{}"# } else { "}" });
    }
    line.push('}');
    line
}

/// Bytes that somebody else wrote, as JSON.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// Keeps the files of a directory up to date with a log.
#[derive(Debug)]
pub struct Export {
    log: Local,
    files: Vec<OutFile>,
}

/// The file of one topic.
#[derive(Debug)]
struct OutFile {
    path: PathBuf,
    file: File,
    cursor: Cursor,
}

/// How far the records of a topic were taken, over all partitions.
#[derive(Debug)]
struct Cursor {
    topic: Topic,
    /// The next offset of each partition.
    next: Vec<u64>,
}

impl Export {
    /// Opens or creates the files in `dir` and finds out how far they are. Lines that the log does not know are refused:
    /// the files belong to another log, or the log lost its end in a power cut.
    pub fn open(log: &Local, dir: &Path) -> Result<Export, LogError> {
        fs::create_dir_all(dir).map_err(failed(dir, "creating"))?;
        let mut files = Vec::new();
        for topic in Topic::OUTPUTS {
            let path = dir.join(format!("{}.ndjson", topic.name()));
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = open.map_err(failed(&path, "opening"))?;
            let lines = cut_to_whole_lines(&mut file).map_err(failed(&path, "reading"))?;
            let mut cursor = Cursor { topic, next: vec![0; log.partitions() as usize] };
            let known = cursor.skip(log, lines);
            if known < lines {
                return Err(LogError {
                    what: format!("continuing {}", path.display()),
                    why: format!(
                        "it has {lines} lines, and the log has {known} records: if the file belongs to this log, move it away, and it is written anew"
                    ),
                    refused: true,
                });
            }
            files.push(OutFile { path, file, cursor });
        }
        Ok(Export { log: log.clone(), files })
    }

    /// Writes what was committed since; returns how many lines. After an error it must be opened anew.
    pub fn catch_up(&mut self) -> Result<u64, LogError> {
        let mut lines = 0;
        let mut piece = Vec::with_capacity(PIECE_BYTES * 2);
        for OutFile { path, file, cursor } in &mut self.files {
            let path: &Path = path;
            let topic = cursor.topic;
            cursor.take(&self.log, &mut |record, headers| {
                piece.extend_from_slice(render(topic, record.key, record.value, headers).as_bytes());
                piece.push(b'\n');
                lines += 1;
                if piece.len() >= PIECE_BYTES {
                    file.write_all(&piece).map_err(failed(path, "writing"))?;
                    piece.clear();
                }
                Ok(())
            })?;
            file.write_all(&piece).map_err(failed(path, "writing"))?;
            piece.clear();
        }
        Ok(lines)
    }
}

/// Cuts off a last line without end, goes to the end, and returns the number of lines.
fn cut_to_whole_lines(file: &mut File) -> std::io::Result<u64> {
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut lines, mut at, mut end) = (0, 0, 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        for newline in memchr::memchr_iter(b'\n', &buffer[..read]) {
            lines += 1;
            end = at + newline as u64 + 1;
        }
        at += read as u64;
    }
    if end < at {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(end))?;
    Ok(lines)
}

impl Cursor {
    /// The runs that were not taken yet, in the order of the commits, and the ends of the partitions.
    fn runs<M: Medium>(&self, log: &Store<M>) -> Vec<(RunAt, usize)> {
        let state = log.shared().state();
        let mut runs = Vec::new();
        for (index, partition) in (0..log.partitions()).map(Partition).enumerate() {
            let new = state.shelf(self.topic, partition).runs_from(self.next[index]);
            runs.extend(new.iter().map(|run| (*run, index)));
        }
        runs.sort_unstable_by_key(|(run, _)| run.place);
        runs
    }

    /// Passes over `records`; returns how many there were, at most so many.
    fn skip<M: Medium>(&mut self, log: &Store<M>, records: u64) -> u64 {
        let mut left = records;
        for (run, index) in self.runs(log) {
            let passed = left.min(u64::from(run.count));
            self.next[index] = run.base + passed;
            left -= passed;
            if left == 0 {
                break;
            }
        }
        records - left
    }

    /// Hands on everything new.
    fn take<M: Medium>(
        &mut self,
        log: &Store<M>,
        sink: &mut dyn FnMut(Record<'_>, Headers<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut buffer = Vec::new();
        for (run, index) in self.runs(log) {
            log.shared().load(&run, &mut buffer)?;
            let mut records = Records::new(&buffer, 0, run.base);
            while let Some((record, headers)) = records.next() {
                if record.offset >= self.next[index] {
                    let headers: Vec<_> = headers.collect();
                    sink(record, &headers)?;
                    self.next[index] = record.offset + 1;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_replay_prints() {
        let headers: &[(&str, &[u8])] = &[("dockside.reason", b"BAD_JSON"), ("dockside.detail", b"\"\xff")];
        for (topic, key, value, headers, want) in [
            (
                Topic::Shipments,
                "S1",
                Some(&b"{\"a\":1}"[..]),
                headers,
                r#"{"topic":"shipments","key":"S1","value":{"a":1}}"#,
            ),
            (
                Topic::ReceivingPlan,
                "ICT2|\"",
                None,
                &[][..],
                r#"{"topic":"receiving-plan","key":"ICT2|\"","value":null}"#,
            ),
            (Topic::Accounts, "A", Some(b"{\r\n}"), &[], r#"{"topic":"accounts","key":"A","value":{  }}"#),
            (
                Topic::DeadLetters,
                "k",
                Some(b"{\"a\n"),
                headers,
                "{\"topic\":\"dead-letters\",\"key\":\"k\",\"value\":\"{\\\"a\\n\",\"headers\":{\"dockside.reason\":\"BAD_JSON\",\"dockside.detail\":\"\\\"\u{fffd}\"}}",
            ),
            (
                Topic::DeadLetters,
                "k",
                Some(b"\xff\x00"),
                &[],
                r#"{"topic":"dead-letters","key":"k","value":{"base64":"/wA="},"headers":{}}"#,
            ),
        ] {
            let line = render(topic, Some(key.as_bytes()), value, headers);
            assert_eq!(line, want);
            serde_json::from_str::<Value>(&line).expect("JSON");
        }
        assert_eq!(
            render(Topic::DeadLetters, None, None, &[]),
            r#"{"topic":"dead-letters","key":null,"value":null,"headers":{}}"#
        );
        assert_eq!(
            render(Topic::Problems, Some(b"\xff"), None, &[]),
            r#"{"topic":"problems","key":{"base64":"/w=="},"value":null}"#
        );
    }
}
