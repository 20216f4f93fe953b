//! JSON straight to bytes: how documents are written.
//!
//! Enters: documents and what they are made of. Leaves: their JSON, behind what a buffer already holds. Always true: the
//! bytes are those that serde_json writes of the same value, which a test holds, and no value fails to be written.
//!
//! serde_json asks for each name and each comma one at a time and looks through what we know to be plain. Here the name of
//! a member and what stands around it are one text, put together by the compiler, and times, numbers and names of enums
//! are copied as they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

/// What can be written as JSON.
pub trait WriteJson {
    /// Writes it behind what `out` holds.
    fn write_json(&self, out: &mut Vec<u8>);
}

/// The bytes of a value alone.
pub fn json_bytes(value: &impl WriteJson) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    value.write_json(&mut out);
    out
}

/// Writes a text that has nothing to escape.
pub(super) fn write_plain(text: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!text.iter().any(|byte| is_escaped(*byte)), "{text:?}");
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// Writes the elements between brackets.
pub fn write_list<T: WriteJson>(elements: impl IntoIterator<Item = T>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (number, element) in elements.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        element.write_json(out);
    }
    out.push(b']');
}

/// Writes the members between braces; the names have nothing to escape.
pub fn write_members<T: WriteJson>(members: impl IntoIterator<Item = (&'static str, T)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (number, (name, value)) in members.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_plain(name.as_bytes(), out);
        out.push(b':');
        value.write_json(out);
    }
    out.push(b'}');
}

/// Writes whatever serde knows, as serde_json does: for what is not written often.
pub(super) fn by_serde(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("documents always serialise into memory");
}

/// [`WriteJson`] of a struct: all of its fields in order, each under its name or the one that is given. One that is
/// forgotten does not compile.
macro_rules! write_fields {
    ($Type:ident [$($params:tt)*] [$($bounds:tt)*]
     { $first:ident $(as $first_name:literal)? $(, $field:ident $(as $name:literal)?)* }) => {
        impl $($params)* WriteJson for $Type $($bounds)* {
            fn write_json(&self, out: &mut Vec<u8>) {
                let $Type { $first $(, $field)* } = self;
                $crate::model::json::member!(out, "{", $first $($first_name)?);
                $($crate::model::json::member!(out, ",", $field $($name)?);)*
                out.push(b'}');
            }
        }
    };
}

macro_rules! member {
    ($out:ident, $before:literal, $field:ident) => {
        $out.extend_from_slice(concat!($before, "\"", stringify!($field), "\":").as_bytes());
        $field.write_json($out);
    };
    ($out:ident, $before:literal, $field:ident $name:literal) => {
        $out.extend_from_slice(concat!($before, "\"", $name, "\":").as_bytes());
        $field.write_json($out);
    };
}

/// [`WriteJson`] of enums that know their names in messages.
macro_rules! write_names {
    ($($Type:ident),*) => {
        $(impl WriteJson for $Type {
            fn write_json(&self, out: &mut Vec<u8>) {
                $crate::model::json::write_plain(self.name().as_bytes(), out);
            }
        })*
    };
}

/// [`WriteJson`] of types that are not written often.
macro_rules! write_by_serde {
    ($($Type:ident),*) => {
        $(impl WriteJson for $Type {
            fn write_json(&self, out: &mut Vec<u8>) {
                $crate::model::json::by_serde(self, out);
            }
        })*
    };
}

pub(super) use {member, write_by_serde, write_fields, write_names};

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

impl WriteJson for str {
    fn write_json(&self, out: &mut Vec<u8>) {
        // No early end: most texts are short and have nothing to escape, and so the loop is one of vectors.
        if self.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
            by_serde(&self, out);
        } else {
            write_plain(self.as_bytes(), out);
        }
    }
}

impl<T: WriteJson + ?Sized> WriteJson for &T {
    fn write_json(&self, out: &mut Vec<u8>) {
        (**self).write_json(out);
    }
}

impl WriteJson for String {
    fn write_json(&self, out: &mut Vec<u8>) {
        self.as_str().write_json(out);
    }
}

impl WriteJson for Cow<'_, str> {
    fn write_json(&self, out: &mut Vec<u8>) {
        (**self).write_json(out);
    }
}

impl WriteJson for bool {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

macro_rules! whole_numbers {
    ($($Type:ty),*) => {
        $(impl WriteJson for $Type {
            fn write_json(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        })*
    };
}

whole_numbers!(u16, u32, u64, i64);

impl WriteJson for f64 {
    fn write_json(&self, out: &mut Vec<u8>) {
        by_serde(self, out);
    }
}

impl<T: WriteJson> WriteJson for Option<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.write_json(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: WriteJson> WriteJson for [T] {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_list(self, out);
    }
}

impl<T: WriteJson> WriteJson for Vec<T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_list(self, out);
    }
}

impl<T: WriteJson> WriteJson for BTreeMap<&'static str, T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_members(self.iter().map(|(name, value)| (*name, value)), out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde::Serialize;

    use super::{WriteJson, json_bytes};
    use crate::model::*;

    /// serde_json has another opinion of each document.
    fn same(document: &(impl WriteJson + Serialize)) -> Result<(), TestCaseError> {
        let ours = String::from_utf8(json_bytes(document)).expect("JSON is text");
        prop_assert_eq!(ours, serde_json::to_string(document).expect("it serialises"));
        Ok(())
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[A-Z0-9-]{0,20}", 1 => any::<String>(), 1 => "[\\x00-\\x20\"\\\\/é]{0,9}"]
    }

    fn time() -> impl Strategy<Value = Timestamp> {
        let seconds = -62_200_000_000_i64..253_500_000_000;
        prop_oneof![
            seconds.prop_map(|second| Timestamp(second * 1_000)),
            any::<i64>().prop_map(Timestamp),
            (0..4_000_000_000_000_i64).prop_map(Timestamp),
        ]
    }

    fn source() -> impl Strategy<Value = Source> {
        let lane = select(&[Lane::Scans, Lane::Commands][..]);
        (lane, any::<u32>(), any::<u64>()).prop_map(|(lane, partition, offset)| Source {
            lane,
            partition: Partition(partition),
            offset,
        })
    }

    fn expected() -> impl Strategy<Value = Expected> {
        let source = select(&[ExpectedSource::CarrierEta, ExpectedSource::None][..]);
        (option::of(time()), option::of(time()), source, 0..=1_000_u16).prop_map(
            |(earliest, latest, source, milli)| Expected {
                earliest,
                latest,
                source,
                confidence: Milli(milli),
            },
        )
    }

    fn window() -> impl Strategy<Value = WindowView> {
        let verdict = select(&[Verdict::OnTime, Verdict::LateRisk][..]);
        (time(), time(), any::<bool>(), verdict).prop_map(|(start, end, locked, verdict)| WindowView {
            start,
            end,
            locked,
            verdict,
        })
    }

    fn milestones() -> impl Strategy<Value = MilestoneDocs> {
        let told = (time(), option::of(source())).prop_map(|(at, source)| MilestoneDoc { at, source });
        btree_map(select(&Milestone::ALL[..]), told, 0..6)
            .prop_map(|milestones| MilestoneDocs(milestones.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn a_shipment_is_written_as_serde_writes_it(
            (texts, numbers, times) in (vec(text(), 9), vec(any::<u32>(), 5), vec(time(), 3)),
            (expected, window, optional) in (expected(), option::of(window()), vec(any::<bool>(), 6)),
            boxes in vec((text(), milestones(), select(&VALIDATIONS[..]), vec(select(&Flag::ALL[..]), 0..3)), 0..4),
        ) {
            let text = |at: usize| optional[at].then(|| texts[at].as_str());
            let boxes = boxes.iter().map(|(id, milestones, validation, flags)| BoxDoc {
                box_id: id,
                units: numbers[0],
                weight_g: numbers[1],
                tracking_id: text(0),
                validation: optional[0].then_some(*validation),
                milestone: milestones.0.last().map(|(milestone, _)| milestone.name()),
                milestones: milestones.clone(),
                flags: flags.iter().map(|flag| flag.name()).collect(),
                eta: optional[1].then_some(times[0]),
            });
            same(&ShipmentDoc {
                shipment_id: &texts[6],
                account: &texts[7],
                fc: &texts[8],
                mode: Mode::Spd,
                partnered: optional[2],
                carrier: &texts[5],
                carrier_name: text(3),
                status: Status::ReadyToShip,
                created_at: times[1],
                status_since: times[2],
                freight_bill: text(4),
                bill_of_lading: text(5),
                milestone: optional[5].then(|| Milestone::Lost.name()),
                window,
                expected,
                version: u64::from(numbers[2]) << 30,
                page: numbers[3],
                pages: numbers[4],
                boxes: boxes.collect::<Vec<_>>(),
                problems: texts[..numbers[0] as usize % 4].to_vec(),
            })?;
        }

        #[test]
        fn what_else_goes_out_is_written_as_serde_writes_it(
            (texts, counts, times) in (vec(text(), 6), vec(any::<i64>(), 12), vec(option::of(time()), 4)),
            (expected, window, flag) in (expected(), option::of(window()), any::<bool>()),
            (numbers, milestones) in (vec(any::<u32>(), 4), vec(select(&Milestone::ALL[..]), 0..5)),
            (sources, rate) in (vec(source(), 0..3), 0.0..=1.0_f64),
        ) {
            same(&PlanLine {
                fc: &texts[0],
                shipment_id: &texts[1],
                version: 7,
                cause: Cause::Scan,
                mode: Mode::Ltl,
                carrier: &texts[2],
                carrier_name: flag.then_some(&texts[3]),
                partnered: flag,
                status: Status::InTransit,
                milestone: milestones.first().map(|milestone| milestone.name()),
                boxes: BoxCounts {
                    total: numbers[0],
                    tracked: numbers[1],
                    by_milestone: milestones.iter().map(|milestone| (milestone.name(), numbers[2])).collect(),
                },
                pallets: numbers[3],
                units: u64::MAX,
                weight_g: 0,
                expected,
                window,
                need_by: times[0],
                flags: Flag::ALL.map(Flag::name).to_vec(),
                occurred_at: times[1],
                caused_by: sources.iter().map(Source::to_string).collect(),
            })?;
            for kind in ProblemKind::ALL {
                same(&ProblemDoc {
                    problem_id: texts[0].as_str().into(),
                    shipment_id: &texts[1],
                    account: &texts[2],
                    fc: &texts[3],
                    kind,
                    defect: kind.is_defect(),
                    status: if flag { ProblemStatus::Open } else { ProblemStatus::Acknowledged },
                    boxes: texts.iter().map(String::as_str).collect(),
                    opened_at: times[0].unwrap_or(Timestamp(0)),
                    acknowledged_at: times[1],
                    resolved_at: times[2],
                })?;
            }
            same(&ArrivalsDoc {
                fc: &texts[0],
                day: &texts[1],
                mode: Mode::Ftl,
                shipments: counts[0],
                boxes: counts[1],
                units: counts[2],
                pallets: counts[3],
                weight_g: counts[4],
                by_band: BandCounts {
                    registered: counts[5],
                    in_transit: counts[6],
                    near: counts[7],
                    at_fc: counts[8],
                    delivered: counts[9],
                },
                late_risk: counts[10],
            })?;
            same(&AccountDoc {
                account: &texts[0],
                evaluated: counts[0],
                defective: counts[1],
                rate,
                level: Level::Elevated,
                level_since: times[0],
                restricted_until: times[1],
                unacknowledged: counts[2],
            })?;
            let remarks = [CommandRemark {
                code: CommandErrorCode::UnknownBox,
                message: texts[2].clone().into(),
                box_id: flag.then(|| texts[3].clone()),
                tracking_id: (!flag).then(|| texts[4].clone()),
                retry_after: times[2],
            }];
            same(&CommandResult {
                command_id: &texts[0],
                shipment_id: &texts[1],
                kind: CommandKind::SetFreightBill,
                outcome: if flag { Outcome::Accepted } else { Outcome::Rejected },
                errors: &remarks,
                warnings: &[],
                version: 1,
            })?;
        }
    }

    #[test]
    fn names_are_those_of_serde() {
        for mode in [Mode::Spd, Mode::Ltl, Mode::Ftl] {
            same(&mode).expect("alike");
        }
        for validation in VALIDATIONS {
            same(&validation).expect("alike");
        }
        Milestone::ALL.iter().for_each(|milestone| same(milestone).expect("alike"));
        Status::ALL.iter().for_each(|status| same(status).expect("alike"));
        ProblemKind::ALL.iter().for_each(|kind| same(kind).expect("alike"));
    }

    const VALIDATIONS: [Validation; 2] = [Validation::Valid, Validation::NotSupported];
}
