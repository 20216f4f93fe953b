//! `tracking check` and `carriers`.

use serde_json::json;

use super::dockside;

const UPS: &str = "1Z5R89390357567127";

#[test]
fn a_number_is_judged() {
    let ran = dockside(&["tracking", "check", "--carrier", "UPS", UPS], "");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let check = &ran.json_lines()[0];
    assert_eq!((&check["input"], &check["canonical"]), (&json!(UPS), &json!(UPS)));
    assert_eq!((&check["carrier"], &check["verdict"]), (&json!("UPS"), &json!("VALID")));
    assert!(
        check["format"].is_string() && check["reason"].is_null() && check["candidates"].is_array(),
        "{check}"
    );
    let keys: Vec<&str> = ran.stdout.split('"').filter(|part| COLUMNS.contains(part)).collect();
    assert_eq!(keys, COLUMNS, "in the order of the contract");
}

const COLUMNS: [&str; 7] = ["input", "canonical", "carrier", "verdict", "format", "reason", "candidates"];

#[test]
fn verdicts_have_exit_codes() {
    for (args, stdin, verdicts, code) in [
        (&["--carrier", "UPS", UPS][..], "", &["VALID"][..], 0),
        (&["--carrier", "UPS", "1Z5R89390357567128"], "", &["INVALID"], 1),
        (&["--carrier", "upsn", UPS], "", &["VALID"], 0),
        (&["--carrier", "OTHER", "anything"], "", &["NOT_SUPPORTED"], 0),
        (&[UPS, "?"], "", &["VALID", "INVALID"], 1),
        (&[], UPS, &["VALID"], 0),
        (
            &["-"],
            "1Z5R89390357567127\r\nUPS\t1Z5R89390357567127\n\nACME\t5\n",
            &["VALID", "VALID", "INVALID", "INVALID"],
            1,
        ),
        (&[], "", &[], 0),
    ] {
        let ran = dockside(&[&["tracking", "check"], args].concat(), stdin);
        let lines = ran.json_lines();
        let got: Vec<&str> = lines.iter().filter_map(|line| line["verdict"].as_str()).collect();
        assert_eq!((&got[..], ran.code), (verdicts, code), "{args:?} {stdin:?}: {}", ran.stdout);
    }
}

#[test]
fn all_candidates_are_told() {
    for (number, carrier, verdict, candidates) in [
        ("123456789023", json!(null), "VALID", json!(["FEDEX", "PUROLATOR"])),
        ("777-1234567-5", json!(null), "VALID", json!(["DHL", "ODFL"])),
        ("106141411928374657", json!(null), "NOT_SUPPORTED", json!([])),
        ("hello", json!(null), "INVALID", json!([])),
    ] {
        let ran = dockside(&["tracking", "check", number], "");
        let check = &ran.json_lines()[0];
        let got = (&check["carrier"], &check["verdict"], &check["candidates"]);
        assert_eq!(got, (&carrier, &json!(verdict), &candidates), "{number}");
        assert_eq!(check["reason"].is_string(), verdict == "INVALID", "{number}: {}", check["reason"]);
    }
    let ran = dockside(&["tracking", "check", "--carrier", "UPS", "123456789023"], "");
    let reason = ran.json_lines()[0]["reason"].as_str().expect("text").to_owned();
    assert!(
        reason.ends_with("It is valid for FEDEX or PUROLATOR, which is not the selected carrier"),
        "{reason}"
    );
}

#[test]
fn there_is_one_line_out_for_each_line_in() {
    let numbers: String = (0..5000).map(|i| format!("{i}\n")).collect();
    let ran = dockside(&["tracking", "check", "-"], numbers);
    let inputs: Vec<String> =
        ran.json_lines().iter().map(|line| line["input"].as_str().expect("text").to_owned()).collect();
    assert_eq!(inputs, (0..5000).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_unknown_carrier_is_told_with_the_nearest() {
    let ran = dockside(&["tracking", "check", "--carrier", "FEDX", "1"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean FEDEX?"), "{}", ran.stderr);
    let ran = dockside(&["tracking", "check", "-"], "FEDX\t1\n");
    assert_eq!(ran.code, 1);
    assert!(
        ran.json_lines()[0]["reason"].as_str().is_some_and(|why| why.contains("FEDEX")),
        "{}",
        ran.stdout
    );
}

#[test]
fn every_format_says_the_same() {
    let check = |format: &str| dockside(&["tracking", "check", "--format", format, UPS, "?"], "");
    let array: Vec<serde_json::Value> = serde_json::from_str(&check("json").stdout).expect("JSON");
    assert_eq!(array, check("ndjson").json_lines());
    let csv = check("csv").stdout;
    assert!(
        csv.starts_with("input,canonical,carrier,verdict,format,reason,candidates\n1Z5R89390357567127,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 3);
    let text = check("text").stdout;
    assert!(text.starts_with("INPUT ") && text.contains("INVALID"), "{text}");
    assert_eq!(dockside(&["tracking", "check", "--format", "json"], "").stdout, "[]\n");
}

#[test]
fn the_catalogue_is_listed() {
    let ran = dockside(&["carriers"], "");
    assert_eq!(ran.code, 0);
    let codes: Vec<String> =
        ran.json_lines().iter().map(|line| line["code"].as_str().expect("text").to_owned()).collect();
    for code in [
        "AMAZON",
        "CANADA_POST",
        "CANPAR",
        "DHL",
        "DPD",
        "FEDEX",
        "GOFO",
        "LANDMARK",
        "LASERSHIP",
        "ODFL",
        "ONTRAC",
        "PUROLATOR",
        "S10",
        "SPEEDEE",
        "UPS",
        "USPS",
        "YODEL",
        "YUNEXPRESS",
        "XPO",
        "YRC",
        "ESTES",
        "SAIA",
        "RL",
        "ABF",
        "FEDEX_FREIGHT",
        "TFORCE",
        "OTHER",
    ] {
        assert!(codes.iter().any(|listed| listed == code), "{code} is not in {codes:?}");
    }
    assert!(dockside(&["carriers", "--format", "text"], "").stdout.contains("UPS"));
}
