//! Batches that another implementation of the format wrote, damaged ones, and any bytes.

use std::io::Write;

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use proptest::prelude::*;

use super::*;

/// A record for another implementation of the format to write.
fn record(offset: i64, key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 3,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset).expect("small"),
        timestamp: 1_000 + offset,
        key: key.map(Bytes::from_static),
        value: value.map(Bytes::from_static),
        headers: Default::default(),
    }
}

fn in_transaction(producer: i64, offset: i64) -> Record {
    Record {
        transactional: true,
        producer_id: producer,
        producer_epoch: 1,
        ..record(offset, None, Some(b"v"))
    }
}

fn marker(producer: i64, offset: i64, kind: u8) -> Record {
    let key: &'static [u8] = if kind == 0 { &[0, 0, 0, 0] } else { &[0, 0, 0, 1] };
    Record { control: true, key: Some(Bytes::from_static(key)), ..in_transaction(producer, offset) }
}

/// What a broker would send: one batch per list.
fn written(batches: &[&[Record]], codec: Compression) -> Bytes {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: codec };
    for records in batches {
        let pack = |from: &mut BytesMut, to: &mut BytesMut, codec: Compression| {
            to.put_slice(&packed(&from.copy_to_bytes(from.remaining()), codec));
            Ok(())
        };
        RecordBatchEncoder::encode_with_custom_compression(&mut out, *records, &options, Some(pack))
            .expect("a batch");
    }
    out.freeze()
}

fn packed(bytes: &[u8], codec: Compression) -> Vec<u8> {
    match codec {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).and_then(|()| writer.finish()).expect("memory")
        }
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(bytes).expect("snappy"),
        Compression::Lz4 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            writer.write_all(bytes).expect("memory");
            writer.finish().expect("lz4")
        }
        Compression::Zstd => zstd::encode_all(bytes, 1).expect("zstd"),
    }
}

#[derive(Default)]
struct Slabs(Vec<Slab>);

impl Taker for Slabs {
    fn memory(&mut self) -> Vec<u8> {
        b"of an answer before".to_vec()
    }

    fn slab(&mut self, slab: Slab) {
        self.0.push(slab);
    }
}

/// Offset, timestamp, key, value, content type, feed.
type Seen = (u64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

fn taken(slab: &mut Slab, max: usize, from: u64) -> Result<Vec<Seen>, Damage> {
    let own = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
    Ok(slab
        .take(max, from)?
        .iter()
        .map(|record| {
            let (key, value) = (own(record.key), own(record.value));
            (record.offset, record.timestamp.0, key, value, own(record.content_type), own(record.feed))
        })
        .collect())
}

fn read(bytes: &Bytes, aborted: &[(i64, i64)]) -> Result<Vec<Seen>, Damage> {
    let mut slabs = Slabs::default();
    let mut aborted = Aborted::new(aborted.iter().copied());
    unpack(bytes, &mut aborted, &mut slabs).map_err(|(_, damage)| damage)?;
    let mut seen = Vec::new();
    for mut slab in slabs.0 {
        while !slab.is_taken() {
            seen.extend(taken(&mut slab, 2, 0)?);
        }
    }
    Ok(seen)
}

fn offsets(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(|seen| seen.0).collect()
}

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

#[test]
fn what_others_wrote_is_read() {
    let long: &'static [u8] = &[b'x'; 300];
    let header = |name: &'static str, value: Option<&'static [u8]>| {
        (StrBytes::from_static_str(name), value.map(Bytes::from_static))
    };
    let headers =
        [header("content-type", Some(b"json")), header("other", None), header("dockside-feed", Some(b""))];
    let records = [
        record(70, Some(b"key"), Some(b"value")),
        record(71, None, Some(long)),
        Record { timestamp: -1, ..record(75, Some(long), None) },
        Record { headers: headers.into_iter().collect(), ..record(1_000, Some(b""), Some(b"")) },
    ];
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let wanted = vec![
        (70, 1_070, some(b"key"), some(b"value"), None, None),
        (71, 1_071, None, some(long), None, None),
        (75, 0, some(long), None, None, None),
        (1_000, 2_000, some(b""), some(b""), some(b"json"), some(b"")),
    ];
    for codec in CODECS {
        let bytes = written(&[&records[..3], &records[3..]], codec);
        assert_eq!(reached(&bytes, 70), Ok(Some(Reached { next: 1_001, leader_epoch: 3 })), "{codec:?}");
        assert_eq!(read(&bytes, &[]).as_ref(), Ok(&wanted), "{codec:?}");
    }
}

#[test]
fn snappy_in_blocks_is_read() {
    let plain = written(&[&[record(5, Some(b"key"), Some(b"value"))]], Compression::None);
    let records = &plain[HEADER_BYTES..];
    let mut blocks = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for block in records.chunks(4) {
        let block = packed(block, Compression::Snappy);
        blocks.extend(u32::try_from(block.len()).expect("small").to_be_bytes());
        blocks.extend(block);
    }
    let mut unpacked = Vec::new();
    assert_eq!(unsnap(&blocks, &mut unpacked), Ok(()));
    assert_eq!(unpacked, records);
    for cut in [17, 19, blocks.len() - 1] {
        assert!(unsnap(&blocks[..cut], &mut Vec::new()).is_err(), "cut at {cut}");
    }
}

#[test]
fn what_was_aborted_is_not_shown() {
    let (one, two) = (7, 9);
    let committed = 1;
    let log = [
        vec![in_transaction(one, 0), in_transaction(one, 1)],
        vec![in_transaction(two, 2)],
        vec![record(3, None, Some(b"outside"))],
        vec![marker(one, 4, 0)],
        vec![in_transaction(one, 5)],
        vec![marker(two, 6, committed)],
        vec![in_transaction(two, 7)],
        vec![marker(one, 8, committed)],
        vec![marker(two, 9, 0)],
    ];
    let log: Vec<&[Record]> = log.iter().map(Vec::as_slice).collect();
    for (aborted, wanted) in [
        (&[][..], &[0, 1, 2, 3, 5, 7][..]),
        (&[(one, 0), (two, 7)], &[2, 3, 5]),
        // An answer may begin within a transaction.
        (&[(two, 7), (one, 0)], &[2, 3, 5]),
    ] {
        let bytes = written(&log, Compression::Lz4);
        let seen = read(&bytes, aborted).expect("a sound log");
        assert_eq!(offsets(&seen), wanted, "{aborted:?}");
        assert_eq!(reached(&bytes, 0).expect("sound").expect("batches").next, 10, "behind the last marker");
    }
}

#[test]
fn records_are_taken_in_handfuls_from_an_offset_on() {
    let records: Vec<Record> = (10..20).map(|offset| record(offset, None, Some(b"v"))).collect();
    let bytes = written(&[&records], Compression::Lz4);
    for (max, from, wanted) in [
        (100, 0, vec![vec![10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]),
        (4, 0, vec![vec![10, 11, 12, 13], vec![14, 15, 16, 17], vec![18, 19]]),
        (4, 15, vec![vec![15, 16, 17, 18], vec![19]]),
        (4, 20, vec![vec![]]),
    ] {
        let mut slabs = Slabs::default();
        unpack(&bytes, &mut Aborted::default(), &mut slabs).expect("a sound log");
        let mut slab = slabs.0.pop().expect("one batch");
        let mut handfuls = Vec::new();
        while !slab.is_taken() {
            handfuls.push(offsets(&taken(&mut slab, max, from).expect("records")));
        }
        assert_eq!(handfuls, wanted, "at most {max} from {from}");
    }
}

#[test]
fn what_is_cut_off_is_left() {
    let one = written(&[&[record(0, None, Some(b"one"))]], Compression::None);
    let both =
        written(&[&[record(0, None, Some(b"one"))], &[record(1, None, Some(b"two"))]], Compression::None);
    for cut in 0..both.len() {
        let bytes = both.slice(..cut);
        let whole = u64::from(cut >= one.len());
        assert_eq!(
            reached(&bytes, 0).expect("no damage").map_or(0, |reached| reached.next),
            whole,
            "cut at {cut}"
        );
        assert_eq!(read(&bytes, &[]).map(|seen| seen.len() as u64), Ok(whole), "cut at {cut}");
    }
}

#[test]
fn batches_follow_each_other() {
    let batch = |offset| written(&[&[record(offset, None, Some(b"v"))]], Compression::None);
    for (offsets, from, is_sound) in
        [(&[3, 4, 9][..], 3, true), (&[3, 9, 4], 3, false), (&[3, 3], 3, false), (&[3, 4], 4, false)]
    {
        let bytes: Vec<u8> = offsets.iter().flat_map(|&offset| batch(offset)).collect();
        assert_eq!(reached(&bytes, from).is_ok(), is_sound, "{offsets:?} from {from}");
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let bytes = written(&[&[record(0, Some(b"key"), Some(b"value"))]], Compression::None);
    for at in CHECKED_FROM..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 0x10;
        // What makes no sense is refused for that before it is summed up.
        let read = read(&changed.into(), &[]);
        assert!(matches!(read, Err(Damage::Checksum)) || read == Ok(vec![]), "{at}: {read:?}");
    }
}

#[test]
fn old_formats_are_named() {
    for magic in [0, 1] {
        let mut bytes = vec![0; 40];
        bytes[11] = 28;
        bytes[16] = magic;
        let damage = reached(&bytes, 0).expect_err("it is old");
        assert_eq!(damage, Damage::OldFormat(magic.cast_signed()));
        assert!(!damage.may_pass() && damage.to_string().contains("kafka.fetch"), "{damage}");
    }
}

/// A batch with these bytes for records, and the checksum that belongs to them.
fn sealed(records: &[u8], count: i32, attributes: i16) -> Bytes {
    let mut bytes = written(&[&[record(0, None, None)]], Compression::None)[..HEADER_BYTES].to_vec();
    bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    bytes.extend(records);
    let length = i32::try_from(bytes.len() - PREFIX_BYTES).expect("small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let sum = crc32c(&bytes[CHECKED_FROM..]);
    bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    bytes.into()
}

#[test]
fn records_that_are_none_are_damage() {
    for (records, why) in [
        (&b""[..], "too few"),
        (&[2, 0], "cut off"),
        (&[14, 0, 0, 0, 1, 1, 0, 0], "longer than its parts"),
        (&[12, 0, 0, 0, 200, 1, 0], "a key beyond its end"),
        (&[12, 0, 0, 0, 3, 1, 0], "a length below -1"),
        (&[14, 0, 0, 0, 1, 1, 2, 1], "a header without a name"),
        (&[255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], "a number of too many bytes"),
    ] {
        let read = read(&sealed(records, 1, 0), &[]);
        assert!(matches!(read, Err(Damage::Shape(_))), "{why}: {read:?}");
    }
    let falling = [12, 0, 0, 2, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0];
    assert_eq!(read(&sealed(&falling, 2, 0), &[]), Err(Damage::Shape("offsets do not rise")));
    for codec in 1..8 {
        let read = read(&sealed(b"not packed by any of them", 1, codec), &[]);
        assert!(matches!(read, Err(Damage::Packing(_))), "codec {codec}: {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_are_too_much(
        records in proptest::collection::vec(any::<u8>(), 0..80),
        count in -1..4_i32,
        attributes in any::<i16>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = sealed(&records, count, attributes).to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Whatever it says: it ends, and what it shows rises and is before where reading goes on.
        let next = reached(&bytes, 0);
        if let Ok(seen) = read(&bytes.into(), &[(0, 0)]) {
            prop_assert!(seen.is_empty() || next.is_err() || next.is_ok_and(|next| next.is_some()));
            prop_assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
