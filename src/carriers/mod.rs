//! The catalogue of carriers: number formats, check digits, canonical form and code maps.
//!
//! Three nouns. A *carrier* has a code (`UPS`), a stable number that is written into the state, and other names it
//! goes by. A *format* is a shape of its tracking numbers with a check digit rule. A *code map* says what the
//! carrier's status codes mean: an [`Effect`]. All three are data: `config/carriers/*.toml`, built in, and replaced
//! or extended by files of the same form (see `file`).
//!
//! Enters: what somebody typed, scanned from a label or sent in a feed. Leaves: a [`CarrierId`], a
//! [`TrackingNumber`] in canonical form, an [`Effect`], or the reason why not. What is always true:
//!
//! - Both sides of the index speak of a number in the same way: what [`Catalogue::register`] and
//!   [`Catalogue::register_freight_bill`] accept, they return as [`Catalogue::canonical`] does.
//! - `canonical` of a canonical number is that number.
//! - A label is taken apart only when its shape *and* its check digit agree; a scan is never moved to another
//!   carrier because of what its number looks like.
//! - A scan is read leniently (an unknown shape stays as it is), a registration strictly (R5, R6).
//!
//! Deliberately unknown here: shipments, boxes, settings, files on disk.
//!
//! Suggested reading order: `file`, `shape`, `check_digit`, `text`, `carrier`, `judge`, `codes`.

mod carrier;
mod check_digit;
mod codes;
mod file;
mod judge;
mod overlay;
mod shape;
mod text;

#[cfg(test)]
mod tests;

use crate::model::{CarrierId, Effect, ID_CHARS_MAX, TrackingNumber};

use carrier::Carrier;
use codes::{CodeTable, TextTable};

pub use carrier::{CarrierKind, CarrierSummary};
pub use file::CatalogueError;
pub use judge::{CheckVerdict, InvalidNumber, NumberCheck, Registered};
pub use overlay::CodeOverlay;

/// All carriers that are known, and the code sets that belong to none of them. Built once, read by everybody.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// By number; 0 is `OTHER`, which is always there.
    carriers: Vec<Option<Carrier>>,
    /// Codes, aliases and SCACs.
    names: TextTable<CarrierId>,
    /// Code sets that any carrier's message may name, for example `X12_1650`.
    shared_sets: Vec<CodeTable>,
}

impl Catalogue {
    /// The catalogue that is built in.
    pub fn embedded() -> Catalogue {
        Catalogue::with_files(&[]).expect("the files that are built in are good: a test reads them")
    }

    /// The catalogue that is built in, with `files` (name and text) replacing carriers of the same code and adding
    /// the others. All errors of all files are returned at once.
    pub fn with_files(files: &[(String, String)]) -> Result<Catalogue, Vec<CatalogueError>> {
        file::build(files)
    }

    /// The carrier that `text` names by code, alias or SCAC. ASCII case and outer blanks do not matter.
    pub fn carrier(&self, text: &str) -> Option<CarrierId> {
        self.names.get(text)
    }

    /// The code in messages: `UPS`, or `OTHER` for a number that no file has.
    pub fn code(&self, carrier: CarrierId) -> &str {
        &self.get(carrier).code
    }

    /// Whether the carrier moves freight under PROs.
    pub fn is_freight(&self, carrier: CarrierId) -> bool {
        self.get(carrier).kind == CarrierKind::Freight
    }

    /// All carriers by number, `OTHER` first.
    pub fn ids(&self) -> impl Iterator<Item = CarrierId> {
        self.all().map(|carrier| carrier.id)
    }

    /// What a listing shows of a carrier.
    pub fn summary(&self, carrier: CarrierId) -> CarrierSummary<'_> {
        self.get(carrier).summary()
    }

    /// The number of a scan in canonical form. Never judges the shape: nothing comes back only for text that is
    /// empty, over 64 characters, or holds a character that no number has (`BAD_TRACKING_ID`).
    pub fn canonical(&self, carrier: CarrierId, raw: &str) -> Option<TrackingNumber> {
        let carrier = self.get(carrier);
        if text::is_plain(raw) && carrier.is_settled_at(raw.len()) {
            return Some(TrackingNumber::from_canonical(raw));
        }
        carrier.settle(raw).ok().map(|settled| settled.number())
    }

    /// What a carrier's status code does. A code without a set is looked up among the carrier's own sets and then in
    /// the shared set that the carrier speaks by default, and at some carriers all others mean the same; with a set, in
    /// the carrier's own set of that name, then in the shared one. Nothing: the code is unknown.
    pub fn effect(&self, carrier: CarrierId, code_set: Option<&str>, code: &str) -> Option<Effect> {
        let carrier = self.get(carrier);
        match code_set {
            None => carrier
                .codes
                .get(code)
                .or_else(|| self.shared_sets[carrier.default_set?].effects.get(code))
                .or(carrier.other_codes.filter(|_| !code.trim_ascii().is_empty())),
            Some(name) => {
                let own = codes::set_named(&carrier.code_sets, name).and_then(|set| set.effects.get(code));
                own.or_else(|| codes::set_named(&self.shared_sets, name)?.effects.get(code))
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Carrier> {
        self.carriers.iter().flatten()
    }

    /// The carrier of a number; `OTHER` when the state remembers one whose file is gone.
    fn get(&self, carrier: CarrierId) -> &Carrier {
        let found = self.carriers.get(usize::from(carrier.0)).and_then(Option::as_ref);
        found.or(self.carriers[0].as_ref()).expect("OTHER is always there")
    }
}

/// The longest number, in characters.
const NUMBER_CHARS_MAX: usize = ID_CHARS_MAX;
