//! Commands as JSON (§4.3).
//!
//! Always true: one JSON object, with the fields of its type; a command that is to be rejected differs in one thing.

use std::io::Write;

use super::numbers::Number;
use crate::model::Timestamp;

/// A command that is being written.
#[derive(Debug)]
pub(crate) struct Text(Vec<u8>);

/// The label of box `n` (from 1) of a shipment.
pub(crate) fn box_id(shipment: Number, n: usize) -> String {
    format!("{}U{n:06}", shipment.as_str())
}

/// A box as commands describe it.
#[derive(Clone, Debug)]
pub(crate) struct NewBox {
    pub(crate) id: String,
    pub(crate) units: u64,
    pub(crate) weight_g: u64,
}

impl Text {
    /// The common fields.
    pub(crate) fn new(kind: &str, shipment: Number, number: u32) -> Text {
        let mut text = Text(Vec::with_capacity(160));
        let shipment = shipment.as_str();
        text.put(&format!(
            r#"{{"command_id":"{shipment}-{number}","type":"{kind}","shipment_id":"{shipment}""#
        ));
        text
    }

    fn put(&mut self, part: &str) {
        self.0.extend_from_slice(part.as_bytes());
    }

    /// A field with a text that needs no escapes.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Text {
        write!(self.0, r#","{name}":"{value}""#).expect("memory");
        self
    }

    /// A field with JSON.
    pub(crate) fn json(mut self, name: &str, value: &str) -> Text {
        write!(self.0, r#","{name}":{value}"#).expect("memory");
        self
    }

    /// A time, if there is one.
    pub(crate) fn time(self, name: &str, at: Option<Timestamp>) -> Text {
        match at {
            Some(at) => self.text(name, &at.to_string()),
            None => self,
        }
    }

    /// `items` of tracking: box and number, `null` to remove.
    pub(crate) fn items(mut self, items: &[(String, Option<Number>)]) -> Text {
        self.put(r#","items":"#);
        self.0.extend_from_slice(&items_json(items));
        self
    }

    /// A list of boxes.
    pub(crate) fn boxes(mut self, name: &str, boxes: &[NewBox]) -> Text {
        write!(self.0, r#","{name}":["#).expect("memory");
        for (i, new) in boxes.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let NewBox { id, units, weight_g } = new;
            write!(self.0, r#"{comma}{{"box_id":"{id}","units":{units},"weight_g":{weight_g}}}"#)
                .expect("memory");
        }
        self.put("]");
        self
    }

    /// The object, closed.
    pub(crate) fn end(mut self) -> Box<[u8]> {
        self.put("}");
        self.0.into_boxed_slice()
    }
}

/// A list of box and number as JSON.
pub(crate) fn items_json(items: &[(String, Option<Number>)]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (i, (box_id, number)) in items.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        match number {
            Some(number) => {
                let number = number.as_str();
                write!(out, r#"{comma}{{"box_id":"{box_id}","tracking_id":"{number}"}}"#)
            }
            None => write!(out, r#"{comma}{{"box_id":"{box_id}","tracking_id":null}}"#),
        }
        .expect("memory");
    }
    out.push(b']');
    out
}
