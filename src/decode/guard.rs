//! A mistake in a reader costs one message, not the dock.
//!
//! Enters: a reader and the message that it reads. Leaves: what it read, or what it panicked with. Always true: only a panic
//! of the reader itself is caught. It is a function of the bytes, so that nothing but its own buffers is in doubt, and the
//! same bytes would end the process again and again. What takes the parts is not guarded: a panic there goes on.
//!
//! No such message is known; fuzzed and damaged ones have found none.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{CommandRecord, Decoder, Part, Rejection, command};
use crate::model::DeadLetterReason;

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a guarded reader: a panic is about the message, and will be caught.
pub fn is_reading() -> bool {
    READING.get()
}

impl Decoder {
    /// Has a reader of this message hand its parts to `sink`. If it panics, the parts so far stand, the whole message is
    /// rejected as `READER_FAILED`, and this decoder begins anew.
    pub fn guarded(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Part<'_>),
        read: impl FnOnce(&mut Decoder, &mut dyn FnMut(Part<'_>)),
    ) {
        let outcome = caught(|| read(self, &mut |part| unguarded(|| sink(part))));
        if let Err(panic) = outcome {
            *self = self.anew();
            let reason = DeadLetterReason::ReaderFailed;
            let rejection = Rejection { reason, detail: told(&*panic), position: None };
            sink(Part::Rejected { index: None, rejection, bytes });
        }
    }
}

/// As [`command`]; a reader that panics has read no command.
pub fn guarded_command(bytes: &[u8]) -> Result<CommandRecord, Rejection> {
    caught(|| command(bytes)).unwrap_or_else(|panic| {
        Err(Rejection { reason: DeadLetterReason::BadCommand, detail: told(&*panic), position: None })
    })
}

fn caught<T>(read: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    READING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    let is_the_readers = READING.replace(false);
    outcome.map_err(|panic| if is_the_readers { panic } else { resume_unwind(panic) })
}

fn unguarded<T>(take: impl FnOnce() -> T) -> T {
    READING.set(false);
    let taken = take();
    READING.set(true);
    taken
}

fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason");
    format!(
        "the reader failed at this message, which is a mistake in it: {text}. Please report it with these bytes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message whose reader fails behind so many parts; what came of it, and whether the panic went on.
    fn read(parts: u32, fails: bool, sink_fails_at: Option<u32>) -> (Vec<String>, bool) {
        let mut seen = Vec::new();
        let mut decoder = Decoder::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut at = 0;
            let sink = &mut |part: Part<'_>| {
                assert!(!is_reading(), "what takes parts is not guarded");
                assert_ne!(sink_fails_at, Some(at), "the sink fails");
                at += 1;
                seen.push(match part {
                    Part::Warned { position, .. } => format!("part {position}"),
                    Part::Rejected { index: None, rejection, bytes } => {
                        assert!(rejection.detail.contains("out of order"), "{}", rejection.detail);
                        format!("{} {}", rejection.reason.code(), bytes.len())
                    }
                    other => panic!("{other:?}"),
                });
            };
            decoder.guarded(b"12345", sink, |_, sink| {
                assert!(is_reading(), "a reader is guarded");
                (0..parts).for_each(|at| sink(Part::Warned { detail: String::new(), position: at as usize }));
                assert!(!fails, "out of order");
            });
        }));
        assert!(!is_reading(), "nothing is read any more");
        let mut elements = 0;
        decoder.read_raw(None, b"[{}, {}]", &mut |_| elements += 1);
        assert_eq!(elements, 2, "it reads on");
        (seen, outcome.is_err())
    }

    #[test]
    fn a_reader_that_fails_costs_its_message() {
        for (parts, fails, sink_fails_at, seen, goes_on) in [
            (0, false, None, "", false),
            (0, true, None, "READER_FAILED 5", false),
            (2, true, None, "part 0, part 1, READER_FAILED 5", false),
            (2, false, Some(1), "part 0", true),
            (1, true, Some(0), "", true),
        ] {
            let found = read(parts, fails, sink_fails_at);
            assert_eq!(
                (found.0.join(", ").as_str(), found.1),
                (seen, goes_on),
                "{parts} {fails} {sink_fails_at:?}"
            );
        }
    }
}
