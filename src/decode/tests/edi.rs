//! Interchanges in a storm: segments in any order, damaged bytes, and every prefix.

use std::cell::RefCell;

use proptest::prelude::*;

use super::storm::{account, damaged, runner};
use super::{World, outcome, record_time};
use crate::decode::{Decoder, Part};

const ISA: &str = "ISA*00*          *00*          *02*UPSN           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>~";

/// Segments of a 214, right and wrong.
const X12: &[&str] = &[
    "GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~",
    "GS*QM*UPSN*DOCKSIDE*261105*0915*7*X*003070~",
    "ST*214*0001~",
    "B10*0123456789*BOL778899*EXLA~",
    "LX*1~",
    "L11*1Z5R89390357567127*2I~",
    "AT7*D1*NS***20261105*0912*CT~",
    "AT7*AF*NS***261104*20*1830*CT~",
    "AT7***AB*NA*20261107*1000*CT~",
    "AT7*X1*BT***20261105~",
    "MS1*PARK CITY*KS*US*****67219~\r\n",
    "N1*ST*ICT2 INBOUND DOCK*92*ICT2~",
    "N4*PARK CITY*KS*67219*US~",
    "SE*9*0001~",
    "GE*1*7~",
    "IEA*1*000000041~",
    ISA,
];

/// Segments of an IFTSTA, right and wrong.
const EDIFACT: &[&str] = &[
    "UNG+IFTSTA+UPSN+DOCKSIDE+261105:0915+G1+UN+D:96A'",
    "UNH+1+IFTSTA:D:00B:UN'",
    "DTM+137:202611050910:203'",
    "NAD+CA+EXLA:172:20'",
    "NAD+ST+ICT2+++1 DOCK WAY+PARK CITY+KS+67219+US'",
    "CNI+1+0123456789'",
    "STS+1+21'",
    "STS+1:D:5'",
    "RFF+CW:1Z5R89390357567127'",
    "DTM+334:202611050912CST:303'",
    "DTM+132:202611080912?+0100:205'\r\n",
    "LOC+14+ICT2'",
    "FTX+AAI+++it?'s here'",
    "UNT+9+1'",
    "UNE+1+G1'",
    "UNZ+1+REF41'",
    "UNB+UNOC:3+UPSN:ZZ+DOCKSIDE:ZZ+261105:0915+REF41'",
    "UNA:+.? '",
];

/// A header, and segments behind it: mostly in the order of the list, each of them once.
fn interchange() -> impl Strategy<Value = String> {
    let of = |header: &'static str, segments: &'static [&'static str]| {
        let ordered =
            proptest::collection::vec(prop::bool::weighted(0.85), segments.len()).prop_map(|kept| {
                let order = kept.into_iter().enumerate();
                order.filter(|(_, kept)| *kept).map(|(index, _)| index).collect::<Vec<_>>()
            });
        let wild = proptest::collection::vec(0..segments.len(), 0..20);
        prop_oneof![2 => ordered, 1 => wild].prop_map(move |order| {
            let text: String = order.into_iter().map(|index| segments[index]).collect();
            format!("{header}{text}")
        })
    };
    prop_oneof![of(ISA, X12), of("UNA:+.? 'UNB+UNOC:3+UPSN+DOCKSIDE+261105:0915+REF41'", EDIFACT)]
}

#[test]
fn any_interchange_is_accounted_for() {
    let world = World::new();
    let decoder = RefCell::new(Decoder::new());
    let types = [None, None, Some(&b"application/edi-x12"[..]), Some(b"application/edifact")];
    let strategy = (
        prop_oneof![1 => interchange().prop_map(String::into_bytes), 2 => damaged(interchange())],
        prop::sample::select(types.to_vec()),
    );
    let result = runner(60_000, 11).run(&strategy, |(bytes, content_type)| {
        account(&world, &mut decoder.borrow_mut(), content_type, &bytes);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What was decoded before leaves no trace, and equal bytes mean the same twice.
#[test]
fn a_decoder_remembers_nothing() {
    let world = World::new();
    let used = RefCell::new(Decoder::new());
    let result = runner(4_000, 12).run(&damaged(interchange()), |bytes| {
        let told = |decoder: &mut Decoder| {
            let mut told = Vec::new();
            decoder.decode(&world.context(), record_time(), None, &bytes, &mut |part| {
                told.push(format!("{part:?}"))
            });
            told
        };
        prop_assert_eq!(told(&mut used.borrow_mut()), told(&mut Decoder::new()));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_prefix_and_every_byte_of_an_interchange_may_be_wrong() {
    let world = World::new();
    let mut decoder = Decoder::new();
    let x12 = format!("{ISA}{}", X12[..16].concat());
    let edifact = format!("{}{}", EDIFACT[17], EDIFACT[16]) + &EDIFACT[..16].concat();
    for text in [x12, edifact] {
        for end in 0..text.len() {
            account(&world, &mut decoder, None, &text.as_bytes()[..end]);
        }
        let mut bytes = text.into_bytes();
        for at in 0..bytes.len() {
            let good = bytes[at];
            for wrong in [0, b'*', b'~', b'+', b':', b'\'', b'?', b'\n', b'A', b'9', 0x80, 0xff] {
                bytes[at] = wrong;
                account(&world, &mut decoder, None, &bytes);
            }
            bytes[at] = good;
        }
    }
}

/// A set that is cut off is one rejection, however much of it is there; the one before it applies.
#[test]
fn sets_before_a_cut_apply_and_the_rest_is_one_rejection() {
    let world = World::new();
    let set = "ST*214*0001~B10*0123456789**EXLA~LX*1~AT7*AF*NS***20261105*0912*CT~SE*5*0001~";
    let head = format!("{ISA}GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~{set}");
    for end in 1..set.len() - "~".len() {
        let text = format!("{head}{}", &set[..end]);
        let parts: Vec<_> = outcome(&world, None, text.as_bytes())
            .into_iter()
            .filter(|part| !part.starts_with("warned"))
            .collect();
        assert_eq!(parts[0], "0 0123456789 PICKED_UP", "{end}");
        // Of `SE` no more than its tag is needed: all that it closes is there.
        if set[..end].ends_with("~SE") || set[..end].contains("~SE*") {
            assert_eq!(parts[1..], ["1 0123456789 PICKED_UP"], "{end}");
        } else if end >= "ST".len() {
            assert_eq!(parts.len(), 2, "{end}: {parts:?}");
            assert!(parts[1].starts_with("BAD_EDI 1 @") && parts[1].ends_with(&set[..end]), "{}", parts[1]);
        }
    }
}

/// Control numbers are no part of what a scan is, and a place and a reason are.
#[test]
fn a_scan_is_the_same_whatever_carries_it() {
    let world = World::new();
    let identity = |text: &str| {
        let mut id = None;
        Decoder::new().decode(&world.context(), record_time(), None, text.as_bytes(), &mut |part| {
            if let Part::Scan { scan, .. } = part {
                id = Some(scan.id);
            }
        });
        id.expect("a scan")
    };
    let text = |control: &str, time: &str, reason: &str| {
        let isa = ISA.replace("000000041", control).replace("*0915*", time);
        format!(
            "{isa}GS*QM*A*B*20261105*0915*{control}*X*004010~ST*214*{control}~B10*0123456789**EXLA~LX*1~AT7*AF*{reason}***20261105*0912*CT~SE*5*{control}~GE*1*{control}~IEA*1*{control}~"
        )
    };
    let first = identity(&text("000000041", "*0915*", "NS"));
    assert_eq!(first, identity(&text("000000042", "*1015*", "NS")));
    assert_ne!(first, identity(&text("000000041", "*0915*", "AI")));
}
