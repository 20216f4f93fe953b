//! Replay lines (§10): one record of an input per line, as JSON.
//!
//! Enters: `{"topic":"commands"|"scans"|"ticks","timestamp":"…","key":null,"value":{…}}`. Leaves: a [`Line`], or why
//! it is none. Always true: an object or array keeps the very bytes it was written with; a string is the text it
//! means; `{"base64":"…"}` alone is bytes.

use base64::Engine;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{Timestamp, Topic};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A record of `commands` or `scans`.
    Record {
        /// Which of the two.
        topic: Topic,
        /// The record's time.
        timestamp: Timestamp,
        /// Its key.
        key: Option<Vec<u8>>,
        /// Its value.
        value: Option<Vec<u8>>,
    },
    /// Stream time without a record.
    Tick(Timestamp),
}

#[derive(Deserialize)]
struct RawLine<'a> {
    topic: String,
    timestamp: Timestamp,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes {
    base64: String,
}

impl Line {
    /// Reads a line, without its line end.
    pub fn parse(line: &[u8]) -> Result<Line, String> {
        let raw: RawLine<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let topic = match raw.topic.as_str() {
            "ticks" => return Ok(Line::Tick(raw.timestamp)),
            "scans" => Topic::Scans,
            "commands" => Topic::Commands,
            other => return Err(format!("unknown topic \"{other}\": expected commands, scans or ticks")),
        };
        let (key, value) = (bytes("key", raw.key)?, bytes("value", raw.value)?);
        Ok(Line::Record { topic, timestamp: raw.timestamp, key, value })
    }
}

fn bytes(field: &str, raw: Option<&RawValue>) -> Result<Option<Vec<u8>>, String> {
    let Some(raw) = raw.map(RawValue::get) else { return Ok(None) };
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|error| format!("{field}: {error}"))?;
            Ok(Some(text.into_bytes()))
        }
        Some(b'n') => Ok(None),
        Some(b'{') if let Ok(Bytes { base64 }) = serde_json::from_str(raw) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(base64);
            decoded.map(Some).map_err(|error| format!("{field}: not base64: {error}"))
        }
        _ => Ok(Some(raw.as_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_records_and_ticks() {
        let at = Timestamp::parse("2026-11-05T16:00:00Z").expect("a time");
        let record = |topic, key: Option<&[u8]>, value: Option<&[u8]>| Line::Record {
            topic,
            timestamp: at,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
        };
        for (fields, want) in [
            (r#""topic":"ticks""#, Line::Tick(at)),
            (
                r#""topic":"scans","key":null,"value":{ "a": 1.0 }"#,
                record(Topic::Scans, None, Some(b"{ \"a\": 1.0 }")),
            ),
            (r#""topic":"scans","value":[1, 2]"#, record(Topic::Scans, None, Some(b"[1, 2]"))),
            (
                r#""topic":"commands","key":"K","value":"x\ny""#,
                record(Topic::Commands, Some(b"K"), Some(b"x\ny")),
            ),
            (r#""topic":"scans","value":{"base64":"//4="}"#, record(Topic::Scans, None, Some(b"\xff\xfe"))),
            (r#""topic":"scans","value":null"#, record(Topic::Scans, None, None)),
            (r#""topic":"scans""#, record(Topic::Scans, None, None)),
        ] {
            let line = format!("{{{fields},\"timestamp\":\"2026-11-05T16:00:00Z\"}}");
            assert_eq!(Line::parse(line.as_bytes()), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_is_told() {
        for (line, word) in [
            ("", "EOF"),
            ("5", "invalid type"),
            (r#"{"topic":"scan","timestamp":"2026-11-05T16:00:00Z"}"#, "expected commands, scans or ticks"),
            (r#"{"topic":"scans"}"#, "timestamp"),
            (r#"{"topic":"scans","timestamp":"now"}"#, "RFC 3339"),
            (r#"{"topic":"scans","timestamp":"2026-11-05T16:00:00Z","value":{"base64":"?"}}"#, "not base64"),
        ] {
            let error = Line::parse(line.as_bytes()).expect_err(line);
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
