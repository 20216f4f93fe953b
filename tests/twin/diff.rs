//! Two sets of documents side by side: where they first differ.
//!
//! Enters: two maps of documents. Leaves: nothing, or one readable difference: key, path and both values. Always
//! true: what the digest leaves out does not count here either.

use std::fmt;

use dockside::engine::digest::comparable;
use dockside::model::Topic;
use serde_json::{Number, Value};

use super::documents::Documents;

/// The first difference of two sets of documents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) topic: Topic,
    pub(crate) key: String,
    /// A JSON pointer; empty for the whole document.
    pub(crate) path: String,
    pub(crate) left: Option<Value>,
    pub(crate) right: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("(absent)".to_owned(), Value::to_string);
        write!(
            f,
            "{} {} at `{}`:\n  left:  {}\n  right: {}",
            self.topic.name(),
            self.key,
            self.path,
            show(&self.left),
            show(&self.right)
        )
    }
}

/// The first difference, in the order of topics and keys.
pub(crate) fn first_difference(left: &Documents, right: &Documents) -> Option<Difference> {
    let mut keys: Vec<&(Topic, String)> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().find_map(|place| {
        let (left, right) = (left.get(place).map(comparable), right.get(place).map(comparable));
        let (path, left, right) = differing_at(String::new(), left.as_ref(), right.as_ref())?;
        Some(Difference { topic: place.0, key: place.1.clone(), path, left, right })
    })
}

fn differing_at(
    path: String,
    left: Option<&Value>,
    right: Option<&Value>,
) -> Option<(String, Option<Value>, Option<Value>)> {
    if left == right {
        return None;
    }
    match (left, right) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names
                .into_iter()
                .find_map(|name| differing_at(format!("{path}/{name}"), a.get(name), b.get(name)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => (0..a.len().max(b.len()))
            .find_map(|index| differing_at(format!("{path}/{index}"), a.get(index), b.get(index))),
        (Some(Value::Number(a)), Some(Value::Number(b))) if is_one_fraction(a, b) => None,
        _ => Some((path, left.cloned(), right.cloned())),
    }
}

/// A fraction that was written and read back may differ in its last bit.
fn is_one_fraction(a: &Number, b: &Number) -> bool {
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return false };
    a.is_f64() && b.is_f64() && (x - y).abs() <= f64::EPSILON * x.abs()
}
