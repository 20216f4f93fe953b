//! Catalogue files: what they look like, and every error at the bytes that cause it.
//!
//! A carrier's file:
//! ```toml
//! code = "UPS"                     # in messages
//! id = 1                           # in the state, for ever; a carrier of one's own has one from 200 to 255
//! name = "UPS"
//! kind = "parcel"                  # or "freight"
//! aliases = ["UPSN"]               # other names on input, SCACs included
//! default_code_set = "X12_1650"    # optional: the shared set of codes that come without one
//! other_codes = "IN_TRANSIT"       # optional: the effect of codes without a set that no map knows
//! validated = true                 # false: formats take labels apart, but every number is taken, as NOT_SUPPORTED
//!
//! [[format]]                       # none: numbers are NOT_SUPPORTED
//! name = "1Z"
//! shapes = ["1Zx{15}c"]            # see `shape`
//! prefixes = ["420d{5}"]           # optional: what a label may put in front; no part of the number
//! check = { rule = "mod10", weights = [1, 2], over = 15, prepend = "" }  # see `check_digit`; needs a `c` in the shapes
//!
//! [[hint]]                         # said when an invalid number looks like this
//! shapes = ["105d{7}"]
//! message = "…"
//!
//! [codes]                          # by effect: a milestone, flag or signal of the rulebook, several joined by `+`, or NONE
//! DELIVERED = ["D", "FS", "100..107"]   # a range of numbers of equal length is all of them
//!
//! [code_sets.NUM]                  # codes of a named set; without a set they count after those of [codes]
//! DELIVERED = ["11"]
//! ```
//! A shared code set, which any carrier's message may name, is a file of two keys: `code_set = "X12_1650"` and `[codes]`.
//!
//! Enters: the files that are built in, and those of a user: same code (or set) replaces. Leaves: a [`Catalogue`], or all
//! errors of all files. Always true: carriers differ in code, number and every alias.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::model::{CarrierId, Effect};

use super::Catalogue;
use super::carrier::{Carrier, CarrierKind, CheckDigit, Format};
use super::check_digit::Rule;
use super::codes::{CodeTable, TextTable};
use super::shape::{self, Pattern};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../config/carriers/", $name)))),*]
    };
}

/// The files that are built in.
pub(super) const EMBEDDED: &[(&str, &str)] = embedded![
    "x12_1650.toml",
    "x12_1651.toml",
    "x12_1652.toml",
    "rec24.toml",
    "edifact_9013.toml",
    "gls.toml",
    "other.toml",
    "ups.toml",
    "fedex.toml",
    "usps.toml",
    "dhl.toml",
    "amazon.toml",
    "canada_post.toml",
    "canpar.toml",
    "dpd.toml",
    "gofo.toml",
    "landmark.toml",
    "lasership.toml",
    "ontrac.toml",
    "purolator.toml",
    "s10.toml",
    "speedee.toml",
    "yodel.toml",
    "yunexpress.toml",
    "xpo.toml",
    "yrc.toml",
    "estes.toml",
    "saia.toml",
    "rl.toml",
    "abf.toml",
    "fedex_freight.toml",
    "tforce.toml",
    "odfl.toml",
];

/// The numbers of carriers that users describe.
const USERS_NUMBERS: std::ops::RangeInclusive<i64> = 200..=255;

/// A range of codes may not unfold into more than this.
const RANGE_CODES_MAX: u32 = 1000;

/// What is wrong with a catalogue file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The file's name.
    pub file: String,
    /// The offending bytes.
    pub span: Option<Range<usize>>,
    /// What is wrong with them.
    pub message: String,
}

/// Codes by the effect they have.
type RawCodes = BTreeMap<Spanned<String>, Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCarrier {
    code: Spanned<String>,
    id: Spanned<i64>,
    name: String,
    kind: CarrierKind,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    default_code_set: Option<Spanned<String>>,
    other_codes: Option<Spanned<String>>,
    #[serde(default = "yes")]
    validated: bool,
    #[serde(default)]
    format: Vec<RawFormat>,
    #[serde(default)]
    hint: Vec<RawHint>,
    #[serde(default)]
    codes: RawCodes,
    #[serde(default)]
    code_sets: BTreeMap<String, RawCodes>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFormat {
    name: Spanned<String>,
    shapes: Vec<Spanned<String>>,
    #[serde(default)]
    prefixes: Vec<Spanned<String>>,
    check: Option<Spanned<RawCheck>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheck {
    rule: String,
    #[serde(default)]
    weights: Vec<u8>,
    over: Option<usize>,
    #[serde(default)]
    prepend: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHint {
    shapes: Vec<Spanned<String>>,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCodeSet {
    code_set: Spanned<String>,
    codes: RawCodes,
}

/// A file that was read.
struct Source<'a> {
    file: &'a str,
    /// Whether it is a user's, which replaces the one that is built in.
    is_users: bool,
    content: Content,
}

enum Content {
    Carrier(Box<RawCarrier>),
    CodeSet(RawCodeSet),
}

impl Content {
    /// What it describes.
    fn subject(&self) -> &Spanned<String> {
        match self {
            Content::Carrier(carrier) => &carrier.code,
            Content::CodeSet(set) => &set.code_set,
        }
    }

    /// The number of a carrier that only the catalogue gives: it keeps them for carriers to come.
    fn number_not_for_users(&self) -> Option<&Spanned<i64>> {
        match self {
            Content::Carrier(carrier) => Some(&carrier.id).filter(|id| !USERS_NUMBERS.contains(id.get_ref())),
            Content::CodeSet(_) => None,
        }
    }

    /// Whether both describe the same carrier, or the same code set.
    fn describes_the_same(&self, other: &Content) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.subject() == other.subject()
    }
}

fn read(text: &str) -> Result<Content, toml::de::Error> {
    #[derive(Deserialize)]
    struct Probe {
        code_set: Option<serde::de::IgnoredAny>,
    }
    match toml::from_str::<Probe>(text)?.code_set {
        Some(_) => toml::from_str(text).map(Content::CodeSet),
        None => toml::from_str(text).map(|carrier| Content::Carrier(Box::new(carrier))),
    }
}

/// The errors of one file, as they are met.
struct Errors<'a> {
    file: &'a str,
    all: &'a mut Vec<CatalogueError>,
}

impl Errors<'_> {
    fn push(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.all.push(CatalogueError {
            file: self.file.to_owned(),
            span: Some(span),
            message: message.into(),
        });
    }
}

/// Reads the embedded files and `files`, and builds the catalogue they make together.
pub(crate) fn build(files: &[(String, String)]) -> Result<Catalogue, Vec<CatalogueError>> {
    let mut errors = Vec::new();
    let mut sources: Vec<Source<'_>> = Vec::new();
    let embedded = EMBEDDED.iter().map(|(file, text)| (*file, *text, false));
    let users = files.iter().map(|(file, text)| (file.as_str(), text.as_str(), true));
    for (file, text, is_users) in embedded.chain(users) {
        let content = match read(text) {
            Ok(content) => content,
            Err(e) => {
                let (span, message) = (e.span(), e.message().to_owned());
                errors.push(CatalogueError { file: file.to_owned(), span, message });
                continue;
            }
        };
        let subject = content.subject();
        let mut errors = Errors { file, all: &mut errors };
        match sources.iter_mut().find(|old| old.content.describes_the_same(&content)) {
            None => match content.number_not_for_users() {
                Some(id) if is_users => {
                    errors.push(id.span(), "a carrier of one's own has a number from 200 to 255");
                }
                _ => sources.push(Source { file, is_users, content }),
            },
            Some(old) if old.is_users == is_users => {
                errors.push(subject.span(), format!("{} describes {} already", old.file, subject.get_ref()));
            }
            Some(old) => {
                if let (Content::Carrier(old), Content::Carrier(new)) = (&old.content, &content)
                    && old.id != new.id
                {
                    let message =
                        format!("the state knows {} as {}: a carrier keeps its number", new.code, old.id);
                    errors.push(new.id.span(), message);
                }
                *old = Source { file, is_users, content };
            }
        }
    }
    let catalogue = compile(&sources, &mut errors);
    if errors.is_empty() { Ok(catalogue) } else { Err(errors) }
}

/// Compiles what was read. The catalogue is complete when no error was added.
fn compile(sources: &[Source<'_>], errors: &mut Vec<CatalogueError>) -> Catalogue {
    let mut shared_sets = Vec::new();
    for Source { file, content, .. } in sources {
        if let Content::CodeSet(raw) = content {
            let mut errors = Errors { file, all: errors };
            let effects = code_table(&effects(&raw.codes, &mut errors));
            shared_sets.push(CodeTable { name: raw.code_set.get_ref().clone(), effects });
        }
    }
    let mut carriers: Vec<Option<Carrier>> = vec![None; 256];
    let mut names = BTreeMap::new();
    for Source { file, content, .. } in sources {
        let Content::Carrier(raw) = content else { continue };
        let mut errors = Errors { file, all: errors };
        let id = u8::try_from(*raw.id.get_ref()).expect("the number was judged when its file was read");
        if let Some(other) = &carriers[usize::from(id)] {
            errors.push(raw.id.span(), format!("{} has this number already", other.code));
            continue;
        }
        for name in std::iter::once(&raw.code).chain(&raw.aliases) {
            let key = key(name.get_ref());
            if key.is_empty() {
                errors.push(name.span(), "a carrier's name is not empty");
            } else if let Some(CarrierId(other)) = names.insert(key, CarrierId(id)) {
                let other =
                    carriers[usize::from(other)].as_ref().map_or(raw.code.get_ref(), |other| &other.code);
                errors.push(name.span(), format!("this names {other} already"));
            }
        }
        carriers[usize::from(id)] = Some(carrier(CarrierId(id), raw, &shared_sets, &mut errors));
    }
    let names = TextTable::new(names.iter().map(|(name, id)| (name.as_str(), *id)));
    Catalogue { carriers, names, shared_sets }
}

fn carrier(id: CarrierId, raw: &RawCarrier, shared_sets: &[CodeTable], errors: &mut Errors<'_>) -> Carrier {
    let code = raw.code.get_ref();
    if !code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
        errors.push(raw.code.span(), "a carrier's code is written in A–Z, 0–9 and _");
    }
    let mut carrier = Carrier::new(id, code, &raw.name, raw.kind);
    carrier.validated = raw.validated && !raw.format.is_empty();
    carrier.aliases = raw.aliases.iter().map(|alias| alias.get_ref().clone()).collect();
    for raw in &raw.format {
        format(raw, &mut carrier, errors);
    }
    for hint in &raw.hint {
        carrier.hints.push((patterns(&hint.shapes, errors), hint.message.clone()));
    }
    carrier.default_set = raw.default_code_set.as_ref().and_then(|name| {
        let found = shared_sets.iter().position(|set| set.name == *name.get_ref());
        if found.is_none() {
            errors.push(name.span(), "no file describes this code set");
        }
        found
    });
    carrier.other_codes = raw.other_codes.as_ref().and_then(|names| effect_at(names, errors));
    let mut without_set = effects(&raw.codes, errors);
    for (name, codes) in &raw.code_sets {
        let effects = effects(codes, errors);
        carrier.code_sets.push(CodeTable { name: name.clone(), effects: code_table(&effects) });
        for (code, effect) in effects {
            without_set.entry(code).or_insert(effect);
        }
    }
    carrier.codes = code_table(&without_set);
    carrier
}

fn format(raw: &RawFormat, carrier: &mut Carrier, errors: &mut Errors<'_>) {
    if raw.name.get_ref().is_empty()
        || carrier.formats.iter().any(|known| *known.name == **raw.name.get_ref())
    {
        errors.push(raw.name.span(), "every format of a carrier has its own name");
    }
    let cores = patterns(&raw.shapes, errors);
    if raw.shapes.is_empty() {
        errors.push(raw.name.span(), "a format has at least one shape");
    }
    let check = raw.check.as_ref().and_then(|check| {
        let RawCheck { rule, weights, over, prepend } = check.get_ref();
        let rule = Rule::parse(rule, weights).map_err(|message| errors.push(check.span(), message)).ok()?;
        Some(CheckDigit { rule, over: *over, prepend: prepend.clone() })
    });
    let span = raw.check.as_ref().map_or(raw.name.span(), Spanned::span);
    for core in &cores {
        match (core.check_at, &check) {
            (None, None) => {}
            (None, Some(_)) => errors.push(span.clone(), "the check digit rule needs a c in every shape"),
            (Some(_), None) if raw.check.is_some() => {}
            (Some(_), None) => errors.push(span.clone(), "a shape with a c needs a check digit rule"),
            (Some(at), Some(check)) if check.over.is_some_and(|over| over > at) || core.number.start > at => {
                errors.push(span.clone(), format!("only {at} characters stand before the check character"));
            }
            (Some(_), Some(_)) => {}
        }
    }
    let mut all: Vec<(Pattern, usize)> = cores.iter().map(|core| (core.clone(), 0)).collect();
    for prefix in &raw.prefixes {
        for route in patterns(std::slice::from_ref(prefix), errors) {
            if route.check_at.is_some() {
                errors.push(prefix.span(), "a prefix has no check character");
            }
            all.extend(cores.iter().map(|core| (core.behind(&route), route.len())));
        }
    }
    all.retain(|(pattern, _)| pattern.len() <= super::NUMBER_CHARS_MAX);
    let format = Format { name: raw.name.get_ref().as_str().into(), check };
    carrier.add_format(format, all);
}

/// The patterns of `shapes`; errors point into them.
fn patterns(shapes: &[Spanned<String>], errors: &mut Errors<'_>) -> Vec<Pattern> {
    let mut all = Vec::new();
    for shape in shapes {
        match shape::parse(shape.get_ref()) {
            Ok(patterns) => all.extend(patterns),
            Err(e) => {
                // An ordinary string stands in the file as it is, behind its quote.
                let span = shape.span();
                let plain = span.len() == shape.get_ref().len() + 2;
                let start = span.start + 1;
                errors.push(if plain { start + e.at.start..start + e.at.end } else { span }, e.message);
            }
        }
    }
    all
}

/// How names and codes are compared: without outer blanks and ASCII case.
fn key(text: &str) -> String {
    text.trim_ascii().to_ascii_uppercase()
}

/// The effect that a file names.
fn effect_at(names: &Spanned<String>, errors: &mut Errors<'_>) -> Option<Effect> {
    let effect = effect(names.get_ref());
    if effect.is_none() {
        let message = "not a milestone, flag or signal, nor several with + between them, nor NONE";
        errors.push(names.span(), message);
    }
    effect
}

/// Each code with its effect.
fn effects(raw: &RawCodes, errors: &mut Errors<'_>) -> BTreeMap<String, Effect> {
    let mut all = BTreeMap::new();
    for (names, codes) in raw {
        let Some(effect) = effect_at(names, errors) else { continue };
        for code in codes {
            let Some(range) = range(code.get_ref()) else {
                let message = "a range of codes is two numbers of equal length, the smaller one first";
                errors.push(code.span(), message);
                continue;
            };
            if range.iter().any(String::is_empty) {
                errors.push(code.span(), "a code is not empty");
            } else if range.iter().any(|code| all.contains_key(code)) {
                errors.push(code.span(), "this code has an effect already");
            } else {
                all.extend(range.into_iter().map(|code| (code, effect)));
            }
        }
    }
    all
}

/// The codes that `code` stands for: itself, or those of a range like `100..107`.
fn range(code: &str) -> Option<Vec<String>> {
    let Some((first, last)) = code.split_once("..") else { return Some(vec![key(code)]) };
    let width = first.len();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
    let (least, most): (u32, u32) = (number(first)?, number(last)?);
    let good = last.len() == width && least < most && most - least < RANGE_CODES_MAX;
    good.then(|| (least..=most).map(|code| format!("{code:0width$}")).collect())
}

/// The effect of names joined by `+`, with at most one milestone among them.
pub(crate) fn effect(names: &str) -> Option<Effect> {
    if names == "NONE" {
        return Some(Effect::NONE);
    }
    names.split('+').map(Effect::from_name).try_fold(Effect::NONE, |sum, effect| {
        let effect = effect?;
        let milestone = match (sum.milestone, effect.milestone) {
            (Some(_), Some(_)) => return None,
            (one, other) => one.or(other),
        };
        Some(Effect { milestone, flags: sum.flags.union(effect.flags) })
    })
}

fn code_table(effects: &BTreeMap<String, Effect>) -> TextTable<Effect> {
    TextTable::new(effects.iter().map(|(code, effect)| (code.as_str(), *effect)))
}
