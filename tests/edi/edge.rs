//! Edge cases of interchanges, and of the times in them: a test each.
//!
//! A message on the left; on the right what it comes to, a line per part: `NUMBER MILESTONE TIME`, with `eta=` where one is
//! told; `REASON` and the segment of what is refused; `warned`.

use std::fmt::Write;

use serde_json::Value;

use super::World;

/// A 214 of one set in 004010 for one PRO; the loop's segments, with `~` behind each.
fn x12(loops: &str) -> String {
    x12_of("004010", loops)
}

fn x12_of(release: &str, loops: &str) -> String {
    let count = 4 + loops.matches('~').count();
    isa(&format!(
        "GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*{release}~ST*214*0001~B10*0123456789*BOL7*EXLA~LX*1~{loops}SE*{count}*0001~GE*1*7~"
    ))
}

fn isa(groups: &str) -> String {
    format!(
        "ISA*00*          *00*          *02*UPSN           *ZZ*DOCKSIDE       *261105*0915*U*00401*000000041*0*P*>~{groups}IEA*1*000000041~"
    )
}

/// An IFTSTA of one consignment; the segments behind its number, with `'` behind each.
fn iftsta(reference: &str, segments: &str) -> String {
    let count = 5 + segments.matches('\'').count();
    format!(
        "UNB+UNOC:3+UPSN:ZZ+DOCKSIDE:ZZ+261105:0915+{reference}'UNH+1+IFTSTA:D:00B:UN'BGM+77+DOC1+9'NAD+CA+EXLA:172:20'CNI+1+0123456789'{segments}UNT+{count}+1'UNZ+1+{reference}'"
    )
}

fn lines(message: &[u8], show: impl Fn(&Value) -> String) -> Vec<String> {
    let (parts, warnings) = World::new().shown(message);
    let parts = parts.lines().map(|line| show(&serde_json::from_str(line).expect("JSON")));
    parts.chain(warnings.lines().map(|_| "warned".to_owned())).collect()
}

fn word<'a>(part: &'a Value, name: &str) -> &'a str {
    part[name].as_str().unwrap_or("-")
}

fn came_to(message: &[u8]) -> String {
    let lines = lines(message, |part| {
        if let Some(why) = part["error"]["message"].as_str() {
            let segment = why.split_once(':').map_or(why, |(place, _)| place);
            return format!("{} {segment}", word(&part["error"], "code"));
        }
        let mut line =
            format!("{} {} {}", word(part, "tracking_id"), word(part, "milestone"), word(part, "event_time"));
        if let Some(eta) = part["eta"].as_str() {
            write!(line, " eta={eta}").expect("memory");
        }
        line
    });
    lines.join("\n")
}

/// What stands for the same event when it is told again.
fn identities(message: &str) -> Vec<String> {
    lines(message.as_bytes(), |part| word(part, "identity").to_owned())
}

macro_rules! cases {
    ($($name:ident: $message:expr => $wanted:expr;)*) => {
        $(#[test]
        fn $name() {
            let message: String = $message;
            assert_eq!(came_to(message.as_bytes()), $wanted, "{message}");
        })*
    };
}

const DELIVERED: &str = "0123456789 DELIVERED 2026-11-05T15:12:00Z";

cases! {
    fmt_1_delimiters_come_from_the_header: x12("AT7*D1*NS***20261105*0912*CT~").replace('*', "|").replace('~', "'").replace('>', "\\")
        => DELIVERED;
    fmt_1_a_line_end_is_a_terminator: x12("AT7*D1*NS***20261105*0912*CT~").replace('~', "\n") => DELIVERED;
    fmt_1_surplus_elements_are_tolerated: x12("AT7*D1*NS***20261105*0912*CT*A*B*C~MS1*PARK CITY*KS*US****X*67219*Y*Z~") => DELIVERED;
    fmt_1_a_colon_separates_components: iftsta("R1", "STS+1+21'DTM+334:202611050912CST:303'") => DELIVERED;
    fmt_1_una_says_otherwise:
        format!("UNA^|.~ #{}", iftsta("R1", "STS+1+21'DTM+334:202611050912CST:303'").replace(':', "^").replace('+', "|").replace('\'', "#"))
        => DELIVERED;
    fmt_1_a_released_terminator_is_data: iftsta("R1", "STS+1+21'DTM+334:202611050912CST:303'FTX+AAI+++THE DRIVER?'S NOTE ?+ ?: ??'")
        => format!("{DELIVERED}\nwarned");

    fmt_2_the_layout_of_003070_has_a_century: x12_of("003070", "AT7*D1*NS***261105*20*0912*CT~") => DELIVERED;
    fmt_2_wrong_counts_are_warned_of: x12("AT7*D1*NS***20261105*0912*CT~").replace("SE*5", "SE*99").replace("GE*1*7", "GE*3*8")
        => format!("{DELIVERED}\nwarned\nwarned\nwarned");
    fmt_2_several_sets: isa("GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~\
        ST*214*0001~B10*0123456789**EXLA~LX*1~AT7*AF*NS***20261104*1830*CT~SE*5*0001~\
        ST*214*0002~B10*0100000002**SAIA~LX*1~AT7*D1*NS***20261105*0912*CT~SE*5*0002~GE*2*7~")
        => "0123456789 PICKED_UP 2026-11-05T00:30:00Z\n0100000002 DELIVERED 2026-11-05T15:12:00Z";
    fmt_2_one_bad_set_alone: isa("GS*QM*UPSN*DOCKSIDE*20261105*0915*7*X*004010~\
        ST*214*0001~B10*0123456789**EXLA~LX*1~AT7*AF*NS***2026AB04*1830*CT~SE*5*0001~\
        ST*214*0002~B10*0100000002**SAIA~LX*1~AT7*D1*NS***20261105*0912*CT~SE*5*0002~GE*2*7~")
        => "BAD_EDI segment 4 (AT7), element 5\n0100000002 DELIVERED 2026-11-05T15:12:00Z";
    fmt_2_a_phantom_segment_is_skipped: x12("AT7*D1*NS***20261105*0912*CT~MS1*PARK~CITY*KS*US~") => format!("{DELIVERED}\nwarned");
    fmt_2_both_a_status_and_an_appointment: x12("AT7*D1*NS*AB*NA*20261105*0912*CT~") => format!("{DELIVERED}\nwarned");

    fmt_3_an_estimate_alone_is_no_milestone: iftsta("R1", "STS+1+21'DTM+132:202611081400CST:303'")
        => "0123456789 - 2026-11-05T09:15:00Z eta=2026-11-08T20:00:00Z";
    fmt_3_an_estimate_beside_the_event: iftsta("R1", "STS+1+31'DTM+334:202611050912CST:303'DTM+132:202611081400CST:303'")
        => "0123456789 IN_TRANSIT 2026-11-05T15:12:00Z eta=2026-11-08T20:00:00Z";

    tm_1_the_zone_of_the_place: x12("AT7*AF*NS***20261104*1830~MS1*RENO*NV*US~") => "0123456789 PICKED_UP 2026-11-05T02:30:00Z";
    tm_2_in_the_gap_the_clock_goes_forward: x12("AT7*AF*NS***20260308*0230*PT~") => "0123456789 PICKED_UP 2026-03-08T10:30:00Z";
    tm_2_of_an_overlap_the_earlier: x12("AT7*X4*NS***20261101*0130*PT~") => "0123456789 IN_TRANSIT 2026-11-01T08:30:00Z";
    tm_2_standard_time_is_exact: x12("AT7*X4*NS***20261101*0130*PS~") => "0123456789 IN_TRANSIT 2026-11-01T09:30:00Z";
    tm_2_daylight_time_is_exact: x12("AT7*X4*NS***20261101*0130*PD~") => "0123456789 IN_TRANSIT 2026-11-01T08:30:00Z";
    tm_3_a_day_alone_is_its_end: x12("AT7*AF*NS***20261104~MS1*WICHITA*KS*US~") => "0123456789 PICKED_UP 2026-11-05T05:59:59Z";
    tm_6_twenty_four_hundred_is_the_next_day: x12("AT7*AF*NS***20261104*2400*CT~") => "0123456789 PICKED_UP 2026-11-05T06:00:00Z";
    tm_6_twenty_three_sixty_is_refused: x12("AT7*AF*NS***20261104*2360*CT~") => "BAD_EDI segment 4 (AT7), element 6";
    tm_6_a_leap_second_is_the_59th: x12("AT7*AF*NS***20261104*183060*CT~") => "0123456789 PICKED_UP 2026-11-05T00:30:59Z";
    tm_6_the_29th_of_february_is_refused: x12("AT7*AF*NS***20260229*1830*CT~") => "BAD_EDI segment 4 (AT7), element 5";
    tm_6_the_century_is_the_nearest: x12_of("003040", "AT7*D1*NS***261105*0912*CT~") => DELIVERED;
}

#[test]
fn fmt_1_windows_1252_is_text() {
    let mut message = x12("AT7*D1*NS***20261105*0912*CT~MS1*M@NSTER*ND*DE~").into_bytes();
    message.iter_mut().filter(|byte| **byte == b'@').for_each(|byte| *byte = 0xdc);
    assert_eq!(lines(&message, |part| word(&part["location"], "city").to_owned()), ["MÜNSTER"]);
}

#[test]
fn fmt_2_nine_hundred_loops() {
    let mut loops = String::new();
    for number in 2..=900 {
        write!(loops, "LX*{number}~L11*PKG{number:06}*2I~AT7*AF*NS***20261104*1830*CT~").expect("memory");
    }
    let came = came_to(x12(&format!("AT7*AF*NS***20261104*1830*CT~{loops}")).as_bytes());
    let scans: Vec<&str> =
        came.lines().filter(|line| line.ends_with("PICKED_UP 2026-11-05T00:30:00Z")).collect();
    assert_eq!(scans.len(), 900);
    assert!(scans[899].starts_with("PKG000900 "), "{}", scans[899]);
}

#[test]
fn fmt_2_a_set_that_is_cut_off() {
    let whole = x12("AT7*D1*NS***20261105*0912*CT~");
    let second = "ST*214*0002~B10*0100000002**SAIA~LX*1~AT7*D1*NS***20261105*0912*CT~";
    let cut = whole.replace("GE*1*7~IEA*1*000000041~", second);
    let came = came_to(cut.as_bytes());
    let lines: Vec<&str> = came.lines().collect();
    assert_eq!(lines[0], DELIVERED, "the whole set is read");
    assert!(lines[1].starts_with("BAD_EDI "), "the rest is refused: {came}");
}

#[test]
fn fmt_3_resent_under_a_new_control_number_it_is_the_same() {
    let event = "STS+1+21'DTM+334:202611050912CST:303'";
    let [first, again] = ["R1", "R2"].map(|reference| identities(&iftsta(reference, event)));
    assert_eq!(first, again);
    let x12 = x12("AT7*D1*NS***20261105*0912*CT~");
    assert_eq!(
        identities(&x12),
        identities(&x12.replace("000000041", "000000042").replace("*0001~", "*0009~"))
    );
    let other = identities(&x12.replace("0912", "0913"));
    assert_ne!(identities(&x12), other, "another event is another one");
}
