//! Tables of tracking entries: CSV as people and spreadsheets write it, read as a stream.
//!
//! Enters: bytes. Leaves: an [`Upload`]: each row's cells, and the [`Row`] they make or why they make none. Always true: a byte
//! order mark, CRLF, quotes, and commas, semicolons or tabs between cells do not matter; a bad row never hides another one;
//! blank lines are no rows; what is kept has a bound in rows and in bytes.

use std::io::{BufRead, BufReader, Read};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::carriers::Catalogue;
use crate::decode::bulk::{self, Columns, ROWS_MAX, Row};

/// The most bytes of one upload.
pub const BYTES_MAX: u64 = 256 << 20;

/// A table that was read.
#[derive(Debug)]
pub struct Upload {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows, in order.
    pub rows: Vec<Line>,
    /// What the bytes are, in hex: the upload's ID when nobody gives one.
    pub digest: String,
}

/// One row.
#[derive(Debug)]
pub struct Line {
    /// Its cells, as they were written.
    pub cells: Vec<String>,
    /// What they mean, or what is wrong.
    pub row: Result<Row, String>,
}

/// Why bytes are no table.
#[derive(Debug, thiserror::Error)]
pub enum BadTable {
    /// They cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// The header is missing or lacks a column.
    #[error("row 1: {0}")]
    Header(String),
    /// There is too much of it.
    #[error("more than {0}: split it")]
    TooLarge(String),
}

/// Counts and digests the bytes that pass.
struct Watched<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        if self.bytes > BYTES_MAX {
            return Err(std::io::Error::other(BadTable::TooLarge(format!("{BYTES_MAX} bytes"))));
        }
        Ok(read)
    }
}

/// Reads a table.
pub fn read(input: impl Read, catalogue: &Catalogue) -> Result<Upload, BadTable> {
    let mut watched = Watched { inner: input, digest: Sha256::new(), bytes: 0 };
    let mut text = BufReader::with_capacity(1 << 16, &mut watched);
    let head = text.fill_buf()?;
    let bom = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let delimiter = delimiter(&head[bom..]);
    text.consume(bom);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::ByteRecord::new();
    if !next(&mut reader, &mut record)? {
        return Err(BadTable::Header(
            "there is no header, for example shipment_id,box_id,tracking_id".to_owned(),
        ));
    }
    let header = cells(&record).map_err(BadTable::Header)?;
    let columns = Columns::of(header.iter().map(String::as_str)).map_err(BadTable::Header)?;
    let mut lines: Vec<Result<Vec<String>, String>> = Vec::new();
    while next(&mut reader, &mut record)? {
        if lines.len() == ROWS_MAX {
            return Err(BadTable::TooLarge(format!("{ROWS_MAX} rows")));
        }
        lines.push(cells(&record));
    }
    drop(reader);
    let rows = lines.into_par_iter().map(|cells| line(catalogue, &columns, cells)).collect();
    let mut upload = Upload { header, rows, digest: hex(watched.digest.finalize().as_slice()) };
    let good: Vec<Option<Row>> = upload.rows.iter().map(|line| line.row.as_ref().ok().cloned()).collect();
    for (at, why) in bulk::conflicts(&good) {
        upload.rows[at].row = Err(why);
    }
    Ok(upload)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn next<R: Read>(reader: &mut csv::Reader<R>, record: &mut csv::ByteRecord) -> Result<bool, BadTable> {
    reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => BadTable::Unreadable(error),
        other => unreachable!("rows of any length and any bytes are taken: {other:?}"),
    })
}

/// The cells as text; the error is for the row.
fn cells(record: &csv::ByteRecord) -> Result<Vec<String>, String> {
    let text = |cell: &[u8]| std::str::from_utf8(cell).map(str::to_owned);
    record.iter().map(text).collect::<Result<_, _>>().map_err(|_| "it is not UTF-8".to_owned())
}

fn line(catalogue: &Catalogue, columns: &Columns, cells: Result<Vec<String>, String>) -> Line {
    match cells {
        Err(why) => Line { cells: vec![String::new(); columns.count()], row: Err(why) },
        Ok(cells) => {
            let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
            let row = bulk::row(catalogue, columns, &texts);
            Line { cells, row }
        }
    }
}

/// What stands between cells: the commonest candidate of the first line, outside of quotes.
fn delimiter(head: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            byte if !is_quoted => {
                counts.iter_mut().filter(|(sign, _)| sign == byte).for_each(|(_, count)| *count += 1)
            }
            _ => {}
        }
    }
    // Of equals the first: a comma.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(sign, _)| sign)
}

/// The rows that were refused, as a CSV that no spreadsheet runs: the cells as they came, the row's number, and why.
pub fn write_errors<'a>(
    header: &[String],
    refused: impl Iterator<Item = (usize, &'a [String], &'a str)>,
    to: impl std::io::Write,
) -> std::io::Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(to);
    let names = header.iter().map(|name| bulk::harmless(name));
    writer.write_record(names.chain(["row".to_owned(), "error".to_owned()]))?;
    for (at, cells, why) in refused {
        // A row that is short or long keeps the last two columns where they are.
        let mut cells: Vec<String> = cells.iter().map(|cell| bulk::harmless(cell)).collect();
        cells.resize(header.len(), String::new());
        cells.extend([bulk::line(at).to_string(), bulk::harmless(why)]);
        writer.write_record(cells)?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests;
