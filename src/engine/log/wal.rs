//! A write-ahead log in one directory: frames in segments.
//!
//! Enters: whole frames. Leaves: their places, and on opening every whole frame again, in order. Always true:
//! - after a crash at any byte, what is there is a prefix of the frames: the rest of the last segment is cut off;
//! - one process at a time: the lock is the operating system's and dies with the process;
//! - a damaged frame before the last segment is refused, never skipped.
//!
//! ```text
//! DIR/lock              held while the log is open; holds the process number
//! DIR/0000000000.wal    segments: header (name 8 bytes · format u32 · partitions u32 · number u64 ·
//!                       sequence of the first frame u64), then frames
//! ```
//! Nothing is deleted yet: what every member has consumed stays on disk, about the bytes that were appended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use crc32c::crc32c;

use super::LogError;
use super::frame::{Head, PREFIX_BYTES, Prefix};
use super::store::{Medium, Place};

const MAGIC: [u8; 8] = *b"dockside";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 32;
/// A segment is begun anew rather than grown beyond this.
pub(super) const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// What an acknowledged step survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however sudden. After a power cut the latest steps may be gone, whole; a log that was
    /// hurt further back than its last segment is refused.
    Process,
    /// A power cut too: each step waits for the disk.
    Disk,
}

/// What opening a directory found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whole steps.
    pub frames: u64,
    /// Bytes behind the last whole step, which were cut off: a step that a crash interrupted.
    pub cut_bytes: u64,
}

/// The open log.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    partitions: u32,
    durability: Durability,
    segment_bytes: u64,
    segments: RwLock<Vec<Arc<File>>>,
    tail: Mutex<Tail>,
    _lock: File,
}

#[derive(Debug)]
struct Tail {
    /// Where the next frame goes in the last segment.
    at: u64,
    /// How many frames there are.
    frames: u64,
    /// A write failed and could not be taken back: what is on disk is unknown until it is opened again.
    broken: bool,
}

/// Opens or creates the log in `dir`, and hands each frame to `each`.
pub(super) fn open(
    dir: &Path,
    partitions: u32,
    durability: Durability,
    segment_bytes: u64,
    each: &mut dyn FnMut(Place, &Head),
) -> Result<(Wal, Recovered), LogError> {
    std::fs::create_dir_all(dir).map_err(failed(dir, "creating"))?;
    let lock = lock(dir)?;
    let names = segment_names(dir)?;
    let mut recovered = Recovered::default();
    let mut segments = Vec::new();
    let mut at = HEADER_BYTES as u64;
    for (number, path) in names.iter().enumerate() {
        let last = number + 1 == names.len();
        let segment = Segment::open(path, number_of(number))?;
        match segment.header()? {
            Some((stored, _)) if stored != partitions => {
                let why = format!("the log has {stored} partitions, not {partitions}: open it with {stored}");
                return Err(refused(dir, why));
            }
            Some((_, first)) if first != recovered.frames => return Err(damaged(path, 0)),
            Some(_) => at = segment.replay(&mut recovered.frames, last, each)?,
            // The process ended while it began the segment: nothing can be in it.
            None if last => at = segment.begin(partitions, recovered.frames)?,
            None => return Err(damaged(path, 0)),
        }
        if at < segment.bytes {
            if !last {
                return Err(damaged(path, at));
            }
            recovered.cut_bytes = segment.bytes - at;
            let cut = segment.file.set_len(at).and_then(|()| segment.file.sync_all());
            cut.map_err(failed(path, "cutting"))?;
        }
        segments.push(Arc::new(segment.file));
    }
    let (segments, tail) =
        (RwLock::new(segments), Mutex::new(Tail { at, frames: recovered.frames, broken: false }));
    let wal = Wal { dir: dir.to_owned(), partitions, durability, segment_bytes, segments, tail, _lock: lock };
    if names.is_empty() {
        wal.begin_segment(0)?;
    }
    Ok((wal, recovered))
}

/// The number of partitions of the log in `dir`; none when there is no log.
pub(super) fn stored_partitions(dir: &Path) -> Result<Option<u32>, LogError> {
    let path = segment_path(dir, 0);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Segment::open(&path, 0)?.header()?.map(|(partitions, _)| partitions))
}

/// How often a lock that is taken is tried again: a program that its last owner was just starting has it, too, until that
/// program runs.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(failed(&path, "opening"))?;
    let mut locked = file.try_lock();
    for _ in 1..LOCK_TRIES {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => {
            let process = format!("{}\n", std::process::id());
            let written = file.set_len(0).and_then(|()| file.write_all_at(process.as_bytes(), 0));
            written.map_err(failed(&path, "writing"))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let process = std::fs::read_to_string(&path).unwrap_or_default();
            let why =
                format!("process {} has it open: stop that one, or take another directory", process.trim());
            Err(refused(dir, why))
        }
        Err(TryLockError::Error(error)) => Err(failed(&path, "locking")(error)),
    }
}

/// The segments in order; they count from 0 without gaps.
fn segment_names(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed(dir, "listing"))? {
        let path = entry.map_err(failed(dir, "listing"))?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            paths.push(path);
        }
    }
    paths.sort();
    for (number, path) in paths.iter().enumerate() {
        let expected = segment_path(dir, number_of(number));
        if *path != expected {
            let why =
                format!("found {} where {} was expected: restore it", path.display(), expected.display());
            return Err(refused(dir, why));
        }
    }
    Ok(paths)
}

fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.wal"))
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("few segments")
}

/// A segment while the log is being opened.
struct Segment<'a> {
    path: &'a Path,
    number: u32,
    file: File,
    bytes: u64,
}

impl<'a> Segment<'a> {
    fn open(path: &'a Path, number: u32) -> Result<Segment<'a>, LogError> {
        let open = OpenOptions::new().read(true).write(true).open(path);
        let file = open.map_err(failed(path, "opening"))?;
        let bytes = file.metadata().map_err(failed(path, "opening"))?.len();
        Ok(Segment { path, number, file, bytes })
    }

    /// The number of partitions and the sequence of the first frame; none when the header was not finished.
    fn header(&self) -> Result<Option<(u32, u64)>, LogError> {
        if self.bytes < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).map_err(failed(self.path, "reading"))?;
        let partitions = u32::from_le_bytes(*header[12..].first_chunk().expect("4 bytes"));
        let first = u64::from_le_bytes(*header[24..].first_chunk().expect("8 bytes"));
        if header == segment_header(partitions, self.number, first) {
            return Ok(Some((partitions, first)));
        }
        if header[..8] == MAGIC && header[8..12] != FORMAT.to_le_bytes() {
            return Err(refused(self.path, "another version of dockside wrote it: use that one".to_owned()));
        }
        Err(damaged(self.path, 0))
    }

    /// Writes the header, and returns where it ends.
    fn begin(&self, partitions: u32, first: u64) -> Result<u64, LogError> {
        let header = segment_header(partitions, self.number, first);
        self.file.write_all_at(&header, 0).map_err(failed(self.path, "writing"))?;
        Ok(HEADER_BYTES as u64)
    }

    /// Hands on the whole frames and returns where they end. Only in the last segment the records are read too: the
    /// others were whole when their successor was begun, and a run is checked again whenever it is read.
    fn replay(
        &self,
        frames: &mut u64,
        with_records: bool,
        each: &mut dyn FnMut(Place, &Head),
    ) -> Result<u64, LogError> {
        let mut at = HEADER_BYTES as u64;
        let mut buffer = Vec::new();
        while let Some(head) = self.head(at, &mut buffer)? {
            if head.sequence != *frames {
                return Err(damaged(self.path, at));
            }
            if at + head.frame_bytes() > self.bytes {
                break;
            }
            if with_records && !self.body_is_whole(at, &head, &mut buffer)? {
                break;
            }
            each(Place { segment: self.number, at }, &head);
            at += head.frame_bytes();
            *frames += 1;
        }
        Ok(at)
    }

    fn head(&self, at: u64, buffer: &mut Vec<u8>) -> Result<Option<Head>, LogError> {
        let left = self.bytes - at;
        if left < PREFIX_BYTES as u64 {
            return Ok(None);
        }
        let mut prefix = [0; PREFIX_BYTES];
        self.file.read_exact_at(&mut prefix, at).map_err(failed(self.path, "reading"))?;
        let prefix = Prefix::decode(prefix);
        if u64::from(prefix.head_bytes) > left - PREFIX_BYTES as u64 {
            return Ok(None);
        }
        buffer.resize(prefix.head_bytes as usize, 0);
        self.file.read_exact_at(buffer, at + PREFIX_BYTES as u64).map_err(failed(self.path, "reading"))?;
        Ok(Head::decode(prefix, buffer))
    }

    fn body_is_whole(&self, at: u64, head: &Head, buffer: &mut Vec<u8>) -> Result<bool, LogError> {
        let mut at = at + head.body_at();
        for run in &head.runs {
            buffer.resize(run.bytes as usize, 0);
            self.file.read_exact_at(buffer, at).map_err(failed(self.path, "reading"))?;
            if crc32c(buffer) != run.crc {
                return Ok(false);
            }
            at += u64::from(run.bytes);
        }
        Ok(true)
    }
}

impl Wal {
    /// Begins the next segment; the one before is complete.
    fn begin_segment(&self, first: u64) -> Result<(), LogError> {
        let mut segments = self.segments.write().expect("no thread fails while it opens a segment");
        let number = number_of(segments.len());
        let path = segment_path(&self.dir, number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(failed(&path, "creating"))?;
        file.write_all_at(&segment_header(self.partitions, number, first), 0)
            .map_err(failed(&path, "writing"))?;
        if self.durability == Durability::Disk {
            let synced = file.sync_all().and_then(|()| File::open(&self.dir)?.sync_all());
            synced.map_err(failed(&path, "writing"))?;
        }
        segments.push(Arc::new(file));
        Ok(())
    }

    fn last(&self) -> (u32, Arc<File>) {
        let segments = self.segments.read().expect("no thread fails while it opens a segment");
        let file = segments.last().expect("there is always a segment");
        (number_of(segments.len() - 1), Arc::clone(file))
    }
}

impl Medium for Wal {
    const WAITS: bool = true;

    fn append(&self, frame: &[u8]) -> Result<Place, LogError> {
        let mut tail = self.tail.lock().expect("no thread fails while it writes");
        if tail.broken {
            let why = "an earlier write failed half-way: start again, whole steps will be found".to_owned();
            return Err(LogError { what: format!("writing {}", self.dir.display()), why, refused: false });
        }
        if tail.at > HEADER_BYTES as u64 && tail.at + frame.len() as u64 > self.segment_bytes {
            self.begin_segment(tail.frames)?;
            tail.at = HEADER_BYTES as u64;
        }
        let (segment, file) = self.last();
        let written = file.write_all_at(frame, tail.at).and_then(|()| match self.durability {
            Durability::Process => Ok(()),
            Durability::Disk => file.sync_data(),
        });
        if let Err(error) = written {
            // After a failed sync nobody knows what the disk holds, so only a failed write can be taken back.
            tail.broken = self.durability == Durability::Disk || file.set_len(tail.at).is_err();
            return Err(failed(&segment_path(&self.dir, segment), "writing")(error));
        }
        let place = Place { segment, at: tail.at };
        tail.at += frame.len() as u64;
        tail.frames += 1;
        Ok(place)
    }

    fn read(&self, place: Place, into: &mut [u8]) -> Result<(), LogError> {
        let file = {
            let segments = self.segments.read().expect("no thread fails while it opens a segment");
            Arc::clone(&segments[place.segment as usize])
        };
        let path = || segment_path(&self.dir, place.segment);
        file.read_exact_at(into, place.at).map_err(|error| failed(&path(), "reading")(error))
    }
}

fn segment_header(partitions: u32, number: u32, first: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[12..16].copy_from_slice(&partitions.to_le_bytes());
    header[16..24].copy_from_slice(&u64::from(number).to_le_bytes());
    header[24..].copy_from_slice(&first.to_le_bytes());
    header
}

/// The machine's own words, and what can be done.
pub(super) fn failed<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> LogError + 'a {
    move |error| {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and start again",
            io::ErrorKind::PermissionDenied => "; this user needs to read and write there",
            _ => "",
        };
        LogError {
            what: format!("{doing} {}", path.display()),
            why: format!("{error}{advice}"),
            refused: false,
        }
    }
}

pub(super) fn refused(path: &Path, why: String) -> LogError {
    LogError { what: format!("opening {}", path.display()), why, refused: true }
}

fn damaged(path: &Path, at: u64) -> LogError {
    refused(
        path,
        format!(
            "it is damaged at byte {at}, and more follows: restore it from a copy, or take a new directory"
        ),
    )
}
