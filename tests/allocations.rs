//! What a scan costs in allocations, counted.
//!
//! Enters: a hot world, whose scans are then read once more. Leaves: nothing, or how often memory was asked for. Always true:
//! only the thread that asks is counted, so that other tests do not show.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dockside::decode::Decoder;
use dockside::model::{Lane, Topic};
use dockside::stations::{ClockSource, Documents, HopWriter, InputRecord, Rules, Stations};
use dockside::workload::{Activity, Feed, PARTITION, WorldConfig};

/// The system's allocator, and how often each thread asked it for memory.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // At the very end of a thread nobody counts any more.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator can only be put in front of another one so")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn asked(work: impl FnOnce()) -> u64 {
    let before = ASKED.with(Cell::get);
    work();
    ASKED.with(Cell::get) - before
}

/// One partition's stations, and what they need to read.
struct Reader {
    rules: Rules,
    stations: Stations,
    decoder: Decoder,
    hops: HopWriter,
    offset: u64,
}

impl Reader {
    fn record(&mut self, topic: Topic, timestamp: dockside::model::Timestamp, value: &[u8]) {
        let record = InputRecord {
            offset: self.offset,
            timestamp,
            key: None,
            value: Some(value),
            content_type: None,
            feed: None,
        };
        self.offset += 1;
        let mut out = Documents { sink: &mut |_, _, _, _| {} };
        match topic {
            Topic::Scans => {
                self.stations.scans(&self.rules, &mut self.decoder, &record, &mut self.hops, &mut out)
            }
            _ => self.stations.commands(&self.rules, &record, &mut self.hops, &mut out),
        }
    }

    /// Ends epochs until nobody says anything more.
    fn settle(&mut self) {
        let mut out = Documents { sink: &mut |_, _, _, _| {} };
        loop {
            Lane::ALL.iter().for_each(|lane| self.stations.drained(*lane));
            self.stations.advance(&self.rules, &mut self.hops, &mut out);
            self.stations.publish(&self.rules, &mut out);
            self.stations.seal();
            self.stations.commit();
            if self.hops.is_empty() {
                return;
            }
            let mut told = Vec::new();
            self.hops.drain(|_, bytes| told.push(bytes.to_vec()));
            told.iter().for_each(|bytes| self.stations.hops(&self.rules, bytes, &mut self.hops));
        }
    }
}

#[test]
fn a_scan_that_says_nothing_new_asks_for_no_memory() {
    let feed = Feed::new(WorldConfig { activity: Activity::Hot, ..WorldConfig::new(3, 20_000) });
    let rules = Rules::embedded();
    let stations = Stations::new(PARTITION, 1, ClockSource::Input, 7);
    let (decoder, hops) = (Decoder::new(), HopWriter::new(1));
    let mut reader = Reader { rules, stations, decoder, hops, offset: 0 };
    for records in feed.appends() {
        for record in records.iter() {
            reader.record(record.topic, record.timestamp, record.value.expect("a value"));
        }
        reader.settle();
    }
    // The same scans again, but for those that do leave something: a dead letter, or one more of a number that is not known.
    let mut again = Vec::new();
    for record in feed.appends().flat_map(|records| records.iter()).filter(|r| r.topic == Topic::Scans) {
        let left = |reader: &Reader| {
            let counters = reader.stations.counters();
            counters.dead_lettered.iter().sum::<u64>() + counters.parked
        };
        let before = left(&reader);
        reader.record(record.topic, record.timestamp, record.value.expect("a value"));
        reader.settle();
        // A list of what a scan takes back is one in memory, too.
        let has_list = memchr::memmem::find(record.value.expect("a value"), b"\"retracts\":[\"").is_some();
        if left(&reader) == before && !has_list {
            again.push((record.timestamp, record.value.expect("a value")));
        }
    }
    assert!(again.len() > 15_000, "{} scans", again.len());

    // Once more without counting: buffers grow to what an epoch of so many needs.
    let read = |reader: &mut Reader| {
        let reading = asked(|| {
            again.iter().for_each(|(timestamp, value)| reader.record(Topic::Scans, *timestamp, value));
        });
        reading + asked(|| reader.settle())
    };
    read(&mut reader);
    let applied = reader.stations.counters().applied;
    let asked = read(&mut reader);
    assert_eq!(reader.stations.counters().applied, applied, "nothing was new");
    // The few: numbers that know more than stands in their row, which is then a list in memory, and copied as one.
    let few = again.len() as u64 / 50;
    assert!(asked < few, "memory was asked for {asked} times for {} scans", again.len());
}
