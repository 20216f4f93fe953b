//! Messages as replay lines (§10): one JSON object per record.
//!
//! Always true: the bytes come back exactly. An object is embedded as it is; other text as a string; bytes that are
//! no UTF-8 as `{"base64":"…"}`.

use std::io::Write;

use base64::Engine;

use super::{CommandIntent, Meaning, Message, ScanIntent};
use crate::model::Timestamp;

/// Appends a message's replay line, with its line end.
pub fn write_replay_line(message: &Message<'_>, out: &mut Vec<u8>) {
    write!(out, r#"{{"topic":"{}","timestamp":"{}","key":"#, message.topic.name(), message.timestamp)
        .expect("memory");
    match message.key {
        None => out.extend_from_slice(b"null"),
        Some(key) => write_bytes(key, out),
    }
    out.extend_from_slice(br#","value":"#);
    if is_whole_object(message) {
        out.extend_from_slice(message.value);
    } else {
        write_bytes(message.value, out);
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the replay line of a tick, with its line end.
pub fn write_tick_line(tick: Timestamp, out: &mut Vec<u8>) {
    writeln!(out, r#"{{"topic":"ticks","timestamp":"{tick}"}}"#).expect("memory");
}

/// Whether the value is known to be one good JSON object.
fn is_whole_object(message: &Message<'_>) -> bool {
    let readable = match message.meaning {
        Meaning::Scans(intents) => intents.iter().all(|intent| !matches!(intent, ScanIntent::Bad(_))),
        Meaning::Command(intent) => !matches!(intent, CommandIntent::Bad(_)),
    };
    readable && message.value.first() == Some(&b'{')
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::to_writer(out, text).expect("text is JSON"),
        Err(_) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            write!(out, r#"{{"base64":"{text}"}}"#).expect("memory");
        }
    }
}
