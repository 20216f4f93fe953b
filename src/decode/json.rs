//! The two readers of JSON text: the fast one that says yes or no, and the careful one that says why.
//!
//! Enters: bytes that should be one JSON value. Leaves: what a visitor of [`shape`](super::shape) made of it, or a
//! [`Rejection`]. Always true: the fast reader keeps its buffers, which stay small because larger texts go to the
//! careful one; whatever the fast reader refuses, the careful one decides.

use serde::de::{DeserializeSeed, IgnoredAny};
use simd_json::{Buffers, Deserializer, INPUT_PADDING, Tape, fill_tape_padded};

use super::shape::{Accept, Any};
use super::{LEVELS_MAX, Rejection, outline};
use crate::model::DeadLetterReason;

/// Larger texts are read carefully, so that one of them does not make a worker keep large buffers.
const FAST_BYTES_MAX: usize = 1 << 20;

/// The fast reader: simd-json with buffers that are used again and again.
pub(crate) struct Fast {
    buffers: Buffers,
    /// The text, which simd-json rewrites, and its padding.
    scratch: Vec<u8>,
    /// Empty between two texts.
    tape: Tape<'static>,
}

impl Fast {
    pub(crate) fn new() -> Fast {
        Fast {
            buffers: Buffers::with_max_depth(4096, LEVELS_MAX),
            scratch: Vec::with_capacity(4096),
            tape: Tape(Vec::with_capacity(512)),
        }
    }

    /// Shows the value to `accept`; none when the careful reader must decide. Nothing is shown before all of the text
    /// is known to be good.
    pub(crate) fn read<R>(&mut self, text: &[u8], read: impl FnOnce(Good<'_, '_>) -> R) -> Option<R> {
        if text.len() > FAST_BYTES_MAX {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(text);
        self.scratch.resize(text.len() + INPUT_PADDING, b' ');
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let good = fill_tape_padded(&mut self.scratch, text.len(), &mut self.buffers, &mut tape).is_ok();
        let mut deserializer = Deserializer::from_tape(tape);
        let out = good.then(|| read(Good(&mut deserializer)));
        self.tape = deserializer.into_tape().reset();
        out
    }
}

/// A text that is known to be valid JSON.
pub(crate) struct Good<'s, 'de>(&'s mut Deserializer<'de>);

impl<'de> Good<'_, 'de> {
    /// Shows the value to `accept`.
    pub(crate) fn show<T: Accept<'de>>(self, accept: T) -> T::Out {
        Any(accept).deserialize(self.0).expect("the text is valid, and these visitors accept every shape")
    }
}

/// The careful reader: decides, and says where.
pub(crate) fn careful<'de, T: Accept<'de>>(text: &'de [u8], accept: T) -> Result<T::Out, Rejection> {
    utf8(text)?;
    if let Some(at) = outline::too_deep(text) {
        let detail = format!("more than {LEVELS_MAX} levels of nesting");
        return Err(Rejection { reason: DeadLetterReason::TooDeep, detail, position: Some(at) });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let out = Any(accept).deserialize(&mut deserializer).map_err(|error| bad_json(text, &error))?;
    deserializer.end().map_err(|error| bad_json(text, &error))?;
    Ok(out)
}

/// Whether the text is JSON at all, however deep and whatever its numbers.
pub(crate) fn valid(text: &[u8]) -> Result<(), Rejection> {
    utf8(text)?;
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(()),
        Err(error) => Err(bad_json(text, &error)),
    }
}

fn utf8(text: &[u8]) -> Result<(), Rejection> {
    std::str::from_utf8(text).map(|_| ()).map_err(|error| Rejection {
        reason: DeadLetterReason::BadUtf8,
        detail: "not UTF-8".to_owned(),
        position: Some(error.valid_up_to()),
    })
}

#[cold]
fn bad_json(text: &[u8], error: &serde_json::Error) -> Rejection {
    let line_starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1));
    let line_start = line_starts.take(error.line()).last().unwrap_or(0);
    let at = if error.is_eof() { text.len() } else { (line_start + error.column()).saturating_sub(1) };
    let full = error.to_string();
    let detail = full.rsplit_once(" at line ").map_or(full.as_str(), |(what, _)| what).to_owned();
    Rejection { reason: DeadLetterReason::BadJson, detail, position: Some(at.min(text.len())) }
}
