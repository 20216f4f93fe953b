//! The client's words, without their repetitions: while brokers are away it says the same thousands of times.
//!
//! Enters: a line, and what time it is. Leaves: whether it is written, and how often it was held back since it last was.
//! Always true: a line that was not heard for [`EVERY_US`] is written; of equal ones, one in that time; what is remembered is
//! bounded, and what is forgotten is written sooner.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Between two equal lines.
const EVERY_US: u64 = 10_000_000;
/// So many different lines are remembered.
const LINES_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct Valve {
    lines: BTreeMap<String, Written>,
}

#[derive(Debug)]
struct Written {
    at_us: u64,
    held_back: u64,
}

impl Valve {
    pub(super) const fn new() -> Valve {
        Valve { lines: BTreeMap::new() }
    }

    /// How often the line was held back since it was written, if it is to be written now.
    pub(super) fn admit(&mut self, line: &str, now_us: u64) -> Option<u64> {
        let line = without_spans(line);
        if let Some(written) = self.lines.get_mut(&*line) {
            if now_us.saturating_sub(written.at_us) < EVERY_US {
                written.held_back += 1;
                return None;
            }
            written.at_us = now_us;
            return Some(std::mem::take(&mut written.held_back));
        }
        if self.lines.len() == LINES_MAX {
            let oldest = self.lines.iter().min_by_key(|(_, written)| written.at_us);
            let oldest = oldest.map(|(line, _)| line.clone()).expect("it is full");
            self.lines.remove(&oldest);
        }
        self.lines.insert(line.into_owned(), Written { at_us: now_us, held_back: 0 });
        Some(0)
    }
}

/// The line without its spans of time, `after 12ms in state CONNECT`, which differ each time.
fn without_spans(line: &str) -> Cow<'_, str> {
    let Some((before, after)) = line.split_once("(after ") else { return Cow::Borrowed(line) };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    Cow::Owned(format!("{before}(after {after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_are_written_every_ten_seconds() {
        let mut valve = Valve::new();
        for (second, line, admitted) in [
            (0, "1/1 brokers are down", Some(0)),
            (0, "0/1 brokers are down", Some(0)),
            (1, "1/1 brokers are down", None),
            (9, "1/1 brokers are down", None),
            (10, "1/1 brokers are down", Some(2)),
            (11, "1/1 brokers are down", None),
            (11, "broker 1: Connect failed (after 3ms in state CONNECT)", Some(0)),
            (12, "broker 1: Connect failed (after 17ms in state CONNECT)", None),
            (12, "broker 2: Connect failed (after 17ms in state CONNECT)", Some(0)),
            (60, "1/1 brokers are down", Some(1)),
            (90, "1/1 brokers are down", Some(0)),
        ] {
            assert_eq!(valve.admit(line, second * 1_000_000), admitted, "{line} at {second} s");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut valve = Valve::new();
        for number in 0..10 * LINES_MAX {
            assert_eq!(valve.admit(&format!("line {number}"), number as u64), Some(0));
            assert!(valve.lines.len() <= LINES_MAX);
        }
        let last = format!("line {}", 10 * LINES_MAX - 1);
        assert_eq!(valve.admit(&last, 10 * LINES_MAX as u64), None, "the newest is remembered");
    }
}
