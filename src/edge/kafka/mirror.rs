//! Copies of the state logs on the local disk, so that a restart need not fetch them.
//!
//! Enters: records of state logs, as they were committed or read back. Leaves: the same records. Always true:
//! - a copy is a cache: whatever is wrong with it (another cluster, a flipped bit, a full disk, a topic made anew) costs
//!   time only; it is deleted, and the log is read;
//! - a copy has every committed record of its partition between its start and its end; where that is not certain any more,
//!   it ends;
//! - what is read back is checked on the way, and that the last record is the same as in the log before: a copy that turns out
//!   to be damaged is read no further, and whoever got something of it must forget that and ask again.
//!
//! A partition's directory has segments, named by their first offset, of a head and frames: length of the value (u32),
//! CRC-32C of what follows (u32), offset (u64), value; numbers little-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::MESSAGE_BYTES;
use super::signs::Signs;
use crate::model::Partition;

const MAGIC: &[u8; 8] = b"dockst01";
/// A segment is left for the next one at this size.
const SEGMENT_BYTES: u64 = 64 << 20;
/// How much is read at once, but for records that are larger: those go where they are wanted, without a stop.
const READ_BYTES: usize = 16 << 10;
/// How much is held back before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// What a copy is a copy of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Original {
    pub(super) cluster: String,
    pub(super) topic: String,
    pub(super) partitions: u32,
}

/// The copies of a worker's partitions.
#[derive(Debug)]
pub(super) struct Mirror {
    dir: PathBuf,
    original: Original,
    signs: Arc<Signs>,
    writing: BTreeMap<Partition, Writing>,
    /// Partitions that were given back, whose copies had everything until then.
    left: BTreeSet<Partition>,
}

/// A copy that is continued.
#[derive(Debug)]
struct Writing {
    file: BufWriter<File>,
    bytes: u64,
}

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    /// Its last record.
    pub(super) offset: u64,
    pub(super) value: Vec<u8>,
}

/// Why reading a copy ended early.
enum Ended<E> {
    BySink(E),
    ByDamage(io::Error),
}

impl<E> From<io::Error> for Ended<E> {
    fn from(error: io::Error) -> Ended<E> {
        Ended::ByDamage(error)
    }
}

/// Takes records, offset and value, until it fails.
type Sink<'a, E> = dyn FnMut(u64, &[u8]) -> Result<(), E> + 'a;

impl Mirror {
    pub(super) fn new(dir: &Path, original: Original, signs: Arc<Signs>) -> Mirror {
        Mirror { dir: dir.to_path_buf(), original, signs, writing: BTreeMap::new(), left: BTreeSet::new() }
    }

    /// The last record of a partition's copy, if it begins at `from` or before and ends behind it. Whether all between is
    /// whole shows when it is read.
    pub(super) fn last(&mut self, partition: Partition, from: u64) -> Option<Copied> {
        let found = self.segments(partition).and_then(|segments| {
            if segments.first().is_none_or(|(start, _)| *start > from) {
                return Ok(None);
            }
            let mut last = None;
            // The newest segment may have nothing yet.
            for at in (0..segments.len()).rev() {
                self.walk_segment::<io::Error>(&segments, at, 0, &mut |offset, value| {
                    let last = last.get_or_insert(Copied { offset, value: Vec::new() });
                    last.offset = offset;
                    last.value.clear();
                    last.value.extend_from_slice(value);
                    Ok(())
                })?;
                if last.is_some() {
                    break;
                }
            }
            Ok(last)
        });
        match found {
            Ok(last) => last.filter(|last| last.offset >= from),
            Err(error) => {
                self.give_up(partition, &error);
                None
            }
        }
    }

    /// Hands the records from `from` on to `sink`, up to the `last` one, which [`Mirror::last`] gave. False: the copy is
    /// damaged, and gone by now; what the sink was given must be forgotten.
    pub(super) fn read<E>(
        &mut self,
        partition: Partition,
        from: u64,
        last: u64,
        sink: &mut Sink<'_, E>,
    ) -> Result<bool, E> {
        let mut reached = None;
        let outcome = self.walk(partition, &mut |offset, value| {
            reached = Some(offset);
            if offset >= from { sink(offset, value).map_err(Ended::BySink) } else { Ok(()) }
        });
        let error = match outcome {
            Ok(()) if reached == Some(last) => return Ok(true),
            Ok(()) => damaged("it does not end where it did"),
            Err(Ended::BySink(error)) => return Err(error),
            Err(Ended::ByDamage(error)) => error,
        };
        self.give_up(partition, &error);
        Ok(false)
    }

    /// Begins a copy anew, of the log from `start` on.
    pub(super) fn restart(&mut self, partition: Partition, start: u64) {
        self.close(partition);
        let begun = self.delete(partition).and_then(|()| self.segment(partition, start));
        self.keep(partition, begun);
    }

    /// Continues a copy that was read, in a segment of its own.
    pub(super) fn resume(&mut self, partition: Partition, next: u64) {
        self.close(partition);
        let begun = self.segment(partition, next);
        self.keep(partition, begun);
    }

    /// Adds the next committed record of a copy that is being written.
    pub(super) fn append(&mut self, partition: Partition, offset: u64, value: &[u8]) {
        let Some(writing) = self.writing.get_mut(&partition) else { return };
        let outcome = writing.put(offset, value);
        if let Err(error) = outcome {
            self.give_up(partition, &error);
        } else if self.writing[&partition].bytes >= SEGMENT_BYTES {
            self.resume(partition, offset + 1);
        }
    }

    /// Ends a copy here: what follows in the log is not known to it. What it has stays good.
    pub(super) fn close(&mut self, partition: Partition) {
        self.signs.ended(partition);
        if let Some(mut writing) = self.writing.remove(&partition)
            && let Err(error) = writing.file.flush()
        {
            self.give_up(partition, &error);
        }
    }

    /// The partition is not ours any more, and its copy ends.
    pub(super) fn leave(&mut self, partition: Partition) {
        if self.writing.contains_key(&partition) {
            self.left.insert(partition);
        }
        self.close(partition);
        self.signs.left(partition);
    }

    /// The partition is ours again, and nobody has written to its log since, which ends at `next`: if its copy had everything
    /// when it was left, it is continued.
    pub(super) fn come_back(&mut self, partition: Partition, next: u64) {
        if self.left.remove(&partition) {
            self.resume(partition, next);
        }
    }

    /// The log begins at `offset` by now.
    pub(super) fn trim(&self, partition: Partition, offset: u64) {
        let Ok(segments) = self.segments(partition) else { return };
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if next.0 <= offset
                && let Err(error) = fs::remove_file(&segment.1)
            {
                tracing::warn!(target: "kafka", "cannot delete {}: {error}", segment.1.display());
            }
        }
    }

    fn keep(&mut self, partition: Partition, begun: io::Result<Writing>) {
        self.left.remove(&partition);
        match begun {
            Ok(writing) => {
                self.writing.insert(partition, writing);
                self.signs.follows(partition);
            }
            Err(error) => self.give_up(partition, &error),
        }
    }

    fn give_up(&mut self, partition: Partition, error: &io::Error) {
        self.writing.remove(&partition);
        self.left.remove(&partition);
        self.signs.ended(partition);
        self.warn(partition, error);
        if let Err(error) = self.delete(partition) {
            self.warn(partition, &error);
        }
    }

    fn warn(&self, partition: Partition, error: &io::Error) {
        let dir = self.place(partition);
        tracing::warn!(
            target: "kafka",
            "no local copy of the state of partition {partition} ({}): {error}; a restart reads it from Kafka",
            dir.display()
        );
    }

    fn place(&self, partition: Partition) -> PathBuf {
        self.dir.join(format!("state-{partition}"))
    }

    fn delete(&self, partition: Partition) -> io::Result<()> {
        match fs::remove_dir_all(self.place(partition)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The segments of a partition by their first offset.
    fn segments(&self, partition: Partition) -> io::Result<Vec<(u64, PathBuf)>> {
        let entries = match fs::read_dir(self.place(partition)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut segments = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            segments.extend(first.map(|first: u64| (first, path)));
        }
        segments.sort();
        Ok(segments)
    }

    fn segment(&self, partition: Partition, first: u64) -> io::Result<Writing> {
        let dir = self.place(partition);
        fs::create_dir_all(&dir)?;
        let mut file = File::create(dir.join(format!("{first:020}.log")))?;
        let original = postcard::to_stdvec(&self.original).expect("a head serialises into memory");
        let (length, crc) = (length(original.len()).to_le_bytes(), crc32c::crc32c(&original).to_le_bytes());
        // At once: it may be long until there is enough behind it.
        file.write_all(&[&MAGIC[..], &length, &crc, &original].concat())?;
        Ok(Writing { file: BufWriter::with_capacity(BUFFER_BYTES, file), bytes: 0 })
    }

    /// Hands every whole record to `sink`, in order. A record that was cut off ends the last segment; anything else that does
    /// not fit is an error.
    fn walk<E: From<io::Error>>(&self, partition: Partition, sink: &mut Sink<'_, E>) -> Result<(), E> {
        let segments = self.segments(partition)?;
        let mut next = 0;
        for at in 0..segments.len() {
            next = self.walk_segment(&segments, at, next, sink)?;
        }
        Ok(())
    }

    /// The same for one of the segments, whose records are not before `next`; what follows is not before what it gives back.
    fn walk_segment<E: From<io::Error>>(
        &self,
        segments: &[(u64, PathBuf)],
        at: usize,
        mut next: u64,
        sink: &mut Sink<'_, E>,
    ) -> Result<u64, E> {
        let (first, path) = &segments[at];
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
        match self.head(&mut file) {
            // The process ended before it wrote anything.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && at + 1 == segments.len() => {
                return Ok(next);
            }
            read => read?,
        }
        if *first < next {
            return Err(damaged("its segments overlap").into());
        }
        let mut value = Vec::new();
        loop {
            match frame(&mut file, &mut value)? {
                Frame::Whole(offset) if offset >= next.max(*first) => {
                    next = offset + 1;
                    sink(offset, &value)?;
                }
                Frame::Whole(_) => return Err(damaged("its offsets go back").into()),
                Frame::End => return Ok(next),
                // The process ended while it wrote. A later segment begins where this one was read to.
                Frame::Cut if segments.get(at + 1).is_none_or(|later| later.0 == next) => return Ok(next),
                Frame::Cut => return Err(damaged("a segment lost its end").into()),
            }
        }
    }

    fn head(&self, file: &mut impl Read) -> io::Result<()> {
        let mut fixed = [0; 16];
        file.read_exact(&mut fixed)?;
        let [len, crc] = [8, 12].map(|at| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("four")));
        if fixed[..8] != *MAGIC || len > 4096 {
            return Err(damaged("it was written by another version of this program"));
        }
        let mut head = vec![0; len as usize];
        file.read_exact(&mut head)?;
        if crc32c::crc32c(&head) != crc {
            return Err(damaged("its head is damaged"));
        }
        let original: Original = postcard::from_bytes(&head).map_err(|_| damaged("its head is damaged"))?;
        if original != self.original {
            return Err(damaged("it is a copy of another log"));
        }
        Ok(())
    }
}

impl Writing {
    fn put(&mut self, offset: u64, value: &[u8]) -> io::Result<()> {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&offset.to_le_bytes()), value);
        self.file.write_all(&length(value.len()).to_le_bytes())?;
        self.file.write_all(&crc.to_le_bytes())?;
        self.file.write_all(&offset.to_le_bytes())?;
        self.file.write_all(value)?;
        self.bytes += value.len() as u64;
        Ok(())
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message is smaller than 4 GiB")
}

fn damaged(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

enum Frame {
    Whole(u64),
    End,
    Cut,
}

/// Reads the next frame; a wrong checksum at the very end of a file is one that was cut off.
fn frame(file: &mut BufReader<File>, value: &mut Vec<u8>) -> io::Result<Frame> {
    let mut fixed = [0; 16];
    match filled(file, &mut fixed)? {
        0 => return Ok(Frame::End),
        16 => {}
        _ => return Ok(Frame::Cut),
    }
    let [len, crc] = [0, 4].map(|at| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("four")));
    let offset: [u8; 8] = fixed[8..].try_into().expect("eight");
    if len > MESSAGE_BYTES {
        return Err(damaged("a length is damaged"));
    }
    value.resize(len as usize, 0);
    if filled(file, value)? < value.len() {
        return Ok(Frame::Cut);
    }
    if crc32c::crc32c_append(crc32c::crc32c(&offset), value) != crc {
        return Err(damaged("a checksum does not fit"));
    }
    Ok(Frame::Whole(u64::from_le_bytes(offset)))
}

/// Reads until the buffer is full or the file ends.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match file.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Partition = Partition(3);

    fn original() -> Original {
        Original { cluster: "c".into(), topic: "dockside.state".into(), partitions: 4 }
    }

    /// A copy of a log from 10 on, with records at 10, 12, 14 … in two segments.
    fn copy(dir: &Path) -> Mirror {
        let mut mirror = Mirror::new(dir, original(), Arc::default());
        mirror.restart(HERE, 10);
        for offset in [10, 12, 14] {
            mirror.append(HERE, offset, format!("value {offset}").as_bytes());
        }
        mirror.resume(HERE, 15);
        for offset in [16, 18] {
            mirror.append(HERE, offset, format!("value {offset}").as_bytes());
        }
        mirror.close(HERE);
        mirror
    }

    /// The records from an offset on; none if something is wrong with them.
    fn read(mirror: &mut Mirror, from: u64) -> Option<Vec<u64>> {
        let last = mirror.last(HERE, from)?.offset;
        let mut seen = Vec::new();
        let is_whole = mirror.read::<()>(HERE, from, last, &mut |offset, value| {
            assert_eq!(value, format!("value {offset}").as_bytes());
            seen.push(offset);
            Ok(())
        });
        is_whole.expect("the sink does not fail").then_some(seen)
    }

    fn last(mirror: &mut Mirror, from: u64) -> Option<u64> {
        Some(*read(mirror, from)?.last().expect("a record"))
    }

    #[test]
    fn a_copy_gives_back_what_was_put_in() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mirror = copy(dir.path());
        assert_eq!(read(&mut mirror, 10).expect("whole"), [10, 12, 14, 16, 18]);
        assert_eq!(read(&mut mirror, 13).expect("whole"), [14, 16, 18]);
        // A log that begins earlier, or behind the copy, is read from Kafka.
        for (from, wanted) in [(9, None), (10, Some(18)), (18, Some(18)), (19, None)] {
            assert_eq!(last(&mut mirror, from), wanted, "from {from}");
        }
        assert_eq!(mirror.last(Partition(2), 0), None, "nobody copied that one");
        mirror.trim(HERE, 14);
        assert_eq!(
            read(&mut mirror, 10).expect("whole"),
            [10, 12, 14, 16, 18],
            "the first segment is still needed"
        );
        mirror.trim(HERE, 15);
        assert_eq!(last(&mut mirror, 10), None, "its beginning is gone");
        assert_eq!(read(&mut mirror, 15).expect("whole"), [16, 18]);
        mirror.restart(HERE, 30);
        mirror.append(HERE, 31, b"value 31");
        mirror.close(HERE);
        assert_eq!(read(&mut mirror, 30).expect("whole"), [31], "nothing of the old one is left");
    }

    #[test]
    fn a_copy_that_does_not_fit_is_not_used() {
        type Change = fn(&mut Vec<u8>);
        let cases: [(&str, usize, Change, Option<u64>); 7] = [
            ("nothing", 1, |_| (), Some(18)),
            ("the end was not written", 1, |bytes| bytes.truncate(bytes.len() - 1), Some(16)),
            ("only a part of a head", 1, |bytes| bytes.truncate(bytes.len() - 20), Some(16)),
            ("a flipped bit", 1, |bytes| *bytes.last_mut().expect("bytes") ^= 1, None),
            ("a flipped bit of the head", 0, |bytes| bytes[20] ^= 1, None),
            ("an older version", 0, |bytes| bytes[7] = b'0', None),
            ("a segment lost its end", 0, |bytes| bytes.truncate(bytes.len() - 1), None),
        ];
        for (name, segment, change, wanted) in cases {
            let dir = tempfile::tempdir().expect("a directory");
            let mut mirror = copy(dir.path());
            let path = mirror.segments(HERE).expect("segments")[segment].1.clone();
            let mut bytes = fs::read(&path).expect("bytes");
            change(&mut bytes);
            fs::write(&path, bytes).expect("written");
            assert_eq!(last(&mut mirror, 10), wanted, "{name}");
        }
        let dir = tempfile::tempdir().expect("a directory");
        copy(dir.path());
        for (name, original) in [
            ("another cluster", Original { cluster: "d".into(), ..original() }),
            ("another topic", Original { topic: "x".into(), ..original() }),
            ("another count", Original { partitions: 5, ..original() }),
        ] {
            assert_eq!(last(&mut Mirror::new(dir.path(), original, Arc::default()), 10), None, "{name}");
        }
    }

    #[test]
    fn a_process_that_is_killed_leaves_what_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mirror = copy(dir.path());
        // Three that came no further than that: their last segments have a head, and nothing, and a part of a head.
        for (next, bytes) in [(19, None), (20, Some(0)), (20, Some(9))] {
            mirror.resume(HERE, next);
            let path = mirror.segments(HERE).expect("segments").last().expect("one").1.clone();
            std::mem::forget(mirror.writing.remove(&HERE));
            if let Some(bytes) = bytes {
                let head = fs::read(&path).expect("bytes");
                fs::write(&path, &head[..bytes]).expect("written");
            }
            assert_eq!(read(&mut mirror, 10).expect("whole"), [10, 12, 14, 16, 18], "{next} {bytes:?}");
        }
    }

    #[test]
    fn a_copy_goes_on_when_its_partition_comes_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mirror = copy(dir.path());
        mirror.come_back(HERE, 20);
        mirror.append(HERE, 20, b"value 20");
        assert_eq!(last(&mut mirror, 10), Some(18), "what was closed had not everything");
        mirror.resume(HERE, 19);
        mirror.append(HERE, 20, b"value 20");
        mirror.leave(HERE);
        mirror.append(HERE, 22, b"not ours");
        mirror.come_back(HERE, 24);
        mirror.append(HERE, 24, b"value 24");
        mirror.close(HERE);
        assert_eq!(read(&mut mirror, 10).expect("whole"), [10, 12, 14, 16, 18, 20, 24]);
        // Read back meanwhile, or given up: nothing is left to go on with.
        mirror.resume(HERE, 25);
        mirror.leave(HERE);
        mirror.restart(HERE, 30);
        mirror.close(HERE);
        mirror.come_back(HERE, 31);
        mirror.append(HERE, 31, b"value 31");
        assert_eq!(last(&mut mirror, 30), None);
    }

    #[test]
    fn a_copy_that_was_damaged_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mirror = copy(dir.path());
        let path = mirror.segments(HERE).expect("segments")[0].1.clone();
        let mut bytes = fs::read(&path).expect("bytes");
        *bytes.last_mut().expect("bytes") ^= 1;
        fs::write(&path, bytes).expect("written");
        let last = mirror.last(HERE, 10).expect("its end is good");
        let mut seen = Vec::new();
        let is_whole = mirror.read::<()>(HERE, 10, last.offset, &mut |offset, _| {
            seen.push(offset);
            Ok(())
        });
        assert_eq!((is_whole, &seen[..]), (Ok(false), &[10, 12][..]), "as far as it is good");
        assert_eq!(mirror.segments(HERE).expect("a look"), [], "and is not read again");
    }

    #[test]
    fn without_a_disk_nothing_happens() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a file");
        fs::write(&file, b"").expect("written");
        let mut mirror = Mirror::new(&file, original(), Arc::default());
        mirror.restart(HERE, 0);
        mirror.append(HERE, 0, b"value 0");
        mirror.close(HERE);
        assert_eq!(mirror.last(HERE, 0), None);
    }

    #[test]
    fn a_full_disk_ends_the_copy_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut mirror = copy(dir.path());
        // The next segment is on a device that is full.
        let next = dir.path().join(format!("state-{HERE}")).join(format!("{:020}.log", 19));
        std::os::unix::fs::symlink("/dev/full", next).expect("a link");
        mirror.resume(HERE, 19);
        mirror.append(HERE, 19, ".".repeat(BUFFER_BYTES).as_bytes());
        assert_eq!(last(&mut mirror, 10), None, "what may lack something is gone");
        mirror.append(HERE, 20, b"value 20");
        mirror.restart(HERE, 20);
        mirror.append(HERE, 20, b"value 20");
        mirror.close(HERE);
        assert_eq!(read(&mut mirror, 20).expect("whole"), [20], "with room again, it is begun anew");
    }
}
