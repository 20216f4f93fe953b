//! The smallest world in which engine and twin still differ.
//!
//! Enters: a world in which they do, and how that is seen. Leaves: one of its worlds without phases and messages that do not
//! matter, as text. Always true: they differ in it; every message that is left is needed, as long as nothing else goes.

use std::fmt::Write;

use super::run::Phases;

/// A smaller world that still has a difference, told line by line.
pub(super) fn smallest(phases: &Phases, difference: impl Fn(&Phases) -> Option<String>) -> String {
    let mut phases = phases.clone();
    loop {
        let mut is_smaller = false;
        for at in (0..phases.0.len()).rev() {
            let mut without = phases.clone();
            without.0.remove(at);
            if difference(&without).is_some() {
                (phases, is_smaller) = (without, true);
                continue;
            }
            for message in (0..phases.0[at].0.len()).rev() {
                let mut without = phases.clone();
                without.0[at].0.remove(message);
                if difference(&without).is_some() {
                    (phases, is_smaller) = (without, true);
                }
            }
        }
        if !is_smaller {
            break;
        }
    }
    let mut text = difference(&phases).unwrap_or_default();
    for (messages, tick) in &phases.0 {
        for message in messages {
            let value = String::from_utf8_lossy(&message.value);
            write!(text, "\n{} {:?} {value}", message.timestamp, message.topic).expect("memory");
        }
        write!(text, "\n{tick} tick").expect("memory");
    }
    text
}
