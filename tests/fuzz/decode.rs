//! The learned reader of JSON against the general one, over whatever libFuzzer thinks of.
//!
//! Enters: bytes, cut into messages at each NUL. Leaves: nothing, or a message that was read in two ways. Always true: both
//! decoders begin empty with each input, so that an input that fails does so again; what the learned reader took for an object
//! is one to serde_json as well.
#![no_main]

use std::fmt::Write;
use std::sync::LazyLock;

use dockside::decode::{Context, Decoder, Part};
use dockside::model::Timestamp;
use dockside::stations::Rules;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<Rules> = LazyLock::new(Rules::embedded);
/// 2026-11-05T16:00:00Z.
const RECORD_TIME: Timestamp = Timestamp(1_793_894_400_000);

/// Each part as text, with the place of the bytes that it gives back.
fn told(decoder: &mut Decoder, message: &[u8]) -> String {
    let context = Context { catalogue: &RULES.catalogue, fcs: &RULES.fcs, settings: &RULES.settings };
    let mut parts = String::new();
    decoder.decode(&context, RECORD_TIME, None, message, &mut |part| {
        let at = match part {
            Part::Rejected { bytes, .. } => bytes.as_ptr().addr() - message.as_ptr().addr(),
            Part::Scan { .. } | Part::Warned { .. } => 0,
        };
        writeln!(parts, "{part:?} at {at}").expect("memory");
    });
    parts
}

fuzz_target!(|input: &[u8]| {
    let (mut learned, mut general) = (Decoder::new(), Decoder::general());
    for message in input.split(|byte| *byte == 0) {
        // Twice: what the first time teaches is used the second time.
        for _ in 0..2 {
            let hits = learned.learned_counts().hits;
            assert_eq!(told(&mut learned, message), told(&mut general, message));
            if learned.learned_counts().hits > hits && message.first() == Some(&b'{') && !message.contains(&b'\n') {
                let value: serde_json::Value = serde_json::from_slice(message).expect("the learned reader took it");
                assert!(value.is_object());
            }
        }
    }
});
