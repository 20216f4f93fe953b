//! Profile files: what they look like, and every error at the bytes that cause it.
//!
//! ```toml
//! name = "acme"                       # what the configuration calls it
//! each = "shipments[*].events[*]"     # the list whose items are scans; without it the element is one scan
//! time_zone = "America/Chicago"       # of times without a zone whose place tells none
//! carrier_codes = true                # whether codes that [codes] lacks are looked up in the carrier's own map
//!
//! [fields]                            # by the fields of the contract; each a path, or more:
//! carrier = { const = "UPS" }
//! tracking_id = "shipments[*].number"
//! event_time = [                      # the first that gives a text
//!     { join = ["shipments[*].events[*].date", "shipments[*].events[*].time"], with = " ", layout = "YYYYMMDD hhmmss", offset = "Z" },
//!     "shipments[*].events[*].at",
//! ]
//! code = { path = "shipments[*].events[*].status", default = "UNKNOWN" }
//! milestone = { path = "…", map = { done = "DELIVERED" } }   # other words are nothing
//! location.city = "…"
//!
//! [codes]                             # as in a carrier's file: by effect
//! DELIVERED = ["DLV"]
//!
//! [code_sets.SUB]
//! HELD = ["007"]
//! ```
//! Paths begin at the element, `[*]` and all: a path and `each` share the `[*]` that they begin alike with.
//!
//! Enters: the text of a file. Leaves: a [`Profile`], or all that is wrong with it. Always true: `carrier`, `tracking_id`,
//! `event_time`, and `code` or `milestone` have a rule, unless there are no fields at all: then the feed writes the contract's
//! own form, or EDI.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layout::Layout;
use super::path::{Path, Step};
use super::rule::{Origin, Rule};
use super::walk::{Node, SLOTS_MAX};
use super::{Level, Profile};
use crate::carriers::CodeOverlay;
use crate::decode::field::Field;
use crate::model::{Effect, ID_CHARS_MAX};

/// What is wrong with a profile file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    /// What was expected and what was found.
    pub message: String,
    /// The bytes of the file that it is about, when known.
    pub span: Option<Range<usize>>,
}

type Value<'t> = Spanned<DeValue<'t>>;

/// A path that some rule reads, and the level at which it begins.
struct Wanted {
    level: usize,
    rest: Vec<Step>,
}

/// Reads a file, and notes every error.
struct Reader {
    errors: Vec<ProfileError>,
    each: Path,
    wanted: Vec<Wanted>,
}

const KEYS: &str = "name, each, time_zone, carrier_codes, [fields], [codes] and [code_sets.NAME]";
const RULE_KEYS: &str = "path, join, with, const, map, default, layout and offset";
const RULE: &str = "a path, a table of path, join or const, or a list of these";

/// Reads a profile.
pub(crate) fn read(text: &str) -> Result<Profile, Vec<ProfileError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { errors: Vec::new(), each: Path(Vec::new()), wanted: Vec::new() };
    for error in errors {
        reader.errors.push(ProfileError { message: error.message().to_owned(), span: error.span() });
    }
    let profile = reader.profile(table.get_ref());
    match profile {
        Some(profile) if reader.errors.is_empty() => Ok(profile),
        _ => Err(reader.errors),
    }
}

impl Reader {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.errors.push(ProfileError { message: message.into(), span: Some(span) });
    }

    fn profile(&mut self, table: &DeTable<'_>) -> Option<Profile> {
        let (mut name, mut time_zone, mut is_alone) = (None, None, false);
        let mut sets = BTreeMap::new();
        let mut fields = None;
        // First, since every path is read against it.
        if let Some(each) = table.get("each") {
            self.each(each);
        }
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = self.name(value),
                "each" => {}
                "time_zone" => time_zone = self.time_zone(value),
                "carrier_codes" => match value.get_ref() {
                    DeValue::Boolean(yes) => is_alone = !yes,
                    _ => self.error(value.span(), "`carrier_codes` is true or false"),
                },
                "fields" => fields = self.table(value).map(|table| (value.span(), self.fields(table))),
                "codes" => self.codes(value, sets.entry(String::new()).or_default()),
                "code_sets" => {
                    for (name, value) in self.table(value).into_iter().flatten() {
                        self.codes(value, sets.entry(name.get_ref().to_string()).or_default());
                    }
                }
                other => self.error(key.span(), format!("`{other}` is none of {KEYS}")),
            }
        }
        let fields = match fields {
            Some((span, fields)) => {
                self.complete(span, &fields);
                fields
            }
            // Its feed writes the contract's own form, or EDI, and the profile says what that means.
            None if !table.contains_key("each") && (time_zone.is_some() || !sets.is_empty()) => {
                BTreeMap::new()
            }
            None => {
                let message =
                    "[fields] is missing; a profile without it has a time zone or codes, and no `each`";
                self.errors.push(ProfileError { message: message.to_owned(), span: None });
                return None;
            }
        };
        if name.is_none() && !table.contains_key("name") {
            self.errors.push(ProfileError { message: "`name` is missing".to_owned(), span: None });
        }
        self.errors
            .is_empty()
            .then(|| self.compile(name, time_zone, CodeOverlay::new(&sets, is_alone), fields))?
    }

    /// What no scan can do without.
    fn complete(&mut self, span: Range<usize>, fields: &BTreeMap<Field, Vec<Rule>>) {
        let span = span.start..span.start;
        for field in [Field::Carrier, Field::TrackingId, Field::EventTime] {
            if !fields.contains_key(&field) {
                self.error(span.clone(), format!("[fields] has no rule for `{}`", field.name()));
            }
        }
        if !fields.contains_key(&Field::Code) && !fields.contains_key(&Field::Milestone) {
            self.error(span, "[fields] has no rule for `code` or `milestone`");
        }
    }

    fn compile(
        &self,
        name: Option<String>,
        time_zone: Option<TimeZone>,
        codes: CodeOverlay,
        fields: BTreeMap<Field, Vec<Rule>>,
    ) -> Option<Profile> {
        let mut levels = Vec::new();
        let mut starts = vec![0];
        starts.extend(
            self.each.0.iter().enumerate().filter(|(_, step)| **step == Step::Each).map(|(at, _)| at + 1),
        );
        for (depth, start) in starts.iter().enumerate() {
            let mut level = Level { node: Node::default(), slots: Vec::new(), list: None };
            for (slot, wanted) in self.wanted.iter().enumerate().filter(|(_, wanted)| wanted.level == depth) {
                level.node.add(&wanted.rest, slot);
                level.slots.push(slot);
            }
            if let Some(end) = starts.get(depth + 1) {
                // The list itself has a slot behind those of the paths.
                let slot = self.wanted.len() + depth;
                level.node.add(&self.each.0[*start..end - 1], slot);
                level.slots.push(slot);
                level.list = Some((slot, Path(self.each.0[..end - 1].to_vec()).to_string()));
            }
            levels.push(level);
        }
        let slots = self.wanted.len() + levels.len();
        let fields = fields.into_iter().collect();
        Some(Profile { name: name?, levels, slots, fields, codes, time_zone })
    }

    fn name(&mut self, value: &Value<'_>) -> Option<String> {
        let name = self.text(value)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > ID_CHARS_MAX || !name.chars().all(is_plain) {
            self.error(value.span(), "a name is 1-64 letters, digits and `. _ -`");
            return None;
        }
        Some(name.to_owned())
    }

    fn time_zone(&mut self, value: &Value<'_>) -> Option<TimeZone> {
        let name = self.text(value)?;
        let zone = TimeZoneDatabase::bundled().get(name).ok();
        if zone.is_none() {
            self.error(value.span(), format!("`{name}` is no IANA time zone, for example `America/Chicago`"));
        }
        zone
    }

    fn each(&mut self, value: &Value<'_>) {
        let Some(path) = self.text(value).and_then(|_| self.path(value)) else { return };
        if path.0.last() == Some(&Step::Each) {
            self.each = path;
        } else {
            self.error(value.span(), "`each` ends in `[*]`: its items are the scans");
        }
    }

    fn text<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            other => {
                self.error(
                    value.span(),
                    format!("text in quotes is expected, and this is {}", other.type_str()),
                );
                None
            }
        }
    }

    fn texts<'v>(&mut self, value: &'v Value<'_>) -> Vec<&'v Value<'v>> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            other => {
                self.error(value.span(), format!("a list is expected, and this is {}", other.type_str()));
                Vec::new()
            }
        }
    }

    fn table<'v, 't>(&mut self, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                self.error(value.span(), format!("a table is expected, and this is {}", other.type_str()));
                None
            }
        }
    }

    fn path(&mut self, value: &Value<'_>) -> Option<Path> {
        let text = self.text(value)?;
        Path::parse(text).map_err(|why| self.error(value.span(), why)).ok()
    }

    fn fields(&mut self, table: &DeTable<'_>) -> BTreeMap<Field, Vec<Rule>> {
        let mut fields = BTreeMap::new();
        for (key, value) in table {
            let outer = key.get_ref().as_ref();
            if let (true, Some(inner)) =
                (matches!(outer, "location" | "appointment"), value.get_ref().as_table())
            {
                for (key, value) in inner {
                    self.field(&format!("{outer}.{}", key.get_ref()), key, value, &mut fields);
                }
            } else {
                self.field(outer, key, value, &mut fields);
            }
        }
        fields
    }

    fn field(
        &mut self,
        name: &str,
        key: &Spanned<Cow<'_, str>>,
        value: &Value<'_>,
        fields: &mut BTreeMap<Field, Vec<Rule>>,
    ) {
        let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) else {
            let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            return self.error(key.span(), format!("`{name}` is no field of a scan: {}", names.join(", ")));
        };
        let rules: Vec<Rule> = match value.get_ref() {
            DeValue::Array(rules) => rules.iter().filter_map(|rule| self.rule(field, rule)).collect(),
            _ => self.rule(field, value).into_iter().collect(),
        };
        if field == Field::Retracts && rules.iter().any(|rule| *rule != Rule::of(rule.origin.clone())) {
            self.error(value.span(), "`retracts` is a path, or a list of paths");
        }
        fields.insert(field, rules);
    }

    fn rule(&mut self, field: Field, value: &Value<'_>) -> Option<Rule> {
        match value.get_ref() {
            DeValue::String(_) => Some(Rule::of(Origin::Slot(self.slot(value)?))),
            DeValue::Table(table) => self.rule_table(field, value, table),
            other => {
                self.error(value.span(), format!("{RULE} is expected, and this is {}", other.type_str()));
                None
            }
        }
    }

    fn rule_table(&mut self, field: Field, value: &Value<'_>, table: &DeTable<'_>) -> Option<Rule> {
        let mut origins = Vec::new();
        let (mut with, mut rule) = (" ".to_owned(), Rule::of(Origin::Constant(String::new())));
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "path" => origins.extend(self.slot(value).map(Origin::Slot)),
                "const" => origins.extend(self.text(value).map(|text| Origin::Constant(text.to_owned()))),
                "join" => {
                    let slots = self.texts(value).into_iter().filter_map(|path| self.slot(path)).collect();
                    origins.push(Origin::Join(slots, String::new()));
                }
                "with" => with = self.text(value)?.to_owned(),
                "map" => rule.map = Some(self.map(field, value)),
                "default" => rule.default = Some(self.text(value)?.to_owned()),
                "layout" => {
                    let text = self.text(value)?;
                    rule.layout = Layout::parse(text).map_err(|why| self.error(value.span(), why)).ok();
                }
                "offset" => rule.offset = self.text(value)?.to_owned(),
                other => self.error(key.span(), format!("`{other}` is none of {RULE_KEYS}")),
            }
        }
        if (rule.layout.is_some() || !rule.offset.is_empty()) && !field.is_time() {
            self.error(
                value.span(),
                format!("`{}` is no time: it has neither layout nor offset", field.name()),
            );
        }
        let mut origins = origins.into_iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            if self.errors.is_empty() {
                self.error(value.span(), "exactly one of `path`, `join` and `const` is expected");
            }
            return None;
        };
        rule.origin = match origin {
            Origin::Join(slots, _) => Origin::Join(slots, with),
            origin => origin,
        };
        Some(rule)
    }

    /// The slot of a path; equal paths share one.
    fn slot(&mut self, value: &Value<'_>) -> Option<usize> {
        let path = self.path(value)?;
        let alike = path.0.iter().zip(&self.each.0).take_while(|(mine, each)| mine == each).count();
        // The level is that of the last `[*]` in which both agree.
        let shared = &path.0[..alike];
        let start = shared.iter().rposition(|step| *step == Step::Each).map_or(0, |at| at + 1);
        let level = shared.iter().filter(|step| **step == Step::Each).count();
        let rest = path.0[start..].to_vec();
        if rest.contains(&Step::Each) {
            let message = match self.each.0.is_empty() {
                true => "`[*]` needs an `each` that begins with the same list".to_owned(),
                false => format!("`{path}`: its `[*]` is none of `each`, `{}`", self.each),
            };
            self.error(value.span(), message);
            return None;
        }
        let same = |wanted: &Wanted| wanted.level == level && wanted.rest == rest;
        if let Some(slot) = self.wanted.iter().position(same) {
            return Some(slot);
        }
        if self.wanted.len() == SLOTS_MAX - 1 {
            self.error(value.span(), format!("a profile has fewer than {SLOTS_MAX} different paths"));
            return None;
        }
        self.wanted.push(Wanted { level, rest });
        Some(self.wanted.len() - 1)
    }

    fn map(&mut self, field: Field, value: &Value<'_>) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for (word, value) in self.table(value).into_iter().flatten() {
            let Some(text) = self.text(value) else { continue };
            if field == Field::Milestone && Effect::from_name(text).is_none() {
                self.error(value.span(), "the name of a milestone, flag or signal is expected");
            }
            map.insert(word.get_ref().to_string(), text.to_owned());
        }
        map
    }

    fn codes(&mut self, value: &Value<'_>, codes: &mut Vec<(String, Effect)>) {
        for (names, value) in self.table(value).into_iter().flatten() {
            let Some(effect) = CodeOverlay::effect_of_names(names.get_ref()) else {
                self.error(
                    names.span(),
                    "not a milestone, flag or signal, nor several with + between them, nor NONE",
                );
                continue;
            };
            for code in self.texts(value) {
                let Some(text) = self.text(code) else { continue };
                let key = text.trim_ascii().to_ascii_uppercase();
                if key.is_empty() {
                    self.error(code.span(), "a code is not empty");
                } else if codes.iter().any(|(known, _)| *known == key) {
                    self.error(code.span(), "this code has an effect already");
                } else {
                    codes.push((key, effect));
                }
            }
        }
    }
}
