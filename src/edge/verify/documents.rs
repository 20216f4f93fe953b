//! The documents, held against those of the expected world, key by key.
//!
//! Enters: the latest documents, found and expected. Leaves: findings: what is missing, what is too much, and where a document
//! says something else. Always true: what depends on batches and partitions is left out, as in the digest.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::report::Check;
use crate::engine::digest::{self, Latest, comparable};

/// The digest of what was found. A document that is no JSON counts as text, and is told elsewhere.
pub fn digest_of(latest: &Latest) -> String {
    digest::digest(latest.bytes().map(|(topic, key, bytes)| (topic, key, parsed(bytes))))
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes)))
}

/// Compares all documents.
pub fn compare(found: &Latest, expected: &Latest, check: &mut Check) {
    check.count("expected", expected.len() as u64);
    check.count("found", found.len() as u64);
    let (mut found, mut expected) = (found.bytes().peekable(), expected.bytes().peekable());
    loop {
        let order = match (expected.peek(), found.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(want), Some(have)) => (want.0, want.1).cmp(&(have.0, have.1)),
        };
        let want = if order.is_le() { expected.next() } else { None };
        let have = if order.is_ge() { found.next() } else { None };
        match (want, have) {
            (Some((topic, key, _)), None) => check.find(|| format!("{topic}: {key} is missing")),
            (None, Some((topic, key, _))) => check.find(|| format!("{topic}: {key} is not expected")),
            (Some((topic, key, want)), Some((_, _, have))) => {
                let (want, have) = (comparable(&parsed(want)), comparable(&parsed(have)));
                if let Some((path, want, have)) = difference(&want, &have) {
                    check.find(|| {
                        format!(
                            "{topic}: {key}: {}: {want} expected, {have} found",
                            path.trim_start_matches('.')
                        )
                    });
                }
            }
            (None, None) => unreachable!("the smaller of two keys is taken"),
        }
    }
}

/// The first place where two values differ, and what is there.
fn difference<'a>(want: &'a Value, have: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    static NOTHING: Value = Value::Null;
    let within = |step: String, found: Option<(String, &'a Value, &'a Value)>| {
        found.map(|(path, want, have)| (format!("{step}{path}"), want, have))
    };
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let names: BTreeSet<&String> = want.keys().chain(have.keys()).collect();
            names.into_iter().find_map(|name| {
                let (want, have) = (want.get(name).unwrap_or(&NOTHING), have.get(name).unwrap_or(&NOTHING));
                within(format!(".{name}"), difference(want, have))
            })
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => want
            .iter()
            .zip(have)
            .enumerate()
            .find_map(|(at, (want, have))| within(format!("[{at}]"), difference(want, have))),
        (want, have) if want == have => None,
        (want, have) => Some((String::new(), want, have)),
    }
}
