//! Histories of documents, record by record.

use dockside::edge::verify::report::Check;
use dockside::edge::verify::versions::Versions;
use dockside::model::{Partition, Topic};
use serde_json::{Value, json};

/// A page of a shipment.
fn page(version: u64, page: u32, pages: u32) -> (Topic, &'static str, Value) {
    let key = ["S", "S|2", "S|3"][page as usize - 1];
    (Topic::Shipments, key, json!({"shipment_id": "S", "version": version, "page": page, "pages": pages}))
}

/// A plan line at an FC.
fn line(fc: &'static str, version: u64) -> (Topic, &'static str, Value) {
    let key = if fc == "A1" { "A1|S" } else { "B1|S" };
    (Topic::ReceivingPlan, key, json!({"fc": fc, "shipment_id": "S", "version": version}))
}

fn gone(topic: Topic, key: &'static str) -> (Topic, &'static str, Value) {
    (topic, key, Value::Null)
}

#[test]
fn each_fault_of_a_history_is_named() {
    let plan = Topic::ReceivingPlan;
    let problem = |n: u64| (Topic::Problems, "S:X", json!({"boxes": n}));
    // What is found with the whole history, and in a compacted topic.
    type Row<'a> = (&'a str, Vec<(Topic, &'static str, Value)>, &'a [&'a str], &'a [&'a str]);
    let table: Vec<Row<'_>> = vec![
        ("nothing", vec![], &[], &[]),
        ("one page", vec![page(1, 1, 1), page(2, 1, 1)], &[], &[]),
        ("two pages", vec![page(1, 1, 2), page(1, 2, 2), page(2, 1, 2), page(2, 2, 2)], &[], &[]),
        (
            "a page that went",
            vec![page(1, 1, 2), page(1, 2, 2), page(2, 1, 1), gone(Topic::Shipments, "S|2")],
            &[],
            &[],
        ),
        ("a gap", vec![page(1, 1, 1), page(3, 1, 1)], &["version 3 follows version 1"], &[]),
        ("not from 1", vec![page(2, 1, 1)], &["version 2 follows version 0"], &[]),
        (
            "backwards",
            vec![page(1, 1, 1), page(2, 1, 1), page(1, 1, 1)],
            &["version 1 comes after version 2"],
            &["version 1 comes after version 2"],
        ),
        (
            "an old page",
            vec![page(1, 1, 2), page(1, 2, 2), page(2, 1, 2)],
            &["version 2, page 2 has 1"],
            &["version 2, page 2 has 1"],
        ),
        (
            "a page that should have gone",
            vec![page(1, 1, 2), page(1, 2, 2), page(2, 1, 1)],
            &["S|2: a page that the first one does not know"],
            &["S|2: a page that the first one does not know"],
        ),
        ("a plan", vec![line("A1", 1), line("A1", 2), gone(plan, "A1|S"), line("A1", 3)], &[], &[]),
        (
            "from one FC to another and back",
            vec![line("A1", 1), gone(plan, "A1|S"), line("B1", 2), gone(plan, "B1|S"), line("A1", 3)],
            &[],
            &[],
        ),
        (
            "a gap over two FCs",
            vec![line("A1", 1), gone(plan, "A1|S"), line("B1", 3)],
            &["S: version 3 follows version 1"],
            &[],
        ),
        (
            "one version at two FCs",
            vec![line("A1", 1), line("A1", 2), line("B1", 2)],
            &["S: version 2 is there twice"],
            &[],
        ),
        (
            "another life",
            vec![
                page(1, 1, 1),
                line("A1", 1),
                line("A1", 2),
                gone(plan, "A1|S"),
                page(2, 1, 1),
                gone(Topic::Shipments, "S"),
                page(1, 1, 1),
                line("A1", 1),
                page(2, 1, 1),
            ],
            &[],
            &[],
        ),
        (
            "another life, not from 1",
            vec![page(1, 1, 1), gone(Topic::Shipments, "S"), page(2, 1, 1)],
            &["version 2 follows version 0"],
            &[],
        ),
        ("a tombstone of nothing", vec![gone(plan, "A1|S")], &["a tombstone of what was not there"], &[]),
        ("changes and back", vec![problem(1), problem(2), problem(1)], &[], &[]),
        ("the same again", vec![problem(1), problem(1)], &["says again"], &[]),
        (
            "another's key",
            vec![(plan, "A1|T", json!({"fc": "A1", "shipment_id": "S", "version": 1}))],
            &["holds the document of A1|S"],
            &["holds the document of A1|S"],
        ),
        ("no document", vec![(plan, "A1|S", json!("words"))], &["can't be read"], &["can't be read"]),
    ];
    for (what, records, whole, compacted) in table {
        for (is_compacted, wanted) in [(false, whole), (true, compacted)] {
            let mut versions = Versions::new(Check::new("versions", 9), 1, is_compacted);
            for (offset, (topic, key, value)) in (0..).zip(&records) {
                let bytes = (!value.is_null()).then(|| value.to_string().into_bytes());
                versions.record(*topic, Partition(0), offset, key, bytes.as_deref());
            }
            let found = versions.finish(false).findings;
            let fits =
                found.len() == wanted.len() && found.iter().zip(wanted).all(|(f, word)| f.contains(word));
            assert!(fits, "{what}, compacted {is_compacted}: {wanted:?} wanted, found {found:#?}");
        }
    }
}
