//! Reading a feed by its profile: elements, the items that are scans, and each item's fields.
//!
//! Enters: the elements of a message. Leaves: its parts. Always true: an element is read only when all of it is JSON within the
//! bounds; each item is judged alone, and a rejected one is its own bytes, with the place of what is wrong; the time it takes
//! is linear in the message's length.

use std::borrow::Cow;
use std::ops::Range;

use super::Profile;
use super::walk::Found;
use crate::decode::field::Field;
use crate::decode::json::{self, Fast};
use crate::decode::learned::Learned;
use crate::decode::message::Message;
use crate::decode::outline::Elements;
use crate::decode::raw::{Element, RawScan};
use crate::decode::scan::{Refusal, quoted};
use crate::decode::shape::{Accept, Shape};
use crate::decode::{Part, Rejection};
use crate::model::DeadLetterReason;

/// Reads the elements of one message.
pub(crate) struct FeedReader<'f, 'm, 's> {
    profile: &'f Profile,
    message: &'f mut Message<'m, 's>,
    fast: &'f mut Fast,
    learned: Option<&'f mut Learned>,
    /// Items so far.
    index: u32,
    found: Found,
}

/// An element, and where it starts in the message.
#[derive(Clone, Copy)]
struct Within<'e> {
    text: &'e str,
    start: usize,
    /// Whether its parts are known by a position among others.
    is_counted: bool,
}

impl<'f, 'm, 's> FeedReader<'f, 'm, 's> {
    /// A reader of one message.
    pub(crate) fn new(
        profile: &'f Profile,
        message: &'f mut Message<'m, 's>,
        fast: &'f mut Fast,
        learned: Option<&'f mut Learned>,
    ) -> Self {
        FeedReader { profile, message, fast, learned, index: 0, found: vec![None; profile.slots] }
    }

    /// Reads the elements of an array; a broken one is rejected whole.
    pub(crate) fn array(&mut self, text: &[u8], start: usize) {
        if self.fast.read(text, |_| ()).is_none()
            && let Err(Rejection { reason, detail, position }) = json::valid(text)
        {
            return self.message.reject_whole(reason, detail, position.map(|at| start + at));
        }
        for range in Elements::of(text) {
            self.element(&text[range.clone()], start + range.start, true);
        }
    }

    /// Reads one element. `is_counted`: there may be others.
    pub(crate) fn element(&mut self, text: &[u8], start: usize, is_counted: bool) {
        let profile = self.profile;
        if let Err(rejection) = self.check(text) {
            let position = rejection.position.map(|at| start + at);
            return self.reject(text, is_counted, Rejection { position, ..rejection });
        }
        let text = std::str::from_utf8(text).expect("valid JSON is UTF-8");
        let within = Within { text, start, is_counted: is_counted || profile.levels.len() > 1 };
        self.found.fill(None);
        self.level(within, 0, 0..text.len());
    }

    /// Whether the element is JSON within the bounds.
    fn check(&mut self, text: &[u8]) -> Result<(), Rejection> {
        if let Some(learned) = &mut self.learned {
            let walked = learned.read(text, 0, &mut RawScan::default());
            if walked.is_some_and(|walked| walked.end == text.len()) {
                learned.hit();
                return Ok(());
            }
        }
        let checked = match self.fast.read(text, |_| ()) {
            Some(()) => Ok(()),
            None => json::careful(text, Skip),
        };
        if let Some(learned) = &mut self.learned {
            learned.missed(checked.is_ok().then_some(text));
        }
        checked
    }

    /// Finds what stands at this level, then goes through the items of its list.
    fn level(&mut self, within: Within<'_>, depth: usize, range: Range<usize>) {
        let profile = self.profile;
        let level = &profile.levels[depth];
        for slot in level.slots.clone() {
            self.found[slot] = None;
        }
        let item = &within.text[range.clone()];
        if let Err(repeated) = level.node.fill(within.text.as_bytes(), range.clone(), &mut self.found) {
            let detail = format!("`{}` appears twice", repeated.name);
            let position = Some(within.start + repeated.at);
            let rejection = Rejection { reason: DeadLetterReason::BadJson, detail, position };
            return self.reject(item.as_bytes(), within.is_counted, rejection);
        }
        let Some((slot, path)) = &level.list else { return self.item(within, range) };
        let bytes = within.text.as_bytes();
        let list = self.found[*slot].clone().filter(|list| bytes[list.start] != b'n');
        let (reason, at, found) = match list {
            Some(list) if bytes[list.start] == b'[' => {
                for item in Elements::of(&bytes[list.clone()]) {
                    self.level(within, depth + 1, list.start + item.start..list.start + item.end);
                }
                return;
            }
            // One object in the place of a list of one, as converters from XML write it.
            Some(list) if bytes[list.start] == b'{' => return self.level(within, depth + 1, list),
            Some(list) => (DeadLetterReason::BadField, list.start, quoted(&within.text[list])),
            None => (DeadLetterReason::MissingField, range.start, "nothing".to_owned()),
        };
        let detail = format!("`{path}`: a list that leads to scans is expected, found {found}");
        let rejection = Rejection { reason, detail, position: Some(within.start + at) };
        self.reject(item.as_bytes(), within.is_counted, rejection);
    }

    /// Reads one scan.
    fn item(&mut self, within: Within<'_>, range: Range<usize>) {
        let element = match self.fields(within.text) {
            Ok(element) => element,
            Err(refusal) => return self.refuse(within, range, &refusal),
        };
        match self.message.context.scan(self.message.record_time, &element, Some(self.profile)) {
            Ok(scan) => {
                let index = self.index;
                self.index += 1;
                (self.message.sink)(Part::Scan { index, scan, raw: &element.raw });
            }
            Err(refusal) => self.refuse(within, range, &refusal),
        }
    }

    /// The fields of the scan whose values were found.
    fn fields<'e>(&self, text: &'e str) -> Result<Element<'e>, Refusal>
    where
        'f: 'e,
    {
        let profile = self.profile;
        let mut element = Element::default();
        for (field, rules) in &profile.fields {
            if *field == Field::Retracts {
                for slot in rules.iter().flat_map(|rule| rule.slots()) {
                    retracts(text, self.found[*slot].clone(), &mut element)?;
                }
                continue;
            }
            let mut wrong = None;
            for rule in rules {
                match rule.read(*field, text, &self.found) {
                    Ok(None) => {}
                    Ok(Some(value)) => {
                        element.raw.put(*field, value);
                        wrong = None;
                        break;
                    }
                    // Another rule may know another layout.
                    Err(why) => wrong = wrong.or(Some(why)),
                }
            }
            if let Some(wrong) = wrong {
                return Err(profile.refusal(*field, &wrong));
            }
        }
        Ok(element)
    }

    /// Hands on an item that is no scan; the place is that of the value it is about.
    #[cold]
    fn refuse(&mut self, within: Within<'_>, range: Range<usize>, refusal: &Refusal) {
        let slots = self.profile.slots_of(refusal.field);
        let value = slots.iter().find_map(|slot| self.found[*slot].clone());
        let position = within.start + value.map_or(range.start, |value| value.start);
        let detail = match slots.first() {
            None => refusal.detail.clone(),
            Some(_) => format!("{} (profile `{}`)", refusal.detail, self.profile.name),
        };
        let rejection = Rejection { reason: refusal.reason, detail, position: Some(position) };
        self.reject(&within.text.as_bytes()[range], within.is_counted, rejection);
    }

    #[cold]
    fn reject(&mut self, bytes: &[u8], is_counted: bool, rejection: Rejection) {
        let index = is_counted.then_some(self.index);
        self.index += 1;
        let bytes = if is_counted { bytes } else { self.message.bytes };
        (self.message.sink)(Part::Rejected { index, rejection, bytes });
    }
}

/// Looks at nothing: that the text is JSON is all that is asked.
struct Skip;

impl Accept<'_> for Skip {
    type Out = ();

    fn shape(self, _: Shape) {}
}

/// Scan IDs: one text, or a list of texts.
fn retracts<'e>(
    text: &'e str,
    found: Option<Range<usize>>,
    element: &mut Element<'e>,
) -> Result<(), Refusal> {
    let Some(range) = found else { return Ok(()) };
    let value = &text[range];
    let refuse = |detail: String| Refusal {
        reason: DeadLetterReason::BadField,
        field: Field::Retracts.name(),
        nth: 0,
        detail,
    };
    let ids = match value.as_bytes().first() {
        Some(b'n') => return Ok(()),
        Some(b'[') => serde_json::from_str::<Vec<String>>(value),
        _ => serde_json::from_str::<String>(value).map(|id| vec![id]),
    };
    let ids =
        ids.map_err(|_| refuse(format!("`retracts`: scan IDs are expected, found {}", quoted(value))))?;
    ids.into_iter().for_each(|id| element.raw.put(Field::Retracts, Cow::Owned(id)));
    Ok(())
}
