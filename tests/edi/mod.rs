//! Interchanges of our own writing, good and bad, with what `dockside decode` prints of each beside it.
//!
//! `tests/data/edi/NAME.x12` or `.edifact` is a message; `NAME.ndjson` is what goes to stdout for it, and `NAME.warnings`,
//! if there are any, what goes to stderr. All are read as records of 2026-11-05T16:00:00Z. `BLESS=1` writes what is printed
//! today; the difference is then read by a person.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use dockside::carriers::Catalogue;
use dockside::decode::{Context, Decoder, Part, Shown};
use dockside::model::{Fcs, Settings, Timestamp};

mod edge;
mod naive;

const AT: &str = "2026-11-05T16:00:00Z";
/// So that a fixture that is not found is missed.
const FIXTURES_MIN: usize = 100;

/// The world that the fixtures are read in.
pub(crate) struct World {
    catalogue: Catalogue,
    fcs: Fcs,
    settings: Settings,
    at: Timestamp,
}

impl World {
    fn new() -> World {
        World {
            catalogue: Catalogue::embedded(),
            fcs: Fcs::embedded(),
            settings: Settings::default(),
            at: Timestamp::parse(AT).expect("a time"),
        }
    }

    fn decode(&self, bytes: &[u8], mut sink: impl FnMut(Part<'_>)) {
        let context = Context { catalogue: &self.catalogue, fcs: &self.fcs, settings: &self.settings };
        Decoder::new().decode(&context, self.at, None, bytes, &mut sink);
    }

    /// What is printed, and what is told.
    fn shown(&self, bytes: &[u8]) -> (String, String) {
        let (mut lines, mut warnings) = (String::new(), String::new());
        self.decode(bytes, |part| match Shown::of(&self.catalogue, &part) {
            Shown::Part(line) => writeln!(lines, "{line}").expect("memory"),
            Shown::Warning(line) => writeln!(warnings, "{line}").expect("memory"),
        });
        (lines, warnings)
    }
}

/// The messages, sorted by name.
fn messages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/edi");
    let entries = fs::read_dir(folder).expect("the folder of the fixtures");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let is_message = |path: &PathBuf| path.extension().is_some_and(|name| name == "x12" || name == "edifact");
    let mut messages: Vec<PathBuf> = paths.filter(is_message).collect();
    messages.sort();
    assert!(messages.len() >= FIXTURES_MIN, "{} messages", messages.len());
    messages
}

#[test]
fn every_message_prints_what_stands_beside_it() {
    let world = World::new();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in messages() {
        let (lines, warnings) = world.shown(&fs::read(&path).expect("a readable file"));
        assert!(!lines.is_empty(), "{}: nothing comes out", path.display());
        for (extension, got) in [("ndjson", lines), ("warnings", warnings)] {
            let beside = path.with_extension(extension);
            if bless && !got.is_empty() {
                fs::write(&beside, &got).expect("a writable checkout");
            }
            let want = fs::read_to_string(&beside).unwrap_or_default();
            if got != want {
                wrong.push(format!("{}\n  want {want}\n  got  {got}", beside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A 214 of many loops and an IFTSTA of many groups, of about `bytes` bytes.
fn large(bytes: usize) -> [Vec<u8>; 2] {
    let mut x12 = String::from(
        "ISA*00*          *00*          *02*UPSN           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>~\
         GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~ST*214*0001~B10***UPSN~",
    );
    let mut segments = 3;
    let mut number = 0;
    while x12.len() < bytes {
        number += 1;
        write!(x12, "LX*{number}~L11*PKG{number:09}*2I~AT7*X4*NS***20261104*1830*CT~MS1*WICHITA*KS*US~")
            .expect("memory");
        segments += 4;
    }
    write!(x12, "SE*{segments}*0001~GE*1*7~IEA*1*000000041~").expect("memory");
    let mut edifact = String::from("UNB+UNOC:3+UPSN+DOCKSIDE+261105:0915+1'UNH+1+IFTSTA:D:00B:UN'BGM+77'");
    let mut segments = 3;
    let mut number = 0;
    while edifact.len() < bytes {
        number += 1;
        write!(
            edifact,
            "CNI+{number}+CON{number:09}'STS+1+31'DTM+334:202611041830CST:303'LOC+14+USICT:139:6:WICHITA'"
        )
        .expect("memory");
        segments += 4;
    }
    write!(edifact, "UNT+{segments}+1'UNZ+1+1'").expect("memory");
    [x12.into_bytes(), edifact.into_bytes()]
}

#[test]
fn an_interchange_of_ten_megabytes_is_read_whole() {
    let world = World::new();
    for message in large(10_000_000) {
        let (mut scans, mut others) = (0_u32, 0_u32);
        world.decode(&message, |part| match part {
            Part::Scan { index, scan, .. } => {
                assert_eq!(index, scans);
                assert!(
                    scan.key.number.as_str().ends_with(&format!("{:09}", scans + 1)),
                    "{}",
                    scan.key.number
                );
                scans += 1;
            }
            Part::Rejected { .. } | Part::Warned { .. } => others += 1,
        });
        assert!(scans > 90_000, "{scans} scans");
        assert_eq!(others, 0);
    }
}
