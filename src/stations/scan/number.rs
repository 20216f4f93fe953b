//! What is known of one number: its progress, what it serves, and who had it before.
//!
//! Enters: registrations and their ends. Leaves: intervals, conflicts, and the whole in a few dozen bytes. Always true: nothing
//! before the floor is kept, and the floor is the smallest `from` of the registrations; equal numbers have equal bytes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::fold::{Interval, Progress, Reader, Spare};
use crate::model::{EventTime, FcId, ShipmentId, Timestamp, is_plain_id};
use crate::stations::Rules;
use crate::stations::hop::{Conflict, Registration, UnitNo};

/// R19: how many of those that once had a number are remembered for the conflicts that were; beyond it the one that let go
/// of it first is forgotten, and counted among the bounds that were hit.
const FORMER_MAX: usize = 16;

/// All that is known of a number at a carrier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Number {
    pub(super) progress: Progress,
    /// Ordered by entry, then shipment, then unit: the newest last.
    pub(super) registrations: SmallVec<[Registration; 1]>,
    /// Scans while the number was never registered.
    pub(super) parked: u32,
    /// The largest record time of its scans, while parked.
    pub(super) last_record_time: Timestamp,
    /// Whether it was ever registered.
    pub(super) known: bool,
    /// Boxes that had it once: few numbers have any.
    former: Option<Box<Former>>,
}

/// Boxes that once had a number, in the order in which they let go of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Former(SmallVec<[Tenure; 1]>);

/// From when to when a shipment had a number on one of its boxes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Tenure {
    pub(super) until: Timestamp,
    pub(super) since: Timestamp,
    pub(super) shipment: ShipmentId,
}

/// What of a registration says when it is served.
#[derive(Clone, Copy, Debug)]
struct Life {
    is_box: bool,
    cancelled: bool,
    from: Timestamp,
    to: Option<Timestamp>,
}

impl Life {
    fn of(registration: &Registration) -> Life {
        let &Registration { unit, cancelled, from, to, .. } = registration;
        Life { is_box: unit != UnitNo::FREIGHT, cancelled, from, to }
    }

    /// Reads a registration as far as needed; shows its identifiers, which are passed over.
    fn read(reader: &mut Reader<'_>, mut pass: impl FnMut(&[u8])) -> Life {
        pass(reader.piece());
        let is_box = UnitNo(reader.small()) != UnitNo::FREIGHT;
        let from = Timestamp(reader.signed());
        let to = reader.is_set().then(|| Timestamp(reader.signed()));
        pass(reader.piece());
        let (_entered_at, _generation) = (reader.signed(), reader.small());
        let (_retired, cancelled) = (reader.is_set(), reader.is_set());
        Life { is_box, cancelled, from, to }
    }
}

/// The interval in which the first of these registrations is served; the others are newer. Freight shares its numbers; among
/// boxes a newer entry takes over from its own `from` on, unless its shipment is cancelled.
fn interval(mut lives: impl Iterator<Item = Life>) -> Interval {
    let mine = lives.next().expect("a registration");
    let mut to = mine.to;
    if mine.is_box {
        for newer in lives.filter(|newer| newer.is_box && !newer.cancelled) {
            let holds = newer.to.is_none_or(|end| end > newer.from);
            if holds && to.is_none_or(|end| newer.from < end) {
                to = Some(newer.from);
            }
        }
    }
    Interval { from: mine.from, to }
}

/// What stands behind the registrations of a plain number: nothing parked, no time of it, known, no former.
pub(super) const PLAIN_END: [u8; 4] = [0, 0, 1, 0];

const WRITTEN: &str = "packed bytes are those that were written";

/// None: it cannot have been written.
fn registration(reader: &mut Reader<'_>) -> Option<Registration> {
    let read = Registration {
        shipment: ShipmentId::parse(reader.text())?,
        unit: UnitNo(reader.small()),
        from: Timestamp(reader.signed()),
        to: reader.is_set().then(|| Timestamp(reader.signed())),
        fc: FcId::parse(reader.text())?,
        entered_at: Timestamp(reader.signed()),
        generation: reader.small(),
        retired: reader.is_set(),
        cancelled: reader.is_set(),
    };
    reader.is_good().then_some(read)
}

/// How a number stands towards a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It never was registered: scans are parked.
    Unknown,
    /// It was registered once, and is not any more.
    Left,
    /// Its registrations ended, or began later.
    Ended,
    /// It serves a unit.
    Serving,
}

impl Standing {
    /// How a packed number stands towards a scan of that time. `rest` are its bytes behind the progress.
    pub(super) fn read(rest: &[u8], at: EventTime) -> Standing {
        if rest.is_empty() {
            return Standing::Unknown;
        }
        let mut reader = Reader::new(rest);
        let count = reader.length();
        if count == 0 {
            let (_parked, _last_record_time) = (reader.small(), reader.signed());
            return if reader.is_set() { Standing::Left } else { Standing::Unknown };
        }
        let mut boxes: SmallVec<[Life; 2]> = SmallVec::new();
        for _ in 0..count {
            let life = Life::read(&mut reader, |_| ());
            if life.is_box {
                boxes.push(life);
            } else if life.to.is_none() && interval(std::iter::once(life)).contains(at) {
                return Standing::Serving;
            }
        }
        let serves =
            |first: usize| boxes[first].to.is_none() && interval(boxes[first..].iter().copied()).contains(at);
        assert!(reader.is_good(), "{WRITTEN}");
        if (0..boxes.len()).any(serves) { Standing::Serving } else { Standing::Ended }
    }
}

impl Number {
    /// Whether what a state log has is a plain number, as most are, and then whether it [`stands`](Number::stands): without
    /// making a registration of what need only be looked at. What this was leaves its memory.
    pub(super) fn skim(&mut self, bytes: &[u8], spare: &mut Spare) -> Option<bool> {
        let mut reader = Reader::new(bytes);
        spare.read_logged(&mut self.progress, &mut reader);
        let count = reader.length();
        let (mut stands, mut are_plain) = (count == 1, true);
        for _ in 0..count {
            let life = Life::read(&mut reader, |id| are_plain &= is_plain_id(id));
            stands &= life.to.is_none();
        }
        (count > 0 && are_plain && reader.is_good() && reader.rest() == PLAIN_END).then_some(stands)
    }

    /// Reads what a state log has, in place of what it was.
    pub(super) fn read_logged(&mut self, bytes: &[u8], spare: &mut Spare) -> Result<(), postcard::Error> {
        let mut reader = Reader::new(bytes);
        spare.read_logged(&mut self.progress, &mut reader);
        let is_read = reader.is_good() && self.read_registrations(&mut reader) && self.read_end(&mut reader);
        if !is_read || !reader.rest().is_empty() {
            // What is wrong with it, if it is not merely unusual.
            *self = Number::default();
            let (number, rest) = postcard::take_from_bytes(bytes)?;
            *self = number;
            return if rest.is_empty() { Ok(()) } else { Err(postcard::Error::DeserializeBadEncoding) };
        }
        Ok(())
    }

    /// Reads what [`Number::pack`] wrote, in place of what it was; gives back the bytes behind the progress.
    pub(super) fn read<'a>(&mut self, bytes: &'a [u8], spare: &mut Spare) -> &'a [u8] {
        if bytes.is_empty() {
            *self = Number::default();
            return bytes;
        }
        let mut reader = Reader::new(bytes);
        spare.read(&mut self.progress, &mut reader);
        self.read_rest(reader);
        reader.rest()
    }

    /// The same, but for what is behind the progress, if that is `known` already, as it mostly is; whether it is.
    pub(super) fn read_beside(&mut self, bytes: &[u8], spare: &mut Spare, known: &[u8]) -> bool {
        if bytes.is_empty() {
            *self = Number::default();
            return false;
        }
        let mut reader = Reader::new(bytes);
        spare.read(&mut self.progress, &mut reader);
        let is_known = reader.rest() == known;
        if !is_known {
            self.read_rest(reader);
        }
        is_known
    }

    /// What stands behind the progress of packed bytes.
    fn read_rest(&mut self, mut reader: Reader<'_>) {
        let has_all = self.read_registrations(&mut reader);
        if reader.rest().is_empty() {
            reader = Reader::new(&PLAIN_END);
        }
        assert!(has_all && self.read_end(&mut reader), "{WRITTEN}");
    }

    /// Whether they are registrations.
    fn read_registrations(&mut self, reader: &mut Reader<'_>) -> bool {
        self.registrations.clear();
        for _ in 0..reader.length() {
            let Some(registration) = registration(reader) else { return false };
            self.registrations.push(registration);
        }
        reader.is_good()
    }

    /// Reads what is behind the registrations; whether it is that.
    fn read_end(&mut self, reader: &mut Reader<'_>) -> bool {
        self.parked = reader.small();
        self.last_record_time = Timestamp(reader.signed());
        self.known = reader.is_set();
        self.former = None;
        if reader.is_set() {
            let Ok((former, rest)) = postcard::take_from_bytes(reader.rest()) else { return false };
            (self.former, *reader) = (Some(former), Reader::new(rest));
        }
        reader.is_good()
    }

    /// The bytes of a number that differs from another in its progress only; `rest` are the bytes of that one behind it.
    pub(super) fn pack_with(progress: &Progress, rest: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.clear();
        bytes = postcard::to_extend(progress, bytes).expect("progress always serialises into memory");
        bytes.extend_from_slice(rest);
        bytes
    }

    /// Its bytes as in the state log, but for two things: none when nothing is known, and without [`PLAIN_END`] when it is
    /// plain.
    pub(super) fn pack(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.clear();
        bytes = postcard::to_extend(self, bytes).expect("a number always serialises into memory");
        let length = self.packed_of(&bytes).len();
        bytes.truncate(length);
        bytes
    }

    /// What [`Number::pack`] writes, of the bytes that the state log has of it.
    pub(super) fn packed_of<'a>(&self, logged: &'a [u8]) -> &'a [u8] {
        if self.is_vacant() {
            return &[];
        }
        let end = if self.is_plain() { &PLAIN_END[..] } else { &[] };
        logged.strip_suffix(end).expect(WRITTEN)
    }

    /// Whether there is nothing but progress and registrations.
    pub(super) fn is_plain(&self) -> bool {
        let was_parked = self.parked > 0 || self.last_record_time != Timestamp::default();
        !self.registrations.is_empty() && self.known && !was_parked && self.former.is_none()
    }

    fn is_vacant(&self) -> bool {
        self.registrations.is_empty() && !self.known && self.parked == 0 && self.progress.is_empty()
    }

    /// Whether it has one registration, and that stands: it is served from the floor on.
    pub(super) fn stands(&self) -> bool {
        matches!(&self.registrations[..], [Registration { to: None, .. }])
    }

    pub(super) fn due(&self, rules: &Rules) -> Timestamp {
        if self.parked > 0 { self.last_record_time.plus_ms(rules.settings.park_ms) } else { Timestamp::MAX }
    }

    /// The interval in which registration `index` is served.
    pub(super) fn interval(&self, index: usize) -> Interval {
        let lives = self.registrations[index..].iter().map(Life::of);
        interval(lives)
    }

    /// R19: the last time that the box of registration `index` shared the number with other shipments' boxes.
    pub(super) fn conflict(&self, index: usize) -> Option<Conflict> {
        let mine = &self.registrations[index];
        if mine.unit == UnitNo::FREIGHT || (self.registrations.len() == 1 && self.former.is_none()) {
            return None;
        }
        let standing = self.registrations.iter().filter(|r| r.unit != UnitNo::FREIGHT);
        let standing = standing.map(|r| (&r.shipment, r.entered_at, r.to));
        let former = self.former.iter().flat_map(|former| &former.0);
        let former = former.map(|tenure| (&tenure.shipment, tenure.since, Some(tenure.until)));
        let others = standing.chain(former).filter(|(shipment, ..)| **shipment != mine.shipment);
        let mut shared: SmallVec<[(Timestamp, Timestamp); 4]> = others
            .map(|(_, since, until)| {
                let ends = [mine.to, until].into_iter().flatten();
                (since.max(mine.entered_at), ends.fold(Timestamp::MAX, Timestamp::min))
            })
            .filter(|(opened, ended)| opened < ended)
            .collect();
        shared.sort_unstable();
        let joined =
            shared.into_iter().reduce(
                |(opened, ended), (next, until)| {
                    if next <= ended { (opened, ended.max(until)) } else { (next, until) }
                },
            );
        joined
            .map(|(opened, ended)| Conflict { opened, ended: Some(ended).filter(|at| *at != Timestamp::MAX) })
    }

    /// Remembers that a shipment had the number. Whether something had to be forgotten for it.
    pub(super) fn remember(&mut self, tenure: Tenure) -> bool {
        let Former(former) = &mut **self.former.get_or_insert_default();
        let at = former.partition_point(|other| *other < tenure);
        former.insert(at, tenure);
        let is_full = former.len() > FORMER_MAX;
        if is_full {
            former.remove(0);
        }
        is_full
    }

    /// Drops what registrations of retired shipments are no longer there for, and sets the floor.
    pub(super) fn registrations_changed(&mut self) {
        // A newer box took over from its own beginning on; that stays so for the older ones while they stand.
        let mut older_stands = false;
        self.registrations.retain(|r| {
            let is_box = r.unit != UnitNo::FREIGHT;
            older_stands |= is_box && !r.retired;
            !r.retired || (is_box && !r.cancelled && older_stands)
        });
        self.set_floor();
    }

    fn set_floor(&mut self) {
        match self.registrations.iter().map(|r| r.from).min() {
            Some(from) => {
                let second = from.0.div_euclid(1000) + i64::from(from.0.rem_euclid(1000) != 0);
                let floor = u32::try_from(second.max(0)).unwrap_or(u32::MAX);
                self.progress.clear_floor();
                self.progress.raise_floor(EventTime(floor));
            }
            None => self.progress.clear_floor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::fold::tests::progress;

    fn registrations() -> impl Strategy<Value = Registration> {
        let time = || (0..12_i64).prop_map(|second| Timestamp(second * 1_000));
        let id = prop_oneof![Just("FBA15DJ9SVVD".to_owned()), "[A-Z0-9]{1,40}"];
        let unit = prop_oneof![2 => 0..3_u32, 1 => Just(u32::MAX)];
        (id, unit, time(), option::of(time()), time(), any::<(u32, bool, bool)>()).prop_map(
            |(shipment, unit, from, to, entered_at, (generation, retired, cancelled))| Registration {
                shipment: ShipmentId::parse(&shipment).expect("an ID"),
                unit: UnitNo(unit),
                from,
                to,
                fc: FcId::parse("ICT2").expect("an ID"),
                entered_at,
                generation,
                retired,
                cancelled,
            },
        )
    }

    fn numbers() -> impl Strategy<Value = Number> {
        let former = vec((0..9_i64, 0..9_i64), 0..3);
        (vec(registrations(), 0..5), 0..3_u32, prop_oneof![Just(0), any::<i64>()], any::<bool>(), former)
            .prop_map(|(registrations, parked, last, known, former)| {
                let registrations = SmallVec::from_vec(registrations);
                let last_record_time = Timestamp(last);
                let known = known || !registrations.is_empty();
                let mut number =
                    Number { registrations, parked, last_record_time, known, ..Number::default() };
                for (until, since) in former.into_iter().filter(|_| known) {
                    let shipment = ShipmentId::parse("F").expect("an ID");
                    number.remember(Tenure { until: Timestamp(until), since: Timestamp(since), shipment });
                }
                number.set_floor();
                number
            })
    }

    proptest! {
        #[test]
        fn a_packed_number_is_the_number(all in vec(numbers(), 1..4), at in 0..13_u32) {
            let (mut read, mut spare) = (Number::default(), Spare::default());
            for number in &all {
                let packed = number.pack(Vec::new());
                let known = rest(&packed);
                prop_assert_eq!(read.read_beside(&packed, &mut spare, known), !number.is_vacant());
                prop_assert_eq!(&read.progress, &number.progress);
                prop_assert!(!read.read_beside(&packed, &mut spare, b"something else"));
                prop_assert!(number.is_vacant() || &read == number);
                prop_assert_eq!(read.read(&packed, &mut spare), known);
                if number.is_vacant() {
                    prop_assert_eq!((&packed[..], &read), (&[][..], &Number::default()));
                    continue;
                }
                prop_assert_eq!(&read, number);
                let end = if number.is_plain() { &PLAIN_END[..] } else { &[] };
                let logged = [&packed, end].concat();
                prop_assert_eq!(read.read_logged(&logged, &mut spare), Ok(()));
                prop_assert_eq!(&read, number);
                prop_assert_eq!(&postcard::to_stdvec(number).expect("it is written"), &logged);
                prop_assert_eq!(number.packed_of(&logged), &packed[..]);
                prop_assert_eq!(&Number::pack_with(&number.progress, rest(&packed), vec![1]), &packed);

                let serves = |index: usize| {
                    let interval = number.interval(index);
                    number.registrations[index].to.is_none() && interval.contains(EventTime(at))
                };
                let wanted = match number.registrations.len() {
                    0 if number.known => Standing::Left,
                    0 => Standing::Unknown,
                    count if (0..count).any(serves) => Standing::Serving,
                    _ => Standing::Ended,
                };
                let read = Standing::read(rest(&packed), EventTime(at));
                prop_assert_eq!(read, wanted);
                let is_after_floor = number.progress.floor().is_none_or(|floor| EventTime(at) >= floor);
                prop_assert!(!number.stands() || !is_after_floor || read == Standing::Serving);
            }
        }
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_serde_reads_it(
            before in numbers(), number in numbers(), progress in progress(12),
            harm in option::of((any::<usize>(), any::<u8>()))
        ) {
            let (mut read, mut spare) = (before, Spare::default());
            let number = Number { progress, ..number };
            let mut bytes = postcard::to_stdvec(&number).expect("serialises");
            if let Some((at, byte)) = harm {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let wanted = postcard::take_from_bytes::<Number>(&bytes);
            let skimmed = read.skim(&bytes, &mut spare);
            if let Some(stands) = skimmed {
                let (number, rest) = wanted.clone().expect("a plain number is one");
                prop_assert_eq!((number.is_plain(), number.stands(), rest), (true, stands, &[][..]));
            }
            prop_assert!(harm.is_some() || skimmed.is_some() == number.is_plain());
            match read.read_logged(&bytes, &mut spare) {
                Ok(()) => prop_assert_eq!(Ok((read, &[][..])), wanted),
                Err(why) => prop_assert!(wanted.is_err() || wanted.is_ok_and(|(_, rest)| !rest.is_empty()), "{}", why),
            }
        }
    }

    fn rest(packed: &[u8]) -> &[u8] {
        if packed.is_empty() {
            return packed;
        }
        let mut reader = Reader::new(packed);
        Spare::default().read(&mut Progress::default(), &mut reader);
        reader.rest()
    }
}
