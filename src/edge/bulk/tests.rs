//! Tables: what is read, what is refused, and how refusals look to a spreadsheet.

use super::*;

/// Rows as text: shipment, box, number; a refused one is its reason.
fn rows(bytes: &[u8]) -> Vec<String> {
    let upload = read(bytes, &Catalogue::embedded()).expect("a table");
    let told = upload.rows.iter().map(|line| match &line.row {
        Ok(row) => {
            let unit = row.box_id.as_ref().map_or("-", |id| id.as_str());
            format!("{} {unit} {}", row.shipment, row.number)
        }
        Err(why) => format!("! {why}"),
    });
    told.collect()
}

#[test]
fn tables_are_read_as_people_write_them() {
    let want = ["FBA1 B1 1Z5R89390357567127", "FBA1 B2 X, \"1\""];
    for (what, bytes) in [
        ("plain", "shipment_id,box_id,tracking_id\nFBA1,B1,1Z5R89390357567127\nFBA1,B2,\"X, \"\"1\"\"\"\n"),
        (
            "CRLF, no last line end",
            "shipment_id,box_id,tracking_id\r\nFBA1,B1,1Z5R89390357567127\r\nFBA1,B2,\"X, \"\"1\"\"\"",
        ),
        (
            "BOM and blank lines",
            "\u{feff}shipment_id,box_id,tracking_id\n\nFBA1,B1,1Z5R89390357567127\n\nFBA1,B2,\"X, \"\"1\"\"\"\n\n",
        ),
        (
            "semicolons",
            "shipment_id;box_id;tracking_id\nFBA1;B1;1Z5R89390357567127\nFBA1;B2;\"X, \"\"1\"\"\"\n",
        ),
        (
            "tabs",
            "shipment_id\tbox_id\ttracking_id\nFBA1\tB1\t1Z5R89390357567127\nFBA1\tB2\t\"X, \"\"1\"\"\"\n",
        ),
        (
            "other names, another order, more columns",
            "Tracking Number,Note,Shipment ID,Carton-ID\n1Z5R89390357567127,,FBA1,B1\n\"X, \"\"1\"\"\",n,FBA1,B2\n",
        ),
        (
            "blanks around IDs, a scanner's line end",
            "\"Shipment;ID\";box;tracking\n FBA1 ;B1 ;\"1Z5R89390357567127\r\n\"\nFBA1;B2;\"X, \"\"1\"\"\"\n",
        ),
    ] {
        assert_eq!(rows(bytes.as_bytes()), want, "{what}");
    }
}

#[test]
fn a_bad_row_is_told_alone() {
    let header = "shipment_id,box_id,tracking_id,carrier\n";
    for (what, text, want) in [
        ("too few cells", "F1,B1\nF1,B2,T2,\n", &["! 2 cells, and the header has 4", "F1 B2 T2"][..]),
        ("too many cells", "F1,B1,T1,,x\n", &["! 5 cells, and the header has 4"]),
        ("no shipment", ",B1,T1,\n", &["! `shipment_id`: 1-64 printable characters are expected"]),
        ("no box", "F1,,T1,\n", &["! `box_id`: 1-64 printable characters are expected"]),
        ("no such carrier", "F1,B1,T1,SNAIL\n", &["! `carrier`: no carrier is called `SNAIL`"]),
        ("blanks", "F1,B1, T1,\n", &["! `tracking_id`: blanks before or after it"]),
        ("no number", "F1,B1,,\n", &["! `tracking_id`: it is missing; a table enters, and removes nothing"]),
        ("a box twice", "F1,B1,T1,\nF1,B1,T2,\n", &["F1 B1 T1", "! box B1 stands in row 2 already"]),
        ("the same box of another shipment", "F1,B1,T1,\nF2,B1,T1,\n", &["F1 B1 T1", "F2 B1 T1"]),
        (
            "a number twice",
            "F1,B1,t1,\nF1,B2,T1,\n",
            &[
                "! a unique tracking ID is required for each box: row 3 has it, too",
                "! a unique tracking ID is required for each box: row 2 has it, too",
            ],
        ),
    ] {
        assert_eq!(rows(format!("{header}{text}").as_bytes()), want, "{what}");
    }
    let wrong = rows(format!("{header}F1,B1,1Z5R89390357567128,UPS\n").as_bytes());
    assert!(wrong[0].contains("check digit"), "{wrong:?}");
    let latin_1 = [header.as_bytes(), b"F1,B\xe9,T1,\nF1,B2,T2,\n"].concat();
    assert_eq!(rows(&latin_1), ["! it is not UTF-8", "F1 B2 T2"]);
}

#[test]
fn freight_bills_have_a_table_of_their_own() {
    let text = "shipment,PRO number,BOL,carrier\nF1,123-456,B-1,\nF1,9,,\nF2,,,\nF3,\u{1F600},,XPO\n";
    let told = rows(text.as_bytes());
    assert_eq!(
        told[..3],
        ["F1 - 123-456", "! shipment F1 stands in row 2 already", "! `freight_bill`: the PRO is missing"]
    );
    assert!(told[3].starts_with("! "), "{told:?}");
}

#[test]
fn a_table_without_its_columns_is_refused_whole() {
    for (text, why) in [
        ("", "row 1: there is no header"),
        ("\n\n", "row 1: there is no header"),
        ("a,b\n", "row 1: no column is `box_id`"),
        ("shipment,box\n", "row 1: no column is `tracking_id`"),
        ("box,tracking\n", "row 1: no column is `shipment_id`"),
        ("shipment,box,tracking,carton\n", "row 1: two columns are `box_id`"),
        ("shipment,box,tracking,pro\n", "row 1: a table has tracking IDs or freight bills, not both"),
        ("shipment,b\u{0}x,tracking", "row 1: no column is `box_id`"),
    ] {
        let error = read(text.as_bytes(), &Catalogue::embedded()).expect_err(text).to_string();
        assert!(error.starts_with(why), "{text:?}: {error}");
    }
}

#[test]
fn refusals_are_safe_to_open() {
    let cells = ["=HYPERLINK(\"http://x\")", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1", "1Z", ""]
        .map(str::to_owned);
    let header: Vec<String> = ["=a", "b", "c", "d", "e", "f", "g", "h", "i"].map(str::to_owned).to_vec();
    let mut written = Vec::new();
    write_errors(&header, [(15, &cells[..], "=why")].into_iter(), &mut written).expect("memory");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&written[..]);
    let records: Vec<Vec<String>> =
        reader.records().map(|record| record.expect("CSV").iter().map(str::to_owned).collect()).collect();
    assert_eq!(records[0][..2], ["'=a", "b"]);
    assert_eq!(records[0][9..], ["row", "error"]);
    assert_eq!(
        records[1],
        [
            "'=HYPERLINK(\"http://x\")",
            "'+1",
            "'-1",
            "'@SUM(A1)",
            "'\tx",
            "'\rx",
            "'＝1",
            "1Z",
            "",
            "17",
            "'=why"
        ]
    );
}

#[test]
fn a_hundred_thousand_rows_become_one_command_per_shipment() {
    let mut text = "shipment_id,box_id,tracking_id\n".to_owned();
    for at in 0..100_000 {
        text.push_str(&format!("FBA{:05},B{:03},T{at:08}\n", at / 200, at % 200));
    }
    let upload = read(text.as_bytes(), &Catalogue::embedded()).expect("a table");
    assert_eq!(upload.rows.len(), 100_000);
    let rows = upload.rows.iter().enumerate().map(|(at, line)| (at, line.row.as_ref().expect("good")));
    let made = bulk::commands("u", bulk::Attempt::First, rows.clone());
    assert_eq!(made.len(), 500);
    assert!(made.iter().all(|command| command.rows.len() == 200));
    let ids: std::collections::BTreeSet<_> = made.iter().map(|command| command.command_id.clone()).collect();
    assert_eq!(ids.len(), 500);
    assert_eq!(made, bulk::commands("u", bulk::Attempt::First, rows.clone()), "the same again");
    let others = bulk::commands("v", bulk::Attempt::First, rows.clone());
    assert!(others.iter().all(|command| !ids.contains(&command.command_id)), "another upload");
    let dry = bulk::commands("u", bulk::Attempt::DryRun, rows);
    assert!(dry.iter().all(|command| !ids.contains(&command.command_id)), "another attempt");
}
