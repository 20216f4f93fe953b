//! A feed's own code maps, laid over those of the catalogue.
//!
//! Enters: a feed's codes with their effects. Leaves: for a code, what the feed says, else what the carrier's map says.
//! Always true: a feed that keeps its own vocabulary never has its codes read as the carrier's.

use std::collections::BTreeMap;

use crate::model::Effect;

use super::codes::{self, CodeTable, TextTable};
use super::file;

/// Codes of one feed.
#[derive(Clone, Debug, Default)]
pub struct CodeOverlay {
    /// By code set; the empty name is codes without a set.
    sets: Vec<CodeTable>,
    /// The carrier's maps are not asked.
    is_alone: bool,
}

impl CodeOverlay {
    /// An overlay of code sets, by name; codes of the empty name count for every set. `is_alone`: the carrier's own
    /// maps are not asked for other codes.
    pub fn new(sets: &BTreeMap<String, Vec<(String, Effect)>>, is_alone: bool) -> CodeOverlay {
        let table = |(name, codes): (&String, &Vec<(String, Effect)>)| CodeTable {
            name: name.clone(),
            effects: TextTable::new(codes.iter().map(|(code, effect)| (code.as_str(), *effect))),
        };
        CodeOverlay { sets: sets.iter().map(table).collect(), is_alone }
    }

    /// What a code does: the set that was named, then the codes without a set, then `by_carrier`.
    pub fn effect(
        &self,
        code_set: Option<&str>,
        code: &str,
        by_carrier: impl FnOnce() -> Option<Effect>,
    ) -> Option<Effect> {
        let own = |name: &str| codes::set_named(&self.sets, name)?.effects.get(code);
        let found = code_set.and_then(own).or_else(|| own(""));
        if found.is_some() || self.is_alone { found } else { by_carrier() }
    }

    /// The effect of a name of a milestone, flag or signal, of several joined by `+`, or of `NONE`.
    pub fn effect_of_names(names: &str) -> Option<Effect> {
        file::effect(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Flag, FlagSet, Milestone};

    #[test]
    fn the_named_set_comes_first_and_the_carrier_last() {
        let milestone = |milestone| Effect { milestone: Some(milestone), flags: FlagSet::EMPTY };
        let (delivered, lost) = (milestone(Milestone::Delivered), milestone(Milestone::Lost));
        let held = Effect { milestone: None, flags: FlagSet::of(Flag::Held) };
        let sets = BTreeMap::from([
            (String::new(), vec![("A".to_owned(), delivered)]),
            ("TAG".to_owned(), vec![("A".to_owned(), held)]),
        ]);
        for (is_alone, set, code, want) in [
            (false, None, "a", Some(delivered)),
            (false, Some("tag"), "A", Some(held)),
            (false, Some("OTHER"), "A", Some(delivered)),
            (false, None, "B", Some(lost)),
            (true, None, "B", None),
            (true, Some("TAG"), "A", Some(held)),
        ] {
            let overlay = CodeOverlay::new(&sets, is_alone);
            assert_eq!(overlay.effect(set, code, || Some(lost)), want, "{is_alone} {set:?} {code}");
        }
    }
}
