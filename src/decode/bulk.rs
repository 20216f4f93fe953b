//! Bulk entry (R3): rows of a table become commands, one per shipment.
//!
//! Enters: the header and the rows of a table, as texts; how its cells were quoted and separated was the reader's business.
//! Leaves: for each row what is wrong with it alone or beside its neighbours, and for each shipment a command for the rows that
//! are good. Always true:
//! - a command's ID follows from the upload's and the shipment's: the same upload again gives the same commands;
//! - what only the service can know (whose boxes these are, whether the shipment takes tracking) is left to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::carriers::Catalogue;
use crate::model::{BoxId, CarrierId, CommandId, ShipmentId};

/// The most rows of one upload.
pub const ROWS_MAX: usize = 1_000_000;
/// The most rows of one shipment.
pub const SHIPMENT_ROWS_MAX: usize = 5_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Shipment,
    Box,
    Tracking,
    FreightBill,
    BillOfLading,
    Carrier,
}

/// Names of columns: letters and digits in lower case count, nothing else.
const NAMES: [(Column, &[&str]); 6] = [
    (Column::Shipment, &["shipmentid", "shipment", "fbashipmentid", "shipmentname"]),
    (Column::Box, &["boxid", "box", "boxlabel", "boxidlabel", "cartonid", "carton", "fbaboxid"]),
    (Column::Tracking, &["trackingid", "tracking", "trackingnumber", "trackingno", "trackingids"]),
    (Column::FreightBill, &["freightbill", "freightbillnumber", "pro", "pronumber"]),
    (Column::BillOfLading, &["billoflading", "bol", "bolnumber"]),
    (Column::Carrier, &["carrier", "carriercode", "scac"]),
];

/// Which column stands where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    shipment: usize,
    entry: Entry,
    carrier: Option<usize>,
    count: usize,
}

/// What the table enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// A tracking ID for each box.
    Boxes { box_id: usize, tracking: usize },
    /// A PRO for each shipment.
    FreightBills { freight_bill: usize, bill_of_lading: Option<usize> },
}

impl Columns {
    /// Reads the header, or says what is wrong with it.
    pub fn of<'a>(header: impl Iterator<Item = &'a str>) -> Result<Columns, String> {
        let mut found: Vec<(Column, usize)> = Vec::new();
        let mut count = 0;
        for (at, name) in header.enumerate() {
            count = at + 1;
            let plain: String =
                name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
            let Some((column, _)) = NAMES.iter().find(|(_, names)| names.contains(&plain.as_str())) else {
                continue;
            };
            if found.iter().any(|(known, _)| known == column) {
                return Err(format!("two columns are {}", column.name()));
            }
            found.push((*column, at));
        }
        let at = |wanted| found.iter().find(|(column, _)| *column == wanted).map(|(_, at)| *at);
        let need = |wanted: Column| at(wanted).ok_or_else(|| format!("no column is {}", wanted.name()));
        let entry = match (at(Column::Tracking), at(Column::FreightBill)) {
            (Some(_), Some(_)) => {
                return Err("a table has tracking IDs or freight bills, not both".to_owned());
            }
            (None, Some(freight_bill)) => {
                Entry::FreightBills { freight_bill, bill_of_lading: at(Column::BillOfLading) }
            }
            _ => Entry::Boxes { box_id: need(Column::Box)?, tracking: need(Column::Tracking)? },
        };
        Ok(Columns { shipment: need(Column::Shipment)?, entry, carrier: at(Column::Carrier), count })
    }

    /// How many columns a row has.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Column::Shipment => "`shipment_id`",
            Column::Box => "`box_id`",
            Column::Tracking => "`tracking_id`",
            Column::FreightBill => "`freight_bill`",
            Column::BillOfLading => "`bill_of_lading`",
            Column::Carrier => "`carrier`",
        }
    }
}

/// A row that can be entered, as far as the table alone tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose it is.
    pub shipment: ShipmentId,
    /// The box; none in a table of freight bills.
    pub box_id: Option<BoxId>,
    /// The tracking ID or the PRO, as typed.
    pub number: String,
    /// The bill of lading, as typed.
    pub bill_of_lading: Option<String>,
    /// What makes the number unique in its shipment.
    canonical: Option<String>,
}

/// Reads one row, or says what is wrong with it alone.
pub fn row(catalogue: &Catalogue, columns: &Columns, cells: &[&str]) -> Result<Row, String> {
    if cells.len() != columns.count {
        return Err(format!("{} cells, and the header has {}", cells.len(), columns.count));
    }
    let shipment = ShipmentId::parse(cells[columns.shipment].trim())
        .ok_or("`shipment_id`: 1-64 printable characters are expected")?;
    let carrier = match columns.carrier.map(|at| cells[at].trim()).filter(|code| !code.is_empty()) {
        None => None,
        Some(code) => {
            Some(catalogue.carrier(code).ok_or_else(|| format!("`carrier`: no carrier is called `{code}`"))?)
        }
    };
    match columns.entry {
        Entry::Boxes { box_id, tracking } => {
            let box_id = BoxId::parse(cells[box_id].trim())
                .ok_or("`box_id`: 1-64 printable characters are expected")?;
            let number = unscanned(cells[tracking]).to_owned();
            if number.is_empty() {
                return Err("`tracking_id`: it is missing; a table enters, and removes nothing".to_owned());
            }
            let canonical = Some(tracking_id(catalogue, carrier, &number)?);
            Ok(Row { shipment, box_id: Some(box_id), number, bill_of_lading: None, canonical })
        }
        Entry::FreightBills { freight_bill, bill_of_lading } => {
            let number = unscanned(cells[freight_bill]).to_owned();
            if number.is_empty() {
                return Err("`freight_bill`: the PRO is missing".to_owned());
            }
            if let Some(carrier) = carrier {
                catalogue.register_freight_bill(carrier, &number, true).map_err(|invalid| invalid.message)?;
            }
            let bill_of_lading =
                bill_of_lading.map(|at| cells[at].trim().to_owned()).filter(|text| !text.is_empty());
            Ok(Row { shipment, box_id: None, number, bill_of_lading, canonical: None })
        }
    }
}

/// What a scanner adds behind a label is no part of it.
fn unscanned(cell: &str) -> &str {
    cell.trim_end_matches(['\r', '\n', '\t'])
}

/// The canonical form of a tracking ID. Without a carrier only what no carrier would take is refused.
fn tracking_id(catalogue: &Catalogue, carrier: Option<CarrierId>, typed: &str) -> Result<String, String> {
    match carrier {
        Some(carrier) => {
            let registered = catalogue.register(carrier, typed, true).map_err(|invalid| invalid.message)?;
            Ok(registered.number.as_str().to_owned())
        }
        None if typed.trim() != typed => Err("`tracking_id`: blanks before or after it".to_owned()),
        None => {
            let number = catalogue.canonical(CarrierId::OTHER, typed);
            let number = number.ok_or("`tracking_id`: 1-64 printable characters are expected")?;
            Ok(number.as_str().to_owned())
        }
    }
}

/// Looks at rows beside each other: what each row is told, by its position.
pub fn conflicts(rows: &[Option<Row>]) -> BTreeMap<usize, String> {
    let mut told = BTreeMap::new();
    let mut boxes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut numbers: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        let shipment = row.shipment.as_str();
        let count = counts.entry(shipment).or_default();
        *count += 1;
        if *count > SHIPMENT_ROWS_MAX {
            told.insert(at, format!("shipment {shipment} has more than {SHIPMENT_ROWS_MAX} rows"));
            continue;
        }
        let unit = row.box_id.as_ref().map_or("", BoxId::as_str);
        if let Some(first) = boxes.get(&(shipment, unit)) {
            let what = if unit.is_empty() { format!("shipment {shipment}") } else { format!("box {unit}") };
            told.insert(at, format!("{what} stands in row {} already", line(*first)));
            continue;
        }
        boxes.insert((shipment, unit), at);
        if let Some(canonical) = &row.canonical {
            numbers.entry((shipment, canonical)).or_default().push(at);
        }
    }
    // R4: a number that two boxes share is wrong for each of them.
    for rows in numbers.into_values().filter(|rows| rows.len() > 1) {
        for at in &rows {
            let other = rows.iter().find(|other| *other != at).expect("there are two");
            let what =
                format!("a unique tracking ID is required for each box: row {} has it, too", line(*other));
            told.insert(*at, what);
        }
    }
    told
}

/// The number of a row as a person counts: the header is row 1.
pub fn line(row: usize) -> usize {
    row + 2
}

/// A command, and the rows that it enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkCommand {
    /// The shipment: the record's key.
    pub shipment: ShipmentId,
    /// Makes it repeatable.
    pub command_id: CommandId,
    /// The record.
    pub bytes: Vec<u8>,
    /// The positions of its rows.
    pub rows: Vec<usize>,
}

/// Why a command is sent again: each has another ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Only to hear what would be answered.
    DryRun,
    /// All rows.
    First,
    /// Without the rows that the service refused.
    Rest,
}

/// The commands of these rows, by shipment.
pub fn commands<'a>(
    upload_id: &str,
    attempt: Attempt,
    rows: impl Iterator<Item = (usize, &'a Row)>,
) -> Vec<BulkCommand> {
    let mut by_shipment: BTreeMap<&ShipmentId, Vec<(usize, &Row)>> = BTreeMap::new();
    for (at, row) in rows {
        by_shipment.entry(&row.shipment).or_default().push((at, row));
    }
    let command = |(shipment, rows): (&ShipmentId, Vec<(usize, &Row)>)| {
        let command_id = command_id(upload_id, attempt, shipment);
        let mut value = json!({
            "command_id": command_id.as_str(),
            "shipment_id": shipment.as_str(),
            "dry_run": attempt == Attempt::DryRun,
        });
        body(&mut value, &rows);
        let bytes = value.to_string().into_bytes();
        let rows = rows.into_iter().map(|(at, _)| at).collect();
        BulkCommand { shipment: shipment.clone(), command_id, bytes, rows }
    };
    by_shipment.into_iter().map(command).collect()
}

fn body(command: &mut Value, rows: &[(usize, &Row)]) {
    if let [(_, Row { box_id: None, number, bill_of_lading, .. }), ..] = rows {
        command["type"] = "set_freight_bill".into();
        command["freight_bill"] = number.as_str().into();
        command["bill_of_lading"] = bill_of_lading.clone().into();
        return;
    }
    let items = rows
        .iter()
        .map(|(_, row)| json!({"box_id": row.box_id.as_ref().map(BoxId::as_str), "tracking_id": row.number}));
    command["type"] = "set_tracking".into();
    command["items"] = items.collect();
}

/// Always the same for an upload, an attempt and a shipment, however long their names are.
fn command_id(upload_id: &str, attempt: Attempt, shipment: &ShipmentId) -> CommandId {
    let word = match attempt {
        Attempt::DryRun => "dry-run",
        Attempt::First => "all",
        Attempt::Rest => "rest",
    };
    let mut hash = Sha256::new();
    for part in [upload_id, word, shipment.as_str()] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    CommandId::parse(&format!("upload-{hex}")).expect("39 characters")
}

/// A cell that no spreadsheet takes for a formula.
pub fn harmless(cell: &str) -> String {
    let starts =
        |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠');
    if cell.starts_with(starts) { format!("'{cell}") } else { cell.to_owned() }
}
