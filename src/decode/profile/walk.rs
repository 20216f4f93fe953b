//! Walking to the values that a profile names: one pass over a value for all paths that start there.
//!
//! Enters: valid JSON and a [`Node`]. Leaves: for each slot the bytes of its value. Always true: only members that some path
//! names are looked into; such a member that stands twice is an error; a path that leads nowhere leaves its slot empty.

use std::ops::Range;

use super::path::Step;
use crate::decode::outline::{Elements, Members};

/// The most paths of one profile, so that members of a node fit a bit set.
pub(crate) const SLOTS_MAX: usize = 64;

/// What to look for in a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Slots that get the value itself.
    slots: Vec<usize>,
    members: Vec<(String, Node)>,
    nth: Vec<(usize, Node)>,
}

/// A member on the way of a path that stands twice: where the second value is, and its name.
#[derive(Debug)]
pub(crate) struct Repeated<'n> {
    pub(crate) at: usize,
    pub(crate) name: &'n str,
}

/// Where each slot's value stands in the text.
pub(crate) type Found = Vec<Option<Range<usize>>>;

impl Node {
    /// Sends the value at the end of `steps` into `slot`.
    pub(crate) fn add(&mut self, steps: &[Step], slot: usize) {
        let Some((step, rest)) = steps.split_first() else {
            self.slots.push(slot);
            return;
        };
        let child = match step {
            Step::Member(name) => entry(&mut self.members, name.clone()),
            Step::Nth(n) => entry(&mut self.nth, *n),
            Step::Each => unreachable!("a profile's own list is walked item by item"),
        };
        child.add(rest, slot);
    }

    /// Finds the values of all slots below the value at `range`.
    pub(crate) fn fill(
        &self,
        text: &[u8],
        range: Range<usize>,
        found: &mut Found,
    ) -> Result<(), Repeated<'_>> {
        for slot in &self.slots {
            found[*slot] = Some(range.clone());
        }
        match text.get(range.start) {
            Some(b'{') => {
                self.fill_members(text, range.start, found)?;
                // One object in the place of a list of one, as converters from XML write it.
                match self.nth.iter().find(|(n, _)| *n == 0) {
                    Some((_, node)) => node.fill(text, range, found),
                    None => Ok(()),
                }
            }
            Some(b'[') => self.fill_items(text, &range, found),
            _ => Ok(()),
        }
    }

    fn fill_members(&self, text: &[u8], at: usize, found: &mut Found) -> Result<(), Repeated<'_>> {
        let mut seen = 0_u64;
        if self.members.is_empty() {
            return Ok(());
        }
        for (key, value) in Members::of(text, at) {
            let Some(index) = self.members.iter().position(|(name, _)| is_named(&text[key.clone()], name))
            else {
                continue;
            };
            let (name, node) = &self.members[index];
            if seen & (1 << index) != 0 {
                return Err(Repeated { at: value.start, name });
            }
            seen |= 1 << index;
            node.fill(text, value, found)?;
        }
        Ok(())
    }

    fn fill_items(&self, text: &[u8], range: &Range<usize>, found: &mut Found) -> Result<(), Repeated<'_>> {
        let Some(last) = self.nth.iter().map(|(n, _)| *n).max() else { return Ok(()) };
        for (index, item) in Elements::of(&text[range.clone()]).enumerate().take(last + 1) {
            if let Some((_, node)) = self.nth.iter().find(|(n, _)| *n == index) {
                node.fill(text, range.start + item.start..range.start + item.end, found)?;
            }
        }
        Ok(())
    }
}

fn entry<K: PartialEq>(children: &mut Vec<(K, Node)>, key: K) -> &mut Node {
    let at = children.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        children.push((key, Node::default()));
        children.len() - 1
    });
    &mut children[at].1
}

/// Whether a key, as it stands between its quotes, has this name.
fn is_named(key: &[u8], name: &str) -> bool {
    if memchr::memchr(b'\\', key).is_none() {
        return key == name.as_bytes();
    }
    let quoted = [b"\"", key, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == name)
}
